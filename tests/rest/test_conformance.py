"""The conformance kit, run on both vendors of the demo estate."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from zoneinfo import ZoneInfo

import pytest

from adapters.rest import RestAdapter, RestSettings
from adapters.sdk import NHS_NUMBER, Source, Subject
from adapters.sdk.client import open_client
from adapters.testing.conformance import AdapterConformance
from schema.model.values import Identifier

MICHAEL = Subject(identifiers=(Identifier(system=NHS_NUMBER, value="9994071009"),), family="Quillfeather")
NOBODY = Subject(identifiers=(Identifier(system=NHS_NUMBER, value="9997725018"),))


@asynccontextmanager
async def adapter_at(url: str, mapping: str) -> AsyncIterator[RestAdapter]:
    """An adapter that shows no credentials: the kit's hostile server asks for none."""
    settings = RestSettings(base_url=url, mapping=f"adapters.rest:examples/{mapping}.mapping.toml", max_pages=50)
    client = open_client(settings, None, name="the vendor", timeout_s=30, max_concurrency=4)
    zone = ZoneInfo("Europe/London")
    source = Source(id="v", name="V", organization="O", timezone=zone, settings=settings, http=client)
    try:
        yield RestAdapter(source)
    finally:
        await client.close()


class OfVendor(AdapterConformance):
    known = MICHAEL
    unknown = NOBODY
    mapping: str

    @pytest.fixture(autouse=True)
    def _vendor(self, vendor) -> None:
        self.vendor = vendor

    @asynccontextmanager
    async def running(self) -> AsyncIterator[RestAdapter]:
        async with self.vendor(self.mapping) as asked:
            yield asked.adapter

    @asynccontextmanager
    async def at(self, url: str) -> AsyncIterator[RestAdapter]:
        async with adapter_at(url, self.mapping) as adapter:
            yield adapter


class TestPharmacy(OfVendor):
    mapping = "pharmacy"


class TestTelehealth(OfVendor):
    mapping = "telehealth"
