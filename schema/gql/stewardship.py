"""For data stewards: what waits for a decision whose record it is, and the decisions. Each resolver is one call.

Nothing clinical is here. Who may is decided behind the port, each time (`steward` of a caller's grant).
"""

import base64
import binascii
from dataclasses import dataclass
from typing import Annotated, Any

import strawberry
from strawberry.types import Info

from schema.gql.connection import PageInfo
from schema.gql.derive import define, listed, struct_fields, value_type
from schema.gql.errors import ErrorCode, QueryError
from schema.gql.request import Context, IdentifierInput
from schema.model.stewardship import LinkDecision, SeenBy, WorkItem, WorkList
from schema.model.values import Identifier

DEFAULT_PAGE = 50
LARGEST_PAGE = 200
LONGEST_PLACE = 18
"""Digits: what a database still takes for a number."""

WorkItemType = define(
    "WorkItem",
    struct_fields(WorkItem, leave_out=frozenset({"place"})),
    "One record that waits for a steward to say whether it is a person's.",
)
WorkListEdge = define(
    "WorkListEdge",
    {"cursor": (str, "Where this record stands; opaque."), "node": (WorkItemType, "The record.")},
    "One record and its place.",
)


@strawberry.type(description="A page of what waits for a steward, the longest first.")
class WorkListConnection:
    total_count: int = strawberry.field(description="How many wait, whatever part of them is asked for.")
    edges: listed(WorkListEdge) = strawberry.field(description="The records asked for, with their places.")  # type: ignore[valid-type]
    nodes: listed(WorkItemType) = strawberry.field(description="The same records without their places.")  # type: ignore[valid-type]
    page_info: PageInfo = strawberry.field(description="Whether there is more.")


@strawberry.input(description="A decision that a source's record is a person.")
class LinkInput:
    identifier: IdentifierInput = strawberry.field(description="The person, by a number that was asked about before.")
    source: strawberry.ID = strawberry.field(description="Id of the source that holds the record.")
    local_id: str = strawberry.field(description="The source's own id of the record, such as Patient/123.")
    reason: str = strawberry.field(description="Why; kept with the decision.")


@strawberry.input(description="A decision that a source's record is not a person.")
class UnlinkInput(LinkInput):
    block_anyway: bool = strawberry.field(
        default=False, description="Also a record that is not known as this person's: it is then never linked by rule."
    )


@strawberry.type(description="What was decided. The next answer shows the record's facts, if the source has it.")
class LinkPayload:
    decision: value_type(LinkDecision) = strawberry.field(description="The decision as it is kept.")  # type: ignore[valid-type]


@strawberry.type(description="What was decided, and who is to be told.")
class UnlinkPayload:
    decision: value_type(LinkDecision) = strawberry.field(description="The decision as it is kept.")  # type: ignore[valid-type]
    seen_by: listed(value_type(SeenBy)) = strawberry.field(  # type: ignore[valid-type]
        description="To whom answers went that were made of this record too, as far as this gateway's own audit trail "
        "goes: each replica has its own. Unlink again to ask again."
    )


async def _work_list(
    info: Info[Any, Any],
    first: Annotated[int | None, strawberry.argument(description="How many, 1 to 200; 50 if left out.")] = None,
    after: Annotated[str | None, strawberry.argument(description="The cursor to continue after.")] = None,
) -> Any:
    context: Context = info.context
    size = DEFAULT_PAGE if first is None else first
    if not 1 <= size <= LARGEST_PAGE:
        raise QueryError(ErrorCode.ARGUMENT_INVALID, f"`first` is from 1 to {LARGEST_PAGE}.")
    return _page(await context.gateway.steward.work_list(size + 1, _place(after)), size, after)


async def _link(
    info: Info[Any, Any], input: Annotated[LinkInput, strawberry.argument(description="What is decided.")]
) -> LinkPayload:
    context: Context = info.context
    decision = await context.gateway.steward.link(_person(input), input.source, input.local_id, input.reason)
    return LinkPayload(decision=decision)


async def _unlink(
    info: Info[Any, Any], input: Annotated[UnlinkInput, strawberry.argument(description="What is decided.")]
) -> UnlinkPayload:
    context: Context = info.context
    done = await context.gateway.steward.unlink(
        _person(input), input.source, input.local_id, input.reason, block_anyway=input.block_anyway
    )
    return UnlinkPayload(decision=done.decision, seen_by=done.seen_by)


def work_list_field() -> Any:
    """The field of `Query`."""
    return strawberry.field(
        resolver=_work_list,
        graphql_type=WorkListConnection,
        description="Records that wait for a steward to say whose they are, the longest first. For stewards alone: "
        "ACCESS_DENIED for anybody else. Nothing clinical.",
    )


@strawberry.type(description="What changes something: a data steward's decisions. Each is in the audit trail first.")
class Mutation:
    link: LinkPayload = strawberry.field(
        resolver=_link,
        description="Decide that a source's record is a person, a block notwithstanding. One that is linked to "
        "somebody else must be unlinked there first: LINK_CONFLICT.",
    )
    unlink: UnlinkPayload = strawberry.field(
        resolver=_unlink,
        description="Decide that a source's record is not a person: what was shown before the link is shown again, and "
        "no rule links the two again.",
    )


def _person(given: LinkInput) -> Identifier:
    return Identifier(system=given.identifier.system, value=given.identifier.value)


@dataclass(frozen=True)
class _Edge:
    cursor: str
    node: WorkItem


def _page(found: WorkList, size: int, after: str | None) -> WorkListConnection:
    """The first `size` of one more than that, if there are so many."""
    items = found.items[:size]
    edges = [_Edge(_cursor(item.place), item) for item in items]
    return WorkListConnection(
        total_count=found.total,
        edges=edges,
        nodes=items,
        page_info=PageInfo(
            has_next_page=len(found.items) > size,
            has_previous_page=after is not None,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=edges[-1].cursor if edges else None,
        ),
    )


def _cursor(place: int) -> str:
    return base64.urlsafe_b64encode(f"work {place}".encode()).decode().rstrip("=")


def _place(cursor: str | None) -> int:
    if cursor is None:
        return 0
    bad = QueryError(ErrorCode.CURSOR_INVALID, "This cursor is not one of ours; start without `after`.")
    try:
        mark, _, place = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().partition(" ")
    except (binascii.Error, ValueError):
        raise bad from None
    if mark != "work" or not place.isdecimal() or len(place) > LONGEST_PLACE:
        raise bad
    return int(place)
