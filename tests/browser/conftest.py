"""What the tests of the built pages share."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from adapters.demo import SECRETS
from gateway.pages import Pages
from tests.browser.webdriver import Browser, browser, missing
from tests.graphql.conftest import DESK, WARD, Running, started
from tests.support.pages import built


@pytest.fixture(scope="session")
def built_pages() -> Pages:
    """The pages as npm builds them now. Skips, saying why, where there is no npm or no browser to look at them."""
    if reason := missing():
        pytest.skip(reason)
    return built()


@pytest.fixture(scope="module")
def window(built_pages: Pages) -> Iterator[Browser]:
    """A browser for the tests of one file. Each gateway has a port of its own, so none sees what another kept."""
    with browser() as one:
        yield one


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the estate's configuration names."""
    for name, value in {**SECRETS, "TEST_WARD_TOKEN": WARD, "TEST_DESK_TOKEN": DESK}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
async def paged(tmp_path: Path, built_pages: Pages, secrets: None) -> AsyncIterator[Running]:
    """The gateway with the built pages over the whole estate; it asks nobody for a token, as the demo does."""
    async with started(tmp_path, tokens="", pages=built_pages) as up:
        yield up


@pytest.fixture
async def guarded(tmp_path: Path, built_pages: Pages, secrets: None) -> AsyncIterator[Running]:
    """The same, and it wants a token."""
    async with started(tmp_path, pages=built_pages) as up:
        yield up


@pytest.fixture
def viewer(built_pages: Pages, secrets: None) -> None:
    """For tests that look at the viewer over the whole estate: the page is built, and the estate's secrets are set."""
