"""What a large record costs the gateway: CPU, memory, and how long its loop was held, a step at a time.

    python -m bench.scale [facts]

The systems and the caller are another process, so that what they cost is in no figure. A heartbeat on the gateway's
loop measures how late it gets its turn: that is how long any other request would have waited.
"""

import asyncio
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp

from adapters.demo import estate, scale
from adapters.sdk.estate import Mischief
from gateway.config import load
from gateway.serving import run, run_loop
from schema.model.clinical import SECTIONS

BEAT_S = 0.002
COUNTS = " ".join(f"{name} {{ totalCount status }}" for name in SECTIONS if name != "patient")
RESULTS = """observations { totalCount entries(first: %d, after: %s) { pageInfo { hasNextPage endCursor } nodes {
    id when { value } code { text codings { system code display } } valueQuantity { value unit }
    provenance { source { id } nativeId } conflicts { field } } } }"""


class Figures:
    """Of one process, for one step."""

    def __init__(self) -> None:
        self._task = asyncio.create_task(self._beat())
        self.begin()

    def begin(self) -> None:
        """A new step."""
        self._late, self._cpu = 0.0, time.process_time()

    def end(self) -> dict[str, float]:
        """What the step cost."""
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return {"cpu_s": time.process_time() - self._cpu, "late_ms": self._late * 1000, "most_mib": most}

    async def _beat(self) -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(BEAT_S)
            self._late = max(self._late, time.perf_counter() - before - BEAT_S)


async def caller(facts: int) -> None:
    """Start the systems, hand over their configuration, and ask the gateway at the address that comes back."""
    async with estate(datetime.now(UTC), Mischief()) as systems, aiohttp.ClientSession() as session:
        say({"config": systems.config, "secrets": systems.secrets})
        url = (await heard())["url"]

        async def ask(step: str, selection: str, number: str = scale.NUMBER) -> Any:
            query = f'{{ patient(identifier: {{value: "{number}"}}, deadline: "PT30S") {{ {selection} }} }}'
            say({"begin": step})
            await heard()
            before = time.perf_counter()
            async with session.post(f"{url}/graphql", json={"query": query}) as response:
                body = await response.read()
            say({"end": step, "wall_s": time.perf_counter() - before})
            await heard()
            return json.loads(body)["data"]["patient"]

        await ask("somebody with few facts", COUNTS, "9994071009")
        record = await ask("the whole record, counted", COUNTS)
        total = sum(section["totalCount"] for section in record.values())
        states = {section["status"] for section in record.values()}
        if total != facts:  # sections that a feed might fill are never COMPLETE
            say({"note": f"{total} of {facts} facts; sections are {', '.join(sorted(states))}"})
        await ask("the same again, from the cache", COUNTS)
        await ask("100 results", RESULTS % (100, "null"))
        await ask("1,000 results", RESULTS % (1000, "null"))
        say({"done": True})
        await heard()


async def heard() -> Any:
    return json.loads(await asyncio.to_thread(sys.stdin.readline))


def say(message: Any) -> None:
    print(json.dumps(message), flush=True)


@asynccontextmanager
async def other_process(facts: int) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.scale", "--call", str(facts)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 20,
        env=os.environ | {scale.VARIABLE: str(facts)},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def main(facts: int) -> None:
    async with other_process(facts) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        stdin, stdout = other.stdin, other.stdout

        def tell(message: Any) -> None:
            stdin.write(json.dumps(message).encode() + b"\n")

        systems = json.loads(await stdout.readline())
        os.environ.update(systems["secrets"])
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "gateway.toml"
            # What the gateway costs is measured, not its patience with a simulator that has to make the record first.
            path.write_text(systems["config"].replace('timeout = "8s"', 'timeout = "60s"'), encoding="utf-8")
            serving = asyncio.create_task(run(load(path), "127.0.0.1", 0, lambda url: tell({"url": url})))
            figures = Figures()
            print(f"{facts} facts\n{'':<32}{'wall s':>8}{'CPU s':>8}{'late ms':>9}{'peak MiB':>10}")
            while "done" not in (message := json.loads(await stdout.readline())):
                if "begin" in message:
                    figures.begin()
                    tell({})
                elif "end" in message:
                    cost = figures.end()
                    print(
                        f"{message['end']:<32}{message['wall_s']:>8.2f}{cost['cpu_s']:>8.2f}{cost['late_ms']:>9.0f}"
                        f"{cost['most_mib']:>10.0f}"
                    )
                    tell({})
                else:
                    print(message["note"])
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--call"]:
        asyncio.run(caller(int(sys.argv[2])))
    else:
        run_loop(main(int(sys.argv[1]) if len(sys.argv) > 1 else scale.USUAL_FACTS))
