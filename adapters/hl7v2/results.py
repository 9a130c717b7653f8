"""OBR and OBX to diagnostic reports and observations. HL7 v2.5.1 sections 7.4.1, 7.4.2 and 7.4.3 (SPM).

OBX-2 says how to read OBX-5; what does not read as that type is kept as words. OBX-21 (version 2.6, and earlier by
agreement) is the number of the result itself: it counts where it says who gave it. OBX-11 says what became of a result:
C corrects an earlier one, D deletes it, W says that it was wrong, for example another patient's.
"""

import re
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from adapters.hl7v2.groups import Node, Report
from adapters.hl7v2.parser import Repetition, Segment
from adapters.hl7v2.values import Reading, notes, table
from schema.model.clinical import DiagnosticReport, Observation, ObservationComponent
from schema.model.fact import Gap, GapKind
from schema.model.values import CodeableConcept, Period, Quantity, Range, Ratio

RESULT_STATUS = {
    "F": "final",
    "U": "final",
    "P": "preliminary",
    "R": "preliminary",
    "S": "preliminary",
    "I": "registered",
    "C": "corrected",
    "B": "amended",
    "X": "cancelled",
    "D": "entered-in-error",
    "W": "entered-in-error",
}
"""Table 0085; a code that is not here is kept as written."""
_REPORT_STATUS = {
    "F": "final",
    "C": "corrected",
    "P": "preliminary",
    "R": "preliminary",
    "A": "partial",
    "I": "registered",
    "O": "registered",
    "S": "registered",
    "X": "cancelled",
}
"""Table 0123."""
TEXTUAL = frozenset({"TX", "FT", "ST"})
_NUMBER = re.compile(r"(<=|>=|<|>)?\s*([+-]?(?:\d+\.?\d*|\.\d+))", re.ASCII)
_COMPARATORS = frozenset({"<", "<=", ">", ">="})
_CODED = frozenset({"CE", "CWE", "CNE", "CF"})
_TIMES = frozenset({"TS", "DT", "DTM"})
_ELSEWHERE = frozenset({"ED", "RP"})
"""Documents and pictures, inside the message or at an address."""


def report_key(report: Report, number: str | None, ordinal: int) -> str:
    """What the source calls the report: filler number, else placer number, else its place under the patient."""
    if report.obr is None:
        return f"{number or 'unnamed'}-OBX"
    obr = report.obr.segment
    return obr.text(3) or obr.text(2) or f"{number or 'unnamed'}-OBR-{ordinal}"


def diagnostic_report(
    reading: Reading, report: Report, key: str, subject: str | None, results: tuple[str, ...]
) -> DiagnosticReport:
    assert report.obr is not None  # noqa: S101
    obr = report.obr.segment
    numbers = [("FILL", obr.repetitions(3)), ("PLAC", obr.repetitions(2))]
    status = obr.text(25)
    return DiagnosticReport(
        native_id=f"DiagnosticReport/{key}",
        subject=subject,
        identifiers=tuple(e for kind, values in numbers for v in values[:1] if (e := reading.entity(v, kind))),
        code=reading.first_concept(obr, 4),
        categories=reading.concepts(obr, 24, table("0074")),
        status=_REPORT_STATUS.get(status, status) if status else None,
        effective=reading.period("DiagnosticReport", obr, 7, 8),
        issued=reading.when("DiagnosticReport", obr, 22),
        results=results,
        notes=notes(report.obr.notes),
        cautions=reading.cautions(obr),
    )


def observation(reading: Reading, report: Report, node: Node, key: str, subject: str | None) -> Observation | Gap:
    """A result, or the gap for one that is a document. Raises ValueError when it names or says nothing at all."""
    obx = node.segment
    code = reading.first_concept(obx, 3)
    if code is None:
        raise ValueError("OBX-3 is empty")
    if obx.text(2) in _ELSEWHERE:
        return Gap(kind=GapKind.UNSUPPORTED, fact_type="DocumentReference", code=obx.text(2), at="OBX-5")
    obr = report.obr.segment if report.obr is not None else None
    status = obx.text(11)
    spm = report.specimens[0] if len(report.specimens) == 1 else None
    number = reading.entity(obx.repetitions(21)[0], "FILL") if obx.repetitions(21) else None
    return Observation(
        native_id=f"Observation/{native_key(obx, key)}",
        subject=subject,
        identifiers=(number,) if number is not None and number.system is not None else (),
        code=code,
        categories=reading.concepts(obr, 24, table("0074")) if obr is not None else (),
        status=RESULT_STATUS.get(status, status) if status else None,
        entered_in_error=status in ("D", "W"),
        effective=_effective(reading, obx, obr),
        issued=reading.when("Observation", obr, 22) if obr is not None else None,
        interpretation=reading.concepts(obx, 8, table("0078")),
        reference_range=obx.text(7),
        specimen=spm.text(2, 2) or spm.text(2) if spm is not None else None,
        specimen_type=reading.first_concept(spm, 4, table("0487")) if spm is not None else _source(reading, obr),
        method=reading.first_concept(obx, 17),
        device=obx.text(18),
        author=next(iter(reading.parties(obx, 16)), None),
        notes=notes(node.notes),
        cautions=reading.cautions(obx),
        **_value(reading, obx),
    )


def native_key(obx: Segment, key: str) -> str:
    """`<report>-<OBX-3.1>-<OBX-4>`: OBX-1 starts again in every group and names nothing."""
    return "-".join(part for part in (key, obx.text(3) or obx.text(3, 2), obx.text(4)) if part)


def _effective(reading: Reading, obx: Segment, obr: Segment | None) -> Period | None:
    own = reading.when("Observation", obx, 14)
    if own is not None:
        return Period(start=own)
    return reading.period("Observation", obr, 7, 8) if obr is not None else None


def _source(reading: Reading, obr: Segment | None) -> CodeableConcept | None:
    """OBR-15.1, the specimen source of versions before SPM."""
    values = obr.repetitions(15) if obr is not None else []
    return reading.concept(values[0].component(1), table("0070")) if values else None


def _value(reading: Reading, obx: Segment) -> dict[str, Any]:
    """The value field for OBX-5. Several values of one result become its components; lines of text become one text."""
    values = obx.repetitions(5)
    kind = obx.text(2) or "ST"
    if not values:
        return {}
    if kind in TEXTUAL:
        text = "\n".join(value.whole() or "" for value in values)
        return {"value_string": text} if text.strip() else {}
    if len(values) == 1:
        return _single(reading, obx, kind, values[0])
    parts = [_single(reading, obx, kind, value) for value in values]
    allowed = ("value_quantity", "value_codeable_concept", "value_string")
    if all(len(part) == 1 and next(iter(part)) in allowed for part in parts):
        return {"components": tuple(ObservationComponent(**part) for part in parts)}
    return {"value_string": "\n".join(value.whole() or "" for value in values)}


def _single(reading: Reading, obx: Segment, kind: str, value: Repetition) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if kind == "NM":
        found = _quantity(reading, obx, value.text() or "")
    elif kind == "SN":
        found = _structured(reading, obx, value)
    elif kind in _CODED:
        concept = reading.concept(value)
        found = {"value_codeable_concept": concept} if concept is not None else {}
    elif kind in _TIMES:
        at = reading.time_value("OBX-5", value.text() or "")
        found = {"value_period": Period(start=at)} if at is not None else {}
    if found:
        return found
    text = value.whole()
    return {"value_string": text} if text else {}


def _quantity(reading: Reading, obx: Segment, text: str) -> dict[str, Any]:
    """NM; laboratories write `<5` in it too."""
    match = _NUMBER.fullmatch(text)
    return {"value_quantity": _amount(reading, obx, match[2], match[1])} if match else {}


def _structured(reading: Reading, obx: Segment, value: Repetition) -> dict[str, Any]:
    """SN: comparator, number, separator, number; `-` is a range, `:` and `/` a ratio."""
    comparator, first, separator, second = (value.text(part) for part in (1, 2, 3, 4))
    numbers = [n for n in (first, second) if n is not None]
    if first is None or not all(_NUMBER.fullmatch(n) and n[0] not in "<>" for n in numbers):
        return {}
    low = _amount(reading, obx, first, comparator if comparator in _COMPARATORS else None)
    if comparator not in _COMPARATORS | {None, "="}:
        return {}
    if separator is None and second is None:
        return {"value_quantity": low}
    if second is None or low.comparator:
        return {}
    high = _amount(reading, obx, second, None)
    if separator == "-":
        return {"value_range": Range(low=low, high=high)}
    return {"value_ratio": Ratio(numerator=low, denominator=high)} if separator in (":", "/") else {}


def _amount(reading: Reading, obx: Segment, digits: str, comparator: str | None) -> Quantity:
    """OBX-6 is a CE: the unit as written, and a code only where a unit system is named."""
    units = obx.repetitions(6)
    code, words, system = (units[0].text(part) for part in (1, 2, 3)) if units else (None, None, None)
    uri = reading.code_system(system) if system else None
    return Quantity(
        value=Decimal(digits),
        comparator=comparator,
        unit=words or code,
        system=uri,
        code=code if uri is not None else None,
    )


def standing(built: list[tuple[Segment, Observation]]) -> list[Observation]:
    """The results of one report as they now stand, by OBX-11 (table 0085).

    The same result again with C, D or W takes the place of what it corrects. The same result again as TX or FT is the
    next line of one text: that is how reports in words are sent. Anything else with the same id is kept beside it.
    """
    now: list[Observation] = []
    at: dict[str, int] = {}
    for obx, item in built:
        before = at.get(item.native_id)
        if before is None:
            at[item.native_id] = len(now)
            now.append(item)
        elif obx.text(11) in ("C", "D", "W") and now[before].status != item.status:
            now[before] = item
        elif obx.text(2) in ("TX", "FT") and now[before].status == item.status:
            now[before] = _joined(now[before], item)
        elif now[before] != item:
            now.append(item)
    return now


def _joined(first: Observation, next_line: Observation) -> Observation:
    return replace(
        first,
        value_string=f"{first.value_string or ''}\n{next_line.value_string or ''}",
        notes=first.notes + next_line.notes,
        cautions=first.cautions or next_line.cautions,
    )
