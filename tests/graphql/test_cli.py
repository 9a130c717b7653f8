"""The command line, against a gateway and an estate that are up."""

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from adapters.sdk import NHS_NUMBER, SettingsError
from gateway.checking import check_sources
from gateway.cli import app, out
from gateway.config import ConfigError, load, parse
from gateway.demonstration import allowing, read_mischief
from gateway.problems import CommandError
from gateway.steward_commands import link, unlink
from gateway.tables import show_record
from schema.gql.root import print_sdl
from schema.model.clinical import SECTIONS
from schema.model.values import Identifier
from tests.graphql.conftest import MICHAEL, Running

PHARMACY = "encounters { entries { nodes { provenance { source { id } } } } } sources { source { id } state code }"


async def sherwood(*arguments: str) -> str:
    """Standard output of a command that must end well."""
    done = await asyncio.to_thread(CliRunner().invoke, app, list(arguments))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(out, "_width", 200)


async def test_a_number_gives_the_whole_record_as_tables(gateway: Running) -> None:
    said = await sherwood("query", "999 407 1009", "--url", f"{gateway.url}/graphql", "--token", "env:TEST_WARD_TOKEN")
    for text in ("Quillfeather", "allergies (9)", "medications (26)", "Lantus", "Toujeo", "Sallow Lane Pharmacy"):
        assert text in said


async def test_a_death_that_sources_disagree_on_is_shown_as_a_disagreement_and_not_as_a_death(gateway: Running) -> None:
    said = await sherwood("query", "9996281949", "--url", f"{gateway.url}/graphql", "--token", "env:TEST_WARD_TOKEN")
    heading = " ".join(said.partition("allergies")[0].split())
    assert "SOURCES DISAGREE ON deceased:" in heading
    assert "pas true" in heading
    assert "gp record in use" in heading
    assert "DECEASED" not in heading


async def test_a_document_gives_json(gateway: Running, tmp_path: Path) -> None:
    document = tmp_path / "q.graphql"
    document.write_text("query ($n: String!) { patient(identifier: {value: $n}) { identifier { value } } }")
    url = f"{gateway.url}/graphql"
    said = await sherwood(
        "query", str(document), "--url", url, "--token", "env:TEST_WARD_TOKEN", "-v", f'n="{MICHAEL}"'
    )
    assert json.loads(said)["data"]["patient"]["identifier"]["value"] == MICHAEL


async def test_a_gateway_that_is_not_there_is_said_with_what_to_do() -> None:
    with pytest.raises(CommandError, match="sherwood demo"):
        await sherwood("query", MICHAEL, "--url", "http://127.0.0.1:9/graphql")


async def test_a_token_is_never_taken_literally(gateway: Running) -> None:
    with pytest.raises(SettingsError, match="env:NAME"):
        await sherwood("query", MICHAEL, "--url", f"{gateway.url}/graphql", "--token", "letmein")


async def test_the_schema_is_printed_and_the_kinds_are_listed() -> None:
    assert await sherwood("schema") == print_sdl()
    said = await sherwood("adapter", "list")
    for kind in ("fhir", "hl7v2", "rest"):
        assert kind in said


async def test_check_asks_every_source_and_fails_when_one_does(gateway: Running, tmp_path: Path) -> None:
    config = load(tmp_path / "gateway.toml")
    with out.capture() as said:
        assert await check_sources(config, out)
    assert said.get().count("ok") >= 6
    gateway.faults["pas"].down = True
    with out.capture() as said:
        assert not await check_sources(config, out)
    assert "SOURCE_UNAVAILABLE" in said.get()


async def test_unlink_hides_a_record_and_link_shows_it_again(gateway: Running, tmp_path: Path) -> None:
    config = load(tmp_path / "gateway.toml")

    async def pharmacy() -> tuple[str, bool]:
        record = await gateway.record(PHARMACY)
        (state,) = [s["state"] for s in record["sources"] if s["source"]["id"] == "pharmacy"]
        return state, "pharmacy" in str(record["encounters"])

    assert await pharmacy() == ("OK", True)
    record = (MICHAEL, "pharmacy", "Patient/PL-20417")
    await asyncio.to_thread(unlink, config, *record, "a.steward", "another person's tablets", False, out)
    assert await pharmacy() == ("NOT_LINKED", False)
    assert await pharmacy() == ("NOT_LINKED", False), "the rule does not link it again"
    await asyncio.to_thread(link, config, *record, "a.steward", "it was his after all", out)
    assert await pharmacy() == ("OK", True)
    with closing(sqlite3.connect(config.audit_path)) as trail:
        rows = trail.execute("SELECT user, detail FROM trail WHERE kind = 'identity'").fetchall()
    said = [json.loads(detail)["what"] for user, detail in rows if user == "a.steward"]
    assert said == ["unlink", "link"], "who decided what is in the audit trail"
    assert any(json.loads(detail)["what"] == "linked" for _, detail in rows), "and so is what the rule decided"


async def test_a_decision_under_an_earlier_number_does_not_make_it_the_current_one(
    gateway: Running, tmp_path: Path
) -> None:
    current = (await gateway.record("identifier { value }", number="9992217006"))["identifier"]["value"]
    decision = ("9992217006", "pharmacy", "Patient/1", "a.steward", "not hers")
    await asyncio.to_thread(unlink, load(tmp_path / "gateway.toml"), *decision, True, out)
    crossref = gateway.service.crossref
    person = await crossref.person_for(Identifier(system=NHS_NUMBER, value=current))
    assert person is not None
    assert (await crossref.identifiers(person))[0].value == current


async def test_a_record_without_demographics_is_shown_all_the_same(gateway: Running) -> None:
    restricted = "9998843006"
    assert (await gateway.record("patient { id }", number=restricted))["patient"] is None
    url = f"{gateway.url}/graphql"
    said = await sherwood("query", restricted, "--url", url, "--token", "env:TEST_WARD_TOKEN")
    assert "no demographics shown" in said
    assert "PATIENT_RESTRICTED" in said


async def test_what_denies_an_entry_and_what_is_missing_is_said_in_words(gateway: Running) -> None:
    said = await sherwood("query", MICHAEL, "--url", f"{gateway.url}/graphql", "--token", "env:TEST_WARD_TOKEN")
    for text in (
        "ENTERED IN ERROR Type 2 diabetes mellitus",
        "unconfirmed Allergy to aspirin",
        "not done Streptococcus pneumoniae",
        "no value: Haemolysed, please repeat",
        "Alcohol intake: About 30 units a day",
        "Systolic blood pressure 148 mmHg",
        "Sunita Banerjee",
        "01632 960341",
        "criticality high",
        "reaction: Eruption of skin",
        "alcohol withdrawal scale, completed, score 21",
        "given: Thiamine",
        "ordered: Venlafaxine",
        "partial: Tallow Yard Surgery, GP record withholds something",
        "1 fact ",
        "58 facts",
    ):
        assert text in said


async def test_a_section_without_entries_is_never_called_complete(gateway: Running) -> None:
    said = await sherwood("query", "9997725018", "--url", f"{gateway.url}/graphql", "--token", "env:TEST_WARD_TOKEN")
    words = "nobody asked holds such facts about this person; this does not mean there are none"
    assert f"allergies: {words}" in said
    assert "complete" not in said
    assert "0 facts" not in said


_EMPTY: dict[str, Any] = {
    "status": "COMPLETE",
    "emptyReason": None,
    "totalCount": 0,
    "sources": [],
    "entries": {"nodes": []},
}


def shown(*entries: dict[str, Any], **section: Any) -> str:
    """What is printed of a record whose allergies are these."""
    bare: dict[str, Any] = {"when": None, "provenance": [], "conflicts": []}
    some = {"totalCount": len(entries), "entries": {"nodes": [bare | entry for entry in entries]}}
    record = {name: _EMPTY | {"emptyReason": "WITHHELD"} for name in SECTIONS} | {"allergies": _EMPTY | some | section}
    with out.capture() as said:
        show_record(record | {"patient": None, "sources": []}, out)
    return said.get()


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"enteredInError": True, "verificationStatus": "refuted"}, "ENTERED IN ERROR REFUTED Asthma"),
        ({"verificationStatus": "entered-in-error"}, "ENTERED IN ERROR Asthma"),
        ({"verificationStatus": "refuted", "polarity": "ABSENT"}, "│ REFUTED Asthma"),
        ({"polarity": "ABSENT"}, "│ stated as none: Asthma"),
        ({"polarity": "ABSENT", "code": {"display": "No known allergy"}}, "│ stated as none: No known allergy"),
        ({"status": "not-done", "kind": "ADMINISTRATION"}, "│ not done dose: Asthma"),
        ({"status": "preparation", "kind": "DISPENSE"}, "│ supply: Asthma"),
        ({"valueQuantity": {"comparator": "<", "value": "0.50", "unit": "mg"}}, "Asthma: < 0.50 mg"),
        ({"valueQuantity": {"comparator": None, "value": None, "unit": "mg"}}, "Asthma: no value: the source gives"),
        ({"valueString": None, "notes": [{"text": "spilt", "author": None}]}, "Asthma: no value: spilt"),
        ({"valueBoolean": False}, "Asthma: no "),
        ({"notes": [{"text": "\x1b[2Jgone\u202e", "author": None}]}, "note: ⟨U+001B⟩[2Jgone⟨U+202E⟩"),
    ],
)
def test_an_entry_is_never_shown_without_what_denies_it_and_never_with_an_empty_value(
    entry: dict[str, Any], words: str
) -> None:
    assert words in shown({"code": {"display": "Asthma"}} | entry)


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("NOT_RECORDED", "allergies: not recorded (this does not mean none)"),
        ("NONE_KNOWN", "allergies: none known, as stated by Surgery"),
        ("UNAVAILABLE", "allergies: not known: a source could not be heard"),
        ("WITHHELD", "allergies: a source holds something back"),
        ("NOT_ASKED", "allergies: a source was not asked"),
        (None, "allergies: no entry, and no reason was given (this does not mean none)"),
    ],
)
def test_why_a_section_is_empty_is_said_in_words(reason: str | None, words: str) -> None:
    stated = {
        "source": {"name": "Surgery"},
        "state": "OK",
        "code": None,
        "gaps": [{"kind": "NONE_KNOWN", "text": None}],
    }
    said = shown(emptyReason=reason, sources=[stated])
    assert words in said
    assert "complete" not in said


def test_entries_that_only_deny_are_not_called_complete_either() -> None:
    source = {"id": "gp", "name": "Surgery"}
    entry: dict[str, Any] = {
        "code": {"display": "No known allergy"},
        "polarity": "ABSENT",
        "provenance": [{"source": source}],
    }
    said = shown(entry, emptyReason="NONE_KNOWN")
    assert "none known, as stated by Surgery" in said
    assert "complete" not in said


def test_a_source_that_only_listens_is_named_with_the_day_since_when_it_knows_anything() -> None:
    feed = {"source": {"name": "Laboratory"}, "state": "OK", "code": None, "gaps": []}
    feed["completeFrom"] = {"value": "2026-01-06T06:00:00+00:00"}
    since = "it knows only what came since 2026-01-06"
    said = shown(status="PARTIAL", emptyReason="NOT_RECORDED", sources=[feed])
    assert f"partial: Laboratory answered, but ({since})" in said
    stranger = feed | {"state": "NOT_LINKED", "code": "PATIENT_NOT_FOUND"}
    said = shown(status="PARTIAL", emptyReason="NOT_HELD", sources=[stranger])
    assert f"partial: Laboratory does not know this person ({since})" in said


async def test_words_in_brackets_are_shown_as_they_were_written() -> None:
    entry: dict[str, Any] = {
        "when": None,
        "provenance": [],
        "conflicts": [],
        "code": {"display": "aspirin [see chart] [/b]"},
    }
    empty: dict[str, Any] = {"status": "COMPLETE", "emptyReason": None, "totalCount": 0, "entries": {"nodes": []}}
    full = empty | {"totalCount": 3, "entries": {"nodes": [entry]}}
    record = {name: full if name == "allergies" else empty for name in SECTIONS}
    with out.capture() as said:
        show_record(record | {"patient": None, "sources": []}, out)
    assert "aspirin [see chart] [/b]" in said.get()
    assert "2 older entries are not shown" in said.get()


async def test_a_deadline_that_is_none_says_how_one_is_written() -> None:
    with pytest.raises(CommandError, match="300ms"):
        await sherwood("query", MICHAEL, "--deadline", "soon")


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        ((MICHAEL, "chemist", "Patient/1"), "there are"),
        ((MICHAEL, "pharmacy", "PL-20417"), "Patient/123"),
        (("9994071008", "pharmacy", "Patient/1"), "check digit"),
    ],
)
async def test_a_decision_that_cannot_be_made_says_why(
    gateway: Running, tmp_path: Path, arguments: tuple[str, str, str], advice: str
) -> None:
    with pytest.raises(CommandError, match=advice):
        await asyncio.to_thread(link, load(tmp_path / "gateway.toml"), *arguments, "a.steward", "", out)


def test_a_knob_of_the_demo_shows_how_it_is_written() -> None:
    assert read_mischief(["gp=3s"], ["epr"], []).slow_s == {"gp": 3.0}
    with pytest.raises(CommandError, match="--slow gp=3s"):
        read_mischief(["gp"], [], [])


def test_the_demo_lets_pages_of_a_front_ends_own_server_ask() -> None:
    config = "[gateway]\nport = 8001\n"
    assert allowing(config, []) == config
    allowed = parse(allowing(config, ["http://localhost:5173"]))
    assert (allowed.gateway.port, allowed.graphql.allowed_origins) == (8001, ("http://localhost:5173",))
    with pytest.raises(ConfigError, match=r"https://portal\.example\.org"):
        parse(allowing(config, ["localhost:5173"]))
