"""The NHS number as it is typed: normalised, and refused when it cannot be one. NHS Data Dictionary, NHS NUMBER.

Modulus 11 is a typing check only: it catches every single-digit slip and passes one random ten-digit string in eleven,
so a number that passes here says nothing yet about whose record it is.
"""

from collections.abc import Collection

from adapters.sdk import NHS_NUMBER
from schema.model.values import Identifier

DEFAULT_PLACEHOLDERS = frozenset({"0123456789", "9876543210"})
"""Numbers that pass the check and that people type when they have none; a site adds its own."""

_SEPARATORS = dict.fromkeys(map(ord, " -\t\u00a0\u2007\u2009\u200b\u202f\u2010\u2011\u2012\u2013\u2212"))


class BadIdentifier(Exception):
    """What was given cannot be an NHS number. The message says what to do and never quotes the number."""

    code = "BAD_IDENTIFIER"
    issue_type = "value"


def normalise(text: str, placeholders: Collection[str] = DEFAULT_PLACEHOLDERS) -> str:
    """The ten digits, without spaces and hyphens. Raises BadIdentifier when it cannot be an NHS number."""
    digits = text.strip().translate(_SEPARATORS)
    if not (digits.isascii() and digits.isdigit()):
        raise BadIdentifier("an NHS number has digits only: write ten digits, with or without spaces between them")
    if len(digits) != 10:
        raise BadIdentifier(f"an NHS number has ten digits and this has {len(digits)}: check that none is lost")
    if len(set(digits)) == 1 or digits in placeholders:
        raise BadIdentifier("this is a placeholder, not a person's NHS number: ask by the number that was issued")
    if check_digit(digits[:9]) != int(digits[9]):
        raise BadIdentifier("the check digit does not fit: at least one digit is mistyped, compare with the original")
    return digits


def check_digit(first_nine: str) -> int | None:
    """The tenth digit that Modulus 11 asks for; None when no number begins with these nine."""
    total = sum(weight * int(digit) for weight, digit in zip(range(10, 1, -1), first_nine, strict=True))
    check = (11 - total % 11) % 11
    return None if check == 10 else check


def usable(identifier: Identifier, placeholders: Collection[str] = DEFAULT_PLACEHOLDERS) -> str | None:
    """The value to compare by; None for an NHS number that cannot be one, and for a placeholder."""
    if identifier.system == NHS_NUMBER:
        try:
            return normalise(identifier.value, placeholders)
        except BadIdentifier:
            return None
    value = identifier.value.strip()
    return None if not value or value in placeholders else value
