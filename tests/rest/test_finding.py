"""`find`: the mapping file's look-up by names and birth date, asked for a search."""

from datetime import date
from typing import Any

import pytest

from adapters.sdk import PatientSearch, SourceUnavailable
from schema.model.fact import PATIENT_NOT_FOUND, Fact, Gap, GapKind

WHOLE = PatientSearch(family="quillfeather", given="Michael Aubrey", birth_date=date(1967, 6, 14))


@pytest.fixture
async def ooh(vendor: Any) -> Any:
    async with vendor("ooh") as asked:
        yield asked


async def offered(asked: Any, search: PatientSearch = WHOLE) -> Any:
    (record,) = [record async for record in asked.adapter.find(search, asked.call())]
    return record


async def test_what_the_search_needs_is_what_the_mapping_asks_by(ooh: Any, vendor: Any) -> None:
    assert ooh.adapter.search_needs == {"family", "given", "birth_date"}
    async with vendor("pharmacy") as pharmacy:
        assert pharmacy.adapter.search_needs is None


async def test_whoever_has_the_names_is_offered_with_or_without_a_number_and_asked_about_no_further(ooh: Any) -> None:
    before = ooh.faults.asked
    record = await offered(ooh)
    assert ooh.faults.asked == before + 1
    assert (record.candidates, record.types, record.truncated) == (True, {"Patient"}, False)
    found = list(ooh.adapter.read(record))
    assert sorted(one.native_id for one in found if isinstance(one, Fact)) == ["Patient/AMB-77810", "Patient/OOH-55120"]
    assert not [one for one in found if isinstance(one, Gap)]


async def test_nobody_is_an_answer(ooh: Any) -> None:
    record = await offered(ooh, PatientSearch(family="Nosuchname", given="Michael", birth_date=WHOLE.birth_date))
    assert list(ooh.adapter.read(record)) == [Gap(kind=GapKind.NOT_HELD, code=PATIENT_NOT_FOUND)]


async def test_a_crowd_is_said_to_be_one(ooh: Any) -> None:
    ooh.api.people = tuple({**ooh.api.people[0], "PERSON_REF": f"OOH-{number}"} for number in range(11))
    assert (await offered(ooh)).truncated


async def test_a_search_that_fails_is_no_answer_of_nobody(ooh: Any) -> None:
    ooh.api.searches_fail = frozenset({"demographics"})
    with pytest.raises(SourceUnavailable):
        await offered(ooh)
