"""Invented records for the FHIR tests: an R4 hospital record and an STU3 GP record of one person."""

from typing import Any

NUMBER = "9991200010"
OLD_NUMBER = "9991200029"
UNKNOWN = "9991200037"
NHS = "https://fhir.nhs.uk/Id/nhs-number"
SNOMED = "http://snomed.info/sct"
GPC = "https://fhir.nhs.uk/STU3/StructureDefinition/Extension-CareConnect-GPC-"

Resource = dict[str, Any]


def concept(code: str, display: str = "", system: str = SNOMED) -> Resource:
    return {"coding": [{"system": system, "code": code, "display": display or code}]}


def ref(target: str) -> Resource:
    return {"reference": target}


def bundle(*resources: Resource, kind: str = "collection") -> Resource:
    return {"resourceType": "Bundle", "type": kind, "entry": [{"resource": one} for one in resources]}


def searchset(*resources: Resource, mode: str = "match", following: str | None = None) -> Resource:
    links = [{"relation": "next", "url": following}] if following else []
    entries = [{"resource": one, "search": {"mode": mode}} for one in resources]
    return {"resourceType": "Bundle", "type": "searchset", "link": links, "entry": entries}


def patient(found_id: str = "p1", number: str = NUMBER, **more: Any) -> Resource:
    status = {
        "url": "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus",
        "valueCodeableConcept": concept("01", system="https://fhir.hl7.org.uk/CodeSystem/UKCore-NHSNumberStatus"),
    }
    return {
        "resourceType": "Patient",
        "id": found_id,
        "identifier": [{"system": NHS, "value": number, "extension": [status]}],
        "name": [{"use": "official", "family": "Hawkshead", "given": ["Odalys"]}],
        "gender": "female",
        "birthDate": "1961-02-03",
        "address": [{"use": "home", "line": ["4 Invented Row"], "postalCode": "ZZ1 1AA"}],
    } | more


def observation(found_id: str, value: str = "5.60", **more: Any) -> Resource:
    return {
        "resourceType": "Observation",
        "id": found_id,
        "status": "final",
        "subject": ref("Patient/p1"),
        "code": concept("1003671000000109", "HbA1c"),
        "effectiveDateTime": "2026-05-04",
        "valueQuantity": {"value": 48, "unit": "mmol/mol"} if value == "48" else {"value": float(value)},
    } | more


def hospital_record(observations: int = 3) -> Resource:
    order = {
        "resourceType": "MedicationRequest",
        "id": "mr1",
        "status": "active",
        "intent": "order",
        "subject": ref("Patient/p1"),
        "medicationReference": ref("Medication/m1"),
        "requester": ref("Practitioner/dr1"),
        "authoredOn": "2026-04-01",
        "dosageInstruction": [{"text": "one daily"}],
    }
    medicine = {
        "resourceType": "Medication",
        "id": "m1",
        "code": concept("319775004", "Aspirin 75mg tablets"),
        "form": concept("385055001", "Tablet"),
        "ingredient": [{"strength": {"numerator": {"value": 75, "unit": "mg"}, "denominator": {"value": 1}}}],
    }
    doctor = {"resourceType": "Practitioner", "id": "dr1", "name": [{"family": "Lister", "prefix": ["Dr"]}]}
    allergy = {
        "resourceType": "AllergyIntolerance",
        "id": "a1",
        "patient": ref("Patient/p1"),
        "code": concept("91936005", "Allergy to penicillin"),
        "clinicalStatus": concept("active", system="http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical"),
    }
    smoking = observation("s1", category=[concept("social-history", system="http://example.org/category")])
    results = [observation(f"o{number}") for number in range(observations)]
    return bundle(patient(), doctor, order, medicine, allergy, smoking, *results)


def gp_list(code: str, *items: str, **more: Any) -> Resource:
    made: Resource = {
        "resourceType": "List",
        "status": "current",
        "mode": "snapshot",
        "code": concept(code),
        "subject": ref("Patient/p1"),
    }
    return made | ({"entry": [{"item": ref(item)} for item in items]} if items else {}) | more


def gp_record() -> Resource:
    """A course in three parts, a live and an ended allergy, an unfiled immunisation list."""
    medicine = {"resourceType": "Medication", "id": "m1", "code": concept("319775004", "Aspirin 75mg tablets")}
    base = {"subject": ref("Patient/p1"), "medicationReference": ref("Medication/m1")}
    plan = base | {
        "resourceType": "MedicationRequest",
        "id": "plan",
        "status": "active",
        "intent": "plan",
        "authoredOn": "2026-01-05",
        "dosageInstruction": [{"text": "one daily"}],
        "extension": [{"url": f"{GPC}PrescriptionType-1", "valueCodeableConcept": concept("repeat")}],
    }
    issues = [
        base
        | {
            "resourceType": "MedicationRequest",
            "id": f"issue{month}",
            "status": "completed",
            "intent": "order",
            "basedOn": [ref("MedicationRequest/plan")],
            "authoredOn": f"2026-0{month}-05",
            "dosageInstruction": [{"text": "one daily"}],
        }
        for month in (1, 2)
    ]
    statement = base | {
        "resourceType": "MedicationStatement",
        "id": "course",
        "status": "active",
        "basedOn": [ref("MedicationRequest/plan")],
        "taken": "unk",
        "effectivePeriod": {"start": "2026-01-05"},
        "dateAsserted": "2026-01-05",
        "dosage": [{"text": "one daily"}],
    }
    live = {
        "resourceType": "AllergyIntolerance",
        "id": "live",
        "clinicalStatus": "active",
        "verificationStatus": "unconfirmed",
        "patient": ref("Patient/p1"),
        "code": concept("91936005", "Allergy to penicillin"),
    }
    ended = live | {"id": "1", "clinicalStatus": "resolved", "code": concept("300913006", "Shellfish allergy")}
    ended_list = gp_list("1103671000000101", "#1", contained=[ended])
    return bundle(
        patient(),
        gp_list("886921000000105", "AllergyIntolerance/live"),
        ended_list,
        live,
        gp_list("933361000000108", "MedicationStatement/course"),
        statement,
        plan,
        *issues,
        medicine,
    )
