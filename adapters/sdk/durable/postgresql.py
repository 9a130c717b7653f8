"""Tables in a PostgreSQL database of their own, through asyncpg.

PostgreSQL 15 section 30.1 (reliability) and 20.5 (fsync, synchronous_commit): a commit has returned only when the log
is on the server's disk. A server that is configured otherwise is refused, at the start and in every transaction, for it
may be configured anew while it runs. One connection writes; it is made anew when it was lost, so that a server may go
and come back.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from adapters.sdk.durable import Script, StoreUnavailable
from adapters.sdk.durable.server import Server
from adapters.sdk.errors import SettingsError

T = TypeVar("T")

Connection = Any
Pool = Any
"""Those of asyncpg, which has no types."""

_CONNECT_WITHIN_S = 5.0
_READERS = 4
_DURABLE = "SELECT current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS synchronous_commit"
ONE_WRITER = "SELECT pg_advisory_xact_lock(4277009)"
"""Until the end of the transaction, for whoever writes to this database: rows are numbered in the order in which they
become visible, a script reads what the one before it has written, and tables are not made by two at the same time."""

KEY, BYTES = "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY", "BYTEA"
"""PostgreSQL's words for a row number and for bytes."""


class PostgresqlDatabase:
    """`Database` on a server; used by one event loop."""

    def __init__(self, server: Server, tables: Callable[[], Script[None]], *, answer_within_s: float = 30.0) -> None:
        """Connects to nothing yet; `tables` makes what is not there.

        Raises SettingsError when the driver or the certificate is missing.
        """
        try:
            import asyncpg  # type: ignore[import-untyped]
        except ImportError:
            raise SettingsError(
                "the driver for postgresql is not installed: pip install 'sherwood-gateway[postgresql]'"
            ) from None
        self._driver = asyncpg
        self._failures = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
        self._tables = tables
        self._how = server.connecting() | {
            "timeout": _CONNECT_WITHIN_S,
            "command_timeout": answer_within_s,
            "server_settings": {"application_name": "sherwood"},
        }
        self._writer: Connection | None = None
        self._writing = asyncio.Lock()
        self._readers: Pool | None = None
        self._pooling = asyncio.Lock()

    async def open(self) -> None:
        """As `Database.open`. The account must own the tables, or be allowed to make them."""
        async with self._writing:
            try:
                await self._connected()
            except self._failures:
                raise StoreUnavailable("the store cannot be opened for durable writing") from None

    async def read(self, script: Script[T]) -> T:
        try:
            pool = await self._pool()
            async with (
                pool.acquire(timeout=_CONNECT_WITHIN_S) as connection,
                connection.transaction(isolation="repeatable_read", readonly=True),
            ):
                return await _run(connection, script)
        except self._failures:
            raise StoreUnavailable("the store cannot be read") from None

    async def write(self, script: Script[T]) -> T:
        async with self._writing:
            try:
                connection = await self._connected()
                async with connection.transaction():
                    await connection.execute(ONE_WRITER)
                    await _require_durable(connection)
                    return await _run(connection, script)
            except self._failures:
                self._drop()
                raise StoreUnavailable("the store cannot be written") from None
            except asyncio.CancelledError:
                self._drop()
                raise

    async def close(self) -> None:
        if self._writer is not None:
            with suppress(*self._failures):
                await self._writer.close(timeout=_CONNECT_WITHIN_S)
        if self._readers is not None:
            try:
                async with asyncio.timeout(_CONNECT_WITHIN_S):
                    await self._readers.close()
            except self._failures:
                self._readers.terminate()
        self._writer = self._readers = None

    async def _connected(self) -> Connection:
        """The connection that writes; a new one is asked first whether its commits are durable."""
        if self._writer is None or self._writer.is_closed():
            connection = await self._driver.connect(**self._how)
            try:
                await _require_durable(connection)
                async with connection.transaction():
                    await connection.execute(ONE_WRITER)
                    await _run(connection, self._tables())
            except BaseException:
                connection.terminate()
                raise
            self._writer = connection
        return self._writer

    def _drop(self) -> None:
        """Whatever state it is in: the next transaction has a new connection."""
        if self._writer is not None:
            self._writer.terminate()
            self._writer = None

    async def _pool(self) -> Pool:
        async with self._pooling:
            if self._readers is None:
                self._readers = await self._driver.create_pool(min_size=0, max_size=_READERS, **self._how)
            return self._readers


async def _require_durable(connection: Connection) -> None:
    """Raises StoreUnavailable unless a commit waits for the server's disk: either may be changed while it runs."""
    for name, standing in (await connection.fetchrow(_DURABLE)).items():
        if standing == "off":
            raise StoreUnavailable(f"the store's server has {name} off: what it commits may be lost")


async def _run(connection: Connection, script: Script[T]) -> T:
    try:
        statement = next(script)
        while True:
            values = (_text(value) if isinstance(value, str) else value for value in statement.values)
            statement = script.send(await connection.fetch(statement.text, *values))
    except StopIteration as end:
        found: T = end.value
        return found


def _text(value: str) -> str:
    """PostgreSQL's text holds no NUL: what must be kept to the letter is kept as bytes."""
    return value.replace("\0", "\ufffd")
