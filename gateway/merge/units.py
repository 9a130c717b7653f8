"""Amounts compared without converting any: equal units or no comparison at all.

UCUM (unitsofmeasure.org) codes are case sensitive and are compared as they are. Nothing is converted: general unit
libraries reject common clinical units and turn an HbA1c in mmol/mol into a wrong percentage.
"""

from decimal import Decimal

from gateway.merge.compare import Answer, folded
from schema.model.values import Quantity

_HALF = Decimal("0.5")


def unit_text(quantity: Quantity) -> str | None:
    """The unit as shown: as written, else as coded."""
    return quantity.unit or quantity.code


def same_unit(a: Quantity, b: Quantity) -> bool:
    """Equal coded units of one system; where either has none, equal words. Two amounts without a unit agree."""
    if a.code and b.code and a.system == b.system:
        return a.code == b.code
    return folded(unit_text(a)) == folded(unit_text(b))


def compare_amounts(a: Quantity | None, b: Quantity | None, *, rounded: bool) -> Answer:
    """Whether two amounts agree; UNKNOWN where the units cannot be compared.

    `rounded` allows what writing fewer decimals explains: half a unit of the last digit of the one written more
    coarsely. A dose or a strength allows nothing. A comparator ("<5") agrees only with the same comparator.
    """
    if a is None or b is None or a.value is None or b.value is None:
        return Answer.UNSTATED
    if not same_unit(a, b):
        return Answer.UNKNOWN
    if (a.comparator or None) != (b.comparator or None):
        return Answer.DIFFER
    if a.value == b.value:
        return Answer.AGREE
    if not (a.value.is_finite() and b.value.is_finite()):
        return Answer.UNKNOWN
    return Answer.AGREE if rounded and abs(a.value - b.value) <= _tolerance(a.value, b.value) else Answer.DIFFER


def _tolerance(a: Decimal, b: Decimal) -> Decimal:
    """Nothing between two written to the same digit. A positive exponent (1.5E+2) is a spelling, not a precision."""
    first, second = _exponent(a), _exponent(b)
    return Decimal(0) if first == second else _HALF.scaleb(max(first, second))


def _exponent(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return min(0, exponent) if isinstance(exponent, int) else 0


def amount_text(quantity: Quantity | None) -> str | None:
    """An amount in words, digits as written: "150 mg"."""
    if quantity is None or quantity.value is None:
        return None
    unit = unit_text(quantity)
    return f"{quantity.comparator or ''}{quantity.value}{' ' + unit if unit else ''}"
