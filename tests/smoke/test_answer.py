"""The smoke test's own judgement: it must not call an answer whole that is not."""

import copy
import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


def _loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("smoke_answer", Path(__file__).with_name("answer.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


answer = _loaded()
LISTED = {"data": {"sources": [{"id": "gp", "name": "The practice"}, {"id": "epr", "name": "The hospital"}]}}
WHOLE: dict[str, Any] = {
    "data": {
        "patient": {
            "allergies": {"entries": {"edges": [{"node": {"provenance": [{"source": {"name": "The practice"}}]}}]}},
            "sources": [
                {"source": {"id": "gp"}, "state": "OK", "code": None, "facts": 3},
                {"source": {"id": "epr"}, "state": "PARTIAL", "code": None, "facts": 1},
            ],
        }
    }
}


def test_an_answer_in_which_every_source_spoke_is_whole() -> None:
    assert answer.judge(WHOLE, LISTED) == []


def _with_renal(code: str) -> tuple[dict[str, Any], dict[str, Any]]:
    said, listed = copy.deepcopy(WHOLE), copy.deepcopy(LISTED)
    status = {"source": {"id": "renal"}, "state": "NOT_LINKED", "code": code, "facts": 0}
    said["data"]["patient"]["sources"].append(status)
    listed["data"]["sources"].append({"id": "renal", "name": "Old renal database"})
    return said, listed


def test_the_system_that_knows_nobody_has_answered_when_it_says_so() -> None:
    assert answer.judge(*_with_renal("PATIENT_NOT_FOUND")) == []
    assert answer.judge(*_with_renal("SOURCE_TIMEOUT"))


def _silent(said: dict[str, Any]) -> None:
    said["data"]["patient"]["sources"][1]["facts"] = 0


def _late(said: dict[str, Any]) -> None:
    said["data"]["patient"]["sources"][1]["state"] = "PENDING"


def _unnamed(said: dict[str, Any]) -> None:
    del said["data"]["patient"]["sources"]


def _nobody(said: dict[str, Any]) -> None:
    said["data"]["patient"] = None


def _error(said: dict[str, Any]) -> None:
    said["errors"] = [{"message": "no"}]


@pytest.mark.parametrize("spoil", [_silent, _late, _unnamed, _nobody, _error])
def test_an_answer_that_lacks_a_source_is_not_whole(spoil: Callable[[dict[str, Any]], None]) -> None:
    said = copy.deepcopy(WHOLE)
    spoil(said)
    assert answer.judge(said, LISTED)


def test_an_estate_of_one_is_no_estate() -> None:
    assert answer.judge(WHOLE, {"data": {"sources": LISTED["data"]["sources"][:1]}})


def test_the_question_is_the_first_block_with_curl_on_the_port_that_is_served(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text(
        "```bash\nmake demo\n```\ntext\n```json\n{}\n```\n```bash\ncurl http://localhost:8000/graphql\n```\n"
        "```bash\ncurl http://localhost:8000/other\n```\n",
        encoding="utf-8",
    )
    assert answer.question(page, 4321) == "curl http://localhost:4321/graphql\n"


@pytest.mark.parametrize("text", ["no block", "```bash\nmake\n```\n", "```bash\ncurl http://example.org/\n```\n"])
def test_a_readme_without_a_question_is_refused(text: str, tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text(text, encoding="utf-8")
    with pytest.raises(SystemExit):
        answer.question(page, 4321)
