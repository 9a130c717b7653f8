"""What the cross-reference table is made of: its events, and what they add up to. No I/O."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from enum import Enum

from msgspec import Struct, structs

from gateway.identity.grade import Grade


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
    RESTRICT = "restrict"
    """The authority restricts the person (S-flag)."""
    UNRESTRICT = "unrestrict"
    """It restricts them no longer."""
    PRESENT = "present"
    """A source has a record that may be the person."""
    HOLD = "hold"
    """A source has a record that only a steward may hear of: possible, or vetoed."""
    RELEASE = "release"
    """What was present or held has turned out to be somebody else's."""
    LINK = "link"
    DOUBT = "doubt"
    """A linked record has come with demographics that contradict the person."""
    CONFIRM = "confirm"
    """A doubted one has come with demographics that grade certain."""
    UNLINK = "unlink"


class Standing(Enum):
    """What stands about a record and a person."""

    LINKED = "LINKED"
    """It is this person."""
    DOUBTED = "DOUBTED"
    """It was linked, and has since contradicted the person. Nothing of it is shown until it grades certain again, or a
    person decides; nor may it be linked to anybody else."""
    PRESENT_NOT_LINKED = "PRESENT_NOT_LINKED"
    """It may be this person: a viewer is told that there is a record, and nothing of it."""
    HELD = "HELD"
    """Possible, or vetoed: for a steward to look at. It changes nothing that is shown, and no viewer is told of it."""
    BLOCKED = "BLOCKED"
    """A person decided that it is not."""


WAITING = (Standing.DOUBTED, Standing.PRESENT_NOT_LINKED, Standing.HELD)
"""What waits for a steward."""

JOINED = "person:joined"
"""Among the evidence of a decision that is a person's since the authority said that two people known here are one: a
steward is told, until one has decided."""
UNION = "union/1"
"""The rules of a SUPERSEDE event after which stewards are told; those from before name none."""

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
    after: int | None = None
    """The event that had decided what stood about the pair when this was found, 0 when nothing did. When something else
    has been decided since, this changes nothing: it was found without knowing that. Null: whatever stands."""


def follows(proposal: Proposal, standing: Link | None) -> EventKind | None:
    """What the gateway's own finding makes of what stands for the pair; None when it changes nothing.

    A block is never changed. A link stays as well, for one that vanished would take the facts of a record without
    demographics with it; but one whose record comes to contradict the person is doubted, a steward's too, since the
    local id may have been given to somebody else. The first contradiction is what a steward is told. What waits for a
    steward is kept up to date, and leaves the list when it turns out to be the person's or certainly not.
    """
    if proposal.after is not None and proposal.after != (standing.seq if standing is not None else 0):
        return None
    status = standing.status if standing is not None else None
    certain = proposal.grade is Grade.CERTAIN
    if status is Standing.BLOCKED:
        return None
    if status is Standing.LINKED:
        return None if certain else EventKind.DOUBT
    if status is Standing.DOUBTED:
        return EventKind.CONFIRM if certain else None
    match proposal.grade:
        case Grade.CERTAIN:
            return EventKind.LINK
        case Grade.PROBABLE:
            return EventKind.PRESENT if status is not Standing.PRESENT_NOT_LINKED else None
        case Grade.POSSIBLE:
            told = status is Standing.HELD and standing is not None and standing.evidence == proposal.evidence
            return EventKind.HOLD if not told else None
        case Grade.CERTAINLY_NOT:
            return EventKind.RELEASE if status is not None else None


Links = dict[tuple[str, str, str], Link]
"""What stands, by (source, local id, person)."""

_STATUS = {
    EventKind.LINK: Standing.LINKED,
    EventKind.PRESENT: Standing.PRESENT_NOT_LINKED,
    EventKind.HOLD: Standing.HELD,
    EventKind.UNLINK: Standing.BLOCKED,
}
_STRENGTH = (Standing.HELD, Standing.PRESENT_NOT_LINKED, Standing.DOUBTED, Standing.LINKED, Standing.BLOCKED)
_SAME_DECISION = {EventKind.DOUBT: Standing.DOUBTED, EventKind.CONFIRM: Standing.LINKED}
"""What changes how a link stands, and not who decided it."""


class Stand(Struct, frozen=True, kw_only=True):
    """What stands after some events."""

    links: Links
    identifiers: dict[tuple[str | None, str | None], tuple[str, bool]]
    """By (system, value): whose it is, and whether it is their current number of that system."""
    restricted: set[str]
    """Persons whom the authority restricts, as far as was heard."""


def fold(events: Iterable[Event], before: Mapping[tuple[str, str, str], Link] | None = None) -> Stand:
    """What stands after these events.

    When one person turns out to be another, the decisions of both stand for the one that goes on; of two about the
    same record the stronger does, and a block is the strongest. Of the numbers of the one that ends none is current
    until the authority says so again.
    """
    stand = Stand(links=dict(before or {}), identifiers={}, restricted=set())
    links, identifiers, restricted = stand.links, stand.identifiers, stand.restricted
    for event in events:
        if event.kind is EventKind.OBSERVE:
            for number, (person, current) in identifiers.items():
                if event.current and current and person == event.person and number[0] == event.system:
                    identifiers[number] = (person, False)
            identifiers[event.system, event.value] = (event.person, event.current)
        elif event.kind is EventKind.SUPERSEDE:
            _supersede(links, event)
            identifiers |= {k: (event.person, False) for k, (p, _) in identifiers.items() if p in event.evidence}
            if not restricted.isdisjoint(event.evidence):
                restricted.add(event.person)
            restricted.difference_update(event.evidence)
        elif event.kind is EventKind.RESTRICT:
            restricted.add(event.person)
        elif event.kind is EventKind.UNRESTRICT:
            restricted.discard(event.person)
        elif event.source is None or event.local_id is None:
            continue
        elif event.kind is EventKind.RELEASE:
            links.pop((event.source, event.local_id, event.person), None)
        elif event.kind in _SAME_DECISION:
            key = (event.source, event.local_id, event.person)
            links[key] = structs.replace(
                links[key],
                status=_SAME_DECISION[event.kind],
                evidence=event.evidence + tuple(code for code in links[key].evidence if code == JOINED),
                rules=event.rules,
                at=event.at,
                seq=event.seq,
            )
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
    return stand


def _supersede(links: Links, event: Event) -> None:
    both = event.rules == UNION and any(key[2] == event.person for key in links)
    for key in [key for key in links if key[2] in event.evidence]:
        moved = structs.replace(links.pop(key), person=event.person)
        into = (moved.source, moved.local_id, moved.person)
        here = links.get(into)
        kept = _stronger(here, moved)
        told = kept.status is Standing.LINKED or (
            kept.status is Standing.BLOCKED and here is not None and {here.status, moved.status} & {*_HELD_AS_THEIRS}
        )
        if both and told and JOINED not in kept.evidence:
            kept = structs.replace(kept, evidence=(*kept.evidence, JOINED))
        links[into] = kept


_HELD_AS_THEIRS = (Standing.LINKED, Standing.DOUBTED)


def _stronger(one: Link | None, other: Link) -> Link:
    return other if one is None else max(one, other, key=lambda link: _STRENGTH.index(link.status))


def as_one(links: Iterable[Link], persons: Collection[str], person: str) -> tuple[Link, ...]:
    """What stands about one record once these persons are this one: of their decisions the strongest, and others'."""
    others, theirs = [], None
    for link in links:
        if link.person in persons:
            theirs = _stronger(theirs, structs.replace(link, person=person))
        else:
            others.append(link)
    return (*others, theirs) if theirs is not None else tuple(others)
