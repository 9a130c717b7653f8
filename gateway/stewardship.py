"""Decisions about identity by a person, written to the cross-reference table for good, and what stands there.

A steward who mistypes a local id must be told so: a decision about a record that nobody has seen changes nothing that
is shown, and to report it as done would leave another person's record where it is. So a refusal comes first, then the
audit trail, then the decision.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from msgspec import structs
from rich.console import Console
from rich.table import Table
from rich.text import Text

from adapters.sdk import NHS_NUMBER, Actor
from gateway.audit import AuditEvent, AuditUnavailable, SqliteAudit, identity_event
from gateway.config import Config
from gateway.identity.crossref import CrossReference, CrossReferenceUnavailable
from gateway.identity.guard import LINK_ELSEWHERE
from gateway.identity.ledger import GRADE, Link, LinkConflict, Standing, StewardNeeded
from gateway.identity.nhs_number import BadIdentifier, normalise
from gateway.identity.vetoes import NUMBERS_DIFFER, REGISTRATIONS_DISAGREE, RESTRICTED, WITHDRAWN
from gateway.problems import CommandError
from schema.model.values import Identifier

_ADVICE = {
    LINK_ELSEWHERE: "it is linked to another person: find out whose it is, and `unlink` it there before you `link` it",
    NUMBERS_DIFFER: "it carries another verified number and stays hidden, linked or not: have the source look",
    WITHDRAWN: "the source has withdrawn it and it stays hidden, linked or not: have the source look",
    REGISTRATIONS_DISAGREE: "the source has two that contradict each other: have it say which is this person's, then "
    "`link` that one and `unlink` the other",
    RESTRICTED: "the source restricts it: `link` it only with the right to, for then it is shown",
}
"""What comes before a decision, by what stands in its way, the hardest first."""


def decide(
    config: Config,
    number: str,
    source: str,
    local_id: str,
    by: str,
    reason: str,
    *,
    linked: bool,
    block_anyway: bool = False,
) -> Standing | None:
    """Link or unlink a source's record; returns what stood before. Raises CommandError that says what to do."""
    known = {table.id for table in config.sources}
    if source not in known:
        raise CommandError(f"there is no source {source!r}; there are {', '.join(sorted(known)) or 'none'}")
    if "/" not in local_id:
        raise CommandError("a local id is the resource type and the source's id, such as Patient/123")
    with _opened(config) as table:
        identifier, person = _known(table, number, by)
        of_source = [link for link in table.links(person) if link.source == source]
        before = next((link.status for link in of_source if link.local_id == local_id), None)
        if linked:
            _refuse_anothers(table, source, local_id, person)
        elif before is None and not block_anyway:
            # The refusal names this person's records, so it is a disclosure as well.
            _record(config, _event(identifier, by, source, "unlink-refused", record=local_id))
            raise CommandError(_not_known(source, local_id, of_source))
        _record(config, _event(identifier, by, source, "link" if linked else "unlink", record=local_id))
        act = table.link if linked else table.unlink
        act(source, local_id, person, by=by, reason=reason)
    return before


def show_links(config: Config, number: str, by: str, out: Console) -> None:
    """What the cross-reference table says about a person. Recorded first: local ids say who is treated where."""
    with _opened(config) as table:
        identifier, person = _known(table, number, by)
        links = table.links(person)
        about = tuple((source, "links-shown") for source in sorted({link.source for link in links}))
        event = _event(identifier, by, "", "links-shown")
        _record(config, structs.replace(event, sources=about))
    if not links:
        out.print("The cross-reference table has no record of any source about this person.")
        return
    shown = Table("source")
    for heading in ("local id", "status"):
        # What is typed off again is never broken by the width of a window while anything else can give way.
        shown.add_column(heading, no_wrap=True, overflow="fold")
    for heading in ("grade", "evidence", "decided by", "reason", "when", "what to do next"):
        shown.add_column(heading, overflow="fold")
    for link in links:
        shown.add_row(*map(_plain, _row(link)))
    out.print(shown)


def _row(link: Link) -> tuple[str, ...]:
    grades = [code.removeprefix(GRADE) for code in link.evidence if code.startswith(GRADE)]
    evidence = " ".join(code for code in link.evidence if not code.startswith(GRADE))
    decided = link.decided_by or f"rule {link.rules}"
    when = f"{link.at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    grade = " ".join(grades)
    return link.source, link.local_id, link.status.value, grade, evidence, decided, link.reason, when, _next(link)


def _next(link: Link) -> str:
    """What a steward does about a record that waits for one; nothing about one that is decided."""
    if link.status not in (Standing.PRESENT_NOT_LINKED, Standing.HELD):
        return ""
    for code, advice in _ADVICE.items():
        if code in link.evidence:
            return advice
    return "look it up in the source; if it is this person `link` it, if it is not `unlink` it"


@contextmanager
def _opened(config: Config) -> Iterator[CrossReference]:
    """The table, with every refusal as one that the command line prints."""
    try:
        table = CrossReference(config.crossref_path, clock=lambda: datetime.now(UTC))
        try:
            yield table
        finally:
            table.close()
    except AuditUnavailable:
        raise CommandError("the audit store cannot record this, so it is not done") from None
    except (BadIdentifier, LinkConflict, StewardNeeded, CrossReferenceUnavailable) as problem:
        raise CommandError(str(problem)) from None


def _known(table: CrossReference, number: str, by: str) -> tuple[Identifier, str]:
    """The person behind a number, an earlier one included. Nobody is made known by a decision: who is it about?"""
    if not by.strip():
        raise StewardNeeded("name the person who decides")
    identifier = Identifier(system=NHS_NUMBER, value=normalise(number))
    person = table.person_for(identifier)
    if person is None:
        raise CommandError(
            "nobody has asked about this number here yet: run `sherwood query` for it first, and check who it is"
        )
    return identifier, person


def _refuse_anothers(table: CrossReference, source: str, local_id: str, person: str) -> None:
    """Before the audit trail says that it was linked. The table refuses as well, should somebody be quicker."""
    for link in table.standing(source, (local_id,))[local_id]:
        if link.person != person and link.status is Standing.LINKED:
            raise LinkConflict("this record is linked to another person: unlink it there first")


def _not_known(source: str, local_id: str, of_source: list[Link]) -> str:
    linked = ", ".join(link.local_id for link in of_source if link.status is Standing.LINKED)
    return (
        f"{source}'s record {local_id} is not known as this person's; linked are: {linked or 'none'}. "
        "Check the id, or add --block-anyway to keep it from ever being linked."
    )


def _event(person: Identifier, by: str, source: str, what: str, **detail: str) -> AuditEvent:
    steward = Actor(user=by.strip(), role="steward", organization="")
    return identity_event(steward, f"{person.system}|{person.value}", source, what, **detail)


def _record(config: Config, event: AuditEvent) -> None:
    """Into the audit trail, before it happens."""

    async def record() -> None:
        audit = SqliteAudit(config.audit_path, clock=lambda: datetime.now(UTC))
        try:
            await audit.record(event)
        finally:
            await audit.close()

    asyncio.run(record())


def _plain(text: str) -> Text:
    """As it was written, without what would steer a terminal or is invisible: local ids are a source's own words."""
    return Text("".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text))
