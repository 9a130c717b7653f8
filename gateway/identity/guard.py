"""The wrong-subject guard: of what one source answered, which facts are proved to be about the person asked for.

MERGE.md section 1. Nothing is shown because a source was asked about somebody: its record must grade certain against
the reference person, or a person must have linked it. Everything else is held, counted by reason, and nothing of it is
shown. In doubt a record is held.

A source that is asked by a number and answers with somebody else is at fault: MISMATCH. One that is asked who has these
names and this birth date offers candidates (IHE PDQ) and claims of none that it is the person: of those, whoever is
certainly not is NOT_MEANT, which costs the source nothing and is shown to nobody. A candidate counts as one only while
everything that came of them came as an offer: a fact of theirs, or an answer by number, is a claim.
"""

from collections.abc import Collection, Iterable, Mapping
from enum import Enum

from msgspec import Struct

from gateway.identity.grade import Grade, Grading, grade
from gateway.identity.ledger import GRADE, Link, Proposal, Standing
from gateway.identity.reference import ReferencePerson
from gateway.identity.rules import Rules, default_rules
from gateway.identity.vetoes import (
    MULTIPLE_BIRTH,
    NUMBERS_DIFFER,
    REGISTRATIONS_DISAGREE,
    RESTRICTED,
    WITHDRAWN,
    registrations_disagree,
    vetoes,
)
from schema.model.clinical import Patient
from schema.model.fact import Fact

LINKED_BY_STEWARD = "link:steward"
MERGED_BY_SOURCE = "source-merge:survivor-certain"
LINK_ELSEWHERE = "link:other-person"
LINK_BLOCKED = "link:blocked"
LINK_DOUBTED = "link:doubted"
_HOLDING = (Standing.LINKED, Standing.DOUBTED)


class Verdict(Enum):
    """What becomes of one record of a source."""

    ADMITTED = "admitted"
    PRESENT_NOT_LINKED = "present-not-linked"
    """It may be the person; the source is shown as having somebody who could not be proved to be them."""
    STEWARD = "steward"
    """Only a steward is told: possible, or vetoed."""
    BLOCKED = "blocked"
    """It would be admitted, but a person decided that it is not. What would be held anyway is held as if nobody had."""
    MISMATCH = "mismatch"
    """It is not the person asked for: IDENTITY_MISMATCH, audited, and counted by the breaker."""
    NOT_MEANT = "not-meant"
    """A candidate who is somebody else: the source did not say that it was the person asked for."""
    RESTRICTED = "restricted"
    """The person is restricted and this source forbids it."""
    NO_DEMOGRAPHICS = "no-demographics"
    """Facts of a subject that is not linked and came without demographics, or with too few to prove anything."""
    NO_SUBJECT = "no-subject"
    """Facts that name nobody: unverified subject."""


class Finding(Struct, frozen=True, kw_only=True):
    """What was found about one record of the source. The local id is for the audit and the steward, for no log."""

    local_id: str | None
    verdict: Verdict
    facts: int
    """How many facts it concerns, demographics included."""
    grade: Grade | None = None
    evidence: tuple[str, ...] = ()
    """Codes, never values."""
    rules: str = ""


class Admitted(Struct, frozen=True, kw_only=True):
    """What may be shown of one source's answer, and what is held and why."""

    facts: tuple[Fact, ...]
    """In the order the source gave them."""
    findings: tuple[Finding, ...]
    """One for each record, in the order of their first fact."""

    @property
    def links(self) -> tuple[str, ...]:
        """Local ids that are the person: two of them are two registrations."""
        return tuple(f.local_id for f in self.findings if f.verdict is Verdict.ADMITTED and f.local_id is not None)

    @property
    def held(self) -> dict[Verdict, int]:
        """How many facts are held, by reason."""
        counts: dict[Verdict, int] = {}
        for finding in self.findings:
            if finding.verdict is not Verdict.ADMITTED:
                counts[finding.verdict] = counts.get(finding.verdict, 0) + finding.facts
        return counts

    @property
    def concerned(self) -> tuple[Finding, ...]:
        """Findings about records that are the person's, may be, or were given as theirs."""
        return tuple(f for f in self.findings if f.verdict is not Verdict.NOT_MEANT)

    @property
    def mismatched(self) -> bool:
        """Whether the source gave a record of somebody else."""
        return any(f.verdict is Verdict.MISMATCH for f in self.findings)

    @property
    def for_steward(self) -> tuple[Finding, ...]:
        """What a steward should look at."""
        return tuple(f for f in self.findings if f.verdict is Verdict.STEWARD)

    def proposals(self, source: str, person: str) -> tuple[Proposal, ...]:
        """What the cross-reference table is to keep of this; the record's own grade is the first of the evidence."""
        kept = {
            Verdict.ADMITTED: Grade.CERTAIN,
            Verdict.PRESENT_NOT_LINKED: Grade.PROBABLE,
            Verdict.STEWARD: Grade.POSSIBLE,
            Verdict.MISMATCH: Grade.CERTAINLY_NOT,
            Verdict.NOT_MEANT: Grade.CERTAINLY_NOT,
        }
        return tuple(
            Proposal(
                source=source,
                local_id=f.local_id,
                person=person,
                grade=kept[f.verdict],
                evidence=(f"{GRADE}{f.grade.value}", *f.evidence),
                rules=f.rules,
            )
            for f in self.findings
            if f.verdict in kept and f.local_id is not None and f.grade is not None
        )


class _Case(Struct):
    """One record while it is being judged."""

    records: list[Patient]
    grading: Grading | None = None
    vetoes: tuple[str, ...] = ()
    verdict: Verdict | None = None
    notes: tuple[str, ...] = ()
    blocked: bool = False
    """Whatever else is to be said of it, a person decided that it is not theirs."""


def admit(
    facts: Iterable[Fact],
    reference: ReferencePerson,
    *,
    person: str | None,
    standing: Mapping[str, tuple[Link, ...]],
    candidates: Collection[str] = (),
    traced: bool = False,
    forbids_restricted: bool = False,
    rules: Rules | None = None,
) -> Admitted:
    """Judge one source's whole answer about one person.

    `person` is the reference's id in the cross-reference table (null when not yet known there), `standing` what that
    table says about this source's local ids, and `candidates` the local ids that it gave only as who might be meant.
    Pure: nothing is written; the caller keeps `proposals`.
    """
    facts = tuple(facts)
    cases = _cases(facts)
    if reference.restricted and forbids_restricted:
        return _result((), facts, dict.fromkeys(map(_local_id, facts), Verdict.RESTRICTED), cases)
    for known_id, case in cases.items():
        _judge(case, reference, person, standing.get(known_id, ()), traced, rules or default_rules())
        if known_id in candidates and case.verdict is Verdict.MISMATCH:
            case.verdict = Verdict.NOT_MEANT
    _follow_merges(cases)
    _compare_registrations(cases, rules or default_rules())
    verdicts: dict[str | None, Verdict] = {None: Verdict.NO_SUBJECT}
    for local_id in dict.fromkeys(map(_local_id, facts)):
        if local_id is not None:
            found = cases[local_id].verdict if local_id in cases else None
            verdicts[local_id] = found or _without_demographics(person, standing.get(local_id, ()))
    shown = tuple(fact for fact in facts if verdicts[_local_id(fact)] is Verdict.ADMITTED)
    return _result(shown, facts, verdicts, cases)


def _local_id(fact: Fact) -> str | None:
    """Whose fact it is. A demographic record that contradicts itself about whose it is, is nobody's."""
    if isinstance(fact, Patient) and fact.subject is not None and fact.subject != fact.native_id:
        return None
    return fact.subject or None


def _cases(facts: Iterable[Fact]) -> dict[str, _Case]:
    cases: dict[str, _Case] = {}
    for fact in facts:
        local_id = _local_id(fact)
        if isinstance(fact, Patient) and local_id is not None:
            cases.setdefault(local_id, _Case(records=[])).records.append(fact)
    return cases


_ORDER = list(Grade)


def _judge(
    case: _Case, reference: ReferencePerson, person: str | None, links: tuple[Link, ...], traced: bool, rules: Rules
) -> None:
    """One record by itself. Of several versions of its demographics the one that fits worst decides."""
    gradings = [grade(reference, record, traced=traced, rules=rules) for record in case.records]
    worst = max(gradings, key=lambda grading: _ORDER.index(grading.grade))
    case.grading = worst
    found = (v for record, g in zip(case.records, gradings, strict=True) for v in vetoes(reference, record, g))
    case.vetoes = tuple(dict.fromkeys(found))
    here = next((link for link in links if link.person == person), None)
    if _elsewhere(person, links):
        case.notes = (LINK_ELSEWHERE,)
        case.verdict = Verdict.MISMATCH if worst.grade is Grade.CERTAINLY_NOT else Verdict.STEWARD
    elif here is not None and here.status is Standing.LINKED:
        case.notes = ("link:automatic" if here.decided_by is None else LINKED_BY_STEWARD,)
        case.verdict = _linked(here, worst, case.vetoes)
    else:
        if here is not None and REGISTRATIONS_DISAGREE in here.evidence:
            # Held because another record of the source contradicts it: that one may only not have come this time.
            case.vetoes = (*case.vetoes, REGISTRATIONS_DISAGREE)
        case.verdict = _unlinked(worst, case.vetoes)
        if here is not None and here.status is Standing.DOUBTED:
            case.notes = (LINK_DOUBTED,)
            if case.verdict is Verdict.NO_DEMOGRAPHICS:
                case.verdict = Verdict.STEWARD
        if here is not None and here.status is Standing.BLOCKED:
            case.blocked = True
            if case.verdict is Verdict.ADMITTED:
                # Of what is held anyway nothing says that a person has decided: the view is what it was before a link.
                case.notes, case.verdict = (LINK_BLOCKED,), Verdict.BLOCKED


def _elsewhere(person: str | None, links: tuple[Link, ...]) -> bool:
    """Whether the record is held to be somebody else's; a doubt about that does not make it this person's."""
    return any(link.status in _HOLDING and link.person != person for link in links)


def _linked(link: Link, grading: Grading, found: tuple[str, ...]) -> Verdict:
    """A link does not outlive its reasons: the record may since have been given to somebody else.

    An automatic one is kept through a new family name with a new address, and through demographics that say too
    little (a laboratory's message with the local id alone), not through anything that contradicts. A steward's holds
    whatever is odd about the record, but not against another verified number, nor against a restriction of which
    nobody knew who decided: to show what a source restricts is a decision of its own.
    """
    if NUMBERS_DIFFER in found:
        return Verdict.MISMATCH
    if WITHDRAWN in found:
        return Verdict.STEWARD
    if RESTRICTED in found and RESTRICTED not in link.evidence:
        return Verdict.STEWARD
    if link.decided_by is not None:
        return Verdict.ADMITTED
    if found:
        return Verdict.STEWARD
    moved = grading.grade is Grade.PROBABLE and (
        grading.has("identifier:verified-equal") or grading.has("identifier:verified-superseded")
    )
    if grading.grade is Grade.CERTAIN or (moved and grading.has("given:exact")) or not _contradicts(grading):
        return Verdict.ADMITTED
    return Verdict.MISMATCH if grading.grade is Grade.CERTAINLY_NOT else Verdict.STEWARD


def _unlinked(grading: Grading, found: tuple[str, ...]) -> Verdict:
    if grading.grade is Grade.CERTAINLY_NOT:
        return Verdict.MISMATCH if _contradicts(grading) else Verdict.NO_DEMOGRAPHICS
    if grading.grade is Grade.PROBABLE and set(found) <= {MULTIPLE_BIRTH}:
        return Verdict.PRESENT_NOT_LINKED
    return Verdict.ADMITTED if grading.grade is Grade.CERTAIN and not found else Verdict.STEWARD


_CONTRADICTIONS = frozenset(
    {
        *("identifier:differs", "identifier:verified-differs", "identifier:ambiguous"),
        *("birth-date:differs", "birth-date:one-edit", "given:differs", "family:differs"),
    }
)


def _contradicts(grading: Grading) -> bool:
    """Whether anything that the record states is not so of the person: silence contradicts nothing."""
    return not _CONTRADICTIONS.isdisjoint(grading.evidence)


def _follow_merges(cases: dict[str, _Case]) -> None:
    """A source says that one of its records was merged into another: believed when the survivor is the person.

    Not against a block, another verified number, a restriction, or a link to somebody else. Where the survivor came
    too and is not the person, the record is not theirs either, whatever it says.
    """
    survivors = {
        local_id: survivor
        for local_id, case in cases.items()
        if (survivor := _survivor(cases, local_id)) is not None and survivor != local_id
    }
    before = {local_id: case.verdict for local_id, case in cases.items()}
    for local_id, survivor in survivors.items():
        case, last = cases[local_id], cases[survivor]
        certain = last.grading is not None and last.grading.grade is Grade.CERTAIN
        if before[survivor] is Verdict.ADMITTED and certain:
            stopped = {NUMBERS_DIFFER, RESTRICTED, WITHDRAWN} & set(case.vetoes) or LINK_ELSEWHERE in case.notes
            if not case.blocked and not stopped:
                case.verdict, case.notes = Verdict.ADMITTED, (*case.notes, MERGED_BY_SOURCE)
        elif case.verdict is Verdict.ADMITTED:
            case.verdict, case.notes = Verdict.STEWARD, (*case.notes, "source-merge:survivor-not-certain")


def _survivor(cases: dict[str, _Case], local_id: str) -> str | None:
    """The end of the chain of merge notices, as far as its records came; None when the chain is a circle."""
    seen = {local_id}
    while True:
        ends = {record.replaced_by for record in cases[local_id].records} - {None}
        if len(ends) != 1:
            return local_id if not ends else None
        (end,) = ends
        if end is None or end not in cases:
            return local_id
        if end in seen:
            return None
        seen.add(end)
        local_id = end


def _compare_registrations(cases: dict[str, _Case], rules: Rules) -> None:
    """Two records of one source that are both certain and contradict each other: neither is linked by us.

    Nor is one from elsewhere beside a record that is not certain but has the number, the birth date and the person's
    own home: of the two that one is more likely the person, a slip in its name and all.
    """
    certain = [
        case
        for case in cases.values()
        if case.verdict is Verdict.ADMITTED and not any(note.startswith("source-merge") for note in case.notes)
    ]
    if len(certain) > 1 and registrations_disagree([record for case in certain for record in case.records], rules):
        for case in certain:
            _hold(case)
    at_home = [case for case in cases.values() if case.grading and case.verdict is not Verdict.ADMITTED]
    at_home = [case for case in at_home if case.grading and case.grading.has(*_NUMBER_AND_HOME)]
    for case in certain:
        elsewhere = case.grading is not None and not case.grading.has("address:equal")
        if elsewhere and any(registrations_disagree([*case.records, *other.records], rules) for other in at_home):
            _hold(case)


_NUMBER_AND_HOME = ("identifier:verified-equal", "birth-date:equal", "address:equal")


def _hold(case: _Case) -> None:
    if LINKED_BY_STEWARD not in case.notes:
        case.verdict, case.vetoes = Verdict.STEWARD, tuple(dict.fromkeys((*case.vetoes, REGISTRATIONS_DISAGREE)))


def _without_demographics(person: str | None, links: tuple[Link, ...]) -> Verdict:
    """Facts whose subject's demographics did not come: shown only when that local id is linked, and not in doubt."""
    if _elsewhere(person, links):
        return Verdict.MISMATCH
    here = next((link.status for link in links if link.person == person), None)
    if here is Standing.DOUBTED:
        return Verdict.STEWARD
    return Verdict.ADMITTED if here is Standing.LINKED and person is not None else Verdict.NO_DEMOGRAPHICS


def _result(
    shown: tuple[Fact, ...],
    facts: tuple[Fact, ...],
    verdicts: Mapping[str | None, Verdict],
    cases: Mapping[str, _Case],
) -> Admitted:
    counts: dict[str | None, int] = {}
    for fact in facts:
        counts[_local_id(fact)] = counts.get(_local_id(fact), 0) + 1
    findings = []
    for local_id, count in counts.items():
        case = cases.get(local_id) if local_id is not None else None
        grading = case.grading if case else None
        findings.append(
            Finding(
                local_id=local_id,
                verdict=verdicts[local_id],
                facts=count,
                grade=grading.grade if grading else None,
                evidence=(*grading.evidence, *case.vetoes, *case.notes) if case and grading else (),
                rules=grading.rules if grading else "",
            )
        )
    return Admitted(facts=shown, findings=tuple(findings))
