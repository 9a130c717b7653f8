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
from adapters.sql.simulate import Tables, server_tables, sqlite_file
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


@dataclass(frozen=True)
class System:
    """A legacy system: its tables, and the mapping file that reads them."""

    mapping: str
    ddl: str
    tables: Tables


COMMUNITY = System(MAPPING, DDL, TABLES)


@dataclass
class Legacy:
    """One database with the tables of one system in it."""

    backend: str
    mapping: str
    settings: dict[str, Any]
    name: str
    """PostgreSQL: the schema and the account. MariaDB: the database and the account."""
    path: Path | None = None

    @asynccontextmanager
    async def opened(self, mapping: str | None = None, **settings: Any) -> AsyncIterator[SqlAdapter]:
        chosen = {"mapping": mapping or self.mapping}
        adapter = SqlAdapter(source(SqlSettings(**(self.settings | chosen | settings))))
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
def make_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[System, str], Legacy]]:
    """A system's database by the name of its backend, made once."""
    made: dict[tuple[str, ...], Legacy] = {}
    os.environ["SHERWOOD_TEST_SQL_PASSWORD"] = PASSWORD

    def make(system: System, backend: str) -> Legacy:
        key = (system.mapping, system.ddl, str(system.tables), backend)
        if key not in made:
            on_a_server = backend != "sqlite"
            folder = tmp_path_factory.mktemp("sql")
            made[key] = asyncio.run(_server(system, backend)) if on_a_server else _sqlite(system, folder)
        return made[key]

    yield make
    for legacy in made.values():
        if legacy.backend != "sqlite":
            asyncio.run(legacy.run(*_UNDO[legacy.backend].format(name=legacy.name).split(";")))


@pytest.fixture(scope="session")
def make_legacy(make_system: Callable[[System, str], Legacy]) -> Callable[[str], Legacy]:
    """The community system's database."""
    return lambda backend: make_system(COMMUNITY, backend)


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


def _sqlite(system: System, folder: Path) -> Legacy:
    path = folder / "a legacy system.db"
    sqlite_file(path, system.ddl, system.tables)
    return Legacy("sqlite", system.mapping, {"url": f"sqlite:///{path}"}, "", path)


async def _server(system: System, backend: str) -> Legacy:
    name = f"sherwood_test_{secrets.token_hex(5)}"
    try:
        async with administered(backend) as connection:
            await (_on_postgresql if backend == "postgresql" else _on_mariadb)(connection, name, system)
    except (OSError, OperationalError):
        pytest.skip(f"no {backend} server is running here")
    admin = make_url(ADMIN[backend])
    database = admin.database if backend == "postgresql" else name
    url = f"{backend}://{name}@{admin.host}:{admin.port}/{database}"
    settings: dict[str, Any] = {"url": url, "password": Secret("env:SHERWOOD_TEST_SQL_PASSWORD")}
    return Legacy(backend, system.mapping, settings | ({"schema": name} if backend == "postgresql" else {}), name)


async def _on_postgresql(connection: AsyncConnection, name: str, system: System) -> None:
    await connection.exec_driver_sql(f"CREATE SCHEMA {name}")
    await connection.exec_driver_sql(f"SET search_path TO {name}")
    await server_tables(connection, system.ddl, system.tables)
    # With statistics the planner knows how small these tables are, and reads them whole, index or not.
    await connection.exec_driver_sql(f"ANALYZE {', '.join(system.tables)}")
    await connection.exec_driver_sql(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD.replace(chr(39), chr(39) * 2)}'")
    await connection.exec_driver_sql(f"GRANT USAGE ON SCHEMA {name} TO {name}")
    await connection.exec_driver_sql(f"GRANT SELECT ON ALL TABLES IN SCHEMA {name} TO {name}")


async def _on_mariadb(connection: AsyncConnection, name: str, system: System) -> None:
    await connection.exec_driver_sql(f"CREATE DATABASE {name} CHARACTER SET latin1")
    await connection.exec_driver_sql(f"USE {name}")
    # A TIMESTAMP of MariaDB is UTC and ends in 2038; what these vendors mean is DATETIME.
    await server_tables(connection, system.ddl.replace("TIMESTAMP", "DATETIME(6)"), system.tables)
    await connection.execute(text(f"CREATE USER {name} IDENTIFIED BY :password"), {"password": PASSWORD})
    await connection.exec_driver_sql(f"GRANT SELECT, SHOW VIEW ON {name}.* TO {name}")
