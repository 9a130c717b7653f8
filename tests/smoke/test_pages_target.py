"""`make demo` starts without the pages where npm is missing or fails, and says what to do."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ("sh", "make", "find", "rm", "touch", "mkdir", "python3")
pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="not installed: make")


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """What `make pages` reads of the repository, and a folder with the programs that it finds."""
    for path in ("Makefile", "web/package.json", "web/package-lock.json", "schema/schema.graphql"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, tmp_path / path)
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        (tmp_path / "bin" / tool).symlink_to(str(shutil.which(tool)))
    return tmp_path


def pages(house: Path) -> str:
    """What `make pages` says; it ended well."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(
        ["make", "--silent", "pages"],
        cwd=house,
        env=environment | {"PATH": str(house / "bin")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_without_npm_it_says_what_to_install_and_goes_on(house: Path) -> None:
    said = pages(house)
    assert "npm is not here" in said
    assert "Node 20.19 or newer" in said
    assert not (house / "gateway").exists()


def test_an_npm_that_fails_does_not_stop_the_demo(house: Path) -> None:
    npm = house / "bin" / "npm"
    npm.write_text("#!/bin/sh\necho 'npm: no network' >&2\nexit 1\n", encoding="utf-8")
    npm.chmod(0o755)
    said = pages(house)
    assert "npm: no network" in said
    assert "The pages could not be built" in said
    assert not (house / "gateway" / "built" / ".ready").exists()
