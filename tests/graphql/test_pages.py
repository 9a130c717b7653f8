"""The pages as they leave the gateway: their policies, what may be cached, and only names that the build made."""

import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from yarl import URL

from gateway.pages import Pages
from tests.graphql.conftest import Running, started

SCRIPT = "viewer-a1b2c3d4.js"
TEXT = "export const long = 'enough';\n" * 100
EXAMPLES = """
[[viewer.examples]]
identifier = "9994071009"
label = "Michael"
"""


def build(folder: Path) -> Path:
    """What npm would leave there."""
    for page in ("viewer", "graphiql"):
        (folder / page).mkdir(parents=True)
        (folder / page / "index.html").write_text(f"<title>{page}</title>", encoding="utf-8")
    (folder / "assets").mkdir()
    (folder / "assets" / SCRIPT).write_text(TEXT, encoding="utf-8")
    (folder / "assets" / f"{SCRIPT}.gz").write_bytes(gzip.compress(TEXT.encode()))
    (folder / "assets" / "page-e5f6.css").write_text("p {}", encoding="utf-8")
    (folder / "licenses.txt").write_text("somebody's licence", encoding="utf-8")
    return folder


@pytest.fixture
async def built(tmp_path: Path) -> AsyncIterator[Running]:
    async with started(tmp_path, pages=Pages(build(tmp_path / "built"))) as up:
        yield up


@pytest.fixture
async def bare(tmp_path: Path) -> AsyncIterator[Running]:
    async with started(tmp_path, pages=Pages(tmp_path / "nothing")) as up:
        yield up


HTML = {"Accept": "text/html,application/xhtml+xml"}


@pytest.mark.parametrize(("path", "title"), [("/", "viewer"), ("/graphql", "graphiql")])
async def test_a_page_is_not_kept_and_may_load_from_this_host_alone(built: Running, path: str, title: str) -> None:
    async with built.session.get(f"{built.url}{path}", headers=HTML) as response:
        assert f"<title>{title}</title>" in await response.text()
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Referrer-Policy"] == "no-referrer"
        rules = dict(rule.strip().split(" ", 1) for rule in response.headers["Content-Security-Policy"].split(";"))
    nothing = ("default-src", "base-uri", "form-action", "frame-ancestors")
    assert {rules.pop(rule) for rule in nothing} == {"'none'"}
    assert {rules.pop(rule) for rule in ("script-src", "font-src", "worker-src", "connect-src")} == {"'self'"}
    assert rules.pop("img-src") == "'self' data:"
    assert rules == {"style-src": "'self'" if title == "viewer" else "'self' 'unsafe-inline'"}


async def test_a_question_by_get_is_answered_also_where_a_browser_asks_it(built: Running) -> None:
    url = f"{built.url}/graphql?query=%7B__typename%7D"
    async with built.session.get(url, headers=HTML | built.headers) as response:
        assert await response.json() == {"data": {"__typename": "Query"}}


async def test_where_nothing_was_built_the_explorer_stands_in_for_both(bare: Running) -> None:
    async with bare.session.get(f"{bare.url}/", headers=HTML) as response:
        assert [one.status for one in response.history] == [307]
        assert response.url.path == "/graphql"
        assert "<textarea" in await response.text()
        assert "script-src 'sha256-" in response.headers["Content-Security-Policy"]
    for path in (f"/assets/{SCRIPT}", "/licenses.txt"):
        async with bare.session.get(f"{bare.url}{path}") as response:
            assert response.status == 404


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
async def test_an_asset_is_kept_for_ever_and_is_compressed_for_who_takes_it(built: Running, encoding: str) -> None:
    asked = built.session.get(f"{built.url}/assets/{SCRIPT}", headers={"Accept-Encoding": encoding})
    async with asked as response:
        assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Vary"] == "Accept-Encoding"
        assert response.headers.get("Content-Encoding", "identity") == encoding
        assert response.content_type in ("text/javascript", "application/javascript")
        assert await response.text() == TEXT
        assert (int(response.headers["Content-Length"]) < len(TEXT)) == (encoding == "gzip")


async def test_what_has_no_smaller_twin_is_sent_as_it_is(built: Running) -> None:
    async with built.session.get(f"{built.url}/assets/page-e5f6.css") as response:
        assert (await response.text(), response.content_type) == ("p {}", "text/css")
        assert "Content-Encoding" not in response.headers


@pytest.mark.parametrize(
    "name",
    [
        *("..%2Flicenses.txt", "..%2f..%2fgateway.toml", "%2e%2e%2flicenses.txt", "..", ".", "", "viewer"),
        *("%2Fetc%2Fpasswd", "..%5clicenses.txt", "viewer-a1b2c3d4.js%00", "VIEWER-A1B2C3D4.JS"),
    ],
)
async def test_no_other_file_can_be_had_by_any_name(built: Running, name: str) -> None:
    async with built.session.get(URL(f"{built.url}/assets/{name}", encoded=True)) as response:
        assert response.status == 404
        assert b"licence" not in await response.read()


async def test_looking_at_the_head_of_a_page_or_asset_sends_no_body(built: Running) -> None:
    for path in ("/", f"/assets/{SCRIPT}", "/licenses.txt"):
        async with built.session.head(f"{built.url}{path}") as response:
            assert (response.status, await response.read()) == (200, b"")
            assert int(response.headers["Content-Length"]) > 0
    async with built.session.head(f"{built.url}/graphql") as response:
        assert (response.status, response.headers["Allow"]) == (405, "GET, POST")


async def test_the_licences_of_what_is_bundled_travel_with_it(built: Running) -> None:
    async with built.session.get(f"{built.url}/licenses.txt") as response:
        assert (await response.text(), response.content_type) == ("somebody's licence", "text/plain")


async def test_the_settings_of_the_viewer_are_what_the_operator_wrote_and_nothing_else(tmp_path: Path) -> None:
    def one(text: str) -> str:
        return text.partition("[[viewer.examples]]")[0] + text[text.index("[[sources]]") :] + EXAMPLES

    async with (
        started(tmp_path, edit=one) as gateway,
        gateway.session.get(f"{gateway.url}/settings.json") as response,
    ):
        assert await response.json() == {"examples": [{"identifier": "9994071009", "label": "Michael"}]}
        assert response.headers["Cache-Control"] == "no-store"
