"""What the resolvers call. The gateway implements these and hands them over in the GraphQL context."""

from datetime import date
from typing import Any, Protocol

from schema.model.clinical import Patient
from schema.model.stewardship import LinkDecision, Unlinked, WorkList
from schema.model.values import Identifier
from schema.model.view import (
    Discrepancy,
    EntryFilter,
    Link,
    MergedFact,
    Section,
    SourceRef,
    SourceStatus,
    TerminologyUsed,
    Timeline,
)


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
        """Every section's entries that have a time, from one day to another, once all have settled."""
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

        Raises `schema.gql.errors.QueryError`: bad input, access denied, not found, identity unresolved.
        """
        ...

    async def sources(self) -> tuple[SourceRef, ...]:
        """Every configured source that this actor may know of. Raises QueryError: access denied."""
        ...
