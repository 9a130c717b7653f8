"""What the cross-reference table is made of: its events, and what they add up to. No I/O."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import Enum

from msgspec import Struct, structs

from gateway.identity.grade import Grade
from schema.model.view import LinkStatus

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
    LINK = "link"
    UNLINK = "unlink"


class Link(Struct, frozen=True, kw_only=True):
    """What stands about one local id of one source and one person."""

    source: str
    local_id: str
    person: str
    status: LinkStatus
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
    evidence: tuple[str, ...]
    rules: str


Standing = dict[tuple[str, str, str], Link]
"""What stands, by (source, local id, person)."""

_STATUS = {
    EventKind.LINK: LinkStatus.LINKED,
    EventKind.PRESENT: LinkStatus.PRESENT_NOT_LINKED,
    EventKind.UNLINK: LinkStatus.BLOCKED,
}
_STRENGTH = (LinkStatus.PRESENT_NOT_LINKED, LinkStatus.LINKED, LinkStatus.BLOCKED)


def fold(
    events: Iterable[Event], before: Mapping[tuple[str, str, str], Link] | None = None
) -> tuple[Standing, dict[tuple[str | None, str | None], str]]:
    """What stands after these events, and which identifier is whose.

    When one person turns out to be another, the decisions of both stand for the one that goes on; of two about the
    same record the stronger does, and a block is the strongest.
    """
    links: Standing = dict(before or {})
    identifiers: dict[tuple[str | None, str | None], str] = {}
    for event in events:
        if event.kind is EventKind.OBSERVE:
            identifiers[event.system, event.value] = event.person
        elif event.kind is EventKind.SUPERSEDE:
            _supersede(links, event)
            identifiers = {k: event.person if p in event.evidence else p for k, p in identifiers.items()}
        elif event.source is not None and event.local_id is not None:
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


def _supersede(links: Standing, event: Event) -> None:
    for key in [key for key in links if key[2] in event.evidence]:
        moved = structs.replace(links.pop(key), person=event.person)
        into = (moved.source, moved.local_id, moved.person)
        links[into] = max(links.get(into, moved), moved, key=lambda link: _STRENGTH.index(link.status))
