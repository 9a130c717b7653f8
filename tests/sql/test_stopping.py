"""A query that nobody waits for any more is gone from the server: looked up in the server's own list."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from adapters.sdk import SourceTimeout
from adapters.sdk.resources import read_resource
from adapters.sql.failures import translated
from adapters.testing.conformance import call
from schema.model.fact import Fact, Gap, GapKind
from tests.sql.conftest import Legacy, answer_of, asked, records_of
from tests.sql.logical import KNOWN, MAPPING

_QUICK = "FROM score WHERE client_id"
_SLOW = {
    "sqlite": "FROM score WHERE (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
    "SELECT count(*) FROM n) > 0 AND client_id",
    "postgresql": "FROM score, pg_sleep(600) WHERE client_id",
    # A query that computes: one that sleeps would notice by itself that its client has gone.
    "mariadb": "FROM score WHERE BENCHMARK(1000000000, SHA2('x', 512)) = 0 AND client_id",
}
_LIST = {
    "postgresql": "SELECT count(*) FROM pg_stat_activity WHERE usename = '{name}' AND state = 'active'",
    "mariadb": "SELECT count(*) FROM information_schema.processlist WHERE user = '{name}' AND command <> 'Sleep'",
}
CEILING_S = 20.0
"""Only a query that is still there reaches it: those of this file would run for many minutes, or for ever."""


def slow(legacy: Legacy, folder: Path, **more: Any) -> Any:
    """The adapter with one query that does not end by itself."""
    written = read_resource(MAPPING)
    assert _QUICK in written
    mapping = folder / "slow.mapping.toml"
    mapping.write_text(written.replace(_QUICK, _SLOW[legacy.backend]), "utf-8")
    return legacy.opened(mapping=str(mapping), **more)


@asynccontextmanager
async def listed(legacy: Legacy) -> AsyncIterator[Any]:
    """What becomes true of the number of running queries of our account: `await until(0)`."""
    if legacy.backend == "sqlite":
        # There is no server: a query runs in a thread of the driver, which ends when its connection has been closed.
        before = set(threading.enumerate())

        async def nothing(wanted: int) -> None:
            """It is looked up at the end."""

        yield nothing
        for thread in set(threading.enumerate()) - before:
            if thread.name.endswith("(_connection_worker_thread)"):
                await asyncio.to_thread(thread.join, CEILING_S)
                assert not thread.is_alive()
        return
    running = text(_LIST[legacy.backend].format(name=legacy.name))
    async with legacy.admin() as connection:

        async def until(wanted: int) -> None:
            async with asyncio.timeout(CEILING_S):
                while (await connection.execute(running)).scalar() != wanted:
                    pass

        yield until


async def test_a_query_past_its_timeout_is_a_gap_and_gone_from_the_server(legacy: Legacy, tmp_path: Path) -> None:
    async with listed(legacy) as until, slow(legacy, tmp_path, statement_timeout="300ms") as adapter:
        found = await answer_of(adapter, KNOWN)
        await until(0)
    told = {(gap.kind, gap.fact_type, gap.code) for gap in found if isinstance(gap, Gap)}
    assert (GapKind.FAILED, "Observation", "SOURCE_TIMEOUT") in told
    assert {"Condition", "Medication", "Encounter"} <= {type(fact).__name__ for fact in found if isinstance(fact, Fact)}


async def test_a_query_past_the_callers_deadline_is_gone_from_the_server(legacy: Legacy, tmp_path: Path) -> None:
    async with listed(legacy) as until, slow(legacy, tmp_path, statement_timeout="60s") as adapter:
        found = await answer_of(adapter, KNOWN, types=frozenset({"Observation", "Condition"}), seconds=0.5)
        await until(0)
    assert any(isinstance(gap, Gap) and gap.code == "SOURCE_TIMEOUT" for gap in found)


async def test_a_query_whose_caller_leaves_is_gone_from_the_server(legacy: Legacy, tmp_path: Path) -> None:
    async with listed(legacy) as until, slow(legacy, tmp_path, statement_timeout="60s") as adapter:
        leaving = asyncio.create_task(records_of(adapter, KNOWN, types=frozenset({"Observation"}), seconds=60))
        if legacy.backend == "sqlite":
            await _asking(adapter)
        else:
            await until(1)
        leaving.cancel()
        await asyncio.wait([leaving], timeout=CEILING_S)
        assert leaving.cancelled()
        await until(0)
        assert await records_of(adapter, KNOWN, types=frozenset({"Condition"}))


async def test_a_fetch_that_is_closed_early_leaves_no_query(legacy: Legacy, tmp_path: Path) -> None:
    async with listed(legacy) as until:
        async with slow(legacy, tmp_path, statement_timeout="60s") as adapter:
            question = asked(KNOWN, types=adapter.types)
            async with aclosing(adapter.fetch(question, call(60))) as records:
                async for record in records:
                    if record.kind == "contacts":
                        break
        await until(0)


async def test_the_server_ends_a_query_by_itself(server: Legacy) -> None:
    """Should this process be stopped or cut off, nobody is left to cancel: the server knows the limit too."""
    sleep = {"postgresql": "SELECT pg_sleep(60)", "mariadb": "SELECT count(*) FROM score WHERE SLEEP(60) = 0"}
    async with server.opened() as adapter:
        database = adapter._database
        async with asyncio.timeout(CEILING_S), database.engine.connect() as connection:
            await database.begin(connection, 0.2)
            with pytest.raises(DBAPIError) as caught:
                await connection.exec_driver_sql(sleep[server.backend])
    told = translated(caught.value)
    assert isinstance(told, SourceTimeout)
    assert str(told) == "the database ended the query at its time limit"


async def test_a_stop_never_reaches_the_next_question(legacy: Legacy) -> None:
    """A stop may arrive when its query has just ended by itself, and the connection serves somebody else."""
    async with legacy.opened(pool_size=1) as adapter:
        await records_of(adapter, KNOWN)
        for turns in range(0, 120, 3):
            leaving = asyncio.create_task(records_of(adapter, KNOWN))
            for _ in range(turns):
                await asyncio.sleep(0)
            leaving.cancel()
            await asyncio.wait([leaving])
            found = await answer_of(adapter, KNOWN)
            assert not [gap for gap in found if isinstance(gap, Gap) and gap.kind is GapKind.FAILED]


async def test_questions_wait_for_one_another_no_longer_than_their_deadline(legacy: Legacy, tmp_path: Path) -> None:
    async with slow(legacy, tmp_path, statement_timeout="60s", pool_size=1) as adapter:
        first = asyncio.create_task(records_of(adapter, KNOWN, types=frozenset({"Observation"}), seconds=60))
        await _asking(adapter)
        with pytest.raises(SourceTimeout):
            await records_of(adapter, KNOWN, seconds=0.2)
        first.cancel()
        await asyncio.wait([first])


async def _asking(adapter: Any) -> None:
    """Return when the slow query has a connection."""
    turns = 0
    while adapter._database.engine.pool.checkedout() == 0 or turns < 50:
        turns += adapter._database.engine.pool.checkedout()
        await asyncio.sleep(0)
