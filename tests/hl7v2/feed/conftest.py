"""What the feed tests share: a store on disk, a listener before it, a sender, and an adapter that reads the store."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from adapters.hl7v2.feed import FeedSettings, Hl7v2FeedAdapter, Store, listening, open_store
from adapters.hl7v2.feed.listener import Listener
from adapters.sdk import Ask, Subject
from adapters.testing.conformance import call
from schema.model.fact import Fact, Gap
from tests.hl7v2.feed import stores
from tests.support.mllp_sender import Sender
from tests.support.sources import person, source

NHS = "9990000018"
NOON = datetime(2026, 3, 17, 12, 0, tzinfo=UTC)

PID = r"PID|1||9990000018^^^NHS^NH~880417^^^RBI^MR||WEATHERBY^Ottoline||19580612|F||||||||||||||||||||||||NSTS01"
"""A person by both numbers, the NHS number verified."""
PID_MRN = "PID|1||880417^^^RBI^MR||WEATHERBY^Ottoline||19580612|F"


def message(kind: str, *segments: str, control: str = "1", at: str = "20260317100000", header: str = "") -> bytes:
    """One message: its header, then the segments."""
    head = rf"MSH|^~\&|PAS|RBI|SHERWOOD|GW|{at}||{kind}|{control}|P|2.4{header}"
    return "\r".join([head, *segments, ""]).encode()


class Feed:
    """A feed in a test: what was sent is on disk, and can be asked about."""

    def __init__(self, settings: FeedSettings) -> None:
        self.settings = settings
        self.now = NOON
        self.store: Store

    async def rows(self) -> list[tuple[str, str, bytes]]:
        """Control id, state and bytes of what is kept, past the store."""
        return await stores.rows(self.settings.store)

    @property
    def adapter(self) -> Hl7v2FeedAdapter:
        return Hl7v2FeedAdapter(source(self.settings, id="feed"), self.store, lambda: self.now)

    async def send(self, *messages: bytes) -> list[list[str]]:
        """Each message over one connection; the MSA of every acknowledgement as [code, control id]."""
        async with listening(self.settings, self.store, lambda: self.now) as port, Sender(port) as sender:
            return [await sender.send(one) for one in messages]

    async def hear(self, *messages: bytes) -> list[tuple[bytes, ...]]:
        """Each message as the listener hears it, the wire left out; its acknowledgements."""
        listener = Listener(self.settings, self.store, lambda: self.now)
        return [await listener.handle(one) for one in messages]

    async def ask(
        self, *numbers: str, local: tuple[str, ...] = (), types: frozenset[str] | None = None
    ) -> list[Fact | Gap]:
        """Everything it says about the person with these NHS numbers, or about these local ids."""
        subject: Subject = person(*(numbers or (NHS,)), local_ids=local)
        adapter = self.adapter
        ask = Ask(subjects=(subject,), types=types or adapter.types)
        return [item async for record in adapter.fetch(ask, call()) for item in adapter.read(record)]


@pytest.fixture
def backend() -> str:
    """Where what is tested is not the store, the plainest one will do; other modules say "both"."""
    return "sqlite"


@pytest.fixture(scope="session")
def database() -> Iterator[str]:
    with stores.database() as url:
        yield url


@pytest.fixture
def where(backend: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """An empty store, as settings name it."""
    if backend == "sqlite":
        return str(tmp_path / "feed.db")
    url: str = request.getfixturevalue("database")
    asyncio.run(stores.emptied(url))
    return url


@pytest.fixture
def feed(where: str) -> Callable[..., Any]:
    """Opens a feed for the length of a `async with`."""

    @asynccontextmanager
    async def opened(**settings: Any) -> AsyncIterator[Feed]:
        one = Feed(FeedSettings(**{"store": where, **settings}))
        async with await open_store(one.settings, lambda: one.now) as one.store:
            yield one

    return opened
