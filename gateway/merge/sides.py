"""Sides of the body: coded, or in the words of a site. A side is only ever a reason not to merge."""

import re

from gateway.merge.compare import Answer
from gateway.merge.concepts import Terminology
from schema.model.values import CodeableConcept

_WORD = re.compile(r"\b(left|right|bilateral|both)\b")


def sides(sites: tuple[CodeableConcept, ...], terms: Terminology) -> frozenset[str]:
    """Every side that these sites name: left, right, bilateral."""
    if not sites:
        return frozenset()
    found = set()
    for site in sites:
        found |= {side for code in terms.concepts(site) if (side := terms.sides.get(code))}
        for words in (site.text, *(coding.display for coding in site.codings)):
            found |= {"bilateral" if word == "both" else word for word in _WORD.findall((words or "").casefold())}
    return frozenset(found)


def compare_sides(a: frozenset[str], b: frozenset[str]) -> Answer:
    """Left differs from right and from both; naming no side is not naming one."""
    if not a or not b:
        return Answer.UNSTATED
    return Answer.AGREE if a == b else Answer.DIFFER
