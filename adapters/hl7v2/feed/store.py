"""Where a feed's messages are kept: whole, in order of arrival, and durable before anybody is told that they are.

One SQLite file in write-ahead mode with synchronous FULL (sqlite.org/pragma.html#pragma_synchronous): a commit has
returned only when the log is on the disk. One thread writes; what arrives while it commits goes into the next commit.
A message and the numbers it is found by are one transaction, and the row number is the cursor of the feed. The same
message again (sender, facility, control id and content) adds nothing: MSH-10 alone is not unique.
"""

import asyncio
import os
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from adapters.hl7v2.feed.identity import Person, Tie


class StoreUnavailable(Exception):
    """The message could not be made durable, or nothing can be read: nobody may be told otherwise."""


class Received(Struct, frozen=True, kw_only=True):
    """A message as it arrived, and what was learned from its envelope."""

    raw: bytes
    application: str = ""
    facility: str = ""
    control: str = ""
    type: str = ""
    readable: bool = True
    people: tuple[Person, ...] = ()
    ties: tuple[Tie, ...] = ()


class Found(Struct, frozen=True, kw_only=True):
    """One person's messages in order of arrival, and every number of theirs."""

    numbers: tuple[str, ...]
    messages: tuple[bytes, ...]
    truncated: bool = False


class State(Struct, frozen=True, kw_only=True):
    """What the feed has heard so far."""

    first: datetime | None = None
    """When the first message was committed: the beginning of what the source knows."""
    last: datetime | None = None
    messages: int = 0
    unlinked: int = 0
    """Messages that name nobody for certain."""
    unreadable: int = 0


class Store(Protocol):
    """What the listener writes to and the adapter reads from; another database is another class."""

    async def keep(self, message: Received) -> bool:
        """Returns when the message is durable: True when it is new. Raises StoreUnavailable."""
        ...

    async def find(self, numbers: Iterable[str], nhs: Iterable[str], limit: int) -> list[Found]:
        """Whoever is known by one of these own numbers or NHS numbers. Raises StoreUnavailable."""
        ...

    async def state(self) -> State:
        """Raises StoreUnavailable."""
        ...

    async def close(self) -> None: ...


def now() -> datetime:
    """The clock of the machine."""
    return datetime.now(UTC)


MOST_IN_A_COMMIT = 256
MOST_WAITING = 4096
"""Messages that may wait for the disk; more are refused, and their senders try again."""

_TABLES = """
CREATE TABLE IF NOT EXISTS message (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, received TEXT NOT NULL, application TEXT NOT NULL, facility TEXT NOT NULL,
    control TEXT NOT NULL, digest BLOB NOT NULL, type TEXT NOT NULL, state TEXT NOT NULL, raw BLOB NOT NULL,
    UNIQUE (digest, control, application, facility)
);
CREATE TABLE IF NOT EXISTS person (seq INTEGER NOT NULL, number TEXT NOT NULL, nhs TEXT);
CREATE INDEX IF NOT EXISTS person_number ON person (number, seq);
CREATE INDEX IF NOT EXISTS person_nhs ON person (nhs, number) WHERE nhs IS NOT NULL;
CREATE TABLE IF NOT EXISTS tie (
    seq INTEGER NOT NULL, first TEXT NOT NULL, second TEXT NOT NULL, holds INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS tie_first ON tie (first);
CREATE INDEX IF NOT EXISTS tie_second ON tie (second);
CREATE TABLE IF NOT EXISTS tally (
    id INTEGER PRIMARY KEY CHECK (id = 1), first TEXT, last TEXT, messages INTEGER, unlinked INTEGER, unreadable INTEGER
);
INSERT OR IGNORE INTO tally VALUES (1, NULL, NULL, 0, 0, 0);
"""
_INSERT = (
    "INSERT OR IGNORE INTO message (received, application, facility, control, digest, type, state, raw) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_TALLY = (
    "UPDATE tally SET first = coalesce(first, ?), last = ?, messages = messages + ?, unlinked = unlinked + ?, "
    "unreadable = unreadable + ?"
)

_Waiting = tuple[Received, asyncio.AbstractEventLoop, "asyncio.Future[bool]"]


class SqliteStore:
    """`Store` in one file. Several processes may read it; the listener's alone writes."""

    def __init__(self, path: Path, clock: Callable[[], datetime] = now) -> None:
        """Opens the file for writing, making it if needed. Raises StoreUnavailable when it cannot be durable."""
        self._path = path
        self._queue: queue.Queue[_Waiting | None] = queue.Queue(MOST_WAITING)
        self._closed = False
        connection = _open(path)
        self._thread = threading.Thread(target=self._write, args=(connection, clock), name="feed-store", daemon=True)
        self._thread.start()

    async def keep(self, message: Received) -> bool:
        """As `Store.keep`. A caller that stops waiting does not undo it."""
        if self._closed:
            raise StoreUnavailable("the store is closed")
        loop = asyncio.get_running_loop()
        durable: asyncio.Future[bool] = loop.create_future()
        try:
            self._queue.put_nowait((message, loop, durable))
        except queue.Full:
            raise StoreUnavailable("too many messages are waiting for the disk") from None
        return await durable

    async def find(self, numbers: Iterable[str], nhs: Iterable[str], limit: int) -> list[Found]:
        return await asyncio.to_thread(find, self._path, tuple(numbers), tuple(nhs), limit)

    async def state(self) -> State:
        return await asyncio.to_thread(state, self._path)

    async def close(self) -> None:
        """Write what waits, then release the file."""
        if not self._closed:
            self._closed = True
            await asyncio.to_thread(self._stop)

    def _stop(self) -> None:
        self._queue.put(None)
        self._thread.join()

    def _write(self, connection: sqlite3.Connection, clock: Callable[[], datetime]) -> None:
        """The writer thread: until told to stop."""
        try:
            while (first := self._queue.get()) is not None:
                batch = [first]
                stop = False
                while len(batch) < MOST_IN_A_COMMIT and not stop:
                    try:
                        item = self._queue.get_nowait()
                    except queue.Empty:
                        break
                    if item is None:
                        stop = True
                    else:
                        batch.append(item)
                outcome: list[bool] | None = None
                with suppress(Exception):  # whatever it was: nothing of this batch is known to be durable
                    outcome = _commit(connection, [message for message, _, _ in batch], clock())
                _tell(batch, outcome)
                if stop:
                    return
        finally:
            with suppress(sqlite3.Error):
                connection.close()


class SqliteReader:
    """The reading half of `SqliteStore`, for a gateway beside a listener that is another process."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def keep(self, message: Received) -> bool:
        raise StoreUnavailable("this end of the store is for reading")

    async def find(self, numbers: Iterable[str], nhs: Iterable[str], limit: int) -> list[Found]:
        return await asyncio.to_thread(find, self._path, tuple(numbers), tuple(nhs), limit)

    async def state(self) -> State:
        return await asyncio.to_thread(state, self._path)

    async def close(self) -> None:
        return


def _open(path: Path) -> sqlite3.Connection:
    """A connection whose commits are durable, proved by asking. The directory is synced: a new file is found again."""
    connection = None
    try:
        path.touch(mode=0o600)
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        if connection.execute("PRAGMA journal_mode=WAL").fetchone() != ("wal",):
            raise sqlite3.OperationalError
        connection.execute("PRAGMA synchronous=FULL")
        require_durable(connection)
        connection.executescript(_TABLES)
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except (sqlite3.Error, OSError, StoreUnavailable):
        if connection is not None:
            connection.close()
        raise StoreUnavailable("the store cannot be opened for durable writing") from None
    return connection


def require_durable(connection: sqlite3.Connection) -> None:
    """Raises StoreUnavailable unless a commit on this connection waits for the disk."""
    durable = ("wal",), (2,)
    found = tuple(connection.execute(f"PRAGMA {name}").fetchone() for name in ("journal_mode", "synchronous"))
    if found != durable:
        raise StoreUnavailable("the store does not sync its log to the disk at every commit")


def _commit(connection: sqlite3.Connection, messages: Sequence[Received], at: datetime) -> list[bool]:
    """One transaction; which of the messages are new."""
    new: list[bool] = []
    unlinked = unreadable = 0
    connection.execute("BEGIN IMMEDIATE")
    try:
        for one in messages:
            kept = "unreadable" if not one.readable else "linked" if one.people else "unlinked"
            digest = sha256(one.raw).digest()
            row = (at.isoformat(), one.application, one.facility, one.control, digest, one.type, kept, one.raw)
            cursor = connection.execute(_INSERT, row)
            new.append(cursor.rowcount == 1)
            if not new[-1]:
                continue
            seq = cursor.lastrowid
            unlinked += kept == "unlinked"
            unreadable += kept == "unreadable"
            connection.executemany(
                "INSERT INTO person VALUES (?, ?, ?)", [(seq, p.number, p.nhs) for p in dict.fromkeys(one.people)]
            )
            connection.executemany(
                "INSERT INTO tie VALUES (?, ?, ?, ?)", [(seq, t.first, t.second, t.holds) for t in one.ties]
            )
        # A message heard again is a sign of life all the same.
        connection.execute(_TALLY, (at.isoformat(), at.isoformat(), sum(new), unlinked, unreadable))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return new


def _tell(batch: Sequence[_Waiting], outcome: list[bool] | None) -> None:
    """Wake the callers, one call for each event loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[bool], bool | None]]] = {}
    for at, (_, loop, durable) in enumerate(batch):
        by_loop.setdefault(loop, []).append((durable, None if outcome is None else outcome[at]))
    for loop, answers in by_loop.items():
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_settle, answers)


def _settle(answers: list[tuple["asyncio.Future[bool]", bool | None]]) -> None:
    for future, new in answers:
        if future.done():
            continue
        if new is None:
            future.set_exception(StoreUnavailable("the message could not be made durable"))
        else:
            future.set_result(new)


def _reading(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    connection.execute("BEGIN")
    return connection


def state(path: Path) -> State:
    """As `Store.state`."""
    try:
        with closing(_reading(path)) as connection:
            first, last, *counts = connection.execute(
                "SELECT first, last, messages, unlinked, unreadable FROM tally"
            ).fetchone()
    except (sqlite3.Error, OSError):
        raise StoreUnavailable("the store cannot be read") from None
    messages, unlinked, unreadable = counts
    return State(
        first=datetime.fromisoformat(first) if first else None,
        last=datetime.fromisoformat(last) if last else None,
        messages=messages,
        unlinked=unlinked,
        unreadable=unreadable,
    )


def find(path: Path, numbers: Sequence[str], nhs: Sequence[str], limit: int) -> list[Found]:
    """As `Store.find`, in one snapshot of the file."""
    try:
        with closing(_reading(path)) as connection:
            wanted = dict.fromkeys([*numbers, *(n for one in nhs for n in _numbers_of(connection, one))])
            found: list[Found] = []
            done: set[str] = set()
            for number in wanted:
                if number not in done:
                    group = _together(connection, number)
                    done |= group
                    one = _messages(connection, sorted(group), limit)
                    found += [one] if one.messages else []
            return found
    except (sqlite3.Error, OSError):
        raise StoreUnavailable("the store cannot be read") from None


def _numbers_of(connection: sqlite3.Connection, nhs: str) -> list[str]:
    """The own numbers whose NHS number, as last stated, is this one."""
    rows = connection.execute("SELECT DISTINCT number FROM person WHERE nhs = ? ORDER BY number", (nhs,)).fetchall()
    latest = "SELECT nhs FROM person WHERE number = ? AND nhs IS NOT NULL ORDER BY seq DESC LIMIT 1"
    return [number for (number,) in rows if connection.execute(latest, (number,)).fetchone() == (nhs,)]


def _together(connection: sqlite3.Connection, number: str) -> set[str]:
    """Every number that merges and links tie to this one, undone ties left out."""
    group, frontier = {number}, [number]
    while frontier:
        one = frontier.pop()
        rows = connection.execute(
            "SELECT first, second, holds FROM tie WHERE first = ? OR second = ? ORDER BY seq", (one, one)
        )
        standing: dict[str, bool] = {}
        for first, second, holds in rows:
            standing[second if first == one else first] = bool(holds)
        for other, holds in standing.items():
            if holds and other not in group:
                group.add(other)
                frontier.append(other)
    return group


def _messages(connection: sqlite3.Connection, group: list[str], limit: int) -> Found:
    marks = ", ".join("?" * len(group))
    rows = connection.execute(
        f"SELECT raw FROM message WHERE seq IN (SELECT seq FROM person WHERE number IN ({marks})) "  # noqa: S608
        "ORDER BY seq DESC LIMIT ?",
        (*group, limit + 1),
    ).fetchall()
    raws = tuple(raw for (raw,) in reversed(rows[:limit]))
    return Found(numbers=tuple(group), messages=raws, truncated=len(rows) > limit)
