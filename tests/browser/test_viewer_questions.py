"""The five questions about Michael are answered by reading the page: docs/questions, tests/ledger.

What the page must show is taken from the ledgers written by hand, and from the gateway's own answer where the ledger
names facts that a reader knows by their words alone. Elements are found by role, heading and text.
"""

import asyncio
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from adapters.demo import SECRETS
from tests.browser.axe import violations
from tests.browser.looks import keep, looks
from tests.browser.webdriver import Browser, browser
from tests.graphql.conftest import CLOCK, MICHAEL, Running, started
from tests.support.ledger import ledger, same

Look = Callable[[Browser], Any]
MINE = ["medicines", "conflicts", "discrepancies", "charts", "results", "transfers", "timeline"]
AT_THE_LEDGERS_CLOCK = """const Real = Date, shift = arguments_ms - Real.now();
  globalThis.Date = class extends Real {
    constructor(...given) { given.length ? super(...given) : super(Real.now() + shift); }
    static now() { return Real.now() + shift; } };"""
SECTION = """const [title] = arguments;
  const heading = [...document.querySelectorAll("h2")].find((one) => one.textContent.startsWith(title));
  const part = heading.closest("section");"""


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)


async def reading(tmp_path: Path, look: Look, ask: str | None = None) -> tuple[Any, Any]:
    """What `look` finds on Michael's page when all of it has arrived, and the gateway's answer to `ask`."""

    def see(gateway: Running) -> Any:
        with browser() as page:
            page.resize(1280, 900)
            shift = AT_THE_LEDGERS_CLOCK.replace("arguments_ms", str(int(CLOCK.timestamp() * 1000)))
            page.devtools("Page.addScriptToEvaluateOnNewDocument", source=shift)
            page.open(f"{gateway.url}/#{MICHAEL}")
            page.find_text("[role=status]", "All parts have arrived")
            found = look(page)
            assert page.console() == []
            return found

    async with started(tmp_path, tokens="") as gateway:
        gateway.headers = {}
        answer = await gateway.record(ask) if ask else None
        return await asyncio.to_thread(see, gateway), answer


def text(page: Browser, title: str) -> str:
    """All that the section under a heading says, white space made single."""
    return str(page.run(f"{SECTION} return part.innerText.replace(/\\s+/g, ' ')", title))


def items(page: Browser, title: str, css: str) -> list[str]:
    script = f"{SECTION} return [...part.querySelectorAll(arguments[1])].map((x) => x.innerText.replace(/\\s+/g, ' '))"
    return list(page.run(script, title, css))


def choose(page: Browser, label: str, value: str) -> None:
    """Choose in the field of this label, as typing does."""
    page.run(
        """const [label, value] = arguments;
        const field = [...document.querySelectorAll("label")].find((one) => one.textContent.includes(label))
          .querySelector("select, input");
        field.value = value;
        field.dispatchEvent(new Event("change", { bubbles: true }));""",
        label,
        value,
    )


def pages(page: Browser, title: str, css: str) -> list[list[str]]:
    """What every page of a section lists, from the first to the last."""
    found = []
    arrived = f"""const done = arguments[arguments.length - 1]; {SECTION}
      const look = () => part.querySelector("nav [role=status]")?.innerText.startsWith("Asking")
        ? requestAnimationFrame(look) : done(true);
      look();"""
    page.call("POST", "/execute/async", {"script": arrived, "args": [title]})
    while True:
        before = page.run(f"{SECTION} return part.querySelector('nav [role=status]')?.innerText ?? ''", title)
        found.append(items(page, title, css))
        turned = page.run(
            f"""{SECTION} const next = [...part.querySelectorAll("nav button")]
              .filter((one) => one.innerText.startsWith("Next")).at(-1);
            if (!next || next.disabled) return false;
            next.click();
            return true;""",
            title,
        )
        if not turned:
            return found
        waiting = f"""const done = arguments[arguments.length - 1]; {SECTION}
          const look = () => {{ const words = part.querySelector("nav [role=status]").innerText;
            if (words.startsWith("Showing") && words !== arguments[1]) done(true); else requestAnimationFrame(look); }};
          look();"""
        page.call("POST", "/execute/async", {"script": waiting, "args": [title, before]})


@pytest.mark.usefixtures("built_pages")
async def test_the_ward_reads_when_venlafaxine_was_last_given_and_by_whom_beside_what_is_authorised(
    tmp_path: Path,
) -> None:
    def look(page: Browser) -> tuple[list[str], str]:
        involved = pages(page, "Who else is involved", "li, tr")
        first = str(page.run("return document.body.innerText"))
        return items(page, "Medicines", "li:has(h4)"), " ".join([first, *(one for part in involved for one in part)])

    (medicines, whole), _ = await reading(tmp_path, look)
    (venlafaxine,) = [one for one in medicines if "Last given" in one and "Venlafaxine" in one and "Tallow" in one]
    given = next(f for f in ledger("q1_ward")["fact"] if f["id"] == "epr:MedicationAdministration/ma-venlafaxine")
    assert datetime.fromisoformat(given["shows"]["when"]).strftime("%-d %b %Y, %H:%M") == "16 Mar 2026, 18:10"
    assert (
        "Last given 16 Mar 2026, 18:10 (8 hours ago): 150 mg, Venlafaxine 75mg tablets (Ravensbrook Hospital EPR)"
        in venlafaxine
    )
    # and not 16 Mar, when nobody collected it
    assert "Last dispensed 26 Feb 2026 (Sallow Lane Pharmacy)" in venlafaxine
    for source in ("Tallow Yard Surgery, GP record", "Community mental health records", "Sallow Lane Pharmacy"):
        assert source in venlafaxine
    assert "Sources disagree" in venlafaxine
    assert "150 mg" in venlafaxine.partition("Sources disagree")[2]
    assert "75 mg" in venlafaxine.partition("Sources disagree")[2]
    (his_word,) = [one for one in medicines if "own word" in one and "venlafaxine, the 150" in one]
    assert "15 Mar 2026, 22:10 (28 hours ago)" in his_word
    assert "No dose given was found" in his_word
    for one in ledger("q1_ward")["reach"]:
        assert one["phone"] in whole, one["who"]


UNMAPPED = {"AST"}
"""The estate has the laboratory's own code alone, which no map knows: no point, and it stands among results."""
OUTCOMES = (
    "outcomes { name unit points { original { value } entry { provenance { source { name } } } } excluded { reason } }"
)


def series(page: Browser, name: str) -> tuple[list[str], str]:
    """The rows of one series' table, and what is said of the series in words."""
    (words,) = [one for one in items(page, "Over time", "p") if one.startswith(f"{name}:")]
    page.run(
        f"""{SECTION} [...part.querySelectorAll("summary")]
          .find((one) => one.textContent === arguments[1] + " as a table").click()""",
        "Over time",
        name,
    )
    page.find_text("caption", f"{name}, newest first")
    rows = items(page, "Over time", "tbody tr")
    page.run(
        f"""{SECTION} [...part.querySelectorAll("summary")]
          .find((one) => one.textContent === arguments[1] + " as a table").click()""",
        "Over time",
        name,
    )
    return rows, words


@pytest.mark.usefixtures("built_pages")
@pytest.mark.parametrize("question", ["q2_diabetes", "q3_liver"])
async def test_each_line_has_the_points_of_its_ledger_each_sample_once_and_says_what_is_on_no_line(
    tmp_path: Path, question: str
) -> None:
    books = [one for one in ledger(question)["series"] if one["name"] not in UNMAPPED]
    wanted = [one["name"] for one in books]

    def look(page: Browser) -> Any:
        inked = page.run(
            """return [...document.querySelectorAll("#charts figure")].map((figure) => {
              const canvas = figure.querySelector("canvas");
              const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
              return [figure.querySelector("strong").innerText, pixels.some((one) => one > 0)]; })"""
        )
        tables = {name: series(page, name) for name in wanted}
        return inked, text(page, "Over time"), tables, pages(page, "Results", "tbody tr")

    (inked, whole, tables, results), answer = await reading(tmp_path, look, OUTCOMES)
    assert all(ink for _, ink in inked)
    for unit, code in (("mmHg", "mm[Hg]"), ("× 10⁹/L", "10*9/L")):
        assert unit in whole, "as it is written"
        assert code not in whole
    lines = {one["name"]: one for one in answer["outcomes"]}
    assert not any(lines[name]["points"] for name in UNMAPPED)
    assert any("Aspartate aminotransferase" in row and "201 U/L" in row for part in results for row in part)
    for book in books:
        rows, words = tables[book["name"]]
        line = lines[book["name"]]
        on = [row for row in rows if "no:" not in row]
        assert len(on) == len(book["points"]) == len(line["points"]), book["name"]
        assert len(rows) == len(on) + len(line["excluded"])
        assert (f"{len(on)} points." if len(on) > 1 else "One point:") in words
        for row, point in zip(reversed(on), line["points"], strict=True):
            assert point["original"]["value"] in row
            assert all(said["source"]["name"] in row for said in point["entry"]["provenance"])
    if question == "q2_diabetes":
        panes = [title for title, _ in inked]
        assert {"HbA1c", "Glucose", "Weight", "Contacts"} <= set(panes)
        assert any("insulin" in title for title in panes)
        assert "a related code, not the same measurement" in tables["HbA1c"][1]
        (insulin, contacts) = re.findall(r"Not drawn: (.*?)\.", whole)
        assert "stated in words alone" in insulin
        assert "Lantus" in insulin
        assert re.search(r"\d+ planned, called off, missed or withdrawn", contacts)
    assert "codes that no map knows" in whole
    assert "Home monitoring (answered in part)" in whole


@pytest.mark.usefixtures("built_pages")
async def test_the_gp_reads_everything_since_a_day_in_order_and_what_the_practice_does_not_have(tmp_path: Path) -> None:
    since = "2026-02-21"

    def look(page: Browser) -> Any:
        choose(page, "Since I last saw them", since)
        choose(page, "Order", "oldest")
        page.find_text("#timeline h3", "Feb 2026")
        page.find_text("#timeline nav [role=status]", "Showing 1 to")
        journey = pages(page, "Timeline", "li")
        days = text(page, "Timeline")
        choose(page, "What this record does not have", "gp")
        page.find_text("#discrepancies nav [role=status]", "Showing 1 to 8 of")
        page.find_text("#discrepancies li", "Stated differently by Tallow Yard Surgery")
        return journey, days, pages(page, "Not found", "li")

    ask = f"""timeline(since: "{since}", first: 500) {{ totalCount undatedCount edges {{ at {{ value }} occurrence
      node {{ provenance {{ source {{ name }} }} }} }} }}
      discrepancies(source: "gp", first: 500) {{ totalCount nodes {{ kind message }} }}"""
    (journey, days, lacking), answer = await reading(tmp_path, look, ask)
    edges = answer["timeline"]["edges"]
    shown = [event for one in journey for event in one]
    assert len(shown) == answer["timeline"]["totalCount"] == len(edges)
    for event, edge in zip(shown, edges, strict=True):
        assert event.startswith(edge["at"]["value"][11:16] or "no time")
        assert all(said["source"]["name"] in event for said in edge["node"]["provenance"])
        assert ("Began earlier, written down then" in event) == (edge["occurrence"] == "RECORDED")
        assert ("Ended" in event) >= (edge["occurrence"] == "ENDED")
    written = [moment["when"] for moment in ledger("q4_gp")["timeline"]]
    assert same(written[0], edges[0]["at"]["value"])
    assert f"{answer['timeline']['undatedCount']} entries have no date" in days
    assert "Planned" in " ".join(shown)
    found = [one for page in lacking for one in page]
    told = answer["discrepancies"]
    assert len(found) == told["totalCount"]
    for row, one in zip(found, told["nodes"], strict=True):
        assert one["message"] in row
    assert "latex" in found[0]
    assert "high" in found[0]


@pytest.mark.usefixtures("built_pages")
async def test_anybody_reads_of_every_source_what_became_of_it_and_how_old_its_answer_is(tmp_path: Path) -> None:
    (rows, completeness), answer = await reading(
        tmp_path,
        lambda page: (items(page, "Sources", "li:has(summary)"), page.find("#completeness").text),
        "sources { source { id name } }",
    )
    names = {one["source"]["id"]: one["source"]["name"] for one in answer["sources"]}
    words = {"OK": "Answered", "WITHHELD": "Holds something back", "PARTIAL": "Answered", "NOT_LINKED": "know"}
    books = ledger("q5_sources")["source"]
    assert len(rows) == len(books) == 14
    for book in books:
        (row,) = [one for one in rows if names[book["id"]] in one]
        if book["id"] != "epr":  # without a token one of its documents is held back from everybody
            assert words[book["state"]] in row, row
        assert "just now" in row or "ago" in row
    assert "sources answered completely" in completeness


@pytest.mark.usefixtures("built_pages")
async def test_what_sources_disagree_on_is_read_with_both_claims(
    tmp_path: Path,
) -> None:
    rows, _ = await reading(tmp_path, lambda page: pages(page, "Where sources disagree", "tbody tr"))
    found = [one for page in rows for one in page]
    assert any("latex" in row and "Criticality" in row and "high" in row and "low" in row for row in found)
    assert any("Strength" in row and "75 mg" in row and "150 mg" in row for row in found)
    assert any("Status" in row and "active" in row and "stopped" in row for row in found)


@pytest.mark.usefixtures("built_pages")
async def test_the_parts_with_depth_fit_a_phone_and_no_rule_of_accessibility_is_broken_light_or_dark(
    tmp_path: Path,
) -> None:
    def look(page: Browser) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {}
        for name in looks(page):
            wide = page.run("return document.documentElement.scrollWidth > innerWidth")
            found[name] = [*violations(page), *(["wider than the screen"] if wide else [])]
            for part in MINE:
                page.run("document.getElementById(arguments[0]).scrollIntoView()", part)
                keep(page, f"viewer-{part}-{name}")
        return found

    found, _ = await reading(tmp_path, look)
    assert found == {name: [] for name in found}
    assert len(found) == 4


@pytest.mark.usefixtures("built_pages")
async def test_a_table_beside_each_chart_opens_and_turns_by_keyboard(tmp_path: Path) -> None:
    def look(page: Browser) -> tuple[str, str]:
        page.run("[...document.querySelectorAll('summary')].find((x) => x.textContent === 'ALT as a table').focus()")
        page.press("Enter")
        table = page.find_text("caption", "ALT, newest first").text
        page.press("Enter")
        return table, str(page.run("return document.activeElement.tagName"))

    (table, focused), _ = await reading(tmp_path, look)
    assert table == "ALT, newest first"
    assert focused == "SUMMARY"
