"""The conformance kit over our own kinds, each against its simulator with the demo estate's records.

The `fhir` kind runs it in tests/fhir/test_conformance.py, once for each of its profiles.
"""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar
from unittest.mock import patch
from zoneinfo import ZoneInfo

from adapters.demo.clock import render
from adapters.hl7v2 import Hl7v2Adapter, Hl7v2Settings
from adapters.hl7v2.simulate import serve_pas
from adapters.rest import RestAdapter, RestSettings
from adapters.rest.simulate import VendorApi, pharmacy_api, telehealth_api, vendor_app
from adapters.sdk import NHS_NUMBER, Source, Subject
from adapters.sdk.auth import ClientCredentials, HeaderAuth
from adapters.sdk.client import open_client
from adapters.sdk.secrets import Secret
from adapters.testing.conformance import AdapterConformance
from adapters.testing.simulation import Faults, http_server
from schema.model.values import Identifier

ESTATE = Path(__file__).parents[2] / "adapters" / "demo" / "estate"
NIGHT = datetime(2026, 3, 17, 2, 10, tzinfo=UTC)
LONDON = ZoneInfo("Europe/London")


def person(number: str, family: str | None = None) -> Subject:
    return Subject(identifiers=(Identifier(system=NHS_NUMBER, value=number),), family=family)


def rendered(folder: str) -> Iterator[tuple[str, str]]:
    """Name and text of each file of a simulated system, dated for one night."""
    for file in sorted((ESTATE / folder).iterdir()):
        yield file.stem, render(file.read_text("utf-8"), NIGHT)


class OurKinds(AdapterConformance):
    known = person("9994071009", family="Quillfeather")
    unknown = person("9990000018")


class RestConformance(OurKinds):
    mapping: ClassVar[str]

    def api(self) -> VendorApi:
        raise NotImplementedError

    @asynccontextmanager
    async def running(self) -> AsyncIterator[RestAdapter]:
        api = self.api()
        async with (
            http_server(vendor_app(api), Faults()) as port,
            self._adapter(f"http://127.0.0.1:{port}", api) as adapter,
        ):
            yield adapter

    @asynccontextmanager
    async def at(self, url: str) -> AsyncIterator[RestAdapter]:
        async with self._adapter(url, None) as adapter:
            yield adapter

    @asynccontextmanager
    async def _adapter(self, url: str, api: VendorApi | None) -> AsyncIterator[RestAdapter]:
        settings = RestSettings(base_url=url, mapping=f"adapters.rest:examples/{self.mapping}.mapping.toml")
        with patch.dict(os.environ, {"VENDOR_SECRET": "of this test"}):
            auth = None if api is None else self.auth(url, api)
            client = open_client(settings, auth, name="the vendor", timeout_s=60, max_concurrency=4)
            try:
                source = Source(
                    id="vendor", name="Vendor", organization="ZV", timezone=LONDON, settings=settings, http=client
                )
                yield RestAdapter(source)
            finally:
                await client.close()

    def auth(self, url: str, api: VendorApi) -> HeaderAuth | ClientCredentials:
        raise NotImplementedError


class TestPharmacy(RestConformance):
    """Pages by number, a key in a header."""

    mapping = "pharmacy"

    def api(self) -> VendorApi:
        return pharmacy_api(dict(rendered("pharmacy")), "of this test")

    def auth(self, url: str, api: VendorApi) -> HeaderAuth:
        return HeaderAuth(type="header", name="X-Api-Key", value=Secret("env:VENDOR_SECRET"))


class TestTelehealth(RestConformance):
    """Cursors, client credentials, errors inside HTTP 200."""

    mapping = "telehealth"

    def api(self) -> VendorApi:
        return telehealth_api(dict(rendered("telehealth")), "client", "of this test")

    def auth(self, url: str, api: VendorApi) -> ClientCredentials:
        return ClientCredentials(
            type="oauth2_client_credentials",
            token_url=f"{url}/oauth/token",
            client_id="client",
            client_secret=Secret("env:VENDOR_SECRET"),
        )


class TestPatientAdministration(OurKinds):
    """HL7 v2 queries over MLLP, the older and the newer ones."""

    known = person("9995190001", family="Thistlewick")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Hl7v2Adapter]:
        patients = [text for _, text in rendered("pas")]
        async with serve_pas(patients, Faults()) as port:
            settings = Hl7v2Settings(
                host="127.0.0.1", port=port, queries=("demographics", "visits", "a19", "results"), mrn_authority="ZRH"
            )
            adapter = Hl7v2Adapter(Source(id="pas", name="PAS", organization="ZRH", timezone=LONDON, settings=settings))
            try:
                yield adapter
            finally:
                await adapter.close()
