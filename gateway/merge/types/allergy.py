"""Allergies and intolerances, and the statements that there are none.

Same when all hold: the same substance concept, the same polarity. A pre-coordinated finding ("allergy to penicillin")
and a substance are one concept only through a supplied equivalence.

Never merged, shown as a conflict: refuted with asserted; allergy with intolerance; active with resolved; differing
reaction, its severity, or criticality. Criticality "unable to assess" says nothing. "Unconfirmed" is what some
systems always send and divides nothing.

"No known allergies" conflicts with any live allergy; "no known drug allergy" only with an allergy to a medicine (or
food, or the environment, for those forms). Where it cannot be told whether the substance is a medicine the two are
only linked. A statement of absence without a code denies every allergy. A class of substances and its members are
linked, never merged.
"""

from collections.abc import Hashable
from typing import Any

from msgspec import Struct

from gateway.merge.compare import AGREE, DIFFER, UNSTATED, Answer, compare_sets, compare_words, folded, same_codes
from gateway.merge.concepts import Code, Terminology
from gateway.merge.rule import ALIKE, APART, COMPARABLE, RELATED, Compared, Keys, Relation, Rule
from schema.model.clinical import AllergyIntolerance, Polarity
from schema.model.view import SourceFact

_ENDED = frozenset({"inactive", "resolved"})
_REFUTED = "refuted"


class _Allergy(Struct, frozen=True, gc=False):
    fact: AllergyIntolerance
    codes: frozenset[Code]
    nil: str | None
    """What kind of allergy this statement denies: all, medication, food, environment; None when it denies none or one
    substance."""
    live: bool
    kinds: frozenset[str]
    """What kind of allergy it is, as far as can be told."""
    classes: frozenset[str]
    class_of: frozenset[str]


class AllergyRule(Rule[_Allergy]):
    """See the module."""

    def __init__(self, terms: Terminology) -> None:
        super().__init__(terms)
        self.compared = (
            Compared("polarity", _polarity, lambda x: x.fact.polarity.value),
            Compared("verificationStatus", _verification, lambda x: x.fact.verification_status),
            Compared("clinicalStatus", _clinical, lambda x: x.fact.clinical_status),
            Compared("type", _type, lambda x: x.fact.type),
            Compared("criticality", _criticality, lambda x: x.fact.criticality),
            Compared("reaction", self._reaction, _reaction_text),
            Compared("severity", _severity, lambda x: ", ".join(_severities(x)) or None),
        )

    def look(self, stated: SourceFact[Any]) -> _Allergy:
        fact: AllergyIntolerance = stated.fact
        terms, codes = self.terms, self.codes(fact.code)
        holds = fact.clinical_status not in _ENDED and fact.verification_status != _REFUTED
        kinds = set(fact.categories)
        if any(terms.is_drug_allergen(code) for code in codes):
            kinds.add("medication")
        return _Allergy(
            fact=fact,
            codes=codes,
            nil=self._denies(fact, codes) if holds and fact.polarity is Polarity.ABSENT else None,
            live=holds and fact.polarity is Polarity.PRESENT,
            kinds=frozenset(kinds),
            classes=frozenset(name for code in codes for name in terms.allergen_classes.get(code, ())),
            class_of=frozenset(name for code in codes if (name := terms.allergen_class_codes.get(code))),
        )

    def _denies(self, fact: AllergyIntolerance, codes: frozenset[Code]) -> str | None:
        kinds = {kind for code in codes if (kind := self.terms.nil_known.get(code))}
        if kinds:
            return min(kinds)
        uncoded = fact.code is None or not any(coding.code for coding in fact.code.codings)
        return "all" if uncoded else None

    def signature(self, fact: AllergyIntolerance) -> Hashable | None:
        """All that is compared, as stated; the words of what has a code tell nothing apart."""
        codes = self.codes(fact.code)
        if not codes:
            return None
        return (
            codes,
            fact.polarity,
            fact.clinical_status,
            fact.verification_status,
            fact.type,
            fact.criticality,
            fact.categories,
            fact.reactions,
        )

    def keys(self, seen: _Allergy) -> Keys:
        return Keys(
            active=(*seen.codes, *(("class", name) for name in seen.class_of), *(("live",) if seen.nil else ())),
            passive=(*(("class", name) for name in seen.classes), *(("live",) if seen.live else ())),
        )

    def relation(self, a: _Allergy, b: _Allergy) -> Relation:
        if same_codes(a.codes, b.codes):
            return COMPARABLE
        for denial, other in ((a, b), (b, a)):
            if denial.nil and other.live:
                return _denial(denial.nil, other.kinds)
        grouped = (a.class_of & b.classes) | (b.class_of & a.classes)
        return RELATED if grouped or a.codes & b.codes else APART

    def _reaction(self, a: _Allergy, b: _Allergy) -> Answer:
        first, second = (
            tuple(one for reaction in x.fact.reactions for one in reaction.manifestations if one.label) for x in (a, b)
        )
        if first and second:
            return compare_sets(first, second, self.terms, unequal_words=DIFFER)
        return UNSTATED


def _denial(denied: str, kinds: frozenset[str]) -> Relation:
    if denied == "all" or denied in kinds:
        return ALIKE
    return APART if kinds else RELATED


def _polarity(a: _Allergy, b: _Allergy) -> Answer:
    return AGREE if a.fact.polarity is b.fact.polarity else DIFFER


def _verification(a: _Allergy, b: _Allergy) -> Answer:
    refuted = [x.fact.verification_status == _REFUTED for x in (a, b)]
    return AGREE if refuted[0] == refuted[1] else DIFFER


def _clinical(a: _Allergy, b: _Allergy) -> Answer:
    return compare_words(_state(a), _state(b))


def _state(x: _Allergy) -> str | None:
    return "ended" if x.fact.clinical_status in _ENDED else x.fact.clinical_status


def _type(a: _Allergy, b: _Allergy) -> Answer:
    return compare_words(a.fact.type, b.fact.type)


def _criticality(a: _Allergy, b: _Allergy) -> Answer:
    return compare_words(_assessed(a), _assessed(b))


def _assessed(x: _Allergy) -> str | None:
    return None if x.fact.criticality == "unable-to-assess" else x.fact.criticality


def _severities(x: _Allergy) -> list[str]:
    return sorted({severity for reaction in x.fact.reactions if (severity := folded(reaction.severity))})


def _severity(a: _Allergy, b: _Allergy) -> Answer:
    return compare_words(" ".join(_severities(a)), " ".join(_severities(b)))


def _reaction_text(x: _Allergy) -> str | None:
    said = [one.label for reaction in x.fact.reactions for one in reaction.manifestations if one.label]
    said += [
        reaction.description for reaction in x.fact.reactions if reaction.description and not reaction.manifestations
    ]
    return ", ".join(said) or None
