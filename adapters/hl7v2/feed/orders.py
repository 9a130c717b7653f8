"""RDE to medicine orders. HL7 v2.5.1 sections 4.13 (O11, O25), 4.14.1 (RXO), 4.14.2 (RXR), 4.14.4 (RXE), 4.5.1 (ORC).

RXO is what was asked for, RXE what the pharmacy made of it: one order, read from the RXE where there is one. ORC-1 and
ORC-5 say what became of it.
"""

import re
from decimal import Decimal

from adapters.hl7v2.feed.blocks import Block
from adapters.hl7v2.parser import Segment
from adapters.hl7v2.values import Reading, notes
from schema.model.clinical import Medication, MedicationKind
from schema.model.values import CodeableConcept, Identifier, Period, Quantity

SEGMENTS = frozenset({"RXO", "RXE", "RXR", "TQ1", "ORC"})

_CONTROL = {
    **dict.fromkeys(("CA", "CR", "OC", "UC"), "cancelled"),
    **dict.fromkeys(("DC", "DR", "OD"), "stopped"),
    **dict.fromkeys(("HD", "OH"), "on-hold"),
    **dict.fromkeys(("NW", "OK", "XO", "XR", "RL", "RE", "RF", "RO", "RP"), "active"),
}
_STATUS = {"CA": "cancelled", "DC": "stopped", "HD": "on-hold", "CM": "completed", "RP": "stopped"}
"""Table 0038, as far as it ends or halts an order."""
_REFILL = "O25"
_AMOUNT = re.compile(r"\d+\.?\d*|\.\d+", re.ASCII)

_RXE = {"code": 2, "low": 3, "high": 4, "unit": 5, "form": 6, "how": 7, "quantity": 10, "strength": 25}
_RXO = {"code": 1, "low": 2, "high": 3, "unit": 4, "form": 5, "how": 7, "quantity": 11, "strength": 18}
"""The fields that say the same in both; the unit of a quantity and of a strength is the field after it."""


def keys(order: Block) -> tuple[str | None, str | None]:
    """Filler and placer number of an order."""
    orc = order.first("ORC")
    return (orc.text(3), orc.text(2)) if orc is not None else (None, None)


def medication(reading: Reading, order: Block, number: str, key: str) -> Medication | None:
    """The request of one ORC group; None when no medicine stands in it. Raises ValueError when it names none."""
    rx = order.first("RXE") or order.first("RXO")
    if rx is None:
        return None
    at = _RXE if rx.name == "RXE" else _RXO
    code = reading.first_concept(rx, at["code"])
    if code is None:
        raise ValueError("the order names no medicine")
    orc = order.first("ORC")
    route = next((found for rxr in _after(order, rx, "RXR") if (found := reading.first_concept(rxr, 1))), None)
    timing = next(iter(_after(order, rx, "TQ1")), None) or order.first("TQ1")
    control = (orc.text(1) if orc is not None else None) or ""
    refill = order.event == _REFILL
    return Medication(
        native_id=f"Medication/{key}",
        subject=f"Patient/{number}",
        kind=MedicationKind.REQUEST,
        identifiers=_identifiers(reading, orc, rx),
        code=code,
        form=reading.first_concept(rx, at["form"]),
        strength=_quantity(reading, rx, at["strength"]),
        status="draft" if refill else _STATUS.get((orc.text(5) if orc else None) or "") or _CONTROL.get(control),
        intent="proposal" if refill else "order",
        dosage=_words(reading, rx, at["how"]),
        dose=_dose(reading, rx, at),
        frequency=_frequency(rx, timing),
        route=route,
        effective=reading.period("Medication", timing, 7, 8) if timing is not None else _old_timing(reading, rx),
        quantity=_quantity(reading, rx, at["quantity"]),
        recorded=reading.when("Medication", orc, 9) if orc is not None else None,
        author=next(iter(reading.parties(orc, 12)), None) if orc is not None else None,
        notes=notes(order.notes_after(SEGMENTS)),
        cautions=reading.cautions(rx, orc),
    )


def _after(order: Block, rx: Segment, name: str) -> list[Segment]:
    """The segments of a name that follow the one read; those of a request stand before its encoded order."""
    at = next(i for i, segment in enumerate(order.segments) if segment is rx)
    return [segment for segment in order.segments[at:] if segment.name == name]


def _identifiers(reading: Reading, orc: Segment | None, rx: Segment) -> tuple[Identifier, ...]:
    found = []
    for field, kind in ((3, "FILL"), (2, "PLAC")):
        found += [reading.entity(value, kind) for value in (orc.repetitions(field)[:1] if orc is not None else [])]
    if rx.name == "RXE":
        found += [reading.entity(value, "RX") for value in rx.repetitions(15)[:1]]
    return tuple(one for one in found if one is not None)


def _unit(reading: Reading, rx: Segment, field: int) -> dict[str, str | None]:
    units = rx.repetitions(field)
    code, words, system = (units[0].text(part) for part in (1, 2, 3)) if units else (None, None, None)
    uri = reading.code_system(system) if system else None
    return {"unit": words or code, "system": uri, "code": code if uri is not None else None}


def _quantity(reading: Reading, rx: Segment, field: int) -> Quantity | None:
    digits = rx.text(field)
    if digits is None or not _AMOUNT.fullmatch(digits):
        return None
    return Quantity(value=Decimal(digits), **_unit(reading, rx, field + 1))


def _dose(reading: Reading, rx: Segment, at: dict[str, int]) -> Quantity | None:
    """One amount; a range (low and high) is not one and stays in the words of the dosage."""
    low, high = rx.text(at["low"]), rx.text(at["high"])
    if low is None or (high is not None and high != low) or not _AMOUNT.fullmatch(low):
        return None
    return Quantity(value=Decimal(low), **_unit(reading, rx, at["unit"]))


def _words(reading: Reading, rx: Segment, field: int) -> str | None:
    """The provider's administration instructions, then a dose range where one is stated."""
    concepts: tuple[CodeableConcept, ...] = reading.concepts(rx, field)
    words = [concept.label for concept in concepts if concept.label]
    low, high = (rx.text(number) for number in ((3, 4) if rx.name == "RXE" else (2, 3)))
    if low and high and low != high:
        words.append(f"{low} to {high} {_unit(reading, rx, 5 if rx.name == 'RXE' else 4)['unit'] or ''}".strip())
    return "\n".join(words) or None


def _frequency(rx: Segment, timing: Segment | None) -> str | None:
    """TQ1-3, else the interval of RXE-1 as versions before TQ1 write it."""
    if timing is not None:
        # RPT: its first component is a coded pattern, written with subcomponents.
        return timing.text(3, 1, 2) or timing.text(3)
    return (rx.text(1, 2) or None) if rx.name == "RXE" else None


def _old_timing(reading: Reading, rx: Segment) -> Period | None:
    values = rx.repetitions(1) if rx.name == "RXE" else []
    start, end = (values[0].text(4), values[0].text(5)) if values else (None, None)
    first = reading.stated("Medication", "RXE-1", start) if start else None
    last = reading.stated("Medication", "RXE-1", end) if end else None
    return Period(start=first, end=last) if first or last else None
