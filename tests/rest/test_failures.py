"""What a vendor does wrong costs its own part and nothing else, and is never taken for "nothing recorded"."""

from dataclasses import replace

import pytest

from adapters.rest.simulate import ApiKey, VendorApi
from adapters.sdk import (
    NHS_NUMBER,
    SourceAuth,
    SourceInvalid,
    SourceRequest,
    SourceThrottled,
    SourceUnavailable,
)
from schema.model.fact import Fact, Gap, GapKind

MICHAEL = "9994071009"


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("SESSION_EXPIRED", SourceAuth),
        ("RATE_LIMITED", SourceThrottled),
        ("MAINTENANCE", SourceUnavailable),
        ("SOMETHING_NEW 9994071009", SourceInvalid),
    ],
)
async def test_an_error_inside_a_success_is_an_error_of_its_kind(telehealth, code: str, error: type) -> None:
    telehealth.api.error = code
    with pytest.raises(error) as caught:
        await telehealth.records(MICHAEL)
    assert type(caught.value) is error
    assert MICHAEL not in str(caught.value)
    with pytest.raises(error):
        await telehealth.check()


async def test_a_login_page_with_status_200_is_invalid(pharmacy) -> None:
    pharmacy.faults.garbage = True
    with pytest.raises(SourceInvalid):
        await pharmacy.records(MICHAEL)
    with pytest.raises(SourceInvalid):
        await pharmacy.check()


async def test_a_wrong_key_is_refused_credentials(pharmacy) -> None:
    pharmacy.api.auth = ApiKey("X-Api-Key", "a new one")
    with pytest.raises(SourceAuth):
        await pharmacy.records(MICHAEL)


async def test_one_resource_failing_is_a_gap_with_the_code_and_the_others_stay(pharmacy) -> None:
    api: VendorApi = pharmacy.api
    api.broken_routes = frozenset({"/v1/patients/{id}/dispenses"})
    found = await pharmacy.answer(MICHAEL)
    assert [gap for gap in found if isinstance(gap, Gap)] == [
        Gap(kind=GapKind.FAILED, fact_type="Medication", code="SOURCE_UNAVAILABLE")
    ]
    assert {type(each).__name__ for each in found if isinstance(each, Fact)} == {"Patient", "Immunization", "Encounter"}


async def test_every_resource_failing_is_the_source_failing_after_the_demographics(pharmacy) -> None:
    pharmacy.api.broken_routes = frozenset(collection.route for collection in pharmacy.api.collections)
    question = pharmacy.adapter.fetch(pharmacy.question(MICHAEL), pharmacy.call())
    kept = [(await anext(question)).kind]
    with pytest.raises(SourceUnavailable):
        await anext(question)
    assert kept == ["patient"]


async def test_an_answer_without_the_list_is_invalid_not_empty(pharmacy, serve, tmp_path) -> None:
    text = pharmacy.mapping_text().replace('items = "items"', 'items = "rows"')
    file = tmp_path / "other.toml"
    file.write_text(text, "utf-8")
    async with serve(pharmacy.api, str(file)) as asked:
        with pytest.raises(SourceInvalid):
            await asked.records(MICHAEL)


async def test_a_404_of_a_resource_is_silence_unless_the_mapping_says_that_it_means_none(
    pharmacy, serve, tmp_path
) -> None:
    wrong = pharmacy.mapping_text().replace("{local_id}/vaccinations", "{local_id}/jabs")
    file = tmp_path / "other.toml"
    file.write_text(wrong, "utf-8")
    async with serve(pharmacy.api, str(file)) as asked:
        gaps = [each for each in await asked.answer(MICHAEL) if isinstance(each, Gap)]
        assert gaps == [Gap(kind=GapKind.FAILED, fact_type="Immunization", code=SourceRequest.code)]
    file.write_text(wrong.replace('native_id = "vaccinationId"', 'native_id = "vaccinationId"\nempty_statuses = [404]'))
    async with serve(pharmacy.api, str(file)) as asked:
        gaps = [each for each in await asked.answer(MICHAEL) if isinstance(each, Gap)]
        assert gaps == [Gap(kind=GapKind.NOT_RECORDED, fact_type="Immunization")]


async def test_somebody_with_another_number_is_not_asked_about_any_further(pharmacy) -> None:
    pharmacy.api.ignores_search = True
    records = await pharmacy.records(MICHAEL)
    assert {subject for record in records[1:] for subject in subjects(pharmacy, record)} == {"Patient/PL-20417"}
    pharmacy.api.people = pharmacy.api.people[1:]
    (record,) = await pharmacy.records(MICHAEL)
    found = list(pharmacy.adapter.read(record))
    assert (record.kind, record.types) == ("patient.mismatch", pharmacy.adapter.types)
    assert [each.native_id for each in found if isinstance(each, Fact)] == ["Patient/PL-18802"]
    assert [(each.kind, each.fact_type, each.code) for each in found if isinstance(each, Gap)] == [
        (GapKind.FAILED, None, "IDENTITY_MISMATCH")
    ]


def subjects(asked, record) -> set[str | None]:
    return {each.subject for each in asked.adapter.read(record) if isinstance(each, Fact)}


async def test_more_people_than_one_number_can_belong_to_is_refused(pharmacy) -> None:
    pharmacy.api.people = tuple({**pharmacy.api.people[0], "patientId": f"PL-{i}"} for i in range(5))
    with pytest.raises(SourceInvalid):
        await pharmacy.records(MICHAEL)


async def test_two_registrations_under_one_number_are_both_asked_for(pharmacy) -> None:
    first = pharmacy.api.people[0]
    pharmacy.api.people = (first, {**first, "patientId": "PL-18802"})
    found = await pharmacy.answer(MICHAEL)
    subjects = {each.subject for each in found if isinstance(each, Fact)}
    assert subjects == {"Patient/PL-20417", "Patient/PL-18802"}


async def test_a_row_is_of_whom_it_says_itself_and_of_nobody_when_it_does_not_say(telehealth, serve) -> None:
    readings, messages = telehealth.api.collections
    unsigned = {key: value for key, value in readings.rows[0].items() if key != "member_id"} | {"id": 99}
    telehealth.api.collections = (replace(readings, rows=(*readings.rows, unsigned)), messages)
    telehealth.api.mixes_people = True
    async with serve(telehealth.api, telehealth.adapter.settings.mapping) as asked:
        found = {each.native_id: each for each in await asked.answer(MICHAEL) if isinstance(each, Fact)}
    assert found["Observation/88"].subject == "Patient/7701"
    assert found["Observation/94"].subject == "Patient/7758"
    assert found["Observation/99"].subject is None


async def test_a_local_id_cannot_turn_a_path_into_another(pharmacy) -> None:
    for bad in ("Patient/..", "Patient/.", "Patient/"):
        with pytest.raises(SourceInvalid):
            await pharmacy.records(MICHAEL, local_ids=(bad,))
    records = await pharmacy.records(MICHAEL, local_ids=("Patient/../patients?nhsNumber=999 407 1009",))
    assert records[0].kind == "patient", "asked as one path segment, it is unknown, and the person is looked up"


async def test_leaving_the_answer_early_ends_the_questions(pharmacy) -> None:
    records = pharmacy.adapter.fetch(pharmacy.question(MICHAEL), pharmacy.call())
    await anext(records)
    await anext(records)
    await records.aclose()


async def test_the_source_declares_what_its_mapping_says(pharmacy, telehealth) -> None:
    assert pharmacy.adapter.types == {"Patient", "Medication", "Immunization", "Encounter"}
    assert telehealth.adapter.types == {"Patient", "Observation", "Communication"}
    assert pharmacy.adapter.identifier_systems == {NHS_NUMBER}
    assert pharmacy.adapter.answer_depends_on.value == "nothing"
