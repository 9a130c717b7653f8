"""The FHIR adapter against simulators on real sockets, through the SDK's own HTTP client; and samples, if there."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from adapters.fhir import FhirAdapter, FhirSettings
from adapters.sdk import NHS_NUMBER, Ask, SourceRecord
from adapters.testing.conformance import call
from adapters.testing.simulation import Faults, http_server
from schema.model.fact import Fact, Gap
from tests.support.samples import MISSING, SAMPLES
from tests.support.sources import opened, person, source

RETRIEVED = datetime(2026, 11, 1, tzinfo=UTC)


class Asker:
    """One adapter on a live server: asks, and reads what comes."""

    def __init__(self, adapter: FhirAdapter, faults: Faults) -> None:
        self.adapter = adapter
        self.faults = faults

    def ask(self, types: frozenset[str], number: str, system: str = NHS_NUMBER) -> Ask:
        return Ask(subjects=(person(number, system=system),), types=types)

    async def records(
        self, *types: str, numbers: Iterable[str] = (), local_ids: tuple[str, ...] = ()
    ) -> list[SourceRecord]:
        ask = Ask(subjects=(person(*numbers, local_ids=local_ids),), types=frozenset({"Patient", *types}))
        return [record async for record in self.adapter.fetch(ask, call())]

    async def items(
        self, *types: str, numbers: Iterable[str] = (), local_ids: tuple[str, ...] = ()
    ) -> list[Fact | Gap]:
        records = await self.records(*types, numbers=numbers, local_ids=local_ids)
        return [item for record in records for item in self.adapter.read(record)]


@asynccontextmanager
async def _asking(app: Any, path: str = "", **settings: Any) -> AsyncIterator[Asker]:
    faults = Faults()
    async with http_server(app, faults) as port:
        configured = FhirSettings(base_url=f"http://127.0.0.1:{port}{path}", **settings)
        async with opened(FhirAdapter, configured) as adapter:
            yield Asker(adapter, faults)


@pytest.fixture
def asking() -> Callable[..., AbstractAsyncContextManager[Asker]]:
    """`async with asking(app, **settings) as asker`: a server, and an adapter configured for it."""
    return _asking


@pytest.fixture
def reading() -> Callable[..., list[Fact | Gap]]:
    """`reading(*bodies, kind=..., types=..., **settings)`: what the adapter reads from these bytes, with no server."""

    def read(
        *bodies: bytes, kind: str = "resource", types: Iterable[str] = (), truncated: bool = False, **settings: Any
    ) -> list[Fact | Gap]:
        record = SourceRecord(kind=kind, types=frozenset(types), parts=bodies, retrieved=RETRIEVED, truncated=truncated)
        configured = FhirSettings(**{"base_url": "http://127.0.0.1:9/fhir"} | settings)
        return list(FhirAdapter(source(configured)).read(record))

    return read


@pytest.fixture(scope="session")
def samples() -> Path:
    """The folder of samples by other people."""
    if not SAMPLES.is_dir():
        pytest.skip(MISSING)
    return SAMPLES
