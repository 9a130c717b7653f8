"""The conformance kit: what every adapter promises, checked through its own fetch and read. Needs pytest.

    class TestMine(AdapterConformance):
        known = Subject(identifiers=(Identifier(system=NHS_NUMBER, value="..."),))     # has facts in the simulator
        unknown = Subject(identifiers=(Identifier(system=NHS_NUMBER, value="..."),))   # is not there

        @asynccontextmanager
        async def running(self):              # the adapter, ready against a running simulator
            async with my_simulator() as port:
                yield my_adapter(port)

The promises are those of `adapters.sdk.contract`, whatever the source speaks. A kind that uses HTTP subclasses
`adapters.testing.http_conformance.HttpAdapterConformance` instead, which also tries it against a hostile server. Each
check says in one sentence what it protects. A check fails with `NotConformant`, whose text says what to change.
"""

import asyncio
import logging
import re
import time
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

import msgspec
import pytest
from pydantic import ValidationError

from adapters.sdk import (
    Actor,
    Adapter,
    Ask,
    Call,
    Health,
    Settings,
    SourceError,
    SourceRecord,
    SourceRequest,
    SourceTimeout,
    Subject,
)
from adapters.testing.mutation import NONSENSE, mutants
from schema.model.clinical import FACT_TYPES, AnyFact, Patient
from schema.model.fact import PATIENT_NOT_FOUND, Fact, Gap, GapKind

CEILING_S = 30.0
"""Only a hang reaches it."""

_NATIVE_ID = re.compile(r"[A-Z][A-Za-z]*/\S.*")
_CLAIMS = frozenset({GapKind.NONE_KNOWN, GapKind.NOT_RECORDED, GapKind.NOT_HELD})
"""Silences that say something about the person: nothing broken may cause one."""


class NotConformant(AssertionError):
    """A promise of the adapter contract is not kept."""


def require(kept: bool, otherwise: str) -> None:
    """Raise NotConformant with that sentence unless the promise is kept."""
    if not kept:
        raise NotConformant(otherwise)


@dataclass
class Answer:
    """Everything that came of one ask."""

    records: list[SourceRecord] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    error: SourceError | None = None


class AdapterConformance:
    """Subclass it in a test module, under a name that begins with Test, and supply what is asked for first."""

    known: ClassVar[Subject]
    """Somebody with facts in the running source."""
    unknown: ClassVar[Subject]
    """Somebody the running source does not know."""
    mutations: ClassVar[int] = 300
    """How many damaged records are read."""
    tries_http: ClassVar[bool] = False
    """True of the kit that also has the checks for HTTP."""

    pytestmark = pytest.mark.asyncio

    def running(self) -> AbstractAsyncContextManager[Adapter[Any]]:
        """The adapter, ready to ask a running simulator or server."""
        raise NotImplementedError("override running()")

    # What it declares

    async def test_what_it_declares_exists(self) -> None:
        """Protects push-down: a type that is not a fact type would never be asked for and never be missed."""
        async with self.running() as adapter:
            strange = adapter.types - FACT_TYPES.keys()
            require(not strange, f"types declares what is not a fact type: {', '.join(sorted(strange))}")
            require(bool(adapter.types), "types declares nothing")
            require(bool(adapter.kind), "kind is empty")
            require(bool(adapter.identifier_systems), "identifier_systems is empty: nobody can be asked about")
            require(
                isinstance(adapter.settings, adapter.settings_model), "settings are not an instance of settings_model"
            )
            require(
                self.tries_http or not adapter.uses_http,
                "a kind that uses HTTP is tried against the hostile server: subclass HttpAdapterConformance",
            )

    async def test_its_settings_refuse_unknown_keys(self) -> None:
        """Protects the operator: a misspelt key is an error at start, not a default in the night."""
        async with self.running() as adapter:
            model = adapter.settings_model
            require(issubclass(model, Settings), "settings_model does not inherit adapters.sdk.Settings")
            written = adapter.settings.model_dump() | {"no_such_setting_anywhere": "quoted"}
            try:
                model.model_validate(written)
            except ValidationError as error:
                unknown = any(fault["type"] == "extra_forbidden" for fault in error.errors(include_input=False))
                require(unknown, "settings_model accepts unknown keys")
                require("quoted" not in str(error), "settings_model quotes what was written: keep hide_input_in_errors")
            else:
                raise NotConformant("settings_model accepts unknown keys")

    # What it answers

    async def test_a_known_person_has_facts(self) -> None:
        """Protects this kit: without facts of a known person most of its checks would pass on nothing."""
        async with self.running() as adapter:
            only_demographics = adapter.types == {"Patient"}
        answer = await self._known()
        require(bool(answer.records), "fetch yielded no record for the known subject")
        require(any(isinstance(f, Patient) for f in answer.facts), "there is no Patient fact of the known subject")
        clinical = any(not isinstance(fact, Patient) for fact in answer.facts)
        require(clinical or only_demographics, "the known subject has no fact but Patient")

    async def test_records_answer_only_what_was_asked(self) -> None:
        """Protects the cache and the policy, which file a record under the types it names."""
        async with self.running() as adapter:
            for asked in self._asks(adapter):
                answer = await gather(adapter, asked, call())
                beyond = {t for record in answer.records for t in record.types} - asked.types - {"Patient"}
                require(not beyond, f"a record names types that were not asked for: {', '.join(sorted(beyond))}")
                naive = any(record.retrieved.tzinfo is None for record in answer.records)
                require(not naive, "a record's `retrieved` has no zone")

    async def test_every_type_asked_for_ends_in_a_fact_or_a_gap(self) -> None:
        """Protects against absence shown where there was silence."""
        async with self.running() as adapter:
            for asked in self._asks(adapter):
                answer = await gather(adapter, asked, call())
                told = {type(fact).__name__ for fact in answer.facts} | {gap.fact_type for gap in answer.gaps}
                silent = set() if None in told else asked.types & adapter.types - told
                require(not silent, f"neither a fact nor a gap for: {', '.join(sorted(silent))}")

    async def test_a_patient_fact_comes_with_every_subject(self) -> None:
        """Protects against the wrong patient: a subject whose demographics are not shown cannot be verified."""
        answer = await self._known()
        patients = [fact for fact in answer.facts if isinstance(fact, Patient)]
        require(all(p.native_id == p.subject for p in patients), "a Patient fact's native_id is not its subject")
        nameless = {f.subject for f in answer.facts if f.subject is not None} - {p.subject for p in patients}
        require(not nameless, f"{len(nameless)} subjects have facts and no Patient fact")

    async def test_every_fact_has_its_own_native_id(self) -> None:
        """Protects provenance and links: an id names one statement of the source, as Type/id."""
        answer = await self._known()
        wrong = {type(fact).__name__ for fact in answer.facts if not _NATIVE_ID.fullmatch(fact.native_id)}
        require(not wrong, f"native_id is not of the form Type/id: {', '.join(sorted(wrong))}")
        seen: set[str] = set()
        for fact in answer.facts:
            # Demographics may come with every record; each other statement is made once.
            twice = fact.native_id in seen and not isinstance(fact, Patient)
            require(not twice, f"two facts of type {type(fact).__name__} have one native_id")
            seen.add(fact.native_id)

    async def test_an_unknown_person_is_an_answer(self) -> None:
        """Protects availability and identity: "not here" is a gap, neither an error nor somebody else's record."""
        async with self.running() as adapter:
            answer = await gather(adapter, Ask(subjects=(self.unknown,), types=self._types(adapter)), call())
        require(answer.error is None, f"an unknown person is a {type(answer.error).__name__}, not a gap")
        require(not answer.facts, "there are facts of an unknown person")
        require(any(g.code == PATIENT_NOT_FOUND for g in answer.gaps), "there is no gap with code PATIENT_NOT_FOUND")

    # How it reads

    async def test_reading_is_pure(self) -> None:
        """Protects kept records: read again, in any order and after storage, they say the same."""
        async with self.running() as adapter:
            answer = await gather(adapter, Ask(subjects=(self.known,), types=self._types(adapter)), call())
            first = [list(adapter.read(record)) for record in answer.records]
            again = [list(adapter.read(record)) for record in reversed(answer.records)][::-1]
            require(first == again, "reading the same record twice, in another order, gives something else")
            stored = [
                msgspec.msgpack.decode(msgspec.msgpack.encode(record), type=SourceRecord) for record in answer.records
            ]
            require(stored == answer.records, "a record does not survive MessagePack")
            require([list(adapter.read(r)) for r in stored] == first, "a stored record reads differently")

    async def test_facts_and_gaps_survive_storage(self) -> None:
        """Protects the cache, which holds them as MessagePack bytes."""
        answer = await self._known()
        for fact in answer.facts:
            require(_survives(fact, AnyFact), f"a {type(fact).__name__} fact does not survive MessagePack")
        for gap in answer.gaps:
            require(_survives(gap, Gap), "a gap does not survive MessagePack")

    async def test_damaged_records_are_refused_or_read_and_never_crash(self) -> None:
        """Protects the gateway from a source's bad day: reading is total, and its errors are typed."""
        async with self.running() as adapter:
            answer = await gather(adapter, Ask(subjects=(self.known,), types=self._types(adapter)), call())
            for record in self._damaged(answer.records):
                self._read(adapter, record)

    async def test_nonsense_claims_nothing(self) -> None:
        """Protects against absence read from a login page: what is no answer says nothing about the person."""
        async with self.running() as adapter:
            answer = await gather(adapter, Ask(subjects=(self.known,), types=self._types(adapter)), call())
            for record in answer.records:
                for nonsense in NONSENSE:
                    read = self._read(adapter, msgspec.structs.replace(record, parts=(nonsense,)))
                    self._claims_nothing(read, "a record that is nonsense")

    # What it lets out

    async def test_errors_name_nobody(self) -> None:
        """Protects the patient: error texts travel to logs and to callers who may not see the record."""
        async with self.running() as adapter:
            answer = await gather(adapter, Ask(subjects=(self.known,), types=self._types(adapter)), call())
            words = self._private(answer)
            for gap in answer.gaps:
                require(not _names(gap.at or "", words), "a gap's `at` holds a value: it must be a pointer")
            for record in self._damaged(answer.records):
                self._is_discreet(self._read(adapter, record).error, words)

    async def test_nothing_is_logged_that_names_the_person(self, caplog: pytest.LogCaptureFixture) -> None:
        """Protects the patient: no logger, at any level, may write who was asked about or what was said."""
        caplog.set_level(logging.DEBUG)
        async with self.running() as adapter:
            answer = await gather(adapter, Ask(subjects=(self.known,), types=self._types(adapter)), call())
            for record in answer.records:
                self._read(adapter, msgspec.structs.replace(record, parts=(*record.parts[:-1], NONSENSE[0])))
        loose = {record.name for record in caplog.records if _names(_logged(record), self._private(answer))}
        require(not loose, f"these loggers write what names the person: {', '.join(sorted(loose))}")

    # How it ends

    async def test_a_deadline_that_has_passed_is_a_timeout(self) -> None:
        """Protects the caller's time: no call to the source begins that nobody waits for."""
        async with self.running() as adapter:
            answer = await gather(adapter, Ask(subjects=(self.known,), types=self._types(adapter)), call(-1.0))
        require(isinstance(answer.error, SourceTimeout), "a deadline in the past did not raise SourceTimeout")

    async def test_a_fetch_can_be_left_at_any_point(self) -> None:
        """Protects the source: a caller that leaves, by cancelling or closing, leaves nothing open or stuck."""
        async with self.running() as adapter:
            asked = Ask(subjects=(self.known,), types=self._types(adapter))
            for turns in (1, 5, 20):
                leaving = asyncio.create_task(gather(adapter, asked, call()))
                for _ in range(turns):
                    await asyncio.sleep(0)
                leaving.cancel()
                done, _ = await asyncio.wait([leaving], timeout=CEILING_S)
                require(bool(done), "a cancelled fetch did not end")
                require(
                    leaving.cancelled() or turns > 1, "fetch swallowed its cancellation: never catch CancelledError"
                )
            answer = await gather(adapter, asked, call(), leave_after=1)
            require(answer.error is None, "after a caller left, the source can no longer be asked")
            answer = await gather(adapter, asked, call())
            require(
                bool(answer.facts) and answer.error is None, "after callers left, the source can no longer be asked"
            )

    async def test_check_asks_the_source_for_real(self) -> None:
        """Protects the operator: `sherwood check` says that a source works only when it does."""
        async with self.running() as adapter, asyncio.timeout(CEILING_S):
            health = await adapter.check(call())
            require(isinstance(health, Health) and bool(health.detail), "check did not return a Health with a detail")
            with pytest.raises(SourceError):
                await adapter.check(call(-1.0))

    async def test_changes_are_told_from_now_on(self) -> None:
        """Protects whoever watches: what is told begins now, ends, and is never asked for with a foreign cursor."""
        async with self.running() as adapter, asyncio.timeout(CEILING_S):
            if not adapter.tells_changes:
                return
            now = await adapter.changes(None, call())
            require(not now.subjects, "changes(None) tells of somebody: it begins now")
            again = await adapter.changes(now.cursor, call())
            require(again == now, "nothing has changed, and changes tells something else than before")
            with pytest.raises(SourceRequest):
                await adapter.changes("no cursor of any source", call())
            with pytest.raises(SourceTimeout):
                await adapter.changes(now.cursor, call(-1.0))

    # What the checks are made of

    def _types(self, adapter: Adapter[Any]) -> frozenset[str]:
        return adapter.types | {"Patient"}

    def _asks(self, adapter: Adapter[Any]) -> Iterator[Ask]:
        """For everything, and for each type alone."""
        yield Ask(subjects=(self.known,), types=self._types(adapter))
        for one in sorted(adapter.types):
            yield Ask(subjects=(self.known,), types=frozenset({one, "Patient"}))

    async def _known(self) -> Answer:
        async with self.running() as adapter:
            answer = await gather(adapter, Ask(subjects=(self.known,), types=self._types(adapter)), call())
        require(answer.error is None, f"asking about the known subject failed: {type(answer.error).__name__}")
        return answer

    def _damaged(self, records: list[SourceRecord]) -> Iterator[SourceRecord]:
        parts = [(record, n) for record in records for n in range(len(record.parts))]
        for seed, (record, n) in enumerate(parts):
            for damaged in mutants(record.parts[n], max(1, self.mutations // len(parts)), seed):
                changed = (*record.parts[:n], damaged, *record.parts[n + 1 :])
                yield msgspec.structs.replace(record, parts=changed)
        for record in records:
            for changed in ((), (b"",), record.parts * 2, record.parts[::-1], *((n,) for n in NONSENSE)):
                yield msgspec.structs.replace(record, parts=changed)

    def _read(self, adapter: Adapter[Any], record: SourceRecord) -> Answer:
        answer = Answer()
        try:
            read_into(answer, adapter, record)
        except SourceError as error:
            answer.error = error
        except NotConformant:
            raise
        except Exception as error:
            kind = type(error).__name__
            raise NotConformant(f"reading a damaged record raised {kind}: raise SourceInvalid or give a gap") from error
        return answer

    def _claims_nothing(self, answer: Answer, what: str) -> None:
        claims = sorted({gap.kind.name for gap in answer.gaps if gap.kind in _CLAIMS})
        require(not answer.facts, f"facts were read from {what}")
        require(not claims, f"{what} is read as {', '.join(claims)}: that is a statement about the person")
        require(bool(answer.error or answer.gaps), f"{what} is read as nothing at all, without a gap")

    def _private(self, answer: Answer) -> frozenset[str]:
        """Words that name the person asked about."""
        words = {i.value for i in self.known.identifiers} | set(self.known.local_ids)
        words |= {word for word in (self.known.family, self.known.given) if word}
        if self.known.birth_date is not None:
            words.add(self.known.birth_date.isoformat())
        for fact in answer.facts:
            words |= {i.value for i in fact.identifiers}
            if isinstance(fact, Patient):
                words.add(fact.native_id)
                words |= {name.family for name in fact.names if name.family}
                words |= {a.postal_code for a in fact.addresses if a.postal_code}
                words |= {t.value for t in fact.telecom}
        return frozenset(word.casefold() for word in words if len(word) > 3)

    def _is_discreet(self, error: SourceError | None, words: frozenset[str]) -> None:
        told: BaseException | None = error
        while told is not None:
            ours = isinstance(told, SourceError)
            require(ours, "an error carries a foreign exception along: raise it `from None`")
            named = _names(f"{told} {told!r}", words | {"127.0.0.1", "://"})
            require(not named, "an error's text names a person or URL")
            told = told.__cause__ or (None if told.__suppress_context__ else told.__context__)


def call(seconds: float = CEILING_S) -> Call:
    """A call in an invented user's name, with that many seconds left."""
    actor = Actor(user="conformance-kit", role="clinician", organization="kit", name="Conformance Kit")
    return Call(deadline=time.monotonic() + seconds, actor=actor)


async def gather(adapter: Adapter[Any], ask: Ask, call: Call, leave_after: int | None = None) -> Answer:
    """Everything that comes of one ask, or so many records of it. A SourceError is part of the answer."""
    answer = Answer()
    try:
        async with asyncio.timeout(CEILING_S * 1.5), aclosing(cast(Any, adapter.fetch(ask, call))) as records:
            async for record in records:
                answer.records.append(record)
                read_into(answer, adapter, record)
                if len(answer.records) == leave_after:
                    break
    except SourceError as error:
        answer.error = error
    except NotConformant:
        raise
    except TimeoutError:
        raise NotConformant("fetch neither ended nor kept its deadline") from None
    except Exception as error:
        raise NotConformant(f"fetch or read raised {type(error).__name__}, which is not a SourceError") from error
    return answer


def read_into(answer: Answer, adapter: Adapter[Any], record: SourceRecord) -> None:
    """Read one record and sort what it says."""
    for found in list(adapter.read(record)):
        if isinstance(found, Gap):
            answer.gaps.append(found)
        elif isinstance(found, Fact):
            answer.facts.append(found)
        else:
            raise NotConformant(f"read gave a {type(found).__name__}, which is neither a fact nor a gap")


def _survives(value: Fact | Gap, kind: Any) -> bool:
    try:
        return bool(msgspec.msgpack.decode(msgspec.msgpack.encode(value), type=kind) == value)
    except (msgspec.MsgspecError, TypeError):
        return False


def _names(text: str, words: frozenset[str]) -> bool:
    folded = text.casefold()
    return any(word in folded for word in words)


def _logged(record: logging.LogRecord) -> str:
    return f"{record.getMessage()} {record.exc_text or ''} {record.exc_info or ''}"
