"""The wrong-subject guard: what of one source's answer may be shown, and what is held and why."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.identity.breaker import SubjectBreaker
from gateway.identity.grade import Grade
from gateway.identity.guard import Admitted, Verdict, admit
from gateway.identity.ledger import Link, Standing
from schema.model.clinical import Condition
from schema.model.fact import Fact
from tests.identity.people import EARLIER, OTHER, home, name, number, record, reference

ME = "person-of-michael"
STRANGER: dict[str, Any] = {
    "identifiers": (number(OTHER),),
    "names": (name("Quincey", "Morris"),),
    "birth_date": "1990-01-02",
}
NOW = datetime(2026, 3, 17, 2, 10, tzinfo=UTC)


def condition(subject: str | None = "Patient/1", native_id: str = "Condition/1") -> Condition:
    return Condition(native_id=native_id, subject=subject)


def link(
    local_id: str,
    person: str = ME,
    status: Standing = Standing.LINKED,
    by: str | None = None,
    evidence: tuple[str, ...] = (),
) -> Link:
    return Link(
        source="gp",
        local_id=local_id,
        person=person,
        status=status,
        evidence=evidence,
        rules="r1",
        decided_by=by,
        reason="",
        at=NOW,
        seq=1,
    )


def judge(facts: list[Fact], *links: Link, asked: Any = None, **settings: Any) -> Admitted:
    standing: dict[str, tuple[Link, ...]] = {}
    for one in links:
        standing[one.local_id] = (*standing.get(one.local_id, ()), one)
    return admit(facts, asked or reference(), person=ME, standing=standing, **settings)


def test_a_certain_record_is_admitted_with_all_its_facts_in_order() -> None:
    facts: list[Fact] = [condition(native_id="Condition/2"), record(), condition()]
    found = judge(facts)
    assert found.facts == tuple(facts)
    assert (found.links, found.held, found.mismatched) == (("Patient/1",), {}, False)
    (proposal,) = found.proposals("gp", ME)
    assert (proposal.grade, proposal.local_id) == (Grade.CERTAIN, "Patient/1")
    assert "identifier:verified-equal" in proposal.evidence


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"names": (name("Michaela"),)}, Verdict.PRESENT_NOT_LINKED),
        ({"identifiers": ()}, Verdict.PRESENT_NOT_LINKED),
        ({"names": (name("Mike"),), "multiple_birth": True}, Verdict.STEWARD),
        ({"names": (name("Michaela"),), "multiple_birth": True}, Verdict.PRESENT_NOT_LINKED),
        ({"birth_date": "1941-03-14"}, Verdict.STEWARD),
        ({"identifiers": (number(OTHER),)}, Verdict.STEWARD),
        ({"identifiers": (number(), number(OTHER, False))}, Verdict.STEWARD),
        ({"restricted": True}, Verdict.STEWARD),
        ({"entered_in_error": True}, Verdict.STEWARD),
        ({"identifiers": (), "names": (), "birth_date": None, "addresses": ()}, Verdict.NO_DEMOGRAPHICS),
        (STRANGER, Verdict.MISMATCH),
    ],
)
def test_whatever_is_not_certain_is_held_whole(changes: dict[str, Any], verdict: Verdict) -> None:
    found = judge([record(**changes), condition()])
    assert found.facts == ()
    assert found.held == {verdict: 2}
    kept = found.proposals("gp", ME)
    proposed = {
        Verdict.PRESENT_NOT_LINKED: [Grade.PROBABLE],
        Verdict.STEWARD: [Grade.POSSIBLE],
        Verdict.MISMATCH: [Grade.CERTAINLY_NOT],
        Verdict.NO_DEMOGRAPHICS: [],
    }
    assert [p.grade for p in kept] == proposed[verdict]


def test_a_steward_is_told_how_well_a_held_record_grades_and_what_stopped_it() -> None:
    (restricted,) = judge([record(restricted=True)]).proposals("gp", ME)
    assert restricted.grade is Grade.POSSIBLE, "whatever is a steward's"
    assert restricted.evidence[0] == "grade:certain"
    assert "veto:restricted" in restricted.evidence


def test_a_candidate_who_is_somebody_else_is_not_a_wrong_answer_and_nobody_is_told_of_them() -> None:
    found = judge([record(), condition(), record("Patient/2", **STRANGER)], candidates={"Patient/2"})
    assert (found.links, found.mismatched, found.held) == (("Patient/1",), False, {Verdict.NOT_MEANT: 1})
    assert [f.local_id for f in found.concerned] == ["Patient/1"]
    assert judge([record(), condition(), record("Patient/2", **STRANGER)]).mismatched, "given as the person"


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, Verdict.ADMITTED),
        ({"identifiers": ()}, Verdict.PRESENT_NOT_LINKED),
        ({"birth_date": "1941-03-14"}, Verdict.STEWARD),
        (STRANGER, Verdict.NOT_MEANT),
    ],
)
def test_a_candidate_is_graded_like_anybody(changes: dict[str, Any], verdict: Verdict) -> None:
    (finding,) = judge([record(**changes)], candidates={"Patient/1"}).findings
    assert finding.verdict is verdict


def test_a_linked_record_that_came_as_a_candidate_and_is_now_somebody_elses_is_not_shown() -> None:
    found = judge([record(**STRANGER)], link("Patient/1"), candidates={"Patient/1"})
    assert (found.facts, found.findings[0].verdict) == ((), Verdict.NOT_MEANT)


def test_a_record_that_waits_for_a_steward_is_judged_as_if_nothing_stood() -> None:
    held = link("Patient/1", status=Standing.HELD)
    assert judge([record(), condition()], held).held == {}
    assert judge([condition()], held).held == {Verdict.NO_DEMOGRAPHICS: 1}


def test_a_strangers_record_costs_only_its_own_facts() -> None:
    mine = condition()
    found = judge([record(), record("Patient/2", **STRANGER), condition("Patient/2"), mine])
    assert found.facts == (record(), mine)
    assert found.held == {Verdict.MISMATCH: 2}
    assert found.mismatched


def test_a_fact_without_a_subject_is_held_even_beside_a_certain_record() -> None:
    found = judge([record(), condition(None), condition("")])
    assert found.facts == (record(),)
    assert found.held == {Verdict.NO_SUBJECT: 2}


def test_demographics_that_contradict_themselves_about_whose_they_are_are_nobodys() -> None:
    found = judge([record("Patient/1", subject="Patient/2"), condition()])
    assert found.facts == ()
    assert found.held == {Verdict.NO_SUBJECT: 1, Verdict.NO_DEMOGRAPHICS: 1}


@pytest.mark.parametrize(
    ("links", "verdict"),
    [
        ([], Verdict.NO_DEMOGRAPHICS),
        ([link("Patient/1")], Verdict.ADMITTED),
        ([link("Patient/1", status=Standing.PRESENT_NOT_LINKED)], Verdict.NO_DEMOGRAPHICS),
        ([link("Patient/1", status=Standing.BLOCKED, by="J. Steward")], Verdict.NO_DEMOGRAPHICS),
        ([link("Patient/1", status=Standing.DOUBTED)], Verdict.STEWARD),
        ([link("Patient/1", status=Standing.DOUBTED, by="J. Steward")], Verdict.STEWARD),
        ([link("Patient/1", person="another")], Verdict.MISMATCH),
        ([link("Patient/1", person="another", status=Standing.DOUBTED)], Verdict.MISMATCH),
    ],
)
def test_facts_without_demographics_are_admitted_only_over_a_link(links: list[Link], verdict: Verdict) -> None:
    found = judge([condition()], *links)
    assert [f.verdict for f in found.findings] == [verdict]
    assert bool(found.facts) is (verdict is Verdict.ADMITTED)


@pytest.mark.parametrize(
    ("changes", "standing", "verdict"),
    [
        ({}, link("Patient/1", status=Standing.BLOCKED, by="J. Steward"), Verdict.BLOCKED),
        ({}, link("Patient/1", person="another"), Verdict.STEWARD),
        (STRANGER, link("Patient/1", person="another"), Verdict.MISMATCH),
        ({"names": (name("Michael", "Seward"),), "addresses": ()}, link("Patient/1"), Verdict.ADMITTED),
        ({"identifiers": (), "names": (), "birth_date": None}, link("Patient/1"), Verdict.ADMITTED),
        ({"names": (name("Michaela"),)}, link("Patient/1"), Verdict.STEWARD),
        ({"birth_date": "1941-03-14"}, link("Patient/1"), Verdict.STEWARD),
        ({"restricted": True}, link("Patient/1"), Verdict.STEWARD),
        (STRANGER, link("Patient/1"), Verdict.MISMATCH),
        ({"names": (name("Michaela"),)}, link("Patient/1", by="J. Steward"), Verdict.ADMITTED),
        ({"restricted": True}, link("Patient/1", by="J. Steward"), Verdict.STEWARD),
        ({"restricted": True}, link("Patient/1", by="J. Steward", evidence=("veto:restricted",)), Verdict.ADMITTED),
        ({"restricted": True}, link("Patient/1", evidence=("veto:restricted",)), Verdict.STEWARD),
        ({"entered_in_error": True}, link("Patient/1", by="J. Steward"), Verdict.STEWARD),
        (STRANGER, link("Patient/1", by="J. Steward"), Verdict.MISMATCH),
    ],
)
def test_a_link_does_not_outlive_its_reasons(changes: dict[str, Any], standing: Link, verdict: Verdict) -> None:
    found = judge([record(**changes), condition()], standing)
    assert [f.verdict for f in found.findings] == [verdict]


@pytest.mark.parametrize("by", [None, "J. Steward"])
@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, Verdict.ADMITTED),
        ({"names": (name("Michael", "Seward"),), "addresses": ()}, Verdict.PRESENT_NOT_LINKED),
        ({"identifiers": (), "names": (), "birth_date": None, "addresses": ()}, Verdict.STEWARD),
        ({"birth_date": "1941-03-14"}, Verdict.STEWARD),
        (STRANGER, Verdict.MISMATCH),
    ],
)
def test_a_doubted_link_proves_nothing_until_the_record_grades_certain(
    changes: dict[str, Any], verdict: Verdict, by: str | None
) -> None:
    found = judge([record(**changes), condition()], link("Patient/1", status=Standing.DOUBTED, by=by))
    assert [f.verdict for f in found.findings] == [verdict]
    assert bool(found.facts) is (verdict is Verdict.ADMITTED)


@pytest.mark.parametrize(
    "changes", [{"names": (name("Michaela"),)}, {"birth_date": "1941-03-14"}, {"restricted": True}, STRANGER]
)
def test_what_would_be_held_anyway_is_held_as_before_when_a_steward_has_linked_and_unlinked_it(
    changes: dict[str, Any],
) -> None:
    facts: list[Fact] = [record(**changes), condition()]
    assert judge(facts, link("Patient/1", status=Standing.BLOCKED, by="J. Steward")) == judge(facts)
    assert judge([condition()], link("Patient/1", status=Standing.BLOCKED, by="J. Steward")) == judge([condition()])


def test_two_registrations_that_agree_are_both_linked() -> None:
    found = judge([record("Patient/1"), record("Patient/2", addresses=()), condition("Patient/2")])
    assert found.links == ("Patient/1", "Patient/2")
    assert len(found.facts) == 3


@pytest.mark.parametrize("changes", [{"gender": "female"}, {"addresses": (home("3 Birch Road"),)}])
def test_two_registrations_that_contradict_each_other_are_both_held(changes: dict[str, Any]) -> None:
    found = judge([record("Patient/1"), condition(), record("Patient/2", **changes)])
    assert found.facts == ()
    assert found.held == {Verdict.STEWARD: 3}
    assert all("veto:registrations-disagree" in f.evidence for f in found.for_steward)
    assert [p.grade for p in found.proposals("gp", ME)] == [Grade.POSSIBLE] * 2, "both wait for a steward"
    decided = judge([record("Patient/1"), record("Patient/2", **changes)], link("Patient/1", by="J. Steward"))
    assert decided.links == ("Patient/1",)


def test_a_namesake_elsewhere_is_held_while_a_misspelt_record_has_the_person_s_number_and_home() -> None:
    elsewhere = record("Patient/2", addresses=(home("3 Birch Road"),))
    misspelt = record("Patient/1", names=(name("Mixhael"),))
    found = judge([misspelt, elsewhere, condition("Patient/2")])
    assert found.facts == ()
    assert [f.verdict for f in found.findings] == [Verdict.PRESENT_NOT_LINKED, Verdict.STEWARD]
    assert "veto:registrations-disagree" in found.findings[1].evidence
    assert judge([elsewhere]).links == ("Patient/2",), "by itself it is a person who moved"


def test_a_twin_filed_under_the_person_s_number_does_not_take_the_person_s_own_record_away() -> None:
    found = judge([record("Patient/1"), record("Patient/2", names=(name("Mina"),), gender="female")])
    assert found.links == ("Patient/1",)


def test_of_two_versions_of_one_record_the_worse_decides() -> None:
    found = judge([record(), record(birth_date="1941-03-14"), condition()])
    assert found.held == {Verdict.STEWARD: 3}


UNKNOWN_MALE: dict[str, Any] = {
    "identifiers": (),
    "names": (name("Unknown", "Male"),),
    "birth_date": None,
    "addresses": (),
}


def test_a_merge_at_the_source_is_followed_when_the_survivor_is_certain() -> None:
    retired = record("Patient/2", replaced_by="Patient/1", **UNKNOWN_MALE)
    found = judge([retired, condition("Patient/2"), record("Patient/1")])
    assert found.links == ("Patient/2", "Patient/1")
    assert "source-merge:survivor-certain" in found.findings[0].evidence
    chain = [record("Patient/3", replaced_by="Patient/2", **UNKNOWN_MALE), retired, record("Patient/1")]
    assert judge(list(chain)).links == ("Patient/3", "Patient/2", "Patient/1")


@pytest.mark.parametrize(
    ("retired", "survivor", "links"),
    [
        (UNKNOWN_MALE, {"identifiers": ()}, []),
        (UNKNOWN_MALE, STRANGER, []),
        ({}, STRANGER, []),
        (STRANGER, {}, []),
        (UNKNOWN_MALE | {"restricted": True}, {}, []),
        (UNKNOWN_MALE, {}, [link("Patient/2", status=Standing.BLOCKED, by="J. Steward")]),
        (UNKNOWN_MALE, {}, [link("Patient/2", person="another")]),
        (UNKNOWN_MALE, {"replaced_by": "Patient/2"}, []),
        (UNKNOWN_MALE, {"names": (name("Michaela"),)}, [link("Patient/1", by="J. Steward")]),
    ],
)
def test_a_merge_at_the_source_is_not_followed_otherwise(
    retired: dict[str, Any], survivor: dict[str, Any], links: list[Link]
) -> None:
    found = judge([record("Patient/2", replaced_by="Patient/1", **retired), record("Patient/1", **survivor)], *links)
    assert "Patient/2" not in found.links


def test_merge_notices_that_run_in_a_circle_prove_nothing() -> None:
    circle = [record("Patient/1", replaced_by="Patient/2"), record("Patient/2", replaced_by="Patient/1")]
    found = judge([*circle, record("Patient/3", replaced_by="Patient/2", **UNKNOWN_MALE)])
    assert found.links == ("Patient/1", "Patient/2")


def test_a_survivor_that_did_not_come_changes_nothing() -> None:
    assert judge([record(replaced_by="Patient/9")]).links == ("Patient/1",)
    assert judge([record(replaced_by="Patient/9", **UNKNOWN_MALE)]).links == ()


def test_a_restricted_person_stops_at_every_source_that_forbids_it() -> None:
    asked = reference(restricted=True)
    found = judge([record(), condition()], link("Patient/1"), asked=asked, forbids_restricted=True)
    assert found.facts == ()
    assert found.held == {Verdict.RESTRICTED: 2}
    assert judge([record()], asked=asked).links == ("Patient/1",)


def test_a_record_under_a_replaced_number_is_the_same_person() -> None:
    found = judge([record(identifiers=(number(EARLIER),))], asked=reference(superseded=(number(EARLIER),)))
    assert found.links == ("Patient/1",)


CHANGES = st.sampled_from(
    [{}, STRANGER, UNKNOWN_MALE, {"names": (name("Michaela"),)}, {"birth_date": "1941-03-14"}, {"restricted": True}]
)
FACTS = st.lists(
    st.one_of(
        st.builds(
            lambda i, changes, into: record(f"Patient/{i}", replaced_by=into and f"Patient/{into}", **changes),
            st.integers(1, 4),
            CHANGES,
            st.sampled_from([None, 1, 2, 3]),
        ),
        st.builds(condition, st.sampled_from([None, "Patient/1", "Patient/2", "Patient/9"])),
    ),
    max_size=8,
)


@settings(deadline=None)
@given(FACTS, st.randoms())
def test_every_fact_is_admitted_or_counted_as_held_and_order_changes_nothing(facts: list[Fact], chance: Any) -> None:
    found = judge(facts)
    assert len(found.facts) + sum(found.held.values()) == len(facts)
    assert {fact.subject for fact in found.facts} <= set(found.links)
    shuffled = list(facts)
    chance.shuffle(shuffled)
    assert sorted(judge(shuffled).links) == sorted(found.links)
    certain = {f.local_id for f in found.findings if f.grade is Grade.CERTAIN}
    assert all(
        f.local_id in certain or "source-merge:survivor-certain" in f.evidence
        for f in found.findings
        if f.local_id in found.links
    )


def test_the_circuit_opens_after_three_different_people_within_ten_minutes() -> None:
    breaker = SubjectBreaker()
    minute = timedelta(minutes=1)
    assert not breaker.note_mismatch("ed", "one", NOW)
    assert not breaker.note_mismatch("ed", "one", NOW + minute)
    assert not breaker.note_mismatch("ed", "two", NOW + minute)
    assert not breaker.note_mismatch("lab", "three", NOW + minute)
    assert not breaker.is_open("ed", NOW + minute)
    assert breaker.note_mismatch("ed", "three", NOW + 9 * minute)
    assert breaker.is_open("ed", NOW + 9 * minute)
    assert breaker.is_open("ed", NOW + 4 * minute), "a clock set back does not close it"
    assert not breaker.is_open("lab", NOW + 9 * minute)
    assert breaker.is_open("ed", NOW + 38 * minute)
    assert not breaker.is_open("ed", NOW + 39 * minute)


def test_mismatches_far_apart_open_nothing_and_a_person_may_close_what_is_open() -> None:
    breaker = SubjectBreaker(open_for=None)
    for number_, who in enumerate(("one", "two", "three", "four")):
        assert not breaker.note_mismatch("ed", who, NOW + number_ * timedelta(minutes=6))
    for who in ("five", "six"):
        breaker.note_mismatch("ed", who, NOW + timedelta(minutes=19))
    assert breaker.is_open("ed", NOW + timedelta(days=9999))
    breaker.close("ed")
    assert not breaker.is_open("ed", NOW + timedelta(minutes=20))
