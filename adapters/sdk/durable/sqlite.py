"""Tables in one SQLite file: write-ahead log, synchronous FULL, one thread that writes.

sqlite.org/pragma.html#pragma_synchronous: with these a commit has returned only when the log is on the disk. Several
processes may read; those that write wait for one another.
"""

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, TypeVar

from adapters.sdk.durable import Rows, Script, Statement, StoreUnavailable

T = TypeVar("T")

KEY, BYTES = "INTEGER PRIMARY KEY AUTOINCREMENT", "BLOB"
"""SQLite's words for a row number and for bytes."""

OPENED_WITHIN_S = 5.0


class SqliteDatabase:
    """`Database` in one file."""

    def __init__(self, path: Path, tables: Callable[[], Script[None]]) -> None:
        """`tables` makes what is not there."""
        self._path = path
        self._tables = tables
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        self._connection: sqlite3.Connection | None = None

    async def open(self) -> None:
        """As `Database.open`; makes the file where there is none."""
        await self._in_writer(self._open)

    async def read(self, script: Script[T]) -> T:
        return await asyncio.to_thread(self._read, script)

    async def write(self, script: Script[T]) -> T:
        return await self._in_writer(self._write, script)

    async def close(self) -> None:
        if self._connection is not None:
            await self._in_writer(self._connection.close)
            self._connection = None
        self._writer.shutdown(wait=False)

    async def _in_writer(self, work: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._writer, work, *arguments)

    def _open(self) -> None:
        """A connection whose commits are durable, proved by asking; the folder is synced, so that a new file stays."""
        connection = None
        try:
            self._path.touch(mode=0o600)
            connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
            write_ahead(connection)
            connection.execute("PRAGMA synchronous=FULL")
            require_durable(connection)
            transact(connection, "BEGIN IMMEDIATE", self._tables())
            directory = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
        except (sqlite3.Error, OSError, StoreUnavailable):
            if connection is not None:
                connection.close()
            raise StoreUnavailable("the store cannot be opened for durable writing") from None
        self._connection = connection

    def _write(self, script: Script[T]) -> T:
        if self._connection is None:
            raise StoreUnavailable("the store was not opened for writing")
        try:
            return transact(self._connection, "BEGIN IMMEDIATE", script)
        except (sqlite3.Error, OSError):
            raise StoreUnavailable("the store cannot be written") from None

    def _read(self, script: Script[T]) -> T:
        try:
            with closing(self._reading()) as connection:
                return transact(connection, "BEGIN", script)
        except (sqlite3.Error, OSError):
            raise StoreUnavailable("the store cannot be read") from None

    def _reading(self) -> sqlite3.Connection:
        """A connection that cannot write, and makes no file."""
        address = f"{self._path.resolve().as_uri()}?mode=ro"
        return sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False)


class SmallSqliteDatabase(SqliteDatabase):
    """One whose every question is answered in some tens of microseconds: on the spot, over a connection that is kept.

    A thread for each would cost ten times as much.
    """

    _reader: sqlite3.Connection | None = None

    async def read(self, script: Script[T]) -> T:
        try:
            if self._reader is None:
                self._reader = self._reading()
            return transact(self._reader, "BEGIN", script)
        except (sqlite3.Error, OSError):
            raise StoreUnavailable("the store cannot be read") from None

    async def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None
        await super().close()


def write_ahead(connection: sqlite3.Connection) -> None:
    """Puts the file into WAL mode. Where several processes open a new file at once SQLite says at once that it is
    locked, whatever its time-out: so it is tried again. Raises sqlite3.OperationalError where it cannot be had."""
    until = time.monotonic() + OPENED_WITHIN_S
    mode = None
    while mode != ("wal",):
        with suppress(sqlite3.OperationalError):
            mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()
        if mode != ("wal",):
            if time.monotonic() >= until:
                raise sqlite3.OperationalError("the file has no write-ahead log")
            time.sleep(0.02)


def require_durable(connection: sqlite3.Connection) -> None:
    """Raises StoreUnavailable unless a commit on this connection waits for the disk."""
    durable = ("wal",), (2,)
    found = tuple(connection.execute(f"PRAGMA {name}").fetchone() for name in ("journal_mode", "synchronous"))
    if found != durable:
        raise StoreUnavailable("the store does not sync its log to the disk at every commit")


def transact(connection: sqlite3.Connection, begin: str, script: Script[T]) -> T:
    """Run the script between BEGIN and COMMIT; whatever goes wrong undoes all of it."""
    connection.execute(begin)
    try:
        result = _run(connection, script)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return result


def _run(connection: sqlite3.Connection, script: Script[T]) -> T:
    try:
        statement = next(script)
        while True:
            statement = script.send(_rows(connection, statement))
    except StopIteration as end:
        found: T = end.value
        return found


def _rows(connection: sqlite3.Connection, statement: Statement) -> Rows:
    # To SQLite $1 is a name.
    values = {str(number): value for number, value in enumerate(statement.values, 1)}
    return connection.execute(statement.text, values).fetchall()
