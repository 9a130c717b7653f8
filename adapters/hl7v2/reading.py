"""Answers of an HL7 v2 source to facts and gaps: pure, total and re-runnable. IHE ITI TF-2 3.21.4.2 and 3.22.4.2;
HL7 v2.5.1 sections 3.3.19 and 7.3.3.

Several persons in an answer are several patients, each fact bound to its own. A segment that cannot be read becomes a
gap and the others stay; what is not modelled is said once for each kind of segment.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Concatenate, ParamSpec
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from adapters.hl7v2.groups import PatientGroup, group
from adapters.hl7v2.parser import Segment, parse
from adapters.hl7v2.people import NoLocalNumber, local_number, patient, related_person
from adapters.hl7v2.queries import found
from adapters.hl7v2.results import diagnostic_report, observation, report_key, standing
from adapters.hl7v2.settings import Hl7v2Settings
from adapters.hl7v2.stays import allergy, condition, encounter
from adapters.hl7v2.values import Reading
from adapters.sdk import SourceInvalid, SourceRecord
from schema.model.clinical import Observation, Patient
from schema.model.fact import PATIENT_NOT_FOUND, Fact, Gap, GapKind

P = ParamSpec("P")

_UNMODELLED = {
    "PR1": "Procedure",
    "IAM": "AllergyIntolerance",
    "PRB": "Condition",
    "RXA": "Immunization",
    "RXO": "Medication",
    "RXE": "Medication",
    "RXD": "Medication",
    "RXG": "Medication",
    "SCH": "Appointment",
    "RF1": "ServiceRequest",
    "TXA": "DocumentReference",
    "CON": "Consent",
    "ROL": "CareTeam",
    "PRT": "CareTeam",
}
"""The fact type that a segment without a reader belongs to; administrative and Z segments count as demographics."""


def read(record: SourceRecord, settings: Hl7v2Settings, zone: ZoneInfo, source_id: str) -> Iterator[Fact | Gap]:
    """Facts and gaps of one answer, all its pages together.

    Raises SourceInvalid when a page is not the message that the record says it is.
    """
    items: list[Fact | Gap] = []
    names_somebody = False
    for part in record.parts:
        message = parse(part, settings.charset)
        if message.type != record.kind:
            raise SourceInvalid("the record is not a message of the type it is kept as")
        if found(message) == "found":
            names_somebody = True
            items += _Answer(Reading(message, settings, zone, source_id)).items()
    if not names_somebody:
        yield from _nobody(record.types)
        return
    yield from once(items)
    if record.truncated:
        yield Gap(kind=GapKind.TRUNCATED, text="The source had more to say than was fetched.")
    stated = {item.fact_type if isinstance(item, Gap) else type(item).__name__ for item in items}
    if None not in stated:
        for missing in sorted(record.types - stated):
            yield Gap(kind=GapKind.NOT_RECORDED, fact_type=missing)


def _nobody(types: frozenset[str]) -> Iterator[Gap]:
    """QAK-2 NF is "no data found" (table 0208): of a question about visits or results alone it does not say more."""
    if "Patient" in types:
        yield Gap(kind=GapKind.NOT_HELD, code=PATIENT_NOT_FOUND)
    else:
        for missing in sorted(types):
            yield Gap(kind=GapKind.NOT_RECORDED, fact_type=missing)


def once(items: Iterable[Fact | Gap]) -> Iterator[Fact | Gap]:
    """Facts repeated word for word are one; the same id with another content keeps both, the later under its own id."""
    seen: dict[str, Fact] = {}
    gaps: Counter[Gap] = Counter()
    people: list[Patient] = []
    for item in items:
        if isinstance(item, Gap):
            gaps[replace(item, count=1)] += item.count
            continue
        if isinstance(item, Patient):
            # Two versions of one person are both kept as they are: which is right is not ours to say.
            people += [item] if item not in people else []
            continue
        native_id, again = item.native_id, 1
        while native_id in seen and seen[native_id] != replace(item, native_id=native_id):
            again += 1
            native_id = f"{item.native_id}-{again}"
        seen.setdefault(native_id, replace(item, native_id=native_id))
    yield from people
    yield from seen.values()
    for gap, count in gaps.items():
        yield replace(gap, count=count)


class _Answer:
    """One message, read group by group."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._unmodelled: Counter[str] = Counter()
        self._bad: Counter[tuple[str, str]] = Counter()

    def items(self) -> Iterator[Fact | Gap]:
        for one in group(self._reading.message.segments):
            yield from self._group(one)
        for name, count in self._unmodelled.items():
            kind = _UNMODELLED.get(name, "Patient")
            yield Gap(kind=GapKind.UNSUPPORTED, fact_type=kind, code=name, at=name, count=count)
        for (fact_type, at), count in (self._bad + self._reading.unreadable).items():
            yield Gap(kind=GapKind.UNREADABLE, fact_type=fact_type, at=at, count=count)
        if self._reading.message.unreadable:
            yield Gap(kind=GapKind.UNREADABLE, at="line", count=self._reading.message.unreadable)

    def _group(self, one: PatientGroup) -> Iterator[Fact | Gap]:
        self._unmodelled += one.unmodelled
        if one.pid is None:
            yield from self._results(one, None)
            return
        try:
            number = local_number(self._reading.settings, one.pid.segment.repetitions(3))
        except NoLocalNumber:
            yield Gap(kind=GapKind.UNREADABLE, at="PID-3", text="The source's own number is missing or not certain.")
            return
        yield patient(self._reading, one, number)
        for at, node in enumerate(one.kin, 1):
            yield from self._try("RelatedPerson", node.segment, related_person, node, number, at)
        for at, visit in enumerate(one.visits, 1):
            yield from self._try("Encounter", visit.pv1.segment, encounter, visit, number, at)
        for at, node in enumerate(one.allergies, 1):
            yield from self._try("AllergyIntolerance", node.segment, allergy, node, number, at)
        for at, (node, stay) in enumerate(one.diagnoses, 1):
            yield from self._try("Condition", node.segment, condition, node, stay, number, at)
        yield from self._results(one, number)

    def _try(
        self,
        fact_type: str,
        segment: Segment,
        build: Callable[Concatenate[Reading, P], Fact | Gap | None],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Iterator[Fact | Gap]:
        """One bad segment costs itself only."""
        try:
            built = build(self._reading, *args, **kwargs)
        except ValueError:
            self._bad[fact_type, segment.name] += 1
            return
        if built is not None:
            yield built

    def _results(self, one: PatientGroup, number: str | None) -> Iterator[Fact | Gap]:
        subject = f"Patient/{number}" if number else None
        for at, report in enumerate(one.reports, 1):
            key = report_key(report, number, at)
            built: list[tuple[Segment, Observation]] = []
            for node in report.results:
                for item in self._try("Observation", node.segment, observation, report, node, key, subject):
                    if isinstance(item, Observation):
                        built.append((node.segment, item))
                    else:
                        yield item
            results = standing(built)
            yield from results
            if report.obr is not None:
                ids = tuple(dict.fromkeys(item.native_id for item in results))
                yield from self._try(
                    "DiagnosticReport", report.obr.segment, diagnostic_report, report, key, subject, ids
                )
