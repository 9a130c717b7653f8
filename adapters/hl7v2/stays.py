"""PV1 and PV2 to encounters, AL1 to allergies, DG1 to conditions. HL7 v2.5.1 sections 3.4.3, 3.4.4, 3.4.6 and 6.5.2."""

from adapters.hl7v2.groups import Node, Visit
from adapters.hl7v2.parser import Segment
from adapters.hl7v2.people import labels
from adapters.hl7v2.values import Reading, notes, table
from schema.model.clinical import AllergyIntolerance, Condition, Encounter, Polarity, Reaction
from schema.model.values import CodeableConcept, Coding, Identifier, Party

_CLASS = {
    "E": "Emergency",
    "I": "Inpatient",
    "O": "Outpatient",
    "P": "Preadmit",
    "R": "Recurring patient",
    "B": "Obstetrics",
}
_ROLES = ((7, "attending"), (8, "referring"), (9, "consulting"), (17, "admitting"))
_ALLERGY_CATEGORY = {"DA": "medication", "FA": "food", "EA": "environment", "LA": "environment", "PA": "environment"}
_SEVERITY = {"SV": "severe", "MO": "moderate", "MI": "mild"}
_NO_KNOWN = frozenset({"716186003", "409137002", "428607008", "429625007"})
"""SNOMED CT: no known allergy; no known drug, environmental, food allergy."""
_SNOMED = "http://snomed.info/sct"


def encounter(reading: Reading, visit: Visit, number: str, ordinal: int) -> Encounter | None:
    """A visit; None for a PV1 that says there is none (class N, or nothing stated)."""
    pv1 = visit.pv1.segment
    if pv1.empty or (pv1.text(2) == "N" and pv1.text(19) is None):
        return None
    pv2 = visit.pv2
    identifier = _visit_number(reading, pv1)
    local = identifier.value if identifier else f"{number}-PV1-{pv1.text(44) or ordinal}"
    period = reading.period("Encounter", pv1, 44, 45)
    return Encounter(
        native_id=f"Encounter/{local}",
        subject=f"Patient/{number}",
        identifiers=(identifier,) if identifier else (),
        status=_status(pv1),
        encounter_class=_class(pv1),
        types=reading.concepts(pv1, 4, table("0007")),
        service=reading.first_concept(pv1, 10, reading.site_table("0069")),
        period=period,
        reasons=reading.concepts(pv2, 3) if pv2 is not None else (),
        location=place(pv1, 3),
        service_provider=pv1.text(39) or pv1.text(3, 4),
        participants=tuple(party for field, role in _ROLES for party in reading.parties(pv1, field, role)),
        admission_source=reading.first_concept(pv1, 14, reading.site_table("0023")),
        discharge_disposition=reading.first_concept(pv1, 36, reading.site_table("0112")),
        security_labels=labels([arv for arv in visit.restrictions if arv.text(2) != "D"]),
        notes=notes(visit.pv1.notes),
        cautions=reading.cautions(pv1, pv2),
    )


def _visit_number(reading: Reading, pv1: Segment) -> Identifier | None:
    return next((read for cx in pv1.repetitions(19) if (read := reading.identifier(cx, "VN"))), None)


def _status(pv1: Segment) -> str | None:
    """Discharged is finished; an inpatient or emergency stay without a discharge time goes on; else not stated."""
    if pv1.text(45):
        return "finished"
    patient_class = pv1.text(2)
    if patient_class == "P":
        return "planned"
    return "in-progress" if patient_class in ("I", "E") and pv1.text(44) else None


def _class(pv1: Segment) -> CodeableConcept | None:
    code = pv1.text(2)
    if code is None:
        return None
    return CodeableConcept(codings=(Coding(system=table("0004"), code=code, display=_CLASS.get(code)),))


def place(segment: Segment, field: int) -> str | None:
    """PL: the ward's name (PL.9) and code, room, bed; the facility of a visit stands in `service_provider`."""
    ward, room, bed, words = (segment.text(field, component) for component in (1, 2, 3, 9))
    place = f"{words} ({ward})" if words and ward else words or ward
    return ", ".join(part for part in (place, room, bed) if part) or None


def allergy(reading: Reading, node: Node, number: str, ordinal: int) -> AllergyIntolerance | None:
    """An allergy; None where AL1-3 is the explicit null. Raises ValueError when it names nothing."""
    al1 = node.segment
    if al1.deleted(3):
        return None
    code = reading.first_concept(al1, 3)
    if code is None:
        raise ValueError("AL1-3 is empty")
    category = _ALLERGY_CATEGORY.get(al1.text(2) or "")
    absent = any(_says_none(reading, coding) for coding in code.codings)
    return AllergyIntolerance(
        native_id=f"AllergyIntolerance/{number}-AL1-{al1.text(1) or ordinal}",
        subject=f"Patient/{number}",
        code=code,
        polarity=Polarity.ABSENT if absent else Polarity.PRESENT,
        categories=(category,) if category else (),
        onset=reading.when("AllergyIntolerance", al1, 6),
        reactions=() if absent else _reactions(al1),
        notes=notes(node.notes),
        cautions=reading.cautions(al1),
    )


def _says_none(reading: Reading, coding: Coding) -> bool:
    if coding.system == _SNOMED:
        return coding.code in _NO_KNOWN
    return coding.code in reading.settings.no_known_allergy_codes


def _reactions(al1: Segment) -> tuple[Reaction, ...]:
    severity = _SEVERITY.get(al1.text(4) or "")
    texts = [text for value in al1.repetitions(5) if (text := value.whole())]
    if not texts:
        return (Reaction(severity=severity),) if severity else ()
    return tuple(Reaction(manifestations=(CodeableConcept(text=text),), severity=severity) for text in texts)


def condition(reading: Reading, node: Node, visit: Visit | None, number: str, ordinal: int) -> Condition | None:
    """A diagnosis; None where DG1-3 is the explicit null. Raises ValueError when it names nothing."""
    dg1 = node.segment
    if dg1.deleted(3):
        return None
    code = _diagnosis(reading, dg1)
    if code is None:
        raise ValueError("DG1-3 and DG1-4 are empty")
    stay = (visit.pv1.segment.text(19) if visit is not None else None) or number
    withdrawn = dg1.text(21) == "D"
    author: Party | None = next(iter(reading.parties(dg1, 16)), None)
    return Condition(
        native_id=f"Condition/{dg1.text(20) or f'{stay}-DG1-{dg1.text(1) or ordinal}'}",
        subject=f"Patient/{number}",
        code=code,
        categories=reading.concepts(dg1, 6, table("0052")),
        verification_status="entered-in-error"
        if withdrawn
        else {"F": "confirmed", "W": "provisional"}.get(dg1.text(6) or ""),
        entered_in_error=withdrawn,
        onset=reading.when("Condition", dg1, 5),
        recorded=reading.when("Condition", dg1, 19),
        author=author,
        notes=notes(node.notes),
        cautions=reading.cautions(dg1),
    )


def _diagnosis(reading: Reading, dg1: Segment) -> CodeableConcept | None:
    """DG1-3; up to version 2.3 its code system stands in DG1-2 and its words in DG1-4."""
    method = dg1.text(2)
    system = reading.code_system(method) if method else None
    code = reading.first_concept(dg1, 3, system)
    words = dg1.text(4)
    if code is None:
        return CodeableConcept(text=words) if words else None
    return code if code.text or not words else CodeableConcept(text=words, codings=code.codings)
