"""The way of a person through care: what happened in order, what came out of what, who was seen last."""

from enum import Enum
from typing import Annotated, Any

from msgspec import Struct

from schema.model.describe import d
from schema.model.values import ContactPoint, Identifier, Period
from schema.model.view import MergedFact, SectionStatus, SourceRef
from schema.model.when import When


class Occurrence(Enum):
    """What happened to an entry at its place in the timeline."""

    HAPPENED = "HAPPENED"
    """It began or took place; where nobody says when, it was written down."""
    PLANNED = "PLANNED"
    """It was booked or meant for then: no source says that it took place, or it lay ahead when its source was asked."""
    NOT_DONE = "NOT_DONE"
    """It was to be then, and did not take place: cancelled, refused or not done."""
    MISSED = "MISSED"
    """It was to be then, and the person did not come (did not attend, no-show)."""
    RECORDED = "RECORDED"
    """It belongs to an earlier time, and a source wrote it down now."""
    ENDED = "ENDED"
    """It began earlier, and ended now."""


class JourneyLink(Struct, frozen=True, gc=False, kw_only=True):
    """That one entry came out of another."""

    entry: MergedFact[Any]
    source: SourceRef
    """Who says so, or states the number."""
    identifier: Identifier | None
    """The number that joins them; None where one source's own record refers to the other."""


class Moment(Struct, frozen=True, gc=False, kw_only=True):
    """An entry at its place in the timeline."""

    at: When
    occurrence: Occurrence
    entry: MergedFact[Any]
    follows: tuple[JourneyLink, ...] = ()

    @property
    def order(self) -> tuple[float, str]:
        """Oldest first, then by id."""
        return (self.at.earliest.timestamp(), self.entry.id)


class Timeline(Struct, frozen=True, gc=False, kw_only=True):
    """Entries of every section, oldest first, each once."""

    status: SectionStatus
    """COMPLETE when every section is, UNAVAILABLE when every section is, else PARTIAL."""
    moments: tuple[Moment, ...]
    undated: int
    """How many entries of the sections have no time at all, and so no place here."""


class Finding(Enum):
    """What a search through the sources that answered came to."""

    FOUND = "FOUND"
    """At least one is there."""
    NOT_FOUND = "NOT_FOUND"
    """None is there, every source in scope answered completely over that time, and all that could be one says what it
    is."""
    CANNOT_TELL = "CANNOT_TELL"
    """None was found, and a source was not heard, or what is there does not say what it belongs to."""


class TransferKind(Enum):
    """What kind of transfer of care it is."""

    REFERRAL = "REFERRAL"
    """A referral, or a request for a service."""
    DISCHARGE = "DISCHARGE"
    """The end of an inpatient stay."""


class TransferOfCare(Struct, frozen=True, gc=False, kw_only=True):
    """A referral or a discharge, and whether anything answers it."""

    kind: TransferKind
    entry: MergedFact[Any]
    reply: Finding
    replies: tuple[JourneyLink, ...]
    """What came out of it, over any number of steps, oldest first; each with its last step."""
    unheard: tuple[SourceRef, ...]
    """Sources in scope that did not answer completely, or began to listen after it: a reply may be there."""
    follows: tuple[JourneyLink, ...]


class Involvement(Enum):
    """How somebody came to be named as involved."""

    CARE_TEAM = "CARE_TEAM"
    """A source names them as, or in, a care team."""
    REGISTRATION = "REGISTRATION"
    """The person is registered with them."""
    CONTACT = "CONTACT"
    """They took part in a contact."""


class CareTeamMember(Struct, frozen=True, gc=False, kw_only=True):
    """Somebody involved in the person's care, over all sources."""

    name: Annotated[str | None, d("The person's or the team's name; null for an organisation.")]
    organization: Annotated[str | None, d("The organisation.")]
    roles: Annotated[tuple[str, ...], d("What sources say that they do.")]
    involvement: Annotated[tuple[Involvement, ...], d("Why they are here.")]
    telecom: Annotated[tuple[ContactPoint, ...], d("Every way to reach them that a source states.")]
    identifiers: Annotated[tuple[Identifier, ...], d("Their professional or organisation identifiers.")]
    periods: Annotated[tuple[Period, ...], d("When the teams were involved, as each source says.")]
    sources: Annotated[tuple[SourceRef, ...], d("Who names them.")]
    last_contact: MergedFact[Any] | None
    """The latest contact that took place; None with the reason in `contact`."""
    contact: Finding
    unheard: tuple[SourceRef, ...]
    """Sources in scope that did not answer completely, or began to listen after it: a later contact may be there."""
