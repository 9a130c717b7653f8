"""Maps and a terminology server behind the whole gateway: what they join, and what is said of it."""

import asyncio
import json
from pathlib import Path

from adapters.demo import SECRETS
from gateway.checking import check_sources
from gateway.cli import out
from gateway.config import load
from tests.graphql.conftest import Running, started
from tests.support.estate import ESTATE
from tests.support.terminology_server import TerminologyServer, match, terminology_server

CEILING_S = 60
MAP = json.loads((ESTATE / "codes.json").read_text(encoding="utf-8"))
LISTED = 'concept_maps = ["adapters.demo:estate/codes.json"]'
ASKED = "observations { totalCount entries(first: 1000) { nodes { id facts { id } } } } conditions { totalCount }"
USED = "terminology { version maps { name version date } translates untranslated }"


def fill(server: TerminologyServer) -> None:
    """The estate's map, behind the server."""
    for group in MAP["group"]:
        for element in group["element"]:
            matches = [match(target["code"], target["equivalence"], group["target"]) for target in element["target"]]
            server.maps[group["source"], element["code"]] = matches


def translating(text: str, server: TerminologyServer, wait: str) -> str:
    """The estate's configuration with a terminology server in place of the map."""
    own = json.dumps([group["source"] for group in MAP["group"] if "read.info" not in group["source"]])
    assert LISTED in text
    table = f'[terminology.server]\nbase_url = "{server.base_url}"\nwait = "{wait}"\nsystems = {own}\n'
    return f"{text.replace(LISTED, '')}\n{table}"


async def counts(up: Running) -> tuple[int, int]:
    record = await up.record(ASKED)
    return record["observations"]["totalCount"], record["conditions"]["totalCount"]


async def test_the_answer_names_the_lists_and_maps_by_which_it_was_merged(gateway: Running) -> None:
    used = (await gateway.record(f"allergies {{ totalCount }} {USED}"))["terminology"]
    assert used == {
        "version": gateway.service.translator.terms.version,
        "maps": [{"name": MAP["url"], "version": MAP["version"], "date": MAP["date"]}],
        "translates": False,
        "untranslated": 0,
    }


async def test_what_the_server_says_in_time_joins_facts_and_what_is_late_joins_them_the_next_time(
    tmp_path: Path, gateway: Running
) -> None:
    mapped = await counts(gateway)
    hold = asyncio.Event()
    async with asyncio.timeout(CEILING_S), terminology_server() as server:
        fill(server)
        server.faults.hold = hold
        (tmp_path / "late").mkdir()
        async with started(tmp_path / "late", edit=lambda text: translating(text, server, "100ms")) as up:
            late = await up.record(f"{ASKED} {USED}")  # answered while the server is held open
            assert late["terminology"]["untranslated"] > 0
            assert late["observations"]["totalCount"] > mapped[0]
            assert late["conditions"]["totalCount"] >= mapped[1]
            again = await up.record(ASKED)
            assert again["observations"] == late["observations"], "while nothing is learned nothing changes"
            hold.set()
            while up.service.translator._flights:
                await asyncio.sleep(0.01)
            settled = await up.record(f"{ASKED} {USED}")
            assert settled["terminology"] == {**late["terminology"], "translates": True, "untranslated": 0}
            assert (settled["observations"]["totalCount"], settled["conditions"]["totalCount"]) == mapped
            one, other = (
                sorted(fact["id"] for entry in record["observations"]["entries"]["nodes"] for fact in entry["facts"])
                for record in (late, settled)
            )
            assert one == other, "no fact is lost or made by a translation"


async def test_with_the_server_away_the_whole_record_is_there_unjoined_and_the_answer_says_so(tmp_path: Path) -> None:
    async with asyncio.timeout(CEILING_S), terminology_server() as server:
        server.faults.down = True
        async with started(tmp_path, edit=lambda text: translating(text, server, "5s")) as up:
            rest = "discrepancies { nodes { kind } } sources { source { id } state } observations { status }"
            record = await up.record(f"{USED} {rest}")
            assert record["terminology"]["untranslated"] > 0
            assert "CANNOT_TELL" in {found["kind"] for found in record["discrepancies"]["nodes"]}
            assert {s["state"] for s in record["sources"] if s["source"]["id"] in ("lab", "liver")} == {"OK"}


async def test_check_names_each_map_and_every_contradiction_and_asks_the_terminology_server(tmp_path: Path) -> None:
    def contradicted(text: str, server: TerminologyServer) -> str:
        lines = [{"code": "ALT", "target": [{"code": "1018251000000107", "equivalence": "disjoint"}]}]
        group = {**MAP["group"][0], "element": lines}
        other = {"resourceType": "ConceptMap", "url": "urn:other-map", "version": "7", "date": "2026", "group": [group]}
        (tmp_path / "other.json").write_text(json.dumps(other), encoding="utf-8")
        listed = LISTED.replace("]", ', "*.json"]')
        return f'{text.replace(LISTED, listed)}\n[terminology.server]\nbase_url = "{server.base_url}"\n'

    async with (
        asyncio.timeout(CEILING_S),
        terminology_server() as server,
        started(tmp_path, edit=lambda text: contradicted(text, server)),
    ):
        config = load(tmp_path / "gateway.toml")
        with out.capture() as said:
            assert await check_sources(config, out)
        text = " ".join(said.get().split())
        assert f"Concept map: {MAP['url']}, version 1 of {MAP['date']}" in text
        assert "Concept map: urn:other-map, version 7 of 2026, 1 lines" in text
        assert "contradict each other" in text
        assert "Terminology server: ok" in text
        server.faults.down = True
        with out.capture() as said:
            assert not await check_sources(config, out)
        assert "Terminology server: failed: SOURCE_UNAVAILABLE" in said.get()
        assert not any(secret in said.get() for secret in SECRETS.values())
