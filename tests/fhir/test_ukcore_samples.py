"""UK Core R4 example resources by other people against the table written by hand (tests/samples/ukcore.toml).

The examples are XML and the adapter reads JSON: fhir.resources, which is no part of the adapter, converts them.
"""

import re
import warnings
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from adapters.sdk import SourceInvalid
from schema.model.clinical import Encounter, Medication, Observation, Patient
from schema.model.fact import Fact, Gap
from schema.model.values import CautionCode, CodeableConcept, Quantity
from tests.support.samples import table

TABLE = table("ukcore")
FACTS = [row for row in TABLE if row["class"] == "fact"]
Read = Callable[..., list[Fact | Gap]]

NOT_IN_THE_MODEL = {
    "purpose": "a consent's purpose",
    "source": "who triggered a request, an extension",
    "substitution_allowed": "whether a supply may be substituted",
    "daysSupply": "days of supply",
    "site": "where a medicine is put",
    "birthTime": "time of birth, an extension",
    "identifier_status": "is `verified`, checked in a test of its own",
    "activity_code": "the code of a plan's activity; its words are there",
    "as_needed": "the code of what a medicine is taken for when needed; its words are there",
}
"""What the table shows and the model has no field for."""


def as_json(row: dict[str, Any], samples: Path) -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from fhir.resources.R4B import get_fhir_model_class

    model = get_fhir_model_class(row["resourceType"])
    xml = (samples / "ukcore" / row["name"]).read_bytes().strip()
    resource = model.model_validate_xml(xml)
    return resource.model_dump_json().encode()


def read(row: dict[str, Any], samples: Path, reading: Read) -> list[Fact | Gap]:
    return reading(as_json(row, samples), kind="resource")


def words(value: Any) -> set[str]:
    """Every text, number and yes or no inside a fact, as it was written: to look for what the table shows."""
    if isinstance(value, str | bool | int | Decimal):
        return {str(value), str(value).lower()}
    if isinstance(value, tuple):
        return set().union(*map(words, value)) if value else set()
    if hasattr(value, "__struct_fields__"):
        return set().union(*(words(getattr(value, name)) for name in value.__struct_fields__))
    return {value.value} if hasattr(value, "value") and isinstance(value.value, str) else set()


def codes(concept: CodeableConcept | None) -> set[str | None]:
    return {one.code for one in concept.codings} if concept else set()


def amount(quantity: Quantity | None) -> tuple[str, set[str | None]]:
    assert quantity is not None
    return str(quantity.value), {quantity.code, quantity.unit}


@pytest.mark.parametrize("row", FACTS, ids=lambda row: row["id"])
def test_a_statement_about_a_patient_becomes_one_fact_of_its_type(
    row: dict[str, Any], samples: Path, reading: Read
) -> None:
    (fact,) = [item for item in read(row, samples, reading) if isinstance(item, Fact)]

    assert type(fact).__name__ == row["type"]
    assert fact.native_id == f"{row['resourceType']}/{row['id']}"
    assert fact.subject == row["subject"]
    assert not fact.entered_in_error
    degraded = CautionCode.DEGRADED in {caution.code for caution in fact.cautions}
    assert degraded == row.get("degraded", False)


@pytest.mark.parametrize("row", FACTS, ids=lambda row: row["id"])
def test_every_value_of_the_table_is_in_the_fact(row: dict[str, Any], samples: Path, reading: Read) -> None:
    (fact,) = [item for item in read(row, samples, reading) if isinstance(item, Fact)]
    held = words(fact)
    held |= {word for text in tuple(held) for word in re.split(r"[\s():]+", text)}
    for name, value in row.get("shows", {}).items():
        if name in NOT_IN_THE_MODEL:
            continue
        for one in value if isinstance(value, list) else [value]:
            assert same_time(one) in {same_time(word) for word in held}, (row["id"], name)


def same_time(text: str) -> str:
    """The converter writes a zero offset as Z and leaves out empty fractions; the instant is the same text to us."""
    return text.replace(".000Z", "Z").replace("+00:00", "Z")


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row["id"])
def test_the_gaps_are_exactly_those_of_the_table(row: dict[str, Any], samples: Path, reading: Read) -> None:
    if row["resourceType"] == "OperationOutcome":
        with pytest.raises(SourceInvalid):
            read(row, samples, reading)
        return
    gaps = [item for item in read(row, samples, reading) if isinstance(item, Gap)]

    found = Counter((gap.fact_type or "", gap.kind.value.lower(), gap.at) for gap in gaps)
    assert found == Counter((gap["type"], gap["kind"], gap["at"]) for gap in row.get("gap", ()))


@pytest.mark.parametrize("row", [row for row in TABLE if row["class"] != "fact"], ids=lambda row: row["id"])
def test_what_is_no_statement_about_a_patient_gives_no_fact(row: dict[str, Any], samples: Path, reading: Read) -> None:
    if row["resourceType"] == "OperationOutcome":
        return
    assert not [item for item in read(row, samples, reading) if isinstance(item, Fact)]


def one(name: str, samples: Path, reading: Read) -> Any:
    (row,) = [row for row in TABLE if row["id"] == name]
    (fact,) = [item for item in read(row, samples, reading) if isinstance(item, Fact)]
    return fact


def test_the_zero_of_a_dose_rate_is_a_value(samples: Path, reading: Read) -> None:
    fact = one("UKCore-MedicationAdministration-Sn-ZeroDosage-Example", samples, reading)

    assert isinstance(fact, Medication)
    assert amount(fact.dose) == ("0", {"mL/h", "milliliter per hour"})
    assert fact.code is None


def test_prepared_is_not_handed_over(samples: Path, reading: Read) -> None:
    fact = one("UKCore-MedicationDispense-ParacetamolOral-Example", samples, reading)

    assert fact.effective is None
    assert fact.recorded.text == "2023-06-15T18:00:00Z"


def test_a_result_keeps_both_of_its_codes_and_its_value(samples: Path, reading: Read) -> None:
    fact = one("UKCore-Observation-VitalSigns-BMI-Example", samples, reading)

    assert isinstance(fact, Observation)
    assert codes(fact.code) == {"60621009", "39156-5"}
    assert amount(fact.value_quantity)[0] == "46"


def test_the_reason_for_an_absent_result_is_a_value_and_no_gap(samples: Path, reading: Read) -> None:
    fact = one("UKCore-Observation-Lab-Sn-AbsentData-Example", samples, reading)

    assert fact.data_absent_reason.text == "Specimen unsatisfactory for evaluation"
    assert fact.specimen == "Specimen/UKCore-Specimen-BloodSpecimen-Example"


def test_a_consent_that_states_neither_permit_nor_deny_is_neither(samples: Path, reading: Read) -> None:
    assert one("UKCore-Consent-ForInformationAccess-Example", samples, reading).decision is None


def test_an_activity_that_may_be_done_is_no_prohibition(samples: Path, reading: Read) -> None:
    assert one("UKCore-CarePlan-WellnessPlan-Example", samples, reading).activities == ("Body weight (completed)",)


def test_an_episode_without_a_period_is_still_a_fact(samples: Path, reading: Read) -> None:
    fact = one("UKCore-EpisodeOfCare-SmokingCessationTherapy-Example", samples, reading)

    assert isinstance(fact, Encounter)
    assert fact.period is None


def test_the_patient_carries_a_verified_number_and_a_day_of_birth(samples: Path, reading: Read) -> None:
    fact = one("UKCore-Patient-BabyPatient-Example", samples, reading)

    assert isinstance(fact, Patient)
    assert [(number.value, number.verified) for number in fact.identifiers] == [("9912003890", True)]
    assert fact.birth_date is not None
    assert fact.birth_date.text == "2021-02-11"


def test_an_alternative_among_orders_keeps_its_intent(samples: Path, reading: Read) -> None:
    assert one("UKCore-MedicationRequest-CiprofloxacinOral-Example", samples, reading).intent == "option"


def test_what_the_patient_answered_is_marked_as_said_by_the_patient(samples: Path, reading: Read) -> None:
    fact = one("UKCore-QuestionnaireResponse-InpatientSurvey-Example", samples, reading)

    assert fact.patient_reported
    answers = {item.link_id: item.answers for item in fact.items}
    assert answers["2.2"] == ("1970-09-11",)
    assert answers["3.1"] == ("true",)
    assert answers["3.2"] == ("false",)
