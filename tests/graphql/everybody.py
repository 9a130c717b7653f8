"""Everybody but Michael in the estate: what was judged by hand of each, and a question that asks for all there is."""

import json
import tomllib
from pathlib import Path
from typing import Any

from graphql import get_named_type, is_leaf_type, is_required_argument

from schema.gql.root import build_schema
from schema.model.clinical import SECTIONS
from tests.graphql.conftest import Running

OTHERS: dict[str, Any] = tomllib.loads(
    (Path(__file__).parents[1] / "ledger" / "others.toml").read_text(encoding="utf-8")
)
"""The safe behaviours, written from the raw records alone."""
PEOPLE: dict[str, dict[str, Any]] = {
    person["identifier"]: person
    for person in OTHERS["person"]
    if "identifier" in person and person["elsewhere"] != "generated"
}
UNRESOLVED: list[dict[str, Any]] = [person for person in OTHERS["person"] if "asked_by" in person]
NHS_NUMBER = "https://fhir.nhs.uk/Id/nhs-number"
_SCHEMA = build_schema()._schema
_PATIENT = 'query ($who: IdentifierInput!) { patient(identifier: $who, deadline: "PT20S") { %s } }'


def everything(type_name: str, depth: int = 6) -> str:
    """A selection of every field below a type that can be asked for without an argument."""
    kind: Any = _SCHEMA.type_map[type_name]
    chosen = []
    for name, field in kind.fields.items():
        inner = get_named_type(field.type)
        if any(map(is_required_argument, field.args.values())):
            continue
        if is_leaf_type(inner):
            chosen.append(name)
        elif depth and (below := everything(inner.name, depth - 1)):
            chosen.append(f"{name} {{ {below} }}")
    return " ".join(chosen)


def _section(name: str) -> str:
    facts = f"facts {{ {everything(f'{SECTIONS[name].__name__}Fact')} }}"
    nodes = f"id related conflicts {{ {everything('Conflict')} }} {facts}"
    of_it = f"status emptyReason totalCount sources {{ {everything('SectionSource')} }}"
    return f"{name} {{ {of_it} entries(first: 1000) {{ nodes {{ {nodes} }} }} }}"


WHOLE = " ".join(
    [
        f"identifier {{ {everything('Identifier')} }}",
        f"patient {{ {everything('Patient', 4)} facts {{ {everything('PatientFact')} }} }}",
        f"links {{ {everything('Link')} }} sources {{ {everything('SourceStatus')} }}",
        *map(_section, SECTIONS),
    ]
)


async def raw(gateway: Running, number: str, *, system: str = NHS_NUMBER, selection: str = WHOLE) -> str:
    """The answer as it came over the wire."""
    body = {"query": _PATIENT % selection, "variables": {"who": {"system": system, "value": number}}}
    async with gateway.session.post(f"{gateway.url}/graphql", json=body, headers=gateway.headers) as response:
        assert response.status == 200
        return await response.text()


async def whole(gateway: Running, number: str) -> tuple[dict[str, Any], str]:
    """All there is about a person, and the words in which it came."""
    text = await raw(gateway, number)
    answer = json.loads(text)
    assert "errors" not in answer, answer["errors"]
    return answer["data"]["patient"], text


def facts(record: dict[str, Any], *sections: str) -> dict[str, dict[str, Any]]:
    """Each fact of these sections, or of all, by the source and its own id: `pas:Encounter/OP25-1190`."""
    return {
        f"{fact['provenance']['source']['id']}:{fact['provenance']['nativeId']}": fact
        for name in sections or SECTIONS
        for entry in record[name]["entries"]["nodes"]
        for fact in entry["facts"]
    }


def source_of(record: dict[str, Any], source: str) -> dict[str, Any]:
    """What became of one source."""
    (found,) = (each for each in record["sources"] if each["source"]["id"] == source)
    return found


def links_of(record: dict[str, Any], source: str) -> list[dict[str, Any]]:
    """What was decided of the records of one source."""
    return [link for link in record["links"] if link["source"]["id"] == source]
