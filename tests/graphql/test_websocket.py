"""graphql-transport-ws: what is said in which order, by which code a connection ends, and who may open one."""

import asyncio
import json
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from gateway.access import StaticTokens
from tests.graphql import clients
from tests.graphql.conftest import DESK, MICHAEL, WARD, Running
from tests.graphql.laboratory import send_potassium
from tests.graphql.subscribers import PROTOCOL, RESULTS, by, heard, initialise, say, subscription, values, websocket
from tests.graphql.test_clients import DEFERRED
from tests.graphql.test_subscriptions import WARD_GRANT, subscriptions_of

CEILING_S = 60
SOURCES = "{ sources { id } }"


async def closed(socket: ClientConnection) -> int:
    """The code that the server ends with; whatever it says before is read."""
    with pytest.raises(ConnectionClosed) as end:  # noqa: PT012
        while True:
            await socket.recv()
    return end.value.rcvd.code if end.value.rcvd else 1006


async def subscribe(socket: ClientConnection, name: str, query: str) -> None:
    await say(socket, "subscribe", id=name, payload={"query": query})


async def test_a_query_is_answered_and_completed(gateway: Running) -> None:
    async with asyncio.timeout(CEILING_S), websocket(gateway) as socket:
        assert socket.subprotocol == PROTOCOL
        await initialise(socket)
        await subscribe(socket, "a", SOURCES)
        answer = await heard(socket)
        assert (answer["type"], answer["id"]) == ("next", "a")
        assert {"id": "lab"} in answer["payload"]["data"]["sources"]
        assert await heard(socket) == {"type": "complete", "id": "a"}
        await subscribe(socket, "a", "{ nothing }")
        error = await heard(socket)
        assert (error["type"], error["id"]) == ("error", "a")
        assert error["payload"][0]["extensions"]["code"] == "GRAPHQL_INVALID"
        await subscribe(socket, "a", SOURCES)
        assert (await heard(socket))["type"] == "next", "the id is free again after an error too"


async def test_a_subscription_lasts_until_the_client_has_enough(gateway: Running) -> None:
    async with asyncio.timeout(CEILING_S), websocket(gateway) as socket:
        await initialise(socket)
        await subscribe(socket, "mine", subscription(RESULTS))
        first = await heard(socket)
        await send_potassium(gateway.feed_port, "6.6")
        second = await heard(socket)
        assert [m["payload"]["data"]["patientUpdates"]["sections"] for m in (first, second)] == [[], ["observations"]]
        assert "6.6" in values(second["payload"]["data"]["patientUpdates"])
        await say(socket, "complete", id="mine")
        await say(socket, "ping", payload={"n": 1})
        assert await heard(socket) == {"type": "pong", "payload": {"n": 1}}, "nothing else came"
        await subscribe(socket, "mine", SOURCES)
        assert (await heard(socket))["type"] == "next"


async def test_operations_do_not_wait_for_one_another(gateway: Running) -> None:
    held = gateway.faults["pharmacy"].hold = asyncio.Event()
    async with asyncio.timeout(CEILING_S), websocket(gateway) as socket:
        await initialise(socket)
        await subscribe(socket, "slow", DEFERRED)
        assert (await heard(socket))["payload"]["hasNext"] is True
        await subscribe(socket, "fast", SOURCES)
        kinds = [(m["id"], m["type"]) for m in [await heard(socket) for _ in range(3)]]
        assert ("fast", "complete") in kinds
        held.set()
        while (message := await heard(socket))["type"] != "complete":
            assert message["id"] == "slow"


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        ([{"type": "subscribe", "id": "a", "payload": {"query": SOURCES}}], 4401),
        ([{"type": "connection_init", "payload": by("no-token-that-anybody-knows")}], 4403),
        ([{"type": "connection_init"}], 4403),
        ([{"type": "connection_init", "payload": {"Authorization": 7}}], 4400),
        ([{"type": "connection_init", "payload": by(WARD)}] * 2, 4429),
        ([{"type": "connection_init", "payload": "text"}], 4400),
        ([{"type": "next", "id": "a", "payload": {}}], 4400),
        ([{"type": "ping"}, {"no": "type"}], 4400),
        ([["a", "list"]], 4400),
    ],
)
async def test_a_connection_ends_with_the_code_of_the_protocol(
    gateway: Running, messages: list[Any], code: int
) -> None:
    async with asyncio.timeout(CEILING_S), websocket(gateway) as socket:
        for message in messages:
            await socket.send(json.dumps(message))
        assert await closed(socket) == code


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"type": "subscribe", "payload": {"query": SOURCES}}, 4400),
        ({"type": "subscribe", "id": "", "payload": {"query": SOURCES}}, 4400),
        ({"type": "subscribe", "id": "b"}, 4400),
        ({"type": "complete"}, 4400),
        ({"type": "subscribe", "id": "taken", "payload": {"query": SOURCES}}, 4409),
        ("not JSON", 4400),
        (b"\x00", 4400),
        ("x" * (1024 * 1024 + 1), 1009),
    ],
)
async def test_a_connection_that_is_used_ends_with_the_code_of_the_protocol(
    gateway: Running, message: Any, code: int
) -> None:
    async with asyncio.timeout(CEILING_S), websocket(gateway) as socket:
        await initialise(socket)
        await subscribe(socket, "taken", subscription("identifier { value }"))
        assert (await heard(socket))["type"] == "next"
        await socket.send(message if isinstance(message, str | bytes) else json.dumps(message))
        assert await closed(socket) == code


async def test_a_connection_that_is_not_initialised_in_time_ends(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.transport_ws.INITIALISED_WITHIN_S", 0.1)
    async with asyncio.timeout(CEILING_S), websocket(gateway) as socket:
        assert await closed(socket) == 4408


async def test_another_sub_protocol_is_not_spoken(gateway: Running) -> None:
    url = f"{gateway.url.replace('http', 'ws', 1)}/graphql"
    async with asyncio.timeout(CEILING_S), connect(url, subprotocols=[Subprotocol("graphql-ws")]) as socket:
        assert await closed(socket) == 4406


async def test_a_page_of_another_site_may_not_open_one(gateway: Running) -> None:
    for headers in ({"Origin": "https://portal.example.org"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        with pytest.raises(InvalidStatus) as refused:
            async with websocket(gateway, **headers):
                pass
        assert refused.value.response.status_code == 403
    async with asyncio.timeout(CEILING_S), websocket(gateway, Origin=gateway.url) as socket:
        await initialise(socket)


async def test_a_purpose_that_is_not_granted_is_refused_as_anywhere(gateway: Running) -> None:
    async with asyncio.timeout(CEILING_S), websocket(gateway) as socket:
        await say(socket, "connection_init", payload=by(DESK) | {"Sherwood-Purpose": "ETREAT"})
        await heard(socket)
        await subscribe(socket, "a", subscription("identifier { value }"))
        error = await heard(socket)
        assert (error["type"], error["payload"][0]["extensions"]["code"]) == ("error", "ACCESS_DENIED")


async def test_a_token_that_is_taken_away_ends_the_connection(gateway: Running) -> None:
    async with asyncio.timeout(CEILING_S), websocket(gateway) as socket:
        await initialise(socket)
        await subscribe(socket, "mine", subscription(RESULTS))
        await heard(socket)
        gateway.service.access = StaticTokens([("another-token-than-it-was-opened-with", WARD_GRANT)])
        await send_potassium(gateway.feed_port, "6.6")
        with pytest.raises(ConnectionClosed) as end:
            await heard(socket)
        assert end.value.rcvd is not None
        assert (end.value.rcvd.code, end.value.rcvd.reason) == (4403, "Forbidden")


async def test_nobody_has_more_operations_on_one_connection_than_one_may(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.transport_ws.MOST_OPERATIONS", 1)
    async with asyncio.timeout(CEILING_S), websocket(gateway) as socket:
        await initialise(socket)
        await subscribe(socket, "mine", subscription("identifier { value }"))
        await heard(socket)
        await subscribe(socket, "more", SOURCES)
        error = await heard(socket)
        assert (error["id"], error["payload"][0]["extensions"]["code"]) == ("more", "TOO_MANY_AT_ONCE")
        assert subscriptions_of(gateway) == {"open": 1, "begun": 1, "connection": 1}


async def test_the_reference_client_gets_parts_and_updates(gateway: Running) -> None:
    async with asyncio.timeout(CEILING_S), clients.run("ws.mjs", f"{gateway.url}/graphql", WARD, "", DEFERRED) as parts:
        told = [part async for part in parts]
    assert told[0]["data"]["patient"]["identifier"]["value"] == MICHAEL
    assert [part["hasNext"] for part in told if "hasNext" in part][-1] is False
    assert {"complete": True} in told
    async with (
        asyncio.timeout(CEILING_S),
        clients.run("ws.mjs", f"{gateway.url}/graphql", WARD, "", subscription(RESULTS)) as results,
    ):
        assert (await anext(results))["data"]["patientUpdates"]["sections"] == []
        await send_potassium(gateway.feed_port, "6.6")
        assert "6.6" in values((await anext(results))["data"]["patientUpdates"])
        gateway.service.updates.end()
        rest = [result async for result in results]
    assert rest[0] == {"complete": True}


async def test_the_reference_client_of_events_gets_updates(gateway: Running) -> None:
    async with (
        asyncio.timeout(CEILING_S),
        clients.run("sse.mjs", f"{gateway.url}/graphql", WARD, "", subscription(RESULTS)) as results,
    ):
        assert (await anext(results))["data"]["patientUpdates"]["sections"] == []
        await send_potassium(gateway.feed_port, "6.6")
        assert "6.6" in values((await anext(results))["data"]["patientUpdates"])
        gateway.service.updates.end()
        assert [result async for result in results] == [{"complete": True}]
