"""Finding a person: a slip of the finger, nobody, several, a token, a gateway that is gone; each with what to do."""

import asyncio
from pathlib import Path

import pytest

from tests.browser.looks import keep
from tests.browser.viewer import ask, looking, patient_enough, shown, text_of, whole
from tests.browser.webdriver import Browser
from tests.graphql.conftest import DESK, MICHAEL, WARD, started

pytestmark = pytest.mark.usefixtures("viewer")
UNKNOWN = "9990000018"


def search(page: Browser, family: str, *birth: str, **fields: str) -> None:
    for field, value in zip(("day", "month", "year"), birth, strict=False):
        page.find(f"#{field}").type(value)
    for field, value in fields.items():
        page.find(f"#{field}").type(value)
    page.find("#family").type(family)
    page.press("Enter")


async def test_a_slip_in_the_number_is_said_before_anybody_is_asked_and_spaces_do_not_matter(tmp_path: Path) -> None:
    def look(page: Browser) -> tuple[list[str], str, str]:
        said = []
        for typed in ("", "999 407 10", "9994071008"):
            page.run("document.querySelector('#number').value = ''")
            ask(page, typed)
            page.find(".problem")
            said.append(text_of(page, ".problem"))
        page.find(".problem button").click()
        focused = page.run("return document.activeElement.id")
        asked = gateway.faults["pds"].asked
        page.run("document.querySelector('#number').value = ''")
        shown(page, "999 407 1009")
        assert asked == 0
        return said, focused, text_of(page, "h1")

    async with started(tmp_path, tokens="", edit=patient_enough) as gateway:
        said, focused, name = await looking(gateway, look)
    assert said == [
        "There is a problem Enter an NHS number",
        "There is a problem An NHS number has 10 digits, and nothing but digits",
        "There is a problem Check the digits: one of them must be wrong",
    ]
    assert focused == "number"
    assert name == "QUILLFEATHER, Michael"


async def test_an_unknown_number_is_said_in_words_that_say_what_to_do(tmp_path: Path) -> None:
    def look(page: Browser) -> tuple[str, str]:
        ask(page, UNKNOWN)
        page.find_text("main", "Nobody is known by this number")
        page.find_text("header", "There is no complete answer")
        keep(page, "viewer-unknown")
        unknown = text_of(page, "main")
        page.find("header button").click()
        for fault in gateway.faults.values():
            fault.down = True
        ask(page)
        page.find_text("main", "It could not be established who this is")
        return unknown, text_of(page, "main")

    async with started(tmp_path, tokens="", edit=patient_enough) as gateway:
        unknown, unresolved = await looking(gateway, look)
    assert "Check the number with the person" in unknown
    assert "It does not say that there are no records" in unknown
    assert "Nothing clinical is shown" in unresolved
    for said in (unknown, unresolved):
        assert "Allergies" not in said


async def test_an_authority_that_is_slow_has_the_last_word(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    held = asyncio.Event()

    def look(page: Browser) -> str:
        ask(page, UNKNOWN)
        page.find_text("main", "Asking")
        loop.call_soon_threadsafe(loop.call_later, 2, held.set)  # what was wanted within half a second had no answer
        return page.find_text("main", "Nobody is known by this number").text

    async with started(tmp_path, tokens="", edit=patient_enough) as gateway:
        gateway.faults["pds"].hold = held
        assert "could not be established" not in await looking(gateway, look)


async def test_a_search_shows_each_candidate_with_what_agrees_and_whom_it_cannot_find(tmp_path: Path) -> None:
    born = ["1967", "06", "14"][::-1]

    def look(page: Browser) -> tuple[str, str, str]:
        search(page, "Quillfeather", *born, given="Michael")
        page.find_text("main", "Several people fit")
        keep(page, "viewer-search")
        several = text_of(page, "[aria-live]")
        page.find(".candidate button").click()
        whole(page)
        return several, text_of(page, "h1"), page.run("return location.href")

    async with started(tmp_path, tokens="", edit=patient_enough) as gateway:
        several, name, address = await looking(gateway, look)
    assert "Probable: name and date of birth are the same, which is no proof" in several
    assert "same family name; same given name; same date of birth" in several
    assert "A search is no proof of who somebody is" in several
    assert "Cannot be searched by name: Tallow Yard Surgery, GP record" in several
    assert name == "QUILLFEATHER, Michael"
    assert MICHAEL not in address


async def test_nobody_found_while_a_source_is_silent_is_not_said_as_nobody_there(tmp_path: Path) -> None:
    def look(page: Browser) -> str:
        search(page, "Nobodyhere", "1", "1", "1990", given="Ann")
        page.find_text("main", "Nobody was found")
        return text_of(page, "[aria-live]")

    async with started(tmp_path, tokens="", edit=patient_enough) as gateway:
        gateway.faults["pas"].down = True
        said = await looking(gateway, look)
    assert "Somebody may be missing. Ravensbrook Hospital PAS (not reached)" in said
    assert "nobody found does not mean that nobody is there" in said


async def test_a_token_opens_the_record_and_what_it_may_not_see_leaves_no_trace(tmp_path: Path) -> None:
    def look(page: Browser) -> tuple[str, str, str]:
        ask(page)
        page.find_text("main", "You are not signed in")
        refused = text_of(page, "main")
        page.find("#token").type(DESK)
        page.press("Enter")
        whole(page)
        page.find_text("#completeness", "sources answered completely")
        desk = text_of(page, "main")
        page.find("header button").click()
        page.find("details.card summary").click()
        page.find("#token").type(WARD)
        page.press("Enter")
        shown(page)
        return refused, desk, text_of(page, "main")

    async with started(tmp_path, edit=patient_enough) as gateway:
        refused, desk, ward = await looking(gateway, look)
    assert "Sign in with a token below" in refused
    assert "Allergies" not in refused
    assert "Home monitoring" not in desk
    assert "Home monitoring" in ward


async def test_a_gateway_that_is_gone_is_said_and_leaves_nothing_that_looks_like_an_answer(tmp_path: Path) -> None:
    def look(page: Browser) -> str:
        page.devtools("Network.enable")
        page.devtools(
            "Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=0, uploadThroughput=0
        )
        ask(page)
        page.find_text("main", "The gateway could not be reached")
        return text_of(page, "main")

    async with started(tmp_path, tokens="", edit=patient_enough) as gateway:
        said = await looking(gateway, look)
    assert "What is not on this page is not known." in said
    assert "Allergies" not in said
