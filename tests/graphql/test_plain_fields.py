"""The estate's answers are the same, read in one go and field by field."""

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from graphql import GraphQLSchema, get_named_type, is_leaf_type

from gateway import plain
from schema.gql.root import build_schema
from schema.model.clinical import SECTIONS
from tests.graphql.conftest import MICHAEL, Running
from tests.support.ledger import everything

FROM = "provenance { source { id name } nativeId author { name } recorded { value } retrieved recordHash }"
OTHERS = {
    "patient": "Patient",
    "links": "Link",
    "careTeamMembers": "CareTeamMember",
    "transfersOfCare": "TransferOfCare",
    "outcomes": "ObservationSeries",
}
SELECTIONS = [
    *(
        f"{name} {{ status sources {{ state gaps {{ kind text }} }} entries {{ nodes {{ {everything(kind.__name__)} "
        f"{FROM} facts {{ {FROM} }} }} }} }}"
        for name, kind in SECTIONS.items()
        if name != "patient"
    ),
    *(f"{name} {{ {everything(kind, 3)} }}" for name, kind in OTHERS.items()),
]


async def test_the_whole_record_is_the_same_in_one_go_and_field_by_field(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults: list[Exception] = []
    readers = 0
    made = plain.Readers.of

    def watched(*of: Any) -> Callable[[Any], Any] | None:
        nonlocal readers
        read = made(*of)
        if read is None:
            return None
        readers += 1

        def reading(source: Any) -> Any:
            try:
                return read(source)
            except Exception as fault:
                faults.append(fault)
                raise

        return reading

    async def record() -> list[Any]:
        return [await gateway.record(selection) for selection in SELECTIONS]

    await record()  # what comes now comes from the cache
    monkeypatch.setattr(plain.Readers, "of", watched)
    in_one_go = await record()
    assert readers > 2 * len(SELECTIONS)
    assert not faults, "an object without a fault went the long way"
    monkeypatch.setattr(plain.Readers, "of", lambda *_: None)
    assert in_one_go == await record()


SCHEMA: GraphQLSchema = build_schema()._schema
WAYS = (
    "{}",
    "{}",
    "... {{ {} }}",
    "... on {kind} {{ {} }}",
    "... @include(if: $no) {{ {} }}",
    "... @skip(if: $no) {{ {} }}",
)


def some(chance: Random, kind: Any, depth: int) -> str:
    """Fields of a type as clients may put them: in any order, renamed, twice, in fragments, left out by a variable."""
    chosen = ["__typename"]
    for name, field in chance.sample(list(kind.fields.items()), min(6, len(kind.fields))):
        inner = get_named_type(field.type)
        for _ in range(chance.choice((1, 1, 2))):
            below = "" if is_leaf_type(inner) else f" {{ {some(chance, inner, depth - 1) if depth else '__typename'} }}"
            renamed = chance.choice(("", "", f"a{chance.getrandbits(60)}: "))
            chosen.append(chance.choice(WAYS).format(f"{renamed}{name}{below}", kind=kind.name))
    return " ".join(chosen)


def any_question(chance: Random) -> str:
    """Two views of one section, which share a fragment."""
    section, fact = chance.choice([pair for pair in SECTIONS.items() if pair[0] != "patient"])
    kind = SCHEMA.type_map[fact.__name__]
    one, other, shared = (some(chance, kind, 3) for _ in range(3))
    return f"""query ($yes: Boolean!, $no: Boolean!) {{
      patient(identifier: {{ value: "{MICHAEL}" }}, deadline: "PT20S") {{
        __typename @include(if: $yes) not: __typename @include(if: $no)
        one: {section} {{ entries {{ nodes {{ {one} ...Shared }} }} }}
        other: {section} {{ entries {{ nodes {{ ...Shared {other} }} }} }} }} }}
      fragment Shared on {kind.name} {{ {shared} }}"""  # type: ignore[attr-defined]


async def test_whatever_is_selected_and_however_both_ways_give_the_same(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = Random(20261123)
    questions = [any_question(chance) for _ in range(30)]

    async def answers() -> list[Any]:
        return [await gateway.ask(question, yes=True, no=False) for question in questions]

    await answers()
    in_one_go = await answers()
    assert [answer["errors"] for answer in in_one_go if "errors" in answer] == []
    monkeypatch.setattr(plain.Readers, "of", lambda *_: None)
    assert in_one_go == await answers()
