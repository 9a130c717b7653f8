"""What an answer of a feed costs while messages come, against when none do: CPU of one question, median of blocks.

    python -m bench.hl7v2_feed_queries [questions in a block] [pairs of blocks] [messages a second] [store URL]

Every question is a whole one: `fetch` by NHS number from the store and `read` into facts, of 20 people with 30 messages
each, in turn. Blocks without and with messages alternate in one run. The messages are of other people, from a process
of its own over 4 connections; 0 a second is: each as soon as the one before it is acknowledged. Measured is
`time.process_time()`, the user and system time of all threads of the process that answers, in two arrangements:

apart     the listener is another process, as it is installed: the figure is the answering process's own, whole.
together  the listener is in the process that answers. What the messages cost there is taken off: their number in the
          block times what one costs in blocks of messages alone, which are measured in between.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from statistics import median

from adapters.hl7v2.feed import FeedSettings, Hl7v2FeedAdapter, Store, listening, open_store
from adapters.hl7v2.feed.listener import Listener
from adapters.hl7v2.feed.opening import reader
from adapters.hl7v2.feed.store import now
from adapters.hl7v2.mllp import FrameReader, frame
from adapters.sdk import Ask
from adapters.testing.conformance import call
from bench.hl7v2_feed import message
from tests.support.sources import person, source

PEOPLE, EACH, CONNECTIONS = 20, 30, 4


def nhs(who: int) -> str:
    return f"99911{who:05}"


async def lane(port: int, first: int, rate: float) -> None:
    """Messages over one connection, until the process is ended."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    frames = FrameReader(1 << 20)
    due = time.monotonic()
    for at in count(first, CONNECTIONS):
        writer.write(frame(message(at)))
        while not frames.feed(await reader.read(65536)):
            pass
        if at < first + CONNECTIONS:
            print("sending", flush=True)
        if rate:
            due += CONNECTIONS / rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))


async def send(port: int, first: int, rate: float) -> None:
    await asyncio.gather(*(lane(port, first + number, rate) for number in range(CONNECTIONS)))


class Senders:
    """Messages that nobody has sent before, from a process that lives for a block."""

    def __init__(self, port: int, rate: float) -> None:
        self._port = port
        self._rate = rate
        self._next = count(1_000_000, 1_000_000)

    @asynccontextmanager
    async def sending(self) -> AsyncIterator[None]:
        """From the first acknowledgement of each connection on."""
        given = (str(self._port), str(next(self._next)), str(self._rate))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.hl7v2_feed_queries", "--send", *given), stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        for _ in range(CONNECTIONS):
            assert await process.stdout.readline() == b"sending\n"
        try:
            yield
        finally:
            process.terminate()
            await process.wait()


async def ask(adapter: Hl7v2FeedAdapter, questions: int) -> None:
    for number in range(questions):
        question = Ask(subjects=(person(nhs(number % PEOPLE)),), types=adapter.types)
        found = [item async for record in adapter.fetch(question, call()) for item in adapter.read(record)]
        assert len(found) > EACH


async def filled(store: Store, settings: FeedSettings) -> None:
    listener = Listener(settings, store, now)
    for at in range(PEOPLE * EACH):
        await listener.handle(message(at, nhs(at % PEOPLE), f"Q{at % PEOPLE}"))


async def apart(settings: FeedSettings, questions: int, pairs: int, rate: float) -> None:
    command = (sys.executable, "-m", "adapters.hl7v2.feed", "--port", "0", "--store", settings.store)
    listener = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert listener.stdout is not None
    senders = Senders(int((await listener.stdout.readline()).split()[-1]), rate)
    store = reader(settings)
    adapter = Hl7v2FeedAdapter(source(settings), store)
    quiet: list[float] = []
    busy: list[float] = []
    rates: list[float] = []
    try:
        await ask(adapter, questions)
        for _ in range(pairs):
            cpu = time.process_time()
            await ask(adapter, questions)
            quiet.append((time.process_time() - cpu) / questions * 1000)
            async with senders.sending():
                before, start = (await store.state()).messages, time.perf_counter()
                cpu = time.process_time()
                await ask(adapter, questions)
                busy.append((time.process_time() - cpu) / questions * 1000)
                rates.append(((await store.state()).messages - before) / (time.perf_counter() - start))
    finally:
        await adapter.close()
        listener.terminate()
        await listener.wait()
    say("apart", quiet, busy, median(rates))


async def together(settings: FeedSettings, questions: int, pairs: int, rate: float) -> None:
    quiet: list[float] = []
    busy: list[float] = []
    rates: list[float] = []
    async with await open_store(settings) as store, listening(settings, store) as port:
        senders = Senders(port, rate)
        adapter = Hl7v2FeedAdapter(source(settings), store)
        await ask(adapter, questions)
        for _ in range(pairs):
            cpu, start = time.process_time(), time.perf_counter()
            await ask(adapter, questions)
            quiet.append((time.process_time() - cpu) / questions * 1000)
            lasted = time.perf_counter() - start
            async with senders.sending():
                before, cpu = (await store.state()).messages, time.process_time()
                await asyncio.sleep(max(1.0, lasted))
                message_cpu = time.process_time() - cpu
                message_cpu /= (await store.state()).messages - before
                before, cpu, start = (await store.state()).messages, time.process_time(), time.perf_counter()
                await ask(adapter, questions)
                whole = time.process_time() - cpu
                came = (await store.state()).messages - before
                busy.append((whole - came * message_cpu) / questions * 1000)
                rates.append(came / (time.perf_counter() - start))
    say("together", quiet, busy, median(rates))


def say(how: str, quiet: list[float], busy: list[float], rate: float) -> None:
    ratio = median(busy) / median(quiet)
    print(f"{how}: {median(quiet):.2f} ms CPU a question, {median(busy):.2f} ms with {rate:.0f} messages a second")
    pairs = ", ".join(f"{b / q:.2f}" for q, b in zip(quiet, busy, strict=True))
    print(f"{how}: {ratio:.2f} times (by pairs of blocks: {pairs})", flush=True)


async def main(questions: int, pairs: int, rate: float, where: str) -> None:
    for arrangement in (apart, together):
        with tempfile.TemporaryDirectory() as folder:
            settings = FeedSettings(store=where or f"{folder}/feed.db")
            async with await open_store(settings) as store:
                await filled(store, settings)
            await arrangement(settings, questions, pairs, rate)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--send"]:
        asyncio.run(send(int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))
    else:
        given = [*sys.argv[1:], *("200", "7", "0", "")[len(sys.argv) - 1 :]]
        asyncio.run(main(int(given[0]), int(given[1]), float(given[2]), given[3]))
