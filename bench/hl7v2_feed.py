"""What a message of a feed costs the listener, durable before the answer: CPU of this process, wall time, memory.

    python -m bench.hl7v2_feed [messages] [connections] [store URL]

The senders are another process, so that what they cost is not in the figure. With 200000 messages the growth of memory
from the 50000th on is printed too.
"""

import asyncio
import resource
import sys
import tempfile
import time
from pathlib import Path

from adapters.hl7v2.feed import FeedSettings, Store, listening, open_store
from adapters.hl7v2.mllp import FrameReader, frame

LINES = [
    r"PID|1||{nhs}^^^NHS^NH~{mrn}^^^RBI^MR||WEATHERBY^Ottoline^^^Mrs||19580612|F|||1 Quay^^Ravensbrook|||||||||||"
    r"||||||||||NSTS01",
    "PV1|1|I|AMU^B2^07||||||||||||||||SP7^^^RBI^VN|||||||||||||||||||||||||202603160900",
    "OBR|1|P{at}|F{at}|24325-3^Liver function^LN|||202603170130",
    *(f"OBX|{n}|NM|{1700 + n}-6^Test {n}^LN||{n}.50|U/L^^UCUM|10-40||||F|||202603170130" for n in range(1, 9)),
]


def message(at: int, nhs: str = "9990000018", mrn: str = "") -> bytes:
    """A result of 858 bytes, of one of 5000 people where none is given."""
    head = rf"MSH|^~\&|LAB|RBI|S|S|20260317100000||ORU^R01|{at}|P|2.4"
    return "\r".join([head, *(line.format(at=at, nhs=nhs, mrn=mrn or at % 5000) for line in LINES), ""]).encode()


async def lane(port: int, first: int, last: int, step: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    frames = FrameReader(1 << 20)
    for at in range(first, last, step):
        writer.write(frame(message(at)))
        answers: list[bytes] = []
        while not answers:
            answers = frames.feed(await reader.read(65536))
        assert b"MSA|AA|" in answers[0]
    writer.close()


async def send(port: int, messages: int, connections: int) -> None:
    await asyncio.gather(*(lane(port, number, messages, connections) for number in range(connections)))


def resident_mib() -> float:
    """What this process holds now, not the most it ever held."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1048576


async def watch(store: Store, marks: dict[int, float], messages: int) -> None:
    """Note the memory at 50000 messages and at the end."""
    wanted = [mark for mark in (50_000, messages) if mark <= messages]
    while wanted:
        if (await store.state()).messages >= wanted[0]:
            marks[wanted.pop(0)] = resident_mib()
        else:
            await asyncio.sleep(1)


async def main(messages: int, connections: int, where: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        settings = FeedSettings(store=where or f"{folder}/feed.db")
        store = await open_store(settings)
        marks: dict[int, float] = {}
        async with listening(settings, store) as port:
            before = resident_mib()
            command = (sys.executable, "-m", "bench.hl7v2_feed", "--send", str(port), str(messages), str(connections))
            watching = asyncio.ensure_future(watch(store, marks, messages)) if messages > 50_000 else None
            cpu, wall = time.process_time(), time.perf_counter()
            senders = await asyncio.create_subprocess_exec(*command)
            assert await senders.wait() == 0
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            if watching is not None:
                await watching
            after = resident_mib()
        state = await store.state()
        await store.close()
    assert state.messages == messages
    print(f"{messages} messages of {len(message(0))} bytes over {connections} connections")
    print(
        f"{cpu / messages * 1000:.3f} ms CPU each, {wall / messages * 1000:.3f} ms wall, {messages / wall:.0f} a second"
    )
    print(f"memory {before:.1f} MiB before, {after:.1f} MiB after")
    if len(marks) == 2:
        print(f"growth from message 50000 to {messages}: {marks[messages] - marks[50_000]:.2f} MiB")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--send"]:
        asyncio.run(send(*map(int, sys.argv[2:5])))
    else:
        count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
        connections = int(sys.argv[2]) if len(sys.argv) > 2 else 8
        asyncio.run(main(count, connections, sys.argv[3] if len(sys.argv) > 3 else ""))
