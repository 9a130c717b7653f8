"""What the README shows is what a newcomer gets, and nothing in it can be read as its opposite."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.demo import SOURCES
from tests.graphql.conftest import Running

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
QUESTION = json.loads(re.findall(r'^\{"query": .*\}$', README, re.MULTILINE)[0])["query"]
NOT_NAMED = "not named by the source"


@pytest.fixture
async def record(gateway: Running) -> Any:
    answer = await gateway.ask(QUESTION)
    assert "errors" not in answer
    return answer["data"]["patient"]


def displays(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from (value for key, value in node.items() if key == "display")
        node = list(node.values())
    if isinstance(node, list):
        for inner in node:
            yield from displays(inner)


async def test_the_first_question_names_every_allergy_problem_and_medicine(record: Any) -> None:
    shown = list(displays(record))
    assert len(shown) > 60
    assert NOT_NAMED not in shown
    for word in ("penicillin", "Lantus", "Toujeo", "Type 2 diabetes"):
        assert any(word.casefold() in text.casefold() for text in shown), word


async def test_the_first_question_asks_for_whatever_turns_a_fact_into_its_opposite(record: Any) -> None:
    withdrawn = [e for e in record["conditions"]["entries"]["nodes"] if e["enteredInError"]]
    assert [entry["verificationStatus"] for entry in withdrawn] == ["entered-in-error"]
    for entry in record["allergies"]["entries"]["nodes"]:
        assert {"polarity", "verificationStatus", "enteredInError"} <= entry.keys()
    (panel,) = [e for e in record["observations"]["entries"]["nodes"] if e["components"]]
    assert [part["valueQuantity"]["value"] for part in panel["components"]] == ["148", "86"]
    assert any(entry["dataAbsentReason"] for entry in record["observations"]["entries"]["nodes"])


async def test_every_source_of_the_estate_says_something(record: Any) -> None:
    silent = {source["source"]["id"] for source in record["sources"] if not source["facts"]}
    assert silent == {"renal"}, "the old renal database knows nobody"
    assert len(record["sources"]) == len(SOURCES)
