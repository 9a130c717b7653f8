"""Sherwood as a subgraph of a larger graph: Apollo Federation 2.

Other subgraphs extend PatientRecord, whose key is the person's number; a router then asks here for many people at once.
https://www.apollographql.com/docs/graphos/schema-design/federated-schemas/reference/subgraph-spec
"""

import re
from typing import Annotated, Any

import strawberry
from strawberry.types import Info

from schema.gql.derive import listed, optional
from schema.gql.errors import ErrorCode, QueryError
from schema.gql.request import MOST_AT_ONCE
from schema.gql.root import PatientRecord, Query, build_schema, print_sdl, records
from schema.gql.scalars import Representation
from schema.model.values import Identifier

LINK = 'extend schema @link(url: "https://specs.apollo.dev/federation/v2.0", import: ["@key", "@shareable"])'
"""The first version of federation 2 has all that is used here."""
TOLD_OF = {
    "PatientRecord": '@key(fields: "identifier { system value }")',
    # Relay defines the fields of it: every subgraph with connections has the same.
    "PageInfo": "@shareable",
}
"""What a router is told of a type."""
_DEFINITION = re.compile(rf"(?m)^(type ({'|'.join(TOLD_OF)}) [^{{]*)\{{")


def _named(representation: Representation) -> Identifier:
    """Who is meant. A part of the key that is missing is never filled in: it might be somebody else's number."""
    match representation:
        case {"__typename": "PatientRecord", "identifier": {"system": str(system), "value": str(value)}}:
            return Identifier(system=system, value=value)
        case {"__typename": "PatientRecord"}:
            message = "A PatientRecord is named by its whole key: identifier { system value }."
        case _:
            message = "A representation is of the `__typename` PatientRecord: no other type is an entity here."
    raise QueryError(ErrorCode.REPRESENTATION_INVALID, message)


async def _entities(
    info: Info[Any, Any],
    representations: Annotated[
        list[Representation], strawberry.argument(description=f"Who, by the key; at most {MOST_AT_ONCE}.")
    ],
) -> Any:
    return await records(info, "representations", representations, _named)


@strawberry.type(name="_Service", description="This subgraph, as a router asks for it.")
class _Service:
    sdl: str = strawberry.field(description="The schema with federation's directives.")


def _service() -> _Service:
    return _Service(sdl=print_sdl_of_subgraph())


ENTITY = Annotated[PatientRecord, strawberry.union("_Entity", description="What other subgraphs may extend.")]


@strawberry.type(name="Query", description="Where every question begins.")
class _QueryOfEntities(Query):
    entities: Any = strawberry.field(
        name="_entities",
        resolver=_entities,
        graphql_type=listed(optional(ENTITY)),
        description="For a router: the records of people whom other subgraphs name, in the order asked for. As in "
        "`patientsByIdentifier`, who cannot be shown is null, with an error of their own.",
    )


@strawberry.type(name="Query", description="Where every question begins.")
class _QueryOfSubgraph(_QueryOfEntities):
    service: _Service = strawberry.field(
        name="_service", resolver=_service, description="For a router: the schema, to compose the larger graph of."
    )


def build_subgraph(*, introspection: bool = True) -> strawberry.Schema:
    """The executable schema with what a router asks for. Without introspection it does not tell its SDL either."""
    return build_schema(_QueryOfSubgraph if introspection else _QueryOfEntities)


def print_sdl_of_subgraph() -> str:
    """The SDL to compose a larger graph of: the published schema, and what federation is told of its types.

    The fields that a router asks with are not in it: every subgraph has them.
    """
    return f"{LINK}\n\n" + _DEFINITION.sub(lambda found: f"{found[1]}{TOLD_OF[found[2]]} {{", print_sdl())
