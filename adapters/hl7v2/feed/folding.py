"""The messages about one person, folded into what they say by now: pure, and the same at every reading.

HL7 v2.5.1 chapters 3, 4, 7, 9, 10 and 11. Messages are taken in the order in which they happened. Corrections,
cancellations, replacements and merges act on what came before; a message heard again adds nothing. Allergies and
diagnoses are never removed because a later message leaves them out: absence is no statement.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from adapters.hl7v2.feed import appointments, documents, identity, orders, referrals, vaccines, visits
from adapters.hl7v2.feed.blocks import Block, blocks
from adapters.hl7v2.feed.demographics import Demographics
from adapters.hl7v2.feed.ordering import in_order
from adapters.hl7v2.feed.settings import FeedSettings
from adapters.hl7v2.feed.standing import Numbers, Standing
from adapters.hl7v2.groups import PatientGroup, Report, group
from adapters.hl7v2.parser import Message, Segment, parse
from adapters.hl7v2.people import related_person
from adapters.hl7v2.results import diagnostic_report, observation, standing
from adapters.hl7v2.stays import allergy, condition
from adapters.hl7v2.values import Reading
from adapters.sdk import SourceInvalid
from schema.model.clinical import DocumentReference, Observation, RelatedPerson
from schema.model.fact import Fact, Gap, GapKind
from schema.model.when import When

READ = frozenset({"ADT", "ORU", "SIU", "MDM", "RDE", "VXU", "REF"})
NOT_CLINICAL = frozenset({"BAR", "DFT", "ACK", "MFN", "NMD"})
"""Money and housekeeping: they say nothing for a patient's record."""
_WITHOUT_READER = {
    **dict.fromkeys(("ORM", "OML", "OMG", "OMI", "OMP", "ORP", "PPR", "PGL", "PPT"), None),
    **dict.fromkeys(("OUL", "ORF", "ORA", "OPU"), "Observation"),
    **dict.fromkeys(("RDS", "RAS", "RGV"), "Medication"),
}
_CLAIMED = {
    "ADT": referrals.SEGMENTS,
    "SIU": appointments.SEGMENTS,
    "MDM": documents.SEGMENTS,
    "RDE": orders.SEGMENTS | referrals.SEGMENTS,
    "VXU": vaccines.SEGMENTS,
    "REF": referrals.SEGMENTS,
}
_ENVELOPE = frozenset({"EVN", "MRG"})
_DELETE_PERSON = "A29"
LINKED_BY_HAND = "LINKED_BY_HAND"
"""The `Gap.code` that says that facts are from a message that named nobody."""
_NOT_TAKEN = (
    "An operator linked a message that names nobody for certain: what it says of the person's identity is not taken."
)


@dataclass
class _Person:
    """What is known under one number."""

    demographics: Demographics
    stays: dict[str, visits.Stay] = field(default_factory=dict)
    kin: list[RelatedPerson] = field(default_factory=list)
    facts: dict[str, Fact] = field(default_factory=dict)
    replaced_by: str | None = None


class Fold:
    """Take every message, then ask for the items."""

    def __init__(self, numbers: tuple[str, ...], settings: FeedSettings, zone: ZoneInfo, source_id: str) -> None:
        self._settings = settings
        self._zone = zone
        self._source_id = source_id
        self._people = {number: _Person(Demographics(number)) for number in numbers}
        self._numbers = Numbers()
        # Not by person: an order keeps its number when the record it began under is merged into another.
        self._reports: dict[str, Standing] = {}
        self._superseded: set[str] = set()
        self._gaps: Counter[Gap] = Counter()
        self._mark = ""
        self._by_hand: dict[Message, str] = {}

    def take(self, raws: tuple[bytes, ...], by_hand: Mapping[str, str] = MappingProxyType({})) -> None:
        """All messages, in order of arrival; of those an operator linked, the SHA-256 and the number they are under."""
        messages: list[Message] = []
        seen: set[bytes] = set()
        for raw in raws:
            if (digest := sha256(raw).digest()) in seen:
                continue
            seen.add(digest)
            try:
                messages.append(parse(raw, self._settings.charset))
            except SourceInvalid:
                self._gap(GapKind.UNREADABLE, None, "message")
                continue
            if (number := by_hand.get(digest.hex())) is not None:
                self._by_hand[messages[-1]] = number
        for message, at in in_order(messages, self._zone):
            self._message(message, at)

    def items(self) -> Iterator[Fact | Gap]:
        """Facts and gaps of everybody; nothing when no message names any of the numbers."""
        for one in self._people.values():
            survivor = f"Patient/{one.replaced_by}" if one.replaced_by in self._people else None
            demographics = one.demographics.fact(survivor)
            if demographics is None:
                continue
            yield demographics
            yield from one.kin
            for stay in one.stays.values():
                yield from self._try("Encounter", "PV1", stay.fact)
            for fact in one.facts.values():
                if (
                    isinstance(fact, DocumentReference)
                    and fact.native_id in self._superseded
                    and fact.status == "current"
                ):
                    fact = replace(fact, status="superseded")
                yield fact
        for report in self._reports.values():
            yield from report.facts()
        for gap, count in self._gaps.items():
            yield replace(gap, count=count)

    # One message

    def _message(self, message: Message, at: When | None) -> None:
        family, event = message.header.text(9, 1) or "", message.header.text(9, 2) or ""
        self._mark = sha256("\r".join(s.raw for s in message.segments).encode()).hexdigest()[:16]
        reading = Reading(message, self._settings, self._zone, self._source_id)
        for tie in identity.ties(message, self._settings):
            self._tie(event, tie)
        concerned = False
        for block in blocks(message):
            pid = block.first("PID")
            named = identity.person(self._settings, pid) if pid is not None else None
            linked = named is None and message in self._by_hand
            number = self._by_hand[message] if linked else named.number if named is not None else None
            if number is None or number not in self._people:
                continue
            concerned = True
            one = self._people[number]
            stated = family in READ and event != _DELETE_PERSON
            *before, whole = group(_plain(block, family) if stated else _demographic(block))
            if linked:
                self._gap(GapKind.UNSUPPORTED, "Patient", "PID", LINKED_BY_HAND, _NOT_TAKEN)
            else:
                one.demographics.take(reading, whole, adt=family == "ADT")
            if stated:
                for earlier in before:
                    whole.unmodelled += earlier.unmodelled
                self._common(reading, family, whole, number, one, at)
                self._own(reading, family, block, number, one)
        if not concerned:
            return
        self._say_unread(message, family, event)
        for (fact_type, place), count in reading.unreadable.items():
            self._gap(GapKind.UNREADABLE, fact_type, place, count=count)
        if message.unreadable:
            self._gap(GapKind.UNREADABLE, None, "line", count=message.unreadable)

    def _tie(self, event: str, tie: identity.Tie) -> None:
        """A merge points from the retired record to the survivor; a link of two living records points nowhere."""
        for number, other in ((tie.first, tie.second), (tie.second, tie.first)):
            one = self._people.get(number)
            if one is not None and one.replaced_by == other:
                one.replaced_by = None
        if event in identity.MERGES and tie.first in self._people:
            self._people[tie.first].replaced_by = tie.second
            self._people[tie.first].demographics.named = True

    def _say_unread(self, message: Message, family: str, event: str) -> None:
        if family == "ADT" and event == _DELETE_PERSON:
            self._gap(
                GapKind.UNSUPPORTED,
                "Patient",
                "MSH-9",
                message.type,
                "The source says that it deleted this person's record; a person must decide.",
            )
        elif family not in READ | NOT_CLINICAL:
            self._gap(GapKind.UNSUPPORTED, _WITHOUT_READER.get(family), "MSH-9", message.type)

    def _own(self, reading: Reading, family: str, block: Block, number: str, one: _Person) -> None:
        """What only messages of this family say."""
        match family:
            case "SIU":
                self._appointment(reading, block, number, one)
            case "MDM":
                self._document(reading, block, number, one)
            case "RDE":
                self._orders(reading, block, number, one)
            case "VXU":
                self._vaccines(reading, block, number, one)
            case "ADT" | "REF":
                self._referrals(reading, block, number, one)
            case _:
                pass

    def _common(
        self, reading: Reading, family: str, whole: PatientGroup, number: str, one: _Person, at: When | None
    ) -> None:
        """Kin, visits, allergies, diagnoses and results: the same segments in every family."""
        for name, count in whole.unmodelled.items():
            self._gap(GapKind.UNSUPPORTED, _HOLDS.get(name, "Patient"), name, name, count=count)
        kin = [
            fact
            for ordinal, node in enumerate(whole.kin, 1)
            for fact in self._try("RelatedPerson", "NK1", related_person, reading, node, number, ordinal)
            if isinstance(fact, RelatedPerson)
        ]
        # A message that names kin names all of them (section 2.10.4, snapshot mode); one without says nothing.
        one.kin = kin or one.kin
        event = reading.message.header.text(9, 2) or ""
        if family == "ADT" and event not in visits.ABOUT_THE_PERSON:
            for ordinal, visit in enumerate(whole.visits):
                pv1 = visit.pv1.segment
                if not (pv1.empty or (pv1.text(2) == "N" and pv1.text(19) is None)):
                    key = visits.key(pv1, number, f"{self._mark}-{ordinal}")
                    before = self._move(key, number)
                    one.stays[key] = visits.apply(before, visit, event, number, reading)
        for node in whole.allergies:
            for fact in self._try("AllergyIntolerance", "AL1", allergy, reading, node, number, 1):
                told = node.segment.text(3) or node.segment.text(3, 2)
                self._put(one, replace(fact, native_id=f"AllergyIntolerance/{number}-AL1-{told}"))
        for diagnosis, stay in whole.diagnoses:
            dg1 = diagnosis.segment
            for fact in self._try("Condition", "DG1", condition, reading, diagnosis, stay, number, 1):
                if dg1.text(20) is None:
                    of = (stay.pv1.segment.text(19) if stay is not None else None) or number
                    fact = replace(fact, native_id=f"Condition/{of}-DG1-{dg1.text(3) or dg1.text(4)}")
                self._put(one, fact)
        for ordinal, report in enumerate(whole.reports):
            self._report(reading, report, number, at, ordinal)

    def _move(self, key: str, number: str) -> visits.Stay | None:
        """The visit so far, taken from whomever it was kept under: visits move (A45), and merges come late."""
        for other in self._people.values():
            if (found := other.stays.pop(key, None)) is not None:
                found.number = number
                return found
        return None

    def _report(self, reading: Reading, report: Report, number: str, at: When | None, ordinal: int) -> None:
        subject = f"Patient/{number}"
        obr = report.obr.segment if report.obr is not None else None
        filler, placer = (obr.text(3), obr.text(2)) if obr is not None else (None, None)
        key = self._numbers.key(filler, placer, f"{self._mark}-{ordinal}")
        built: list[tuple[Segment, Observation]] = [
            (node.segment, item)
            for node in report.results
            for item in self._try("Observation", "OBX", observation, reading, report, node, key, subject)
        ]
        # U, and no other status, means "now final, and not sent again" (table 0085).
        unsaid = {result.native_id for obx, result in built if obx.text(11) == "U"}
        kept = self._reports.setdefault(key, Standing())
        for result in standing(built):
            kept.add(result, at, repeats=result.native_id in unsaid)
        if report.obr is not None:
            for fact in self._try("DiagnosticReport", "OBR", diagnostic_report, reading, report, key, subject, ()):
                kept.report = fact

    # What only some families have

    def _appointment(self, reading: Reading, block: Block, number: str, one: _Person) -> None:
        sch = block.first("SCH")
        if sch is None:
            self._gap(GapKind.UNREADABLE, "Appointment", "SCH")
            return
        key = self._numbers.key(_scoped("SCH", sch.text(2)), _scoped("SCH", sch.text(1)), f"SCH-{self._mark}")
        for fact in self._try(
            "Appointment", "SCH", appointments.appointment, reading, block, number, key.removeprefix("SCH-")
        ):
            self._put(one, fact)

    def _document(self, reading: Reading, block: Block, number: str, one: _Person) -> None:
        txa = block.first("TXA")
        if txa is None:
            self._gap(GapKind.UNREADABLE, "DocumentReference", "TXA")
            return
        key = documents.number_of(txa, 12) or txa.text(15) or self._mark
        fact, gaps = documents.document(reading, block, number, key)
        for gap in gaps:
            self._gaps[replace(gap, count=1)] += gap.count
        if fact is None:
            return
        before = one.facts.get(fact.native_id)
        if isinstance(before, DocumentReference) and before.contents and not fact.contents:
            # A notification says that the document changed its state, not that it lost its words.
            fact = replace(fact, contents=before.contents)
        self._superseded |= set(fact.replaces) - {fact.native_id}
        self._put(one, fact)

    def _orders(self, reading: Reading, block: Block, number: str, one: _Person) -> None:
        for ordinal, order in enumerate(block.groups("ORC")):
            filler, placer = orders.keys(order)
            key = self._numbers.key(_scoped("RX", filler), _scoped("RX", placer), f"RX-{self._mark}-{ordinal}")
            for fact in self._try(
                "Medication", "ORC", orders.medication, reading, order, number, key.removeprefix("RX-")
            ):
                self._put(one, fact)

    def _vaccines(self, reading: Reading, block: Block, number: str, one: _Person) -> None:
        """Each RXA with the ORC before it; one ORC may stand before several."""
        for order in block.groups("ORC") if block.first("ORC") is not None else [block]:
            head = [s for s in order.segments if s.name == "ORC"]
            for ordinal, shot in enumerate(order.groups("RXA")):
                given = Block(block.event, head + shot.segments)
                filler, placer = vaccines.keys(given)
                rxa = shot.segments[0]
                otherwise = "-".join(filter(None, (number, rxa.text(3), rxa.text(5)))) or self._mark
                key = (filler or placer or otherwise) + (f"-{ordinal + 1}" if ordinal else "")
                for fact in self._try("Immunization", "RXA", vaccines.immunization, reading, given, number, key):
                    self._put(one, fact)

    def _referrals(self, reading: Reading, block: Block, number: str, one: _Person) -> None:
        for ordinal, rf1 in enumerate(block.all("RF1")):
            key = rf1.text(6) or rf1.text(11) or f"{self._mark}-{ordinal}"
            for fact in self._try("ServiceRequest", "RF1", referrals.referral, reading, block, rf1, number, key):
                self._put(one, fact)
        for pr1 in block.all("PR1"):
            for fact in self._try("Procedure", "PR1", referrals.procedure, reading, block, pr1, number):
                self._put(one, fact)
        for iam in block.all("IAM"):
            for fact in self._try("AllergyIntolerance", "IAM", referrals.adverse_reaction, reading, block, iam, number):
                self._put(one, fact)

    # Small things

    def _put(self, one: _Person, fact: Fact) -> None:
        """The latest statement under an id stands, wherever it was kept."""
        for other in self._people.values():
            other.facts.pop(fact.native_id, None)
        one.facts[fact.native_id] = fact

    def _try(self, fact_type: str, at: str, build: Callable[..., Any], *args: Any) -> Iterator[Any]:
        """One bad segment costs itself only; gaps are counted here."""
        try:
            built = build(*args)
        except ValueError:
            self._gap(GapKind.UNREADABLE, fact_type, at)
            return
        if isinstance(built, Gap):
            self._gaps[replace(built, count=1)] += built.count
        elif built is not None:
            yield built

    def _gap(
        self,
        kind: GapKind,
        fact_type: str | None,
        at: str,
        code: str | None = None,
        text: str | None = None,
        count: int = 1,
    ) -> None:
        self._gaps[Gap(kind=kind, fact_type=fact_type, code=code, at=at, text=text)] += count


_HOLDS = {
    "PRB": "Condition",
    "IAR": "AllergyIntolerance",
    "RXC": "Medication",
    "RXD": "Medication",
    "RXG": "Medication",
    "SCH": "Appointment",
    "TXA": "DocumentReference",
    "CON": "Consent",
    "ROL": "CareTeam",
    "PRT": "CareTeam",
}
"""The fact type that a segment without a reader belongs to; administrative and Z segments count as demographics."""
_DEMOGRAPHIC = frozenset({"PID", "PD1", "ARV"})


def _plain(block: Block, family: str) -> list[Segment]:
    """The segments that mean the same in every family: those with a meaning of their own in this one left out."""
    if family == "VXU":
        block = _before(block, "RXA")
    return block.without(_CLAIMED.get(family, frozenset()) | _ENVELOPE)


def _demographic(block: Block) -> list[Segment]:
    return [segment for segment in block.segments if segment.name in _DEMOGRAPHIC]


def _scoped(scope: str, number: str | None) -> str | None:
    """Numbers of orders and of appointments may be the same and are not the same thing."""
    return f"{scope}-{number}" if number else None


def _before(block: Block, name: str) -> Block:
    """The segments before the first of a name, and before its order: in a VXU what follows is about the vaccination."""
    kept: list[Segment] = []
    for segment in block.segments:
        if segment.name in (name, "ORC"):
            break
        kept.append(segment)
    return Block(block.event, kept)
