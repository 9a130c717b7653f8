"""Reading without a server: references, bad rows, flipped meanings, labels, outcomes among the entries."""

import json
from decimal import Decimal
from typing import Any

import pytest

from adapters.sdk import SourceInvalid
from schema.model.clinical import (
    AllergyIntolerance,
    DocumentReference,
    Encounter,
    Immunization,
    Medication,
    Observation,
    Patient,
    Polarity,
    Procedure,
    QuestionnaireResponse,
)
from schema.model.fact import Fact, Gap, GapKind
from schema.model.values import CautionCode, Identifier, Origin
from schema.model.when import Precision
from tests.fhir.records import bundle, concept, observation, patient, ref, searchset


def body(resource: Any) -> bytes:
    return json.dumps(resource).encode()


def one(reading: Any, resource: dict[str, Any], **settings: Any) -> Any:
    (fact,) = [item for item in reading(body(resource), **settings) if isinstance(item, Fact)]
    return fact


def gaps(items: list[Fact | Gap]) -> list[Gap]:
    return [item for item in items if isinstance(item, Gap)]


def results(items: list[Fact | Gap]) -> list[Observation]:
    return [item for item in items if isinstance(item, Observation)]


def test_references_by_urn_uuid_and_absolute_address_name_the_same_person(reading: Any) -> None:
    uuid = "urn:uuid:0b4f6a2e-1111-4222-8333-444455556666"
    entries = [
        {"fullUrl": uuid, "resource": patient()},
        {"fullUrl": "https://epr.example/fhir/Observation/o1", "resource": observation("o1", subject=ref(uuid))},
        {"resource": observation("o2", subject=ref("https://epr.example/fhir/Patient/p1/_history/3"))},
        {"resource": observation("o3", subject=ref("Patient/p1"))},
    ]
    items = reading(body({"resourceType": "Bundle", "type": "collection", "entry": entries}))

    assert [fact.subject for fact in results(items)] == ["Patient/p1"] * 3
    assert not gaps(items)


def test_a_person_of_another_server_is_not_the_one_with_that_id_here(reading: Any) -> None:
    fact = one(reading, observation("o1", subject=ref("https://elsewhere.example/fhir/Patient/p1")))

    assert fact.subject == "https://elsewhere.example/fhir/Patient/p1"


@pytest.mark.parametrize("subject", [{"reference": "urn:uuid:unknown"}, {"display": "somebody"}, {"reference": "#p"}])
def test_a_statement_about_nobody_we_can_tell_has_no_subject(reading: Any, subject: dict[str, Any]) -> None:
    assert one(reading, observation("o1", subject=subject)).subject is None


def test_contained_products_are_read_and_a_dangling_one_is_a_gap_that_keeps_the_fact(reading: Any) -> None:
    order = {"resourceType": "MedicationRequest", "id": "m", "subject": ref("Patient/p1"), "status": "active"}
    product = {"resourceType": "Medication", "id": "x", "code": concept("319775004", "Aspirin")}
    inside = one(reading, order | {"contained": [product], "medicationReference": ref("#x")})
    items = reading(body(order | {"medicationReference": ref("Medication/gone") | {"display": "Some tablets"}}))

    assert inside.code.label == "Aspirin"
    (fact,) = [item for item in items if isinstance(item, Medication)]
    assert fact.code is not None
    assert fact.code.label == "Some tablets"
    (gap,) = gaps(items)
    assert (gap.kind, gap.fact_type, gap.at) == (
        GapKind.UNREADABLE,
        "Medication",
        "MedicationRequest.medicationReference",
    )


def test_two_bad_rows_of_sixty_leave_fifty_eight_facts_and_two_gaps(reading: Any) -> None:
    rows: list[Any] = [observation(f"o{number}") for number in range(58)]
    rows.insert(10, {"resourceType": "Observation", "status": "final", "subject": ref("Patient/p1")})
    rows.insert(20, ["not", "a", "resource"])
    items = reading(body(searchset(*rows)), kind="search", types=("Observation",))

    assert len(results(items)) == 58
    assert {(gap.kind, gap.at) for gap in gaps(items)} == {
        (GapKind.UNREADABLE, "Bundle.entry[10].resource"),
        (GapKind.UNREADABLE, "Bundle.entry[20].resource[0]"),
    }


def test_a_bad_date_costs_the_date_and_says_where(reading: Any) -> None:
    items = reading(body(observation("o1", effectiveDateTime="2026-02-31")))

    (fact,) = results(items)
    assert fact.effective is None
    assert [(gap.kind, gap.at) for gap in gaps(items)] == [(GapKind.UNREADABLE, "Observation.effectiveDateTime")]


def test_a_value_of_the_wrong_kind_costs_only_itself(reading: Any) -> None:
    items = reading(body(observation("o1", code=7, valueQuantity={"value": "a lot", "unit": "mg"})))

    (fact,) = results(items)
    assert fact.value_quantity is not None
    assert (fact.code, fact.value_quantity.value, fact.value_quantity.unit) == (None, None, "mg")
    assert {gap.at for gap in gaps(items)} == {"Observation.code", "Observation.valueQuantity.value"}


def test_decimals_keep_their_digits_and_zero_and_false_are_values(reading: Any) -> None:
    raw = body(observation("o1")).replace(b'{"value": 5.6}', b'{"value": 13.50, "unit": "mmol/L"}')
    (fact,) = results(reading(raw))
    zero = one(reading, observation("o2", valueQuantity={"value": 0}))
    no = observation("o3", valueBoolean=False)
    del no["valueQuantity"]

    assert fact.value_quantity is not None
    assert str(fact.value_quantity.value) == "13.50"
    assert zero.value_quantity.value == Decimal(0)
    assert one(reading, no).value_boolean is False


def test_a_partial_date_keeps_its_precision_and_an_extension_alone_is_no_date(reading: Any) -> None:
    year = one(reading, observation("o1", effectiveDateTime="1958"))
    absent = observation("o2") | {"_effectiveDateTime": {"extension": [{"url": "x", "valueCode": "unknown"}]}}
    del absent["effectiveDateTime"]

    assert year.effective.start.precision is Precision.YEAR
    assert one(reading, absent).effective is None


@pytest.mark.parametrize(
    "resource",
    [
        {"resourceType": "Immunization", "id": "x", "status": "completed", "notGiven": True},
        {"resourceType": "Procedure", "id": "x", "status": "completed", "notDone": True},
        {"resourceType": "MedicationAdministration", "id": "x", "status": "completed", "notGiven": True},
        {"resourceType": "MedicationStatement", "id": "x", "status": "active", "taken": "n"},
        {"resourceType": "MedicationStatement", "id": "x", "status": "active", "wasNotTaken": True},
        {"resourceType": "MedicationDispense", "id": "x", "status": "completed", "notDone": True},
        {"resourceType": "MedicationRequest", "id": "x", "status": "active", "doNotPerform": True},
        {"resourceType": "ServiceRequest", "id": "x", "status": "active", "doNotPerform": True},
        {"resourceType": "Communication", "id": "x", "status": "completed", "notDone": True},
    ],
    ids=lambda resource: resource["resourceType"],
)
def test_what_was_not_done_never_reads_as_done(reading: Any, resource: dict[str, Any]) -> None:
    assert one(reading, resource).status == "not-done"


@pytest.mark.parametrize(
    ("element", "value"),
    [
        ("status", "entered-in-error"),
        ("verificationStatus", "entered-in-error"),
        ("verificationStatus", concept("entered-in-error")),
    ],
)
def test_a_withdrawn_statement_stays_a_fact_and_is_marked(reading: Any, element: str, value: Any) -> None:
    resource = {"resourceType": "Condition", "id": "c", "subject": ref("Patient/p1"), "code": concept("44054006")}

    assert one(reading, resource | {element: value}).entered_in_error


def test_old_and_new_forms_of_a_status_read_alike(reading: Any) -> None:
    allergy = {"resourceType": "AllergyIntolerance", "id": "a", "patient": ref("Patient/p1"), "code": concept("1")}
    stu3 = one(reading, allergy | {"clinicalStatus": "active", "assertedDate": "2020-01-01"})
    r4 = one(reading, allergy | {"clinicalStatus": concept("active"), "recordedDate": "2020-01-01"})

    assert stu3 == r4


def test_a_refuted_allergy_is_a_fact_and_not_a_negative_one(reading: Any) -> None:
    allergy = {"resourceType": "AllergyIntolerance", "id": "a", "patient": ref("Patient/p1"), "code": concept("1")}
    fact = one(reading, allergy | {"verificationStatus": concept("refuted")})

    assert isinstance(fact, AllergyIntolerance)
    assert (fact.verification_status, fact.polarity) == ("refuted", Polarity.PRESENT)


@pytest.mark.parametrize("code", ["716186003", "409137002"])
def test_statements_that_there_is_none_are_negative_facts(reading: Any, code: str) -> None:
    allergy = {"resourceType": "AllergyIntolerance", "id": "a", "patient": ref("Patient/p1"), "code": concept(code)}

    assert one(reading, allergy).polarity is Polarity.ABSENT


def test_a_modifier_that_is_not_understood_is_a_caution(reading: Any) -> None:
    deep = observation("o1", component=[{"code": concept("1"), "modifierExtension": [{"url": "https://x.example"}]}])

    assert [c.code for c in one(reading, deep).cautions] == [CautionCode.UNKNOWN_MODIFIER]
    escaped = body(deep).replace(b"modifierExtension", rb"\u006dodifierExtension")
    assert results(reading(escaped))[0].cautions == one(reading, deep).cautions, "the same name in JSON"


def test_security_labels_travel_with_the_fact(reading: Any) -> None:
    labelled = observation("o1", meta={"security": [{"system": "http://s.example", "code": "PSY"}]})

    assert [label.code for label in one(reading, labelled).security_labels] == ["PSY"]


@pytest.mark.parametrize("code", ["R", "V"])
def test_a_restricted_patient_is_marked(reading: Any, code: str) -> None:
    assert one(reading, patient(meta={"security": [{"code": code}]})).restricted


def test_a_merged_patient_names_the_survivor(reading: Any) -> None:
    link = [{"type": "replaced-by", "other": ref("Patient/p2")}]

    assert one(reading, patient(link=link)).replaced_by == "Patient/p2"


@pytest.mark.parametrize(
    ("url", "code", "verified"),
    [
        ("https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus", "01", True),
        (
            "https://fhir.hl7.org.uk/STU3/StructureDefinition/Extension-CareConnect-NHSNumberVerificationStatus-1",
            "01",
            True,
        ),
        ("https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus", "02", False),
        ("https://elsewhere.example/Extension-UKCore-NHSNumberVerificationStatus", "01", None),
    ],
)
def test_only_status_01_of_the_british_extensions_verifies_a_number(
    reading: Any, url: str, code: str, verified: bool | None
) -> None:
    number = patient()["identifier"][0] | {"extension": [{"url": url, "valueCodeableConcept": concept(code)}]}

    assert one(reading, patient(identifier=[number])).identifiers[0].verified is verified


def test_a_number_without_a_status_is_neither_verified_nor_not(reading: Any) -> None:
    plain = {"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9991200010"}
    refused = plain | {"extension": patient()["identifier"][0]["extension"]}
    refused["extension"][0]["valueCodeableConcept"] = concept("02")
    fact = one(reading, patient(identifier=[plain, refused]))

    assert [number.verified for number in fact.identifiers] == [None, False]


@pytest.mark.parametrize(
    ("issue", "kind"),
    [
        ({"severity": "error", "code": "exception"}, GapKind.FAILED),
        ({"severity": "warning", "code": "suppressed"}, GapKind.WITHHELD),
        ({"severity": "error", "code": "security"}, GapKind.WITHHELD),
        ({"severity": "warning", "code": "incomplete"}, GapKind.TRUNCATED),
    ],
)
def test_an_outcome_among_the_entries_is_a_gap_for_the_type(reading: Any, issue: dict[str, Any], kind: GapKind) -> None:
    page = searchset(observation("o1"), {"resourceType": "OperationOutcome", "issue": [issue]})
    items = reading(body(page), kind="search", types=("Observation",))

    assert len(results(items)) == 1
    assert [(gap.kind, gap.fact_type) for gap in gaps(items)] == [(kind, "Observation")]


def test_a_remark_of_the_server_is_no_gap(reading: Any) -> None:
    issue = {"severity": "information", "code": "informational"}
    page = searchset(observation("o1"), {"resourceType": "OperationOutcome", "issue": [issue]})

    assert not gaps(reading(body(page), kind="search", types=("Observation",)))


def test_an_included_resource_of_the_type_asked_for_is_no_match(reading: Any) -> None:
    page = searchset(observation("o1"), observation("o2"))
    page["entry"][1]["search"]["mode"] = "include"
    items = reading(body(page), kind="search", types=("Observation",))

    assert [fact.native_id for fact in results(items)] == ["Observation/o1"]


def test_one_resource_on_two_pages_is_one_fact_in_its_later_version(reading: Any) -> None:
    older = observation("o1", meta={"lastUpdated": "2026-01-01T00:00:00Z"}, valueQuantity={"value": 1})
    newer = observation("o1", meta={"lastUpdated": "2026-02-01T00:00:00Z"}, valueQuantity={"value": 2})
    for pages in ((older, newer), (newer, older)):
        items = reading(*(body(searchset(page)) for page in pages), kind="search", types=("Observation",))
        (fact,) = results(items)
        assert fact.value_quantity is not None
        assert fact.value_quantity.value == 2


def test_a_statement_about_a_patient_that_has_no_place_is_a_gap(reading: Any) -> None:
    goal = {"resourceType": "Goal", "id": "g", "subject": ref("Patient/p1")}

    (gap,) = reading(body(bundle(goal)))
    assert (gap.kind, gap.at) == (GapKind.UNSUPPORTED, "Bundle.entry[0].resource")


@pytest.mark.parametrize(
    "answer",
    [b"", b"<html/>", b"null", b"[]", b'{"error": "session expired"}', b'{"resourceType": "OperationOutcome"}'],
)
def test_what_is_no_fhir_answer_is_refused(reading: Any, answer: bytes) -> None:
    with pytest.raises(SourceInvalid):
        reading(answer, kind="search", types=("Observation",))


def test_an_active_order_whose_end_has_passed_is_stale(reading: Any) -> None:
    order = {
        "resourceType": "MedicationStatement",
        "id": "m",
        "status": "active",
        "medicationCodeableConcept": concept("319775004"),
        "effectivePeriod": {"start": "2020-01-01", "end": "2020-02-01"},
    }

    assert [c.code for c in one(reading, order).cautions] == [CautionCode.STALE]


def test_answers_are_flattened_in_order_and_the_total_is_the_score(reading: Any) -> None:
    response = {
        "resourceType": "QuestionnaireResponse",
        "id": "q",
        "subject": ref("Patient/p1"),
        "status": "completed",
        "item": [
            {
                "linkId": "1",
                "text": "Drink?",
                "answer": [{"valueBoolean": False, "item": [{"linkId": "1.1", "answer": [{"valueDecimal": 1.50}]}]}],
            },
            {"linkId": "total", "text": "Total score", "answer": [{"valueInteger": 27}]},
        ],
    }
    fact = one(reading, response)

    assert isinstance(fact, QuestionnaireResponse)
    assert [(item.link_id, item.answers) for item in fact.items] == [
        ("1", ("false",)),
        ("1.1", ("1.5",)),
        ("total", ("27",)),
    ]
    assert fact.score is not None
    assert fact.score.value == 27


def test_a_vaccine_without_a_code_takes_the_procedure_of_the_british_extension(reading: Any) -> None:
    url = "https://fhir.hl7.org.uk/STU3/StructureDefinition/Extension-CareConnect-VaccinationProcedure-1"
    vaccination = {
        "resourceType": "Immunization",
        "id": "i",
        "patient": ref("Patient/p1"),
        "status": "completed",
        "date": "2026-10-01",
        "vaccineCode": concept("UNK", system="http://hl7.org/fhir/v3/NullFlavor"),
        "extension": [{"url": url, "valueCodeableConcept": concept("86198006", "Influenza vaccination")}],
    }
    fact = one(reading, vaccination)

    assert isinstance(fact, Immunization)
    assert fact.vaccine_code is not None
    assert fact.vaccine_code.label == "Influenza vaccination"
    assert fact.occurrence is not None
    assert fact.occurrence.text == "2026-10-01"


def test_several_performers_are_a_person_and_the_organisation_acted_for(reading: Any) -> None:
    people = [{"actor": {"display": "Dr Lister"}}, {"actor": {"reference": "Organization/o", "display": "Hospital"}}]
    operation = {"resourceType": "Procedure", "id": "p", "subject": ref("Patient/p1"), "performer": people}
    fact = one(reading, operation)

    assert isinstance(fact, Procedure)
    assert fact.author is not None
    assert (fact.author.name, fact.author.organization) == ("Dr Lister", "Hospital")


def test_the_patient_of_a_record_is_read_once(reading: Any) -> None:
    items = reading(body(searchset(patient(), patient())), kind="patient", types=("Patient",))

    assert [type(item) for item in items] == [Patient]


@pytest.mark.parametrize(
    ("fields", "origins"),
    [
        ({"basedOn": [ref("ServiceRequest/r1")]}, (Origin(native_id="ServiceRequest/r1"),)),
        ({"incomingReferral": [ref("ReferralRequest/r1")]}, (Origin(native_id="ReferralRequest/r1"),)),
        ({"appointment": [ref("Appointment/a1")]}, (Origin(native_id="Appointment/a1"),)),
        (
            {"basedOn": [{"identifier": {"system": "https://fhir.nhs.uk/Id/ubr-number", "value": "000000000001"}}]},
            (Origin(identifier=Identifier(system="https://fhir.nhs.uk/Id/ubr-number", value="000000000001")),),
        ),
        ({"basedOn": [ref("CarePlan/c1")]}, ()),
        ({}, ()),
    ],
)
def test_what_a_contact_came_out_of_is_read_by_reference_and_by_number(
    reading: Any, fields: dict[str, Any], origins: tuple[Origin, ...]
) -> None:
    encounter = {"resourceType": "Encounter", "id": "e1", "status": "finished", "subject": ref("Patient/p1")}
    found = [item for item in reading(body(bundle(patient(), encounter | fields))) if isinstance(item, Encounter)]
    assert [fact.follows for fact in found] == [origins]


def test_a_document_names_its_contact_below_its_context(reading: Any) -> None:
    document = {"resourceType": "DocumentReference", "id": "d1", "status": "current", "subject": ref("Patient/p1")}
    document |= {"content": [], "context": {"encounter": [ref("Encounter/e1")]}}
    (found,) = [item for item in reading(body(bundle(patient(), document))) if isinstance(item, DocumentReference)]
    assert found.follows == (Origin(native_id="Encounter/e1"),)
