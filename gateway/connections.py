"""Connections, before anybody has asked anything: how many one address may hold, and how slowly it may speak or read.

uvicorn's own limit counts everybody together, so that one address with idle sockets keeps all others out. Here each
address is counted by itself, and told when it has too many. The head of a request must be complete in time, and whoever
does not read what was sent is cut: nobody holds a connection for nothing.
"""

import asyncio
from typing import Any

import uvicorn
from starlette.responses import JSONResponse
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from gateway.operation import refusal
from schema.gql.errors import ErrorCode

HEAD_WITHIN_S = 10.0
READ_WITHIN_S = 30.0
"""In this time whoever is sent something reads some of it."""
UNTOLD = 2
"""So many times as many connections as one address may hold are told so; those beyond are dropped."""
_LATE_HEAD = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_TOO_MANY = JSONResponse(
    refusal(ErrorCode.TOO_MANY_AT_ONCE, "This address holds as many connections as one may: close some."),
    status_code=429,
    headers={"connection": "close", "retry-after": "10"},
)


class Limits(uvicorn.Config):
    """How the server is run, and how many connections one address may hold."""

    def __init__(self, app: ASGIApp, *, per_peer: int, **more: Any) -> None:
        super().__init__(app, **more, http=Http, ws=WebSocket)
        self.per_peer = per_peer


class _Read(asyncio.Protocol):
    """Cuts a connection whose peer reads nothing of what was written to it."""

    transport: asyncio.Transport
    _unread: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        super().pause_writing()
        self._look_again()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._rest()

    def connection_lost(self, problem: Exception | None) -> None:
        self._rest()
        super().connection_lost(problem)

    def _look_again(self) -> None:
        unread = self.transport.get_write_buffer_size()
        self._unread = asyncio.get_running_loop().call_later(READ_WITHIN_S, self._look, unread)

    def _look(self, before: int) -> None:
        if self.transport.get_write_buffer_size() < before:
            self._look_again()
        else:
            self.transport.abort()

    def _rest(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None


class WebSocket(_Read, WebSocketsSansIOProtocol):
    """A WebSocket whose peer reads. It was counted when it was opened."""

    def handle_ping(self) -> None:
        """Answers to pings that nobody reads would fill the memory: while there is something unread, none is kept."""
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()


class Http(_Read, HttpToolsProtocol):
    """An HTTP connection of a peer that has not too many, and that sends the head of a request in time."""

    config: Limits
    _head: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        held = self._held()
        if held > UNTOLD * self.config.per_peer:
            transport.abort()
        elif held > self.config.per_peer:
            self.app = _TOO_MANY
        self._await_head()

    def data_received(self, data: bytes) -> None:
        # uvicorn stops waiting for the next request when anything comes, even an empty line.
        if self._head is None and (self.cycle is None or self.cycle.response_complete):
            self._await_head()
        super().data_received(data)

    def on_headers_complete(self) -> None:
        self._stop_waiting()
        super().on_headers_complete()

    def handle_websocket_upgrade(self) -> None:
        self._rest()
        if self.app is _TOO_MANY:
            self.transport.write(b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            self.transport.close()
        else:
            super().handle_websocket_upgrade()

    def connection_lost(self, problem: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(problem)

    def _held(self) -> int:
        """How many connections its peer holds, this one too. A socket without an address is nobody's."""
        peers = [other.client[0] for other in self.connections if isinstance(other, Http | WebSocket) and other.client]
        return peers.count(self.client[0]) if self.client else 0

    def _await_head(self) -> None:
        self._head = asyncio.get_running_loop().call_later(HEAD_WITHIN_S, self._too_late)

    def _too_late(self) -> None:
        self.transport.write(_LATE_HEAD)
        self.transport.close()

    def _stop_waiting(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None
