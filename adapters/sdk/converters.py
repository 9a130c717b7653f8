"""The named converters of declarative mappings: a closed list, from a vendor's way of writing a value to ours.

Each takes the value as the vendor wrote it and either gives what it means or raises `Unreadable`; none guesses.
Truth: FHIR R4 section 2.24.0.1 (primitive types), RFC 8259 section 6 (numbers), the NHS Data Model and Dictionary's NHS
NUMBER (modulus 11).
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct

from schema.model.when import When


class Unreadable(ValueError):
    """A value that cannot be read as what the mapping says it is. The message never quotes the value."""


class Context(Struct, frozen=True, kw_only=True):
    """What a converter may need besides the value."""

    zone: ZoneInfo
    """The zone of the source's clocks, for times without one."""
    pivot: int | None = None
    """For two-digit years: up to the pivot is 20yy, above it 19yy. Without one they are unreadable."""


class Converter(Struct, frozen=True):
    """A converter, and the Python type that it gives."""

    gives: type
    convert: Callable[[Any, Context], Any]


def text(value: Any, context: Context) -> str:
    """Text, or a number with its digits as written; surrounding blanks go."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return str(value)
    raise Unreadable("is not text")


def upper(value: Any, context: Context) -> str:
    return text(value, context).upper()


def lower(value: Any, context: Context) -> str:
    return text(value, context).lower()


_DIGITS = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")
_COMPARED = re.compile(r"(<=|>=|<|>|~)?\s*(.*)", re.DOTALL)
_LARGEST_EXPONENT = 40
_LONGEST_NUMBER = 60


def integer(value: Any, context: Context) -> int:
    """A whole number; 3.0 is one, 3.5 and true are not."""
    number = decimal(value, context)
    if number != number.to_integral_value():
        raise Unreadable("is not a whole number")
    return int(number)


def decimal(value: Any, context: Context) -> Decimal:
    """A number with its digits as written: "13.50" stays 13.50. Thousands separators and units are not read."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise Unreadable("is not a number")
    if isinstance(value, str):
        value = value.strip()
        if len(value) > _LONGEST_NUMBER or not _NUMBER.fullmatch(value):
            raise Unreadable("is not a number")
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise Unreadable("is not a number") from None
    if not number.is_finite() or abs(number.adjusted()) > _LARGEST_EXPONENT:
        raise Unreadable("is not a number that can be a measurement")
    return number


def comparator(value: Any, context: Context) -> str | None:
    """The sign of "<0.5", and nothing for a bare number."""
    found = _COMPARED.fullmatch(text(value, context))
    return found[1] if found else None


def compared_decimal(value: Any, context: Context) -> Decimal:
    """The number of "<0.5": to be used beside `comparator`, never without it."""
    found = _COMPARED.fullmatch(text(value, context))
    return decimal(found[2] if found else value, context)


_BOOLEANS = {
    **dict.fromkeys(("y", "yes", "1", "true", "t"), True),
    **dict.fromkeys(("n", "no", "0", "false", "f"), False),
}


def boolean(value: Any, context: Context) -> bool:
    """true/false, Y/N, yes/no, T/F and 1/0, in any case."""
    if isinstance(value, bool):
        return value
    found = _BOOLEANS.get(text(value, context).lower())
    if found is None:
        raise Unreadable("is not one of the ways to write yes or no")
    return found


def iso_datetime(value: Any, context: Context) -> When:
    """A FHIR date, dateTime or instant, at the precision stated; one without an offset is the source's local time."""
    try:
        return When.iso(text(value, context), context.zone)
    except ValueError:
        raise Unreadable("is not an ISO 8601 date or time") from None


_WITH_OFFSET = re.compile(r".*:.*(Z|[+-][0-9]{2}:?[0-9]{2})")


def naive_datetime(value: Any, context: Context) -> When:
    """The same from a vendor that never writes an offset: one that appears means that the vendor changed."""
    stated = text(value, context)
    if _WITH_OFFSET.fullmatch(stated):
        raise Unreadable("has an offset, where the source is known to write local time")
    return iso_datetime(stated, context)


_UK = re.compile(
    r"(?P<day>[0-9]{1,2})/(?P<month>[0-9]{1,2})/(?P<year>[0-9]{4}|[0-9]{2})"
    r"(?:[ T]+(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2}))?)?"
)


def uk_date(value: Any, context: Context) -> When:
    """dd/mm/yyyy, or dd/mm/yy where the mapping states a pivot; a time of day may follow."""
    stated = text(value, context)
    found = _UK.fullmatch(stated)
    if found is None:
        raise Unreadable("is not a date as dd/mm/yyyy")
    year = int(found["year"])
    if len(found["year"]) == 2:
        if context.pivot is None:
            raise Unreadable("has a two-digit year, and the mapping states no pivot")
        year += 2000 if year <= context.pivot else 1900
    clock = tuple(int(found[part]) for part in ("hour", "minute", "second") if found[part])
    try:
        return When.of(stated, (year, int(found["month"]), int(found["day"]), *clock), context.zone)
    except ValueError:
        raise Unreadable("is not a date that exists") from None


_COMPACT = re.compile(r"([0-9]{4})(?:([0-9]{2})(?:([0-9]{2})(?:([0-9]{2})([0-9]{2})([0-9]{2})?)?)?)?")


def compact_datetime(value: Any, context: Context) -> When:
    """yyyymmddhhmmss as far as it is stated: the year, month, day, minute or second."""
    stated = text(value, context)
    found = _COMPACT.fullmatch(stated)
    if found is None:
        raise Unreadable("is not a time as yyyymmddhhmmss")
    try:
        return When.of(stated, tuple(int(part) for part in found.groups() if part), context.zone)
    except ValueError:
        raise Unreadable("is not a date that exists") from None


def epoch(value: Any, context: Context) -> When:
    """Seconds since 1970 in UTC."""
    return _since_1970(value, decimal(value, context), context)


def epoch_ms(value: Any, context: Context) -> When:
    """Milliseconds since 1970 in UTC."""
    return _since_1970(value, decimal(value, context) / 1000, context)


def _since_1970(value: Any, seconds: Decimal, context: Context) -> When:
    try:
        at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(seconds * 1_000_000))
    except OverflowError:
        raise Unreadable("is not a time that exists") from None
    parts = (at.year, at.month, at.day, at.hour, at.minute, at.second, at.microsecond)
    return When.of(text(value, context), parts[: 7 if at.microsecond else 6], context.zone, timedelta(0))


def nhs_number(value: Any, context: Context) -> str:
    """Ten digits without blanks. Modulus 11 must hold; a repeated digit passes it and is a placeholder: refused."""
    digits = re.sub(r"[ -]", "", text(value, context))
    if not re.fullmatch(r"[0-9]{10}", digits) or len(set(digits)) == 1:
        raise Unreadable("is not an NHS number")
    weighed = sum(int(digit) * weight for digit, weight in zip(digits, range(10, 1, -1), strict=False))
    if (11 - weighed % 11) % 11 != int(digits[9]):
        raise Unreadable("is not an NHS number: the check digit is wrong")
    return digits


CONVERTERS: dict[str, Converter] = {
    "text": Converter(str, text),
    "upper": Converter(str, upper),
    "lower": Converter(str, lower),
    "integer": Converter(int, integer),
    "decimal": Converter(Decimal, decimal),
    "comparator": Converter(str, comparator),
    "compared_decimal": Converter(Decimal, compared_decimal),
    "boolean": Converter(bool, boolean),
    "iso_datetime": Converter(When, iso_datetime),
    "naive_datetime": Converter(When, naive_datetime),
    "uk_date": Converter(When, uk_date),
    "compact_datetime": Converter(When, compact_datetime),
    "epoch": Converter(When, epoch),
    "epoch_ms": Converter(When, epoch_ms),
    "nhs_number": Converter(str, nhs_number),
}
"""Every converter by the name that a mapping uses."""

BY_TYPE: dict[type, str] = {str: "text", int: "integer", Decimal: "decimal", bool: "boolean", When: "iso_datetime"}
"""The converter used where a mapping names none."""
