"""Typed configuration: one TOML file, unknown keys refused with the line named, secrets by reference only.

TOML and not YAML: YAML reads `NO` as false and `12:30` as 750.
"""

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    WrapValidator,
    model_validator,
)

from adapters.sdk import SettingsError
from adapters.sdk.auth import Auth
from adapters.sdk.durable.server import Server, checked
from adapters.sdk.resources import PemFile
from adapters.sdk.secrets import Secret
from schema.model.clinical import FACT_TYPES

AUDIT_FILE = "audit.sqlite3"
CROSSREF_FILE = "crossref.sqlite3"


class ConfigError(Exception):
    """The configuration is wrong; the message names the place and says what to write."""


T = TypeVar("T")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def seconds(value: object) -> float:
    """Seconds from "300ms", "2s", "5m", "1h" or "7d". Raises ValueError that says so."""
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError('a duration is text with a unit: "300ms", "2s", "5m", "1h" or "7d"')
    return float(match[1]) * _UNIT_S[match[2]]


def _zone(value: object) -> ZoneInfo:
    try:
        return ZoneInfo(str(value))
    except (KeyError, ValueError, OSError):
        raise ValueError('a timezone is an IANA name such as "Europe/London"') from None


def _told(value: object, read: Callable[[object], T]) -> T:
    """What is wrong with a secret, as a mistake whose line is named."""
    try:
        return read(value)
    except SettingsError as problem:
        raise ValueError(str(problem)) from None


SecretReference = Annotated[Secret, WrapValidator(_told)]
"""`env:NAME` or `file:path`."""
AuthTable = Annotated[Auth, WrapValidator(_told)]
"""How the gateway proves who it is."""
DurationS = Annotated[float, BeforeValidator(seconds)]
"""A duration in seconds, written as text with a unit."""
Timezone = Annotated[ZoneInfo, BeforeValidator(_zone)]
"""An IANA time zone, written by name."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, hide_input_in_errors=True)


class GatewayTable(_Table):
    """`[gateway]`: where to listen and how long to wait."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    deadline: DurationS = 5.0
    """How long a caller waits who does not say; at most 30 s."""
    state_dir: Path = Path(".sherwood")
    """Where links, audit and the generated secret are kept, relative to the configuration file."""
    secret: SecretReference | None = None
    """Key of all ids and cache keys; generated into `state_dir` when left out."""
    cache_bytes: Annotated[int, Field(ge=0)] = 64 * 1024 * 1024
    """Most memory that cached answers may take."""
    searches_per_minute: Annotated[int, Field(ge=1, le=6000)] = 30
    """How many searches by name one user may make in a minute, counted by each gateway for itself."""
    connections_per_peer: Annotated[int, Field(ge=1)] = 512
    """Most connections that one address may hold; a reverse proxy is one address."""

    @model_validator(mode="after")
    def _deadline_in_range(self) -> "GatewayTable":
        if not 0 < self.deadline <= 30:
            raise ValueError('deadline is above 0 and at most "30s"')
        return self


class GraphQLTable(_Table):
    """`[graphql]`: what front ends may send, and from where."""

    allowed_origins: tuple[str, ...] = ()
    """Origins (scheme, host and port) whose pages may ask from a browser; the gateway's own pages always may."""
    trusted_documents: tuple[str, ...] = ()
    """Manifests of documents that clients may name by their id: a path, or "package:path"."""
    only_trusted: bool = False
    """Whether documents of those manifests are run and no others."""
    introspection: bool = True
    """Whether the schema may be asked for, and errors suggest names of it."""
    federation: bool = False
    """Whether a router may ask for entities: Apollo Federation 2."""
    subscriptions_per_user: Annotated[int, Field(ge=1)] = 100
    """Most subscriptions that one caller may have open in this process."""

    @model_validator(mode="after")
    def _something_is_trusted(self) -> "GraphQLTable":
        if self.only_trusted and not self.trusted_documents:
            raise ValueError("only_trusted needs trusted_documents: without a manifest nothing could be asked")
        for origin in self.allowed_origins:
            if re.fullmatch(r"https?://[^/*\s]+", origin) is None:
                raise ValueError(f'allowed_origins holds {origin!r}; write each as "https://portal.example.org"')
        return self


class Example(_Table):
    """`[[viewer.examples]]`: somebody invented, offered where a person is looked for."""

    identifier: str
    """NHS number."""
    label: str
    """Who it is, and why to look at them."""


class ViewerTable(_Table):
    """`[viewer]`: the page at `/`."""

    examples: tuple[Example, ...] = ()
    """Invented people to begin with, for a demonstration or a training system. Everybody sees the list."""


class IdentityTable(_Table):
    """`[identity]`: who knows who people are."""

    authority: str | None = None
    """Id of the source that is the identity authority (a PDS, else an MPI or PAS)."""
    store: Annotated[str, AfterValidator(checked)] | None = None
    """The PostgreSQL database of the cross-reference table; a SQLite file in `state_dir` when left out."""
    store_password: SecretReference | None = None
    store_tls: bool = False
    store_ca: PemFile | None = None
    """PEM file of the only authorities trusted for the server, instead of the system's."""

    @model_validator(mode="after")
    def _consistent(self) -> "IdentityTable":
        if self.store is None and (self.store_password is not None or self.store_tls):
            raise ValueError("store: a SQLite file has no password and no TLS")
        if self.store_ca is not None and not self.store_tls:
            raise ValueError("store_tls: write true where store_ca is given")
        return self


class TokenTable(_Table):
    """`[[access.tokens]]`: a caller with a fixed token."""

    token: SecretReference
    user: str
    role: str
    organization: str
    name: str = ""
    purposes: tuple[str, ...] = ("TREAT",)
    """HL7 v3 PurposeOfUse codes this caller may state."""
    steward: bool = False
    """Whether this caller may see what waits for a steward, and link and unlink records."""
    deny_sources: tuple[str, ...] = ()
    """Sources this caller never sees a trace of."""
    restricted: bool = False
    """Whether this caller may see what is labelled restricted (R) or very restricted (V)."""


class AccessTable(_Table):
    """`[access]`: who may ask. Without tokens only this machine may, on a loopback address."""

    tokens: tuple[TokenTable, ...] = ()


class SourceTable(_Table):
    """`[[sources]]`: one running system."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,40}$")]
    name: str
    organization: str
    adapter: str
    """An installed kind (see `sherwood adapter list`) or "module:Class"."""
    timezone: Timezone = ZoneInfo("UTC")
    """The zone of times that the source states without one."""
    timeout: Annotated[DurationS, Field(gt=0)] = 10.0
    """How long one call may run, whoever still waits for it."""
    max_concurrency: Annotated[int, Field(ge=1, le=256)] = 4
    cache_ttl: dict[str, DurationS] = Field(default_factory=dict)
    """How long an answer stays fresh, by fact type; `default` for the others ("60s" unless set)."""
    share: Literal["user", "organization", "gateway"] | None = None
    """Who may be served an answer that another asked for; the adapter's own rule when left out."""
    traced: bool = False
    """True when every NHS number of this source is known to have been traced with the authority."""
    forbids_restricted: bool = False
    """True when it may not be asked about a restricted (S-flagged) person; of some kinds that is always so."""
    auth: AuthTable | None = None
    settings: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _ttl_names(self) -> "SourceTable":
        unknown = self.cache_ttl.keys() - FACT_TYPES.keys() - {"default"}
        if unknown:
            raise ValueError(
                f"cache_ttl knows no fact type {sorted(unknown)[0]!r}; write one of {', '.join(FACT_TYPES)}"
            )
        return self

    def ttl_s(self, fact_type: str) -> float:
        """Seconds an answer of that type stays fresh."""
        return self.cache_ttl.get(fact_type, self.cache_ttl.get("default", 60.0))


class TerminologyServerTable(_Table):
    """`[terminology.server]`: a FHIR R4 terminology server that is asked about codes that no map knows."""

    base_url: str | None = None
    """Where its FHIR API begins; without it nobody is asked."""
    auth: AuthTable | None = None
    target: str = "http://snomed.info/sct"
    """The code system into which codes are translated."""
    systems: tuple[str, ...] = ()
    """Further code systems whose codes may be asked about, besides those that Sherwood knows by name."""
    wait: Annotated[DurationS, Field(ge=0)] = 0.3
    """The most that an answer waits for it."""
    timeout: Annotated[DurationS, Field(gt=0)] = 5.0
    """How long one question may run; what comes later than `wait` serves the next answer."""
    batch: Annotated[int, Field(ge=1, le=500)] = 50
    """Most codes in one question, sent as a FHIR batch."""
    max_concurrency: Annotated[int, Field(ge=1, le=64)] = 2
    cache_ttl: Annotated[DurationS, Field(gt=0)] = 86_400.0
    """How long a translation is used before it is asked for again."""
    unmapped_ttl: Annotated[DurationS, Field(gt=0)] = 3600.0
    """How long "there is no translation" is believed."""
    ca: PemFile | None = None
    """Path of a PEM file: the only authorities trusted for it, instead of the system's."""
    proxy: str | None = None


class TerminologyTable(_Table):
    """`[terminology]`: what a deployment supplies to tell which codes are the same thing."""

    medicines: str | None = None
    """A drug dictionary as a JSON list (docs/reference/configuration.md): a path, or "package:path"."""
    concept_maps: tuple[str, ...] = ()
    """FHIR ConceptMap resources as JSON: paths, patterns such as "maps/*.json", or "package:path"."""
    units: str | None = None
    """Units that are added to the delivered ones, as a TOML file (docs/reference/configuration.md)."""
    outcomes: str | None = None
    """Lines of measurements that are added to the delivered ones, as a TOML file."""
    lists: str | None = None
    """A copy of gateway/merge/terminology.toml of one's own, in place of the delivered one."""
    orders_join_courses: bool = False
    """Whether an order may be the same thing as a course, for sources whose medication list is its orders."""
    server: TerminologyServerTable = TerminologyServerTable()


class CheckTable(_Table):
    """`[check]`: the test patient that `sherwood check` asks about. Never a real one."""

    test_patient: str | None = None


class Config(_Table):
    """The whole file."""

    gateway: GatewayTable = GatewayTable()
    graphql: GraphQLTable = GraphQLTable()
    viewer: ViewerTable = ViewerTable()
    identity: IdentityTable = IdentityTable()
    access: AccessTable = AccessTable()
    terminology: TerminologyTable = TerminologyTable()
    check: CheckTable = CheckTable()
    sources: tuple[SourceTable, ...] = ()
    _folder: Path = PrivateAttr(default=Path())
    _name: str = PrivateAttr(default="configuration")
    _text: str = PrivateAttr(default="")

    @property
    def folder(self) -> Path:
        """The folder of the file: what relative paths in it are relative to."""
        return self._folder

    @property
    def state_dir(self) -> Path:
        """Where the gateway keeps what it must not forget."""
        return self._folder / self.gateway.state_dir

    @property
    def audit_path(self) -> Path:
        """The audit trail's file."""
        return self.state_dir / AUDIT_FILE

    @property
    def crossref(self) -> Path | Server:
        """Where the cross-reference table is: a file, or a database on a server."""
        table = self.identity
        if table.store is None:
            return self.state_dir / CROSSREF_FILE
        return Server(url=table.store, password=table.store_password, tls=table.store_tls, ca=table.store_ca)

    def check_secrets_and_files(self, settings: Sequence[BaseModel] = ()) -> None:
        """Raises ConfigError that names each secret and each PEM file which cannot be had, and its line.

        `settings` are those of the sources, in their order, as the adapters read them.
        """
        own = (found for number, one in enumerate(settings) for found in _looks(one, ("sources", number, "settings")))
        mistakes = []
        for place, look in (*_looks(self, ()), *own):
            try:
                look()
            except SettingsError as problem:
                mistakes.append(self.at(place, str(problem)))
        if mistakes:
            raise ConfigError("\n".join(mistakes))

    def at(self, place: Sequence[str | int], reason: str) -> str:
        """What is wrong, behind the file, the line and the key at which it is."""
        return _at(self._name, self._text, place, reason)

    @model_validator(mode="after")
    def _references(self) -> "Config":
        ids = [source.id for source in self.sources]
        twice = sorted({i for i in ids if ids.count(i) > 1})
        if twice:
            raise ValueError(f"two sources have the id {twice[0]!r}")
        if self.identity.authority is not None and self.identity.authority not in ids:
            raise ValueError(f"[identity] authority names {self.identity.authority!r}, which is no source's id")
        denied = {source for token in self.access.tokens for source in token.deny_sources}
        if strangers := sorted(denied - set(ids)):
            raise ValueError(f"[[access.tokens]] deny_sources names {strangers[0]!r}, which is no source's id")
        if self.identity.authority in denied:
            raise ValueError("[[access.tokens]] deny_sources names the identity authority, which every answer rests on")
        return self


def load(path: Path) -> Config:
    """Read a configuration file. Raises ConfigError, one line for each mistake, naming its line in the file."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({type(error).__name__}); give the file with -c") from None
    return parse(text, str(path), path.parent)


def parse(text: str, name: str = "configuration", folder: Path = Path()) -> Config:
    """Read configuration text; `name` stands before each mistake, and paths are relative to `folder`."""
    try:
        config = Config.model_validate(tomllib.loads(text), context={"folder": folder})
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name}: not TOML: {error}") from None
    except SettingsError as problem:
        raise ConfigError(f"{name}: {problem}") from None
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(name, text, mistake) for mistake in error.errors())) from None
    config._folder, config._name, config._text = folder, name, text
    return config


def _looks(value: object, place: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Callable[[], object]]]:
    """Where each secret and PEM file below is written, and what fails if it is not to be had."""
    if isinstance(value, Secret):
        yield place, value.reveal
    elif isinstance(value, PemFile) and value.read_here:
        yield place, value.check
    for key, one in _inside(value):
        yield from _looks(one, (*place, key))


def _inside(value: object) -> Iterable[tuple[str | int, object]]:
    """What stands in a table or a list, by the key that is written."""
    if isinstance(value, BaseModel):
        return ((field.alias or name, getattr(value, name)) for name, field in type(value).model_fields.items())
    if isinstance(value, dict):
        return value.items()
    return enumerate(value) if isinstance(value, tuple | list) else ()


def _explain(name: str, text: str, mistake: Mapping[str, Any]) -> str:
    place = [part for part in mistake["loc"] if not (isinstance(part, str) and part.startswith("function-"))]
    return _at(name, text, place, advice(mistake)) if place else f"{name}: {advice(mistake)}"


_ADVICE = {
    "extra_forbidden": "there is no such setting here; check the spelling",
    "missing": "this setting must be written",
    "tuple_type": 'write a list: ["..."]',
    "list_type": 'write a list: ["..."]',
    "dict_type": "write a table",
}


def advice(mistake: Mapping[str, Any]) -> str:
    """What is wrong, as pydantic found it, in the words of who writes TOML."""
    return _ADVICE.get(mistake["type"], str(mistake["msg"]).removeprefix("Value error, "))


def _at(name: str, text: str, place: Sequence[str | int], reason: str) -> str:
    return f"{name}:{line_of(text, place)}: {'.'.join(map(str, place))}: {reason}"


def line_of(text: str, place: Sequence[str | int]) -> int:
    """The line, from 1, on which a key such as ["sources", 2, "timeout"] is written; of its table when it is not."""
    header, wanted, found = 1, [str(part) for part in place], 1
    table: list[str] = []
    arrays: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if match := re.fullmatch(r"\[\[([^\]]+)\]\]\s*(?:#.*)?", stripped):
            path = match[1].strip()
            arrays[path] = arrays.get(path, -1) + 1
            table = _with_indexes(path.split("."), arrays)
        elif match := re.fullmatch(r"\[([^\]]+)\]\s*(?:#.*)?", stripped):
            table = _with_indexes(match[1].strip().split("."), arrays)
        elif match := re.match(r'"?([\w-]+)"?\s*[=.]', stripped):
            if [*table, match[1]] == wanted[: len(table) + 1] and len(wanted) > len(table):
                return number
            continue
        else:
            continue
        if table == wanted[: len(table)] and len(table) >= found - 1:
            header, found = number, len(table)
    return header


def _with_indexes(path: list[str], arrays: dict[str, int]) -> list[str]:
    """["sources", "settings"] -> ["sources", "2", "settings"] inside the third [[sources]]."""
    out: list[str] = []
    for depth, part in enumerate(path, start=1):
        out.append(part)
        index = arrays.get(".".join(path[:depth]))
        if index is not None:
            out.append(str(index))
    return out
