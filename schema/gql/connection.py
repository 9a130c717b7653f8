"""Relay connections over a settled section, with keyset cursors.

A cursor names a place in the order (clinical time, id), not a number of entries: when an entry appears or goes between
two pages, none is shown twice and none is skipped. https://relay.dev/graphql/connections.htm
"""

import asyncio
import base64
import binascii
from bisect import bisect_left, bisect_right
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import strawberry

from schema.gql.errors import ErrorCode, QueryError
from schema.model.view import MergedFact

DEFAULT_PAGE = 100
LARGEST_PAGE = 1000
AT_A_TIME = 25
"""Entries that are made into an answer before other requests have their turn: about 10 ms."""
T = TypeVar("T")


class Paced(list[T]):
    """A list that the executor goes through as an asynchronous one, so that a long page holds nobody else up."""

    async def __aiter__(self) -> AsyncIterator[T]:
        for number, item in enumerate(self):
            if number % AT_A_TIME == AT_A_TIME - 1:
                await asyncio.sleep(0)
            yield item


@strawberry.type(description="Whether there is more, and from where.")
class PageInfo:
    has_next_page: bool = strawberry.field(description="True when entries follow.")
    has_previous_page: bool = strawberry.field(description="True when entries come before.")
    start_cursor: str | None = strawberry.field(description="Place of the first entry.")
    end_cursor: str | None = strawberry.field(description="Place of the last entry.")


@dataclass(frozen=True)
class Edge(Generic[T]):
    """One entry and its place."""

    cursor: str
    node: T


@dataclass(frozen=True)
class Connection(Generic[T]):
    """A page of entries."""

    edges: list[Edge[T]]
    page_info: PageInfo

    @property
    def nodes(self) -> list[T]:
        """The entries alone."""
        return Paced(edge.node for edge in self.edges)


def order_key(entry: MergedFact[Any]) -> tuple[float, str]:
    """Newest first, undated last, then by id: smaller comes first."""
    return (-entry.when.earliest.timestamp() if entry.when else float("inf"), entry.id)


def page(
    entries: tuple[T, ...],
    first: int | None,
    after: str | None,
    *,
    key: Callable[[T], tuple[float, str]],
    backwards: bool = False,
) -> Connection[T]:
    """Cut one page out of entries that are in the order of `key`, from their end if `backwards`.

    A cursor is a place between entries: it means the same in both directions. QueryError for a bad `first` or `after`.
    """
    size = DEFAULT_PAGE if first is None else first
    if not 0 <= size <= LARGEST_PAGE:
        raise QueryError(ErrorCode.ARGUMENT_INVALID, f"`first` is from 0 to {LARGEST_PAGE}.")
    passed = 0
    if after is not None:
        place = _decode(after)
        passed = (
            len(entries) - bisect_left(entries, place, key=key) if backwards else bisect_right(entries, place, key=key)
        )
    here = slice(passed, passed + size)
    chosen = entries[::-1][here] if backwards else entries[here]
    edges = Paced(Edge(_encode(key(entry)), entry) for entry in chosen)
    return Connection(
        edges,
        PageInfo(
            has_next_page=passed + size < len(entries),
            has_previous_page=passed > 0,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=edges[-1].cursor if edges else None,
        ),
    )


def _encode(key: tuple[float, str]) -> str:
    return base64.urlsafe_b64encode(f"{key[0]!r} {key[1]}".encode()).decode().rstrip("=")


def _decode(cursor: str) -> tuple[float, str]:
    try:
        time, _, entry_id = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().partition(" ")
        return float(time), entry_id
    except (binascii.Error, ValueError):
        raise QueryError(ErrorCode.CURSOR_INVALID, "This cursor is not one of ours; start without `after`.") from None
