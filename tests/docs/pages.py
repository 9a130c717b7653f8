"""What stands on a page of the documentation: its headings, and below each its blocks of code."""

import re
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"
HERE = "http://127.0.0.1:8000"
"""Where the pages say that the demo is."""
_HEADING_OR_BLOCK = re.compile(
    r"^## (?P<heading>[^\n]+)$|^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Block:
    """A block of code, and the heading that it stands below."""

    heading: str
    language: str
    text: str


def blocks(page: str) -> list[Block]:
    """All of them, in the order of the page. Each names its language: one that does not is an error."""
    text = (DOCS / page).read_text("utf-8")
    found, heading = [], ""
    for match in _HEADING_OR_BLOCK.finditer(text):
        if match["heading"]:
            heading = match["heading"]
        else:
            found.append(Block(heading, match["language"], match["text"]))
    assert len(found) * 2 == len(re.findall(r"^```", text, re.MULTILINE)), f"{page} has a block without a language"
    return found
