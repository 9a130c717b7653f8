"""What is said over all sections: the timeline, and what one source does not have or has differently."""

from typing import Any, cast

import strawberry

from schema.gql.connection import PageInfo, page, time_of
from schema.gql.derive import define, enum_type, listed, value_type
from schema.gql.faces import MergedFactType
from schema.model.clinical import FACT_TYPES
from schema.model.view import Discrepancy, DiscrepancyKind, SectionStatus, SourceRef, Timeline

_WORDS = {
    DiscrepancyKind.DIFFERS: "Stated differently by {}",
    DiscrepancyKind.NOT_FOUND: "Not found in {}",
    DiscrepancyKind.CANNOT_TELL: "Whether {} has it cannot be told",
    DiscrepancyKind.OUT_OF_SCOPE: "{} does not hold such facts about this person",
    DiscrepancyKind.SOURCE_UNAVAILABLE: "{} was not heard",
}

TimelineEdge = define(
    "TimelineEdge",
    {"cursor": (str, "Where this entry stands; opaque."), "node": (MergedFactType, "The entry.")},
    "One entry and its place.",
)


@strawberry.type(description="A page of entries of every section, oldest first.")
class TimelineConnection:
    status: enum_type(SectionStatus) = strawberry.field(  # type: ignore[valid-type]
        description="Whether every source was heard about everything: what is missing is in no order at all."
    )
    total_count: int = strawberry.field(description="How many entries there are between the two days.")
    undated_count: int = strawberry.field(
        description="How many entries have no time at all and are not here: they are in their sections alone."
    )
    edges: listed(TimelineEdge) = strawberry.field(description="The entries asked for, with their places.")  # type: ignore[valid-type]
    nodes: listed(MergedFactType) = strawberry.field(description="The same entries without their places.")  # type: ignore[valid-type]
    page_info: PageInfo = strawberry.field(description="Whether there is more.")


def cut(timeline: Timeline, first: int | None, after: str | None) -> TimelineConnection:
    """One page. QueryError for a bad `first` or `after`."""
    found = page(timeline.entries, first, after, key=time_of)
    return TimelineConnection(
        status=timeline.status,
        total_count=len(timeline.entries),
        undated_count=timeline.undated,
        edges=found.edges,
        nodes=found.nodes,
        page_info=found.page_info,
    )


def _section(root: Any) -> str:
    return FACT_TYPES[cast("Discrepancy", root).fact_type].section


def _message(root: Any) -> str:
    said = cast("Discrepancy", root)
    return _WORDS[said.kind].format(said.source.name)


@strawberry.type(
    name="Discrepancy",
    description="What one source does not have, or has differently. The entry may be wrong and the source right.",
)
class DiscrepancyType:
    kind: enum_type(DiscrepancyKind) = strawberry.field(description="What can be said.")  # type: ignore[valid-type]
    source: value_type(SourceRef) = strawberry.field(description="About whom.")  # type: ignore[valid-type]
    section: str = strawberry.field(resolver=_section, description="The section of the entry.")
    entry: MergedFactType = strawberry.field(description="What others say, with its provenance and conflicts.")
    message: str = strawberry.field(resolver=_message, description="The same in words.")
