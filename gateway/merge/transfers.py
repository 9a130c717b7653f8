"""Referrals and discharges, and whether anything answers them.

A reply is what came out of it, as `journey` reads it, over any number of steps: to a referral a booking, contact,
report, document or message; to a discharge the same from a source that does not hold the stay itself, since the
hospital's own papers are no answer. What came out of such a paper may be one.

    FOUND         a reply names it, or names what came out of it
    CANNOT_TELL   none does, and: it bears no number that anybody could quote; or a source in scope did not answer
                  completely, or only listens and began after the transfer was made; or something that could be a reply
                  (of a fitting kind, not before it) does not say what it came out of, or came out of what does not say;
                  or what is no reply by its kind names it, or leads to what could be one (another request, to which
                  the reply may go, or a result or image); or the only replies were called off; or a source that holds
                  the same stay as another does
    NOT_FOUND     none does, and nothing speaks against it

What names it is a reply whatever its date: clocks and times of entry differ. "No reply was found in the sources that
answered" is all that is ever said: a telephone call leaves no number. A booking that was called off is shown and is no
answer; one that was missed is: they answered, and the person did not come.
A stay is discharged when it is an inpatient's, finished, and its end is stated.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from msgspec import Struct

from gateway.merge.absence import Silence
from gateway.merge.identifiers import id_keys
from gateway.merge.journey import STAGES, Journey
from schema.model.clinical import Encounter
from schema.model.journey import Finding, JourneyLink, TransferKind, TransferOfCare
from schema.model.view import MergedFact, Section
from schema.model.when import When

_INPATIENT = frozenset({"IMP", "ACUTE", "NONAC", "I", "inpatient"})
"""HL7 v3 ActCode and HL7 v2 table 0004, STU3's word."""
_DISCHARGED = frozenset({"finished", "completed", "discharged"})
_CALLED_OFF = frozenset({"cancelled", "not-done"})
_Entry = MergedFact[Any]


class _Step(Struct, frozen=True, eq=False):
    """That an entry came out of another."""

    entry: _Entry
    link: JourneyLink
    """With what it came out of."""
    replies: bool
    """Whether it is a reply by its kind."""


class _Steps:
    """What came out of what, the other way round than `Journey` says it."""

    def __init__(self, sections: Sequence[Section[Any]]) -> None:
        journey = Journey(sections)
        live = [(s.fact_type, e) for s in sections for e in s.entries if not e.display.entered_in_error]
        self.linked = [(kind, entry, journey.follows(kind, entry)) for kind, entry in live]
        self._out_of: dict[str, list[_Step]] = {}
        for kind, entry, follows in self.linked:
            for link in follows:
                self._out_of.setdefault(link.entry.id, []).append(_Step(entry, link, _is_reply(kind)))
        unsaid = [entry for kind, entry, follows in self.linked if _is_reply(kind) and not follows]
        self.unsaid = [(entry, entry) for entry in unsaid] + [
            (entry, step.entry) for entry in unsaid for step in self.onward([entry], {entry.id}, over_all=False)
        ]
        """(what does not say what it came out of, that itself or what came out of it)."""

    def onward(self, starts: Iterable[_Entry], seen: set[str], *, over_all: bool) -> Iterator[_Step]:
        """Every step from these on to what is not `seen` yet, each entry once: circles end. What is no reply by its
        kind is a last step unless `over_all`."""
        ahead = deque(starts)
        while ahead:
            for step in self._out_of.get(ahead.popleft().id, ()):
                if step.entry.id not in seen:
                    seen.add(step.entry.id)
                    yield step
                    if step.replies or over_all:
                        ahead.append(step.entry)


def transfers_of_care(sections: Sequence[Section[Any]]) -> tuple[TransferOfCare, ...]:
    """Every referral and discharge of these sections, newest first, undated last."""
    steps = _Steps(sections)
    silence = Silence(one for one in sections if one.fact_type in STAGES)
    found = [
        _transfer(*sent, entry, follows, steps, silence)
        for kind, entry, follows in steps.linked
        if (sent := _sent(kind, entry)) is not None
    ]
    return tuple(sorted(found, key=_newest_first))


def _is_reply(kind: str) -> bool:
    return kind in STAGES and kind != "ServiceRequest"


def _sent(kind: str, entry: _Entry) -> tuple[TransferKind, When | None] | None:
    """What kind of transfer it is and when it was made; None when it is none."""
    if kind == "ServiceRequest":
        return TransferKind.REFERRAL, entry.when
    ends = [
        fact.period.end
        for fact in (member.fact for member in entry.members)
        if isinstance(fact, Encounter) and _is_inpatient(fact) and fact.status in _DISCHARGED and fact.period
    ]
    return next(((TransferKind.DISCHARGE, end) for end in ends if end is not None), None)


def _is_inpatient(fact: Encounter) -> bool:
    codings = fact.encounter_class.codings if fact.encounter_class is not None else ()
    return fact.part_of is None and any(coding.code in _INPATIENT for coding in codings)


def _transfer(
    kind: TransferKind,
    at: When | None,
    entry: _Entry,
    follows: tuple[JourneyLink, ...],
    steps: _Steps,
    silence: Silence,
) -> TransferOfCare:
    holders = _sources(entry)

    def is_own(other: _Entry) -> bool:
        return other.id == entry.id or (kind is TransferKind.DISCHARGE and bool(_sources(other) & holders))

    seen = {entry.id}
    named = list(steps.onward([entry], seen, over_all=False))
    beside = [step for step in named if not step.replies]
    beyond = steps.onward([step.entry for step in beside], seen, over_all=True)
    replies = sorted(
        (step for step in named if step.replies and not is_own(step.entry)), key=lambda step: _oldest_first(step.entry)
    )
    silent = silence.since(at)
    unclear = (
        bool(silent or replies)  # those of which all were called off
        or (len(holders) > 1 and any(step.replies for step in named))  # either may be whom the person was sent to
        or any(not is_own(step.entry) for step in (*beside, *beyond))
        or not any(id_keys(member.fact.identifiers) for member in entry.members)
        or any(
            not is_own(other) and not _before(other, at) and (other is first or not _before(first, entry.when))
            for first, other in steps.unsaid
            if first.id != entry.id
        )
    )
    if any(step.entry.display.status not in _CALLED_OFF for step in replies):
        reply = Finding.FOUND
    else:
        reply = Finding.CANNOT_TELL if unclear else Finding.NOT_FOUND
    links = tuple(
        JourneyLink(entry=step.entry, source=step.link.source, identifier=step.link.identifier) for step in replies
    )
    return TransferOfCare(kind=kind, entry=entry, reply=reply, replies=links, unheard=silent, follows=follows)


def _before(other: _Entry, at: When | None) -> bool:
    """Whether all that its time can mean lies before."""
    return at is not None and other.when is not None and other.when.latest < at.earliest


def _sources(entry: _Entry) -> set[str]:
    return {member.provenance.source.id for member in entry.members}


def _oldest_first(entry: _Entry) -> tuple[float, str]:
    return (entry.when.earliest.timestamp() if entry.when is not None else float("inf"), entry.id)


def _newest_first(transfer: TransferOfCare) -> tuple[float, str]:
    when = transfer.entry.when
    return (-when.earliest.timestamp() if when is not None else float("inf"), transfer.entry.id)
