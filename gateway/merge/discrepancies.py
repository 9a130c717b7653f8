"""What one source does not have, or has differently. MERGE.md section 5.

Of each section and each source that was not heard about it, once:

    OUT_OF_SCOPE         the source does not hold such facts, or does not know the person
    SOURCE_UNAVAILABLE   it was not asked or did not answer

Of each live merged fact and each other source without a part in it, the first that holds:

    DIFFERS              it holds the other side of one of the fact's conflicts
    CANNOT_TELL          its answer is incomplete or holds something back; it only listens, and began after the fact;
                         it holds what may be the same (linked, of one concept on one day, or undated; or a sibling), or
                         has ordered, supplied or given the medicine; the two are not coded in one system that others
                         know; or they go by numbers, and share no issuer of them
    NOT_FOUND            it answered completely, everything can be compared, and it has none

Abstaining is the feature: a claim that a source lacks something is made only where nothing speaks against it. Never
shown as "missing" or "unknown": the fact may be wrong, and the source right.

A *sibling* is another code of the type, in any words of which the fact has a word too, or that a supplied map puts
near the fact's, broader or narrower or by way of a third: it may be the same thing as another clinician coded it. Of
conditions and allergies the time does not matter; of what happens at a time, only siblings of one day or of none
count. It is no sibling where a source that states the fact states that concept as well: who uses both tells them apart.
Between two drug allergies nothing is claimed unless the lists know both substances: one may be the other's class.
Two codes of one system without a word in common are compared, and found to be two (MERGE.md 2: an exact code is
mapped); that no map has looked at both would be so of nearly every two codes, and nothing would ever be not found.
Words only ever make us abstain here.

Order: allergies of high criticality; other allergies to drugs; other allergies; high-risk medicines; other medicines
that are not over; conditions and alerts; the rest. Within each, what differs before what was not found, then what
cannot be told. A section stands where the most important of its entries would.
"""

from bisect import bisect_right
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from math import inf
from operator import attrgetter
from typing import Any

from msgspec import Struct

from gateway.merge.concepts import Code, Terminology
from gateway.merge.identifiers import id_keys
from gateway.merge.siblings import Siblings, concept_of
from schema.model.clinical import (
    AllergyIntolerance,
    Condition,
    Flag,
    Immunization,
    Medication,
    MedicationKind,
    Polarity,
)
from schema.model.fact import Fact, GapKind
from schema.model.view import Discrepancy, DiscrepancyKind, MergedFact, Section, SectionSource, SourceState

_ANSWERED = frozenset({SourceState.OK, SourceState.PARTIAL, SourceState.WITHHELD})
_INCOMPLETE = frozenset(
    {
        *(GapKind.UNREADABLE, GapKind.TRUNCATED, GapKind.UNSUPPORTED, GapKind.FAILED),
        *(GapKind.WITHHELD, GapKind.NARRATIVE_ONLY),
    }
)
_A_DAY_S = 86_400.0
_AUTHORISED = (MedicationKind.STATEMENT, MedicationKind.REQUEST)
_OVER = frozenset({"stopped", "completed", "cancelled", "ended", "not-done", "on-hold"})


def discrepancies(
    sections: Iterable[Section[Any]],
    terms: Terminology,
    *,
    complete_from: Mapping[str, float] | None = None,
    source: str | None = None,
) -> tuple[Discrepancy, ...]:
    """Every discrepancy of these settled sections, most important first; of one source, or of all.

    `complete_from` says of sources that only listen when they began (seconds since 1970).
    """
    found = [one for section in sections for one in _of_section(section, terms, complete_from or {}, source)]
    return tuple(sorted(found, key=attrgetter("order")))


class _Seen(Struct, frozen=True, gc=False):
    """What is looked at of one merged fact, worked out once."""

    entry: MergedFact[Any]
    at: float | None
    codes: frozenset[Code]
    concepts: Sequence[Hashable]
    """Each code with the kind of a medicine's record: a supply of a course is not the course."""
    systems: frozenset[str]
    issuers: frozenset[str]
    by_source: dict[str, tuple[frozenset[str], frozenset[str]]]
    """Source -> the code systems and the issuers of its own statement."""
    goes_by_code: bool
    stating: frozenset[str]
    """Every source that states it."""
    rank: int
    drug_allergy: bool | None
    """Whether the lists know the substance of a drug allergy; None of anything else."""


class _Held(Struct):
    """What one source holds of one type."""

    entries: set[str]
    codes: set[frozenset[str]]
    """The code systems of each of its facts: facts are compared within one system."""
    issuers: set[str]
    """Of the business identifiers of its facts."""
    times: dict[Hashable, list[float]]
    """Of its entries of one concept and one kind, in order; -inf for an entry without a time."""

    drug_allergies_known: bool | None = None
    """Whether the lists know the substance of every drug allergy it holds; None when it holds none."""

    def may_hold(self, seen: _Seen) -> bool:
        """Whether it has an entry of one concept with this that may be the same though nothing says so: at one time,
        or where one of the two has none."""
        for key in seen.concepts:
            times = self.times.get(key)
            if times is not None and _at_one_time(times, seen.at):
                return True
        return False


def _at_one_time(times: list[float], at: float | None) -> bool:
    if at is None or times[0] == -inf:
        return True
    after = bisect_right(times, at - _A_DAY_S)
    return after < len(times) and times[after] < at + _A_DAY_S


def _of_section(
    section: Section[Any], terms: Terminology, complete_from: Mapping[str, float], only: str | None
) -> Iterator[Discrepancy]:
    """Time and memory grow with entries times sources, whatever they are about."""
    live = [entry for entry in section.entries if not entry.display.entered_in_error]
    if not live:
        return
    seen = [_look(entry, terms) for entry in live]
    holding = frozenset[str]().union(*(one.stating for one in seen))
    heard = []
    for said in section.sources:
        if only in (None, said.source.id):
            silence = _silence(said, said.source.id in holding)
            if silence is None:
                heard.append(said)
            else:
                rank = min(one.rank for one in seen)
                yield Discrepancy(
                    kind=silence, source=said.source, fact_type=section.fact_type, rank=rank, count=len(live)
                )
    by_id = {one.entry.id: one for one in seen}
    siblings = Siblings([(one.entry, one.codes) for one in seen], terms)
    for said in heard:
        mine = _held(said.source.id, seen)
        complete = said.state is SourceState.OK and not any(gap.kind in _INCOMPLETE for gap in said.gaps)
        began = complete_from.get(said.source.id, -inf)
        for one in seen:
            if one.entry.id not in mine.entries:
                kind = _kind(one, said.source.id, mine, by_id, siblings, complete, began)
                yield Discrepancy(
                    kind=kind, source=said.source, fact_type=section.fact_type, rank=one.rank, entry=one.entry
                )


def _silence(said: SectionSource, holds: bool) -> DiscrepancyKind | None:
    """Why nothing can be said of this source about single entries."""
    if not holds and {gap.kind for gap in said.gaps} == {GapKind.NOT_HELD}:
        return DiscrepancyKind.OUT_OF_SCOPE
    return None if said.state in _ANSWERED else DiscrepancyKind.SOURCE_UNAVAILABLE


def _kind(
    one: _Seen,
    source: str,
    mine: _Held,
    by_id: Mapping[str, _Seen],
    siblings: Siblings,
    complete: bool,
    began: float,
) -> DiscrepancyKind:
    """What can be said of a source that was heard and has no part in the entry."""
    entry = one.entry
    if entry.conflicts and any(other in mine.entries for conflict in entry.conflicts for other in conflict.with_ids):
        return DiscrepancyKind.DIFFERS
    unclear = (
        not complete
        or (began > -inf and (one.at is None or one.at < began))
        or (entry.related and any(n in mine.entries and _alike(entry, by_id[n].entry) for n in entry.related))
        or mine.may_hold(one)
        or not _comparable(one, mine)
        or (_may_be_one_class(one.drug_allergy, mine.drug_allergies_known))
        or siblings.among(entry.id, one.stating, source)
    )
    return DiscrepancyKind.CANNOT_TELL if unclear else DiscrepancyKind.NOT_FOUND


def _may_be_one_class(known: bool | None, theirs: bool | None) -> bool:
    """Two drug allergies may be of one class (penicillin, amoxicillin) unless the lists know both substances."""
    return known is not None and theirs is not None and not (known and theirs)


def _look(entry: MergedFact[Any], terms: Terminology) -> _Seen:
    codes: frozenset[Code] = frozenset()
    systems: frozenset[str] = frozenset()
    issuers: frozenset[str] = frozenset()
    by_source: dict[str, tuple[frozenset[str], frozenset[str]]] = {}
    for member in entry.members:
        fact = member.fact
        own = terms.concepts(concept_of(fact))
        mine = by_source[member.provenance.source.id] = (_code_systems(fact, own, terms), _issuers(fact))
        codes, systems, issuers = codes | own, systems | mine[0], issuers | mine[1]
    kind = entry.display.kind if isinstance(entry.display, Medication) else None
    return _Seen(
        entry=entry,
        at=entry.when.earliest.timestamp() if entry.when is not None else None,
        codes=codes,
        concepts=[(code, kind) for code in codes],
        systems=systems,
        issuers=issuers,
        by_source=by_source,
        goes_by_code=_goes_by_code(entry.display),
        stating=frozenset(by_source),
        rank=_rank(entry, terms),
        drug_allergy=_drug_allergy(entry, codes, terms),
    )


def _held(source: str, seen: Iterable[_Seen]) -> _Held:
    held = _Held(entries=set(), codes=set(), issuers=set(), times={})
    for one in seen:
        if source in one.by_source:
            systems, issuers = one.by_source[source]
            held.entries.add(one.entry.id)
            held.codes.add(systems)
            held.issuers |= issuers
            if one.drug_allergy is not None:
                held.drug_allergies_known = one.drug_allergy and held.drug_allergies_known is not False
            for key in one.concepts:
                held.times.setdefault(key, []).append(-inf if one.at is None else one.at)
    for times in held.times.values():
        times.sort()
    return held


def _comparable(one: _Seen, mine: _Held) -> bool:
    """Whether the fact would be recognised among what the source holds."""
    if not mine.entries:
        return True
    if one.goes_by_code:
        return not any(one.systems.isdisjoint(theirs) for theirs in mine.codes)
    return not one.issuers.isdisjoint(mine.issuers)


def _alike(entry: MergedFact[Any], other: MergedFact[Any]) -> bool:
    """Whether who holds `other` may hold the entry. Who ordered, supplied or gave a medicine cannot be said to lack
    its course; a supply or a dose is known only by itself."""
    a, b = entry.display, other.display
    return not isinstance(a, Medication) or not isinstance(b, Medication) or a.kind is b.kind or a.kind in _AUTHORISED


def _goes_by_code(fact: Fact) -> bool:
    return isinstance(fact, Immunization) or ("code" in fact.__struct_fields__ and not isinstance(fact, Flag))


def _code_systems(fact: Fact, codes: frozenset[Code], terms: Terminology) -> frozenset[str]:
    """In which code systems others can tell what it is; of a medicine only when the dictionary says what it
    holds: of a product without an ingredient nobody knows which others are the same."""
    if isinstance(fact, Medication):
        codes = frozenset(code for code in codes if terms.ingredient(code) is not None)
    return terms.code_systems(codes)


def _drug_allergy(entry: MergedFact[Any], codes: frozenset[Code], terms: Terminology) -> bool | None:
    """Whether its substance is known to the lists; None where there is none, or it is said to be no medicine."""
    if not isinstance(entry.display, AllergyIntolerance) or not codes.isdisjoint(terms.nil_known):
        return None
    known = any(terms.is_drug_allergen(code) for code in codes)
    kinds = {kind for member in entry.members for kind in member.fact.categories}
    return known if known or not kinds or "medication" in kinds else None


def _issuers(fact: Fact) -> frozenset[str]:
    return frozenset(issuer for issuer, _ in id_keys(fact.identifiers)) if fact.identifiers else frozenset()


def _rank(entry: MergedFact[Any], terms: Terminology) -> int:
    facts = [member.fact for member in entry.members]
    match entry.display:
        case AllergyIntolerance():
            if any(fact.criticality == "high" and fact.polarity is Polarity.PRESENT for fact in facts):
                return 0
            drugs = any(terms.is_drug_allergen(code) for fact in facts for code in terms.concepts(fact.code))
            return 1 if drugs or any("medication" in fact.categories for fact in facts) else 2
        case Medication():
            if any(_high_risk(fact, terms) for fact in facts):
                return 3
            return 4 if entry.conflicts or any(fact.status not in _OVER for fact in facts) else 6
        case Condition() | Flag():
            return 5
        case _:
            return 6


def _high_risk(fact: Medication, terms: Terminology) -> bool:
    known = [terms.ingredient(code) for code in terms.concepts(fact.code)]
    said = " ".join([*(name for name in known if name), fact.code.label or "" if fact.code else ""]).casefold()
    return any(word in said for word in terms.high_risk_words)
