"""The query: a patient record of sections, and the sources behind it. Every resolver is one call to a port."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import date
from typing import Annotated, Any, TypeVar, cast

import strawberry
from strawberry.schema.config import StrawberryConfig
from strawberry.types import Info

from schema.gql.connection import Connection, order_key, page
from schema.gql.derive import listed, optional, read_directly, summary, value_type
from schema.gql.errors import ErrorCode, QueryError
from schema.gql.faces import SectionType, extra_types, faces_of
from schema.gql.finding import patients_field
from schema.gql.journey import (
    CareTeamMemberType,
    DiscrepancyConnection,
    TimelineConnection,
    TransferOfCareType,
    cut,
    cut_discrepancies,
)
from schema.gql.named import fields_named
from schema.gql.outcomes import ObservationSeriesType
from schema.gql.ports import OVER_SECTIONS, PatientRecordPort
from schema.gql.request import MOST_AT_ONCE, Context, IdentifierInput
from schema.gql.scalars import SCALAR_MAP, Duration
from schema.gql.stewardship import Mutation, work_list_field
from schema.gql.updates import subscription_type
from schema.model.clinical import SECTIONS, Patient
from schema.model.fact import Fact
from schema.model.values import Identifier
from schema.model.view import EntryFilter, Link, Section, SourceRef, SourceStatus, SourceVersion, TerminologyUsed

T = TypeVar("T")


def _section_name(section: str) -> str:
    singular = section[:-3] + "y" if section.endswith("ies") else section.removesuffix("s")
    return f"{singular[0].upper()}{singular[1:]}Section"


def _section_type(fact: type[Fact]) -> Any:
    """The section type of a fact type: the interface's fields and `entries`, a Relay connection."""
    connection = faces_of(fact).connection

    def total_count(root: Any) -> int:
        return len(cast("Section[Any]", root).entries)

    def entries(
        root: Any,
        first: Annotated[int | None, strawberry.argument(description="How many, 0 to 1000; 100 if left out.")] = None,
        after: Annotated[str | None, strawberry.argument(description="The cursor to continue after.")] = None,
        conflicting: Annotated[bool, strawberry.argument(description="Only those that sources disagree on.")] = False,
    ) -> Connection[Any]:
        every = cast("Section[Any]", root).entries
        chosen = tuple(entry for entry in every if entry.conflicts) if conflicting else every
        return page(chosen, first, after, key=order_key)

    entries.__annotations__["return"] = connection
    namespace: dict[str, Any] = {
        "__annotations__": {},
        "total_count": strawberry.field(
            resolver=total_count, description="How many entries there are, whatever part of them is asked for."
        ),
        "entries": strawberry.field(resolver=entries, description="The entries, newest first, undated ones last."),
        "is_type_of": staticmethod(lambda root, _: isinstance(root, Section) and root.fact_type == fact.__name__),
    }
    kind = type(_section_name(fact.section), (SectionType,), namespace)
    return strawberry.type(kind, description=f"Entries of type {fact.__name__}, and who was heard about them.")


_SINCE = (
    "Not before this day, by any source's word: in the zone a time was stated in, in UTC, or where a source keeps its "
    "time. A time stated coarsely is left out only when all that it can mean is before."
)
_UNTIL = "Not after this day, read as `since` is."


def _section_field(fact: type[Fact], kind: Any) -> Any:
    async def section(root: Any) -> Any:
        return await cast("PatientRecordPort", root).section(fact.__name__)

    section.__annotations__["return"] = kind
    return strawberry.field(resolver=section, description=summary(fact))


def _observations_field(fact: type[Fact], kind: Any) -> Any:
    async def observations(
        root: Any,
        code: Annotated[list[str] | None, strawberry.argument(description="Only what these codes mean.")] = None,
        category: Annotated[str | None, strawberry.argument(description="Only this category's code.")] = None,
        since: Annotated[date | None, strawberry.argument(description=_SINCE)] = None,
        until: Annotated[date | None, strawberry.argument(description=_UNTIL)] = None,
    ) -> Any:
        entries = EntryFilter(codes=tuple(code or ()), category=category, since=since, until=until)
        return await cast("PatientRecordPort", root).section(fact.__name__, entries)

    observations.__annotations__["return"] = kind
    return strawberry.field(
        resolver=observations,
        description=f"{summary(fact)} Arguments choose among merged entries: ids never depend on them.",
    )


async def _timeline(
    root: Any,
    since: Annotated[date | None, strawberry.argument(description=_SINCE)] = None,
    until: Annotated[date | None, strawberry.argument(description=_UNTIL)] = None,
    first: Annotated[int | None, strawberry.argument(description="How many, 0 to 1000; 100 if left out.")] = None,
    after: Annotated[str | None, strawberry.argument(description="The cursor to continue after.")] = None,
    newest_first: Annotated[bool, strawberry.argument(description="The other way round.")] = False,
) -> Any:
    return cut(await cast("PatientRecordPort", root).timeline(since, until), first, after, newest_first=newest_first)


async def _discrepancies(
    root: Any,
    source: Annotated[strawberry.ID | None, strawberry.argument(description="Of this source alone.")] = None,
    first: Annotated[int | None, strawberry.argument(description="How many, 0 to 1000; 100 if left out.")] = None,
    after: Annotated[str | None, strawberry.argument(description="The cursor to continue after.")] = None,
) -> Any:
    return cut_discrepancies(await cast("PatientRecordPort", root).discrepancies(source), first, after)


async def _outcomes(
    root: Any,
    codes: Annotated[
        list[str] | None,
        strawberry.argument(description="Only what these codes stand for, listed or not; every listed series if none."),
    ] = None,
) -> Any:
    return await cast("PatientRecordPort", root).outcomes(tuple(codes or ()))


def _patient_record() -> Any:
    async def patient(root: Any) -> Any:
        return await cast("PatientRecordPort", root).patient()

    async def links(root: Any) -> Any:
        return await cast("PatientRecordPort", root).links()

    async def sources(root: Any) -> Any:
        return await cast("PatientRecordPort", root).sources()

    async def versions(root: Any) -> Any:
        return await cast("PatientRecordPort", root).versions()

    async def terminology(root: Any) -> Any:
        return await cast("PatientRecordPort", root).terminology()

    async def transfers(root: Any) -> Any:
        return await cast("PatientRecordPort", root).transfers_of_care()

    async def members(root: Any) -> Any:
        return await cast("PatientRecordPort", root).care_team_members()

    def identifier(root: Any) -> Any:
        return cast("PatientRecordPort", root).identifier

    def field(resolver: Callable[..., Any], returns: Any, description: str) -> Any:
        resolver.__annotations__["return"] = returns
        return strawberry.field(resolver=resolver, description=description)

    namespace: dict[str, Any] = {
        "__annotations__": {},
        "identifier": field(identifier, value_type(Identifier), "The authority's current number for this person."),
        "patient": field(
            patient,
            optional(faces_of(Patient).merged),
            "Demographics as each source holds them, every identifier, and what sources disagree on; null when no "
            "source gave them, or none may be shown (a restricted person).",
        ),
    }
    for name, fact in SECTIONS.items():
        make = _observations_field if name == "observations" else _section_field
        namespace[name] = make(fact, _section_type(fact))
    namespace["timeline"] = field(
        _timeline,
        TimelineConnection,
        "What happened, over every section, oldest first if not asked otherwise, each entry once: where it began or "
        "happened; where that was before `since`, what was written down or ended since. What is ahead, was called off "
        "or missed stands there too: `occurrence` says which.",
    )
    namespace["discrepancies"] = field(
        _discrepancies,
        DiscrepancyConnection,
        "What one source, or each, does not have or has differently, most important first. Nothing is claimed of a "
        "source whose answer is incomplete or cannot be compared.",
    )
    namespace["outcomes"] = field(
        _outcomes, listed(ObservationSeriesType), "Measurements over time, each in one unit, from merged results."
    )
    namespace["transfersOfCare"] = field(
        transfers, listed(TransferOfCareType), "Every referral and discharge, newest first, and whether one replied."
    )
    namespace["careTeamMembers"] = field(
        members,
        listed(CareTeamMemberType),
        "Everybody involved, over all sources, each once: how to reach them, and when they last saw the person. Whom "
        "a source names as a care team or as the registered practice comes first, then by last contact.",
    )
    namespace["links"] = field(
        links, listed(value_type(Link)), "Which source records are this person, and how that was decided."
    )
    namespace["sources"] = field(
        sources, listed(value_type(SourceStatus)), "Every configured source, and what became of it in this answer."
    )
    namespace["versions"] = field(
        versions,
        listed(value_type(SourceVersion)),
        "What each source says in each section, as texts to compare: whether what is on a screen is still what the "
        "sources say. Asks for every section.",
    )
    namespace["terminology"] = field(
        terminology, value_type(TerminologyUsed), "By which lists and maps it was decided which codes are the same."
    )
    # A union says of nothing by itself what it is: federation's `_Entity`.
    namespace["is_type_of"] = staticmethod(lambda root, _: isinstance(root, PatientRecordPort))
    kind = type("PatientRecord", (), namespace)
    return strawberry.type(kind, description="One person's record, from every source, each fact naming who said it.")


PatientRecord = _patient_record()


def wanted_types(info: Info[Any, Any]) -> frozenset[str]:
    """The fact types that the selection needs, deferred parts included: demographics if nothing else."""
    return types_named(fields_named(info)) or frozenset({"Patient"})


def types_named(names: frozenset[str]) -> frozenset[str]:
    """The fact types of these fields of a record."""
    wanted = frozenset(SECTIONS[name].__name__ for name in names & SECTIONS.keys()).union(
        *(OVER_SECTIONS[name] for name in names & OVER_SECTIONS.keys())
    )
    return wanted | {"Patient"} if names & {"patient", "links"} else wanted


async def _patient(
    info: Info[Any, Any],
    identifier: Annotated[IdentifierInput, strawberry.argument(description="Who.")],
    birth_date: Annotated[
        date | None, strawberry.argument(description="Checked against the authority's: a guard against slips.")
    ] = None,
    deadline: Annotated[
        Duration | None, strawberry.argument(description="How long to wait, from receipt of the request.")
    ] = None,
) -> Any:
    context: Context = info.context
    return await context.gateway.patient(
        Identifier(system=identifier.system, value=identifier.value),
        birth_date=birth_date,
        deadline_s=deadline,
        types=wanted_types(info),
    )


async def _patients_by_identifier(
    info: Info[Any, Any],
    identifiers: Annotated[list[IdentifierInput], strawberry.argument(description=f"Who; at most {MOST_AT_ONCE}.")],
    deadline: Annotated[
        Duration | None, strawberry.argument(description="How long to wait, from receipt of the request.")
    ] = None,
) -> Any:
    return await records(
        info,
        "identifiers",
        identifiers,
        lambda one: Identifier(system=one.system, value=one.value),
        deadline_s=deadline,
    )


async def records(
    info: Info[Any, Any],
    argument: str,
    people: Sequence[T],
    named: Callable[[T], Identifier],
    *,
    deadline_s: float | None = None,
) -> list[Any]:
    """Each person's record by itself: what one cannot be told of stands as an error at its place in the list.

    `argument` is what the query calls the list; `named` says who one of it is, and raises QueryError where it cannot.
    """
    if len(people) > MOST_AT_ONCE:
        raise QueryError(ErrorCode.ARGUMENT_INVALID, f"`{argument}` names at most {MOST_AT_ONCE} people.")
    context: Context = info.context
    types = wanted_types(info)

    async def record(one: T) -> Any:
        return await context.gateway.patient(named(one), birth_date=None, deadline_s=deadline_s, types=types)

    return await asyncio.gather(*map(record, people), return_exceptions=True)


async def _sources(info: Info[Any, Any]) -> Any:
    context: Context = info.context
    return await context.gateway.sources()


@strawberry.type(description="Where every question begins.")
class Query:
    patient: Any = strawberry.field(
        resolver=_patient,
        graphql_type=optional(PatientRecord),
        description="One person's record. All sources are asked at once; at the deadline the answer is what is in.",
    )
    patients_by_identifier: Any = strawberry.field(
        resolver=_patients_by_identifier,
        graphql_type=listed(optional(PatientRecord)),
        description="Several people's records, for a worklist, in the order asked for. Who cannot be shown is null, "
        "with an error of their own.",
    )
    patients: Any = patients_field
    sources: Any = strawberry.field(
        resolver=_sources, graphql_type=listed(value_type(SourceRef)), description="Every configured source."
    )
    work_list: Any = work_list_field()


def build_schema(query: type = Query) -> strawberry.Schema:
    """The executable schema. `@defer` and `@stream` are enabled."""
    schema = strawberry.Schema(
        query,
        mutation=Mutation,
        subscription=subscription_type(PatientRecord, types_named),
        types=extra_types(),
        config=StrawberryConfig(
            enable_experimental_incremental_execution=True,
            scalar_map=SCALAR_MAP,
        ),
    )
    read_directly(schema._schema)
    return schema


def print_sdl() -> str:
    """The schema in SDL, as committed in schema/schema.graphql."""
    return build_schema().as_str() + "\n"
