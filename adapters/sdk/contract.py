"""The adapter contract: the three methods by which a source joins the patient view, and two that it may offer.

    fetch   asks the source, in its own protocol, and yields its bytes: I/O and nothing else
    read    turns those bytes into facts and gaps: pure, total, and re-runnable on kept bytes
    check   proves with a real round trip that the source can be asked
    find    asks the source who has these names and this birth date (optional)
    changes says whose records have changed since it was last asked (optional; for sources that are told)

An author subclasses `Adapter`, declares what it holds, and writes the first three. Everything else (deadlines, caching,
identity, merging, access, audit) is the gateway's. See docs/tutorials/write-an-adapter.md.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable
from datetime import date, datetime
from enum import Enum
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar
from zoneinfo import ZoneInfo

from msgspec import Struct
from pydantic import BaseModel, ConfigDict

from adapters.sdk.resources import PemFile
from schema.model.fact import Fact, Gap
from schema.model.search import PatientSearch
from schema.model.values import Identifier

if TYPE_CHECKING:
    from adapters.sdk.http import HttpClient

NHS_NUMBER = "https://fhir.nhs.uk/Id/nhs-number"
"""The identifier system of the NHS number (England and Wales)."""


class DependsOn(Enum):
    """What, besides the patient, an answer of this source depends on: who may be served another's answer."""

    NOTHING = "nothing"
    PURPOSE = "purpose"
    ACTOR = "actor"


class Actor(Struct, frozen=True, kw_only=True):
    """Who is asking: what an adapter may need to tell its source."""

    user: str
    role: str
    organization: str
    name: str = ""


class Subject(Struct, frozen=True, kw_only=True):
    """The person asked about, as this source may know them."""

    identifiers: tuple[Identifier, ...]
    """Identifiers of the systems this source accepts, the authority's current number first, superseded ones after."""
    local_ids: tuple[str, ...] = ()
    """The source's own ids that a person linked. Look up by number all the same: a source may know somebody twice."""
    birth_date: date | None = None
    """From the reference person, for sources that need it in the question."""
    family: str | None = None
    given: str | None = None

    def identifier(self, system: str = NHS_NUMBER) -> str | None:
        """The first identifier value of that system, or None."""
        return next((i.value for i in self.identifiers if i.system == system), None)


class Ask(Struct, frozen=True, kw_only=True):
    """What is wanted: of whom, and which fact types. `Patient` is always among the types."""

    subjects: tuple[Subject, ...]
    types: frozenset[str]

    @property
    def subject(self) -> Subject:
        """The one subject, for adapters that do not batch."""
        (subject,) = self.subjects
        return subject


class Call(Struct, frozen=True, kw_only=True):
    """In whose name, for what purpose and until when a source is asked."""

    deadline: float
    """On the clock of `time.monotonic()`."""
    actor: Actor
    purpose: str = "TREAT"
    """HL7 v3 PurposeOfUse code."""

    def remaining_s(self) -> float:
        """Seconds left, never below zero."""
        return max(0.0, self.deadline - time.monotonic())


class SourceRecord(Struct, frozen=True, kw_only=True):
    """The bytes a source gave: self-contained, so that it can be read again later without the source."""

    kind: str
    """What the adapter's `read` needs to know to read it, such as "searchset" or "RSP^K22"."""
    types: frozenset[str]
    """The fact types this record is the source's answer to."""
    parts: tuple[bytes, ...]
    """The payload as received; several parts when the source answered in pages."""
    retrieved: datetime
    """When the last part was received (aware)."""
    truncated: bool = False
    """True when the source had more to say than could be fetched."""
    candidates: bool = False
    """True for an answer to "who has these names and this birth date": the people in it are offered, and of none does
    the source say that it is the person asked for. Somebody else among them is not a wrong answer, as it would be to a
    question by number or local id. Only demographics are in such a record."""
    media_type: str = "application/json"
    complete_from: datetime | None = None
    """When a source that only listens began to (aware): it knows nothing of before. None for one that is asked."""


class Changes(Struct, frozen=True, kw_only=True):
    """Whose records of a source have changed, up to where."""

    cursor: str
    """The source's own mark of how far this tells: given back to it with the next question."""
    subjects: tuple[Subject, ...] = ()
    """By every local id and identifier under which the source knows each; what changed is read by asking."""


class Health(Struct, frozen=True, kw_only=True):
    """The outcome of a check: it worked, and what was learned."""

    detail: str
    warnings: tuple[str, ...] = ()


class Settings(BaseModel):
    """Base of every adapter's own settings: unknown keys are refused, and no error quotes what was written."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class HttpSettings(Settings):
    """Base of the settings of a kind that `uses_http`: the gateway makes `source.http` from these."""

    base_url: str
    """Where the source's API begins, such as "https://epr.example.org/fhir"."""
    allowed_origins: tuple[str, ...] = ()
    """Further origins that links in answers may point to; all others are refused."""
    max_bytes: int = 32 * 1024 * 1024
    """Decoded bytes of one answer; more is refused."""
    ca: PemFile | None = None
    """Path of a PEM file: the only certificate authorities trusted for this source, instead of the system's."""
    proxy: str | None = None
    """The forward proxy to go through, such as "http://proxy.example.org:3128"."""


S = TypeVar("S", bound=Settings)


class Source(Struct, Generic[S], frozen=True, kw_only=True):
    """The configured source that an adapter instance serves."""

    id: str
    name: str
    organization: str
    timezone: ZoneInfo
    settings: S
    timeout_s: float = 10.0
    http: "HttpClient | None" = None
    """Ready with the configured authentication, for kinds that declare `uses_http`."""


class Adapter(ABC, Generic[S]):
    """One source, asked in its own protocol.

    Class attributes declare, once, what the gateway needs to know; they may be narrowed per instance by assigning in
    `__init__` where settings decide.
    """

    kind: ClassVar[str]
    """The entry-point name."""
    settings_model: ClassVar[type[Settings]]
    """The pydantic model of the `settings` table."""
    uses_http: ClassVar[bool] = False
    """True when the adapter wants `source.http`."""
    types: frozenset[str]
    """The fact types this source holds; anything else is NOT_HELD without being asked."""
    identifier_systems: frozenset[str] = frozenset({NHS_NUMBER})
    """The identifier systems this source can be asked by."""
    answer_depends_on: DependsOn = DependsOn.ACTOR
    forbids_restricted: bool = False
    """True when this source must not be asked about a restricted (S-flagged) patient."""
    search_needs: frozenset[str] | None = None
    """The fields of `PatientSearch` without which the source cannot be searched; None when it cannot be at all."""
    tells_changes: bool = False
    """True when `changes` can be asked, every second and for next to nothing: a source that is told things and keeps
    them does so; one that would have to be asked about everybody does not."""

    def __init__(self, source: Source[S]) -> None:
        self.source = source
        self.settings = source.settings

    @property
    def http(self) -> "HttpClient":
        """The HTTP client, with this source's origin and authentication built in."""
        if self.source.http is None:
            raise RuntimeError(f"adapter kind {self.kind!r} must declare uses_http = True")
        return self.source.http

    @abstractmethod
    def fetch(self, ask: Ask, call: Call) -> AsyncIterator[SourceRecord]:
        """Ask the source and yield what it answers, record by record, as it comes.

        Raises a `SourceError` when the source fails; records already yielded are kept. A source that answers "I do
        not know this person" is not an error: yield its answer and let `read` say so with a gap.
        """

    @abstractmethod
    def read(self, record: SourceRecord) -> Iterable[Fact | Gap]:
        """Turn one record into facts and gaps; no I/O, no clock, no state.

        Every type in `record.types` ends in at least one fact or gap. A `Patient` fact with the demographics comes
        with every subject: without it nothing of that subject is shown. A bad row becomes a gap, the others stay.
        Raises `SourceInvalid` when the record as a whole is not what the protocol says.
        """

    @abstractmethod
    async def check(self, call: Call) -> Health:
        """A real round trip. Raises a `SourceError` that says who must act."""

    def find(self, search: PatientSearch, call: Call) -> AsyncIterator[SourceRecord]:
        """Ask who fits, and yield records of demographics alone, each marked as `candidates`; `read` reads them.

        Called only where `search_needs` are stated. Asks for as much of the search as the source's protocol can say,
        never for more people than that: the gateway leaves out whoever does not fit. When more fit than the source
        gives, the record is `truncated`. Nobody is an answer: yield it. Raises a `SourceError` as `fetch` does.
        """
        raise NotImplementedError("an adapter that declares search_needs writes find")

    async def changes(self, after: str | None, call: Call) -> Changes:
        """Whose records have changed since the cursor `after`; since now, and so nobody's, when it is None.

        Called only where `tells_changes`. What is told has been committed: `fetch` gives it. Somebody may be told
        whose record is as it was, and nobody whose record changed is left out; when there are many, some at a time.
        In whose name the call is made is nobody's. Raises a `SourceError` as `fetch` does, and SourceRequest when it
        does not know the cursor: it is then asked with None, and everything about this source counts as changed.
        """
        raise NotImplementedError("an adapter that declares tells_changes writes changes")

    async def close(self) -> None:
        """Release connections. The default has none."""
        return
