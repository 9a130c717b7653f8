"""The same logical data gives the same facts, and the same record bytes, from SQLite, PostgreSQL and MariaDB."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from schema.model.clinical import Condition, Encounter, Medication, Observation, Patient
from schema.model.fact import PATIENT_NOT_FOUND, Fact, Gap, GapKind
from tests.sql.conftest import Legacy, answer_of, records_of
from tests.sql.logical import DELETED, KNOWN, TWIN, UNKNOWN


async def facts(legacy: Legacy, *numbers: str, **more: Any) -> dict[str, Any]:
    async with legacy.opened() as adapter:
        return {f.native_id: f for f in await answer_of(adapter, *numbers, **more) if isinstance(f, Fact)}


async def gaps(legacy: Legacy, *numbers: str, **more: Any) -> list[Gap]:
    async with legacy.opened() as adapter:
        return [gap for gap in await answer_of(adapter, *numbers, **more) if isinstance(gap, Gap)]


async def test_every_database_gives_the_same_bytes_facts_and_gaps(every: list[Legacy]) -> None:
    seen = []
    for legacy in every:
        async with legacy.opened() as adapter:
            records = sorted(await records_of(adapter, KNOWN), key=lambda record: record.kind)
            read = [list(adapter.read(record)) for record in records]
            seen.append(([(record.kind, record.types, record.parts) for record in records], read))
    assert seen[0] == seen[1] == seen[2]
    assert sum(isinstance(found, Fact) for read in seen[0][1] for found in read) == 13


async def test_demographics_are_repaired_trimmed_and_without_sentinels(legacy: Legacy) -> None:
    patient = (await facts(legacy, KNOWN))["Patient/C1"]
    assert isinstance(patient, Patient)
    (name,) = patient.names
    assert (name.family, name.given) == ("Quillfeather-Peña", ("Michael",))
    assert patient.birth_date is not None
    assert patient.birth_date.value == "1958-06-14"
    assert patient.deceased_at is None
    assert patient.addresses[0].text == "3 Sallow Lane"
    assert (patient.identifiers[0].value, patient.identifiers[0].verified) == (KNOWN, True)


async def test_a_sentinel_birth_date_is_not_stated(legacy: Legacy) -> None:
    patient = (await facts(legacy, TWIN))["Patient/C2"]
    assert patient.birth_date is None
    assert patient.identifiers[0].verified is None


async def test_decimals_keep_the_digits_of_their_column(legacy: Legacy) -> None:
    found = await facts(legacy, KNOWN)
    score, again = found["Observation/1"], found["Observation/3"]
    assert isinstance(score, Observation)
    assert str(score.value_quantity.value) == "13.50"
    assert str(again.value_quantity.value) == "17.00"
    assert found["Medication/1"].strength.value == Decimal("37.50")
    assert str(found["Medication/1"].strength.value) == "37.50"
    assert found["Observation/2"].value_quantity is None


async def test_an_ambiguous_october_hour_keeps_both_instants(legacy: Legacy) -> None:
    when = (await facts(legacy, KNOWN))["Observation/1"].effective.start
    assert when.text == "2025-10-26T01:30:00"
    assert when.zone_assumed
    assert when.earliest == datetime(2025, 10, 26, 0, 30, tzinfo=UTC)
    assert when.latest == datetime(2025, 10, 26, 1, 30, tzinfo=UTC)


async def test_rows_deleted_softly_are_gone_or_withdrawn_as_the_mapping_says(legacy: Legacy) -> None:
    found = await facts(legacy, KNOWN)
    assert "Medication/3" not in found
    assert isinstance(found["Medication/4"], Medication)
    wrong = found["Condition/3"]
    assert isinstance(wrong, Condition)
    assert wrong.entered_in_error
    assert not found["Condition/1"].entered_in_error


async def test_letters_are_repaired_only_where_they_are_broken(legacy: Legacy) -> None:
    found = await facts(legacy, KNOWN)
    assert found["Condition/2"].code.text == "Ménière’s disease"
    assert found["Condition/1"].author.name == "Zoë Brand"
    assert found["Condition/4"].code.text == "Truly latin1: naïve"
    assert found["Encounter/1"].notes[0].text == "mood “better” — café visits"


async def test_a_bad_row_is_a_gap_and_the_others_stay(legacy: Legacy) -> None:
    found = await facts(legacy, KNOWN)
    assert {"Condition/1", "Condition/2", "Condition/4", "Encounter/1", "Encounter/2"} <= found.keys()
    assert not {"Condition/5", "Condition/6", "Encounter/3"} & found.keys()
    assert isinstance(found["Encounter/2"], Encounter)
    told = [(gap.kind, gap.fact_type) for gap in await gaps(legacy, KNOWN)]
    assert sorted(told, key=str) == sorted(
        [(GapKind.UNREADABLE, "Condition")] * 2 + [(GapKind.UNREADABLE, "Encounter")], key=str
    )


async def test_yes_and_no_are_read_from_numbers(legacy: Legacy) -> None:
    found = await facts(legacy, KNOWN)
    assert (found["Medication/1"].as_needed, found["Medication/4"].as_needed) == (False, True)


@pytest.mark.parametrize("number", [UNKNOWN, DELETED])
async def test_an_unknown_or_deleted_person_is_not_held(legacy: Legacy, number: str) -> None:
    (gap,) = await gaps(legacy, number)
    assert (gap.kind, gap.code) == (GapKind.NOT_HELD, PATIENT_NOT_FOUND)
    assert await facts(legacy, number) == {}


async def test_a_superseded_number_is_asked_when_the_current_one_is_unknown(legacy: Legacy) -> None:
    assert "Patient/C1" in await facts(legacy, UNKNOWN, KNOWN)


async def test_a_linked_id_needs_no_look_up(legacy: Legacy) -> None:
    async with legacy.opened() as adapter:
        records = await records_of(adapter, UNKNOWN, local_ids=("Patient/C1",))
        assert "patient.by_id" in {record.kind for record in records}
        found = [fact for record in records for fact in adapter.read(record) if isinstance(fact, Fact)]
    assert {fact.subject for fact in found} == {"Patient/C1"}
    assert len(found) == 13


async def test_a_person_without_rows_has_nothing_recorded(legacy: Legacy) -> None:
    told = {gap.fact_type: gap.kind for gap in await gaps(legacy, TWIN)}
    assert told == dict.fromkeys(("Medication", "Observation", "Encounter"), GapKind.NOT_RECORDED)
    assert "Condition/9" in await facts(legacy, TWIN)


async def test_only_what_is_wanted_is_asked(legacy: Legacy) -> None:
    async with legacy.opened() as adapter:
        records = await records_of(adapter, KNOWN, types=frozenset({"Medication"}))
    assert {record.kind for record in records} == {"patient", "medication"}


async def test_more_rows_than_are_taken_are_truncated(legacy: Legacy) -> None:
    async with legacy.opened(max_rows=2) as adapter:
        records = await records_of(adapter, KNOWN, types=frozenset({"Observation"}))
        (record,) = [record for record in records if record.kind == "scores"]
        found = list(adapter.read(record))
        assert record.truncated
        assert [f.native_id for f in found if isinstance(f, Fact)] == ["Observation/1", "Observation/2"]
        assert [gap.kind for gap in found if isinstance(gap, Gap)] == [GapKind.TRUNCATED]
    async with legacy.opened(max_rows=3) as adapter:
        records = await records_of(adapter, KNOWN, types=frozenset({"Observation"}))
        assert not any(record.truncated for record in records)
