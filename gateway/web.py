"""The web face: /graphql, health, readiness, metrics.

GraphQL over HTTP (https://graphql.github.io/graphql-over-http/draft/); `gateway.delivery` says how parts travel, and
`gateway.answering` that every frame is recorded before it leaves.
"""

import asyncio
import gzip
import time
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing
from typing import Any, cast
from urllib.parse import urlsplit

import msgspec
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import (
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from gateway import delivery, transport_ws
from gateway.access import NotAuthenticated
from gateway.answering import Answering, Refused, Sealed, fault, read_question
from gateway.aside import aside
from gateway.delivery import EVENTS, GRAPHQL_JSON, JSON, MULTIPART, Delivery
from gateway.operation import changes_something, refusal
from gateway.pages import Pages
from gateway.requesting import RequestGateway
from gateway.service import Service
from schema.gql.errors import ErrorCode

BODY_CAP = 1024 * 1024
BODY_WITHIN_S = 10.0
NOT_SILENT_FOR_S = 15.0
"""How long a stream of events may bring nothing before it brings a comment."""
WORTH_COMPRESSING = 1400
"""Bytes of a body: less fits into one packet as it is."""
LONG = 100_000
"""Bytes: what is longer is compressed beside the loop, which others wait for."""
LEVEL = 5
PURPOSE_HEADER = "sherwood-purpose"
SET_BY_PAGES = ("Authorization", "Content-Type", PURPOSE_HEADER)
"""Headers that pages of other origins may set."""
_PRIVATE = {
    "Cache-Control": "no-store",
    "Vary": "Accept, Accept-Encoding, Origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def build_app(service: Service, pages: Pages | None = None, expected: Iterable[str] = ()) -> Starlette:
    """The ASGI application over one service, with the pages that were built unless others are given.

    The documents `expected` are made ready before they are asked. Raises ConfigError where a trusted one cannot be run.
    """
    pages = pages or Pages()
    endpoint = GraphQLEndpoint(service, pages, expected)
    origins = service.config.graphql.allowed_origins

    async def health(_: Request) -> Response:
        return PlainTextResponse("alive\n")

    async def ready(_: Request) -> Response:
        problem = await service.not_ready()
        if problem is None:
            return JSONResponse({"ready": True, "sources": len(service.sources)})
        return JSONResponse({"ready": False, "reason": problem}, status_code=503)

    async def metrics(_: Request) -> Response:
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def home(_: Request) -> Response:
        return pages.viewer.response(_PRIVATE) if pages.viewer else RedirectResponse("/graphql")

    async def settings(_: Request) -> Response:
        return JSONResponse(service.config.viewer.model_dump(mode="json"), headers=_PRIVATE)

    return Starlette(
        routes=[
            Route("/", home),
            Route("/settings.json", settings),
            Route("/assets/{name}", pages.asset),
            Route("/licenses.txt", pages.licences),
            Route("/graphql", endpoint.handle, methods=["GET", "POST"]),
            WebSocketRoute("/graphql", endpoint.talk),
            Route("/healthz", health),
            Route("/readyz", ready),
            Route("/metrics", metrics),
        ],
        middleware=[_from_pages(origins)] if origins else [],
    )


def _from_pages(origins: tuple[str, ...]) -> Middleware:
    return Middleware(
        CORSMiddleware, allow_origins=origins, allow_methods=("GET", "POST"), allow_headers=SET_BY_PAGES, max_age=600
    )


class _Rejected(Exception):
    """The request ends here with a status and one documented error."""

    def __init__(self, status: int, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.frame = refusal(code, message)


class GraphQLEndpoint:
    """POST, GET and WebSockets on /graphql."""

    def __init__(self, service: Service, pages: Pages, expected: Iterable[str]) -> None:
        self._pages = pages
        self._service = service
        self._answering = Answering(service, expected)
        self._origins = frozenset(service.config.graphql.allowed_origins)

    async def handle(self, request: Request) -> Response:
        """Answer one request. Only the outcome and the time it took are logged, never the query or the URL."""
        received = time.monotonic()
        if request.method == "HEAD":  # Starlette adds it to every route that takes GET
            return Response(status_code=405, headers=_PRIVATE | {"Allow": "GET, POST"})
        if request.method == "GET" and "query" not in request.query_params and "text/html" in _accepted(request):
            return self._pages.graphiql.response(_PRIVATE)
        try:
            self._refuse_other_sites(request)
            actor = self._service.access.authenticate(request.headers)
            purpose = request.headers.get(PURPOSE_HEADER, "TREAT")
            bound = RequestGateway(self._service, actor, purpose, received, request.headers)
            response = await self._answer(request, bound)
        except ClientDisconnect:
            response = Response(status_code=400)  # for nobody: the caller left while sending
        except _Rejected as rejected:
            response = JSONResponse(rejected.frame, status_code=rejected.status)
            if rejected.status == 405:
                response.headers["Allow"] = "POST"
        except NotAuthenticated as problem:
            frame = refusal(ErrorCode.NOT_AUTHENTICATED, str(problem))
            response = JSONResponse(frame, status_code=401, headers={"WWW-Authenticate": "Bearer"})
        except Exception as problem:  # the text of it may quote a payload: it stays here
            response = JSONResponse(fault(problem), status_code=500)
        self._service.metrics.requests.labels(outcome=str(response.status_code)).inc()
        response.headers.update(_PRIVATE)
        return await _compressed(request, response)

    async def talk(self, websocket: WebSocket) -> None:
        """Answer over one WebSocket. A page of another site may not even open one."""
        try:
            self._refuse_other_sites(websocket)
        except _Rejected as rejected:
            await websocket.send_denial_response(JSONResponse(rejected.frame, status_code=rejected.status))
            return
        await transport_ws.Conversation(websocket, self._answering, self._service).run()

    def _refuse_other_sites(self, request: HTTPConnection) -> None:
        """A page of another site must not ask in the name of whoever looks at it, not even blindly: it is audited."""
        origin = request.headers.get("origin")
        if origin in self._origins:
            return
        other = origin is not None and urlsplit(origin).netloc != request.headers.get("host")
        if other or (origin is None and request.headers.get("sec-fetch-site") == "cross-site"):
            message = "Pages of this origin may not ask here; the operator lists those that may in `allowed_origins`."
            raise _Rejected(403, ErrorCode.ACCESS_DENIED, message)

    async def _answer(self, request: Request, bound: RequestGateway) -> Response:
        accept = _accepted(request)
        how = delivery.chosen(accept)
        graphql_json = GRAPHQL_JSON in accept
        try:
            question = read_question(await _read_values(request))
            document = self._answering.prepare(question, bound, how)
        except Refused as refused:
            plain = refused.well_formed and not graphql_json
            media_type = GRAPHQL_JSON if graphql_json and refused.well_formed else JSON
            return JSONResponse(refused.frame, 200 if plain else 400, media_type=media_type)
        if request.method == "GET" and changes_something(document, question.operation_name):
            # GraphQL over HTTP: a link that somebody follows must not decide anything.
            raise _Rejected(405, ErrorCode.BAD_REQUEST, "A mutation is sent with POST.")
        frames = self._answering.frames(document, question, bound, how)
        first = await anext(frames)
        if how is Delivery.EVENTS:
            return StreamingResponse(_events(first, frames), media_type=EVENTS)
        if first.more:
            boundary = delivery.BOUNDARY.decode()
            return StreamingResponse(_parts(first, frames), media_type=f'{MULTIPART}; boundary="{boundary}"')
        await frames.aclose()
        if graphql_json and first.refused:
            return Response(first.body, status_code=400, media_type=GRAPHQL_JSON)
        return Response(first.body, status_code=first.status, media_type=GRAPHQL_JSON if graphql_json else JSON)


async def _parts(first: Sealed, frames: AsyncGenerator[Sealed, None]) -> AsyncIterator[bytes]:
    async with aclosing(frames):
        yield delivery.first_part(first.body)
        async for sealed in frames:
            yield delivery.part(sealed.body, more=sealed.more)


async def _events(first: Sealed, frames: AsyncGenerator[Sealed, None]) -> AsyncIterator[bytes]:
    """Each as it comes, and meanwhile now and then a comment: what is silent for a minute, proxies cut."""
    following: asyncio.Task[Sealed] | None = None
    async with aclosing(frames):
        try:
            yield delivery.event(first.body)
            while True:
                following = asyncio.ensure_future(anext(frames))
                while not (await asyncio.wait({following}, timeout=NOT_SILENT_FOR_S))[0]:
                    yield delivery.NO_EVENT
                yield delivery.event(following.result().body)
        except StopAsyncIteration:
            yield delivery.LAST_EVENT
        finally:
            if following is not None and not following.done():
                following.cancel()
                await asyncio.wait({following})


def _accepted(request: Request) -> dict[str, dict[str, str]]:
    """What the client names (a wildcard names nothing: the plain answer is JSON)."""
    return delivery.accepted(request.headers.get("accept", ""))


async def _read_values(request: Request) -> Any:
    """The parameters as they were sent; _Rejected says what is wrong with the request."""
    if request.method != "GET":
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != JSON:
            raise _Rejected(415, ErrorCode.BAD_REQUEST, "Send JSON: Content-Type: application/json.")
        return _json(await _body(request))
    values: dict[str, Any] = dict(request.query_params)
    for name in ("variables", "extensions"):
        if isinstance(values.get(name), str):
            values[name] = _json(values[name].encode())
    return values


async def _compressed(request: Request, response: Response) -> Response:
    """The answer as gzip (RFC 1952) where the client takes it and it is long; events leave as they are."""
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return response
    if isinstance(response, StreamingResponse):
        if response.media_type != EVENTS:
            response.body_iterator = _squeezed(cast("AsyncGenerator[bytes, None]", response.body_iterator))
            response.headers["Content-Encoding"] = "gzip"
    elif len(response.body) >= WORTH_COMPRESSING:
        response.body = await aside(len(response.body) > LONG, gzip.compress, response.body, compresslevel=LEVEL)
        response.headers["Content-Encoding"] = "gzip"
        response.headers["Content-Length"] = str(len(response.body))
    return response


async def _squeezed(parts: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    """Each part so that a client can read all of it as soon as it comes (RFC 1951, 3.2.4: an empty block ends it)."""
    packer = zlib.compressobj(LEVEL, wbits=zlib.MAX_WBITS + 16)
    async with aclosing(parts):
        async for part in parts:
            packed = await aside(len(part) > LONG, packer.compress, part)
            yield packed + packer.flush(zlib.Z_SYNC_FLUSH)
        yield packer.flush()


async def _body(request: Request) -> bytes:
    received = bytearray()
    try:
        async with asyncio.timeout(BODY_WITHIN_S):
            async for chunk in request.stream():
                received += chunk
                if len(received) > BODY_CAP:
                    raise _Rejected(413, ErrorCode.BAD_REQUEST, f"The request is longer than {BODY_CAP} bytes.")
    except TimeoutError:
        raise _Rejected(408, ErrorCode.BAD_REQUEST, "The request did not arrive completely in time.") from None
    return bytes(received)


def _json(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise _Rejected(400, ErrorCode.BAD_REQUEST, "The request is not well-formed JSON.") from None
