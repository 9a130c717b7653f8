"""What a data steward sees and decides: which record waits, whose it is, and who saw what a wrong link showed.

Nothing clinical stands here. Local ids do: they are what a steward looks up in the source.
"""

from datetime import datetime
from enum import Enum
from typing import Annotated

from msgspec import Struct

from schema.model.describe import d
from schema.model.values import Identifier
from schema.model.view import SourceRef


class LinkStanding(Enum):
    """What stands about a source's record and a person, as a steward sees it."""

    LINKED = "LINKED"
    """It is this person."""
    DOUBTED = "DOUBTED"
    """It was linked and has since contradicted the person: nothing of it is shown."""
    PRESENT_NOT_LINKED = "PRESENT_NOT_LINKED"
    """It may be this person: viewers are told that there is a record, and nothing of it."""
    HELD = "HELD"
    """Possible, or stopped by a veto: no viewer is told of it."""
    BLOCKED = "BLOCKED"
    """A person decided that it is not."""


class WorkItem(Struct, frozen=True, kw_only=True):
    """One record that waits for a steward to say whether it is a person's."""

    identifier: Annotated[Identifier, d("The person's current number.")]
    source: Annotated[SourceRef, d("The source that holds the record.")]
    local_id: Annotated[str, d("The source's own id of the record: what `link` and `unlink` take.")]
    status: Annotated[LinkStanding, d("Why it waits.")]
    grade: Annotated[str, d("How well the record matches the person (FHIR match-grade).")]
    evidence: Annotated[tuple[str, ...], d("What agreed and what differed, as codes without values.")]
    explanation: Annotated[tuple[str, ...], d("The same in words, one for each code.")]
    advice: Annotated[str, d("What to do next.")]
    since: Annotated[datetime, d("Since when it stands so.")]
    place: int
    """The event that put it on the list: its place."""


class WorkList(Struct, frozen=True, kw_only=True):
    """A part of what waits, the longest first."""

    items: tuple[WorkItem, ...]
    total: int
    """How many wait, whatever part is here."""


class LinkDecision(Struct, frozen=True, kw_only=True):
    """A steward's decision about one source's record and one person, kept for good."""

    identifier: Annotated[Identifier, d("The person's number, as it was asked about.")]
    source: Annotated[SourceRef, d("The source.")]
    local_id: Annotated[str, d("The source's own id of the record.")]
    before: Annotated[LinkStanding | None, d("What stood before; null when nothing was known of the record.")]
    status: Annotated[LinkStanding, d("What stands now.")]
    decided_by: Annotated[str, d("Who decided.")]
    reason: Annotated[str, d("Why.")]
    at: Annotated[datetime, d("When.")]


class SeenBy(Struct, frozen=True, kw_only=True):
    """Somebody to whom an answer went while a record's facts were among what it was made of, and for what purpose."""

    user: Annotated[str, d("Who.")]
    role: Annotated[str, d("In which role.")]
    organization: Annotated[str, d("For which organisation.")]
    purpose: Annotated[str, d("For what purpose: a code of HL7 v3 PurposeOfUse.")]
    first: Annotated[datetime, d("When an answer first left.")]
    last: Annotated[datetime, d("When the last one left.")]
    answers: Annotated[int, d("How many left, or parts of one.")]


class Unlinked(Struct, frozen=True, kw_only=True):
    """A decision that a record is not the person's, and who saw what it showed."""

    decision: LinkDecision
    seen_by: tuple[SeenBy, ...]
