"""Which database a feed's settings name: a SQLite file, or a PostgreSQL server by its URL."""

from collections.abc import Callable
from datetime import datetime

from adapters.hl7v2.feed.settings import FeedSettings
from adapters.hl7v2.feed.statements import tables
from adapters.hl7v2.feed.store import Reader, Store, now
from adapters.sdk.durable import Database, sqlite


def reader(settings: FeedSettings) -> Reader:
    """For the gateway: nothing is opened until something is read. Raises SettingsError."""
    return Reader(_database(settings))


async def open_store(settings: FeedSettings, clock: Callable[[], datetime] = now, *, new: bool = True) -> Store:
    """For the listener, and for an operator's decision, which makes no `new` store.

    Raises StoreUnavailable when what is written would not be durable, and SettingsError.
    """
    store = Store(_database(settings), clock)
    try:
        if not new:
            await store.state()
        await store.open()
    except BaseException:
        await store.close()
        raise
    return store


def _database(settings: FeedSettings) -> Database:
    if not settings.on_server:
        return sqlite.SqliteDatabase(settings.file, lambda: tables(sqlite.KEY, sqlite.BYTES))
    from adapters.sdk.durable import postgresql

    return postgresql.PostgresqlDatabase(settings.server, lambda: tables(postgresql.KEY, postgresql.BYTES))
