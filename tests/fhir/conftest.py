"""The FHIR adapter against simulators on real sockets, through the SDK's own HTTP client; and samples, if there."""

import os
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from adapters.fhir import FhirAdapter, FhirSettings
from adapters.sdk import NHS_NUMBER, Actor, Ask, Call, Source, SourceRecord, Subject
from adapters.sdk.client import open_client
from adapters.testing.simulation import Faults, http_server
from schema.model.fact import Fact, Gap
from schema.model.values import Identifier

RETRIEVED = datetime(2026, 11, 1, tzinfo=UTC)


def source(http: Any = None, **settings: Any) -> Source[FhirSettings]:
    table = {"base_url": "http://127.0.0.1:9/fhir"} | settings
    return Source(
        id="epr",
        name="EPR",
        organization="Hospital",
        timezone=ZoneInfo("Europe/London"),
        settings=FhirSettings(**table),
        http=http,
    )


class Asker:
    """One adapter on a live server: asks, and reads what comes."""

    def __init__(self, adapter: FhirAdapter, faults: Faults) -> None:
        self.adapter = adapter
        self.faults = faults

    def ask(self, types: frozenset[str], number: str, system: str = NHS_NUMBER) -> Ask:
        identifiers = (Identifier(system=system, value=number),)
        return Ask(subjects=(Subject(identifiers=identifiers),), types=types)

    async def records(
        self, *types: str, numbers: Iterable[str] = (), local_ids: tuple[str, ...] = ()
    ) -> list[SourceRecord]:
        identifiers = tuple(Identifier(system=NHS_NUMBER, value=number) for number in numbers)
        subject = Subject(identifiers=identifiers, local_ids=local_ids)
        ask = Ask(subjects=(subject,), types=frozenset({"Patient", *types}))
        return [record async for record in self.adapter.fetch(ask, a_call())]

    async def items(
        self, *types: str, numbers: Iterable[str] = (), local_ids: tuple[str, ...] = ()
    ) -> list[Fact | Gap]:
        records = await self.records(*types, numbers=numbers, local_ids=local_ids)
        return [item for record in records for item in self.adapter.read(record)]


def a_call() -> Call:
    actor = Actor(user="jlister", role="R8000", organization="ZRH", name="Lister")
    return Call(deadline=time.monotonic() + 20, actor=actor)


@asynccontextmanager
async def _asking(app: Any, path: str = "", **settings: Any) -> AsyncIterator[Asker]:
    faults = Faults()
    async with http_server(app, faults) as port:
        configured = source(base_url=f"http://127.0.0.1:{port}{path}", **settings)
        client = open_client(configured.settings, None, name="epr", timeout_s=10, max_concurrency=8)
        try:
            live = Source(
                id=configured.id,
                name=configured.name,
                organization=configured.organization,
                timezone=configured.timezone,
                settings=configured.settings,
                http=client,
            )
            yield Asker(FhirAdapter(live), faults)
        finally:
            await client.close()


@pytest.fixture
def asking() -> Callable[..., AbstractAsyncContextManager[Asker]]:
    """`async with asking(app, **settings) as asker`: a server, and an adapter configured for it."""
    return _asking


@pytest.fixture
def call() -> Call:
    return a_call()


@pytest.fixture
def reading() -> Callable[..., list[Fact | Gap]]:
    """`reading(*bodies, kind=..., types=..., **settings)`: what the adapter reads from these bytes, with no server."""

    def read(
        *bodies: bytes, kind: str = "resource", types: Iterable[str] = (), truncated: bool = False, **settings: Any
    ) -> list[Fact | Gap]:
        record = SourceRecord(kind=kind, types=frozenset(types), parts=bodies, retrieved=RETRIEVED, truncated=truncated)
        return list(FhirAdapter(source(**settings)).read(record))

    return read


@pytest.fixture(scope="session")
def samples() -> Path:
    """The folder of samples by other people: SHERWOOD_SAMPLES, or `../shared/data` beside the repository."""
    stated = os.environ.get("SHERWOOD_SAMPLES")
    folder = Path(stated) if stated else Path(__file__).resolve().parents[3] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no samples here: set SHERWOOD_SAMPLES to their folder")
    return folder
