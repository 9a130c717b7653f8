"""GraphQL over a WebSocket: the sub-protocol graphql-transport-ws.

https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md. Queries, mutations and subscriptions; deferred parts
are sent each as a `next`. A browser cannot set headers on a WebSocket: the payload of `connection_init` may carry
`Authorization` and `Sherwood-Purpose` instead.
"""

import asyncio
import time
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any

import msgspec
import orjson
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketDisconnected

from gateway.access import NotAuthenticated
from gateway.answering import Answering, Question, Refused, Sealed, fault, read_question
from gateway.delivery import Delivery
from gateway.operation import refusal
from gateway.requesting import RequestGateway
from schema.gql.errors import ErrorCode

if TYPE_CHECKING:
    from gateway.service import Service

PROTOCOL = "graphql-transport-ws"
INITIALISED_WITHIN_S = 10.0
MOST_OPERATIONS = 100
"""On one connection at a time."""
LONGEST_REASON = 123
"""Bytes of the reason in a close frame (RFC 6455 section 5.5.1)."""
IN_PAYLOAD = ("authorization", "sherwood-purpose")

BAD_REQUEST = 4400
UNAUTHORIZED = 4401
FORBIDDEN = 4403
SUBPROTOCOL_NOT_ACCEPTABLE = 4406
INITIALISATION_TIMEOUT = 4408
SUBSCRIBER_EXISTS = 4409
TOO_MANY_INITIALISATIONS = 4429
INTERNAL_ERROR = 4500


class _Close(Exception):
    """The connection ends with this code."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Conversation:
    """One connection, from its handshake to its end."""

    def __init__(self, websocket: WebSocket, answering: Answering, service: "Service") -> None:
        self._websocket = websocket
        self._answering = answering
        self._service = service
        self._headers: dict[str, str] = dict(websocket.headers)
        self._operations: dict[str, asyncio.Task[None]] = {}
        self._acknowledged = False

    async def run(self) -> None:
        """Answer until either side ends it. What is under way then is ended too."""
        if PROTOCOL not in self._websocket.scope["subprotocols"]:
            await self._websocket.accept()
            await self._close(_Close(SUBPROTOCOL_NOT_ACCEPTABLE, "Subprotocol not acceptable"))
            return
        await self._websocket.accept(PROTOCOL)
        try:
            await self._listen()
        except _Close as end:
            await self._close(end)
        except (WebSocketDisconnect, WebSocketDisconnected):
            pass
        except Exception as problem:
            fault(problem)
            await self._close(_Close(INTERNAL_ERROR, "Internal server error"))
        finally:
            await self._end(list(self._operations.values()))

    async def _listen(self) -> None:
        try:
            async with asyncio.timeout(INITIALISED_WITHIN_S):
                while not self._acknowledged:
                    await self._take(await self._receive())
        except TimeoutError:
            raise _Close(INITIALISATION_TIMEOUT, "Connection initialisation timeout") from None
        while True:
            await self._take(await self._receive())

    async def _receive(self) -> dict[str, Any]:
        """The next message. Raises _Close for what is none, WebSocketDisconnect."""
        received = await self._websocket.receive()
        if received["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(received.get("code", 1005))
        try:
            message = msgspec.json.decode(received.get("text") or "")
        except (msgspec.DecodeError, RecursionError, UnicodeError):
            message = None
        if not isinstance(message, dict) or not isinstance(message.get("payload"), dict | None):
            raise _Close(BAD_REQUEST, "A message is a JSON object with a type, and its payload an object")
        return message

    async def _take(self, message: dict[str, Any]) -> None:
        match message.get("type"):
            case "connection_init":
                await self._initialise(message.get("payload") or {})
            case "ping":
                payload = {"payload": message["payload"]} if message.get("payload") is not None else {}
                await self._send(orjson.dumps({"type": "pong"} | payload))
            case "pong":
                pass
            case "subscribe":
                await self._subscribe(_id_of(message), message.get("payload"))
            case "complete":
                name = _id_of(message)
                await self._end([self._operations[name]] if name in self._operations else [])
            case _:
                raise _Close(BAD_REQUEST, "There is no message of this type from a client")

    async def _initialise(self, payload: dict[str, Any]) -> None:
        if self._acknowledged:
            raise _Close(TOO_MANY_INITIALISATIONS, "Too many initialisation requests")
        told = {name.lower(): value for name, value in payload.items() if name.lower() in IN_PAYLOAD}
        if not all(isinstance(value, str) for value in told.values()):
            raise _Close(BAD_REQUEST, "Authorization and Sherwood-Purpose are text")
        self._headers |= told
        self._authenticate()
        self._acknowledged = True
        await self._send(b'{"type":"connection_ack"}')

    def _authenticate(self) -> RequestGateway:
        """One request of whoever is known by what they sent. Raises _Close: with a new token a client comes again."""
        try:
            actor = self._service.access.authenticate(self._headers)
        except NotAuthenticated:
            raise _Close(FORBIDDEN, "Forbidden") from None
        purpose = self._headers.get("sherwood-purpose", "TREAT")
        return RequestGateway(self._service, actor, purpose, time.monotonic(), self._headers)

    async def _subscribe(self, name: str, payload: dict[str, Any] | None) -> None:
        if not self._acknowledged:
            raise _Close(UNAUTHORIZED, "Unauthorized")
        if name in self._operations:
            raise _Close(SUBSCRIBER_EXISTS, f"Subscriber for {name} already exists")
        if payload is None:
            raise _Close(BAD_REQUEST, "The payload of subscribe is the request")
        bound = self._authenticate()
        if len(self._operations) >= MOST_OPERATIONS:
            self._service.metrics.subscriptions_refused.labels(limit="connection").inc()
            message = f"This connection has {MOST_OPERATIONS} operations already: end one first."
            await self._send(_message("error", name, _errors(refusal(ErrorCode.TOO_MANY_AT_ONCE, message))))
            return
        self._operations[name] = asyncio.create_task(self._operate(name, payload, bound))

    async def _operate(self, name: str, payload: dict[str, Any], bound: RequestGateway) -> None:
        """Answer one operation to its end."""
        end: _Close | None = None
        try:
            question = read_question(payload)
            document = self._answering.prepare(question, bound, Delivery.MESSAGES)
            await self._answer(name, document, question, bound)
        except Refused as refused:
            with suppress(WebSocketDisconnect, WebSocketDisconnected):
                await self._send(_message("error", name, _errors(refused.frame)))
        except (WebSocketDisconnect, WebSocketDisconnected):
            pass
        except _Close as problem:
            end = problem
        except Exception as problem:
            fault(problem)
            end = _Close(INTERNAL_ERROR, "Internal server error")
        finally:
            self._forget(name)
        if end is not None:
            await self._close(end)

    async def _answer(self, name: str, document: Any, question: Question, bound: RequestGateway) -> None:
        outcome: int | None = None
        async with aclosing(self._answering.frames(document, question, bound, Delivery.MESSAGES)) as frames:
            async for sealed in frames:
                if outcome is None:
                    outcome = sealed.status
                    self._service.metrics.requests.labels(outcome=str(outcome)).inc()
                if sealed.status == 401:
                    raise _Close(FORBIDDEN, "Forbidden")
                if sealed.refused:
                    await self._send(_message("error", name, _errors_of(sealed)))
                    return
                await self._send(_message("next", name, sealed.body))
        await self._send(_message("complete", name))  # from then on the client may use the id again

    def _forget(self, name: str) -> None:
        """This task's own entry, and not that of a later operation of the same id."""
        if self._operations.get(name) is asyncio.current_task():
            del self._operations[name]

    async def _send(self, message: bytes) -> None:
        """Waits for a client that reads slowly; one that does not read at all is cut (`gateway.connections`)."""
        await self._websocket.send_text(message.decode())

    async def _close(self, end: _Close) -> None:
        with suppress(WebSocketDisconnect, WebSocketDisconnected, RuntimeError):
            await self._websocket.close(end.code, end.reason.encode()[:LONGEST_REASON].decode(errors="ignore"))

    async def _end(self, tasks: list[asyncio.Task[None]]) -> None:
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


def _id_of(message: dict[str, Any]) -> str:
    name = message.get("id")
    if not isinstance(name, str) or not name:
        raise _Close(BAD_REQUEST, "The message names its operation: `id` is text that is not empty")
    return name


def _message(kind: str, name: str, payload: bytes | None = None) -> bytes:
    """A message around a frame as it was recorded."""
    head = b'{"type":"%s","id":%s' % (kind.encode(), orjson.dumps(name))
    return head + (b',"payload":' + payload if payload is not None else b"") + b"}"


def _errors(frame: dict[str, Any]) -> bytes:
    return orjson.dumps(frame["errors"])


def _errors_of(sealed: Sealed) -> bytes:
    return _errors(orjson.loads(sealed.body))
