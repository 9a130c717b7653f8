"""The lists of units and of lines of measurements: as delivered, and with what a deployment adds to them.

`units.toml` and `outcomes.toml` say what they are for. A deployment's own file has the same shape and only adds: what
is delivered keeps its meaning, and an addition that contradicts it is refused, with its place. `version` must be there:
an answer names the lists by which it was made.
"""

import re
import tomllib
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple, TypeVar

from msgspec import Struct, ValidationError, convert, structs

from gateway.merge.maps import Code

_LOINC = "http://loinc.org"
T = TypeVar("T")


class ListError(ValueError):
    """A list cannot be used. `place` are the keys that lead to what is wrong, positions counted from 0."""

    def __init__(self, reason: str, place: Iterable[str | int] = ()) -> None:
        super().__init__(reason)
        self.place = tuple(place)


# ---------- units


class _Row(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[[test]]`: units that only a few tests allow."""

    codes: tuple[str, ...]
    """LOINC."""
    unit: str
    name: str = ""
    steps: dict[str, int] = {}
    spellings: dict[str, tuple[str, ...]] = {}


class UnitsFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of units."""

    version: str
    ucum: tuple[str, ...] = ()
    """Names of UCUM as a code system."""
    spelling: dict[str, tuple[str, ...]] = {}
    test: tuple[_Row, ...] = ()


class UnitsOfTest(NamedTuple):
    """What is listed for one test."""

    spelling: Mapping[str, str]
    """Unit as written -> UCUM."""
    powers: Mapping[str, int]
    """UCUM -> the power of ten that leads from it to the test's own unit."""


NO_TEST = UnitsOfTest({}, {})


class Units(NamedTuple):
    """The list."""

    version: str
    systems: frozenset[str]
    spelling: Mapping[str, str]
    tests: Mapping[Code, UnitsOfTest]

    def test(self, about: Collection[Code]) -> UnitsOfTest:
        """What is listed for a test by any of its codes; nothing where two of them say different things."""
        found = [test for code in about if (test := self.tests.get(code)) is not None]
        return found[0] if found and all(one is found[0] or one == found[0] for one in found) else NO_TEST

    def with_file(self, file: UnitsFile) -> "Units":
        """With the units of a file too. Raises ListError when it gives a spelling or a step another meaning."""
        spelling, tests = dict(self.spelling), dict(self.tests)
        _add_spellings(spelling, file.spelling, ("spelling",))
        for number, row in enumerate(file.test):
            for code in row.codes:
                tests[_LOINC, code] = _with_row(tests.get((_LOINC, code), NO_TEST), row, ("test", number))
        version = f"{self.version}+{file.version}" if self.version else file.version
        return Units(version, self.systems | set(file.ucum), spelling, tests)


def _with_row(known: UnitsOfTest, row: _Row, place: tuple[str | int, ...]) -> UnitsOfTest:
    if known.powers and known.powers.get(row.unit) != 0:
        raise ListError(f"one of these tests is listed already, and not in {row.unit}", (*place, "unit"))
    spelling, powers = dict(known.spelling), dict(known.powers)
    _add_spellings(spelling, row.spellings, (*place, "spellings"))
    for unit, power in {row.unit: 0, **row.steps}.items():
        if powers.setdefault(unit, power) != power:
            raise ListError(f"{unit} is listed already, as 10 to the power of {powers[unit]}", (*place, "steps"))
        spelling.setdefault("".join(unit.split()), unit)
    return UnitsOfTest(spelling, powers)


def _add_spellings(known: dict[str, str], more: Mapping[str, Collection[str]], place: tuple[str | int, ...]) -> None:
    for ucum, spellings in more.items():
        for written in (ucum, *spellings):
            plain = "".join(written.split())
            if known.setdefault(plain, ucum) != ucum:
                raise ListError(f"{written!r} is listed already, as {known[plain]}", (*place, ucum))


@cache
def delivered_units() -> Units:
    """The list that comes with Sherwood."""
    return Units("", frozenset(), {}, {}).with_file(read_list(_delivered("units.toml"), UnitsFile))


# ---------- lines of measurements


class ListedSeries(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[[series]]`: one line."""

    name: str
    unit: str
    codes: tuple[str, ...]
    """Each "system:code" by a short name of the system, or "URI|code"."""
    panels: tuple[str, ...] = ()
    """Codes of panels whose parts are points: asking for one asks for its parts."""
    spellings: tuple[str, ...] = ()
    laboratory: bool = False


class SeriesList(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of lines."""

    version: str
    series: tuple[ListedSeries, ...] = ()
    capillary: tuple[str, ...] = ()
    capillary_words: tuple[str, ...] = ()

    def with_file(self, file: "SeriesList") -> "SeriesList":
        """With the lines of a file too; one of a name that is listed adds its codes and spellings to that line.

        Raises ListError when it has another unit, or a code of it is on another line.
        """
        lines = {one.name: one for one in self.series}
        for number, one in enumerate(file.series):
            place = ("series", number)
            for other in lines.values():
                if other.name != one.name and (twice := sorted(set(one.codes) & set(other.codes))):
                    raise ListError(f"{twice[0]} is on the line {other.name!r}", (*place, "codes"))
            known = lines.get(one.name)
            lines[one.name] = one if known is None else _joined(known, one, place)
        return SeriesList(
            version=f"{self.version}+{file.version}",
            series=tuple(lines.values()),
            capillary=self.capillary + file.capillary,
            capillary_words=self.capillary_words + file.capillary_words,
        )


def _joined(known: ListedSeries, more: ListedSeries, place: tuple[str | int, ...]) -> ListedSeries:
    if more.unit != known.unit:
        raise ListError(f"this line is in {known.unit}", (*place, "unit"))
    if more.laboratory and not known.laboratory:
        raise ListError("this line takes readings of every kind", (*place, "laboratory"))
    return structs.replace(
        known,
        codes=tuple(dict.fromkeys(known.codes + more.codes)),
        panels=tuple(dict.fromkeys(known.panels + more.panels)),
        spellings=tuple(dict.fromkeys(known.spellings + more.spellings)),
    )


_SYSTEMS = {
    "sct": "http://snomed.info/sct",
    "loinc": "http://loinc.org",
    "v2-0487": "http://terminology.hl7.org/CodeSystem/v2-0487",
}


def listed_code(text: str) -> Code:
    """A code as a list writes it: "loinc:1742-6", or "urn:lab|ALT". Raises ListError."""
    uri, bar, value = text.rpartition("|")
    if not bar:
        name, _, value = text.partition(":")
        uri = _SYSTEMS.get(name, "")
    if not uri or not value:
        raise ListError(f'{text!r} is no code: write {", ".join(_SYSTEMS)} and ":" before it, or its URI and "|"')
    return uri, value


@cache
def delivered_series() -> SeriesList:
    """The list that comes with Sherwood."""
    return read_list(_delivered("outcomes.toml"), SeriesList)


# ---------- reading


def read_list(text: str, kind: type[T]) -> T:
    """A list from TOML. Raises ListError: not TOML, a key missing or unknown, a code that is none."""
    try:
        read = convert(tomllib.loads(text), kind)
    except tomllib.TOMLDecodeError as error:
        raise ListError(f"not TOML: {error}") from None
    except ValidationError as error:
        reason, _, path = str(error).partition(" - at `$")
        raise ListError(reason[:1].lower() + reason[1:], _place(path.rstrip("`"), reason)) from None
    for number, one in enumerate(getattr(read, "series", ())):
        for key in ("codes", "panels"):
            for code in getattr(one, key):
                try:
                    listed_code(code)
                except ListError as problem:
                    raise ListError(str(problem), ("series", number, key)) from None
    return read


def _place(path: str, reason: str) -> list[str | int]:
    """Of msgspec's ".series[0]" and what it says of a field."""
    place: list[str | int] = [int(n) if n else name for name, n in re.findall(r"\.([^.\[\]]+)|\[(\d+)\]", path)]
    field = re.search(r"unknown field `([^`]+)`", reason)
    return [*place, field[1]] if field else place


def _delivered(name: str) -> Any:
    return files("gateway.merge").joinpath(name).read_text(encoding="utf-8")
