"""The gateway itself: everything one process holds, and what it does for one request.

The way of a request: who asks and may they (access), the record that they asked (audit), who it is about (reference
person), all sources at once (flights), whose record each answer is (guard), what this viewer may see (policy), and one
view (gathering).
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import date, datetime
from functools import partial

import structlog
from msgspec import structs

from adapters.sdk import Actor, Subject
from gateway import criteria, watching
from gateway.access import (
    Access,
    AccessDenied,
    NotAuthenticated,
    Policy,
    UnknownPurpose,
)
from gateway.allowance import Allowance
from gateway.aside import MANY_FACTS, aside
from gateway.audit import (
    Audit,
    AuditEvent,
    AuditUnavailable,
    SqliteAudit,
    access_event,
    disclosure_event,
    identity_event,
    refusal_event,
)
from gateway.cache import MemoryCache
from gateway.config import Config
from gateway.deciding import RequestSteward
from gateway.disclosures import LINKS, audited, links_detail
from gateway.finding import Disclosed, Finding, Found
from gateway.flights import ConfiguredSource, Flights, Outcome
from gateway.gathering import Asked, Gathering, Merger
from gateway.hearing import (
    CIRCUIT_OPEN,
    INTERNAL,
    MESSAGES,
    NO_IDENTIFIER,
    NOT_IN_SCOPE,
    RESTRICTED,
    RESTRICTION_UNKNOWN,
    Heard,
    hear,
    view_links,
)
from gateway.identity.breaker import SubjectBreaker
from gateway.identity.crossref import CrossReference, CrossReferenceUnavailable
from gateway.identity.guard import Admitted, admit
from gateway.identity.ledger import EventKind, Link, Standing, follows
from gateway.identity.reference import SUPERSEDED, ReferenceOrigin, ReferencePerson
from gateway.keys import Keys
from gateway.merge import Ids
from gateway.referring import DEMOGRAPHICS, find_reference
from gateway.refusals import readable, said_aloud, sentence
from gateway.telemetry import Metrics, log_fault
from gateway.translating import Translator
from gateway.updates import Updates, Watch
from gateway.watching import Watched
from schema.gql.errors import ErrorCode, QueryError
from schema.gql.ports import PatientUpdate
from schema.gql.request import MOST_AT_ONCE
from schema.model.search import PatientSearch, PatientSearchResult
from schema.model.values import Identifier
from schema.model.view import SourceRef, SourceState

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
        self.updates = Updates(sources, crossref, self.flights, config.graphql.subscriptions_per_user)
        self._store = audit
        self._reopening = asyncio.Lock()

    @property
    def authority(self) -> ConfiguredSource | None:
        """The configured identity authority."""
        return self.sources[self.config.identity.authority] if self.config.identity.authority else None

    def request(
        self, actor: Actor, purpose: str, received: float, headers: Mapping[str, str] | None = None
    ) -> "RequestGateway":
        """The gateway bound to one request; `received` is on the monotonic clock.

        `headers` are what the actor was known by: a subscription looks at them again for each update.
        """
        return RequestGateway(self, actor, purpose, received, headers or {})

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


class RequestGateway:
    """Implements `schema.gql.ports.GatewayPort` for one request."""

    def __init__(
        self, service: Service, actor: Actor, purpose: str, received: float, headers: Mapping[str, str]
    ) -> None:
        self.service = service
        self.actor = actor
        self._purpose = purpose
        self.received = received
        self.operation = ""
        """Hash of the GraphQL document, for the audit."""
        self.steward = RequestSteward(self)
        self._headers = headers
        self._watch: Watch | None = None
        self._people = 0
        self._views: list[Gathering] = []
        self._searches: list[Found] = []

    async def sources(self) -> tuple[SourceRef, ...]:
        """Every configured source that this actor may know of."""
        with said_aloud():
            policy = await self.decide(None)
        return tuple(s.ref for s in self.service.sources.values() if policy.may_ask(s.table.id))

    async def patients(self, search: PatientSearch, *, deadline_s: float | None) -> PatientSearchResult:
        """As the port says. What was searched by is in the audit trail by name alone: no value leaves this call."""
        with said_aloud():
            stated = criteria.readable(search, self.service.clock().date())
            finding = Finding(self.service, stated, self.actor, self._purpose, await self.decide(None))
            await self._allow_search()
            asked = [source.table.id for source in finding.asked]
            by = " ".join(sorted(stated.criteria))
            await self.service.audit.record(
                access_event(self.actor, self._purpose, None, self.operation, sources=asked, search=by)
            )
            found = await finding.run(self.received + (deadline_s or self.service.config.gateway.deadline))
            self._searches.append(found)
            return found.result

    async def _allow_search(self) -> None:
        """Raises QueryError(SEARCH_THROTTLED); a refusal is recorded too."""
        wait_s = self.service.allowance.take(self.actor)
        self.service.metrics.searches.labels(outcome="throttled" if wait_s else "asked").inc()
        if wait_s:
            await self.record_refusal(None, ErrorCode.SEARCH_THROTTLED.name)
            most = self.service.config.gateway.searches_per_minute
            message = f"One user searches at most {most} times a minute: try again in {wait_s} s."
            raise QueryError(ErrorCode.SEARCH_THROTTLED, message)

    async def patient(
        self, identifier: Identifier, *, birth_date: date | None, deadline_s: float | None, types: frozenset[str]
    ) -> Gathering:
        """As the port says; a fault of ours is logged by its kind and place and shown as INTERNAL."""
        self._people += 1
        with said_aloud():
            if self._people > MOST_AT_ONCE:
                raise QueryError(ErrorCode.ARGUMENT_INVALID, f"One request asks about at most {MOST_AT_ONCE} people.")
            asked = Watched(identifier=identifier, birth_date=birth_date, deadline_s=deadline_s, types=types)
            return await self.view(asked)

    async def patient_updates(
        self, identifier: Identifier, *, birth_date: date | None, deadline_s: float | None, types: frozenset[str]
    ) -> AsyncIterator[PatientUpdate]:
        """As the port says. Every update is a request of its own to the audit trail and to the policy."""
        watched = Watched(identifier=identifier, birth_date=birth_date, deadline_s=deadline_s, types=types)
        self._watch = self.service.updates.open(self.actor, self._purpose)
        return await watching.begin(self, self._watch, watched)

    def authenticate_again(self) -> None:
        """Raises NotAuthenticated when what the caller was known by makes them nobody by now, or somebody else."""
        if self.service.access.authenticate(self._headers) != self.actor:
            raise NotAuthenticated("what was sent is somebody else's by now")

    def renew(self) -> None:
        """Another answer begins, received now: what was shown so far is in the audit trail and not in this one."""
        self._end_views()
        self._people = 0
        self.received = time.monotonic()

    async def view(self, watched: Watched, only: frozenset[str] | None = None) -> Gathering:
        """Resolve the person and start asking every source, or `only` these."""
        service = self.service
        birth_date, types = watched.birth_date, watched.types
        asked = readable(watched.identifier)
        policy = await self.decide(asked)
        deadline = self.received + (watched.deadline_s or service.config.gateway.deadline)
        plan = [s for s in service.sources.values() if policy.may_ask(s.table.id)]
        plan = [s for s in plan if only is None or s.table.id in only]
        await service.audit.record(
            access_event(self.actor, self._purpose, audited(asked), self.operation, sources=[s.table.id for s in plan])
        )
        try:
            reference, told = await self._reference(asked, birth_date, policy, deadline)
        except QueryError as refused:
            # That a number is nobody's, or a birth date not its owner's, says something of a person too.
            await self.record_refusal(asked, refused.code.name)
            raise
        person = await service.crossref.ensure_person(
            reference.identifier,
            reference.superseded,
            others=reference.others,
            restricted=reference.restricted if reference.origin is ReferenceOrigin.AUTHORITY else None,
        )
        known = await service.crossref.identifiers(person)
        reference = structs.replace(reference, superseded=tuple(one for one in known if one.type == SUPERSEDED))
        view = Gathering(
            reference,
            tuple(self._ask(source, types, reference, person, policy, told) for source in plan),
            deadline,
            Merger(
                service.ids,
                service.translator,
                order=tuple(service.sources),
                zones=frozenset(source.table.timezone for source in service.sources.values()),
            ),
            person,
            partial(self._late, person, types),
        )
        self._views.append(view)
        return view

    def _late(self, person: str, types: frozenset[str], source: SourceRef) -> None:
        """Told only where the next view is served what came: one that would ask again shows nothing new."""
        table = self.service.sources[source.id].table
        if all(table.ttl_s(fact_type) > 0 for fact_type in types):
            self.service.updates.late(person, self.actor, self._purpose, source.id)

    async def _reference(
        self, asked: Identifier, birth_date: date | None, policy: Policy, deadline: float
    ) -> tuple[ReferencePerson, Outcome | None]:
        """Who this is, unless the caller states another birth date."""
        reference, told = await find_reference(self.service, asked, self.actor, self._purpose, policy, deadline)
        if reference.contradicts(birth_date):
            message = "The birth date given is not the one on record for this number: check both."
            raise QueryError(ErrorCode.IDENTITY_UNRESOLVED, message)
        return reference, told

    async def record_refusal(self, asked: Identifier | None, code: str) -> None:
        """Into the audit trail. Raises AuditUnavailable."""
        patient = audited(asked) if asked else None
        await self.service.audit.record(refusal_event(self.actor, self._purpose, patient, self.operation, code))

    async def decide(self, asked: Identifier | None) -> Policy:
        """What this caller may see; a refusal is recorded too, and says the same whether or not the person exists.

        `asked` None: about nobody.
        """
        try:
            return self.service.access.decide(self.actor, self._purpose, asked or Identifier(value=""))
        except (AccessDenied, UnknownPurpose) as refused:
            await self.record_refusal(asked, refused.code)
            raise QueryError(ErrorCode.ACCESS_DENIED, sentence(refused)) from None

    def _ask(
        self,
        source: ConfiguredSource,
        types: frozenset[str],
        reference: ReferencePerson,
        person: str,
        policy: Policy,
        told: Outcome | None,
    ) -> Asked:
        """Start asking one source, or say why it is not asked. `told` is what the authority has answered already."""
        held = source.adapter.types | {"Patient"}
        wanted = types & held

        def unasked(state: SourceState, code: str, issue_type: str) -> Asked:
            return Asked(source.ref, held, Heard(source=source.ref, state=state, code=code, issue_type=issue_type))

        if not wanted:
            return unasked(SourceState.NOT_ASKED, NOT_IN_SCOPE, "informational")
        if source.forbids_restricted and reference.restricted:
            return unasked(SourceState.WITHHELD, RESTRICTED, "suppressed")
        if source.forbids_restricted and told is None:
            return unasked(SourceState.NOT_ASKED, RESTRICTION_UNKNOWN, "incomplete")
        if self.service.breaker.is_open(source.table.id, self.service.clock()):
            return unasked(SourceState.UNAVAILABLE, CIRCUIT_OPEN, "conflict")
        answer = asyncio.create_task(
            self.service.hear(
                source,
                wanted,
                reference,
                person,
                self.actor,
                self._purpose,
                policy,
                told if source is self.service.authority and wanted == DEMOGRAPHICS else None,
            )
        )
        return Asked(source.ref, held, answer)

    async def record_disclosure(self, frame: bytes) -> None:
        """Record that this frame leaves, for every person it is about. Raises AuditUnavailable: then it must not."""
        events = [self._disclosure(frame, view.identifier, view.heard()) for view in self._views]
        events += [self._disclosure(frame, identifier, []) for identifier in self.steward.shown]
        events += [event for found in self._searches for event in self._found(found, frame)]
        await asyncio.gather(*(self.service.audit.record(event) for event in events))

    def _disclosure(self, frame: bytes, identifier: Identifier, heard: Sequence[Heard]) -> AuditEvent:
        """With the records that it was made of, so that who saw what a link showed can be told later."""
        linked = ((h.source.id, link.local_id) for h in heard for link in h.links if link.local_id is not None)
        return disclosure_event(
            self.actor,
            self._purpose,
            audited(identifier),
            self.operation,
            frame=frame,
            sources={h.source.id: h.state.value for h in heard},
            records=[record for h in heard for record in h.record_hashes],
            **{LINKS: links_detail(linked)},
        )

    def _found(self, found: Found, frame: bytes) -> list[AuditEvent]:
        """Everybody whom a search shows; one event about nobody when it shows nobody."""
        return [
            disclosure_event(
                self.actor,
                self._purpose,
                one.patient,
                self.operation,
                frame=frame,
                sources={searched.source.id: searched.state.value for searched in found.result.sources},
                records=one.records,
                search=found.result.status.value,
                **({LINKS: links_detail(one.links)} if one.links else {}),
            )
            for one in found.disclosed or (Disclosed(None, ()),)
        ]

    def close(self) -> None:
        """The request is over. Flights go on."""
        self._end_views()
        if self._watch is not None:
            self._watch.close()

    def _end_views(self) -> None:
        for view in self._views:
            view.end()
        self._views.clear()
