"""A source that only listens: what a laboratory sent is in the record, with the beginning of what it knows."""

from datetime import UTC, datetime
from pathlib import Path

from adapters.demo.clock import render
from adapters.hl7v2.feed import FeedSettings, SqliteStore, listening
from tests.graphql.conftest import CLOCK, started
from tests.support.mllp_sender import Sender

MESSAGES = Path(__file__).parents[2] / "adapters" / "demo" / "whole" / "lab"


async def test_what_the_laboratory_sent_is_in_the_record_and_says_since_when_it_listens(tmp_path: Path) -> None:
    path = tmp_path / "lab.sqlite3"
    store = SqliteStore(path, lambda: datetime(2026, 3, 17, 2, 0, tzinfo=UTC))
    try:
        async with listening(FeedSettings(store=path), store) as port, Sender(port) as laboratory:
            for file in sorted(MESSAGES.glob("*.hl7")):
                message = render(file.read_text(encoding="utf-8"), CLOCK).strip().replace("\n", "\r")
                code, _ = await laboratory.send(f"{message}\r".encode())
                assert code in ("AA", "CA"), file.name
    finally:
        await store.close()
    source = f"""
[[sources]]
id = "lab"
name = "Pathology"
organization = "Ravensbrook Hospital"
adapter = "adapters.hl7v2.feed:Hl7v2FeedAdapter"
timezone = "Europe/London"
[sources.settings]
store = "{path}"
messages = ["ADT", "ORU"]
expected_silence_s = 999999999
"""
    selection = """
        observations { entries(first: 1000) { nodes { provenance { source { id } } } } }
        sources { source { id } state facts completeFrom { earliest } }
    """
    async with started(tmp_path, edit=lambda text: text + source) as gateway:
        record = await gateway.record(selection)
    (lab,) = [s for s in record["sources"] if s["source"]["id"] == "lab"]
    said = [p["source"]["id"] for e in record["observations"]["entries"]["nodes"] for p in e["provenance"]]
    assert lab["facts"] > 10, lab
    assert said.count("lab") > 5
    assert lab["completeFrom"]["earliest"].startswith("2026-03-17T02:00")
