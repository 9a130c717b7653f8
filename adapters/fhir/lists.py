"""List resources: the headings of a GP Connect record, and what they say by being empty.

An empty List is silence unless it says `nil-known`; a warning code says that something was left out.
Truth: GP Connect Access Record Structured, "Returning data in lists"; FHIR list-empty-reason; MERGE.md section 3.
"""

from dataclasses import dataclass, field

from adapters.fhir.datatypes import annotations, code_of, concept
from adapters.fhir.elements import Element, Reading
from adapters.fhir.facts import SNOMED, Context, common
from adapters.fhir.references import Index
from schema.model.clinical import AllergyIntolerance, Polarity
from schema.model.fact import Fact, GapKind
from schema.model.values import CodeableConcept, Coding

AREAS = {
    "886921000000105": "AllergyIntolerance",  # Allergies and adverse reactions
    "1103671000000101": "AllergyIntolerance",  # Ended allergies
    "933361000000108": "Medication",  # Medications and medical devices
    "717711000000103": "Condition",  # Problems
    "1149501000000101": "Encounter",  # List of consultations
    "325851000000107": "Encounter",  # Consultation
    "1102181000000102": "Immunization",  # Immunisations
    "887191000000108": "DiagnosticReport",  # Investigations and results
    "792931000000107": "ServiceRequest",  # Outbound referral
    "714311000000108": "ServiceRequest",  # Patient recall administration (diary entries)
}
"""SNOMED CT codes of the primary lists. The miscellaneous record (826501000000100) names none of our sections."""

_MISCELLANEOUS = "826501000000100"

_SECONDARY = (
    ("allergies", "AllergyIntolerance"),
    ("medications", "Medication"),
    ("immunisations", "Immunization"),
    ("investigations", "DiagnosticReport"),
    ("outbound-referrals", "ServiceRequest"),
    ("diary-entries", "ServiceRequest"),
    ("documents", "DocumentReference"),
    ("uncategorised-data", "Observation"),
    ("problems-consultations", "Encounter"),
    ("problems", "Condition"),
)
"""Words in the codes of GPConnect-SecondaryListValues-1, the first that fits: what such a list holds."""

WARNINGS = {
    "confidential-items": GapKind.WITHHELD,
    "data-in-transit": GapKind.TRUNCATED,
    "data-awaiting-filing": GapKind.TRUNCATED,
}
"""List warning codes: left out for confidentiality; still on the way from the last practice; not yet filed."""

EMPTY = {
    "nil-known": GapKind.NONE_KNOWN,
    "nilknown": GapKind.NONE_KNOWN,
    "withheld": GapKind.WITHHELD,
    "unavailable": GapKind.FAILED,
}
"""List.emptyReason; every other code, and none, is NOT_RECORDED: nobody said that there is none."""


@dataclass
class Listed:
    """What the Lists of a record add to its facts."""

    facts: list[Fact] = field(default_factory=list)
    doubted: set[str] = field(default_factory=set)
    """Native ids that stand under a List of another person."""


def read_lists(
    lists: list[Element], index: Index, reading: Reading, facts: list[Fact], types: dict[str, str]
) -> Listed:
    """Gaps for every warning, silence and missing item; the negative fact of a `nil-known` list of allergies.

    `types` tells the fact type of a resource type.
    """
    result = Listed()
    present = {type(fact).__name__ for fact in facts}
    for found in lists:
        code = code_of(found.child("code"))
        reading.fact_type = _about(code or "", reading)
        withheld = _warnings(found, reading)
        _missing_items(found, index, reading, types)
        if not found.has("entry") and not withheld and reading.fact_type not in present:
            _empty(found, index, reading, result)
        if _names_another(found, index):
            result.doubted |= _under(found, index)
        reading.fact_type = None
    return result


def _about(code: str, reading: Reading) -> str | None:
    """The fact type that a List holds; None for one that names none of our sections."""
    if code in AREAS or not reading.gp_record:
        return AREAS.get(code)
    if code == _MISCELLANEOUS:
        return "Observation"
    secondary = code.startswith(("problems-", "consultations-"))
    return next((fact_type for word, fact_type in _SECONDARY if word in code), None) if secondary else None


def _warnings(found: Element, reading: Reading) -> bool:
    """Note what the List says was left out; True when that may be all there was."""
    said = "; ".join(note.text for note in annotations(found, "note")) or None
    kinds = set()
    for extension in found.extensions("ListWarningCode"):
        code = extension.text("valueCode") if extension.has("valueCode") else None
        code = code or code_of(extension.child("valueCodeableConcept"))
        # A warning we do not know still says that the list may not be everything.
        kind = WARNINGS.get(code or "", GapKind.TRUNCATED)
        reading.gap(kind, extension, code=code, text=said)
        if reading.gp_record and code_of(found.child("code")) == _MISCELLANEOUS:
            # What is read as social history stands in the same list.
            reading.gap(kind, extension, fact_type="SocialHistory", code=code, text=said)
        kinds.add(kind)
    return GapKind.WITHHELD in kinds


def _missing_items(found: Element, index: Index, reading: Reading, types: dict[str, str]) -> None:
    for entry in found.children("entry"):
        item = entry.child("item")
        if item is None or index.resolve(item) is not None:
            continue
        named = (item.text("reference") or "").partition("/")[0]
        text = "an item that the list names is not in the answer"
        reading.gap(GapKind.UNREADABLE, item, fact_type=types.get(named), text=text)


def _empty(found: Element, index: Index, reading: Reading, result: Listed) -> None:
    reason = found.child("emptyReason")
    code = code_of(reason)
    kind = EMPTY.get(code or "", GapKind.NOT_RECORDED)
    said = "; ".join(note.text for note in annotations(found, "note")) or None
    if kind is GapKind.NOT_RECORDED and reading.gp_record and reading.fact_type is None:
        # A heading inside a consultation without anything under it: silence about no type of ours.
        return
    if kind is GapKind.NONE_KNOWN and reading.fact_type == "AllergyIntolerance":
        result.facts.append(_no_known_allergy(found, index))
        return
    reading.gap(kind, reason or found, code=code, text=said)


def _no_known_allergy(found: Element, index: Index) -> Fact:
    """The older form of the same statement: a List that says `nil-known` instead of an AllergyIntolerance that does."""
    native_id = index.native_id(found) or f"List/{code_of(found.child('code'))}"
    stated = concept(found.child("emptyReason"))
    code = CodeableConcept(
        text=(stated.text if stated is not None else None) or "No known allergy",
        codings=(Coding(system=SNOMED, code="716186003", display="No known allergy"),),
    )
    fields = common(Context(found, index, native_id)) | {"entered_in_error": False}
    return AllergyIntolerance(
        **fields, recorded=found.when("date"), code=code, polarity=Polarity.ABSENT, clinical_status="active"
    )


def _names_another(found: Element, index: Index) -> bool:
    """True when the List's subject is stated and is none of the Patients of this record."""
    subject = found.child("subject")
    if subject is None:
        return False
    if subject.has("reference"):
        target = index.resolve(subject)
        return target is None or target.type != "Patient"
    return subject.has("identifier") and index.canonical(subject) is None


def _under(found: Element, index: Index) -> set[str]:
    items = (entry.child("item") for entry in found.children("entry"))
    return {named for item in items if item is not None and (named := index.canonical(item)) is not None}
