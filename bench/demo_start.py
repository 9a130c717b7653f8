"""How long `sherwood demo` takes from the start of its process until /readyz answers 200. The bar is 5 s.

    python -m bench.demo_start [runs]

Wall time, because that is what a person waits; the CPU time of the whole process, its end included, stands beside it,
which another process on the machine does not change. The bytecode of every module is kept, as an installation keeps it,
in a folder of the bench's own: the start that writes it is printed apart.
"""

import contextlib
import os
import resource
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

SHERWOOD = (sys.executable, "-c", "from gateway.cli import main; main()")


def start(bytecode: str) -> tuple[float, float]:
    """Wall and CPU seconds of one start, the CPU those until the process has ended."""
    port = free_port()
    before = time.perf_counter()
    spent = _spent()
    own = os.environ | {"PYTHONPYCACHEPREFIX": bytecode, "PYTHONDONTWRITEBYTECODE": ""}
    with subprocess.Popen([*SHERWOOD, "demo", "--port", str(port)], stdout=subprocess.DEVNULL, env=own) as process:
        try:
            while not ready(port):
                assert process.poll() is None, "it ended before it was ready"
                time.sleep(0.02)
            wall = time.perf_counter() - before
        finally:
            process.send_signal(signal.SIGINT)
    return wall, _spent() - spent


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def ready(port: int) -> bool:
    """Whether the gateway at this port answers."""
    with (
        contextlib.suppress(urllib.error.URLError, ConnectionError),
        urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer,
    ):
        return bool(answer.status == 200)
    return False


def _spent() -> float:
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory() as bytecode:
        print(f"the first, which compiles everything: {start(bytecode)[0]:.2f} s")
        figures = [start(bytecode) for _ in range(runs)]
    for name, values in (("wall", [w for w, _ in figures]), ("CPU", [c for _, c in figures])):
        shown = ", ".join(f"{value:.2f}" for value in sorted(values))
        print(f"{name:<5} median {statistics.median(values):.2f} s of {shown}")


if __name__ == "__main__":
    main()
