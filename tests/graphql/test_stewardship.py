"""What a steward is told about links is what is so: over a gateway and an estate that are up."""

import asyncio
import io
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from adapters.sdk import NHS_NUMBER
from gateway import __version__
from gateway.cli import app, out
from gateway.config import load
from gateway.identity.grade import Grade
from gateway.identity.ledger import EventKind, Proposal, Standing
from gateway.problems import CommandError
from gateway.steward_commands import show_links
from schema.model.values import Identifier
from tests.graphql.conftest import MICHAEL, Running

HIS = "Patient/epr-4471902"
ANOTHERS = "Patient/2986114"
TWIN = "9991830006"
"""Telehealth files her twin under her number: present, not linked."""
NEVER_ASKED = "9998843006"
WHY = ("--by", "a.steward", "--reason", "[another] person's")
LINKS = "identifier { value } links { source { id } status localId } encounters { totalCount }"


async def sherwood(tmp_path: Path, command: str, *arguments: str) -> str:
    """Standard output of a command that must end well."""
    line = [command, *arguments, "-c", str(tmp_path / "gateway.toml")]
    done = await asyncio.to_thread(CliRunner().invoke, app, line)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


def trail(tmp_path: Path) -> list[tuple[Any, ...]]:
    """What the steward's doings left in the audit trail: what, of which record, about whom, of which sources."""
    with closing(sqlite3.connect(load(tmp_path / "gateway.toml").audit_path)) as db:
        rows = db.execute("SELECT detail, patient, sources FROM trail WHERE role = 'steward' ORDER BY sequence")
        return [
            (json.loads(d)["what"], json.loads(d).get("record"), patient, [s for s, _ in json.loads(sources)])
            for d, patient, sources in rows
        ]


async def standing(gateway: Running, number: str = MICHAEL) -> dict[tuple[str, str], Standing]:
    """What the cross-reference table says about a person."""
    crossref = gateway.service.crossref
    person = await crossref.person_for(Identifier(system=NHS_NUMBER, value=number))
    return {(x.source, x.local_id): x.status for x in await crossref.links(person)} if person else {}


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(out, "_width", 400)


async def test_unlink_of_a_mistyped_record_is_refused_and_names_the_one_that_is_linked(
    gateway: Running, tmp_path: Path
) -> None:
    await gateway.record(LINKS)
    before = await standing(gateway)
    with pytest.raises(CommandError) as refused:
        await sherwood(tmp_path, "unlink", MICHAEL, "epr", ANOTHERS, *WHY)
    assert str(refused.value) == (
        f"epr's record {ANOTHERS} is not known as this person's; linked are: {HIS}. "
        "Check the id, or add --block-anyway to keep it from ever being linked."
    )
    assert (await standing(gateway)) == before, "nothing was decided"
    assert trail(tmp_path) == [("unlink-refused", ANOTHERS, f"{NHS_NUMBER}|{MICHAEL}", ["epr"])]


async def test_a_record_that_is_not_known_is_blocked_only_when_that_is_said(gateway: Running, tmp_path: Path) -> None:
    await gateway.record(LINKS)
    said = await sherwood(tmp_path, "unlink", MICHAEL, "epr", ANOTHERS, *WHY, "--block-anyway")
    assert said.startswith("Blocked. It was not linked")
    assert (await standing(gateway))["epr", ANOTHERS] is Standing.BLOCKED
    assert (await standing(gateway))["epr", HIS] is Standing.LINKED
    said = await sherwood(tmp_path, "unlink", MICHAEL, "epr", ANOTHERS, *WHY)
    assert "blocked already" in said, "a blocked record is known"


async def test_unlink_of_the_linked_record_says_so_and_it_is_so(gateway: Running, tmp_path: Path) -> None:
    await gateway.record(LINKS)
    said = await sherwood(tmp_path, "unlink", MICHAEL, "epr", HIS, *WHY)
    assert said.startswith("Unlinked.")
    links = (await gateway.record(LINKS))["links"]
    assert [x["status"] for x in links if x["source"]["id"] == "epr"] == ["BLOCKED"]


async def test_unlink_of_a_record_that_was_present_does_not_claim_that_it_was_linked(
    gateway: Running, tmp_path: Path
) -> None:
    await gateway.record(LINKS, number=TWIN)
    with pytest.raises(CommandError, match="linked are: none"):
        await sherwood(tmp_path, "unlink", TWIN, "telehealth", "Patient/7701", *WHY)
    said = await sherwood(tmp_path, "unlink", TWIN, "telehealth", "Patient/7758", *WHY)
    assert said.startswith("Blocked. It was not linked.")
    assert (await standing(gateway, TWIN))["telehealth", "Patient/7758"] is Standing.BLOCKED


@pytest.mark.parametrize("command", ["link", "unlink"])
async def test_nothing_is_decided_about_a_number_that_nobody_has_asked_about(
    gateway: Running, tmp_path: Path, command: str
) -> None:
    await gateway.record(LINKS)
    more = ["--block-anyway"] if command == "unlink" else []
    with pytest.raises(CommandError, match="nobody has asked about this number here yet: run `sherwood query`"):
        await sherwood(tmp_path, command, NEVER_ASKED, "epr", ANOTHERS, *WHY, *more)
    with pytest.raises(CommandError, match="nobody has asked about this number"):
        await sherwood(tmp_path, "links", NEVER_ASKED, "--by", "a.steward")
    assert await gateway.service.crossref.person_for(Identifier(system=NHS_NUMBER, value=NEVER_ASKED)) is None
    assert trail(tmp_path) == []


async def test_link_promises_only_what_it_can_keep(gateway: Running, tmp_path: Path) -> None:
    shown = (await gateway.record(LINKS))["encounters"]["totalCount"]
    said = await sherwood(tmp_path, "link", MICHAEL, "epr", "Patient/nobody-has-this", *WHY)
    assert said.startswith("Recorded. If epr has that record, the next answer shows its facts.")
    assert (await gateway.record(LINKS))["encounters"]["totalCount"] == shown


async def test_a_record_that_is_linked_to_somebody_else_is_not_linked_nor_audited_as_linked(
    gateway: Running, tmp_path: Path
) -> None:
    await gateway.record(LINKS)
    await gateway.record(LINKS, number=TWIN)
    with pytest.raises(CommandError, match="linked to another person: unlink it there first"):
        await sherwood(tmp_path, "link", TWIN, "epr", HIS, *WHY)
    assert ("epr", HIS) not in (await standing(gateway, TWIN))
    assert trail(tmp_path) == []


async def test_links_shows_the_local_id_of_a_record_that_is_present_and_not_linked_and_link_takes_it(
    gateway: Running, tmp_path: Path
) -> None:
    await gateway.record(LINKS, number=TWIN)
    said = await sherwood(tmp_path, "links", TWIN, "--by", "a.steward")
    (row,) = [line for line in said.splitlines() if "telehealth" in line]
    cells = [cell.strip() for cell in row.strip("│").split("│")]
    assert cells[:3] == ["telehealth", "Patient/7758", "PRESENT_NOT_LINKED"]
    assert cells[3] == "probable"
    assert "given:differs" in cells[4].split(), "evidence codes"
    assert cells[5].startswith("rule ")
    assert cells[7].endswith("UTC")
    assert "`link`" in cells[8]
    (gp,) = [line for line in said.splitlines() if "gppat-30006" in line]
    assert " LINKED" in gp
    ((what, _, patient, sources),) = trail(tmp_path)
    assert (what, patient) == ("links-shown", f"{NHS_NUMBER}|{TWIN}")
    assert {"gp", "telehealth"} <= set(sources)

    await sherwood(tmp_path, "link", TWIN, "telehealth", "Patient/7758", *WHY)
    said = await sherwood(tmp_path, "links", TWIN, "--by", "a.steward")
    (row,) = [line for line in said.splitlines() if "telehealth" in line]
    cells = [cell.strip() for cell in row.strip("│").split("│")]
    assert cells[2] == "LINKED"
    assert cells[5:7] == ["a.steward", "[another] person's"], "words in brackets are shown as they were written"


async def test_no_links_are_shown_when_the_audit_trail_cannot_record_it(gateway: Running, tmp_path: Path) -> None:
    await gateway.record(LINKS)
    config = load(tmp_path / "gateway.toml")
    assert isinstance(config.crossref, Path)
    elsewhere = tmp_path / "state-without-a-trail"
    elsewhere.mkdir()
    with closing(sqlite3.connect(config.crossref)) as db, closing(sqlite3.connect(elsewhere / "x")) as copy:
        db.backup(copy)
    (elsewhere / "x").rename(elsewhere / config.crossref.name)
    (elsewhere / config.audit_path.name).mkdir()
    text = (tmp_path / "gateway.toml").read_text(encoding="utf-8")
    (tmp_path / "gateway.toml").write_text(text.replace("[gateway]", f'[gateway]\nstate_dir = "{elsewhere}"', 1))
    config = load(tmp_path / "gateway.toml")
    assert config.state_dir == elsewhere
    screen = io.StringIO()
    with pytest.raises(CommandError, match="cannot record"):
        await asyncio.to_thread(show_links, config, MICHAEL, "a.steward", Console(file=screen, width=240))
    assert screen.getvalue() == ""


async def test_a_local_id_is_whole_in_a_narrow_window(gateway: Running, tmp_path: Path) -> None:
    await gateway.record(LINKS)
    screen = io.StringIO()
    config = load(tmp_path / "gateway.toml")
    await asyncio.to_thread(show_links, config, MICHAEL, "a.steward", Console(file=screen, width=80))
    assert HIS in screen.getvalue()
    assert "Patient/9994071009" in screen.getvalue()


async def test_a_source_cannot_steer_the_stewards_terminal_by_its_local_ids(gateway: Running, tmp_path: Path) -> None:
    await gateway.record(LINKS)
    crossref = gateway.service.crossref
    person = await crossref.person_for(Identifier(system=NHS_NUMBER, value=MICHAEL))
    assert person is not None
    evil = Proposal(
        source="epr", local_id="Patient/\x1b[2J\u202e1", person=person, grade=Grade.PROBABLE, evidence=(), rules="1"
    )
    await crossref.record([evil])
    said = await sherwood(tmp_path, "links", MICHAEL, "--by", "a.steward")
    assert "\x1b" not in said
    assert "\u202e" not in said
    assert "Patient/\N{REPLACEMENT CHARACTER}[2J\N{REPLACEMENT CHARACTER}1" in said


@pytest.mark.parametrize("command", [("link", "epr", HIS, "--reason", "x"), ("links",)])
async def test_somebody_must_be_named(gateway: Running, tmp_path: Path, command: tuple[str, ...]) -> None:
    await gateway.record(LINKS)
    with pytest.raises(CommandError, match="name the person"):
        await sherwood(tmp_path, command[0], MICHAEL, *command[1:], "--by", " ")
    assert trail(tmp_path) == []


def test_the_version_is_printed() -> None:
    done = CliRunner().invoke(app, ["--version"])
    assert (done.exit_code, done.stdout) == (0, f"sherwood {__version__}\n")


FATHER = "9995190001"
MIXED = "Patient/330412"
"""Social care's record with the father's number and the son's birth date: only possible."""


def row_of(said: str, local_id: str) -> list[str]:
    (row,) = [line for line in said.splitlines() if local_id in line]
    return [cell.strip() for cell in row.strip("│").split("│")]


async def test_a_record_that_is_only_possible_is_in_the_stewards_list_and_nothing_of_it_in_any_answer(
    gateway: Running, tmp_path: Path
) -> None:
    before = await gateway.record(LINKS, number=FATHER)
    said = await sherwood(tmp_path, "links", FATHER, "--by", "a.steward")
    source, local_id, status, grade, evidence, decided, _, _, advice = row_of(said, MIXED)
    assert (source, local_id, status, grade) == ("socialcare", MIXED, "HELD", "possible")
    assert {"identifier:verified-equal", "birth-date:differs"} <= set(evidence.split())
    assert decided.startswith("rule ")
    assert "`link`" in advice
    assert "`unlink`" in advice
    assert row_of(said, "gppat-90001")[-1] == "", "nothing to do about one that is linked"
    after = await gateway.record(LINKS, number=FATHER)
    assert after == before
    assert "330412" not in str(after)
    assert "HELD" not in str(after)


async def test_a_steward_may_link_what_is_held_and_then_its_facts_are_shown(gateway: Running, tmp_path: Path) -> None:
    assert "socialcare" not in await shown_sources(gateway, FATHER)
    await sherwood(tmp_path, "link", FATHER, "socialcare", MIXED, *WHY)
    assert "socialcare" in await shown_sources(gateway, FATHER)
    said = await sherwood(tmp_path, "links", FATHER, "--by", "a.steward")
    assert row_of(said, MIXED)[2] == "LINKED"
    assert row_of(said, MIXED)[-1] == ""


async def test_a_steward_may_say_that_what_is_held_is_somebody_else_and_it_stops_waiting(
    gateway: Running, tmp_path: Path
) -> None:
    await gateway.record(LINKS, number=FATHER)
    said = await sherwood(tmp_path, "unlink", FATHER, "socialcare", MIXED, *WHY)
    assert said.startswith("Blocked. It was not linked, and no longer waits for a steward.")
    await gateway.record(LINKS, number=FATHER)
    assert (await standing(gateway, FATHER))["socialcare", MIXED] is Standing.BLOCKED
    assert "socialcare" not in await shown_sources(gateway, FATHER)


async def test_what_is_held_is_written_once_however_often_the_person_is_asked_about(gateway: Running) -> None:
    for _ in range(3):
        await gateway.record(LINKS, number=FATHER)
    held = [event for event in await gateway.service.crossref.events() if event.kind is EventKind.HOLD]
    assert [(event.source, event.local_id) for event in held] == [("socialcare", MIXED)]
    assert await gateway.service.crossref.replay()


async def test_a_record_that_the_source_restricts_waits_for_a_steward_with_a_warning(
    gateway: Running, tmp_path: Path
) -> None:
    await gateway.record(LINKS, number=NEVER_ASKED)
    said = await sherwood(tmp_path, "links", NEVER_ASKED, "--by", "a.steward")
    row = row_of(said, "Patient/epr-2986114")
    assert row[2:4] == ["HELD", "certain"]
    assert "veto:restricted" in row[4].split()
    assert "only with the right to" in row[-1]


async def shown_sources(gateway: Running, number: str) -> set[str]:
    record = await gateway.record("sources { source { id } facts }", number=number)
    return {source["source"]["id"] for source in record["sources"] if source["facts"]}


async def test_unlink_prints_who_saw_the_record(gateway: Running, tmp_path: Path) -> None:
    await gateway.record(LINKS)
    await sherwood(tmp_path, "unlink", MICHAEL, "epr", ANOTHERS, *WHY, "--block-anyway")
    said = await sherwood(tmp_path, "unlink", MICHAEL, "epr", HIS, *WHY)
    (row,) = [line for line in said.splitlines() if "jacky" in line]
    cells = [cell.strip() for cell in row.strip("│").split("│")]
    assert cells[:5] == ["jacky", "Sister", "ZRH", "TREAT", "1"]
    assert all(cell.endswith("UTC") for cell in cells[5:7])
    said = await sherwood(tmp_path, "unlink", MICHAEL, "epr", ANOTHERS, *WHY)
    assert "This gateway's audit trail has no answer that was made of that record." in said


async def test_the_work_list_is_printed_with_what_to_do_and_is_in_the_trail(gateway: Running, tmp_path: Path) -> None:
    await gateway.record(LINKS, number=FATHER)
    said = await sherwood(tmp_path, "worklist", "--by", "a.steward")
    cells = row_of(said, MIXED)
    assert cells[:5] == [FATHER, "socialcare", MIXED, "HELD", "possible"]
    assert "the birth date is another one" in cells[5]
    assert "`unlink`" in cells[7]
    assert trail(tmp_path)[0][0] == "work-list-shown"
