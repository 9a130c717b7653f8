"""Clinical time: what a source said about when, with the precision it said it in.

A source may say "1958", "June 1958", "17 March at 01:30" without a zone, or an exact instant. A `When` keeps the text
as stated and the interval of instants it can mean, so that nothing is made more precise than it was.
Truth: FHIR R4 section 2.24.0.1 (date, dateTime, instant); HL7 v2.5.1 section 2.A.22 (DTM) for the truncated forms.
"""

import calendar
import re
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from typing import Annotated
from zoneinfo import ZoneInfo

from msgspec import Struct

from schema.model.describe import d


class Precision(Enum):
    """How finely a time was stated."""

    YEAR = "YEAR"
    """The year alone."""
    MONTH = "MONTH"
    """Year and month."""
    DAY = "DAY"
    """The day."""
    MINUTE = "MINUTE"
    """The minute."""
    SECOND = "SECOND"
    """The second, or finer."""


class When(Struct, frozen=True, gc=False, kw_only=True, order=False):
    """A clinical time as stated, and the interval of instants that the statement can mean."""

    text: Annotated[str, d("The time exactly as the source stated it.")]
    value: Annotated[str, d("The same in ISO 8601 at the stated precision, as wall time where it was stated.")]
    precision: Annotated[Precision, d("How finely the source stated it.")]
    earliest: Annotated[datetime, d("The earliest instant that the statement can mean, in UTC.")]
    latest: Annotated[datetime, d("The latest instant that the statement can mean, in UTC.")]
    zone: Annotated[str, d("The zone or offset used to place it in UTC.")]
    zone_assumed: Annotated[bool, d("True when the source stated no zone and its configured one was used.")]

    @classmethod
    def of(cls, text: str, parts: tuple[int, ...], zone: ZoneInfo, offset: timedelta | None = None) -> "When":
        """Build from `parts`: (year[, month[, day[, hour, minute[, second[, microsecond]]]]]).

        `offset` is the stated offset from UTC; without one the parts are wall time in `zone`, and a wall time that
        happens twice (October) keeps both: `earliest` is the first, `latest` the second.
        Raises ValueError for a date that does not exist.
        """
        precision = _PRECISION_BY_LENGTH[len(parts)]
        year, month, day = (*parts, 1, 1)[:3]
        try:
            hour, minute, second, microsecond = (*parts[3:], 0, 0, 0, 0)[:4]
            first = datetime(year, month, day, hour, minute, second, microsecond)
            last = first + _length(first, precision)
            if offset is not None:
                name, assumed = _offset_name(offset), False
                earliest, latest = first - offset, last - offset
            else:
                name, assumed = zone.key, True
                earliest = min(_utc(first, zone, fold) for fold in (0, 1))
                latest = max(_utc(last, zone, fold) for fold in (0, 1))
        except OverflowError:
            raise ValueError("outside the calendar") from None
        return cls(
            text=text,
            value=first.isoformat()[: _VALUE_LENGTH[precision]],
            precision=precision,
            earliest=earliest.replace(tzinfo=UTC),
            latest=latest.replace(tzinfo=UTC),
            zone=name,
            zone_assumed=assumed,
        )

    @classmethod
    def iso(cls, text: str, zone: ZoneInfo) -> "When":
        """Read an ISO 8601 / FHIR date, dateTime or instant. Raises ValueError when it is none of them."""
        match = _ISO.fullmatch(text.strip())
        if match is None:
            raise ValueError("not an ISO 8601 date or time")
        *stated, fraction, offset = match.groups()
        parts = tuple([int(one) for one in stated if one])
        if fraction:
            parts += (int(fraction[:6].ljust(6, "0")),)
        return cls.of(text, parts, zone, _offset(offset))

    @classmethod
    def instant(cls, moment: datetime) -> "When":
        """An exact instant that we, not a source, know (naive datetimes are refused)."""
        if moment.tzinfo is None:
            raise ValueError("an instant needs a zone")
        moment = moment.astimezone(UTC)
        return cls(
            text=moment.isoformat(),
            value=moment.isoformat(),
            precision=Precision.SECOND,
            earliest=moment,
            latest=moment,
            zone="UTC",
            zone_assumed=False,
        )

    @property
    def day(self) -> date:
        """The calendar day (or the first day of the month or year) in the zone it was stated in."""
        return date.fromisoformat((self.value[:10] + "-01-01")[:10])


_PRECISION_BY_LENGTH = {
    1: Precision.YEAR,
    2: Precision.MONTH,
    3: Precision.DAY,
    5: Precision.MINUTE,
    6: Precision.SECOND,
    7: Precision.SECOND,
}
_VALUE_LENGTH = {
    Precision.YEAR: 4,
    Precision.MONTH: 7,
    Precision.DAY: 10,
    Precision.MINUTE: 16,
    Precision.SECOND: None,
}
_ISO = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d{2})(?:-(?P<day>\d{2})"
    r"(?:[T ](?P<hour>\d{2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:\.(?P<fraction>\d+))?)?"
    r"(?P<offset>Z|[+-]\d{2}:?\d{2})?)?)?)?"
)


def _offset(text: str | None) -> timedelta | None:
    if text is None:
        return None
    if text == "Z":
        return timedelta(0)
    sign = -1 if text[0] == "-" else 1
    return sign * timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))


def _offset_name(offset: timedelta) -> str:
    minutes = int(offset.total_seconds() // 60)
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def _utc(wall: datetime, zone: ZoneInfo, fold: int) -> datetime:
    return wall.replace(tzinfo=zone, fold=fold).astimezone(UTC).replace(tzinfo=None)


def _length(first: datetime, precision: Precision) -> timedelta:
    """From the first instant of the stated span to its last microsecond (nothing for an instant)."""
    if precision is Precision.SECOND:
        return _NOTHING
    if precision is Precision.MINUTE:
        return timedelta(minutes=1) - _LEAST
    if precision is Precision.DAY:
        return timedelta(days=1) - _LEAST
    if precision is Precision.MONTH:
        return timedelta(days=calendar.monthrange(first.year, first.month)[1]) - _LEAST
    return timedelta(days=366 if calendar.isleap(first.year) else 365) - _LEAST


_NOTHING, _LEAST = timedelta(0), timedelta(microseconds=1)
