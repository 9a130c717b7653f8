"""How a page looks: the screens and schemes it is looked at in, and pictures of it as test output.

Pictures are kept where the variable SHERWOOD_SCREENSHOTS names a folder, for somebody to look at.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from tests.browser.webdriver import Browser

SCREENS = {"desktop": (1280, 900, False), "phone": (390, 844, True)}
"""Width and height in CSS pixels, and whether it is a phone."""
SCHEMES = ("light", "dark")


def looks(page: Browser) -> Iterator[str]:
    """The page on each screen in each scheme; each look by its name, such as "phone-dark". Ends as it began."""
    for screen, (width, height, phone) in SCREENS.items():
        page.screen(width, height, phone=phone)
        for scheme in SCHEMES:
            page.media(prefers_color_scheme=scheme)
            yield f"{screen}-{scheme}"
    page.devtools("Emulation.clearDeviceMetricsOverride")
    page.media()


def keep(page: Browser, name: str) -> None:
    """A picture of what is on the screen now, as `name`.png."""
    if folder := os.environ.get("SHERWOOD_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        Path(folder, f"{name}.png").write_bytes(page.screenshot())


def keep_looks(page: Browser, name: str) -> None:
    """Four pictures: desktop and phone, light and dark."""
    for look in looks(page):
        keep(page, f"{name}-{look}")
