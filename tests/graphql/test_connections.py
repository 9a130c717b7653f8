"""Connections: how many one address may hold, how slowly it may speak and read, and how they end."""

import asyncio
import gc
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from websockets.exceptions import InvalidStatus

from gateway.connections import WebSocket
from gateway.serving import bind
from tests.graphql.conftest import WARD, Running, started
from tests.graphql.subscribers import events, heard, initialise, say, subscription, websocket
from tests.graphql.test_subscriptions import code
from tests.graphql.test_websocket import closed

CEILING_S = 60
HELLO = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


async def opened(gateway: Running, source: str = "127.0.0.1") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection that says nothing, from this address of the machine."""
    port = int(gateway.url.rpartition(":")[2])
    return await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))


async def greeted(gateway: Running, source: str) -> bytes:
    """The first line of the answer to a request from this address."""
    reader, writer = await opened(gateway, source)
    writer.write(HELLO)
    line = await reader.readline()
    writer.close()
    return line


async def test_an_address_with_too_many_connections_is_told_so_and_no_other_is_kept_out(tmp_path: Path) -> None:
    few = "[gateway]\nconnections_per_peer = 3\n"

    def edit(config: str) -> str:
        assert "[gateway]\n" in config
        return config.replace("[gateway]\n", few, 1)

    async with asyncio.timeout(CEILING_S), started(tmp_path, edit=edit) as gateway:
        idle = [await opened(gateway, "127.0.0.2") for _ in range(3)]
        assert b"429" in await greeted(gateway, "127.0.0.2")
        assert b"200" in await greeted(gateway, "127.0.0.3"), "another address is answered as ever"
        assert (await gateway.ask("{ sources { id } }"))["data"]["sources"]
        idle[0][1].close()
        while b"200" not in await greeted(gateway, "127.0.0.2"):  # until the server has noticed
            await asyncio.sleep(0.01)
        for _, writer in idle:
            writer.close()


async def test_a_websocket_too_many_is_refused(tmp_path: Path) -> None:
    few = "[gateway]\nconnections_per_peer = 1\n"
    async with (
        asyncio.timeout(CEILING_S),
        started(tmp_path, edit=lambda config: config.replace("[gateway]\n", few, 1)) as gateway,
        websocket(gateway) as first,
    ):
        await initialise(first)
        with pytest.raises(InvalidStatus) as refused:
            async with websocket(gateway):
                pass
        assert refused.value.response.status_code == 429
        await say(first, "ping")
        assert await heard(first) == {"type": "pong"}


@pytest.mark.parametrize("after_another", [False, True])
@pytest.mark.parametrize("sent", [b"\r\n", b"GET /healthz HTTP/1.1\r\nHost:"])
async def test_a_head_that_is_not_complete_in_time_is_cut(
    gateway: Running, monkeypatch: pytest.MonkeyPatch, sent: bytes, after_another: bool
) -> None:
    monkeypatch.setattr("gateway.connections.HEAD_WITHIN_S", 0.2)
    async with asyncio.timeout(CEILING_S):
        reader, writer = await opened(gateway)
        if after_another:
            writer.write(HELLO)
            await reader.readuntil(b"alive\n")
        writer.write(sent)
        assert await reader.read() == b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        writer.close()


async def test_a_connection_on_which_nothing_is_said_is_cut(gateway: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.connections.HEAD_WITHIN_S", 0.2)
    async with asyncio.timeout(CEILING_S):
        reader, writer = await opened(gateway)
        assert (await reader.read()).startswith(b"HTTP/1.1 408 ")
        writer.close()


async def test_a_request_that_takes_long_to_answer_is_not_cut(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.connections.HEAD_WITHIN_S", 0.1)
    held = gateway.faults["telehealth"].hold = asyncio.Event()
    asyncio.get_running_loop().call_later(0.5, held.set)
    record = await gateway.record("communications { totalCount } sources { source { id } state }")
    assert {"source": {"id": "telehealth"}, "state": "OK"} in record["sources"]


def narrow(host: str, port: int) -> socket.socket:
    """A listening socket whose connections hold little that was not read."""
    listening = bind(host, port)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
    return listening


@asynccontextmanager
async def deaf(gateway: Running, query: str) -> AsyncIterator[None]:
    """Somebody who subscribes and never reads a byte."""
    loop, port = asyncio.get_running_loop(), int(gateway.url.rpartition(":")[2])
    body = json.dumps({"query": query})
    head = (
        f"POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {WARD}\r\nAccept: text/event-stream\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.setblocking(False)
        await loop.sock_connect(connection, ("127.0.0.1", port))
        await loop.sock_sendall(connection, (head + body).encode())
        yield


async def test_a_subscriber_who_does_not_read_is_cut_and_keeps_no_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.graphql.conftest.bind", narrow)
    monkeypatch.setattr("gateway.connections.READ_WITHIN_S", 0.2)
    entries = "entries { nodes { id facts { id provenance { nativeId recordHash } } } }"
    long = " ".join(f"a{number}: observations {{ {entries} }}" for number in range(20))
    one = "[graphql]\nsubscriptions_per_user = 1\n"
    async with (
        asyncio.timeout(CEILING_S),
        started(tmp_path, edit=lambda config: one + config) as gateway,
        deaf(gateway, subscription(long)),
    ):
        places = []
        while "TOO_MANY_AT_ONCE" not in places or places[-1] == "TOO_MANY_AT_ONCE":
            async with events(gateway, subscription("identifier { value }")) as told:
                places.append(code(await anext(told)))


async def test_pings_whose_answers_nobody_reads_fill_no_memory(gateway: Running) -> None:
    address = gateway.url.removeprefix("http://")
    hello = (
        f"GET /graphql HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
    )
    ping = bytes([0x89, 0x80 | 125]) + bytes(4) + b"x" * 125

    def flood() -> None:
        host, _, port = address.partition(":")
        with socket.create_connection((host, int(port)), timeout=CEILING_S) as peer:
            peer.sendall(hello.encode())
            peer.recv(100)
            for _ in range(400):
                peer.sendall(ping * 500)
            held.append(
                max(one.transport.get_write_buffer_size() for one in gc.get_objects() if type(one) is WebSocket)
            )

    held: list[int] = []
    await asyncio.to_thread(flood)
    assert 0 < held[0] < 2_000_000, "26 MB were sent"


async def test_when_the_gateway_ends_so_do_subscriptions(tmp_path: Path) -> None:
    timeout = aiohttp.ClientTimeout(total=CEILING_S)
    async with aiohttp.ClientSession(timeout=timeout) as session, asyncio.timeout(CEILING_S):
        async with started(tmp_path) as gateway:
            gateway.session, given = session, gateway.session
            over_events = events(gateway, subscription("identifier { value }"))
            told = await over_events.__aenter__()
            await anext(told)
            over_socket = websocket(gateway)
            talking = await over_socket.__aenter__()
            await initialise(talking)
            await say(talking, "subscribe", id="a", payload={"query": subscription("identifier { value }")})
            await heard(talking)
            await given.close()
        assert [result async for result in told] == [], "the stream says that it is complete"
        assert await closed(talking) == 1012, "restarting: the reference client comes again"
        await over_events.__aexit__(None, None, None)
        await over_socket.__aexit__(None, None, None)
