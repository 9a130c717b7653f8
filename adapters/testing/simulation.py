"""The simulators' common ground: a real server on a loopback port whose faults can be switched while it runs."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec
from aiohttp import web


@dataclass
class Faults:
    """What a simulated source does wrong at the moment; may be changed at any time."""

    delay_s: float = 0.0
    """Wait this long before each answer."""
    down: bool = False
    """Drop every connection without an answer."""
    garbage: bool = False
    """Answer with something that is not the protocol (over HTTP: a login page with status 200)."""
    hold: asyncio.Event | None = None
    """Give no answer until this is set."""
    asked: int = field(default=0)
    """How many questions have arrived."""

    async def before_answer(self) -> None:
        """Count the question and wait as long as the faults say."""
        self.asked += 1
        if self.hold is not None:
            await self.hold.wait()
        if self.delay_s:
            await asyncio.sleep(self.delay_s)


_encode = msgspec.json.Encoder(decimal_format="number").encode


def raw_json(text: str) -> Any:
    """A raw record's JSON, with the digits of its numbers kept: 13.50 is not 13.5."""
    return json.loads(text, parse_float=Decimal)


def json_bytes(value: Any) -> bytes:
    """JSON as it goes on the wire, digits kept."""
    return _encode(value)


LOGIN_PAGE = "<!doctype html><html><title>Sign in</title><body>Your session has expired.</body></html>"


@asynccontextmanager
async def http_server(app: web.Application, faults: Faults, port: int = 0) -> AsyncIterator[int]:
    """Serve an aiohttp application on 127.0.0.1 with these faults; yields the port."""

    @web.middleware
    async def misbehave(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        await faults.before_answer()
        if faults.down and request.transport is not None:
            request.transport.abort()
        if faults.garbage:
            return web.Response(text=LOGIN_PAGE, content_type="text/html")
        return await handler(request)

    app.middlewares.append(misbehave)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
