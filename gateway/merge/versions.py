"""Versions of one source's statement: the same delivered twice, and one that the source has since replaced.

This looks at what a source says about its own statements, so it comes before any merging across sources.
"""

from collections.abc import Iterable
from operator import attrgetter
from typing import Any

import msgspec

from schema.model.clinical import CarePlan, DocumentReference, Medication, Patient, ServiceRequest
from schema.model.view import SourceFact

_SUCCESSIONS = (DocumentReference, Medication, CarePlan, ServiceRequest)


def newest(facts: Iterable[SourceFact[Any]]) -> list[SourceFact[Any]]:
    """One fact for each id, in the order in which the ids came: the newest recorded, then the last received, whatever
    order the versions came in."""
    found: dict[str, SourceFact[Any]] = {}
    for one in facts:
        known = found.setdefault(one.id, one)
        if known is not one and _age(known) < _age(one):
            found[one.id] = one
    return list(found.values())


def current(facts: Iterable[SourceFact[Any]]) -> tuple[list[SourceFact[Any]], list[SourceFact[Any]]]:
    """(What holds now, what was replaced). For the gathering, before any viewer's policy is applied.

    A statement is replaced when another of the same source and patient names its native id in `replaces`: it was
    corrected. So is a registration that its source merged into another one (`Patient.replaced_by`). Of a document,
    prescription, plan or referral the word means that one came after another (FHIR R4 `priorPrescription`,
    `CarePlan.replaces`, `ServiceRequest.replaces`, `relatesTo`): the earlier one was so, and stays, linked to the
    later. Statements that replace each other in a circle all hold.
    """
    known = newest(facts)
    in_order = sorted(known, key=attrgetter("id"))
    by_name = {(*_record(one), name): one for one in in_order for name in (one.fact.native_id, *one.fact.folds)}
    replaced: dict[str, set[str]] = {}
    for one in known:
        if isinstance(one.fact, Patient) and one.fact.replaced_by:
            survivor = by_name.get((*_record(one), one.fact.replaced_by))
            if survivor is not None and survivor is not one:
                replaced.setdefault(one.id, set()).add(survivor.id)
        if isinstance(one.fact, _SUCCESSIONS):
            continue
        for name in one.fact.replaces:
            other = by_name.get((*_record(one), name))
            if other is not None and other is not one and type(other.fact) is type(one.fact):
                replaced.setdefault(other.id, set()).add(one.id)
    gone = {name for name in replaced if not _replaces_itself(name, replaced)}
    return [one for one in known if one.id not in gone], [one for one in known if one.id in gone]


def _record(one: SourceFact[Any]) -> tuple[str, str | None]:
    """Whose statements are told apart by native id: one patient's of one source; registrations are the source's."""
    said_by = one.provenance
    return said_by.source.id, None if isinstance(one.fact, Patient) else said_by.local_patient_id


def _replaces_itself(name: str, replaced: dict[str, set[str]]) -> bool:
    seen: set[str] = set()
    ahead = list(replaced.get(name, ()))
    while ahead:
        one = ahead.pop()
        if one == name:
            return True
        if one not in seen:
            seen.add(one)
            ahead.extend(replaced.get(one, ()))
    return False


def _age(one: SourceFact[Any]) -> tuple[float, float, bool, bytes]:
    """At equal times a withdrawal wins; the bytes only make the choice the same in every order."""
    recorded = one.fact.recorded
    return (
        recorded.earliest.timestamp() if recorded else float("-inf"),
        one.provenance.retrieved.timestamp(),
        one.fact.entered_in_error,
        msgspec.msgpack.encode(one),
    )
