"""The settings of a `sql` source: which database, as whom, and which mapping file reads it."""

import re
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, ValidationInfo, field_validator, model_validator

from adapters.sdk import Settings
from adapters.sdk.resources import PemFile, beside, package_and_path
from adapters.sdk.secrets import Secret

Backend = Literal["sqlite", "postgresql", "mariadb"]

_SCHEMES: dict[str, Backend] = {
    "sqlite": "sqlite",
    "sqlite+aiosqlite": "sqlite",
    "postgresql": "postgresql",
    "postgresql+asyncpg": "postgresql",
    "mariadb": "mariadb",
    "mariadb+asyncmy": "mariadb",
    "mysql": "mariadb",
    "mysql+asyncmy": "mariadb",
}
_SQLITE = re.compile(r"(sqlite(?:\+aiosqlite)?:///)([^?#]+)")


class SqlSettings(Settings):
    """The `settings` table of a source whose `adapter` is "sql"."""

    url: str
    """The database as SQLAlchemy writes it, without a password: "postgresql://sherwood@db.example.org/carenotes"."""
    password: Secret | None = None
    """`env:NAME` or `file:path`; read whenever a connection is made."""
    mapping: str
    """The mapping file: a path, relative to the configuration file's folder, or `package:path` for one in a package."""
    # `schema` is the word of the field; pydantic's own attribute of that name is an old alias that nothing here uses.
    db_schema: str | None = Field(default=None, alias="schema", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """PostgreSQL: the schema in which unqualified tables are looked for. Elsewhere the URL says it."""
    statement_timeout: str = Field(default="5s", pattern=r"^[0-9]{1,6}(ms|s)$")
    """How long one query may run before the server is told to end it."""
    pool_size: int = Field(default=2, ge=1, le=16)
    """Connections held at most, and so queries at one time."""
    max_rows: int | None = Field(default=None, ge=1, le=1_000_000)
    """Rows read of one resource, instead of what the mapping file says; what is beyond is TRUNCATED."""
    max_bytes: int = Field(default=32 * 1024 * 1024, ge=1024)
    """Bytes read of one resource; what is beyond is TRUNCATED."""
    tls: bool = False
    """Speak TLS to the server, its name checked against its certificate."""
    ca: PemFile | None = None
    """Path of a PEM file: the only certificate authorities trusted for this source, instead of the system's."""
    check_identifier: str = "9990000018"
    """Whom `check` looks up: a test patient. The default is of the range that is never issued."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    @field_validator("url")
    @classmethod
    def _one_that_is_served(cls, url: str, info: ValidationInfo) -> str:
        try:
            parts = urlsplit(url)
            scheme, password, query = parts.scheme, parts.password, parts.query
        except ValueError:
            raise ValueError("is not a URL") from None
        if scheme not in _SCHEMES:
            raise ValueError("begin it with sqlite://, postgresql:// or mariadb://")
        if password is not None:
            raise ValueError("a URL carries no password: write password = env:NAME or file:path")
        if query:
            raise ValueError("options after '?' are not taken: use the settings")
        if _SCHEMES[scheme] != "sqlite":
            if not parts.hostname or not parts.username or not parts.path.strip("/"):
                raise ValueError("name the user, the host and the database: postgresql://user@host/database")
            return url
        found = _SQLITE.fullmatch(url)
        if found is None or ":memory:" in url:
            raise ValueError("name the file: sqlite:///relative/path.db, or sqlite:////absolute/path.db")
        return f"{found[1]}{beside(found[2], info)}"

    @field_validator("mapping")
    @classmethod
    def _from_the_configuration(cls, mapping: str, info: ValidationInfo) -> str:
        return mapping if package_and_path(mapping) is not None else beside(mapping, info)

    @model_validator(mode="after")
    def _consistent(self) -> "SqlSettings":
        if self.ca is not None and not self.tls:
            raise ValueError("write tls = true where ca is given")
        if self.backend == "sqlite" and (self.tls or self.password is not None):
            raise ValueError("a SQLite file has no password and no TLS")
        if self.backend != "postgresql" and self.db_schema is not None:
            raise ValueError("schema is for PostgreSQL: elsewhere the URL names the database")
        if self.statement_timeout_s <= 0:
            raise ValueError("statement_timeout must be above zero")
        return self

    @property
    def backend(self) -> Backend:
        """Which of the databases it is."""
        return _SCHEMES[urlsplit(self.url).scheme]

    @property
    def file(self) -> Path:
        """SQLite: the file."""
        found = _SQLITE.fullmatch(self.url)
        if found is None:
            raise ValueError("not a SQLite URL")
        return Path(found[2])

    @property
    def statement_timeout_s(self) -> float:
        """`statement_timeout` in seconds."""
        text = self.statement_timeout
        return int(text[:-2]) / 1000 if text.endswith("ms") else float(int(text[:-1]))
