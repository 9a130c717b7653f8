"""What happened, in order, over every section. MERGE.md section 2 (order), docs/explanation/merge.md.

Each live entry stands once. Where it began or happened, if that is between the two days; nobody says when, where it was
written down. If it began before `since`, at the first thing that happened to it since: a source wrote it down, or it
ended. So whoever asks what is new since a day also sees the old problem that a hospital first heard of yesterday, and
the course that was stopped. Without `since` everything stands where it began. What was withdrawn is not here.

Not everything with a time has happened. What was cancelled, refused or missed is said to be, and has no end; so is what
is booked and nobody says took place, and what lay ahead when its source was asked. As to that the first member in
display order that says something definite holds. A request stands where it was written, and written it was, whatever
became of it; so was a course that was cancelled after it began. An end that lay ahead has not happened.

Whether an entry is between two days is asked of every member's time, the earliest and the latest that any can mean:
both bounds are read in this one way, and nothing is left out by one of them that the other would show. Times are
compared as finely as they were stated: "2026" may well be after 1 March 2026. The day of a time of day is another in
another zone: it counts as of the zone it was stated in, of UTC, and of every zone in which a source keeps its time.
"""

from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, date, datetime, time, tzinfo
from typing import Any

from msgspec import Struct

from gateway.merge.journey import Journey
from gateway.merge.times import TIMED, end_of, times_of
from schema.model.clinical import (
    Appointment,
    DiagnosticReport,
    Encounter,
    ImagingStudy,
    Medication,
    MedicationKind,
    Observation,
)
from schema.model.fact import Fact
from schema.model.journey import Moment, Occurrence, Timeline
from schema.model.view import MergedFact, Section, SectionStatus
from schema.model.when import When

_WORDS = {
    **dict.fromkeys(("not-done", "not-taken", "declined"), Occurrence.NOT_DONE),
    "noshow": Occurrence.MISSED,
    **dict.fromkeys(("planned", "proposed", "pending", "booked", "waitlist", "preparation"), Occurrence.PLANNED),
    **dict.fromkeys(("arrived", "checked-in", "triaged", "in-progress", "onleave"), Occurrence.HAPPENED),
    **dict.fromkeys(("fulfilled", "discharged", "finished", "completed"), Occurrence.HAPPENED),
    **dict.fromkeys(("preliminary", "final", "amended", "corrected"), Occurrence.HAPPENED),
}
"""What a status says of the event itself, in FHIR's words. Others ("active", "stopped") say nothing of it."""
_CALLED_OFF = (Appointment, Encounter, Observation, DiagnosticReport, ImagingStudy)
"""Of these "cancelled" says that it did not take place."""


class Days(Struct, frozen=True):
    """From one day to another, both included; without a bound where it is None."""

    since: date | None
    until: date | None
    zones: Collection[tzinfo] = ()
    """In which sources keep their time, besides UTC."""

    @property
    def is_every_day(self) -> bool:
        """Whether there is no bound."""
        return self.since is None and self.until is None

    def may_hold(self, times: Iterable[When]) -> bool:
        """Whether some reading of a time is not before, and one of a time is not after. False without a time."""
        stated = list(times)
        return not all(map(self.is_after, stated)) and not all(map(self.is_before, stated))

    def is_before(self, when: When) -> bool:
        """Whether every reading of it lies before the first day."""
        stated = when.value[:10]
        if self.since is None or stated >= self.since.isoformat()[: len(stated)]:
            return False
        first = (datetime.combine(self.since, time.min, zone) for zone in (UTC, *self.zones))
        return when.precision not in TIMED or all(when.latest < one for one in first)

    def is_after(self, when: When) -> bool:
        """Whether every reading of it lies after the last day."""
        stated = when.value[:10]
        if self.until is None or stated <= self.until.isoformat()[: len(stated)]:
            return False
        last = (datetime.combine(self.until, time.max, zone) for zone in (UTC, *self.zones))
        return when.precision not in TIMED or all(when.earliest > one for one in last)


def timeline(
    sections: Iterable[Section[Any]], since: date | None, until: date | None, zones: Collection[tzinfo] = ()
) -> Timeline:
    """Every entry with a place between the two days, oldest first, each with what it came out of.

    `zones` are those in which sources keep their time.
    """
    settled, days = list(sections), Days(since, until, zones)
    journey = Journey(settled)
    states = {section.status for section in settled}
    live = [(s.fact_type, e) for s in settled for e in s.entries if not e.display.entered_in_error]
    places = ((kind, entry, _place(entry, days)) for kind, entry in live)
    moments = [
        Moment(at=place[0], occurrence=place[1], entry=entry, follows=journey.follows(kind, entry))
        for kind, entry, place in places
        if place is not None
    ]
    return Timeline(
        status=states.pop() if len(states) == 1 else SectionStatus.PARTIAL,
        moments=tuple(sorted(moments, key=lambda moment: moment.order)),
        undated=sum(entry.when is None for _, entry in live),
    )


def _place(entry: MergedFact[Any], days: Days) -> tuple[When, Occurrence] | None:
    times = times_of(entry)
    if not times:
        return None
    at = times[0] if days.is_every_day else next((one for one in times if days.may_hold((one,))), None)
    if at is not None:
        return at, _occurrence(entry, at)
    later = [one for one in _later(entry) if days.may_hold(one[:1])] if any(map(days.is_before, times)) else []
    if later:
        return min(later, key=lambda one: one[0].earliest)
    return (times[0], _occurrence(entry, times[0])) if days.may_hold(times) else None


def _occurrence(entry: MergedFact[Any], at: When) -> Occurrence:
    said = [word for member in entry.members if (word := _said(member.fact)) is not None]
    definite = next((word for word in said if word is not Occurrence.PLANNED), None)
    if definite is not None:
        return definite
    ahead = all(at.earliest > member.provenance.retrieved for member in entry.members)
    return Occurrence.PLANNED if said or ahead else Occurrence.HAPPENED


def _said(fact: Fact) -> Occurrence | None:
    status = getattr(fact, "status", None)
    supplied = isinstance(fact, Medication) and fact.kind is MedicationKind.DISPENSE
    if status == "cancelled" and (supplied or isinstance(fact, _CALLED_OFF)):
        return Occurrence.NOT_DONE
    return _WORDS.get(status) if status else None


def _later(entry: MergedFact[Any]) -> Iterator[tuple[When, Occurrence]]:
    happened = any(_occurrence(entry, at) is Occurrence.HAPPENED for at in times_of(entry)[:1])
    for member in entry.members:
        if member.fact.recorded is not None:
            yield member.fact.recorded, Occurrence.RECORDED
        ended = end_of(member.fact)
        if happened and ended is not None and ended.earliest <= member.provenance.retrieved:
            yield ended, Occurrence.ENDED
