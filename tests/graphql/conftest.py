"""The whole gateway over the whole estate, on real sockets: what the tests in this folder ask."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from adapters.demo import SECRETS, configuration, no_faults, running
from adapters.testing.simulation import Faults
from gateway.config import load
from gateway.opening import open_service
from gateway.pages import Pages
from gateway.service import Service
from gateway.serving import bind, make_server

CLOCK = datetime(2026, 3, 17, 2, 10, tzinfo=UTC)
"""The ledger's clock."""
MICHAEL = "9994071009"
WARD = "a-token-that-may-see-restricted-facts"
DESK = "a-token-that-may-not-see-restricted-facts"
TOKENS = """
[[access.tokens]]
token = "env:TEST_WARD_TOKEN"
user = "jacky"
role = "Sister"
organization = "ZRH"
purposes = ["TREAT", "ETREAT"]
restricted = true

[[access.tokens]]
token = "env:TEST_DESK_TOKEN"
user = "desk"
role = "Clerk"
organization = "ZRH"
deny_sources = ["telehealth"]
"""


@dataclass
class Running:
    """The gateway and the estate, up."""

    url: str
    service: Service
    faults: dict[str, Faults]
    state_dir: Path
    session: aiohttp.ClientSession
    feed_port: int = 0
    """Where the laboratory's messages are taken."""
    headers: dict[str, str] = field(default_factory=lambda: {"Authorization": f"Bearer {WARD}"})

    async def ask(
        self, query: str, *, headers: dict[str, str] | None = None, status: int = 200, **variables: Any
    ) -> dict[str, Any]:
        """One JSON answer."""
        body = {"query": query, "variables": variables}
        asked = self.session.post(f"{self.url}/graphql", json=body, headers=self.headers | (headers or {}))
        async with asked as response:
            text = await response.text()
            assert response.status == status, text
            return json.loads(text)

    async def record(self, selection: str, *, number: str = MICHAEL, deadline: str = "PT20S", **kwargs: Any) -> Any:
        """The patient record, where the answer must hold no error."""
        query = f'{{ patient(identifier: {{value: "{number}"}}, deadline: "{deadline}") {{ {selection} }} }}'
        answer = await self.ask(query, **kwargs)
        assert "errors" not in answer, answer["errors"]
        return answer["data"]["patient"]

    async def refused(self, query: str, **kwargs: Any) -> dict[str, Any]:
        """The one error of an answer."""
        (error,) = (await self.ask(query, **kwargs))["errors"]
        return error

    @asynccontextmanager
    async def parts(self, query: str, encoding: str = "gzip") -> AsyncIterator["AsyncIterator[dict[str, Any]]"]:
        """The parts of a multipart answer, as they arrive."""
        headers = self.headers | {"Accept": "multipart/mixed", "Accept-Encoding": encoding}
        async with self.session.post(f"{self.url}/graphql", json={"query": query}, headers=headers) as response:
            assert response.content_type == "multipart/mixed", await response.text()
            assert response.headers.get("Content-Encoding", "identity") == encoding

            async def read() -> AsyncIterator[dict[str, Any]]:
                # Not aiohttp's reader: it holds a part back until the next has begun to arrive.
                buffer = b""
                async for chunk in response.content.iter_any():
                    *whole, buffer = (buffer + chunk).split(b"\r\n---")
                    for part in whole:
                        yield json.loads(part.partition(b"\r\n\r\n")[2])

            yield read()


Start = Callable[..., Any]


@asynccontextmanager
async def started(
    tmp_path: Path,
    *,
    edit: Callable[[str], str] = lambda text: text,
    tokens: str = TOKENS,
    faults: dict[str, Faults] | None = None,
    pages: Pages | None = None,
) -> AsyncIterator[Running]:
    """Start estate and gateway; `edit` changes the configuration text before it is read."""
    async with AsyncExitStack() as stack:
        faults = no_faults() if faults is None else faults
        places = await stack.enter_async_context(running(CLOCK, faults))
        path = tmp_path / "gateway.toml"
        path.write_text(edit(_awake(configuration(places)) + tokens), encoding="utf-8")
        service = await stack.enter_async_context(open_service(load(path)))
        listening = stack.enter_context(bind("127.0.0.1", 0))
        up = asyncio.Event()
        server = make_server(service, up.set, pages=pages)
        task = asyncio.create_task(server.serve(sockets=[listening]))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        await up.wait()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        try:
            yield Running(url, service, faults, service.config.state_dir, session, int(places["port:lab"]))
        finally:
            for fault in faults.values():
                if fault.hold is not None:
                    fault.hold.set()
            await session.close()
            server.should_exit = True
            await task


def _awake(config: str) -> str:
    """The estate stands at the ledger's clock and the gateway at the machine's: by that the feed is long silent."""
    return config.replace("expected_silence_s = 86400", "expected_silence_s = 999999999")


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**SECRETS, "TEST_WARD_TOKEN": WARD, "TEST_DESK_TOKEN": DESK}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Running]:
    """The gateway over the estate, at the ledger's clock."""
    async with started(tmp_path) as up:
        yield up
