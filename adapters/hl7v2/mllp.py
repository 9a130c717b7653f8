"""HL7 over TCP: the minimal lower layer protocol. HL7 v2.5.1 appendix C.2; HL7 Transport Specification MLLP, release 2.

A frame is VT, the message, FS CR. What stands between frames is skipped and counted. Every wait here has an end: on our
side the call's deadline over the whole exchange, on the server's side a deadline for each frame.
"""

import asyncio
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Any, Self, TypeVar

from adapters.sdk.contract import Call
from adapters.sdk.errors import SourceError, SourceInvalid, SourceTimeout, SourceUnavailable

START = b"\x0b"
END = b"\x1c\x0d"
ACK = b"\x06"
NAK = b"\x15"
"""Frames of these alone accept or refuse what was sent (release 2)."""

_CHUNK = 64 * 1024

T = TypeVar("T")


def frame(payload: bytes) -> bytes:
    return START + payload + END


class FrameTooLarge(SourceInvalid):
    """A frame over the cap; `head` is how it began, as far as it was read."""

    def __init__(self, head: bytes) -> None:
        super().__init__("the source sent a frame larger than max_frame_bytes")
        self.head = head


class FrameReader:
    """Frames out of a stream that may be cut anywhere. Each byte is looked at a fixed number of times."""

    def __init__(self, max_frame_bytes: int) -> None:
        self._max = max_frame_bytes
        self._open = False
        self._buffer = bytearray()
        self.junk = 0
        """Bytes skipped since the last frame."""

    @property
    def inside(self) -> bool:
        """True while a frame has begun and not ended."""
        return self._open

    def feed(self, chunk: bytes) -> list[bytes]:
        """The frames that `chunk` completes.

        Raises SourceInvalid for a frame over the cap, as much junk, or a frame that begins inside another one.
        """
        frames: list[bytes] = []
        at = 0
        while at < len(chunk):
            at = self._inside(chunk, at, frames) if self._open else self._between(chunk, at)
        return frames

    def _between(self, chunk: bytes, at: int) -> int:
        start = chunk.find(START, at)
        self.junk += (len(chunk) if start < 0 else start) - at
        if self.junk > self._max:
            raise SourceInvalid("the source sends bytes that are not MLLP frames")
        if start < 0:
            return len(chunk)
        self._open = True
        return start + 1

    def _inside(self, chunk: bytes, at: int, frames: list[bytes]) -> int:
        if self._buffer[-1:] == END[:1] and chunk[at : at + 1] == END[1:]:
            del self._buffer[-1:]
            return self._complete(frames, at + 1)
        end = chunk.find(END, at)
        stop = end if end >= 0 else len(chunk)
        # The last byte may be the FS of an end that is not complete yet: one more is allowed.
        if len(self._buffer) + stop - at > self._max + (end < 0):
            raise FrameTooLarge(bytes(self._buffer + chunk[at:stop])[: self._max])
        if chunk.find(START, at, stop) >= 0:
            raise SourceInvalid("the source began a frame inside another one")
        self._buffer += chunk[at:stop]
        return self._complete(frames, end + len(END)) if end >= 0 else stop

    def _complete(self, frames: list[bytes], at: int) -> int:
        frames.append(bytes(self._buffer))
        self._buffer.clear()
        self._open = False
        self.junk = 0
        return at


class Connection:
    """One connection to a source, good until the call's deadline; use with `async with`."""

    def __init__(self, host: str, port: int, call: Call, max_frame_bytes: int, tls: ssl.SSLContext | None) -> None:
        self._address = (host, port)
        self._call = call
        self._tls = tls
        self._frames = FrameReader(max_frame_bytes)
        self._ready: list[bytes] = []
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter | None = None

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await self._bounded(self._connect())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, e: BaseException | None, t: TracebackType | None
    ) -> None:
        if self._writer is not None:
            # Not close(): over TLS it would wait for a peer that may never say goodbye.
            self._writer.transport.abort()
            await asyncio.sleep(0)

    async def exchange(self, payload: bytes) -> bytes:
        """Send one message and return the first one that comes back."""
        return await self._bounded(self._exchange(payload))

    async def receive(self) -> bytes:
        """The next message on this connection."""
        return await self._bounded(self._receive())

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = self._address
        return await asyncio.open_connection(
            host, port, ssl=self._tls, server_hostname=host if self._tls else None, limit=_CHUNK
        )

    async def _exchange(self, payload: bytes) -> bytes:
        assert self._writer is not None  # noqa: S101
        self._writer.write(frame(payload))
        await self._writer.drain()
        return await self._receive()

    async def _receive(self) -> bytes:
        while not self._ready:
            chunk = await self._reader.read(_CHUNK)
            if not chunk:
                raise self._broken_off()
            self._ready += self._frames.feed(chunk)
        return self._ready.pop(0)

    def _broken_off(self) -> SourceError:
        if self._frames.junk and not self._frames.inside:
            return SourceInvalid("the source answered with bytes that are not an MLLP frame")
        return SourceUnavailable("the source closed the connection before its answer was complete")

    async def _bounded(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` until the call's deadline at most: a total, however slowly bytes drip in."""
        if not self._call.remaining_s():
            work.close()
            raise SourceTimeout("there was no time left to ask the source")
        try:
            async with asyncio.timeout(self._call.remaining_s()):
                return await work
        except TimeoutError:
            raise SourceTimeout("the source did not answer completely in time") from None
        except ssl.SSLError:
            raise SourceUnavailable("the TLS connection to the source could not be made or kept") from None
        except OSError:
            raise SourceUnavailable("the source could not be reached or broke the connection off") from None


Handler = Callable[[bytes], Awaitable[bytes | tuple[bytes, ...] | None]]
"""Answers a message, with none, one or several; None breaks the connection off."""


class _Server:
    def __init__(
        self,
        handler: Handler,
        max_frame_bytes: int,
        read_deadline_s: float,
        per_peer: int,
        idle_s: float | None,
        oversize: Handler | None,
    ) -> None:
        self._handler = handler
        self._max = max_frame_bytes
        self._read_deadline_s = read_deadline_s
        self._idle_s = read_deadline_s if idle_s is None else idle_s
        self._oversize = oversize
        self._per_peer = per_peer
        self._peers: Counter[str] = Counter()
        self.tasks: set[asyncio.Task[None]] = set()
        self.closing = False

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = str((writer.get_extra_info("peername") or ("",))[0])
        if self.closing or self._peers[peer] >= self._per_peer:
            writer.transport.abort()
            return
        self._peers[peer] += 1
        task = asyncio.ensure_future(self._serve(reader, writer))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        # Here and not in the task: one that is cancelled before its first step never comes to its own end.
        task.add_done_callback(lambda _: self._gone(peer, writer))

    def _gone(self, peer: str, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()
        self._peers[peer] -= 1
        if not self._peers[peer]:
            del self._peers[peer]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        frames = FrameReader(self._max)
        try:
            while received := await self._read(reader, frames):
                for payload in received:
                    answer = await self._handler(payload)
                    if answer is None:
                        return
                    await self._write(writer, answer)
        except FrameTooLarge as error:
            with suppress(OSError, TimeoutError):
                await self._write(writer, (await self._oversize(error.head) if self._oversize else None) or NAK)
        except SourceInvalid:
            with suppress(OSError, TimeoutError):
                await self._write(writer, NAK)
        except (OSError, TimeoutError):
            return

    async def _write(self, writer: asyncio.StreamWriter, answer: bytes | tuple[bytes, ...]) -> None:
        writer.writelines(frame(payload) for payload in ((answer,) if isinstance(answer, bytes) else answer))
        async with asyncio.timeout(self._read_deadline_s):
            await writer.drain()

    async def _read(self, reader: asyncio.StreamReader, frames: FrameReader) -> list[bytes]:
        """The next complete frames; empty at the end of the stream.

        The wait for the first byte may be long; from there on one deadline is over all of it: no dripping.
        """
        async with asyncio.timeout(self._read_deadline_s if frames.inside else self._idle_s):
            chunk = await reader.read(_CHUNK)
        async with asyncio.timeout(self._read_deadline_s):
            while chunk:
                if found := frames.feed(chunk):
                    return found
                chunk = await reader.read(_CHUNK)
        return []


@asynccontextmanager
async def serve(
    handler: Handler,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    max_frame_bytes: int = 1024 * 1024,
    read_deadline_s: float = 30.0,
    max_connections_per_peer: int = 32,
    tls: ssl.SSLContext | None = None,
    idle_s: float | None = None,
    oversize: Handler | None = None,
) -> AsyncIterator[int]:
    """Answer MLLP frames with `handler`; yields the port.

    A peer may hold `max_connections_per_peer` connections; a connection that is silent for `idle_s` (by default as
    long as the next) or has not sent a whole frame `read_deadline_s` after its beginning is closed; a frame that
    cannot be accepted is answered with NAK, a longer one than `max_frame_bytes` with what `oversize` makes of its
    beginning, and the connection is closed.
    """
    state = _Server(handler, max_frame_bytes, read_deadline_s, max_connections_per_peer, idle_s, oversize)
    server = await asyncio.start_server(state.accept, host, port, ssl=tls, limit=_CHUNK)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        state.closing = True
        for task in state.tasks:
            task.cancel()
        await asyncio.gather(*state.tasks, return_exceptions=True)
        # A connection that was accepted just now comes to `accept`, and aborted ones are closed, a few turns later.
        for _ in range(5):
            await asyncio.sleep(0)
