"""What the tests of the built pages share."""

import shutil
import subprocess

import pytest

from adapters.demo import SECRETS
from gateway.pages import Pages
from tests.browser.webdriver import missing
from tests.graphql.clients import WEB, installed
from tests.graphql.conftest import DESK, WARD

BUILD_S = 300


@pytest.fixture(scope="session")
def built_pages() -> Pages:
    """The pages as npm builds them now. Skips, saying why, where there is no npm or no browser to look at them."""
    if reason := missing() or (None if shutil.which("make") else "not installed: make"):
        pytest.skip(reason)
    installed()
    made = subprocess.run(["make", "web"], cwd=WEB.parent, capture_output=True, text=True, timeout=BUILD_S, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    pages = Pages()
    assert pages.viewer is not None
    return pages


@pytest.fixture
def viewer(built_pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests that look at the viewer over the whole estate: the page is built, and the estate's secrets are set."""
    for name, value in {**SECRETS, "TEST_WARD_TOKEN": WARD, "TEST_DESK_TOKEN": DESK}.items():
        monkeypatch.setenv(name, value)
