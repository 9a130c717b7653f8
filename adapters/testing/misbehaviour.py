"""What a hostile source does wrong, and how each fault is put on the wire.

`adapters.testing.hostile` is the server that plays them. HTTP/1.1 is written by hand (RFC 9112), because a library
would not let us break it. A new fault is a member of `Misbehaviour` and a play.
"""

import asyncio
import json
import socket
import struct
import zlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from enum import Enum
from functools import cache
from typing import Protocol

from adapters.testing.simulation import LOGIN_PAGE


class Misbehaviour(Enum):
    """What the server does wrong; the value says it in words."""

    NONE = "answers as it should"
    # the connection
    REFUSE = "refuses the connection"
    HANG_BEFORE_HEADERS = "accepts the question and never answers"
    HANG_MID_HEADERS = "stops in the middle of the headers"
    HANG_MID_BODY = "stops in the middle of the body"
    DRIP = "sends the body one byte a second"
    RESET = "resets the connection instead of an answer"
    RESET_MID_BODY = "resets the connection in the middle of the body"
    TRUNCATED = "closes the connection before the announced length is there"
    # the protocol
    NOT_HTTP = "does not speak HTTP"
    ENDLESS_HEADERS = "sends headers without end"
    BROKEN_CHUNKS = "sends a chunked body whose framing is broken"
    UNASKED_ENCODING = "encodes the body in a way that was not asked for"
    NOT_GZIP = "says gzip and sends something else"
    GZIP_CUT = "sends half of a gzip body as if it were all"
    # the answer
    GARBAGE = "answers 200 with random bytes"
    EMPTY = "answers 200 with an empty body"
    LOGIN_PAGE = "answers 200 with an HTML login page"
    SESSION_EXPIRED = "answers 200 with an error inside"
    OPERATION_OUTCOME = "answers 200 with an OperationOutcome instead of the answer"
    WRONG_CHARSET = "answers in another charset than JSON's"
    DEEP_JSON = "answers with JSON nested 100,000 deep"
    HUGE_INTEGER = "answers with an integer of 100,000 digits"
    NOT_A_NUMBER = "answers with NaN in its JSON"
    DUPLICATE_KEYS = "answers with the same key twice in a JSON object"
    # the status
    ECHO_400 = "answers 400 and quotes the question"
    ECHO_500 = "answers 500 and quotes the question"
    UNAUTHORIZED = "answers 401"
    FORBIDDEN = "answers 403"
    NOT_FOUND = "answers 404"
    THROTTLED = "answers 429 without Retry-After"
    THROTTLED_SECONDS = "answers 429 with Retry-After in seconds"
    THROTTLED_DATE = "answers 429 with Retry-After as a date"
    THROTTLED_ABSURD = "answers 429 with an absurd Retry-After"
    BUSY = "answers 503 without Retry-After"
    BUSY_SECONDS = "answers 503 with Retry-After in seconds"
    BUSY_DATE = "answers 503 with Retry-After as a date"
    BUSY_ABSURD = "answers 503 with an absurd Retry-After"
    # elsewhere
    REDIRECT_LOOP = "redirects to itself"
    REDIRECT_ELSEWHERE = "redirects to another origin"
    REDIRECT_METADATA = "redirects to a cloud's metadata address"
    LINK_ELSEWHERE = "links to another origin for the next page"
    ENDLESS_PAGING = "has always one page more"
    # size
    HUGE_BODY = "sends 200 MB without saying so before"
    HUGE_BODY_ANNOUNCED = "announces and sends 200 MB"
    GZIP_BOMB = "sends a little gzip that is 200 MB"


HUGE = 200 * 1024 * 1024
METADATA_ADDRESS = "http://169.254.169.254/latest/meta-data/"
_ABSURD = "9" * 400


class Playing(Protocol):
    """What a play knows of the server that it is played at."""

    answer: bytes
    """The body of a good answer."""
    media_type: str
    requests: int
    sent: int
    """Bytes of body given to the network for this question: counted here."""

    @property
    def base_url(self) -> str: ...

    @property
    def elsewhere_url(self) -> str: ...

    def begin(self) -> None: ...


class Exchange:
    """One question, and the means to answer it badly."""

    def __init__(
        self, server: Playing, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.server = server
        self.head = head
        self._reader = reader
        self._writer = writer

    async def raw(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def headers(self, *lines: str, status: str = "200 OK", media_type: str | None = None) -> None:
        first = (f"HTTP/1.1 {status}", f"Content-Type: {media_type or self.server.media_type}", *lines)
        await self.raw("".join(f"{line}\r\n" for line in first).encode() + b"\r\n")

    async def body(self, data: bytes) -> None:
        self.server.sent += len(data)
        await self.raw(data)
        self.server.begin()

    async def whole(self, body: bytes, *lines: str, status: str = "200 OK", media_type: str | None = None) -> None:
        await self.headers(f"Content-Length: {len(body)}", *lines, status=status, media_type=media_type)
        await self.body(body)

    async def until_abandoned(self) -> None:
        """Hold the line without a word until the asker hangs up."""
        while await self._reader.read(65536):
            pass
        self._writer.close()

    async def abandoned_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self.until_abandoned()
        except TimeoutError:
            return False
        return True

    def hang_up(self) -> None:
        self._writer.close()

    def reset(self) -> None:
        connection = self._writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


Play = Callable[[Exchange], Awaitable[None]]
PLAYS: dict[Misbehaviour, Play] = {}
"""How each is done; complete when this module is imported."""


def _plays(*faults: Misbehaviour) -> Callable[[Play], Play]:
    def register(play: Play) -> Play:
        for fault in faults:
            PLAYS[fault] = play
        return play

    return register


@_plays(Misbehaviour.NONE, Misbehaviour.REFUSE)
async def _good(ask: Exchange) -> None:
    await ask.whole(ask.server.answer)


@_plays(Misbehaviour.HANG_BEFORE_HEADERS)
async def _hang_before_headers(ask: Exchange) -> None:
    await ask.until_abandoned()


@_plays(Misbehaviour.HANG_MID_HEADERS)
async def _hang_mid_headers(ask: Exchange) -> None:
    await ask.raw(b"HTTP/1.1 200 OK\r\nContent-Type: application/js")
    await ask.until_abandoned()


async def _half(ask: Exchange) -> None:
    answer = ask.server.answer
    await ask.headers(f"Content-Length: {len(answer)}")
    await ask.body(answer[: len(answer) // 2])


@_plays(Misbehaviour.HANG_MID_BODY)
async def _hang_mid_body(ask: Exchange) -> None:
    await _half(ask)
    await ask.until_abandoned()


@_plays(Misbehaviour.DRIP)
async def _drip(ask: Exchange) -> None:
    answer = ask.server.answer
    await ask.headers(f"Content-Length: {len(answer)}")
    for position in range(len(answer)):
        await ask.body(answer[position : position + 1])
        if await ask.abandoned_within(1.0):
            return


@_plays(Misbehaviour.RESET)
async def _reset(ask: Exchange) -> None:
    ask.reset()


@_plays(Misbehaviour.RESET_MID_BODY)
async def _reset_mid_body(ask: Exchange) -> None:
    await _half(ask)
    ask.reset()


@_plays(Misbehaviour.TRUNCATED)
async def _truncated(ask: Exchange) -> None:
    await _half(ask)
    ask.hang_up()


@_plays(Misbehaviour.NOT_HTTP)
async def _not_http(ask: Exchange) -> None:
    await ask.raw(b"220 ready for mail\r\n\r\n")
    ask.hang_up()


@_plays(Misbehaviour.ENDLESS_HEADERS)
async def _endless_headers(ask: Exchange) -> None:
    await ask.raw(b"HTTP/1.1 200 OK\r\n")
    line = b"X-More: and more of the same, and more of the same, and more of the same\r\n"
    while True:
        await ask.body(line * 100)


@_plays(Misbehaviour.BROKEN_CHUNKS)
async def _broken_chunks(ask: Exchange) -> None:
    await ask.headers("Transfer-Encoding: chunked")
    await ask.body(b"zz\r\n" + ask.server.answer + b"\r\n0\r\n\r\n")
    ask.hang_up()


@_plays(Misbehaviour.UNASKED_ENCODING)
async def _unasked_encoding(ask: Exchange) -> None:
    await ask.whole(zlib.compress(ask.server.answer), "Content-Encoding: deflate")


@_plays(Misbehaviour.NOT_GZIP)
async def _not_gzip(ask: Exchange) -> None:
    await ask.whole(ask.server.answer, "Content-Encoding: gzip")


@_plays(Misbehaviour.GZIP_CUT)
async def _gzip_cut(ask: Exchange) -> None:
    packed = zlib.compress(ask.server.answer, wbits=31)
    await ask.whole(packed[: len(packed) // 2], "Content-Encoding: gzip")


def _answers(body: bytes, media_type: str | None = None) -> Play:
    async def play(ask: Exchange) -> None:
        await ask.whole(body, media_type=media_type)

    return play


_OUTCOME = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "exception"}]}
_BEGINNING = b'{"resourceType": "Bundle", "type": "searchset", "total": '

PLAYS |= {
    Misbehaviour.GARBAGE: _answers(bytes((17 * n * n + 31) % 256 for n in range(4096))),
    Misbehaviour.EMPTY: _answers(b""),
    Misbehaviour.LOGIN_PAGE: _answers(LOGIN_PAGE.encode(), "text/html; charset=utf-8"),
    Misbehaviour.SESSION_EXPIRED: _answers(b'{"error": "session expired"}'),
    Misbehaviour.OPERATION_OUTCOME: _answers(json.dumps(_OUTCOME).encode()),
    Misbehaviour.WRONG_CHARSET: _answers(_BEGINNING + '0, "text": "Zoë"}'.encode("latin-1")),
    Misbehaviour.DEEP_JSON: _answers(_BEGINNING + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    Misbehaviour.HUGE_INTEGER: _answers(_BEGINNING + b"9" * 100_000 + b"}"),
    Misbehaviour.NOT_A_NUMBER: _answers(_BEGINNING + b"NaN}"),
    Misbehaviour.DUPLICATE_KEYS: _answers(_BEGINNING + b'0, "entry": [], "entry": []}'),
}


def _status(status: str, *lines: str) -> Play:
    async def play(ask: Exchange) -> None:
        await ask.whole(b"{}", *lines, status=status)

    return play


def _echo(status: str) -> Play:
    async def play(ask: Exchange) -> None:
        await ask.whole(ask.head, status=status, media_type="text/plain")

    return play


def _retry_at(status: str) -> Play:
    async def play(ask: Exchange) -> None:
        moment = datetime.now(UTC) + timedelta(seconds=60)
        await ask.whole(b"{}", f"Retry-After: {format_datetime(moment, usegmt=True)}", status=status)

    return play


PLAYS |= {
    Misbehaviour.ECHO_400: _echo("400 Bad Request"),
    Misbehaviour.ECHO_500: _echo("500 Internal Server Error"),
    Misbehaviour.UNAUTHORIZED: _status("401 Unauthorized", 'WWW-Authenticate: Bearer realm="source"'),
    Misbehaviour.FORBIDDEN: _status("403 Forbidden"),
    Misbehaviour.NOT_FOUND: _status("404 Not Found"),
    Misbehaviour.THROTTLED: _status("429 Too Many Requests"),
    Misbehaviour.THROTTLED_SECONDS: _status("429 Too Many Requests", "Retry-After: 7"),
    Misbehaviour.THROTTLED_DATE: _retry_at("429 Too Many Requests"),
    Misbehaviour.THROTTLED_ABSURD: _status("429 Too Many Requests", f"Retry-After: {_ABSURD}"),
    Misbehaviour.BUSY: _status("503 Service Unavailable"),
    Misbehaviour.BUSY_SECONDS: _status("503 Service Unavailable", "Retry-After: 7"),
    Misbehaviour.BUSY_DATE: _retry_at("503 Service Unavailable"),
    Misbehaviour.BUSY_ABSURD: _status("503 Service Unavailable", f"Retry-After: {_ABSURD}"),
    Misbehaviour.REDIRECT_METADATA: _status("302 Found", f"Location: {METADATA_ADDRESS}"),
}


@_plays(Misbehaviour.REDIRECT_LOOP)
async def _redirect_loop(ask: Exchange) -> None:
    target = ask.head.split(b" ", 2)[1].decode("latin-1")
    await ask.whole(b"", f"Location: {target}", status="307 Temporary Redirect")


@_plays(Misbehaviour.REDIRECT_ELSEWHERE)
async def _redirect_elsewhere(ask: Exchange) -> None:
    await ask.whole(b"", f"Location: {ask.server.elsewhere_url}", status="302 Found")


async def _page(ask: Exchange, following: str) -> None:
    """One page that names the next in each of the usual ways."""
    page = {
        "resourceType": "Bundle",
        "type": "searchset",
        "link": [{"relation": "next", "url": following}],
        "links": {"next": following},
        "next": following,
        "entry": [],
        "items": [],
    }
    await ask.whole(json.dumps(page).encode(), f'Link: <{following}>; rel="next"')


@_plays(Misbehaviour.LINK_ELSEWHERE)
async def _link_elsewhere(ask: Exchange) -> None:
    await _page(ask, ask.server.elsewhere_url)


@_plays(Misbehaviour.ENDLESS_PAGING)
async def _endless_paging(ask: Exchange) -> None:
    await _page(ask, f"{ask.server.base_url}/page/{ask.server.requests}")


_BLOCK = b" " * (1024 * 1024)


@_plays(Misbehaviour.HUGE_BODY)
async def _huge_body(ask: Exchange) -> None:
    await ask.headers("Transfer-Encoding: chunked")
    for _ in range(HUGE // len(_BLOCK)):
        await ask.body(b"%x\r\n" % len(_BLOCK) + _BLOCK + b"\r\n")
    await ask.raw(b"0\r\n\r\n")


@_plays(Misbehaviour.HUGE_BODY_ANNOUNCED)
async def _huge_body_announced(ask: Exchange) -> None:
    await ask.headers(f"Content-Length: {HUGE}")
    for _ in range(HUGE // len(_BLOCK)):
        await ask.body(_BLOCK)


@_plays(Misbehaviour.GZIP_BOMB)
async def _gzip_bomb(ask: Exchange) -> None:
    await ask.whole(gzip_bomb(), "Content-Encoding: gzip")


@cache
def gzip_bomb() -> bytes:
    """A valid gzip body of 200 MB of JSON white space, in one member (RFC 1952), quickly made.

    A megabyte is deflated once and ended with a full flush, so that its block can be repeated.
    """
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = deflate.compress(_BLOCK) + deflate.flush(zlib.Z_FULL_FLUSH)
    checksum = 0
    for _ in range(HUGE // len(_BLOCK)):
        checksum = zlib.crc32(_BLOCK, checksum)
    head = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"
    return head + block * (HUGE // len(_BLOCK)) + deflate.flush() + struct.pack("<II", checksum, HUGE)
