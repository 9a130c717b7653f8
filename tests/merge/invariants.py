"""The merge's invariants as properties of the facts of one person. MERGE.md section 4.

Each raises AssertionError where it does not hold. What they compare with is worked out here in the plainest way and
not asked of the code that is judged: `test_mutants.py` plants mistakes in that code and sees each one found. What
becomes of facts on their way through policy and view (5, 10, 11) is in `viewing.py`.
"""

from collections import Counter
from datetime import timedelta
from itertools import combinations
from typing import Any

import msgspec
from hypothesis import strategies as st

from gateway.merge import MixedSubjects, engine, newest
from gateway.merge.rule import Keys, Relation, Rule
from gateway.merge.types import RULES
from schema.model.clinical import (
    AllergyIntolerance,
    Condition,
    DiagnosticReport,
    Flag,
    Immunization,
    Medication,
    MedicationKind,
    Observation,
    Patient,
    Polarity,
    Procedure,
    ServiceRequest,
)
from schema.model.fact import Fact
from schema.model.values import CodeableConcept
from schema.model.view import MergedFact, SourceFact
from schema.model.when import When
from tests.merge import making
from tests.merge.generated import LAB, MAPPED, all_fields, one_persons_facts
from tests.merge.making import DMD, IDS, READ, SCT, amount, coded, said, since

Facts = list[SourceFact[Any]]
Entries = tuple[MergedFact[Any], ...]


def merged(facts: Facts, **options: Any) -> Entries:
    return making.merged(facts, MAPPED, **options)


def members(entries: Entries) -> Facts:
    return [one for entry in entries for one in entry.members]


def one_fact(a: SourceFact[Any], b: SourceFact[Any]) -> bool:
    """The same by themselves, whatever else the record holds."""
    return len(merged([a, b])) == 1


def source_of(one: SourceFact[Any]) -> str:
    return one.provenance.source.id


# 1


def conserves(facts: Facts) -> None:
    """Every fact is in exactly one merged fact, as its source said it; of several versions of one, the newest is."""
    entries = merged(facts)
    shown = members(entries)
    assert Counter(one.id for one in shown) == Counter({one.id for one in facts})
    assert len({entry.id for entry in entries}) == len(entries)
    as_said = {msgspec.msgpack.encode(one) for one in facts}
    for one in shown:
        assert msgspec.msgpack.encode(one) in as_said
        assert written(one) == max(written(other) for other in facts if other.id == one.id)


def written(one: SourceFact[Any]) -> float:
    return one.fact.recorded.earliest.timestamp() if one.fact.recorded else float("-inf")


# 2


def forgets_order(facts: Facts) -> None:
    """In whatever order facts come and sources are ranked: the ranking says which member is shown, and nothing else."""
    expected = merged(facts)
    for other in (facts[::-1], sorted(facts, key=lambda one: one.id), sorted(facts, key=source_of)):
        assert merged(other) == expected
    for order in ("abcd", "dcba"):
        ranked = merged(facts, order=order)
        assert {entry.id: alike(entry) for entry in ranked} == {entry.id: alike(entry) for entry in expected}


def alike(entry: MergedFact[Any]) -> tuple[Any, ...]:
    """An entry without the order of its members, and without its time, which is the first member's."""
    conflicts = {(one.field, one.with_ids, frozenset(one.claims)) for one in entry.conflicts}
    return {one.id for one in entry.members}, conflicts, entry.related


# 3


def counts_a_delivery_once(facts: Facts) -> None:
    """The same statements delivered again add nothing."""
    again = [msgspec.structs.replace(one) for one in facts]
    assert merged(facts + again) == merged(facts)


# 4


def is_the_same_step_by_step(facts: Facts) -> None:
    """Merging what is merged so far with what comes later gives what merging all at once gives, wherever it is cut."""
    for cut in range(len(facts) + 1):
        assert merged(members(merged(facts[:cut])) + facts[cut:]) == merged(facts)


# 5


def survives_a_missing_source(facts: Facts) -> None:
    """Without one source every other fact is there, and nothing is joined that is not the same by itself."""
    joins_only_what_is_the_same(facts)
    for source in {source_of(one) for one in facts}:
        left = [one for one in facts if source_of(one) != source]
        assert {one.id for one in members(merged(left))} == {one.id for one in left}
        joins_only_what_is_the_same(left)


def joins_only_what_is_the_same(facts: Facts) -> None:
    """Every two members are the same by themselves and by their dates, and of two sources: no chain, no bridge."""
    for entry in merged(facts):
        sources = {source_of(one) for one in entry.members}
        # Two registrations of one person are one person's.
        assert isinstance(entry.display, Patient) or len(sources) == len(entry.members)
        for a, b in combinations(entry.members, 2):
            assert one_fact(a, b)
            assert dates_allow(a.fact, b.fact)


def dates_allow(a: Fact, b: Fact) -> bool:
    """Whether the stated times let two facts be one: known as finely as the rule needs them, and near enough."""
    first_numbers, second_numbers = ({(i.system, i.value) for i in x.identifiers if i.system} for x in (a, b))
    one_number = bool(first_numbers & second_numbers)
    match a, b:
        case Condition(), Condition():
            return (lasting(a) and lasting(b)) or within(a.onset, b.onset, 14)
        case Immunization(), Immunization():
            return within(a.occurrence, b.occurrence, 1)
        case Procedure(), Procedure():
            return within(start(a.performed), start(b.performed), 0)
        case Medication(), Medication():
            courses = a.kind is b.kind is MedicationKind.STATEMENT
            return one_number or (courses and within(start(a.effective), start(b.effective), 60))
        case Observation(), Observation():
            first, second = start(a.effective), start(b.effective)
            at_once = bool(first and second and "T" in first.value and first.earliest == second.earliest)
            return one_number or at_once or (a.specimen is not None and a.specimen == b.specimen)
    return True


def lasting(fact: Condition) -> bool:
    """Type 2 diabetes, in SNOMED CT, in Read and as the laboratory has it; not by a trust's own code."""
    known = {(SCT, "44054006"), (LAB, "EQ-44054006"), (READ, "C10F.")}
    return fact.code is not None and any((c.system, c.code) in known for c in fact.code.codings)


def start(period: Any) -> When | None:
    return period.start if period else None


def within(a: When | None, b: When | None, days: int) -> bool:
    dated = a is not None and b is not None and len(a.value) >= 10 and len(b.value) >= 10
    return bool(dated and abs(a.day - b.day) <= timedelta(days=days))


# 6


def never_holds_two_persons(facts: Facts) -> None:
    """A statement about somebody else, by its record or by its own word, is an error and merges nothing."""
    for one in facts:
        elsewhere = msgspec.structs.replace(one.provenance, local_patient_id="somebody else")
        about = msgspec.structs.replace(one.fact, subject="somebody else")
        for stranger in (
            msgspec.structs.replace(one, id="z", provenance=elsewhere),
            msgspec.structs.replace(one, id="z", fact=about),
        ):
            try:
                merged([*facts, stranger])
            except MixedSubjects:
                continue
            raise AssertionError("a stranger's fact was merged")


# 7


def never_holds_both_polarities(facts: Facts) -> None:
    """What is there and what is not, what was done and what was not, stay apart."""
    for entry in merged(facts):
        assert len({denies(one) for one in entry.members}) == 1
        assert not {getattr(one.fact, "decision", None) for one in entry.members} >= {"permit", "deny"}


def denies(one: SourceFact[Any]) -> tuple[bool, ...]:
    """Whether a statement says that something is not there, was not done, or is not so."""
    fact = one.fact
    return (
        getattr(fact, "polarity", Polarity.PRESENT) is Polarity.ABSENT,
        getattr(fact, "verification_status", None) == "refuted",
        getattr(fact, "status", None) == "not-done",
    )


# 8

PENICILLIN = {"code": coded("91936005"), "polarity": Polarity.PRESENT, "verification_status": "confirmed"}
DIABETES = {"code": coded("44054006"), "polarity": Polarity.PRESENT, "verification_status": "confirmed"}
METFORMIN = {"kind": MedicationKind.STATEMENT, "code": coded("1003", DMD), "effective": since("2026-01-01")}
WEIGHT = {"code": coded("27113001"), "effective": since("2026-01-01T10:00:00Z")}
VACCINE = {"code": None, "vaccine_code": coded("1181000221105", SCT), "occurrence": since("2026-01-01").start}  # type: ignore[union-attr]
DISPUTES: list[tuple[type[Fact], dict[str, Any], str, tuple[Any, Any], str]] = [
    (AllergyIntolerance, PENICILLIN, "criticality", ("low", "high"), "criticality"),
    (AllergyIntolerance, PENICILLIN, "clinical_status", ("active", "resolved"), "clinicalStatus"),
    (AllergyIntolerance, PENICILLIN, "verification_status", ("confirmed", "refuted"), "verificationStatus"),
    (AllergyIntolerance, PENICILLIN, "polarity", tuple(Polarity), "polarity"),
    (Condition, DIABETES, "clinical_status", ("active", "resolved"), "clinicalStatus"),
    (Condition, DIABETES, "verification_status", ("confirmed", "provisional"), "verificationStatus"),
    (Condition, DIABETES, "polarity", tuple(Polarity), "polarity"),
    (Medication, METFORMIN, "dose", (amount("75", "mg"), amount("150", "mg")), "dose"),
    (Medication, METFORMIN, "frequency", ("od", "bd"), "dose"),
    (Medication, METFORMIN, "status", ("active", "stopped"), "status"),
    (Observation, WEIGHT, "value_quantity", (amount("72", "kg"), amount("80", "kg")), "value"),
    (Observation, WEIGHT, "status", ("final", "cancelled"), "status"),
    (Immunization, VACCINE, "status", ("completed", "not-done"), "status"),
]
"""Facts that are the same but for one attribute: type, what is fixed, attribute, two values, the conflict's name."""


@st.composite
def disputes(draw: st.DrawFn) -> tuple[Facts, str, str, str]:
    """(facts, ids of the two in dispute, the conflict's name): in company of what two other sources say."""
    kind, fixed, attribute, values, field = draw(st.sampled_from(DISPUTES))
    drawn = draw(st.fixed_dictionaries(all_fields(kind)))
    fields = {**drawn, **{k: v for k, v in fixed.items() if k in kind.__struct_fields__}, "entered_in_error": False}
    two = [
        said(source, kind(native_id="X/1", subject=f"{source}-1", **{**fields, attribute: value}))
        for source, value in zip("ab", draw(st.permutations(values)), strict=True)
    ]
    company = [one for one in draw(one_persons_facts(kind)) if source_of(one) in "cd"]
    return [*company, *two], two[0].id, two[1].id, field


def names_every_dispute(case: tuple[Facts, str, str, str]) -> None:
    """Two that differ in dose, status, criticality, value or polarity stay two, and each names the other."""
    facts, one, other, field = case
    entries = {member.id: entry for entry in merged(facts) for member in entry.members}
    assert entries[one] is not entries[other]
    for mine, theirs in ((one, other), (other, one)):
        named = [c for c in entries[mine].conflicts if c.field == field and entries[theirs].id in c.with_ids]
        assert len(named) == 1
        assert {mine, theirs} <= {claim.fact_id for claim in named[0].claims}


def names_conflicts_from_both_sides(facts: Facts) -> None:
    """Whatever names another entry, in a conflict or a link, is named by it."""
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
    """What is in conflict alone is in conflict in company; a source may mean two medicines at once."""
    if facts and isinstance(facts[0].fact, Medication):
        return
    entries = {one.id: entry for entry in merged(facts) for one in entry.members}
    for a, b in combinations(newest(facts), 2):
        alone = merged([a, b])
        if len(alone) < 2 or entries[a.id] is entries[b.id]:
            continue
        fields = {conflict.field for conflict in alone[0].conflicts}
        named = {c.field for c in entries[a.id].conflicts if entries[b.id].id in c.with_ids}
        assert fields <= named


# 9


def merges_only_on_a_common_code(facts: Facts) -> None:
    """Coded facts are one only by a code that they share or that a supplied map calls the same: never by words."""
    for entry in merged(facts):
        for a, b in combinations((one.fact for one in entry.members), 2):
            first, second = (getattr(x, "vaccine_code", None) or getattr(x, "code", None) for x in (a, b))
            numbered = isinstance(a, DiagnosticReport | Flag | ServiceRequest)
            if not numbered and all(concept and any(c.code for c in concept.codings) for concept in (first, second)):
                assert meanings(first) & meanings(second)


def meanings(concept: CodeableConcept) -> set[tuple[str, str]]:
    """The codes that others can understand: of a system with a URI, and what is supplied as equivalent."""
    # dm+d is a part of SNOMED CT.
    codes = {(SCT if c.system == DMD else c.system, c.code) for c in concept.codings if ":" in (c.system or "")}
    return codes | {other for code in codes for other in MAPPED.equivalent.get(code, ())}  # type: ignore[call-overload]


# What the merge promises besides


def takes_its_id_from_its_least_member(facts: Facts) -> None:
    for entry in merged(facts):
        assert entry.id == IDS.merged_id(min(one.id for one in entry.members))


def withdraws_alone(facts: Facts) -> None:
    """What was entered in error stays, alone, and changes nothing for the rest."""
    wrong = {one.id for one in newest(facts) if one.fact.entered_in_error}
    entries = merged(facts)
    for entry in entries:
        if any(one.id in wrong for one in entry.members):
            assert (len(entry.members), entry.conflicts, entry.related) == (1, (), ())
    standing = merged([one for one in facts if one.id not in wrong])
    assert [entry for entry in entries if entry.members[0].id not in wrong] == list(standing)


def looks_everywhere(facts: Facts) -> None:
    """Finding pairs by keys, and looking at equal ones once, is as good as comparing every fact with every other."""
    if not facts:
        return
    kind = type(facts[0].fact)

    class Everywhere(RULES[kind]):  # type: ignore[misc]
        def keys(self, seen: Any) -> Keys:
            return Keys(active=("everywhere",))

        def signature(self, fact: Any) -> None:
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
    rule: Rule[Any] = RULES[type(facts[0].fact)](MAPPED)
    looks = [rule.look(one) for one in facts]
    for a, b in combinations(looks, 2):
        relation = rule.relation(a, b)
        assert relation is rule.relation(b, a)
        if relation in (Relation.ALIKE, Relation.COMPARABLE):
            for compared in rule.compared:
                assert compared.compare(a, b) is compared.compare(b, a)


OF_FACTS = [
    conserves, forgets_order, counts_a_delivery_once, is_the_same_step_by_step, survives_a_missing_source,
    never_holds_two_persons, never_holds_both_polarities, names_conflicts_from_both_sides, shows_every_conflict_of_two,
    merges_only_on_a_common_code, takes_its_id_from_its_least_member, withdraws_alone, looks_everywhere, is_symmetric,
]  # fmt: skip
"""Those that hold for the facts of one person and one type, whatever they are; `disputes` are for invariant 8."""
