"""The invariants of MERGE.md section 4 as properties of generated records, and the merge's own promises.

Fast lane: a hundred cases for each. Slow lane (`-m slow`): ten thousand cases, every invariant on each. The cases are
the same on every run.
"""

from collections import Counter
from collections.abc import Callable
from itertools import combinations
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.merge import MixedSubjects, engine, merge
from gateway.merge.rule import Keys, Relation, Rule
from gateway.merge.types import RULES
from schema.model.clinical import DiagnosticReport, Flag, Medication, Patient, Polarity, ServiceRequest
from schema.model.view import MergedFact, SourceFact
from tests.merge.generated import KINDS, one_persons_facts
from tests.merge.making import IDS, LINKED, TERMS, merged

Facts = list[SourceFact[Any]]
Entries = tuple[MergedFact[Any], ...]
FAST = settings(
    max_examples=100, derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)


def members(entries: Entries) -> Facts:
    return [one for entry in entries for one in entry.members]


def one_fact(a: SourceFact[Any], b: SourceFact[Any]) -> bool:
    """The same by themselves, whatever else the record holds."""
    return len(merged([a, b])) == 1


def conserves(facts: Facts) -> None:
    before = {one.id: msgspec.msgpack.encode(one) for one in facts}
    entries = merged(facts)
    assert Counter(one.id for one in members(entries)) == Counter(list(before))
    assert all(msgspec.msgpack.encode(one) == before[one.id] for one in members(entries))
    assert len({entry.id for entry in entries}) == len(entries)


def forgets_order(facts: Facts) -> None:
    expected = merged(facts)
    for other in (
        facts[::-1],
        sorted(facts, key=lambda one: one.id),
        sorted(facts, key=lambda one: one.provenance.source.id),
    ):
        assert merged(other) == expected


def counts_a_delivery_once(facts: Facts) -> None:
    again = [msgspec.structs.replace(one) for one in facts]
    assert merged(facts + again) == merged(facts)


def is_the_same_step_by_step(facts: Facts) -> None:
    for cut in range(len(facts) + 1):
        assert merged(members(merged(facts[:cut])) + facts[cut:]) == merged(facts)


def survives_a_missing_source(facts: Facts) -> None:
    for source in {one.provenance.source.id for one in facts}:
        left = [one for one in facts if one.provenance.source.id != source]
        entries = merged(left)
        assert Counter(one.id for one in members(entries)) == Counter(one.id for one in left)
        for entry in entries:
            assert all(one_fact(a, b) for a, b in combinations(entry.members, 2))


def never_holds_two_of_one_source_or_an_unequal_pair(facts: Facts) -> None:
    for entry in merged(facts):
        sources = [one.provenance.source.id for one in entry.members]
        if not isinstance(entry.display, Patient):  # two registrations of one person are one person's
            assert len(set(sources)) == len(sources)
        assert all(one_fact(a, b) for a, b in combinations(entry.members, 2))


def never_holds_two_persons(facts: Facts) -> None:
    for one in facts:
        stranger = msgspec.structs.replace(
            one, id="z", provenance=msgspec.structs.replace(one.provenance, local_patient_id="somebody else")
        )
        with pytest.raises(MixedSubjects):
            merged([*facts, stranger])


def denies(one: SourceFact[Any]) -> tuple[bool, ...]:
    """Whether a statement says that something is not there, was not done, or is not so."""
    fact = one.fact
    return (
        getattr(fact, "polarity", Polarity.PRESENT) is Polarity.ABSENT,
        getattr(fact, "verification_status", None) == "refuted",
        getattr(fact, "status", None) == "not-done",
    )


def never_holds_both_polarities(facts: Facts) -> None:
    for entry in merged(facts):
        assert len({denies(one) for one in entry.members}) == 1
        assert not {getattr(one.fact, "decision", None) for one in entry.members} >= {"permit", "deny"}


def names_conflicts_from_both_sides(facts: Facts) -> None:
    entries = merged(facts)
    by_id = {entry.id: entry for entry in entries}
    for entry in entries:
        for conflict in entry.conflicts:
            own = [one.id for one in entry.members]
            assert [claim.fact_id for claim in conflict.claims][: len(own)] == own
            for other in conflict.with_ids:
                assert other != entry.id
                assert any(entry.id in c.with_ids and c.field == conflict.field for c in by_id[other].conflicts)
        for other in entry.related:
            assert entry.id in by_id[other].related


def shows_every_conflict_of_two(facts: Facts) -> None:
    """Two statements that would be in conflict alone are in conflict in company; a source may mean two medicines at
    once."""
    if facts and isinstance(facts[0].fact, Medication):
        return
    entries = {one.id: entry for entry in merged(facts) for one in entry.members}
    for a, b in combinations(facts, 2):
        alone = merged([a, b])
        if len(alone) < 2 or entries[a.id] is entries[b.id]:
            continue
        fields = {conflict.field for conflict in alone[0].conflicts}
        named = {c.field for c in entries[a.id].conflicts if entries[b.id].id in c.with_ids}
        assert fields <= named


def merges_only_on_a_common_code(facts: Facts) -> None:
    for entry in merged(facts):
        for a, b in combinations((one.fact for one in entry.members), 2):
            first, second = (getattr(x, "vaccine_code", None) or getattr(x, "code", None) for x in (a, b))
            numbered = isinstance(a, DiagnosticReport | Flag | ServiceRequest)
            coded = all(concept is not None and any(c.code for c in concept.codings) for concept in (first, second))
            if coded and not numbered:
                assert TERMS.concepts(first) & TERMS.concepts(second)


def shows_nothing_of_what_is_hidden(facts: Facts) -> None:
    hidden, visible = facts[::2], facts[1::2]
    expected = merged(visible)
    merged(facts)
    assert merged(visible) == expected
    shown = msgspec.json.encode(expected)
    assert not any(one.id.encode() in shown or IDS.merged_id(one.id).encode() in shown for one in hidden)


def takes_its_id_from_its_least_member(facts: Facts) -> None:
    for entry in merged(facts):
        assert entry.id == IDS.merged_id(min(one.id for one in entry.members))


def withdraws_alone(facts: Facts) -> None:
    wrong = {one.id for one in facts if one.fact.entered_in_error}
    entries = merged(facts)
    for entry in entries:
        if any(one.id in wrong for one in entry.members):
            assert (len(entry.members), entry.conflicts, entry.related) == (1, (), ())
    standing = merged([one for one in facts if one.id not in wrong])
    assert [entry for entry in entries if entry.members[0].id not in wrong] == list(standing)


def looks_everywhere(facts: Facts) -> None:
    """Finding pairs by keys, and looking at equal ones once, changes nothing against comparing every fact with every
    other."""
    if not facts:
        return
    kind = type(facts[0].fact)

    class Everywhere(RULES[kind]):  # type: ignore[misc]
        def keys(self, seen: Any) -> Keys:
            return Keys(active=("everywhere",))

        def signature(self, seen: Any) -> None:
            return None

    expected = merged(facts)
    known, engine.RULES[kind] = engine.RULES[kind], Everywhere
    try:
        assert merged(facts) == expected
    finally:
        engine.RULES[kind] = known


def is_symmetric(facts: Facts) -> None:
    if not facts:
        return
    rule: Rule[Any] = RULES[type(facts[0].fact)](TERMS)
    looks = [rule.look(one) for one in facts]
    for a, b in combinations(looks, 2):
        relation = rule.relation(a, b)
        assert relation is rule.relation(b, a)
        if relation in (Relation.ALIKE, Relation.COMPARABLE):
            for compared in rule.compared:
                assert compared.compare(a, b) is compared.compare(b, a)


INVARIANTS: list[Callable[[Facts], None]] = [
    conserves, forgets_order, counts_a_delivery_once, is_the_same_step_by_step, survives_a_missing_source,
    never_holds_two_of_one_source_or_an_unequal_pair, never_holds_two_persons, never_holds_both_polarities,
    names_conflicts_from_both_sides, shows_every_conflict_of_two, merges_only_on_a_common_code,
    shows_nothing_of_what_is_hidden, takes_its_id_from_its_least_member, withdraws_alone, looks_everywhere,
    is_symmetric,
]  # fmt: skip


@pytest.mark.parametrize("invariant", INVARIANTS, ids=lambda invariant: invariant.__name__)
def test_the_merge_of_a_generated_record(invariant: Callable[[Facts], None]) -> None:
    @FAST
    @given(one_persons_facts())
    def holds(facts: Facts) -> None:
        invariant(facts)

    holds()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not Patient], ids=lambda kind: kind.__name__)
def test_every_invariant_holds_for_every_fact_type(kind: Any) -> None:
    @settings(FAST, max_examples=60)
    @given(one_persons_facts(kind))
    def holds(facts: Facts) -> None:
        for invariant in INVARIANTS:
            invariant(facts)

    holds()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_invariant_holds_in_ten_thousand_cases(kind: Any) -> None:
    @settings(FAST, max_examples=10_000 // len(KINDS) + 1)
    @given(one_persons_facts(kind))
    def holds(facts: Facts) -> None:
        for invariant in INVARIANTS:
            invariant(facts)

    holds()


@FAST
@given(one_persons_facts(), st.permutations("abcd"))
def test_the_order_of_sources_moves_members_and_nothing_else(facts: Facts, order: list[str]) -> None:
    ranked = merge(facts, IDS, linked=LINKED, terms=TERMS, order=order)
    plain = merged(facts)
    assert {entry.id for entry in ranked} == {entry.id for entry in plain}
    assert Counter(one.id for one in members(ranked)) == Counter(one.id for one in members(plain))


def test_generated_records_do_merge_conflict_and_link() -> None:
    """A property over records in which nothing ever meets would prove nothing."""
    seen: Counter[str] = Counter()

    @settings(FAST, max_examples=200)
    @given(one_persons_facts())
    def look(facts: Facts) -> None:
        for entry in merged(facts):
            seen["merged"] += len(entry.members) > 1
            seen["conflict"] += bool(entry.conflicts)
            seen["linked"] += bool(entry.related)

    look()
    assert min(seen["merged"], seen["conflict"], seen["linked"]) > 30
