"""The clients that front-end developers use, run by Node against a gateway. `web/package-lock.json` pins them."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

WEB = Path(__file__).resolve().parents[2] / "web"
INSTALL_S = 300
CEILING_S = 120


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


def project(folder: Path) -> Path:
    """The folder as a front end's own, in which the packages of `web/` are installed."""
    installed()
    (folder / "node_modules").symlink_to(WEB / "node_modules")
    (folder / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    return folder


@asynccontextmanager
async def _process(folder: Path, command: tuple[str, ...]) -> AsyncIterator[asyncio.subprocess.Process]:
    """A command that is run in a folder, with npm's programs and ours on its path. It is gone at the end."""
    programs = (str(WEB / "node_modules" / ".bin"), str(Path(sys.executable).parent), os.environ["PATH"])
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env=os.environ | {"PATH": os.pathsep.join(programs), "PYTHONUNBUFFERED": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            # With what it started: a child that lives on holds its output open, and that would be waited for.
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


async def said(folder: Path, *command: str) -> str:
    """What a command says that ends well."""
    async with asyncio.timeout(CEILING_S), _process(folder, command) as process:
        out, complaint = await process.communicate()
    assert process.returncode == 0, f"{out.decode()}\n{complaint.decode()}"
    return out.decode()


@asynccontextmanager
async def saying(folder: Path, *command: str) -> AsyncIterator[asyncio.StreamReader]:
    """What a command says, as it says it. It has ended, and well, at the end."""
    async with _process(folder, command) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        yield process.stdout
        complaint = (await process.stderr.read()).decode()
        assert await process.wait() == 0, complaint


@asynccontextmanager
async def run(script: str, *arguments: str) -> AsyncIterator[AsyncIterator[Any]]:
    """The lines of JSON that a script in `web/clients` prints, as they come. It has ended, and well, at the end."""
    installed()
    async with saying(WEB, "node", f"clients/{script}", *arguments) as out:

        async def lines() -> AsyncIterator[Any]:
            async for line in out:
                yield json.loads(line)

        yield lines()
