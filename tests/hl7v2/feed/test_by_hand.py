"""Messages that name nobody: an operator lists them, says whose they are and takes it back, at the command line."""

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import pytest

from adapters.hl7v2.feed import Hl7v2FeedAdapter
from adapters.testing.conformance import call
from schema.model.clinical import DiagnosticReport, Observation, Patient
from schema.model.fact import Fact, Gap, GapKind
from tests.hl7v2.feed import stores
from tests.hl7v2.feed.conftest import PID, Feed, message
from tests.hl7v2.feed.test_folding import OBR, obx
from tests.support.sources import source

Feeds = Callable[..., Any]

NOBODY = "PID|1||T555^^^TRAUMA^XX||UNKNOWN^Male||19000101|M"
BY = ("--who", "O. Weatherby", "--why", "wristband T555, seen at the bedside")


@pytest.fixture(params=stores.BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """Both."""
    return str(request.param)


async def command(one: Feed, *arguments: str) -> tuple[int | None, list[list[str]], str]:
    """Status, lines by column without their heading, and what is said of a refusal."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "adapters.hl7v2.feed", *arguments, "--store", one.settings.store),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        out, said = await process.communicate()
    return process.returncode, [line.split("\t") for line in out.decode().splitlines()[1:]], said.decode()


async def the_unlinked(one: Feed) -> str:
    """The id of the one message that names nobody."""
    _, ((found, *_),), _ = await command(one, "unlinked")
    return found


async def refused(one: Feed, *arguments: str) -> str:
    """Why; and nothing was decided."""
    before = await one.store.decisions()
    status, _, said = await command(one, *arguments)
    assert status == 2
    assert await one.store.decisions() == before
    return said


def results(items: list[Fact | Gap]) -> list[str | None]:
    return [item.subject for item in items if isinstance(item, Observation | DiagnosticReport)]


def unidentified(control: str = "2") -> bytes:
    return message("ORU^R01", NOBODY, OBR, obx("120"), control=control)


async def test_a_listing_shows_what_finding_the_person_takes_and_neither_names_nor_anything_clinical(
    feed: Feeds,
) -> None:
    async with feed() as one:
        await one.hear(message("ADT^A28", PID), unidentified("C\t2\x1b[2J"), unidentified("C3"))
        _, rows, _ = await command(one, "unlinked", "--limit", "1")
        ((found, received, sender, control, kind, numbers),) = rows
        assert (received, sender, kind) == ("2026-03-17T12:00:00+00:00", "PAS RBI", "ORU^R01")
        assert (control, numbers) == ("C?2?[2J", "T555 TRAUMA XX")
        assert len(found) == 16
        assert [row[3] for row in (await command(one, "unlinked"))[1]] == ["C?2?[2J", "C3"]


async def test_a_linked_message_is_in_the_persons_record_until_that_is_taken_back(feed: Feeds) -> None:
    async with feed() as one:
        await one.hear(message("ADT^A28", PID), unidentified())
        before = await one.rows()
        assert results(await one.ask()) == []
        found = await the_unlinked(one)
        assert (await command(one, "link", "--message", found, "--number", "880417", *BY))[0] == 0
        assert results(await one.ask()) == ["Patient/880417"] * 2
        assert (await command(one, "unlinked"))[1] == []
        assert (await one.adapter.check(call())).warnings == ()

        assert (await command(one, "unlink", "--message", found, "--who", "R. Hale", "--why", "wrong bed"))[0] == 0
        assert results(await one.ask()) == []
        assert await the_unlinked(one) == found
        assert len((await one.adapter.check(call())).warnings) == 1

        assert (await command(one, "link", "--message", found, "--number", "880417", *BY))[0] == 0
        assert results(await one.ask()) == ["Patient/880417"] * 2
        _, decided, _ = await command(one, "decisions")
        assert [row[1:] for row in decided] == [
            [found, "link", "880417", "O. Weatherby", "wristband T555, seen at the bedside"],
            [found, "unlink", "880417", "R. Hale", "wrong bed"],
            [found, "link", "880417", "O. Weatherby", "wristband T555, seen at the bedside"],
        ]
        assert await one.rows() == before


async def test_what_a_linked_message_says_of_the_persons_identity_is_not_taken_and_that_is_said(feed: Feeds) -> None:
    async with feed() as one:
        await one.hear(message("ADT^A28", PID))
        (known,) = [item for item in await one.ask() if isinstance(item, Patient)]
        await one.hear(message("ADT^A08", NOBODY, control="2"))
        await command(one, "link", "--message", await the_unlinked(one), "--number", "880417", *BY)
        items = await one.ask()
        assert [item for item in items if isinstance(item, Patient)] == [known]
        (gap,) = [item for item in items if isinstance(item, Gap) and item.code == "LINKED_BY_HAND"]
        assert (gap.kind, gap.fact_type, gap.at, gap.count) == (GapKind.UNSUPPORTED, "Patient", "PID", 1)


async def test_a_link_is_read_from_the_record_alone_by_a_gateway_that_was_not_there(feed: Feeds) -> None:
    async with feed() as one:
        await one.hear(message("ADT^A28", PID), unidentified())
        await command(one, "link", "--message", await the_unlinked(one), "--number", "880417", *BY)
        alone = Hl7v2FeedAdapter(source(one.settings, id="feed"), clock=lambda: one.now)
        try:
            assert results(await one.ask(local=("Patient/880417",))) == ["Patient/880417"] * 2
            health = await alone.check(call())
            assert health.warnings == ()
        finally:
            await alone.close()


async def test_a_message_linked_to_a_retired_number_is_in_the_record_of_the_survivor_too(feed: Feeds) -> None:
    async with feed() as one:
        merge = message("ADT^A40", PID, "MRG|770001^^^RBI^MR", control="3")
        await one.hear(message("ADT^A28", PID), unidentified(), merge)
        await command(one, "link", "--message", await the_unlinked(one), "--number", "770001", *BY)
        assert results(await one.ask()) == ["Patient/770001"] * 2


async def test_a_decision_that_cannot_be_meant_is_refused_and_changes_nothing(feed: Feeds) -> None:
    async with feed() as one:
        await one.hear(message("ADT^A28", PID), unidentified())
        found = await the_unlinked(one)
        (named,) = [row for row in await stores.run(one.settings.store, _DIGESTS) if bytes(row[0]).hex()[:16] != found]
        to = ("--number", "880417", *BY)
        assert "no message has this id" in await refused(one, "link", "--message", "0" * 16, *to)
        assert "hexadecimal" in await refused(one, "link", "--message", "not-an-id-at-all", *to)
        assert "at least 12" in await refused(one, "link", "--message", found[:11], *to)
        assert "names its patients" in await refused(one, "link", "--message", bytes(named[0]).hex(), *to)
        assert "not heard of" in await refused(one, "link", "--message", found, "--number", "880418", *BY)
        nameless = ("--number", "880417", "--who", " ", "--why", "x")
        assert "who decides" in await refused(one, "link", "--message", found, *nameless)
        assert "not linked by hand" in await refused(one, "unlink", "--message", found, *BY)
        assert (await command(one, "link", "--message", found, *to))[0] == 0
        assert "already" in await refused(one, "link", "--message", found, *to)


async def test_a_message_about_two_people_or_about_nobody_at_all_cannot_be_linked(feed: Feeds) -> None:
    async with feed() as one:
        two = message("ADT^A24", NOBODY, NOBODY.replace("T555", "T556"), control="2")
        none = message("MFN^M02", "MFI|STF||UPD|||AL", control="3")
        await one.hear(message("ADT^A28", PID), two, none)
        for row in (await command(one, "unlinked"))[1]:
            said = await refused(one, "link", "--message", row[0], "--number", "880417", *BY)
            assert "exactly one PID" in said


async def test_of_two_operators_who_decide_at_once_one_is_refused(feed: Feeds) -> None:
    async with feed() as one:
        await one.hear(message("ADT^A28", PID), unidentified())
        found = await the_unlinked(one)
        both = [command(one, "link", "--message", found, "--number", "880417", *BY) for _ in range(2)]
        assert sorted([status for status, _, _ in await asyncio.gather(*both)], key=str) == [0, 2]
        assert len(await one.store.decisions()) == 1
        assert (await one.store.state()).unlinked == 0


async def test_a_store_that_is_not_there_is_not_made_by_an_operators_question(feed: Feeds, tmp_path: Any) -> None:
    async with feed() as one:
        one.settings = one.settings.model_copy(update={"store": str(tmp_path / "mistyped.db")})
        for arguments in (("unlinked",), ("link", "--message", "0" * 16, "--number", "880417", *BY)):
            status, _, said = await command(one, *arguments)
            assert (status, said) == (2, "the store cannot be read\n")
        assert not (tmp_path / "mistyped.db").exists()


_DIGESTS = "SELECT digest FROM message"
