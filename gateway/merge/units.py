"""Amounts compared: equal units, or units that a list calls exactly equal; else no comparison at all.

UCUM (unitsofmeasure.org) codes are case sensitive. `units.toml` is the list, with its sources: spellings of one unit,
and for single tests exact steps between two units. General unit libraries reject common clinical units and turn an
HbA1c in mmol/mol into a wrong percentage, so there is none here.

A step serves the comparison alone: what is shown is each source's amount as it stated it.
"""

import re
import tomllib
from collections.abc import Collection, Mapping
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from gateway.merge.compare import Answer, folded
from gateway.merge.maps import Code
from schema.model.values import Quantity

_HALF = Decimal("0.5")
_LOINC = "http://loinc.org"
_MILLI_OR_MEGA = re.compile(r"m(u|iu|\[iu\])(?![a-z])", re.IGNORECASE)
"""Units of which both a thousandth and a million are in use: their capitals are not folded."""


class _Test(NamedTuple):
    """What is listed for one test."""

    spelling: Mapping[str, str]
    """Unit as written -> UCUM."""
    powers: Mapping[str, int]
    """UCUM -> the power of ten that leads from it to the test's own unit."""


_NO_TEST = _Test({}, {})


class Units(NamedTuple):
    """The list."""

    version: str
    systems: frozenset[str]
    spelling: Mapping[str, str]
    tests: Mapping[Code, _Test]

    def test(self, about: Collection[Code]) -> _Test:
        """What is listed for a test by any of its codes; nothing where two of them say different things."""
        found = {id(test): test for code in about if (test := self.tests.get(code)) is not None}
        return found.popitem()[1] if len(found) == 1 else _NO_TEST


@cache
def delivered_units() -> Units:
    """The list that comes with Sherwood."""
    table = tomllib.loads(files("gateway.merge").joinpath("units.toml").read_text(encoding="utf-8"))
    tests = {(_LOINC, code): test for row in table["test"] for test in [_test(row)] for code in row["codes"]}
    return Units(table["version"], frozenset(table["ucum"]), _by_spelling(table["spelling"]), tests)


def _test(row: Mapping[str, Any]) -> _Test:
    return _Test(_by_spelling(row.get("spellings", {})), {row["unit"]: 0, **row.get("steps", {})})


def _by_spelling(table: Mapping[str, list[str]]) -> dict[str, str]:
    return {written: ucum for ucum, spellings in table.items() for written in (ucum, *spellings)}


def unit_text(quantity: Quantity) -> str | None:
    """The unit as shown: as written, else as coded."""
    return quantity.unit or quantity.code


def same_unit(a: Quantity, b: Quantity, about: Collection[Code] = ()) -> bool:
    """Equal coded units of one system, or equal words where either has none; or spellings of one listed unit.

    `about` names the test, for spellings that only it allows. Two amounts without a unit agree.
    """
    if a.code == b.code and a.unit == b.unit and a.system == b.system:
        return not contradicts_itself(a)
    units = delivered_units()
    first, second = (_listed(x, units, units.test(about)) for x in (a, b))
    if contradicts_itself(a) or contradicts_itself(b):
        return False
    if first is not None and second is not None:
        return first == second
    if a.code and b.code and a.system == b.system:
        return a.code == b.code
    return _same_words(unit_text(a), unit_text(b))


def _listed(quantity: Quantity, units: Units, test: _Test) -> str | None:
    """The UCUM unit that is meant, by its code or, without one, its words; None when it is not listed."""
    coded = quantity.code if quantity.system is None or quantity.system in units.systems else None
    written = "".join((coded or quantity.unit or "").split())
    return test.spelling.get(written) or units.spelling.get(written)


def contradicts_itself(quantity: Quantity) -> bool:
    """Coded as one listed unit and written as another: which of them is meant nobody can tell."""
    if not quantity.code or not quantity.unit or quantity.code == quantity.unit:
        return False
    spelling = delivered_units().spelling
    coded, written = (spelling.get("".join(text.split())) for text in (quantity.code, quantity.unit))
    return coded is not None and written is not None and coded != written


def _same_words(a: str | None, b: str | None) -> bool:
    if a is not None and b is not None and _MILLI_OR_MEGA.search(a) and _MILLI_OR_MEGA.search(b):
        return " ".join(a.split()) == " ".join(b.split())
    return folded(a) == folded(b)


def compare_amounts(a: Quantity | None, b: Quantity | None, *, rounded: bool, about: Collection[Code] = ()) -> Answer:
    """Whether two amounts agree; UNKNOWN where the units cannot be compared.

    `rounded` allows what writing fewer decimals explains: half a unit of the last digit of the one written more
    coarsely. A dose or a strength allows nothing. A comparator ("<5") agrees only with the same comparator. `about`
    names the test by its codes, for units that only it allows.
    """
    if a is None or b is None or a.value is None or b.value is None:
        return Answer.UNSTATED
    first, second = a.value, b.value
    if not same_unit(a, b, about):
        shift = _shift(a, b, about)
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


def _shift(a: Quantity, b: Quantity, about: Collection[Code]) -> int | None:
    """The power of ten between two units of one test, so that a x 10^shift is in b's unit; None when none is listed.

    The amount in the smaller unit is the one to divide: its digits then stand behind the point, where they count.
    """
    units = delivered_units()
    test = units.test(about)
    if contradicts_itself(a) or contradicts_itself(b):
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
