"""Vaccines given and not given.

Same when all hold: the same vaccine concept, within one day, the same dose number if both state it. One whose day is
not known is linked, and so is one with another dose number.

Never merged, shown as a conflict: not done with done.
"""

from typing import Any

from msgspec import Struct

from gateway.merge.compare import Answer, compare_words, same_codes
from gateway.merge.concepts import Code, Terminology
from gateway.merge.rule import Compared, Keys, Relation, Rule
from gateway.merge.times import day_number, may_be_within, window_keys
from schema.model.clinical import Immunization
from schema.model.view import SourceFact


class _Vaccine(Struct, frozen=True, gc=False):
    fact: Immunization
    codes: frozenset[Code]
    day: int | None


class ImmunizationRule(Rule[_Vaccine]):
    """See the module."""

    def __init__(self, terms: Terminology) -> None:
        super().__init__(terms)
        self.compared = (Compared("status", _status, lambda x: x.fact.status),)

    def look(self, stated: SourceFact[Any]) -> _Vaccine:
        fact: Immunization = stated.fact
        return _Vaccine(fact, self.codes(fact.vaccine_code), day_number(fact.occurrence))

    def keys(self, seen: _Vaccine) -> Keys:
        undated = tuple(("undated", code) for code in seen.codes)
        if seen.day is None:
            return Keys(active=undated)
        return Keys(active=window_keys(seen.codes, seen.day, self.terms.limits.vaccine_days), passive=undated)

    def relation(self, a: _Vaccine, b: _Vaccine) -> Relation:
        days = self.terms.limits.vaccine_days
        if not same_codes(a.codes, b.codes):
            return Relation.APART
        if a.day is None or b.day is None:
            first, second = a.fact.occurrence, b.fact.occurrence
            possible = first is None or second is None or may_be_within(first, second, days)
            return Relation.RELATED if possible else Relation.APART
        if abs(a.day - b.day) > days:
            return Relation.APART
        dose = compare_words(a.fact.dose_number, b.fact.dose_number)
        return Relation.RELATED if dose is Answer.DIFFER else Relation.COMPARABLE


def _status(a: _Vaccine, b: _Vaccine) -> Answer:
    done = [x.fact.status != "not-done" for x in (a, b)]
    return Answer.AGREE if done[0] == done[1] else Answer.DIFFER
