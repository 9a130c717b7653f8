"""OperationOutcome: what a FHIR server says instead of, or beside, an answer. FHIR R4 section 2.28; GP Connect's codes.

Only codes and their displays are taken from it: `diagnostics` and other texts may name internals, identifiers or
addresses and go nowhere.
"""

from typing import Any

from adapters.sdk import (
    SourceAuth,
    SourceError,
    SourceInvalid,
    SourceRequest,
    SourceThrottled,
    SourceTimeout,
    SourceUnavailable,
)

SERIOUS = frozenset({"error", "fatal"})

NOT_FOUND = frozenset({"PATIENT_NOT_FOUND", "NO_RECORD_FOUND", "RESOURCE_NOT_FOUND", "INVALIDATED_RESOURCE"})
"""Spine and PDS codes that say: we do not know this person."""

TOO_MANY = frozenset({"TOO_MANY_MATCHES", "too-costly"})
"""PDS's code, and FHIR's issue type, that say: more people fit than you will be given."""

GONE = frozenset({"not-found", "deleted", "processing"})
"""Issue types with which servers say that a resource read by its id is not there (HAPI says `processing`)."""

NO_CONSENT = "NO_PATIENT_CONSENT"

WITHHOLDING = frozenset({"suppressed", "forbidden", "security", "login", NO_CONSENT, "ACCESS_DENIED"})
"""Issue types and codes that say: there may be something, and you will not be shown it."""

CUT = frozenset({"incomplete", "too-costly", "too-long", "timeout", "throttled", "transient", "lock-error"})
"""Issue types that say: what you get is not everything."""

_ERRORS: dict[str, type[SourceError]] = {
    "throttled": SourceThrottled,
    "timeout": SourceTimeout,
    "transient": SourceUnavailable,
    "lock-error": SourceUnavailable,
    "no-store": SourceUnavailable,
    "exception": SourceUnavailable,
    "incomplete": SourceUnavailable,
    "security": SourceAuth,
    "login": SourceAuth,
    "unknown": SourceAuth,
    "expired": SourceAuth,
    "forbidden": SourceAuth,
    "suppressed": SourceAuth,
    "invalid": SourceRequest,
    "required": SourceRequest,
    "value": SourceRequest,
    "invariant": SourceRequest,
    "not-supported": SourceRequest,
    "not-found": SourceRequest,
    "code-invalid": SourceRequest,
    "business-rule": SourceRequest,
    "processing": SourceUnavailable,
}


def codes(issue: Any) -> frozenset[str]:
    """Every code of one issue: its type and the codes of its details."""
    if not isinstance(issue, dict):
        return frozenset()
    found = {issue.get("code"), *(one.get("code") for one in _codings(issue))}
    return frozenset(code for code in found if isinstance(code, str))


def _codings(issue: dict[str, Any]) -> list[dict[str, Any]]:
    details = issue.get("details")
    found = details.get("coding") if isinstance(details, dict) else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def issues(outcome: Any) -> list[dict[str, Any]]:
    """The issues of an OperationOutcome."""
    found = outcome.get("issue") if isinstance(outcome, dict) else None
    return [issue for issue in found if isinstance(issue, dict)] if isinstance(found, list) else []


def says_not_found(outcome: Any) -> bool:
    """True when it says that the person is not known: by the code of its details, where it gives one."""
    return any(bool(found & NOT_FOUND) or found == {"not-found"} for found in map(codes, issues(outcome)))


def says_too_many(outcome: Any) -> bool:
    """True when it says, in place of people, that too many fit."""
    kind = outcome.get("resourceType") if isinstance(outcome, dict) else None
    return kind == "OperationOutcome" and any(found & TOO_MANY for found in map(codes, issues(outcome)))


def withheld(outcome: Any) -> str | None:
    """What it calls it when it says that the person does not let the record be shared ("" for nothing); None if not.

    GP Connect's own code alone: a refusal in general terms is about our right to ask, and a person must mend that.
    """
    for issue in issues(outcome):
        if NO_CONSENT in codes(issue):
            found = [one for one in _codings(issue) if one.get("code") == NO_CONSENT]
            display = found[0].get("display") if found else None
            return display if isinstance(display, str) else ""
    return None


def says_gone(outcome: Any) -> bool:
    """True when it says no more than that the resource read by its id is not there."""
    found = [codes(issue) for issue in issues(outcome)]
    return bool(found) and all(one & GONE for one in found)


def error_of(outcome: Any, status: int) -> SourceError:
    """The error that an OperationOutcome in place of an answer stands for: who must act next."""
    for issue in issues(outcome):
        kind = _ERRORS.get(issue.get("code") or "")
        if kind is not None and (issue.get("severity") in SERIOUS or status >= 400):
            return kind("the source answered with an OperationOutcome in place of the record")
    if status == 403:
        return SourceAuth("the source refused our right to ask")
    if status == 404:
        return SourceRequest("the source has nothing there (HTTP status 404): is the path of base_url right?")
    if status >= 400:
        return SourceRequest(f"the source refused the question with HTTP status {status}")
    return SourceInvalid("the source answered with an OperationOutcome in place of the record")
