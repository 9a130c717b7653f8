"""The two vendors of the demo estate, asked over real sockets and read by their mapping files alone."""

from decimal import Decimal

from adapters.rest.simulate import VendorApi
from schema.model.clinical import (
    Communication,
    Encounter,
    Immunization,
    Medication,
    MedicationKind,
    Observation,
    Patient,
)
from schema.model.fact import PATIENT_NOT_FOUND, Fact, Gap, GapKind

MICHAEL = "9994071009"


def of(found: list[Fact | Gap], native_id: str) -> Fact:
    return next(each for each in found if isinstance(each, Fact) and each.native_id == native_id)


def ids(found: list[Fact | Gap]) -> set[str]:
    return {each.native_id for each in found if isinstance(each, Fact)}


def gaps(found: list[Fact | Gap]) -> list[Gap]:
    return [each for each in found if isinstance(each, Gap)]


async def test_the_pharmacy_mapping_gives_everything_the_pharmacy_says_of_michael(pharmacy) -> None:
    found = await pharmacy.answer(MICHAEL)
    assert ids(found) == {
        "Patient/PL-20417",
        *(f"Medication/D{number}" for number in (1001, 1044, 1093, 1067, 1058, 1101, 1120, 1122)),
        "Immunization/V310",
        *("Encounter/N501", "Encounter/N514"),
    }
    assert gaps(found) == []
    assert {each.subject for each in found} == {"Patient/PL-20417"}


async def test_pharmacy_demographics_are_enough_to_prove_who_it_is(pharmacy) -> None:
    patient = of(await pharmacy.answer(MICHAEL), "Patient/PL-20417")
    assert isinstance(patient, Patient)
    (name,) = patient.names
    assert (name.family, name.given) == ("QUILLFEATHER", ("Michael",))
    assert patient.birth_date is not None
    assert patient.birth_date.value == "1967-06-14"
    assert patient.gender == "male"
    assert [(each.value, each.verified) for each in patient.identifiers] == [(MICHAEL, True)]
    assert patient.addresses[0].lines == ("14 Salt & Tallow Yard", "CANARY-FENNEL-3F40")
    assert [each.value for each in patient.telecom] == ["07700900114"], "an empty telephone number is no number"


async def test_a_dispense_is_a_supply_with_its_product_quantity_and_day(pharmacy) -> None:
    supply = of(await pharmacy.answer(MICHAEL), "Medication/D1067")
    assert isinstance(supply, Medication)
    assert supply.kind is MedicationKind.DISPENSE
    assert supply.code is not None
    assert supply.code.codings[0].system == "http://snomed.info/sct"
    assert supply.code.codings[0].code == "903011000001101"
    assert supply.quantity is not None
    assert (supply.quantity.value, supply.quantity.unit) == (Decimal(5), "pen")
    assert supply.effective is not None
    assert supply.effective.start is not None
    assert (supply.effective.start.value, supply.effective.start.text) == ("2026-02-11", "11/02/2026")
    assert supply.dosage == "Inject 24 units at bedtime"
    assert supply.status == "completed"


async def test_a_missed_visit_is_one_that_nobody_came_to(pharmacy) -> None:
    found = await pharmacy.answer(MICHAEL)
    came, missed = of(found, "Encounter/N501"), of(found, "Encounter/N514")
    assert isinstance(came, Encounter)
    assert isinstance(missed, Encounter)
    assert (came.status, missed.status) == ("finished", "noshow")
    assert came.notes[0].text.startswith("Weekly visit.")
    vaccine = of(found, "Immunization/V310")
    assert isinstance(vaccine, Immunization)
    assert (vaccine.status, vaccine.lot_number) == ("completed", "QX7741")


async def test_the_telehealth_mapping_keeps_digits_and_local_time(telehealth) -> None:
    found = await telehealth.answer(MICHAEL)
    weight = of(found, "Observation/91")
    assert isinstance(weight, Observation)
    assert weight.value_quantity is not None
    assert str(weight.value_quantity.value) == "84.60"
    assert weight.effective is not None
    assert weight.effective.start is not None
    assert weight.effective.start.value == "2026-03-14T07:30:00"
    assert (weight.effective.start.zone, weight.effective.start.zone_assumed) == ("Europe/London", True)
    assert weight.patient_reported
    zero = of(found, "Observation/92")
    assert isinstance(zero, Observation)
    assert zero.value_quantity is not None
    assert zero.value_quantity.value == 0, "0 is a value"


async def test_a_meter_glucose_is_not_the_laboratory_one_and_an_unknown_scale_keeps_its_own_code(telehealth) -> None:
    found = await telehealth.answer(MICHAEL)
    glucose, mood = of(found, "Observation/88"), of(found, "Observation/93")
    assert isinstance(glucose, Observation)
    assert isinstance(mood, Observation)
    assert glucose.code is not None
    assert [coding.code for coding in glucose.code.codings] == ["glucose", "14743-9"]
    assert mood.code is not None
    assert [coding.code for coding in mood.code.codings] == ["mood"]
    assert mood.code.text == "mood"


async def test_a_reading_that_is_no_number_is_one_gap_and_the_others_stay(telehealth) -> None:
    found = await telehealth.answer(MICHAEL)
    assert ids(found) == {
        "Patient/7701",
        *(f"Observation/{number}" for number in (88, 89, 91, 92, 93, 96)),
        *("Communication/501", "Communication/502"),
    }
    (gap,) = gaps(found)
    assert (gap.kind, gap.fact_type, gap.count) == (GapKind.UNREADABLE, "Observation", 1)
    assert gap.at == "parts/0/items/2/value_quantity.value"
    assert "n/a" not in f"{gap.text}"


async def test_messages_say_who_spoke(telehealth) -> None:
    found = await telehealth.answer(MICHAEL)
    out, back = of(found, "Communication/501"), of(found, "Communication/502")
    assert isinstance(out, Communication)
    assert isinstance(back, Communication)
    assert (out.patient_reported, back.patient_reported) == (False, True)
    assert out.sender is not None
    assert back.sender is not None
    assert (out.sender.role, back.sender.role) == ("telehealth service", "patient")
    assert back.payload[0].startswith("hands too shaky")


async def test_a_person_the_source_does_not_know_is_not_held(pharmacy, telehealth) -> None:
    for asked in (pharmacy, telehealth):
        assert await asked.answer("9997725018") == [Gap(kind=GapKind.NOT_HELD, code=PATIENT_NOT_FOUND)]


async def test_a_superseded_number_finds_the_person_when_the_current_one_does_not(pharmacy) -> None:
    found = await pharmacy.answer("9996502007", "9992217006")
    assert "Patient/PL-18802" in ids(found)
    assert "Medication/D1077" in ids(found)
    assert [(gap.kind, gap.fact_type) for gap in gaps(found)] == [(GapKind.NOT_RECORDED, "Immunization")]


async def test_a_linked_local_id_is_asked_without_a_look_up_and_brings_demographics(pharmacy, telehealth) -> None:
    for asked, local_id in ((pharmacy, "Patient/PL-20417"), (telehealth, "Patient/7701")):
        before = asked.faults.asked
        records = await asked.records(MICHAEL, local_ids=(local_id,))
        assert records[0].kind == "patient.by_id"
        found = [each for record in records for each in asked.adapter.read(record)]
        assert local_id in ids(found)
        assert ids(found) == ids(await asked.answer(MICHAEL))
        assert asked.faults.asked > before


async def test_a_linked_local_id_that_is_gone_is_looked_up_again(pharmacy, telehealth) -> None:
    for asked, local_id in ((pharmacy, "Patient/PL-20417"), (telehealth, "Patient/7701")):
        assert local_id in ids(await asked.answer(MICHAEL, local_ids=("Patient/GONE-1",)))


async def test_only_what_is_wanted_is_asked_for(telehealth) -> None:
    await telehealth.answer(MICHAEL)
    before = telehealth.faults.asked
    records = await telehealth.records(MICHAEL, types=frozenset({"Communication"}))
    assert [record.kind for record in records] == ["patient", "messages"]
    assert telehealth.faults.asked - before == 2


async def test_every_wanted_type_ends_in_a_fact_or_a_gap_and_pages_travel_in_one_record(telehealth) -> None:
    api: VendorApi = telehealth.api
    api.max_page = 2
    records = {record.kind: record for record in await telehealth.records(MICHAEL)}
    assert len(records["readings"].parts) == 4
    found = list(telehealth.adapter.read(records["readings"]))
    assert len(ids(found)) == 6
    assert found == list(telehealth.adapter.read(records["readings"])), "read is pure"


async def test_check_is_a_real_round_trip(pharmacy, telehealth) -> None:
    for asked in (pharmacy, telehealth):
        assert "answered" in await asked.check()
        assert asked.faults.asked
