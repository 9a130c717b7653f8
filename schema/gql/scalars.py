"""Scalars: Duration, as ISO 8601 text in GraphQL and seconds in Python; and federation's `_Any`."""

import re
from typing import NewType

import strawberry
from strawberry.types.scalar import ScalarDefinition

from schema.gql.errors import ErrorCode, QueryError

Duration = NewType("Duration", float)
"""Seconds."""
Representation = NewType("Representation", object)
"""An entity as another subgraph names it: its type and the fields of its key. Nothing of it is checked yet."""

_TIME = re.compile(r"PT(?:(?P<minutes>\d{1,2})M)?(?:(?P<seconds>\d{1,3}(?:\.\d{1,6})?)S)?")
LONGEST_S = 30.0


def parse_duration(value: object) -> Duration:
    """Seconds from "PT0.3S" or "PT1M"; QueryError(DEADLINE_INVALID) for anything out of range or not a duration."""
    match = _TIME.fullmatch(value) if isinstance(value, str) else None
    if match is None or match.group() == "PT":
        raise QueryError(
            ErrorCode.DEADLINE_INVALID, "A duration is ISO 8601 text: write PT0.3S for 300 ms, PT5S for 5 s."
        )
    seconds = float(match["minutes"] or 0) * 60 + float(match["seconds"] or 0)
    if not 0 < seconds <= LONGEST_S:
        raise QueryError(ErrorCode.DEADLINE_INVALID, "A deadline is above 0 and at most PT30S: write PT5S for 5 s.")
    return Duration(seconds)


def print_duration(value: float) -> str:
    """ISO 8601 text from seconds."""
    return f"PT{value:g}S"


SCALAR_MAP: dict[object, ScalarDefinition] = {
    Duration: strawberry.scalar(
        name="Duration",
        description="A length of time in ISO 8601, such as PT0.3S for 300 ms; above 0 and at most PT30S.",
        serialize=print_duration,
        parse_value=parse_duration,
    ),
    Representation: strawberry.scalar(
        name="_Any",
        description="An entity as another subgraph names it: `__typename` and the fields of its key.",
        serialize=lambda value: value,
        parse_value=lambda value: value,
    ),
}
