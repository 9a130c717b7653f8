"""Where a feed's messages are kept: whole, in order of arrival, and durable before anybody is told that they are.

What is done to the tables is in `statements`, once for every database; a `Database` (`adapters.sdk.durable`) runs it.
A message and the numbers it is found by are one transaction, and the row number is the cursor of the feed. One
transaction is under way at a time; what arrives meanwhile goes into the next one. The same bytes again add nothing:
MSH-10 alone is not unique, and the sender, the facility and MSH-10 are among the bytes.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from adapters.hl7v2.feed import statements
from adapters.hl7v2.feed.kept import Changed, Cursor, Decision, Found, Kept, Received, State, StoreUnavailable
from adapters.sdk.durable import Database

MOST_IN_A_COMMIT = 256
MOST_WAITING = 4096
"""Messages that may wait for the disk; more are refused, and their senders try again."""


def now() -> datetime:
    """The clock of the machine."""
    return datetime.now(UTC)


class Reader:
    """What the gateway needs of a store, whose listener is another process."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, numbers: Iterable[str], nhs: Iterable[str], limit: int) -> list[Found]:
        """Whoever is known by one of these own numbers or NHS numbers. Raises StoreUnavailable."""
        return await self._database.read(statements.find(tuple(numbers), tuple(nhs), limit))

    async def state(self) -> State:
        """Raises StoreUnavailable."""
        return await self._database.read(statements.state())

    async def cursor(self) -> Cursor:
        """The end of what has been committed. Raises StoreUnavailable."""
        return await self._database.read(statements.cursor())

    async def changed(self, after: Cursor, limit: int) -> Changed | None:
        """Who is in what was committed since, at most `limit` messages; None when it is no cursor of this store.

        Rows are numbered in the order in which they become visible, so that nothing is passed over. Raises
        StoreUnavailable.
        """
        return await self._database.read(statements.changed(after, limit))

    async def unlinked(self, limit: int) -> list[Kept]:
        """The oldest messages that name nobody for certain and that nobody has linked. Raises StoreUnavailable."""
        return await self._database.read(statements.unlinked(limit))

    async def message(self, beginning: str) -> Kept:
        """The one message whose id begins so. Raises LinkRefused, StoreUnavailable."""
        return await self._database.read(statements.message(beginning))

    async def decisions(self) -> list[Decision]:
        """Everything that was linked and undone by hand, in order. Raises StoreUnavailable."""
        return await self._database.read(statements.decisions())

    async def close(self) -> None:
        await self._database.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, e: BaseException | None, t: TracebackType | None
    ) -> None:
        await self.close()


class Store(Reader):
    """What the listener and its operator write to; used by one event loop."""

    def __init__(self, database: Database, clock: Callable[[], datetime] = now) -> None:
        super().__init__(database)
        self._clock = clock
        self._waiting: deque[tuple[Received, asyncio.Future[bool]]] = deque()
        self._committing: asyncio.Task[None] | None = None
        self._closed = False

    async def open(self) -> None:
        """Make ready for writing. Raises StoreUnavailable when what is written would not be durable."""
        await self._database.open()

    async def keep(self, message: Received) -> bool:
        """Returns when the message is durable: True when it is new. Raises StoreUnavailable.

        A caller that stops waiting does not undo it.
        """
        if self._closed:
            raise StoreUnavailable("the store is closed")
        if len(self._waiting) >= MOST_WAITING:
            raise StoreUnavailable("too many messages are waiting for the disk")
        durable: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((message, durable))
        if self._committing is None or self._committing.done():
            self._committing = asyncio.create_task(self._commit())
        return await durable

    async def link(self, message: str, number: str, who: str, why: str) -> None:
        """Say whose a message is that names nobody. Raises LinkRefused, StoreUnavailable."""
        await self._database.write(statements.link(message, number, who, why, self._clock()))

    async def unlink(self, message: str, who: str, why: str) -> None:
        """Take such a decision back. Raises LinkRefused, StoreUnavailable."""
        await self._database.write(statements.unlink(message, who, why, self._clock()))

    async def close(self) -> None:
        """Commit what waits, then release the database."""
        self._closed = True
        if self._committing is not None:
            await asyncio.wait([self._committing])
        await super().close()

    async def _commit(self) -> None:
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST_IN_A_COMMIT))]
            new: list[bool] | None = None
            try:
                # Whatever goes wrong: nothing of this batch is known to be durable, and the next one is tried.
                with suppress(Exception):
                    new = await self._database.write(statements.commit([each for each, _ in batch], self._clock()))
            finally:
                for at, (_, durable) in enumerate(batch):
                    if durable.done():
                        continue
                    if new is None:
                        durable.set_exception(StoreUnavailable("the message could not be made durable"))
                    else:
                        durable.set_result(new[at])
