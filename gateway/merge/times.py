"""Clinical times compared without making any of them more precise than it was stated.

A rule such as "within 14 days" holds only where both times are known to the day; a year or a month cannot tell. The
same instant needs both to the minute, and neither may be an hour that happens twice (October).
"""

from collections.abc import Callable, Hashable
from datetime import timedelta
from typing import Any

from schema.model.clinical import (
    AllergyIntolerance,
    Appointment,
    CarePlan,
    CareTeam,
    Communication,
    Condition,
    Consent,
    DiagnosticReport,
    DocumentReference,
    Encounter,
    Flag,
    ImagingStudy,
    Immunization,
    Medication,
    Observation,
    Patient,
    Procedure,
    QuestionnaireResponse,
    RelatedPerson,
    ServiceRequest,
    SocialHistory,
)
from schema.model.fact import Fact
from schema.model.values import Period
from schema.model.view import MergedFact
from schema.model.when import Precision, When

_COARSE = (Precision.YEAR, Precision.MONTH)
TIMED = (Precision.MINUTE, Precision.SECOND)
"""Precisions of a time of day: its calendar day depends on the zone."""
_A_MINUTE = timedelta(minutes=1)


def start_of(period: Period | None) -> When | None:
    """When a period began, or None."""
    return period.start if period else None


def day_number(when: When | None) -> int | None:
    """The calendar day as stated, counted; None where it is not stated to the day."""
    return None if when is None or when.precision in _COARSE else when.day.toordinal()


def stated_day(when: When | None) -> str | None:
    """The calendar day as stated, in ISO 8601; None where it is not stated to the day."""
    return None if when is None or when.precision in _COARSE else when.value[:10]


def instant(when: When | None) -> float | None:
    """The instant in seconds since 1970; None where it is not stated to the minute or can mean two instants."""
    if when is None or when.precision not in TIMED:
        return None
    earliest, latest = when.earliest, when.latest
    if latest is not earliest and latest - earliest >= _A_MINUTE:
        return None
    return earliest.timestamp()


def may_be_within(a: When, b: When, days: int) -> bool:
    """True when some reading of both statements puts them at most `days` apart."""
    return max(a.earliest, b.earliest) - min(a.latest, b.latest) <= timedelta(days=days)


def window(value: float | None, width: float) -> tuple[int, ...]:
    """Buckets of which two values share one whenever they are at most `width` apart."""
    if value is None:
        return ()
    bucket = int(value // width)
    return (bucket, bucket + 1)


def window_keys(codes: frozenset[tuple[str, str]], value: float | None, width: float) -> tuple[Hashable, ...]:
    """`window` for each code."""
    return tuple((code, bucket) for bucket in window(value, width) for code in codes)


def _period(period: Period | None) -> When | None:
    return None if period is None else period.start or period.end


_CLINICAL: dict[type[Fact], Callable[..., When | None]] = {
    Patient: lambda f: None,
    AllergyIntolerance: lambda f: f.onset,
    Condition: lambda f: f.onset or f.abatement,
    Medication: lambda f: _period(f.effective) or f.last_issued,
    Observation: lambda f: _period(f.effective) or f.issued,
    SocialHistory: lambda f: _period(f.effective) or f.issued,
    DiagnosticReport: lambda f: _period(f.effective) or f.issued,
    Immunization: lambda f: f.occurrence,
    Procedure: lambda f: _period(f.performed),
    Encounter: lambda f: _period(f.period),
    Appointment: lambda f: _period(f.period),
    ServiceRequest: lambda f: f.authored or _period(f.occurrence),
    DocumentReference: lambda f: f.date or _period(f.period),
    ImagingStudy: lambda f: f.started,
    CarePlan: lambda f: _period(f.period),
    Flag: lambda f: _period(f.period),
    QuestionnaireResponse: lambda f: f.authored,
    RelatedPerson: lambda f: _period(f.period),
    Consent: lambda f: f.date or _period(f.period),
    Communication: lambda f: f.sent or f.received,
    CareTeam: lambda f: _period(f.period),
}


def clinical_time(fact: Fact) -> When | None:
    """When what the fact states began or happened; None where it does not say."""
    return _CLINICAL[type(fact)](fact)


def when_of(fact: Fact) -> When | None:
    """The time by which a fact is ordered: when it began or happened, else when it was written down, else None.

    The time of writing stands in because it is the latest that a thing can have begun; a reader is shown which it is,
    since the fact's own fields stay as they were.
    """
    return clinical_time(fact) or fact.recorded


def times_of(entry: MergedFact[Any]) -> list[When]:
    """When it began or happened, as each member in display order states; if none does, when each was written down."""
    clinical = [when for member in entry.members if (when := clinical_time(member.fact)) is not None]
    return clinical or [member.fact.recorded for member in entry.members if member.fact.recorded is not None]


_ENDS: dict[type[Fact], Callable[..., When | None]] = {
    AllergyIntolerance: lambda f: f.ended,
    Condition: lambda f: f.abatement,
    Medication: lambda f: f.effective and f.effective.end,
    Procedure: lambda f: f.performed and f.performed.end,
    **dict.fromkeys((Encounter, CarePlan, Flag, RelatedPerson, Consent, CareTeam), lambda f: f.period and f.period.end),
}


def end_of(fact: Fact) -> When | None:
    """When what the fact states was over; None where its type has no end, or none is stated."""
    end = _ENDS.get(type(fact))
    return end(fact) if end is not None else None
