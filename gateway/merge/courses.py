"""When each course was last issued, last dispensed and last given: three things that are never one.

Authorised is not issued, issued is not dispensed, dispensed is not taken. An event counts for a course, or for an
order, when it names that order, or when it is of the same product (the same code; not merely of the same ingredient),
states no other brand, form, strength or route, and lies within the course as far as its start and end are known. An
end counts only where every source states one and none calls the course active: an active course with a past end is
stale, and a supply after it is its last. The last issue is the one that a source of the course states; where none does,
its newest order: a ward's order is no issue of the practice's prescription. Of an order, only itself and what names it
is its issue.

A supply or a dose counts when it is completed, in progress or stopped, or its source states no status. What was
refused, cancelled or put on hold, is dated later than it was read, or has no time is no such event.

All of it stays linked with the course, so nothing is lost: a null says that no source states such an event, not that
there was none.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from gateway.merge.compare import DIFFER, same_codes
from gateway.merge.concepts import Code, Terminology
from gateway.merge.times import day_number
from gateway.merge.types.medication import MedicationRule
from schema.model.clinical import Medication, MedicationKind
from schema.model.values import Period
from schema.model.view import MedicationCourse, MedicationEvent, MergedFact, SourceFact
from schema.model.when import When

_AUTHORISED = (MedicationKind.STATEMENT, MedicationKind.REQUEST)
_RUNNING = frozenset({"active", "on-hold"})
_DONE = frozenset({"completed", "in-progress", "stopped", None})
"""Of a supply or a dose."""
_NOT_ORDERED = frozenset({"not-done", "cancelled", "declined", "draft", "intended", "unknown"})
_SAYS_WHICH = frozenset({"brand", "form", "strength", "route"})


class _Products:
    """Which entries are of one product, each looked at once."""

    def __init__(self, entries: Sequence[MergedFact[Medication]], terms: Terminology) -> None:
        rule = MedicationRule(terms)
        self._compared = [one.compare for one in rule.compared if one.field in _SAYS_WHICH]
        self._seen = {entry.id: [rule.look(member) for member in entry.members] for entry in entries}
        self._codes = {name: frozenset[Code]().union(*(x.codes for x in seen)) for name, seen in self._seen.items()}

    def same(self, one: str, other: str) -> bool:
        """The same code, and nobody states another brand, form, strength or route."""
        return same_codes(self._codes[one], self._codes[other]) and not any(
            differs(a, b) is DIFFER for a in self._seen[one] for b in self._seen[other] for differs in self._compared
        )


def with_courses(entries: Sequence[MergedFact[Medication]], terms: Terminology) -> tuple[MergedFact[Medication], ...]:
    """The same entries; each course and order with its last events."""
    by_id = {entry.id: entry for entry in entries}
    products = _Products(entries, terms)
    return tuple(
        replace(entry, course=_course(entry, by_id, products)) if _is_course(entry) else entry for entry in entries
    )


def _is_course(entry: MergedFact[Medication]) -> bool:
    return entry.display.kind in _AUTHORISED and not entry.display.entered_in_error


def _course(
    entry: MergedFact[Medication], by_id: Mapping[str, MergedFact[Medication]], products: _Products
) -> MedicationCourse:
    found: dict[MedicationKind, list[MedicationEvent]] = defaultdict(list)
    found[MedicationKind.REQUEST] += _happened(entry)
    is_order = entry.display.kind is MedicationKind.REQUEST
    sources = {each.provenance.source.id for each in entry.members}
    own = {(each.provenance.source.id, name) for each in entry.members for name in _names(each.fact)}
    for other in (by_id[name] for name in entry.related if name in by_id):
        kind = other.display.kind
        if kind is MedicationKind.STATEMENT:
            continue
        named = any((each.provenance.source.id, name) in own for each in other.members for name in each.fact.based_on)
        for event in _happened(other):
            of_it = kind is not MedicationKind.REQUEST or (not is_order and event.source.id in sources)
            if named or (of_it and _within(entry, event.when) and products.same(entry.id, other.id)):
                found[kind].append(event)
    stated = [
        _event(entry, each, when) for each in entry.members if (when := each.fact.last_issued) and _is_past(each, when)
    ]
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
        ordered = fact.kind is MedicationKind.REQUEST
        when = (fact.recorded or period.start) if ordered else (period.end or period.start)
        done = fact.status not in _NOT_ORDERED if ordered else fact.status in _DONE
        if when is not None and done and fact.kind is not MedicationKind.STATEMENT and _is_past(member, when):
            events.append(_event(entry, member, when))
    return events


def _is_past(said: SourceFact[Medication], when: When) -> bool:
    """What is dated after it was read has not happened yet, or is misdated."""
    return when.earliest <= said.provenance.retrieved


def _event(entry: MergedFact[Medication], said: SourceFact[Medication], when: When) -> MedicationEvent:
    return MedicationEvent(when=when, source=said.provenance.source, entry_id=entry.id)


def _within(entry: MergedFact[Medication], when: When) -> bool:
    """Not before any start that the course's members state to the day, nor after any end where it is over."""
    day = day_number(when)
    periods = [member.fact.effective or Period() for member in entry.members]
    starts = [start for period in periods if (start := day_number(period.start)) is not None]
    ends = [end for period in periods if (end := day_number(period.end)) is not None]
    over = len(ends) == len(periods) and not any(member.fact.status in _RUNNING for member in entry.members)
    return day is None or (day >= min(starts, default=day) and (not over or day <= max(ends)))


def _last(events: Sequence[MedicationEvent]) -> MedicationEvent | None:
    return max(events, key=lambda event: (event.when.earliest, event.entry_id, event.source.id), default=None)
