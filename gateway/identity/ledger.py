"""What the cross-reference table is made of: its events, and what they add up to. No I/O."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import Enum

from msgspec import Struct, structs

from gateway.identity.grade import Grade

SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY, at TEXT NOT NULL, kind TEXT NOT NULL, person TEXT NOT NULL, source TEXT, local_id TEXT,
    evidence TEXT NOT NULL, rules TEXT NOT NULL, decided_by TEXT, reason TEXT NOT NULL,
    system TEXT, value TEXT, current INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS events_person ON events (person);
CREATE TRIGGER IF NOT EXISTS events_stay BEFORE UPDATE ON events BEGIN SELECT raise(ABORT, 'append-only'); END;
CREATE TRIGGER IF NOT EXISTS events_keep BEFORE DELETE ON events BEGIN SELECT raise(ABORT, 'append-only'); END;
CREATE TABLE IF NOT EXISTS links (
    source TEXT NOT NULL, local_id TEXT NOT NULL, person TEXT NOT NULL, status TEXT NOT NULL, evidence TEXT NOT NULL,
    rules TEXT NOT NULL, decided_by TEXT, reason TEXT NOT NULL, at TEXT NOT NULL, seq INTEGER NOT NULL,
    PRIMARY KEY (source, local_id, person)
) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS one_person ON links (source, local_id) WHERE status = 'LINKED';
CREATE INDEX IF NOT EXISTS links_person ON links (person);
CREATE TABLE IF NOT EXISTS identifiers (
    system TEXT NOT NULL, value TEXT NOT NULL, person TEXT NOT NULL, current INTEGER NOT NULL, seq INTEGER NOT NULL,
    PRIMARY KEY (system, value)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS identifiers_person ON identifiers (person);
"""


class LinkConflict(Exception):
    """The record is linked to somebody else."""

    code = "LINK_CONFLICT"
    issue_type = "conflict"


class StewardNeeded(Exception):
    """A decision by a person must name the person."""

    code = "STEWARD_NEEDED"
    issue_type = "required"


class EventKind(Enum):
    """What happened."""

    OBSERVE = "observe"
    """A person is known under an identifier."""
    SUPERSEDE = "supersede"
    """The authority says that two persons known here are one: the evidence names the one that ends."""
    PRESENT = "present"
    """A source has a record that may be the person."""
    HOLD = "hold"
    """A source has a record that only a steward may hear of: possible, or vetoed."""
    RELEASE = "release"
    """What was present or held has turned out to be somebody else's."""
    LINK = "link"
    UNLINK = "unlink"


class Standing(Enum):
    """What stands about a record and a person."""

    LINKED = "LINKED"
    """It is this person."""
    PRESENT_NOT_LINKED = "PRESENT_NOT_LINKED"
    """It may be this person: a viewer is told that there is a record, and nothing of it."""
    HELD = "HELD"
    """Possible, or vetoed: for a steward to look at. It changes nothing that is shown, and no viewer is told of it."""
    BLOCKED = "BLOCKED"
    """A person decided that it is not."""


GRADE = "grade:"
"""What the code of the record's own grade begins with, among the evidence of whatever the gateway found by itself."""


class Link(Struct, frozen=True, kw_only=True):
    """What stands about one local id of one source and one person."""

    source: str
    local_id: str
    person: str
    status: Standing
    evidence: tuple[str, ...]
    """Codes, never values."""
    rules: str
    """Version of the rules it was decided by."""
    decided_by: str | None
    """The steward; null when the gateway decided by itself."""
    reason: str
    at: datetime
    seq: int
    """The event that decided it."""


class Event(Struct, frozen=True, kw_only=True):
    """One thing that happened. Never changed and never removed."""

    seq: int
    at: datetime
    kind: EventKind
    person: str
    source: str | None
    local_id: str | None
    evidence: tuple[str, ...]
    rules: str
    decided_by: str | None
    reason: str
    system: str | None
    value: str | None
    current: bool


class Proposal(Struct, frozen=True, kw_only=True):
    """What the gateway found about a record by itself, to be kept."""

    source: str
    local_id: str
    person: str
    grade: Grade
    """What is to be made of it: possible for whatever is a steward's to decide, however well it grades."""
    evidence: tuple[str, ...]
    rules: str


def follows(proposal: Proposal, standing: Link | None) -> EventKind | None:
    """What the gateway's own finding makes of what stands for the pair; None when it changes nothing.

    What a person decided is never changed. A link stays until a person ends it, for the guard withholds by itself what
    no longer fits, and a link that vanished would take the facts of a record without demographics with it. What waits
    for a steward is kept up to date, and leaves the list when it turns out to be the person's or certainly not.
    """
    status = standing.status if standing is not None else None
    if standing is not None and (status is Standing.BLOCKED or standing.decided_by is not None):
        return None
    waiting = status in (Standing.PRESENT_NOT_LINKED, Standing.HELD)
    match proposal.grade:
        case Grade.CERTAIN:
            return EventKind.LINK if status is not Standing.LINKED else None
        case Grade.PROBABLE:
            return EventKind.PRESENT if status in (None, Standing.HELD) else None
        case Grade.POSSIBLE:
            told = status is Standing.HELD and standing is not None and standing.evidence == proposal.evidence
            return EventKind.HOLD if status is not Standing.LINKED and not told else None
        case Grade.CERTAINLY_NOT:
            return EventKind.RELEASE if waiting else None


Links = dict[tuple[str, str, str], Link]
"""What stands, by (source, local id, person)."""

_STATUS = {
    EventKind.LINK: Standing.LINKED,
    EventKind.PRESENT: Standing.PRESENT_NOT_LINKED,
    EventKind.HOLD: Standing.HELD,
    EventKind.UNLINK: Standing.BLOCKED,
}
_STRENGTH = (Standing.HELD, Standing.PRESENT_NOT_LINKED, Standing.LINKED, Standing.BLOCKED)


def fold(
    events: Iterable[Event], before: Mapping[tuple[str, str, str], Link] | None = None
) -> tuple[Links, dict[tuple[str | None, str | None], str]]:
    """What stands after these events, and which identifier is whose.

    When one person turns out to be another, the decisions of both stand for the one that goes on; of two about the
    same record the stronger does, and a block is the strongest.
    """
    links: Links = dict(before or {})
    identifiers: dict[tuple[str | None, str | None], str] = {}
    for event in events:
        if event.kind is EventKind.OBSERVE:
            identifiers[event.system, event.value] = event.person
        elif event.kind is EventKind.SUPERSEDE:
            _supersede(links, event)
            identifiers = {k: event.person if p in event.evidence else p for k, p in identifiers.items()}
        elif event.source is None or event.local_id is None:
            continue
        elif event.kind is EventKind.RELEASE:
            links.pop((event.source, event.local_id, event.person), None)
        else:
            links[event.source, event.local_id, event.person] = Link(
                source=event.source,
                local_id=event.local_id,
                person=event.person,
                status=_STATUS[event.kind],
                evidence=event.evidence,
                rules=event.rules,
                decided_by=event.decided_by,
                reason=event.reason,
                at=event.at,
                seq=event.seq,
            )
    return links, identifiers


def _supersede(links: Links, event: Event) -> None:
    for key in [key for key in links if key[2] in event.evidence]:
        moved = structs.replace(links.pop(key), person=event.person)
        into = (moved.source, moved.local_id, moved.person)
        links[into] = max(links.get(into, moved), moved, key=lambda link: _STRENGTH.index(link.status))
