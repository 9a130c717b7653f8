"""Profile `gpconnect` over real sockets: the question, the token, and the rules of a structured record."""

import base64
import json
from typing import Any

import pytest
from aiohttp import web

from adapters.fhir.simulate import gpconnect_app
from adapters.sdk import DependsOn, SourceAuth, SourceInvalid, SourceRequest
from adapters.testing.conformance import call
from schema.model.clinical import AllergyIntolerance, Condition, Medication, MedicationKind, Patient, Polarity
from schema.model.fact import PATIENT_NOT_FOUND, Fact, Gap, GapKind
from schema.model.values import CautionCode
from tests.fhir.records import NUMBER, OLD_NUMBER, UNKNOWN, bundle, concept, gp_list, gp_record, patient, ref

GP = {"profile": "gpconnect", "version": "STU3"}
WARNING = "https://fhir.hl7.org.uk/STU3/StructureDefinition/Extension-CareConnect-ListWarningCode-1"


def facts(items: list[Fact | Gap], kind: type[Fact]) -> list[Any]:
    return [item for item in items if isinstance(item, kind)]


def gaps(items: list[Fact | Gap], fact_type: str | None) -> list[Gap]:
    return [item for item in items if isinstance(item, Gap) and item.fact_type == fact_type]


def read(reading: Any, *resources: dict[str, Any], types: tuple[str, ...] = ("Patient", "AllergyIntolerance")) -> Any:
    body = json.dumps(bundle(patient(), *resources)).encode()
    return reading(body, kind="gpconnect", types=types, **GP)


async def test_a_course_in_four_parts_is_one_fact_that_names_them_all(asking: Any) -> None:
    async with asking(gpconnect_app({NUMBER: gp_record()}), **GP) as asker:
        items = await asker.items("Medication", numbers=[NUMBER])

    (course,) = facts(items, Medication)
    assert course.kind is MedicationKind.STATEMENT
    assert course.native_id == "MedicationStatement/course"
    assert course.folds == ("MedicationRequest/plan", "MedicationRequest/issue1", "MedicationRequest/issue2")
    assert course.code.label == "Aspirin 75mg tablets"
    assert course.issues == 2
    assert course.last_issued.text == "2026-02-05"
    assert course.prescription_type == "repeat"
    assert course.based_on == ()


async def test_ended_allergies_are_asked_for_and_shown_as_ended(asking: Any) -> None:
    async with asking(gpconnect_app({NUMBER: gp_record()}), **GP) as asker:
        items = await asker.items("AllergyIntolerance", numbers=[NUMBER])

    found = {fact.native_id: fact.clinical_status for fact in facts(items, AllergyIntolerance)}
    assert found == {"AllergyIntolerance/live": "active", "AllergyIntolerance/1": "resolved"}


async def test_only_the_areas_asked_for_are_requested(asking: Any) -> None:
    questions = []

    async def note(request: web.Request) -> web.Response:
        questions.append(await request.json())
        return web.Response(body=json.dumps(bundle(patient())).encode(), content_type="application/fhir+json")

    app = web.Application()
    app.router.add_post("/Patient/$gpc.getstructuredrecord", note)
    async with asking(app, medication_from="2020-01-01", **GP) as asker:
        await asker.items("AllergyIntolerance", "Medication", numbers=[NUMBER])

    named = {one["name"]: one.get("part", []) for one in questions[0]["parameter"]}
    assert list(named) == ["patientNHSNumber", "includeAllergies", "includeMedication"]
    assert named["includeAllergies"] == [{"name": "includeResolvedAllergies", "valueBoolean": True}]
    assert {"name": "includePrescriptionIssues", "valueBoolean": True} in named["includeMedication"]
    assert {"name": "medicationSearchFromDate", "valueDate": "2020-01-01"} in named["includeMedication"]


async def test_the_token_says_on_whose_behalf_and_is_unsigned(asking: Any) -> None:
    seen = []

    async def note(request: web.Request) -> web.Response:
        seen.append(request.headers)
        return web.Response(body=json.dumps(bundle(patient())).encode(), content_type="application/fhir+json")

    app = web.Application()
    app.router.add_post("/Patient/$gpc.getstructuredrecord", note)
    async with asking(app, requesting_organization_ods="ZRH", ssp_from="111", ssp_to="222", **GP) as asker:
        await asker.items("Medication", numbers=[NUMBER])

    head, claims, signature = seen[0]["Authorization"].removeprefix("Bearer ").split(".")
    decoded = [json.loads(base64.urlsafe_b64decode(part + "==")) for part in (head, claims)]
    assert decoded[0]["alg"] == "none"
    assert signature == ""
    assert decoded[1]["requesting_practitioner"]["identifier"][0]["value"] == call().actor.user
    assert decoded[1]["requesting_organization"]["identifier"][0]["value"] == "ZRH"
    assert decoded[1]["exp"] - decoded[1]["iat"] == 300
    assert NUMBER not in claims
    assert (seen[0]["Ssp-From"], seen[0]["Ssp-To"]) == ("111", "222")
    assert seen[0]["Ssp-InteractionID"].endswith("gpc.getstructuredrecord-1")


async def test_a_provider_without_the_token_refuses(asking: Any) -> None:
    async with asking(gpconnect_app({NUMBER: gp_record()}), send_jwt=False, **GP) as asker:
        with pytest.raises(SourceRequest):
            await asker.items("Medication", numbers=[NUMBER])


async def test_an_unknown_person_is_a_gap(asking: Any) -> None:
    async with asking(gpconnect_app({NUMBER: gp_record()}), **GP) as asker:
        assert await asker.items("Medication", numbers=[UNKNOWN]) == [
            Gap(kind=GapKind.NOT_HELD, code=PATIENT_NOT_FOUND)
        ]


async def test_a_practice_that_is_not_found_is_no_unknown_person(asking: Any) -> None:
    async def refuse(request: web.Request) -> web.Response:
        issue = {"severity": "error", "code": "not-found", "details": concept("ORGANISATION_NOT_FOUND")}
        body = {"resourceType": "OperationOutcome", "issue": [issue]}
        return web.Response(body=json.dumps(body).encode(), status=404, content_type="application/fhir+json")

    app = web.Application()
    app.router.add_post("/Patient/$gpc.getstructuredrecord", refuse)
    async with asking(app, **GP) as asker:
        with pytest.raises(SourceRequest):
            await asker.items("Medication", numbers=[NUMBER])


async def test_a_superseded_number_is_tried_after_the_current_one(asking: Any) -> None:
    async with asking(gpconnect_app({OLD_NUMBER: gp_record()}), **GP) as asker:
        items = await asker.items("Medication", numbers=[NUMBER, OLD_NUMBER])

    assert len(facts(items, Medication)) == 1


async def test_a_number_that_is_none_is_refused_and_not_unknown(asking: Any) -> None:
    async with asking(gpconnect_app({}), **GP) as asker:
        with pytest.raises(SourceRequest):
            await asker.items("Medication", numbers=["9991200011"])


async def test_a_gp_record_depends_on_who_asks_and_is_closed_for_restricted_patients(asking: Any) -> None:
    async with asking(gpconnect_app({}), **GP) as asker:
        assert asker.adapter.answer_depends_on is DependsOn.ACTOR
        assert asker.adapter.forbids_restricted


async def test_an_area_without_content_is_not_recorded(asking: Any) -> None:
    async with asking(gpconnect_app({NUMBER: gp_record()}), **GP) as asker:
        items = await asker.items("Immunization", "Observation", numbers=[NUMBER])

    assert [(gap.kind, gap.code) for gap in gaps(items, "Immunization")] == [
        (GapKind.NOT_RECORDED, "no-content-recorded")
    ]
    assert {gap.kind for gap in gaps(items, "Observation")} == {GapKind.NOT_RECORDED}


def test_nil_known_and_the_coded_statement_both_become_one_negative_fact(reading: Any) -> None:
    nil = {"coding": [{"code": "nil-known"}], "text": "Nil known"}
    by_list = read(reading, gp_list("886921000000105", emptyReason=nil))
    coded = {
        "resourceType": "AllergyIntolerance",
        "id": "none",
        "patient": ref("Patient/p1"),
        "code": concept("716186003"),
    }
    by_code = read(reading, gp_list("886921000000105", "AllergyIntolerance/none"), coded)

    for items in (by_list, by_code):
        (fact,) = facts(items, AllergyIntolerance)
        assert fact.polarity is Polarity.ABSENT
        assert fact.code.codings[0].code == "716186003"
        assert not gaps(items, "AllergyIntolerance")


def test_a_list_of_nothing_but_a_note_is_not_none_known(reading: Any) -> None:
    items = read(reading, gp_list("886921000000105", note=[{"text": "There are no allergies in the record"}]))

    assert [gap.kind for gap in gaps(items, "AllergyIntolerance")] == [GapKind.NOT_RECORDED]
    assert not facts(items, AllergyIntolerance)


def test_items_left_out_for_confidentiality_are_withheld_and_not_absent(reading: Any) -> None:
    warning = [{"url": WARNING, "valueCode": "confidential-items"}]
    reason = concept("no-content-recorded")
    text = "Items excluded due to confidentiality and/or patient preferences."
    made = gp_list("886921000000105", extension=warning, emptyReason=reason, note=[{"text": text}])
    items = read(reading, made)

    assert [(gap.kind, gap.code, gap.text) for gap in gaps(items, "AllergyIntolerance")] == [
        (GapKind.WITHHELD, "confidential-items", text)
    ]


@pytest.mark.parametrize("code", ["data-in-transit", "data-awaiting-filing", "a-warning-of-tomorrow"])
def test_a_warning_that_something_is_missing_makes_the_list_a_part_of_the_whole(reading: Any, code: str) -> None:
    warning = [{"url": WARNING, "valueCodeableConcept": concept(code)}]
    live = {"resourceType": "AllergyIntolerance", "id": "a", "patient": ref("Patient/p1"), "code": concept("91936005")}
    items = read(reading, gp_list("886921000000105", "AllergyIntolerance/a", extension=warning), live)

    assert [(gap.kind, gap.code) for gap in gaps(items, "AllergyIntolerance")] == [(GapKind.TRUNCATED, code)]
    assert len(facts(items, AllergyIntolerance)) == 1


def test_a_degraded_medicine_is_marked(reading: Any) -> None:
    degraded = concept("196421000000109") | {"text": "Some tablets"}
    course = {
        "resourceType": "MedicationStatement",
        "id": "c",
        "subject": ref("Patient/p1"),
        "medicationCodeableConcept": degraded,
    }
    (fact,) = facts(read(reading, course, types=("Patient", "Medication")), Medication)

    assert [caution.code for caution in fact.cautions] == [CautionCode.DEGRADED]
    assert fact.code.label == "Some tablets"


def test_a_request_that_frames_an_investigation_is_no_referral(reading: Any) -> None:
    request = {"resourceType": "ProcedureRequest", "id": "frame", "subject": ref("Patient/p1"), "intent": "order"}
    diary = {"resourceType": "ProcedureRequest", "id": "diary", "subject": ref("Patient/p1"), "intent": "plan"}
    report = {
        "resourceType": "DiagnosticReport",
        "id": "r",
        "subject": ref("Patient/p1"),
        "basedOn": [ref("ProcedureRequest/frame")],
    }
    items = read(reading, request, diary, report, types=("Patient", "DiagnosticReport", "ServiceRequest"))

    named = {item.native_id for item in items if isinstance(item, Fact)}
    assert named == {"Patient/p1", "DiagnosticReport/r", "ProcedureRequest/diary"}


def test_two_ended_allergies_with_one_local_id_are_two_facts(reading: Any) -> None:
    ended = {
        "resourceType": "AllergyIntolerance",
        "id": "1",
        "patient": ref("Patient/p1"),
        "code": concept("300913006"),
    }
    lists = [gp_list("1103671000000101", "#1", contained=[ended | {"code": concept(code)}]) for code in ("1", "2")]
    found = facts(read(reading, *lists), AllergyIntolerance)

    assert [fact.native_id for fact in found] == ["AllergyIntolerance/1", "AllergyIntolerance/1~2"]


def test_a_problem_carries_its_significance(reading: Any) -> None:
    url = "https://fhir.hl7.org.uk/STU3/StructureDefinition/Extension-CareConnect-ProblemSignificance-1"
    problem = {
        "resourceType": "Condition",
        "id": "c",
        "subject": ref("Patient/p1"),
        "clinicalStatus": "active",
        "code": concept("44054006"),
        "extension": [{"url": url, "valueCode": "major"}],
    }
    (fact,) = facts(read(reading, problem, types=("Patient", "Condition")), Condition)

    assert (fact.clinical_status, fact.significance) == ("active", "major")


def test_a_structured_record_without_its_patient_is_no_answer(reading: Any) -> None:
    with pytest.raises(SourceInvalid):
        reading(json.dumps(bundle()).encode(), kind="gpconnect", types=("Patient",), **GP)


def test_the_patient_names_the_practice(reading: Any) -> None:
    practice = {"resourceType": "Organization", "id": "gp", "name": "Tallow Yard"}
    body = bundle(patient(managingOrganization=ref("Organization/gp")), practice)
    (fact,) = facts(reading(json.dumps(body).encode(), kind="gpconnect", types=("Patient",), **GP), Patient)

    assert [party.organization for party in fact.general_practitioners] == ["Tallow Yard"]


def _outcome(code: str, spine: str) -> dict[str, Any]:
    coding = {"system": "urn:spine", "code": spine, "display": "Patient has not provided consent to share data"}
    issue = {"severity": "error", "code": code, "details": {"coding": [coding]}, "diagnostics": "not to be repeated"}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


async def test_a_record_that_the_person_does_not_share_is_withheld_in_the_practices_words(asking: Any) -> None:
    app = gpconnect_app({NUMBER: gp_record()}, refused={NUMBER: _outcome("forbidden", "NO_PATIENT_CONSENT")})
    async with asking(app, **GP) as asker:
        items = await asker.items("AllergyIntolerance", numbers=[NUMBER])

    assert {(gap.kind, gap.fact_type, gap.code) for gap in items} == {
        (GapKind.WITHHELD, name, "NO_PATIENT_CONSENT") for name in ("Patient", "AllergyIntolerance")
    }
    assert {gap.text for gap in items} == {"Patient has not provided consent to share data"}


async def test_a_refusal_of_our_own_right_to_ask_is_not_taken_for_the_persons(asking: Any) -> None:
    app = gpconnect_app({NUMBER: gp_record()}, refused={NUMBER: _outcome("forbidden", "ACCESS_DENIED")})
    async with asking(app, **GP) as asker:
        with pytest.raises(SourceAuth):
            await asker.items("AllergyIntolerance", numbers=[NUMBER])


async def test_a_proxys_403_is_a_refusal_of_our_right_to_ask(asking: Any) -> None:
    async def proxy(_: web.Request) -> web.Response:
        return web.Response(text="<html>Forbidden</html>", status=403, content_type="text/html")

    app = web.Application()
    app.router.add_post("/Patient/$gpc.getstructuredrecord", proxy)
    async with asking(app, **GP) as asker:
        with pytest.raises(SourceAuth):
            await asker.items("AllergyIntolerance", numbers=[NUMBER])
