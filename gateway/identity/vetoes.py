"""What stops an automatic link however well a record grades: MERGE.md section 1, "Vetoes (to a steward)".

A veto is a code, kept as evidence; a person may look and link all the same.
"""

from collections.abc import Sequence

from gateway.identity.grade import Grading, compare_genders
from gateway.identity.places import homes_differ
from gateway.identity.reference import ReferencePerson
from gateway.identity.rules import Rules, default_rules
from schema.model.clinical import Patient

NUMBERS_DIFFER = "veto:verified-numbers-differ"
TWO_NUMBERS = "veto:two-numbers-in-one-record"
MULTIPLE_BIRTH = "veto:multiple-birth"
RESTRICTED = "veto:restricted"
WITHDRAWN = "veto:entered-in-error"
REGISTRATIONS_DISAGREE = "veto:registrations-disagree"


def vetoes(reference: ReferencePerson, candidate: Patient, grading: Grading) -> tuple[str, ...]:
    """The vetoes of one record against the reference person; empty when nothing stops a link."""
    found = []
    if grading.has("identifier:verified-differs"):
        found.append(NUMBERS_DIFFER)
    if grading.has("identifier:ambiguous"):
        found.append(TWO_NUMBERS)
    if (reference.multiple_birth or candidate.multiple_birth) and not grading.has("given:exact"):
        found.append(MULTIPLE_BIRTH)
    if candidate.restricted:
        found.append(RESTRICTED)
    if candidate.entered_in_error:
        found.append(WITHDRAWN)
    return tuple(found)


def registrations_disagree(records: Sequence[Patient], rules: Rules | None = None) -> bool:
    """Whether any two records of one source, each certain by itself, contradict each other on address or gender.

    Then one of them is somebody else's, and nobody can tell which: none of them is linked. What one leaves unsaid
    contradicts nothing.
    """
    pseudo = (rules or default_rules()).pseudo_postcodes
    return any(
        compare_genders(one.gender, other.gender) is False or homes_differ(one.addresses, other.addresses, pseudo)
        for number, one in enumerate(records)
        for other in records[number + 1 :]
    )
