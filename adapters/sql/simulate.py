"""A legacy application's own database, made from plain table data: a SQLite file, or tables on a real server.

    async with legacy_file(folder / "carenotes.db", ddl, {"client": [{"client_id": "C1", ...}]}, faults) as url:
        ...

What a network server does wrong (adapters.testing.simulation.Faults), a file does in its own way: down is a share that
is not mounted (no file), garbage is a file that is no database, and a delay is the nightly batch that locks everything.
"""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapters.testing.simulation import LOGIN_PAGE, Faults, json_bytes

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

Tables = Mapping[str, Sequence[Mapping[str, Any]]]
"""Rows by table: text, numbers (digits kept), booleans, null; dates and times as ISO 8601 text."""

_LET_IN_S = 0.25
"""The batch lets others in for so long: longer than the longest pause between two tries of SQLite's busy handler."""


def sqlite_file(path: Path, ddl: str, tables: Tables) -> None:
    """Make the file. It must not exist."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(ddl)
        for table, rows in tables.items():
            for row in rows:
                columns = ", ".join(_quoted(name) for name in row)
                marks = ", ".join("?" for _ in row)
                statement = f"INSERT INTO {_quoted(table)} ({columns}) VALUES ({marks})"  # noqa: S608  (both quoted)
                connection.execute(statement, [_plain(value) for value in row.values()])
        connection.commit()


class LegacyFile:
    """A file that its application is working on."""

    def __init__(self, path: Path, ddl: str, tables: Tables, faults: Faults) -> None:
        self.url = f"sqlite:///{path}"
        self._path, self._ddl, self._tables, self._faults = path, ddl, tables, faults
        self._over = threading.Event()
        self._batch: threading.Thread | None = None

    def apply(self) -> None:
        """Make the file what the faults say now."""
        self.remove()
        if self._faults.down:
            return
        if self._faults.garbage:
            self._path.write_text(LOGIN_PAGE * 50, "utf-8")
            return
        sqlite_file(self._path, self._ddl, self._tables)
        if self._faults.delay_s > 0:
            begun = threading.Event()
            self._batch = threading.Thread(target=self._lock, args=(begun,), daemon=True)
            self._batch.start()
            begun.wait()

    def stop(self) -> None:
        """End the batch."""
        self._over.set()
        if self._batch is not None:
            self._batch.join()
        self._batch = None
        self._over.clear()

    def remove(self) -> None:
        """End the batch, and take the file away."""
        self.stop()
        self._path.unlink(missing_ok=True)

    def _lock(self, begun: threading.Event) -> None:
        with closing(sqlite3.connect(self._path, isolation_level=None, timeout=60.0)) as connection:
            while not self._over.is_set():
                connection.execute("BEGIN EXCLUSIVE")
                begun.set()
                self._over.wait(self._faults.delay_s)
                connection.execute("COMMIT")
                self._over.wait(_LET_IN_S)


@asynccontextmanager
async def legacy_file(path: Path, ddl: str, tables: Tables, faults: Faults | None = None) -> AsyncIterator[LegacyFile]:
    """The file while the context lasts. Change the faults and `apply()` at any time."""
    file = LegacyFile(path, ddl, tables, faults or Faults())
    file.apply()
    try:
        yield file
    finally:
        await asyncio.to_thread(file.remove)


async def server_tables(connection: "AsyncConnection", ddl: str, tables: Tables) -> None:
    """The same tables on PostgreSQL or MariaDB, in the connection's current schema. Commit it yourself."""
    from sqlalchemy import text

    for statement in _statements(ddl):
        await connection.exec_driver_sql(statement)
    for table, rows in tables.items():
        for row in rows:
            columns = ", ".join(row)
            if connection.dialect.name == "postgresql":
                # The server types each value by its column, as it does for an application.
                await connection.execute(
                    text(
                        f"INSERT INTO {table} ({columns}) "  # noqa: S608  (the simulator's own names)
                        f"SELECT {columns} FROM json_populate_record(NULL::{table}, CAST(:row AS json))"
                    ),
                    {"row": json_bytes(dict(row)).decode()},
                )
            else:
                marks = ", ".join(f":{name}" for name in row)
                insert = text(f"INSERT INTO {table} ({columns}) VALUES ({marks})")  # noqa: S608  (the same)
                await connection.execute(insert, dict(row))


def _statements(ddl: str) -> Iterator[str]:
    yield from (each for each in (part.strip() for part in ddl.split(";")) if each)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Decimal) else value
