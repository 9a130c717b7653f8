"""GP Connect responses by other people against the table written by hand from them (tests/samples/gpconnect.toml)."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from schema.model.clinical import AllergyIntolerance, Medication, Patient, Polarity
from schema.model.fact import Fact, Gap, GapKind
from schema.model.values import CautionCode, CodeableConcept
from tests.support.samples import table

TABLE = table("gpconnect")
TYPES = ("Patient", "AllergyIntolerance", "Medication")
Read = Callable[..., list[Fact | Gap]]

NOT_IN_THE_MODEL = {
    "supply": "days of supply",
    "supply_unit": "days of supply",
    "repeats_allowed": "repeats allowed",
    "repeats_issued": "the source's own count of issues; ours is of the issues that came",
    "issue_dates": "dates of single issues; the last one is there",
    "medication": "id of the product resource; the product itself is in the fact",
    "recorder": "the recorder's id; who it is is in `author`",
}
"""What the table shows and the model has no field for."""


def body(row: dict[str, Any], samples: Path) -> bytes:
    text = (samples / "gpconnect" / row["name"]).read_text(encoding="utf-8")
    if row["wrapper"] == "liquid":
        text = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("{%"))
    return text.encode()


def read(row: dict[str, Any], samples: Path, reading: Read) -> list[Fact | Gap]:
    return reading(body(row, samples), kind="gpconnect", types=TYPES, profile="gpconnect")


def codes(concept: CodeableConcept | None) -> tuple[str | None, ...]:
    return tuple(one.code for one in concept.codings) if concept else ()


def displays(concept: CodeableConcept | None) -> tuple[str | None, ...]:
    return tuple(one.display for one in concept.codings) if concept else ()


def allergy_shows(fact: AllergyIntolerance) -> dict[str, Any]:
    reaction = fact.reactions[0] if fact.reactions else None
    manifestation = reaction.manifestations[0] if reaction else None
    return {
        "code": codes(fact.code),
        "display": displays(fact.code),
        "text": fact.code.text if fact.code else None,
        "clinicalStatus": fact.clinical_status,
        "verificationStatus": fact.verification_status,
        "kind": fact.type,
        "category": fact.categories,
        "criticality": fact.criticality,
        "asserted": fact.recorded.text if fact.recorded else None,
        "ended": fact.ended.text if fact.ended else None,
        "reaction": codes(manifestation),
        "reaction_display": displays(manifestation),
        "reaction_text": manifestation.text if manifestation else None,
        "reaction_severity": reaction.severity if reaction else None,
        "identifier": tuple(one.value for one in fact.identifiers),
    }


def medication_shows(fact: Medication) -> dict[str, Any]:
    start = fact.effective.start if fact.effective else None
    quantity = fact.quantity
    return {
        "code": codes(fact.code),
        "display": displays(fact.code),
        "status": fact.status,
        "effective": start.text if start else None,
        "effective_start": start.text if start else None,
        "asserted": fact.recorded.text if fact.recorded else None,
        "last_issue": fact.last_issued.text if fact.last_issued else None,
        "dose": fact.dosage,
        "patient_instruction": tuple(note.text.removeprefix("For the patient: ") for note in fact.notes),
        "prescription_type": fact.prescription_type,
        "quantity": str(quantity.value) if quantity else None,
        "quantity_unit": quantity.unit if quantity else None,
        "issues": fact.issues,
        "group": tuple(one.value for one in fact.identifiers),
    }


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row["name"])
def test_a_structured_record_gives_exactly_the_facts_of_the_hand_written_table(
    row: dict[str, Any], samples: Path, reading: Read
) -> None:
    facts = [item for item in read(row, samples, reading) if isinstance(item, Fact) and not isinstance(item, Patient)]

    assert Counter(type(fact).__name__ for fact in facts) == Counter(row["counts"])
    assert {fact.native_id for fact in facts} == {expected["native"] for expected in row.get("fact", ())}
    assert {fact.subject for fact in facts} <= {row["subject"]}


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row["name"])
def test_every_value_of_the_table_is_in_its_fact(row: dict[str, Any], samples: Path, reading: Read) -> None:
    facts = {item.native_id: item for item in read(row, samples, reading) if isinstance(item, Fact)}
    for expected in row.get("fact", ()):
        fact = facts[expected["native"]]
        assert isinstance(fact, AllergyIntolerance | Medication)
        shown = allergy_shows(fact) if isinstance(fact, AllergyIntolerance) else medication_shows(fact)
        for name, value in expected["shows"].items():
            if name in NOT_IN_THE_MODEL:
                continue
            held = shown[name]
            assert value in held if isinstance(held, tuple) else value == held, (row["name"], fact.native_id, name)
        degraded = any(caution.code is CautionCode.DEGRADED for caution in fact.cautions)
        assert degraded == expected.get("degraded", False)
        negative = isinstance(fact, AllergyIntolerance) and fact.polarity is Polarity.ABSENT
        assert negative == (expected.get("polarity") == "negative")
        assert list(fact.folds) == expected.get("folds", [])


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row["name"])
def test_what_the_parts_of_one_course_say_differently_all_stays_readable(
    row: dict[str, Any], samples: Path, reading: Read
) -> None:
    facts = {item.native_id: item for item in read(row, samples, reading) if isinstance(item, Fact)}
    for expected in row.get("fact", ()):
        fact = facts[expected["native"]]
        for dispute in expected.get("disagree", ()):
            assert isinstance(fact, Medication)
            said = " | ".join([fact.dosage or "", *(note.text for note in fact.notes)])
            assert all(text in said for text in dispute["says"].values())


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row["name"])
def test_a_structured_record_gives_exactly_the_gaps_of_the_hand_written_table(
    row: dict[str, Any], samples: Path, reading: Read
) -> None:
    gaps = [item for item in read(row, samples, reading) if isinstance(item, Gap)]
    # The table is about what the answer says; a type that the answer does not speak of is silence of its own.
    said = [gap for gap in gaps if not (gap.kind is GapKind.NOT_RECORDED and gap.at is None)]

    found = Counter((gap.fact_type, gap.kind.value.lower(), gap.at) for gap in said)
    assert found == Counter((gap["type"], gap["kind"], gap["at"]) for gap in row.get("gap", ()))
    codes_found = {gap.at: gap.code for gap in said}
    assert all(codes_found[gap["at"]] == gap["code"] for gap in row.get("gap", ()) if "code" in gap)


@pytest.mark.parametrize("row", [row for row in TABLE if "subject_doubt" in row], ids=lambda row: row["name"])
def test_a_list_that_names_another_person_marks_what_stands_under_it(
    row: dict[str, Any], samples: Path, reading: Read
) -> None:
    facts = {item.native_id: item for item in read(row, samples, reading) if isinstance(item, Fact)}

    doubted = {native for native, fact in facts.items() if CautionCode.UNVERIFIED in {c.code for c in fact.cautions}}
    assert doubted == {fact["native"] for fact in row["fact"] if "contained_in" in fact}


def test_the_patient_of_a_structured_record_carries_what_identity_is_judged_by(samples: Path, reading: Read) -> None:
    facts = read(TABLE[0], samples, reading)
    (patient,) = [item for item in facts if isinstance(item, Patient)]

    assert patient.native_id == patient.subject == TABLE[0]["subject"]
    assert [(one.value, one.verified) for one in patient.identifiers] == [("9999999999", True)]
    assert patient.birth_date is not None
    assert patient.birth_date.text == "1952-05-31"
    assert patient.names[0].family == "Jackson"
    assert patient.addresses[0].postal_code == "LS1 5HT"
    assert [party.organization or party.name for party in patient.general_practitioners] == [
        "Miss Nichole Gilbert",
        "The Trevelyan Practice",
    ]


def test_the_samples_are_the_ones_the_table_was_written_from(samples: Path) -> None:
    for row in TABLE:
        bundle = json.loads(body(row, samples))
        found = Counter(entry["resource"]["resourceType"] for entry in bundle["entry"])
        assert found == Counter(row["entries"])
