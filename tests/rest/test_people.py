"""Whom a vendor knows: by number, by linked ids, and by names and birth date, which the ambulance alone goes by."""

import asyncio
from datetime import date
from typing import Any

import pytest
from msgspec.structs import replace

from adapters.sdk import SourceInvalid, SourceRecord, SourceUnavailable
from gateway.identity.grade import Grade
from gateway.identity.guard import Verdict, admit
from gateway.identity.reference import ReferenceOrigin, ReferencePerson
from schema.model.fact import PATIENT_NOT_FOUND, Fact, Gap, GapKind
from schema.model.values import HumanName, Identifier

MICHAEL = "9994071009"
NHS = "https://fhir.nhs.uk/Id/nhs-number"
BORN = date(1967, 6, 14)
REFERENCE: dict[str, Any] = {"family": "QUILLFEATHER", "given": "Michael", "birth_date": BORN}
CALL_CENTRE, AMBULANCE, MICHELLE = "Patient/OOH-55120", "Patient/AMB-77810", "Patient/AMB-77793"
OF_THE_CALL_CENTRE = {
    CALL_CENTRE,
    *("AllergyIntolerance/A-1", "Encounter/C-260316-0118", "Medication/M-2", "Communication/P-55120-1"),
}
OF_THE_AMBULANCE = {
    AMBULANCE,
    *("Encounter/I-260316-4471", "Medication/M-1", "Observation/B-1", "Observation/B-2", "Observation/B-3"),
}


@pytest.fixture
async def ooh(vendor: Any) -> Any:
    async with vendor("ooh") as asked:
        yield asked


def ids(found: list[Fact | Gap]) -> list[str]:
    return sorted(each.native_id for each in found if isinstance(each, Fact))


def gaps(found: list[Fact | Gap]) -> list[tuple[GapKind, str | None, str | None]]:
    return sorted(
        ((each.kind, each.fact_type, each.code) for each in found if isinstance(each, Gap) and each.code),
        key=lambda gap: str(gap[1]),
    )


def kinds(records: list[SourceRecord]) -> list[str]:
    return sorted(record.kind for record in records if record.kind.startswith("patient"))


def without_numbers(api: Any) -> None:
    api.people = tuple({**row, "NHS": None, "NHS_STATUS": None} for row in api.people)


async def test_a_person_found_by_names_only_is_demographics_and_is_asked_about_no_further(ooh) -> None:
    records = await ooh.records(MICHAEL, **REFERENCE)
    found = [each for record in records for each in ooh.adapter.read(record)]
    assert ids(found) == sorted(OF_THE_CALL_CENTRE | {AMBULANCE}), "each person once, whoever found them"
    assert kinds(records) == ["patient", "patient.by_demographics@1"]
    assert gaps(found) == []


async def test_whom_names_found_are_candidates_and_whom_the_number_found_is_not(ooh) -> None:
    records = await ooh.records(MICHAEL, **REFERENCE)
    assert {record.kind: record.candidates for record in records if record.kind.startswith("patient")} == {
        "patient": False,
        "patient.by_demographics@1": True,
    }
    assert not any(record.candidates for record in records if not record.kind.startswith("patient"))


async def test_the_guard_grades_whom_the_names_found_as_present_and_not_linked(ooh) -> None:
    facts = [each for each in await ooh.answer(MICHAEL, **REFERENCE) if isinstance(each, Fact)]
    reference = ReferencePerson(
        identifier=Identifier(system=NHS, value=MICHAEL, verified=True),
        origin=ReferenceOrigin.AUTHORITY,
        names=(HumanName(family="Quillfeather", given=("Michael", "Aubrey")),),
        birth_date=BORN,
    )
    admitted = admit(facts, reference, person="p", standing={})
    verdicts = {finding.local_id: (finding.verdict, finding.grade) for finding in admitted.findings}
    assert verdicts == {
        CALL_CENTRE: (Verdict.ADMITTED, Grade.CERTAIN),
        AMBULANCE: (Verdict.PRESENT_NOT_LINKED, Grade.PROBABLE),
    }


@pytest.mark.parametrize("unknown", ["family", "given", "birth_date"])
async def test_names_are_not_asked_for_while_one_of_them_is_unknown(ooh, unknown: str) -> None:
    records = await ooh.records(MICHAEL, **{name: value for name, value in REFERENCE.items() if name != unknown})
    assert kinds(records) == ["patient"]


async def test_a_linked_person_is_asked_about_like_any_other(ooh) -> None:
    found = await ooh.answer(MICHAEL, local_ids=(CALL_CENTRE, AMBULANCE), **REFERENCE)
    assert ids(found) == sorted(OF_THE_CALL_CENTRE | OF_THE_AMBULANCE)
    assert gaps(found) == []


async def test_a_linked_person_does_not_hide_who_else_has_the_names(ooh) -> None:
    records = await ooh.records(MICHAEL, local_ids=(CALL_CENTRE,), **REFERENCE)
    assert kinds(records) == ["patient.by_demographics@1", "patient.by_id"], "and who has the number is told of once"


@pytest.mark.parametrize("reference", [REFERENCE, {}])
async def test_the_number_is_looked_up_when_no_linked_person_carries_it(ooh, reference: dict[str, Any]) -> None:
    records = await ooh.records(MICHAEL, local_ids=(AMBULANCE,), **reference)
    found = [each for record in records for each in ooh.adapter.read(record)]
    assert kinds(records) == ["patient", "patient.by_id"]
    assert ids(found) == sorted(OF_THE_CALL_CENTRE | OF_THE_AMBULANCE)


async def test_a_failing_look_up_by_number_keeps_what_is_linked_and_says_of_every_type_that_there_may_be_more(
    ooh,
) -> None:
    ooh.api.searches_fail = frozenset({"number"})
    found = await ooh.answer(MICHAEL, local_ids=(AMBULANCE,))
    assert ids(found) == sorted(OF_THE_AMBULANCE)
    assert gaps(found) == [(GapKind.FAILED, name, "SOURCE_UNAVAILABLE") for name in sorted(ooh.adapter.types)]
    with pytest.raises(SourceUnavailable):
        await ooh.answer(MICHAEL)


async def test_other_people_under_the_number_do_not_hide_a_linked_person(ooh) -> None:
    ooh.api.people = tuple({**row, "NHS": row["NHS"] and "9996502007"} for row in ooh.api.people)
    ooh.api.ignores_search = True
    found = await ooh.answer(MICHAEL, local_ids=(AMBULANCE,))
    assert set(ids(found)) == OF_THE_AMBULANCE | {CALL_CENTRE, MICHELLE}
    assert gaps(found) == [(GapKind.FAILED, None, "IDENTITY_MISMATCH")]


async def test_a_failing_look_up_by_names_is_a_gap_and_loses_nothing_that_the_number_gave(ooh) -> None:
    ooh.api.searches_fail = frozenset({"demographics"})
    found = await ooh.answer(MICHAEL, **REFERENCE)
    assert ids(found) == sorted(OF_THE_CALL_CENTRE)
    assert gaps(found) == [(GapKind.FAILED, "Patient", "SOURCE_UNAVAILABLE")]


async def test_a_look_up_by_names_that_hangs_holds_nobody_up(ooh) -> None:
    held = ooh.api.searches_wait["demographics"] = asyncio.Event()
    kept: list[Fact | Gap] = []
    async with asyncio.timeout(20):
        async for record in ooh.adapter.fetch(ooh.question(MICHAEL, **REFERENCE), ooh.call()):
            kept += ooh.adapter.read(record)
            if set(ids(kept)) == OF_THE_CALL_CENTRE:
                held.set()
    assert ids(kept) == sorted(OF_THE_CALL_CENTRE | {AMBULANCE})


async def test_nobody_by_number_and_no_answer_by_names_is_not_absence(ooh) -> None:
    ooh.api.searches_fail = frozenset({"demographics"})
    with pytest.raises(SourceUnavailable):
        await ooh.answer("9997725018", **REFERENCE)


async def test_more_people_than_a_search_may_find_is_a_failure_and_nobody_is_chosen(ooh) -> None:
    ooh.api.people += tuple({**ooh.api.people[1], "PERSON_REF": f"AMB-{i}"} for i in range(9))
    found = await ooh.answer(MICHAEL, **REFERENCE)
    assert ids(found) == sorted(OF_THE_CALL_CENTRE)
    assert gaps(found) == [(GapKind.FAILED, "Patient", "SOURCE_INVALID")]
    without_numbers(ooh.api)
    with pytest.raises(SourceInvalid):
        await ooh.answer(MICHAEL, **REFERENCE)


async def test_people_of_the_name_and_nobody_of_the_number_say_nothing_but_who_they_are(ooh) -> None:
    without_numbers(ooh.api)
    (record,) = await ooh.records(MICHAEL, **REFERENCE)
    found = list(ooh.adapter.read(record))
    assert (record.kind, record.types) == ("patient.unlinked", ooh.adapter.types)
    assert ids(found) == [AMBULANCE, CALL_CENTRE]
    assert gaps(found) == [(GapKind.FAILED, None, "PRESENT_NOT_LINKED")]


async def test_somebody_whom_nobody_knows_by_number_or_names_is_not_held(ooh) -> None:
    unknown = {"family": "Wrenfold", "given": "Perpetua", "birth_date": BORN}
    assert await ooh.answer("9997725018", **unknown) == [Gap(kind=GapKind.NOT_HELD, code=PATIENT_NOT_FOUND)]


async def test_a_stranger_whom_a_loose_search_finds_is_demographics_only(ooh) -> None:
    ooh.api.demographics = {"SURNAME": "SURNAME", "DOB": "DOB"}
    found = await ooh.answer(MICHAEL, **REFERENCE)
    assert ids(found) == sorted(OF_THE_CALL_CENTRE | {AMBULANCE, MICHELLE})


async def test_a_registration_under_a_superseded_number_that_the_names_find_is_asked_about(ooh) -> None:
    ooh.api.people[1]["NHS"] = "9992217006"
    found = await ooh.answer(MICHAEL, "9992217006", **REFERENCE)
    assert set(ids(found)) == OF_THE_CALL_CENTRE | OF_THE_AMBULANCE


@pytest.mark.parametrize("unusable", ["..", ""])
async def test_a_person_without_a_usable_id_whom_the_names_find_costs_nobody_else(ooh, unusable: str) -> None:
    ooh.api.people[1].update(NHS="9992217006", PERSON_REF=unusable)
    found = await ooh.answer(MICHAEL, "9992217006", **REFERENCE)
    assert ids(found) == sorted(OF_THE_CALL_CENTRE)
    assert gaps(found) == [(GapKind.FAILED, "Patient", "SOURCE_INVALID")]


async def test_every_resource_failing_is_the_source_failing_whomever_the_names_found(ooh) -> None:
    ooh.api.broken_routes = frozenset(collection.route for collection in ooh.api.collections)
    with pytest.raises(SourceUnavailable):
        await ooh.answer(MICHAEL, **REFERENCE)


async def test_a_record_whose_answer_lacks_the_people_it_names_is_invalid(ooh) -> None:
    by_number, *_, named = sorted(
        (record for record in await ooh.records(MICHAEL, **REFERENCE) if record.kind.startswith("patient")),
        key=lambda record: record.kind,
    )
    assert len(list(ooh.adapter.read(named))) == 1
    with pytest.raises(SourceInvalid):
        list(ooh.adapter.read(replace(named, parts=by_number.parts)))
