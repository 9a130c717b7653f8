"""What each source holds of one section, by what an entry could be recognised under: for `discrepancies`.

Every entry is looked at once, and what is said of sources is said of all of them together.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from math import inf
from typing import Any

from msgspec import Struct

from gateway.merge.concepts import Code, Terminology
from gateway.merge.identifiers import id_keys
from schema.model.clinical import (
    AllergyIntolerance,
    Condition,
    DocumentReference,
    Flag,
    Immunization,
    Medication,
    Polarity,
)
from schema.model.fact import Fact
from schema.model.values import CodeableConcept
from schema.model.view import MergedFact, SourceRef

_A_DAY_S = 86_400.0
_OVER = frozenset({"stopped", "completed", "cancelled", "ended", "not-done", "on-hold"})
_CONCEPT: dict[type[Fact], str] = {Immunization: "vaccine_code", DocumentReference: "type"}
_NONE: frozenset[Any] = frozenset()


def concept_of(fact: Fact) -> CodeableConcept | None:
    """What a fact is about, whatever its type calls the field."""
    concept: CodeableConcept | None = getattr(fact, _concept_field(type(fact)), None)
    return concept


def _concept_field(kind: type[Fact]) -> str:
    return _CONCEPT.get(kind, "code")


class Sources:
    """Sets of sources as the bits of a number, for a thousand of them are joined and compared for one answer.

    In the order of their ids: the lowest bit is the first.
    """

    def __init__(self, refs: Iterable[SourceRef]) -> None:
        by_id = {ref.id: ref for ref in refs}
        self._refs = [by_id[name] for name in sorted(by_id)]
        self._bits = {ref.id: 1 << place for place, ref in enumerate(self._refs)}
        self._named: dict[int, list[SourceRef]] = {}

    def bit(self, name: str) -> int:
        """The set of this one alone. Whoever is not among them gets a bit above theirs."""
        found = self._bits.get(name)
        if found is None:
            found = self._bits[name] = 1 << len(self._bits)
        return found

    def named(self, those: int) -> list[SourceRef]:
        """The members of a set, in the order of their ids."""
        found = self._named.get(those)
        if found is None:
            found = self._named[those] = [self._refs[bit.bit_length() - 1] for bit in each(those)]
        return found


def each(sources: int) -> Iterator[int]:
    """Every one of them as a set of its own, in order."""
    while sources:
        yield sources & -sources
        sources &= sources - 1


class Seen(Struct, frozen=True, gc=False):
    """What is looked at of one merged fact, worked out once."""

    entry: MergedFact[Any]
    at: float | None
    codes: frozenset[Code]
    concepts: Sequence[Hashable]
    """Each code, of a medicine with the kind of its record: a supply of a course is not the course."""
    known_by: frozenset[str]
    """The code systems of a fact that goes by its code; of any other, who issued its business identifiers."""
    stating: int
    """Every source that states it."""
    rank: int
    drug_allergy: bool | None
    """Whether the lists know the substance of a drug allergy; None of anything else."""


class Holdings:
    """The live entries of one section, and what each source states of them."""

    def __init__(
        self, kind: type[Fact], entries: Iterable[MergedFact[Any]], sources: Sources, terms: Terminology
    ) -> None:
        self._kind, self._sources, self._terms = kind, sources, terms
        self._goes_by_code = kind is Immunization or ("code" in kind.__struct_fields__ and kind is not Flag)
        self._has_concept = _concept_field(kind) in kind.__struct_fields__
        self.known_by: dict[str, set[frozenset[str]]] = defaultdict(set)
        """Of each source that states anything, by what each of its facts is known."""
        self._strangers: dict[frozenset[str], int] = {}
        self._of_concept: dict[Hashable, list[Seen]] = {}
        self._times: dict[Hashable, dict[int, list[float]]] = {}
        """Of one concept, by those who state it, in order; -inf for an entry without a time."""
        self._drug_allergies: dict[bool, int] = {True: 0, False: 0}
        """Who holds drug allergies whose substance the lists know, and who holds others."""
        self.seen: Mapping[str, Seen] = {entry.id: self._look(entry) for entry in entries}

    def stating(self, names: Iterable[str]) -> int:
        """The sources that state any of these entries."""
        found = 0
        for name in names:
            if name in self.seen:
                found |= self.seen[name].stating
        return found

    def strangers_to(self, one: Seen) -> int:
        """Sources with what cannot be compared with it; or with another drug allergy, where one of the two may be the
        other's class."""
        found = self._strangers.get(one.known_by)
        if found is None:
            disjoint, found = any if self._goes_by_code else all, 0
            for source, theirs in self.known_by.items():
                if disjoint(map(one.known_by.isdisjoint, theirs)):
                    found |= self._sources.bit(source)
            self._strangers[one.known_by] = found
        if one.drug_allergy is None:
            return found
        # Penicillin and amoxicillin are of one class: that two are not is known only of substances on the lists.
        unlisted = self._drug_allergies[False]
        return found | (unlisted if one.drug_allergy else unlisted | self._drug_allergies[True])

    def of_its_concept(self, one: Seen) -> int:
        """Other sources with an entry of one concept with this that may be the same though nothing says so: at one
        time, or where one of the two has none."""
        found = 0
        for concept in one.concepts:
            if len(self._of_concept[concept]) > 1:
                for stating, times in self._times_of(concept).items():
                    if stating & ~(one.stating | found) and _at_one_time(times, one.at):
                        found |= stating
        return found

    def _times_of(self, concept: Hashable) -> dict[int, list[float]]:
        found = self._times.get(concept)
        if found is None:
            found = self._times[concept] = defaultdict(list)
            for one in sorted(self._of_concept[concept], key=_time):
                found[one.stating].append(_time(one))
        return found

    def _look(self, entry: MergedFact[Any]) -> Seen:
        terms = self._terms
        codes: frozenset[Code] = _NONE
        known_by: frozenset[str] = _NONE
        stating = 0
        for member in entry.members:
            fact, source = member.fact, member.provenance.source.id
            own = terms.concepts(concept_of(fact)) if self._has_concept else _NONE
            mine = self._code_systems(own) if self._goes_by_code else _issuers(fact)
            self.known_by[source].add(mine)
            codes, known_by = (codes | own, known_by | mine) if stating else (own, mine)
            stating |= self._sources.bit(source)
        seen = Seen(
            entry,
            entry.when.earliest.timestamp() if entry.when is not None else None,
            codes,
            [(code, entry.display.kind.value) for code in codes] if self._kind is Medication else tuple(codes),
            known_by,
            stating,
            _rank(self._kind, entry, codes, terms),
            _drug_allergy(entry, codes, terms) if self._kind is AllergyIntolerance else None,
        )
        for concept in seen.concepts:
            self._of_concept.setdefault(concept, []).append(seen)
        if seen.drug_allergy is not None:
            self._drug_allergies[seen.drug_allergy] |= stating
        return seen

    def _code_systems(self, codes: frozenset[Code]) -> frozenset[str]:
        """In which code systems others can tell what it is; of a medicine only when the dictionary says what it
        holds: of a product without an ingredient nobody knows which others are the same."""
        if self._kind is Medication:
            codes = frozenset(code for code in codes if self._terms.ingredient(code) is not None)
        return self._terms.code_systems(codes)


def _time(one: Seen) -> float:
    return -inf if one.at is None else one.at


def _at_one_time(times: list[float], at: float | None) -> bool:
    if at is None or times[0] == -inf:
        return True
    after = bisect_right(times, at - _A_DAY_S)
    return after < len(times) and times[after] < at + _A_DAY_S


def _issuers(fact: Fact) -> frozenset[str]:
    return frozenset(issuer for issuer, _ in id_keys(fact.identifiers)) if fact.identifiers else _NONE


def _drug_allergy(entry: MergedFact[Any], codes: frozenset[Code], terms: Terminology) -> bool | None:
    """Whether its substance is known to the lists; None where there is none, or it is said to be no medicine."""
    if not codes.isdisjoint(terms.nil_known):
        return None
    known = any(terms.is_drug_allergen(code) for code in codes)
    kinds = {kind for member in entry.members for kind in member.fact.categories}
    return known if known or not kinds or "medication" in kinds else None


def _rank(kind: type[Fact], entry: MergedFact[Any], codes: frozenset[Code], terms: Terminology) -> int:
    """How much it matters, 0 the most."""
    if kind is AllergyIntolerance:
        return _rank_of_allergy(entry, codes, terms)
    if kind is Medication:
        return _rank_of_medicine(entry, codes, terms)
    return 5 if kind is Condition or kind is Flag else 6


def _rank_of_allergy(entry: MergedFact[Any], codes: frozenset[Code], terms: Terminology) -> int:
    facts = [member.fact for member in entry.members]
    if any(fact.criticality == "high" and fact.polarity is Polarity.PRESENT for fact in facts):
        return 0
    drugs = any(terms.is_drug_allergen(code) for code in codes)
    return 1 if drugs or any("medication" in fact.categories for fact in facts) else 2


def _rank_of_medicine(entry: MergedFact[Any], codes: frozenset[Code], terms: Terminology) -> int:
    facts = [member.fact for member in entry.members]
    names = [terms.ingredient(code) for code in codes]
    names += [fact.code.label for fact in facts if fact.code is not None]
    said = "\n".join(filter(None, names)).casefold()
    if any(word in said for word in terms.high_risk_words):
        return 3
    return 4 if entry.conflicts or any(fact.status not in _OVER for fact in facts) else 6
