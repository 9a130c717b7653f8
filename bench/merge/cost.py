"""What merging costs: CPU time for 10,000 facts, and how it grows when the facts double.

    python -m bench.merge.cost [facts]

The goal is under 100 ms for 10,000 facts on one core and at most 2.3 times for twice as many (MERGE.md section 4).
Facts come from six sources that all state every thing: four in five observations, the rest conditions, courses and
allergies. Where one or two sources state all of them less is equal, and more is looked at: the last lines. Times are
`process_time`, the best of several runs; a busy machine still lengthens them, by a half and more, since its caches are
shared.
"""

import gc
import random
import sys
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

from gateway.merge import Ids, delivered, discrepancies, merge, section
from schema.model.clinical import (
    FACT_TYPES,
    AllergyIntolerance,
    Condition,
    Medication,
    MedicationKind,
    Observation,
)
from schema.model.values import CodeableConcept, Coding, Identifier, Period, Quantity
from schema.model.view import Provenance, SectionSource, SourceFact, SourceRef, SourceState
from schema.model.when import When

SCT = "http://snomed.info/sct"
UTC_ZONE = ZoneInfo("UTC")
SOURCES = tuple(SourceRef(id=f"s{n}", name=f"Source {n}", organization=f"Organisation {n}") for n in range(6))
LINKED = frozenset((source.id, "p") for source in SOURCES)
START = datetime(2026, 1, 1, tzinfo=UTC)


def coded(number: int, source: SourceRef) -> CodeableConcept:
    """Each source has its own words for a code, as in life."""
    return CodeableConcept(codings=(Coding(system=SCT, code=str(number), display=f"Concept {number}, {source.name}"),))


def day(number: int) -> When:
    return When.iso((START - timedelta(days=number)).date().isoformat(), UTC_ZONE)


def things(
    count: int, rng: random.Random, sources: tuple[SourceRef, ...] = SOURCES
) -> dict[str, list[SourceFact[Any]]]:
    ids = Ids(b"a bench's own secret, not a real one")
    found: dict[str, list[SourceFact[Any]]] = {
        "Observation": [],
        "Condition": [],
        "Medication": [],
        "AllergyIntolerance": [],
    }

    def state(kind: str, fact: Any, source: SourceRef) -> None:
        found[kind].append(
            SourceFact(
                id=ids.fact_id(source.id, "p", fact.native_id),
                fact=fact,
                provenance=Provenance(
                    source=source,
                    native_id=fact.native_id,
                    local_patient_id="p",
                    author=None,
                    recorded=None,
                    retrieved=START,
                    record_hash="0" * 64,
                ),
            )
        )

    for number in range(count // len(sources)):
        for source in sources:
            native = f"X/{number}"
            kind = number % 20
            if kind < 16:
                state("Observation", observation(native, number, source, rng), source)
            elif kind < 18:
                onset = day(rng.randrange(9000))
                state(
                    "Condition",
                    Condition(native_id=native, subject="p", code=coded(number % 300, source), onset=onset),
                    source,
                )
            elif kind == 18:
                state("Medication", course(native, number, source), source)
            else:
                fact = AllergyIntolerance(
                    native_id=native,
                    subject="p",
                    code=coded(number, source),
                    clinical_status="active",
                    criticality="low",
                )
                state("AllergyIntolerance", fact, source)
    return found


def observation(native: str, number: int, source: SourceRef, rng: random.Random) -> Observation:
    """Forty kinds of result every ten minutes; one value in fifty is another in one source."""
    value = Decimal(number % 90) + (rng.randrange(50) == 0)
    return Observation(
        native_id=native,
        subject="p",
        code=coded(number % 40, source),
        identifiers=(Identifier(system="urn:oid:1.2.3", value=str(number)),),
        effective=Period(start=When.instant(START - timedelta(minutes=10 * (number // 40)))),
        value_quantity=Quantity(value=value, unit="mmol/L", system="http://unitsofmeasure.org", code="mmol/L"),
    )


def course(native: str, number: int, source: SourceRef) -> Medication:
    return Medication(
        native_id=native,
        subject="p",
        kind=MedicationKind.STATEMENT,
        code=coded(number, source),
        status="active",
        dosage="Take ONE tablet daily",
        effective=Period(start=day(number % 400)),
    )


def cost_ms(by_kind: dict[str, list[SourceFact[Any]]]) -> tuple[float, int]:
    """CPU time of one merge of everything, and how many merged facts it made."""
    ids = Ids(b"a bench's own secret, not a real one")
    gc.collect()
    started = time.process_time()
    made = sum(len(merge(facts, ids, linked=LINKED)) for facts in by_kind.values())
    return (time.process_time() - started) * 1000, made


def discrepancies_ms(by_kind: dict[str, list[SourceFact[Any]]], runs: int = 5) -> float:
    """What `discrepancies` takes over the merged sections of sources that all answered."""
    ids, terms = Ids(b"a bench's own secret, not a real one"), delivered()
    told = [SectionSource(source=source, state=SourceState.OK) for source in SOURCES]
    sections = [section(FACT_TYPES[kind], merge(facts, ids, linked=LINKED), told) for kind, facts in by_kind.items()]
    best = float("inf")
    for _ in range(runs):
        started = time.process_time()
        discrepancies(sections, terms)
        best = min(best, (time.process_time() - started) * 1000)
    return best


def main(count: int = 10_000, runs: int = 25) -> None:
    """Sizes take turns, so that a busy machine slows all of them: the growth is the median of the turns."""
    sizes = [things(size, random.Random(1)) for size in (count // 2, count, count * 2)]
    turns = [[cost_ms(by_kind) for by_kind in sizes] for _ in range(runs)]
    print(f"{'facts':>8} {'merged':>8} {'CPU ms':>8} {'us/fact':>8} {'x of half':>10} {'discrepancies ms':>17}")
    for place, by_kind in enumerate(sizes):
        facts, made = sum(map(len, by_kind.values())), turns[0][place][1]
        took = min(turn[place][0] for turn in turns)
        growth = median(turn[place][0] / turn[place - 1][0] for turn in turns)
        ratio = f"{growth:.2f}" if place else "-"
        asked = discrepancies_ms(by_kind)
        print(f"{facts:>8} {made:>8} {took:>8.1f} {took * 1000 / facts:>8.1f} {ratio:>10} {asked:>17.1f}")
    for sources in (1, 2):
        by_kind = things(count, random.Random(1), SOURCES[:sources])
        took = min(cost_ms(by_kind)[0] for _ in range(runs))
        print(f"{count:>8} facts that {sources} of the sources state: {took:.1f} ms")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
