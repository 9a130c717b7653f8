"""The databases that stores are tested on: a file, a PostgreSQL server, and one of the test's own that may fail.

The server is the machine's (SHERWOOD_TEST_POSTGRESQL, a URL of an account that may make databases). What is looked at
behind a store's back is looked at here, without the store's own code.
"""

import asyncio
import os
import secrets
import shutil
import socket
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg  # type: ignore[import-untyped]
import pytest

BACKENDS = ("sqlite", "postgresql")
ADMIN = os.environ.get("SHERWOOD_TEST_POSTGRESQL", "postgresql://postgres@127.0.0.1:5432/test")
_PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))


async def run(where: str, *statements: str) -> list[Any]:
    """Each statement by itself; the rows of the last one."""
    if "://" not in where:
        with closing(sqlite3.connect(where, isolation_level=None)) as file:
            return [file.execute(statement).fetchall() for statement in statements][-1]
    connection = await asyncpg.connect(where)
    try:
        return [[tuple(row) for row in await connection.fetch(statement)] for statement in statements][-1]
    finally:
        await connection.close()


async def emptied(url: str) -> None:
    """A database without tables."""
    await run(url, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")


@contextmanager
def database(options: str = "") -> Iterator[str]:
    """A database on the machine's server, for as long; its URL."""
    name = f"sherwood_test_{secrets.token_hex(5)}"
    try:
        asyncio.run(run(ADMIN, f"CREATE DATABASE {name}"))
    except OSError:
        pytest.skip("no postgresql server is running here")
    try:
        if options:
            asyncio.run(run(ADMIN, f"ALTER DATABASE {name} {options}"))
        yield urlsplit(ADMIN)._replace(path=f"/{name}").geturl()
    finally:
        asyncio.run(run(ADMIN, f"DROP DATABASE {name} WITH (FORCE)"))


class OwnServer:
    """A PostgreSQL server that a test may start, kill and start again."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder = folder
        self.port = port
        self.url = f"postgresql://postgres@127.0.0.1:{port}/postgres"

    def start(self, *options: str) -> None:
        """Returns when it answers."""
        given = [
            "listen_addresses=127.0.0.1",
            f"port={self.port}",
            f"unix_socket_directories={self._folder}",
            *options,
        ]
        self._control("start", "--log", str(self._folder / "log"), "--options", " ".join(f"-c {one}" for one in given))

    def ask_for_passwords(self) -> None:
        """From the next start on; the account "postgres" is let in without one."""
        lines = "host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
        (self._folder / "data" / "pg_hba.conf").write_text(lines)

    def kill(self) -> None:
        """Every process of it ends at once, without a word to anybody, and nothing is written any more."""
        self._control("stop", "--mode", "immediate")

    def stop(self) -> None:
        if (self._folder / "data" / "postmaster.pid").exists():
            self.kill()

    def _control(self, *arguments: str) -> None:
        _as_postgres("pg_ctl", "--wait", "--silent", "--pgdata", str(self._folder / "data"), *arguments)


@contextmanager
def own_server() -> Iterator[OwnServer]:
    """A server with nothing in it, not yet started."""
    if not _PROGRAMS:
        pytest.skip("PostgreSQL's server programs are not installed here")
    folder = Path(tempfile.mkdtemp(prefix="sherwood-postgresql-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        _as_postgres(
            "initdb", "--pgdata", str(folder / "data"), "--auth", "trust", "--username", "postgres", "--no-sync"
        )
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        server = OwnServer(folder, port)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


def _as_postgres(program: str, *arguments: str) -> None:
    """PostgreSQL refuses to run as root."""
    user = "postgres" if os.geteuid() == 0 else None
    command = [str(_PROGRAMS[-1].with_name(program)), *arguments]
    subprocess.run(command, check=True, user=user, cwd="/", stdout=subprocess.DEVNULL)
