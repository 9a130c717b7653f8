"""Values of observations, compared and put into words. Nothing stated is dropped: 0, false and a reason for absence
are values."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from gateway.merge.compare import Answer, compare_concepts, compare_words, worst
from gateway.merge.concepts import Code, Terminology
from gateway.merge.units import amount_text, compare_amounts, same_unit
from schema.model.clinical import Observation, ObservationComponent
from schema.model.values import CodeableConcept, Period, Quantity, Range, Ratio

_SINGLE = (
    "value_quantity",
    "value_integer",
    "value_codeable_concept",
    "value_string",
    "value_boolean",
    "value_range",
    "value_ratio",
    "value_period",
)


def compare_values(a: Observation, b: Observation, terms: Terminology) -> Answer:
    """AGREE, DIFFER, or UNKNOWN where one has no value, or another kind or unit of value. Findings without any value
    agree."""
    single = _compare_single(a, b, terms)
    if not (a.components or b.components):
        return single
    parts = _compare_components(a.components, b.components, terms)
    return worst((single, parts))


def _compare_single(
    a: Observation | ObservationComponent, b: Observation | ObservationComponent, terms: Terminology
) -> Answer:
    (kind, first), (other, second) = _single(a), _single(b)
    if {kind, other} == {"", "data_absent_reason"}:
        return Answer.AGREE  # neither has a value, and one says why
    if kind != other:
        return Answer.UNKNOWN
    if kind == "value_quantity" and not same_unit(first, second, terms.units):
        about = terms.answers_to(a.code) | terms.answers_to(b.code)
        return _amounts(first, second, terms, about)
    return _COMPARE[kind](first, second, terms) if kind else Answer.AGREE


def _single(stated: Observation | ObservationComponent) -> tuple[str, Any]:
    """The kind of value and the value; a whole number without a unit is an amount without a unit."""
    for kind in _SINGLE:
        value = getattr(stated, kind, None)
        if value is not None:
            if kind == "value_integer":
                return "value_quantity", Quantity(value=Decimal(value))
            return kind, value
    absent = stated.data_absent_reason
    return ("", None) if absent is None else ("data_absent_reason", absent)


def _compare_components(
    a: tuple[ObservationComponent, ...], b: tuple[ObservationComponent, ...], terms: Terminology
) -> Answer:
    """Each part with the one part of the same concept; parts without a counterpart cannot be compared."""
    answers = []
    left = list(b)
    for part in a:
        like = [other for other in left if compare_concepts(part.code, other.code, terms) is Answer.AGREE]
        if len(like) != 1:
            answers.append(Answer.UNKNOWN)
            continue
        left.remove(like[0])
        answers.append(_compare_single(part, like[0], terms))
    return worst([*answers, *(Answer.UNKNOWN for _ in left)])


def _amounts(a: Quantity, b: Quantity, terms: Terminology, about: frozenset[Code] = frozenset()) -> Answer:
    answer = compare_amounts(a, b, terms.units, rounded=True, about=about)
    return Answer.UNKNOWN if answer is Answer.UNSTATED else answer


def _concepts(a: CodeableConcept, b: CodeableConcept, terms: Terminology) -> Answer:
    answer = compare_concepts(a, b, terms)
    return Answer.UNKNOWN if answer is Answer.UNSTATED else answer


def _words(a: str, b: str, terms: Terminology) -> Answer:
    answer = compare_words(a, b)
    return Answer.UNKNOWN if answer is Answer.UNSTATED else answer


def _ends(first: Quantity | None, second: Quantity | None, terms: Terminology) -> Answer:
    if first is None and second is None:
        return Answer.AGREE
    return Answer.UNKNOWN if first is None or second is None else _amounts(first, second, terms)


def _ranges(a: Range, b: Range, terms: Terminology) -> Answer:
    return worst((_ends(a.low, b.low, terms), _ends(a.high, b.high, terms)))


def _ratios(a: Ratio, b: Ratio, terms: Terminology) -> Answer:
    return worst((_ends(a.numerator, b.numerator, terms), _ends(a.denominator, b.denominator, terms)))


def _plain(a: Any, b: Any, terms: Terminology) -> Answer:
    return Answer.AGREE if a == b else Answer.DIFFER


def _periods(a: Period, b: Period, terms: Terminology) -> Answer:
    """Spans are equal as stated; how far two unequal ones differ is not worked out."""
    return Answer.AGREE if a == b else Answer.UNKNOWN


def _absences(a: CodeableConcept, b: CodeableConcept, terms: Terminology) -> Answer:
    return Answer.AGREE if _concepts(a, b, terms) is Answer.AGREE else Answer.UNKNOWN


_COMPARE: dict[str, Callable[[Any, Any, Terminology], Answer]] = {
    "value_quantity": _amounts,
    "value_codeable_concept": _concepts,
    "value_string": _words,
    "value_boolean": _plain,
    "value_range": _ranges,
    "value_ratio": _ratios,
    "value_period": _periods,
    "data_absent_reason": _absences,
}


def value_text(fact: Observation) -> str | None:
    """A value in words, with every component: "148 mm[Hg] / 86 mm[Hg]"."""
    stated: list[Observation | ObservationComponent] = [fact, *fact.components]
    parts = [text for text in map(_single_text, stated) if text]
    return " / ".join(parts) or None


def _single_text(stated: Observation | ObservationComponent) -> str | None:
    kind, value = _single(stated)
    if isinstance(value, CodeableConcept):
        return value.label
    if isinstance(value, Quantity):
        return amount_text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Range):
        return f"{amount_text(value.low) or ''} - {amount_text(value.high) or ''}".strip()
    if isinstance(value, Ratio):
        return f"{amount_text(value.numerator) or ''} : {amount_text(value.denominator) or ''}".strip()
    if isinstance(value, Period):
        return " - ".join(when.text for when in (value.start, value.end) if when) or None
    return value if kind == "value_string" else None
