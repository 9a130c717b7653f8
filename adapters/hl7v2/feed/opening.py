"""Which database a feed's settings name: a SQLite file, or a PostgreSQL server by its URL."""

from collections.abc import Callable
from datetime import datetime

from adapters.hl7v2.feed.settings import FeedSettings
from adapters.hl7v2.feed.sqlite import SqliteDatabase
from adapters.hl7v2.feed.store import Database, Reader, Store, now


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
        return SqliteDatabase(settings.file)
    from adapters.hl7v2.feed.postgresql import PostgresqlDatabase

    return PostgresqlDatabase(settings)
