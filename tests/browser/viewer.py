"""The viewer in a real browser over the real gateway: opening somebody's record, and what lies on the first screen."""

import asyncio
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from tests.browser.webdriver import Browser, browser
from tests.graphql.conftest import MICHAEL, Running

FIRST_SCREEN = (1280, 900)
_LEDGER = tomllib.loads((Path(__file__).parents[1] / "ledger" / "q1_ward.toml").read_text(encoding="utf-8"))
LEDGER: dict[str, dict[str, Any]] = {fact["id"]: fact["shows"] for fact in _LEDGER["fact"]}
"""What is shown of Michael on the ward, by `source:native id`, judged by hand from the raw records."""
T = TypeVar("T")


def patient_enough(text: str) -> str:
    """A gateway and sources that wait as long as a slow machine may need: the order of events is what is tested."""
    return text.replace('deadline = "5s"', 'deadline = "29s"').replace('timeout = "8s"', 'timeout = "60s"')


async def looking(gateway: Running, look: Callable[[Browser], T]) -> T:
    """What `look` finds in a browser that has the viewer open, on the ward's screen."""

    def visit() -> T:
        with browser() as page:
            page.screen(*FIRST_SCREEN)
            page.open(f"{gateway.url}/")
            page.find("#number")
            return look(page)

    return await asyncio.to_thread(visit)


def ask(page: Browser, number: str = MICHAEL) -> None:
    """Type a number and ask for the record."""
    page.find("#number").type(number)
    page.press("Enter")


def shown(page: Browser, number: str = MICHAEL) -> None:
    """Ask, and wait until every part has arrived."""
    ask(page, number)
    whole(page)


def whole(page: Browser) -> None:
    """Wait until every part has arrived."""
    page.find_text("header", "All parts have arrived")


def text_of(page: Browser, css: str) -> str:
    """The words of the first element that fits, with white space made single."""
    words: str = page.run("return document.querySelector(arguments[0])?.innerText ?? ''", css)
    return " ".join(words.split())


def on_first_screen(page: Browser, css: str, words: str) -> bool:
    """Whether the innermost element below `css` that holds these words lies wholly within the screen, not scrolled."""
    script = """
        const [css, words] = arguments;
        const holds = (node) => node.textContent.replace(/\\s+/g, " ").includes(words);
        const all = [...document.querySelectorAll(`${css}, ${css} *`)].filter(holds);
        const inner = all.filter((node) => ![...node.children].some(holds));
        return scrollY === 0 && inner.some((node) => {
          const { top, left, bottom, right, width, height } = node.getBoundingClientRect();
          return width > 1 && height > 1 && top >= 0 && left >= 0 && bottom <= innerHeight && right <= innerWidth;
        });"""
    return bool(page.run(script, css, words))
