"""One search by demographics: every source that can be searched asked at once, and whoever fits shown once.

IHE PDQ (ITI-21) over many suppliers. Nothing is linked, nothing clinical is asked for, and no answer is kept. The
authority is asked too about every number that another source offers (`gateway.clearing`): it alone says who is
restricted and which number is current (`gateway.identity.candidates` has the rules). The caller's deadline ends the
search; a source that is not in when the authority has to be asked is left, for nobody else waits for it.
"""

import asyncio
import math
import re
import time
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

import structlog
from msgspec import Struct, structs

from adapters.sdk import NHS_NUMBER, Actor
from gateway.access import Policy
from gateway.aside import MANY_FACTS, aside
from gateway.clearing import Asking, Clearing, offer_of
from gateway.flights import ConfiguredSource, Outcome
from gateway.hearing import (
    CIRCUIT_OPEN,
    INTERNAL,
    MESSAGES,
    NOT_SEARCHED,
    RESTRICTION_UNKNOWN,
    SEARCH_NEEDS_MORE,
    TOO_MANY_MATCHES,
    state_of,
)
from gateway.identity.candidates import (
    NOT_CONFIRMED,
    Candidate,
    Known,
    Offer,
    agreed_people,
    candidates,
    names_in_use,
    numbers,
)
from gateway.identity.guard import admit
from gateway.identity.ledger import Link, as_one
from gateway.identity.reference import ReferencePerson, current_number, on_record
from gateway.telemetry import log_fault
from schema.model.clinical import Patient
from schema.model.fact import GapKind
from schema.model.search import (
    PatientCandidate,
    PatientSearch,
    PatientSearchResult,
    PatientSearchStatus,
    SearchedSource,
)
from schema.model.values import Address, Identifier
from schema.model.view import CacheState, SectionStatus, SourceState

if TYPE_CHECKING:
    from gateway.service import Service

log = structlog.get_logger(__name__)

MOST_SHOWN = 20
MOST_OF_ONE = 50
"""Fitting people of one source that are looked at: more is a crowd."""
SEARCHING = 0.7
"""The share of what is left of the deadline that the sources have; the rest is the authority's, to speak of numbers."""
STEP_MS = 50
"""Latencies are told in steps of so many milliseconds."""
NOTICE = (
    "A search is no proof of who somebody is, and nobody found does not mean that nobody is there: people whose "
    "records are restricted are never found, and sources hold people whom a search does not reach."
)
_UNSEARCHED = frozenset({NOT_SEARCHED, RESTRICTION_UNKNOWN})
"""Why a source is in no search, whatever is stated: not a gap of this one."""
_OWN_NUMBERS = frozenset({None, "MR", "PI", "PT"})
"""HL7 v2 table 0203: numbers of a record. Passports and insurance numbers say nothing to `patient(identifier:)`."""
_UK = re.compile(r"([A-Z]{1,2}[0-9][A-Z0-9]?)[0-9][A-Z]{2}")

T = TypeVar("T")


class Disclosed(Struct, frozen=True):
    """One candidate as the audit trail knows them (None: nobody), and the records behind them, by hash."""

    patient: str | None
    records: tuple[str, ...]
    links: tuple[tuple[str, str], ...] = ()
    """Source and local id of each."""


class Found(Struct, frozen=True):
    """What a search came to, and whom it discloses."""

    result: PatientSearchResult
    disclosed: tuple[Disclosed, ...]


class Finding:
    """One search under way."""

    def __init__(self, service: "Service", search: PatientSearch, actor: Actor, purpose: str, policy: Policy) -> None:
        self._service = service
        self._search = search
        self._actor = actor
        self._purpose = purpose
        self._authority = service.authority
        asking = Asking(service, search, actor, purpose, policy)
        self._clearing = Clearing(asking, self._authority) if self._authority else None
        self._systems = self._clearing.systems if self._clearing else frozenset({NHS_NUMBER})
        self._outcomes: dict[str, Outcome] = {}
        self._faults: set[str] = set()
        self._offers: list[Offer] = []
        self._standing: dict[str, dict[str, tuple[Link, ...]]] = {}
        self._persons: dict[Identifier, str] = {}
        self._crowded = False
        seen = [source for source in service.sources.values() if policy.may_ask(source.table.id)]
        self._left_out = {source.table.id: code for source in seen if (code := self._why_not(source))}
        self._seen = seen
        self.asked = [source for source in seen if source.table.id not in self._left_out]

    def _why_not(self, source: ConfiguredSource) -> str | None:
        needs = source.adapter.search_needs
        if needs is None:
            return NOT_SEARCHED
        if source.forbids_restricted:
            return RESTRICTION_UNKNOWN
        if self._service.breaker.is_open(source.table.id, self._service.clock()):
            return CIRCUIT_OPEN
        return None if needs <= self._search.criteria else SEARCH_NEEDS_MORE

    async def run(self, deadline: float) -> Found:
        """Ask all of them, then the authority about their numbers, and put together what is in by the deadline.

        The deadline is on the monotonic clock.
        """
        await self._ask_all(deadline if self._clearing is None else _part_of(deadline))
        if self._clearing is not None:
            fitting = (offer.record for offer in self._offers if offer.fit is not None)
            await self._clearing.ask((one for record in fitting for one in numbers(record, self._systems)), deadline)
        await self._read_decisions()
        return await aside(len(self._offers) > MANY_FACTS, self._together)

    async def _ask_all(self, deadline: float) -> None:
        tasks = {asyncio.create_task(self._ask(source)) for source in self.asked}
        try:
            if tasks:
                await asyncio.wait(tasks, timeout=max(0.0, deadline - time.monotonic()))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read_decisions(self) -> None:
        """What stewards and the rule have decided about everybody offered, and who is known under their numbers."""
        ids: dict[str, set[str]] = {}
        named = {one for known in self._people() for one in known.reference.identifiers}
        for offer in self._offers:
            ids.setdefault(offer.source, set()).add(offer.record.native_id)
            named.update(numbers(offer.record, self._systems))
        plain = (Identifier(system=one.system, value=one.value) for one in named)
        self._standing, self._persons = await self._service.crossref.decided_about(ids, plain)

    def _people(self) -> tuple[Known, ...]:
        return tuple(self._clearing.people.values()) if self._clearing else ()

    async def _ask(self, source: ConfiguredSource) -> None:
        """One source's answer. A fault costs this source alone."""
        try:
            outcome = await self._service.flights.find(source, self._search, self._actor, self._purpose)
            offers = await aside(len(outcome.facts) > MANY_FACTS, self._sift, source, outcome)
            self._outcomes[source.table.id] = outcome
            if self._clearing is not None and source is self._authority:
                self._meet(self._clearing, offers)
            else:
                self._offers += offers
        except Exception as problem:
            log_fault(log, problem)
            self._faults.add(source.table.id)

    def _sift(self, source: ConfiguredSource, outcome: Outcome) -> list[Offer]:
        """Records that fit; those marked restricted; and those that claim a number which a fitting one claims."""
        made = self._made(source, outcome)
        fitting = [offer for offer in made if offer.fit is not None]
        if len(fitting) > MOST_OF_ONE:
            self._crowded = True
            fitting = sorted(fitting, key=lambda offer: offer.record.native_id)[:MOST_OF_ONE]
        claimed = {(one.system, one.value) for offer in fitting for one in numbers(offer.record, self._systems)}
        beside = [
            structs.replace(offer, fit=None) if offer.fit else offer
            for offer in made
            if offer not in fitting
            and (
                offer.record.restricted
                or claimed & {(one.system, one.value) for one in numbers(offer.record, self._systems)}
            )
        ]
        return fitting + beside

    def _made(self, source: ConfiguredSource, outcome: Outcome) -> list[Offer]:
        """An offer of each record."""
        found = []
        for read in outcome.facts:
            record = read.fact
            if isinstance(record, Patient) and record.subject == record.native_id:
                found.append(offer_of(source.table.id, record, read.record_hash, self._search))
        return found

    def _meet(self, clearing: Clearing, offers: Iterable[Offer]) -> None:
        """The people whom the authority's own search names."""
        for offer in offers:
            reference = self._reference(offer.record, clearing)
            if reference is None:
                self._offers.append(offer)
            else:
                clearing.know(reference, offer)

    def _reference(self, record: Patient, clearing: Clearing) -> ReferencePerson | None:
        for system in sorted(self._systems, key=lambda system: (system != NHS_NUMBER, system)):
            if (own := current_number(record, system)) is not None:
                source = clearing.authority.table.id
                return on_record(record, own, source, self._systems, restricted=record.restricted)
        return None

    def _together(self) -> Found:
        """The answer, from what is in by now."""
        traced = frozenset(s.table.id for s in self._service.sources.values() if s.table.traced)
        people: Sequence[Known] = self._people()
        if self._clearing is None:
            people = agreed_people(self._offers, self._linked, self._systems, traced)
        shown = candidates(
            self._offers, people, self._linked, systems=self._systems, cleared=self._cleared, traced=traced
        )
        heard_of = {offer.source for one in shown for offer in one.records}
        searched = [self._searched(source, source.table.id in heard_of) for source in self._seen]
        crowded = self._crowded or (self._clearing is not None and self._clearing.crowded)
        more = crowded or len(shown) > MOST_SHOWN or any(one.code == TOO_MANY_MATCHES for one in searched)
        first = shown[:MOST_SHOWN]
        return Found(
            PatientSearchResult(
                status=_status(len(shown), more),
                completeness=_completeness(searched),
                candidates=tuple(map(self._candidate, first)),
                truncated=more,
                notice=NOTICE,
                sources=tuple(searched),
            ),
            tuple(self._disclosed(one) for one in first),
        )

    def _linked(self, source: str, records: Sequence[Patient], reference: ReferencePerson) -> Collection[str]:
        """By the guard, with what stewards have decided under any of the person's numbers; nothing is written."""
        ids = {record.native_id for record in records}
        plain = [Identifier(system=one.system, value=one.value) for one in reference.identifiers]
        known = [self._persons[one] for one in plain if one in self._persons]
        person = known[0] if known else None
        standing = {
            local_id: links if person is None else as_one(links, known, person)
            for local_id, links in self._standing[source].items()
            if local_id in ids
        }
        admitted = admit(
            records,
            reference,
            person=person,
            standing=standing,
            candidates=ids,
            traced=self._service.sources[source].table.traced,
        )
        return admitted.links

    def _cleared(self, record: Patient) -> bool:
        """Whether the authority was heard about a record that is nobody's by number."""
        if self._clearing is None:
            return True
        heard = self._state(self._clearing.authority, any_shown=False)[0] is SourceState.OK
        return heard and self._clearing.cleared(numbers(record, self._systems))

    def _state(self, source: ConfiguredSource, *, any_shown: bool) -> tuple[SourceState, str | None]:
        """What became of the source's answer to the search itself. What is not shown of it leaves no trace here."""
        source_id = source.table.id
        if source not in self.asked:
            code = self._left_out.get(source_id)
            return (SourceState.UNAVAILABLE if code == CIRCUIT_OPEN else SourceState.NOT_ASKED), code
        if source_id in self._faults:
            return SourceState.UNAVAILABLE, INTERNAL
        outcome = self._outcomes.get(source_id)
        if outcome is None:
            return SourceState.UNAVAILABLE, "SOURCE_TIMEOUT"
        if outcome.error is not None:
            return (SourceState.PARTIAL if any_shown else SourceState.UNAVAILABLE), outcome.error.code
        gaps = tuple(gap for gap in outcome.answers["Patient"].gaps if gap.kind is not GapKind.WITHHELD)
        if any(gap.kind is GapKind.TRUNCATED for gap in gaps):
            return SourceState.PARTIAL, TOO_MANY_MATCHES
        return state_of(gaps, any_shown)

    def _searched(self, source: ConfiguredSource, any_shown: bool) -> SearchedSource:
        state, code = self._state(source, any_shown=any_shown)
        if self._clearing is not None and source is self._authority and state is SourceState.OK:
            state, code = (SourceState.PARTIAL, self._clearing.failed) if self._clearing.failed else (state, code)
        outcome = self._outcomes.get(source.table.id)
        label = code if code is None or code in MESSAGES else "OTHER"
        self._service.metrics.source_answers.labels(
            source=source.table.id, state=state.value, code=label or "", cache=CacheState.MISS.value
        ).inc()
        return SearchedSource(
            source=source.ref,
            state=state,
            code=code,
            message=MESSAGES.get(code) if code else None,
            latency_ms=_in_steps(outcome.latency_s) if outcome else None,
        )

    def _candidate(self, one: Candidate) -> PatientCandidate:
        records = [offer.record for offer in one.records]
        known = {offer.source for offer in one.records}
        # As in the record itself: one that is in use speaks against a death.
        deaths = {
            (False if record.active else None) if record.deceased is None else record.deceased for record in records
        }
        deaths.discard(None)
        evidence = one.fit.evidence
        if one.person is None and any(i.system in self._systems for record in records for i in record.identifiers):
            evidence = (*evidence, NOT_CONFIRMED)
        return PatientCandidate(
            identifiers=self._identifiers(one),
            names=_first(names for record in records if (names := names_in_use(record))) or (),
            birth_date=_first(record.birth_date for record in records if record.birth_date),
            gender=_first(record.gender for record in records if record.gender),
            postal_district=_first(code for record in records if (code := _district(record.addresses))),
            deceased=deaths.pop() if len(deaths) == 1 else None,
            grade=one.fit.grade,
            evidence=evidence,
            sources=tuple(source.ref for source in self._seen if source.table.id in known),
        )

    def _identifiers(self, one: Candidate) -> tuple[Identifier, ...]:
        own = (
            found
            for offer in one.records
            for found in offer.record.identifiers
            if found.system and found.system not in self._systems and found.type in _OWN_NUMBERS
        )
        unique = {(found.system, found.value): found for found in own}
        return (*((one.person.identifier,) if one.person else ()), *unique.values())

    def _disclosed(self, one: Candidate) -> Disclosed:
        first = one.records[0]
        by_number = next(iter(self._identifiers(one)), None)
        patient = f"{by_number.system}|{by_number.value}" if by_number else f"{first.source}|{first.record.native_id}"
        links = tuple((offer.source, offer.record.native_id) for offer in one.records)
        return Disclosed(patient, tuple(offer.record_hash for offer in one.records), links)


def _part_of(deadline: float) -> float:
    """When no source is waited for any longer: the authority has to be asked after them."""
    now = time.monotonic()
    return now + SEARCHING * max(0.0, deadline - now)


def _in_steps(seconds: float) -> int:
    """Milliseconds, in steps too coarse to tell whether a source had a record to read that is not shown."""
    return math.ceil(seconds * 1000 / STEP_MS) * STEP_MS


def _status(people: int, more: bool) -> PatientSearchStatus:
    if more:
        return PatientSearchStatus.TOO_MANY
    return (PatientSearchStatus.NONE, PatientSearchStatus.ONE, PatientSearchStatus.MANY)[min(people, 2)]


def _completeness(searched: Iterable[SearchedSource]) -> SectionStatus:
    """Of the sources that can be searched at all. Where there is none, nobody was heard."""
    states = {one.state for one in searched if one.code not in _UNSEARCHED}
    if not states & {SourceState.OK, SourceState.PARTIAL}:
        return SectionStatus.UNAVAILABLE
    return SectionStatus.COMPLETE if states == {SourceState.OK} else SectionStatus.PARTIAL


def _first(values: Iterable[T]) -> T | None:
    return next(iter(values), None)


def _district(addresses: Iterable[Address]) -> str | None:
    """The outward code of a British postcode; of another the first half."""
    for address in addresses:
        if address.use in (None, "home", "temp") and address.postal_code:
            code = "".join(address.postal_code.upper().split())
            match = _UK.fullmatch(code)
            return match[1] if match else code[: len(code) // 2]
    return None
