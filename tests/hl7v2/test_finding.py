"""`find`: ITI-21 by names and birth date, against a simulated patient administration system."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.hl7v2 import Hl7v2Settings
from adapters.hl7v2.parser import parse
from adapters.hl7v2.queries import FORMS, question
from adapters.hl7v2.simulate import serve_pas
from adapters.sdk import PatientSearch
from adapters.testing.simulation import Faults
from schema.model.clinical import Patient
from schema.model.fact import PATIENT_NOT_FOUND, Gap, GapKind


def pid(number: int, family: str = "HARKER", given: str = "Anna", birth_date: str = "19680614") -> str:
    return (
        f"PID|1||{number}^^^RBI^MR||{family}^{given}^Maria||{birth_date}|F|||1 Kiln Row^^Ravensbrook^^LS99 1ZZ\nPV1|1|I"
    )


PEOPLE = (pid(771), pid(772, given="Anne"), pid(773, birth_date="19680615"), pid(774, family="SEWARD"))
BORN = date(1968, 6, 14)


async def found(adapter: Any, call: Any, search: PatientSearch) -> tuple[Any, list[Any]]:
    (record,) = [record async for record in adapter.find(search, call())]
    assert record.candidates
    assert record.types == {"Patient"}
    return record, list(adapter.read(record))


@pytest.mark.parametrize(
    ("stated", "numbers"),
    [
        ({}, ["Patient/771", "Patient/772"]),
        ({"given": "Anna Maria"}, ["Patient/771"]),
        ({"given": "Anna", "gender": "female", "postal_code": "LS99 1ZZ"}, ["Patient/771"]),
        ({"gender": "male"}, []),
        ({"postal_code": "LS98 1ZZ"}, []),
    ],
)
async def test_every_criterion_must_be_met(adapter: Any, call: Any, stated: dict[str, Any], numbers: list[str]) -> None:
    async with serve_pas(PEOPLE, Faults()) as port:
        search = PatientSearch(**({"family": "Harker", "birth_date": BORN} | stated))
        _, items = await found(adapter(port, find=True), call, search)
    assert [item.native_id for item in items if isinstance(item, Patient)] == numbers
    if not numbers:
        assert items == [Gap(kind=GapKind.NOT_HELD, code=PATIENT_NOT_FOUND)]


async def test_of_a_crowd_one_page_is_asked_for(adapter: Any, call: Any) -> None:
    async with serve_pas([pid(number) for number in range(1, 61)], Faults()) as port:
        record, items = await found(adapter(port, find=True), call, PatientSearch(family="Harker", birth_date=BORN))
    assert record.truncated
    assert len(record.parts) == 1
    assert len([item for item in items if isinstance(item, Patient)]) == 50


def test_a_name_cannot_end_a_field_or_begin_another() -> None:
    settings = Hl7v2Settings(host="127.0.0.1", port=2575, find=True)
    search = PatientSearch(family="Har|ker~x^&", birth_date=BORN)
    asked = question(FORMS["demographics"], search, settings, datetime(2026, 3, 17, tzinfo=UTC))
    qpd = parse(asked.payload).first("QPD")
    assert qpd is not None
    values = [(value.text(1), value.text(2)) for value in qpd.repetitions(3)]
    assert values == [("@PID.5.1.1", "Har|ker~x^&"), ("@PID.7", "19680614")]


def test_it_is_searched_only_where_the_settings_say_so(adapter: Any) -> None:
    assert adapter().search_needs is None
    assert adapter(find=True).search_needs == {"family"}
    with pytest.raises(ValidationError, match="ITI-21"):
        adapter(find=True, queries=("a19",))
