"""Other codes that may mean the same thing: what a second clinician may have chosen for it.

No terminology server is asked and no hierarchy is loaded, so two codes of one system may be neighbours without anybody
here knowing. A word in common, or a supplied map that puts them near each other, is a reason to claim nothing. Never a
reason to merge.
"""

import re
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

from gateway.merge.concepts import Code, Terminology
from schema.model.clinical import AllergyIntolerance, Condition, DocumentReference, Immunization, Medication
from schema.model.fact import Fact
from schema.model.values import CodeableConcept
from schema.model.view import MergedFact

_WORD = re.compile(r"[^\W\d_]{5,}")
_STEM = 6
"""Letters that are compared: "alcohol" and "alcoholic" are one word, "diabetes" and "diabetic" too."""
_SAYS_LITTLE = frozenset(
    word[:_STEM]
    for word in (
        *("disorder", "disease", "syndrome", "condition", "problem", "finding", "symptom", "episode", "history"),
        *("acute", "chronic", "severe", "unspecified", "other", "primary", "secondary", "allergy", "intolerance"),
        *("serum", "plasma", "blood", "level", "measurement", "count", "total", "test", "score", "vaccine"),
        *("administration", "procedure", "following", "concept", "right"),
    )
)
"""Words that half of all concepts have."""


_Marks = tuple[Hashable, ...]
"""Words and neighbours, of what happens at a time each with its day."""


def concept_of(fact: Fact) -> CodeableConcept | None:
    """What a fact is about, whatever its type calls the field."""
    match fact:
        case Immunization():
            return fact.vaccine_code
        case DocumentReference():
            return fact.type
        case _:
            concept: CodeableConcept | None = getattr(fact, "code", None)
            return concept


class Siblings:
    """Where, among the entries of one section, what has a word or a neighbour in common stands."""

    def __init__(self, entries: Sequence[tuple[MergedFact[Any], frozenset[Code]]], terms: Terminology) -> None:
        self._terms = terms
        self._entries = entries
        self._look: dict[str, _Marks] = {}
        self._held: dict[tuple[Hashable, str], set[frozenset[Code]]] = defaultdict(set)
        """(mark, source) -> the concepts that this source has under it."""
        self._stated: dict[str, set[frozenset[Code]]] = defaultdict(set)
        self._told: dict[tuple[Hashable, str, frozenset[str]], bool] = {}

    def _read(self) -> None:
        """Only when first asked: most sections are decided without."""
        for entry, codes in self._entries:
            # A drug dictionary tells products apart: no word is needed.
            if not codes or isinstance(entry.display, Medication):
                continue
            concept = frozenset(code for code in codes if self._terms.code_systems([code])) or codes
            self._look[entry.id], stand = self._marks(entry, codes)
            for member in entry.members:
                source = member.provenance.source.id
                self._stated[source].add(concept)
                for mark in stand:
                    self._held[mark, source].add(concept)
        self._entries = ()

    def _marks(self, entry: MergedFact[Any], codes: frozenset[Code]) -> tuple[_Marks, _Marks]:
        """What to look under, and what to be found under."""
        words = {stem for member in entry.members for stem in _stems(concept_of(member.fact))}
        near = self._terms.nearby(codes) | codes if self._terms.near else frozenset()
        plain: _Marks = (*words, *near)
        if isinstance(entry.display, Condition | AllergyIntolerance):
            return plain, plain
        if entry.when is None:
            ever = _with(plain, "ever")
            return ever, ever + _with(plain, "undated")
        on_the_day = _with(plain, entry.when.day)
        return on_the_day + _with(plain, "undated"), on_the_day + _with(plain, "ever")

    def among(self, entry: str, stating: frozenset[str], source: str) -> bool:
        """Whether the source has one that nobody of those who state the entry tells apart from it."""
        if self._entries:
            self._read()
        for mark in self._look.get(entry, ()):
            theirs = self._held.get((mark, source))
            if theirs and self._untold(mark, source, stating, theirs):
                return True
        return False

    def _untold(self, mark: Hashable, source: str, stating: frozenset[str], theirs: set[frozenset[Code]]) -> bool:
        key = (mark, source, stating)
        known = self._told.get(key)
        if known is None:
            known = self._told[key] = not theirs <= set().union(*(self._stated[one] for one in stating))
        return known


def _with(marks: _Marks, day: Hashable) -> _Marks:
    return tuple((mark, day) for mark in marks)


def _stems(concept: CodeableConcept | None) -> Iterable[str]:
    if concept is not None:
        said = " ".join([concept.text or "", *(coding.display or "" for coding in concept.codings)])
        for word in _WORD.findall(said.casefold()):
            if (stem := word[:_STEM]) not in _SAYS_LITTLE:
                yield stem
