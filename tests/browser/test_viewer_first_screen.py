"""What a ward sister reads at ten past two without scrolling, and what she is told of those who have not answered."""

import asyncio
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from adapters.fhir.simulate import search_app
from adapters.sdk import NHS_NUMBER
from adapters.testing.simulation import Faults, http_server
from tests.browser.looks import keep_looks
from tests.browser.viewer import LEDGER, ask, looking, on_first_screen, patient_enough, shown, text_of, whole
from tests.browser.webdriver import Browser
from tests.graphql.conftest import MICHAEL, started
from tests.graphql.test_people_alike import AGREEING

MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
SNOMED = "http://snomed.info/sct"
HELD = "Diabetes clinic register"
NONE_KNOWN, NOT_RECORDED, NOBODYS = "9991830006", "9996502007", "9997725018"


pytestmark = pytest.mark.usefixtures("viewer")


def said(iso: str) -> str:
    """A date as the page writes it: 14 Jun 1967."""
    day = date.fromisoformat(iso[:10])
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


async def test_twelve_questions_of_a_ward_sister_are_answered_on_the_first_screen(tmp_path: Path) -> None:
    born = date.fromisoformat(LEDGER["pds:Patient/9994071009"]["birthDate"])
    today = datetime.now(tz=UTC).astimezone().date()
    years = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
    flag, plan = LEDGER["cmht:Flag/3107"], LEDGER["epr:CarePlan/cp-respect"]
    overdue = today > date.fromisoformat(flag["review"])
    checklist = [
        ("1 name", "h1", "QUILLFEATHER, Michael"),
        ("2 date of birth", ".banner", said(born.isoformat())),
        ("3 age", ".banner", f"({years} years)"),
        ("4 NHS number", ".banner", "999 407 1009"),
        ("4 and its status", ".banner", "Verified by the authority"),
        ("5 penicillin", "#allergies", "Allergy to penicillin"),
        ("5 and who denies it", "#allergies li:first-child .disputed", "None known, say:"),
        ("5 the one", "#allergies li:first-child .disputed", "Diabetes clinic register"),
        ("5 and the other", "#allergies li:first-child .disputed", "Community mental health records"),
        ("5 how sure they are", "#allergies li:first-child", "confirmed or unconfirmed"),
        ("6 latex", "#allergies", "Allergy to Hevea brasiliensis latex protein"),
        ("6 others", "#allergies", "Says there is none: “No known allergies”"),
        ("7 alert", "#alerts", "Anxiety can look like aggression"),
        ("7 and what to do", "#alerts", "Speak slowly, offer a quiet room, call the team before security."),
        ("8 its owner", "#alerts", flag["author"]),
        ("8 and telephone", "#alerts a[href^='tel:']", flag["contact"]),
        (
            "9 its review",
            "#alerts",
            f"review overdue since {said(flag['review'])}" if overdue else said(flag["review"]),
        ),
        ("10 resuscitation", "#resuscitation", plan["title"]),
        ("10 its words", "#resuscitation", "For attempted resuscitation."),
        ("10 its date", "#resuscitation", said(plan["when"])),
        ("10 its source", "#resuscitation button", "Ravensbrook Hospital EPR"),
        ("11 next of kin", "#next-of-kin", "sister"),
        ("11 and telephone", "#next-of-kin a[href='tel:07700900182']", "07700 900182"),
        ("12 how many answered", "#completeness", "of 14 sources answered completely"),
        ("12 who did not and why", "#completeness", "Not heard: Port Sallow Liver Unit (not reached"),
    ]

    def look(page: Browser) -> tuple[list[str], list[str]]:
        shown(page)
        unanswered = [question for question, css, words in checklist if not on_first_screen(page, css, words)]
        keep_looks(page, "viewer-record")
        return unanswered, page.console()

    async with started(tmp_path, tokens="", edit=patient_enough) as gateway:
        gateway.faults["liver"].down = True
        unanswered, complaints = await looking(gateway, look)
    assert unanswered == []
    assert complaints == []


async def test_what_has_arrived_is_painted_before_the_last_source_answers_and_fills_when_it_does(
    tmp_path: Path,
) -> None:
    loop = asyncio.get_running_loop()
    held = asyncio.Event()

    def look(page: Browser) -> tuple[str, str, str, str]:
        ask(page)
        for _ in range(5):
            page.find_text("header", "still to answer")
            if "1 source still to answer" in text_of(page, "header"):
                break
            page.find("header button").click()  # a busy machine did not read even what is kept in half a second
            ask(page)
        page.find_text("#allergies", "Allergy to penicillin")
        before, who = text_of(page, "#allergies"), text_of(page, "#completeness")
        assert not held.is_set()
        loop.call_soon_threadsafe(held.set)
        whole(page)
        return before, who, text_of(page, "#allergies"), text_of(page, "#completeness")

    async with started(tmp_path, tokens="", edit=patient_enough) as gateway:
        gateway.faults["diabetes"].hold = held
        pending: list[str] = []
        while pending != ["diabetes"]:  # half a second is enough anywhere for answers that are kept: all the others
            asked = "versions { source { id } } sources { state source { id } }"
            sources = (await gateway.record(asked, deadline="PT4S"))["sources"]
            pending = [one["source"]["id"] for one in sources if one["state"] == "PENDING"]
        before, who, after, who_after = await looking(gateway, look)
    assert f"{HELD} (has not answered yet)" in before
    assert f"{HELD} (has not answered yet)" in who
    assert "NKDA" not in before, "the held source alone says so"
    assert f"Says there is none: “NKDA” recorded 5 Feb 2026, 10:05 {HELD}" in after
    assert "has not answered yet" not in after + who_after


SOURCES = """
    const said = [...document.querySelectorAll("#sources summary")].filter((one) => !one.innerText.includes("✓"));
    return said.map((one) => one.innerText.replace(/\\s+/g, " ")).join(" ");"""
"""Of the sources, those without the tick."""


async def test_who_only_listens_is_named_wherever_it_may_have_missed_something(tmp_path: Path) -> None:
    parts = ("#completeness", "#results", "#charts", "#encounters", "#diagnosticReports", "#allergies")

    def look(page: Browser) -> tuple[list[dict[str, str]], str]:
        said_of, sources = [], ""
        for number in (MICHAEL, NOBODYS):
            shown(page, number)
            said_of.append({part: text_of(page, part) for part in parts})
            sources = sources or page.run(SOURCES)
            page.find("header button").click()
        return said_of, sources

    async with started(tmp_path, tokens="", edit=patient_enough) as gateway:
        (michael, nobodys), sources = await looking(gateway, look)
    since = "knows only what came since 6 Jan 2026, 06:00"
    for part in parts[:-1]:
        assert f"Ravensbrook Pathology ({since})" in michael[part], part
        assert f"Ravensbrook Pathology (answered: does not know this person; {since})" in nobodys[part], part
    assert f"Ravensbrook Pathology Answered; {since}" in sources, "nor is it ticked among the sources"
    assert "Ravensbrook Pathology" not in michael["#allergies"] + nobodys["#allergies"], "it holds none"
    assert "No source here holds this about this person" in nobodys["#results"]


async def test_none_known_not_recorded_and_not_reached_are_three_different_sentences(tmp_path: Path) -> None:
    def look(page: Browser) -> list[str]:
        said_of = []
        for number in (NONE_KNOWN, NOT_RECORDED):
            shown(page, number)
            said_of.append(text_of(page, "#allergies"))
            page.find("header button").click()
        gateway.faults["gp"].down = True
        gateway.service.cache.__init__(gateway.service.config.gateway.cache_bytes)  # type: ignore[misc]
        shown(page, NOT_RECORDED)
        return [*said_of, text_of(page, "#allergies"), text_of(page, "#resuscitation")]

    async with started(tmp_path, tokens="", edit=patient_enough) as gateway:
        none_known, not_recorded, not_reached, resuscitation = await looking(gateway, look)
    assert "None known: somebody stated that there is none" in none_known
    assert "Says there is none: “No known allergy”" in none_known
    assert "Not recorded: the sources answered and hold nothing" in not_recorded
    assert "Not known: a source could not be reached or read" in not_reached
    assert "Tallow Yard Surgery, GP record (not reached)" in not_reached
    for other in (not_recorded, not_reached):
        assert "None known" not in other
    assert "No resuscitation decision was found in the sources that answered" in resuscitation


VERIFIED = {
    "url": "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus",
    "valueCodeableConcept": {"coding": [{"code": "01"}]},
}


def about_resuscitation() -> list[dict[str, Any]]:
    """What a hospice holds about Michael: no care plan and no alert, a result and a paper."""
    patient = {
        "resourceType": "Patient",
        "id": "h1",
        "identifier": [{"system": NHS_NUMBER, "value": MICHAEL, "extension": [VERIFIED]}],
        "name": [{"family": "Quillfeather", "given": ["Michael"]}],
        "birthDate": LEDGER["pds:Patient/9994071009"]["birthDate"],
        "gender": "male",
    }
    subject = {"reference": "Patient/h1"}
    status = {
        "resourceType": "Observation",
        "id": "status",
        "subject": subject,
        "status": "final",
        "code": {"coding": [{"system": SNOMED, "code": "304251008", "display": "Resuscitation status"}]},
        "effectiveDateTime": "2026-02-11",
        "valueCodeableConcept": {"text": "Not for attempted resuscitation"},
    }
    form = {
        "resourceType": "DocumentReference",
        "id": "form",
        "subject": subject,
        "status": "current",
        "type": {"coding": [{"system": SNOMED, "code": "1382601000000107", "display": "Summary plan form"}]},
        "date": "2026-02-11T10:00:00Z",
        "content": [{"attachment": {"contentType": "application/pdf", "title": "form.pdf"}}],
    }
    agreed = {
        "resourceType": "Observation",
        "id": "agreed",
        "subject": subject,
        "status": "final",
        "code": {"coding": [{"system": SNOMED, "code": "304253006"}], "text": "Not for CPR"},
        "valueBoolean": True,
    }
    other = {**status, "id": "other", "code": {"text": "Grip strength"}, "valueCodeableConcept": {"text": "weak"}}
    return [{"entry": [{"resource": one} for one in (patient, status, agreed, form, other)]}]


HOSPICE = """
[[sources]]
id = "hospice"
name = "St Ode Hospice"
organization = "St Ode Hospice"
adapter = "fhir"
timezone = "Europe/London"
[sources.settings]
base_url = "http://127.0.0.1:{port}"
version = "R4"
types = ["Observation", "DocumentReference"]
"""


async def test_a_decision_that_is_a_result_or_a_form_is_found_too(tmp_path: Path) -> None:
    def look(page: Browser) -> tuple[str, list[str]]:
        shown(page)
        found = text_of(page, "#resuscitation")
        each: list[str] = page.run("""return [...document.querySelectorAll('#resuscitation .said')].map((button) => {
            button.click();
            return button.parentElement.innerText;
          })""")
        page.find("#resuscitation dialog[open]")
        own = page.run(
            "return [...document.querySelectorAll('#resuscitation dialog[open]')].map((one) => one.innerText)"
        )
        assert len(own) == len(each)
        return found, own

    async with http_server(search_app(about_resuscitation()), Faults()) as port:
        more = HOSPICE.replace("{port}", str(port))
        async with started(tmp_path, tokens="", edit=lambda text: patient_enough(text) + more) as gateway:
            found, own = await looking(gateway, look)
    assert "Resuscitation status Not for attempted resuscitation" in found
    assert "Summary plan form Read the document" in found
    assert "Not for CPR yes" in found
    (version,) = (one for one in own if "Not for CPR" in one and "St Ode Hospice" in one)
    assert "Value boolean\nYes" in version, "what the source itself said"
    assert found.count("St Ode Hospice") == 3
    assert "Grip strength" not in found


NUMBERED_ALIKE = """
    const real = window.fetch;
    window.fetch = async (...asked) => {
      const answer = await real(...asked);
      const text = (await answer.text()).replaceAll('"nativeId":"Patient/2290031"', '"nativeId":"Patient/2207714"');
      return new Response(text, { status: answer.status, headers: answer.headers });
    };"""
"""As from a source that numbers anew within each registration: its own number and its name tell no versions apart."""


async def test_two_registrations_in_one_source_are_each_shown_with_what_they_say_themselves(tmp_path: Path) -> None:
    def look(page: Browser) -> list[str]:
        page.run(NUMBERED_ALIKE)
        shown(page, AGREEING)
        page.find(".banner .said").click()
        page.find("dialog[open]")
        articles: list[str] = page.run(
            "return [...document.querySelectorAll('dialog[open] article')].map((one) => one.innerText)"
        )
        return [one for one in articles if "Patient/2207714" in one]

    async with started(tmp_path, tokens="", edit=patient_enough) as gateway:
        one, other = await looking(gateway, look)
    named = [words.replace("Patient/2207714", "") for words in (one, other)]
    assert sorted("2207714" in words for words in named) == [False, True]
    assert sorted("2290031" in words for words in named) == [False, True]


async def test_a_restricted_persons_banner_names_the_number_and_says_that_nothing_is_shown(tmp_path: Path) -> None:
    def look(page: Browser) -> tuple[str, str]:
        shown(page, "9998843006")
        return f"{text_of(page, '.banner h1')} {text_of(page, '.banner > p')}", text_of(page, "main")

    async with started(tmp_path, tokens="", edit=patient_enough) as gateway:
        banner, everything = await looking(gateway, look)
    assert banner == "999 884 3006 This person’s record is restricted: who and where they are is not shown."
    assert "None known" not in everything


async def test_the_number_never_stands_in_an_address_and_nothing_is_kept_in_the_browser(tmp_path: Path) -> None:
    def look(page: Browser) -> tuple[list[str], list[int]]:
        shown(page)
        kept = page.run("return [localStorage.length, sessionStorage.length, document.cookie.length]")
        return [page.run("return location.href"), *(one.url for one in page.sent())], kept

    async with started(tmp_path, tokens="", edit=patient_enough) as gateway:
        addresses, kept = await looking(gateway, look)
    assert [address for address in addresses if MICHAEL in address] == []
    assert kept == [0, 0, 0]


async def test_one_sources_word_that_somebody_died_is_a_conflict_in_the_banner_and_asking_again_asks_anew(
    tmp_path: Path,
) -> None:
    def look(page: Browser) -> tuple[str, bool]:
        shown(page, "9996281949")
        banner, dead = text_of(page, ".banner"), page.run("return document.querySelector('.deceased') !== null")
        gateway.faults["pas"].down = True
        gateway.service.cache.__init__(gateway.service.config.gateway.cache_bytes)  # type: ignore[misc]
        page.find("header button:last-child").click()
        page.find_text("#completeness", "Ravensbrook Hospital PAS (not reached")
        return banner, dead

    async with started(tmp_path, tokens="", edit=patient_enough) as gateway:
        banner, dead = await looking(gateway, look)
    assert "Sources disagree: deceased" in banner
    assert "Ravensbrook Hospital PAS true" in banner
    assert not dead, "the headline is the authority's"
