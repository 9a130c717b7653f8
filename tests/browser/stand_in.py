"""A stand-in for the gateway that pages are tested against: the explorer, or those that npm built.

Real sockets, the committed schema, graphql-core's own incremental execution, multipart/mixed as the gateway frames it.

Sections named in `held` wait until the test releases them, so that order is proved without sleeping.
"""

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from graphql import ExecutionResult, build_schema, parse, validate
from graphql.execution import ExperimentalIncrementalExecutionResults, experimental_execute_incrementally
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from gateway.pages import Pages, explorer

ROOT = Path(__file__).parents[2]
EXPLORER = explorer()
PAGE = EXPLORER.html
SCHEMA = build_schema((ROOT / "schema" / "schema.graphql").read_text(encoding="utf-8"))


@dataclass
class StandIn:
    """What the server does, and what it was asked."""

    root: dict[str, Any]
    pages: Pages | None = None
    url: str = ""
    held: dict[str, asyncio.Event] = field(default_factory=dict)
    requests: list[tuple[str, str, dict[str, str], Any]] = field(default_factory=list)
    early_delimiter: bool = False
    cut_after: int | None = None
    instead: Callable[[], Response] | None = None
    left: threading.Event = field(default_factory=threading.Event)
    loop: asyncio.AbstractEventLoop | None = None

    def hold(self, *sections: str) -> None:
        self.held = {section: asyncio.Event() for section in sections}

    def release(self, section: str) -> None:
        assert self.loop is not None
        self.loop.call_soon_threadsafe(self.held[section].set)

    def queries(self) -> list[Any]:
        """The bodies posted, without the page's own look at the schema."""
        bodies = [body for method, _, _, body in self.requests if method == "POST"]
        return [body for body in bodies if "__schema" not in body["query"]]

    async def answer(self, request: Request) -> Response:
        body: Any = json.loads(await request.body()) if request.method == "POST" else None
        self.requests.append((request.method, str(request.url.path) + request.url.query, dict(request.headers), body))
        if request.method == "GET":
            return (self.pages.graphiql if self.pages else EXPLORER).response({})
        if self.instead is not None:
            return self.instead()
        document = parse(body["query"])
        if errors := validate(SCHEMA, document):
            return JSONResponse({"errors": [error.formatted for error in errors]}, 400)
        result = experimental_execute_incrementally(
            SCHEMA,
            document,
            root_value=self._gated(self.root),
            variable_values=body.get("variables"),
            operation_name=body.get("operationName"),
        )
        if not isinstance(result, ExecutionResult | ExperimentalIncrementalExecutionResults):
            result = await result
        if isinstance(result, ExecutionResult):
            return JSONResponse(result.formatted)
        return StreamingResponse(self._parts(result), media_type='multipart/mixed; boundary="-"')

    def _gated(self, root: dict[str, Any]) -> dict[str, Any]:
        def gate(name: str, value: Any) -> Any:
            async def resolve(_: Any, **__: Any) -> Any:
                if name in self.held:
                    await self.held[name].wait()
                return value

            return resolve

        person = {name: gate(name, value) for name, value in root["patient"].items()} if root["patient"] else None
        return {"patient": lambda *_, **__: person, "sources": lambda *_, **__: root["sources"]}

    async def _parts(self, result: ExperimentalIncrementalExecutionResults) -> AsyncIterator[bytes]:
        sent = 0
        try:
            async for frame in self._frames(result):
                if sent == self.cut_after:
                    raise ConnectionResetError
                opening = b"" if self.early_delimiter and sent else b"---\r\n"
                closing = b"---\r\n" if self.early_delimiter and frame["hasNext"] else b""
                yield (
                    opening + b"Content-Type: application/json\r\n\r\n" + json.dumps(frame).encode() + b"\r\n" + closing
                )
                sent += 1
            yield b"-----\r\n"
        finally:
            self.left.set()

    async def _frames(self, result: ExperimentalIncrementalExecutionResults) -> AsyncIterator[Any]:
        yield result.initial_result.formatted
        async for part in result.subsequent_results:
            yield part.formatted


@contextmanager
def serving(root: dict[str, Any], pages: Pages | None = None) -> Iterator[StandIn]:
    """The stand-in on a free port of 127.0.0.1; with the explorer unless pages are given."""
    stand_in = StandIn(root, pages)
    routes = [Route("/graphql", stand_in.answer, methods=["GET", "POST"])]
    if pages:
        routes.append(Route("/assets/{name}", pages.asset))
    app = Starlette(routes=routes)
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="critical",
        lifespan="off",
        ws="none",
        loop="asyncio",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    ready = threading.Event()

    async def serve(listening: socket.socket) -> None:
        stand_in.loop = asyncio.get_running_loop()
        ready.set()
        await server.serve(sockets=[listening])

    with socket.create_server(("127.0.0.1", 0)) as listening:
        stand_in.url = f"http://127.0.0.1:{listening.getsockname()[1]}/graphql"
        thread = threading.Thread(target=lambda: asyncio.run(serve(listening)), daemon=True)
        thread.start()
        ready.wait(30)
        try:
            yield stand_in
        finally:
            server.should_exit = True
            for name in stand_in.held:
                stand_in.release(name)
            thread.join(30)
