"""One source record to facts and gaps: pages and bundles opened, rows read one by one, silences explained.

Kinds of record: `search` (searchset pages of one or more resource types), `patient` (who it is: a search or a read),
`pds`, `gpconnect`, `resource` (anything that stands alone) and `failed:<code>` (a question that got no answer).
Truth: FHIR R4 sections 2.36 (Bundle) and 3.1.1.4 (searchset entries); STU3 the same.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from adapters.fhir.elements import Element, Reading
from adapters.fhir.facts import labels
from adapters.fhir.folding import fold_courses
from adapters.fhir.lists import read_lists
from adapters.fhir.outcomes import (
    CUT,
    NO_CONSENT,
    SERIOUS,
    WITHHOLDING,
    codes,
    error_of,
    says_gone,
    says_not_found,
    says_too_many,
    withheld,
)
from adapters.fhir.references import Index
from adapters.fhir.resources import FACT_TYPE, read_resource
from adapters.sdk import NHS_NUMBER, SourceInvalid, SourceRecord
from adapters.sdk.decode import json_value
from schema.model.clinical import Patient
from schema.model.fact import PATIENT_NOT_FOUND, Fact, Gap, GapKind
from schema.model.values import Caution, CautionCode, Identifier

FAILED = "failed:"
SEARCHES = frozenset({"search", "patient"})
ABOUT_PERSON = frozenset({"patient", "pds", "gpconnect"})
"""Kinds whose "not found" means that the source does not know the person."""

PARAMETERS = {
    "includeAllergies": "AllergyIntolerance",
    "includeMedication": "Medication",
    "includeProblems": "Condition",
    "includeConsultations": "Encounter",
    "includeImmunisations": "Immunization",
    "includeUncategorisedData": "Observation",
    "includeInvestigations": "DiagnosticReport",
    "includeReferrals": "ServiceRequest",
    "includeDiaryEntries": "ServiceRequest",
}
"""What each parameter of the GP Connect operation asks for."""


@dataclass
class Entry:
    """One resource of a record."""

    resource: Element
    mode: str | None


def read_record(record: SourceRecord, base_url: str, zone: ZoneInfo) -> list[Fact | Gap]:
    """Every fact and gap of one record. Raises SourceInvalid when it is no FHIR, or an error in place of an answer."""
    if record.kind.startswith(FAILED):
        code = record.kind.removeprefix(FAILED)
        return [Gap(kind=GapKind.FAILED, fact_type=name, code=code) for name in sorted(record.types)]
    kind = record.kind
    reading = Reading(
        zone=zone,
        retrieved=record.retrieved,
        gp_record=kind == "gpconnect",
        complete=kind not in SEARCHES,
        # JSON may write any letter of a name as \u (RFC 8259, section 7).
        modifiers=any(b"modifierExtension" in part or b"\\u" in part for part in record.parts),
    )
    index = Index((base_url,))
    try:
        entries = _open(record, reading, index)
    except _NoRecord as answer:
        return list(answer.gaps)
    facts = _facts(entries, index, reading, record)
    if reading.gp_record:
        facts = _gp_record(facts, entries, index, reading)
    elif kind == "resource":
        facts = _with_lists(facts, entries, index, reading)
    if kind == "pds":
        facts = [_with_asked(fact, _asked(record, reading)) for fact in facts]
    gaps = _explained(facts, reading.gaps, record)
    return [*facts, *gaps]


class _NoRecord(Exception):
    """The source answers that it has none of this person, or shows none: the gaps are all that there is to say."""

    def __init__(self, *gaps: Gap) -> None:
        super().__init__()
        self.gaps = gaps


def _open(record: SourceRecord, reading: Reading, index: Index) -> list[Entry]:
    """Every resource of every page, findable. Raises _NoRecord, and SourceInvalid for what is no answer."""
    entries: list[Entry] = []
    for number, part in enumerate(record.parts):
        value = json_value(part)
        kind = value.get("resourceType") if isinstance(value, dict) else None
        if not isinstance(kind, str):
            raise SourceInvalid("the answer is not a FHIR resource")
        root = Element(value, reading, kind if len(record.parts) == 1 else f"parts[{number}].{kind}")
        if kind == "OperationOutcome":
            absent = says_gone(value) if record.kind == "patient" else says_not_found(value)
            if record.kind in ABOUT_PERSON and absent:
                raise _NoRecord(Gap(kind=GapKind.NOT_HELD, code=PATIENT_NOT_FOUND))
            if record.candidates and says_too_many(value):
                raise _NoRecord(Gap(kind=GapKind.TRUNCATED, fact_type="Patient", code="TOO_MANY_MATCHES"))
            if record.kind == "gpconnect" and (said := withheld(value)) is not None:
                raise _NoRecord(
                    *(
                        Gap(kind=GapKind.WITHHELD, fact_type=name, code=NO_CONSENT, text=said or None)
                        for name in sorted(record.types)
                    )
                )
            raise SourceInvalid(str(error_of(value, 200)))
        if kind == "Bundle":
            entries += _bundle(root, reading, index)
        elif kind != "Parameters":
            index.add(root, None)
            entries.append(Entry(root, None))
    return entries


def _bundle(bundle: Element, reading: Reading, index: Index) -> list[Entry]:
    found: list[Entry] = []
    if any(label.code in ("REDACTED", "MASKED") for label in labels(bundle)):
        reading.gap(GapKind.WITHHELD, bundle, code="REDACTED")
    stored = bundle.value_of("type") not in ("batch", "transaction", "message", "batch-response")
    for entry in bundle.children("entry"):
        if not isinstance(entry.value, dict):
            entry.unreadable("an entry that is no object")
            continue
        resource = entry.child("resource")
        if resource is None or not isinstance(resource.value, dict):
            if resource is not None:
                resource.unreadable("a resource that is no object")
            continue
        if stored:
            url = entry.value_of("fullUrl")
            index.add(resource, url if isinstance(url, str) else None)
        mode = entry.child("search")
        said = mode.value_of("mode") if mode is not None else None
        found.append(Entry(resource, said if isinstance(said, str) else None))
    if stored:
        return found
    # Requests to write are no answer: nothing in them is a statement that this source stands by.
    for fact_type in dict.fromkeys(FACT_TYPE[e.resource.type] for e in found if e.resource.type in FACT_TYPE):
        reading.gap(GapKind.UNSUPPORTED, bundle, fact_type=fact_type, text="a bundle of requests, not an answer")
    return []


def _facts(entries: list[Entry], index: Index, reading: Reading, record: SourceRecord) -> list[Fact]:
    framing = _framing(entries, index) if reading.gp_record else set()
    facts: dict[str, tuple[str, Fact]] = {}
    for entry in entries:
        resource = entry.resource
        if resource.type == "OperationOutcome":
            _outcome(resource, reading, record)
            continue
        if not _is_answer(entry, record) or (native_id := index.native_id(resource)) in framing:
            continue
        fact = read_resource(resource, index, native_id)
        if fact is None:
            continue
        # Pages of a changing list may give one resource twice: the later version stands.
        version = _version(resource)
        if fact.native_id not in facts or version >= facts[fact.native_id][0]:
            facts[fact.native_id] = (version, fact)
    return [fact for _, fact in facts.values()]


def _version(resource: Element) -> str:
    meta = resource.value_of("meta")
    found = meta.get("lastUpdated") if isinstance(meta, dict) else None
    return found if isinstance(found, str) else ""


def _is_answer(entry: Entry, record: SourceRecord) -> bool:
    """Included resources are no matches; where a server gives no mode, what was not asked for is not one either."""
    if entry.mode in ("include", "outcome"):
        return False
    fact_type = FACT_TYPE.get(entry.resource.type)
    if record.kind not in SEARCHES or fact_type is None:
        return True
    if fact_type == "Observation":
        return bool(record.types & {"Observation", "SocialHistory"})
    return fact_type in record.types


def _framing(entries: list[Entry], index: Index) -> set[str]:
    """Requests that only frame an investigation of a GP record: named by its report, told by its report."""
    found = set()
    for entry in entries:
        if entry.resource.type == "DiagnosticReport":
            for reference in entry.resource.children("basedOn"):
                found.add(index.canonical(reference) or "")
    return found - {""}


def _outcome(outcome: Element, reading: Reading, record: SourceRecord) -> None:
    """An OperationOutcome among the entries: what the server could not do, or would not show."""
    for issue in outcome.children("issue"):
        said = codes(issue.value)
        detail = next(iter(sorted(said - {issue.value_of("code")})), None) or next(iter(sorted(said)), None)
        named = issue.value_of("diagnostics")
        fact_type = PARAMETERS.get(named) if isinstance(named, str) else None
        if said & WITHHOLDING:
            kind = GapKind.WITHHELD
        elif "not-supported" in said and fact_type is not None:
            kind = GapKind.UNSUPPORTED
        elif issue.value_of("severity") in SERIOUS:
            kind = GapKind.FAILED
        elif said & CUT:
            kind = GapKind.TRUNCATED
        else:
            continue
        concerned_types: list[str | None] = [fact_type] if fact_type else [*sorted(record.types)] or [None]
        for concerned in concerned_types:
            reading.gap(kind, issue, fact_type=concerned, code=detail)


def _gp_record(facts: list[Fact], entries: list[Entry], index: Index, reading: Reading) -> list[Fact]:
    if not any(isinstance(fact, Patient) for fact in facts):
        raise SourceInvalid("a structured record without its Patient")
    return fold_courses(_with_lists(facts, entries, index, reading), reading)


def _with_lists(facts: list[Fact], entries: list[Entry], index: Index, reading: Reading) -> list[Fact]:
    """Facts that live inside Lists, and what the Lists say by their warnings and their emptiness."""
    lists = [entry.resource for entry in entries if entry.resource.type == "List"]
    inner = [contained for found in lists for contained in found.children("contained")]
    taken = {fact.native_id for fact in facts}
    for contained in inner:
        if contained.type not in FACT_TYPE or contained.type == "Patient":
            continue
        fact = read_resource(contained, index, _free_id(index.native_id(contained), taken))
        if fact is not None:
            taken.add(fact.native_id)
            facts.append(fact)
    everything = lists + [contained for contained in inner if contained.type == "List"]
    listed = read_lists(everything, index, reading, facts, FACT_TYPE)
    text = "The list that holds this statement names another person."
    doubt = Caution(code=CautionCode.UNVERIFIED, text=text)
    marked = [
        replace(fact, cautions=(*fact.cautions, doubt)) if fact.native_id in listed.doubted else fact for fact in facts
    ]
    return marked + listed.facts


def _free_id(native_id: str | None, taken: set[str]) -> str | None:
    """A contained id is local to its List: a second one of the same name is told apart by its number."""
    if native_id is None or native_id not in taken:
        return native_id
    number = 2
    while f"{native_id}~{number}" in taken:
        number += 1
    return f"{native_id}~{number}"


def _with_asked(fact: Fact, asked: str | None) -> Fact:
    """The number asked for, when the authority answered with the current one in its place."""
    if not isinstance(fact, Patient) or asked is None:
        return fact
    current = fact.native_id.partition("/")[2]
    known = tuple(
        replace(one, verified=True) if one.system == NHS_NUMBER and one.value == current else one
        for one in fact.identifiers
    )
    if not any(one.system == NHS_NUMBER and one.value == current for one in known):
        known = (Identifier(system=NHS_NUMBER, value=current, verified=True), *known)
    if asked != current and not any(one.value == asked for one in known):
        known += (Identifier(system=NHS_NUMBER, value=asked, type="superseded"),)
    return replace(fact, identifiers=known)


def asked_part(value: str) -> dict[str, Any]:
    """The question, kept beside the answer so that the record can be read again without it."""
    asked = {"name": "asked", "valueIdentifier": {"system": NHS_NUMBER, "value": value}}
    return {"resourceType": "Parameters", "parameter": [asked]}


def _asked(record: SourceRecord, reading: Reading) -> str | None:
    for part in record.parts[1:]:
        root = Element(json_value(part), reading, "Parameters")
        if root.type == "Parameters":
            asked = root.path("parameter", "valueIdentifier")
            return asked.text("value") if asked is not None else None
    return None


def _explained(facts: list[Fact], found: Iterable[Gap], record: SourceRecord) -> list[Gap]:
    """The gaps, each once, and one for each type asked that would else end in silence."""
    gaps = list(dict.fromkeys(found))
    if record.truncated:
        gaps += [Gap(kind=GapKind.TRUNCATED, fact_type=name) for name in sorted(record.types)]
    stated = {type(fact).__name__ for fact in facts} | {gap.fact_type for gap in gaps}
    if record.kind in ABOUT_PERSON and "Patient" in record.types and "Patient" not in stated:
        return [*gaps, Gap(kind=GapKind.NOT_HELD, code=PATIENT_NOT_FOUND)]
    silent = sorted(record.types - stated)
    return gaps + [Gap(kind=GapKind.NOT_RECORDED, fact_type=name) for name in silent]
