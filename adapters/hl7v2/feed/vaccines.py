"""VXU to immunizations. HL7 v2.5.1 section 4.14.7 (RXA), tables 0322, 0323; CDC guide for 2.5.1 (OBX after RXA).

One RXA is one vaccination, or one that was refused or not given: dropping that would turn it round. The OBX after it
are about the vaccination (dose number, funding, leaflet), no findings of the person's.
"""

from adapters.hl7v2.feed.blocks import Block
from adapters.hl7v2.parser import Segment
from adapters.hl7v2.values import Reading, notes
from schema.model.clinical import Immunization
from schema.model.values import Annotation, Identifier

SEGMENTS = frozenset({"RXA", "RXR", "ORC", "TQ1"})

_NOT_GIVEN = frozenset({"RE", "NA"})
_NO_VACCINE = "998"
"""CVX: no vaccine administered; such a segment only carries OBX about immunity."""
_DOSE_NUMBER = "30973-2"


def keys(order: Block) -> tuple[str | None, str | None]:
    """Filler and placer number of an order."""
    orc = order.first("ORC")
    return (orc.text(3), orc.text(2)) if orc is not None else (None, None)


def immunization(reading: Reading, order: Block, number: str, key: str) -> Immunization | None:
    """The vaccination of one RXA. Raises ValueError when it names no vaccine."""
    rxa = order.first("RXA")
    if rxa is None:
        return None
    code = reading.first_concept(rxa, 5)
    if code is None:
        raise ValueError("RXA-5 is empty")
    if any(coding.code == _NO_VACCINE for coding in code.codings):
        return None
    rxr = order.first("RXR")
    deleted = rxa.text(21) == "D"
    maker = reading.first_concept(rxa, 17)
    return Immunization(
        native_id=f"Immunization/{key}",
        subject=f"Patient/{number}",
        identifiers=_identifiers(reading, order.first("ORC")),
        vaccine_code=code,
        status="not-done" if rxa.text(20) in _NOT_GIVEN or rxa.text(18) else "completed",
        status_reason=reading.first_concept(rxa, 18),
        entered_in_error=deleted,
        occurrence=reading.when("Immunization", rxa, 3),
        dose_number=next((obx.text(5) for obx in order.all("OBX") if obx.text(3) == _DOSE_NUMBER), None),
        lot_number=rxa.text(15),
        manufacturer=maker.label if maker is not None else None,
        site=reading.first_concept(rxr, 2) if rxr is not None else None,
        route=reading.first_concept(rxr, 1) if rxr is not None else None,
        author=next(iter(reading.parties(rxa, 10)), None),
        notes=notes(order.notes_after(SEGMENTS)) + _remarks(reading, order),
        cautions=reading.cautions(rxa),
    )


def _identifiers(reading: Reading, orc: Segment | None) -> tuple[Identifier, ...]:
    values = [] if orc is None else [(orc.repetitions(3)[:1], "FILL"), (orc.repetitions(2)[:1], "PLAC")]
    return tuple(e for found, kind in values for value in found if (e := reading.entity(value, kind)))


def _remarks(reading: Reading, order: Block) -> tuple[Annotation, ...]:
    """Where it is known from (RXA-9) and what the OBX say, in words."""
    rxa = order.first("RXA")
    said = [c.label for c in reading.concepts(rxa, 9)] if rxa is not None else []
    for obx in order.all("OBX"):
        code = reading.first_concept(obx, 3)
        values = obx.repetitions(5)
        value = reading.concept(values[0]) if values else None
        if code is not None and value is not None and obx.text(3) != _DOSE_NUMBER:
            said.append(f"{code.label}: {value.label}")
    return tuple(Annotation(text=text) for text in said if text)
