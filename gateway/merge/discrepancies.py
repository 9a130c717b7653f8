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

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from operator import itemgetter
from typing import Any

from gateway.merge.concepts import Terminology
from gateway.merge.holdings import Holdings, Seen, Sources
from gateway.merge.siblings import Siblings
from schema.model.clinical import Medication, MedicationKind
from schema.model.fact import GapKind
from schema.model.view import Discrepancy, DiscrepancyKind, MergedFact, Section, SectionSource, SourceState

_ANSWERED = (SourceState.OK, SourceState.PARTIAL, SourceState.WITHHELD)
_INCOMPLETE = (
    *(GapKind.UNREADABLE, GapKind.TRUNCATED, GapKind.UNSUPPORTED, GapKind.FAILED),
    *(GapKind.WITHHELD, GapKind.NARRATIVE_ONLY),
)
_AUTHORISED = (MedicationKind.STATEMENT, MedicationKind.REQUEST)
_CERTAINTY = tuple(DiscrepancyKind)
_DIFFERS, _NOT_FOUND, _CANNOT_TELL, _OUT_OF_SCOPE, _UNAVAILABLE = _CERTAINTY
_OK, _NOT_HELD = SourceState.OK, GapKind.NOT_HELD
"""By name, as in `compare`."""


def discrepancies(
    sections: Iterable[Section[Any]],
    terms: Terminology | Mapping[str, Terminology],
    *,
    source: str | None = None,
) -> tuple[Discrepancy, ...]:
    """Every discrepancy of these settled sections, most important first; of one source, or of all.

    `terms` are those of every section, or of each by its fact type.
    """
    settled = list(sections)
    sources = Sources(said.source for section in settled for said in section.sources)
    found: list[_Said] = []
    for section in settled:
        known = terms if isinstance(terms, Terminology) else terms[section.fact_type]
        found += _of_section(section, known, sources, source)
    # In `Discrepancy.order`, without working it out for each of a thousand.
    found.sort(key=itemgetter(0))
    in_order: dict[tuple[int, int], list[Discrepancy]] = defaultdict(list)
    for _, rank, kind, said in found:
        in_order[rank, _CERTAINTY.index(kind)] += said
    return tuple(chain.from_iterable(in_order[place] for place in sorted(in_order)))


_Said = tuple[str, int, DiscrepancyKind, list[Discrepancy]]
"""(name of the entry or the section, rank, what is said, the same of each source in the order of their ids)."""


def _of_section(
    section: Section[Any],
    terms: Terminology,
    sources: Sources,
    only: str | None,
) -> Iterator[_Said]:
    """Time and memory grow with entries times sources, whatever they are about."""
    live = [entry for entry in section.entries if not entry.display.entered_in_error]
    if not live:
        return
    fact_type = section.fact_type
    holdings = Holdings(type(live[0].display), live, sources, terms)
    heard: list[SectionSource] = []
    silent = {_OUT_OF_SCOPE: 0, _UNAVAILABLE: 0}
    for said in section.sources:
        if only is None or only == said.source.id:
            silence = _silence(said, said.source.id in holdings.known_by)
            if silence is None:
                heard.append(said)
            else:
                silent[silence] |= sources.bit(said.source.id)
    for kind, those in silent.items():
        if those:
            rank, count = min(one.rank for one in holdings.seen.values()), len(live)
            refs = sources.named(those)
            made = [Discrepancy(kind=kind, source=ref, fact_type=fact_type, rank=rank, count=count) for ref in refs]
            yield fact_type, rank, kind, made
    if not heard:
        return
    answers = _Answers(heard, sources, holdings, terms)
    for one in holdings.seen.values():
        rank, entry = one.rank, one.entry
        for kind, those in answers.about(one):
            refs = sources.named(those)
            made = [Discrepancy(kind=kind, source=ref, fact_type=fact_type, rank=rank, entry=entry) for ref in refs]
            yield entry.id, rank, kind, made


def _silence(said: SectionSource, holds: bool) -> DiscrepancyKind | None:
    """Why nothing can be said of this source about single entries."""
    if said.gaps and not holds and all(gap.kind is _NOT_HELD for gap in said.gaps):
        return _OUT_OF_SCOPE
    return None if said.state in _ANSWERED else _UNAVAILABLE


class _Answers:
    """What can be said of the sources that were heard about one section."""

    def __init__(
        self,
        heard: Iterable[SectionSource],
        sources: Sources,
        holdings: Holdings,
        terms: Terminology,
    ) -> None:
        self._heard = self._incomplete = 0
        self._began: list[tuple[int, float]] = []
        for said in heard:
            bit = sources.bit(said.source.id)
            self._heard |= bit
            if said.state is not _OK or (said.gaps and any(gap.kind in _INCOMPLETE for gap in said.gaps)):
                self._incomplete |= bit
            if said.began is not None:
                self._began.append((bit, said.began))
        self._holdings = holdings
        self._siblings = Siblings(holdings.seen.values(), terms)

    def about(self, one: Seen) -> Iterator[tuple[DiscrepancyKind, int]]:
        """What can be said of those without a part in the entry, each with of whom."""
        others = self._heard & ~one.stating
        if others and one.entry.conflicts and (differing := others & self._disputing(one.entry)):
            yield _DIFFERS, differing
            others ^= differing
        if not others:
            return
        unclear = others & (self._incomplete | self._holdings.strangers_to(one))
        if left := others ^ unclear:
            unclear |= left & self._doubtful(one)
            if left := others ^ unclear:
                unclear |= self._siblings.among(one, left)
        if unclear:
            yield _CANNOT_TELL, unclear
        if left := others ^ unclear:
            yield _NOT_FOUND, left

    def _disputing(self, entry: MergedFact[Any]) -> int:
        return self._holdings.stating(name for conflict in entry.conflicts for name in conflict.with_ids)

    def _doubtful(self, one: Seen) -> int:
        """Who has one of its concept, or what is linked with it; or began to listen after it."""
        found = self._holdings.of_its_concept(one)
        if one.entry.related:
            seen = self._holdings.seen
            linked = (name for name in one.entry.related if name in seen and _alike(one.entry, seen[name].entry))
            found |= self._holdings.stating(linked)
        for bit, began in self._began:
            if one.at is None or one.at < began:
                found |= bit
        return found


def _alike(entry: MergedFact[Any], other: MergedFact[Any]) -> bool:
    """Whether who holds `other` may hold the entry. Who ordered, supplied or gave a medicine cannot be said to lack
    its course; a supply or a dose is known only by itself."""
    a, b = entry.display, other.display
    return not isinstance(a, Medication) or not isinstance(b, Medication) or a.kind is b.kind or a.kind in _AUTHORISED
