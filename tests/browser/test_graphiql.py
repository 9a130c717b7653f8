"""GraphiQL as the gateway serves it, over the whole estate, in a real browser that reaches no other host.

What it must say while an answer is not whole, that it keeps no secret, and that it can be read and worked by keyboard
(WCAG 2.2 AA).
"""

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from graphql import parse, validate
from starlette.responses import JSONResponse, PlainTextResponse, Response

from gateway.pages import Pages
from tests.browser.axe import violations
from tests.browser.looks import SCREENS, keep, looks
from tests.browser.record import NUMBER, answer
from tests.browser.stand_in import SCHEMA, StandIn, serving
from tests.browser.webdriver import Browser
from tests.graphql.conftest import MICHAEL, WARD, Running, started

ROOT = Path(__file__).parents[2]
QUESTIONS = sorted((ROOT / "docs" / "questions").glob("*.graphql"))
FIRST = (ROOT / "web" / "graphiql" / "first.graphql").read_text(encoding="utf-8")
PATIENT = FIRST.replace(f'value: "{MICHAEL}" }})', f'value: "{MICHAEL}" }}, deadline: "PT30S")')
"""The same, and it waits for as long as a test may hold a source open."""
OF_THE_PHARMACY = "who he is, medicines, who else is involved, which systems answered"
"""The parts that it has a part in."""
CEILING_S = 60
KNOWN = {"nested-interactive": ".graphiql-tab"}
"""GraphiQL 5.4 puts the button that closes a tab inside the element with the role of a tab."""

MEANT = ("status of 4", "ERR_INCOMPLETE", "favicon.ico")
"""Complaints about the harm that a test does, and about a page of plain text, which cannot name an icon."""
WORDLESS = re.compile(r"/assets/graphiql-[\w-]+\.js 1:\d+ $")
"""What Monaco throws, now and then, when an answer is stopped while it colours it: an error without a word in it."""


@pytest.fixture
def page(window: Browser) -> Iterator[Browser]:
    """Afterwards: nothing was refused by the policy or thrown, nothing outlives the tab, nobody else was asked.

    A test names it after the gateway, which then goes on until the page has been left.
    """
    window.console()
    window.sent()
    yield window
    complaints, sent = window.console(), window.sent()
    kept = window.run("return [localStorage.length, document.cookie]")
    window.open("about:blank")
    complaints = [line for line in complaints if not any(meant in line for meant in MEANT)]
    assert [line for line in complaints if WORDLESS.search(line) is None] == []
    assert {urlsplit(one.url).hostname for one in sent} <= {"127.0.0.1"}
    assert kept == [0, ""]


def editor(page: Browser, name: str) -> str:
    """The text of one of GraphiQL's editors: operation, variables, request-headers, response."""
    script = """return __MONACO.editor.getModels().find((one) => one.uri.path.includes(arguments[0])).getValue()"""
    return str(page.run(script, name))


def shown(page: Browser) -> Any:
    """The answer that is shown."""
    return json.loads(editor(page, "response"))


def opened(page: Browser, url: str) -> None:
    page.open(f"{url}/graphql")
    page.find(".graphiql-query-editor .view-line")
    page.find(".graphiql-execute-button")


def ask(page: Browser, text: str | None = None) -> None:
    """Run what is in the editor, or this instead, with the keyboard."""
    page.find(".graphiql-query-editor .view-lines").click()
    if text is not None:
        script = "__MONACO.editor.getModels().find((one) => one.uri.path.includes('operation')).setValue(arguments[0])"
        page.run(script, text)
    page.press("Control", "Enter")


def write(page: Browser, text: str) -> None:
    """Type this instead of what is in the editor with the focus, and take away what it closes by itself."""
    page.press("Control", "a")
    page.press("Delete")
    page.keys(text)
    page.press("Control", "Shift", "End")
    page.press("Delete")


def state(page: Browser, name: str) -> str:
    """What is said below the answer, once it is in this state."""
    return page.find(f".state[data-state={name}]").text


def test_what_it_opens_on_and_every_question_fits_the_schema() -> None:
    for text in (FIRST, *(path.read_text(encoding="utf-8") for path in QUESTIONS)):
        assert validate(SCHEMA, parse(text)) == []
    assert MICHAEL in FIRST
    assert "@defer" in FIRST


async def test_its_first_query_runs_as_it_is_and_shows_michael(paged: Running, page: Browser) -> None:
    def look() -> None:
        opened(page, paged.url)
        assert editor(page, "operation") == FIRST
        ask(page)
        state(page, "whole")
        record = shown(page)["data"]["patient"]
        assert "errors" not in shown(page)
        assert record["patient"]["names"][0]["family"] == "Quillfeather"
        assert record.keys() == {
            "identifier",
            "patient",
            "allergies",
            "medications",
            "flags",
            "careTeamMembers",
            "sources",
        }

    await asyncio.to_thread(look)


async def test_the_first_part_is_painted_while_a_source_is_held_open(paged: Running, page: Browser) -> None:
    held = paged.faults["pharmacy"].hold = asyncio.Event()

    def before() -> None:
        opened(page, paged.url)
        ask(page, PATIENT)
        page.find_text(".state", f"Still to come: {OF_THE_PHARMACY}.")
        page.find_text(".result-window", MICHAEL)
        record = shown(page)["data"]["patient"]
        assert record["allergies"]["entries"]["nodes"]
        assert not record.keys() & {"medications", "sources"}
        keep(page, "graphiql-arriving")

    def after() -> None:
        assert "parts have arrived" in state(page, "whole")
        assert shown(page)["data"]["patient"]["medications"]["entries"]["nodes"]

    async with asyncio.timeout(CEILING_S):
        await asyncio.to_thread(before)
        held.set()
        await asyncio.to_thread(after)


async def test_an_answer_that_was_stopped_says_what_it_lacks(paged: Running, page: Browser) -> None:
    paged.faults["pharmacy"].hold = asyncio.Event()

    def look() -> None:
        opened(page, paged.url)
        ask(page, PATIENT)
        page.find_text(".state", f"Still to come: {OF_THE_PHARMACY}.")
        page.find(".graphiql-execute-button").click()
        assert f"not whole. It lacks: {OF_THE_PHARMACY}." in state(page, "stopped")
        assert "medications" not in shown(page)["data"]["patient"]

    async with asyncio.timeout(CEILING_S):
        await asyncio.to_thread(look)


async def test_each_of_the_five_questions_can_be_picked_and_is_answered_without_an_error(
    paged: Running, page: Browser
) -> None:
    def look() -> None:
        opened(page, paged.url)
        for number, path in enumerate(QUESTIONS, start=2):
            page.find(f".examples li:nth-child({number}) button").click()
            assert editor(page, "operation") == path.read_text(encoding="utf-8")
            page.press("Control", "Enter")
            state(page, "whole")
            said = shown(page)
            assert "errors" not in said, (path.name, said["errors"])
            assert said["data"]["patient"], path.name
            page.find("[aria-label='New tab']").click()

    await asyncio.to_thread(look)


async def test_the_docs_pane_shows_what_the_schema_says_of_itself(paged: Running, page: Browser) -> None:
    def look() -> None:
        opened(page, paged.url)
        page.find("[aria-label='Show Documentation Explorer']").click()
        page.find_text(".graphiql-doc-explorer-content a", "MergedFact").click()
        description = SCHEMA.type_map["MergedFact"].description
        assert description
        page.find_text(".graphiql-doc-explorer-content", description.split(".")[0].replace("`", ""))
        keep(page, "graphiql-docs")
        assert violations(page, KNOWN) == []

    await asyncio.to_thread(look)


async def test_who_has_no_token_is_told_what_to_do_and_who_writes_one_is_answered(
    guarded: Running, page: Browser
) -> None:
    def look() -> None:
        opened(page, guarded.url)
        page.find_text(".state [role=alert]", "Write your token under Headers, below the question, then ask again.")
        assert violations(page, KNOWN) == []
        keep(page, "graphiql-refused")
        assert "Sherwood-Purpose" in editor(page, "request-headers")
        page.find_text(".state button", "Open Headers").click()
        page.find("[aria-label=Headers] .monaco-editor.focused")
        write(page, f'{{"Authorization": "Bearer {WARD}", "Sherwood-Purpose": "ETREAT"}}')
        ask(page)
        state(page, "whole")
        assert shown(page)["data"]["patient"]["identifier"]["value"] == MICHAEL
        sent = [one for one in page.sent() if one.url.endswith("/graphql") and "FirstLook" in one.body][-1]
        assert sent.headers["authorization"] == f"Bearer {WARD}"
        assert sent.headers["sherwood-purpose"] == "ETREAT"
        page.find("[aria-label='Show Documentation Explorer']").click()
        page.find_text(".graphiql-doc-explorer-content a", "MergedFact")  # the schema was refused before, too

    await asyncio.to_thread(look)


async def test_a_token_is_not_kept_unless_somebody_chooses_so_and_then_until_the_tab_is_closed(
    guarded: Running, page: Browser
) -> None:
    def put() -> None:
        page.find("[data-name=headers]").click()
        page.find("[aria-label=Headers] .graphiql-editor:not(.hidden) .view-lines").click()
        write(page, f'{{"Authorization": "Bearer {WARD}"}}')
        ask(page)
        state(page, "whole")

    def look() -> None:
        opened(page, guarded.url)
        put()
        opened(page, guarded.url)
        assert WARD not in editor(page, "request-headers") + page.run("return JSON.stringify({...sessionStorage})")
        page.find("[aria-label='Open settings dialog']").click()
        page.find("#enable-persist-headers").click()
        page.press("Escape")
        put()
        kept = """const [word, done] = arguments;  // a little later, when nothing more was typed
          const look = () => JSON.stringify({...sessionStorage}).includes(word) ? done(true) : setTimeout(look, 20);
          look();"""
        assert page.call("POST", "/execute/async", {"script": kept, "args": [WARD]})
        opened(page, guarded.url)
        assert WARD in editor(page, "request-headers")
        page.find("[aria-label='Open settings dialog']").click()
        page.find("#disable-persist-headers").click()
        assert WARD not in page.run("return JSON.stringify({...sessionStorage})")

    await asyncio.to_thread(look)


async def test_a_schema_that_is_not_shown_is_not_asked_for_again_and_again(
    page: Browser, built_pages: Pages, tmp_path: Path, secrets: None
) -> None:
    def look(url: str) -> None:
        opened(page, url)
        for _ in range(2):
            ask(page)
            state(page, "whole")
        page.find_text(".state", "Whole")
        asked = [one for one in page.sent() if "__schema" in one.body]
        assert 1 <= len(asked) <= 2 * 3  # at first and once after each answer; GraphiQL tries each in two ways

    def without(text: str) -> str:
        return text.replace("[check]", "[graphql]\nintrospection = false\n\n[check]", 1)

    async with started(tmp_path, tokens="", pages=built_pages, edit=without) as gateway:
        await asyncio.to_thread(look, gateway.url)


async def test_it_is_worked_with_the_keyboard_alone(paged: Running, page: Browser) -> None:
    label = """const at = document.activeElement;
        return at.ariaLabel || at.textContent.trim().slice(0, 40) || at.className"""

    def look() -> None:
        opened(page, paged.url)
        page.run("document.activeElement.blur()")
        reached = []
        for _ in range(40):
            page.press("Tab")
            reached.append(str(page.run(label)))
        missed = {"Show Documentation Explorer", "The ward sister, at 02:10", "Execute query (Ctrl-Enter)", "Headers"}
        assert missed - set(reached) == set(), reached
        assert "Viewer" in reached
        assert reached.count("Show Documentation Explorer") + reached.count("Viewer") >= 2
        while page.run(label) != "The ward sister, at 02:10":
            page.press("Tab")
        page.press("Enter")
        page.press("Control", "Enter")
        state(page, "whole")
        assert shown(page)["data"]["patient"]["careTeamMembers"]

    async with asyncio.timeout(CEILING_S):
        await asyncio.to_thread(look)


WATCHED = f"""subscription Watched {{ patientUpdates(identifier: {{ value: "{NUMBER}" }}) {{
  at sections patient {{ identifier {{ value }} }} }} }}"""


async def test_a_subscription_is_asked_for_as_events_and_its_first_update_is_painted(
    paged: Running, page: Browser
) -> None:
    def look() -> None:
        opened(page, paged.url)
        ask(page, WATCHED)
        page.find_text(".result-window", NUMBER)
        sent = [one for one in page.sent() if "Watched" in one.body][-1]
        assert sent.headers["accept"] == "text/event-stream"
        page.find(".graphiql-execute-button").click()  # Stop: a page that is left in the middle complains
        state(page, "stopped")

    await asyncio.to_thread(look)


async def test_it_can_be_read_on_a_desk_and_a_phone_in_light_and_dark(paged: Running, page: Browser) -> None:
    def look() -> None:
        opened(page, paged.url)
        ask(page)
        state(page, "whole")
        for name in looks(page):
            assert violations(page, KNOWN) == [], name
            keep(page, f"graphiql-{name}")
            width = SCREENS[name.partition("-")[0]][0]  # not innerWidth: a phone makes room for what is too wide
            assert page.run("return document.documentElement.scrollWidth") <= width, name

    await asyncio.to_thread(look)


async def test_it_leads_to_the_viewer_and_to_the_licences_of_what_it_is_made_of(paged: Running, page: Browser) -> None:
    def look() -> None:
        opened(page, paged.url)
        page.find_text(".graphiql-logo a", "Licences").click()
        page.find_text("body", "monaco-editor")
        opened(page, paged.url)
        page.find_text(".graphiql-logo a", "Viewer").click()
        page.find("#app")

    await asyncio.to_thread(look)


# --- What the network does to an answer -------------------------------------------------------------------------------

DEFERRED = f"""query Q {{ patient(identifier: {{ value: "{NUMBER}" }}) {{ identifier {{ value }}
  ... @defer(label: "allergies") {{ allergies {{ status }} }} }} }}"""
ONE_PART = b"""---
Content-Type: application/json

{"data": {"patient": {"identifier": {"value": "1"}}}, "hasNext": true}
-----
"""


@pytest.fixture
def stand_in(built_pages: Pages) -> Iterator[StandIn]:
    with serving(answer(), built_pages) as one:
        yield one


def test_stopping_ends_the_request_and_not_only_the_looking_at_it(stand_in: StandIn, page: Browser) -> None:
    stand_in.early_delimiter = True  # as the gateway does it
    stand_in.hold("allergies")
    opened(page, stand_in.url.removesuffix("/graphql"))
    ask(page, DEFERRED)
    page.find_text(".state", "Still to come: allergies.")
    page.find(".graphiql-execute-button").click()
    state(page, "stopped")
    assert stand_in.left.wait(CEILING_S), "the gateway would go on for nobody"


def _cut(stand_in: StandIn) -> None:
    stand_in.hold("allergies")
    stand_in.release("allergies")
    stand_in.cut_after = 1


def _ended_early(stand_in: StandIn) -> None:
    stand_in.instead = lambda: Response(ONE_PART, media_type='multipart/mixed; boundary="-"')


def _refused(stand_in: StandIn) -> None:
    stand_in.instead = lambda: JSONResponse({"errors": [{"message": "Not from here."}]}, 403)


def _a_proxys_page(stand_in: StandIn) -> None:
    stand_in.instead = lambda: PlainTextResponse("<html>Bad gateway</html>", 200)


@pytest.mark.parametrize("harm", [_cut, _ended_early, _refused, _a_proxys_page])
def test_an_answer_that_broke_off_is_not_shown_as_if_it_were_whole(
    stand_in: StandIn, page: Browser, harm: Callable[[StandIn], None]
) -> None:
    opened(page, stand_in.url.removesuffix("/graphql"))
    harm(stand_in)
    ask(page, DEFERRED)
    assert "no whole answer" in state(page, "broken")
    assert "data" not in shown(page)
    assert shown(page)["errors"][0]["message"]
