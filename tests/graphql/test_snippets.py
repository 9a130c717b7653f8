"""Every snippet of docs/how-to/clients.md, run as it stands on the page against a gateway over the demo's estate."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.docs.pages import HERE, Block, blocks
from tests.graphql import clients
from tests.graphql.conftest import MICHAEL, Running, started

PAGE = "how-to/clients.md"
BLOCKS = blocks(PAGE)
INSTALLS = [block for block in BLOCKS if block.text.startswith("npm install")]
RUN = [block for block in BLOCKS if block.language in {"bash", "python", "js"} and block not in INSTALLS]
HEADINGS = ("curl", "Python", "Apollo Client", "urql", "Relay")
PROGRAM = {"bash": ("bash", "-euo", "pipefail"), "python": ("python",), "js": ("node",)}
_TAG = re.compile(r"graphql`\s*(?:query|fragment) (\w+)[^`]*`")


@pytest.fixture
async def demo(tmp_path: Path) -> AsyncIterator[Running]:
    """As `make demo` starts it: without access tokens, for this machine alone."""
    folder = tmp_path / "demo"
    folder.mkdir()
    async with started(folder, tokens="") as up:
        up.headers.clear()
        yield up


async def written(block: Block, folder: Path, url: str) -> Path:
    """The snippet in a file of its own, asking where this gateway is."""
    assert HERE in block.text
    text = block.text.replace(HERE, url)
    if block.language == "js":
        clients.project(folder)
    if block.heading == "Relay":
        text = await compiled(text, folder)
    path = folder / f"snippet.{block.language}"
    path.write_text(text, encoding="utf-8")
    return path


async def compiled(text: str, folder: Path) -> str:
    """By Relay's compiler, configured as on the page, and with its output in the place of the tags."""
    (config,) = [block.text for block in BLOCKS if (block.heading, block.language) == ("Relay", "json")]
    (folder / "relay.config.json").write_text(config, encoding="utf-8")
    (folder / "schema.graphql").write_bytes((clients.WEB.parent / "schema" / "schema.graphql").read_bytes())
    (folder / "src" / "__generated__").mkdir(parents=True)
    (folder / "src" / "medicines.js").write_text(text, encoding="utf-8")
    await clients.said(folder, "relay-compiler", "relay.config.json")
    return _TAG.sub(r'(await import("./src/__generated__/\1.graphql.js")).default', text)


def test_every_client_is_on_the_page_and_everything_on_it_is_run() -> None:
    assert tuple(dict.fromkeys(block.heading for block in RUN)) == HEADINGS
    assert {block.language for block in BLOCKS} == {*PROGRAM, "json"}
    assert sum("@defer" in block.text for block in RUN) == 4


def test_what_the_page_installs_is_what_is_tested() -> None:
    package = json.loads((clients.WEB / "package.json").read_text("utf-8"))
    pinned = package["dependencies"] | package["devDependencies"]
    named = {word for block in INSTALLS for word in re.findall(r"(?<= )[@a-z][\w/@-]+", block.text)}
    assert named - {"install"} <= pinned.keys()


@pytest.mark.parametrize("block", RUN, ids=lambda block: f"{block.heading}-{RUN.index(block)}")
async def test_a_snippet_shows_the_medicines_and_in_parts_where_it_asks_for_parts(
    demo: Running, tmp_path: Path, block: Block
) -> None:
    path = await written(block, tmp_path, demo.url)
    program = (*PROGRAM[block.language], str(path))
    if "@defer" in block.text:
        said, before = await said_in_parts(demo, tmp_path, *program)
    else:
        said, before = await clients.said(tmp_path, *program), ""
    medicines = (await demo.record("medications { status totalCount }"))["medications"]
    wanted = re.compile(rf"{medicines['status']}\b.*\b{medicines['totalCount']}\b")
    assert wanted.search(said), said
    assert not wanted.search(before), "the medicines wait for the source that is held"


async def said_in_parts(demo: Running, folder: Path, *program: str) -> tuple[str, str]:
    """What a program says, and what of it while one source is held open. Ends only if it says something by then."""
    held = demo.faults["pharmacy"].hold = asyncio.Event()
    before = ""
    async with asyncio.timeout(clients.CEILING_S), clients.saying(folder, *program) as out:
        while MICHAEL not in before:
            chunk = await out.read(4096)
            assert chunk, before
            before += chunk.decode()
        held.set()
        return before + (await out.read()).decode(), before
