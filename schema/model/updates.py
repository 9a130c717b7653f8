"""What changed in somebody's record since it was last shown, and how the gateway came to know."""

from enum import Enum

from msgspec import Struct

from schema.model.view import SourceRef


class UpdateCause(Enum):
    """How the gateway came to know that what a source says has changed."""

    FEED_MESSAGE = "FEED_MESSAGE"
    """The source is one that is told things, and something about this person has arrived there."""
    LATE_ANSWER = "LATE_ANSWER"
    """The source answered after a view of this person had stopped waiting for it, and its answer is in this one."""
    ASKED_AGAIN = "ASKED_AGAIN"
    """It was asked again for this update, its earlier answer being too old, and says something else than before; or it
    cannot be heard any more, or can again."""


class RecordChange(Struct, frozen=True, kw_only=True):
    """What changed by the word of one source."""

    source: SourceRef
    cause: UpdateCause
    types: tuple[str, ...]
    """Fact types, of which each has its section."""
