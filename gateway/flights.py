"""Calls to sources: shared by everybody who waits for the same answer, owned by nobody, kept when they come back.

A *flight* is one `fetch` of one source about one person. It runs until it is done or its source's timeout is spent,
whoever waits for it: a caller who leaves, or whose deadline passes, cancels nothing, and a late answer is in the cache
for the next. Two callers share a flight, and a cached answer, only when they share its key: the key holds whom the
source's answer depends on (`share`) and the policy, so an answer bound to an actor is never another's.
"""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import chain
from typing import Any, TypeAlias

import msgspec
import structlog
from msgspec import Struct, structs

from adapters.sdk import (
    Actor,
    Adapter,
    Ask,
    Call,
    DependsOn,
    PatientSearch,
    SourceError,
    SourceInvalid,
    SourceRecord,
    SourceTimeout,
    Subject,
)
from gateway.aside import MANY_FACTS, aside
from gateway.cache import MemoryCache
from gateway.config import SourceTable
from gateway.keys import Keys
from schema.model.clinical import AnyFact, Patient
from schema.model.fact import PATIENT_NOT_FOUND, Fact, Gap, GapKind
from schema.model.values import Identifier
from schema.model.view import CacheState, SourceRef

log = structlog.get_logger(__name__)

SCHEMA_VERSION = 5
"""Part of every cache key: raise it when the shape of a fact changes."""
LARGE_RECORD_BYTES = 32_000
"""Records above this take 10 ms to read or more."""
LARGE_ANSWER_BYTES = 500_000
"""The same for an answer from the cache."""
CUT_GRACE_S = 0.25
"""How long after its deadline an adapter may still hand over what it has, before it is cut."""
READING_S = 60.0
"""How long what arrived may take to be read after that: an adapter that never ends must not keep a flight for good."""
_NOT_KEPT = frozenset({GapKind.FAILED, GapKind.TRUNCATED})


class ReadFact(Struct, frozen=True, gc=False, kw_only=True):
    """A fact and the record it was read from."""

    fact: AnyFact
    record_hash: str
    retrieved: datetime
    candidate: bool = False
    """Its record only offers whom the source might mean."""


class TypeAnswer(Struct, frozen=True, gc=False, kw_only=True):
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


_Records: TypeAlias = Callable[[], AsyncIterator[SourceRecord]]
"""A question to a source that has not been asked yet."""

_encode = msgspec.msgpack.Encoder().encode
_decode_answer = msgspec.msgpack.Decoder(TypeAnswer).decode
_decode_facts = msgspec.msgpack.Decoder(tuple[ReadFact, ...]).decode
_decode_parts = msgspec.msgpack.Decoder(list[bytes]).decode


def _packed(answer: TypeAnswer) -> bytes:
    """An answer as bytes. Its facts are packed so many at a time: nobody else runs while one piece is made or read."""
    starts = range(0, len(answer.facts), MANY_FACTS)
    pieces = (_encode(answer.facts[start : start + MANY_FACTS]) for start in starts)
    return _encode([_encode(structs.replace(answer, facts=())), *pieces])


def _unpacked(kept: bytes) -> TypeAnswer:
    head, *pieces = _decode_parts(kept)
    return structs.replace(_decode_answer(head), facts=tuple(chain.from_iterable(map(_decode_facts, pieces))))


@dataclass(frozen=True)
class Outcome:
    """What one source gave for one view: an answer for each type, and what went wrong as a whole."""

    answers: dict[str, TypeAnswer]
    error: SourceError | None
    latency_s: float
    cache: CacheState
    lasts: bool = False
    """Whether who asks again is served this or something newer: not where it takes too much room, or has no time."""

    @property
    def facts(self) -> list[ReadFact]:
        """Every fact of every type."""
        return [read for answer in self.answers.values() for read in answer.facts]

    @property
    def candidates(self) -> frozenset[str]:
        """Local ids that the source offered and of which it gave nothing as the person asked for."""
        offered = {read.fact.subject for read in self.facts if read.candidate and read.fact.subject}
        return frozenset(offered - {read.fact.subject for read in self.facts if not read.candidate})


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
    def forbids_restricted(self) -> bool:
        """Whether it may not be asked about a restricted person: by its protocol, or because the deployment says so."""
        return self.adapter.forbids_restricted or self.table.forbids_restricted

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
    """One fetch under way, about one person at one source (`tag`)."""

    tag: bytes
    task: "asyncio.Task[tuple[dict[str, TypeAnswer], SourceError | None]]" = field(init=False)
    outdated: bool = False
    """What it brings may be from before a change: nobody else joins it, and it is not kept."""


class Flights:
    """All calls of this process to all sources, and the cache in front of them."""

    def __init__(self, keys: Keys, cache: MemoryCache, clock: Callable[[], datetime]) -> None:
        self._keys = keys
        self._cache = cache
        self._clock = clock
        self._under_way: dict[bytes, _Flight] = {}
        self._flying: set[_Flight] = set()

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

        `decided` are the local ids that a person has linked or unlinked, with which of the two: no answer from before a
        decision is served after it.
        Demographics are always among them: without them nobody can tell whose facts they are.
        Never raises for a source's failure: that is in the outcome. Cancelling the caller cancels no flight.
        """
        asked_at = time.monotonic()
        types = types | {"Patient"}
        scope = source.share_scope(actor, purpose)
        keys = {fact_type: self._key(source, subject, fact_type, scope, policy, decided) for fact_type in types}
        held: dict[str, bytes] = {}
        joined: set[_Flight] = set()
        missing: set[str] = set()
        for fact_type, key in keys.items():
            if (kept := self._cache.get(key)) is not None:
                held[fact_type] = kept
            elif (flight := self._under_way.get(key)) is not None:
                joined.add(flight)
            else:
                missing.add(fact_type)
        state = CacheState.MISS if missing else CacheState.SHARED if joined else CacheState.HIT
        if missing:
            joined.add(self._launch(source, subject, frozenset(missing), keys, actor, purpose))
        answers = {name: await aside(len(kept) > LARGE_ANSWER_BYTES, _unpacked, kept) for name, kept in held.items()}
        error: SourceError | None = None
        if joined:
            await asyncio.wait({flight.task for flight in joined})
        for flight in joined:
            found, problem = flight.task.result()
            error = error or problem
            answers.update({fact_type: found[fact_type] for fact_type in types & found.keys()})
        answers["Patient"] = _with_people(answers)
        lasts = any(flight.outdated for flight in joined) or all(map(self._cache.holds, keys.values()))
        return Outcome(answers, error, time.monotonic() - asked_at, state, lasts)

    async def find(self, source: ConfiguredSource, search: PatientSearch, actor: Actor, purpose: str) -> Outcome:
        """Whom the source offers for a search: asked now, shared with nobody and kept nowhere.

        Never raises for a source's failure. Cancelling the caller ends the call: nobody else waits for it.
        """
        asked_at = time.monotonic()
        call = Call(deadline=asked_at + source.table.timeout, actor=actor, purpose=purpose)
        records = partial(source.adapter.find, search, call)
        answers, error = await self._fly(source, records, frozenset({"Patient"}), call)
        return Outcome(answers, error, time.monotonic() - asked_at, CacheState.MISS)

    def forget(self, source: ConfiguredSource, identifiers: Iterable[Identifier]) -> None:
        """What the source has said of this person so far is not served to anybody who asks from now on."""
        for tag in {self._tag(source, one) for one in identifiers}:
            self._cache.forget(tag)
            for flight in self._flying:
                flight.outdated = flight.outdated or flight.tag == tag
        self._under_way = {key: flight for key, flight in self._under_way.items() if not flight.outdated}

    async def close(self) -> None:
        """End every flight: the process is going."""
        tasks = {flight.task for flight in self._flying}
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
        who = subject.identifiers[0]  # as in the tag
        return self._keys.key(
            "answer", SCHEMA_VERSION, source.table.id, who.system, who.value, fact_type, scope, policy, decided
        )

    def _tag(self, source: ConfiguredSource, who: Identifier) -> bytes:
        """What everything has in common that a source said of a person, whoever asked."""
        return self._keys.key("subject", source.table.id, who.system, who.value)

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
        own = {keys[fact_type]: fact_type for fact_type in types}
        flight = _Flight(self._tag(source, subject.identifiers[0]))
        flight.task = asyncio.create_task(self._fly_and_keep(flight, source, ask, call, own))
        self._flying.add(flight)
        self._under_way.update(dict.fromkeys(own, flight))

        def landed(task: "asyncio.Task[tuple[dict[str, TypeAnswer], SourceError | None]]") -> None:
            self._flying.discard(flight)
            for key in own:
                if self._under_way.get(key) is flight:
                    del self._under_way[key]

        flight.task.add_done_callback(landed)
        return flight

    async def _fly_and_keep(
        self, flight: _Flight, source: ConfiguredSource, ask: Ask, call: Call, own: dict[bytes, str]
    ) -> tuple[dict[str, TypeAnswer], SourceError | None]:
        """A flight whose complete answers are in the cache before it has landed: between the two nobody asks again."""
        answers, error = await self._fly(source, partial(source.adapter.fetch, ask, call), ask.types, call)
        if error is None:  # what came before it broke off may not be all there is of a type
            for key, fact_type in own.items():
                answer = answers[fact_type]
                if answer.complete:
                    packed = await aside(len(answer.facts) > MANY_FACTS, _packed, answer)
                    if not flight.outdated:
                        self._cache.put(key, packed, source.table.ttl_s(fact_type), flight.tag)
        return answers, error

    async def _fly(
        self, source: ConfiguredSource, records: _Records, types: frozenset[str], call: Call
    ) -> tuple[dict[str, TypeAnswer], SourceError | None]:
        """Fetch until done, failed or cut, and read meanwhile; what arrived before a failure is kept.

        The source's timeout is for the source: what has arrived by then is read to its end.
        """
        gathered = _Gathered(types, self._clock)
        reading: dict[asyncio.Task[None], SourceRecord] = {}
        try:
            error = await _fetch(source, records, call, reading, gathered)
            if reading and (unread := (await asyncio.wait(reading, timeout=READING_S))[1]):
                late = SourceTimeout("what the source gave could not be read in time")
                gathered.leave_out((reading[task] for task in unread), late)
                error = error or late
        finally:
            for task in reading:
                task.cancel()
        return gathered.answers(error), error or gathered.error


async def _fetch(
    source: ConfiguredSource,
    records: _Records,
    call: Call,
    reading: "dict[asyncio.Task[None], SourceRecord]",
    gathered: "_Gathered",
) -> SourceError | None:
    """Start reading each record as it comes; what ended the fetch, when it did not end by itself."""
    try:
        async with asyncio.timeout(call.remaining_s() + CUT_GRACE_S), source.slots:
            async for record in records():
                reading[asyncio.create_task(gathered.add(source.adapter, record))] = record
    except SourceError as problem:
        return problem
    except TimeoutError:
        return SourceTimeout("no complete answer within the source's timeout")
    except Exception as problem:
        return _fault(source.adapter, problem)
    return None


def _fault(adapter: Adapter[Any], problem: Exception) -> SourceInvalid:
    """An adapter's own fault costs its facts and no others. Only its type is logged: its text may quote a payload."""
    log.error("adapter_fault", source=adapter.source.id, kind=type(problem).__name__)
    return SourceInvalid("the adapter could not make sense of the answer")


def _sound(item: Fact | Gap) -> Fact | Gap:
    """The item, or a gap in its place when it holds what neither cache nor answer can carry: half a surrogate pair.

    Raises TypeError for what an adapter may not give.
    """
    if not isinstance(item, Fact | Gap):
        raise TypeError("neither a fact nor a gap")
    try:
        _encode(item)
    except (ValueError, OverflowError):
        kind, fact_type = (item.kind, item.fact_type) if isinstance(item, Gap) else (None, type(item).__name__)
        return Gap(kind=kind or GapKind.UNREADABLE, fact_type=fact_type, code="UNREADABLE_VALUE")
    return item


def _read_all(adapter: Adapter[Any], record: SourceRecord) -> list[ReadFact | Gap]:
    """Everything in one record, each fact with where it is from. Raises what the adapter raises."""
    digest = hashlib.sha256(b"\0".join(record.parts)).hexdigest()
    return [
        ReadFact(
            fact=item,  # type: ignore[arg-type]
            record_hash=digest,
            retrieved=record.retrieved,
            candidate=record.candidates,
        )
        if isinstance(item, Fact)
        else item
        for item in map(_sound, adapter.read(record))
    ]


def _with_people(answers: dict[str, TypeAnswer]) -> TypeAnswer:
    """Demographics from every answer that this one is put together of.

    Types are kept for different times and come by different flights. Should a source have given a local id to somebody
    else meanwhile, the guard must see both, and not judge the facts of one by the demographics of the other.
    """
    told = answers["Patient"]
    came = [read for answer in answers.values() for read in answer.people]
    came += told.facts
    # Of the same demographics the newest are kept, and those that were given as the person's before those offered.
    came.sort(key=lambda read: (not read.candidate, read.retrieved))
    people = {read.fact: read for read in came if isinstance(read.fact, Patient)}
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
        self._turn = asyncio.Lock()
        self.error: SourceError | None = None
        """What was wrong with a record that could not be read, while others could."""

    async def add(self, adapter: Adapter[Any], record: SourceRecord) -> None:
        """Read one record. One after the other, in the order in which they came."""
        async with self._turn:
            self._take(record, await self._read(adapter, record))

    def leave_out(self, records: Iterable[SourceRecord], error: SourceError) -> None:
        """Say of records that were not read that they were not: another record may have answered for their types."""
        for record in records:
            for name in sorted(record.types):
                self._gaps.setdefault(name, []).append(Gap(kind=GapKind.FAILED, fact_type=name, code=error.code))
            self._answered |= record.types

    def _take(self, record: SourceRecord, found: list[ReadFact | Gap]) -> None:
        for item in found:
            if isinstance(item, ReadFact):
                self._facts.setdefault(type(item.fact).__name__, []).append(item)
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

    async def _read(self, adapter: Adapter[Any], record: SourceRecord) -> list[ReadFact | Gap]:
        """Facts and gaps of one record; one that cannot be read at all fails its own types only."""
        try:
            return await aside(sum(map(len, record.parts)) > LARGE_RECORD_BYTES, _read_all, adapter, record)
        except SourceError as problem:
            self.error = problem
        except Exception as problem:
            self.error = _fault(adapter, problem)
        return [Gap(kind=GapKind.FAILED, fact_type=name, code=self.error.code) for name in sorted(record.types)]

    def answers(self, error: SourceError | None) -> dict[str, TypeAnswer]:
        """One answer for each type asked: facts, gaps, or the gap that says that it failed."""
        if self._unknown is not None and not self._facts.get("Patient"):
            # It knows nobody of this number: as far as it was heard, for a listener may have begun late or gone silent.
            return {name: self._nobody(self._unknown, name) for name in self._types}
        return {fact_type: self._answer(fact_type, error) for fact_type in self._types}

    def _nobody(self, unknown: Gap, fact_type: str) -> TypeAnswer:
        cut = [gap for gap in self._gaps.get(fact_type, ()) if gap.kind is GapKind.TRUNCATED]
        return TypeAnswer(facts=(), gaps=(unknown, *cut), retrieved=self._clock(), complete_from=self._complete_from)

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
