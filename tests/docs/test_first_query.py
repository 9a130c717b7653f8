"""The tutorial, done as a newcomer does it: every command and query in its order, and what it shows compared."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import DOCS, HERE, Block, blocks

PAGE = "tutorials/first-query.md"
COMMAND = ".venv/bin/sherwood "
SHERWOOD = (sys.executable, "-c", "import gateway.cli; gateway.cli.main()")
CEILING_S = 120


@contextmanager
def demo(*arguments: str) -> Iterator[str]:
    """A demo that is up, on a free port; yields where it is."""
    command = (*SHERWOOD, *arguments, "--port", "0")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"COLUMNS": "200"}) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if found := re.search(r"http://127\.0\.0\.1:\d+(?=/graphql)", line):
                    yield found[0]
                    break
            else:
                pytest.fail("the demo ended before it was ready")
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=CEILING_S)


def asked(document: str, folder: Path, url: str) -> str:
    """What `sherwood query` says to a document in a file."""
    file = folder / "first.graphql"
    file.write_text(document, encoding="utf-8")
    command = (*SHERWOOD, "query", str(file), "--url", f"{url}/graphql")
    return subprocess.run(command, capture_output=True, text=True, timeout=CEILING_S, check=False).stdout


def shows(answer: Any, shown: Any) -> bool:
    """Whether an answer holds what the page shows of it: objects may have more fields, lists more items between."""
    if isinstance(shown, dict):
        return isinstance(answer, dict) and all(n in answer and shows(answer[n], value) for n, value in shown.items())
    if isinstance(shown, list):
        rest = iter(answer)
        return all(any(shows(item, wanted) for item in rest) for wanted in shown)
    return bool(answer == shown)


def test_a_newcomer_gets_what_the_page_shows_step_by_step(tmp_path: Path) -> None:
    done = []
    with ExitStack() as running:
        url = said = ""
        for block in blocks(PAGE):
            if (started := start(block)) is not None:
                running.close()
                url = running.enter_context(demo(*started))
            elif block.language == "graphql":
                said = asked(block.text, tmp_path, url)
            elif block.language == "bash" and block.text == f"{COMMAND}query first.graphql\n":
                continue  # how the query above is asked
            elif block.language == "bash":
                command = block.text.replace(HERE, url)
                assert command != block.text
                run = subprocess.run(
                    ["bash", "-euo", "pipefail", "-c", command], capture_output=True, timeout=CEILING_S, check=True
                )
                said = run.stdout.decode()
            elif block.language == "json":
                assert shows(json.loads(said), json.loads(block.text)), f"{block.heading}: {said}"
            else:
                place = 0
                for line in block.text.splitlines():
                    place = said.find(line, place)
                    assert place >= 0, f"{block.heading}: {line} is not in its place in {said}"
            done.append(block.language)
    assert done.count("graphql") == done.count("json") == 5
    assert done.count("text") == 1


def start(block: Block) -> tuple[str, ...] | None:
    """The arguments with which a block starts the demo; None where it does something else."""
    if block.text == "make demo\n":
        makefile = (DOCS.parent / "Makefile").read_text("utf-8")
        assert "@$(BIN)/sherwood demo --port $(PORT)\n" in makefile
        return ("demo",)
    command = block.text.strip().removeprefix(COMMAND).split()
    return tuple(command) if command[0] == "demo" else None


def test_what_is_shown_must_be_in_the_answer_in_that_order() -> None:
    answer = {"a": [{"x": 1, "y": 2}, {"x": 3}], "b": None}
    assert shows(answer, {"a": [{"x": 1}, {"x": 3}]})
    assert shows(answer, {"a": [{"x": 3}], "b": None})
    assert not shows(answer, {"a": [{"x": 3}, {"x": 1}]})
    assert not shows(answer, {"a": [{"z": 1}]})
    assert not shows(answer, {"c": None})
