"""Procedures.

Same when all hold: the same concept, the same day, the same side. Where only one names a side it cannot be told:
linked. One whose day is not known is linked.

Never merged, shown as a conflict: left with right; not done with done, and planned with done.
"""

from typing import Any

from msgspec import Struct

from gateway.merge.compare import Answer, compare_sets, compare_words, same_codes
from gateway.merge.concepts import Code, Terminology
from gateway.merge.rule import Compared, Keys, Relation, Rule
from gateway.merge.sides import compare_sides, sides
from gateway.merge.times import day_number, may_be_within, start_of
from schema.model.clinical import Procedure
from schema.model.view import SourceFact

_PLANNED = frozenset({"preparation", "on-hold"})
_DONE = frozenset({"in-progress", "completed", "stopped"})


class _Procedure(Struct, frozen=True, gc=False):
    fact: Procedure
    codes: frozenset[Code]
    day: int | None
    sides: frozenset[str]


class ProcedureRule(Rule[_Procedure]):
    """See the module."""

    def __init__(self, terms: Terminology) -> None:
        super().__init__(terms)
        self.compared = (
            Compared("status", _status, lambda x: x.fact.status),
            Compared("side", _side, lambda x: ", ".join(sorted(x.sides)) or None),
        )

    def look(self, stated: SourceFact[Any]) -> _Procedure:
        fact: Procedure = stated.fact
        return _Procedure(
            fact,
            self.codes(fact.code),
            day_number(start_of(fact.performed)),
            sides(fact.body_sites, self.terms),
        )

    def keys(self, seen: _Procedure) -> Keys:
        undated = tuple(("undated", code) for code in seen.codes)
        if seen.day is None:
            return Keys(active=undated)
        return Keys(active=tuple((code, seen.day) for code in seen.codes), passive=undated)

    def relation(self, a: _Procedure, b: _Procedure) -> Relation:
        if not same_codes(a.codes, b.codes):
            return Relation.APART
        if a.day is None or b.day is None:
            first, second = start_of(a.fact.performed), start_of(b.fact.performed)
            possible = first is None or second is None or may_be_within(first, second, 0)
            return Relation.RELATED if possible else Relation.APART
        if a.day != b.day:
            return Relation.APART
        if compare_sides(a.sides, b.sides) is not Answer.UNSTATED:
            return Relation.COMPARABLE
        # Elsewhere in the body it is another procedure; with the side told apart, the site is what the side is on.
        site = compare_sets(a.fact.body_sites, b.fact.body_sites, self.terms, unequal_words=Answer.UNKNOWN)
        if site is Answer.DIFFER:
            return Relation.APART
        return Relation.RELATED if site is Answer.UNKNOWN else Relation.COMPARABLE


def _side(a: _Procedure, b: _Procedure) -> Answer:
    if bool(a.sides) is not bool(b.sides):
        return Answer.UNKNOWN
    return compare_sides(a.sides, b.sides)


def _state(x: _Procedure) -> str | None:
    said = x.fact.status
    return "planned" if said in _PLANNED else "done" if said in _DONE else None if said == "unknown" else said


def _status(a: _Procedure, b: _Procedure) -> Answer:
    """Not stated is not "not done"."""
    if (_state(a) == "not-done") is not (_state(b) == "not-done"):
        return Answer.DIFFER
    return compare_words(_state(a), _state(b))
