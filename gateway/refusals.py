"""What a request may not be told, and what it is told instead: every fault as one of the documented errors."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from adapters.sdk import NHS_NUMBER
from gateway.audit import AuditUnavailable
from gateway.identity.crossref import CrossReferenceUnavailable
from gateway.identity.nhs_number import BadIdentifier, normalise
from gateway.telemetry import log_fault
from schema.gql.errors import ErrorCode, QueryError
from schema.model.values import Identifier

log = structlog.get_logger(__name__)


@contextmanager
def said_aloud() -> Iterator[None]:
    """Whatever goes wrong as a QueryError. A fault of ours is logged by its kind and place and shown as INTERNAL."""
    try:
        yield
    except QueryError:
        raise
    except AuditUnavailable:
        message = "The audit store cannot record this access: nothing is asked and nothing shown. Try again later."
        raise QueryError(ErrorCode.AUDIT_UNAVAILABLE, message) from None
    except CrossReferenceUnavailable:
        message = (
            "The cross-reference table cannot be used: whose records these are, and what a steward has decided, cannot "
            "be established. Nothing is shown and nothing decided. Try again later."
        )
        raise QueryError(ErrorCode.IDENTITY_UNRESOLVED, message) from None
    except Exception as problem:
        reference = log_fault(log, problem)
        raise QueryError(ErrorCode.INTERNAL, f"A fault of ours, logged as {reference}.") from None


def readable(identifier: Identifier) -> Identifier:
    """The identifier in its canonical form. QueryError(IDENTIFIER_INVALID) says what is wrong with it."""
    if identifier.system != NHS_NUMBER:
        if not identifier.value.strip():
            raise QueryError(ErrorCode.IDENTIFIER_INVALID, "The identifier is empty.")
        return Identifier(system=identifier.system, value=identifier.value.strip())
    try:
        return Identifier(system=NHS_NUMBER, value=normalise(identifier.value))
    except BadIdentifier as problem:
        raise QueryError(ErrorCode.IDENTIFIER_INVALID, sentence(problem)) from None


def sentence(problem: Exception) -> str:
    """The problem's own words with a capital and a full stop."""
    text = str(problem)
    return f"{text[:1].upper()}{text[1:]}."
