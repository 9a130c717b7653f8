"""A source that is wrong costs its own facts and nothing else, and is never believed about whose they are."""

import asyncio
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from gateway.config import AUDIT_FILE
from tests.graphql.conftest import MICHAEL, Running, started
from tests.graphql.impostor import Impostor

SELECTION = """
    allergies { totalCount status entries { nodes { code { text } } } sources { source { id } state code } }
    sources { source { id } state code facts gaps { kind text } }
"""


def with_impostor(does: str) -> Any:
    source = f"""
[[sources]]
id = "impostor"
name = "Impostor"
organization = "Nobody"
adapter = "tests.graphql.impostor:Impostor"
settings = {{ does = "{does}" }}
"""
    return lambda text: text + source


def impostor(record: Any) -> tuple[str, str]:
    (source,) = [s for s in record["sources"] if s["source"]["id"] == "impostor"]
    assert source["facts"] == 0
    assert "walnuts" not in str(record)
    assert record["allergies"]["totalCount"] == 9, "the other sources' facts are all there"
    return source["state"], source["code"]


@pytest.mark.parametrize(
    ("does", "state", "code"),
    [
        ("another", "NOT_LINKED", "IDENTITY_MISMATCH"),
        ("namesake", "NOT_LINKED", "PRESENT_NOT_LINKED"),
        ("no-subject", "NOT_LINKED", "UNVERIFIED_SUBJECT"),
        ("crash", "UNAVAILABLE", "SOURCE_INVALID"),
        ("crash-reading", "UNAVAILABLE", "SOURCE_INVALID"),
        ("silent", "UNAVAILABLE", "SOURCE_INVALID"),
    ],
)
async def test_nothing_of_a_wrong_answer_is_shown_and_why_is_said(
    tmp_path: Path, does: str, state: str, code: str, capfd: pytest.CaptureFixture[str]
) -> None:
    async with started(tmp_path, edit=with_impostor(does)) as gateway:
        record = await gateway.record(SELECTION)
        assert impostor(record) == (state, code)
        assert record["allergies"]["status"] == "PARTIAL"
    assert MICHAEL not in "".join(capfd.readouterr())


async def test_facts_of_an_unproved_subject_beside_a_proved_one_are_said_to_be_held(tmp_path: Path) -> None:
    async with started(tmp_path, edit=with_impostor("anothers-facts")) as gateway:
        record = await gateway.record(SELECTION)
        assert "walnuts" not in str(record)
        (source,) = [s for s in record["allergies"]["sources"] if s["source"]["id"] == "impostor"]
        assert (source["state"], source["code"]) == ("WITHHELD", "UNVERIFIED_SUBJECT"), "it is not an empty answer"
        assert record["allergies"]["status"] == "PARTIAL"


async def test_a_value_that_no_answer_can_carry_costs_its_own_fact(tmp_path: Path) -> None:
    async with started(tmp_path, edit=with_impostor("unencodable")) as gateway:
        record = await gateway.record(SELECTION)
        assert record["allergies"]["totalCount"] == 9
        (source,) = [s for s in record["allergies"]["sources"] if s["source"]["id"] == "impostor"]
        assert (source["state"], source["code"]) == ("PARTIAL", "UNREADABLE_VALUE")


async def test_facts_kept_at_different_times_are_judged_by_the_demographics_each_came_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conditions = "conditions { entries { nodes { code { text } } } }"
    async with started(tmp_path, edit=with_impostor("honest")) as gateway:
        assert "hazelnuts" in str(await gateway.record("allergies { entries { nodes { code { text } } } }"))
        monkeypatch.setattr(Impostor, "given_away", True)
        for _ in range(2):
            record = await gateway.record(f"{conditions} {SELECTION}")
            assert impostor(record) == ("NOT_LINKED", "IDENTITY_MISMATCH")


async def test_a_fault_of_ours_about_one_source_costs_its_facts_only(
    gateway: Running, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    judged = gateway.service._admit

    async def stumble(source: Any, *rest: Any) -> Any:
        if source.table.id == "gp":
            raise KeyError(MICHAEL)
        return await judged(source, *rest)

    monkeypatch.setattr(gateway.service, "_admit", stumble)
    record = await gateway.record(SELECTION)
    states = {s["source"]["id"]: (s["state"], s["code"]) for s in record["sources"]}
    assert states["gp"] == ("UNAVAILABLE", "INTERNAL")
    assert states["epr"] == ("OK", None)
    assert MICHAEL not in "".join(capfd.readouterr())


async def test_after_three_peoples_mismatches_the_source_is_not_asked_again_and_the_trail_says_so(
    tmp_path: Path,
) -> None:
    async with started(tmp_path, edit=with_impostor("another")) as gateway:
        for number in (MICHAEL, "9991830006", "9995190001"):
            await gateway.record(SELECTION, number=number)
        asked = Impostor.asked
        assert impostor(await gateway.record(SELECTION)) == ("UNAVAILABLE", "IDENTITY_CIRCUIT_OPEN")
        assert Impostor.asked == asked
        trail = sqlite3.connect(gateway.state_dir / AUDIT_FILE)
        rows = trail.execute("SELECT detail FROM trail WHERE kind = 'identity'").fetchall()
        trail.close()
        told = [json.loads(detail)["what"] for (detail,) in rows]
        assert [what for what in told if "linked" not in what] == ["mismatch", "mismatch", "circuit-opened"]


@pytest.mark.parametrize("source", ["gp", "pas", "epr", "pharmacy", "telehealth", "cmht", "ooh"])
async def test_a_source_that_answers_nonsense_is_unavailable_and_the_others_are_whole(
    gateway: Running, source: str
) -> None:
    whole = await gateway.record("sources { source { id } state facts }", number=MICHAEL)
    assert {s["source"]["id"] for s in whole["sources"] if s["facts"]} == {*gateway.faults} - {"renal"}
    gateway.faults[source].garbage = True
    sections = ("allergies", "encounters", "communications", "medications")
    everything = " ".join(f"{name} {{ totalCount }}" for name in sections)
    record = await gateway.record(f"{everything} sources {{ source {{ id }} state code facts }}", deadline="PT15S")
    states = {s["source"]["id"]: s for s in record["sources"]}
    assert states[source]["state"] == "UNAVAILABLE"
    assert states[source]["code"] in ("SOURCE_INVALID", "SOURCE_TIMEOUT", "SOURCE_AUTH")
    others = [s for name, s in states.items() if name not in (source, "pds", "renal")]
    assert all(s["facts"] > 0 for s in others)


async def test_twenty_callers_at_once_ask_a_source_that_depends_on_nobody_once(gateway: Running) -> None:
    pas = gateway.faults["pas"]
    await gateway.record("encounters { totalCount }", number="9995190001")
    once = pas.asked
    answers = await asyncio.gather(*(gateway.record("encounters { totalCount }") for _ in range(20)))
    assert pas.asked == 2 * once
    assert len({answer["encounters"]["totalCount"] for answer in answers}) == 1
