"""The generated patient: whatever his record's size, the answer is whole, or says what is cut."""

import asyncio
import json
import resource
import threading
import time
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import aiohttp
import msgspec
import pytest

from adapters.demo import scale
from adapters.demo.scale_facts import BODIES
from adapters.fhir.simulate import search_app
from adapters.sdk import Ask, Call, SettingsError, SourceRecord
from adapters.testing.simulation import Faults, http_server, json_bytes
from gateway.flights import CUT_GRACE_S, LARGE_RECORD_BYTES
from schema.gql.connection import AT_A_TIME
from schema.model.clinical import FACT_TYPES, SECTIONS, Condition
from schema.model.fact import Fact, Gap
from schema.model.values import CodeableConcept
from tests.graphql.conftest import CLOCK, MICHAEL, Running, started
from tests.graphql.impostor import Impostor

REFERRED = frozenset({"Patient", "Organization", "Practitioner", "Medication", "Specimen"})
"""Resources that are no facts: who he is, and what facts refer to."""
PAGE = "pageInfo { hasNextPage endCursor } nodes { provenance { nativeId source { id } } }"
FIRST = " ".join(f"{name} {{ totalCount sources {{ state }} entries(first: 1000) {{ {PAGE} }} }}" for name in SECTIONS)
NEXT = f"{{ totalCount sources {{ state }} entries(first: 1000, after: $after) {{ {PAGE} }} }}"

HEARD = frozenset({"OK", "NOT_ASKED", "NOT_LINKED"})
"""What may become of sources without a loss. A section that the laboratory's feed might fill is COMPLETE of nobody."""


def made(facts: int) -> list[str]:
    """Native ids of the facts that the hospital holds."""
    record = scale.record(CLOCK, facts)
    return [f"{one['resourceType']}/{one['id']}" for one in record if one["resourceType"] not in REFERRED]


async def shown(gateway: Running) -> tuple[int, list[str], set[str]]:
    """What the sections count, the native id of every entry of every page, and what became of sources."""
    record = await gateway.record(FIRST, number=scale.NUMBER, deadline="PT30S")
    counted = sum(section["totalCount"] for section in record.values())
    ids: list[str] = []
    for name, section in record.items():
        while True:
            ids += [said["nativeId"] for node in section["entries"]["nodes"] for said in node["provenance"]]
            if not section["entries"]["pageInfo"]["hasNextPage"]:
                break
            section = await following(gateway, name, section["entries"]["pageInfo"]["endCursor"])
    return counted, ids, states(record)


def states(record: dict[str, Any]) -> set[str]:
    return {source["state"] for section in record.values() for source in section["sources"]}


async def following(gateway: Running, name: str, cursor: str) -> Any:
    """The page after. On a machine that others use too the hospital may be late once its answer is fresh no more."""
    for _ in range(10):
        query = f"{name} {NEXT.replace('$after', json.dumps(cursor))}"
        record = await gateway.record(query, number=scale.NUMBER, deadline="PT30S")
        (section,) = record.values()
        if states(record) <= HEARD:
            break
    return section


async def test_every_one_of_five_thousand_facts_is_counted_and_met_once_on_the_way_through_the_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(scale.VARIABLE, "5000")
    async with started(tmp_path) as gateway:
        counted, ids, became = await shown(gateway)
        assert counted == 5000
        assert sorted(ids) == sorted(made(5000)), "each once, and nothing else"
        assert became <= HEARD
        record = await gateway.record(
            "sources { source { id } state cache facts gaps { kind } } observations { totalCount }", number=scale.NUMBER
        )
        (epr,) = [source for source in record["sources"] if source["source"]["id"] == "epr"]
        assert (epr["state"], epr["cache"]) == ("OK", "HIT")
        assert epr["facts"] == record["observations"]["totalCount"] + 1, "and who he is"
        assert {gap["kind"] for gap in epr["gaps"]} <= {"NOT_RECORDED"}, "nothing of it could not be read"


async def test_a_search_cut_by_its_limit_of_pages_says_so_of_its_own_section_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(scale.VARIABLE, "2000")

    def limited(text: str) -> str:
        assert "max_pages = 1000" in text
        return text.replace("max_pages = 1000", "max_pages = 3")

    selection = "{ totalCount status sources { source { id } state gaps { kind } } }"
    async with started(tmp_path, edit=limited) as gateway:
        record = await gateway.record(f"observations {selection} encounters {selection}", number=scale.NUMBER)
    assert record["observations"]["totalCount"] == 600, "three pages of 200 are kept"
    assert record["observations"]["status"] == "PARTIAL"
    (epr,) = [source for source in record["observations"]["sources"] if source["source"]["id"] == "epr"]
    assert (epr["state"], [gap["kind"] for gap in epr["gaps"]]) == ("PARTIAL", ["TRUNCATED"])
    assert states({"encounters": record["encounters"]}) <= HEARD


@pytest.mark.slow
async def test_fifty_thousand_facts_are_whole_within_bounded_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(scale.VARIABLE, "50000")
    # Systems, gateway and caller share this process and its time: the hospital's record is given what it takes.
    async with started(tmp_path, edit=lambda text: text.replace('timeout = "8s"', 'timeout = "120s"')) as gateway:
        for _ in range(10):
            record = await gateway.record(FIRST.replace("1000", "0"), number=scale.NUMBER, deadline="PT30S")
            if states(record) <= HEARD:
                break
        counted, ids, became = await shown(gateway)
    assert counted == 50_000
    assert became <= HEARD
    assert sorted(ids) == sorted(made(50_000))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 2 * 1024 * 1024, "KiB, with everything in one process"


async def test_a_page_that_is_given_with_pauses_is_in_order_and_its_cursors_lead_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(scale.VARIABLE, "400")
    size = 3 * AT_A_TIME + 1
    query = f"observations {{ entries(first: {size}) {{ edges {{ cursor node {{ id }} }} nodes {{ id }} }} }}"
    rest = "observations {{ entries(first: 1000, after: {}) {{ nodes {{ id when {{ value }} }} }} }}"
    async with started(tmp_path) as gateway:
        first = (await gateway.record(query, number=scale.NUMBER))["observations"]["entries"]
        everything = await gateway.record(rest.format("null"), number=scale.NUMBER)
        ids = [node["id"] for node in everything["observations"]["entries"]["nodes"]]
        assert [edge["node"]["id"] for edge in first["edges"]] == ids[:size]
        assert [node["id"] for node in first["nodes"]] == ids[:size]
        for place in (0, AT_A_TIME - 1, AT_A_TIME, size - 1):
            after = json.dumps(first["edges"][place]["cursor"])
            following = await gateway.record(rest.format(after), number=scale.NUMBER)
            assert [n["id"] for n in following["observations"]["entries"]["nodes"]] == ids[place + 1 :]


class SlowReader(Impostor):
    """What it gives takes longer to read than its source may take to answer."""

    types = frozenset({"Condition"})
    until: ClassVar[float] = 0.0

    async def fetch(self, ask: Ask, call: Call) -> AsyncIterator[SourceRecord]:
        SlowReader.until = call.deadline + CUT_GRACE_S
        async for record in super().fetch(ask, call):
            yield msgspec.structs.replace(record, parts=(*record.parts, b" " * LARGE_RECORD_BYTES))

    def read(self, record: SourceRecord) -> Iterable[Fact | Gap]:
        threading.Event().wait(max(0.0, SlowReader.until - time.monotonic()))
        *found, last = super().read(record)
        assert isinstance(last, Condition)
        yield from (one for one in found if not isinstance(one, FACT_TYPES["AllergyIntolerance"]))
        yield msgspec.structs.replace(last, code=CodeableConcept(text="read in the end"))


async def test_what_arrived_in_time_is_read_to_its_end_although_that_takes_longer_than_the_source_may(
    tmp_path: Path,
) -> None:
    source = """
[[sources]]
id = "impostor"
name = "Impostor"
organization = "Nobody"
adapter = "tests.graphql.test_scale:SlowReader"
timeout = "50ms"
settings = { does = "honest" }
"""
    selection = "conditions { entries { nodes { code { text } } } } sources { source { id } state code }"
    async with started(tmp_path, edit=lambda text: text + source) as gateway:
        record = await gateway.record(selection)
    (impostor,) = [one for one in record["sources"] if one["source"]["id"] == "impostor"]
    assert (impostor["state"], impostor["code"]) == ("OK", None)
    assert "read in the end" in str(record["conditions"])


async def test_his_record_is_made_when_he_is_first_asked_for_and_once() -> None:
    times: list[int] = []

    def make() -> list[dict[str, Any]]:
        times.append(1)
        return scale.record(CLOCK, scale.LEAST_FACTS)

    app = search_app([], on_demand=dict.fromkeys(scale.ASKED_BY, make))
    async with http_server(app, Faults()) as port, aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:

        async def total(path: str, **params: str) -> int:
            async with session.get(path, params=params) as answer:
                return int(json.loads(await answer.read())["total"])

        assert await total("/Patient", identifier=f"https://fhir.nhs.uk/Id/nhs-number|{MICHAEL}") == 0
        assert not times, "nobody has asked for him"
        number = f"https://fhir.nhs.uk/Id/nhs-number|{scale.NUMBER}"
        found = await asyncio.gather(
            *(total("/Patient", identifier=number), total("/Flag", patient=f"Patient/{scale.PATIENT_ID}"))
        )
        assert found == [1, 1]
        assert len(times) == 1


def test_his_record_is_the_same_each_time_and_holds_as_many_facts_as_wanted() -> None:
    for facts in (scale.LEAST_FACTS, 1_234, 5_000):
        assert len(made(facts)) == len(set(made(facts))) == facts
    first, again = (json_bytes(scale.record(CLOCK, 500)) for _ in range(2))
    assert first == again
    other = json_bytes(scale.record(datetime(2027, 1, 1, tzinfo=UTC), 500))
    assert other != first, "it is told against the clock"


def test_his_record_is_valid_fhir_of_every_type_that_the_hospital_holds() -> None:
    from fhir.resources.R4B import get_fhir_model_class

    record = [*scale.record(CLOCK, 300), scale.demographics(CLOCK)]
    for one in record:
        get_fhir_model_class(one["resourceType"]).model_validate_json(json_bytes(one))
    ids = {f"{one['resourceType']}/{one['id']}" for one in record}
    named = {name for one in record for name in _references(one)}
    assert named <= ids, "everything that is referred to is there"
    types = {one["resourceType"] for one in record}
    assert types == REFERRED | BODIES.keys() | {"Observation", "DiagnosticReport"}


def _references(value: Any) -> Iterable[str]:
    if isinstance(value, dict):
        yield from ([value["reference"]] if isinstance(value.get("reference"), str) else ())
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _references(inner)


@pytest.mark.parametrize("said", ["many", "0", "-5000", "5e3", "9999999"])
def test_a_number_of_facts_that_cannot_be_is_refused_with_what_may_be_written(
    said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(scale.VARIABLE, said)
    with pytest.raises(SettingsError, match=f"{scale.VARIABLE} is a whole number from 200 to 200000"):
        scale.facts_wanted()
