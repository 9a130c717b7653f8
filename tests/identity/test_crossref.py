"""The cross-reference table on a real file: decisions, blocks, supersessions, and that the events are the truth."""

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.identity.crossref import AsyncCrossReference, CrossReference, CrossReferenceUnavailable
from gateway.identity.grade import Grade
from gateway.identity.ledger import EventKind, LinkConflict, Proposal, Standing, StewardNeeded
from tests.identity.people import EARLIER, OTHER, number

NOW = datetime(2026, 3, 17, 2, 10, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


@pytest.fixture
def table(tmp_path: Path) -> Iterator[CrossReference]:
    table = CrossReference(tmp_path / "links.db", Clock())
    yield table
    assert table.replay()
    table.close()


def proposal(person: str, local_id: str = "Patient/1", grade: Grade = Grade.CERTAIN, source: str = "gp") -> Proposal:
    return Proposal(
        source=source,
        local_id=local_id,
        person=person,
        grade=grade,
        evidence=("identifier:verified-equal",),
        rules="r1",
    )


def test_a_person_is_known_under_a_number_and_has_a_random_id(table: CrossReference) -> None:
    assert table.person_for(number()) is None
    person = table.ensure_person(number())
    assert table.ensure_person(number()) == person == table.person_for(number())
    assert number().value not in person
    assert table.ensure_person(number(OTHER)) != person
    assert [e.kind for e in table.events(person)] == [EventKind.OBSERVE]


def test_certain_is_linked_probable_is_present_possible_is_held_and_less_is_nothing(table: CrossReference) -> None:
    person = table.ensure_person(number())
    kept = table.record(
        [
            proposal(person, "a"),
            proposal(person, "b", Grade.PROBABLE),
            proposal(person, "c", Grade.POSSIBLE),
            proposal(person, "d", Grade.CERTAINLY_NOT),
        ]
    )
    assert [link and link.status for link in kept] == [
        Standing.LINKED,
        Standing.PRESENT_NOT_LINKED,
        Standing.HELD,
        None,
    ]
    (linked, _, held) = table.links(person)
    assert (linked.evidence, linked.rules, linked.decided_by) == (("identifier:verified-equal",), "r1", None)
    assert linked.at.tzinfo is not None
    assert table.standing("gp", ["a", "c", "d"]) == {"a": (linked,), "c": (held,), "d": ()}
    assert table.links_many([person, "nobody"])["nobody"] == ()


def test_the_same_decision_again_adds_no_event(table: CrossReference) -> None:
    person = table.ensure_person(number())
    table.record([proposal(person), proposal(person, "b", Grade.PROBABLE)])
    before = table.events()
    table.record([proposal(person), proposal(person, "b", Grade.PROBABLE)])
    assert table.events() == before
    table.record([proposal(person, "b"), proposal(person, "b", Grade.PROBABLE)])
    assert {link.status for link in table.links(person)} == {Standing.LINKED}


@pytest.mark.parametrize("waiting", [Grade.POSSIBLE, Grade.PROBABLE])
@pytest.mark.parametrize("later", [Grade.CERTAIN, Grade.CERTAINLY_NOT])
def test_what_waits_for_a_steward_leaves_the_list_when_it_is_certain_or_certainly_not(
    table: CrossReference, waiting: Grade, later: Grade
) -> None:
    person = table.ensure_person(number())
    table.record([proposal(person, grade=waiting)])
    table.record([proposal(person, grade=later)])
    assert [link.status for link in table.links(person)] == ([Standing.LINKED] if later is Grade.CERTAIN else [])
    assert len(table.events(person)) == 3, "nothing of it is forgotten"
    table.record([proposal(person, grade=Grade.CERTAINLY_NOT)])
    assert len(table.events(person)) == 3, "and nothing said twice, nor a link ended by a rule"


def test_a_held_record_is_kept_up_to_date_and_not_repeated(table: CrossReference) -> None:
    person = table.ensure_person(number())
    first = proposal(person, grade=Grade.POSSIBLE)
    (held,) = table.record([first])
    assert table.record([first]) == (held,)
    assert len(table.events(person)) == 2
    (vetoed,) = table.record([replace(first, evidence=("grade:certain", "veto:restricted"))])
    assert vetoed is not None
    assert (vetoed.status, vetoed.evidence[0]) == (Standing.HELD, "grade:certain")
    table.record([proposal(person, grade=Grade.PROBABLE)])
    assert [link.status for link in table.links(person)] == [Standing.PRESENT_NOT_LINKED]


@pytest.mark.parametrize("decided", [Standing.LINKED, Standing.BLOCKED])
def test_what_a_person_decided_about_a_held_record_no_rule_changes(table: CrossReference, decided: Standing) -> None:
    person = table.ensure_person(number())
    table.record([proposal(person, grade=Grade.POSSIBLE)])
    act = table.link if decided is Standing.LINKED else table.unlink
    kept = act("gp", "Patient/1", person, by="J. Steward")
    assert kept.status is decided
    for grade in Grade:
        assert table.record([proposal(person, grade=grade)]) == (kept,)


def test_a_record_that_the_rule_linked_stays_linked_while_the_guard_holds_it(table: CrossReference) -> None:
    person = table.ensure_person(number())
    (linked,) = table.record([proposal(person)])
    assert table.record([proposal(person, grade=Grade.POSSIBLE)]) == (linked,)


def test_a_held_record_is_nobodys_and_may_be_linked_to_another(table: CrossReference) -> None:
    one, other = table.ensure_person(number()), table.ensure_person(number(OTHER))
    table.record([proposal(one, grade=Grade.POSSIBLE)])
    assert [link and link.status for link in table.record([proposal(other)])] == [Standing.LINKED]
    with pytest.raises(LinkConflict):
        table.link("gp", "Patient/1", one, by="J. Steward")


def test_unlink_restores_the_earlier_view_and_blocks_automatic_linking(table: CrossReference) -> None:
    person = table.ensure_person(number())
    table.record([proposal(person, "a")])
    earlier = [link for link in table.links(person) if link.status is Standing.LINKED]
    table.record([proposal(person, "b")])
    blocked = table.unlink("gp", "b", person, by="J. Steward", reason="another person's laboratory results")
    assert (blocked.status, blocked.decided_by) == (Standing.BLOCKED, "J. Steward")
    assert [link for link in table.links(person) if link.status is Standing.LINKED] == earlier
    assert table.record([proposal(person, "b"), proposal(person, "b", Grade.PROBABLE)]) == (blocked, blocked)
    other = table.ensure_person(number(OTHER))
    assert [link and link.status for link in table.record([proposal(other, "b")])] == [Standing.LINKED]


def test_a_steward_may_link_again_what_was_blocked_and_no_machine_changes_it(table: CrossReference) -> None:
    person = table.ensure_person(number())
    table.unlink("gp", "a", person, by="J. Steward")
    linked = table.link("gp", "a", person, by="J. Steward", reason="seen the passport")
    assert table.record([proposal(person, "a", Grade.PROBABLE)]) == (linked,)
    assert [e.kind for e in table.events(person)][1:] == [EventKind.UNLINK, EventKind.LINK]


@pytest.mark.parametrize("by", ["", "  "])
def test_a_decision_by_a_person_names_the_person(table: CrossReference, by: str) -> None:
    with pytest.raises(StewardNeeded):
        table.link("gp", "a", table.ensure_person(number()), by=by)


def test_one_record_is_never_two_people(table: CrossReference) -> None:
    one, other = table.ensure_person(number()), table.ensure_person(number(OTHER))
    table.record([proposal(one)])
    assert table.record([proposal(other)]) == (None,)
    with pytest.raises(LinkConflict):
        table.link("gp", "Patient/1", other, by="J. Steward")
    table.unlink("gp", "Patient/1", one, by="J. Steward")
    assert table.link("gp", "Patient/1", other, by="J. Steward").status is Standing.LINKED


def test_a_superseded_number_leads_to_the_same_person(table: CrossReference) -> None:
    person = table.ensure_person(number(EARLIER))
    table.record([proposal(person)])
    assert table.ensure_person(number(), (number(EARLIER),)) == person
    assert table.person_for(number(EARLIER)) == person == table.person_for(number())
    assert [i.value for i in table.identifiers(person)] == [number().value, EARLIER]


def test_two_people_known_apart_become_one_on_the_authoritys_word_and_a_block_outlives_it(
    table: CrossReference,
) -> None:
    earlier, current = table.ensure_person(number(EARLIER)), table.ensure_person(number())
    table.record([proposal(earlier, "a"), proposal(earlier, "b"), proposal(current, "c")])
    table.unlink("gp", "b", current, by="J. Steward")
    assert table.ensure_person(number(), (number(EARLIER),)) == current
    assert {link.local_id: link.status for link in table.links(current)} == {
        "a": Standing.LINKED,
        "b": Standing.BLOCKED,
        "c": Standing.LINKED,
    }
    assert table.links(earlier) == ()
    assert table.person_for(number(EARLIER)) == current


def test_numbers_are_never_tied_without_the_authority(table: CrossReference) -> None:
    assert table.ensure_person(number()) != table.ensure_person(number(EARLIER))


def test_events_can_be_neither_changed_nor_removed(table: CrossReference, tmp_path: Path) -> None:
    table.ensure_person(number())
    other = sqlite3.connect(tmp_path / "links.db")
    for statement in ("UPDATE events SET person = 'x'", "DELETE FROM events"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            other.execute(statement)
    other.close()


def test_a_table_opened_again_knows_what_it_knew(tmp_path: Path) -> None:
    first = CrossReference(tmp_path / "links.db", Clock())
    person = first.ensure_person(number())
    first.record([proposal(person)])
    links, events = first.links(person), first.events()
    first.close()
    again = CrossReference(tmp_path / "links.db", Clock())
    assert (again.links(person), again.events(), again.replay()) == (links, events, True)
    assert (tmp_path / "links.db").stat().st_mode & 0o077 == 0
    again.close()


def test_a_failing_file_is_our_error_and_quotes_nothing(tmp_path: Path) -> None:
    with pytest.raises(CrossReferenceUnavailable) as caught:
        CrossReference(tmp_path / "missing" / "links.db", Clock())
    assert str(tmp_path) not in str(caught.value)
    assert caught.value.__cause__ is None
    table = CrossReference(tmp_path / "links.db", Clock())
    table.close()
    with pytest.raises(CrossReferenceUnavailable):
        table.links("anybody")


async def test_the_event_loops_face_says_the_same(table: CrossReference) -> None:
    facade = AsyncCrossReference(table)
    person = await facade.ensure_person(number())
    events = table.events()
    assert await facade.ensure_person(number()) == person
    assert await facade.record(()) == ()
    assert table.events() == events
    await facade.record([proposal(person)])
    await facade.unlink("gp", "Patient/1", person, by="J. Steward")
    linked = await facade.link("gp", "Patient/1", person, by="J. Steward")
    assert facade.links(person) == (linked,)
    assert await facade.ensure_person(number(), (number(EARLIER),)) == person
    assert facade.person_for(number(EARLIER)) == person


GRADES = {
    "record": Grade.CERTAIN,
    "probable": Grade.PROBABLE,
    "possible": Grade.POSSIBLE,
    "not": Grade.CERTAINLY_NOT,
}
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["record", "probable", "possible", "not", "link", "unlink", "supersede"]),
        st.sampled_from(["a", "b"]),
        st.sampled_from([number(), number(OTHER), number(EARLIER)]),
        st.sampled_from([number(), number(OTHER), number(EARLIER)]),
    ),
    max_size=10,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_what_stands_is_always_what_the_events_add_up_to(tmp_path_factory: pytest.TempPathFactory, steps: list) -> None:  # type: ignore[type-arg]
    table = CrossReference(tmp_path_factory.mktemp("links") / "links.db", Clock())
    for step, local_id, one, other in steps:
        person = table.ensure_person(one)
        blocked = [link for link in table.links(person) if link.status is Standing.BLOCKED]
        try:
            if step in GRADES:
                table.record([proposal(person, local_id, GRADES[step])])
            elif step == "link":
                table.link("gp", local_id, person, by="J. Steward")
            elif step == "unlink":
                table.unlink("gp", local_id, person, by="J. Steward")
            elif other != one:
                table.ensure_person(one, (other,))
        except LinkConflict:
            pass
        if step in GRADES:
            assert set(blocked) <= set(table.links(person))
        assert table.replay()
    table.close()
