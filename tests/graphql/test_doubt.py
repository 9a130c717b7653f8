"""A link whose record has contradicted the person, and a cross-reference table that is away: neither shows anything."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.identity.ledger import Standing
from tests.graphql.conftest import MICHAEL, Running, started
from tests.graphql.impostor import Impostor
from tests.graphql.test_wrong_answers import with_impostor
from tests.support import databases

SELECTION = "allergies { entries { nodes { code { text } } } } sources { source { id } state code }"


def honest(text: str) -> str:
    """With a source that is asked anew each time."""
    return f'{with_impostor("honest")(text)}cache_ttl = {{ default = "0s" }}\n'


async def impostor(gateway: Running) -> tuple[str, str | None, bool]:
    """Its state, why, and whether its facts are shown."""
    record = await gateway.record(SELECTION)
    (source,) = [s for s in record["sources"] if s["source"]["id"] == "impostor"]
    return source["state"], source["code"], "nuts" in str(record["allergies"])


async def standing(gateway: Running) -> Standing:
    ((link,),) = (await gateway.service.crossref.standing("impostor", ["Patient/1"])).values()
    return link.status


async def test_after_a_contradiction_an_answer_without_demographics_is_held_until_the_record_is_certain_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown, held = ("OK", None, True), ("NOT_LINKED", "PRESENT_NOT_LINKED", False)
    async with started(tmp_path, edit=honest) as gateway:
        assert await impostor(gateway) == shown
        monkeypatch.setattr(Impostor, "bare", True)
        assert await impostor(gateway) == shown, "over the link"
        monkeypatch.setattr(Impostor, "bare", False)
        monkeypatch.setattr(Impostor, "given_away", True)
        assert await impostor(gateway) == ("NOT_LINKED", "IDENTITY_MISMATCH", False)
        assert await standing(gateway) is Standing.DOUBTED
        monkeypatch.setattr(Impostor, "bare", True)
        assert await impostor(gateway) == held
    async with started(tmp_path, edit=honest) as gateway:
        assert await impostor(gateway) == held, "a restart forgets no doubt"
        monkeypatch.setattr(Impostor, "bare", False)
        monkeypatch.setattr(Impostor, "given_away", False)
        assert await impostor(gateway) == shown
        assert await standing(gateway) is Standing.LINKED
        monkeypatch.setattr(Impostor, "bare", True)
        assert await impostor(gateway) == shown


@pytest.fixture(scope="module")
def own() -> Iterator[databases.OwnServer]:
    with databases.own_server() as server:
        yield server


@pytest.fixture
def server(own: databases.OwnServer) -> Iterator[databases.OwnServer]:
    """A server of this test's own, not started."""
    yield own
    own.stop()


def on(server: databases.OwnServer) -> Any:
    return lambda text: text.replace("[identity]", f'[identity]\nstore = "{server.url}"', 1)


async def ready(gateway: Running) -> tuple[int, str]:
    async with gateway.session.get(f"{gateway.url}/readyz") as response:
        return response.status, (await response.json()).get("reason", "")


async def test_while_the_table_is_away_nothing_is_shown_and_why_is_said(
    tmp_path: Path, server: databases.OwnServer
) -> None:
    await asyncio.to_thread(server.start)
    async with started(tmp_path, edit=on(server)) as gateway:
        record = await gateway.record("allergies { totalCount }")
        assert record["allergies"]["totalCount"] == 9
        assert not (gateway.state_dir / "crossref.sqlite3").exists()
        assert (await ready(gateway))[0] == 200
        await asyncio.to_thread(server.kill)
        query = f'{{ patient(identifier: {{value: "{MICHAEL}"}}) {{ allergies {{ totalCount }} }} }}'
        error = await gateway.refused(query)
        assert error["extensions"]["code"] == "IDENTITY_UNRESOLVED"
        assert "cross-reference table" in error["message"]
        status, reason = await ready(gateway)
        assert (status, "cross-reference table" in reason) == (503, True)
        await asyncio.to_thread(server.start)
        assert await gateway.record("allergies { totalCount }") == record
        assert (await ready(gateway))[0] == 200
