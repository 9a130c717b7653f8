"""A subscription to a person's record: what brings an update, to whom, and what ends it."""

import asyncio
import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from adapters.sdk import NHS_NUMBER
from gateway import updates as updates_of_people
from gateway.access import Grant, StaticTokens
from gateway.audit import frame_hash
from gateway.config import AUDIT_FILE
from schema.model.values import Identifier
from tests.graphql.conftest import DESK, MICHAEL, TOKENS, WARD, Running, started
from tests.graphql.laboratory import LOUISE_THERE, MICHAEL_THERE, send_potassium
from tests.graphql.subscribers import RESULTS, by, events, messages, raw_events, subscription, updates, values

CEILING_S = 60
LOUISE = "9991830006"
WARD_GRANT = Grant(user="jacky", role="Sister", organization="ZRH", purposes=("TREAT", "ETREAT"), restricted=True)


def trail(gateway: Running, where: str, *values: str) -> list[sqlite3.Row]:
    with closing(sqlite3.connect(gateway.state_dir / AUDIT_FILE)) as connection:
        connection.row_factory = sqlite3.Row
        return connection.execute(f"SELECT * FROM trail WHERE {where}", values).fetchall()


def counted(gateway: Running, user: str, kind: str = "access") -> int:
    return len(trail(gateway, "user = ? AND kind = ?", user, kind))


def code(result: Any) -> str | None:
    return result["errors"][0]["extensions"]["code"] if "errors" in result else None


async def test_a_message_of_a_feed_brings_an_update_with_the_new_result_in_it(gateway: Running) -> None:
    async with asyncio.timeout(CEILING_S), updates(gateway) as told:
        first = await anext(told)
        assert (first["sections"], first["changes"]) == ([], []), "the record as it is"
        assert first["patient"]["identifier"]["value"] == MICHAEL
        assert "6.6" not in values(first)
        await send_potassium(gateway.feed_port, "6.6")
        second = await anext(told)
    assert "6.6" in values(second)
    assert second["changes"] == [{"source": {"id": "lab"}, "cause": "FEED_MESSAGE", "sections": ["observations"]}]
    assert second["sections"] == ["observations"]


async def test_a_source_that_answers_after_the_deadline_brings_an_update(gateway: Running) -> None:
    shown = "communications { totalCount } sources { source { id } state }"
    await gateway.record("identifier { value }")
    held = gateway.faults["telehealth"].hold = asyncio.Event()
    async with asyncio.timeout(CEILING_S), updates(gateway, shown, deadline="PT2S") as told:
        first = await anext(told)
        assert {"source": {"id": "telehealth"}, "state": "PENDING"} in first["patient"]["sources"]
        held.set()
        second = await anext(told)
    (change,) = second["changes"]
    assert (change["source"]["id"], change["cause"]) == ("telehealth", "LATE_ANSWER")
    assert "communications" in change["sections"]
    assert second["patient"]["communications"]["totalCount"] > first["patient"]["communications"]["totalCount"]


@pytest.mark.parametrize("cache_bytes", [0, 5000])
async def test_a_late_answer_that_is_not_kept_is_not_asked_for_over_and_over(tmp_path: Path, cache_bytes: int) -> None:
    """Nothing is kept at all, or each type pushes out what was kept of the one before."""
    shown = f"{RESULTS} communications {{ status }} sources {{ source {{ id }} state }}"
    sized = f"[gateway]\ncache_bytes = {cache_bytes}\n"
    async with (
        asyncio.timeout(CEILING_S),
        started(tmp_path, edit=lambda config: config.replace("[gateway]\n", sized)) as gateway,
    ):
        faults = gateway.faults["telehealth"]
        held = faults.hold = asyncio.Event()
        async with updates(gateway, shown, deadline="PT2S") as told:
            await anext(told)
            held.set()
            while b'source="telehealth"' not in gateway.service.metrics.text():
                await asyncio.sleep(0.02)  # until it has come, late
            faults.hold = asyncio.Event()
            await send_potassium(gateway.feed_port, "6.6")
            second = await anext(told)
        assert [change["source"]["id"] for change in second["changes"]] == ["lab"]
        assert counted(gateway, "jacky") == 2, "for the first update and for this one: nobody looked in between"
        assert {"source": {"id": "telehealth"}, "state": "PENDING"} in second["patient"]["sources"]
        assert second["patient"]["communications"]["status"] != "COMPLETE"


async def test_a_late_answer_from_before_a_change_is_asked_for_again(gateway: Running) -> None:
    shown = "communications { totalCount }"
    await gateway.record("identifier { value }")
    held = gateway.faults["telehealth"].hold = asyncio.Event()
    async with asyncio.timeout(CEILING_S), updates(gateway, shown, deadline="PT2S") as told:
        await anext(told)
        michael = Identifier(system=NHS_NUMBER, value=MICHAEL)
        gateway.service.flights.forget(gateway.service.sources["telehealth"], [michael])
        held.set()
        (change,) = (await anext(told))["changes"]
    assert (change["source"]["id"], change["cause"]) == ("telehealth", "LATE_ANSWER")


async def test_the_first_update_is_not_from_before_it(gateway: Running) -> None:
    """What is kept of a feed may be a minute old, and nobody will be told of a message that came meanwhile."""
    await gateway.record("observations { totalCount }")
    await send_potassium(gateway.feed_port, "6.6")
    async with asyncio.timeout(CEILING_S), updates(gateway) as told:
        assert "6.6" in values(await anext(told))


async def test_what_a_flight_brings_from_before_a_change_is_not_kept(gateway: Running) -> None:
    shown = "communications { totalCount } sources { source { id } cache }"
    faults = gateway.faults["telehealth"]
    held = faults.hold = asyncio.Event()
    asking = asyncio.create_task(gateway.record(shown))
    while faults.asked == 0:  # it has left
        await asyncio.sleep(0.01)
    michael = Identifier(system=NHS_NUMBER, value=MICHAEL)
    gateway.service.flights.forget(gateway.service.sources["telehealth"], [michael])
    held.set()
    async with asyncio.timeout(CEILING_S):
        first, again = await asking, await gateway.record(shown)
    assert first["communications"] == again["communications"], "who waited for it has it"
    assert {s["source"]["id"]: s["cache"] for s in again["sources"]}["telehealth"] == "MISS"


async def test_a_late_answer_concerns_nobody_but_who_waited_for_it(tmp_path: Path) -> None:
    shown = "communications { totalCount }"
    both = TOKENS.replace('deny_sources = ["telehealth"]', "")
    async with (
        asyncio.timeout(CEILING_S),
        started(tmp_path, tokens=both) as gateway,
        updates(gateway, shown, **by(WARD)) as ward,
    ):
        await anext(ward)
        held = gateway.faults["telehealth"].hold = asyncio.Event()
        asked = counted(gateway, "jacky")
        async with updates(gateway, shown, deadline="PT2S", **by(DESK)) as desk:
            await anext(desk)
            held.set()
            assert (await anext(desk))["changes"][0]["cause"] == "LATE_ANSWER"
        gateway.service.updates.end()
        assert [update async for update in ward] == []
        assert counted(gateway, "jacky") == asked


async def test_a_feed_whose_store_cannot_be_read_is_not_silence(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.updates.ASKED_EVERY_S", 0.05)
    shown = "observations { status } sources { source { id } state }"
    store = Path(gateway.service.sources["lab"].adapter.settings.store)
    states = []
    async with asyncio.timeout(CEILING_S), updates(gateway, shown) as told:
        states.append(lab_in(await anext(told)))
        store.rename(store.with_suffix(".away"))
        lost = await anext(told)
        store.with_suffix(".away").rename(store)
        found = await anext(told)
    states += [lab_in(lost), lab_in(found)]
    assert states == ["OK", "UNAVAILABLE", "OK"]
    causes = [c["cause"] for update in (lost, found) for c in update["changes"] if c["source"]["id"] == "lab"]
    assert causes == ["ASKED_AGAIN", "ASKED_AGAIN"]


def lab_in(update: Any) -> str:
    return next(s["state"] for s in update["patient"]["sources"] if s["source"]["id"] == "lab")


async def test_another_persons_message_brings_no_update(gateway: Running) -> None:
    async with asyncio.timeout(CEILING_S), updates(gateway) as michaels, updates(gateway, number=LOUISE) as louises:
        await anext(michaels)
        await anext(louises)
        await send_potassium(gateway.feed_port, "3.3", number=LOUISE_THERE)
        assert "3.3" in values(await anext(louises))
        await send_potassium(gateway.feed_port, "6.6")
        second = await anext(michaels)
    assert "6.6" in values(second), "the first one that came to him is his own"
    assert "3.3" not in values(second)


async def test_nothing_of_a_source_that_the_policy_hides_brings_an_update(tmp_path: Path) -> None:
    hidden = TOKENS.replace('deny_sources = ["telehealth"]', 'deny_sources = ["lab"]')
    async with (
        asyncio.timeout(CEILING_S),
        started(tmp_path, tokens=hidden) as gateway,
        updates(gateway, **by(DESK)) as desk,
        updates(gateway, **by(WARD)) as ward,
    ):
        await anext(desk)
        await anext(ward)
        asked = counted(gateway, "desk")
        await send_potassium(gateway.feed_port, "6.6")
        assert "6.6" in values(await anext(ward)), "it has arrived, and who may see it was told"
        gateway.service.updates.end()
        assert [update async for update in desk] == []
        assert counted(gateway, "desk") == asked, "nobody was asked anything for it in the other's name"


async def test_a_record_that_is_unlinked_leaves_and_brings_no_update_after(gateway: Running) -> None:
    await gateway.record("observations { totalCount }")
    person = await gateway.service.crossref.person_for(Identifier(system=NHS_NUMBER, value=MICHAEL)) or ""
    async with asyncio.timeout(CEILING_S), updates(gateway, f"{RESULTS} communications {{ totalCount }}") as told:
        await anext(told)
        await gateway.service.crossref.unlink(
            "lab", f"Patient/{MICHAEL_THERE}", person or "", by="r.hale", reason="test"
        )
        await send_potassium(gateway.feed_port, "6.6")
        second = await anext(told)
        assert "6.6" not in values(second)
        assert second["sections"] == ["observations"], "what was shown of the record is shown no more"
        asked = counted(gateway, "jacky")
        await send_potassium(gateway.feed_port, "7.7")
        while counted(gateway, "jacky") == asked:  # it was looked at
            await asyncio.sleep(0.05)
        gateway.service.updates.end()
        assert [update async for update in told] == []


async def test_a_record_that_is_unlinked_leaves_though_no_source_says_anything_new(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(updates_of_people, "LOOKED_AT_EVERY_S", 0.2)
    await gateway.record("observations { totalCount }")
    person = await gateway.service.crossref.person_for(Identifier(system=NHS_NUMBER, value=MICHAEL)) or ""
    async with asyncio.timeout(CEILING_S), updates(gateway) as told:
        first = await anext(told)
        await gateway.service.crossref.unlink(
            "lab", f"Patient/{MICHAEL_THERE}", person, by="r.hale", reason="another's record"
        )
        second = await anext(told)
        assert len(values(second)) < len(values(first))
        assert [change["source"]["id"] for change in second["changes"]] == ["lab"]


def never_kept(config: str) -> str:
    """What telehealth says is asked for again with every update."""
    return config.replace('id = "telehealth"\n', 'id = "telehealth"\ncache_ttl = { default = "0s" }\n')


async def test_what_comes_while_an_update_is_made_is_one_update(tmp_path: Path) -> None:
    async with (
        asyncio.timeout(CEILING_S),
        started(tmp_path, edit=never_kept) as gateway,
        updates(gateway, f"{RESULTS} communications {{ totalCount }}") as told,
    ):
        await anext(told)
        faults = gateway.faults["telehealth"]
        held, asked = asyncio.Event(), faults.asked
        faults.hold = held
        await send_potassium(gateway.feed_port, "6.1")
        while faults.asked == asked:  # the update of the first message has begun
            await asyncio.sleep(0.02)
        for value in ("6.2", "6.3", "6.4", "6.5"):
            await send_potassium(gateway.feed_port, value)
        held.set()
        assert "6.1" in values(await anext(told))
        assert {"6.1", "6.2", "6.3", "6.4", "6.5"} <= set(values(await anext(told))), "one for all of them"


async def test_a_token_that_is_taken_away_ends_it_and_shows_nothing_more(gateway: Running) -> None:
    async with asyncio.timeout(CEILING_S), events(gateway, subscription(RESULTS)) as told:
        await anext(told)
        gateway.service.access = StaticTokens([("another-token-than-it-was-opened-with", WARD_GRANT)])
        shown = counted(gateway, "jacky", "disclosure")
        await send_potassium(gateway.feed_port, "6.6")
        rest = [result async for result in told]
    assert [code(result) for result in rest] == ["NOT_AUTHENTICATED"]
    assert rest[0]["data"] is None
    assert counted(gateway, "jacky", "disclosure") == shown


@pytest.mark.parametrize("change", [{"restricted": False}, {"deny_sources": ("lab",)}, {"purposes": ("ETREAT",)}])
async def test_another_policy_ends_it(gateway: Running, change: dict[str, Any]) -> None:
    async with asyncio.timeout(CEILING_S), events(gateway, subscription(RESULTS)) as told:
        await anext(told)
        gateway.service.access = StaticTokens([(WARD, structs.replace(WARD_GRANT, **change))])
        await send_potassium(gateway.feed_port, "6.6")
        rest = [result async for result in told]
    assert [code(result) for result in rest] == ["ACCESS_DENIED"]
    assert rest[0]["data"] is None


async def test_who_may_no_longer_watch_is_told_so_though_nothing_happens(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.updates.LOOKED_AT_EVERY_S", 0.1)
    async with asyncio.timeout(CEILING_S), events(gateway, subscription(RESULTS)) as told:
        await anext(told)
        gateway.service.access = StaticTokens([("another-token-than-it-was-opened-with", WARD_GRANT)])
        assert [code(result) async for result in told] == ["NOT_AUTHENTICATED"]


async def test_every_update_is_in_the_audit_trail_with_its_hash_before_it_leaves(gateway: Running) -> None:
    async with asyncio.timeout(CEILING_S), raw_events(gateway, subscription(RESULTS)) as told:
        bodies = [await anext(told)]
        await send_potassium(gateway.feed_port, "6.6")
        bodies.append(await anext(told))
        for body in bodies:
            (row,) = trail(gateway, "answer = ?", frame_hash(body))
            assert (row["kind"], row["user"], row["purpose"]) == ("disclosure", "jacky", "TREAT")
            assert MICHAEL in row["patient"]
            assert ["lab", "OK"] in json.loads(row["sources"])


@pytest.mark.parametrize("transport", [events, messages], ids=["events", "websocket"])
@pytest.mark.parametrize("under_way", [False, True], ids=["before the update", "during the update"])
async def test_an_audit_store_that_dies_ends_it_and_shows_nothing_more(
    tmp_path: Path, under_way: bool, transport: Any
) -> None:
    """Before it, no source is asked; during it, what was put together already is not shown."""
    query = subscription(f"{RESULTS} communications {{ totalCount }}")
    async with (
        asyncio.timeout(CEILING_S),
        started(tmp_path, edit=never_kept) as gateway,
        transport(gateway, query) as told,
    ):
        assert "errors" not in await anext(told)
        faults = gateway.faults["telehealth"]
        asked, held = faults.asked, asyncio.Event()
        faults.hold = held
        if not under_way:
            lose_audit(gateway)
        await send_potassium(gateway.feed_port, "6.6")
        if under_way:
            while faults.asked == asked:  # the update has begun, and that it has is recorded
                await asyncio.sleep(0.02)
            lose_audit(gateway)
            held.set()
        rest = [result async for result in told]
        assert [(code(result), result.get("data")) for result in rest] == [("AUDIT_UNAVAILABLE", None)]
        assert (faults.asked == asked) is not under_way
        while subscriptions_of(gateway)["open"]:
            await asyncio.sleep(0.02)
        assert subscriptions_of(gateway) == {"open": 0, "begun": 1, "AUDIT_UNAVAILABLE": 1}


@pytest.mark.parametrize("transport", [events, messages], ids=["events", "websocket"])
async def test_without_an_audit_store_nobody_subscribes(gateway: Running, transport: Any) -> None:
    lose_audit(gateway)
    async with asyncio.timeout(CEILING_S), transport(gateway, subscription(RESULTS)) as told:
        rest = [result async for result in told]
    assert [(code(result), result.get("data")) for result in rest] == [("AUDIT_UNAVAILABLE", None)]
    assert all(fault.asked == 0 for fault in gateway.faults.values())


def lose_audit(gateway: Running) -> None:
    """From now on nothing can be recorded."""
    for file in gateway.state_dir.glob(f"{AUDIT_FILE}*"):
        file.unlink()


async def test_nobody_has_more_subscriptions_than_one_may(tmp_path: Path) -> None:
    one = "[graphql]\nsubscriptions_per_user = 1\n"
    async with asyncio.timeout(CEILING_S), started(tmp_path, edit=lambda config: one + config) as gateway:
        async with updates(gateway) as told:
            await anext(told)
            async with events(gateway, subscription(RESULTS)) as refused:
                assert [code(result) async for result in refused] == ["TOO_MANY_AT_ONCE"]
            async with updates(gateway, **by(DESK)) as others:
                await anext(others)
                assert subscriptions_of(gateway) == {"open": 2, "begun": 2, "user": 1}
        refused_again = True
        while refused_again:  # until it is noticed that the first has gone
            async with events(gateway, subscription(RESULTS)) as again:
                refused_again = code(await anext(again)) == "TOO_MANY_AT_ONCE"


def subscriptions_of(gateway: Running) -> dict[str, int]:
    """What is counted of them: `open`, `begun`, by the limit at which they were refused, and by why they ended."""
    text = gateway.service.metrics.text().decode()
    counter = r'^sherwood_subscriptions_(open|begun|refused|ended)(?:_total)?(?:{\w+="(\w+)"})? (\d+)'
    return {label or what: int(count) for what, label, count in re.findall(counter, text, re.MULTILINE)}


async def test_subscriptions_are_counted_while_open_and_by_the_reason_they_ended_for(gateway: Running) -> None:
    async with asyncio.timeout(CEILING_S):
        assert subscriptions_of(gateway) == {"open": 0, "begun": 0}
        async with updates(gateway) as first, updates(gateway, number=LOUISE, **by(DESK)) as second:
            await anext(first)
            await anext(second)
            assert subscriptions_of(gateway) == {"open": 2, "begun": 2}
        while subscriptions_of(gateway)["open"]:  # until it is noticed that both have gone
            await asyncio.sleep(0.02)
        async with events(gateway, subscription(RESULTS, number="9990000042")) as refused:
            assert [code(result) async for result in refused] == ["PATIENT_NOT_FOUND"]
        async with events(gateway, subscription(RESULTS)) as told:
            await anext(told)
            gateway.service.access = StaticTokens([("another-token-than-it-was-opened-with", WARD_GRANT)])
            await send_potassium(gateway.feed_port, "6.6")
            assert [code(result) async for result in told] == ["NOT_AUTHENTICATED"]
        gateway.service.access = StaticTokens([(WARD, WARD_GRANT)])
        async with updates(gateway) as last:
            await anext(last)
            gateway.service.updates.end()
            assert [update async for update in last] == []
    ended = {"left": 2, "PATIENT_NOT_FOUND": 1, "NOT_AUTHENTICATED": 1, "going": 1}
    assert subscriptions_of(gateway) == {"open": 0, "begun": 5, **ended}


async def test_what_cannot_be_subscribed_to_is_said_at_once(gateway: Running) -> None:
    async with asyncio.timeout(CEILING_S):
        for number, expected in (("9990000042", "PATIENT_NOT_FOUND"), ("123", "IDENTIFIER_INVALID")):
            async with events(gateway, subscription(RESULTS, number=number)) as told:
                assert [code(result) async for result in told] == [expected]
        answer = await gateway.ask(subscription(RESULTS))
        assert code(answer) == "BAD_REQUEST"
        assert "text/event-stream" in answer["errors"][0]["message"]


async def test_a_stream_that_has_nothing_to_tell_says_that_it_is_there(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.web.NOT_SILENT_FOR_S", 0.05)
    headers = gateway.headers | {"Accept": "text/event-stream"}
    body = {"query": subscription("identifier { value }")}
    async with (
        asyncio.timeout(CEILING_S),
        gateway.session.post(f"{gateway.url}/graphql", json=body, headers=headers) as response,
    ):
        lines = [await response.content.readline() for _ in range(6)]
    assert lines[0] == b"event: next\n"
    assert lines[3:] == [b":\n", b"\n", b":\n"]
