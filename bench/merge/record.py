"""What six sources say about one invented person, each statement with its label.

A label says what the statement is about in truth. `thing` is one thing in the world, `says` what is claimed of it:

    same thing, same claim       must merge, where both are told well enough
    same thing, other claim      must not merge, and each must name the other as a conflict
    another thing                must not merge; a conflict only where one was planted (`dispute`)

The sources: a practice, a hospital, its laboratory, a mental health trust, a community trust on old codes, and a
regional record that passes on what the first two said.
"""

import random
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct, structs

from bench.merge.vocabulary import ICD10, IPS, LOCAL, LOINC, PRIVATE, READ2, SCT, UCUM, Concept
from gateway.merge import Ids
from schema.model.fact import Fact
from schema.model.values import CodeableConcept, Coding, Identifier, Period, Quantity
from schema.model.view import Provenance, SourceFact, SourceRef
from schema.model.when import When

NAMES = ("gp", "hospital", "laboratory", "mental", "community", "region")
SOURCES = {name: SourceRef(id=name, name=name, organization=f"The {name} organisation") for name in NAMES}
CLINICS = ("gp", "hospital", "mental", "community")
LONDON = ZoneInfo("Europe/London")
TODAY = date(2026, 3, 1)
IDS = Ids(b"a bench's own secret, not a real one")
LINKED = frozenset((name, f"{name}-person") for name in NAMES)
_ALIASES = {SCT: ("urn:oid:2.16.840.1.113883.6.96", "https://snomed.info/sct"), LOINC: ("LN",)}
_USUAL = {
    "gp": (SCT, SCT, SCT, READ2),
    "hospital": (SCT, SCT, SCT, "local"),
    "laboratory": ("local", "local", LOINC),
    "mental": (ICD10, SCT, SCT, "local"),
    "community": (READ2, SCT, "local"),
}
"""In which systems each source codes, as often as they are listed."""

Claimed = tuple[str, str]
"""(thing, what is claimed of it)."""


class Label(Struct, frozen=True):
    """What a statement is about in truth."""

    thing: str
    says: str | None = ""
    """What it claims of the thing; None when it leaves open what others disagree on."""
    told: bool = True
    """False when nothing in it lets anybody tell what it is (words alone, no date): merging is then not required."""
    knows: tuple[str, ...] = ()
    """Further things that a source which says this plainly knows about: the course of an order, the finer diagnosis."""


class Statement(Struct, frozen=True):
    """What one source says, and what is true about it."""

    fact: SourceFact[Any]
    label: Label
    concept: Concept | None


class Record:
    """One person's record under construction."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.statements: list[Statement] = []
        self.disputes: set[frozenset[Claimed]] = set()
        """Pairs of claims about two things that contradict each other."""
        self.implied: dict[str, set[str]] = {}
        self._number = 0

    def name(self, kind: str) -> str:
        """A new thing, which exists once in the world."""
        self._number += 1
        return f"{kind} {self._number}"

    def dispute(self, one: "Claimed", other: "Claimed") -> None:
        """These two claims, about two things, contradict each other: each must name the other."""
        self.disputes.add(frozenset((one, other)))

    def imply(self, thing: str, other: str) -> None:
        """A source that states `thing` may well mean `other`: it cannot be said to lack it."""
        self.implied.setdefault(thing, set()).add(other)

    def some(self, least: int = 1, most: int = 3, among: Iterable[str] = CLINICS) -> list[str]:
        """Different sources, in any order."""
        pool = list(among)
        return self.rng.sample(pool, min(self.rng.randint(least, most), len(pool)))

    def say(
        self, source: str, kind: type[Fact], label: Label, concept: Concept | None = None, /, **fields: Any
    ) -> Statement:
        """That source states it, in its own codes; `fields` are those of the fact."""
        self._number += 1
        code = fields.get("code", fields.get("vaccine_code"))
        if code is not None and not any(one.system != PRIVATE for one in code.codings):
            label = structs.replace(label, told=False)
        fact = kind(
            **{"native_id": f"{kind.__name__}/{self._number}", "subject": f"{source}-person", **fields},
        )
        self.statements.append(Statement(said(source, fact), label, concept))
        return self.statements[-1]

    def coded(self, source: str, concept: Concept) -> CodeableConcept:
        """`concept` as that source codes it: its usual system, its own words, and now and then words alone."""
        rng = self.rng
        words = rng.choice((concept.name, concept.name.upper(), f"{concept.name} ({source})"))
        chance = rng.random()
        if chance < 0.02:
            return CodeableConcept(text=words)
        if source in ("laboratory", "community") and chance < 0.06:
            # The code of one thing here is the code of another there.
            code = str(sum(map(ord, concept.name)) % 7)
            return CodeableConcept(codings=(Coding(system=PRIVATE, code=code, display=words),))
        usual = [system for system in _USUAL[source] if system == "local" or system in concept.codes]
        system = rng.choice(usual or [SCT])
        if system == "local":
            codings = [Coding(system=LOCAL[source], code=concept.local(source), display=words)]
        else:
            shown = rng.choice((system, system, *_ALIASES.get(system, ())))
            codings = [Coding(system=shown, code=concept.codes[system], display=words)]
            if source == "gp" and system == SCT and READ2 in concept.codes and rng.random() < 0.5:
                codings.insert(0, Coding(system=READ2, code=concept.codes[READ2], display=words))
            if system == SCT and IPS in concept.codes and rng.random() < 0.5:
                codings = [Coding(system=IPS, code=concept.codes[IPS], display=words)]
        return CodeableConcept(text=words if rng.random() < 0.7 else None, codings=tuple(codings))

    def pass_on(self) -> None:
        """The regional record repeats a third of what practice and hospital said: one copy of a thing, seldom two."""
        heard: set[tuple[str, str | None]] = set()
        for one in list(self.statements):
            key = (one.label.thing, one.label.says)
            if one.fact.provenance.source.id not in ("gp", "hospital") or self.rng.random() > 0.35:
                continue
            if one.fact.fact.entered_in_error or (key in heard and self.rng.random() < 0.9):
                continue
            heard.add(key)
            self._number += 1
            kind = type(one.fact.fact).__name__
            copy = structs.replace(one.fact.fact, native_id=f"{kind}/{self._number}", subject="region-person")
            self.statements.append(Statement(said("region", copy), one.label, one.concept))


def said(source: str, fact: Fact) -> SourceFact[Any]:
    local = f"{source}-person"
    return SourceFact(
        id=IDS.fact_id(source, local, fact.native_id),
        fact=fact,
        provenance=Provenance(
            source=SOURCES[source],
            native_id=fact.native_id,
            local_patient_id=local,
            author=None,
            recorded=fact.recorded,
            retrieved=datetime(2026, 3, 1, 12, tzinfo=UTC),
            record_hash="0" * 64,
        ),
    )


def on(day: date, precision: int = 10) -> When:
    """That day, or with 7 its month, with 4 its year."""
    return When.iso(day.isoformat()[:precision], LONDON)


def ago(days: int) -> date:
    return TODAY - timedelta(days=days)


def instant(rng: random.Random, moment: datetime) -> When:
    """One moment, as wall time without a zone or with the zone stated: both mean the same."""
    wall = moment.astimezone(LONDON)
    text = rng.choice((wall.replace(tzinfo=None).isoformat(), wall.isoformat(), moment.isoformat()))
    return When.iso(text, LONDON)


def moment(rng: random.Random, days: int) -> datetime:
    """Some minute so many days ago; never in the hour that a clock change repeats or leaves out."""
    return datetime(*ago(days).timetuple()[:3], rng.randint(6, 21), rng.randrange(60), tzinfo=UTC)


def since(start: When | None, end: When | None = None) -> Period:
    return Period(start=start, end=end)


def amount(value: str | Decimal, unit: str | None = None, comparator: str | None = None) -> Quantity:
    return Quantity(value=Decimal(value), unit=unit, system=UCUM if unit else None, code=unit, comparator=comparator)


def number(system: str | None, value: str) -> Identifier:
    return Identifier(system=system, value=value)
