"""SIU to appointments. HL7 v2.5.1 sections 10.4 (S12 to S26), 10.6.2 (SCH), 10.6.4 to 10.6.7 (AIS, AIL, AIP).

The event says what became of the appointment; SCH-25 only where the event leaves it open. SCH-26 and SCH-27 are the
order, such as a referral, that it was made for.
"""

from adapters.hl7v2.feed.blocks import Block
from adapters.hl7v2.parser import Segment
from adapters.hl7v2.stays import place
from adapters.hl7v2.values import Reading, notes
from schema.model.clinical import Appointment
from schema.model.values import CodeableConcept, Origin, Party, Period

SEGMENTS = frozenset({"SCH", "TQ1", "RGS", "AIS", "AIG", "AIL", "AIP"})

_EVENTS = {"S15": "cancelled", "S16": "cancelled", "S17": "entered-in-error", "S26": "noshow"}
_BOOKED = frozenset({"S12", "S13"})
_STATUS = {
    "PENDING": "pending",
    "WAITLIST": "waitlist",
    "BOOKED": "booked",
    "OVERBOOK": "booked",
    "STARTED": "arrived",
    "COMPLETE": "fulfilled",
    "CANCELLED": "cancelled",
    "DC": "cancelled",
    "DELETED": "entered-in-error",
    "NOSHOW": "noshow",
}
"""Table 0278; what is not in it is kept as written."""


def appointment(reading: Reading, block: Block, number: str, key: str) -> Appointment | None:
    """The appointment of an SIU; None without SCH."""
    sch = block.first("SCH")
    if sch is None:
        return None
    status = _status(sch, block.event)
    reasons = reading.concepts(sch, 6) + reading.concepts(sch, 7)
    return Appointment(
        native_id=f"Appointment/{key}",
        subject=f"Patient/{number}",
        identifiers=tuple(
            entity
            for field, kind in ((2, "FILL"), (1, "PLAC"))
            for value in sch.repetitions(field)[:1]
            if (entity := reading.entity(value, kind))
        ),
        follows=tuple(
            Origin(identifier=order)
            for field, kind in ((26, "PLAC"), (27, "FILL"))
            for value in sch.repetitions(field)
            if (order := reading.entity(value, kind))
        ),
        status=status,
        entered_in_error=status == "entered-in-error",
        service=_service(reading, block),
        description=", ".join(filter(None, (c.label for c in _services(reading, block)))) or None,
        period=_period(reading, block, sch),
        location=next((at for ail in block.all("AIL") if (at := place(ail, 3))), None),
        participants=_participants(reading, block),
        reasons=reasons,
        notes=notes(block.notes_after(SEGMENTS)),
        cautions=reading.cautions(*block.all("SCH"), *block.all("AIP"), *block.all("AIL")),
    )


def _status(sch: Segment, event: str) -> str | None:
    if event in _EVENTS:
        return _EVENTS[event]
    stated = sch.text(25)
    known = _STATUS.get(stated.upper()) if stated else None
    if event in _BOOKED:
        # A booking that has begun already is told by the status alone.
        return known if known in ("arrived", "fulfilled") else "booked"
    return known or stated


def _services(reading: Reading, block: Block) -> tuple[CodeableConcept, ...]:
    return tuple(concept for ais in block.all("AIS") for concept in reading.concepts(ais, 3))


def _service(reading: Reading, block: Block) -> CodeableConcept | None:
    return next(iter(_services(reading, block)), None)


def _period(reading: Reading, block: Block, sch: Segment) -> Period | None:
    """TQ1-7 and -8, else the earliest stated start of a resource, else SCH-11 of the versions before TQ1."""
    for tq1 in block.all("TQ1"):
        if (found := reading.period("Appointment", tq1, 7, 8)) is not None:
            return found
    for name, field in (("AIS", 4), ("AIL", 6), ("AIP", 6)):
        for segment in block.all(name):
            if (start := reading.when("Appointment", segment, field)) is not None:
                return Period(start=start)
    timing = sch.repetitions(11)
    began, ended = (timing[0].text(4), timing[0].text(5)) if timing else (None, None)
    first = reading.stated("Appointment", "SCH-11", began) if began else None
    last = reading.stated("Appointment", "SCH-11", ended) if ended else None
    return Period(start=first, end=last) if first or last else None


def _participants(reading: Reading, block: Block) -> tuple[Party, ...]:
    found: list[Party] = []
    for aip in block.all("AIP"):
        role = reading.first_concept(aip, 4)
        found += reading.parties(aip, 3, role.label if role is not None else None)
    return tuple(dict.fromkeys(found))
