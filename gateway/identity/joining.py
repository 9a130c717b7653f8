"""Who is one person by the authority's word: numbers that lead to one, two who become one, and one who was two.

Part of what is done to the cross-reference table (`gateway.identity.statements`), inside one transaction.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime

from adapters.sdk.durable import Script, Statement
from gateway.identity.ledger import UNION, EventKind, Standing
from gateway.identity.reference import SUPERSEDED
from gateway.identity.statements import add, identifiers, is_restricted, links, person_for
from schema.model.values import Identifier


def ensure_person(
    current: Sequence[Identifier], superseded: Sequence[Identifier], restricted: bool | None, at: datetime
) -> Script[str]:
    """As `CrossReference.ensure_person`; the first of `current` is the number that says who it is."""
    identifier, *others = current
    known: dict[Identifier, str | None] = {}
    for each in (*current, *superseded):
        known[each] = yield from person_for(each)
    same = [known[each] for each in (identifier, *superseded)]
    for each in others:
        same += [] if (yield from _is_anothers(known[each], current, superseded)) else [known[each]]
    parted = known[identifier]
    if restricted is not None and (yield from _taken_back(identifier, parted, superseded)):
        same.remove(parted)
    else:
        parted = None
    person, *ended = dict.fromkeys(filter(None, same)) or (uuid.uuid4().hex,)
    for earlier in ended:
        yield from add(EventKind.SUPERSEDE, person, at, evidence=(earlier,), rules=UNION)
    for number in current:
        rows = yield Statement(
            "SELECT 1 FROM identifiers WHERE system = $1 AND value = $2 AND person = $3 AND current = 1",
            (number.system, number.value, person),
        )
        if not rows:
            yield from add(EventKind.OBSERVE, person, at, identifier=number, current=True)
    for number in superseded:
        if known[number] is None:
            yield from add(EventKind.OBSERVE, person, at, identifier=number, current=False)
    if parted is not None:
        yield from _keep_blocks(parted, person, at)
    if restricted is not None and restricted is not (yield from is_restricted(person)):
        yield from add(EventKind.RESTRICT if restricted else EventKind.UNRESTRICT, person, at)
    return person


def _is_anothers(person: str | None, current: Sequence[Identifier], superseded: Sequence[Identifier]) -> Script[bool]:
    """Whether whoever has one of these numbers has another current one than is stated: then they are two people."""
    if person is None:
        return False
    stated = {one.system: one.value for one in current}
    earlier = {(one.system, one.value) for one in superseded}
    known = yield from identifiers(person)
    return any(
        one.type != SUPERSEDED
        and stated.get(one.system, one.value) != one.value
        and (one.system, one.value) not in earlier
        for one in known
    )


def _taken_back(number: Identifier, person: str | None, superseded: Sequence[Identifier]) -> Script[bool]:
    """Whether it was once said that another number had replaced this one, which is now current again without that one.

    Then two people were taken for one: the number is another person's from now on.
    """
    if person is None:
        return False
    known = yield from identifiers(person)
    here = [one for one in known if one.system == number.system]
    earlier = {one.value for one in superseded if one.system == number.system}
    replaced = any(one.type == SUPERSEDED and one.value == number.value for one in here)
    return replaced and any(one.type != SUPERSEDED and one.value not in earlier for one in here)


def _keep_blocks(earlier: str, person: str, at: datetime) -> Script[None]:
    """What a steward kept from the two while they were one is kept from this one too."""
    for link in (yield from links(earlier)):
        if link.status is Standing.BLOCKED and link.decided_by is not None:
            pair = (link.source, link.local_id)
            yield from add(EventKind.UNLINK, person, at, pair, by=link.decided_by, reason=link.reason)
