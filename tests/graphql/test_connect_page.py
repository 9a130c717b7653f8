"""docs/how-to/connect.md as it stands: a dropped file becomes a source, and a FHIR server's table is taken."""

from pathlib import Path
from typing import Any

from gateway.config import parse
from gateway.opening import make_adapter, read_settings
from tests.docs.pages import blocks
from tests.graphql import clients
from tests.graphql.conftest import started

PAGE = "how-to/connect.md"
SELECTION = """observations { entries { nodes { code { display } valueQuantity { value unit } when { value }
    provenance { source { id } nativeId } } } } sources { source { id } state code }"""


async def test_a_dropped_file_becomes_a_source_and_one_that_is_gone_is_said_to_be(tmp_path: Path) -> None:
    _, table, job, source, mapping = blocks(PAGE)
    assert [one.language for one in blocks(PAGE)] == ["toml", "csv", "python", "toml", "toml"]

    async def asked() -> tuple[Any, list[Any]]:
        async with started(tmp_path, tokens="", edit=lambda config: config + source.text) as gateway:
            record = await gateway.record(SELECTION)
        (scales,) = [one for one in record["sources"] if one["source"]["id"] == "scales"]
        entries = record["observations"]["entries"]["nodes"]
        return scales, [one for one in entries if {"id": "scales"} in [who["source"] for who in one["provenance"]]]

    (tmp_path / "weighings.csv").write_text(table.text, encoding="utf-8")
    (tmp_path / "weighings.toml").write_text(mapping.text, encoding="utf-8")
    (tmp_path / "drop.py").write_text(job.text, encoding="utf-8")
    await clients.said(tmp_path, "python", "drop.py")
    scales, (weight,) = await asked()
    assert scales["state"] == "OK"
    assert weight["code"]["display"] == "Body weight"
    assert weight["valueQuantity"] == {"value": "84.20", "unit": "kg"}
    assert weight["when"]["value"].startswith("2026-03-02T09:15")
    (tmp_path / "weighings.db").unlink()
    assert await asked() == ({"source": {"id": "scales"}, "state": "UNAVAILABLE", "code": "SOURCE_UNAVAILABLE"}, [])


def test_the_table_of_a_fhir_server_is_taken_as_it_stands() -> None:
    config = parse(blocks(PAGE)[0].text)
    (source,) = config.sources
    assert make_adapter(source, read_settings(config, 0)).source.id == "hospice"
