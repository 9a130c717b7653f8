"""Vendors on loopback sockets, and the adapter asking them through the SDK's real HTTP client."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from adapters.rest import RestAdapter, RestSettings
from adapters.rest.simulate import VendorApi, pharmacy_api, telehealth_api, vendor_app
from adapters.sdk import Ask, Call, SourceRecord
from adapters.sdk.auth import ClientCredentials, HeaderAuth
from adapters.sdk.resources import read_resource
from adapters.sdk.secrets import Secret
from adapters.testing.conformance import call
from adapters.testing.simulation import Faults, http_server
from schema.model.fact import Fact, Gap
from tests.support.estate import rendered
from tests.support.sources import opened, person

EXAMPLES = "adapters.rest:examples"


def ask(types: frozenset[str], *numbers: str, local_ids: tuple[str, ...] = ()) -> Ask:
    return Ask(subjects=(person(*numbers, local_ids=local_ids),), types=types | {"Patient"})


@dataclass
class Asked:
    """A source that can be asked."""

    api: VendorApi
    faults: Faults
    adapter: RestAdapter

    async def records(
        self, *numbers: str, types: frozenset[str] | None = None, local_ids: tuple[str, ...] = (), seconds: float = 20.0
    ) -> list[SourceRecord]:
        question = ask(types or self.adapter.types, *numbers, local_ids=local_ids)
        return [record async for record in self.adapter.fetch(question, call(seconds))]

    def call(self) -> Call:
        return call()

    def question(self, *numbers: str) -> Ask:
        return ask(self.adapter.types, *numbers)

    def mapping_text(self) -> str:
        return read_resource(self.adapter.settings.mapping)

    async def check(self) -> str:
        return (await self.adapter.check(call())).detail

    async def answer(self, *numbers: str, **more: Any) -> list[Fact | Gap]:
        return [found for record in await self.records(*numbers, **more) for found in self.adapter.read(record)]


Serve = Callable[..., AbstractAsyncContextManager[Asked]]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Serve:
    """Serve a vendor and open an adapter on it: `async with serve(api, mapping) as asked`."""

    @asynccontextmanager
    async def served(api: VendorApi, mapping: str, **settings: Any) -> AsyncIterator[Asked]:
        faults = Faults()
        monkeypatch.setenv("VENDOR_SECRET", getattr(api.auth, "key", None) or api.auth.client_secret)
        async with http_server(vendor_app(api), faults) as port:
            base = f"http://127.0.0.1:{port}"
            auth = (
                HeaderAuth(type="header", name=api.auth.header, value=Secret("env:VENDOR_SECRET"))
                if hasattr(api.auth, "key")
                else ClientCredentials(
                    type="oauth2_client_credentials",
                    token_url=base + api.auth.token_path,
                    client_id=api.auth.client_id,
                    client_secret=Secret("env:VENDOR_SECRET"),
                )
            )
            made = RestSettings(base_url=base, mapping=mapping, **settings)
            async with opened(RestAdapter, made, auth) as adapter:
                yield Asked(api, faults, adapter)

    return served


@pytest.fixture
def vendor(serve: Serve) -> Callable[[str], AbstractAsyncContextManager[Asked]]:
    """One of the two vendors of the estate, by the name of its mapping file."""

    def named(name: str) -> AbstractAsyncContextManager[Asked]:
        if name == "pharmacy":
            api = pharmacy_api(rendered("pharmacy"), "key-of-the-test")
        else:
            api = telehealth_api(rendered("telehealth"), "client", "secret: of a test")
        return serve(api, f"{EXAMPLES}/{name}.mapping.toml")

    return named


@pytest.fixture
async def pharmacy(vendor: Any) -> AsyncIterator[Asked]:
    async with vendor("pharmacy") as asked:
        yield asked


@pytest.fixture
async def telehealth(vendor: Any) -> AsyncIterator[Asked]:
    async with vendor("telehealth") as asked:
        yield asked
