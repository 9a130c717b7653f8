"""The cross-reference table on real databases: decisions, blocks, supersessions, and that the events are the truth."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from adapters.sdk.durable.server import Server
from gateway.identity.crossref import CrossReference, CrossReferenceUnavailable, open_crossref
from gateway.identity.grade import Grade
from gateway.identity.guard import Admitted, admit
from gateway.identity.ledger import EventKind, LinkConflict, Proposal, Standing, StewardNeeded
from tests.identity.people import EARLIER, OTHER, number, record, reference
from tests.support import databases

NOW = datetime(2026, 3, 17, 2, 10, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


@pytest.fixture
async def table(where: Path | Server) -> AsyncIterator[CrossReference]:
    table = await open_crossref(where, Clock())
    yield table
    assert await table.replay()
    await table.close()


def place(where: Path | Server) -> str:
    """As `databases.run` names it."""
    return str(where) if isinstance(where, Path) else where.url


def proposal(person: str, local_id: str = "Patient/1", grade: Grade = Grade.CERTAIN, source: str = "gp") -> Proposal:
    return Proposal(
        source=source,
        local_id=local_id,
        person=person,
        grade=grade,
        evidence=("identifier:verified-equal",),
        rules="r1",
    )


async def test_a_person_is_known_under_a_number_and_has_a_random_id(table: CrossReference) -> None:
    assert await table.person_for(number()) is None
    person = await table.ensure_person(number())
    assert await table.ensure_person(number()) == person == await table.person_for(number())
    assert number().value not in person
    assert await table.ensure_person(number(OTHER)) != person
    assert [e.kind for e in await table.events(person)] == [EventKind.OBSERVE]


async def test_certain_is_linked_probable_is_present_possible_is_held_and_less_is_nothing(
    table: CrossReference,
) -> None:
    person = await table.ensure_person(number())
    kept = await table.record(
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
    (linked, _, held) = await table.links(person)
    assert (linked.evidence, linked.rules, linked.decided_by) == (("identifier:verified-equal",), "r1", None)
    assert linked.at.tzinfo is not None
    assert await table.standing("gp", ["a", "c", "d"]) == {"a": (linked,), "c": (held,), "d": ()}
    assert await table.links("nobody") == ()


async def test_the_same_decision_again_adds_no_event(table: CrossReference) -> None:
    person = await table.ensure_person(number())
    await table.record([proposal(person), proposal(person, "b", Grade.PROBABLE)])
    before = await table.events()
    await table.record([proposal(person), proposal(person, "b", Grade.PROBABLE)])
    assert await table.events() == before
    await table.record([proposal(person, "b")])
    assert {link.status for link in await table.links(person)} == {Standing.LINKED}


@pytest.mark.parametrize("waiting", [Grade.POSSIBLE, Grade.PROBABLE])
@pytest.mark.parametrize("later", [Grade.CERTAIN, Grade.CERTAINLY_NOT])
async def test_what_waits_for_a_steward_leaves_the_list_when_it_is_certain_or_certainly_not(
    table: CrossReference, waiting: Grade, later: Grade
) -> None:
    person = await table.ensure_person(number())
    await table.record([proposal(person, grade=waiting)])
    await table.record([proposal(person, grade=later)])
    assert [link.status for link in await table.links(person)] == ([Standing.LINKED] if later is Grade.CERTAIN else [])
    assert len(await table.events(person)) == 3, "nothing of it is forgotten"
    await table.record([proposal(person, grade=Grade.CERTAINLY_NOT)])
    said = 4 if later is Grade.CERTAIN else 3
    assert len(await table.events(person)) == said, "nothing said twice; a link is not ended by a rule but doubted"


async def test_a_held_record_is_kept_up_to_date_and_not_repeated(table: CrossReference) -> None:
    person = await table.ensure_person(number())
    first = proposal(person, grade=Grade.POSSIBLE)
    (held,) = await table.record([first])
    assert await table.record([first]) == (held,)
    assert len(await table.events(person)) == 2
    (vetoed,) = await table.record([replace(first, evidence=("grade:certain", "veto:restricted"))])
    assert vetoed is not None
    assert (vetoed.status, vetoed.evidence[0]) == (Standing.HELD, "grade:certain")
    await table.record([proposal(person, grade=Grade.PROBABLE)])
    assert [link.status for link in await table.links(person)] == [Standing.PRESENT_NOT_LINKED]


async def test_what_a_person_blocked_no_rule_changes(table: CrossReference) -> None:
    person = await table.ensure_person(number())
    await table.record([proposal(person, grade=Grade.POSSIBLE)])
    kept, before = await table.unlink("gp", "Patient/1", person, by="J. Steward")
    assert (kept.status, before) == (Standing.BLOCKED, Standing.HELD)
    for grade in Grade:
        assert await table.record([proposal(person, grade=grade)]) == (kept,)


CONTRADICTING = [Grade.PROBABLE, Grade.POSSIBLE, Grade.CERTAINLY_NOT]


@pytest.mark.parametrize("grade", CONTRADICTING)
@pytest.mark.parametrize("by", ["rule", "J. Steward"])
async def test_a_link_whose_record_contradicts_the_person_is_doubted_for_good_and_keeps_who_decided(
    table: CrossReference, where: Path | Server, grade: Grade, by: str
) -> None:
    person = await table.ensure_person(number())
    if by == "rule":
        (linked,) = await table.record([proposal(person)])
    else:
        linked, _ = await table.link("gp", "Patient/1", person, by=by, reason="seen the passport")
    assert linked is not None
    against = replace(proposal(person, grade=grade), evidence=("grade:probable", "given:differs"))
    (doubted,) = await table.record([against])
    assert doubted is not None
    assert (doubted.status, doubted.decided_by, doubted.reason) == (Standing.DOUBTED, linked.decided_by, linked.reason)
    assert doubted.evidence == ("grade:probable", "given:differs")
    again = await open_crossref(where, Clock())
    assert await again.links(person) == (doubted,), "another gateway knows"
    await again.close()
    for later in CONTRADICTING:
        assert await table.record([proposal(person, grade=later)]) == (doubted,), "the first contradiction is told"
    (confirmed,) = await table.record([proposal(person)])
    assert confirmed is not None
    assert (confirmed.status, confirmed.decided_by) == (Standing.LINKED, linked.decided_by)
    assert [e.kind for e in await table.events(person)][-2:] == [EventKind.DOUBT, EventKind.CONFIRM]


async def test_a_steward_ends_a_doubt_either_way(table: CrossReference) -> None:
    person = await table.ensure_person(number())
    await table.record([proposal(person), proposal(person, "b")])
    await table.record([proposal(person, grade=Grade.POSSIBLE), proposal(person, "b", Grade.POSSIBLE)])
    linked, before = await table.link("gp", "Patient/1", person, by="J. Steward")
    assert (linked.status, before) == (Standing.LINKED, Standing.DOUBTED)
    blocked, before = await table.unlink("gp", "b", person, by="J. Steward")
    assert (blocked.status, before) == (Standing.BLOCKED, Standing.DOUBTED)


async def test_a_doubted_record_is_not_linked_to_anybody_else_until_a_steward_has_said_so(
    table: CrossReference,
) -> None:
    one, other = await table.ensure_person(number()), await table.ensure_person(number(OTHER))
    await table.record([proposal(one)])
    await table.record([proposal(one, grade=Grade.CERTAINLY_NOT)])
    assert await table.record([proposal(other)]) == (None,)
    with pytest.raises(LinkConflict):
        await table.link("gp", "Patient/1", other, by="J. Steward")
    await table.unlink("gp", "Patient/1", one, by="J. Steward")
    assert (await table.link("gp", "Patient/1", other, by="J. Steward"))[0].status is Standing.LINKED


async def test_what_was_found_before_a_decision_does_not_answer_it(table: CrossReference) -> None:
    person = await table.ensure_person(number())
    (held,) = await table.record([proposal(person, grade=Grade.POSSIBLE)])
    assert held is not None
    judged = replace(proposal(person, grade=Grade.POSSIBLE), after=held.seq, evidence=("given:differs",))
    linked, _ = await table.link("gp", "Patient/1", person, by="J. Steward")
    assert await table.record([judged]) == (linked,), "no doubt: it was found without knowing of the link"
    assert (await table.record([replace(judged, after=linked.seq)]))[0] != linked


async def test_a_held_record_is_nobodys_and_may_be_linked_to_another(table: CrossReference) -> None:
    one, other = await table.ensure_person(number()), await table.ensure_person(number(OTHER))
    await table.record([proposal(one, grade=Grade.POSSIBLE)])
    assert [link and link.status for link in await table.record([proposal(other)])] == [Standing.LINKED]
    with pytest.raises(LinkConflict):
        await table.link("gp", "Patient/1", one, by="J. Steward")


async def test_unlink_restores_the_earlier_view_and_blocks_automatic_linking(table: CrossReference) -> None:
    person = await table.ensure_person(number())
    await table.record([proposal(person, "a")])
    earlier = [link for link in await table.links(person) if link.status is Standing.LINKED]
    await table.record([proposal(person, "b")])
    blocked, _ = await table.unlink("gp", "b", person, by="J. Steward", reason="another person's laboratory results")
    assert (blocked.status, blocked.decided_by) == (Standing.BLOCKED, "J. Steward")
    assert [link for link in await table.links(person) if link.status is Standing.LINKED] == earlier
    assert await table.record([proposal(person, "b"), proposal(person, "b", Grade.PROBABLE)]) == (blocked, blocked)
    other = await table.ensure_person(number(OTHER))
    assert [link and link.status for link in await table.record([proposal(other, "b")])] == [Standing.LINKED]


async def test_a_steward_may_link_again_what_was_blocked_and_no_machine_changes_it(table: CrossReference) -> None:
    person = await table.ensure_person(number())
    await table.unlink("gp", "a", person, by="J. Steward")
    linked, before = await table.link("gp", "a", person, by="J. Steward", reason="seen the passport")
    assert (linked.status, before) == (Standing.LINKED, Standing.BLOCKED)
    assert await table.record([proposal(person, "a")]) == (linked,)
    assert [e.kind for e in await table.events(person)][1:] == [EventKind.UNLINK, EventKind.LINK]


@pytest.mark.parametrize("by", ["", "  "])
async def test_a_decision_by_a_person_names_the_person(table: CrossReference, by: str) -> None:
    with pytest.raises(StewardNeeded):
        await table.link("gp", "a", await table.ensure_person(number()), by=by)


async def test_one_record_is_never_two_people(table: CrossReference) -> None:
    one, other = await table.ensure_person(number()), await table.ensure_person(number(OTHER))
    await table.record([proposal(one)])
    assert await table.record([proposal(other)]) == (None,)
    with pytest.raises(LinkConflict):
        await table.link("gp", "Patient/1", other, by="J. Steward")
    await table.unlink("gp", "Patient/1", one, by="J. Steward")
    assert (await table.link("gp", "Patient/1", other, by="J. Steward"))[0].status is Standing.LINKED


async def test_a_superseded_number_leads_to_the_same_person(table: CrossReference) -> None:
    person = await table.ensure_person(number(EARLIER))
    await table.record([proposal(person)])
    assert await table.ensure_person(number(), (number(EARLIER),)) == person
    assert await table.person_for(number(EARLIER)) == person == await table.person_for(number())
    assert [i.value for i in await table.identifiers(person)] == [number().value, EARLIER]


async def test_two_people_known_apart_become_one_on_the_authoritys_word_and_a_block_outlives_it(
    table: CrossReference,
) -> None:
    earlier, current = await table.ensure_person(number(EARLIER)), await table.ensure_person(number())
    await table.record([proposal(earlier, "a"), proposal(earlier, "b"), proposal(current, "c")])
    await table.unlink("gp", "b", current, by="J. Steward")
    assert await table.ensure_person(number(), (number(EARLIER),)) == current
    assert {link.local_id: link.status for link in await table.links(current)} == {
        "a": Standing.LINKED,
        "b": Standing.BLOCKED,
        "c": Standing.LINKED,
    }
    assert await table.links(earlier) == ()
    assert await table.person_for(number(EARLIER)) == current


async def test_numbers_are_never_tied_without_the_authority(table: CrossReference) -> None:
    assert await table.ensure_person(number()) != await table.ensure_person(number(EARLIER))


async def test_events_can_be_neither_changed_nor_removed(table: CrossReference, where: Path | Server) -> None:
    await table.ensure_person(number())
    before = await table.events()
    statements = ["UPDATE events SET person = 'x'", "DELETE FROM events"]
    if isinstance(where, Path):
        columns = "seq, at, kind, person, evidence, rules, reason, current"
        statements.append(f"INSERT OR REPLACE INTO events ({columns}) VALUES (1, '', 'link', 'x', '', '', '', 0)")
    else:
        statements.append("TRUNCATE events")
    for statement in statements:
        with pytest.raises((sqlite3.IntegrityError, asyncpg.RaiseError), match="append-only"):
            await databases.run(place(where), statement)
    assert await table.events() == before


async def test_a_server_on_which_events_may_be_changed_is_refused(database: str) -> None:
    await databases.emptied(database)
    await (await open_crossref(Server(url=database), Clock())).close()
    await databases.run(database, "ALTER TABLE events DISABLE TRIGGER events_stay")
    with pytest.raises(CrossReferenceUnavailable, match="switched off"):
        await open_crossref(Server(url=database), Clock())


async def test_a_table_opened_again_knows_what_it_knew(where: Path | Server) -> None:
    first = await open_crossref(where, Clock())
    person = await first.ensure_person(number())
    await first.record([proposal(person)])
    links, events = await first.links(person), await first.events()
    await first.close()
    again = await open_crossref(where, Clock())
    assert (await again.links(person), await again.events(), await again.replay()) == (links, events, True)
    await again.close()
    if isinstance(where, Path):
        assert where.stat().st_mode & 0o077 == 0


async def test_a_failing_file_is_our_error_and_quotes_nothing(tmp_path: Path) -> None:
    with pytest.raises(CrossReferenceUnavailable) as caught:
        await open_crossref(tmp_path / "missing" / "links.db", Clock())
    assert str(tmp_path) not in str(caught.value)
    assert caught.value.__cause__ is None
    table = await open_crossref(tmp_path / "links.db", Clock())
    (tmp_path / "links.db").unlink()
    with pytest.raises(CrossReferenceUnavailable):
        await table.links("anybody")
    await table.close()


async def test_a_local_id_that_not_every_database_can_keep_is_refused_by_all(table: CrossReference) -> None:
    person = await table.ensure_person(number())
    with pytest.raises(CrossReferenceUnavailable):
        await table.standing("gp", ["Patient/1\0"])
    with pytest.raises(CrossReferenceUnavailable):
        await table.record([proposal(person, "Patient/1\0")])
    assert await table.links(person) == ()


async def test_nothing_is_written_for_a_person_who_is_known_just_so(table: CrossReference) -> None:
    person = await table.ensure_person(number(), (number(EARLIER),))
    events = await table.events()
    assert await table.ensure_person(number(), (number(EARLIER),)) == person
    assert await table.record(()) == ()
    assert await table.events() == events


async def test_the_work_list_holds_what_waits_the_longest_first_and_nothing_that_is_decided(
    table: CrossReference,
) -> None:
    one, other = await table.ensure_person(number()), await table.ensure_person(number(OTHER))
    restricted = replace(proposal(other, "r", Grade.POSSIBLE), evidence=("grade:certain", "veto:restricted"))
    await table.record(
        [
            proposal(one, "held", Grade.POSSIBLE),
            proposal(other, "present", Grade.PROBABLE, source="lab"),
            proposal(one, "linked"),
            proposal(one, "doubted"),
            proposal(one, "elsewhere", Grade.POSSIBLE, source="hidden"),
            restricted,
        ]
    )
    await table.record([proposal(one, "doubted", Grade.POSSIBLE)])
    await table.unlink("gp", "blocked", one, by="J. Steward")
    found, total = await table.waiting(("gp", "lab"), restricted=False)
    assert [link.local_id for link, _ in found] == ["held", "present", "doubted"]
    assert total == 3
    assert [identifier.value for _, identifier in found] == [number().value, OTHER, number().value]
    everything, total = await table.waiting(("gp", "lab"), restricted=True)
    assert [link.local_id for link, _ in everything] == ["held", "present", "r", "doubted"]
    (held, _), *rest = everything
    assert await table.waiting(("gp", "lab"), restricted=True, after=held.seq) == (tuple(rest), total)
    assert await table.waiting(("gp", "lab"), restricted=True, limit=1) == (everything[:1], total)
    assert await table.waiting((), restricted=True) == ((), 0)


RESTRICTED = ("grade:certain", "veto:restricted")


async def test_a_decision_about_a_record_that_was_ever_restricted_keeps_that_it_was(table: CrossReference) -> None:
    one, other = await table.ensure_person(number()), await table.ensure_person(number(OTHER))
    assert not await table.ever_restricted("gp", "r")
    await table.record([replace(proposal(one, "r", Grade.POSSIBLE), evidence=RESTRICTED)])
    await table.record([proposal(one, "r", Grade.CERTAINLY_NOT)])
    assert (await table.standing("gp", ["r"]))["r"] == (), "the row is gone"
    assert await table.ever_restricted("gp", "r")
    assert not await table.ever_restricted("lab", "r")
    linked, _ = await table.link("gp", "r", other, by="J. Steward")
    assert linked.evidence == ("veto:restricted",)
    blocked, _ = await table.unlink("gp", "r", other, by="J. Steward")
    assert blocked.evidence == ("veto:restricted",)
    unmarked, _ = await table.link("gp", "open", other, by="J. Steward")
    assert unmarked.evidence == ()


async def test_a_record_restricted_after_a_steward_linked_it_is_doubted_until_one_decides_knowing_it(
    table: CrossReference,
) -> None:
    person = await table.ensure_person(number())
    await table.link("gp", "Patient/1", person, by="J. Steward")
    marked = record(restricted=True)

    async def judged() -> Admitted:
        standing = await table.standing("gp", ["Patient/1"])
        found = admit([marked], reference(), person=person, standing=standing)
        await table.record(found.proposals("gp", person))
        return found

    assert (await judged()).links == ()
    ((doubted, _),), _ = await table.waiting(("gp",), restricted=True)
    assert (doubted.status, doubted.decided_by) == (Standing.DOUBTED, "J. Steward")
    await table.link("gp", "Patient/1", person, by="K. Steward")
    assert (await judged()).links == ("Patient/1",)


async def test_what_is_found_about_somebody_who_has_turned_out_to_be_another_is_kept_for_the_other(
    table: CrossReference,
) -> None:
    ended = await table.ensure_person(number(EARLIER))
    person = await table.ensure_person(number())
    await table.ensure_person(number(), (number(EARLIER),))
    kept = await table.record(
        [proposal(ended, "held", Grade.PROBABLE), proposal(ended, "linked"), proposal("nobody", "lost", Grade.PROBABLE)]
    )
    assert [link and (link.person, link.status) for link in kept] == [
        (person, Standing.PRESENT_NOT_LINKED),
        (person, Standing.LINKED),
        None,
    ]
    decided, _ = await table.unlink("gp", "linked", ended, by="J. Steward")
    assert decided.person == person
    ((waits, identifier),), total = await table.waiting(("gp",), restricted=True)
    assert (waits.local_id, identifier.value, total) == ("held", number().value, 1)


async def test_a_row_about_somebody_who_has_ended_does_not_take_the_work_list_away(tmp_path: Path) -> None:
    where = tmp_path / "links.db"
    table = await open_crossref(where, Clock())
    await table.record([proposal(await table.ensure_person(number()), "held", Grade.POSSIBLE)])
    with closing(sqlite3.connect(where)) as database, database:
        database.execute(
            "INSERT INTO links SELECT source, 'left', 'ended', status, evidence, rules, decided_by, reason, at, seq "
            "FROM links"
        )
    ((waits, _),), total = await table.waiting(("gp",), restricted=True)
    assert (waits.local_id, total) == ("held", 1)
    await table.close()


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


async def followed(folder: Path, steps: list) -> None:  # type: ignore[type-arg]
    table = await open_crossref(folder / "links.db", Clock())
    for step, local_id, one, other in steps:
        person = await table.ensure_person(one)
        blocked = [link for link in await table.links(person) if link.status is Standing.BLOCKED]
        try:
            if step in GRADES:
                await table.record([proposal(person, local_id, GRADES[step])])
            elif step == "link":
                await table.link("gp", local_id, person, by="J. Steward")
            elif step == "unlink":
                await table.unlink("gp", local_id, person, by="J. Steward")
            elif other != one:
                await table.ensure_person(one, (other,))
        except LinkConflict:
            pass
        if step in GRADES:
            assert set(blocked) <= set(await table.links(person))
        assert await table.replay()
    await table.close()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_what_stands_is_always_what_the_events_add_up_to(tmp_path_factory: pytest.TempPathFactory, steps: list) -> None:  # type: ignore[type-arg]
    asyncio.run(followed(tmp_path_factory.mktemp("links"), steps))
