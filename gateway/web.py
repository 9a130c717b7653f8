"""The web face: /graphql, health, readiness, metrics.

GraphQL over HTTP (https://graphql.github.io/graphql-over-http/draft/); `gateway.delivery` says how parts travel. Every
frame that holds something about a person is recorded in the audit store, with its hash, before it leaves.
"""

import asyncio
import gzip
import hashlib
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any
from urllib.parse import urlsplit

import msgspec
import orjson
import structlog
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import (
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route

from gateway import delivery
from gateway.access import NotAuthenticated
from gateway.aside import aside
from gateway.audit import AuditUnavailable
from gateway.config import ConfigError
from gateway.delivery import EVENTS, GRAPHQL_JSON, JSON, MULTIPART, Delivery, Frame
from gateway.documents import documents_of
from gateway.operation import Operations, changes_something, invalid, refusal
from gateway.pages import Pages
from gateway.service import RequestGateway, Service
from gateway.telemetry import log_fault
from schema.gql.errors import ErrorCode, QueryError
from schema.gql.federation import build_subgraph
from schema.gql.request import Context
from schema.gql.root import build_schema

log = structlog.get_logger(__name__)

BODY_CAP = 1024 * 1024
BODY_WITHIN_S = 10.0
WORTH_COMPRESSING = 1400
"""Bytes of a body: less fits into one packet as it is."""
PURPOSE_HEADER = "sherwood-purpose"
SET_BY_PAGES = ("Authorization", "Content-Type", PURPOSE_HEADER)
"""Headers that pages of other origins may set."""
_PRIVATE = {
    "Cache-Control": "no-store",
    "Vary": "Accept, Accept-Encoding, Origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def build_app(service: Service, pages: Pages | None = None) -> Starlette:
    """The ASGI application over one service, with the pages that were built unless others are given.

    Raises ConfigError where a trusted document cannot be run.
    """
    pages = pages or Pages()
    endpoint = GraphQLEndpoint(service, pages)
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
    """POST and GET on /graphql."""

    def __init__(self, service: Service, pages: Pages) -> None:
        settings = service.config.graphql
        self._pages = pages
        self._service = service
        schema = build_subgraph(introspection=settings.introspection) if settings.federation else build_schema()
        self._operations = Operations(schema, introspection=settings.introspection)
        self._documents = documents_of(service.config)
        self._origins = frozenset(settings.allowed_origins)
        for name, text in self._documents.trusted.items():
            if isinstance(problem := self._operations.prepare(text, Delivery.WHOLE), list):
                raise ConfigError(f"[graphql] trusted_documents: document {name!r}: {problem[0].message}")

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
            bound = self._service.request(actor, purpose, received)
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
            response = JSONResponse(self._fault(problem), status_code=500)
        self._service.metrics.requests.labels(outcome=str(response.status_code)).inc()
        response.headers.update(_PRIVATE)
        return await _compressed(request, response)

    def _refuse_other_sites(self, request: Request) -> None:
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
        values, variables, operation_name = await _read_request(request)
        graphql_json = GRAPHQL_JSON in accept
        try:
            query = self._documents.text(values)
        except QueryError as problem:
            well_formed = problem.code is not ErrorCode.BAD_REQUEST and not graphql_json
            return JSONResponse({"errors": [problem.formatted]}, 200 if well_formed else 400)
        bound.operation = hashlib.sha256(query.encode("utf-8", "replace")).hexdigest()
        document = self._operations.prepare(query, how)
        if isinstance(document, list):
            return JSONResponse(
                invalid(document),
                status_code=400 if graphql_json else 200,
                media_type=GRAPHQL_JSON if graphql_json else JSON,
            )
        if request.method == "GET" and changes_something(document, operation_name):
            # GraphQL over HTTP: a link that somebody follows must not decide anything.
            raise _Rejected(405, ErrorCode.BAD_REQUEST, "A mutation is sent with POST.")
        said = self._operations.run(document, variables, operation_name, Context(bound))
        if how is Delivery.PARTS_2022:
            said = delivery.in_the_form_of_2022(said)
        frames = self._frames(said, bound)
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

    def _fault(self, problem: Exception) -> Frame:
        return refusal(ErrorCode.INTERNAL, f"A fault of ours, logged as {log_fault(log, problem)}.")

    async def _frames(self, frames: AsyncIterator[Frame], bound: RequestGateway) -> AsyncGenerator["_Sealed", None]:
        """Each frame as bytes, once the audit store has recorded that it is leaving. Without a record, it does not."""
        last: Frame = {}  # a failure after the first part must tell the client that no other follows
        try:
            async for frame in frames:
                body = orjson.dumps(frame, default=str)
                try:
                    await bound.record_disclosure(body)
                except AuditUnavailable:
                    message = "The audit store cannot record this disclosure: nothing is shown. Try again later."
                    yield _Sealed(orjson.dumps(refusal(ErrorCode.AUDIT_UNAVAILABLE, message) | last), False, 503)
                    return
                last = {"hasNext": False}
                yield _Sealed(body, bool(frame.get("hasNext")), 200, refused=_is_refused(frame))
        except Exception as problem:
            yield _Sealed(orjson.dumps(self._fault(problem) | last), False, 500)
        finally:
            bound.close()
            self._service.metrics.request_seconds.observe(time.monotonic() - bound.received)


class _Sealed(msgspec.Struct, frozen=True):
    """A frame's bytes, recorded."""

    body: bytes
    more: bool
    status: int
    refused: bool = False
    """The request itself was wrong: nothing was executed."""


def _is_refused(frame: Frame) -> bool:
    """Errors and no data, and none of them happened at a field."""
    errors = frame.get("errors", ())
    return bool(errors) and frame.get("data") is None and not any("path" in error for error in errors)


async def _parts(first: _Sealed, frames: AsyncGenerator[_Sealed, None]) -> AsyncIterator[bytes]:
    async with aclosing(frames):
        yield delivery.first_part(first.body)
        async for sealed in frames:
            yield delivery.part(sealed.body, more=sealed.more)


async def _events(first: _Sealed, frames: AsyncGenerator[_Sealed, None]) -> AsyncIterator[bytes]:
    async with aclosing(frames):
        yield delivery.event(first.body, more=first.more)
        async for sealed in frames:
            yield delivery.event(sealed.body, more=sealed.more)


def _accepted(request: Request) -> dict[str, dict[str, str]]:
    """What the client names (a wildcard names nothing: the plain answer is JSON)."""
    return delivery.accepted(request.headers.get("accept", ""))


async def _read_request(request: Request) -> tuple[dict[str, Any], dict[str, Any], str | None]:
    """The parameters, of them the variables and the operation's name; _Rejected says what is wrong with them."""
    if request.method == "GET":
        values: Any = dict(request.query_params)
        for name in ("variables", "extensions"):
            if isinstance(values.get(name), str):
                values[name] = _json(values[name].encode())
    else:
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != JSON:
            raise _Rejected(415, ErrorCode.BAD_REQUEST, "Send JSON: Content-Type: application/json.")
        values = _json(await _body(request))
    if not isinstance(values, dict):
        raise _Rejected(400, ErrorCode.BAD_REQUEST, 'Send an object with the document as text: {"query": "..."}.')
    variables, operation = values.get("variables"), values.get("operationName")
    if not isinstance(variables, dict | None) or not isinstance(values.get("extensions"), dict | None):
        raise _Rejected(400, ErrorCode.BAD_REQUEST, "`variables` and `extensions` are objects.")
    if not isinstance(operation, str | None):
        raise _Rejected(400, ErrorCode.BAD_REQUEST, "`operationName` is text.")
    return values, variables or {}, operation


async def _compressed(request: Request, response: Response) -> Response:
    """The answer as gzip where the client takes it and it is long; parts and events leave as they are, at once."""
    body = b"" if isinstance(response, StreamingResponse) else response.body
    if len(body) < WORTH_COMPRESSING or "gzip" not in request.headers.get("accept-encoding", ""):
        return response
    response.body = await aside(len(body) > 100_000, gzip.compress, body, compresslevel=5)
    response.headers["Content-Encoding"] = "gzip"
    response.headers["Content-Length"] = str(len(response.body))
    return response


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
