"""Vaccines, procedures, contacts, documents, demographics, and everything that is the same by number alone. MERGE.md
section 2."""

from typing import Any

import pytest
from msgspec import structs

from gateway.merge import current
from schema.model.clinical import (
    FACT_TYPES,
    Appointment,
    CarePlan,
    CareTeam,
    Communication,
    Consent,
    DiagnosticReport,
    DocumentReference,
    Encounter,
    Flag,
    ImagingStudy,
    Immunization,
    Medication,
    MedicationKind,
    Patient,
    Procedure,
    QuestionnaireResponse,
    RelatedPerson,
    ServiceRequest,
)
from schema.model.fact import Fact
from schema.model.values import Attachment, ContactPoint, HumanName, Identifier
from tests.merge.making import (
    amount,
    at,
    claims,
    coded,
    disputes,
    linked,
    merged,
    number,
    since,
    stating,
    together,
    words,
)

FLU = {"vaccine_code": coded("1181000221105"), "status": "completed", "occurrence": at("2025-10-15")}
SURGERY = {"code": coded("36777000"), "status": "completed", "performed": since("2025-10-23")}
SPELL: dict[str, Any] = {
    "identifiers": (number("SP26-0417", kind="VN"),),
    "encounter_class": coded("IMP", "http://terminology.hl7.org/CodeSystem/v3-ActCode"),
    "period": since("2026-03-16T15:10:00Z"),
    "service_provider": "Ravensbrook Hospital",
}
UNNUMBERED = {**SPELL, "identifiers": ()}


def test_one_vaccine_within_a_day_is_one_unless_both_state_another_dose() -> None:
    assert together(Immunization, ("a", FLU), ("b", {**FLU, "occurrence": at("2025-10-16")})) == [[0, 1]]
    assert together(Immunization, ("a", FLU), ("b", {**FLU, "occurrence": at("2025-10-17")})) == [[0], [1]]
    assert together(Immunization, ("a", {**FLU, "dose_number": "1"}), ("b", FLU)) == [[0, 1]]
    doses = (("a", {**FLU, "dose_number": "1"}), ("b", {**FLU, "dose_number": "2"}))
    assert together(Immunization, *doses) == [[0], [1]]
    assert linked(Immunization, *doses)


def test_a_vaccine_not_given_is_in_conflict_with_the_same_one_given() -> None:
    assert disputes(Immunization, ("a", FLU), ("b", {**FLU, "status": "not-done"})) == {"status"}


@pytest.mark.parametrize("when", [None, "2025", "2025-10"])
def test_an_undated_vaccine_or_procedure_is_linked_and_never_merged(when: str | None) -> None:
    vaccine = {**FLU, "occurrence": at(when) if when else None}
    assert linked(Immunization, ("a", FLU), ("b", vaccine))
    assert linked(Procedure, ("a", SURGERY), ("b", {**SURGERY, "performed": since(when)}))
    assert not linked(Procedure, ("a", SURGERY), ("b", {**SURGERY, "performed": since("2019")}))


def test_one_procedure_on_one_day_is_one_and_on_two_days_two() -> None:
    assert together(Procedure, ("a", SURGERY), ("b", {**SURGERY, "performed": since("2025-10-23T14:00:00")})) == [
        [0, 1]
    ]
    assert together(Procedure, ("a", SURGERY), ("b", {**SURGERY, "performed": since("2025-10-24")})) == [[0], [1]]


@pytest.mark.parametrize("sides", [(words("Left foot"), words("Right foot")), (coded("7771000"), coded("24028007"))])
def test_left_and_right_of_one_procedure_are_in_conflict(sides: tuple[Any, Any]) -> None:
    pair = [("ab"[place], {**SURGERY, "body_sites": (side,)}) for place, side in enumerate(sides)]
    assert disputes(Procedure, *pair) == {"side"}


def test_a_side_named_by_only_one_source_links() -> None:
    pair = (("a", {**SURGERY, "body_sites": (words("Left foot"),)}), ("b", SURGERY))
    assert disputes(Procedure, *pair) == set()
    assert linked(Procedure, *pair)


@pytest.mark.parametrize("status", ["not-done", "preparation"])
def test_a_procedure_not_done_or_planned_never_merges_with_one_done(status: str) -> None:
    assert disputes(Procedure, ("a", SURGERY), ("b", {**SURGERY, "status": status})) == {"status"}


def test_one_visit_number_with_its_assigner_is_one_contact() -> None:
    later = {**SPELL, "period": since("2026-03-17"), "encounter_class": None}
    assert together(Encounter, ("a", SPELL), ("b", later)) == [[0, 1]]
    elsewhere = {**SPELL, "identifiers": (number("SP26-0417", "urn:oid:9.9.9", "VN"),), "service_provider": "Elsewhere"}
    assert together(Encounter, ("a", SPELL), ("b", elsewhere)) == [[0], [1]]


def test_one_organisation_class_and_start_within_thirty_minutes_is_one_contact() -> None:
    half_past, after = since("2026-03-16T15:40:00Z"), since("2026-03-16T15:40:01Z")
    assert together(Encounter, ("a", UNNUMBERED), ("b", {**UNNUMBERED, "period": half_past})) == [[0, 1]]
    assert together(Encounter, ("a", UNNUMBERED), ("b", {**UNNUMBERED, "period": after})) == [[0], [1]]


@pytest.mark.parametrize(
    "other",
    [
        {"service_provider": "Elsewhere"},
        {"service_provider": None},
        {"encounter_class": coded("EMER", "http://terminology.hl7.org/CodeSystem/v3-ActCode")},
        {"encounter_class": None},
        {"service": words("Cardiology")},
        {"period": since("2026-03-16")},
        {"part_of": "Encounter/9"},
        {"identifiers": (number("SP26-9999", kind="VN"),)},
    ],
)
def test_a_contact_that_differs_in_one_of_them_is_another(other: dict[str, Any]) -> None:
    assert together(Encounter, ("a", {**SPELL, "service": None}), ("b", {**UNNUMBERED, **other})) == [[0], [1]]


def test_a_ward_stay_is_linked_with_its_spell_and_never_merged() -> None:
    stay = {**SPELL, "part_of": "Encounter/0"}
    assert together(Encounter, ("a", SPELL), ("b", stay)) == [[0], [1]]
    assert linked(Encounter, ("a", SPELL), ("b", stay))
    assert linked(Encounter, ("a", SPELL), ("a", {**stay, "identifiers": ()}))


def test_two_wards_that_carry_the_spells_number_are_two() -> None:
    first = {**SPELL, "part_of": "Encounter/9"}
    assert together(Encounter, ("a", first), ("b", {**first, "period": since("2026-03-18T09:00:00Z")})) == [[0], [1]]
    assert together(Encounter, ("a", first), ("b", first)) == [[0, 1]]


def test_the_spells_of_one_journey_are_linked_by_their_referral() -> None:
    referral = number("000099120417", "https://fhir.nhs.uk/Id/ubr-number", "REF")
    pair = [
        (source, {**UNNUMBERED, "service_provider": f"Trust {source}", "identifiers": (referral,)}) for source in "ab"
    ]
    assert together(Encounter, *pair) == [[0], [1]]
    assert linked(Encounter, *pair)


def test_one_document_by_number_or_by_content() -> None:
    letter = {"contents": (Attachment(hash="abc=", size=9),)}
    assert together(
        DocumentReference, ("a", {"identifiers": (number("D1"),)}), ("b", {"identifiers": (number("D1"),)})
    ) == [[0, 1]]
    assert together(DocumentReference, ("a", letter), ("b", letter)) == [[0, 1]]
    assert together(DocumentReference, ("a", {}), ("b", {})) == [[0], [1]]


def test_a_leaflet_in_two_letters_or_no_content_does_not_make_them_one() -> None:
    leaflet, first, second = (Attachment(hash=f"{name}=") for name in ("leaf", "one", "two"))
    pair = (("a", {"contents": (first, leaflet)}), ("b", {"contents": (second, leaflet)}))
    assert together(DocumentReference, *pair) == [[0], [1]]
    assert linked(DocumentReference, *pair)
    empty = {"contents": (Attachment(hash="2jmj7l5rSw0yVb/vlWAYkK/YBwk="),)}
    sized = {"contents": (Attachment(hash="any=", size=0),)}
    assert together(DocumentReference, ("a", empty), ("b", empty), ("c", sized), ("d", sized)) == [[0], [1], [2], [3]]


def test_the_older_version_of_a_document_is_kept_and_linked_and_the_newest_comes_first() -> None:
    old = {"native_id": "DocumentReference/v1", "date": at("2025-10-25"), "status": "superseded"}
    new = {"native_id": "DocumentReference/v2", "date": at("2025-10-26"), "replaces": ("DocumentReference/v1",)}
    first, second = merged(stating(DocumentReference, ("a", old), ("a", new)))
    assert (first.display.native_id, second.display.native_id) == ("DocumentReference/v2", "DocumentReference/v1")
    assert first.related == (second.id,)
    assert second.related == (first.id,)


BY_NUMBER = [
    Appointment, CarePlan, CareTeam, Communication, Consent, DiagnosticReport, Flag, ImagingStudy,
    QuestionnaireResponse, RelatedPerson, ServiceRequest,
]  # fmt: skip


@pytest.mark.parametrize("kind", BY_NUMBER)
def test_the_same_business_identifier_is_the_same_thing_and_nothing_else_is(kind: type[Fact]) -> None:
    numbered = {"identifiers": (number("N1"),)}
    assert together(kind, ("a", numbered), ("b", numbered)) == [[0, 1]]
    for other in ({}, {"identifiers": (number("N2"),)}, {"identifiers": (number("N1", "urn:oid:9"),)}):
        assert together(kind, ("a", numbered), ("b", other)) == [[0], [1]]
    assert together(kind, ("a", {}), ("b", {})) == [[0], [1]]
    unissued = {"identifiers": (number("N1", None),)}
    assert together(kind, ("a", unissued), ("b", unissued)) == [[0], [1]]


def test_a_number_with_an_assigner_and_no_system_counts() -> None:
    placed = {"identifiers": (Identifier(value="N1", assigner="Ravensbrook  PATHOLOGY"),)}
    other = {"identifiers": (Identifier(value="N1", assigner="Ravensbrook Pathology"),)}
    assert together(Flag, ("a", placed), ("b", other)) == [[0, 1]]


@pytest.mark.parametrize(
    "person", [number("9990001006", "https://fhir.nhs.uk/Id/nhs-number"), number("4471902", "urn:oid:1.2", "MR")]
)
def test_the_patients_own_number_is_no_number_of_a_thing(person: Identifier) -> None:
    assert together(Flag, ("a", {"identifiers": (person,)}), ("b", {"identifiers": (person,)})) == [[0], [1]]


@pytest.mark.parametrize("kind", [DiagnosticReport, Flag, ServiceRequest])
def test_two_codes_of_one_system_under_one_number_are_two_things_linked(kind: type[Fact]) -> None:
    numbered = {"identifiers": (number("ORDER-1"),)}
    pair = (("a", {**numbered, "code": coded("26604007")}), ("b", {**numbered, "code": coded("997531000000108")}))
    assert together(kind, *pair) == [[0], [1]]
    assert linked(kind, *pair)


def test_an_appointment_cancelled_here_and_booked_there_is_one_with_the_disagreement_named() -> None:
    booked, cancelled = ({"identifiers": (number("A1"),), "status": status} for status in ("booked", "cancelled"))
    (entry,) = merged(stating(Appointment, ("a", booked), ("b", cancelled)))
    (conflict,) = entry.conflicts
    assert (conflict.field, conflict.with_ids) == ("status", ())
    assert claims(conflict) == {"a": "booked", "b": "cancelled"}


@pytest.mark.parametrize("kind", [DiagnosticReport, Flag, ServiceRequest])
def test_one_number_is_one_thing_in_whatever_words_each_source_puts_it(kind: type[Fact]) -> None:
    numbered = {"identifiers": (number("FL-1"),)}
    for one, other in (
        (words("Call the team"), words("Ring the team")),
        (words("Call the team"), coded("26604007")),
        (coded("LFT", "urn:lab:a"), coded("997531000000108")),
    ):
        assert together(kind, ("a", {**numbered, "code": one}), ("b", {**numbered, "code": other})) == [[0, 1]]


def test_a_consent_that_permits_never_merges_with_one_that_denies() -> None:
    pair = [(s, {"identifiers": (number("C1"),), "decision": d}) for s, d in (("a", "permit"), ("b", "deny"))]
    assert disputes(Consent, *pair) == {"polarity"}


def test_a_message_not_sent_never_merges_with_one_sent() -> None:
    pair = [(s, {"identifiers": (number("M1"),), "status": d}) for s, d in (("a", "completed"), ("b", "not-done"))]
    assert disputes(Communication, *pair) == {"status"}


def test_assessments_with_two_scores_are_two_even_when_one_is_zero() -> None:
    pair = [(s, {"identifiers": (number("Q1"),), "score": amount(v)}) for s, v in (("a", "0"), ("b", "5"))]
    assert disputes(QuestionnaireResponse, *pair) == {"value"}


def test_related_persons_are_proposed_by_name_and_telephone_and_never_merged_by_them() -> None:
    def sister(number: str | None, given: str = "Rosamund") -> dict[str, Any]:
        telecom = (ContactPoint(system="phone", value=number),) if number else ()
        return {"names": (HumanName(given=(given,), family="QUILLFEATHER"),), "telecom": telecom}

    pair = (("a", sister("07700 900182")), ("b", sister("07700-900182")))
    assert together(RelatedPerson, *pair) == [[0], [1]]
    assert linked(RelatedPerson, *pair)
    assert not linked(RelatedPerson, ("a", sister(None)), ("b", sister(None)))
    assert not linked(RelatedPerson, ("a", sister("07700 900182")), ("b", sister("07700 900182", "Ottilie")))


def test_the_records_of_one_person_are_one_two_registrations_in_one_source_among_them() -> None:
    assert together(Patient, ("a", {}), ("b", {}), ("c", {})) == [[0, 1, 2]]
    assert together(Patient, ("a", {}), ("a", {}), ("b", {})) == [[0, 1, 2]]


def test_a_registration_that_its_source_merged_into_another_is_replaced_by_that_one() -> None:
    kept, gone, other = stating(Patient, ("a", {}), ("a", {"replaced_by": "Patient/0"}), ("b", {}))
    gone = structs.replace(gone, provenance=structs.replace(gone.provenance, local_patient_id="a-2"))
    assert current([kept, gone, other])[1] == [gone]
    assert current([gone, other])[1] == [], "the survivor did not come: what there is holds"


def test_dead_here_and_living_there_is_named() -> None:
    (entry,) = merged(stating(Patient, ("a", {"deceased_at": at("2026-01-01")}), ("b", {"deceased": False}), ("c", {})))
    (conflict,) = entry.conflicts
    assert conflict.field == "deceased"
    assert claims(conflict) == {"a": "true", "b": "false", "c": None}


@pytest.mark.parametrize("kind", [kind for kind in FACT_TYPES.values() if kind is not Patient])
def test_every_fact_type_keeps_a_fact_without_code_date_or_number_single(kind: type[Fact]) -> None:
    bare: dict[str, Any] = {"kind": MedicationKind.STATEMENT} if kind is Medication else {}
    entries = merged(stating(kind, ("a", bare), ("b", bare)))
    assert [len(entry.members) for entry in entries] == [1, 1]
    assert not any(entry.conflicts or entry.related for entry in entries)
