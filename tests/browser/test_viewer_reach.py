"""Everybody can use the viewer: by keyboard, on a telephone, in the dark and on paper; and see who said what."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.browser.axe import violations
from tests.browser.looks import SCHEMES, keep, keep_looks
from tests.browser.viewer import ask, looking, patient_enough, shown, text_of, whole
from tests.browser.webdriver import Browser
from tests.graphql.conftest import MICHAEL, started

pytestmark = pytest.mark.usefixtures("viewer")
PTOLEMY = "9992319488"
MOST_ROWS = 200


async def test_both_screens_and_a_dialog_have_nothing_serious_against_wcag_in_light_and_dark(tmp_path: Path) -> None:
    def look(page: Browser) -> tuple[dict[str, list[str]], list[str]]:
        wrong = {}

        def judge(screen: str) -> None:
            for scheme in SCHEMES:
                page.media(prefers_color_scheme=scheme)
                wrong[f"{screen} {scheme}"] = violations(page)

        page.find_text("main", "Invented people")
        keep_looks(page, "viewer-find")
        judge("find")
        shown(page)
        judge("record")
        page.find("#allergies .said").click()
        page.find("dialog[open]")
        keep(page, "viewer-said")
        judge("said")
        page.press("Escape")
        return wrong, page.console()

    async with started(tmp_path, tokens="", edit=patient_enough) as gateway:
        wrong, complaints = await looking(gateway, look)
    assert {screen: found for screen, found in wrong.items() if found} == {}
    assert complaints == []


async def test_by_keyboard_alone_from_the_number_to_who_said_it_and_back(tmp_path: Path) -> None:
    def tab_to(page: Browser, css: str) -> None:
        for _ in range(40):
            page.press("Tab")
            if page.run("return document.activeElement.matches(arguments[0])", css):
                return
        raise AssertionError(f"the keyboard does not reach {css}")

    def look(page: Browser) -> tuple[str, bool]:
        tab_to(page, "#number")
        for digit in MICHAEL:
            page.press(digit)
        page.press("Enter")
        whole(page)
        tab_to(page, "#allergies .said")
        page.press("Enter")
        page.find("dialog[open]")
        dialog = text_of(page, "dialog")
        page.press("Escape")
        page.find("body:not(:has(dialog))")
        return dialog, page.run("return document.activeElement.matches('#allergies .said')")

    async with started(tmp_path, tokens="", edit=patient_enough) as gateway:
        dialog, back = await looking(gateway, look)
    assert "Ravensbrook Hospital EPR" in dialog
    assert "Tallow Yard Surgery, GP record" in dialog
    assert back, "the focus returns to where it was"


async def test_each_sources_own_version_stands_beside_the_others_down_to_the_original(tmp_path: Path) -> None:
    selection = """allergies { entries { nodes { code { display } facts { verificationStatus code { codings { code } }
        provenance { source { name } nativeId recordHash author { name } } } } } }"""

    def look(page: Browser) -> tuple[str, list[str]]:
        shown(page)
        page.find("#allergies .said").click()
        page.find("dialog[open]")
        conflict = text_of(page, "dialog .conflict")
        return conflict, page.run("return [...document.querySelectorAll('dialog article')].map((one) => one.innerText)")

    async with started(tmp_path, tokens="", edit=patient_enough) as gateway:
        record = await gateway.record(selection)
        (entry,) = [
            one for one in record["allergies"]["entries"]["nodes"] if one["code"]["display"] == "Allergy to penicillin"
        ]
        conflict, versions = await looking(gateway, look)
    assert len(versions) == len(entry["facts"]) == 2
    for fact in entry["facts"]:
        origin = fact["provenance"]
        (version,) = [text for text in versions if origin["source"]["name"] in text.splitlines()[0]]
        exact = (origin["nativeId"], origin["recordHash"], origin["author"]["name"], fact["verificationStatus"])
        assert [
            word for word in (*exact, f"SNOMED CT {fact['code']['codings'][0]['code']}") if word not in version
        ] == []
    for source in ("Community mental health records", "Diabetes clinic register"):
        assert f"{source} Says that there is none" in conflict
    assert "Ravensbrook Hospital EPR Says that it is so" in conflict
    assert "Sources disagree: whether there is one" in conflict, "polarity is our word"


ONE_SOURCE_FOR_TWO = """
    const real = window.fetch;
    window.fetch = async (...asked) => {
      const answer = await real(...asked);
      const text = (await answer.text()).replaceAll('"id":"diabetes","name":"Diabetes clinic register"',
        '"id":"epr","name":"Ravensbrook Hospital EPR"');
      return new Response(text, { status: answer.status, headers: answer.headers });
    };"""
"""As from a source that states one order twice."""


async def test_all_that_one_source_says_of_one_order_stands_in_its_column(tmp_path: Path) -> None:
    def look(page: Browser) -> list[str]:
        page.run(ONE_SOURCE_FOR_TWO)
        shown(page)
        columns: list[str] = page.run(
            """const course = [...document.querySelectorAll('.course')].find((one) => one.innerText.includes('Toujeo'));
            return [...course.querySelectorAll('.column')].map((one) => one.innerText);"""
        )
        return [one for one in columns if one.startswith("Ravensbrook Hospital EPR")]

    async with started(tmp_path, tokens="", edit=patient_enough) as gateway:
        (column,) = await looking(gateway, look)
    assert column.count("Order active") == 2, "the hospital's and the clinic's"


async def test_a_telephone_needs_no_scrolling_to_the_side_and_paper_has_the_first_screen_and_its_time(
    tmp_path: Path,
) -> None:
    def look(page: Browser) -> dict[str, Any]:
        widths = "return [document.documentElement.scrollWidth, innerWidth]"
        page.screen(390, 844, phone=True)
        find = page.run(widths)
        shown(page)
        record = page.run(widths)
        page.devtools("Emulation.clearDeviceMetricsOverride")
        page.devtools("Emulation.setEmulatedMedia", media="print")
        paper = page.run("return document.body.innerText")
        buttons = page.run(
            "return [...document.querySelectorAll('button:not(.said)')].filter((one) => one.checkVisibility()).length"
        )
        return {
            "find": find,
            "record": record,
            "paper": " ".join(paper.split()),
            "buttons": buttons,
            "pdf": page.printed(),
        }

    async with started(tmp_path, tokens="", edit=patient_enough) as gateway:
        seen = await looking(gateway, look)
    assert seen["find"] == [390, 390]
    assert seen["record"] == [390, 390]
    assert re.search(r"As at \d{1,2} \w{3} \d{4}, \d\d:\d\d", seen["paper"])
    for words in (
        "QUILLFEATHER, Michael",
        "Allergy to penicillin",
        "Sources disagree.",
        "ReSPECT plan",
        "07700 900182",
    ):
        assert words in seen["paper"]
    assert seen["buttons"] == 0


TRUSTED = """[graphql]
trusted_documents = ["{}"]
only_trusted = true
"""


async def test_a_gateway_that_runs_trusted_documents_alone_is_asked_by_the_viewer_for_those_of_its_manifest(
    tmp_path: Path,
) -> None:
    sections = ("problems", "encounters", "documents", "results", "timeline")

    def look(page: Browser) -> list[str]:
        page.find("#day").type("11")
        page.find("#month").type("2")
        page.find("#year").type(str(datetime.now(UTC).year - 74))
        page.find("#family").type("Vastergaard")
        page.press("Enter")
        page.find_text("[aria-live]", "One person was found")
        shown(page, PTOLEMY)
        page.find_text(".news", "When a source sends something new, you are told here.")
        for section in sections:
            page.run("document.querySelector(arguments[0]).click()", f"#{section} .pager button:nth-of-type(2)")
        for section in sections:  # there is a page before the one that is shown
            page.find_text(f"#{section} .pager:has(button:nth-of-type(1):enabled) p", "Showing")
        return page.console()

    table = TRUSTED.format("gateway:built/documents.json")
    async with started(tmp_path, tokens="", edit=lambda text: table + patient_enough(text)) as gateway:
        assert await looking(gateway, look) == []


async def test_a_gateway_that_does_not_trust_the_viewers_documents_is_said_to_be_so(tmp_path: Path) -> None:
    def look(page: Browser) -> str:
        ask(page)
        page.find_text("main", "This gateway does not answer this page")
        return text_of(page, "main")

    manifest = tmp_path / "others.json"
    manifest.write_text('{"other": "{ sources { id } }"}', encoding="utf-8")
    table = TRUSTED.format(manifest)
    async with started(tmp_path, tokens="", edit=lambda text: table + text) as gateway:
        assert "gateway:built/documents.json" in await looking(gateway, look)


async def test_of_five_thousand_facts_a_page_of_each_is_shown_with_its_place_and_the_next_replaces_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHERWOOD_DEMO_FACTS", "5000")
    rows = "return document.querySelectorAll('tr, li').length"

    def look(page: Browser) -> tuple[int, int, list[str], list[str]]:
        shown(page, PTOLEMY)
        most = page.run(rows)
        places, firsts = [], []
        for button in ("nth-of-type(2)", "nth-of-type(2)", "nth-of-type(1)"):
            places.append(text_of(page, "#problems .pager p"))
            firsts.append(text_of(page, "#problems tbody th"))
            page.find(f"#problems .pager button:{button}").click()
            page.find_text("#problems .pager p", f"Showing {21 if len(places) == 2 else 11} to")
        return most, page.run(rows), [*places, text_of(page, "#problems .pager p")], firsts

    async with started(tmp_path, tokens="", edit=patient_enough) as gateway:
        most, later, places, firsts = await looking(gateway, look)
    assert max(most, later) <= MOST_ROWS
    assert places == [
        "Showing 1 to 10 of 60",
        "Showing 11 to 20 of 60",
        "Showing 21 to 30 of 60",
        "Showing 11 to 20 of 60",
    ]
    assert len(set(firsts)) == 3
