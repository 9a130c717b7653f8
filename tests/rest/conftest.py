"""Vendors on loopback sockets, and the adapter asking them through the SDK's real HTTP client."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from adapters.demo.vendors import diabetes_api, nursing_api, ooh_api
from adapters.rest import RestAdapter, RestSettings
from adapters.rest.simulate import ApiKey, User, VendorApi, pharmacy_api, telehealth_api, vendor_app
from adapters.sdk import Ask, Call, SourceRecord
from adapters.sdk.auth import BasicAuth, ClientCredentials, HeaderAuth
from adapters.sdk.resources import read_resource
from adapters.sdk.secrets import Secret
from adapters.testing.conformance import call
from adapters.testing.simulation import Faults, http_server
from schema.model.fact import Fact, Gap
from tests.support.estate import rendered
from tests.support.sources import opened, person

MAPPINGS = {
    "pharmacy": "adapters.rest:examples/pharmacy.mapping.toml",
    "telehealth": "adapters.rest:examples/telehealth.mapping.toml",
    "diabetes": "adapters.demo:mappings/diabetes.toml",
    "nursing": "adapters.demo:mappings/nursing.toml",
    "ooh": "adapters.demo:mappings/ooh.toml",
}
"""The vendors of the estate and the files that read them."""


def vendor_api(name: str) -> VendorApi:
    """A vendor of the estate with the raw rows of that night."""
    if name == "pharmacy":
        return pharmacy_api(rendered("pharmacy"), "key-of-the-test")
    if name == "telehealth":
        return telehealth_api(rendered("telehealth"), "client", "secret: of a test")
    files = rendered(name)
    match name:
        case "diabetes":
            return diabetes_api(files, "sherwood", "password: of a test")
        case "nursing":
            return nursing_api(files, "client", "secret: of a test")
        case _:
            return ooh_api(files, "key-of-the-test")


def ask(types: frozenset[str], *numbers: str, **known: Any) -> Ask:
    return Ask(subjects=(person(*numbers, **known),), types=types | {"Patient"})


@dataclass
class Asked:
    """A source that can be asked."""

    api: VendorApi
    faults: Faults
    adapter: RestAdapter

    async def records(
        self, *numbers: str, types: frozenset[str] | None = None, seconds: float = 20.0, **known: Any
    ) -> list[SourceRecord]:
        question = ask(types or self.adapter.types, *numbers, **known)
        return [record async for record in self.adapter.fetch(question, call(seconds))]

    def call(self) -> Call:
        return call()

    def question(self, *numbers: str, **known: Any) -> Ask:
        return ask(self.adapter.types, *numbers, **known)

    def mapping_text(self) -> str:
        return read_resource(self.adapter.settings.mapping)

    async def check(self) -> str:
        return (await self.adapter.check(call())).detail

    async def answer(self, *numbers: str, **more: Any) -> list[Fact | Gap]:
        return [found for record in await self.records(*numbers, **more) for found in self.adapter.read(record)]


def credentials(api: VendorApi, base: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What a gateway's configuration would say about this vendor's way of signing in."""
    secret = Secret("env:VENDOR_SECRET")
    match api.auth:
        case ApiKey(header, key):
            monkeypatch.setenv("VENDOR_SECRET", key)
            return HeaderAuth(type="header", name=header, value=secret)
        case User(name, password):
            monkeypatch.setenv("VENDOR_SECRET", password)
            return BasicAuth(type="basic", username=name, password=secret)
        case client:
            monkeypatch.setenv("VENDOR_SECRET", client.client_secret)
            return ClientCredentials(
                type="oauth2_client_credentials",
                token_url=base + client.token_path,
                client_id=client.client_id,
                client_secret=secret,
            )


Serve = Callable[..., AbstractAsyncContextManager[Asked]]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Serve:
    """Serve a vendor and open an adapter on it: `async with serve(api, mapping) as asked`."""

    @asynccontextmanager
    async def served(api: VendorApi, mapping: str, **settings: Any) -> AsyncIterator[Asked]:
        faults = Faults()
        async with http_server(vendor_app(api), faults) as port:
            base = f"http://127.0.0.1:{port}"
            auth = credentials(api, base, monkeypatch)
            made = RestSettings(base_url=base, mapping=mapping, **settings)
            async with opened(RestAdapter, made, auth) as adapter:
                yield Asked(api, faults, adapter)

    return served


@pytest.fixture
def vendor(serve: Serve) -> Callable[[str], AbstractAsyncContextManager[Asked]]:
    """One of the vendors of the estate, by name."""
    return lambda name: serve(vendor_api(name), MAPPINGS[name])


@pytest.fixture
async def pharmacy(vendor: Any) -> AsyncIterator[Asked]:
    async with vendor("pharmacy") as asked:
        yield asked


@pytest.fixture
async def telehealth(vendor: Any) -> AsyncIterator[Asked]:
    async with vendor("telehealth") as asked:
        yield asked
