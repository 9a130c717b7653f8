"""The conformance kit for kinds that use HTTP: every promise, and the adapter against a hostile server. Needs pytest.

    class TestMine(HttpAdapterConformance):
        ...                                   # known, unknown and running() as in AdapterConformance

        @asynccontextmanager
        async def at(self, url):              # the adapter with `url` as its base URL
            yield my_adapter_at(url)

What a source can do wrong: `adapters.testing.misbehaviour`.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, ClassVar

import pytest

from adapters.sdk import Adapter, Ask, SourceError
from adapters.testing.conformance import (
    CEILING_S,
    AdapterConformance,
    Answer,
    NotConformant,
    call,
    gather,
    require,
)
from adapters.testing.hostile import HostileServer, hostile_server
from adapters.testing.misbehaviour import Misbehaviour

SHORT_S = 0.3
"""The deadline where the source would go on for ever."""

_ENDLESS = frozenset(
    {
        Misbehaviour.HANG_BEFORE_HEADERS,
        Misbehaviour.HANG_MID_HEADERS,
        Misbehaviour.HANG_MID_BODY,
        Misbehaviour.DRIP,
    }
)
_JUDGED_BY_ADAPTER = frozenset({Misbehaviour.NOT_FOUND, Misbehaviour.LINK_ELSEWHERE, Misbehaviour.ENDLESS_PAGING})
"""Well-formed answers that may really mean "nobody" or "nothing" in the adapter's protocol."""


class HttpAdapterConformance(AdapterConformance):
    """Subclass it in place of AdapterConformance, and supply `at` too."""

    tries_http = True
    _good_bodies: ClassVar[dict[type, bytes]] = {}

    def at(self, url: str) -> AbstractAsyncContextManager[Adapter[Any]]:
        """The adapter asking at this base URL, without authentication."""
        raise NotImplementedError("override at()")

    @pytest.mark.parametrize(
        "fault",
        [fault for fault in Misbehaviour if fault is not Misbehaviour.NONE],
        ids=lambda fault: fault.name.lower(),
    )
    async def test_misbehaviour_is_a_typed_error_or_a_gap(self, fault: Misbehaviour) -> None:
        """Protects the whole answer: a hostile source costs its own facts, is cut in time, and leads nowhere else."""
        words = self._private(Answer())
        async with self._hostile(fault) as (server, adapter):
            seconds = SHORT_S if fault in _ENDLESS or fault is Misbehaviour.ENDLESS_PAGING else CEILING_S
            asked = Ask(subjects=(self.known,), types=self._types(adapter))
            answer = await gather(adapter, asked, call(seconds))
            require(server.elsewhere == 0, f"a source that {fault.value} leads the adapter to another origin")
            if fault not in _JUDGED_BY_ADAPTER:
                self._claims_nothing(answer, f"a source that {fault.value}")
            require(not answer.facts, f"facts were read of a source that {fault.value}")
            require(bool(answer.error or answer.gaps), f"a source that {fault.value} is met with silence")
            if fault in _ENDLESS:
                await self._abandoned(server)
            self._is_discreet(answer.error, words)

    @pytest.mark.parametrize(
        "fault",
        [Misbehaviour.REFUSE, Misbehaviour.LOGIN_PAGE, Misbehaviour.SESSION_EXPIRED, Misbehaviour.UNAUTHORIZED],
        ids=lambda fault: fault.name.lower(),
    )
    async def test_check_fails_when_the_source_does(self, fault: Misbehaviour) -> None:
        """Protects the operator: HTTP status 200 is not success."""
        async with self._hostile(fault) as (_, adapter), asyncio.timeout(CEILING_S):
            try:
                await adapter.check(call())
            except SourceError as error:
                self._is_discreet(error, self._private(Answer()))
            else:
                raise NotConformant(f"check succeeds at a source that {fault.value}")

    async def test_a_cancelled_fetch_hangs_up(self) -> None:
        """Protects the source and our sockets: who no longer waits no longer holds a connection."""
        fault = Misbehaviour.HANG_MID_BODY
        async with self._hostile(fault) as (server, adapter):
            asked = Ask(subjects=(self.known,), types=self._types(adapter))
            asking = asyncio.create_task(gather(adapter, asked, call()))
            begun = asyncio.create_task(server.begun())
            await asyncio.wait([asking, begun], timeout=CEILING_S, return_when=asyncio.FIRST_COMPLETED)
            begun.cancel()
            asking.cancel()
            await asyncio.wait([asking], timeout=CEILING_S)
            require(asking.cancelled(), "a cancelled fetch did not end as cancelled")
            await self._abandoned(server)

    # What the checks are made of

    async def _good_body(self) -> bytes:
        if type(self) not in self._good_bodies:
            answer = await self._known()
            self._good_bodies[type(self)] = answer.records[0].parts[0]
        return self._good_bodies[type(self)]

    @asynccontextmanager
    async def _hostile(self, fault: Misbehaviour) -> AsyncIterator[tuple[HostileServer, Adapter[Any]]]:
        async with hostile_server(fault, answer=await self._good_body()) as server, self.at(server.base_url) as adapter:
            yield server, adapter

    async def _abandoned(self, server: HostileServer) -> None:
        try:
            async with asyncio.timeout(CEILING_S):
                await server.abandoned()
        except TimeoutError:
            raise NotConformant("a connection to the source is still open") from None
