"""`sherwood query`: ask a running gateway, and show a record to a person."""

import json
import re
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from adapters.sdk.secrets import Secret
from gateway.config import seconds
from gateway.problems import CommandError
from schema.gql.connection import LARGEST_PAGE
from schema.model.clinical import SECTIONS

_LABELS = "code { text codings { display code } }"
_SPECIFIC = {
    "allergies": f"{_LABELS} clinicalStatus criticality",
    "conditions": f"{_LABELS} clinicalStatus",
    "medications": f"{_LABELS} kind status dosage",
    "observations": f"{_LABELS} valueQuantity {{ comparator value unit }} valueString "
    "components { code { text codings { display } } valueQuantity { value unit } }",
    "diagnosticReports": f"{_LABELS} status conclusion",
    "immunizations": "vaccineCode { text codings { display code } } status",
    "procedures": f"{_LABELS} status",
    "encounters": "encounterClass { text codings { display code } } status serviceProvider",
    "appointments": "description status",
    "referrals": f"{_LABELS} status description",
    "documents": "description status",
    "imagingStudies": "description status",
    "carePlans": "title status",
    "flags": f"{_LABELS} status",
    "assessments": "questionnaire status",
    "socialHistory": f"{_LABELS} valueString",
    "relatedPersons": "names { text family given } relationships { text codings { display code } }",
    "consents": "scope { text codings { display code } } decision status",
    "communications": "payload status",
    "careTeam": "name status",
}


def whole_record_query(deadline: str | None) -> str:
    """A document that asks for every section of one person."""
    try:
        argument = f', deadline: "PT{seconds(deadline):.6f}S"' if deadline else ""
    except ValueError as problem:
        raise CommandError(f"--deadline: {problem}") from None
    entry = "id when { value } provenance { source { id } } conflicts { field claims { source { id } value } }"
    page = f"entries(first: {LARGEST_PAGE})"
    sections = "\n".join(
        f"{name} {{ status emptyReason totalCount {page} {{ nodes {{ {entry} {_SPECIFIC[name]} }} }} }}"
        for name in SECTIONS
    )
    return f"""query ($number: String!) {{ patient(identifier: {{ value: $number }}{argument}) {{
        patient {{ names {{ text family given }} birthDate {{ value }} gender }}
        {sections}
        sources {{ source {{ id name }} state code message asOf latencyMs cache facts }}
    }} }}"""


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


def show_record(record: dict[str, Any], out: Console) -> None:
    """The record as tables: who, what each section holds and who says so, and what became of each source."""
    who = record["patient"] or {"names": [], "birthDate": None, "gender": None}
    names = ", ".join(filter(None, (_name(name) for name in who["names"]))) or "no demographics shown"
    born = (who["birthDate"] or {}).get("value", "birth date not stated")
    out.rule(escape(f"{names}  {born}  {who['gender'] or ''}"), style="bold")
    for name in SECTIONS:
        section = record[name]
        table = Table("when", "what", "who says so", "sources disagree on", title_justify="left", expand=True)
        table.title = f"[bold]{_words(name)}[/] ({section['totalCount']}) {section['status'].lower()}"
        for entry in section["entries"]["nodes"]:
            cells = (
                (entry["when"] or {}).get("value", ""),
                _describe(entry),
                ", ".join(dict.fromkeys(p["source"]["id"] for p in entry["provenance"])),
                "; ".join(
                    f"{c['field']}: "
                    + ", ".join(f"{x['source']['id']} {x['value'] or 'not said'}" for x in c["claims"])
                    for c in entry["conflicts"]
                ),
            )
            table.add_row(*map(escape, cells))
        if section["totalCount"]:
            out.print(table)
            if left := section["totalCount"] - len(section["entries"]["nodes"]):
                out.print(f"[bold red]{left} older entries are not shown here[/]: ask with --json and a document")
        else:
            reason = (section["emptyReason"] or "").lower().replace("_", " ")
            out.print(f"[bold]{_words(name)}[/]: no entry ({reason or 'no reason given'}), {section['status'].lower()}")
    table = Table("source", "state", "why", "facts", "ms", "cache", title="Who was asked")
    for source in record["sources"]:
        why = " ".join(filter(None, (source["code"], source["message"])))
        latency = "" if source["latencyMs"] is None else str(source["latencyMs"])
        what = (source["source"]["name"], source["state"], why, str(source["facts"]), latency, source["cache"] or "")
        table.add_row(*map(escape, what))
    out.print(table)


def _words(name: str) -> str:
    return re.sub(r"([A-Z])", r" \1", name).lower()


def _name(name: dict[str, Any]) -> str:
    return name["text"] or " ".join([*name["given"], name["family"] or ""]).strip()


def _describe(entry: dict[str, Any]) -> str:
    """An entry on one line: every label, status and amount that was asked for, in order."""
    words = [_say(value) for key, value in entry.items() if key not in {"id", "when", "provenance", "conflicts"}]
    return ", ".join(filter(None, words))


def _say(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return "; ".join(filter(None, map(_say, value)))
    if not isinstance(value, dict):
        return str(value)
    if "codings" in value:
        shown = [c.get("display") or c.get("code") for c in value["codings"]]
        label = value.get("text") or next(filter(None, shown), "")
        rest = [_say(v) for k, v in value.items() if k not in {"text", "codings"}]
        return " ".join(filter(None, [str(label), *rest]))
    if "family" in value:
        return _name(value)
    return " ".join(filter(None, map(_say, value.values())))
