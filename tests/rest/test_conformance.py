"""The conformance kit, run on both vendors of the demo estate."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar

import pytest

from adapters.rest import RestAdapter, RestSettings
from adapters.testing.http_conformance import HttpAdapterConformance
from tests.support.sources import opened, person


class OfVendor(HttpAdapterConformance):
    known = person("9994071009", family="Quillfeather")
    unknown = person("9997725018")
    mapping: ClassVar[str]

    @pytest.fixture(autouse=True)
    def _vendor(self, vendor) -> None:
        self.vendor = vendor

    @asynccontextmanager
    async def running(self) -> AsyncIterator[RestAdapter]:
        async with self.vendor(self.mapping) as asked:
            yield asked.adapter

    @asynccontextmanager
    async def at(self, url: str) -> AsyncIterator[RestAdapter]:
        mapping = f"adapters.rest:examples/{self.mapping}.mapping.toml"
        async with opened(RestAdapter, RestSettings(base_url=url, mapping=mapping, max_pages=50)) as adapter:
            yield adapter


class TestPharmacy(OfVendor):
    """Pages by number, a key in a header."""

    mapping = "pharmacy"


class TestTelehealth(OfVendor):
    """Cursors, client credentials, errors inside HTTP 200."""

    mapping = "telehealth"
