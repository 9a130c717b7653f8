"""docs/how-to/trusted-documents.md as it stands: the manifest is made, named in the configuration, and asked from."""

import json
from pathlib import Path

import pytest

from tests.docs.pages import HERE, blocks
from tests.graphql import clients
from tests.graphql.conftest import started

BLOCKS = blocks("how-to/trusted-documents.md")


async def test_the_manifest_is_made_named_and_asked_from_as_on_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    makes, document, table, named, carried = BLOCKS
    assert [block.language for block in BLOCKS] == ["python", "graphql", "toml", "bash", "bash"]
    (tmp_path / "queries").mkdir()
    (tmp_path / "queries" / "medicines.graphql").write_text(document.text, encoding="utf-8")
    (tmp_path / "make.py").write_text(makes.text, encoding="utf-8")
    await clients.said(tmp_path, "python", "make.py")
    # The viewer's manifest is there only where npm built it; tests/browser asks by it.
    own = table.text.replace(', "gateway:built/documents.json"', "")
    assert own != table.text
    async with started(tmp_path, tokens="", edit=lambda config: own + config) as gateway:

        async def answer(script: str) -> dict[str, object]:
            assert HERE in script
            said = await clients.said(tmp_path, "bash", "-euo", "pipefail", "-c", script.replace(HERE, gateway.url))
            return json.loads(said)  # type: ignore[no-any-return]

        asked = await answer(named.text)
        refused = await answer(carried.text)
    assert "errors" not in asked
    assert '"totalCount": 26' in json.dumps(asked)
    assert "DOCUMENT_NOT_TRUSTED" in json.dumps(refused)
