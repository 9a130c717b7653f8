"""Sections and their silences: whether a heading was heard from every source in scope, and why it is empty. MERGE.md
section 3.

A source is *out of scope* when it says that it does not hold the type, or does not know the person: it was heard, and
neither makes the section whole nor breaks it. Every other source is *in scope*. It was *heard completely* when its
state is OK and none of its gaps says that something is withheld, unreadable, cut off, not understood, in words only,
or failed. It *answered* when its state is OK, PARTIAL or WITHHELD.

A source that only *listens* knows nothing of before it began (`complete_from`), and a section is of all times: it
answered, and was never heard completely. That holds as well where it does not know the person: it knows nobody of
whom nothing came since. It gives no reason of its own but NOT_RECORDED or NOT_HELD, which are true of what it heard;
that the section is not COMPLETE, and since when it listens, says the rest. Then

    COMPLETE      every source in scope was heard completely
    UNAVAILABLE   none in scope answered, and there is no entry
    PARTIAL       anything else

A section is empty when it has no live entry. A live entry is not withdrawn, and does not state an absence. Then the
worst reason that any source gives is the section's, in the order of EmptyReason: a source that is pending or
unavailable, or answered unreadably, or in part (UNAVAILABLE); that holds something back (WITHHELD); that was not
asked, or holds a record that could not be proved to be this person's (NOT_ASKED); that answered and has nothing
(NOT_RECORDED); that does not hold such facts (NOT_HELD). Two exceptions:

    NONE_KNOWN    the section is COMPLETE and at least one entry states that there is none, or, when there is no
                  entry, every source in scope states it; it is never said while any source is silent
    null          words that could not be read as entries are there (narrative only): that section is not empty, so
                  nothing milder than the three first reasons is said. A refuted statement alone says nothing about
                  the rest, so it makes no reason either; nor does a statement that there is none, where it cannot be
                  NONE_KNOWN for a source that only listens
"""

from collections.abc import Iterable, Sequence
from math import inf
from typing import Any

from schema.model.clinical import AllergyIntolerance, Condition, Polarity
from schema.model.fact import PATIENT_NOT_FOUND, Fact, GapKind
from schema.model.view import EmptyReason, MergedFact, Section, SectionSource, SectionStatus, SourceRef, SourceState
from schema.model.when import When

_BROKEN = frozenset({GapKind.UNREADABLE, GapKind.TRUNCATED, GapKind.UNSUPPORTED, GapKind.FAILED})
_INCOMPLETE = _BROKEN | {GapKind.WITHHELD, GapKind.NARRATIVE_ONLY}
_ANSWERED = frozenset({SourceState.OK, SourceState.PARTIAL, SourceState.WITHHELD})
_WORST_FIRST = tuple(EmptyReason)
_SEVERE = frozenset({EmptyReason.UNAVAILABLE, EmptyReason.WITHHELD, EmptyReason.NOT_ASKED})


def section(
    fact_type: type[Fact], entries: Sequence[MergedFact[Any]], sources: Sequence[SectionSource]
) -> Section[Any]:
    """One heading, settled, from its merged facts and what became of each source for it."""
    status = _status(entries, sources)
    return Section(
        fact_type=fact_type.__name__,
        status=status,
        empty_reason=_empty_reason(status, entries, sources),
        sources=tuple(sources),
        entries=tuple(entries),
    )


class Silence:
    """Who was not heard completely, of the sources in scope for some sections, or not of early enough."""

    def __init__(self, sections: Iterable[Section[Any]]) -> None:
        told = [said for one in sections for said in one.sources]
        self._unheard = tuple(dict.fromkeys(said.source for said in told if _unheard(said)))
        began = {said.source: said.began for said in told if said.began is not None and _listens(said)}
        self._began = {source: then for source, then in began.items() if source not in self._unheard}

    def since(self, when: When | None) -> tuple[SourceRef, ...]:
        """Each once: those that were not heard completely, or began to listen after any reading of this time. Of what
        may have been at any time (None), a source that only listens was never heard completely."""
        first = when.earliest.timestamp() if when is not None else -inf
        return self._unheard + tuple(source for source, began in self._began.items() if began > first)


def _status(entries: Sequence[MergedFact[Any]], sources: Iterable[SectionSource]) -> SectionStatus:
    in_scope = [source for source in sources if _listens(source) or not _out_of_scope(source)]
    if not any(_listens(source) or _unheard(source) for source in in_scope):
        return SectionStatus.COMPLETE
    if not entries and not any(source.state in _ANSWERED or _out_of_scope(source) for source in in_scope):
        return SectionStatus.UNAVAILABLE
    return SectionStatus.PARTIAL


def _out_of_scope(source: SectionSource) -> bool:
    """It says so itself, and says nothing else: a source that then fails or holds back was in scope after all."""
    heard = source.state in (SourceState.OK, SourceState.NOT_ASKED, SourceState.NOT_LINKED)
    return heard and bool(source.gaps) and all(gap.kind is GapKind.NOT_HELD for gap in source.gaps) and not source.facts


def _listens(source: SectionSource) -> bool:
    """It knows nothing of before it began: not even whether it would know the person. Of what it does not hold at all
    that makes no difference."""
    unknown = any(gap.code == PATIENT_NOT_FOUND for gap in source.gaps)
    return source.complete_from is not None and (unknown or not _out_of_scope(source))


def _unheard(source: SectionSource) -> bool:
    """It is in scope, and not everything that it has was heard."""
    heard = source.state is SourceState.OK and not any(gap.kind in _INCOMPLETE for gap in source.gaps)
    return not heard and not _out_of_scope(source)


def _empty_reason(
    status: SectionStatus, entries: Sequence[MergedFact[Any]], sources: Sequence[SectionSource]
) -> EmptyReason | None:
    standing = [entry for entry in entries if not entry.display.entered_in_error]
    if any(not _states_absence(entry) and not _refuted(entry) for entry in standing):
        return None
    if status is SectionStatus.COMPLETE and any(_states_absence(entry) for entry in standing):
        return EmptyReason.NONE_KNOWN
    reasons = {reason for source in sources for reason in _reasons(source)}
    if status is not SectionStatus.COMPLETE or standing:
        reasons.discard(EmptyReason.NONE_KNOWN)
    if standing or any(gap.kind is GapKind.NARRATIVE_ONLY for source in sources for gap in source.gaps):
        reasons &= _SEVERE
    return next((reason for reason in _WORST_FIRST if reason in reasons), None)


def _reasons(source: SectionSource) -> Iterable[EmptyReason]:
    kinds = {gap.kind for gap in source.gaps}
    if source.state in (SourceState.UNAVAILABLE, SourceState.PENDING) or kinds & _BROKEN:
        yield EmptyReason.UNAVAILABLE
    if source.state is SourceState.WITHHELD or GapKind.WITHHELD in kinds:
        yield EmptyReason.WITHHELD
    if source.state is SourceState.PARTIAL and not kinds & _INCOMPLETE:
        yield EmptyReason.UNAVAILABLE
    if _out_of_scope(source):
        yield EmptyReason.NOT_HELD
    elif source.state in (SourceState.NOT_ASKED, SourceState.NOT_LINKED):
        yield EmptyReason.NOT_ASKED
    elif GapKind.NONE_KNOWN in kinds and not _listens(source):
        yield EmptyReason.NONE_KNOWN
    elif GapKind.NOT_RECORDED in kinds or _listens(source) or _said_nothing(source):
        yield EmptyReason.NOT_RECORDED


def _said_nothing(source: SectionSource) -> bool:
    return source.state is SourceState.OK and not source.facts and not source.gaps


def _states_absence(entry: MergedFact[Any]) -> bool:
    """It says that there is none, as somebody stated it: a refuted diagnosis or allergy says only that this one is
    not so."""
    fact = entry.display
    return (
        isinstance(fact, AllergyIntolerance | Condition)
        and fact.polarity is Polarity.ABSENT
        and fact.verification_status != "refuted"
    )


def _refuted(entry: MergedFact[Any]) -> bool:
    fact = entry.display
    return isinstance(fact, AllergyIntolerance | Condition) and fact.verification_status == "refuted"
