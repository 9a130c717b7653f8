"""How long the viewer takes in a headless Chromium: until something is seen, until it can be used, in a scroll.

    python -m bench.viewer [rounds]

Against `sherwood demo` with the patient of 5,000 facts and with Michael, each in a fresh browser; the first round of a
patient finds nothing cached at the gateway. *Seen* is the first heading of a section; *usable* is when every part has
arrived and the main thread has then been idle; both count from the navigation. The longest task is what the browser
itself reports (Long Tasks API, 50 ms and more) up to there and during a scroll of the whole page. *Rows* are the
entries of tables and lists in the document. The bars: usable within 2 s, no task above 200 ms in the scroll, 200 rows.
"""

import contextlib
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from typing import Any

from bench.demo_start import COMMAND, _ready
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


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with subprocess.Popen([*COMMAND, str(port)], stdout=subprocess.DEVNULL, env=dict(os.environ)) as process:
        try:
            while not _ready(port):
                assert process.poll() is None, "it ended before it was ready"
                time.sleep(0.05)
            print("patient            seen   usable  longest task  in the scroll  rows")
            for name, number in PATIENTS.items():
                figures = []
                for _ in range(rounds):
                    with browser() as page:
                        page.resize(1280, 900)
                        figures.append(measure(page, f"http://127.0.0.1:{port}/#{number}"))
                    print(_line(name, figures[-1]), flush=True)
                print(_line(f"{name}, median", [statistics.median(each) for each in zip(*figures, strict=True)]))
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)


def _line(name: str, figures: list[float]) -> str:
    seen, usable, until, scrolling, rows = figures
    return f"{name:19}{seen:4.0f} ms  {usable:5.0f} ms  {until:9.0f} ms  {scrolling:10.0f} ms  {rows:5.0f}"


if __name__ == "__main__":
    main()
