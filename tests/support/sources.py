"""What the tests of every kind share: somebody to ask about, and an adapter that is ready to be asked."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from adapters.sdk import NHS_NUMBER, Adapter, HttpSettings, Source, Subject
from adapters.sdk.client import open_client
from schema.model.values import Identifier

A = TypeVar("A", bound=Adapter[Any])


def person(*numbers: str, system: str = NHS_NUMBER, **more: Any) -> Subject:
    """Somebody known by these numbers, the current one first."""
    return Subject(identifiers=tuple(Identifier(system=system, value=number) for number in numbers), **more)


def source(settings: Any, http: Any = None, id: str = "source") -> Source[Any]:
    """A configured source, in London."""
    zone = ZoneInfo("Europe/London")
    return Source(id=id, name="Source", organization="ZRH", timezone=zone, settings=settings, http=http)


@asynccontextmanager
async def opened(
    kind: type[A], settings: HttpSettings, auth: Any = None, *, timeout_s: float = 60, max_concurrency: int = 4
) -> AsyncIterator[A]:
    """An adapter of a kind that uses HTTP, with the SDK's own client."""
    client = open_client(settings, auth, name="the source", timeout_s=timeout_s, max_concurrency=max_concurrency)
    try:
        yield kind(source(settings, client))
    finally:
        await client.close()
