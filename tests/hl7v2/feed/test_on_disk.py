"""What the kernel saw: the log of the store is on the disk before an acknowledgement leaves.

Not the pragma, which is what SQLite was asked for, but the listener's own system calls, in their order.
"""

import asyncio
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from signal import SIGTERM

import pytest
from msgspec import Struct

from tests.hl7v2.feed.conftest import PID, message
from tests.support.mllp_sender import Sender

MESSAGES = 12
CALLS = "recvfrom,recvmsg,read,pwrite64,write,fsync,fdatasync,sendto,sendmsg"
_LINE = re.compile(r"(\d+) +(?:(\w+)\((\d+)<([^>]*)>(.*)|<\.\.\. (\w+) resumed>(.*))")

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


class Called(Struct, frozen=True):
    """One system call: on which file or socket, with what, and the lines of the trace where it began and came back."""

    name: str
    file: str
    rest: str
    began: int
    ended: int


def calls(trace: str) -> Iterator[Called]:
    """The calls that succeeded, in the order in which they came back; threads interrupt one another."""
    under_way: dict[str, tuple[str, str, str, int]] = {}
    for at, line in enumerate(trace.splitlines()):
        if (found := _LINE.match(line)) is None:
            continue
        thread, name, _, file, rest, resumed, tail = found.groups()
        if name and rest.endswith("<unfinished ...>"):
            under_way[thread] = (name, file, rest, at)
            continue
        began = at
        if resumed:
            name, file, rest, began = under_way.pop(thread)
            rest += tail
        if not re.search(r"= -1 [A-Z]+", rest):
            yield Called(name, file, rest, began, at)


def proved(trace: str, control: str) -> bool:
    """Whether, between the message's arrival and its acknowledgement, the log was written and then synced."""
    found = list(calls(trace))
    arrived = next(c.ended for c in found if c.name.startswith(("recv", "read")) and f"|{control}|P|" in c.rest)
    told = next(c.began for c in found if c.name.startswith(("send", "write")) and f"MSA|AA|{control}" in c.rest)
    log = [c for c in found if c.file.endswith(".db-wal") and arrived < c.began and c.ended < told]
    written = [c.ended for c in log if c.name == "pwrite64"]
    synced = [c.began for c in log if c.name in ("fsync", "fdatasync")]
    return bool(written and synced) and max(written) < max(synced)


async def test_the_log_is_synced_between_a_message_and_its_acknowledgement(tmp_path: Path) -> None:
    store, trace = tmp_path / "feed.db", tmp_path / "trace"
    process = await asyncio.create_subprocess_exec(
        # -D: the child is the listener itself, which is what is told to end.
        *("strace", "-D", "-f", "-y", "-s", "400", "-e", f"trace={CALLS}", "-e", "signal=none", "-o", str(trace)),
        *(sys.executable, "-m", "adapters.hl7v2.feed", "--port", "0", "--store", str(store)),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(120):
            port = int((await process.stdout.readline()).split()[-1])
            async with Sender(port) as sender:
                for at in range(MESSAGES):
                    # One after the other: the sync of an earlier message cannot be taken for that of a later one.
                    assert await sender.send(message("ADT^A08", PID, control=f"C{at}X")) == ["AA", f"C{at}X"]
    finally:
        process.send_signal(SIGTERM)
        async with asyncio.timeout(60):
            # Not the listener's end but that of the last one to hold this pipe: strace has then written everything.
            await process.stdout.read()
            await process.wait()
    text = trace.read_text("utf-8", "replace")
    assert [proved(text, f"C{at}X") for at in range(MESSAGES)] == [True] * MESSAGES
