"""Measurements and findings, social history among them.

Same when one holds: the same result or specimen number with its assigner, and the same concept; or the same concept,
the same instant (both known to the minute), from different sources. In both: specimen type and body site must not
differ; nor device against laboratory, nor patient-reported against professional, which are linked when all else holds;
and the value must be equal, up to the rounding of the last digit, with the same comparator. Numbers of one assigner
that have nothing in common mean two results. A specimen holds many analytes, so a number alone never makes two results
one.

Never merged, shown as a conflict: different values; a cancelled result with one that stands. Equal values of
different sources within five minutes, or where one is known only to the day, are only proposed: linked. Values that
cannot be compared (another unit, another kind) are linked. 0, false, components alone and a dataAbsentReason are
values.
"""

from collections.abc import Hashable
from typing import Any

from msgspec import Struct

from gateway.merge.compare import AGREE, DIFFER, UNKNOWN, Answer, compare_concepts, same_codes
from gateway.merge.concepts import Code, Terminology
from gateway.merge.identifiers import IdKey, contradict, id_keys
from gateway.merge.rule import APART, COMPARABLE, RELATED, Compared, Keys, Relation, Rule
from gateway.merge.times import instant, stated_day
from gateway.merge.values import compare_values, value_text
from schema.model.clinical import Observation
from schema.model.view import SourceFact

_LABORATORY = frozenset({"laboratory", "LAB"})


class _Observation(Struct, frozen=True, gc=False):
    fact: Observation
    source: str
    codes: frozenset[Code]
    at: float | None
    day: str | None
    """As stated. Where `at` is None this is all that is known: a date, or an hour that happens twice."""
    results: frozenset[IdKey]
    specimens: frozenset[IdKey]


_NOTHING: frozenset[IdKey] = frozenset()


class ObservationRule(Rule[_Observation]):
    """See the module."""

    def __init__(self, terms: Terminology) -> None:
        super().__init__(terms)
        self._near_s = terms.limits.proposed_minutes * 60.0
        self.compared = (
            Compared("value", self._value, lambda x: value_text(x.fact)),
            Compared("status", _cancelled, lambda x: x.fact.status),
        )

    def look(self, stated: SourceFact[Any]) -> _Observation:
        fact: Observation = stated.fact
        when = fact.effective.start if fact.effective is not None else None
        return _Observation(
            fact,
            stated.provenance.source.id,
            self.codes(fact.code),
            instant(when),
            stated_day(when),
            id_keys(fact.identifiers) if fact.identifiers else _NOTHING,
            _specimens(fact.specimen) if fact.specimen else _NOTHING,
        )

    def signature(self, fact: Observation) -> Hashable | None:
        """Plain amounts only, which is what comes in thousands: 13.5 and 13.50 are two, as their rounding differs."""
        amount = fact.value_quantity
        if amount is None or fact.components:
            return None
        when = fact.effective.start if fact.effective is not None else None
        return (
            self.codes(fact.code),
            instant(when),
            stated_day(when),
            fact.identifiers,
            fact.specimen,
            str(amount.value),
            amount.comparator,
            amount.unit,
            amount.code,
            amount.system,
            fact.patient_reported,
            fact.status == "cancelled",
            _made_by(fact),
            fact.specimen_type,
            fact.body_site,
        )

    def keys(self, seen: _Observation) -> Keys:
        active: list[Hashable] = []
        passive: list[Hashable] = []
        numbers = seen.results | seen.specimens
        for code in seen.codes:
            if seen.at is not None:
                bucket = int(seen.at // self._near_s)
                active.append((code, bucket))
                passive += ((code, bucket + 1), ("day", code, seen.day))
            elif seen.day is not None:
                active.append(("day", code, seen.day))
            active += [(number, code) for number in numbers]
        return Keys(active, passive)

    def relation(self, a: _Observation, b: _Observation) -> Relation:
        if not same_codes(a.codes, b.codes) or self._another_sample(a.fact, b.fact):
            return APART
        alike = _measured_alike(a.fact, b.fact)
        if a.results & b.results or a.specimens & b.specimens:
            return COMPARABLE if alike else RELATED
        if a.source == b.source or contradict(a.results, b.results) or contradict(a.specimens, b.specimens):
            return APART
        if alike and a.at is not None and a.at == b.at:
            return COMPARABLE
        near = (
            abs(a.at - b.at) <= self._near_s
            if a.at is not None and b.at is not None
            else a.day is not None and a.day == b.day
        )
        return RELATED if near and compare_values(a.fact, b.fact, self.terms) is AGREE else APART

    def _another_sample(self, a: Observation, b: Observation) -> bool:
        for one, other in ((a.specimen_type, b.specimen_type), (a.body_site, b.body_site)):
            if one is not None and other is not None and compare_concepts(one, other, self.terms) in (DIFFER, UNKNOWN):
                return True
        return False

    def _value(self, a: _Observation, b: _Observation) -> Answer:
        return compare_values(a.fact, b.fact, self.terms)


def _measured_alike(a: Observation, b: Observation) -> bool:
    """By the patient or by a professional, in a laboratory or by a device, as far as both say."""
    if a.patient_reported is not b.patient_reported:
        return False
    first, second = _made_by(a), _made_by(b)
    return first is None or second is None or first == second


def _specimens(said: str) -> frozenset[IdKey]:
    """A specimen's number counts only with its assigner, written `issuer|number` as FHIR writes tokens."""
    issuer, bar, number = said.rpartition("|")
    return frozenset({(issuer.strip(), number.strip())}) if bar and issuer.strip() and number.strip() else frozenset()


def _made_by(fact: Observation) -> str | None:
    """In a laboratory or by a device at the bedside or at home; None when the source does not say."""
    for category in fact.categories:
        for coding in category.codings:
            if coding.code in _LABORATORY:
                return "laboratory"
    return "device" if fact.device else None


def _cancelled(a: _Observation, b: _Observation) -> Answer:
    first, second = a.fact.status == "cancelled", b.fact.status == "cancelled"
    return AGREE if first is second else DIFFER
