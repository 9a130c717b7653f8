"""Referrals and discharges, and whether anything answers them.

A reply is what came out of it, as `journey` reads it: to a referral a booking, contact, report, document or message; to
a discharge the same from a source that does not hold the stay itself, since the hospital's own papers are no answer.

    FOUND         a reply names it
    CANNOT_TELL   none does, and: it bears no number that anybody could quote; or a source in scope did not answer
                  completely; or something that could be a reply (of a fitting kind, not before it) does not say what
                  it came out of; or what is no reply by its kind names it (another request, to which the reply may
                  go, or a result or image); or a source that holds the same stay as another does
    NOT_FOUND     none does, and nothing speaks against it

What names it is a reply whatever its date: clocks and times of entry differ. "No reply was found in the sources that
answered" is all that is ever said: a telephone call leaves no number.
A stay is discharged when it is an inpatient's, finished, and its end is stated.
"""

from collections.abc import Sequence
from typing import Any

from gateway.merge.absence import unheard
from gateway.merge.identifiers import id_keys
from gateway.merge.journey import STAGES, Journey
from schema.model.clinical import Encounter
from schema.model.journey import Finding, JourneyLink, TransferKind, TransferOfCare
from schema.model.view import MergedFact, Section, SourceRef
from schema.model.when import When

_INPATIENT = frozenset({"IMP", "ACUTE", "NONAC", "I", "inpatient"})
"""HL7 v3 ActCode and HL7 v2 table 0004, STU3's word."""
_DISCHARGED = frozenset({"finished", "completed", "discharged"})


def transfers_of_care(sections: Sequence[Section[Any]]) -> tuple[TransferOfCare, ...]:
    """Every referral and discharge of these sections, newest first, undated last."""
    journey = Journey(sections)
    live = [(s.fact_type, e) for s in sections for e in s.entries if not e.display.entered_in_error]
    linked = [(kind, entry, journey.follows(kind, entry)) for kind, entry in live]
    steps = [one for one in linked if one[0] in STAGES]
    replies: dict[str, list[tuple[MergedFact[Any], JourneyLink]]] = {}
    others: dict[str, list[MergedFact[Any]]] = {}
    for kind, entry, follows in linked:
        for link in follows:
            if kind in STAGES and kind != "ServiceRequest":
                replies.setdefault(link.entry.id, []).append((entry, link))
            else:
                others.setdefault(link.entry.id, []).append(entry)
    unsaid = [entry for kind, entry, follows in steps if kind != "ServiceRequest" and not follows]
    silent = unheard(section for section in sections if section.fact_type in STAGES)
    found = []
    for kind, entry, follows in steps:
        sent = _sent(kind, entry)
        if sent is not None:
            what, at = sent
            naming, beside = replies.get(entry.id, []), others.get(entry.id, [])
            found.append(_transfer(what, at, entry, follows, naming, beside, unsaid, silent))
    return tuple(sorted(found, key=_newest_first))


def _sent(kind: str, entry: MergedFact[Any]) -> tuple[TransferKind, When | None] | None:
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
    entry: MergedFact[Any],
    follows: tuple[JourneyLink, ...],
    naming: list[tuple[MergedFact[Any], JourneyLink]],
    beside: list[MergedFact[Any]],
    unsaid: list[MergedFact[Any]],
    silent: tuple[SourceRef, ...],
) -> TransferOfCare:
    holders = _sources(entry)

    def is_own(other: MergedFact[Any]) -> bool:
        return kind is TransferKind.DISCHARGE and bool(_sources(other) & holders)

    def could_reply(other: MergedFact[Any]) -> bool:
        early = at is not None and other.when is not None and other.when.latest < at.earliest
        return not early and not is_own(other)

    links = tuple(
        JourneyLink(entry=other, source=link.source, identifier=link.identifier)
        for other, link in sorted(naming, key=lambda one: _oldest_first(one[0]))
        if not is_own(other)
    )
    held_twice = len(holders) > 1 and bool(naming)  # either may be who the person was discharged to
    unclear = held_twice or any(not is_own(other) for other in beside)
    numbered = any(id_keys(member.fact.identifiers) for member in entry.members)
    if links:
        reply = Finding.FOUND
    elif silent or unclear or not numbered or any(could_reply(other) for other in unsaid if other.id != entry.id):
        reply = Finding.CANNOT_TELL
    else:
        reply = Finding.NOT_FOUND
    return TransferOfCare(kind=kind, entry=entry, reply=reply, replies=links, unheard=silent, follows=follows)


def _sources(entry: MergedFact[Any]) -> set[str]:
    return {member.provenance.source.id for member in entry.members}


def _oldest_first(entry: MergedFact[Any]) -> tuple[float, str]:
    return (entry.when.earliest.timestamp() if entry.when is not None else float("inf"), entry.id)


def _newest_first(transfer: TransferOfCare) -> tuple[float, str]:
    when = transfer.entry.when
    return (-when.earliest.timestamp() if when is not None else float("inf"), transfer.entry.id)
