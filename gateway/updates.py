"""Who watches whom, and whom a change concerns.

A source that is told things (`Adapter.tells_changes`) is asked every second whose records have changed, as long as
anybody watches anybody: over its store, and so whichever process took the message. What it has said of a watched person
so far is forgotten, and whoever watches them is woken. A late answer wakes those alone in whose name it was asked for:
that somebody else asks about a person is nobody's business.

A watch holds no events: it holds which sources have something new. However many messages arrive while a client reads,
it is one update with everything in it.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress

import structlog

from adapters.sdk import Actor, Call, SourceRequest, Subject
from gateway.flights import ConfiguredSource, Flights
from gateway.identity.crossref import CrossReference
from gateway.telemetry import Metrics
from schema.gql.errors import ErrorCode, QueryError
from schema.model.updates import UpdateCause
from schema.model.values import Identifier

log = structlog.get_logger(__name__)

ASKED_EVERY_S = 1.0
ANSWERED_WITHIN_S = 2.0
CUT_AFTER_S = 3.0
"""An adapter that does not keep to that is cut: one that hangs would hold up every subscription."""
LOST_AFTER = 3
"""Failures in a row after which whoever watches is shown that the source cannot be heard."""
UPDATED_EVERY_S = 1.0
"""The shortest time between two updates of one watch: a machine that sends twenty results makes one or two."""
LOOKED_AT_EVERY_S = 30.0
"""A watch of somebody about whom nothing is heard is woken all the same: who may no longer watch is told so."""
LEFT, GOING = "left", "going"
"""Why a watch is over where no error is the reason: the caller has gone or was cut, or the gateway is going."""
_NOBODY = Actor(user="", role="", organization="")


class Watch:
    """One caller watching one person."""

    def __init__(self, registry: "Updates", actor: Actor, purpose: str) -> None:
        self.actor = actor
        self.purpose = purpose
        self.person: str | None = None
        self.identifiers: tuple[Identifier, ...] = ()
        self.decided: object = None
        """What was decided of the person when they were last shown."""
        self._registry = registry
        self._changed: dict[str, UpdateCause] = {}
        self._bell = asyncio.Event()
        self._over = asyncio.Event()
        self._not_before = 0.0

    @property
    def ended(self) -> bool:
        """Whether nothing more is told: the gateway is going, or the caller has gone."""
        return self._over.is_set()

    def wake(self, source: str, cause: UpdateCause) -> None:
        """This source says something new. That a message came says more than that it was asked again."""
        if cause is UpdateCause.FEED_MESSAGE or source not in self._changed:
            self._changed[source] = cause
        self._bell.set()

    async def changed(self) -> dict[str, UpdateCause]:
        """The sources that say something new, once there are any; none when it is time to look all the same."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOKED_AT_EVERY_S):
                await self._bell.wait()
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, self._not_before - time.monotonic())):
                await self._over.wait()
        self._not_before = time.monotonic() + UPDATED_EVERY_S
        self._bell.clear()
        changed, self._changed = self._changed, {}
        return changed

    def close(self, reason: str) -> None:
        """Give the place up. The first reason counts: LEFT, GOING or the code of an error."""
        self._over.set()
        self._bell.set()
        self._registry.leave(self, reason)


class Updates:
    """Every watch of this process."""

    def __init__(
        self,
        sources: Mapping[str, ConfiguredSource],
        crossref: CrossReference,
        flights: Flights,
        most_per_user: int,
        metrics: Metrics,
    ) -> None:
        self._crossref = crossref
        self._flights = flights
        self._most_per_user = most_per_user
        self._telling = tuple(source for source in sources.values() if source.adapter.tells_changes)
        self._watches: set[Watch] = set()
        self._following: dict[str, tuple[asyncio.Task[None], asyncio.Event]] = {}
        self._ending = False
        self._metrics = metrics
        metrics.subscriptions_open.set_function(lambda: len(self._watches))

    def open(self, actor: Actor, purpose: str) -> Watch:
        """A watch of nobody yet. Raises QueryError: the caller has as many as one may."""
        if sum(watch.actor == actor for watch in self._watches) >= self._most_per_user:
            self._metrics.subscriptions_refused.labels(limit="user").inc()
            message = f"This caller has {self._most_per_user} subscriptions already: end one first."
            raise QueryError(ErrorCode.TOO_MANY_AT_ONCE, message)
        watch = Watch(self, actor, purpose)
        self._watches.add(watch)
        self._metrics.subscriptions_begun.inc()
        if self._ending:
            watch.close(GOING)
        return watch

    def leave(self, watch: Watch, reason: str) -> None:
        """The watch is over."""
        if watch in self._watches:
            self._watches.remove(watch)
            self._metrics.subscriptions_ended.labels(reason=reason).inc()

    async def following(self) -> None:
        """Once what is told from now on is heard of; a source that cannot be asked at the moment is not waited for."""
        for source in self._telling:
            if source.table.id not in self._following:
                heard = asyncio.Event()
                self._following[source.table.id] = asyncio.create_task(self._follow(source, heard)), heard
        await asyncio.gather(*(heard.wait() for _, heard in self._following.values()))

    def place(self, watch: Watch, person: str, identifiers: tuple[Identifier, ...]) -> None:
        """Whom it watches. What sources that tell of changes said so far may be older than what is told from now on."""
        if (watch.person, watch.identifiers) == (person, identifiers):
            return  # a number that is new is one that answers are kept under, too
        watch.person, watch.identifiers = person, identifiers
        for source in self._telling:
            self._flights.forget(source, identifiers)

    def late(self, person: str, actor: Actor, purpose: str, source: str) -> None:
        """A source has answered, after this caller had stopped waiting for what it says of this person."""
        for watch in self._watches:
            if (watch.person, watch.actor, watch.purpose) == (person, actor, purpose):
                watch.wake(source, UpdateCause.LATE_ANSWER)

    def end(self) -> None:
        """Every watch is over, and every further one at once: the process is going."""
        self._ending = True
        for watch in tuple(self._watches):
            watch.close(GOING)

    async def close(self) -> None:
        """Ask nobody any more."""
        self.end()
        tasks = [task for task, _ in self._following.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _follow(self, source: ConfiguredSource, heard: asyncio.Event) -> None:
        """Ask the source whose records have changed, until nobody watches anybody."""
        cursor: str | None = None
        began, failures = False, 0
        try:
            while self._watches:
                call = Call(deadline=time.monotonic() + ANSWERED_WITHIN_S, actor=_NOBODY)
                try:
                    async with asyncio.timeout(CUT_AFTER_S):
                        told = await source.adapter.changes(cursor, call)
                    await self._tell(source, told.subjects)
                except Exception as problem:
                    failures += 1
                    cursor = None if isinstance(problem, SourceRequest) else cursor
                    if failures == LOST_AFTER:
                        log.warning("changes_lost", source=source.table.id, kind=type(problem).__name__)
                        self._tell_all(source)
                else:
                    if failures >= LOST_AFTER or (cursor is None and began):
                        self._tell_all(source)
                    more = cursor not in (None, told.cursor)
                    began, failures, cursor = True, 0, told.cursor
                    if more:
                        continue
                finally:
                    heard.set()
                await asyncio.sleep(ASKED_EVERY_S)
        finally:
            heard.set()
            del self._following[source.table.id]

    async def _tell(self, source: ConfiguredSource, subjects: Iterable[Subject]) -> None:
        """Wake whoever watches one of them: by a number of theirs, or by a record that is linked to them."""
        people: set[str] = set()
        for subject in subjects:
            for identifier in subject.identifiers:
                if (person := await self._crossref.person_for(identifier)) is not None:
                    people.add(person)
            known = [local_id for local_id in subject.local_ids if "\0" not in local_id]  # no table keeps one
            standing = await self._crossref.standing(source.table.id, known)
            people |= {link.person for links in standing.values() for link in links}
        self._wake(source, [w for w in self._watches if w.person in people], UpdateCause.FEED_MESSAGE)

    def _tell_all(self, source: ConfiguredSource) -> None:
        """The source cannot be heard any more, or can again, and nobody knows what it was told meanwhile."""
        self._wake(source, [w for w in self._watches if w.person is not None], UpdateCause.ASKED_AGAIN)

    def _wake(self, source: ConfiguredSource, watches: Iterable[Watch], cause: UpdateCause) -> None:
        for watch in watches:
            self._flights.forget(source, watch.identifiers)
            watch.wake(source.table.id, cause)
