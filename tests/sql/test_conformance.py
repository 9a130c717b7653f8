"""The conformance kit, run on each database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from adapters.sql import SqlAdapter
from adapters.testing.conformance import AdapterConformance
from tests.sql.logical import KNOWN, UNKNOWN
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
