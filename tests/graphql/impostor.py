"""Adapters that do what no adapter should, for the tests of what the gateway then does."""

import json
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from adapters.sdk import NHS_NUMBER, Adapter, Ask, Call, DependsOn, Health, Settings, SourceRecord
from schema.model.clinical import AllergyIntolerance, Condition, Patient
from schema.model.fact import Fact, Gap, GapKind
from schema.model.values import CodeableConcept, HumanName, Identifier
from schema.model.when import When


class ImpostorSettings(Settings):
    does: str


class Impostor(Adapter[ImpostorSettings]):
    """A source whose every answer is wrong in the one way that its settings name."""

    kind = "impostor"
    settings_model: ClassVar[Any] = ImpostorSettings
    types = frozenset({"AllergyIntolerance", "Condition"})
    answer_depends_on = DependsOn.NOTHING
    asked: ClassVar[int] = 0
    given_away: ClassVar[bool] = False
    """Whether the source has meanwhile given its local id to somebody else."""
    bare: ClassVar[bool] = False
    """Whether it has meanwhile stopped to send demographics."""

    async def fetch(self, ask: Ask, call: Call) -> AsyncIterator[SourceRecord]:
        type(self).asked += 1
        if self.settings.does == "crash":
            raise RuntimeError(f"cannot cope with {ask.subject.identifier()}")
        does = "bare" if self.bare else "another" if self.given_away else self.settings.does
        person = ask.subject
        told = (person.identifier(), person.family, person.given, str(person.birth_date))
        yield SourceRecord(kind=does, types=ask.types, parts=(json.dumps(told).encode(),), retrieved=datetime.now(UTC))

    def read(self, record: SourceRecord) -> Iterable[Fact | Gap]:
        does = record.kind
        number, family, given, born = json.loads(record.parts[0])
        if does == "crash-reading":
            raise RuntimeError(f"cannot read {number}")
        allergy = CodeableConcept(text="walnuts")
        if does == "no-subject":
            yield AllergyIntolerance(native_id="AllergyIntolerance/1", subject=None, code=allergy)
            return
        if does == "silent":
            return
        if does == "bare":
            yield from (Gap(kind=GapKind.NOT_RECORDED, fact_type=name) for name in ("Patient", "Condition"))
            yield AllergyIntolerance(native_id="AllergyIntolerance/1", subject="Patient/1", code=allergy)
            return
        if does in ("another", "namesake"):
            number, family, given = ("9990000026" if does == "another" else number), "Somebody", "Else"
            born = "1971-01-01" if does == "another" else born
            yield Gap(kind=GapKind.NONE_KNOWN, fact_type="AllergyIntolerance", text="walnuts")
        yield Patient(
            native_id="Patient/1",
            subject="Patient/1",
            identifiers=(Identifier(system=NHS_NUMBER, value=number, verified=True),),
            names=(HumanName(family=family, given=(given,)),),
            birth_date=When.iso(born, ZoneInfo("UTC")),
        )
        if does == "unencodable":
            allergy = CodeableConcept(text="walnuts \ud800")
        elif does == "honest":
            allergy = CodeableConcept(text="hazelnuts")
        subject = "Patient/2" if does == "anothers-facts" else "Patient/1"
        yield AllergyIntolerance(native_id="AllergyIntolerance/1", subject=subject, code=allergy)
        if does in ("honest", "another"):
            yield Condition(native_id="Condition/1", subject=subject, code=allergy)

    async def check(self, call: Call) -> Health:
        return Health(detail="it never fails")
