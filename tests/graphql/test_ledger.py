"""The answer about Michael equals the ledger written by hand before the code: facts, merges, conflicts, gaps, links."""

import tomllib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from graphql import get_named_type, is_leaf_type

from schema.gql.root import build_schema
from schema.model.clinical import FACT_TYPES, SECTIONS
from tests.graphql.conftest import Running

LEDGER = tomllib.loads((Path(__file__).parents[1] / "ledger" / "michael.toml").read_text(encoding="utf-8"))
SCHEMA = build_schema()._schema
FACT_TYPES_BY_SECTION = {fact.section: name for name, fact in FACT_TYPES.items()}
_WHO = "provenance { source { id } nativeId }"
_STATED = "provenance { source { id } nativeId recorded { value earliest } author { name role organization } }"
_ENTRY = (
    f"id related {_WHO} conflicts {{ field withIds claims {{ source {{ id }} factId value }} }} facts {{ id {_WHO} }}"
)
WHOLE = (
    f"patient {{ {_ENTRY} }} "
    + " ".join(
        f"{name} {{ status totalCount entries(first: 1000) {{ nodes {{ {_ENTRY} }} }} "
        "sources { source { id } state gaps { kind factType count } } }"
        for name in SECTIONS
    )
    + " links { source { id } localId grade status } sources { source { id } state code facts }"
)


@pytest.fixture
async def answer(gateway: Running) -> Any:
    return await gateway.record(WHOLE)


def entries(answer: Any, section: str) -> list[Any]:
    return [answer["patient"]] if section == "patient" else answer[section]["entries"]["nodes"]


def named(provenance: Any) -> str:
    return f"{provenance['source']['id']}:{provenance['nativeId']}"


def members(entry: Any) -> frozenset[str]:
    return frozenset(map(named, entry["provenance"]))


def all_sections() -> list[str]:
    return ["patient", *SECTIONS]


async def test_every_fact_of_every_source_is_there_and_no_other(answer: Any) -> None:
    told = {m for section in all_sections() for entry in entries(answer, section) for m in members(entry)}
    assert told == {fact["id"] for fact in LEDGER["fact"]}


async def test_facts_are_merged_as_the_ledger_merges_them(answer: Any) -> None:
    for section in all_sections():
        told = {members(entry) for entry in entries(answer, section)}
        assert told == {frozenset(m["facts"]) for m in LEDGER["merged"] if m["section"] == section}, section


async def test_totals_are_the_ones_counted_by_hand(answer: Any) -> None:
    totals = LEDGER["totals"]
    assert sum(source["facts"] for source in answer["sources"]) == totals["facts"]
    assert {s["source"]["id"]: s["facts"] for s in answer["sources"]} == totals["facts_by_source"]
    assert {name: len(entries(answer, name)) for name in all_sections()} == totals["merged_by_section"]


async def test_conflicts_are_the_ledgers_with_each_claim_and_its_source(answer: Any) -> None:
    told, written = set(), set()
    for section in all_sections():
        by_fact = {f["id"]: named(f["provenance"]) for entry in entries(answer, section) for f in entry["facts"]}
        for entry in entries(answer, section):
            for conflict in entry["conflicts"]:
                claims = frozenset((by_fact[claim["factId"]], claim["value"]) for claim in conflict["claims"])
                told.add((section, conflict["field"], claims))
    for conflict in LEDGER["conflict"]:
        written.add((conflict["section"], conflict["field"], frozenset(conflict["claims"].items())))
    assert told == written


async def test_each_side_of_a_conflict_names_the_other(answer: Any) -> None:
    for section in all_sections():
        by_id = {entry["id"]: entry for entry in entries(answer, section)}
        for entry in by_id.values():
            for conflict in entry["conflicts"]:
                for other in conflict["withIds"]:
                    back = [c for c in by_id[other]["conflicts"] if c["field"] == conflict["field"]]
                    assert back, (section, conflict["field"])
                    assert entry["id"] in back[0]["withIds"]


async def test_soft_links_of_the_ledger_are_proposed_and_nothing_is_merged_by_them(answer: Any) -> None:
    for link in LEDGER["softlink"]:
        by_member = {m: entry for entry in entries(answer, link["section"]) for m in members(entry)}
        one, other = (by_member[fact] for fact in link["between"])
        assert other["id"] in one["related"]
        assert one["id"] in other["related"]


async def test_gaps_are_the_ledgers(answer: Any) -> None:
    told = {
        (source["source"]["id"], FACT_TYPES_BY_SECTION[name], gap["kind"].lower(), gap["count"])
        for name in SECTIONS
        for source in answer[name]["sources"]
        for gap in source["gaps"]
        if gap["kind"] != "NOT_HELD"
    }
    assert told == {(gap["source"], gap["type"], gap["kind"], gap.get("count", 1)) for gap in LEDGER["gap"]}


async def test_what_a_source_is_not_in_scope_for_is_said_to_be_not_held(answer: Any) -> None:
    scope = {entry["source"]: set(entry["types"]) for entry in LEDGER["scope"]}
    for name in SECTIONS:
        for source in answer[name]["sources"]:
            held = FACT_TYPES_BY_SECTION[name] in scope[source["source"]["id"]]
            assert held != any(gap["kind"] == "NOT_HELD" for gap in source["gaps"])


async def test_links_are_the_ledgers(answer: Any) -> None:
    told = {(x["source"]["id"], x["localId"], x["grade"], x["status"].lower()) for x in answer["links"]}
    written = {(x["source"], f"Patient/{x['local_id']}", x["grade"], x["status"]) for x in LEDGER["link"]}
    assert told == written


async def test_what_a_source_stated_is_shown_as_it_stated_it(gateway: Running) -> None:
    selection = " ".join(
        f"{kind.section} {{ entries(first: 1000) {{ nodes {{ facts {{ {_STATED} {everything(name + 'Fact')} }} }} }} }}"
        for name, kind in FACT_TYPES.items()
        if name != "Patient"
    )
    record = await gateway.record(selection)
    stated = {
        named(fact["provenance"]): fact
        for name in SECTIONS
        for entry in entries(record, name)
        for fact in entry["facts"]
    }
    missing = [
        (fact["id"], name, value)
        for fact in LEDGER["fact"]
        if fact["type"] != "Patient"
        for name, value in fact.get("shows", {}).items()
        if not any(same(value, leaf) for leaf in words(stated[fact["id"]]))
    ]
    assert missing == []


def everything(type_name: str, depth: int = 5) -> str:
    """A selection of every field below a type, interfaces' own fields left to the caller."""
    kind: Any = SCHEMA.type_map[type_name]
    chosen = []
    for name, field in kind.fields.items():
        inner = get_named_type(field.type)
        if name == "provenance":
            continue
        if is_leaf_type(inner):
            chosen.append(name)
        elif depth:
            chosen.append(f"{name} {{ {everything(inner.name, depth - 1)} }}")
    return " ".join(chosen)


def words(value: Any) -> Iterator[str]:
    """Every leaf as text; amounts with their unit as written or coded, a panel's amounts together, names whole."""
    if isinstance(value, list):
        for inner in value:
            yield from words(inner)
    elif isinstance(value, dict):
        if value.get("value") is not None:
            yield from (f"{value['value']} {value[unit]}" for unit in ("unit", "code") if value.get(unit))
        if "given" in value:
            yield " ".join([*value["given"], value["family"] or ""])
        if len(parts := [c["valueQuantity"] for c in value.get("components") or () if c["valueQuantity"]]) > 1:
            yield f"{' / '.join(part['value'] for part in parts)} {parts[-1]['code']}"
        for inner in value.values():
            yield from words(inner)
    elif value is not None:
        yield str(value)


def same(written: str, leaf: str) -> bool:
    """Equal but for capitals, or the same instant in another zone."""
    if written.casefold() == leaf.casefold():
        return True
    try:
        one, other = datetime.fromisoformat(written), datetime.fromisoformat(leaf)
    except ValueError:
        return False
    return one.tzinfo is not None and other.tzinfo is not None and one == other
