"""Finding a person by demographics: the query's side of it. What comes back is in `schema.model.search`."""

from datetime import date
from typing import Annotated, Any

import strawberry
from strawberry.types import Info

from schema.gql.derive import value_type
from schema.gql.scalars import Duration
from schema.model.search import PatientSearch, PatientSearchResult


@strawberry.input(
    name="PatientSearch",
    description="Whom you look for. Whoever contradicts anything stated is not found: leave out what you are not sure "
    "of. At least the family name and the birth date; or the family name, a given name and the postcode.",
)
class PatientSearchInput:
    family: str = strawberry.field(description="Family name, whole; capitals, accents and hyphens do not matter.")
    given: str | None = strawberry.field(default=None, description="Given names, the first one first.")
    birth_date: date | None = strawberry.field(default=None, description="Date of birth.")
    gender: str | None = strawberry.field(default=None, description="Administrative gender: male, female or other.")
    postal_code: str | None = strawberry.field(default=None, description="The whole postcode of the home.")


async def patients(
    info: Info[Any, Any],
    search: Annotated[PatientSearchInput, strawberry.argument(description="By what.")],
    deadline: Annotated[
        Duration | None, strawberry.argument(description="How long to wait, from receipt of the request.")
    ] = None,
) -> Any:
    stated = PatientSearch(
        family=search.family,
        given=search.given,
        birth_date=search.birth_date,
        gender=search.gender,
        postal_code=search.postal_code,
    )
    return await info.context.gateway.patients(stated, deadline_s=deadline)


patients_field: Any = strawberry.field(
    resolver=patients,
    graphql_type=value_type(PatientSearchResult),
    description="Who has these names and this birth date: to find the identifier to ask `patient` with. Graded, never "
    "guessed; many is an answer. Nothing clinical, and nothing is linked by it.",
)
