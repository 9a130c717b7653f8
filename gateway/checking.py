"""`sherwood check`: every source asked for real about the test patient, and what came of it."""

import asyncio
import time
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from adapters.sdk import NHS_NUMBER, Actor, Ask, Call, SourceError, SourceTimeout, Subject
from gateway.config import Config
from gateway.flights import CUT_GRACE_S, ConfiguredSource
from gateway.identity.nhs_number import BadIdentifier, normalise
from gateway.merge import Terminology
from gateway.opening import open_service
from gateway.problems import CommandError
from gateway.translating import Translator
from schema.model.fact import Gap
from schema.model.values import Identifier

CHECKER = Actor(user="sherwood-check", role="system", organization="sherwood", name="Sherwood check")


@dataclass(frozen=True)
class Checked:
    """What one source's check found."""

    source: ConfiguredSource
    passed: bool
    detail: str
    warnings: tuple[str, ...]
    seconds: float


async def check_sources(config: Config, out: Console) -> bool:
    """Check all sources side by side and print a table. True when every one passed."""
    subject = _test_subject(config)
    async with open_service(config) as service:
        with out.status(f"Asking {len(service.sources)} sources ..."):
            results = await asyncio.gather(*(_check(source, subject) for source in service.sources.values()))
            server = await _check_translator(service.translator)
    table = Table("source", "kind", "", "seconds", "what was found", title="sherwood check")
    for result in results:
        mark = "[green]ok[/]" if result.passed else "[bold red]failed[/]"
        found = "\n".join((escape(result.detail), *(f"[yellow]{escape(w)}[/]" for w in result.warnings)))
        table.add_row(result.source.table.id, result.source.table.adapter, mark, f"{result.seconds:.2f}", found)
    out.print(table, highlight=False)
    _show_terminology(service.translator.terms, out)
    if service.translator.asks:
        out.print(f"Terminology server: {server or 'ok'}", highlight=False, markup=False, soft_wrap=True)
    if subject is None:
        out.print("No test patient is configured: write test_patient under [check] to have one asked about.")
    return server is None and all(result.passed for result in results)


async def _check_translator(translator: Translator) -> str | None:
    """What is wrong with the terminology server; None when nothing is, or there is none."""
    try:
        await translator.check()
    except SourceError as problem:
        return f"failed: {problem.code}: {problem}"
    return None


def _show_terminology(terms: Terminology, out: Console) -> None:
    """By which lists and maps codes are compared, and where the maps contradict each other."""
    lines = [f"Merge lists: version {terms.version}"]
    for one in terms.maps:
        state = " ".join(["version", one.version or "not stated", *([f"of {one.date}"] if one.date else [])])
        lines.append(f"Concept map: {one.name}, {state}, {len(one.lines)} lines")
    out.print("\n".join(lines), highlight=False, markup=False, soft_wrap=True)
    for contradiction in terms.contradictions:
        out.print(f"[yellow]Maps contradict each other, so nothing is the same by it:[/] {escape(contradiction)}")


def _test_subject(config: Config) -> Subject | None:
    if config.check.test_patient is None:
        return None
    try:
        number = normalise(config.check.test_patient)
    except BadIdentifier as problem:
        raise CommandError(f"[check] test_patient: {problem}") from None
    return Subject(identifiers=(Identifier(system=NHS_NUMBER, value=number),))


async def _check(source: ConfiguredSource, subject: Subject | None) -> Checked:
    started = time.monotonic()
    call = Call(deadline=started + source.table.timeout, actor=CHECKER, purpose="HOPERAT")
    warnings: list[str] = []
    if source.table.share is not None and source.adapter.answer_depends_on.value == "actor" and source.share != "user":
        warnings.append(f'share = "{source.share}" serves one actor\'s answer to others: is that agreed?')
    try:
        async with asyncio.timeout(call.remaining_s() + CUT_GRACE_S):
            health = await source.adapter.check(call)
            detail = health.detail
            warnings.extend(health.warnings)
            if subject is not None:
                detail = f"{detail}; {await _ask(source, subject, call)}"
        passed = True
    except SourceError as problem:
        passed, detail = False, f"{problem.code}: {problem}"
    except TimeoutError:
        passed, detail = False, f"{SourceTimeout.code}: no complete answer within the source's timeout"
    except Exception as problem:  # an adapter's own fault is a failed check, and its text may quote a payload
        passed, detail = False, f"fault in the adapter: {type(problem).__name__}"
    return Checked(source, passed, detail, tuple(warnings), time.monotonic() - started)


async def _ask(source: ConfiguredSource, subject: Subject, call: Call) -> str:
    """Fetch and read the test patient: how many facts and gaps came."""
    facts = gaps = 0
    ask = Ask(subjects=(subject,), types=source.adapter.types | {"Patient"})
    async for record in source.adapter.fetch(ask, call):
        for item in source.adapter.read(record):
            if isinstance(item, Gap):
                gaps += 1
            else:
                facts += 1
    return f"test patient: {facts} facts, {gaps} gaps"
