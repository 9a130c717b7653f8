"""Other codes that may mean the same thing: what a second clinician may have chosen for it.

No terminology server is asked and no hierarchy is loaded, so two codes of one system may be neighbours without anybody
here knowing. A word in common, or a supplied map that puts them near each other, is a reason to claim nothing. Never a
reason to merge.
"""

import re
from collections.abc import Collection, Hashable, Iterable
from functools import cached_property

from gateway.merge.concepts import Code, Terminology
from gateway.merge.holdings import Seen, concept_of, each
from schema.model.clinical import AllergyIntolerance, Condition, Medication
from schema.model.values import CodeableConcept

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

_EVER, _UNDATED = "ever", "undated"
_Concept = frozenset[Code]
_Place = tuple[int, Hashable]
"""A source, as its bit, and a day: _UNDATED for what has none, _EVER for all days together."""


class Siblings:
    """Where, among the entries of one section, what has a word or a neighbour in common stands.

    Words are read of what is asked about, and of what stands where it could be its sibling: most is decided without.
    """

    def __init__(self, seen: Iterable[Seen], terms: Terminology) -> None:
        self._terms = terms
        # A drug dictionary tells products apart: no word is needed.
        self._seen = [one for one in seen if one.codes and not isinstance(one.entry.display, Medication)]
        self._held: dict[_Place, dict[Hashable, set[_Concept]]] = {}
        self._marks: dict[str, Collection[Hashable]] = {}
        self._concepts: dict[int, set[_Concept]] = {}
        self._told: dict[tuple[_Place, Hashable, int], bool] = {}

    def among(self, one: Seen, sources: int) -> int:
        """Those of these sources that have one which nobody of those who state the entry tells apart from it."""
        found = 0
        if self._seen and one.codes:
            days = _looked_for_on(one)
            for source in each(sources):
                if any(self._stands_at((source, day), one) for day in days):
                    found |= source
        return found

    def _stands_at(self, place: _Place, one: Seen) -> bool:
        if place not in self._placed:
            return False
        held = self._held_at(place)
        return any(mark in held and not self._is_told(place, mark, one.stating) for mark in self._marks_of(one))

    @cached_property
    def _placed(self) -> dict[_Place, list[Seen]]:
        placed: dict[_Place, list[Seen]] = {}
        for one in self._seen:
            for day in _found_on(one):
                for source in each(one.stating):
                    placed.setdefault((source, day), []).append(one)
        return placed

    def _held_at(self, place: _Place) -> dict[Hashable, set[_Concept]]:
        """The concepts that stand there under each word or neighbour."""
        held = self._held.get(place)
        if held is None:
            held = self._held[place] = {}
            for one in self._placed[place]:
                concept = self._concept_of(one)
                for mark in self._marks_of(one):
                    held.setdefault(mark, set()).add(concept)
        return held

    def _is_told(self, place: _Place, mark: Hashable, stating: int) -> bool:
        """Whether those who state the entry have every concept that stands there under this mark."""
        key = (place, mark, stating)
        known = self._told.get(key)
        if known is None:
            known = self._told[key] = self._held[place][mark] <= self._stated_by(stating)
        return known

    def _stated_by(self, sources: int) -> set[_Concept]:
        stated = self._concepts.get(sources)
        if stated is None:
            stated = self._concepts[sources] = {self._concept_of(one) for one in self._seen if sources & one.stating}
        return stated

    def _concept_of(self, one: Seen) -> _Concept:
        return frozenset(code for code in one.codes if self._terms.code_systems([code])) or one.codes

    def _marks_of(self, one: Seen) -> Collection[Hashable]:
        marks = self._marks.get(one.entry.id)
        if marks is None:
            words = {stem for member in one.entry.members for stem in _stems(concept_of(member.fact))} - _SAYS_LITTLE
            near = self._terms.nearby(one.codes) | one.codes if self._terms.near else frozenset()
            marks = self._marks[one.entry.id] = [*words, *near]
        return marks


def _lasts(one: Seen) -> bool:
    """Of these the time does not matter."""
    return isinstance(one.entry.display, Condition | AllergyIntolerance)


def _looked_for_on(one: Seen) -> tuple[Hashable, ...]:
    when = one.entry.when
    return (_EVER,) if when is None or _lasts(one) else (when.day, _UNDATED)


def _found_on(one: Seen) -> tuple[Hashable, ...]:
    when = one.entry.when
    return (_EVER,) if _lasts(one) else (_EVER, _UNDATED if when is None else when.day)


def _stems(concept: CodeableConcept | None) -> list[str]:
    if concept is None:
        return []
    said = " ".join([concept.text or "", *(coding.display or "" for coding in concept.codings)])
    return [word[:_STEM] for word in _WORD.findall(said.casefold())]
