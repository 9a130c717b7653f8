"""Invented people of seven name origins, and what a system holds about them.

Nothing here knows the rules of gateway/identity: names.toml is a list of its own. NHS numbers are from the 999 range,
which is never issued, and postcodes from areas that do not exist.
"""

import random
import tomllib
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache
from pathlib import Path

from adapters.sdk import NHS_NUMBER

ORIGINS = ("english", "irish_welsh", "south_asian", "east_european", "chinese", "arabic", "west_african")
STREETS: tuple[str, ...] = (
    "High Street",
    "Mill Lane",
    "Station Road",
    "Church Street",
    "Victoria Road",
    "Park Avenue",
    "Green Lane",
)
STREETS += (
    "Albert Road",
    "Moss Bank",
    "The Crescent",
    "Queens Drive",
    "Alder Close",
    "Windermere Avenue",
    "Bridge End",
)
POSTCODE_AREAS = ("QJ", "QV", "QX", "VX", "XB", "XJ", "ZV", "ZX")
POSTCODE_LETTERS = "ABDEFGHJLNPQRSTUWXYZ"
TODAY = date(2026, 6, 1)


@dataclass(frozen=True, slots=True)
class Names:
    """The names of one origin; see the head of names.toml for the last three."""

    male: tuple[str, ...]
    female: tuple[str, ...]
    family: tuple[str, ...]
    written: dict[str, tuple[str, ...]]
    short: dict[str, tuple[str, ...]]
    alike: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Address:
    house: str
    street: str
    postcode: str

    def place(self) -> tuple[str, str]:
        """The same for the same place, however it is written."""
        return self.postcode.replace(" ", "").upper(), self.house


@dataclass(frozen=True, slots=True)
class Person:
    """Who somebody is."""

    origin: str
    given: str
    middle: str | None
    family: str
    birth_date: date
    gender: str
    address: Address
    number: str
    """NHS number, 999 range, with its right check digit."""


@dataclass(frozen=True, slots=True)
class Record:
    """What one system says about somebody. None: it does not say."""

    given: str | None
    middle: str | None
    family: str | None
    birth_date: date | None
    gender: str | None
    address: Address | None
    number: str | None
    verified: bool
    """Whether the system says that the number was traced (NHS number status 01)."""
    multiple_birth: bool = False
    number_system: str = NHS_NUMBER

    def but(self, **changes: object) -> "Record":
        return replace(self, **changes)  # type: ignore[arg-type]


def record_of(person: Person) -> Record:
    """All of a person, as a system without a fault would hold it."""
    return Record(
        given=person.given,
        middle=person.middle,
        family=person.family,
        birth_date=person.birth_date,
        gender=person.gender,
        address=person.address,
        number=person.number,
        verified=True,
    )


@cache
def names_of(origin: str) -> Names:
    listed = tomllib.loads(Path(__file__).with_name("names.toml").read_text(encoding="utf-8"))[origin]
    written: dict[str, tuple[str, ...]] = {}
    for spellings in listed["written"]:
        for one in spellings:
            written[one] = tuple(other for other in spellings if other != one)
    short: dict[str, tuple[str, ...]] = {}
    for full, brief in listed["short"]:
        short[full] = (*short.get(full, ()), brief)
    return Names(
        male=tuple(listed["male"]),
        female=tuple(listed["female"]),
        family=tuple(listed["family"]),
        written=written,
        short=short,
        alike=tuple((one, other) for one, other in listed["alike"]),
    )


def a_number(rng: random.Random) -> str:
    while True:
        nine = f"999{rng.randrange(1_000_000):06}"
        check = -sum(int(digit) * weight for digit, weight in zip(nine, range(10, 1, -1), strict=True)) % 11
        if check < 10:
            return f"{nine}{check}"


def a_date(rng: random.Random) -> date:
    """Birth dates over a century, more of them old, as patients are."""
    years = 100 * rng.random() ** 0.8
    return TODAY - timedelta(days=int(years * 365.25) + 1)


def an_address(rng: random.Random) -> Address:
    letters = rng.choice(POSTCODE_LETTERS) + rng.choice(POSTCODE_LETTERS)
    postcode = f"{rng.choice(POSTCODE_AREAS)}{rng.randrange(1, 29)} {rng.randrange(1, 10)}{letters}"
    house = (
        str(rng.randrange(1, 160)) if rng.random() < 0.85 else f"Flat {rng.randrange(1, 40)}, {rng.randrange(1, 90)}"
    )
    return Address(house, rng.choice(STREETS), postcode)


def a_given(rng: random.Random, origin: str, gender: str) -> str:
    names = names_of(origin)
    return rng.choice(names.male if gender == "male" else names.female)


def a_person(rng: random.Random, origin: str, **known: object) -> Person:
    """Somebody; `known` fixes some of it."""
    gender = known.pop("gender", None) or rng.choice(("male", "female"))
    person = Person(
        origin=origin,
        given=a_given(rng, origin, str(gender)),
        middle=a_given(rng, origin, str(gender)) if rng.random() < 0.6 else None,
        family=rng.choice(names_of(origin).family),
        birth_date=a_date(rng),
        gender=str(gender),
        address=an_address(rng),
        number=a_number(rng),
    )
    if person.middle == person.given:
        person = replace(person, middle=None)
    return replace(person, **known)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two records side by side, and the truth about them."""

    kind: str
    origin: str
    reference: Record
    """What the authority says of the person asked for."""
    candidate: Record
    """What a source answered."""
    same: bool
    beside: tuple[Record, ...] = ()
    """What else that source answered under the same number; the reference's own record among it."""


@cache
def one_name() -> dict[str, frozenset[str]]:
    """Each name with every way in which its bearer may be written or called, over all origins."""
    found: dict[str, set[str]] = {}
    for origin in ORIGINS:
        names = names_of(origin)
        for table in (names.written, names.short):
            for name, others in table.items():
                for other in others:
                    found.setdefault(name.lower(), set()).add(other.lower())
                    found.setdefault(other.lower(), set()).add(name.lower())
    return {
        name: frozenset(others | {far for other in others for far in found[other]}) for name, others in found.items()
    }


def may_be_one_name(one: str, other: str) -> bool:
    """Equal, forms of one name, or a second name is left out or is an initial (Mei, Mei F and Mei Fong)."""
    shorter, longer = sorted((one.lower(), other.lower()), key=len)
    cut_short = f"{longer} ".startswith(f"{shorter} ") or (shorter[-2:-1] == " " and longer.startswith(shorter))
    return longer in one_name().get(shorter, ()) or cut_short
