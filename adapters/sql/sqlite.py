"""SQLite through aiosqlite: the file is opened read-only, and a query is stopped by interrupt.

A file that is replaced, by a nightly copy or a restored backup, goes on being read through the connections that have
it open: each is asked first whether the file at the path is still the one that it opened.

Truth: sqlite.org/uri.html (mode=ro), pragma.html (query_only, trusted_schema), c3ref/interrupt.html, eqp.html.
"""

import logging
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from adapters.sdk import SourceUnavailable
from adapters.sql.database import Database, Facts
from adapters.sql.mapping_file import Query

# At level DEBUG it logs each statement with its parameters.
logging.getLogger("aiosqlite").setLevel(logging.CRITICAL + 1)

_SCAN = re.compile(r"SCAN (?!CONSTANT ROW|\()")


class SqliteDatabase(Database):
    """A SQLite file."""

    def make_engine(self) -> AsyncEngine:
        # The path is quoted as sqlite.org/uri.html says: a '?' in it would begin the options.
        path = quote(str(self.settings.file.absolute()))
        engine = create_async_engine(
            URL.create("sqlite+aiosqlite", database=f"file:{path}", query={"mode": "ro", "uri": "true"}),
            pool_size=self.settings.pool_size,
            max_overflow=0,
            hide_parameters=True,
        )
        event.listen(engine.sync_engine, "connect", _read_only)
        event.listen(engine.sync_engine, "do_connect", self._opening)
        event.listen(engine.sync_engine, "checkout", self._still_there)
        return engine

    def _opening(self, dialect: Any, record: Any, args: Any, parameters: Any) -> None:
        record.info["file"] = _which(self.settings.file)

    def _still_there(self, connection: Any, record: Any, proxy: Any) -> None:
        """DisconnectionError has the pool make a new connection."""
        if record.info["file"] != _which(self.settings.file):
            raise DisconnectionError

    def reachable(self) -> None:
        if not os.access(self.settings.file, os.R_OK):
            raise SourceUnavailable("the database file is not there, or may not be read")

    async def begin(self, connection: AsyncConnection, seconds: float) -> None:
        """There is no server to keep the time limit: the base class does, and `stop` reaches the query."""
        await connection.exec_driver_sql(f"PRAGMA busy_timeout = {max(1, round(seconds * 1000))}")

    def handle(self, driver: Any) -> Any:
        return driver

    async def stop(self, handle: Any) -> None:
        with suppress(ValueError):  # it has just been closed
            await handle.interrupt()

    def value(self, value: Any) -> Any:
        """SQLite has no dates: the file holds them as text."""
        if isinstance(value, date):
            return value.isoformat()
        return str(value) if isinstance(value, Decimal) else value

    async def account(self, connection: AsyncConnection) -> Facts:
        file = self.settings.file
        warnings: tuple[str, ...] = ()
        if os.access(file, os.W_OK):
            warnings = ("the file may be written by this system user: it is opened read-only, but give it read access",)
        tables = (
            await connection.exec_driver_sql("SELECT count(*) FROM sqlite_master WHERE type IN ('table', 'view')")
        ).scalar_one()
        return Facts(detail=f"SQLite; {tables} tables and views may be read", warnings=warnings)

    async def scans(self, connection: AsyncConnection, query: Query, values: Mapping[str, Any]) -> bool:
        parameters = {name: self.value(values[name]) for name in query.statement.parameters}
        plan = await connection.execute(self.bound(query.statement, "EXPLAIN QUERY PLAN "), parameters)
        return any(_SCAN.match(str(row[-1])) for row in plan)


def _which(file: Path) -> tuple[int, int] | None:
    """Which file is at the path; None when there is none."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _read_only(connection: Any, record: Any) -> None:
    driver = connection.driver_connection if hasattr(connection, "driver_connection") else connection._connection
    # Text that is not UTF-8 makes one cell unreadable, not the whole answer.
    driver.text_factory = _text
    cursor = connection.cursor()
    for pragma in ("query_only = ON", "trusted_schema = OFF"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _text(value: bytes) -> str | bytes:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value
