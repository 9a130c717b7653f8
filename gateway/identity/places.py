"""When two addresses are the same home: postcode and house number (MERGE.md section 1).

Street and town are not compared: they are spelt in too many ways, and within one postcode the house number decides.
"""

import re
from collections.abc import Iterable

from schema.model.values import Address

NO_FIXED_ABODE = ("ZZ99",)
"""Outward codes of the pseudo postcodes that stand for no fixed abode, abroad or unknown (NHS Postcode Directory)."""

_HOUSE = re.compile(r"(?<![a-z0-9])(\d+)\s?([a-z])?(?![a-z0-9])|(?<![a-z0-9'])([a-z])(?![a-z0-9'])")
_HOME_USES = frozenset({None, "home", "temp"})


def same_home(ours: Iterable[Address], theirs: Iterable[Address], pseudo: tuple[str, ...] = NO_FIXED_ABODE) -> bool:
    """Whether any two current home addresses share the postcode and the house number (or the house's name)."""
    return bool(_homes(ours, pseudo) & _homes(theirs, pseudo))


def same_postcode(ours: Iterable[Address], theirs: Iterable[Address], pseudo: tuple[str, ...] = NO_FIXED_ABODE) -> bool:
    """Whether any two current home addresses share the postcode."""
    return bool(_postcodes(ours, pseudo) & _postcodes(theirs, pseudo))


def postcodes_differ(
    ours: Iterable[Address], theirs: Iterable[Address], pseudo: tuple[str, ...] = NO_FIXED_ABODE
) -> bool:
    """Whether both state a home's postcode and no two of them are the same."""
    one, other = _postcodes(ours, pseudo), _postcodes(theirs, pseudo)
    return bool(one) and bool(other) and not one & other


def homes_differ(ours: Iterable[Address], theirs: Iterable[Address], pseudo: tuple[str, ...] = NO_FIXED_ABODE) -> bool:
    """Whether both state a home and no two of them are the same: silence on one side is no disagreement."""
    one, other = _homes(ours, pseudo), _homes(theirs, pseudo)
    return bool(one) and bool(other) and not one & other


def _homes(addresses: Iterable[Address], pseudo: tuple[str, ...]) -> set[tuple[str, tuple[str, ...]]]:
    found = set()
    for address in addresses:
        postcode, house = _postcode(address, pseudo), _house(address)
        if postcode and house:
            found.add((postcode, house))
    return found


def _postcodes(addresses: Iterable[Address], pseudo: tuple[str, ...]) -> set[str]:
    return {found for address in addresses if (found := _postcode(address, pseudo))}


def _postcode(address: Address, pseudo: tuple[str, ...]) -> str | None:
    if address.use not in _HOME_USES or not address.postal_code:
        return None
    postcode = "".join(address.postal_code.upper().split())
    # The inward code is the last three characters: "ZZ9 9QX" is no ZZ99.
    outward = postcode[:-3] if len(postcode) > 4 else postcode
    return None if len(postcode) < 4 or outward in pseudo else postcode


def _house(address: Address) -> tuple[str, ...]:
    """Every number and single letter (flat 3, 12a, flat B): two flats of one house differ. Else the house's name."""
    lines = [line.casefold() for line in address.lines if line.strip()]
    if not lines and address.text:
        text = address.text.casefold().replace((address.postal_code or "\0").casefold(), " ")
        lines = [part for part in re.split(r"[\n,]", text) if part.strip()]
    if not lines:
        return ()
    numbers = {(m[1].lstrip("0") + (m[2] or "")) if m[1] else m[3] for line in lines for m in _HOUSE.finditer(line)}
    return tuple(sorted(numbers)) or ("".join(char for char in lines[0] if char.isalnum()),)
