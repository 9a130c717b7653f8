"""The conformance kit, run on each database, and on the three systems of the whole estate."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from adapters.sql import SqlAdapter
from adapters.testing.conformance import AdapterConformance
from tests.sql.logical import KNOWN, UNKNOWN
from tests.sql.test_estate import MICHAEL, NOBODY, system, with_somebody
from tests.support.sources import person


class OnDatabase(AdapterConformance):
    known = person(KNOWN, family="Quillfeather")
    unknown = person(UNKNOWN)
    backend = ""

    @pytest.fixture(autouse=True)
    def _legacy(self, make_legacy) -> None:
        self.legacy = make_legacy(self.backend)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[SqlAdapter]:
        async with self.legacy.opened() as adapter:
            yield adapter


class TestSqlite(OnDatabase):
    """A file."""

    backend = "sqlite"


class TestPostgresql(OnDatabase):
    """A server over asyncpg."""

    backend = "postgresql"
    mutations = 50


class TestMariadb(OnDatabase):
    """A server over asyncmy."""

    backend = "mariadb"
    mutations = 50


class OfTheEstate(AdapterConformance):
    known = person(MICHAEL, family="Quillfeather")
    unknown = person(NOBODY)
    name = ""

    @pytest.fixture(autouse=True)
    def _legacy(self, make_system) -> None:
        inhabited = with_somebody() if self.name == "renal" else None
        self.legacy = make_system(system(self.name, inhabited), "sqlite")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[SqlAdapter]:
        async with self.legacy.opened() as adapter:
            yield adapter


class TestCommunityMentalHealth(OfTheEstate):
    """Padded keys, text dates, soft deletes."""

    name = "cmht"


class TestSocialCare(OfTheEstate):
    """ISO dates, local times, 0 and 1."""

    name = "socialcare"


class TestRenal(OfTheEstate):
    """With somebody in it: the kit needs a person who is known."""

    name = "renal"
