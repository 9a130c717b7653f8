"""The pages that npm builds from web/ into gateway/built, for tests that look at them or at where they go."""

import shutil
import subprocess

import pytest

from gateway.pages import BUILT, Pages
from tests.graphql.clients import WEB, installed

BUILD_S = 300


def built() -> Pages:
    """The pages as npm builds them now. Skips the test, saying why, where there is no npm."""
    if shutil.which("make") is None:
        pytest.skip("not installed: make")
    installed()
    made = subprocess.run(["make", "web"], cwd=WEB.parent, capture_output=True, text=True, timeout=BUILD_S, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    pages = Pages(BUILT)
    assert pages.viewer is not None
    return pages
