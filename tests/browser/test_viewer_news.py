"""A page left open: what changed is told, nothing is replaced unasked, and a page that does not follow says so."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from gateway.access import StaticTokens
from gateway.updates import Updates
from tests.browser.axe import violations
from tests.browser.looks import SCHEMES, keep_looks
from tests.browser.viewer import looking, patient_enough, shown, text_of
from tests.browser.webdriver import Browser
from tests.graphql.conftest import WARD, Running, started
from tests.graphql.laboratory import LOUISE_THERE, send_potassium
from tests.graphql.subscribers import RESULTS, events, subscription
from tests.graphql.test_subscriptions import WARD_GRANT, code, subscriptions_of

pytestmark = pytest.mark.usefixtures("viewer")
CEILING_S = 60
FOLLOWS = "When a source sends something new, you are told here."
NEWS, NEW_VALUE = ".news [role=status]", "6.6"
TOLD = "results, reports (Ravensbrook Pathology). Ask again to see it."
SEEN = """Object.defineProperty(document, "hidden", { configurable: true, get: () => %s });
  document.dispatchEvent(new Event("visibilitychange"));"""
A_THOUSAND_TIMES_AS_FAST = """const real = setTimeout;
  globalThis.setTimeout = (work, ms, ...more) => real(work, ms / 1000, ...more);"""
NETWORK = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
Do = Callable[[Coroutine[Any, Any, Any]], Any]


def for_one(config: str) -> str:
    """A user has one subscription at a time: a second one shows whether the first is over."""
    return "[graphql]\nsubscriptions_per_user = 1\n" + patient_enough(config)


def on_this_loop() -> Do:
    """Has this loop do something for the thread that looks at the page."""
    loop = asyncio.get_running_loop()
    return lambda work: asyncio.run_coroutine_threadsafe(work, loop).result(CEILING_S)


async def nobody_follows(gateway: Running) -> None:
    """Until the gateway has seen the page's subscription end."""
    refused = True
    while refused:
        async with events(gateway, subscription(RESULTS), Authorization="") as told:
            refused = code(await anext(told)) == "TOO_MANY_AT_ONCE"


async def test_what_arrives_is_told_by_section_and_source_and_shown_when_it_is_asked_for(tmp_path: Path) -> None:
    do = on_this_loop()

    def look(page: Browser) -> dict[str, Any]:
        shown(page)
        page.find_text(".news", FOLLOWS)
        page.run(
            "document.querySelector('#results').scrollIntoView(); document.querySelector('#results .said').focus()"
        )
        place = "return document.querySelector('#results').getBoundingClientRect().top"
        focused = "return document.activeElement.matches('#results .said')"
        before, there = text_of(page, "#results"), page.run(place)
        do(send_potassium(gateway.feed_port, "3.3", number=LOUISE_THERE))
        do(send_potassium(gateway.feed_port, NEW_VALUE))
        page.find_text(NEWS, TOLD)
        found = {
            "same": text_of(page, "#results") == before and page.run(focused),
            "moved": abs(page.run(place) - there),
            "as at": text_of(page, ".as-at time"),
            "news": text_of(page, NEWS),
            "on the screen": page.run(
                "const { top, bottom } = document.querySelector('.news').getBoundingClientRect();"
                "return top >= 0 && bottom <= innerHeight"
            ),
            "wrong": [],
        }
        keep_looks(page, "viewer-news")
        for scheme in SCHEMES:
            page.media(prefers_color_scheme=scheme)
            found["wrong"] += violations(page)
        page.devtools("Emulation.setEmulatedMedia", media="print")
        found["paper"] = text_of(page, "main")
        page.media()
        page.find(".news button").click()
        page.find_text("#results", NEW_VALUE)
        page.find_text(".news", FOLLOWS)
        found["after"] = text_of(page, NEWS)
        found["hosts"] = [one.url for one in page.sent() if not one.url.startswith(gateway.url)]
        found["complaints"] = page.console()
        return found

    async with started(tmp_path, tokens="", edit=patient_enough) as gateway:
        found = await looking(gateway, look)
    assert found["same"], "nothing is replaced, and the focus stays"
    assert found["moved"] < 1, "CSS pixels"
    assert found["news"] == f"Changed since {found['as at']}: {TOLD}"
    assert found["on the screen"]
    assert found["wrong"] == []
    assert TOLD in found["paper"]
    assert found["after"] == ""
    assert found["hosts"] == found["complaints"] == []


async def test_what_a_page_missed_while_nobody_saw_it_is_told_and_meanwhile_it_holds_no_connection(
    tmp_path: Path,
) -> None:
    do = on_this_loop()

    def look(page: Browser) -> tuple[str, str, str, float]:
        place = "return document.querySelector('#allergies').getBoundingClientRect().top"
        shown(page)
        page.find_text(".news", FOLLOWS)
        there = page.run(place)
        page.run(SEEN % "true")
        do(nobody_follows(gateway))
        do(send_potassium(gateway.feed_port, NEW_VALUE))
        hidden, follows = text_of(page, NEWS), text_of(page, ".news")
        page.run(SEEN % "false")
        return hidden, follows, page.find_text(NEWS, TOLD).text, page.run(place) - there

    async with started(tmp_path, tokens="", edit=for_one) as gateway:
        hidden, follows, seen, moved = await looking(gateway, look)
    assert (hidden, moved) == ("", 0)
    assert follows == "What changes is not followed at the moment: connecting again.", "until the gateway has answered"
    assert seen.startswith("Changed since")


async def test_what_comes_between_the_answer_and_the_subscription_is_told(tmp_path: Path) -> None:
    do = on_this_loop()

    def look(page: Browser) -> str:
        page.run(SEEN % "true")  # it asks, and does not follow yet
        shown(page)
        page.find_text(".news", "What changes is not followed yet.")
        do(send_potassium(gateway.feed_port, NEW_VALUE))
        page.run(SEEN % "false")
        return page.find_text(NEWS, TOLD).text

    async with started(tmp_path, tokens="", edit=patient_enough) as gateway:
        assert (await looking(gateway, look)).startswith("Changed since")


async def test_asking_again_and_leaving_end_the_subscription(tmp_path: Path) -> None:
    do = on_this_loop()

    def look(page: Browser) -> None:
        shown(page)
        page.find_text(".news", FOLLOWS)
        for _ in range(2):
            page.find("header button:last-child").click()
            page.find_text("main[aria-busy=false] .news", FOLLOWS)
        page.find("header button").click()
        page.find("#number")
        do(nobody_follows(gateway))

    async with started(tmp_path, tokens="", edit=for_one) as gateway:
        await looking(gateway, look)


async def test_a_page_that_may_not_follow_says_so_and_stays_as_it_is(tmp_path: Path) -> None:
    def look(page: Browser) -> tuple[str, str, list[str]]:
        shown(page)
        page.find_text(NEWS, "This page does not follow what changes")
        return text_of(page, NEWS), text_of(page, "#allergies"), violations(page)

    async with (
        started(tmp_path, tokens="", edit=for_one) as gateway,
        events(gateway, subscription(RESULTS), Authorization="") as told,
    ):
        await anext(told)
        news, allergies, wrong = await looking(gateway, look)
    assert news == ("This page does not follow what changes: too many pages of yours do already. Ask again to be sure.")
    assert "Allergy to penicillin" in allergies
    assert wrong == []


async def test_a_token_that_is_taken_away_ends_it_and_the_page_says_so(tmp_path: Path) -> None:
    do = on_this_loop()

    def look(page: Browser) -> str:
        page.find("details.card summary").click()
        page.find("#token").type(WARD)
        page.press("Enter")
        shown(page)
        page.find_text(".news", FOLLOWS)
        gateway.service.access = StaticTokens([("another-token-than-it-was-opened-with", WARD_GRANT)])
        do(send_potassium(gateway.feed_port, NEW_VALUE))
        page.find_text(NEWS, "you are not signed in any more")
        told = text_of(page, NEWS)
        page.find(".news button").click()
        page.find_text("main", "You are not signed in")
        return told

    async with started(tmp_path, edit=patient_enough) as gateway:
        told = await looking(gateway, look)
    assert told == "This page does not follow what changes: you are not signed in any more. Ask again to be sure."


async def test_a_gateway_that_cannot_be_reached_is_tried_again_then_said_and_what_was_missed_is_told(
    tmp_path: Path,
) -> None:
    do = on_this_loop()

    def look(page: Browser) -> tuple[str, str]:
        shown(page)
        page.find_text(".news", FOLLOWS)
        page.devtools("Network.enable")
        page.devtools("Network.emulateNetworkConditions", offline=True, **NETWORK)
        page.find_text(".news", "What changes is not followed at the moment: connecting again.")
        page.run(A_THOUSAND_TIMES_AS_FAST)
        page.find_text(NEWS, "This page does not follow what changes")
        lost = text_of(page, NEWS)
        do(send_potassium(gateway.feed_port, NEW_VALUE))
        page.devtools("Network.emulateNetworkConditions", offline=False, **NETWORK)
        page.find_text(NEWS, TOLD)
        return lost, text_of(page, NEWS)

    async with started(tmp_path, tokens="", edit=patient_enough) as gateway:
        lost, told = await looking(gateway, look)
    assert lost == "This page does not follow what changes: the gateway cannot be reached. Ask again to be sure."
    assert "does not follow" not in told


async def test_a_connection_on_which_nothing_comes_any_more_is_given_up_and_another_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.web.NOT_SILENT_FOR_S", 3600.0)
    do = on_this_loop()

    def look(page: Browser) -> None:
        page.run(A_THOUSAND_TIMES_AS_FAST)
        shown(page)
        page.find_text(".news", "connecting again")
        do(send_potassium(gateway.feed_port, NEW_VALUE))
        page.find_text(NEWS, TOLD)

    async with started(tmp_path, tokens="", edit=patient_enough) as gateway:
        await looking(gateway, look)


async def test_a_gateway_that_ends_the_subscription_is_asked_for_another(tmp_path: Path) -> None:
    do = on_this_loop()

    async def another_takes_over() -> None:
        """As behind a load balancer: one process goes, and another has the same address."""
        service, going = gateway.service, gateway.service.updates
        service.updates = Updates(service.sources, service.crossref, service.flights, 1, service.metrics)
        await going.close()

    def look(page: Browser) -> str:
        shown(page)
        page.find_text(".news", FOLLOWS)
        do(another_takes_over())
        page.find_text(".news", "connecting again")
        do(send_potassium(gateway.feed_port, NEW_VALUE))
        return page.find_text(NEWS, TOLD).text

    async with started(tmp_path, tokens="", edit=patient_enough) as gateway:
        try:
            assert (await looking(gateway, look)).startswith("Changed since")
            counted = subscriptions_of(gateway)
            assert (counted["begun"], counted["going"]) == (2, 1)
        finally:
            await gateway.service.updates.close()


async def test_a_source_that_is_not_heard_any_more_is_not_said_to_have_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.updates.ASKED_EVERY_S", 0.05)

    def look(page: Browser) -> tuple[str, str]:
        shown(page)
        page.find_text(".news", FOLLOWS)
        store = Path(gateway.service.sources["lab"].adapter.settings.store)
        store.rename(store.with_suffix(".away"))
        page.find_text(NEWS, "Not heard since")
        lost = text_of(page, NEWS)
        store.with_suffix(".away").rename(store)
        page.find_text(".news", FOLLOWS)
        return lost, text_of(page, NEWS)

    async with started(tmp_path, tokens="", edit=patient_enough) as gateway:
        lost, found = await looking(gateway, look)
    assert lost.endswith(": Ravensbrook Pathology. What they say by now is not known.")
    assert "Changed" not in lost
    assert found == "", "it says again what is on the screen"


async def test_a_source_that_is_taken_out_while_the_page_is_open_is_said_to_be_heard_no_more(tmp_path: Path) -> None:
    do = on_this_loop()

    async def taken_out() -> str:
        service = gateway.service
        name = service.sources.pop("socialcare").table.name
        for watch in tuple(service.updates._watches):
            watch.close("going")
        return name

    def look(page: Browser) -> tuple[str, str]:
        shown(page)
        page.find_text(".news", FOLLOWS)
        name = do(taken_out())
        return name, page.find_text(NEWS, "Not heard since").text

    async with started(tmp_path, tokens="", edit=patient_enough) as gateway:
        name, told = await looking(gateway, look)
    assert told.endswith(f": {name}. What they say by now is not known.")
    assert "Changed" not in told
