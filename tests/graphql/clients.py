"""The clients that front-end developers use, run by Node against a gateway. `web/package-lock.json` pins them."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

WEB = Path(__file__).resolve().parents[2] / "web"
INSTALL_S = 300


def installed() -> None:
    """Has npm bring what the lock file names, unless it is there. Skips the test, saying why, where it cannot."""
    absent = [program for program in ("node", "npm") if shutil.which(program) is None]
    if absent:
        pytest.skip(f"not installed: {', '.join(absent)} (Debian: nodejs, npm)")
    brought = WEB / "node_modules" / ".package-lock.json"
    whole = (WEB / "node_modules" / "graphql-sse").exists()  # building the pages brings what they need alone
    if whole and brought.stat().st_mtime >= (WEB / "package-lock.json").stat().st_mtime:
        return
    made = subprocess.run(["npm", "ci"], cwd=WEB, capture_output=True, text=True, timeout=INSTALL_S, check=False)
    if made.returncode:
        pytest.skip(f"npm cannot install the clients: {made.stderr.strip()[-300:]}")


@asynccontextmanager
async def run(script: str, *arguments: str) -> AsyncIterator[AsyncIterator[Any]]:
    """The lines of JSON that a script in `web/clients` prints, as they come. It has ended, and well, at the end."""
    installed()
    process = await asyncio.create_subprocess_exec(
        "node",
        str(WEB / "clients" / script),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    out = process.stdout

    async def lines() -> AsyncIterator[Any]:
        async for line in out:
            yield json.loads(line)

    try:
        yield lines()
        complaint = (await process.stderr.read()).decode()
        assert await process.wait() == 0, complaint
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
