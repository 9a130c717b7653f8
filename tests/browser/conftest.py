"""What the tests of the built pages share."""

import shutil
import subprocess

import pytest

from gateway.pages import Pages
from tests.browser.webdriver import missing
from tests.graphql.clients import WEB, installed

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
