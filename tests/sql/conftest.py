"""The same legacy tables in a SQLite file, on PostgreSQL and on MariaDB, and an account on each that only reads.

The servers are the machine's own (SHERWOOD_TEST_POSTGRESQL and SHERWOOD_TEST_MARIADB, URLs of an account that may make
schemas and accounts); where there is none, its tests are skipped. Everything made here has a name of its own and goes
away again.
"""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from adapters.sdk import Ask, SourceRecord
from adapters.sdk.secrets import Secret
from adapters.sql import SqlAdapter, SqlSettings
from adapters.sql.simulate import server_tables, sqlite_file
from adapters.testing.conformance import call
from schema.model.fact import Fact, Gap
from tests.sql.logical import DDL, MAPPING, TABLES
from tests.support.sources import person, source

SERVERS = ("postgresql", "mariadb")
BACKENDS = ("sqlite", *SERVERS)
PASSWORD = "read-only: a test's"
ADMIN = {
    "postgresql": os.environ.get("SHERWOOD_TEST_POSTGRESQL", "postgresql://postgres@127.0.0.1:5432/test"),
    "mariadb": os.environ.get("SHERWOOD_TEST_MARIADB", "mariadb://root@127.0.0.1:3306/test"),
}
_DRIVERS = {"postgresql": "postgresql+asyncpg", "mariadb": "mysql+asyncmy"}


@dataclass
class Legacy:
    """One database with the tables in it."""

    backend: str
    settings: dict[str, Any]
    name: str
    """PostgreSQL: the schema and the account. MariaDB: the database and the account."""
    path: Path | None = None

    @asynccontextmanager
    async def opened(self, mapping: str = MAPPING, **settings: Any) -> AsyncIterator[SqlAdapter]:
        adapter = SqlAdapter(source(SqlSettings(**(self.settings | {"mapping": mapping} | settings))))
        try:
            yield adapter
        finally:
            await adapter.close()

    @asynccontextmanager
    async def admin(self) -> AsyncIterator[AsyncConnection]:
        """A connection of the account that made all this; every statement is its own transaction."""
        async with administered(self.backend) as connection:
            yield connection

    async def run(self, *statements: str) -> None:
        async with self.admin() as connection:
            for statement in statements:
                await connection.exec_driver_sql(statement)


@asynccontextmanager
async def administered(backend: str) -> AsyncIterator[AsyncConnection]:
    url = make_url(ADMIN[backend]).set(drivername=_DRIVERS[backend])
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            yield connection
    finally:
        await engine.dispose()


def asked(*numbers: str, types: frozenset[str], local_ids: tuple[str, ...] = ()) -> Ask:
    return Ask(subjects=(person(*numbers, local_ids=local_ids),), types=types | {"Patient"})


async def records_of(adapter: SqlAdapter, *numbers: str, seconds: float = 20.0, **more: Any) -> list[SourceRecord]:
    question = asked(*numbers, types=more.pop("types", adapter.types), **more)
    return [record async for record in adapter.fetch(question, call(seconds))]


async def answer_of(adapter: SqlAdapter, *numbers: str, **more: Any) -> list[Fact | Gap]:
    return [found for record in await records_of(adapter, *numbers, **more) for found in adapter.read(record)]


@pytest.fixture(scope="session")
def make_legacy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Legacy]]:
    """A database by the name of its backend, made once."""
    made: dict[str, Legacy] = {}
    os.environ["SHERWOOD_TEST_SQL_PASSWORD"] = PASSWORD

    def make(backend: str) -> Legacy:
        if backend not in made:
            made[backend] = (
                _sqlite(tmp_path_factory.mktemp("sql")) if backend == "sqlite" else asyncio.run(_server(backend))
            )
        return made[backend]

    yield make
    for legacy in made.values():
        if legacy.backend != "sqlite":
            asyncio.run(legacy.run(*_UNDO[legacy.backend].format(name=legacy.name).split(";")))


@pytest.fixture(params=BACKENDS)
def legacy(request: pytest.FixtureRequest, make_legacy: Callable[[str], Legacy]) -> Legacy:
    """Each of the databases in turn."""
    return make_legacy(request.param)


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest, make_legacy: Callable[[str], Legacy]) -> Legacy:
    """Each of those that are servers."""
    return make_legacy(request.param)


@pytest.fixture
def every(make_legacy: Callable[[str], Legacy]) -> list[Legacy]:
    """All of them, to be compared."""
    return [make_legacy(backend) for backend in BACKENDS]


@pytest.fixture
def sqlite(make_legacy: Callable[[str], Legacy]) -> Legacy:
    return make_legacy("sqlite")


@pytest.fixture
def postgresql(make_legacy: Callable[[str], Legacy]) -> Legacy:
    return make_legacy("postgresql")


@pytest.fixture
def mariadb(make_legacy: Callable[[str], Legacy]) -> Legacy:
    return make_legacy("mariadb")


_UNDO = {
    "postgresql": "DROP SCHEMA {name} CASCADE;DROP ROLE {name}",
    "mariadb": "DROP DATABASE {name};DROP USER {name}",
}


def _sqlite(folder: Path) -> Legacy:
    path = folder / "a community system.db"
    sqlite_file(path, DDL, TABLES)
    return Legacy("sqlite", {"url": f"sqlite:///{path}"}, "", path)


async def _server(backend: str) -> Legacy:
    name = f"sherwood_test_{secrets.token_hex(5)}"
    try:
        async with administered(backend) as connection:
            await (_on_postgresql if backend == "postgresql" else _on_mariadb)(connection, name)
    except (OSError, OperationalError):
        pytest.skip(f"no {backend} server is running here")
    admin = make_url(ADMIN[backend])
    database = admin.database if backend == "postgresql" else name
    url = f"{backend}://{name}@{admin.host}:{admin.port}/{database}"
    settings: dict[str, Any] = {"url": url, "password": Secret("env:SHERWOOD_TEST_SQL_PASSWORD")}
    return Legacy(backend, settings | ({"schema": name} if backend == "postgresql" else {}), name)


async def _on_postgresql(connection: AsyncConnection, name: str) -> None:
    await connection.exec_driver_sql(f"CREATE SCHEMA {name}")
    await connection.exec_driver_sql(f"SET search_path TO {name}")
    await server_tables(connection, DDL, TABLES)
    # With statistics the planner knows how small these tables are, and reads them whole, index or not.
    await connection.exec_driver_sql("ANALYZE client, diagnosis, medication, score, contact")
    await connection.exec_driver_sql(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD.replace(chr(39), chr(39) * 2)}'")
    await connection.exec_driver_sql(f"GRANT USAGE ON SCHEMA {name} TO {name}")
    await connection.exec_driver_sql(f"GRANT SELECT ON ALL TABLES IN SCHEMA {name} TO {name}")


async def _on_mariadb(connection: AsyncConnection, name: str) -> None:
    await connection.exec_driver_sql(f"CREATE DATABASE {name} CHARACTER SET latin1")
    await connection.exec_driver_sql(f"USE {name}")
    # A TIMESTAMP of MariaDB is UTC and ends in 2038; what this vendor means is DATETIME.
    await server_tables(connection, DDL.replace("TIMESTAMP", "DATETIME(6)"), TABLES)
    await connection.execute(text(f"CREATE USER {name} IDENTIFIED BY :password"), {"password": PASSWORD})
    await connection.exec_driver_sql(f"GRANT SELECT, SHOW VIEW ON {name}.* TO {name}")
