"""One human is one person of the table by any number; what stewards are told when two are one; who is restricted."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from adapters.sdk.durable.server import Server
from gateway.identity.crossref import CrossReference, open_crossref
from gateway.identity.grade import Grade
from gateway.identity.ledger import JOINED, EventKind, Link, Standing
from gateway.identity.words import advice
from schema.model.values import Identifier
from tests.identity.people import EARLIER, OTHER, number
from tests.identity.test_crossref import Clock, place, proposal
from tests.support import databases

MRN = Identifier(system="urn:region:mrn", value="R-1")
OTHER_MRN = Identifier(system="urn:region:mrn", value="R-2")


@pytest.fixture
async def table(where: Path | Server) -> AsyncIterator[CrossReference]:
    table = await open_crossref(where, Clock())
    yield table
    assert await table.replay()
    await table.close()


async def waiting(table: CrossReference, *, restricted: bool = True) -> list[Link]:
    found, total = await table.waiting(["gp", "lab"], restricted=restricted)
    assert total == len(found)
    return [link for link, _ in found]


async def test_all_current_numbers_of_the_authority_lead_to_one_person(table: CrossReference) -> None:
    person = await table.ensure_person(number(), others=(MRN,))
    assert {await table.person_for(one) for one in (number(), MRN)} == {person}
    before = await table.events()
    assert await table.ensure_person(number(), others=(MRN,)) == person
    assert await table.events() == before, "known just so"
    assert [(i.system, i.type) for i in await table.identifiers(person)] == [
        (number().system, None),
        (MRN.system, None),
    ]


async def test_who_was_two_by_two_numbers_becomes_one_and_every_block_stands(table: CrossReference) -> None:
    by_mrn, by_number = await table.ensure_person(MRN), await table.ensure_person(number())
    await table.record([proposal(by_mrn, "a"), proposal(by_number, "b"), proposal(by_number, "c")])
    await table.unlink("gp", "c", by_mrn, by="J. Steward")
    person = await table.ensure_person(number(), others=(MRN,))
    assert person == by_number == await table.person_for(MRN)
    assert {link.local_id: link.status for link in await table.links(person)} == {
        "a": Standing.LINKED,
        "b": Standing.LINKED,
        "c": Standing.BLOCKED,
    }
    assert await table.record([proposal(person, "c")]) == (
        next(link for link in await table.links(person) if link.local_id == "c"),
    )


async def test_a_steward_is_told_when_two_who_both_had_records_are_one_until_one_has_decided(
    table: CrossReference,
) -> None:
    by_mrn, by_number = await table.ensure_person(MRN), await table.ensure_person(number())
    await table.record([proposal(by_mrn, "a"), proposal(by_number, "b"), proposal(by_number, "c")])
    await table.unlink("gp", "c", by_mrn, by="J. Steward")
    person = await table.ensure_person(number(), others=(MRN,))
    told = {link.local_id: link for link in await waiting(table)}
    assert {local_id: link.status for local_id, link in told.items()} == {
        "a": Standing.LINKED,
        "c": Standing.BLOCKED,
    }, "what came over, and what a block has ended"
    assert all(JOINED in link.evidence and "`unlink`" in advice(link) for link in told.values())
    await table.record([proposal(person, "a", Grade.POSSIBLE)])
    await table.record([proposal(person, "a")])
    assert "a" in {link.local_id for link in await waiting(table)}, "no machine decides it"
    await table.link("gp", "a", person, by="J. Steward")
    await table.unlink("gp", "c", person, by="J. Steward")
    assert await waiting(table) == []


async def test_two_whom_the_authority_took_for_one_are_two_again_once_it_takes_that_back(table: CrossReference) -> None:
    other = number(OTHER)
    hers = await table.ensure_person(other, restricted=False)
    await table.record([proposal(hers, "hers")])
    one = await table.ensure_person(other, (number(),), restricted=False)
    await table.link("lab", "of his number", one, by="J. Steward")
    await table.unlink("gp", "nobody's", one, by="J. Steward", reason="a stranger's")
    his = await table.ensure_person(number(), restricted=False)
    assert his != one == hers == await table.person_for(other)
    assert [i.value for i in await table.identifiers(one)] == [other.value], "his number is none of hers any more"
    assert [(link.local_id, link.status, link.decided_by) for link in await table.links(his)] == [
        ("nobody's", Standing.BLOCKED, "J. Steward")
    ], "nothing of hers is his; what was kept from both is kept from each"
    before = await table.events()
    assert await table.ensure_person(number(), restricted=False) == his
    assert await table.events() == before, "known just so"


async def test_a_number_that_is_stated_again_while_the_authority_is_silent_parts_nobody(table: CrossReference) -> None:
    one = await table.ensure_person(number(OTHER), (number(),), restricted=False)
    assert await table.ensure_person(number()) == one


async def test_an_ordinary_new_number_troubles_no_steward(table: CrossReference) -> None:
    earlier = await table.ensure_person(number(EARLIER))
    await table.record([proposal(earlier)])
    await table.ensure_person(number())
    await table.ensure_person(number(), (number(EARLIER),))
    assert await waiting(table) == []


async def test_a_number_that_the_authority_puts_on_two_people_does_not_make_them_one(table: CrossReference) -> None:
    one = await table.ensure_person(number(), others=(MRN,))
    await table.record([proposal(one, "a")])
    other = await table.ensure_person(number(OTHER), others=(MRN,))
    assert other != one
    assert await table.links(other) == ()
    assert (await table.person_for(MRN), await table.person_for(number())) == (other, one), "the latest word"


async def test_a_new_number_in_one_system_leaves_the_other_current(table: CrossReference) -> None:
    person = await table.ensure_person(number(), others=(MRN,))
    assert await table.ensure_person(number(), others=(OTHER_MRN,)) == person
    assert [(i.value, i.type) for i in await table.identifiers(person)] == [
        (number().value, None),
        (OTHER_MRN.value, None),
        (MRN.value, "superseded"),
    ]


@pytest.mark.parametrize("decided", [Standing.LINKED, Standing.BLOCKED])
async def test_rows_of_a_person_who_had_ended_follow_them_when_the_table_is_opened(
    table: CrossReference, where: Path | Server, decided: Standing
) -> None:
    """An earlier version wrote what it found about a person who had meanwhile turned out to be another."""
    ended, person = await table.ensure_person(number(EARLIER)), await table.ensure_person(number())
    await table.ensure_person(number(), (number(EARLIER),))
    seq = (await table.events())[-1].seq + 1
    kind = "link" if decided is Standing.LINKED else "unlink"
    by = "NULL" if decided is Standing.LINKED else "'J. Steward'"
    at = "'2026-03-17T02:10:00+00:00'"
    columns = "at, person, source, local_id, evidence, rules, decided_by, reason, seq"
    values = f"{at}, '{ended}', 'gp', 'a', '', 'r1', {by}, '', {seq}"
    await databases.run(place(where), f"INSERT INTO events ({columns}, kind, current) VALUES ({values}, '{kind}', 0)")
    await databases.run(place(where), f"INSERT INTO links ({columns}, status) VALUES ({values}, '{decided.value}')")
    again = await open_crossref(where, Clock())
    assert [(link.local_id, link.status) for link in await again.links(person)] == [("a", decided)]
    assert await again.links(ended) == ()
    assert await again.replay()
    before = await again.events()
    await again.close()
    later = await open_crossref(where, Clock())
    assert await later.events() == before, "once"
    await later.close()


async def test_what_is_judged_about_a_person_who_ends_meanwhile_is_judged_by_the_blocks_of_their_successor(
    table: CrossReference,
) -> None:
    ended, person = await table.ensure_person(number(EARLIER)), await table.ensure_person(number())
    blocked, _ = await table.unlink("gp", "a", ended, by="J. Steward")
    await table.ensure_person(number(), (number(EARLIER),))
    now, standing = await table.judged_for(ended, "gp", ["a"])
    assert now == person
    assert [(link.person, link.status) for link in standing["a"]] == [(person, Standing.BLOCKED)]
    assert blocked.person == ended


async def test_whom_the_authority_restricts_is_on_no_list_of_who_may_not_see_it_and_has_no_number_there(
    table: CrossReference,
) -> None:
    hers = await table.ensure_person(number(), restricted=True)
    his = await table.ensure_person(number(OTHER), restricted=False)
    await table.record([proposal(hers, "a", Grade.POSSIBLE), proposal(his, "b", Grade.POSSIBLE)])
    assert [link.local_id for link in await waiting(table)] == ["a", "b"]
    assert [link.local_id for link in await waiting(table, restricted=False)] == ["b"]
    assert await table.person_for(number(), restricted=False) is None
    assert await table.person_for(number(OTHER), restricted=False) == his
    await table.ensure_person(number())
    assert [link.local_id for link in await waiting(table, restricted=False)] == ["b"], "silence lifts nothing"
    await table.ensure_person(number(), restricted=False)
    assert [link.local_id for link in await waiting(table, restricted=False)] == ["a", "b"]
    kinds = [event.kind for event in await table.events(hers)]
    assert kinds == [EventKind.OBSERVE, EventKind.RESTRICT, EventKind.HOLD, EventKind.UNRESTRICT]


async def test_a_restriction_outlives_that_two_are_one(table: CrossReference) -> None:
    hers = await table.ensure_person(number(EARLIER), restricted=True)
    await table.record([proposal(hers, "a", Grade.POSSIBLE)])
    current = await table.ensure_person(number())
    assert await table.ensure_person(number(), (number(EARLIER),)) == current
    assert await waiting(table, restricted=False) == []


async def test_a_record_that_its_source_restricted_once_is_on_no_list_of_who_may_not_decide_about_it(
    table: CrossReference,
) -> None:
    person = await table.ensure_person(number())
    first = proposal(person, "a", Grade.POSSIBLE)
    await table.record([replace(first, evidence=("veto:restricted",))])
    await table.record([first])
    assert [link.local_id for link in await waiting(table)] == ["a"]
    assert await waiting(table, restricted=False) == []
