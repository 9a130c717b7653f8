"""Objects read in one go: the same answer as graphql-core's own way gives, faults and their places included."""

import asyncio
from typing import Any

import pytest
from graphql import (
    GraphQLField,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    Undefined,
    build_schema,
    parse,
)
from graphql.execution import ExperimentalIncrementalExecutionResults, experimental_execute_incrementally
from graphql.execution.incremental import IncrementalExecutor

from gateway.operation import Executor
from schema.gql.derive import PLAIN

SDL = """
type Query { person: Person people: [Person!] }
interface Named { name: String }
scalar Digits
enum Sort { GOOD BAD }
type Dose implements Named { name: String value: Float! sort: Sort! sorts: [Sort] }
type Home { name: String }
type Person implements Named {
  id: ID! name: String age: Int! doses: [Dose!]! best: Dose worst: Dose! other: Named
  tags: [String!] digits: Digits home: Home! said(loudly: Boolean = false): String later: String
}
"""
GOOD = {"name": "Ox", "value": 2.5, "sort": "GOOD", "sorts": ["GOOD", None]}
PERSON = {"id": "a", "name": "Ann", "age": 3, "doses": [GOOD, {**GOOD, "name": None}], "best": None, "worst": GOOD}
PERSON |= {"tags": ["x"], "digits": 1, "home": {"name": "Yew"}, "other": {"__typename": "Dose", **GOOD}, "said": "aye"}
DOSE = "name value sort sorts"
FIELDS = f"id tags digits home {{ name }} name age doses {{ {DOSE} }} best {{ {DOSE} }} worst {{ {DOSE} }}"


def made(*, long_way: bool) -> GraphQLSchema:
    """A schema of plain fields, with one that takes an argument and one that has to be waited for."""
    built = build_schema(SDL)
    for kind in ("Person", "Dose", "Home"):
        for name, field in built.type_map[kind].fields.items():  # type: ignore[attr-defined]
            if name not in ("said", "later"):
                field.extensions[PLAIN] = lambda root, name=name: root[name]
                field.resolve = lambda root, _, name=name: reached(root, name)
    digits: GraphQLScalarType = built.type_map["Digits"]  # type: ignore[assignment]
    digits.coerce_output_value = lambda value: str(value) if value != 0 else Undefined
    dose: GraphQLObjectType = built.type_map["Dose"]  # type: ignore[assignment]
    dose.is_type_of = lambda root, _: root.get("__typename", "Dose") == "Dose"
    person: GraphQLObjectType = built.type_map["Person"]  # type: ignore[assignment]
    later: GraphQLField = person.fields["later"]

    async def wait(_: Any, __: Any) -> str:
        await asyncio.sleep(0)
        return "at last"

    later.resolve = wait

    def reached(root: Any, name: str) -> Any:
        assert long_way, "the long way was taken"
        return root[name]

    return built


async def frames(schema: GraphQLSchema, document: str, root: Any, executor: Any, **variables: Any) -> list[Any]:
    """Everything that is answered, part by part."""
    result: Any = experimental_execute_incrementally(
        schema, parse(document), root, variable_values=variables, executor_class=executor
    )
    if asyncio.iscoroutine(result):
        result = await result
    if isinstance(result, ExperimentalIncrementalExecutionResults):
        return [result.initial_result.formatted, *[part.formatted async for part in result.subsequent_results]]
    return [result.formatted]


async def same(document: str, person: Any, **variables: Any) -> list[Any]:
    """The answer, once it is shown that both ways give it."""
    root = {"person": person, "people": [PERSON, person, PERSON]}
    ours = await frames(made(long_way=True), document, root, Executor, **variables)
    assert ours == await frames(made(long_way=True), document, root, IncrementalExecutor, **variables)
    return ours


@pytest.mark.parametrize(
    "selection",
    [
        FIELDS,
        "__typename kind: __typename worst { __typename }",
        "a: name b: name name worst { name } worst { again: name value }",
        "...F ... on Person { age } ... on Named { name }",
        "name @skip(if: $yes) age @include(if: $yes) worst { name @include(if: $no) value }",
    ],
)
async def test_plain_fields_are_read_in_one_go_as_graphql_would_read_them(selection: str) -> None:
    document = f"query ($yes: Boolean!, $no: Boolean!) {{ person {{ {selection} }} people {{ {selection} }} }}"
    document += " fragment F on Person { id best { sort } doses { name } }" if "...F" in selection else ""
    answer = await same(document, PERSON, yes=True, no=False)
    root = {"person": PERSON, "people": [PERSON, PERSON, PERSON]}
    assert await frames(made(long_way=False), document, root, Executor, yes=True, no=False) == answer
    assert "errors" not in answer[0]


@pytest.mark.parametrize(
    "selection",
    [
        "name said",
        "name said(loudly: true) worst { name }",
        "name later doses { name }",
        "other { name ... on Dose { value } } name",
        'name ... @defer(label: "late") { age doses { name } }',
        "worst { name ... @defer { value } } ... @defer { worst { sort } }",
        "worst { name value } ... @defer { worst { name value sort } name }",
        "doses @stream(initialCount: 1) { name }",
        "... @defer { worst { name } } ... @defer { worst { name value } }",
    ],
)
async def test_what_is_not_plain_goes_the_long_way(selection: str) -> None:
    answer = await same(f"{{ person {{ {selection} }} }}", PERSON)
    assert not any("errors" in part for part in answer)


WRONG: dict[str, Any] = {
    "null where none may be": {"age": None},
    "no number": {"age": "many"},
    "no text": {"name": 7},
    "no text of any kind": {"name": {"a": 1}},
    "a value outside the enum": {"worst": {**GOOD, "sort": "UGLY"}},
    "an enum's list with a stranger": {"worst": {**GOOD, "sorts": ["GOOD", "UGLY"]}},
    "null in a list of what is never null": {"doses": [GOOD, None, GOOD]},
    "no list": {"doses": "GOOD"},
    "a text where a list must be": {"tags": "xy"},
    "an object of another type": {"worst": {**GOOD, "__typename": "Person"}},
    "nothing where an object must be": {"worst": None},
    "nothing where an object of one type alone must be": {"home": None},
    "a field that fails": {"worst": {}},
    "a fault as a value": {"name": ValueError("broken")},
    "a fault as the value of a scalar that takes any": {"digits": ValueError("broken")},
    "a value that its scalar does not know": {"digits": 0},
    "a fault as an object": {"home": ValueError("broken")},
    "a fault in a list of objects": {"doses": [GOOD, ValueError("broken")]},
    "a list of another kind": {"doses": {"one": GOOD}.values()},
    "deep in a list": {"doses": [GOOD, {**GOOD, "value": "x"}]},
    "two at once": {"name": {"a": 1}, "best": {**GOOD, "value": None}},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
@pytest.mark.parametrize("document", ["{ person { %s } }", "{ people { %s } }"])
@pytest.mark.parametrize("selection", [FIELDS, "doses { __typename } worst { __typename } home { __typename }"])
async def test_a_fault_is_told_as_graphql_tells_it(document: str, selection: str, wrong: dict[str, Any]) -> None:
    await same(document % selection, PERSON | wrong)


@pytest.mark.parametrize("wrong", [WRONG["a value outside the enum"], WRONG["deep in a list"]])
async def test_a_fault_in_a_deferred_part_is_told_there(wrong: dict[str, Any]) -> None:
    answer = await same(f"{{ person {{ name ... @defer {{ {FIELDS} }} }} }}", PERSON | wrong)
    assert "errors" not in answer[0]
    assert any("errors" in done for part in answer[1:] for done in part.get("completed", ()))
