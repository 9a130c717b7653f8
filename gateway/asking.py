"""`sherwood query` and `sherwood find`: ask a running gateway, and show a person a record, or who may be meant."""

import json
import re
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from rich.console import Console

from adapters.sdk.secrets import Secret
from gateway.config import seconds
from gateway.problems import CommandError
from gateway.tables import show_found, show_record
from schema.gql.connection import LARGEST_PAGE
from schema.model.clinical import SECTIONS

_CODE = "code { display }"
_QUANTITY = "{ comparator value unit }"
_VALUE = f"valueQuantity {_QUANTITY} valueCodeableConcept {{ display }} valueString"
_ABSENT = "dataAbsentReason { display } interpretation { display }"
_PERIOD = "{ start { value } end { value } }"
_OBSERVED = f"""{_CODE} status {_VALUE} valueBoolean valueInteger
    valueRange {{ low {_QUANTITY} high {_QUANTITY} }}
    valueRatio {{ numerator {_QUANTITY} denominator {_QUANTITY} }} valuePeriod {_PERIOD}
    {_ABSENT} referenceRange components {{ {_CODE} {_VALUE} {_ABSENT} }}"""
_PEOPLE = "{ name role organization telecom { value } }"
_NEGATING = "enteredInError patientReported"
"""Asked of every type. Where a type has a polarity, a verification status or a status, that is asked for below."""
_SPECIFIC = {
    "allergies": f"{_CODE} polarity verificationStatus clinicalStatus criticality "
    "reactions { manifestations { display } severity description }",
    "conditions": f"{_CODE} polarity verificationStatus clinicalStatus severity {{ display }} abatement {{ value }}",
    "medications": f"{_CODE} kind status dosage dose {_QUANTITY} route {{ display }} effective {_PERIOD} "
    "lastIssued { value } reasons { display }",
    "observations": _OBSERVED,
    "diagnosticReports": f"{_CODE} status conclusion conclusionCodes {{ display }}",
    "immunizations": "vaccineCode { display } status statusReason { display } doseNumber",
    "procedures": f"{_CODE} status statusReason {{ display }} outcome {{ display }}",
    "encounters": "encounterClass { display } types { display } status location serviceProvider reasons { display }",
    "appointments": f"service {{ display }} description status location participants {_PEOPLE} reasons {{ display }}",
    "referrals": f"{_CODE} status priority description performers {_PEOPLE} reasons {{ display }}",
    "documents": "type { display } description status documentStatus",
    "imagingStudies": "description status modalities { display } bodySites { display }",
    "carePlans": "title description status goals activities",
    "flags": f"{_CODE} status",
    "assessments": f"questionnaire status score {_QUANTITY} items {{ question answers }}",
    "socialHistory": _OBSERVED,
    "relatedPersons": "names { text family given } relationships { display } telecom { value } active",
    "consents": "scope { display } decision description status",
    "communications": f"payload status sent {{ value }} sender {_PEOPLE}",
    "careTeam": f"name status participants {_PEOPLE} telecom {{ value }}",
}


def whole_record_query(deadline: str | None) -> str:
    """A document that asks for every section of one person."""
    argument = _deadline_argument(deadline)
    entry = (
        f"id when {{ value }} {_NEGATING} provenance {{ source {{ id name }} }} "
        "conflicts { field claims { source { id } value } }"
    )
    remarks = "cautions { code text } notes { text author }"
    heard = (
        "status emptyReason totalCount sources { source { name } state code completeFrom { value } gaps { kind text } }"
    )
    page = f"entries(first: {LARGEST_PAGE})"
    sections = "\n".join(
        f"{name} {{ {heard} {page} {{ nodes {{ {entry} {_SPECIFIC[name]} {remarks} }} }} }}" for name in SECTIONS
    )
    return f"""query ($number: String!) {{ patient(identifier: {{ value: $number }}{argument}) {{
        patient {{ names {{ text family given }} birthDate {{ value }} gender enteredInError deceased restricted
            conflicts {{ field claims {{ source {{ id }} value }} }} }}
        {sections}
        sources {{ source {{ id name }} state code message asOf latencyMs cache facts gaps {{ kind text }} }}
    }} }}"""


def _deadline_argument(deadline: str | None) -> str:
    try:
        return f', deadline: "PT{seconds(deadline):.6f}S"' if deadline else ""
    except ValueError as problem:
        raise CommandError(f"--deadline: {problem}") from None


def search_query(deadline: str | None) -> str:
    """A document that asks who fits a search."""
    return f"""query ($search: PatientSearch!) {{ patients(search: $search{_deadline_argument(deadline)}) {{
        status completeness truncated notice
        candidates {{ identifiers {{ system value }} names {{ text family given }} birthDate {{ value }} gender
            postalDistrict deceased grade evidence sources {{ id name }} }}
        sources {{ source {{ id name }} state code message latencyMs }}
    }} }}"""


def find(
    search: dict[str, str], url: str, token: str | None, deadline: str | None, as_json: bool, out: Console, err: Console
) -> int:
    """Search and print. The exit status is 1 when the answer holds errors; that nobody was found is none."""
    with err.status("Asking ..."):
        answer = _post(url, token, {"query": search_query(deadline), "variables": {"search": search}})
    if as_json or answer.get("errors"):
        out.print_json(data=answer)
    else:
        show_found(answer["data"]["patients"], out)
    return 1 if answer.get("errors") else 0


def ask(
    document: str,
    url: str,
    token: str | None,
    variables: list[str],
    deadline: str | None,
    as_json: bool,
    out: Console,
    err: Console,
) -> int:
    """Ask and print. The exit status is 1 when the answer holds errors."""
    number = re.sub(r"[\s-]", "", document)
    by_number = number.isdigit()
    if by_number:
        body: dict[str, Any] = {"query": whole_record_query(deadline), "variables": {"number": number}}
    else:
        body = {"query": _read_document(document), "variables": dict(_variable(text) for text in variables)}
    with err.status("Asking ..."):
        answer = _post(url, token, body)
    if by_number and not as_json and not answer.get("errors"):
        show_record(answer["data"]["patient"], out)
    else:
        out.print_json(data=answer)
    return 1 if answer.get("errors") else 0


def _read_document(document: str) -> str:
    if document == "-":
        return sys.stdin.read()
    try:
        return Path(document).read_text(encoding="utf-8")
    except OSError:
        raise CommandError(
            f"{document}: no such document; give a .graphql file, '-' for standard input, or an NHS number"
        ) from None


def _variable(text: str) -> tuple[str, Any]:
    name, separator, value = text.partition("=")
    if not separator:
        raise CommandError(f"a variable is written NAME=JSON, not {text!r}")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _post(url: str, token: str | None, body: dict[str, Any]) -> dict[str, Any]:
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {Secret(token).reveal()}"
    if not url.startswith(("http://", "https://")):
        raise CommandError("--url begins with http:// or https://")
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)  # noqa: S310 - the scheme is checked above
    try:
        with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310 - as above
            answer: dict[str, Any] = json.load(response)
    except urllib.error.HTTPError as problem:
        try:
            answer = json.load(problem)
        except ValueError:
            raise CommandError(f"the gateway answered with HTTP status {problem.code}") from None
    except (OSError, ValueError):
        raise CommandError(
            f"no gateway answers at {url}: start one with `sherwood demo` or name it with --url"
        ) from None
    return answer
