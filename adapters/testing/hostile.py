"""A source over HTTP that misbehaves, on a real socket, one fault at a time and switchable while it runs.

It is what every HTTP adapter is tried against: connections refused, held, dripped, reset and cut; answers that are not
the protocol, not JSON, or not a clinical answer; statuses, redirects and links that ask for trouble; endless bodies.
`adapters.testing.misbehaviour` has the faults.

    async with hostile_server(Misbehaviour.DRIP, answer=a_good_answer) as server:
        ... ask server.base_url, with a short deadline
        await server.abandoned()      # every connection was closed by the asker
"""

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from adapters.testing.misbehaviour import PLAYS, Exchange, Misbehaviour

_DEFAULT_ANSWER = json.dumps({"resourceType": "Bundle", "type": "searchset", "entry": []}).encode()


class HostileServer:
    """A running server. `fault` and `answer` may be changed at any time."""

    def __init__(self, fault: Misbehaviour, answer: bytes, media_type: str) -> None:
        self.fault = fault
        self.answer = answer
        """The body of a good answer: what is dripped, cut and broken off."""
        self.media_type = media_type
        self.requests = 0
        """Questions that arrived here."""
        self.elsewhere = 0
        """Connections to the other origin that this server sends people to: there should be none."""
        self.sent = 0
        """Bytes of body given to the network for the last question."""
        self.scheme = "http"
        self.port = 0
        self.closed_port = 0
        self.elsewhere_port = 0
        self._talking: set[asyncio.Task[None]] = set()
        self._begun = asyncio.Event()

    @property
    def base_url(self) -> str:
        """Where to ask at the moment: under REFUSE, a port that nobody listens at."""
        port = self.closed_port if self.fault is Misbehaviour.REFUSE else self.port
        return f"{self.scheme}://127.0.0.1:{port}"

    @property
    def elsewhere_url(self) -> str:
        """Another origin, which counts who comes."""
        return f"http://127.0.0.1:{self.elsewhere_port}/elsewhere"

    async def begun(self) -> None:
        """Return when a body has begun."""
        await self._begun.wait()

    async def abandoned(self) -> None:
        """Return when no connection to this server is open any more."""
        while self._talking:
            await asyncio.wait(self._talking)

    def begin(self) -> None:
        """A body has begun."""
        self._begun.set()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection, and remember it until it is closed."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("not in a task")
        self._talking.add(task)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ssl.SSLError):
                while await self._answer(reader, writer):
                    pass
        finally:
            self._talking.discard(task)
            writer.close()
            with suppress(ConnectionError, ssl.SSLError, TimeoutError):
                async with asyncio.timeout(1.0):
                    await writer.wait_closed()
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(_content_length(head))
        self.requests += 1
        self.sent = 0
        await PLAYS[self.fault](Exchange(self, head, reader, writer))
        return not writer.is_closing()

    async def count_stray(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve the other origin: count, and close."""
        self.elsewhere += 1
        writer.close()

    def stop(self) -> None:
        """Cut every connection."""
        for task in self._talking:
            task.cancel()


@asynccontextmanager
async def hostile_server(
    fault: Misbehaviour = Misbehaviour.NONE,
    *,
    answer: bytes = _DEFAULT_ANSWER,
    media_type: str = "application/json",
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[HostileServer]:
    """A server on a loopback port that behaves like that until it is told otherwise."""
    server = HostileServer(fault, answer, media_type)
    server.scheme = "http" if tls is None else "https"
    # Bound and never listening: the port stays ours, and connecting to it is refused.
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        server.closed_port = closed.getsockname()[1]
        listener = await asyncio.start_server(server.talk, "127.0.0.1", 0, ssl=tls)
        other = await asyncio.start_server(server.count_stray, "127.0.0.1", 0)
        server.port = listener.sockets[0].getsockname()[1]
        server.elsewhere_port = other.sockets[0].getsockname()[1]
        try:
            yield server
        finally:
            # asyncio loses a connection that is being accepted while its listener closes: it gets its turns first.
            for _ in range(5):
                await asyncio.sleep(0)
            listener.close()
            other.close()
            server.stop()
            await server.abandoned()


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    return 0
