"""`sherwood link`, `unlink`, `links` and `worklist`: a steward at the command line, over the stores themselves."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TypeVar

from msgspec import structs
from rich.console import Console
from rich.table import Table
from rich.text import Text

from adapters.sdk import NHS_NUMBER, Actor
from gateway.audit import AuditUnavailable, SqliteAudit, identity_event
from gateway.config import Config
from gateway.disclosures import audited
from gateway.identity.crossref import CrossReference, CrossReferenceUnavailable, open_crossref
from gateway.identity.ledger import Link, LinkConflict, StewardNeeded
from gateway.identity.nhs_number import BadIdentifier, normalise
from gateway.identity.words import advice, evidence_of
from gateway.problems import CommandError
from gateway.stewardship import (
    DecisionRefused,
    Pair,
    SeenUnknown,
    Stewardship,
    UnknownPerson,
    UnknownRecord,
)
from schema.model.stewardship import LinkStanding, SeenBy
from schema.model.values import Identifier
from schema.model.view import SourceRef

T = TypeVar("T")

_REFUSALS = (BadIdentifier, CrossReferenceUnavailable, DecisionRefused, LinkConflict, SeenUnknown, StewardNeeded)

MOST_SHOWN = 200
"""Records of the work list that are printed; it says how many more there are."""


def link(config: Config, number: str, source: str, local_id: str, by: str, reason: str, out: Console) -> None:
    """Decide that a source's record is a person, and say so. Raises CommandError that says what to do."""

    async def act(stewardship: Stewardship, _: CrossReference, __: SqliteAudit) -> None:
        await stewardship.link(_pair(number, source, local_id), _steward(by), reason)

    _over(config, act)
    _say(out, f"Recorded. If {source} has that record, the next answer shows its facts.")
    _say(out, "One that carries another verified number stays hidden all the same.")


def unlink(
    config: Config, number: str, source: str, local_id: str, by: str, reason: str, block_anyway: bool, out: Console
) -> None:
    """Decide that it is not, and say so, and who saw it. Raises CommandError that says what to do."""

    async def act(stewardship: Stewardship, _: CrossReference, __: SqliteAudit) -> None:
        pair = _pair(number, source, local_id)
        try:
            done = await stewardship.unlink(pair, _steward(by), reason, block_anyway=block_anyway)
        except UnknownRecord as unknown:
            linked = ", ".join(unknown.linked) or "none"
            raise CommandError(
                f"{source}'s record {local_id} is not known as this person's; linked are: {linked}. "
                "Check the id, or add --block-anyway to keep it from ever being linked."
            ) from None
        _say(out, f"{_said(done.decision.before, source)} The rule will not link that record to this person.")
        _show_seen(done.seen_by, out)

    _over(config, act)


def show_links(config: Config, number: str, by: str, out: Console) -> None:
    """What the cross-reference table says about a person. Recorded first: local ids say who is treated where."""

    async def act(stewardship: Stewardship, crossref: CrossReference, audit: SqliteAudit) -> tuple[Link, ...]:
        identifier = Identifier(system=NHS_NUMBER, value=normalise(number))
        links = await crossref.links(await stewardship.known(identifier, _steward(by)))
        about = tuple((source, "links-shown") for source in sorted({link.source for link in links}))
        event = identity_event(_steward(by), audited(identifier), "", "links-shown")
        await audit.record(structs.replace(event, sources=about))
        return links

    links = _over(config, act)
    if not links:
        out.print("The cross-reference table has no record of any source about this person.")
        return
    plain = ("grade", "evidence", "decided by", "reason", "when", "what to do next")
    shown = _table(("source", "local id", "status"), plain)
    for each in links:
        grade, evidence = evidence_of(each)
        decided = each.decided_by or f"rule {each.rules}"
        row = (each.source, each.local_id, each.status.value, grade, " ".join(evidence), decided, each.reason)
        shown.add_row(*map(_plain, (*row, _time(each.at), advice(each))))
    out.print(shown)


def show_work(config: Config, by: str, out: Console) -> None:
    """What waits for a steward, the longest first. Raises CommandError that says what to do."""

    async def act(stewardship: Stewardship, _: CrossReference, __: SqliteAudit) -> None:
        steward = _steward(by)
        if not steward.user:
            raise StewardNeeded("name the person who looks")
        work = await stewardship.work_list(steward, limit=MOST_SHOWN)
        if not work.items:
            out.print("Nothing waits for a steward.")
            return
        shown = _table(("number", "source", "local id", "status"), ("grade", "why", "since", "what to do next"))
        for item in work.items:
            row = (item.identifier.value or "", item.source.id, item.local_id, item.status.value, item.grade)
            shown.add_row(*map(_plain, (*row, "; ".join(item.explanation), _time(item.since), item.advice)))
        out.print(shown)
        if left := work.total - len(work.items):
            out.print(f"{left} more wait: decide about these first.")

    _over(config, act)


def _said(before: LinkStanding | None, source: str) -> str:
    return {
        LinkStanding.LINKED: "Unlinked.",
        LinkStanding.DOUBTED: "Unlinked. It was in doubt already.",
        LinkStanding.PRESENT_NOT_LINKED: "Blocked. It was not linked.",
        LinkStanding.HELD: "Blocked. It was not linked, and no longer waits for a steward.",
        LinkStanding.BLOCKED: "It was blocked already; this decision is kept as well.",
        None: f"Blocked. It was not linked, and nobody here has seen whether {source} has it.",
    }[before]


def _show_seen(seen: Sequence[SeenBy], out: Console) -> None:
    """Who is to be told that what they saw may be another person's."""
    if not seen:
        _say(out, "This gateway's audit trail has no answer that was made of that record.")
        return
    _say(out, "Answers that were made of that record too went to:")
    shown = _table(("user", "role", "organization", "purpose"), ("answers", "first", "last"))
    for one in seen:
        row = (one.user, one.role, one.organization, one.purpose, str(one.answers), _time(one.first), _time(one.last))
        shown.add_row(*map(_plain, row))
    out.print(shown)


def _over(config: Config, act: Callable[[Stewardship, CrossReference, SqliteAudit], Awaitable[T]]) -> T:
    """Open the stores, act, and close them; with every refusal as one that the command line prints."""

    async def run() -> T:
        async with _opened(config) as (stewardship, crossref, audit):
            return await act(stewardship, crossref, audit)

    try:
        return asyncio.run(run())
    except AuditUnavailable:
        raise CommandError("the audit store cannot record this, so it is not done") from None
    except UnknownPerson:
        raise CommandError(
            "nobody has asked about this number here yet: run `sherwood query` for it first, and check who it is"
        ) from None
    except _REFUSALS as problem:
        raise CommandError(str(problem)) from None


@asynccontextmanager
async def _opened(config: Config) -> AsyncIterator[tuple[Stewardship, CrossReference, SqliteAudit]]:
    def clock() -> datetime:
        return datetime.now(UTC)

    crossref = await open_crossref(config.crossref, clock)
    try:
        audit = SqliteAudit(config.audit_path, clock)
        try:
            sources = {
                table.id: SourceRef(id=table.id, name=table.name, organization=table.organization)
                for table in config.sources
            }
            yield Stewardship(crossref, audit, config.audit_path, sources), crossref, audit
        finally:
            await audit.close()
    finally:
        await crossref.close()


def _pair(number: str, source: str, local_id: str) -> Pair:
    return Pair(identifier=Identifier(system=NHS_NUMBER, value=normalise(number)), source=source, local_id=local_id)


def _steward(by: str) -> Actor:
    return Actor(user=by.strip(), role="steward", organization="")


def _table(whole: Sequence[str], foldable: Sequence[str]) -> Table:
    """What is typed off again is never broken by the width of a window while anything else can give way."""
    first, *others = whole
    shown = Table(first)
    for heading in others:
        shown.add_column(heading, no_wrap=True, overflow="fold")
    for heading in foldable:
        shown.add_column(heading, overflow="fold")
    return shown


def _time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _say(out: Console, sentence: str) -> None:
    out.print(sentence, markup=False, highlight=False, soft_wrap=True)


def _plain(text: str) -> Text:
    """As it was written, without what would steer a terminal or is invisible: local ids are a source's own words."""
    return Text("".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text))
