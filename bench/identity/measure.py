"""What the gateway makes of pairs of records: grade, vetoes and guard, as for any source's answer.

A false link is a record of another person whose facts would be shown. Linked is what is shown; seen is that, and what
is "present, not linked" or in a steward's list.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from bench.identity.people import Pair, Record
from gateway.identity.guard import Verdict, admit
from gateway.identity.reference import ReferenceOrigin, ReferencePerson, from_patient
from schema.model.clinical import Patient
from schema.model.values import Address, HumanName, Identifier
from schema.model.when import When

LONDON = ZoneInfo("Europe/London")
ASKED = "asked"
EXAMPLES_KEPT = 20


@dataclass(slots=True)
class Tally:
    """Verdicts of one kind of pair, by origin."""

    kind: str
    verdicts: Counter[tuple[str, Verdict]] = field(default_factory=Counter)
    linked: list[Pair] = field(default_factory=list)
    """The first few that were linked."""
    missed: list[Pair] = field(default_factory=list)
    """The first few that were not."""

    def add(self, pair: Pair) -> None:
        verdict = judge(pair)
        self.verdicts[pair.origin, verdict] += 1
        kept = self.linked if verdict is Verdict.ADMITTED else self.missed
        if len(kept) < EXAMPLES_KEPT:
            kept.append(pair)

    def count(self, *verdicts: Verdict, origin: str | None = None) -> int:
        """How many had one of these verdicts; of all, without any."""
        return sum(
            number
            for (of, verdict), number in self.verdicts.items()
            if origin in (None, of) and (not verdicts or verdict in verdicts)
        )

    def link_rate(self, origin: str | None = None) -> float:
        return self.count(Verdict.ADMITTED, origin=origin) / self.count(origin=origin)

    def seen_rate(self, origin: str | None = None) -> float:
        seen = (Verdict.ADMITTED, Verdict.PRESENT_NOT_LINKED, Verdict.STEWARD)
        return self.count(*seen, origin=origin) / self.count(origin=origin)


def measure(kind: str, pairs: Iterable[Pair]) -> Tally:
    tally = Tally(kind)
    for pair in pairs:
        tally.add(pair)
    return tally


def judge(pair: Pair) -> Verdict:
    """What becomes of the candidate in one answer that holds it and whatever is beside it."""
    records = (pair.candidate, *pair.beside)
    facts = [patient(record, f"{number}") for number, record in enumerate(records)]
    admitted = admit(facts, reference(pair.reference), person=None, standing={})
    return admitted.findings[0].verdict


def reference(record: Record) -> ReferencePerson:
    """The person asked for, as an authority states them."""
    if record.number is None:
        raise ValueError("nobody is asked for without a number")
    asked = Identifier(system=record.number_system, value=record.number, verified=record.verified)
    return from_patient(patient(record, ASKED), asked, ReferenceOrigin.AUTHORITY)


def patient(record: Record, local_id: str) -> Patient:
    """What a source would give of it."""
    given = tuple(name for name in (record.given, record.middle) if name)
    names = (HumanName(given=given, family=record.family),) if given or record.family else ()
    return Patient(
        native_id=local_id,
        subject=local_id,
        identifiers=_identifiers(record),
        names=names,
        birth_date=When.iso(record.birth_date.isoformat(), LONDON) if record.birth_date else None,
        gender=record.gender,
        addresses=_addresses(record),
        multiple_birth=record.multiple_birth or None,
    )


def _identifiers(record: Record) -> tuple[Identifier, ...]:
    if record.number is None:
        return ()
    return (Identifier(system=record.number_system, value=record.number, verified=record.verified),)


def _addresses(record: Record) -> tuple[Address, ...]:
    if record.address is None:
        return ()
    line = f"{record.address.house} {record.address.street}"
    return (Address(lines=(line,), postal_code=record.address.postcode, use="home"),)
