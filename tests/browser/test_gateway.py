"""The explorer as the real gateway serves it where npm built no page, over the real estate, in a real browser."""

import asyncio
from pathlib import Path

import pytest

from adapters.demo import SECRETS
from gateway.pages import Pages
from tests.browser.looks import keep
from tests.browser.webdriver import browser, missing
from tests.graphql.conftest import started


@pytest.mark.skipif(missing() is not None, reason=str(missing()))
async def test_michaels_record_is_painted_under_the_pages_own_policy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)

    def look(url: str) -> tuple[str, list[str]]:
        with browser() as page:
            page.resize(1280, 1400)
            page.open(f"{url}/")
            page.find("#run").click()
            page.find_text("body", "Quillfeather")
            page.find_text("body", "Toujeo")
            keep(page, "explorer")
            return str(page.run("return document.body.innerText")), page.console()

    async with started(tmp_path, tokens="", pages=Pages(built=tmp_path / "nothing")) as gateway:
        text, complaints = await asyncio.to_thread(look, gateway.url)
        async with gateway.session.get(f"{gateway.url}/graphql", headers={"Accept": "text/html"}) as response:
            assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
            assert response.headers["Cache-Control"] == "no-store"
    assert complaints == []
    for word in ("Lantus", "Toujeo", "Tallow Yard Surgery", "PARTIAL"):
        assert word in text
