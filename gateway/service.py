"""The gateway itself: everything one process holds, and how one source is heard about one person.

`gateway.requesting` does it for every source that a request asks; `hear` asks one (flights), settles whose record each
answer is (guard) and leaves what this viewer may see (policy).
"""

import asyncio
from collections.abc import Callable
from datetime import datetime

import structlog
from msgspec import structs

from adapters.sdk import Actor, Subject
from gateway.access import (
    Access,
    Policy,
)
from gateway.allowance import Allowance
from gateway.aside import MANY_FACTS, aside
from gateway.audit import (
    Audit,
    AuditUnavailable,
    SqliteAudit,
    identity_event,
)
from gateway.cache import MemoryCache
from gateway.config import Config
from gateway.disclosures import audited
from gateway.flights import ConfiguredSource, Flights, Outcome
from gateway.hearing import (
    INTERNAL,
    MESSAGES,
    NO_IDENTIFIER,
    Heard,
    hear,
    view_links,
)
from gateway.identity.breaker import SubjectBreaker
from gateway.identity.crossref import CrossReference, CrossReferenceUnavailable
from gateway.identity.guard import Admitted, admit
from gateway.identity.ledger import EventKind, Link, Standing, follows
from gateway.identity.reference import ReferenceOrigin, ReferencePerson
from gateway.keys import Keys
from gateway.merge import Ids
from gateway.telemetry import Metrics, log_fault
from gateway.translating import Translator
from gateway.updates import Updates
from schema.model.view import SourceState

log = structlog.get_logger(__name__)

_AUDITED = {
    EventKind.LINK: "linked",
    EventKind.PRESENT: "present-not-linked",
    EventKind.HOLD: "held-for-steward",
    EventKind.RELEASE: "released",
    EventKind.DOUBT: "doubted",
    EventKind.CONFIRM: "confirmed",
}
"""What the gateway decides by itself, as the audit trail calls it."""
_UNDONE = (EventKind.DOUBT, EventKind.RELEASE)


class Service:
    """What one process holds. Use `gateway.opening.open_service`."""

    def __init__(
        self,
        config: Config,
        keys: Keys,
        sources: dict[str, ConfiguredSource],
        access: Access,
        audit: SqliteAudit,
        crossref: CrossReference,
        translator: Translator,
        clock: Callable[[], datetime],
        allowance: Allowance,
        metrics: Metrics,
    ) -> None:
        self.config = config
        self.allowance = allowance
        self.sources = sources
        self.access = access
        self.audit: Audit = audit
        self.crossref = crossref
        self.clock = clock
        self.metrics = metrics
        self.cache = MemoryCache(config.gateway.cache_bytes)
        self.flights = Flights(keys, self.cache, clock)
        self.breaker = SubjectBreaker()
        self.ids = Ids(keys.derived("ids"))
        self.translator = translator
        self.updates = Updates(sources, crossref, self.flights, config.graphql.subscriptions_per_user, metrics)
        self._store = audit
        self._reopening = asyncio.Lock()

    @property
    def authority(self) -> ConfiguredSource | None:
        """The configured identity authority."""
        return self.sources[self.config.identity.authority] if self.config.identity.authority else None

    async def not_ready(self) -> str | None:
        """Why no question can be answered now; None when it can. A store that failed is tried again."""
        async with self._reopening:  # two at once would leave the store with two writers
            if not self._store.available:
                try:
                    await self._store.reopen()
                except AuditUnavailable as problem:
                    return str(problem)
        try:
            await self.crossref.check()
        except CrossReferenceUnavailable as problem:
            return str(problem)
        return None

    async def hear(
        self,
        source: ConfiguredSource,
        types: frozenset[str],
        reference: ReferencePerson,
        person: str,
        actor: Actor,
        purpose: str,
        policy: Policy,
        told: Outcome | None = None,
    ) -> Heard:
        """Ask one source, unless it has `told` already, and settle what may be shown of its answer.

        Raises AuditUnavailable; any other fault, the source's or ours, costs this source's facts and nothing else.
        """
        try:
            links = await self.crossref.links(person)
            by_hand = [x for x in links if x.source == source.table.id and x.decided_by is not None]
            subject = self._subject(source, reference, by_hand)
            if subject is None:
                return Heard(source=source.ref, state=SourceState.NOT_ASKED, code=NO_IDENTIFIER)
            decided = tuple(sorted(f"{x.status.value} {x.local_id}" for x in by_hand))
            outcome = told or await self.flights.ask(source, subject, types, actor, purpose, policy.digest, decided)
            admitted = await self._admit(source, outcome, reference, person, actor)
            shown = view_links(source.ref, admitted)
            much = len(outcome.facts) > MANY_FACTS
            heard = await aside(much, hear, source.ref, outcome, admitted, policy, shown, self.ids.fact_id)
        except AuditUnavailable:
            raise
        except CrossReferenceUnavailable:
            return Heard(source=source.ref, state=SourceState.UNAVAILABLE, code="IDENTITY_UNRESOLVED")
        except Exception as problem:
            log_fault(log, problem)
            return Heard(source=source.ref, state=SourceState.UNAVAILABLE, code=INTERNAL, issue_type="exception")
        # A gap's code may be the source's own word: only ours become labels.
        code = heard.code if heard.code is None or heard.code in MESSAGES else "OTHER"
        labels = {"source": source.table.id, "state": heard.state.value, "code": code or ""}
        self.metrics.source_answers.labels(**labels, cache=outcome.cache.value).inc()
        self.metrics.source_seconds.labels(source=source.table.id).observe(outcome.latency_s)
        return heard

    def _subject(self, source: ConfiguredSource, reference: ReferencePerson, by_hand: list[Link]) -> Subject | None:
        """The person as this source may know them: by the identifiers it accepts, and the ids already linked."""
        known = tuple(i for i in reference.identifiers if i.system in source.adapter.identifier_systems)
        if not known:
            return None
        # What the rule has linked is looked up by number each time: a second registration that was made since, or
        # that is held, must not be hidden by the first. What a person linked may not be found by any number; in doubt,
        # it is asked for all the same, so that it is said to be held.
        linked = [x.local_id for x in by_hand if x.status in (Standing.LINKED, Standing.DOUBTED)]
        name = reference.names[0] if reference.names else None
        return Subject(
            identifiers=known,
            local_ids=tuple(linked),
            birth_date=reference.birth_date,
            family=name.family if name else None,
            given=name.given[0] if name and name.given else None,
        )

    async def _admit(
        self, source: ConfiguredSource, outcome: Outcome, reference: ReferencePerson, person: str, actor: Actor
    ) -> Admitted:
        """Whose records they are. What is newly decided is kept before anything of it is shown."""
        facts = [read.fact for read in outcome.facts]
        subjects = {fact.subject for fact in facts if fact.subject}

        def judge(standing: dict[str, tuple[Link, ...]]) -> Admitted:
            return admit(
                facts,
                reference,
                person=person,
                standing=standing,
                candidates=outcome.candidates,
                traced=source.table.traced,
                forbids_restricted=source.forbids_restricted,
            )

        person, standing = await self.crossref.judged_for(person, source.table.id, subjects)
        admitted = await aside(len(facts) > MANY_FACTS, judge, standing)
        here = {x.local_id: x for links in standing.values() for x in links if x.person == person}
        found = (
            structs.replace(p, after=here[p.local_id].seq if p.local_id in here else 0)
            for p in admitted.proposals(source.table.id, person)
        )
        # One source's word is enough to show what agrees with it, and not enough to doubt another's record for good.
        kept_back = _UNDONE if reference.origin is ReferenceOrigin.LINKED and len(reference.sources) < 2 else ()
        new = [(p, kind) for p in found if (kind := follows(p, here.get(p.local_id))) and kind not in kept_back]
        if new:
            kept = await self.crossref.record([proposal for proposal, _ in new])
            person, standing = await self.crossref.judged_for(person, source.table.id, subjects)
            admitted = await aside(len(facts) > MANY_FACTS, judge, standing)
            about = audited(reference.identifier)
            for (one, kind), link in zip(new, kept, strict=True):
                if link != here.get(one.local_id):
                    what = _AUDITED[kind]
                    await self.audit.record(identity_event(actor, about, source.table.id, what, record=one.local_id))
        for finding in admitted.findings:
            grade = finding.grade.value if finding.grade else "none"
            self.metrics.identity.labels(source=source.table.id, grade=grade).inc()
        if admitted.mismatched:
            await self._note_mismatch(source, reference, person, actor)
        return admitted

    async def _note_mismatch(
        self, source: ConfiguredSource, reference: ReferencePerson, person: str, actor: Actor
    ) -> None:
        opened = self.breaker.note_mismatch(source.table.id, person, self.clock())
        log.warning("identity_mismatch", source=source.table.id, circuit_opened=opened)
        what = "circuit-opened" if opened else "mismatch"
        await self.audit.record(identity_event(actor, audited(reference.identifier), source.table.id, what))
