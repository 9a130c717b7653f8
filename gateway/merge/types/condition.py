"""Problems and diagnoses.

A long-term condition (of a curated list, by a code that both state) is the same when all hold: the same concept, site
and side not differing. Its onset does not tell. Any other is an episode: the same concept, site and side not differing,
and onsets within 14 days. An episode whose onset is not known to the day is linked and never merged. So is a concept
that a supplied map calls broader or narrower.

Never merged, shown as a conflict: active with resolved (inactive, in remission and resolved are all "not active");
refuted, or stated as absent, with asserted; suspected (unconfirmed, provisional, differential) or planned with
confirmed. Family history is about somebody else: linked.
"""

from typing import Any

from msgspec import Struct

from gateway.merge.compare import Answer, compare_sets, compare_words, same_codes
from gateway.merge.concepts import Code, Terminology
from gateway.merge.rule import Compared, Keys, Relation, Rule
from gateway.merge.sides import compare_sides, sides
from gateway.merge.times import day_number, may_be_within, window_keys
from schema.model.clinical import Condition
from schema.model.view import SourceFact

_ENDED = frozenset({"inactive", "remission", "resolved"})
_LIVE = frozenset({"active", "recurrence", "relapse"})
_SUSPECTED = frozenset({"unconfirmed", "provisional", "differential"})


class _Condition(Struct, frozen=True, gc=False):
    fact: Condition
    codes: frozenset[Code]
    near: frozenset[Code]
    lasting: bool
    family: bool
    day: int | None
    sides: frozenset[str]


class ConditionRule(Rule[_Condition]):
    """See the module."""

    def __init__(self, terms: Terminology) -> None:
        super().__init__(terms)
        self.compared = (
            Compared("polarity", _polarity, lambda x: x.fact.polarity.value),
            Compared("verificationStatus", _verification, lambda x: x.fact.verification_status),
            Compared("clinicalStatus", _clinical, lambda x: x.fact.clinical_status),
        )

    def look(self, stated: SourceFact[Any]) -> _Condition:
        fact: Condition = stated.fact
        codes = self.codes(fact.code)
        return _Condition(
            fact=fact,
            codes=codes,
            near=self.terms.nearby(codes),
            lasting=any(self.terms.is_long_term(code) for code in codes),
            family=any(self._is_family(category) for category in fact.categories),
            day=day_number(fact.onset),
            sides=sides(fact.body_sites, self.terms),
        )

    def _is_family(self, category: Any) -> bool:
        named = {coding.code for coding in category.codings}
        return "family-history" in named or bool(self.terms.concepts(category) & self.terms.family_history)

    def keys(self, seen: _Condition) -> Keys:
        days = self.terms.limits.episode_days
        looked_for = seen.codes | seen.near
        undated = [("undated", code) for code in looked_for]
        if seen.lasting:
            return Keys(active=seen.codes, passive=(*seen.near, *undated) if seen.near else ())
        if seen.day is not None:
            nearby = window_keys(seen.near, seen.day, days) if seen.near else ()
            return Keys(active=window_keys(seen.codes, seen.day, days), passive=(*looked_for, *undated, *nearby))
        return Keys(active=(("undated", code) for code in seen.codes), passive=(*looked_for, *undated))

    def relation(self, a: _Condition, b: _Condition) -> Relation:
        same = same_codes(a.codes, b.codes)
        if not same and not (a.near & b.codes or b.near & a.codes):
            return Relation.APART
        site = compare_sets(a.fact.body_sites, b.fact.body_sites, self.terms, unequal_words=Answer.UNKNOWN)
        if Answer.DIFFER in (site, compare_sides(a.sides, b.sides)):
            return Relation.APART
        episodic = not (a.lasting or b.lasting)
        if episodic and self._clearly_apart(a, b):
            return Relation.APART
        if not same or a.family is not b.family or site is Answer.UNKNOWN:
            return Relation.RELATED
        dated = a.day is not None and b.day is not None
        one_episode = dated and not self._clearly_apart(a, b)
        return Relation.COMPARABLE if one_episode or self._known_to_last(a, b) else Relation.RELATED

    def _known_to_last(self, a: _Condition, b: _Condition) -> bool:
        """By a code that both have: what only one of them calls lasting beside it may be something else."""
        return any(self.terms.is_long_term(code) for code in a.codes & b.codes)

    def _clearly_apart(self, a: _Condition, b: _Condition) -> bool:
        days = self.terms.limits.episode_days
        if a.day is not None and b.day is not None:
            return abs(a.day - b.day) > days
        return bool(a.fact.onset and b.fact.onset and not may_be_within(a.fact.onset, b.fact.onset, days))


def _polarity(a: _Condition, b: _Condition) -> Answer:
    return Answer.AGREE if a.fact.polarity is b.fact.polarity else Answer.DIFFER


def _verified(x: _Condition) -> str | None:
    said = x.fact.verification_status
    return "suspected" if said in _SUSPECTED else said


def _verification(a: _Condition, b: _Condition) -> Answer:
    """Not stated is not in doubt: it agrees with confirmed and with suspected, and never with refuted."""
    if (_verified(a) == "refuted") is not (_verified(b) == "refuted"):
        return Answer.DIFFER
    return compare_words(_verified(a), _verified(b))


def _clinical(a: _Condition, b: _Condition) -> Answer:
    return compare_words(_state(a), _state(b))


def _state(x: _Condition) -> str | None:
    said = x.fact.clinical_status
    return "ended" if said in _ENDED else "live" if said in _LIVE else said
