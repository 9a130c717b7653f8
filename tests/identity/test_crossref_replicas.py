"""Several gateways over one cross-reference table, and a table that goes away and comes back."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.sdk.durable.server import Server
from gateway.identity.crossref import CrossReference, CrossReferenceUnavailable, open_crossref
from gateway.identity.grade import Grade
from gateway.identity.ledger import EventKind, LinkConflict, Proposal, Standing
from tests.identity.people import EARLIER, OTHER, number
from tests.support import databases

REPLICAS = 4


def clock() -> datetime:
    return datetime.now(UTC)


def certain(person: str, local_id: str = "Patient/1") -> Proposal:
    return Proposal(source="gp", local_id=local_id, person=person, grade=Grade.CERTAIN, evidence=(), rules="r1")


@pytest.fixture
async def replicas(where: Path | Server) -> AsyncIterator[list[CrossReference]]:
    """As many gateways, opened at the same moment over an empty database."""
    async with AsyncExitStack() as stack:
        opened = await asyncio.gather(*(open_crossref(where, clock) for _ in range(REPLICAS)))
        for one in opened:
            stack.push_async_callback(one.close)
        yield opened
        histories = [await one.events() for one in opened]
        assert all(history == histories[0] for history in histories), "one history"
        assert [event.seq for event in histories[0]] == list(range(1, len(histories[0]) + 1)), "no event is lost"
        assert await opened[0].replay()


async def test_replicas_that_meet_a_person_at_the_same_moment_make_one_of_them(replicas: list[CrossReference]) -> None:
    met = [one.ensure_person(number(), (number(EARLIER),)) for one in replicas for _ in range(5)]
    assert len(set(await asyncio.gather(*met))) == 1
    assert [event.kind for event in await replicas[0].events()] == [EventKind.OBSERVE] * 2


async def test_replicas_that_find_the_same_at_the_same_moment_keep_it_once(replicas: list[CrossReference]) -> None:
    person = await replicas[0].ensure_person(number())
    found = await asyncio.gather(*(one.record([certain(person)]) for one in replicas for _ in range(5)))
    assert len(set(found)) == 1
    assert [event.kind for event in await replicas[0].events()] == [EventKind.OBSERVE, EventKind.LINK]


async def test_of_two_people_to_whom_one_record_is_linked_at_the_same_moment_one_is_refused(
    replicas: list[CrossReference],
) -> None:
    people = [await replicas[0].ensure_person(number()), await replicas[0].ensure_person(number(OTHER))]
    for local_id in (f"Patient/{n}" for n in range(10)):
        decided = await asyncio.gather(
            *(
                one.link("gp", local_id, people[n % 2], by=f"Steward {n}", reason="seen")
                for n, one in enumerate(replicas)
            ),
            return_exceptions=True,
        )
        refused = [type(each) for each in decided if isinstance(each, BaseException)]
        assert refused == [LinkConflict] * (REPLICAS // 2)
        holders = {
            link.person
            for link in (await replicas[1].standing("gp", [local_id]))[local_id]
            if link.status is Standing.LINKED
        }
        assert len(holders) == 1, "no double link"
    decisions = [event for event in await replicas[0].events() if event.kind is EventKind.LINK]
    assert len(decisions) == 10 * REPLICAS // 2, "each that was told it is done is in the history"


async def test_a_block_stands_whatever_the_rule_finds_at_the_same_moment(replicas: list[CrossReference]) -> None:
    person = await replicas[0].ensure_person(number())
    for local_id in (f"Patient/{n}" for n in range(10)):
        await asyncio.gather(
            replicas[0].record([certain(person, local_id)]),
            replicas[1].unlink("gp", local_id, person, by="J. Steward", reason="another person's"),
            replicas[2].record([certain(person, local_id)]),
        )
        ((link,),) = (await replicas[3].standing("gp", [local_id])).values()
        assert link.status is Standing.BLOCKED


# --- A server that goes away ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def own() -> Iterator[databases.OwnServer]:
    with databases.own_server() as server:
        yield server


@pytest.fixture
def server(own: databases.OwnServer) -> Iterator[databases.OwnServer]:
    """A server of this test's own, not started."""
    yield own
    own.stop()


async def test_while_the_server_is_gone_nothing_is_read_from_memory_and_nothing_decided_and_then_it_goes_on(
    server: databases.OwnServer,
) -> None:
    server.start()
    table = await open_crossref(Server(url=server.url), clock)
    person = await table.ensure_person(number())
    (linked,) = await table.record([certain(person)])
    server.kill()
    for attempt in (
        table.check(),
        table.links(person),
        table.standing("gp", ["Patient/1"]),
        table.ensure_person(number()),
        table.unlink("gp", "Patient/1", person, by="J. Steward"),
    ):
        with pytest.raises(CrossReferenceUnavailable) as caught:
            await attempt
        assert "127.0.0.1" not in str(caught.value)
    server.start()
    assert await table.links(person) == (linked,)
    blocked, before = await table.unlink("gp", "Patient/1", person, by="J. Steward")
    assert (blocked.status, before) == (Standing.BLOCKED, Standing.LINKED)
    assert await table.replay()
    await table.close()


@pytest.mark.parametrize("setting", ["fsync", "synchronous_commit"])
async def test_a_server_that_may_lose_a_decision_is_refused(setting: str, server: databases.OwnServer) -> None:
    server.start(f"{setting}=off")
    with pytest.raises(CrossReferenceUnavailable, match=f"{setting} off"):
        await open_crossref(Server(url=server.url), clock)
