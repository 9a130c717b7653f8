"""The conformance kit, run on every vendor of the demo estate."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from typing import ClassVar

import pytest

from adapters.rest import RestAdapter, RestSettings
from adapters.testing.http_conformance import HttpAdapterConformance
from tests.rest.conftest import MAPPINGS
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
        settings = RestSettings(base_url=url, mapping=MAPPINGS[self.mapping], max_pages=50)
        async with opened(RestAdapter, settings) as adapter:
            yield adapter


class TestPharmacy(OfVendor):
    """Pages by number, a key in a header."""

    mapping = "pharmacy"


class TestTelehealth(OfVendor):
    """Cursors, client credentials, errors inside HTTP 200."""

    mapping = "telehealth"


class TestDiabetesClinic(OfVendor):
    """Link headers, a user and password."""

    mapping = "diabetes"


class TestCommunityNursing(OfVendor):
    """Addresses of pages in the answers, client credentials."""

    mapping = "nursing"


class TestOutOfHours(OfVendor):
    """Pages without a total, a key in a header, and a second look-up by names and birth date."""

    mapping = "ooh"
    known = person("9994071009", family="Quillfeather", given="Michael", birth_date=date(1967, 6, 14))
    unknown = person("9997725018", family="Wrenfold", given="Perpetua", birth_date=date(1980, 1, 2))
