"""The single patient view: facts with provenance, merged facts with conflicts, sections with their silences.

The gateway builds these; `schema.gql` shows them. All are immutable once made.
"""

from datetime import date, datetime
from enum import Enum
from typing import Annotated, Any, Generic, TypeVar

from msgspec import Struct

from schema.model.describe import d
from schema.model.fact import Fact, Gap
from schema.model.values import Party
from schema.model.when import When

F = TypeVar("F", bound=Fact)


class SourceRef(Struct, frozen=True, gc=False, kw_only=True):
    """A source, named."""

    id: Annotated[str, d("The source's id in this deployment's configuration.")]
    name: Annotated[str, d("Its name.")]
    organization: Annotated[str, d("The organisation that runs it.")]


class Provenance(Struct, frozen=True, gc=False, kw_only=True):
    """Who said it: the source, its own ids, and which bytes it was read from."""

    source: Annotated[SourceRef, d("The source that stated it.")]
    native_id: Annotated[str, d("The source's own id of the statement.")]
    local_patient_id: Annotated[str | None, d("The source's own id of the patient.")]
    author: Annotated[Party | None, d("Who stated it there.")]
    recorded: Annotated[When | None, d("When it was written down there.")]
    retrieved: Annotated[datetime, d("When the gateway had it from the source: the age of the answer.")]
    record_hash: Annotated[str, d("SHA-256 of the source record it was read from.")]


class SourceFact(Struct, Generic[F], frozen=True, gc=False, kw_only=True):
    """One source's own version of a fact, with its provenance."""

    id: str
    fact: F
    provenance: Provenance


class Claim(Struct, frozen=True, gc=False, kw_only=True):
    """What one source says about the thing in dispute."""

    source: Annotated[SourceRef, d("Who says so.")]
    fact_id: Annotated[str, d("Id of the source fact that says so.")]
    value: Annotated[str | None, d("What it says; null when it does not say.")]


class Conflict(Struct, frozen=True, gc=False, kw_only=True):
    """A disagreement between this merged fact and others about the same thing."""

    field: Annotated[str, d("What they disagree on.")]
    with_ids: Annotated[tuple[str, ...], d("Ids of the other merged facts.")]
    claims: Annotated[tuple[Claim, ...], d("Each claim with its source, this fact's own first.")]


class MedicationEvent(Struct, frozen=True, gc=False, kw_only=True):
    """One issue, supply or dose of a medicine."""

    when: Annotated[When, d("When it happened, as stated.")]
    source: Annotated[SourceRef, d("Who says so.")]
    entry_id: Annotated[str, d("Id of the entry that says so: of the course itself, or of the event.")]


class MedicationCourse(Struct, frozen=True, gc=False, kw_only=True):
    """What last happened under a course or an order. Null: no source states it, which does not say that it was not."""

    last_issued: Annotated[MedicationEvent | None, d("The last prescription issued: nothing was handed over by it.")]
    last_dispensed: Annotated[MedicationEvent | None, d("The last supply handed over: nothing was taken by it.")]
    last_given: Annotated[MedicationEvent | None, d("The last dose that somebody gave, or saw taken.")]


class MergedFact(Struct, Generic[F], frozen=True, gc=False, kw_only=True):
    """Facts that are the same thing. Never empty: `members` are in order of display precedence."""

    id: str
    members: tuple[SourceFact[F], ...]
    when: When | None = None
    """The clinical time that entries are ordered by: newest first, undated last, then by id."""
    conflicts: tuple[Conflict, ...] = ()
    related: tuple[str, ...] = ()
    """Ids of merged facts that may be the same or belong together: proposed, never merged."""
    course: MedicationCourse | None = None
    """Of a medicine that is authorised: what last happened under it."""

    @property
    def display(self) -> F:
        """The member shown first."""
        return self.members[0].fact


class SourceState(Enum):
    """What became of one source in this answer."""

    OK = "OK"
    """It answered completely."""
    PARTIAL = "PARTIAL"
    """It answered, and a part is missing."""
    PENDING = "PENDING"
    """It had not answered when the caller's deadline passed; it is still being waited for."""
    NOT_ASKED = "NOT_ASKED"
    """It was not asked, because of what the query asks for or of a rule that is named."""
    WITHHELD = "WITHHELD"
    """It answered that it holds something back."""
    NOT_LINKED = "NOT_LINKED"
    """It does not know the person, or knows somebody who could not be proved to be this person."""
    UNAVAILABLE = "UNAVAILABLE"
    """It is down, slow past its timeout, refusing, or gave what cannot be read."""


class CacheState(Enum):
    """Where a source's answer came from."""

    MISS = "MISS"
    """Asked now."""
    HIT = "HIT"
    """Kept from an earlier answer that is still fresh."""
    SHARED = "SHARED"
    """Joined a call that was already under way."""


class SourceStatus(Struct, frozen=True, gc=False, kw_only=True):
    """One configured source, and what became of it in this answer."""

    source: Annotated[SourceRef, d("The source.")]
    state: Annotated[SourceState, d("What became of it.")]
    code: Annotated[str | None, d("Why, as one of the documented error codes.")] = None
    issue_type: Annotated[str | None, d("Why, as a FHIR issue type.")] = None
    message: Annotated[str | None, d("Why, in words; never an identifier or a payload.")] = None
    as_of: Annotated[datetime | None, d("When its oldest part of this answer was had from it.")] = None
    complete_from: Annotated[When | None, d("The beginning of what it knows, for a source that only listens.")] = None
    latency_ms: Annotated[int | None, d("How long it took to answer, in milliseconds.")] = None
    cache: Annotated[CacheState | None, d("Whether it was asked now.")] = None
    facts: Annotated[int, d("How many of its facts are in this answer.")] = 0
    gaps: Annotated[tuple[Gap, ...], d("Every silence it explained.")] = ()


class SectionVersion(Struct, frozen=True, gc=False, kw_only=True):
    """What one source says in one section, as a short text that is another as soon as it says something else."""

    section: Annotated[str, d("The field of `PatientRecord`.")]
    state: Annotated[SourceState, d("What became of the source there.")]
    version: Annotated[str, d("Compare it with that of another answer to the same caller; nothing else is in it.")]


class SourceVersion(Struct, frozen=True, gc=False, kw_only=True):
    """By which to tell whether a source says now what it said in another answer, without asking for all of it."""

    source: Annotated[SourceRef, d("The source.")]
    sections: Annotated[tuple[SectionVersion, ...], d("Every section of which it holds anything, of whomever.")]


class SectionStatus(Enum):
    """Whether every source in scope for a section was heard."""

    COMPLETE = "COMPLETE"
    """Every source in scope was heard completely. Complete and without entries is not "none": read emptyReason."""
    PARTIAL = "PARTIAL"
    """Some were not, or held something back, or only listen and know nothing of before `sources.completeFrom`."""
    UNAVAILABLE = "UNAVAILABLE"
    """None in scope answered, and there is no entry."""


class EmptyReason(Enum):
    """Why a section has no entry, or only negative ones; of several reasons the worst, in this order."""

    UNAVAILABLE = "UNAVAILABLE"
    """A source in scope could not be heard, or not be read."""
    WITHHELD = "WITHHELD"
    """A source holds something back."""
    NOT_ASKED = "NOT_ASKED"
    """A source in scope was not asked, or its record could not be proved to be this person's."""
    NOT_RECORDED = "NOT_RECORDED"
    """The sources answered and hold nothing: that does not say that there is none."""
    NOT_HELD = "NOT_HELD"
    """No source holds such facts about this person."""
    NONE_KNOWN = "NONE_KNOWN"
    """Somebody stated that there is none, and every source in scope was heard completely."""


class SectionSource(Struct, frozen=True, gc=False, kw_only=True):
    """What became of one source for one section."""

    source: Annotated[SourceRef, d("The source.")]
    state: Annotated[SourceState, d("What became of it here.")]
    code: Annotated[str | None, d("Why, as one of the documented error codes.")] = None
    facts: Annotated[int, d("How many of its facts are in this section.")] = 0
    gaps: Annotated[tuple[Gap, ...], d("The silences it explained here, with its own codes.")] = ()
    complete_from: Annotated[When | None, d("The beginning of what it knows, for a source that only listens.")] = None

    @property
    def began(self) -> float | None:
        """When it began to listen, in seconds since 1970; None for a source that is asked."""
        return self.complete_from.earliest.timestamp() if self.complete_from is not None else None


class Section(Struct, Generic[F], frozen=True, gc=False, kw_only=True):
    """One clinical heading, settled: it never changes once made."""

    fact_type: str
    status: SectionStatus
    empty_reason: EmptyReason | None
    sources: tuple[SectionSource, ...]
    entries: tuple[MergedFact[F], ...]


class DiscrepancyKind(Enum):
    """What can be said about a source that has no part in a merged fact."""

    DIFFERS = "DIFFERS"
    """It says something else about the same thing: see the entry's conflicts."""
    NOT_FOUND = "NOT_FOUND"
    """It answered completely and has none. That does not say that it should have one."""
    CANNOT_TELL = "CANNOT_TELL"
    """Its answer is incomplete, or what it holds cannot be compared."""
    OUT_OF_SCOPE = "OUT_OF_SCOPE"
    """It does not hold such facts, or does not know the person."""
    SOURCE_UNAVAILABLE = "SOURCE_UNAVAILABLE"
    """It was not asked or has not answered."""


class Discrepancy(Struct, frozen=True, gc=False, kw_only=True):
    """What one source does not have, or has differently; or that it was not heard about a whole section."""

    kind: DiscrepancyKind
    source: SourceRef
    fact_type: str
    rank: int
    """How much it matters, 0 the most; within a rank, what is surer comes first."""
    entry: MergedFact[Any] | None = None
    """None for OUT_OF_SCOPE and SOURCE_UNAVAILABLE: they are said once of a section."""
    count: int = 1
    """How many entries it is said of."""

    @property
    def order(self) -> tuple[float, str]:
        """Most important first: by rank, then how sure it is, then by entry, section and source."""
        said = _CERTAINTY.index(self.kind)
        name = self.entry.id if self.entry is not None else self.fact_type
        return (float(self.rank * len(_CERTAINTY) + said), f"{name} {self.source.id}")


_CERTAINTY = tuple(DiscrepancyKind)


class LinkStatus(Enum):
    """What was decided about a source's local record."""

    LINKED = "LINKED"
    """It is this person."""
    PRESENT_NOT_LINKED = "PRESENT_NOT_LINKED"
    """The source has a record that may be this person; nothing of it is shown."""
    BLOCKED = "BLOCKED"
    """A person decided that it is not."""


class Link(Struct, frozen=True, gc=False, kw_only=True):
    """A decision about one source's record of this person."""

    source: Annotated[SourceRef, d("The source.")]
    status: Annotated[LinkStatus, d("What was decided.")]
    grade: Annotated[str, d("How well the record matches the reference person (FHIR match-grade).")]
    local_id: Annotated[
        str | None, d("The source's own id of the patient; null while the record is not linked: it may be another's.")
    ] = None
    evidence: Annotated[tuple[str, ...], d("What agreed and what differed, as codes without values.")] = ()
    decided_by: Annotated[str, d("'rule' for the automatic rule, otherwise who decided.")] = "rule"


class ConceptMapUsed(Struct, frozen=True, gc=False, kw_only=True):
    """A FHIR ConceptMap that this deployment has loaded."""

    name: Annotated[str, d("Its canonical URL, else its id.")]
    version: Annotated[str | None, d("Its version.")]
    date: Annotated[str | None, d("Its date as it states it.")]


class TerminologyUsed(Struct, frozen=True, gc=False, kw_only=True):
    """By which lists and maps it was decided which codes are the same thing."""

    version: Annotated[str, d("Version of the lists and thresholds of the merge rules.")]
    maps: Annotated[tuple[ConceptMapUsed, ...], d("The maps loaded.")]
    translates: Annotated[bool, d("Whether a terminology server is asked about codes that no map knows.")]
    untranslated: Annotated[
        int,
        d(
            "Codes of this record of which the terminology server had said nothing in time: facts coded with them are "
            "shown by themselves, and may be joined with others in the next answer."
        ),
    ]


class EntryFilter(Struct, frozen=True, gc=False, kw_only=True):
    """Which entries of a section to show: applied after merging, so that ids and conflicts never depend on it."""

    codes: tuple[str, ...] = ()
    category: str | None = None
    since: date | None = None
    until: date | None = None
