"""What a clinical safety officer may set: the lists and thresholds of identity, with their defaults and a version.

The version is kept with every link that was made under it, so that links can be found again when a rule changes.
"""

from datetime import date
from functools import cache

from msgspec import Struct

from gateway.identity.names import NameTable, default_table
from gateway.identity.nhs_number import DEFAULT_PLACEHOLDERS
from gateway.identity.places import NO_FIXED_ABODE

SENTINEL_DATES = frozenset({date(1753, 1, 1), date(1800, 1, 1), date(1900, 1, 1), date(9999, 12, 31)})
"""Dates that systems write when they have none."""


class Rules(Struct, frozen=True, kw_only=True):
    """The rules of one deployment."""

    names: NameTable
    version: str = "2026-11.2"
    placeholder_numbers: frozenset[str] = DEFAULT_PLACEHOLDERS
    """Identifier values that are nobody's, besides the repeated digits."""
    placeholder_birth_dates: frozenset[date] = SENTINEL_DATES
    pseudo_postcodes: tuple[str, ...] = NO_FIXED_ABODE
    """Beginnings of postcodes that are nobody's home."""
    typo_min_length: int = 5
    """Letters that a given name needs before one slip in it, or another spelling of its sound, is forgiven."""
    birth_date_edit: bool = True
    """Whether one slip in the day or month of birth is forgiven when all else is equal."""


@cache
def default_rules() -> Rules:
    """The documented defaults."""
    return Rules(names=default_table())
