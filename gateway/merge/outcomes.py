"""Measurements as series: one line, one unit, each point a merged result. MERGE.md section 6.

A result belongs to a series when one of its codes, or one that a supplied map calls equivalent, is a code of the
series; a part of a panel (systolic blood pressure) likewise. `outcomes.toml` lists the series, and a deployment may add
to it (`gateway.merge.lists`); any other code that is asked for makes one of its own, under its code system: two
vendors' "AST" are two series. Words never make a point, so a result that no map knows is on no line; the series says
how many such results there are, those with such a part included. Who codes a result in a system of the line by none of
the line's codes means something else, whatever a third code joins it to: it is listed as near. A panel of which no part
is on the line is listed too, and two parts that are (lying and standing) are two. Two points that may be one sample, as
their entries name each other, count once for the slope.

What belongs and is no point is listed with the first reason that holds, in the order of ExclusionReason. The unit is
the list's. A series asked for by code takes the unit that most of its results state, the newest's on a tie. A
preliminary result is a point; its entry says so, as it says that a sample was haemolysed. A laboratory's report time is
not the time of measurement, and a month has no place on an axis of days.

No prediction and no advice: change is latest less first; slope is ordinary least squares over the points, in units per
30 days, worked out in exact fractions and rounded to one digit more than the points have. It needs three points and 90
days between the first and the last; below that a line would say more than the numbers do.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from msgspec import Struct

from gateway.merge.concepts import Code, Terminology
from gateway.merge.lists import listed_code
from gateway.merge.units import contradicts_itself
from schema.model.clinical import Observation, ObservationComponent
from schema.model.series import ExcludedPoint, ExclusionReason, ObservationSeries, SeriesPoint
from schema.model.values import CodeableConcept, Coding, Quantity
from schema.model.view import MergedFact, Section
from schema.model.when import Precision, When

_A_DAY_S = 86_400
_SLOPE_DAYS = 30
_SLOPE_POINTS = 3
_SLOPE_LEAST_DAYS = 90
_COARSE = (Precision.YEAR, Precision.MONTH)
_UCUM = "http://unitsofmeasure.org"


class _Line(Struct, frozen=True, kw_only=True):
    """What one series is."""

    name: str
    codes: frozenset[Code]
    systems: frozenset[str] = frozenset()
    """In which it is listed by itself, without a map: there a code that is not the line's is another test's."""
    panels: frozenset[Code] = frozenset()
    unit: str | None = None
    spellings: frozenset[str] = frozenset()
    laboratory: bool = False


_Stated = Observation | ObservationComponent


class _Found(Struct, frozen=True):
    """A result that belongs to a series, and the part of it that does."""

    entry: MergedFact[Any]
    stated: _Stated
    near: bool


def outcomes(section: Section[Any], terms: Terminology, codes: Sequence[str] = ()) -> tuple[ObservationSeries, ...]:
    """The listed series in the list's order, or those that `codes` stand for, in the order asked.

    A series without points is there too: that nothing was found, and who was not heard, is an answer.
    """
    lines = _listed(terms)
    if codes:
        asked = [line for code in codes for line in _asked(code, lines, section, terms)]
        lines = list({line.codes: line for line in asked}.values())
    capillary = frozenset(_code(code, terms) for code in terms.series.capillary)
    found = _belonging(section, lines, terms)
    unmapped = sum(_is_unmapped(entry, terms) for entry in section.entries)
    return tuple(_series(section, line, of, unmapped, capillary, terms) for line, of in zip(lines, found, strict=True))


def _code(text: str, terms: Terminology) -> Code:
    """A code of the list in its canonical system."""
    uri, value = listed_code(text)
    return terms.concept(Coding(system=uri, code=value)) or (uri, value)


def _with_equivalents(codes: Iterable[Code], terms: Terminology) -> frozenset[Code]:
    known = frozenset(codes)
    return known.union(*(terms.equivalent.get(code, frozenset()) for code in known))


def _listed(terms: Terminology) -> list[_Line]:
    return [
        _Line(
            name=one.name,
            codes=_with_equivalents((_code(code, terms) for code in one.codes), terms),
            systems=frozenset(_code(code, terms)[0] for code in one.codes),
            panels=_with_equivalents((_code(code, terms) for code in one.panels), terms),
            unit=one.unit,
            spellings=frozenset((one.unit, *one.spellings)),
            laboratory=one.laboratory,
        )
        for one in terms.series.series
    ]


def _asked(code: str, lines: list[_Line], section: Section[Any], terms: Terminology) -> list[_Line]:
    """The series that a code stands for: those of the list; else one for each system in which the record has it."""
    listed = [line for line in lines if any(terms.is_asked_by(one, code) for one in line.codes | line.panels)]
    if listed:
        return listed
    own: dict[frozenset[Code], str] = {}
    for entry in section.entries:
        for member in entry.members:
            for concept in (member.fact.code, *(part.code for part in member.fact.components)):
                for coding in concept.codings if concept is not None else ():
                    known = terms.concept(coding)
                    if known is not None and (coding.code == code or terms.is_asked_by(known, code)):
                        own.setdefault(_with_equivalents([known], terms), concept.label or code)
    return [_Line(name=name, codes=codes) for codes, name in own.items()] or [_Line(name=code, codes=frozenset())]


def _belonging(section: Section[Any], lines: list[_Line], terms: Terminology) -> list[list[_Found]]:
    """What belongs to each line; every result is looked at once, whatever the number of lines."""
    by_code: dict[Code, list[int]] = {}
    near: dict[Code, list[int]] = {}
    for number, line in enumerate(lines):
        for code in line.codes:
            by_code.setdefault(code, []).append(number)
        for code in terms.nearby(line.codes) - line.codes:
            near.setdefault(code, []).append(number)
    panels: dict[Code, list[int]] = {}
    for number, line in enumerate(lines):
        for code in line.panels:
            panels.setdefault(code, []).append(number)
    found: list[list[_Found]] = [[] for _ in lines]
    for entry in section.entries:
        placed = _places(entry, by_code, terms)
        for number, stated in placed.items():
            found[number] += (_Found(entry, one, _is_coded_apart(one, lines[number], terms)) for one in stated)
        for number, stated in _places(entry, near, terms).items():
            if number not in placed:
                placed[number] = stated
                found[number] += (_Found(entry, one, True) for one in stated)
        for number in _places(entry, panels, terms).keys() - placed.keys():
            found[number].append(_Found(entry, ObservationComponent(), False))
    return found


def _places(entry: MergedFact[Any], by_code: dict[Code, list[int]], terms: Terminology) -> dict[int, list[_Stated]]:
    """Line -> what is on it of the first member in display order that states a value: its parts, else itself."""
    places: dict[int, list[_Stated]] = {}
    for member in entry.members:
        fact: Observation = member.fact
        mine: dict[int, list[_Stated]] = {}
        stated: tuple[_Stated, ...] = (*fact.components, fact)
        for one in stated:
            for number in {number for code in terms.concepts(one.code) for number in by_code.get(code, ())}:
                if one is not fact or number not in mine:
                    mine.setdefault(number, []).append(one)
        for number, found in mine.items():
            known = places.get(number)
            if known is None or (not _has_value(known) and _has_value(found)):
                places[number] = found
    return places


def _has_value(stated: list[_Stated]) -> bool:
    return any(one.value_quantity is not None for one in stated)


def _is_coded_apart(stated: _Stated, line: _Line, terms: Terminology) -> bool:
    """Whether its source codes it in a system that the line is listed in, and there by none of the line's codes."""
    codings = stated.code.codings if stated.code is not None else ()
    own = {code for coding in codings if (code := terms.concept(coding)) is not None}
    shared = line.systems.intersection(system for system, _ in own)
    return bool(shared - {system for system, _ in own & line.codes})


def _is_unmapped(entry: MergedFact[Any], terms: Terminology) -> bool:
    """Whether it, or a part of it, has no code that others know."""
    if entry.display.entered_in_error:
        return False
    codes = frozenset[Code]().union(*(terms.concepts(member.fact.code) for member in entry.members))
    parts = (part for member in entry.members for part in member.fact.components)
    return not terms.code_systems(codes) or any(not terms.code_systems(terms.concepts(part.code)) for part in parts)


def _series(
    section: Section[Any],
    line: _Line,
    found: list[_Found],
    unmapped: int,
    capillary: frozenset[Code],
    terms: Terminology,
) -> ObservationSeries:
    line = line if line.unit is not None else _with_unit(line, found)
    points, excluded = [], []
    for one in found:
        when, amount = _measured(one.entry), _amount(one.stated)
        reason = _reason(one, line, amount, when, capillary, terms)
        if reason is None and when is not None and amount is not None and amount.value is not None:
            points.append(SeriesPoint(when=when, value=amount.value, original=amount, entry=one.entry))
        else:
            reason = reason or ExclusionReason.NO_VALUE
            excluded.append(ExcludedPoint(reason=reason, when=when, original=amount, entry=one.entry))
    points.sort(key=lambda point: (point.when.earliest, point.entry.id))
    return ObservationSeries(
        name=line.name,
        codes=tuple(Coding(system=system, code=code) for system, code in sorted(line.codes)),
        unit=line.unit,
        status=section.status,
        sources=section.sources,
        points=tuple(points),
        excluded=tuple(excluded),
        unmapped=unmapped,
        change=_change(points),
        slope=_slope(_samples(points)),
    )


def _reason(
    one: _Found,
    line: _Line,
    amount: Quantity | None,
    when: When | None,
    capillary: frozenset[Code],
    terms: Terminology,
) -> ExclusionReason | None:
    """The first reason why a result is no point, in the order of ExclusionReason."""
    shown: Observation = one.entry.display
    reasons = (
        (ExclusionReason.ENTERED_IN_ERROR, shown.entered_in_error),
        (ExclusionReason.CANCELLED, shown.status == "cancelled"),
        (ExclusionReason.RELATED_CODE, one.near),
        (ExclusionReason.OTHER_SPECIMEN, line.laboratory and _is_no_laboratory(one.entry, capillary, terms)),
        (ExclusionReason.NO_VALUE, amount is None or amount.value is None or not amount.value.is_finite()),
        (ExclusionReason.COMPARATOR, amount is not None and bool(amount.comparator)),
        (ExclusionReason.OTHER_UNIT, amount is not None and not _is_in(amount, line, terms)),
        (ExclusionReason.DISPUTED, any(conflict.field == "value" for conflict in one.entry.conflicts)),
        (ExclusionReason.UNDATED, when is None),
    )
    return next((reason for reason, holds in reasons if holds), None)


def _is_in(amount: Quantity, line: _Line, terms: Terminology) -> bool:
    return _unit(amount) in line.spellings and not contradicts_itself(amount, terms.units)


def _is_no_laboratory(entry: MergedFact[Any], capillary: frozenset[Code], terms: Terminology) -> bool:
    return any(
        member.fact.patient_reported
        or terms.concepts(member.fact.specimen_type) & capillary
        or _is_called_capillary(member.fact.specimen_type, terms)
        for member in entry.members
    )


def _is_called_capillary(specimen: CodeableConcept | None, terms: Terminology) -> bool:
    """Words may make us more careful."""
    if specimen is None:
        return False
    said = " ".join([specimen.text or "", *(coding.display or "" for coding in specimen.codings)]).casefold()
    return any(word in said for word in terms.series.capillary_words)


def _measured(entry: MergedFact[Any]) -> When | None:
    """When it was measured, stated to the day, by the first member that says so."""
    spans = (member.fact.effective for member in entry.members)
    times = (span.start or span.end for span in spans if span is not None)
    return next((when for when in times if when is not None and when.precision not in _COARSE), None)


def _amount(stated: Observation | ObservationComponent) -> Quantity | None:
    if stated.value_quantity is not None:
        return stated.value_quantity
    number = getattr(stated, "value_integer", None)
    return None if number is None else Quantity(value=Decimal(number))


def _unit(amount: Quantity) -> str:
    """A UCUM code as it is, else the unit as written; empty when there is none."""
    coded = amount.code if amount.system in (_UCUM, None) else None
    return (coded or amount.unit or "").strip()


def _with_unit(line: _Line, found: list[_Found]) -> _Line:
    """The line in the unit that most of its results state: entries are newest first, so the newest wins a tie."""
    counts: dict[str, int] = {}
    for one in found:
        amount = _amount(one.stated)
        if amount is not None and not one.near and not one.entry.display.entered_in_error:
            counts[_unit(amount)] = counts.get(_unit(amount), 0) + 1
    unit = max(counts, key=lambda name: counts[name], default="")
    return _Line(name=line.name, codes=line.codes, unit=unit or None, spellings=frozenset((unit,)))


def _change(points: list[SeriesPoint]) -> Decimal | None:
    if not points or points[0].when.earliest == points[-1].when.earliest:
        return None
    return points[-1].value - points[0].value


def _samples(points: list[SeriesPoint]) -> list[SeriesPoint]:
    """Without those that may be the sample of an earlier one."""
    kept: list[SeriesPoint] = []
    ids: set[str] = set()
    for point in points:
        if ids.isdisjoint(point.entry.related):
            kept.append(point)
            ids.add(point.entry.id)
    return kept


def _slope(points: list[SeriesPoint]) -> Decimal | None:
    """Ordinary least squares, per 30 days."""
    # Calendar days: the hour that is lost in March makes no span shorter.
    if len(points) < _SLOPE_POINTS or (points[-1].when.day - points[0].when.day).days < _SLOPE_LEAST_DAYS:
        return None
    start = points[0].when.earliest
    days = [Fraction(round((point.when.earliest - start).total_seconds()), _A_DAY_S) for point in points]
    values = [Fraction(point.value) for point in points]
    mean_day, mean_value = sum(days, Fraction()) / len(days), sum(values, Fraction()) / len(values)
    over = sum(((d - mean_day) * (v - mean_value) for d, v in zip(days, values, strict=True)), Fraction())
    under = sum(((d - mean_day) ** 2 for d in days), Fraction())
    exact = _SLOPE_DAYS * over / under
    places = 1 + max(-min(0, int(point.value.as_tuple().exponent)) for point in points)
    scaled = Decimal(round(exact * 10**places))  # halves to even, as `round` does
    return scaled.scaleb(-places)
