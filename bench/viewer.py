"""How long the viewer takes in a headless Chromium: until something is seen, until it can be used, in a scroll.

    python -m bench.viewer [rounds]

The simulated systems are a process of their own, as real ones would be. In each round the gateway is started anew, and
a fresh browser asks for a patient twice: *fetched*, when nothing is kept at the gateway, and *kept*, from its cache.
*Seen* is the first heading of a section; *usable* is when every part has arrived and the main thread has then been
idle; both count from the navigation. The longest task is what the browser itself reports (Long Tasks API, 50 ms and
more) up to there and during a scroll of the whole page. *Rows* are the entries of tables and lists in the document.
*CPU* is what the gateway's process spent on it. The bars: usable within 2 s, no task above 200 ms in the scroll, 200
rows.
"""

import asyncio
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from adapters.demo import estate
from adapters.sdk.estate import Mischief
from bench.demo_start import SHERWOOD, free_port, ready
from tests.browser.webdriver import Browser, browser

PATIENTS = {"5,000 facts": "9992319488", "Michael": "9994071009"}
WATCH = """
  globalThis.tasks = []; globalThis.seen = null; globalThis.usable = null; globalThis.rows = 0;
  new PerformanceObserver((list) => list.getEntries().forEach((one) => tasks.push([one.startTime, one.duration])))
    .observe({ type: "longtask", buffered: true });
  const look = () => {
    rows = Math.max(rows, document.querySelectorAll("main tbody tr, main li").length);
    if (seen === null && document.querySelector("main h2")) seen = performance.now();
    const main = document.querySelector("main[aria-busy]");
    if (usable === null && main?.getAttribute("aria-busy") === "false" && document.querySelector("#timeline li"))
      requestIdleCallback(() => { usable ??= performance.now(); });
  };
  new MutationObserver(() => requestAnimationFrame(look)).observe(document, { subtree: true, childList: true,
    attributes: true });"""
SCROLL = """const done = arguments[arguments.length - 1]; const from = performance.now();
  const step = () => { const before = scrollY; scrollBy(0, 400);
    if (scrollY > before) requestAnimationFrame(step); else setTimeout(() => done(from), 300); };
  step();"""
USABLE = """const done = arguments[arguments.length - 1];
  const look = () => usable === null ? setTimeout(look, 20) : done([seen, usable]); look();"""


def measure(page: Browser, url: str) -> list[float]:
    """Milliseconds until seen, until usable, of the longest task until then and in the scroll; rows."""
    page.devtools("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
    page.open(url)

    def wait(script: str) -> Any:
        return page.call("POST", "/execute/async", {"script": script, "args": []})

    seen, usable = wait(USABLE)
    begun = wait(SCROLL)
    tasks = page.run("return tasks")
    until = max((took for at, took in tasks if at < usable), default=0)
    scrolling = max((took for at, took in tasks if at >= begun), default=0)
    return [seen, usable, until, scrolling, page.run("return rows")]


async def systems() -> None:
    """The estate, until standard input ends; its configuration and secrets are said on standard output."""
    async with estate(datetime.now(UTC), Mischief()) as running:
        print(json.dumps({"config": running.config, "secrets": running.secrets}), flush=True)
        await asyncio.to_thread(sys.stdin.read)


@contextlib.contextmanager
def gateway(config: str, secrets: dict[str, str]) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """A gateway that has kept nothing yet: its port and process."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gateway.toml"
        path.write_text(config, encoding="utf-8")
        command = [*SHERWOOD, "serve", "--config", str(path), "--port", str(port)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=os.environ | secrets) as process:
            try:
                while not ready(port):
                    assert process.poll() is None, "it ended before it was ready"
                    time.sleep(0.05)
                yield port, process
            finally:
                process.send_signal(signal.SIGINT)


def rounds(number: str, config: str, secrets: dict[str, str]) -> Iterator[list[float]]:
    """The figures of a patient fetched, then kept."""
    with gateway(config, secrets) as (port, process):
        for _ in ("fetched", "kept"):
            before = _cpu(process)
            with browser() as page:
                page.resize(1280, 900)
                figures = measure(page, f"http://127.0.0.1:{port}/#{number}")
            yield [*figures, 1000 * (_cpu(process) - before)]


def _cpu(process: subprocess.Popen[bytes]) -> float:
    """Seconds that a process has spent until now (proc(5), fields 14 and 15)."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    command = [sys.executable, "-m", "bench.viewer", "--systems"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        told = json.loads(other.stdout.readline())
        print(f"{'':28}seen   usable  longest task  in the scroll  rows      CPU")
        for name, number in PATIENTS.items():
            found = [list(rounds(number, told["config"], told["secrets"])) for _ in range(count)]
            for way, figures in zip(("fetched", "kept"), zip(*found, strict=True), strict=True):
                for each in figures:
                    print(_line(f"{name}, {way}", each), flush=True)
                print(_line("  median", [statistics.median(each) for each in zip(*figures, strict=True)]), flush=True)
        assert other.stdin is not None
        other.stdin.close()


def _line(name: str, figures: list[float]) -> str:
    seen, usable, until, scrolling, rows, cpu = figures
    return (
        f"{name:23}{seen:6.0f} ms {usable:5.0f} ms  {until:9.0f} ms  {scrolling:10.0f} ms  {rows:5.0f}  {cpu:4.0f} ms"
    )


if __name__ == "__main__":
    asyncio.run(systems()) if sys.argv[1:] == ["--systems"] else main()
