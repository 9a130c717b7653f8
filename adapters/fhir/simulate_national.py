"""Simulated national services: a GP Connect provider and the Personal Demographics Service.

Truth: GP Connect Access Record Structured 1.6 (operation, headers, token, error codes, one List for each area asked);
PDS FHIR API (reads by NHS number, superseded numbers, X-Request-ID).
"""

import base64
import copy
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from aiohttp import web

from adapters.fhir.simulate_search import DEMOGRAPHIC, met
from adapters.testing.simulation import json_bytes

Resource = dict[str, Any]

MEDIA_TYPE = "application/fhir+json"
_NHS_NUMBER = "https://fhir.nhs.uk/Id/nhs-number"
_SNOMED = "http://snomed.info/sct"
_RECORD = "urn:nhs:names:services:gpconnect:fhir:operation:gpc.getstructuredrecord-1"
_METADATA = "urn:nhs:names:services:gpconnect:structured:fhir:rest:read:metadata-1"
_EMPTY_REASON = "https://fhir.nhs.uk/STU3/CodeSystem/CareConnect-ListEmptyReasonCode-1"
_ENDED = "1103671000000101"

_AREAS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "includeAllergies": ("886921000000105", "Allergies and adverse reactions", ("AllergyIntolerance",)),
    "includeMedication": ("933361000000108", "Medications and medical devices", ("MedicationStatement",)),
    "includeProblems": ("717711000000103", "Problems", ("Condition",)),
    "includeConsultations": ("1149501000000101", "List of consultations", ("Encounter",)),
    "includeImmunisations": ("1102181000000102", "Immunisations", ("Immunization",)),
    "includeUncategorisedData": ("826501000000100", "Miscellaneous record", ("Observation",)),
    "includeInvestigations": ("887191000000108", "Investigations and results", ("DiagnosticReport",)),
    "includeReferrals": ("792931000000107", "Outbound referral", ("ReferralRequest",)),
    "includeDiaryEntries": ("714311000000108", "Patient recall administration", ("ProcedureRequest",)),
}
"""Parameter to the code and term of its primary List, and the resource types that List holds."""

_ADMINISTRATIVE = frozenset({"Patient", "Practitioner", "PractitionerRole", "Organization", "Location"})
_CLAIMS = ("iss", "sub", "aud", "exp", "iat", "reason_for_request", "requested_scope", "requesting_device")
_WHO = ("requesting_organization", "requesting_practitioner")


def gpconnect_app(
    records: Mapping[str, Resource], base_path: str = "", *, refused: Mapping[str, Resource] | None = None
) -> web.Application:
    """A provider that holds these records: a whole structured-record Bundle by NHS number.

    `refused`: the OperationOutcome with which it answers, HTTP 403, for who does not let the record be shared.
    """

    async def structured_record(request: web.Request) -> web.Response:
        wrong = _header_fault(request, _RECORD)
        if wrong is not None:
            return _spine_outcome(400, "invalid", wrong)
        try:
            number, areas = _question(await request.json())
        except (ValueError, KeyError, TypeError, AttributeError):
            return _spine_outcome(422, "invalid", "INVALID_RESOURCE")
        if not valid_nhs_number(number):
            return _spine_outcome(400, "value", "INVALID_NHS_NUMBER")
        if refused and number in refused:
            return _answer(refused[number], 403)
        if number not in records:
            return _spine_outcome(404, "not-found", "PATIENT_NOT_FOUND")
        return _answer(_selected(records[number], areas))

    async def metadata(request: web.Request) -> web.Response:
        wrong = _header_fault(request, _METADATA)
        if wrong is not None:
            return _spine_outcome(400, "invalid", wrong)
        return _answer({"resourceType": "CapabilityStatement", "fhirVersion": "3.0.1", "status": "active"})

    app = web.Application()
    app.router.add_post(f"{base_path}/Patient/$gpc.getstructuredrecord", structured_record)
    app.router.add_get(f"{base_path}/metadata", metadata)
    return app


def pds_app(
    patients: Iterable[Resource], superseded: Mapping[str, str] | None = None, base_path: str = "", *, most: int = 50
) -> web.Application:
    """The demographics service with these Patients, whose ids are NHS numbers, and old numbers with current ones.

    `most`: of more people than this a search tells only that there are too many.
    """
    current = superseded or {}
    known = {str(patient["id"]): patient for patient in patients}

    async def read(request: web.Request) -> web.Response:
        number = request.match_info["id"]
        if not request.headers.get("X-Request-ID"):
            return _spine_outcome(400, "required", "MISSING_VALUE")
        if not valid_nhs_number(number):
            return _spine_outcome(400, "value", "INVALID_RESOURCE_ID")
        found = known.get(current.get(number, number))
        return _answer(found) if found is not None else _spine_outcome(404, "not-found", "RESOURCE_NOT_FOUND")

    async def search(request: web.Request) -> web.Response:
        if not request.headers.get("X-Request-ID"):
            return _spine_outcome(400, "required", "MISSING_VALUE")
        criteria = list(request.query.items())
        if not {"family", "birthdate"} <= dict(criteria).keys() <= DEMOGRAPHIC:
            return _spine_outcome(400, "required", "UNSUPPORTED_SERVICE")
        fitting = [one for one in known.values() if all(met(one, name, value) for name, value in criteria)]
        if len(fitting) > most:
            return _spine_outcome(200, "multiple-matches", "TOO_MANY_MATCHES")
        # Of whoever is restricted it tells who they are, and nothing of where.
        entries = [{"resource": _without_places(one), "search": {"mode": "match", "score": 1}} for one in fitting]
        return _answer({"resourceType": "Bundle", "type": "searchset", "total": len(fitting), "entry": entries})

    app = web.Application()
    app.router.add_get(f"{base_path}/Patient", search)
    app.router.add_get(f"{base_path}/Patient/{{id}}", read)
    return app


def _without_places(patient: Resource) -> Resource:
    labels = {label.get("code") for label in patient.get("meta", {}).get("security", [])}
    hidden = {"address", "telecom", "generalPractitioner"} if labels & {"R", "V"} else set()
    return {key: value for key, value in patient.items() if key not in hidden}


def valid_nhs_number(number: str) -> bool:
    """Ten digits with a valid check digit (modulus 11)."""
    if len(number) != 10 or not number.isascii() or not number.isdigit():
        return False
    check = 11 - sum(int(digit) * weight for digit, weight in zip(number[:9], range(10, 1, -1), strict=True)) % 11
    return check % 11 == int(number[9])


def _header_fault(request: web.Request, interaction: str) -> str | None:
    """The Spine code of the first thing wrong with the headers, or None."""
    for name in ("Ssp-TraceID", "Ssp-From", "Ssp-To", "Ssp-InteractionID", "Authorization"):
        if not request.headers.get(name):
            return "BAD_REQUEST"
    if request.headers["Ssp-InteractionID"] != interaction:
        return "BAD_REQUEST"
    return None if _good_token(request.headers["Authorization"]) else "BAD_REQUEST"


def _good_token(header: str) -> bool:
    """An unsigned token with every claim, not expired, for direct care and this scope."""
    scheme, _, token = header.partition(" ")
    parts = token.split(".")
    if scheme != "Bearer" or len(parts) != 3 or parts[2] != "":
        return False
    try:
        head, claims = (json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in parts[:2])
        complete = all(claims.get(name) for name in (*_CLAIMS, *_WHO))
        fresh = claims["iat"] <= time.time() + 60 and time.time() < claims["exp"]
    except (ValueError, KeyError, TypeError, AttributeError):
        return False
    right = claims["reason_for_request"] == "directcare" and claims["requested_scope"] == "patient/*.read"
    return complete and fresh and right and head == {"alg": "none", "typ": "JWT"}


def _question(body: Resource) -> tuple[str, dict[str, dict[str, Any]]]:
    """The NHS number and the areas asked for, each with its parts. Raises when it is no such Parameters."""
    if body["resourceType"] != "Parameters":
        raise ValueError("not Parameters")
    number = ""
    areas: dict[str, dict[str, Any]] = {}
    for parameter in body["parameter"]:
        if parameter["name"] == "patientNHSNumber":
            identifier = parameter["valueIdentifier"]
            number = identifier["value"] if identifier["system"] == _NHS_NUMBER else ""
        else:
            parts = parameter.get("part", [])
            areas[parameter["name"]] = {
                part["name"]: next(value for key, value in part.items() if key.startswith("value")) for part in parts
            }
    if areas.get("includeAllergies") == {}:
        raise ValueError("includeResolvedAllergies is mandatory")
    return number, areas


def _selected(record: Resource, areas: dict[str, dict[str, Any]]) -> Resource:
    """The record cut to the areas asked for: their Lists, and whatever can be reached from those."""
    resources = [copy.deepcopy(entry["resource"]) for entry in record["entry"]]
    known = {f"{one['resourceType']}/{one.get('id')}": one for one in resources}
    lists = []
    for name, parts in areas.items():
        if name in _AREAS:
            lists += _area_lists(name, parts, resources)
    with_issues = areas.get("includeMedication", {}).get("includePrescriptionIssues", True)
    kept = _reachable(lists, known, resources, issues=with_issues)
    ordered = [one for one in resources if one["resourceType"] in _ADMINISTRATIVE] + lists
    ordered += [one for key, one in known.items() if key in kept and not any(one is other for other in ordered)]
    unknown = [name for name in areas if name not in _AREAS]
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "meta": {"profile": ["https://fhir.nhs.uk/STU3/StructureDefinition/GPConnect-StructuredRecord-Bundle-1"]},
        "entry": [{"resource": one} for one in [*ordered, *_warnings(unknown)]],
    }


def _area_lists(name: str, parts: dict[str, Any], resources: list[Resource]) -> list[Resource]:
    """The area's Lists of the record; one is made where the record has none, as the specification requires one."""
    code, term, kinds = _AREAS[name]
    codes = {code, _ENDED} if name == "includeAllergies" else {code}
    found = [one for one in resources if one["resourceType"] == "List" and _code(one) in codes]
    if name == "includeAllergies" and parts.get("includeResolvedAllergies") is not True:
        found = [one for one in found if _code(one) != _ENDED]
        for one in found:
            one.pop("contained", None)
    if not any(_code(one) == code for one in found):
        found.append(_made_list(code, term, kinds, resources))
    return found


def _made_list(code: str, term: str, kinds: tuple[str, ...], resources: list[Resource]) -> Resource:
    patient = next(one for one in resources if one["resourceType"] == "Patient")
    items = [f"{one['resourceType']}/{one['id']}" for one in resources if one["resourceType"] in kinds]
    made: Resource = {
        "resourceType": "List",
        "status": "current",
        "mode": "snapshot",
        "title": term,
        "code": {"coding": [{"system": _SNOMED, "code": code, "display": term}]},
        "subject": {"reference": f"Patient/{patient['id']}"},
    }
    if (moving := next(filter(_in_transit, resources), None)) is not None:
        # It is the whole record that is on its way, so every List says so.
        made |= {"extension": moving["extension"], "note": moving["note"][:1]}
    if items:
        return made | {"entry": [{"item": {"reference": item}} for item in items]}
    reason = {"system": _EMPTY_REASON, "code": "no-content-recorded", "display": "No Content Recorded"}
    return made | {
        "emptyReason": {"coding": [reason]},
        "note": [*made.get("note", ()), {"text": "Information not available"}],
    }


def _in_transit(resource: Resource) -> bool:
    warnings = (extension.get("valueCode") for extension in resource.get("extension", ()))
    return resource["resourceType"] == "List" and "data-in-transit" in warnings


def _code(found: Resource) -> str | None:
    coding = found.get("code", {}).get("coding", [{}])
    code = coding[0].get("code") if coding else None
    return str(code) if code is not None else None


def _reachable(
    lists: list[Resource], known: dict[str, Resource], resources: list[Resource], *, issues: bool
) -> set[str]:
    """What the Lists lead to, reference by reference; issues point at their plan, so they are found backwards."""
    found: set[str] = set()
    waiting = [reference for one in lists for reference in _references(one)]
    while waiting:
        reference = waiting.pop()
        if reference in found or reference not in known:
            continue
        found.add(reference)
        target = known[reference]
        if target["resourceType"] != "Patient":
            waiting += _references(target)
        if target["resourceType"] == "MedicationRequest" and issues:
            waiting += [
                f"MedicationRequest/{one['id']}"
                for one in resources
                if one["resourceType"] == "MedicationRequest" and reference in _references(one.get("basedOn"))
            ]
    return found


def _references(value: Any) -> list[str]:
    return list(_walk(value))


def _walk(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            yield value["reference"]
        for inner in value.values():
            yield from _walk(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _walk(inner)


def _warnings(unknown: list[str]) -> list[Resource]:
    """What was asked for and is not known: said beside the answer, which is given all the same."""
    if not unknown:
        return []
    issues = [
        {
            "severity": "warning",
            "code": "not-supported",
            "details": _details("NOT_IMPLEMENTED") | {"text": f"{name} is an unrecognised parameter"},
            "diagnostics": name,
        }
        for name in unknown
    ]
    return [{"resourceType": "OperationOutcome", "id": "warnings", "issue": issues}]


def _details(code: str) -> Resource:
    system = "https://fhir.nhs.uk/STU3/CodeSystem/Spine-ErrorOrWarningCode-1"
    return {"coding": [{"system": system, "code": code, "display": code.replace("_", " ").capitalize()}]}


def _answer(resource: Resource, status: int = 200) -> web.Response:
    return web.Response(body=json_bytes(resource), status=status, content_type=MEDIA_TYPE)


def _spine_outcome(status: int, code: str, spine: str) -> web.Response:
    issue = {"severity": "error", "code": code, "details": _details(spine), "diagnostics": "simulated"}
    return _answer({"resourceType": "OperationOutcome", "issue": [issue]}, status)
