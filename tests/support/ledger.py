"""The hand-written ledgers of the estate, and what it takes to hold an answer against them."""

import tomllib
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from graphql import get_named_type, is_leaf_type

from schema.gql.root import build_schema
from schema.model.clinical import FACT_TYPES

FOLDER = Path(__file__).parents[1] / "ledger"
_SCHEMA = build_schema()._schema
SECTION_OF = {name: fact.section for name, fact in FACT_TYPES.items()}


@cache
def ledger(name: str) -> dict[str, Any]:
    """One ledger."""
    return tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))


def named(provenance: Any) -> str:
    """A source's statement as the ledgers name it."""
    return f"{provenance['source']['id']}:{provenance['nativeId']}"


def members(entry: Any) -> frozenset[str]:
    """Whose statements an entry is."""
    return frozenset(map(named, entry["provenance"]))


def everything(type_name: str, depth: int = 5) -> str:
    """A selection of every field below a type, interfaces' own fields left to the caller."""
    kind: Any = _SCHEMA.type_map[type_name]
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
