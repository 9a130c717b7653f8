"""The databases that the cross-reference table is tested on: a file, and a PostgreSQL server."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.sdk.durable.server import Server
from tests.support import databases


@pytest.fixture(scope="session")
def database() -> Iterator[str]:
    with databases.database() as url:
        yield url


@pytest.fixture(params=databases.BACKENDS)
def where(tmp_path: Path, request: pytest.FixtureRequest) -> Path | Server:
    """An empty one, as a configuration names it."""
    if request.param == "sqlite":
        return tmp_path / "links.db"
    url: str = request.getfixturevalue("database")
    asyncio.run(databases.emptied(url))
    return Server(url=url)
