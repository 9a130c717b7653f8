"""What is said over all sections: the timeline, transfers of care, who is involved, and what one source does not have
or has differently."""

from typing import Any, cast

import strawberry

from schema.gql.connection import Paced, PageInfo, page
from schema.gql.derive import define, enum_type, listed, optional, struct_fields, summary, value_type
from schema.gql.faces import MergedFactType
from schema.model.clinical import FACT_TYPES
from schema.model.journey import (
    CareTeamMember,
    Finding,
    JourneyLink,
    Occurrence,
    Timeline,
    TransferKind,
    TransferOfCare,
)
from schema.model.values import Identifier
from schema.model.view import Discrepancy, DiscrepancyKind, SectionStatus, SourceRef
from schema.model.when import When

_WORDS = {
    DiscrepancyKind.DIFFERS: "Stated differently by {}",
    DiscrepancyKind.NOT_FOUND: "Not found in {}",
    DiscrepancyKind.CANNOT_TELL: "Whether {} has it cannot be told",
    DiscrepancyKind.OUT_OF_SCOPE: "{} does not hold such facts about this person",
    DiscrepancyKind.SOURCE_UNAVAILABLE: "{} was not heard",
}

JourneyLinkType = define(
    JourneyLink.__name__,
    {
        "entry": (MergedFactType, "The other entry."),
        "source": (value_type(SourceRef), "Who says so."),
        "identifier": (
            optional(value_type(Identifier)),
            "The number that joins them: of a referral, spell, visit or handover. Null where one source's own record "
            "refers to the other.",
        ),
    },
    summary(JourneyLink),
)

TimelineEdge = define(
    "TimelineEdge",
    {
        "cursor": (str, "Where this entry stands; opaque."),
        "at": (value_type(When), "The time that it stands at."),
        "occurrence": (enum_type(Occurrence), "What happened then."),
        "node": (MergedFactType, "The entry."),
        "follows_from": (
            listed(JourneyLinkType),
            "What it came out of: the referral, the spell, the contact, as sources say by their numbers. Empty when no "
            "source says.",
        ),
    },
    "One entry and its place.",
)


@strawberry.type(description="A page of entries of every section, in order of time, each once.")
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


def cut(timeline: Timeline, first: int | None, after: str | None, *, newest_first: bool) -> TimelineConnection:
    """One page. QueryError for a bad `first` or `after`."""
    found = page(timeline.moments, first, after, key=lambda moment: moment.order, backwards=newest_first)
    return TimelineConnection(
        status=timeline.status,
        total_count=len(timeline.moments),
        undated_count=timeline.undated,
        edges=Paced(
            TimelineEdge(
                cursor=edge.cursor,
                at=edge.node.at,
                occurrence=edge.node.occurrence,
                node=edge.node.entry,
                follows_from=list(edge.node.follows),
            )
            for edge in found.edges
        ),
        nodes=Paced(edge.node.entry for edge in found.edges),
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
    entry: optional(MergedFactType) = strawberry.field(  # type: ignore[valid-type]
        description="What others say, with its provenance and conflicts. Null for OUT_OF_SCOPE and "
        "SOURCE_UNAVAILABLE, which are said once of the whole section."
    )
    count: int = strawberry.field(description="How many entries it is said of; 1 where there is an entry.")
    message: str = strawberry.field(resolver=_message, description="The same in words.")


DiscrepancyEdge = define(
    "DiscrepancyEdge",
    {
        "cursor": (str, "Where this discrepancy stands; opaque."),
        "node": (DiscrepancyType, "The discrepancy."),
    },
    "One discrepancy and its place.",
)


@strawberry.type(description="A page of discrepancies, most important first.")
class DiscrepancyConnection:
    total_count: int = strawberry.field(description="How many there are.")
    edges: listed(DiscrepancyEdge) = strawberry.field(description="The discrepancies asked for, with their places.")  # type: ignore[valid-type]
    nodes: listed(DiscrepancyType) = strawberry.field(description="The same without their places.")  # type: ignore[valid-type]
    page_info: PageInfo = strawberry.field(description="Whether there is more.")


def cut_discrepancies(said: tuple[Discrepancy, ...], first: int | None, after: str | None) -> DiscrepancyConnection:
    """One page. QueryError for a bad `first` or `after`."""
    found = page(said, first, after, key=lambda one: one.order)
    return DiscrepancyConnection(total_count=len(said), edges=found.edges, nodes=found.nodes, page_info=found.page_info)


_UNHEARD = (
    listed(value_type(SourceRef)),
    "Sources in scope that did not answer completely, or began to listen only later: there may be more there.",
)


def _reply_message(root: Any) -> str:
    return _REPLY_WORDS[cast("TransferOfCare", root).reply]


_REPLY_WORDS = {
    Finding.FOUND: "A reply was found.",
    Finding.NOT_FOUND: "No reply was found in the sources that answered.",
    Finding.CANNOT_TELL: "Whether there is a reply cannot be told.",
}


@strawberry.type(name="TransferOfCare", description="A referral or a discharge, and whether anything answers it.")
class TransferOfCareType:
    kind: enum_type(TransferKind) = strawberry.field(description="Which of the two.")  # type: ignore[valid-type]
    entry: MergedFactType = strawberry.field(description="The referral, or the stay that ended.")
    reply: enum_type(Finding) = strawberry.field(  # type: ignore[valid-type]
        description="Whether a contact, booking, report, document or message names it by its number, or names what "
        "came out of it."
    )
    replies: listed(JourneyLinkType) = strawberry.field(  # type: ignore[valid-type]
        description="What came out of it, over any number of steps, oldest first; each with its last step."
    )
    follows: listed(JourneyLinkType) = strawberry.field(  # type: ignore[valid-type]
        name="followsFrom", description="What it came out of itself."
    )
    unheard: listed(value_type(SourceRef)) = strawberry.field(description=_UNHEARD[1])  # type: ignore[valid-type]
    message: str = strawberry.field(resolver=_reply_message, description="The same in words.")


CareTeamMemberType = define(
    CareTeamMember.__name__,
    {
        **struct_fields(CareTeamMember, leave_out=frozenset({"last_contact", "contact", "unheard"})),
        "last_contact": (
            optional(MergedFactType),
            "The latest contact with the person that took place: a visit, a kept appointment, a supply handed over, a "
            "message. Null when `contact` is not FOUND.",
        ),
        "contact": (enum_type(Finding), "Whether a contact was found."),
        "unheard": _UNHEARD,
    },
    summary(CareTeamMember),
)
