"""The databases that a feed's store is tested on, and what is in them without the store's own code."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.support.databases import BACKENDS, OwnServer, database, emptied, own_server, run

__all__ = ["BACKENDS", "OwnServer", "database", "emptied", "own_server", "run"]
"""What the tests here take from there."""


async def rows(where: str) -> list[tuple[str, str, bytes]]:
    """What is kept: control id, state and bytes of each message, in order."""
    return await run(where, "SELECT control, state, raw FROM message ORDER BY seq")


async def kept(where: str) -> Counter[tuple[str, bytes]]:
    """Control id and bytes of what is kept; a file is first asked whether it is whole."""
    if "://" not in where:
        assert await run(where, "PRAGMA integrity_check") == [("ok",)]
    return Counter((control, raw) for control, _, raw in await rows(where))


@asynccontextmanager
async def no_message_can_be_kept(where: str) -> AsyncIterator[None]:
    """The database itself refuses every new message meanwhile."""
    if "://" in where:
        refuse, accept = "ALTER TABLE message ADD CONSTRAINT no CHECK (false) NOT VALID", "DROP CONSTRAINT no"
        accept = f"ALTER TABLE message {accept}"
    else:
        refuse = "CREATE TRIGGER no BEFORE INSERT ON message BEGIN SELECT raise(ABORT, 'no'); END"
        accept = "DROP TRIGGER no"
    await run(where, refuse)
    try:
        yield
    finally:
        await run(where, accept)
