"""The eleven invariants of MERGE.md section 4 as properties of generated records, and the merge's own promises.

Normal lane: 75 cases for each fact type and 150 of views. Slow lane (`-m slow`): ten thousand cases for each property.
The cases are the same on every run.
"""

from collections import Counter
from collections.abc import Callable
from itertools import combinations
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from gateway.merge import current, newest
from schema.model.clinical import Medication
from tests.merge import invariants, viewing
from tests.merge.generated import KINDS, MAPPED, RESTRICTED, one_persons_facts
from tests.merge.invariants import OF_FACTS, Facts, merged, one_fact, source_of

Property = Callable[[Any], None]
FEW, MANY = 150, 10_000
SAME_EVERY_TIME = settings(derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
OF_OTHERS: dict[Property, Any] = {
    invariants.names_every_dispute: invariants.disputes(),
    viewing.never_takes_a_silent_source_for_none: viewing.silences(),
    viewing.shows_no_trace_of_what_is_hidden: viewing.viewers(),
    viewing.answers_about_a_part_with_that_part: viewing.questions(),
}
"""Properties of more than the facts of one type, each with what it is a property of."""


def all_hold_of_facts(kind: Any, cases: int) -> None:
    @settings(SAME_EVERY_TIME, max_examples=cases)
    @given(one_persons_facts(kind))
    def tried(facts: Facts) -> None:
        for invariant in OF_FACTS:
            invariant(facts)

    tried()


def holds(invariant: Property, cases: int) -> None:
    @settings(SAME_EVERY_TIME, max_examples=cases)
    @given(OF_OTHERS[invariant])
    def tried(case: Any) -> None:
        invariant(case)

    tried()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_invariants_hold_for_facts_of_every_type(kind: Any) -> None:
    all_hold_of_facts(kind, FEW // 2)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_invariants_hold_for_ten_thousand_records_of_all_types_together(kind: Any) -> None:
    all_hold_of_facts(kind, MANY // len(KINDS) + 1)


@pytest.mark.parametrize("invariant", OF_OTHERS, ids=lambda invariant: invariant.__name__)
def test_the_invariants_of_disputes_and_views_hold(invariant: Property) -> None:
    holds(invariant, FEW)


@pytest.mark.slow
@pytest.mark.parametrize("invariant", OF_OTHERS, ids=lambda invariant: invariant.__name__)
def test_the_invariants_of_disputes_and_views_hold_in_ten_thousand_cases(invariant: Property) -> None:
    holds(invariant, MANY)


def test_generated_records_reach_what_the_invariants_are_about() -> None:
    """A property over records in which nothing ever meets would prove nothing."""
    seen: Counter[str] = Counter()

    @settings(SAME_EVERY_TIME, max_examples=800)
    @given(one_persons_facts())
    def look(facts: Facts) -> None:
        seen.update(happenings(facts))

    look()
    print(dict(seen))
    for name in HAPPENINGS:
        assert seen[name] >= 8, f"{name}: {seen[name]} of 800 records"


HAPPENINGS = (
    *(
        "merged",
        "merged of three",
        "conflict",
        "linked",
        "chain",
        "same by a map",
        "broader",
        "unmapped",
        "words alone",
    ),
    *("denied", "withdrawn", "undated", "masked", "version", "corrected", "two registrations", "brand-critical"),
)


def happenings(facts: Facts) -> set[str]:
    """What a record holds of what the invariants are about."""
    entries = merged(facts)
    now = newest(facts)
    entry_of = {one.id: entry for entry in entries for one in entry.members}
    pairs = list(combinations([one for one in now if not one.fact.entered_in_error], 2))
    systems = {c.system for one in facts for c in getattr(getattr(one.fact, "code", None), "codings", ())}
    named = {c.code for one in facts for c in getattr(getattr(one.fact, "code", None), "codings", ())}
    told = {
        "merged": any(len(entry.members) > 1 for entry in entries),
        "merged of three": any(len(entry.members) > 2 for entry in entries),
        "conflict": any(entry.conflicts for entry in entries),
        "linked": any(entry.related for entry in entries),
        "chain": any(entry_of[a.id] is not entry_of[b.id] and one_fact(a, b) for a, b in pairs),
        "same by a map": any((code or "").startswith("EQ-") for code in named),
        "broader": any((code or "").startswith("WIDE-") for code in named),
        "unmapped": bool(systems & {"L", None}),
        "words alone": any(getattr(one.fact, "code", None) and not one.fact.code.codings for one in facts),
        "denied": any(any(invariants.denies(one)) for one in now),
        "withdrawn": any(one.fact.entered_in_error for one in now),
        "undated": any(entry.when is None for entry in entries),
        "masked": any(RESTRICTED in one.fact.security_labels for one in now),
        "version": len(now) < len(facts),
        "corrected": bool(current(facts)[1]),
        "two registrations": any(
            source_of(a) == source_of(b) and a.fact.subject != b.fact.subject for a, b in combinations(now, 2)
        ),
        "brand-critical": any(
            isinstance(one.fact, Medication) and any(map(MAPPED.brand_critical, MAPPED.concepts(one.fact.code)))
            for one in now
        ),
    }
    return {name for name, happened in told.items() if happened}
