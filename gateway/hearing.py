"""One source heard for one view: asked, its records proved to be the person's, its facts filtered for the viewer.

The order is fixed: identity before policy before merge. What comes out is what may be shown and merged, and for
everything else the reason why it is not.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from adapters.sdk import SourceError
from gateway.access import Policy
from gateway.access import Verdict as Shown
from gateway.flights import Outcome, ReadFact
from gateway.identity.guard import MERGED_BY_SOURCE, Admitted, Finding, Verdict
from gateway.merge import current
from schema.model.clinical import Patient
from schema.model.fact import PATIENT_NOT_FOUND, Gap, GapKind
from schema.model.view import (
    CacheState,
    Link,
    LinkStatus,
    Provenance,
    SectionSource,
    SourceFact,
    SourceRef,
    SourceState,
    SourceStatus,
)
from schema.model.when import When

PARTIAL_KINDS = frozenset(
    {GapKind.UNREADABLE, GapKind.TRUNCATED, GapKind.UNSUPPORTED, GapKind.NARRATIVE_ONLY, GapKind.FAILED}
)
"""Gaps by which an answer is incomplete."""

_OF_THE_SOURCE = frozenset({GapKind.FAILED, GapKind.NOT_HELD})
"""Gaps that say something about the source and nothing about a record."""

RESTRICTED = "PATIENT_RESTRICTED"
IDENTITY_MISMATCH = "IDENTITY_MISMATCH"
PRESENT_NOT_LINKED = "PRESENT_NOT_LINKED"
UNVERIFIED_SUBJECT = "UNVERIFIED_SUBJECT"
CIRCUIT_OPEN = "IDENTITY_CIRCUIT_OPEN"
RESTRICTION_UNKNOWN = "RESTRICTION_UNKNOWN"
NO_IDENTIFIER = "NO_IDENTIFIER"
NOT_IN_SCOPE = "NOT_HELD"
NOT_SEARCHED = "SEARCH_NOT_OFFERED"
SEARCH_NEEDS_MORE = "SEARCH_NEEDS_MORE"
TOO_MANY_MATCHES = "TOO_MANY_MATCHES"
MASKED = "POLICY_MASKED"
_UNKNOWN = Gap(kind=GapKind.NOT_HELD, code=PATIENT_NOT_FOUND)
INTERNAL = "INTERNAL"

_HELD = {
    Verdict.MISMATCH: IDENTITY_MISMATCH,
    Verdict.NO_SUBJECT: UNVERIFIED_SUBJECT,
    Verdict.NO_DEMOGRAPHICS: UNVERIFIED_SUBJECT,
    Verdict.PRESENT_NOT_LINKED: PRESENT_NOT_LINKED,
    Verdict.STEWARD: PRESENT_NOT_LINKED,
    Verdict.BLOCKED: PRESENT_NOT_LINKED,
    Verdict.RESTRICTED: RESTRICTED,
}
"""Why a fact that is not proved to be this person's is held."""

MESSAGES = {
    PATIENT_NOT_FOUND: "The source does not know this person.",
    RESTRICTED: "The person's record is restricted: this source may not be asked, or not shown.",
    IDENTITY_MISMATCH: "The source answered with somebody else's record; nothing of it is shown.",
    PRESENT_NOT_LINKED: "The source has a record that could not be proved to be this person's; nothing of it is shown.",
    UNVERIFIED_SUBJECT: "The source gave records that name no person who could be checked; nothing of them is shown.",
    CIRCUIT_OPEN: "The source answered with other people's records and is not asked until it is trusted again.",
    RESTRICTION_UNKNOWN: "The source may not be asked while nobody can say whether the person is restricted.",
    NO_IDENTIFIER: "The source is asked by an identifier that this person is not known to have.",
    NOT_IN_SCOPE: "The source holds none of what this query asks for.",
    NOT_SEARCHED: "The source cannot be searched by demographics.",
    SEARCH_NEEDS_MORE: "The source is searched by more than was stated.",
    TOO_MANY_MATCHES: "More people fit the search than the source gives.",
    MASKED: "Some of what the source holds is not shown to this viewer.",
    INTERNAL: "A fault of the gateway's own kept the source's answer from being used; it is logged.",
    "IDENTITY_UNRESOLVED": "Whose record it is could not be established; nothing of it is shown.",
    "SOURCE_PENDING": "The source had not answered when the deadline passed; it is still being waited for.",
    "SOURCE_UNAVAILABLE": "The source could not be reached.",
    "SOURCE_TIMEOUT": "The source did not answer in time.",
    "SOURCE_THROTTLED": "The source asks to be left alone for a while.",
    "SOURCE_AUTH": "The source refused the gateway's credentials.",
    "SOURCE_REQUEST": "The source refused the question.",
    "SOURCE_INVALID": "The source answered with something that is not what its protocol says.",
}
"""The words for each code: the same for every patient, with nothing of the answer in them."""


@dataclass(frozen=True)
class Heard:
    """What became of one source in one view. Immutable once made."""

    source: SourceRef
    state: SourceState
    code: str | None = None
    issue_type: str | None = None
    facts: dict[str, tuple[SourceFact[Any], ...]] = field(default_factory=dict)
    gaps: dict[str, tuple[Gap, ...]] = field(default_factory=dict)
    links: tuple[Link, ...] = ()
    as_of: datetime | None = None
    complete_from: datetime | None = None
    latency_ms: int | None = None
    cache: CacheState | None = None
    record_hashes: tuple[str, ...] = ()
    lasts: bool = False
    """Whether the next view is served this or something newer, and would not be asking the same again."""

    @property
    def status(self) -> SourceStatus:
        """As the view shows it. A gap that concerns every type is named once."""
        gaps = dict.fromkeys(gap for found in self.gaps.values() for gap in found)
        return SourceStatus(
            source=self.source,
            state=self.state,
            code=self.code,
            issue_type=self.issue_type,
            message=MESSAGES.get(self.code) if self.code else None,
            as_of=self.as_of,
            complete_from=self._began,
            latency_ms=self.latency_ms,
            cache=self.cache,
            facts=sum(map(len, self.facts.values())),
            gaps=tuple(gaps),
        )

    def section_source(self, fact_type: str, in_scope: bool) -> SectionSource:
        """What became of the source for one section."""
        if not in_scope:
            not_held = Gap(kind=GapKind.NOT_HELD, fact_type=fact_type)
            return SectionSource(source=self.source, state=SourceState.NOT_ASKED, code=NOT_IN_SCOPE, gaps=(not_held,))
        facts, gaps = self.facts.get(fact_type, ()), self.gaps.get(fact_type, ())
        state, code = self.state, self.code
        if code == PRESENT_NOT_LINKED:
            # The record that is not linked may hold facts of every type that the source holds.
            state = SourceState.PARTIAL if facts else SourceState.NOT_LINKED
        elif state in (SourceState.OK, SourceState.PARTIAL, SourceState.WITHHELD) and code != RESTRICTED:
            state, code = state_of(gaps, bool(facts))
        return SectionSource(
            source=self.source, state=state, code=code, facts=len(facts), gaps=gaps, complete_from=self._began
        )

    @property
    def _began(self) -> When | None:
        return When.instant(self.complete_from) if self.complete_from else None


def state_of(gaps: tuple[Gap, ...], any_fact: bool) -> tuple[SourceState, str | None]:
    """What gaps make of an answer: held back, incomplete, or whole."""
    for gap in gaps:
        if gap.kind is GapKind.WITHHELD:
            return SourceState.WITHHELD, gap.code
    for gap in gaps:
        if gap.kind is GapKind.FAILED and not any_fact:
            return SourceState.UNAVAILABLE, gap.code
    for gap in gaps:
        if gap.kind in PARTIAL_KINDS:
            return SourceState.PARTIAL, gap.code
    return SourceState.OK, None


def hear(
    source: SourceRef,
    outcome: Outcome,
    admitted: Admitted,
    policy: Policy,
    links: tuple[Link, ...],
    fact_id: Callable[[str, str | None, str], str],
) -> Heard:
    """Put together what one source may show. Pure."""
    reads: dict[int, ReadFact] = {id(read.fact): read for read in outcome.facts}
    stated: list[SourceFact[Any]] = []
    for fact in admitted.facts:
        read = reads[id(fact)]
        provenance = Provenance(
            source=source,
            native_id=fact.native_id,
            local_patient_id=fact.subject,
            author=fact.author,
            recorded=fact.recorded,
            retrieved=read.retrieved,
            record_hash=read.record_hash,
        )
        stated.append(SourceFact(id=fact_id(source.id, fact.subject, fact.native_id), fact=fact, provenance=provenance))
    facts: dict[str, list[SourceFact[Any]]] = {}
    gaps = {fact_type: list(answer.gaps) for fact_type, answer in outcome.answers.items()}
    # What the source has corrected no longer holds, whether or not this viewer may see the correction.
    for one in current(stated)[0]:
        fact_type = type(one.fact).__name__
        verdict = policy.verdict(source.id, one.fact)
        if verdict is Shown.HIDE:
            continue
        if verdict is Shown.MASK:
            masked = Gap(kind=GapKind.WITHHELD, fact_type=fact_type, code=MASKED)
            if masked not in gaps.setdefault(fact_type, []):
                gaps[fact_type].append(masked)
            continue
        facts.setdefault(fact_type, []).append(one)
    _explain_held(source, outcome, admitted, policy, gaps)
    if admitted.findings and not admitted.concerned:
        # It knew nobody of this number, and none of those whom it offered is the person: it does not know them.
        gaps = {name: [_UNKNOWN if gap.code == PRESENT_NOT_LINKED else gap for gap in g] for name, g in gaps.items()}
    if not any(link.status is LinkStatus.LINKED for link in links):
        # Nothing of a record that was not proved to be this person's, not even how many of its rows were unreadable.
        # A source that gives no record at all may still say that it withholds one, or heard only part.
        told = _OF_THE_SOURCE if admitted.concerned else _OF_THE_SOURCE | {GapKind.WITHHELD, GapKind.TRUNCATED}
        gaps = {name: [gap for gap in found if gap.kind in told] for name, found in gaps.items()}
    # In an order of their own: that of the answers depends on which of them came from the cache.
    settled = {fact_type: tuple(found) for fact_type, found in sorted(gaps.items())}
    state, code, issue_type = _state(outcome, admitted, settled, bool(facts))
    return Heard(
        source=source,
        state=state,
        code=code,
        issue_type=issue_type,
        facts={fact_type: tuple(found) for fact_type, found in facts.items()},
        gaps=settled,
        links=links,
        as_of=min((answer.retrieved for answer in outcome.answers.values()), default=None),
        complete_from=max((a.complete_from for a in outcome.answers.values() if a.complete_from), default=None),
        latency_ms=round(outcome.latency_s * 1000),
        cache=outcome.cache,
        record_hashes=tuple(sorted({one.provenance.record_hash for found in facts.values() for one in found})),
        lasts=outcome.lasts,
    )


def _explain_held(
    source: SourceRef, outcome: Outcome, admitted: Admitted, policy: Policy, gaps: dict[str, list[Gap]]
) -> None:
    """Say of each type that facts of it are held, so that no section takes them for absent.

    An absence that is stated beside somebody's held record may be that person's: it is not repeated.
    """
    codes = {f.local_id: _HELD[f.verdict] for f in admitted.concerned if f.verdict is not Verdict.ADMITTED}
    shown = set(map(id, admitted.facts))
    held = [
        (type(read.fact).__name__, codes[read.fact.subject or None])
        for read in outcome.facts
        if id(read.fact) not in shown
        and (read.fact.subject or None) in codes
        and not isinstance(read.fact, Patient)
        and policy.verdict(source.id, read.fact) is not Shown.HIDE
    ]
    for fact_type, found in gaps.items():
        if codes and any(gap.kind is GapKind.NONE_KNOWN for gap in found):
            held.append((fact_type, next(iter(codes.values()))))
            found[:] = [gap for gap in found if gap.kind is not GapKind.NONE_KNOWN]
    for fact_type, code in dict.fromkeys(held):
        gaps.setdefault(fact_type, []).append(Gap(kind=GapKind.WITHHELD, fact_type=fact_type, code=code))


def _state(
    outcome: Outcome, admitted: Admitted, gaps: dict[str, tuple[Gap, ...]], any_fact: bool
) -> tuple[SourceState, str | None, str | None]:
    """The worst that happened, in the order in which a reader must know it: who, then whether, then how much."""
    held = admitted.held
    if Verdict.RESTRICTED in held or (not any_fact and _restricted(admitted)):
        return SourceState.WITHHELD, RESTRICTED, "suppressed"
    if admitted.mismatched:
        return SourceState.PARTIAL if any_fact else SourceState.NOT_LINKED, IDENTITY_MISMATCH, "conflict"
    if not any_fact and held.keys() & {Verdict.PRESENT_NOT_LINKED, Verdict.STEWARD, Verdict.BLOCKED}:
        return SourceState.NOT_LINKED, PRESENT_NOT_LINKED, "multiple-matches"
    if Verdict.PRESENT_NOT_LINKED in held:
        return SourceState.PARTIAL, PRESENT_NOT_LINKED, "multiple-matches"
    if held.keys() & {Verdict.NO_SUBJECT, Verdict.NO_DEMOGRAPHICS}:
        state = SourceState.PARTIAL if any_fact else SourceState.NOT_LINKED
        return state, UNVERIFIED_SUBJECT, "incomplete"
    every_gap = tuple(gap for found in gaps.values() for gap in found)
    if any(gap.code == PATIENT_NOT_FOUND for gap in every_gap):
        return SourceState.NOT_LINKED, PATIENT_NOT_FOUND, "not-found"
    if outcome.error is not None:
        return _failed(outcome.error, any_fact)
    state, code = state_of(every_gap, any_fact)
    return state, code, None if state is SourceState.OK else "incomplete"


def _restricted(admitted: Admitted) -> bool:
    return any("veto:restricted" in finding.evidence for finding in admitted.findings)


def _failed(error: SourceError, any_fact: bool) -> tuple[SourceState, str | None, str | None]:
    return SourceState.PARTIAL if any_fact else SourceState.UNAVAILABLE, error.code, error.issue_type


def view_links(source: SourceRef, admitted: Admitted) -> tuple[Link, ...]:
    """What a viewer may know of the decisions: a record that is not linked shows no id, it may be another's.

    In an order of their own, for the records of a source come in any.
    """
    shown = {
        Verdict.ADMITTED: LinkStatus.LINKED,
        Verdict.PRESENT_NOT_LINKED: LinkStatus.PRESENT_NOT_LINKED,
        Verdict.BLOCKED: LinkStatus.BLOCKED,
    }
    links = (
        Link(
            source=source,
            status=shown[finding.verdict],
            grade=_grade(finding),
            local_id=finding.local_id if finding.verdict is Verdict.ADMITTED else None,
            evidence=finding.evidence,
        )
        for finding in admitted.findings
        if finding.verdict in shown
    )
    return tuple(sorted(links, key=lambda link: (link.local_id is None, link.local_id or "", link.status.value)))


def _grade(finding: Finding) -> str:
    """How the record was judged; one that its source merged into another is judged by that one."""
    if MERGED_BY_SOURCE in finding.evidence:
        return "merged-by-source"
    return finding.grade.value if finding.grade else "linked-by-table"
