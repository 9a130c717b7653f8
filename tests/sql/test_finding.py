"""`find`: the query of `[patient.by_demographics]`, on each of the databases."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from adapters.sdk import PatientSearch, SettingsError, SourceRecord
from adapters.sdk.resources import read_resource
from adapters.sql import SqlAdapter
from adapters.sql.mapping_file import load
from adapters.testing.conformance import call
from schema.model.clinical import Patient
from schema.model.fact import PATIENT_NOT_FOUND, Gap, GapKind
from tests.sql.conftest import BACKENDS, Legacy, System
from tests.sql.logical import DDL, MAPPING, TABLES


async def offered(adapter: SqlAdapter, search: PatientSearch) -> SourceRecord:
    (record,) = [record async for record in adapter.find(search, call())]
    assert record.candidates
    return record


ANNA = {"client_id": "C8", "surname": "Fernhollow   ", "forename": "Anna", "dob": "1950-04-01", "del_flag": "N"}
GONE = ANNA | {"client_id": "C9", "del_flag": "Y"}
HERS = PatientSearch(family="FERNHOLLOW", given="Anna Maria", birth_date=date(1950, 4, 1))


@pytest.fixture(params=BACKENDS)
def register(request: pytest.FixtureRequest, make_system: Callable[[System, str], Legacy]) -> Legacy:
    """The community system's database, with somebody in it who has no number, and who was deleted once."""
    blank = dict.fromkeys(TABLES["client"][0], None)
    tables = {**TABLES, "client": [*TABLES["client"], blank | ANNA, blank | GONE]}
    return make_system(System(MAPPING, DDL, tables), request.param)


async def test_who_fits_is_offered_in_any_case_of_letters_and_not_who_was_deleted(register: Legacy) -> None:
    async with register.opened() as adapter:
        assert adapter.search_needs == {"family", "birth_date"}
        (found,) = adapter.read(await offered(adapter, HERS))
        assert isinstance(found, Patient)
        assert (found.native_id, found.identifiers) == ("Patient/C8", ())


@pytest.mark.parametrize("family", ["Nosuchname", "%", "x' OR '1'='1", "_"])
async def test_a_name_is_a_value_and_never_a_part_of_the_query(register: Legacy, family: str) -> None:
    async with register.opened() as adapter:
        record = await offered(adapter, PatientSearch(family=family, birth_date=HERS.birth_date))
        assert list(adapter.read(record)) == [Gap(kind=GapKind.NOT_HELD, code=PATIENT_NOT_FOUND)]


async def test_of_a_crowd_the_first_are_offered_and_that_there_are_more_is_said(
    register: Legacy, tmp_path: Path
) -> None:
    text = read_resource(MAPPING)
    before = "[patient.by_demographics]\n"
    assert before in text
    path = tmp_path / "own.mapping.toml"
    path.write_text(text.replace(before, f"{before}max_people = 1\n"), "utf-8")
    async with register.opened(mapping=str(path)) as adapter:
        record = await offered(adapter, HERS)
        assert record.truncated
        assert len([each for each in adapter.read(record) if isinstance(each, Patient)]) <= 1


@pytest.mark.parametrize(
    ("written", "instead", "says"),
    [
        ("dob = :birth_date AND ", "", "a name alone would list a town: use :birth_date too"),
        ("AND LOWER(RTRIM(surname)) = LOWER(:family)", "", "the query must say whom it is about: use :family"),
        ("LOWER(:family)", ":nhs_number", "there is no parameter :nhs_number here"),
    ],
)
def test_a_mistake_in_the_query_is_named(written: str, instead: str, says: str) -> None:
    text = read_resource(MAPPING)
    start = text.index("[patient.by_demographics]")
    assert written in text[start:]
    with pytest.raises(SettingsError) as caught:
        load(text[:start] + text[start:].replace(written, instead, 1), "own.toml")
    assert "patient.by_demographics.query" in str(caught.value)
    assert says in str(caught.value)
