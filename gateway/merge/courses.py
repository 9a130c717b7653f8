"""When each course was last issued, last dispensed and last given: three things that are never one.

Authorised is not issued, issued is not dispensed, dispensed is not taken. An event counts for a course, or for an
order, when it names that order, or when it is of the same product (the same code; not merely of the same ingredient)
and lies within the course as far as its start and end are known. The last issue is the one that a source of the
course states; where none does, its newest order: a ward's order is no issue of the practice's prescription. What was
refused, cancelled or withdrawn, is still to come or has no time is no such event.

All of it stays linked with the course, so nothing is lost: a null says that no source states such an event, not that
there was none.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from gateway.merge.compare import same_codes
from gateway.merge.concepts import Code, Terminology
from gateway.merge.times import day_number
from schema.model.clinical import Medication, MedicationKind
from schema.model.values import Period
from schema.model.view import MedicationCourse, MedicationEvent, MergedFact, SourceFact
from schema.model.when import When

_AUTHORISED = (MedicationKind.STATEMENT, MedicationKind.REQUEST)
_DID_NOT_HAPPEN = frozenset({"not-done", "cancelled", "declined", "preparation", "draft", "intended", "unknown"})


def with_courses(entries: Sequence[MergedFact[Medication]], terms: Terminology) -> tuple[MergedFact[Medication], ...]:
    """The same entries; each course and order with its last events."""
    by_id = {entry.id: entry for entry in entries}
    codes = {entry.id: _codes(entry, terms) for entry in entries}
    return tuple(
        replace(entry, course=_course(entry, by_id, codes)) if _is_course(entry) else entry for entry in entries
    )


def _is_course(entry: MergedFact[Medication]) -> bool:
    return entry.display.kind in _AUTHORISED and not entry.display.entered_in_error


def _codes(entry: MergedFact[Medication], terms: Terminology) -> frozenset[Code]:
    return frozenset(code for member in entry.members for code in terms.concepts(member.fact.code))


def _course(
    entry: MergedFact[Medication], by_id: Mapping[str, MergedFact[Medication]], codes: Mapping[str, frozenset[Code]]
) -> MedicationCourse:
    found: dict[MedicationKind, list[MedicationEvent]] = defaultdict(list)
    found[MedicationKind.REQUEST] += _happened(entry)
    sources = {each.provenance.source.id for each in entry.members}
    own = {(each.provenance.source.id, name) for each in entry.members for name in _names(each.fact)}
    for other in (by_id[name] for name in entry.related if name in by_id):
        kind = other.display.kind
        if kind is MedicationKind.STATEMENT:
            continue
        named = any((each.provenance.source.id, name) in own for each in other.members for name in each.fact.based_on)
        for event in _happened(other):
            ours = kind is not MedicationKind.REQUEST or event.source.id in sources
            if named or (ours and same_codes(codes[entry.id], codes[other.id]) and _within(entry, event.when)):
                found[kind].append(event)
    stated = [_event(entry, member, when) for member in entry.members if (when := member.fact.last_issued)]
    return MedicationCourse(
        last_issued=_last(stated or found[MedicationKind.REQUEST]),
        last_dispensed=_last(found[MedicationKind.DISPENSE]),
        last_given=_last(found[MedicationKind.ADMINISTRATION]),
    )


def _names(fact: Medication) -> tuple[str, ...]:
    return (fact.native_id, *fact.folds)


def _happened(entry: MergedFact[Medication]) -> list[MedicationEvent]:
    """What was issued, supplied or given by the entry, as each source says, if it was and if it is known when."""
    events = []
    for member in entry.members:
        fact = member.fact
        period = fact.effective or Period()
        issued = fact.kind is MedicationKind.REQUEST
        when = (fact.recorded or period.start) if issued else (period.end or period.start)
        if when is not None and fact.kind is not MedicationKind.STATEMENT and fact.status not in _DID_NOT_HAPPEN:
            events.append(_event(entry, member, when))
    return events


def _event(entry: MergedFact[Medication], said: SourceFact[Medication], when: When) -> MedicationEvent:
    return MedicationEvent(when=when, source=said.provenance.source, entry_id=entry.id)


def _within(entry: MergedFact[Medication], when: When) -> bool:
    """Not before any start nor after any end that the course's members state to the day."""
    day = day_number(when)
    periods = [member.fact.effective for member in entry.members if member.fact.effective]
    starts = [start for period in periods if (start := day_number(period.start)) is not None]
    ends = [end for period in periods if (end := day_number(period.end)) is not None]
    return day is None or (day >= min(starts, default=day) and day <= max(ends, default=day))


def _last(events: Sequence[MedicationEvent]) -> MedicationEvent | None:
    return max(events, key=lambda event: (event.when.earliest, event.entry_id, event.source.id), default=None)
