"""A legacy application's own database, made from plain table data: a SQLite file, or tables on a real server.

    ddl, tables = described(raw_json(text))                     # {table: {columns, types, rows}}
    faults = FileFaults()
    async with legacy_file(folder / "carenotes.db", ddl, tables, faults) as file:
        ...                                                     # sources.settings.url = file.url
        faults.down = True                                      # and the file is gone

What a network server does wrong (adapters.testing.simulation.Faults), a file does in its own way: down is a share that
is not mounted (no file), garbage is a file that is no database, a delay is a nightly batch that locks everything for
so long again and again, and a hold is one that goes on until it is let go. Nobody counts the readers of a file: `asked`
stays 0.
"""

import asyncio
import re
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
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


_TRY_S = 0.05
"""The batch waits for readers for so long before it looks whether it is over."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TYPE = re.compile(r"[A-Z]+( ?\([0-9]+(, ?[0-9]+)?\))?")


def described(document: Mapping[str, Any]) -> tuple[str, Tables]:
    """DDL and rows of `{table: {columns, types, rows}}`: each table's first column is its key, and nothing else is
    indexed. Raises ValueError for what is no name or type, and for a row that is not as long as the columns."""
    ddl, tables = [], dict[str, list[dict[str, Any]]]()
    for name, table in document.items():
        columns, types = table["columns"], table["types"]
        if not all(map(_NAME.fullmatch, (name, *columns))) or not all(map(_TYPE.fullmatch, types)):
            raise ValueError(f"table {name}: a name or a type is not one")
        defined = ", ".join(f"{column} {kind}" for column, kind in zip(columns, types, strict=True))
        ddl.append(f"CREATE TABLE {name} ({defined}, PRIMARY KEY ({columns[0]}))")
        tables[name] = [dict(zip(columns, row, strict=True)) for row in table["rows"]]
    return ";\n".join(ddl), tables


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


@dataclass
class FileFaults(Faults):
    """Faults of a file, which becomes what they say when one of them is set: nobody has to apply them."""

    changed: Callable[[], None] | None = field(default=None, repr=False)
    """Set by `legacy_file` while there is a file."""

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name not in ("asked", "changed") and self.changed is not None:
            self.changed()


class LegacyFile:
    """A file that its application is working on."""

    def __init__(self, path: Path, ddl: str, tables: Tables, faults: Faults) -> None:
        self.url = f"sqlite:///{path}"
        self._path, self._ddl, self._tables, self._faults = path, ddl, tables, faults
        self._over = threading.Event()
        self._batch: threading.Thread | None = None
        self._letting_go: asyncio.Task[None] | None = None

    def apply(self) -> None:
        """Make the file what the faults say now."""
        self.remove()
        if self._faults.down:
            return
        if self._faults.garbage:
            self._path.write_text(LOGIN_PAGE * 50, "utf-8")
            return
        sqlite_file(self._path, self._ddl, self._tables)
        hold = self._faults.hold if self._faults.hold is not None and not self._faults.hold.is_set() else None
        if self._faults.delay_s > 0 or hold is not None:
            begun = threading.Event()
            for_s = None if hold is not None else self._faults.delay_s
            self._batch = threading.Thread(target=self._lock, args=(begun, for_s), daemon=True)
            self._batch.start()
            begun.wait()
        if hold is not None:
            self._letting_go = asyncio.get_running_loop().create_task(self._let_go(hold))

    def stop(self) -> None:
        """End the batch."""
        if self._letting_go is not None:
            self._letting_go.cancel()
            self._letting_go = None
        self._over.set()
        if self._batch is not None:
            self._batch.join()
        self._batch = None
        self._over.clear()

    def remove(self) -> None:
        """End the batch, and take the file away."""
        self.stop()
        self._path.unlink(missing_ok=True)

    async def _let_go(self, hold: asyncio.Event) -> None:
        """The batch that was held ends; what it was slow by comes after."""
        await hold.wait()
        self._letting_go = None
        self.apply()

    def _lock(self, begun: threading.Event, for_s: float | None) -> None:
        with closing(sqlite3.connect(self._path, isolation_level=None, timeout=_TRY_S)) as connection:
            while not self._over.is_set():
                try:
                    connection.execute("BEGIN EXCLUSIVE")
                except sqlite3.OperationalError as error:
                    # Somebody reads, perhaps from the very loop that waits for this thread to end.
                    if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                        raise
                    continue
                begun.set()
                self._over.wait(for_s)
                connection.execute("COMMIT")
                self._over.wait(_LET_IN_S)


@asynccontextmanager
async def legacy_file(path: Path, ddl: str, tables: Tables, faults: Faults | None = None) -> AsyncIterator[LegacyFile]:
    """The file while the context lasts. Set `FileFaults`, or change other faults and `apply()`, at any time."""
    file = LegacyFile(path, ddl, tables, faults or Faults())
    file.apply()
    if isinstance(faults, FileFaults):
        faults.changed = file.apply
    try:
        yield file
    finally:
        if isinstance(faults, FileFaults):
            faults.changed = None
        file.remove()


async def server_tables(connection: "AsyncConnection", ddl: str, tables: Tables) -> None:
    """The same tables on PostgreSQL or MariaDB, in the connection's current schema. Commit it yourself."""
    from sqlalchemy import text

    for statement in _statements(ddl):
        await connection.exec_driver_sql(statement)
    for table, rows in tables.items():
        for row in rows:
            columns = ", ".join(row)
            if connection.dialect.name == "postgresql":
                # The server types each value by its column, as it does for an application. It knows a name that is not
                # quoted by its small letters.
                await connection.execute(
                    text(
                        f"INSERT INTO {table} ({columns}) "  # noqa: S608  (the simulator's own names)
                        f"SELECT {columns} FROM json_populate_record(NULL::{table}, CAST(:row AS json))"
                    ),
                    {"row": json_bytes({name.lower(): value for name, value in row.items()}).decode()},
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
