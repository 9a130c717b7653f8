"""The published GraphQL schema: described, and committed as text, so that its difference is the interface's review."""

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from graphql import GraphQLEnumType

from schema.gql.root import build_schema, print_sdl

COMMITTED = Path(__file__).resolve().parents[2] / "schema" / "schema.graphql"


def test_the_committed_schema_is_the_schema() -> None:
    committed, printed = COMMITTED.read_text(encoding="utf-8"), print_sdl()
    changes = difflib.unified_diff(
        committed.splitlines(), printed.splitlines(), "committed", "printed", lineterm="", n=1
    )
    assert committed == printed, (
        "The GraphQL interface changed. Adding is free, renaming is deprecation first. When it is meant, run\n"
        "    .venv/bin/sherwood schema --write schema/schema.graphql\n"
        "and commit the difference:\n" + "\n".join(list(changes)[:60])
    )


def _undescribed() -> Iterator[str]:
    # strawberry has no public way to its graphql-core schema.
    types: dict[str, Any] = build_schema()._schema.type_map
    for name, kind in types.items():
        if name.startswith("__"):
            continue
        if not kind.description:
            yield name
        for value, definition in (kind.values if isinstance(kind, GraphQLEnumType) else {}).items():
            if not definition.description:
                yield f"{name}.{value}"
        for field, definition in getattr(kind, "fields", {}).items():
            if not definition.description:
                yield f"{name}.{field}"
            for argument, said in getattr(definition, "args", {}).items():
                if not said.description:
                    yield f"{name}.{field}({argument}:)"


def test_every_type_field_argument_and_enum_value_is_described() -> None:
    assert list(_undescribed()) == []
