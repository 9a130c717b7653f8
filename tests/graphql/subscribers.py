"""Who subscribes in tests: over server-sent events and over a WebSocket, one result after the other."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.graphql.conftest import MICHAEL, WARD, Running

RESULTS = "observations { entries { nodes { code { display } valueQuantity { value } } } }"
CHANGES = "changes { source { id } cause sections } sections"
PROTOCOL = Subprotocol("graphql-transport-ws")


def subscription(selection: str, *, number: str = MICHAEL, deadline: str = "PT20S") -> str:
    return (
        f'subscription {{ patientUpdates(identifier: {{value: "{number}"}}, deadline: "{deadline}") '
        f"{{ {CHANGES} patient {{ identifier {{ value }} {selection} }} }} }}"
    )


@asynccontextmanager
async def events(gateway: Running, query: str, **headers: str) -> AsyncIterator[AsyncIterator[Any]]:
    """Every result that comes as an event; the iterator ends when the server says that it was the last."""
    async with raw_events(gateway, query, **headers) as told:
        yield (json.loads(body) async for body in told)


@asynccontextmanager
async def raw_events(gateway: Running, query: str, **headers: str) -> AsyncIterator[AsyncIterator[bytes]]:
    """The same as the bytes that came."""
    told = gateway.headers | {"Accept": "text/event-stream"} | headers
    timeout = aiohttp.ClientTimeout(total=None)
    body = {"query": query}
    async with gateway.session.post(f"{gateway.url}/graphql", json=body, headers=told, timeout=timeout) as response:
        assert response.content_type == "text/event-stream", await response.text()

        async def read() -> AsyncIterator[bytes]:
            while line := await response.content.readuntil(b"\n"):
                if line.startswith(b"data: "):
                    yield line[6:-1]
                if line == b"event: complete\n":
                    return

        yield read()


@asynccontextmanager
async def updates(
    gateway: Running, selection: str = RESULTS, *, number: str = MICHAEL, deadline: str = "PT20S", **headers: str
) -> AsyncIterator[AsyncIterator[Any]]:
    """The updates themselves, the first one there already; no error is among them."""
    query = subscription(selection, number=number, deadline=deadline)
    async with events(gateway, query, **headers) as results:

        async def told() -> AsyncIterator[Any]:
            async for result in results:
                assert "errors" not in result, result["errors"]
                yield result["data"]["patientUpdates"]

        yield told()


def by(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def values(update: Any, code: str = "Potassium") -> list[str]:
    """The values of these results in the record of an update."""
    nodes = update["patient"]["observations"]["entries"]["nodes"]
    return [n["valueQuantity"]["value"] for n in nodes if n["code"]["display"] == code and n["valueQuantity"]]


@asynccontextmanager
async def websocket(gateway: Running, **headers: str) -> AsyncIterator[ClientConnection]:
    """A connection that has not said anything yet."""
    url = f"{gateway.url.replace('http', 'ws', 1)}/graphql"
    async with connect(url, subprotocols=[PROTOCOL], additional_headers=headers, max_size=None) as open_one:
        yield open_one


async def say(socket: ClientConnection, kind: str, **more: Any) -> None:
    await socket.send(json.dumps({"type": kind, **more}))


async def heard(socket: ClientConnection) -> Any:
    return json.loads(await socket.recv())


@asynccontextmanager
async def messages(gateway: Running, query: str) -> AsyncIterator[AsyncIterator[Any]]:
    """Over a WebSocket what `events` is over events; after the last result nothing but the answer to a ping comes."""
    async with websocket(gateway) as socket:
        await initialise(socket)
        await say(socket, "subscribe", id="1", payload={"query": query})

        async def told() -> AsyncIterator[Any]:
            while (message := await heard(socket))["type"] != "complete":
                if message["type"] == "error":
                    yield {"errors": message["payload"]}
                    break
                assert message["payload"].get("data"), "what has no data comes as an error"
                yield message["payload"]
            await say(socket, "ping")
            assert await heard(socket) == {"type": "pong"}

        yield told()


async def initialise(socket: ClientConnection, token: str = WARD) -> None:
    await say(socket, "connection_init", payload=by(token))
    assert await heard(socket) == {"type": "connection_ack"}
