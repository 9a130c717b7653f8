"""Clients that store by id put nothing in another's place: Relay by the id alone, Apollo Client by type and id."""

import json
from typing import Any

import pytest
from graphql import build_schema, get_named_type, is_required_argument

from tests.graphql import clients
from tests.graphql.conftest import MICHAEL, Running

SCHEMA = build_schema((clients.WEB.parent / "schema" / "schema.graphql").read_text("utf-8"))
DEEPEST = 7
OTHER = "9996281949"


def everything(kind: Any, depth: int = DEEPEST, within: tuple[str, ...] = ()) -> str | None:
    """A selection of every field of a type; None where it goes too deep, or round in a circle."""
    named = get_named_type(kind)
    if not hasattr(named, "fields"):
        return ""
    if depth == 0 or named.name in within:
        return None
    inner = {
        name: everything(field.type, depth - 1, (*within, named.name))
        for name, field in named.fields.items()
        if not any(is_required_argument(argument) for argument in field.args.values())
    }
    return "{ __typename " + " ".join(f"{name} {below}" for name, below in inner.items() if below is not None) + " }"


class Store:
    """What a client that stores by id alone would hold, and what was put in another's place."""

    def __init__(self) -> None:
        self.held: dict[str, Any] = {}
        self.overwritten: list[str] = []

    def put(self, answer: Any) -> None:
        if isinstance(answer, dict):
            if "id" in answer:
                known = self.held.setdefault(answer["id"], answer)
                if not agree(known, answer):
                    self.overwritten.append(f"{known['__typename']} by {answer['__typename']}")
            answer = list(answer.values())
        if isinstance(answer, list):
            for part in answer:
                self.put(part)


def agree(one: Any, other: Any) -> bool:
    """Whether they say the same wherever both say something: each was asked for other fields."""
    if isinstance(one, dict) and isinstance(other, dict):
        return all(agree(one[name], other[name]) for name in one.keys() & other.keys())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(agree, one, other))
    return bool(one == other)


@pytest.mark.parametrize("number", [MICHAEL, OTHER])
async def test_an_id_names_one_thing_wherever_it_stands_in_the_record(gateway: Running, number: str) -> None:
    store = Store()
    record: Any = SCHEMA.type_map["PatientRecord"]
    await gateway.record("identifier { value }", number=number)
    for name, field in record.fields.items():
        store.put(await gateway.record(f"{name} {everything(field.type)}", number=number))
    assert len(store.held) > 20
    assert store.overwritten == []


def test_a_store_notices_what_takes_another_ones_place() -> None:
    store = Store()
    store.put(json.loads('[{"id": "1", "__typename": "A", "x": [1]}, {"id": "1", "__typename": "A", "y": 2}]'))
    assert store.overwritten == []
    store.put({"id": "1", "__typename": "A", "x": [2]})
    assert store.overwritten == ["A by A"]
