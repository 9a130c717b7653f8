"""What an audit event costs: CPU of this process for one commit each, and for events that share commits by 50.

    python -m bench.audit [events]

The waiting for the disk is not in the figure: it is printed apart, as wall time.
"""

import asyncio
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from adapters.sdk import Actor
from gateway.audit import SqliteAudit, disclosure_event, verify

ACTOR = Actor(user="bench", role="Clinician", organization="Bench")
SOURCES = {f"source-{n}": "OK" for n in range(5)}
RECORDS = [f"{n:064x}" for n in range(5)]
FRAME = b'{"data":{"patient":{"allergies":{"entries":[]}}}}' * 200


async def measure(path: Path, events: int, together: int) -> tuple[float, float]:
    """CPU and wall milliseconds for one event, with `together` of them waiting at a time."""
    audit = SqliteAudit(path, lambda: datetime.now(UTC))
    event = disclosure_event(
        ACTOR, "TREAT", "urn:bench|0000000000", "0" * 64, frame=FRAME, sources=SOURCES, records=RECORDS
    )
    await audit.record(event)
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(events // together):
        await asyncio.gather(*(audit.record(event) for _ in range(together)))
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    await audit.close()
    count = events // together * together
    return cpu / count * 1000, wall / count * 1000


async def main(events: int) -> None:
    """Print both figures, and what walking the chain costs."""
    with tempfile.TemporaryDirectory() as folder:
        for together in (1, 50):
            path = Path(folder) / f"{together}.db"
            cpu, wall = await measure(path, events, together)
            print(f"{together:>3} together: {cpu:.4f} ms CPU, {wall:.4f} ms wall for each event")
        before = time.process_time()
        found = verify(path)
        each = (time.process_time() - before) / found.rows * 1000
        print(f"verify: {found.rows} rows, intact {found.intact}, {each:.4f} ms CPU for each row")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000))
