"""What happened, in order, over every section. MERGE.md section 2 (order), docs/explanation/merge.md.

Each live entry stands once. Where it began or happened, if that is between the two days; nobody says when, where it was
written down. If it began before `since`, at the first thing that happened to it since: a source wrote it down, or it
ended. So whoever asks what is new since a day also sees the old problem that a hospital first heard of yesterday, and
the course that was stopped. Without `since` everything stands where it began.

An end that lay ahead when its source was asked has not happened. Times are compared as finely as they were stated:
"2026" may well be after 1 March 2026, and is not left out. What was withdrawn did not happen.
"""

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any

from gateway.merge.journey import Journey
from gateway.merge.times import end_of
from schema.model.journey import Moment, Occurrence, Timeline
from schema.model.view import MergedFact, Section, SectionStatus
from schema.model.when import When


def is_between(when: When, since: date | None, until: date | None) -> bool:
    """Whether some reading of a time lies from one day to another, both included."""
    return not _is_before(when, since) and not _is_after(when, until)


def timeline(sections: Iterable[Section[Any]], since: date | None, until: date | None) -> Timeline:
    """Every entry with a place between the two days, oldest first, each with what it came out of."""
    settled = list(sections)
    journey = Journey(settled)
    states = {section.status for section in settled}
    live = [(s.fact_type, e) for s in settled for e in s.entries if not e.display.entered_in_error]
    places = ((kind, entry, _place(entry, since, until)) for kind, entry in live)
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


def _place(entry: MergedFact[Any], since: date | None, until: date | None) -> tuple[When, Occurrence] | None:
    if entry.when is None:
        return None
    if not _is_before(entry.when, since):
        return None if _is_after(entry.when, until) else (entry.when, Occurrence.HAPPENED)
    later = [one for one in _later(entry) if is_between(one[0], since, until)]
    return min(later, key=lambda one: one[0].earliest, default=None)


def _later(entry: MergedFact[Any]) -> Iterator[tuple[When, Occurrence]]:
    for member in entry.members:
        if member.fact.recorded is not None:
            yield member.fact.recorded, Occurrence.RECORDED
        ended = end_of(member.fact)
        if ended is not None and ended.earliest <= member.provenance.retrieved:
            yield ended, Occurrence.ENDED


def _is_before(when: When, day: date | None) -> bool:
    stated = when.value[:10]
    return day is not None and stated < day.isoformat()[: len(stated)]


def _is_after(when: When, day: date | None) -> bool:
    stated = when.value[:10]
    return day is not None and stated > day.isoformat()[: len(stated)]
