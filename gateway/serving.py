"""Serving over HTTP: the listening socket, the refusal to be open to strangers, and an orderly end."""

import asyncio
import gc
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import structlog
import uvicorn

from gateway.access import is_loopback
from gateway.config import Config
from gateway.connections import Limits
from gateway.opening import open_service
from gateway.pages import Pages
from gateway.problems import CommandError
from gateway.service import Service
from gateway.telemetry import configure_logs
from gateway.web import BODY_CAP, build_app

log = structlog.get_logger(__name__)

DRAIN_S = 20
"""How long requests under way may go on once the process is told to end."""


def run_loop(main: Coroutine[Any, Any, None]) -> None:
    """Run on uvloop where there is one."""
    try:
        from uvloop import new_event_loop
    except ImportError:
        asyncio.run(main)
        return
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(main)


def bind(host: str, port: int) -> socket.socket:
    """A listening socket. Raises CommandError that says what to do when the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(512)
    except OSError as problem:
        listening.close()
        reason = os.strerror(problem.errno).lower() if problem.errno and problem.errno > 0 else "no such address"
        raise CommandError(
            f"cannot listen on {host} port {port} ({reason}): end what uses it, or choose another with --port"
        ) from None
    return listening


def refuse_strangers(config: Config, host: str) -> None:
    """Without authentication only this machine may ask. Raises CommandError that says what to configure."""
    if not is_loopback(host) and not config.access.tokens:
        raise CommandError(
            f"refusing to serve on {host}: others can reach it and no access token is configured. "
            "Add [[access.tokens]] to the configuration, or serve on 127.0.0.1"
        )


async def run(config: Config, host: str, port: int, ready: Callable[[str], None] | None = None) -> None:
    """Serve until told to end. Once requests are answered, `ready` is called with the base URL, or the log has it."""
    refuse_strangers(config, host)
    listening = bind(host, port)
    configure_logs()
    shown = f"[{host}]" if ":" in host else host
    url = f"http://{shown}:{listening.getsockname()[1]}"
    try:
        async with open_service(config) as service:
            pages = Pages()
            said = ready or (lambda url: log.info("serving", url=url))
            server = make_server(service, lambda: said(url), pages=pages, expected=pages.documents)
            _hold_up_less()
            await server.serve(sockets=[listening])
    finally:
        listening.close()


SWITCH_S = 0.001
"""How soon a thread that reads a large record gives way to the loop; Python's own 5 ms add up when several read."""


def _hold_up_less() -> None:
    """Settings of the interpreter by which a large record holds other requests up less (bench/scale.py).

    The garbage collector stops everything. What is there before the first request stays until the end: out of its sight
    it costs 100 ms less each time. And it goes through everything a tenth as often: a large record being read is many
    objects and no garbage.
    """
    gc.collect()
    gc.freeze()
    youngest, middle, _ = gc.get_threshold()
    gc.set_threshold(youngest, middle, 100)
    sys.setswitchinterval(SWITCH_S)


def make_server(
    service: Service, started: Callable[[], None], *, pages: Pages | None = None, expected: Iterable[str] = ()
) -> uvicorn.Server:
    """The HTTP server of a gateway; `started` is called once it answers. `serve(sockets=...)` runs it.

    It shows the pages that were built unless others are given. Raises ConfigError as `build_app` does.
    """
    server = _Server(
        Limits(
            build_app(service, pages, expected),
            per_peer=service.config.gateway.connections_per_peer,
            ws_max_size=BODY_CAP,
            ws_per_message_deflate=False,  # each connection would keep some 50 KB for it
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=DRAIN_S,
        )
    )
    server.when_started = started
    server.when_ending = service.updates.end
    return server


class _Server(uvicorn.Server):
    """uvicorn, saying when it has begun and when it is about to end."""

    when_started: Callable[[], None]
    when_ending: Callable[[], None]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.when_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.when_ending()  # what never ends by itself would be waited for
        await super().shutdown(sockets=sockets)
        # uvicorn raises the signal again once it has drained: the process would die before its stores are closed.
        self._captured_signals = [caught for caught in self._captured_signals if caught != signal.SIGTERM]
