"""The terminology server: asked about codes alone, never waited for longer than agreed, and believed with care."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any

import pytest

from adapters.sdk import HttpSettings, SourceInvalid, SourceUnavailable
from adapters.sdk.client import open_client
from adapters.testing.hostile import hostile_server
from adapters.testing.misbehaviour import Misbehaviour
from gateway import translating
from gateway.config import TerminologyServerTable
from gateway.merge import Terminology, delivered
from gateway.merge.compare import same_codes
from gateway.telemetry import Metrics
from gateway.translating import REST_S, Translator
from schema.model.clinical import Condition, Observation, ObservationComponent
from schema.model.values import CodeableConcept, Coding
from tests.merge.making import TERMS, coded, stating, together
from tests.support.terminology_server import SCT, TerminologyServer, match, terminology_server

READ, ICD10, LOINC = "http://read.info/readv2", "http://hl7.org/fhir/sid/icd-10", "http://loinc.org"
CEILING_S = 30.0
DIABETES = "44054006"


class Clock:
    """A monotonic clock that is moved by hand."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def translator_at(
    base_url: str, terms: Terminology | None = None, clock: Any = monotonic, **table: Any
) -> AsyncIterator[Translator]:
    settings = TerminologyServerTable.model_construct(**{"wait": CEILING_S, "timeout": CEILING_S, **table})
    http = open_client(
        HttpSettings(base_url=base_url), None, name="the terminology server", timeout_s=CEILING_S, max_concurrency=2
    )
    translator = Translator(terms or delivered(), settings, http, clock, Metrics())
    try:
        async with asyncio.timeout(CEILING_S):
            yield translator
    finally:
        await translator.close()


def facts(*codes: tuple[str, str]) -> list[Condition]:
    return [
        Condition(native_id=f"C/{n}", subject="a-1", code=coded(code, system)) for n, (system, code) in enumerate(codes)
    ]


async def learn(translator: Translator, *codes: tuple[str, str]) -> frozenset[tuple[str, str]]:
    return await translator.learn(facts(*codes), monotonic() + CEILING_S)


def same(terms: Terminology, one: tuple[str, str], other: tuple[str, str]) -> bool:
    return same_codes(*(terms.concepts(coded(code, system)) for system, code in (one, other)))


async def until_asked(server: TerminologyServer, times: int) -> None:
    while server.faults.asked < times:
        await asyncio.sleep(0)


async def test_codes_that_no_map_knows_are_translated_in_one_question() -> None:
    maps = {(READ, "C10F."): [match(DIABETES)], (ICD10, "F41.1"): [match("197480006", "wider")]}
    async with terminology_server(maps=maps) as server, translator_at(server.base_url) as translator:
        assert await learn(translator, (READ, "C10F."), (ICD10, "F41.1"), (LOINC, "1742-6"), (READ, "C10F.")) == set()
        assert len(server.questions) == 1
        assert same(translator.terms, (READ, "C10F."), (SCT, DIABETES))
        assert not same(translator.terms, (ICD10, "F41.1"), (SCT, "197480006"))
        assert (SCT, "197480006") in translator.terms.nearby([(ICD10, "F41.1")])
        merged = [("a", {"code": coded("C10F.", READ)}), ("b", {"code": coded(DIABETES)})]
        assert together(Condition, *merged, terms=translator.terms) == [[0, 1]]


def counted(translator: Translator) -> dict[str, float]:
    """What the metric says, by its labels."""
    lines = [one for one in translator.metrics.text().decode().splitlines() if one.startswith("sherwood_translations_")]
    return {label: float(number) for label, _, number in (one.partition(" ") for one in lines if "_total{" in one)}


async def test_what_became_of_each_code_is_counted_and_no_code_is_named() -> None:
    line = {"code": "G20..", "target": [{"equivalence": "unmatched"}]}
    group = {"source": READ, "target": SCT, "element": [line]}
    terms = delivered().extended(concept_maps=[{"resourceType": "ConceptMap", "group": [group]}])
    hold, clock = asyncio.Event(), Clock()
    async with (
        terminology_server(maps={(READ, "C10F."): [match(DIABETES)]}, unknown="false") as server,
        translator_at(server.base_url, terms, clock=clock, wait=0.2) as translator,
    ):
        await learn(translator, (READ, "G20.."), (READ, "C10F."), (READ, "H33.."), (SCT, DIABETES))
        label = 'sherwood_translations_total{{result="{}"}}'.format
        assert counted(translator) == {label("map"): 1, label("translated"): 1, label("unmapped"): 1}
        server.faults.hold = hold
        await translator.learn(facts((READ, "F25..")), clock.now)
        assert counted(translator)[label("timed_out")] == 1
        hold.set()
        while translator._flights:
            await asyncio.sleep(0.01)
        server.status = 500
        await learn(translator, (READ, "E23.."))
        assert counted(translator)[label("failed")] == 1
        assert set(counted(translator)) == {
            label(one) for one in ("map", "translated", "unmapped", "timed_out", "failed")
        }


async def test_without_a_server_nobody_is_asked_and_nothing_is_open() -> None:
    translator = Translator(TERMS)
    assert await learn(translator, (READ, "C10F.")) == set()
    assert translator.terms is TERMS
    assert not translator.asks


async def test_only_codes_and_code_systems_leave_and_only_those_of_systems_that_are_known() -> None:
    concept = CodeableConcept(
        text="CANARY-TEXT",
        codings=(
            Coding(system=READ, code="44G4.", display="CANARY-DISPLAY"),
            Coding(system="urn:trust:codes", code="CANARY-LOCAL"),
            Coding(system="L", code="CANARY-SENDER"),
            Coding(system=READ, code="CANARY TOLD BY MR QUILLFEATHER"),
            Coding(system=READ, code="CANARY" * 20),
            Coding(system=SCT, code="999000"),
        ),
    )
    part = ObservationComponent(code=coded("8480-6", LOINC, display="CANARY-PART"))
    fact = Observation(native_id="CANARY-ID", subject="9990000018", code=concept, components=(part,))
    async with terminology_server() as server, translator_at(server.base_url) as translator:
        await translator.learn([fact], monotonic() + CEILING_S)
        (said,) = server.questions
    urls = [entry["request"]["url"] for entry in json.loads(said)["entry"]]
    target = "targetsystem=http%3A%2F%2Fsnomed.info%2Fsct"
    assert urls == [
        f"ConceptMap/$translate?system=http%3A%2F%2Floinc.org&code=8480-6&{target}",
        f"ConceptMap/$translate?system=http%3A%2F%2Fread.info%2Freadv2&code=44G4.&{target}",
    ]
    assert "CANARY" not in said
    assert "9990000018" not in said


async def test_a_system_of_ones_own_is_asked_about_when_it_is_listed_and_one_code_is_asked_plainly() -> None:
    own = ("urn:trust:codes", "D+M&2")
    async with (
        terminology_server(maps={own: [match(DIABETES)]}) as server,
        translator_at(server.base_url, systems=("urn:trust:codes",)) as translator,
    ):
        await learn(translator, own)
        assert same(translator.terms, own, (SCT, DIABETES))
        assert server.questions[0].startswith("/fhir/ConceptMap/$translate?system=urn:trust:codes&code=D")


async def test_a_code_of_which_a_map_says_anything_is_not_asked_about() -> None:
    line = {"code": "C10F.", "target": [{"equivalence": "unmatched"}]}
    group = {"source": READ, "target": SCT, "element": [line]}
    terms = delivered().extended(concept_maps=[{"resourceType": "ConceptMap", "group": [group]}])
    async with (
        terminology_server(maps={(READ, "C10F."): [match(DIABETES)]}) as server,
        translator_at(server.base_url, terms) as translator,
    ):
        assert await learn(translator, (READ, "C10F.")) == set()
        assert server.questions == []
        assert not same(translator.terms, (READ, "C10F."), (SCT, DIABETES))


@pytest.mark.parametrize("size", [1, 2, 50])
async def test_no_more_codes_than_agreed_are_in_one_question(size: int) -> None:
    codes = [(READ, f"A{n:03d}.") for n in range(5)]
    async with terminology_server() as server, translator_at(server.base_url, batch=size) as translator:
        assert await learn(translator, *codes) == set()
        assert len(server.questions) == {1: 5, 2: 3, 50: 1}[size]


async def test_many_callers_at_once_ask_once_and_an_answer_is_kept() -> None:
    hold = asyncio.Event()
    async with terminology_server(maps={(READ, "C10F."): [match(DIABETES)]}) as server:
        server.faults.hold = hold
        async with translator_at(server.base_url) as translator:
            callers = [asyncio.create_task(learn(translator, (READ, "C10F."))) for _ in range(20)]
            await until_asked(server, 1)
            hold.set()
            assert set(await asyncio.gather(*callers)) == {frozenset()}
            await learn(translator, (READ, "C10F."))
            assert server.faults.asked == 1


async def test_an_answer_waits_no_longer_than_agreed_and_what_comes_late_serves_the_next() -> None:
    hold = asyncio.Event()
    async with terminology_server(maps={(READ, "C10F."): [match(DIABETES)]}) as server:
        server.faults.hold = hold
        async with translator_at(server.base_url, wait=0.2) as translator:
            assert await learn(translator, (READ, "C10F.")) == {(READ, "C10F.")}, "held open until the answer is given"
            assert not same(translator.terms, (READ, "C10F."), (SCT, DIABETES))
            hold.set()
            while translator._flights:
                await asyncio.sleep(0.01)
            assert await learn(translator, (READ, "C10F.")) == set()
            assert same(translator.terms, (READ, "C10F."), (SCT, DIABETES))
            assert server.faults.asked == 1


async def test_past_the_deadline_nobody_waits_and_the_question_is_asked_all_the_same() -> None:
    hold = asyncio.Event()
    async with terminology_server(maps={(READ, "C10F."): [match(DIABETES)]}) as server:
        server.faults.hold = hold
        async with translator_at(server.base_url) as translator:
            assert await translator.learn(facts((READ, "C10F.")), monotonic() - 1) == {(READ, "C10F.")}
            hold.set()
            assert await learn(translator, (READ, "C10F.")) == set()
            assert server.faults.asked == 1


@pytest.mark.parametrize("fault", [fault for fault in Misbehaviour if fault is not Misbehaviour.NONE])
async def test_whatever_a_hostile_server_does_the_code_stays_unmapped_and_nothing_is_raised(
    fault: Misbehaviour,
) -> None:
    async with hostile_server(fault) as server, translator_at(server.base_url, timeout=0.3) as translator:
        assert await learn(translator, (READ, "C10F.")) == {(READ, "C10F.")}
        assert translator.terms.equivalent == delivered().equivalent
        assert server.elsewhere == 0


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 429, 500, 503])
async def test_a_failure_is_not_taken_for_an_answer_and_the_server_is_left_alone_for_a_few_seconds(status: int) -> None:
    clock = Clock()
    maps = {(READ, "C10F."): [match(DIABETES)], (READ, "H33.."): [match("195967001")]}
    async with (
        terminology_server(maps=maps, status=status) as server,
        translator_at(server.base_url, clock=clock) as translator,
    ):
        assert await learn(translator, (READ, "C10F.")) == {(READ, "C10F.")}
        asked = server.faults.asked
        server.status = 200
        clock.now += REST_S - 0.1
        assert await learn(translator, (READ, "C10F."), (READ, "H33..")) == {(READ, "C10F."), (READ, "H33..")}
        assert server.faults.asked == asked
        clock.now += 0.1
        assert await learn(translator, (READ, "C10F."), (READ, "H33..")) == set()
        assert same(translator.terms, (READ, "C10F."), (SCT, DIABETES))


@pytest.mark.parametrize("unknown", ["false", "404"])
async def test_that_there_is_no_translation_is_an_answer_that_is_believed_for_a_shorter_time(unknown: str) -> None:
    clock = Clock()
    async with (
        terminology_server(unknown=unknown, maps={(READ, "H33.."): [match("195967001")]}) as server,
        translator_at(server.base_url, clock=clock, unmapped_ttl=60.0, cache_ttl=600.0) as translator,
    ):
        assert await learn(translator, (READ, "C10F."), (READ, "H33..")) == set()
        server.maps[READ, "C10F."] = [match(DIABETES)]
        clock.now += 59
        await learn(translator, (READ, "C10F."), (READ, "H33.."))
        assert len(server.questions) == 1
        clock.now += 2
        await learn(translator, (READ, "C10F."), (READ, "H33.."))
        while translator._flights:
            await asyncio.sleep(0.01)
        assert len(server.questions) == 2
        assert "H33" not in server.questions[1], "that one is still believed"
        assert same(translator.terms, (READ, "C10F."), (SCT, DIABETES))


async def test_an_old_translation_serves_on_until_another_one_is_there() -> None:
    clock = Clock()
    async with (
        terminology_server(maps={(READ, "C10F."): [match(DIABETES)]}) as server,
        translator_at(server.base_url, clock=clock, cache_ttl=600.0) as translator,
    ):
        await learn(translator, (READ, "C10F."))
        clock.now += 601
        server.faults.down = True
        assert await learn(translator, (READ, "C10F.")) == set()
        assert same(translator.terms, (READ, "C10F."), (SCT, DIABETES))
        while translator._flights:
            await asyncio.sleep(0.01)
        server.faults.down = False
        server.maps[READ, "C10F."] = [match(DIABETES, "wider")]
        clock.now += REST_S
        await learn(translator, (READ, "C10F."))
        while translator._flights:
            await asyncio.sleep(0.01)
        assert not same(translator.terms, (READ, "C10F."), (SCT, DIABETES))


UNUSABLE = {
    "another code system than was asked for": [match(DIABETES, system=ICD10)],
    "a word that is none": [match(DIABETES, "sort-of")],
    "one usable match beside one that is not": [match(DIABETES), match("1", "sort-of")],
    "no code": [{"name": "match", "part": [{"name": "equivalence", "valueCode": "equal"},
                                           {"name": "concept", "valueCoding": {"system": SCT}}]}],
    "no equivalence": [{"name": "match", "part": []}],
    "no parts": [{"name": "match"}],
}  # fmt: skip


@pytest.mark.parametrize("why", UNUSABLE)
async def test_an_answer_that_is_not_to_the_question_is_no_answer(why: str) -> None:
    async with (
        terminology_server(maps={(READ, "C10F."): UNUSABLE[why]}) as server,
        translator_at(server.base_url) as translator,
    ):
        assert await learn(translator, (READ, "C10F.")) == {(READ, "C10F.")}
        assert translator.terms.equivalent == delivered().equivalent


CAREFUL = {
    "broader": [match(DIABETES, "wider")],
    "on a condition": [match(DIABETES, "equivalent", SCT, "product")],
    "equivalent and disjoint": [match(DIABETES), match(DIABETES, "disjoint")],
    "unmatched": [{"name": "match", "part": [{"name": "equivalence", "valueCode": "unmatched"}]}],
}


@pytest.mark.parametrize("how", CAREFUL)
async def test_the_words_of_a_server_obey_the_rules_of_maps(how: str) -> None:
    async with (
        terminology_server(maps={(READ, "C10F."): CAREFUL[how]}) as server,
        translator_at(server.base_url) as translator,
    ):
        assert await learn(translator, (READ, "C10F.")) == set()
        assert not same(translator.terms, (READ, "C10F."), (SCT, DIABETES))


async def test_matches_of_an_answer_that_calls_itself_no_translation_make_nothing_the_same() -> None:
    async with (
        terminology_server(maps={(READ, "C10F."): [match(DIABETES)]}, result=False) as server,
        translator_at(server.base_url) as translator,
    ):
        assert await learn(translator, (READ, "C10F.")) == set()
        assert not same(translator.terms, (READ, "C10F."), (SCT, DIABETES))


async def test_what_a_map_says_outweighs_what_the_server_says() -> None:
    lab = "urn:lab"
    same_there = [{"code": "DM", "target": [{"code": DIABETES, "equivalence": "equal"}]}]
    nowhere = [{"code": "DM", "target": [{"equivalence": "unmatched"}]}]
    lines = [
        {"source": lab, "target": SCT, "element": same_there},
        {"source": lab, "target": READ, "element": nowhere},
    ]
    terms = delivered().extended(concept_maps=[{"resourceType": "ConceptMap", "group": lines}])
    async with (
        terminology_server(maps={(READ, "C10F."): [match(DIABETES)]}) as server,
        translator_at(server.base_url, terms) as translator,
    ):
        await learn(translator, (READ, "C10F."))
        assert not same(translator.terms, (READ, "C10F."), (lab, "DM"))
        assert same(translator.terms, (lab, "DM"), (SCT, DIABETES))


async def test_no_more_answers_are_kept_than_agreed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(translating, "MOST_ANSWERS", 3)
    async with terminology_server() as server, translator_at(server.base_url) as translator:
        for n in range(5):
            await learn(translator, (READ, f"A{n}..."))
        assert [code for _, code in translator._answers] == ["A2...", "A3...", "A4..."]


async def test_translations_make_a_larger_terminology_and_change_none() -> None:
    async with (
        terminology_server(maps={(READ, "C10F."): [match(DIABETES)]}) as server,
        translator_at(server.base_url) as translator,
    ):
        before = translator.terms
        held = stating(Condition, ("a", {"code": coded("C10F.", READ)}))
        await translator.learn([one.fact for one in held], monotonic() + CEILING_S)
        assert translator.terms is not before
        assert before.equivalent == delivered().equivalent


async def test_check_says_whether_it_is_a_terminology_server() -> None:
    async with terminology_server() as server, translator_at(server.base_url) as translator:
        await translator.check()
        server.faults.garbage = True
        with pytest.raises(SourceInvalid, match="CapabilityStatement"):
            await translator.check()
        server.faults.garbage, server.faults.down = False, True
        with pytest.raises(SourceUnavailable):
            await translator.check()
