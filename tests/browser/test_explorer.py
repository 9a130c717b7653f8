"""The explorer page in a real browser, against a stand-in that executes the committed schema.

What it asks for, what it shows while an answer is under way, and that silence never looks like absence. What the
keyboard must do and how text contrasts is WCAG 2.2, clauses 2.1.2 and 1.4.3.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLCompositeType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    InlineFragmentNode,
    SelectionSetNode,
    get_named_type,
    parse,
    validate,
)
from starlette.responses import JSONResponse, PlainTextResponse, Response

from tests.browser.record import ATTACK, NUMBER, answer
from tests.browser.stand_in import PAGE, SCHEMA, StandIn, serving
from tests.browser.webdriver import Browser, browser, missing

EXAMPLES = json.loads(re.findall(r'<script type="application/json" id="examples">(.*?)</script>', PAGE, re.DOTALL)[0])
DEFERRED = """query Q($who: IdentifierInput!) { patient(identifier: $who) { identifier { value }
  ... @defer(label: "allergies") { allergies { status entries { nodes { id code { text } } } } }
  ... @defer(label: "medications") { medications { status entries { nodes { id code { text } } } } }
} }"""
needs_browser = pytest.mark.skipif(missing() is not None, reason=str(missing()))


@pytest.fixture(scope="module")
def session() -> Iterator[Browser]:
    with browser() as one:
        yield one


@pytest.fixture
def gateway() -> Iterator[StandIn]:
    with serving(answer()) as stand_in:
        yield stand_in


@pytest.fixture
def page(session: Browser, gateway: StandIn) -> Iterator[Browser]:
    """The page, opened; afterwards: nothing was refused or thrown, nothing kept, nothing but the endpoint asked."""
    session.resize(1280, 900)
    session.open(gateway.url)
    session.console()
    yield session
    complaints = [line for line in session.console() if "status of 4" not in line and "ERR_INCOMPLETE" not in line]
    assert complaints == []
    assert session.run("return [location.href, localStorage.length, sessionStorage.length, document.cookie]") == [
        gateway.url,
        0,
        0,
        "",
    ]
    assert {path for _, path, _, _ in gateway.requests} <= {"/graphql", "/favicon.ico"}
    assert NUMBER not in session.run("return document.title + history.length")


def ask(page: Browser, document: str, variables: str | None = None) -> None:
    """Put a document into the editor as pasting does, and run it."""
    script = """const put = (id, text) => { const area = document.getElementById(id); area.focus(); area.select();
        document.execCommand("insertText", false, text); };
        put("query", arguments[0]); if (arguments[1] !== null) put("variables", arguments[1]);"""
    page.run(script, document, variables)
    page.find("#run").click()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: str(example["name"]))
def test_every_example_fits_the_schema(example: dict[str, object]) -> None:
    lines = example["query"]
    assert isinstance(lines, list)
    assert validate(SCHEMA, parse("\n".join(lines))) == []


NEGATING = frozenset({"enteredInError", "patientReported", "polarity", "verificationStatus", "status", "active"})
"""What takes a fact back, denies it or casts doubt on it, of the types that have it."""


def facts_selected(query: str) -> Iterator[tuple[GraphQLObjectType, dict[str, frozenset[str]]]]:
    """Every place where a document selects fields of a fact: its type, and the fields with what is asked of each."""
    document = parse(query)
    fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}

    def fields(selection: SelectionSetNode | None) -> Iterator[FieldNode]:
        for node in selection.selections if selection else ():
            if isinstance(node, FieldNode):
                yield node
            elif isinstance(node, FragmentSpreadNode):
                yield from fields(fragments[node.name.value].selection_set)
            elif isinstance(node, InlineFragmentNode):
                yield from fields(node.selection_set)

    def walk(kind: GraphQLCompositeType, selection: SelectionSetNode) -> Iterator[Any]:
        assert isinstance(kind, GraphQLObjectType | GraphQLInterfaceType)
        asked = list(fields(selection))
        if isinstance(kind, GraphQLObjectType) and "enteredInError" in kind.fields:
            yield kind, {node.name.value: frozenset(f.name.value for f in fields(node.selection_set)) for node in asked}
        for node in asked:
            if node.selection_set and node.name.value in kind.fields:
                yield from walk(get_named_type(kind.fields[node.name.value].type), node.selection_set)

    for definition in document.definitions:
        if not isinstance(definition, FragmentDefinitionNode):
            assert SCHEMA.query_type is not None
            yield from walk(SCHEMA.query_type, definition.selection_set)  # type: ignore[attr-defined]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: str(example["name"]))
def test_no_example_asks_for_a_fact_without_what_denies_it_or_for_a_concept_without_words(
    example: dict[str, Any],
) -> None:
    query = "\n".join(example["query"])
    found = [(kind, asked) for kind, asked in facts_selected(query) if kind.name != "Patient"]
    assert found or "entries" not in query
    for kind, asked in found:
        assert NEGATING & set(kind.fields) <= set(asked), kind.name
        for name, below in asked.items():
            if get_named_type(kind.fields[name].type).name == "CodeableConcept":
                assert "display" in below, f"{kind.name}.{name}"


def test_the_page_has_one_script_one_style_and_names_no_other_host() -> None:
    assert len(re.findall(r"<script>", PAGE)) == len(re.findall(r"<style>", PAGE)) == 1
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|localStorage|sessionStorage|indexedDB", PAGE
    )
    assert not re.search(r"""(?:src|href|action)=["']?(?:https?:)?//|url\(|@import|\bimport\(""", PAGE)


@needs_browser
def test_the_first_example_runs_from_the_keyboard_and_shows_the_person_the_sources_and_the_sections(
    page: Browser, gateway: StandIn
) -> None:
    page.find("#query").click()
    page.press("Control", "Enter")
    page.find_text("#status", "Complete in")
    assert "Michael Aubrey Quillfeather" in page.find(".banner h2").text
    assert NUMBER in page.find(".banner .facts").text
    assert "1967-06-14" in page.find(".banner .facts").text
    page.find_text(".strip li", "SOURCE_TIMEOUT")
    page.find_text(".sub", "1 of 4 sources answered in full; 3 did not")
    page.find_text('.section[aria-label="Allergies"] header', "not every source was heard in full")
    assert gateway.queries()[0]["variables"] == {"who": {"value": NUMBER}}


@needs_browser
def test_a_conflict_shows_every_claim_with_its_source_and_says_who_does_not_say(page: Browser) -> None:
    page.find("#run").click()
    shown = page.find_text(".conflict", "Sources disagree on criticality").text
    assert [line.strip() for line in shown.splitlines()][1:] == [
        "Larkspur Surgery", "low", "Hospital record", "high", "Community mental health", "does not say",
    ]  # fmt: skip


@needs_browser
def test_what_denies_an_entry_is_said_before_its_name(page: Browser, gateway: StandIn) -> None:
    (latex, none) = gateway.root["patient"]["allergies"]["entries"]["nodes"]
    latex.update(enteredInError=True, verificationStatus="refuted")
    try:
        page.find("#run").click()
        page.find_text(".entry.error .title", "ENTERED IN ERROR")
        shown = [node.split() for node in page.run(
            "return [...document.querySelectorAll('.section[aria-label=Allergies] .title')].map((x) => x.innerText)"
        )]  # fmt: skip
    finally:
        latex.update(enteredInError=False, verificationStatus=None)
    assert " ".join(shown[0]).replace("ERRORREFUTED", "ERROR REFUTED").startswith("ENTERED IN ERROR REFUTED")
    assert " ".join(shown[1]).startswith("stated as none")
    assert none["polarity"] == "ABSENT"


@needs_browser
def test_an_empty_section_never_reads_as_absence(page: Browser) -> None:
    page.find("#run").click()
    page.find_text('.section[aria-label="Flags"]', "hold no record: this does not say there is none")
    page.find_text('.section[aria-label="Encounters"]', "nothing can be concluded from what is not here")
    ask(page, "query($who: IdentifierInput!) { patient(identifier: $who) { flags { entries { nodes { id } } } } }")
    page.find_text('.section[aria-label="Flags"]', "This does not say there is none: ask for emptyReason")


@needs_browser
def test_values_and_times_are_shown_as_stated(page: Browser) -> None:
    fields = "when { value text zoneAssumed } code { text } valueQuantity { value unit } valueString"
    section = f"observations {{ entries {{ nodes {{ {fields} }} }} }}"
    ask(page, f"query($who: IdentifierInput!) {{ patient(identifier: $who) {{ {section} }} }}")
    page.find_text(".entry .reading", "83.50 mmol/mol")
    page.find_text(".entry .time", "2026-03-16T20:40 (stated as “16/03/2026 20:40”; zone assumed)")


@needs_browser
def test_markup_in_data_stays_text_and_reordering_characters_are_written_out(page: Browser) -> None:
    page.find("#run").click()
    assert page.find_text(".entry .title", "<img").text == ATTACK
    page.find_text(".entry dd", "10⟨U+202E⟩mg 05")
    assert page.run(
        "return [window.__attacked ?? null, document.querySelectorAll('main img, main script').length]"
    ) == [None, 0]


@needs_browser
@pytest.mark.parametrize("early_delimiter", [False, True])
def test_deferred_parts_are_painted_as_they_come_each_in_its_place(
    page: Browser, gateway: StandIn, early_delimiter: bool
) -> None:
    gateway.early_delimiter = early_delimiter
    gateway.hold("allergies", "medications")
    ask(page, DEFERRED)
    page.find_text(".section.waiting", "Allergies")
    page.find_text(".section.waiting", "Medications")
    gateway.release("medications")
    page.find_text('.section[aria-label="Medications"]', "Venlafaxine")
    page.find_text(".section.waiting", "Allergies")
    page.run("document.querySelector('.section[aria-label=Medications] .entry').focus()")
    gateway.release("allergies")
    page.find_text("#status", "Complete in")
    headings = page.run("return [...document.querySelectorAll('.section h3')].map((node) => node.textContent)")
    assert headings == ["Allergies", "Medications"]
    focused = "return document.activeElement.querySelector(':scope.entry .title')?.textContent"
    assert page.run(focused) == "Venlafaxine 150 mg"


@needs_browser
def test_stop_leaves_the_gateway_and_says_what_did_not_come(page: Browser, gateway: StandIn) -> None:
    gateway.hold("medications")
    ask(page, DEFERRED)
    page.find_text('.section[aria-label="Allergies"]', "latex")
    page.find("#stop").click()
    page.find_text(".section.waiting", "did not come: this does not say there is none")
    page.find_text(".box", "What is not here was not heard")
    assert gateway.left.wait(15)


@needs_browser
def test_a_connection_that_breaks_is_told_apart_from_a_complete_answer(page: Browser, gateway: StandIn) -> None:
    gateway.cut_after = 1
    gateway.hold("allergies", "medications")
    ask(page, DEFERRED)
    page.find_text(".section.waiting", "still being asked")
    gateway.release("allergies")
    page.find_text(".box.bad", "The answer is not complete")
    page.find_text(".section.waiting", "did not come")


@needs_browser
def test_a_deferred_part_that_fails_is_named_and_not_left_out_silently(page: Browser, gateway: StandIn) -> None:
    gateway.root["patient"]["medications"] = None
    ask(page, DEFERRED)
    page.find_text(".box.bad", "Medications: Cannot return null")
    page.find_text("#status", "Answered with errors")


def _unauthenticated() -> Response:
    error = {"message": "Send a bearer token.", "extensions": {"code": "NOT_AUTHENTICATED"}}
    return JSONResponse({"data": None, "errors": [error]}, 401)


@needs_browser
def test_errors_show_their_code_and_the_token_and_purpose_are_sent_but_not_kept(
    page: Browser, gateway: StandIn
) -> None:
    gateway.instead = _unauthenticated
    page.find("#run").click()
    page.find_text(".box.bad", "Send a bearer token. NOT_AUTHENTICATED")
    gateway.instead = None
    page.run("document.querySelector('details.pane').open = true")
    page.find("#token").type("letmein")
    page.find("#purpose").type("ETREAT")
    page.find("#run").click()
    page.find_text("#status", "Complete in")
    _, _, headers, _ = gateway.requests[-1]
    assert (headers["authorization"], headers["sherwood-purpose"]) == ("Bearer letmein", "ETREAT")
    page.open(gateway.url)
    assert page.run("return document.getElementById('token').value + document.getElementById('purpose').value") == ""


@needs_browser
def test_an_answer_that_is_not_graphql_is_said_to_be_none(page: Browser, gateway: StandIn) -> None:
    gateway.instead = lambda: PlainTextResponse("upstream", 404)
    page.find("#run").click()
    page.find_text(".box.bad", "HTTP 404: what came back is not a GraphQL answer")


@needs_browser
def test_variables_that_are_not_json_are_not_sent(page: Browser, gateway: StandIn) -> None:
    ask(page, DEFERRED, "{oops")
    page.find_text("#variables-problem", "not a JSON object")
    assert gateway.queries() == []


@needs_browser
def test_choosing_another_example_keeps_whom_it_is_about(page: Browser) -> None:
    ask(page, DEFERRED, '{"who": {"value": "9990000018"}}')
    page.run("const s = document.getElementById('example'); s.value = '2'; s.dispatchEvent(new Event('change'))")
    assert "WhoElse" in page.run("return document.getElementById('query').value")
    assert json.loads(page.run("return document.getElementById('variables').value")) == {"who": {"value": "9990000018"}}


@needs_browser
def test_of_several_operations_the_one_with_the_cursor_runs(page: Browser, gateway: StandIn) -> None:
    ask(page, "query A { sources { id } }\nquery B { sources { name } }", "{}")
    page.find_text("#status", "Complete in")
    assert gateway.queries()[-1]["operationName"] == "B"


@needs_browser
def test_completion_follows_the_schema(page: Browser) -> None:
    def offered(document: str) -> list[str]:
        script = """const area = document.getElementById("query"); area.focus(); area.select();
            document.execCommand("insertText", false, arguments[0]);"""
        page.run(script, document)
        page.press("Control", " ")
        page.find("#suggest li")
        names = page.run("return [...document.querySelectorAll('#suggest li')].map((node) => node.firstChild.data)")
        page.press("Escape")
        return list(names)

    assert offered("{ pat") == ["patient", "patientsByIdentifier", "patients"]
    assert offered("query($who: IdentifierInput!) { patient(ident") == ["identifier"]
    assert offered('{ patient(identifier: {value: "1"}) { allergies { sta') == ["status"]
    assert offered("{ patient(identifier: {sys") == ["system"]
    assert "criticality" in offered(
        '{ patient(identifier: {value: "1"}) { ... @defer(label: "a") { allergies { entries(first: 3) { nodes { '
    )
    assert "MergedFact" in offered("fragment F on Merg")[:1]
    page.press("Control", " ")
    page.press("Enter")
    assert page.run("return document.getElementById('query').value") == "fragment F on MergedFact"


@needs_browser
def test_the_keyboard_gets_into_and_out_of_the_document(page: Browser) -> None:
    page.find("#query").click()
    page.press("Tab")
    assert page.run("return document.activeElement.id") == "query"
    page.press("Escape")
    page.press("Tab")
    assert page.run("return document.activeElement.id") == "variables"
    page.run("document.getElementById('tab-record').focus()")
    page.press("Right")
    assert page.run("return document.activeElement.id + document.activeElement.ariaSelected") == "tab-jsontrue"


@needs_browser
def test_the_schema_can_be_read_and_searched(page: Browser) -> None:
    page.find("#tab-docs").click()
    page.find_text("#docs-body code", "patient(identifier: IdentifierInput!")
    page.find("#docs-search").type("emptyReason")
    page.find_text("#docs-body .link", "Section.emptyReason").click()
    page.find_text("#docs-body", "Why there is no entry, or only negative ones")


@needs_browser
def test_the_json_is_what_came(page: Browser) -> None:
    ask(page, "{ sources { id name } }", "{}")
    page.find_text("#status", "Complete in")
    page.find("#tab-json").click()
    shown = json.loads(page.find("#json-text").text)
    assert shown["data"]["sources"][0] == {"id": "gp", "name": "Larkspur Surgery"}


@needs_browser
@pytest.mark.parametrize("width", [1280, 800, 420])
def test_nothing_is_cut_off_sideways(page: Browser, width: int) -> None:
    page.resize(width, 900)
    page.find("#run").click()
    page.find_text("#status", "Complete in")
    overflow = """const panel = document.getElementById("record");
        return [document.documentElement.scrollWidth - innerWidth, panel.scrollWidth - panel.clientWidth];"""
    assert max(page.run(overflow)) <= 0


@needs_browser
def test_every_control_has_a_name_and_text_has_contrast_in_light_and_dark(page: Browser) -> None:
    page.find("#run").click()
    page.find_text("#status", "Complete in")
    nameless = """return [...document.querySelectorAll("button, input, select, textarea")]
        .filter((node) => !(node.textContent.trim() || node.labels?.length || node.ariaLabel)).map((n) => n.id);"""
    assert page.run(nameless) == []
    for scheme in ("light", "dark"):
        page.media(prefers_color_scheme=scheme)
        assert page.run(CONTRAST) == []
    page.media()


CONTRAST = """
const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
const rgba = (color) => {
  canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
  return [...canvas.getImageData(0, 0, 1, 1).data];
};
const linear = (v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4);
const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
const behind = (node) => {
  if (!node) return [255, 255, 255];
  const color = rgba(getComputedStyle(node).backgroundColor);
  return color[3] === 255 ? color : behind(node.parentElement);
};
const hasText = (node) => [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
const poor = [];
for (const node of document.querySelectorAll("main *, header *")) {
  if (!hasText(node) || !node.checkVisibility() || node.matches("textarea, option, :disabled")) continue;
  const pair = [luminance(rgba(getComputedStyle(node).color)), luminance(behind(node))];
  const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
  if (ratio < 4.5) poor.push(`${node.tagName}.${node.className} ${ratio.toFixed(2)}`);
}
return [...new Set(poor)];"""


@needs_browser
def test_it_prints_the_record_without_the_editor(page: Browser) -> None:
    page.find("#run").click()
    page.find_text("#status", "Complete in")
    assert page.printed().startswith(b"%PDF")
    page.call("POST", "/goog/cdp/execute", {"cmd": "Emulation.setEmulatedMedia", "params": {"media": "print"}})
    assert page.run(
        "return [document.querySelector('.ask').checkVisibility(), document.querySelector('.banner').checkVisibility()]"
    ) == [False, True]
    page.media()
