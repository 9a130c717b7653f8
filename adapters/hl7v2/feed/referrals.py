"""REF (and RF1, PR1, IAM wherever they stand) to referrals, procedures and allergies.

HL7 v2.5.1 chapter 11 (I12 to I15, RF1, PRD), sections 6.5.4 (PR1) and 3.4.7 (IAM).
"""

from adapters.hl7v2.feed.blocks import Block
from adapters.hl7v2.parser import Segment
from adapters.hl7v2.values import Reading, notes, telecom
from schema.model.clinical import AllergyIntolerance, Procedure, Reaction, ServiceRequest
from schema.model.values import CodeableConcept, Party, Period

SEGMENTS = frozenset({"RF1", "PRD", "PR1", "IAM"})

_CANCELLED = "I14"
_STATUS = {"A": "active", "P": "active", "R": "revoked", "E": "revoked"}
"""Table 0283: accepted, pending, rejected, expired."""
_PRIORITY = {"A": "asap", "R": "routine", "S": "stat"}
_CATEGORY = {"DA": "medication", "FA": "food", "EA": "environment", "LA": "environment", "PA": "environment"}
_SEVERITY = {"SV": "severe", "MO": "moderate", "MI": "mild"}
_CLINICAL = {"C": "confirmed", "P": "unconfirmed", "S": "unconfirmed", "U": "unconfirmed", "D": "unconfirmed"}
_CLINICAL |= {"E": "entered-in-error"}
"""Table 0438."""


def referral(reading: Reading, block: Block, rf1: Segment, number: str, key: str) -> ServiceRequest:
    """A referral; cancelled by its event, whatever RF1-1 still says."""
    status = _STATUS.get(rf1.text(1) or "", rf1.text(1))
    sent, received = _providers(block, "RP"), _providers(block, "RT")
    start = reading.when("ServiceRequest", rf1, 7)
    end = reading.when("ServiceRequest", rf1, 8)
    return ServiceRequest(
        native_id=f"ServiceRequest/{key}",
        subject=f"Patient/{number}",
        identifiers=tuple(
            found
            for field, kind in ((6, "PLAC"), (11, "FILL"))
            for value in rf1.repetitions(field)[:1]
            if (found := reading.entity(value, kind))
        ),
        code=reading.first_concept(rf1, 3),
        categories=reading.concepts(rf1, 5),
        status="revoked" if block.event == _CANCELLED else status,
        intent="order",
        priority=_PRIORITY.get(rf1.text(2) or ""),
        authored=reading.when("ServiceRequest", rf1, 9),
        occurrence=Period(start=start, end=end) if start or end else None,
        author=next(iter(sent), None),
        performers=received,
        reasons=reading.concepts(rf1, 10),
        cautions=reading.cautions(rf1, *block.all("PRD")),
    )


def _providers(block: Block, role: str) -> tuple[Party, ...]:
    """PRD-2 (name), PRD-4 (place; its last part is the organisation), by the role of PRD-1 (table 0286)."""
    found: list[Party] = []
    for prd in block.all("PRD"):
        values = prd.repetitions(2)
        if not any(one.text(1) == role for one in prd.repetitions(1)):
            continue
        family, given, prefix = (values[0].text(part) for part in (1, 2, 5)) if values else (None, None, None)
        name = " ".join(part for part in (prefix, given, family) if part)
        found.append(
            Party(
                name=name or None,
                role={"RP": "referring provider", "RT": "referred to"}[role],
                organization=prd.text(4, 9) or prd.text(4, 4),
                telecom=telecom(prd, 5, "work"),
            )
        )
    return tuple(found)


def procedure(reading: Reading, block: Block, pr1: Segment, number: str) -> Procedure | None:
    """PR1. Raises ValueError when it names nothing."""
    code = reading.first_concept(pr1, 3)
    words = pr1.text(4)
    if code is None and words is None:
        if pr1.empty or pr1.deleted(3):
            return None
        raise ValueError("PR1-3 and PR1-4 are empty")
    at = reading.when("Procedure", pr1, 5)
    label = code or CodeableConcept(text=words)
    own = pr1.text(19) or "-".join(filter(None, (number, "PR1", pr1.text(3) or words, at.value if at else None)))
    return Procedure(
        native_id=f"Procedure/{own}",
        subject=f"Patient/{number}",
        code=label,
        status="entered-in-error" if pr1.text(20) == "D" else "completed",
        entered_in_error=pr1.text(20) == "D",
        performed=Period(start=at) if at is not None else None,
        notes=notes(block.notes_of(pr1)),
        cautions=reading.cautions(pr1),
    )


def adverse_reaction(reading: Reading, block: Block, iam: Segment, number: str) -> AllergyIntolerance | None:
    """IAM, the allergy segment with an action code. Raises ValueError when it names nothing."""
    code = reading.first_concept(iam, 3)
    if code is None:
        raise ValueError("IAM-3 is empty")
    severity = _SEVERITY.get(iam.text(4) or "")
    texts = [text for value in iam.repetitions(5) if (text := value.whole())]
    reactions = tuple(Reaction(manifestations=(CodeableConcept(text=text),), severity=severity) for text in texts)
    withdrawn = iam.text(6) == "D" or iam.text(17) == "E"
    category = _CATEGORY.get(iam.text(2) or "")
    return AllergyIntolerance(
        native_id=f"AllergyIntolerance/{iam.text(7) or f'{number}-IAM-{iam.text(3) or iam.text(3, 2)}'}",
        subject=f"Patient/{number}",
        code=code,
        verification_status="entered-in-error" if withdrawn else _CLINICAL.get(iam.text(17) or ""),
        entered_in_error=withdrawn,
        categories=(category,) if category else (),
        onset=reading.when("AllergyIntolerance", iam, 11),
        recorded=reading.when("AllergyIntolerance", iam, 13),
        reactions=reactions or ((Reaction(severity=severity),) if severity else ()),
        notes=notes(block.notes_of(iam)),
        cautions=reading.cautions(iam),
    )
