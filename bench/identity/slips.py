"""How people and machines get a name, a date, a number or an address wrong.

Typing (a neighbouring key, a letter missed, doubled or two in the wrong order), reading by machine (rn for m), hearing
(ph for f), dates (day and month swapped, one digit), numbers (one digit, two neighbours swapped).
"""

import random
from collections.abc import Callable
from datetime import date

from bench.identity.people import Address

KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
NEIGHBOURS = {
    key: "".join(
        other
        for r, line in enumerate(KEYS)
        for c, other in enumerate(line)
        if other != key and abs(r - row) <= 1 and abs(c - column) <= 1
    )
    for row, keys in enumerate(KEYS)
    for column, key in enumerate(keys)
}
READ_AS: tuple[tuple[str, str], ...] = (
    ("rn", "m"),
    ("m", "rn"),
    ("cl", "d"),
    ("d", "cl"),
    ("vv", "w"),
    ("w", "vv"),
    ("l", "i"),
    ("i", "l"),
)
READ_AS += (("e", "c"), ("o", "0"), ("l", "1"), ("h", "b"), ("u", "v"), ("g", "q"))
HEARD_AS: tuple[tuple[str, str], ...] = (
    ("ph", "f"),
    ("f", "ph"),
    ("ck", "k"),
    ("c", "k"),
    ("k", "c"),
    ("y", "ie"),
    ("ie", "y"),
    ("ee", "i"),
)
HEARD_AS += (("i", "ee"), ("s", "z"), ("z", "s"), ("sh", "s"), ("ou", "u"), ("w", "v"), ("th", "t"), ("a", "e"))
STREET_SHORT = (("Street", "St"), ("Road", "Rd"), ("Avenue", "Ave"), ("Lane", "Ln"), ("Close", "Cl"), ("Drive", "Dr"))


def mistyped(rng: random.Random, text: str) -> str:
    at = rng.randrange(len(text))
    letter = text[at].lower()
    match rng.randrange(4):
        case 0:
            wrong = text[:at] + rng.choice(NEIGHBOURS.get(letter, "x")) + text[at + 1 :]
        case 1 if len(text) > 2:
            wrong = text[:at] + text[at + 1 :]
        case 2 if at + 1 < len(text):
            wrong = text[:at] + text[at + 1] + letter + text[at + 2 :]
        case _:
            wrong = text[:at] + letter + text[at:]
    return wrong[0].upper() + wrong[1:]


def _one_of(rng: random.Random, text: str, table: tuple[tuple[str, str], ...]) -> str:
    low = text.lower()
    found = [(heard, said) for heard, said in table if heard in low]
    if not found:
        return mistyped(rng, text)
    old, new = rng.choice(found)
    wrong = low.replace(old, new, 1)
    return wrong[0].upper() + wrong[1:]


def misread(rng: random.Random, text: str) -> str:
    return _one_of(rng, text, READ_AS)


def misheard(rng: random.Random, text: str) -> str:
    return _one_of(rng, text, HEARD_AS)


NAME_SLIPS: tuple[Callable[[random.Random, str], str], ...] = (mistyped, mistyped, misread, misheard)


def name_slip(rng: random.Random, text: str) -> str:
    """One slip; never the text itself, whatever the capitals."""
    for _ in range(20):
        wrong = rng.choice(NAME_SLIPS)(rng, text)
        if wrong.lower() != text.lower():
            return wrong
    return text + text[-1]


def date_slip(rng: random.Random, day: date) -> date:
    """One digit of day or month, or day and month swapped: the slips that leave the year alone."""
    if day.day <= 12 and day.day != day.month and rng.random() < 0.4:
        return day.replace(day=day.month, month=day.day)
    for _ in range(50):
        text = f"{day.month:02}{day.day:02}"
        at = rng.randrange(4)
        text = text[:at] + rng.choice("0123456789") + text[at + 1 :]
        try:
            wrong = date(day.year, int(text[:2]), int(text[2:]))
        except ValueError:
            continue
        if wrong != day:
            return wrong
    return day.replace(day=day.day % 28 + 1)


def year_slip(rng: random.Random, day: date) -> date:
    """One digit of the year, as between a parent and a child, or two brothers."""
    years = [day.year + step for step in (-30, -20, -10, -3, -2, -1, 1, 2, 3, 10, 20, 30)]
    past = [year for year in years if 1920 <= year <= 2025]
    return day.replace(year=rng.choice(past), day=min(day.day, 28))


def number_slip(rng: random.Random, number: str) -> str:
    """One digit wrong, or two neighbours swapped. Both break the check digit, as they do in life."""
    at = rng.randrange(3, 9)
    if number[at] != number[at + 1] and rng.random() < 0.5:
        return number[:at] + number[at + 1] + number[at] + number[at + 2 :]
    return number[:at] + str((int(number[at]) + rng.randrange(1, 10)) % 10) + number[at + 1 :]


def address_slip(rng: random.Random, address: Address) -> Address:
    """The same place, written otherwise."""
    street = address.street
    for full, brief in STREET_SHORT:
        street = street.replace(full, brief)
    postcode = rng.choice((address.postcode, address.postcode.replace(" ", ""), address.postcode.lower()))
    return Address(address.house, rng.choice((street, street.upper(), address.street)), postcode)
