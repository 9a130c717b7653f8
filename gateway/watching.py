"""One subscription to a person's record: looked at when it is woken, told of when it has changed for this viewer.

Each time everything is decided anew: who is asking, what they may see, who the person is. First the sources alone that
woke it are asked. Where they say nothing new that this viewer may see, nobody else is asked and nothing is told: that
something arrived which the policy hides leaves no trace, not even that there was an update.
"""

from collections.abc import AsyncIterator
from datetime import date
from typing import TYPE_CHECKING

from msgspec import Struct

from gateway.access import Policy
from gateway.gathering import Gathering
from gateway.refusals import readable, said_aloud
from gateway.updates import Watch
from gateway.versions import Seen, hashed
from schema.gql.errors import ErrorCode, QueryError
from schema.gql.ports import PatientUpdate
from schema.model.updates import RecordChange, UpdateCause
from schema.model.values import Identifier
from schema.model.view import SourceRef

if TYPE_CHECKING:
    from gateway.requesting import RequestGateway


class Watched(Struct, frozen=True, kw_only=True):
    """Whom, and which part of the record."""

    identifier: Identifier
    birth_date: date | None
    deadline_s: float | None
    types: frozenset[str]


async def begin(gateway: "RequestGateway", watch: Watch, watched: Watched) -> AsyncIterator[PatientUpdate]:
    """Everything that can be refused at once is refused here: QueryError. What follows is in the iterator."""
    with said_aloud():
        policy = await gateway.decide(readable(watched.identifier))
        await gateway.service.updates.following()
        view = await gateway.view(watched)
        gateway.service.updates.place(watch, view.person, view.reference.identifiers)
    return _updates(gateway, watch, watched, policy, view)


async def _updates(
    gateway: "RequestGateway", watch: Watch, watched: Watched, policy: Policy, view: Gathering
) -> AsyncIterator[PatientUpdate]:
    """Raises QueryError, and NotAuthenticated."""
    with said_aloud():
        seen = await _seen(view, watched.types)
        watch.decided = await _decided(gateway, watch, policy)
    yield PatientUpdate(at=gateway.service.clock(), changes=(), patient=view)
    while True:
        woken = await watch.changed()
        gateway.renew()
        if watch.ended:
            return
        gateway.authenticate_again()
        with said_aloud():
            found = await _looked_at(gateway, watch, watched, policy.digest, woken, seen)
        if found is not None:
            update, seen = found
            yield update


async def _looked_at(
    gateway: "RequestGateway", watch: Watch, watched: Watched, policy: str, woken: dict[str, UpdateCause], seen: Seen
) -> tuple[PatientUpdate, Seen] | None:
    """The record as it is now, where a source that woke the watch says something new in it."""
    now = await gateway.decide(readable(watched.identifier))
    if now.digest != policy:
        await gateway.record_refusal(readable(watched.identifier), ErrorCode.ACCESS_DENIED.name)
        raise QueryError(ErrorCode.ACCESS_DENIED, "What this caller may see has changed: subscribe again.")
    causes = {source: cause for source, cause in woken.items() if now.may_ask(source)}
    if watch.decided == await _decided(gateway, watch, now):
        if not causes:
            return None
        part = await gateway.view(watched, only=frozenset(causes))
        if not _differences(await _seen(part, watched.types), seen):
            return None
        gateway.renew()
    view = await gateway.view(watched)
    gateway.service.updates.place(watch, view.person, view.reference.identifiers)
    told = await _seen(view, watched.types)
    watch.decided = await _decided(gateway, watch, now)  # once everything was heard: hearing it decides, too
    changes = tuple(
        RecordChange(source=source, cause=causes.get(source.id, UpdateCause.ASKED_AGAIN), types=types)
        for source, types in _differences(told, seen).items()
    )
    return (PatientUpdate(at=gateway.service.clock(), changes=changes, patient=view), told) if changes else None


async def _decided(gateway: "RequestGateway", watch: Watch, policy: Policy) -> object:
    """What was decided of the person so far, here or in another process: who they are, and which records are theirs.

    Only of sources that this viewer may know of: a decision about another must not make the gateway look again.
    """
    crossref = gateway.service.crossref
    person = await crossref.person_for(watch.identifiers[0])
    if person is None:
        return None
    newest = max((x.seq for x in await crossref.links(person) if policy.may_ask(x.source)), default=0)
    return person, newest, await crossref.is_restricted(person)


def _differences(told: Seen, seen: Seen) -> dict[SourceRef, tuple[str, ...]]:
    found: dict[SourceRef, tuple[str, ...]] = {}
    for (source, fact_type), digest in told.items():
        if seen.get((source, fact_type)) != digest:
            found[source] = (*found.get(source, ()), fact_type)
    return found


async def _seen(view: Gathering, types: frozenset[str]) -> Seen:
    """All that is remembered of a record between two updates."""
    return await view.compared(hashed, types)
