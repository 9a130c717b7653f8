"""A database that is asked: read only, with a time limit that its server keeps, and a stop that reaches it.

Whoever waits for a query may leave (a deadline, a caller that is gone). The query must then be gone from the server
too, not run on for an hour against a hospital's live system. Each query runs in a task of its own: when its caller
leaves, the server is told to stop first, and the task ends by the server's word.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct

from adapters.sdk import Call, SettingsError, SourceRequest, SourceTimeout
from adapters.sql.cells import canonical_rows
from adapters.sql.failures import translated
from adapters.sql.mapping_file import Query
from adapters.sql.settings import SqlSettings
from adapters.sql.statement import Statement

if TYPE_CHECKING:
    from sqlalchemy import TextClause
    from sqlalchemy.engine import URL
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

T = TypeVar("T")

_BATCH = 200
"""Rows made canonical at one go: some milliseconds of the event loop."""
_STOP_WITHIN_S = 3.0
_PATIENCE_S = 0.5
_STOP_AGAIN_S = 0.05


class Fetched(Struct, frozen=True, kw_only=True):
    """The rows of a query, canonical."""

    rows: list[dict[str, Any]]
    truncated: bool


class Facts(Struct, frozen=True, kw_only=True):
    """What `check` learns of the account that asks."""

    detail: str
    writes: tuple[str, ...] = ()
    """What it may do besides reading: none may be left."""
    warnings: tuple[str, ...] = ()


class _Held:
    """What a running query can be stopped by, once it has a connection."""

    handle: Any = None
    stopping: bool = False
    """The server is being told to stop: the word may arrive when the query has ended."""


class Database(ABC):
    """One configured database. Subclasses know one server each."""

    def __init__(self, settings: SqlSettings) -> None:
        self.settings = settings
        self.engine = self.make_engine()
        self._slots = asyncio.Semaphore(settings.pool_size)
        self._stopping: set[asyncio.Task[None]] = set()

    @abstractmethod
    def make_engine(self) -> "AsyncEngine":
        """The engine; nothing is connected yet."""

    @abstractmethod
    async def begin(self, connection: "AsyncConnection", seconds: float) -> None:
        """Begin a transaction that cannot write and in which the server ends a statement after so long."""

    @abstractmethod
    def handle(self, driver: Any) -> Any:
        """What `stop` needs to know of a driver's connection; None where cancelling the task stops the server too."""

    @abstractmethod
    async def stop(self, handle: Any) -> None:
        """Tell the server to end what that connection runs. It touches nothing that the query's own task uses."""

    @abstractmethod
    async def account(self, connection: "AsyncConnection") -> Facts:
        """What the account may do."""

    @abstractmethod
    async def scans(self, connection: "AsyncConnection", query: Query, values: Mapping[str, Any]) -> bool:
        """Whether the query reads a table from end to end, by the server's own plan."""

    def reachable(self) -> None:
        """Raise SourceUnavailable where it can be told without connecting that there is nothing to connect to."""
        return

    def bound(self, statement: Statement, prefix: str = "") -> "TextClause":
        """The statement as SQLAlchemy takes it."""
        from sqlalchemy import text

        return text(prefix + statement.text)

    def value(self, value: Any) -> Any:
        """A parameter as the driver takes it."""
        return value

    async def rows(self, query: Query, values: Mapping[str, Any], call: Call, max_rows: int) -> Fetched:
        """Run a query. Raises a SourceError; the server has stopped when this is left, however it is left."""

        async def work(connection: "AsyncConnection") -> Fetched:
            return await self._read(connection, query, values, max_rows)

        return await self.run(work, call)

    async def run(self, work: Callable[["AsyncConnection"], Awaitable[T]], call: Call) -> T:
        """Do work on a connection of ours, within the time that both the caller and the settings give."""
        await self._slot(call)
        seconds = min(self.settings.statement_timeout_s, call.remaining_s())
        held = _Held()
        task = asyncio.create_task(self._worked(work, held, seconds))
        # Whoever leaves: the slot is taken until the server is done.
        task.add_done_callback(lambda _: self._slots.release())
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.shield(task)
        except TimeoutError:
            raise SourceTimeout("the database did not answer in time") from None
        finally:
            if not task.done():
                await self._end(task, held)

    async def _slot(self, call: Call) -> None:
        left = call.remaining_s()
        if left > 0:
            try:
                async with asyncio.timeout(left):
                    await self._slots.acquire()
            except TimeoutError:
                raise SourceTimeout("the database was busy with our own earlier questions") from None
        else:
            raise SourceTimeout("there was no time left to ask the database")

    async def _worked(self, work: Callable[["AsyncConnection"], Awaitable[T]], held: _Held, seconds: float) -> T:
        try:
            self.reachable()
            async with self._connected() as connection:
                held.handle = self.handle((await connection.get_raw_connection()).driver_connection)
                try:
                    await self.begin(connection, seconds)
                    return await work(connection)
                finally:
                    # From here on a stop would hit whatever the connection is used for next. One that is under way
                    # already must find nobody there.
                    held.handle = None
                    if held.stopping:
                        await connection.invalidate()
        except Exception as error:
            told = translated(error)
            if told is None:
                raise
            raise told from None

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator["AsyncConnection"]:
        """A connection; one whose query was cut short is not used again."""
        async with self.engine.connect() as connection:
            try:
                yield connection
            except BaseException:
                await connection.invalidate()
                raise

    async def _end(self, task: asyncio.Task[Any], held: _Held) -> None:
        """Have the server stop, then let the task end; in a task of its own, which a second cancellation leaves alone.

        A server that does not hear is not waited for: the caller's time is up.
        """
        ending = asyncio.create_task(self._ended(task, held))
        self._stopping.add(ending)
        ending.add_done_callback(self._stopping.discard)
        await asyncio.wait([ending], timeout=_PATIENCE_S)

    async def _ended(self, task: asyncio.Task[Any], held: _Held) -> None:
        try:
            async with asyncio.timeout(_STOP_WITHIN_S):
                # Told again while it runs: a first word may come before the statement has begun.
                held.stopping = True
                while (handle := held.handle) is not None:
                    await self.stop(handle)
                    await asyncio.wait([task], timeout=_STOP_AGAIN_S)
        except Exception:  # noqa: S110  (what stays is to break off the connection, which cancelling does)
            pass
        finally:
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                task.exception()

    async def _read(
        self, connection: "AsyncConnection", query: Query, values: Mapping[str, Any], max_rows: int
    ) -> Fetched:
        parameters = {name: self.value(values[name]) for name in query.statement.parameters}
        result = await connection.stream(self.bound(query.statement), parameters)
        names = _column_names(list(result.keys()), query)
        rows: list[dict[str, Any]] = []
        size = 0
        while len(rows) <= max_rows and size <= self.settings.max_bytes:
            batch = await result.fetchmany(min(_BATCH, max_rows + 1 - len(rows)))
            if not batch:
                break
            size += sum(_size(cell) for row in batch for cell in row)
            rows += canonical_rows(names, [tuple(row) for row in batch], query.rules)
        truncated = len(rows) > max_rows or size > self.settings.max_bytes
        if truncated:
            # What is left unread would have to be read before the connection could be used again.
            await connection.invalidate()
        else:
            await result.close()
        return Fetched(rows=rows[:max_rows], truncated=truncated)

    @property
    def can_be_overheard(self) -> bool:
        """Whether records travel over a network in the clear."""
        host = self.engine.url.host
        return host is not None and not self.settings.tls and host not in ("localhost", "127.0.0.1", "::1")

    async def close(self) -> None:
        """Let stops end, then close every connection."""
        if self._stopping:
            await asyncio.wait(self._stopping)
        await self.engine.dispose()

    # For subclasses

    def make_url(self, drivername: str) -> "URL":
        """The URL with this driver; the password is not in it."""
        from sqlalchemy.engine import make_url

        return make_url(self.settings.url).set(drivername=drivername)

    def keep_password_fresh(self, engine: "AsyncEngine") -> None:
        """Have the password read whenever a connection is made, so that a rotated one is noticed."""
        from sqlalchemy import event

        secret = self.settings.password
        if secret is None:
            return

        def connecting(dialect: Any, record: Any, args: Any, parameters: dict[str, Any]) -> None:
            parameters["password"] = secret.reveal()

        event.listen(engine.sync_engine, "do_connect", connecting)

    def tls_context(self) -> Any:
        """The TLS context to connect with; None without TLS."""
        if not self.settings.tls:
            return None
        import ssl

        try:
            return ssl.create_default_context(cafile=self.settings.ca)
        except (OSError, ssl.SSLError):
            raise SettingsError("ca cannot be read: is the path right, and is the file PEM?") from None


def _column_names(given: list[str], query: Query) -> list[str]:
    names = [name.lower() for name in given]
    if len(set(names)) != len(names):
        raise SourceRequest(f"{query.name}: two columns of the query have one name: write AS")
    if missing := sorted(query.needed - set(names)):
        raise SourceRequest(f"{query.name}: the mapping reads a column that the query does not give: {missing[0]}")
    return names


def _size(cell: Any) -> int:
    return len(cell) if isinstance(cell, str | bytes) else 8


_KINDS = {
    "sqlite": ("aiosqlite", "adapters.sql.sqlite", "SqliteDatabase", "sql"),
    "postgresql": ("asyncpg", "adapters.sql.postgresql", "PostgresqlDatabase", "postgresql"),
    "mariadb": ("asyncmy", "adapters.sql.mariadb", "MariadbDatabase", "mariadb"),
}
"""For each: the driver, our module and class for it, and the extra that installs it."""


def open_database(settings: SqlSettings) -> Database:
    """The database of these settings. Raises SettingsError, which says what to install, without its driver."""
    driver, module, name, extra = _KINDS[settings.backend]
    try:
        import_module(driver)
        found: type[Database] = getattr(import_module(module), name)
    except ImportError:
        raise SettingsError(
            f"the driver for {settings.backend} is not installed: pip install 'sherwood-gateway[{extra}]'"
        ) from None
    return found(settings)
