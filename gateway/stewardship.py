"""Decisions about identity by a person: link and unlink, written to the cross-reference table for good."""

from datetime import UTC, datetime

from adapters.sdk import NHS_NUMBER
from gateway.config import Config
from gateway.identity.crossref import CrossReference, CrossReferenceUnavailable
from gateway.identity.ledger import LinkConflict, StewardNeeded
from gateway.identity.nhs_number import BadIdentifier, normalise
from gateway.problems import CommandError
from schema.model.values import Identifier

CROSSREF_FILE = "crossref.sqlite3"
"""The cross-reference table's file in the state directory."""


def decide(config: Config, number: str, source: str, local_id: str, by: str, reason: str, *, linked: bool) -> None:
    """Link or unlink a source's record. Raises CommandError that says what to do."""
    known = {table.id for table in config.sources}
    if source not in known:
        raise CommandError(f"there is no source {source!r}; there are {', '.join(sorted(known)) or 'none'}")
    if "/" not in local_id:
        raise CommandError("a local id is the resource type and the source's id, such as Patient/123")
    try:
        table = CrossReference(config.state_dir / CROSSREF_FILE, clock=lambda: datetime.now(UTC))
        try:
            identifier = Identifier(system=NHS_NUMBER, value=normalise(number))
            # Not `ensure_person` for a person who is known: a superseded number would become the current one.
            person = table.person_for(identifier) or table.ensure_person(identifier)
            act = table.link if linked else table.unlink
            act(source, local_id, person, by=by, reason=reason)
        finally:
            table.close()
    except (BadIdentifier, LinkConflict, StewardNeeded, CrossReferenceUnavailable) as problem:
        raise CommandError(str(problem)) from None
