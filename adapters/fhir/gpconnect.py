"""How a GP record is asked for: `Patient/$gpc.getstructuredrecord`, its headers and its token.

Truth: GP Connect Access Record Structured 1.6 (operation, cross-organisation audit and provenance). The token is
unsigned by that specification: the Spine proxy's mutual TLS carries the trust, the token says on whose behalf.
"""

import base64
import json
import time
import uuid
from typing import Any

from adapters.fhir.settings import FhirSettings
from adapters.sdk import NHS_NUMBER, Call

OPERATION = "Patient/$gpc.getstructuredrecord"
MEDIA_TYPE = "application/fhir+json"
RECORD_INTERACTION = "urn:nhs:names:services:gpconnect:fhir:operation:gpc.getstructuredrecord-1"
METADATA_INTERACTION = "urn:nhs:names:services:gpconnect:structured:fhir:rest:read:metadata-1"
TOKEN_LIFE_S = 300

_ASKED_BY = {
    "AllergyIntolerance": ("includeAllergies",),
    "Medication": ("includeMedication",),
    "Condition": ("includeProblems",),
    "Encounter": ("includeConsultations",),
    "Immunization": ("includeImmunisations",),
    "Observation": ("includeUncategorisedData", "includeInvestigations"),
    "SocialHistory": ("includeUncategorisedData",),
    "DiagnosticReport": ("includeInvestigations",),
    "ServiceRequest": ("includeReferrals", "includeDiaryEntries"),
}


def parameters(nhs_number: str, types: frozenset[str], settings: FhirSettings) -> bytes:
    """The question: whose record, and which areas of it. Ended allergies and issues are never left out."""
    wanted = {name for fact_type in types for name in _ASKED_BY.get(fact_type, ())}
    found: list[dict[str, Any]] = [
        {"name": "patientNHSNumber", "valueIdentifier": {"system": NHS_NUMBER, "value": nhs_number}}
    ]
    for name in dict.fromkeys(name for names in _ASKED_BY.values() for name in names):
        if name in wanted:
            parts = _parts(name, settings)
            found.append({"name": name, "part": parts} if parts else {"name": name})
    return json.dumps({"resourceType": "Parameters", "parameter": found}).encode()


def _parts(name: str, settings: FhirSettings) -> list[dict[str, Any]]:
    if name == "includeAllergies":
        return [{"name": "includeResolvedAllergies", "valueBoolean": True}]
    if name == "includeImmunisations":
        return [{"name": "includeNotGiven", "valueBoolean": True}]
    if name == "includeMedication":
        since = settings.medication_from
        dated = [{"name": "medicationSearchFromDate", "valueDate": since}] if since else []
        return [{"name": "includePrescriptionIssues", "valueBoolean": True}, *dated]
    return []


def headers(interaction: str, settings: FhirSettings, call: Call) -> dict[str, str]:
    """The Spine headers, and the token where the deployment has no other authentication."""
    found = {
        "Accept": MEDIA_TYPE,
        "Ssp-TraceID": str(uuid.uuid4()),
        "Ssp-From": settings.ssp_from,
        "Ssp-To": settings.ssp_to,
        "Ssp-InteractionID": interaction,
    }
    if settings.send_jwt:
        found["Authorization"] = f"Bearer {token(settings, call)}"
    return found


def token(settings: FhirSettings, call: Call) -> str:
    """The unsigned JSON web token: user, role, organisation, device and reason."""
    issued = int(time.time())
    claims = {
        "iss": settings.issuer,
        "sub": call.actor.user,
        "aud": settings.audience or settings.base_url,
        "exp": issued + TOKEN_LIFE_S,
        "iat": issued,
        "reason_for_request": "directcare",
        "requested_scope": "patient/*.read",
        "requesting_device": _device(settings),
        "requesting_organization": _organization(settings, call),
        "requesting_practitioner": _practitioner(settings, call),
    }
    return ".".join((_encoded({"alg": "none", "typ": "JWT"}), _encoded(claims), ""))


def _device(settings: FhirSettings) -> dict[str, Any]:
    return {
        "resourceType": "Device",
        "id": "1",
        "identifier": [{"system": f"{settings.issuer}Id/local-system-instance-id", "value": settings.device}],
        "model": "Sherwood",
        "version": "1",
    }


def _organization(settings: FhirSettings, call: Call) -> dict[str, Any]:
    code = settings.requesting_organization_ods or call.actor.organization
    return {
        "resourceType": "Organization",
        "identifier": [{"system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": code}],
        "name": settings.requesting_organization_name,
    }


def _practitioner(settings: FhirSettings, call: Call) -> dict[str, Any]:
    actor = call.actor
    return {
        "resourceType": "Practitioner",
        "id": "1",
        "identifier": [
            {"system": "https://fhir.nhs.uk/Id/sds-user-id", "value": actor.user},
            {"system": "https://fhir.nhs.uk/Id/sds-role-profile-id", "value": actor.role},
            {"system": f"{settings.issuer}Id/local-user-id", "value": actor.user},
        ],
        "name": [{"family": actor.name or actor.user}],
    }


def _encoded(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
