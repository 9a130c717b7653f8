"""Where a PostgreSQL server is and how it is spoken to, as a configuration says it."""

import ssl
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from adapters.sdk.errors import SettingsError
from adapters.sdk.secrets import Secret


class Server(Struct, frozen=True, kw_only=True):
    """A database on a server."""

    url: str
    """postgresql://user@host/database: see `checked`."""
    password: Secret | None = None
    """Read whenever a connection is made, so that a rotated one is noticed."""
    tls: bool = False
    """Speak TLS, the server's name checked against its certificate."""
    ca: str | None = None
    """Path of a PEM file: the only certificate authorities trusted for it, instead of the system's."""

    def connecting(self) -> dict[str, Any]:
        """What asyncpg's `connect` and `create_pool` take. Raises SettingsError when `ca` cannot be read."""
        where = urlsplit(self.url)
        tls: ssl.SSLContext | bool = False
        if self.tls:
            try:
                tls = ssl.create_default_context(cafile=self.ca)
            except OSError:
                raise SettingsError("store_ca cannot be read: is the path right, and is the file PEM?") from None
        return {
            "host": where.hostname,
            "port": where.port or 5432,
            "user": where.username,
            "database": where.path.strip("/"),
            "password": self.password.reveal if self.password is not None else None,
            "ssl": tls,
        }


def checked(url: str) -> str:
    """The URL of a database. Raises ValueError, which quotes nothing of it: it may hold a password."""
    try:
        parts = urlsplit(url)
        password = parts.password
        complete = parts.hostname and parts.username and parts.path.strip("/") and parts.port != 0
    except ValueError:
        raise ValueError("is not a URL") from None
    if parts.scheme != "postgresql" or not complete or parts.query or parts.fragment:
        raise ValueError("a URL names the user, the host and the database: postgresql://user@host/database")
    if password is not None:
        raise ValueError("a URL carries no password: write store_password = env:NAME or file:path")
    return url
