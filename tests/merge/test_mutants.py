"""Mistakes planted in the merge, each found by an invariant: a standing proof that the properties can fail.

Every row replaces the one function in which such a mistake would be made, and the invariant that it breaks must say so
within a thousand cases. The table is in docs/explanation/merge.md.
"""

from collections.abc import Callable, Iterable
from itertools import combinations
from typing import Any, NamedTuple

import pytest
from hypothesis import Phase, given, settings
from msgspec import structs

from gateway import gathering, hearing
from gateway.access import Policy
from gateway.access import Verdict as Shown
from gateway.hearing import Heard
from gateway.merge import absence, engine, merge, versions
from gateway.merge.compare import Answer
from gateway.merge.concepts import Code, Terminology
from gateway.merge.rule import Relation
from gateway.merge.types import allergy, condition, medication
from schema.model.clinical import AllergyIntolerance, Condition, Procedure
from schema.model.fact import Fact, GapKind
from schema.model.values import CodeableConcept
from schema.model.view import EntryFilter, Section, SectionSource, SourceFact, SourceState
from tests.merge import invariants, viewing
from tests.merge.generated import one_persons_facts
from tests.merge.making import IDS, LINKED
from tests.merge.test_invariants import OF_OTHERS, SAME_EVERY_TIME, Property

Plant = pytest.MonkeyPatch


class Mutant(NamedTuple):
    """A mistake, the number of the invariant that it breaks, and the property that finds it."""

    plant: Callable[[Plant], None]
    invariant: int
    found_by: Property
    kind: type[Fact] | None = None
    """The fact type in whose rule it is, if it is in one."""


def drop_a_member(plant: Plant) -> None:
    """Of three sources that say the same, two are kept."""
    entries = engine._Build.merged

    def two_of_each(self: Any) -> Any:
        return tuple(structs.replace(entry, members=entry.members[:2]) for entry in entries(self))

    plant.setattr(engine._Build, "merged", two_of_each)


def name_an_entry_by_what_came_first(plant: Plant) -> None:
    """The id is that of the member delivered first, not of the least."""

    class FirstCome(engine._Build):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            self.ids = [IDS.merged_id(self.stated[min(members)].id) for members in self.groups]

    plant.setattr(engine, "newest", lambda facts: list({one.id: one for one in facts}.values()))
    plant.setattr(engine, "_Build", FirstCome)


def name_an_entry_by_what_is_shown_first(plant: Plant) -> None:
    """The id is that of the member in front, so that ranking the sources renames entries."""

    class InFront(engine._Build):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            self.ids = [IDS.merged_id(self.stated[members[0]].id) for members in self.groups]

    plant.setattr(engine, "_Build", InFront)


def count_every_delivery(plant: Plant) -> None:
    """What is delivered twice is there twice."""
    plant.setattr(engine, "newest", lambda facts: sorted(facts, key=lambda one: one.id))


def keep_the_version_that_came_first(plant: Plant) -> None:
    """Of two versions the one already known is kept, whichever is newer."""
    plant.setattr(versions, "_age", lambda one: 0)


def put_a_fact_where_it_fits_first(plant: Plant) -> None:
    """Each fact, as it comes, joins the first entry that holds its like, whatever else is in there."""

    def as_they_come(stated: Any, same: Iterable[tuple[int, ...]], one_for_each_source: bool) -> list[list[int]]:
        pairs = {frozenset(pair) for alike in same for pair in combinations(alike, 2)}
        groups: list[list[int]] = []
        for place in range(len(stated)):
            fitting = (group for group in groups if any({place, other} in pairs for other in group))
            if (group := next(fitting, None)) is not None:
                group.append(place)
            else:
                groups.append([place])
        return groups

    plant.setattr(engine, "newest", lambda facts: list({one.id: one for one in facts}.values()))
    plant.setattr(engine, "_groups", as_they_come)


def join_a_chain(plant: Plant) -> None:
    """Whatever hangs together is one fact: equal readings every four minutes, monthly courses."""

    def components(stated: Any, same: Iterable[tuple[int, ...]], one_for_each_source: bool) -> list[list[int]]:
        groups = [{place} for place in range(len(stated))]
        for alike in same:
            joined = set(alike).union(*(group for group in groups if group & set(alike)))
            groups = [*(group for group in groups if not group & joined), joined]
        return [sorted(group) for group in groups]

    plant.setattr(engine, "_groups", components)


def bridge_by_an_undated_fact(plant: Plant) -> None:
    """A problem without a date is the same as any of its name."""
    relation = condition.ConditionRule.relation

    def undated_is_the_same(self: Any, a: Any, b: Any) -> Relation:
        found = relation(self, a, b)
        undated = a.day is None or b.day is None
        return Relation.COMPARABLE if found is Relation.RELATED and undated and a.codes & b.codes else found

    plant.setattr(condition.ConditionRule, "relation", undated_is_the_same)


def take_a_silent_source_for_one_that_has_nothing(plant: Plant) -> None:
    """A source that is down counts as one that answered and holds nothing."""
    section = absence.section

    def as_if_heard(fact_type: Any, entries: Any, sources: Iterable[SectionSource]) -> Section[Any]:
        told = [structs.replace(one, state=SourceState.OK, gaps=()) for one in sources]
        return structs.replace(section(fact_type, entries, told), sources=tuple(sources))

    plant.setattr(gathering, "section", as_if_heard)


def merge_across_persons(plant: Plant) -> None:
    """Nobody looks whose facts they are."""
    plant.setattr(engine, "_one_person", lambda stated, linked: None)


def believe_the_number_of_the_record(plant: Plant) -> None:
    """Only whom the record is filed under is looked at, not whom the statement names."""

    def filed_under(stated: Iterable[SourceFact[Any]], linked: Any) -> None:
        if any((one.provenance.source.id, one.provenance.local_patient_id) not in linked for one in stated):
            raise engine.MixedSubjects

    plant.setattr(engine, "_one_person", filed_under)


def merge_polarities(plant: Plant) -> None:
    """Whether there is an allergy or none is not compared."""
    plant.setattr(allergy, "_polarity", lambda a, b: Answer.AGREE)


def leave_out_the_conflict_on_dose(plant: Plant) -> None:
    """Two doses stay two, and nobody says that they disagree."""
    verdict = engine._verdict

    def without_dose(*args: Any) -> Any:
        found = verdict(*args)
        return found._replace(disputed=tuple(one for one in found.disputed if one.field != "dose"))

    plant.setattr(engine, "_verdict", without_dose)


def merge_two_doses(plant: Plant) -> None:
    """A dose is not compared."""
    plant.setattr(medication.MedicationRule, "_dose", lambda self, a, b: Answer.AGREE)


def name_a_conflict_from_one_side(plant: Plant) -> None:
    """Of two that disagree only the first says so."""
    conflicts = engine._Build._conflicts

    def of_the_first(self: Any) -> Any:
        found = conflicts(self)
        return {number: found[number] for number in list(found)[:1]}

    plant.setattr(engine._Build, "_conflicts", of_the_first)


def merge_unmapped_by_its_text(plant: Plant) -> None:
    """Two codes that nobody can compare are the same when their words are."""
    concepts = Terminology.concepts

    def by_words(self: Terminology, concept: CodeableConcept | None) -> frozenset[Code]:
        label = concept.label if concept else None
        return concepts(self, concept) or (frozenset({("text", label)}) if label else frozenset())

    plant.setattr(Terminology, "concepts", by_words)


def merge_by_code_whatever_the_system(plant: Plant) -> None:
    """A code is the same in every system."""
    known = Terminology.concept

    def bare(self: Terminology, coding: Any) -> Code | None:
        return known(self, coding) and ("", coding.code)

    plant.setattr(Terminology, "concept", bare)


def count_what_is_hidden(plant: Plant) -> None:
    """That something is masked is said as often as there are masked facts."""
    hear = hearing.hear

    def counted(source: Any, outcome: Any, admitted: Any, policy: Policy, *args: Any) -> Heard:
        made = hear(source, outcome, admitted, policy, *args)
        masked = sum(policy.verdict(source.id, fact) is Shown.MASK for fact in admitted.facts)
        for name, gaps in made.gaps.items():
            made.gaps[name] = tuple(
                structs.replace(gap, count=masked) if gap.kind is GapKind.WITHHELD else gap for gap in gaps
            )
        return made

    plant.setattr(hearing, "hear", counted)


def filter_after_merging(plant: Plant) -> None:
    """Everything is merged, and what the viewer may not see is taken out of the entries."""
    hear = hearing.hear
    policies: list[Policy] = []

    def everything(source: Any, outcome: Any, admitted: Any, policy: Policy, *args: Any) -> Heard:
        policies[:] = [policy]
        seen, all_of_it = (hear(source, outcome, admitted, one, *args) for one in (policy, Policy(restricted=True)))
        for fact_type, facts in all_of_it.facts.items():
            seen.facts[fact_type] = facts
        return seen

    def taken_out(facts: Any, *args: Any, **options: Any) -> Any:
        entries = []
        for entry in merge(facts, *args, **options):
            left = [m for m in entry.members if policies[0].verdict(m.provenance.source.id, m.fact) is Shown.SHOW]
            entries += [structs.replace(entry, members=tuple(left))] if left else []
        return tuple(entries)

    plant.setattr(hearing, "hear", everything)
    plant.setattr(gathering, "merge", taken_out)


def push_an_argument_before_the_merge(plant: Plant) -> None:
    """The facts that fit the argument are merged, in place of the entries that do."""
    chosen = gathering.chosen

    def facts_first(section: Section[Any], entries: EntryFilter, terms: Terminology, *zones: Any) -> Section[Any]:
        facts = [member for entry in section.entries for member in entry.members]
        alone = [structs.replace(section, entries=merge([one], IDS, linked=LINKED, terms=terms)) for one in facts]
        fitting = [
            one for one, single in zip(facts, alone, strict=True) if chosen(single, entries, terms, *zones).entries
        ]
        return structs.replace(section, entries=merge(fitting, IDS, linked=LINKED, terms=terms))

    plant.setattr(gathering, "chosen", facts_first)


MUTANTS = (
    Mutant(drop_a_member, 1, invariants.conserves),
    Mutant(keep_the_version_that_came_first, 1, invariants.conserves),
    Mutant(name_an_entry_by_what_came_first, 2, invariants.forgets_order),
    Mutant(name_an_entry_by_what_is_shown_first, 2, invariants.forgets_order),
    Mutant(count_every_delivery, 3, invariants.counts_a_delivery_once),
    Mutant(put_a_fact_where_it_fits_first, 4, invariants.is_the_same_step_by_step),
    Mutant(join_a_chain, 5, invariants.survives_a_missing_source),
    Mutant(bridge_by_an_undated_fact, 5, invariants.survives_a_missing_source, Condition),
    Mutant(take_a_silent_source_for_one_that_has_nothing, 5, viewing.never_takes_a_silent_source_for_none),
    Mutant(merge_across_persons, 6, invariants.never_holds_two_persons),
    Mutant(believe_the_number_of_the_record, 6, invariants.never_holds_two_persons),
    Mutant(merge_polarities, 7, invariants.never_holds_both_polarities, AllergyIntolerance),
    Mutant(leave_out_the_conflict_on_dose, 8, invariants.names_every_dispute),
    Mutant(merge_two_doses, 8, invariants.names_every_dispute),
    Mutant(name_a_conflict_from_one_side, 8, invariants.names_conflicts_from_both_sides),
    Mutant(merge_unmapped_by_its_text, 9, invariants.merges_only_on_a_common_code, Procedure),
    Mutant(merge_by_code_whatever_the_system, 9, invariants.merges_only_on_a_common_code, Procedure),
    Mutant(count_what_is_hidden, 10, viewing.shows_no_trace_of_what_is_hidden),
    Mutant(filter_after_merging, 10, viewing.shows_no_trace_of_what_is_hidden),
    Mutant(push_an_argument_before_the_merge, 11, viewing.answers_about_a_part_with_that_part),
)


def holds(found_by: Property, kind: type[Fact] | None) -> None:
    """The property over generated cases, without the search for the smallest that fails."""

    @settings(SAME_EVERY_TIME, max_examples=1000, phases=[Phase.generate])
    @given(one_persons_facts(kind) if found_by in invariants.OF_FACTS else OF_OTHERS[found_by])
    def tried(case: Any) -> None:
        found_by(case)

    tried()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"{mutant.invariant}-{mutant.plant.__name__}")
def test_a_planted_mistake_is_found_by_the_invariant_that_it_breaks(mutant: Mutant, monkeypatch: Plant) -> None:
    mutant.plant(monkeypatch)
    with pytest.raises(AssertionError):
        holds(mutant.found_by, mutant.kind)


def test_every_invariant_has_its_mutant() -> None:
    assert {mutant.invariant for mutant in MUTANTS} == set(range(1, 12))
