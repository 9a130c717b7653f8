"""What the generated patient's record is made of: one function for each type of fact, and what facts refer to.

FHIR R4, the resources named.
"""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from random import Random
from typing import Any, Protocol

from adapters.demo.scale_terms import (
    ALLERGENS,
    DOCUMENTS,
    IMAGING,
    PROBLEMS,
    PROCEDURES,
    PRODUCTS,
    SERVICES,
    Measure,
)

Resource = dict[str, Any]

HOSPITAL_NUMBER = "5309117"
PATIENT_ID = f"epr-{HOSPITAL_NUMBER}"
SCT = "http://snomed.info/sct"
LOINC = "http://loinc.org"
TERMS = "http://terminology.hl7.org/CodeSystem"
OID = "urn:oid:2.16.840.1.113883.2.1.3.2.4.18.99"
_UCUM = "http://unitsofmeasure.org"


class Spread(Protocol):
    """The life that facts are spread over."""

    now: datetime
    chance: Random
    counts: dict[str, int]
    """How many there are of each type."""

    def encounter(self, kind: str, n: int) -> Resource:
        """The contact at about the time of the nth of a kind."""
        ...


Body = Callable[[Spread, int, str], Resource]
"""The nth fact of a type, at that time."""


def id_of(kind: str, n: int) -> str:
    return PATIENT_ID if kind == "Patient" else f"pv-{kind.lower()}-{n}"


# The same parts come ten thousand times over: each is made once.
@cache
def reference(kind: str, n: int = 0) -> Resource:
    return {"reference": f"{kind}/{id_of(kind, n)}"}


@cache
def coded(system: str, code: str, display: str) -> Resource:
    return {"coding": [{"system": system, "code": code, "display": display}]}


def amount(value: Decimal, unit: str, ucum: str) -> Resource:
    return {"value": value, "unit": unit, "system": _UCUM, "code": ucum}


@cache
def usual(measure: Measure) -> list[Resource]:
    ends = {"low": measure.low, "high": measure.high}
    return [{name: amount(end, measure.unit, measure.ucum) for name, end in ends.items()}]


def numbered(root: str, prefix: str, n: int) -> list[Resource]:
    return [{"system": f"{OID}.{root}", "value": f"{prefix}-PV-{n:06d}"}]


def referred() -> Iterator[Resource]:
    """People, places and products that facts name."""
    for n, name in enumerate(("Ravensbrook Hospital", "Ravensbrook Pathology")):
        yield {"resourceType": "Organization", "id": id_of("Organization", n), "name": name}
    for n, (family, given) in enumerate((("Ashdown", "Una"), ("Birchall", "Iwan"), ("Coyle", "Mab"), ("Drew", "Ari"))):
        called = {"family": f"{family}-Penhallow", "given": [given], "prefix": ["Dr"]}
        yield {"resourceType": "Practitioner", "id": id_of("Practitioner", n), "name": [called]}
    for n, (code, display, _) in enumerate(PRODUCTS):
        yield {"resourceType": "Medication", "id": id_of("Medication", n), "code": coded(SCT, code, display)}


def _condition(life: Spread, n: int, at: str) -> Resource:
    code, display = PROBLEMS[n % len(PROBLEMS)]
    active = n < len(PROBLEMS) // 2
    return {
        "clinicalStatus": coded(f"{TERMS}/condition-clinical", *(("active", "Active") if active else _RESOLVED)),
        "verificationStatus": coded(f"{TERMS}/condition-ver-status", "confirmed", "Confirmed"),
        "category": [coded(f"{TERMS}/condition-category", "encounter-diagnosis", "Encounter diagnosis")],
        "code": coded(SCT, code, display),
        "subject": reference("Patient"),
        "encounter": life.encounter("Condition", n),
        "onsetDateTime": at[:10],
        "recordedDate": at,
        "asserter": reference("Practitioner", n % 4),
        **({} if active else {"abatementDateTime": life.now.date().isoformat()}),
    }


_RESOLVED = ("resolved", "Resolved")


def _allergy(life: Spread, n: int, at: str) -> Resource:
    code, display = ALLERGENS[n % len(ALLERGENS)]
    return {
        "clinicalStatus": coded(f"{TERMS}/allergyintolerance-clinical", "active", "Active"),
        "verificationStatus": coded(f"{TERMS}/allergyintolerance-verification", "unconfirmed", "Unconfirmed"),
        "category": ["medication"],
        "criticality": "low",
        "code": coded(SCT, code, display),
        "patient": reference("Patient"),
        "recordedDate": at,
        "recorder": reference("Practitioner", n % 4),
    }


def _order(life: Spread, n: int, at: str) -> Resource:
    product = n % len(PRODUCTS)
    return {
        "identifier": numbered("50", "RX", n),
        "status": "active" if n < len(PRODUCTS) else "completed",
        "intent": "order",
        "medicationReference": reference("Medication", product),
        "subject": reference("Patient"),
        "encounter": life.encounter("MedicationRequest", n),
        "authoredOn": at,
        "requester": reference("Practitioner", n % 4),
        "dosageInstruction": [{"text": PRODUCTS[product][2], "route": coded(SCT, "26643006", "Oral route")}],
    }


def _dose(life: Spread, n: int, at: str) -> Resource:
    order = n * life.counts["MedicationRequest"] // life.counts["MedicationAdministration"]
    return {
        "status": "completed",
        "medicationReference": reference("Medication", order % len(PRODUCTS)),
        "subject": reference("Patient"),
        "context": life.encounter("MedicationAdministration", n),
        "effectiveDateTime": at,
        "performer": [{"actor": reference("Practitioner", n % 4)}],
        "request": reference("MedicationRequest", order),
        "dosage": {"text": PRODUCTS[order % len(PRODUCTS)][2]},
    }


def _encounter(life: Spread, n: int, at: str) -> Resource:
    inside = n % 5 == 0
    ended = datetime.fromisoformat(at) + (timedelta(days=4) if inside else timedelta(minutes=40))
    return {
        "identifier": numbered("2", "VN", n),
        "status": "finished",
        "class": {"system": f"{TERMS}/v3-ActCode", "code": "IMP" if inside else "AMB"},
        "serviceType": {"text": SERVICES[n % len(SERVICES)]},
        "subject": reference("Patient"),
        "participant": [{"individual": reference("Practitioner", n % 4)}],
        "period": {"start": at, "end": min(ended, life.now).isoformat()},
        "serviceProvider": reference("Organization", 0),
    }


def _appointment(life: Spread, n: int, at: str) -> Resource:
    start = life.now + timedelta(days=7 * (n + 1)) if n < 3 else datetime.fromisoformat(at)
    return {
        "identifier": numbered("70", "AP", n),
        "status": "booked" if n < 3 else "fulfilled",
        "serviceType": [{"text": SERVICES[n % len(SERVICES)]}],
        "start": start.isoformat(),
        "end": (start + timedelta(minutes=20)).isoformat(),
        "participant": [
            {"actor": reference("Patient"), "status": "accepted"},
            {"actor": reference("Practitioner", n % 4), "status": "accepted"},
        ],
    }


def _referral(life: Spread, n: int, at: str) -> Resource:
    return {
        "identifier": numbered("71", "RF", n),
        "status": "completed",
        "intent": "order",
        "category": [coded(SCT, "3457005", "Patient referral")],
        "code": {"text": SERVICES[n % len(SERVICES)]},
        "subject": reference("Patient"),
        "authoredOn": at,
        "requester": reference("Practitioner", n % 4),
    }


def _document(life: Spread, n: int, at: str) -> Resource:
    code, display = DOCUMENTS[n % len(DOCUMENTS)]
    attachment = {"contentType": "application/pdf", "url": f"Binary/pv-document-{n}", "title": display}
    return {
        "masterIdentifier": numbered("60", "DS", n)[0],
        "status": "current",
        "docStatus": "final",
        "type": coded(SCT, code, display),
        "subject": reference("Patient"),
        "date": at,
        "author": [reference("Practitioner", n % 4)],
        "content": [{"attachment": attachment}],
    }


def _imaging(life: Spread, n: int, at: str) -> Resource:
    code, display = IMAGING[n % len(IMAGING)]
    return {
        "identifier": [{"system": "urn:dicom:uid", "value": f"urn:oid:2.25.3109844172200611880{n:06d}"}],
        "status": "available",
        "modality": [{"system": "http://dicom.nema.org/resources/ontology/DCM", "code": code, "display": display}],
        "subject": reference("Patient"),
        "started": at,
        "description": display,
    }


def _procedure(life: Spread, n: int, at: str) -> Resource:
    code, display = PROCEDURES[n % len(PROCEDURES)]
    return {
        "identifier": numbered("80", "PR", n),
        "status": "completed",
        "code": coded(SCT, code, display),
        "subject": reference("Patient"),
        "performedDateTime": at,
        "performer": [{"actor": reference("Practitioner", n % 4)}],
    }


def _care_plan(life: Spread, n: int, at: str) -> Resource:
    return {
        "identifier": numbered("72", "CP", n),
        "status": "active" if n == 0 else "completed",
        "intent": "plan",
        "title": f"Plan of care {n + 1}",
        "subject": reference("Patient"),
        "period": {"start": at[:10]},
        "author": reference("Practitioner", n % 4),
    }


def _flag(life: Spread, n: int, at: str) -> Resource:
    return {
        "identifier": numbered("73", "FL", n),
        "status": "active",
        "code": {"text": f"Falls risk, review {n + 1}"},
        "subject": reference("Patient"),
        "period": {"start": at[:10]},
        "author": reference("Practitioner", n % 4),
    }


def _assessment(life: Spread, n: int, at: str) -> Resource:
    score = life.chance.randrange(24)
    return {
        "questionnaire": "https://ravensbrook-hospital.example/Questionnaire/frailty",
        "status": "completed",
        "subject": reference("Patient"),
        "authored": at,
        "author": reference("Practitioner", n % 4),
        "item": [{"linkId": "total", "text": "Total score", "answer": [{"valueInteger": score}]}],
    }


def _message(life: Spread, n: int, at: str) -> Resource:
    return {
        "identifier": numbered("74", "CM", n),
        "status": "completed",
        "subject": reference("Patient"),
        "sent": at,
        "sender": reference("Practitioner", n % 4),
        "recipient": [reference("Practitioner", (n + 1) % 4)],
        "payload": [{"contentString": f"Handover {n + 1}: stable, plan unchanged."}],
    }


def _relative(life: Spread, n: int, at: str) -> Resource:
    return {
        "active": True,
        "patient": reference("Patient"),
        "relationship": [coded(f"{TERMS}/v3-RoleCode", "CHILD", "child")],
        "name": [{"family": "Vastergaard", "given": [f"Child {n + 1}"]}],
    }


def _consent(life: Spread, n: int, at: str) -> Resource:
    return {
        "status": "active",
        "scope": coded(f"{TERMS}/consentscope", "patient-privacy", "Privacy Consent"),
        "category": [coded(LOINC, "59284-0", "Consent Document")],
        "patient": reference("Patient"),
        "dateTime": at,
        "policyRule": {"text": "Trust information sharing policy"},
        "provision": {"type": "permit"},
    }


def _team(life: Spread, n: int, at: str) -> Resource:
    return {
        "identifier": numbered("75", "CT", n),
        "status": "active",
        "name": f"Who looks after him, {n + 1}",
        "subject": reference("Patient"),
        "participant": [{"role": [{"text": "Consultant"}], "member": reference("Practitioner", n % 4)}],
    }


BODIES: dict[str, tuple[float, Body]] = {
    "Encounter": (40, _encounter),
    "Condition": (12, _condition),
    "AllergyIntolerance": (1, _allergy),
    "MedicationRequest": (30, _order),
    "MedicationAdministration": (110, _dose),
    "Procedure": (8, _procedure),
    "Appointment": (25, _appointment),
    "ServiceRequest": (10, _referral),
    "DocumentReference": (20, _document),
    "ImagingStudy": (6, _imaging),
    "CarePlan": (2, _care_plan),
    "Flag": (0.2, _flag),
    "QuestionnaireResponse": (6, _assessment),
    "Communication": (10, _message),
    "RelatedPerson": (0.2, _relative),
    "Consent": (0.2, _consent),
    "CareTeam": (0.2, _team),
}
"""How many of a thousand facts are of a type, and what one is. The rest are results, their reports, and readings."""
