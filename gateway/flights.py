"""Calls to sources: shared by everybody who waits for the same answer, owned by nobody, kept when they come back.

A *flight* is one `fetch` of one source about one person. It runs until it is done or its source's timeout is spent,
whoever waits for it: a caller who leaves, or whose deadline passes, cancels nothing, and a late answer is in the cache
for the next. Two callers share a flight, and a cached answer, only when they share its key: the key holds whom the
source's answer depends on (`share`) and the policy, so an answer bound to an actor is never another's.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
import structlog
from msgspec import Struct, structs

from adapters.sdk import (
    Actor,
    Adapter,
    Ask,
    Call,
    DependsOn,
    SourceError,
    SourceInvalid,
    SourceRecord,
    SourceTimeout,
    Subject,
)
from gateway.cache import MemoryCache
from gateway.config import SourceTable
from gateway.keys import Keys
from schema.model.clinical import AnyFact, Patient
from schema.model.fact import PATIENT_NOT_FOUND, Fact, Gap, GapKind
from schema.model.view import CacheState, SourceRef

log = structlog.get_logger(__name__)

SCHEMA_VERSION = 3
"""Part of every cache key: raise it when the shape of a fact changes."""
LARGE_RECORD_BYTES = 200_000
"""Records above this are read in a thread, so that nobody else waits for the parse."""
CUT_GRACE_S = 0.25
"""How long after its deadline an adapter may still hand over what it has, before it is cut."""
_NOT_KEPT = frozenset({GapKind.FAILED, GapKind.TRUNCATED})


class ReadFact(Struct, frozen=True, kw_only=True):
    """A fact and the record it was read from."""

    fact: AnyFact
    record_hash: str
    retrieved: datetime


class TypeAnswer(Struct, frozen=True, kw_only=True):
    """What a source answered about one fact type: the unit that is cached."""

    facts: tuple[ReadFact, ...]
    gaps: tuple[Gap, ...]
    retrieved: datetime
    people: tuple[ReadFact, ...] = ()
    """The demographics that came with it: its facts are judged by these too, whatever came with other types."""
    complete_from: datetime | None = None
    """When a source that only listens began to."""

    @property
    def complete(self) -> bool:
        """Whether it may be served again: a failure is never kept as an empty list."""
        return not any(gap.kind in _NOT_KEPT for gap in self.gaps)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(TypeAnswer).decode


@dataclass(frozen=True)
class Outcome:
    """What one source gave for one view: an answer for each type, and what went wrong as a whole."""

    answers: dict[str, TypeAnswer]
    error: SourceError | None
    latency_s: float
    cache: CacheState

    @property
    def facts(self) -> list[ReadFact]:
        """Every fact of every type."""
        return [read for answer in self.answers.values() for read in answer.facts]


@dataclass(eq=False)
class ConfiguredSource:
    """A source as configured, with its adapter and its limits."""

    table: SourceTable
    adapter: Adapter[Any]
    slots: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self.slots = asyncio.Semaphore(self.table.max_concurrency)
        self.ref = SourceRef(id=self.table.id, name=self.table.name, organization=self.table.organization)

    @property
    def share(self) -> str:
        """user, organization or gateway: as written, else by what the adapter says its answers depend on."""
        by_rule = "gateway" if self.adapter.answer_depends_on is DependsOn.NOTHING else "user"
        return self.table.share or by_rule

    def share_scope(self, actor: Actor, purpose: str) -> tuple[str, ...]:
        """Whoever has the same scope may be served the same answer."""
        by_purpose = () if self.adapter.answer_depends_on is DependsOn.NOTHING else (purpose,)
        if self.adapter.answer_depends_on is DependsOn.PURPOSE and self.table.share is None:
            return ("purpose", purpose)
        if self.share == "user":
            return ("user", actor.user, actor.role, actor.organization, *by_purpose)
        if self.share == "organization":
            return ("organization", actor.organization, *by_purpose)
        return ("gateway", *by_purpose)


@dataclass(eq=False)
class _Flight:
    """One fetch under way, and when it left."""

    types: frozenset[str]
    task: "asyncio.Task[tuple[dict[str, TypeAnswer], SourceError | None]]"
    started: float


class Flights:
    """All calls of this process to all sources, and the cache in front of them."""

    def __init__(self, keys: Keys, cache: MemoryCache, clock: Callable[[], datetime]) -> None:
        self._keys = keys
        self._cache = cache
        self._clock = clock
        self._under_way: dict[bytes, _Flight] = {}

    async def ask(
        self,
        source: ConfiguredSource,
        subject: Subject,
        types: frozenset[str],
        actor: Actor,
        purpose: str,
        policy: str,
        decided: tuple[str, ...] = (),
    ) -> Outcome:
        """What the source says of `types`: from the cache, from flights under way, and from a new one for the rest.

        `decided` are the local ids that a person has linked: no answer from before that decision is served after it.
        Demographics are always among them: without them nobody can tell whose facts they are.
        Never raises for a source's failure: that is in the outcome. Cancelling the caller cancels no flight.
        """
        asked_at = time.monotonic()
        types = types | {"Patient"}
        scope = source.share_scope(actor, purpose)
        keys = {fact_type: self._key(source, subject, fact_type, scope, policy, decided) for fact_type in types}
        answers: dict[str, TypeAnswer] = {}
        joined: set[_Flight] = set()
        missing: set[str] = set()
        for fact_type, key in keys.items():
            if (kept := self._cache.get(key)) is not None:
                answers[fact_type] = _decode(kept)
            elif (flight := self._under_way.get(key)) is not None:
                joined.add(flight)
            else:
                missing.add(fact_type)
        state = CacheState.MISS if missing else CacheState.SHARED if joined else CacheState.HIT
        if missing:
            joined.add(self._launch(source, subject, frozenset(missing), keys, actor, purpose))
        error: SourceError | None = None
        if joined:
            await asyncio.wait({flight.task for flight in joined})
        for flight in joined:
            found, problem = flight.task.result()
            error = error or problem
            answers.update({fact_type: found[fact_type] for fact_type in types & found.keys()})
        answers["Patient"] = _with_people(answers)
        return Outcome(answers, error, time.monotonic() - asked_at, state)

    async def close(self) -> None:
        """End every flight: the process is going."""
        tasks = {flight.task for flight in self._under_way.values()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _key(
        self,
        source: ConfiguredSource,
        subject: Subject,
        fact_type: str,
        scope: tuple[str, ...],
        policy: str,
        decided: tuple[str, ...],
    ) -> bytes:
        who = subject.identifiers[0]
        return self._keys.key(
            "answer", SCHEMA_VERSION, source.table.id, who.system, who.value, fact_type, scope, policy, decided
        )

    def _launch(
        self,
        source: ConfiguredSource,
        subject: Subject,
        types: frozenset[str],
        keys: dict[str, bytes],
        actor: Actor,
        purpose: str,
    ) -> _Flight:
        call = Call(deadline=time.monotonic() + source.table.timeout, actor=actor, purpose=purpose)
        ask = Ask(subjects=(subject,), types=types | {"Patient"})
        flight = _Flight(types, asyncio.create_task(self._fly(source, ask, call)), time.monotonic())
        own = {keys[fact_type]: fact_type for fact_type in types}
        self._under_way.update(dict.fromkeys(own, flight))

        def landed(task: "asyncio.Task[tuple[dict[str, TypeAnswer], SourceError | None]]") -> None:
            for key in own:
                self._under_way.pop(key, None)
            if task.cancelled():
                return
            answers, error = task.result()
            if error is not None:
                return  # what came before it broke off may not be all there is of a type
            for key, fact_type in own.items():
                answer = answers[fact_type]
                if answer.complete:
                    self._cache.put(key, _encode(answer), source.table.ttl_s(fact_type))

        flight.task.add_done_callback(landed)
        return flight

    async def _fly(
        self, source: ConfiguredSource, ask: Ask, call: Call
    ) -> tuple[dict[str, TypeAnswer], SourceError | None]:
        """Fetch and read until done, failed or cut; what arrived before a failure is kept."""
        gathered = _Gathered(ask.types, self._clock)
        error: SourceError | None = None
        try:
            async with asyncio.timeout(call.remaining_s() + CUT_GRACE_S), source.slots:
                async for record in source.adapter.fetch(ask, call):
                    await gathered.add(source.adapter, record)
        except SourceError as problem:
            error = problem
        except TimeoutError:
            error = SourceTimeout("no complete answer within the source's timeout")
        except Exception as problem:
            # An adapter's own fault costs its facts and nothing else. Its text may quote a payload: only its type is
            # logged.
            log.error("adapter_fault", source=source.table.id, kind=type(problem).__name__)  # noqa: TRY400
            error = SourceInvalid("the adapter could not make sense of the answer")
        return gathered.answers(error), error or gathered.error


def _sound(item: Fact | Gap) -> Fact | Gap:
    """The item, or a gap in its place when it holds what neither cache nor answer can carry: half a surrogate pair."""
    try:
        _encode(item)
    except (ValueError, OverflowError):
        kind, fact_type = (item.kind, item.fact_type) if isinstance(item, Gap) else (None, type(item).__name__)
        return Gap(kind=kind or GapKind.UNREADABLE, fact_type=fact_type, code="UNREADABLE_VALUE")
    return item


def _with_people(answers: dict[str, TypeAnswer]) -> TypeAnswer:
    """Demographics from every answer that this one is put together of.

    Types are kept for different times and come by different flights. Should a source have given a local id to somebody
    else meanwhile, the guard must see both, and not judge the facts of one by the demographics of the other.
    """
    told = answers["Patient"]
    came = [read for answer in answers.values() for read in (*answer.people, *answer.facts)]
    people = {read.fact: read for read in sorted(came, key=lambda r: r.retrieved) if isinstance(read.fact, Patient)}
    # A person who is known by now is not unknown, whatever was kept.
    gaps = tuple(gap for gap in told.gaps if not people or gap.code != PATIENT_NOT_FOUND)
    return structs.replace(told, facts=tuple(people.values()), gaps=gaps)


class _Gathered:
    """Facts and gaps by type, as records come in."""

    def __init__(self, types: frozenset[str], clock: Callable[[], datetime]) -> None:
        self._types = types
        self._clock = clock
        self._facts: dict[str, list[ReadFact]] = {}
        self._gaps: dict[str, list[Gap]] = {}
        self._answered: set[str] = set()
        self._unknown: Gap | None = None
        self._complete_from: datetime | None = None
        self.error: SourceError | None = None
        """What was wrong with a record that could not be read, while others could."""

    async def add(self, adapter: Adapter[Any], record: SourceRecord) -> None:
        digest = hashlib.sha256(b"\0".join(record.parts)).hexdigest()
        for item in map(_sound, await self._read(adapter, record)):
            if isinstance(item, Fact):
                kept = ReadFact(fact=item, record_hash=digest, retrieved=record.retrieved)  # type: ignore[arg-type]
                self._facts.setdefault(type(item).__name__, []).append(kept)
            elif item.fact_type is None and item.code == PATIENT_NOT_FOUND:
                self._unknown = item
            else:
                for fact_type in [item.fact_type] if item.fact_type else record.types:
                    self._gaps.setdefault(fact_type, []).append(item)
        if record.truncated:
            for fact_type in record.types:
                if not any(gap.kind is GapKind.TRUNCATED for gap in self._gaps.get(fact_type, ())):
                    self._gaps.setdefault(fact_type, []).append(Gap(kind=GapKind.TRUNCATED, fact_type=fact_type))
        self._answered |= record.types
        if record.complete_from is not None:
            self._complete_from = max(self._complete_from or record.complete_from, record.complete_from)

    async def _read(self, adapter: Adapter[Any], record: SourceRecord) -> list[Fact | Gap]:
        """Facts and gaps of one record; one that cannot be read at all fails its own types only."""
        try:
            if sum(map(len, record.parts)) > LARGE_RECORD_BYTES:
                return await asyncio.to_thread(lambda: list(adapter.read(record)))
            return list(adapter.read(record))
        except SourceError as problem:
            self.error = problem
            return [Gap(kind=GapKind.FAILED, fact_type=name, code=problem.code) for name in sorted(record.types)]

    def answers(self, error: SourceError | None) -> dict[str, TypeAnswer]:
        """One answer for each type asked: facts, gaps, or the gap that says that it failed."""
        if self._unknown is not None and not self._facts.get("Patient"):
            unknown = TypeAnswer(facts=(), gaps=(self._unknown,), retrieved=self._clock())
            return dict.fromkeys(self._types, unknown)
        return {fact_type: self._answer(fact_type, error) for fact_type in self._types}

    def _answer(self, fact_type: str, error: SourceError | None) -> TypeAnswer:
        facts, gaps = self._facts.get(fact_type, []), self._gaps.get(fact_type, [])
        if fact_type not in self._answered and error is not None:
            gaps = [*gaps, Gap(kind=GapKind.FAILED, fact_type=fact_type, code=error.code)]
        elif not facts and not gaps:
            silent = "the adapter said nothing of this type"
            gaps = [Gap(kind=GapKind.FAILED, fact_type=fact_type, code="SOURCE_INVALID", text=silent)]
        retrieved = min((read.retrieved for read in facts), default=self._clock())
        people = () if fact_type == "Patient" else tuple(self._facts.get("Patient", ()))
        return TypeAnswer(
            facts=tuple(facts),
            gaps=tuple(gaps),
            retrieved=retrieved,
            people=people,
            complete_from=self._complete_from,
        )
