"""Sherwood as a subgraph: entities by their key, under the same access, audit and limits as a worklist."""

import asyncio
import re
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from adapters.sdk import NHS_NUMBER
from schema.gql.federation import print_sdl_of_subgraph
from schema.gql.root import print_sdl
from tests.graphql import clients
from tests.graphql.conftest import DESK, MICHAEL, WARD, Running, started
from tests.graphql.test_cli import sherwood
from tests.graphql.test_worklist import MISTYPED, NOBODY, OTHER

CEILING_S = 60
PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "federation.md").read_text("utf-8")
(EXTENSION,) = re.findall(r"^```graphql\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
(SETTING,) = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
ENTITIES = """query($who: [_Any!]!) { _entities(representations: $who) { __typename ... on PatientRecord {
  identifier { system value } patient { names { family } } medications { totalCount } } } }"""
SERVICE = "{ _service { sdl } }"


@pytest.fixture
async def subgraph(tmp_path: Path) -> AsyncIterator[Running]:
    async with started(tmp_path, edit=lambda config: SETTING + config) as up:
        yield up


def key(*numbers: str) -> list[dict[str, Any]]:
    return [
        {"__typename": "PatientRecord", "identifier": {"system": NHS_NUMBER, "value": number}} for number in numbers
    ]


def trail(gateway: Running) -> list[tuple[str, str, str]]:
    with closing(sqlite3.connect(gateway.service.config.audit_path)) as db:
        rows = db.execute("SELECT kind, patient, detail FROM trail WHERE kind != 'identity' ORDER BY sequence")
        return [(kind, patient[-10:], detail) for kind, patient, detail in rows]


async def test_each_entity_stands_in_its_place_and_says_what_its_own_question_says(subgraph: Running) -> None:
    answer = await subgraph.ask(ENTITIES, who=key(MICHAEL, OTHER, MICHAEL))
    assert "errors" not in answer
    people = answer["data"]["_entities"]
    assert [one["identifier"]["value"] for one in people] == [MICHAEL, OTHER, MICHAEL]
    assert people[0] == people[2] != people[1]
    alone = await subgraph.record("patient { names { family } } medications { totalCount }", number=OTHER)
    assert {name: people[1][name] for name in alone} == alone


async def test_who_cannot_be_shown_is_null_with_an_error_of_their_own_and_costs_the_others_nothing(
    subgraph: Running,
) -> None:
    answer = await subgraph.ask(ENTITIES, who=key(NOBODY, MICHAEL, MISTYPED))
    assert [one and one["identifier"]["value"] for one in answer["data"]["_entities"]] == [None, MICHAEL, None]
    told = {error["path"][1]: error["extensions"]["code"] for error in answer["errors"]}
    assert told == {0: "PATIENT_NOT_FOUND", 2: "IDENTIFIER_INVALID"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"__typename": "Patient", "identifier": {"system": NHS_NUMBER, "value": MICHAEL}},
        {"identifier": {"system": NHS_NUMBER, "value": MICHAEL}},
        {"__typename": "PatientRecord"},
        {"__typename": "PatientRecord", "identifier": {"value": MICHAEL}},
        {"__typename": "PatientRecord", "identifier": {"system": None, "value": MICHAEL}},
        {"__typename": "PatientRecord", "identifier": {"system": NHS_NUMBER, "value": int(MICHAEL)}},
        {"__typename": "PatientRecord", "identifier": [MICHAEL]},
        MICHAEL,
        17,
    ],
)
async def test_a_representation_without_a_whole_key_names_nobody(subgraph: Running, wrong: Any) -> None:
    answer = await subgraph.ask(ENTITIES, who=[wrong, *key(MICHAEL)])
    (error,) = answer["errors"]
    assert (error["path"], error["extensions"]["code"]) == (["_entities", 0], "REPRESENTATION_INVALID")
    assert MICHAEL not in error["message"]
    assert [one and one["identifier"]["value"] for one in answer["data"]["_entities"]] == [None, MICHAEL]


async def test_a_representation_may_be_written_into_the_document(subgraph: Running) -> None:
    written = f'{{__typename: "PatientRecord", identifier: {{system: "{NHS_NUMBER}", value: "{MICHAEL}"}}}}'
    question = f"{{ _entities(representations: [{written}]) {{ ... on PatientRecord {{ identifier {{ value }} }} }} }}"
    answer = await subgraph.ask(question)
    assert answer["data"]["_entities"] == [{"identifier": {"value": MICHAEL}}]


async def test_each_entity_asked_about_and_shown_is_in_the_audit_trail(subgraph: Running) -> None:
    await subgraph.ask(ENTITIES, who=key(MICHAEL, NOBODY, OTHER))
    counted = Counter((kind, patient) for kind, patient, _ in trail(subgraph))
    assert counted == {
        ("access", MICHAEL): 1,
        ("access", NOBODY): 1,
        ("access", OTHER): 1,
        ("refusal", NOBODY): 1,
        ("disclosure", MICHAEL): 1,
        ("disclosure", OTHER): 1,
    }


async def test_an_entity_shows_a_caller_no_more_than_the_same_question_in_person(subgraph: Running) -> None:
    desk = {"Authorization": f"Bearer {DESK}"}
    asked = "sources { source { id } } medications { sources { source { id } } entries { nodes { id } } }"
    question = ENTITIES.replace("medications { totalCount }", asked)
    (entity,) = (await subgraph.ask(question, headers=desk, who=key(MICHAEL)))["data"]["_entities"]
    record = await subgraph.record(asked, headers=desk)
    assert {name: entity[name] for name in record} == record
    assert "telehealth" not in str(entity), "the desk may not ask it"
    refused = {"Sherwood-Purpose": "MARKETING"}
    answer = await subgraph.ask(ENTITIES, headers=desk | refused, who=key(MICHAEL, OTHER))
    assert answer["data"]["_entities"] == [None, None]
    assert {error["extensions"]["code"] for error in answer["errors"]} == {"ACCESS_DENIED"}


async def test_one_request_asks_about_fifty_entities_at_most(subgraph: Running) -> None:
    answer = await subgraph.ask(ENTITIES, who=key(*[MICHAEL] * 51))
    (error,) = answer["errors"]
    assert (error["path"], error["extensions"]["code"]) == (["_entities"], "ARGUMENT_INVALID")
    assert trail(subgraph) == [], "nobody was asked about"


async def test_a_router_finds_nothing_to_ask_unless_it_is_switched_on(gateway: Running) -> None:
    for question in (SERVICE, ENTITIES):
        errors = (await gateway.ask(question, who=[]))["errors"]
        assert {error["extensions"]["code"] for error in errors} == {"GRAPHQL_INVALID"}
    types = await gateway.ask("{ __schema { types { name } } }")
    assert not {"_Any", "_Entity", "_Service"} & {kind["name"] for kind in types["data"]["__schema"]["types"]}


async def test_the_subgraph_tells_its_schema_as_the_command_prints_it(subgraph: Running) -> None:
    sdl = (await subgraph.ask(SERVICE))["data"]["_service"]["sdl"]
    assert sdl == await sherwood("schema", "--federation") == print_sdl_of_subgraph()
    assert 'type PatientRecord @key(fields: "identifier { system value }") {' in sdl
    without = sdl.partition("\n\n")[2].replace(' @key(fields: "identifier { system value }")', "")
    assert without.replace(" @shareable", "") == print_sdl(), "and nothing else is told than to anybody"


async def test_without_introspection_entities_are_resolved_and_the_schema_is_not_told(tmp_path: Path) -> None:
    async with started(tmp_path, edit=lambda config: f"{SETTING}introspection = false\n{config}") as up:
        assert (await up.refused(SERVICE))["extensions"]["code"] == "GRAPHQL_INVALID"
        (entity,) = (await up.ask(ENTITIES, who=key(MICHAEL)))["data"]["_entities"]
        assert entity["identifier"]["value"] == MICHAEL


async def through_a_router(subgraph: Running, query: str) -> Any:
    """The answer of Apollo's own gateway over Sherwood and the subgraph that the page shows."""
    arguments = (f"{subgraph.url}/graphql", WARD, EXTENSION, ",".join((MICHAEL, NOBODY, OTHER)), query)
    async with asyncio.timeout(CEILING_S), clients.run("federation.mjs", *arguments) as lines:
        composed, *answers = [line async for line in lines]
    assert composed["errors"] == []
    (answer,) = answers
    return answer


async def test_a_router_goes_from_another_subgraph_to_the_record_in_one_request(subgraph: Running) -> None:
    selection = "patient { names { family } } medications { totalCount } bed"
    query = f'{{ ward(name: "A") {{ name page {{ hasNextPage }} lies {{ identifier {{ value }} {selection} }} }} }}'
    answer = await through_a_router(subgraph, query)
    assert answer["asked"] == {"sherwood": 1, "ward": 1}
    first, unknown, last = answer["data"]["ward"]
    assert (first["lies"]["identifier"]["value"], last["lies"]["identifier"]["value"]) == (MICHAEL, OTHER)
    for each, number in ((first, MICHAEL), (last, OTHER)):
        alone = await subgraph.record("patient { names { family } } medications { totalCount }", number=number)
        assert {name: each["lies"][name] for name in alone} == alone
    assert unknown["lies"] is None, "`medications` is never null, so where it is not known nothing is made up"
    assert "PATIENT_NOT_FOUND" in str(answer["errors"])


async def test_a_router_goes_from_the_record_to_what_another_subgraph_adds(subgraph: Running) -> None:
    query = f'{{ patient(identifier: {{value: "{OTHER}"}}) {{ identifier {{ value }} bed allergies {{ status }} }} }}'
    answer = await through_a_router(subgraph, query)
    assert answer["errors"] == []
    assert answer["data"]["patient"]["bed"] == "bed 3"
    assert answer["data"]["patient"]["allergies"]["status"]
    assert answer["asked"] == {"sherwood": 1, "ward": 1}
