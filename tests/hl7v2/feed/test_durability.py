"""The listener killed without warning: nothing that it acknowledged is lost, and nothing sent again is doubled."""

import asyncio
import os
import random
import signal
import sqlite3
import sys
from collections import Counter
from pathlib import Path

import pytest

from adapters.hl7v2.feed import FeedSettings, StoreUnavailable, open_store
from adapters.hl7v2.mllp import frame
from adapters.sdk.durable.sqlite import require_durable
from tests.hl7v2.feed import stores
from tests.hl7v2.feed.conftest import PID, message
from tests.support.mllp_sender import Sender

ROUNDS = int(os.environ.get("SHERWOOD_KILL_ROUNDS", "50"))
"""How often the slow lane kills it."""
CONNECTIONS = 4


class Run:
    """One store, and a listener that lives until it is killed, again and again."""

    def __init__(self, where: str, seed: int) -> None:
        self.where = where
        self.dice = random.Random(seed)
        self.sent: dict[str, bytes] = {}
        self.acknowledged: set[str] = set()

    async def start(self) -> tuple[asyncio.subprocess.Process, int]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "adapters.hl7v2.feed", "--port", "0", "--store", self.where),
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        async with asyncio.timeout(60):
            line = await process.stdout.readline()
        return process, int(line.split()[-1])

    async def round(self, number: int) -> None:
        """Send until the killer strikes: after so many acknowledgements, and so many turns of the loop later."""
        process, port = await self.start()
        fatal, turns = self.dice.randrange(0, 40), self.dice.randrange(0, 60)
        reached = asyncio.Event()
        if not fatal:
            reached.set()
        counted = 0

        def count() -> None:
            nonlocal counted
            counted += 1
            if counted >= fatal:
                reached.set()

        async def send(lane: int) -> None:
            try:
                async with Sender(port) as sender:
                    for at in range(10_000):
                        control = f"{number}-{lane}-{at}"
                        self.sent[control] = message("ADT^A08", PID, control=control)
                        data = frame(self.sent[control])
                        if self.dice.random() < 0.1:
                            # In two pieces, so that a kill may fall between them.
                            cut = self.dice.randrange(1, len(data))
                            await sender.put(data[:cut])
                            await asyncio.sleep(0)
                            data = data[cut:]
                        await sender.put(data)
                        code, told = await sender.acknowledgement()
                        assert (code, told) == ("AA", control)
                        self.acknowledged.add(control)
                        count()
            except ConnectionError:
                return

        async def kill() -> None:
            await reached.wait()
            for _ in range(turns):
                await asyncio.sleep(0)
            process.send_signal(signal.SIGKILL)
            await process.wait()

        async with asyncio.timeout(120):
            await asyncio.gather(kill(), *(send(lane) for lane in range(CONNECTIONS)))

    async def recover(self) -> None:
        """What was not acknowledged is sent again, and some that was; then everything is counted."""
        process, port = await self.start()
        again = sorted(self.sent.keys() - self.acknowledged)
        again += self.dice.sample(sorted(self.acknowledged), min(20, len(self.acknowledged)))
        async with Sender(port) as sender:
            for control in again:
                assert await sender.send(self.sent[control]) == ["AA", control]
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0


async def killed(where: str, rounds: int, seed: int) -> None:
    run = Run(where, seed)
    for number in range(rounds):
        await run.round(number)
        kept = {control for control, _ in await stores.kept(where)}
        assert run.acknowledged <= kept, "an acknowledged message is not in the store"
    assert len(run.acknowledged) > rounds
    assert run.sent.keys() - run.acknowledged, "no message was ever caught between sending and acknowledgement"
    await run.recover()
    assert await stores.kept(where) == Counter((control, raw) for control, raw in run.sent.items())


async def test_no_acknowledged_message_is_lost_and_none_is_doubled_when_the_listener_is_killed(where: str) -> None:
    await killed(where, rounds=10, seed=20260317)


@pytest.mark.slow
async def test_no_acknowledged_message_is_lost_in_many_kills(where: str) -> None:
    """SHERWOOD_KILL_ROUNDS says how many; 1000 were run once."""
    await killed(where, rounds=ROUNDS, seed=7)


@pytest.mark.slow
async def test_no_acknowledged_message_is_lost_on_a_server_when_the_listener_is_killed(database: str) -> None:
    await stores.emptied(database)
    await killed(database, rounds=max(1, ROUNDS // 5), seed=11)


async def test_a_store_that_does_not_sync_every_commit_is_refused(tmp_path: Path) -> None:
    for pragma in ("synchronous=NORMAL", "synchronous=OFF", "journal_mode=DELETE"):
        connection = sqlite3.connect(tmp_path / "other.db", isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        require_durable(connection)
        connection.execute(f"PRAGMA {pragma}")
        with pytest.raises(StoreUnavailable):
            require_durable(connection)
        connection.close()


async def test_a_store_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    (tmp_path / "noise.db").write_bytes(b"no database" * 1000)
    for name in ("no-such-folder/feed.db", "noise.db"):
        with pytest.raises(StoreUnavailable):
            await open_store(FeedSettings(store=str(tmp_path / name)))
