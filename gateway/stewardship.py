"""Decisions about identity by a person: link and unlink, written to the cross-reference table for good."""

import asyncio
from datetime import UTC, datetime

from adapters.sdk import NHS_NUMBER, Actor
from gateway.audit import AuditUnavailable, SqliteAudit, identity_event
from gateway.config import Config
from gateway.identity.crossref import CrossReference, CrossReferenceUnavailable
from gateway.identity.ledger import LinkConflict, StewardNeeded
from gateway.identity.nhs_number import BadIdentifier, normalise
from gateway.problems import CommandError
from schema.model.values import Identifier


def decide(config: Config, number: str, source: str, local_id: str, by: str, reason: str, *, linked: bool) -> None:
    """Link or unlink a source's record. Raises CommandError that says what to do."""
    known = {table.id for table in config.sources}
    if source not in known:
        raise CommandError(f"there is no source {source!r}; there are {', '.join(sorted(known)) or 'none'}")
    if "/" not in local_id:
        raise CommandError("a local id is the resource type and the source's id, such as Patient/123")
    try:
        table = CrossReference(config.crossref_path, clock=lambda: datetime.now(UTC))
        try:
            identifier = Identifier(system=NHS_NUMBER, value=normalise(number))
            asyncio.run(_record(config, identifier, source, local_id, by, "link" if linked else "unlink"))
            # Not `ensure_person` for a person who is known: a superseded number would become the current one.
            person = table.person_for(identifier) or table.ensure_person(identifier)
            act = table.link if linked else table.unlink
            act(source, local_id, person, by=by, reason=reason)
        finally:
            table.close()
    except AuditUnavailable:
        raise CommandError("the audit store cannot record the decision, so it is not made") from None
    except (BadIdentifier, LinkConflict, StewardNeeded, CrossReferenceUnavailable) as problem:
        raise CommandError(str(problem)) from None


async def _record(config: Config, person: Identifier, source: str, local_id: str, by: str, what: str) -> None:
    """The decision in the audit trail, before it is made."""
    audit = SqliteAudit(config.audit_path, clock=lambda: datetime.now(UTC))
    try:
        steward = Actor(user=by, role="steward", organization="")
        await audit.record(identity_event(steward, f"{person.system}|{person.value}", source, what, record=local_id))
    finally:
        await audit.close()
