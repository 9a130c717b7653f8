"""What the resolvers call. The gateway implements these and hands them over in the GraphQL context."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol, runtime_checkable

from schema.model.clinical import FACT_TYPES, Patient
from schema.model.journey import CareTeamMember, Timeline, TransferOfCare
from schema.model.search import PatientSearch, PatientSearchResult
from schema.model.series import ObservationSeries
from schema.model.stewardship import LinkDecision, Unlinked, WorkList
from schema.model.updates import RecordChange
from schema.model.values import Identifier
from schema.model.view import (
    Discrepancy,
    EntryFilter,
    Link,
    MergedFact,
    Section,
    SourceRef,
    SourceStatus,
    SourceVersion,
    TerminologyUsed,
)

FIELDS = {name: "patient" if kind is Patient else kind.section for name, kind in FACT_TYPES.items()}
"""Fact type -> the field of a record that shows it."""

OVER_SECTIONS: dict[str, frozenset[str]] = {
    "timeline": frozenset(FACT_TYPES) - {"Patient"},
    "discrepancies": frozenset(FACT_TYPES) - {"Patient"},
    "outcomes": frozenset({"Observation"}),
    "transfersOfCare": frozenset(
        {"ServiceRequest", "Appointment", "Encounter", "DiagnosticReport", "DocumentReference", "Communication"}
    ),
    "careTeamMembers": frozenset({"Patient", "CareTeam", "Encounter", "Appointment", "Medication", "Communication"}),
    "versions": frozenset(FACT_TYPES),
}
"""What is said over several sections, and the fact types that it is made of."""


@runtime_checkable
class PatientRecordPort(Protocol):
    """One gathered view of one person. Sections settle by themselves; awaiting one never starts a call."""

    @property
    def identifier(self) -> Identifier:
        """The authority's current number."""
        ...

    async def patient(self) -> MergedFact[Patient] | None:
        """Demographics, once every source asked has settled or the deadline has passed; None when none may be shown."""
        ...

    async def section(self, fact_type: str, entries: EntryFilter | None = None) -> Section[Any]:
        """One section, once every source in scope for it has settled or the deadline has passed."""
        ...

    async def timeline(self, since: date | None, until: date | None) -> Timeline:
        """What began, was written down or ended from one day to another, once every section has settled."""
        ...

    async def outcomes(self, codes: tuple[str, ...]) -> tuple[ObservationSeries, ...]:
        """The listed series, or those that the codes stand for, once every source of results has settled."""
        ...

    async def transfers_of_care(self) -> tuple[TransferOfCare, ...]:
        """Every referral and discharge, newest first, and what became of it, once every section has settled."""
        ...

    async def care_team_members(self) -> tuple[CareTeamMember, ...]:
        """Everybody involved, each once, with the last contact, once every section has settled."""
        ...

    async def discrepancies(self, source: str | None) -> tuple[Discrepancy, ...]:
        """What one source, or each, does not have or has differently; most important first.

        Raises QueryError: no such source.
        """
        ...

    async def links(self) -> tuple[Link, ...]:
        """What was decided about each source's record of the person."""
        ...

    async def sources(self) -> tuple[SourceStatus, ...]:
        """One status for each configured source, once all have settled or the deadline has passed."""
        ...

    async def versions(self) -> tuple[SourceVersion, ...]:
        """What each source that is asked says in each section it holds, to be compared; once all have settled."""
        ...

    async def terminology(self) -> TerminologyUsed:
        """By which lists and maps the record was merged, once every section has settled."""
        ...


class StewardPort(Protocol):
    """Decisions about identity by the caller of one request.

    Everything raises QueryError: access denied for anybody who is no steward, bad input, nothing known of the person or
    the record, linked to somebody else, or that it cannot be recorded, and then it is not done.
    """

    async def work_list(self, limit: int, after: int) -> WorkList:
        """What waits for a steward, the longest first: `limit` at most, those behind the place `after`."""
        ...

    async def link(self, identifier: Identifier, source: str, local_id: str, reason: str) -> LinkDecision:
        """Decide that the record is the person."""
        ...

    async def unlink(
        self, identifier: Identifier, source: str, local_id: str, reason: str, *, block_anyway: bool
    ) -> Unlinked:
        """Decide that it is not, and say who saw what it showed."""
        ...


@dataclass(frozen=True)
class PatientUpdate:
    """What changed in a record, and the record as it is now."""

    at: datetime
    changes: tuple[RecordChange, ...]
    patient: PatientRecordPort


class GatewayPort(Protocol):
    """The gateway, bound to one request: its actor, purpose and time of receipt."""

    @property
    def steward(self) -> StewardPort:
        """What a data steward may ask and decide."""
        ...

    async def patient(
        self, identifier: Identifier, *, birth_date: date | None, deadline_s: float | None, types: frozenset[str]
    ) -> PatientRecordPort:
        """Resolve the person, start asking every source for `types` at once, and return without waiting for them.

        Raises `schema.gql.errors.QueryError`: bad input, too many people in one request, access denied, not found,
        identity unresolved.
        """
        ...

    async def patient_updates(
        self, identifier: Identifier, *, birth_date: date | None, deadline_s: float | None, types: frozenset[str]
    ) -> AsyncIterator[PatientUpdate]:
        """The record at once, and again whenever facts of `types` have changed.

        Raises QueryError as `patient` does, now or later, and where the caller has too many; what may be seen is
        decided anew for each.
        """
        ...

    async def patients(self, search: PatientSearch, *, deadline_s: float | None) -> PatientSearchResult:
        """Who fits, of every source that can be searched, by the deadline.

        Raises `schema.gql.errors.QueryError`: bad input, a search that is too wide, access denied.
        """
        ...

    async def sources(self) -> tuple[SourceRef, ...]:
        """Every configured source that this actor may know of. Raises QueryError: access denied."""
        ...
