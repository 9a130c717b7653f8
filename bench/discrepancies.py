"""What the GP's question costs: CPU time of `discrepancies` about Michael, and how it grows with results of one code.

    python -m bench.discrepancies

Michael's sections come from the demo's estate, once. Then two sources with as many results of one code each: twice as
many should cost twice as much. Times are `process_time`, the best of several runs. What is there before them is out
of the garbage collector's sight, as in the gateway: its walk through the whole estate before each run would leave the
processor's caches empty, and with them the same answer takes half as long again.
"""

import asyncio
import gc
import os
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from adapters.demo import SECRETS, configuration, no_faults, running
from adapters.sdk import NHS_NUMBER
from bench.merge.cost import LINKED, SOURCES, START, coded
from gateway.access import LocalOnly
from gateway.config import load
from gateway.merge import Ids, Terminology, delivered, discrepancies, merge, outcomes, section
from gateway.opening import open_service
from gateway.requesting import RequestGateway
from schema.model.clinical import FACT_TYPES, SECTIONS, Observation
from schema.model.values import Identifier, Period, Quantity
from schema.model.view import Provenance, Section, SectionSource, SourceFact, SourceRef, SourceState
from schema.model.when import When

MICHAEL = Identifier(system=NHS_NUMBER, value="9994071009")
CLOCK = datetime(2026, 3, 17, 2, 10, tzinfo=UTC)


async def michael() -> tuple[list[Section[Any]], Terminology]:
    """His sections, gathered over the estate."""
    os.environ.update(SECRETS)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "gateway.toml"
        async with running(CLOCK, no_faults()) as places:
            path.write_text(configuration(places), encoding="utf-8")
            async with open_service(load(path)) as service:
                asking = RequestGateway(service, LocalOnly.ACTOR, "TREAT", time.monotonic())
                types = frozenset(FACT_TYPES)
                view = await asking.patient(MICHAEL, birth_date=None, deadline_s=20, types=types)
                return [await view.section(fact.__name__) for fact in SECTIONS.values()], service.translator.terms


def of_one_code(count: int) -> Section[Any]:
    """As many results of one code at each of two sources, on different days."""
    ids = Ids(b"a bench's own secret, not a real one")
    facts = [result(ids, source, number, days) for days, source in enumerate(SOURCES[:2]) for number in range(count)]
    heard = [SectionSource(source=source, state=SourceState.OK) for source in SOURCES[:2]]
    return section(Observation, merge(facts, ids, linked=LINKED), heard)


def result(ids: Ids, source: SourceRef, number: int, days: int) -> SourceFact[Any]:
    when = When.instant(START + timedelta(minutes=number, days=1000 * days))
    fact = Observation(
        native_id=f"X/{number}",
        subject="p",
        code=coded(1, source),
        effective=Period(start=when),
        value_quantity=Quantity(value=Decimal(70), unit="/min", code="/min"),
    )
    provenance = Provenance(
        source=source,
        native_id=fact.native_id,
        local_patient_id="p",
        author=None,
        recorded=None,
        retrieved=START,
        record_hash="0" * 64,
    )
    return SourceFact(id=ids.fact_id(source.id, "p", fact.native_id), fact=fact, provenance=provenance)


def cost_ms(call: Any, runs: int = 20) -> float:
    best = float("inf")
    for _ in range(runs):
        gc.collect()
        begun = time.process_time()
        call()
        best = min(best, (time.process_time() - begun) * 1000)
    return best


def main() -> None:
    sections, terms = asyncio.run(michael())
    gc.collect()
    gc.freeze()  # as gateway/serving.py does
    results = next(one for one in sections if one.fact_type == "Observation")
    print(f"Michael, of the practice   {cost_ms(lambda: discrepancies(sections, terms, source='gp')):6.2f} ms")
    print(f"Michael, of every source   {cost_ms(lambda: discrepancies(sections, terms)):6.2f} ms")
    print(f"Michael, every line        {cost_ms(lambda: outcomes(results, terms)):6.2f} ms")
    before = None
    for count in (1000, 2000, 4000):
        made = of_one_code(count)
        took = cost_ms(lambda made=made: discrepancies([made], delivered()), runs=5)
        print(
            f"two sources, {count:5} of one code each {took:8.1f} ms" + (f"  x {took / before:.2f}" if before else "")
        )
        before = took


if __name__ == "__main__":
    main()
