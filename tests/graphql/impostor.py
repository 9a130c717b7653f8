"""Adapters that do what no adapter should, for the tests of what the gateway then does."""

from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from adapters.sdk import NHS_NUMBER, Adapter, Ask, Call, DependsOn, Health, Settings, SourceRecord
from schema.model.clinical import AllergyIntolerance, Patient
from schema.model.fact import Fact, Gap
from schema.model.values import CodeableConcept, HumanName, Identifier
from schema.model.when import When


class ImpostorSettings(Settings):
    does: str


class Impostor(Adapter[ImpostorSettings]):
    """A source whose every answer is wrong in the one way that its settings name."""

    kind = "impostor"
    settings_model: ClassVar[Any] = ImpostorSettings
    types = frozenset({"AllergyIntolerance"})
    answer_depends_on = DependsOn.NOTHING
    asked: ClassVar[int] = 0

    async def fetch(self, ask: Ask, call: Call) -> AsyncIterator[SourceRecord]:
        type(self).asked += 1
        if self.settings.does == "crash":
            raise RuntimeError(f"cannot cope with {ask.subject.identifier()}")
        kind = f"{self.settings.does} {ask.subject.identifier()}"
        yield SourceRecord(kind=kind, types=ask.types, parts=(b"x",), retrieved=datetime.now(UTC))

    def read(self, record: SourceRecord) -> Iterable[Fact | Gap]:
        does, _, number = record.kind.partition(" ")
        if does == "crash-reading":
            raise RuntimeError(f"cannot read {number}")
        allergy = CodeableConcept(text="walnuts")
        if does == "no-subject":
            yield AllergyIntolerance(native_id="AllergyIntolerance/1", subject=None, code=allergy)
            return
        if does == "silent":
            return
        other = "9990000026" if does == "another" else number
        yield Patient(
            native_id="Patient/1",
            subject="Patient/1",
            identifiers=(Identifier(system=NHS_NUMBER, value=other, verified=True),),
            names=(HumanName(family="Somebody", given=("Else",)),),
            birth_date=When.iso("1971-01-01", ZoneInfo("UTC")),
        )
        yield AllergyIntolerance(native_id="AllergyIntolerance/1", subject="Patient/1", code=allergy)

    async def check(self, call: Call) -> Health:
        return Health(detail="it never fails")
