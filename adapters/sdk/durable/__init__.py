"""Tables whose commits are on the disk before anybody is told of them: in one SQLite file, or on a PostgreSQL server.

What is done to the tables is written once, as scripts: generators that yield statements and are sent the rows of each.
A `Database` (`sqlite`, `postgresql`) runs a script in one transaction. The SQL is what SQLite 3.35 and PostgreSQL 12
have in common, parameters written $1, $2.

    StoreUnavailable   nothing can be written, or read: who runs the machine acts
"""

from collections.abc import Generator, Sequence
from typing import Any, Protocol, TypeVar

from msgspec import Struct

T = TypeVar("T")

Rows = Sequence[Sequence[Any]]


class StoreUnavailable(Exception):
    """Nothing could be made durable, or nothing can be read: nobody may be told otherwise."""


class Statement(Struct, frozen=True):
    """One statement and its parameters."""

    text: str
    values: tuple[Any, ...] = ()


Script = Generator[Statement, Rows, T]


class Database(Protocol):
    """What runs a script of statements in one transaction. Every method raises StoreUnavailable when it cannot."""

    async def open(self) -> None:
        """Make ready for writing: the tables exist, and a commit is known to wait for the disk."""
        ...

    async def read(self, script: Script[T]) -> T:
        """One snapshot, and nothing is changed. Works without `open`."""
        ...

    async def write(self, script: Script[T]) -> T:
        """Returns when the transaction is durable. What the script raises undoes it and is passed on.

        One writes at a time, whatever process it is in: a script sees everything that was committed before it.
        """
        ...

    async def close(self) -> None: ...


def marks(count: int, after: int = 0) -> str:
    """A list of `count` parameters in brackets, those before it counted: ($3, $4)."""
    return f"({', '.join(f'${after + number}' for number in range(1, count + 1))})"
