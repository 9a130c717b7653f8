"""The two faces of every fact type, and the section and connection that hold them."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import strawberry

from schema.gql.connection import PageInfo
from schema.gql.derive import Fields, define, enum_type, listed, optional, struct_fields, summary, value_type
from schema.model.clinical import FACT_TYPES, Medication
from schema.model.fact import Fact
from schema.model.view import (
    Conflict,
    EmptyReason,
    MedicationCourse,
    MergedFact,
    Provenance,
    SectionSource,
    SectionStatus,
    SourceFact,
)
from schema.model.when import When

_NATIVE = frozenset({"subject", "author", "recorded", "native_id", "follows"})
"""Fields of a source's statement that belong to one source, and are read there, in its provenance, or as links."""

_OWN_VERSIONS = "Each source's own version, never empty, in the order of `provenance`."

SourceFactType = define(
    "SourceFact",
    {
        "id": (strawberry.ID, "Stable id of this source's statement."),
        "provenance": (value_type(Provenance), "Who said it: the source, its own ids, the record it was read from."),
        **{name: field for name, field in struct_fields(Fact).items() if name not in _NATIVE},
    },
    "One source's own version of a fact.",
    interface=True,
)

MergedFactType = define(
    "MergedFact",
    {
        "id": (strawberry.ID, "Stable id; it may change when a source joins that was silent before."),
        "when": (optional(value_type(When)), "The clinical time that entries are ordered by."),
        "provenance": (listed(value_type(Provenance)), "Everybody who said it, never empty."),
        "conflicts": (listed(value_type(Conflict)), "What sources disagree on, each claim with its source."),
        "related": (listed(strawberry.ID), "Entries that may be the same or belong together: proposed, never merged."),
        "facts": (listed(SourceFactType), _OWN_VERSIONS),
        **{name: field for name, field in struct_fields(Fact).items() if name not in _NATIVE},
    },
    "Facts of one or more sources that are the same thing. Nothing is overwritten: every version is in `facts`.",
    interface=True,
)

SectionType = define(
    "Section",
    {
        "status": (enum_type(SectionStatus), "Whether every source in scope was heard."),
        "empty_reason": (
            optional(enum_type(EmptyReason)),
            "Why there is no entry, or only negative ones; the worst of several reasons.",
        ),
        "sources": (listed(value_type(SectionSource)), "What became of each source here, with its own codes."),
        "total_count": (int, "How many entries there are, whatever part of them is asked for."),
    },
    "One clinical heading of the view, settled.",
    interface=True,
)


_OF_MERGED: dict[type[Fact], Fields] = {
    Medication: {
        "course": (
            optional(value_type(MedicationCourse)),
            "Of a course or an order: when it was last issued, dispensed and given, by the same product or its number.",
        )
    }
}
"""What merging adds to a type, and no source says by itself."""


@dataclass(frozen=True)
class Faces:
    """The GraphQL types of one fact type."""

    fact: type[Fact]
    source: Any
    merged: Any
    connection: Any


@cache
def faces_of(fact: type[Fact]) -> Faces:
    """Derive both faces and the connection of a fact type."""
    name = fact.__name__
    source = define(
        f"{name}Fact",
        struct_fields(fact, leave_out=_NATIVE),
        f"One source's own version. {summary(fact)}",
        bases=(SourceFactType,),
        is_type_of=lambda root, _: isinstance(root, SourceFact) and type(root.fact) is fact,
    )
    merged = define(
        name,
        {
            **struct_fields(fact, leave_out=_NATIVE),
            **_OF_MERGED.get(fact, {}),
            "facts": (listed(source), _OWN_VERSIONS),
        },
        summary(fact),
        bases=(MergedFactType,),
        is_type_of=lambda root, _: isinstance(root, MergedFact) and type(root.display) is fact,
    )
    edge = define(
        f"{name}Edge",
        {"cursor": (str, "Where this entry stands; opaque."), "node": (merged, "The entry.")},
        "One entry and its place.",
    )
    connection = define(
        f"{name}Connection",
        {
            "edges": (listed(edge), "The entries asked for, with their places."),
            "nodes": (listed(merged), "The same entries without their places."),
            "page_info": (PageInfo, "Whether there is more."),
        },
        "A page of entries, newest first, undated ones last.",
    )
    return Faces(fact=fact, source=source, merged=merged, connection=connection)


def extra_types() -> list[Any]:
    """Types that only the interfaces lead to."""
    return [face for fact in FACT_TYPES.values() for face in (faces_of(fact).merged, faces_of(fact).source)]
