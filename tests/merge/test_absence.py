"""Sections and their silences: never absence where there was silence. MERGE.md section 3."""

from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.merge import section
from schema.model.clinical import AllergyIntolerance, Condition, Polarity
from schema.model.fact import PATIENT_NOT_FOUND, Gap, GapKind
from schema.model.view import EmptyReason, Section, SectionSource, SectionStatus, SourceState
from tests.merge.making import SOURCES, at, coded, merged, stating

NKA = {"code": coded("716186003"), "polarity": Polarity.ABSENT}
PENICILLIN = {"code": coded("91936005"), "clinical_status": "active"}
REFUTED = {**PENICILLIN, "verification_status": "refuted"}
WRONG = {**PENICILLIN, "entered_in_error": True}


def heard(source: str, *kinds: GapKind, state: SourceState = SourceState.OK, facts: int = 0) -> SectionSource:
    return SectionSource(source=SOURCES[source], state=state, facts=facts, gaps=tuple(Gap(kind=kind) for kind in kinds))


def allergies(*sources: SectionSource, stated: tuple[dict[str, Any], ...] = ()) -> Section[AllergyIntolerance]:
    facts = stating(AllergyIntolerance, *(("a", fields) for fields in stated))
    return section(AllergyIntolerance, merged(facts), sources)


def outcome(
    *sources: SectionSource, stated: tuple[dict[str, Any], ...] = ()
) -> tuple[SectionStatus, EmptyReason | None]:
    made = allergies(*sources, stated=stated)
    return made.status, made.empty_reason


def listening(
    *kinds: GapKind, code: str | None = None, state: SourceState = SourceState.OK, facts: int = 0
) -> SectionSource:
    """Source "f", which only listens."""
    gaps = tuple(Gap(kind=kind, code=code) for kind in kinds)
    return SectionSource(source=SOURCES["f"], state=state, facts=facts, gaps=gaps, complete_from=at("2026-01-06T06:00"))


STRANGER = listening(GapKind.NOT_HELD, code=PATIENT_NOT_FOUND, state=SourceState.NOT_LINKED)
COMPLETE, PARTIAL, UNAVAILABLE = SectionStatus.COMPLETE, SectionStatus.PARTIAL, SectionStatus.UNAVAILABLE
SILENT = [
    (heard("a", state=SourceState.UNAVAILABLE), EmptyReason.UNAVAILABLE),
    (heard("a", state=SourceState.PENDING), EmptyReason.UNAVAILABLE),
    (heard("a", state=SourceState.PARTIAL), EmptyReason.UNAVAILABLE),
    (heard("a", GapKind.UNREADABLE), EmptyReason.UNAVAILABLE),
    (heard("a", GapKind.TRUNCATED), EmptyReason.UNAVAILABLE),
    (heard("a", GapKind.UNSUPPORTED), EmptyReason.UNAVAILABLE),
    (heard("a", GapKind.FAILED), EmptyReason.UNAVAILABLE),
    (heard("a", GapKind.WITHHELD), EmptyReason.WITHHELD),
    (heard("a", state=SourceState.WITHHELD), EmptyReason.WITHHELD),
    (heard("a", GapKind.WITHHELD, state=SourceState.PARTIAL), EmptyReason.WITHHELD),
    (heard("a", state=SourceState.NOT_ASKED), EmptyReason.NOT_ASKED),
    (heard("a", state=SourceState.NOT_LINKED), EmptyReason.NOT_ASKED),
]
HEARD = [
    (heard("a", GapKind.NOT_RECORDED), EmptyReason.NOT_RECORDED),
    (heard("a"), EmptyReason.NOT_RECORDED),
    (heard("a", GapKind.NOT_HELD), EmptyReason.NOT_HELD),
    (heard("a", GapKind.NOT_HELD, state=SourceState.NOT_ASKED), EmptyReason.NOT_HELD),
    (heard("a", GapKind.NONE_KNOWN), EmptyReason.NONE_KNOWN),
]


@pytest.mark.parametrize(("source", "reason"), SILENT)
def test_silence_of_one_source_is_never_absence(source: SectionSource, reason: EmptyReason) -> None:
    empty = heard("b", GapKind.NOT_RECORDED)
    assert outcome(source, empty) == (PARTIAL, reason)
    assert outcome(source, heard("b", facts=1), stated=(PENICILLIN,)) == (PARTIAL, None)
    assert outcome(source, heard("b", facts=1), stated=(NKA,)) == (PARTIAL, reason)


@pytest.mark.parametrize(("source", "reason"), HEARD)
def test_an_answer_with_nothing_in_it_says_which_nothing(source: SectionSource, reason: EmptyReason) -> None:
    assert outcome(source) == (COMPLETE, reason)


def test_of_several_reasons_the_worst_is_named_whatever_their_order() -> None:
    ranked = [
        heard("a", GapKind.TRUNCATED),
        heard("b", GapKind.WITHHELD),
        heard("c", state=SourceState.NOT_ASKED),
        heard("d", GapKind.NOT_RECORDED),
        heard("e", GapKind.NOT_HELD),
        heard("f", GapKind.NONE_KNOWN),
    ]
    reasons = list(EmptyReason)
    for start in range(len(ranked)):
        for sources in permutations(ranked[start:]):
            assert outcome(*sources)[1] is reasons[start]


def test_none_known_needs_a_complete_section_and_a_statement() -> None:
    assert outcome(heard("a", facts=1), heard("b", GapKind.NOT_RECORDED), stated=(NKA,)) == (
        COMPLETE,
        EmptyReason.NONE_KNOWN,
    )
    assert outcome(heard("a", facts=1), heard("b", GapKind.NOT_HELD), stated=(NKA,)) == (
        COMPLETE,
        EmptyReason.NONE_KNOWN,
    )
    assert outcome(heard("a", facts=1), heard("b", GapKind.NARRATIVE_ONLY), stated=(NKA,)) == (PARTIAL, None)
    assert outcome(heard("a", facts=2), stated=(NKA, PENICILLIN)) == (COMPLETE, None)


def test_a_refuted_allergy_alone_does_not_say_that_there_is_none() -> None:
    assert outcome(heard("a", facts=1), stated=(REFUTED,)) == (COMPLETE, None)
    assert outcome(heard("a", facts=1), stated=({**REFUTED, "polarity": Polarity.ABSENT},)) == (COMPLETE, None)
    assert outcome(heard("a", facts=2), stated=(REFUTED, NKA)) == (COMPLETE, EmptyReason.NONE_KNOWN)


def test_an_entry_entered_in_error_leaves_the_section_empty() -> None:
    assert outcome(heard("a", facts=1), heard("b", GapKind.NOT_RECORDED), stated=(WRONG,)) == (
        COMPLETE,
        EmptyReason.NOT_RECORDED,
    )


def test_words_without_entries_are_partial_and_not_empty() -> None:
    assert outcome(heard("a", GapKind.NARRATIVE_ONLY)) == (PARTIAL, None)
    assert outcome(heard("a", GapKind.NARRATIVE_ONLY), heard("b", GapKind.NOT_RECORDED)) == (PARTIAL, None)
    down = heard("b", state=SourceState.UNAVAILABLE)
    assert outcome(heard("a", GapKind.NARRATIVE_ONLY), down) == (PARTIAL, EmptyReason.UNAVAILABLE)


@pytest.mark.parametrize("state", [SourceState.UNAVAILABLE, SourceState.PENDING])
def test_when_nobody_in_scope_answered_the_section_is_unavailable(state: SourceState) -> None:
    assert outcome(heard("a", state=state)) == (UNAVAILABLE, EmptyReason.UNAVAILABLE)
    assert outcome(heard("a", state=state), heard("b", GapKind.NOT_HELD)) == (UNAVAILABLE, EmptyReason.UNAVAILABLE)
    assert outcome(heard("a", state=state, facts=1), stated=(PENICILLIN,)) == (PARTIAL, None)


def test_a_source_that_does_not_know_the_person_breaks_nothing() -> None:
    unknown = SectionSource(
        source=SOURCES["b"],
        state=SourceState.NOT_LINKED,
        gaps=(Gap(kind=GapKind.NOT_HELD, code=PATIENT_NOT_FOUND),),
    )
    assert outcome(heard("a", facts=1), unknown, stated=(PENICILLIN,)) == (COMPLETE, None)


def test_what_a_source_that_only_listens_does_not_have_may_have_been_before_it_began() -> None:
    nothing, beside = listening(GapKind.NOT_RECORDED), heard("a", GapKind.NOT_RECORDED)
    assert outcome(nothing) == (PARTIAL, EmptyReason.NOT_RECORDED)
    assert outcome(nothing, beside) == (PARTIAL, EmptyReason.NOT_RECORDED)
    assert outcome(nothing, heard("a", GapKind.NONE_KNOWN)) == (PARTIAL, EmptyReason.NOT_RECORDED)
    assert outcome(nothing, heard("a", state=SourceState.PENDING)) == (PARTIAL, EmptyReason.UNAVAILABLE)
    assert outcome(listening(facts=1), beside, stated=(PENICILLIN,)) == (PARTIAL, None)
    assert outcome(listening(facts=1), stated=(WRONG,)) == (PARTIAL, EmptyReason.NOT_RECORDED)


def test_none_known_is_not_said_over_what_a_source_that_only_listens_cannot_know() -> None:
    assert outcome(heard("a", facts=1), listening(GapKind.NOT_RECORDED), stated=(NKA,)) == (PARTIAL, None)
    assert outcome(heard("a", facts=1), STRANGER, stated=(NKA,)) == (PARTIAL, None)
    assert outcome(listening(facts=1), stated=(NKA,)) == (PARTIAL, None), "what it was told may be of one visit"
    assert outcome(listening(GapKind.NONE_KNOWN)) == (PARTIAL, EmptyReason.NOT_RECORDED)


def test_a_source_that_only_listens_may_have_known_the_person_before_it_began() -> None:
    assert outcome(STRANGER) == (PARTIAL, EmptyReason.NOT_HELD)
    assert outcome(STRANGER, heard("a", GapKind.NOT_RECORDED)) == (PARTIAL, EmptyReason.NOT_RECORDED)
    assert outcome(STRANGER, heard("a", state=SourceState.UNAVAILABLE)) == (PARTIAL, EmptyReason.UNAVAILABLE)
    assert outcome(STRANGER, heard("a", facts=1), stated=(PENICILLIN,)) == (PARTIAL, None)


def test_of_what_a_source_that_only_listens_does_not_hold_at_all_it_has_missed_nothing() -> None:
    holds_no_such_thing = listening(GapKind.NOT_HELD)
    assert outcome(holds_no_such_thing) == (COMPLETE, EmptyReason.NOT_HELD)
    assert outcome(holds_no_such_thing, heard("a", facts=1), stated=(NKA,)) == (COMPLETE, EmptyReason.NONE_KNOWN)


@pytest.mark.parametrize("state", [SourceState.UNAVAILABLE, SourceState.PENDING])
def test_a_source_that_only_listens_and_was_not_heard_is_unavailable_like_any_other(state: SourceState) -> None:
    assert outcome(listening(state=state)) == (UNAVAILABLE, EmptyReason.UNAVAILABLE)


def test_a_source_out_of_scope_that_also_fails_was_in_scope_after_all() -> None:
    assert outcome(heard("a", GapKind.NOT_HELD, GapKind.FAILED)) == (PARTIAL, EmptyReason.UNAVAILABLE)


def test_no_source_at_all_is_an_empty_section_without_a_reason() -> None:
    assert outcome() == (COMPLETE, None)


def test_negative_conditions_make_none_known_too() -> None:
    entries = merged(stating(Condition, ("a", {"code": coded("160245001"), "polarity": Polarity.ABSENT})))
    made = section(Condition, entries, [heard("a", facts=1)])
    assert (made.fact_type, made.empty_reason) == ("Condition", EmptyReason.NONE_KNOWN)


ANSWER = {"state": st.sampled_from(list(SourceState)), "facts": st.integers(0, 2)}
ASKED = st.builds(heard, st.sampled_from("abc"), st.sampled_from(list(GapKind)), **ANSWER)
CODE = st.sampled_from([None, PATIENT_NOT_FOUND])
LISTENING = st.builds(listening, st.sampled_from(list(GapKind)), code=CODE, **ANSWER)
SOURCE = ASKED | LISTENING


@settings(max_examples=300, derandomize=True, deadline=None, database=None)
@given(st.lists(SOURCE, max_size=4), st.lists(st.sampled_from([NKA, PENICILLIN, REFUTED, WRONG]), max_size=3))
def test_none_known_is_never_said_beside_a_silence(sources: list[SectionSource], stated: list[dict[str, Any]]) -> None:
    made = allergies(*sources, stated=tuple(stated))
    if made.empty_reason is EmptyReason.NONE_KNOWN:
        assert made.status is COMPLETE
        assert PENICILLIN not in stated
        assert not any(s.state in (SourceState.PENDING, SourceState.UNAVAILABLE, SourceState.WITHHELD) for s in sources)
    if any(s.complete_from and s.gaps[0] != Gap(kind=GapKind.NOT_HELD) for s in sources):
        assert made.status is not COMPLETE
    if PENICILLIN in stated:
        assert made.empty_reason is None
        assert made.status is not UNAVAILABLE
