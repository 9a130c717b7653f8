"""Three-valued comparison: two statements agree, differ, or cannot be compared, and what is not stated is none of
these.

Only AGREE and UNSTATED let two facts be the same; only DIFFER is shown as a conflict; UNKNOWN does neither: cannot
tell.
"""

from collections.abc import Iterable
from enum import Enum

from gateway.merge.concepts import Code, Terminology
from schema.model.values import CodeableConcept


class Answer(Enum):
    """What comparing two statements tells."""

    AGREE = "agree"
    UNSTATED = "unstated"
    """One of the two says nothing about it."""
    UNKNOWN = "unknown"
    """Both say something and it cannot be compared: another code system, another unit, other words."""
    DIFFER = "differ"


AGREE, UNSTATED, UNKNOWN, DIFFER = Answer
"""The answers by name: Python 3.11 takes ten times as long over a member that is looked up through its class, and a
large record compares a million times."""


def folded(text: str | None) -> str | None:
    """Words without regard to case and spacing; None when there are none."""
    return " ".join(text.casefold().split()) or None if text else None


def compare_words(a: str | None, b: str | None, unequal: Answer = DIFFER) -> Answer:
    """Equal words agree; unequal ones are what the caller says they are."""
    if a is None or b is None:
        return UNSTATED
    first = folded(a)
    second = first if a == b else folded(b)
    if first is None or second is None:
        return UNSTATED
    return AGREE if first == second else unequal


def same_codes(a: frozenset[Code], b: frozenset[Code]) -> bool:
    """One code in common, and no system in which both are coded and have none in common."""
    if a == b:
        return bool(a)
    shared = a & b
    if not shared:
        return False
    agreeing = {system for system, _ in shared}
    return not (({system for system, _ in a} & {system for system, _ in b}) - agreeing)


def compare_codes(a: frozenset[Code], b: frozenset[Code]) -> Answer:
    """Codes of one system decide; codes of different systems, or a contradiction between two systems, cannot tell."""
    if not a or not b:
        return UNSTATED
    if same_codes(a, b):
        return AGREE
    systems = {system for system, _ in a} & {system for system, _ in b}
    return DIFFER if systems and not a & b else UNKNOWN


def compare_concepts(a: CodeableConcept | None, b: CodeableConcept | None, terms: Terminology) -> Answer:
    """An attribute (never the concept that a fact is about): by code, else equal words agree, else cannot tell."""
    if a is None or b is None or a.label is None or b.label is None:
        return UNSTATED
    answer = compare_codes(terms.concepts(a), terms.concepts(b))
    if answer in (AGREE, DIFFER):
        return answer
    return compare_words(a.label, b.label, unequal=UNKNOWN)


def compare_sets(
    a: tuple[CodeableConcept, ...], b: tuple[CodeableConcept, ...], terms: Terminology, unequal_words: Answer
) -> Answer:
    """Two sets of concepts agree when each has its like in the other. Words against words is `unequal_words`."""
    if not a or not b:
        return UNSTATED
    answers = [_best(x, b, terms, unequal_words) for x in a] + [_best(y, a, terms, unequal_words) for y in b]
    return worst(answers)


def _best(
    one: CodeableConcept, others: tuple[CodeableConcept, ...], terms: Terminology, unequal_words: Answer
) -> Answer:
    """Whether `one` has its like among `others`; "differ" only when it is comparable with each of them."""
    answers = set()
    for other in others:
        answer = compare_concepts(one, other, terms)
        if answer is UNKNOWN and not terms.concepts(one) and not terms.concepts(other):
            answer = unequal_words
        answers.add(answer)
    for answer in (AGREE, UNKNOWN, UNSTATED):
        if answer in answers:
            return answer
    return DIFFER


def worst(answers: Iterable[Answer]) -> Answer:
    """Of several parts: one that differs decides, then one that cannot tell, then one that agrees."""
    found = set(answers)
    for answer in (DIFFER, UNKNOWN, AGREE):
        if answer in found:
            return answer
    return UNSTATED
