"""Amounts compared: equal units, or units that a list calls exactly equal; else no comparison at all.

UCUM (unitsofmeasure.org) codes are case sensitive. `units.toml` is the list, with its sources: spellings of one unit,
and for single tests exact steps between two units; a deployment may add to it (`gateway.merge.lists`). General unit
libraries reject common clinical units and turn an HbA1c in mmol/mol into a wrong percentage, so there is none here.

A step serves the comparison alone: what is shown is each source's amount as it stated it.
"""

import re
from collections.abc import Collection
from decimal import Decimal

from gateway.merge.compare import Answer, folded
from gateway.merge.lists import Units, UnitsOfTest
from gateway.merge.maps import Code
from schema.model.values import Quantity

_HALF = Decimal("0.5")
_MILLI_OR_MEGA = re.compile(r"m(u|iu|\[iu\])(?![a-z])", re.IGNORECASE)
"""Units of which both a thousandth and a million are in use: their capitals are not folded."""


def unit_text(quantity: Quantity) -> str | None:
    """The unit as shown: as written, else as coded."""
    return quantity.unit or quantity.code


def same_unit(a: Quantity, b: Quantity, units: Units, about: Collection[Code] = ()) -> bool:
    """Equal coded units of one system, or equal words where either has none; or spellings of one listed unit.

    `about` names the test, for spellings that only it allows. Two amounts without a unit agree.
    """
    if a.code == b.code and a.unit == b.unit and a.system == b.system:
        return not contradicts_itself(a, units)
    first, second = (_listed(x, units, units.test(about)) for x in (a, b))
    if contradicts_itself(a, units) or contradicts_itself(b, units):
        return False
    if first is not None and second is not None:
        return first == second
    if a.code and b.code and a.system == b.system:
        return a.code == b.code
    return _same_words(unit_text(a), unit_text(b))


def _listed(quantity: Quantity, units: Units, test: UnitsOfTest) -> str | None:
    """The UCUM unit that is meant, by its code or, without one, its words; None when it is not listed."""
    coded = quantity.code if quantity.system is None or quantity.system in units.systems else None
    written = "".join((coded or quantity.unit or "").split())
    return test.spelling.get(written) or units.spelling.get(written)


def contradicts_itself(quantity: Quantity, units: Units) -> bool:
    """Coded as one listed unit and written as another: which of them is meant nobody can tell."""
    if not quantity.code or not quantity.unit or quantity.code == quantity.unit:
        return False
    coded, written = (units.spelling.get("".join(text.split())) for text in (quantity.code, quantity.unit))
    return coded is not None and written is not None and coded != written


def _same_words(a: str | None, b: str | None) -> bool:
    if a is not None and b is not None and _MILLI_OR_MEGA.search(a) and _MILLI_OR_MEGA.search(b):
        return " ".join(a.split()) == " ".join(b.split())
    return folded(a) == folded(b)


def compare_amounts(
    a: Quantity | None, b: Quantity | None, units: Units, *, rounded: bool, about: Collection[Code] = ()
) -> Answer:
    """Whether two amounts agree; UNKNOWN where the units cannot be compared.

    `rounded` allows what writing fewer decimals explains: half a unit of the last digit of the one written more
    coarsely. A dose or a strength allows nothing. A comparator ("<5") agrees only with the same comparator. `about`
    names the test by its codes, for units that only it allows.
    """
    if a is None or b is None or a.value is None or b.value is None:
        return Answer.UNSTATED
    first, second = a.value, b.value
    if not same_unit(a, b, units, about):
        shift = _shift(a, b, units, about)
        if shift is None:
            return Answer.UNKNOWN
        first, second = (first.scaleb(shift), second) if shift < 0 else (first, second.scaleb(-shift))
    if (a.comparator or None) != (b.comparator or None):
        return Answer.DIFFER
    if first == second:
        return Answer.AGREE
    if not (first.is_finite() and second.is_finite()):
        return Answer.UNKNOWN
    return Answer.AGREE if rounded and abs(first - second) <= _tolerance(first, second) else Answer.DIFFER


def _shift(a: Quantity, b: Quantity, units: Units, about: Collection[Code]) -> int | None:
    """The power of ten between two units of one test, so that a x 10^shift is in b's unit; None when none is listed.

    The amount in the smaller unit is the one to divide: its digits then stand behind the point, where they count.
    """
    test = units.test(about)
    if contradicts_itself(a, units) or contradicts_itself(b, units):
        return None
    first, second = (test.powers.get(_listed(x, units, test) or "") for x in (a, b))
    return None if first is None or second is None else first - second


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
