"""What one source does not have, or has differently. MERGE.md section 5.

For each live merged fact and each source without a part in it, the first that holds:

    OUT_OF_SCOPE         the source does not hold such facts, or does not know the person
    SOURCE_UNAVAILABLE   it was not asked or did not answer
    DIFFERS              it holds the other side of one of the fact's conflicts
    CANNOT_TELL          its answer is incomplete or holds something back; it only listens, and began after the fact;
                         it holds what may be the same (linked, or of one concept on one day, or undated); the two are
                         not coded in one system that others know; or they go by numbers, and share no issuer of them
    NOT_FOUND            it answered completely, everything can be compared, and it has none

Abstaining is the feature: a claim that a source lacks something is made only where nothing speaks against it. Never
shown as "missing" or "unknown": the fact may be wrong, and the source right.

Order: allergies of high criticality; other allergies to drugs; other allergies; high-risk medicines; other medicines
that are not over; conditions and alerts; the rest. Within each, what differs before what was not found, and that before
what cannot be told.
"""

from collections.abc import Iterable, Mapping
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
from schema.model.fact import Fact, GapKind
from schema.model.values import CodeableConcept
from schema.model.view import Discrepancy, DiscrepancyKind, MergedFact, Section, SectionSource, SourceState

_ANSWERED = frozenset({SourceState.OK, SourceState.PARTIAL, SourceState.WITHHELD})
_INCOMPLETE = frozenset(
    {
        *(GapKind.UNREADABLE, GapKind.TRUNCATED, GapKind.UNSUPPORTED, GapKind.FAILED),
        *(GapKind.WITHHELD, GapKind.NARRATIVE_ONLY),
    }
)
_CERTAINTY = (DiscrepancyKind.DIFFERS, DiscrepancyKind.NOT_FOUND, DiscrepancyKind.CANNOT_TELL)
_A_DAY_S = 86_400.0
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
    found: list[tuple[tuple[int, int, str], Discrepancy]] = []
    for section in sections:
        found += _of_section(section, terms, complete_from or {}, source)
    found.sort(key=lambda one: one[0])
    return tuple(one for _, one in found)


class _Held(Struct):
    """What one source holds of one type."""

    entries: set[str]
    codes: set[frozenset[str]]
    """The code systems of each of its facts: facts are compared within one system."""
    issuers: set[str]
    """Of the business identifiers of its facts."""
    by_code: dict[Code, list[MergedFact[Any]]]

    def of_one_concept(self, entry: MergedFact[Any], terms: Terminology) -> Iterable[MergedFact[Any]]:
        codes = {code for member in entry.members for code in terms.concepts(_concept(member.fact))}
        return (other for code in codes for other in self.by_code.get(code, ()))


def _of_section(
    section: Section[Any], terms: Terminology, complete_from: Mapping[str, float], only: str | None
) -> Iterable[tuple[tuple[int, int, str], Discrepancy]]:
    sources = [one for one in section.sources if only in (None, one.source.id)]
    live = [entry for entry in section.entries if not entry.display.entered_in_error]
    held = {one.source.id: _Held(entries=set(), codes=set(), issuers=set(), by_code={}) for one in sources}
    by_id = {entry.id: entry for entry in live}
    for entry in live:
        for member in entry.members:
            mine = held.get(member.provenance.source.id)
            if mine is not None:
                mine.entries.add(entry.id)
                mine.codes.add(_code_systems(member.fact, terms))
                for code in terms.concepts(_concept(member.fact)):
                    mine.by_code.setdefault(code, []).append(entry)
                mine.issuers |= _issuers(member.fact)
    for entry in live:
        rank = _rank(entry, terms)
        codes = frozenset().union(*(_code_systems(member.fact, terms) for member in entry.members))
        issuers = frozenset().union(*(_issuers(member.fact) for member in entry.members))
        for one in sources:
            mine = held[one.source.id]
            if entry.id in mine.entries:
                continue
            began = complete_from.get(one.source.id)
            before = began is not None and (entry.when is None or entry.when.earliest.timestamp() < began)
            kind = _plainly(entry, one, mine, by_id)
            if kind is None:
                linked = any(name in mine.entries and _alike(entry, by_id[name]) for name in entry.related)
                linked = linked or any(_may_be(entry, other) for other in mine.of_one_concept(entry, terms))
                unclear = before or linked or not _comparable(entry.display, codes, issuers, mine)
                kind = DiscrepancyKind.CANNOT_TELL if unclear else DiscrepancyKind.NOT_FOUND
            order = (rank, _CERTAINTY.index(kind) if kind in _CERTAINTY else len(_CERTAINTY), entry.id)
            yield order, Discrepancy(kind=kind, source=one.source, fact_type=section.fact_type, entry=entry)


def _plainly(
    entry: MergedFact[Any], said: SectionSource, mine: _Held, by_id: Mapping[str, MergedFact[Any]]
) -> DiscrepancyKind | None:
    """What is so whatever the source holds; None when that must be looked at."""
    kinds = {gap.kind for gap in said.gaps}
    if not mine.entries and kinds == {GapKind.NOT_HELD}:
        return DiscrepancyKind.OUT_OF_SCOPE
    if said.state not in _ANSWERED:
        return DiscrepancyKind.SOURCE_UNAVAILABLE
    if any(other in mine.entries for conflict in entry.conflicts for other in conflict.with_ids):
        return DiscrepancyKind.DIFFERS
    if said.state is not SourceState.OK or kinds & _INCOMPLETE:
        return DiscrepancyKind.CANNOT_TELL
    return None


def _comparable(fact: Fact, codes: frozenset[str], issuers: frozenset[str], mine: _Held) -> bool:
    """Whether the fact would be recognised among what the source holds."""
    if not mine.entries:
        return True
    if _goes_by_code(fact):
        return all(codes & theirs for theirs in mine.codes)
    return bool(issuers & mine.issuers)


def _may_be(one: MergedFact[Any], other: MergedFact[Any]) -> bool:
    """Whether two entries of one concept may be the same thing though nothing says so: at one time, or at none."""
    if not _alike(one, other):
        return False
    if one.when is None or other.when is None:
        return True
    return abs((one.when.earliest - other.when.earliest).total_seconds()) < _A_DAY_S


def _alike(one: MergedFact[Any], other: MergedFact[Any]) -> bool:
    """Whether a link may mean that they are the same: a supply belongs to a course and is none."""
    a, b = one.display, other.display
    return not isinstance(a, Medication) or not isinstance(b, Medication) or a.kind is b.kind


def _concept(fact: Fact) -> CodeableConcept | None:
    match fact:
        case Immunization():
            return fact.vaccine_code
        case DocumentReference():
            return fact.type
        case _:
            concept: CodeableConcept | None = getattr(fact, "code", None)
            return concept


def _goes_by_code(fact: Fact) -> bool:
    return isinstance(fact, Immunization) or ("code" in fact.__struct_fields__ and not isinstance(fact, Flag))


def _code_systems(fact: Fact, terms: Terminology) -> frozenset[str]:
    """In which code systems others can tell what it is; of a medicine only when the product is known."""
    codes = terms.concepts(_concept(fact))
    if isinstance(fact, Medication):
        codes = frozenset(code for code in codes if terms.product(code) is not None)
    return terms.code_systems(codes)


def _issuers(fact: Fact) -> frozenset[str]:
    return frozenset(issuer for issuer, _ in id_keys(fact.identifiers))


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
