"""The subscription: that a person's record has changed, by whose word, and the record as it is now."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Annotated, Any

import strawberry
from strawberry.types import Info

from schema.gql.derive import enum_type, listed, summary, value_type
from schema.gql.named import fields_named
from schema.gql.ports import FIELDS, PatientUpdate
from schema.gql.request import Context, IdentifierInput
from schema.gql.scalars import Duration
from schema.model.clinical import FACT_TYPES
from schema.model.updates import RecordChange, UpdateCause
from schema.model.values import Identifier
from schema.model.view import SourceRef

TypesNamed = Callable[[frozenset[str]], frozenset[str]]
"""The fact types of fields of a record."""


def _fields_of(change: RecordChange) -> list[str]:
    return [FIELDS[name] for name in FIELDS if name in change.types]


def _sections(root: Any) -> list[str]:
    return _fields_of(root)


def _all_sections(root: Any) -> list[str]:
    update: PatientUpdate = root
    changed = {name for change in update.changes for name in _fields_of(change)}
    return [name for name in FIELDS.values() if name in changed]


@strawberry.type(name="RecordChange", description=summary(RecordChange))
class RecordChangeType:
    source: value_type(SourceRef) = strawberry.field(description="The source.")  # type: ignore[valid-type]
    cause: enum_type(UpdateCause) = strawberry.field(description="How the gateway came to know.")  # type: ignore[valid-type]
    sections: list[str] = strawberry.field(
        resolver=_sections, description="The fields of `PatientRecord` of which it says something else than before."
    )


def subscription_type(record: Any, types_named: TypesNamed) -> Any:
    """The root type of subscriptions, over this type of a record."""

    @strawberry.type(name="PatientUpdate", description="What changed in a person's record, and the record as it is.")
    class PatientUpdateType:
        at: datetime = strawberry.field(description="When this record was put together.")
        sections: list[str] = strawberry.field(
            resolver=_all_sections,
            description="The fields of `PatientRecord` that changed since the update before; none in the first.",
        )
        changes: listed(RecordChangeType) = strawberry.field(  # type: ignore[valid-type]
            description="The same by source. What came while the client was still reading is one update."
        )
        patient: record = strawberry.field(
            description="The record now, mostly from answers that are kept. It is about who is subscribed to."
        )

    async def updates(
        info: Info[Any, Any],
        identifier: Annotated[IdentifierInput, strawberry.argument(description="Who.")],
        birth_date: Annotated[
            date | None, strawberry.argument(description="Checked against the authority's: a guard against slips.")
        ] = None,
        deadline: Annotated[
            Duration | None, strawberry.argument(description="How long each update waits for sources that are asked.")
        ] = None,
    ) -> Any:
        context: Context = info.context
        return await context.gateway.patient_updates(
            Identifier(system=identifier.system, value=identifier.value),
            birth_date=birth_date,
            deadline_s=deadline,
            types=types_named(fields_named(info, "patient")) or frozenset(FACT_TYPES),
        )

    @strawberry.type(description="What is told as it happens, over server-sent events or a WebSocket.")
    class Subscription:
        patient_updates: Any = strawberry.subscription(
            resolver=updates,
            graphql_type=PatientUpdateType,
            description="That a person's record has changed: the first update comes at once, with the record as it is "
            "and no changes. Watched are the sections that the selection of `patient` asks for; all of them where it "
            "asks for none. It ends with an error when the caller may no longer see the record, or as much of it.",
        )

    return Subscription
