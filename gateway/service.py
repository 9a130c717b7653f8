"""The gateway itself: everything one process holds, and what it does for one request.

The way of a request: who asks and may they (access), the record that they asked (audit), who it is about (reference
person), all sources at once (flights), whose record each answer is (guard), what this viewer may see (policy), and one
view (gathering).
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime

import structlog
from msgspec import structs

from adapters.sdk import NHS_NUMBER, Actor, Subject
from gateway.access import (
    Access,
    AccessDenied,
    Policy,
    UnknownPurpose,
)
from gateway.aside import MANY_FACTS, aside
from gateway.audit import (
    Audit,
    AuditUnavailable,
    SqliteAudit,
    access_event,
    disclosure_event,
    identity_event,
    refusal_event,
)
from gateway.cache import MemoryCache
from gateway.config import Config
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
from gateway.identity.crossref import AsyncCrossReference, CrossReferenceUnavailable
from gateway.identity.guard import Admitted, admit
from gateway.identity.ledger import EventKind, Standing, follows
from gateway.identity.nhs_number import BadIdentifier, normalise
from gateway.identity.reference import ReferencePerson
from gateway.keys import Keys
from gateway.merge import Ids
from gateway.referring import DEMOGRAPHICS, find_reference
from gateway.telemetry import Metrics, log_fault
from gateway.translating import Translator
from schema.gql.errors import ErrorCode, QueryError
from schema.model.values import Identifier
from schema.model.view import SourceRef, SourceState

log = structlog.get_logger(__name__)

_AUDITED = {
    EventKind.LINK: "linked",
    EventKind.PRESENT: "present-not-linked",
    EventKind.HOLD: "held-for-steward",
    EventKind.RELEASE: "released",
}
"""What the gateway decides by itself, as the audit trail calls it."""


class Service:
    """What one process holds. Use `gateway.opening.open_service`."""

    def __init__(
        self,
        config: Config,
        keys: Keys,
        sources: dict[str, ConfiguredSource],
        access: Access,
        audit: SqliteAudit,
        crossref: AsyncCrossReference,
        translator: Translator,
        clock: Callable[[], datetime],
    ) -> None:
        self.config = config
        self.sources = sources
        self.access = access
        self.audit: Audit = audit
        self.crossref = crossref
        self.clock = clock
        self.metrics = Metrics()
        self.cache = MemoryCache(config.gateway.cache_bytes)
        self.flights = Flights(keys, self.cache, clock)
        self.breaker = SubjectBreaker()
        self.ids = Ids(keys.derived("ids"))
        self.translator = translator
        self._store = audit
        self._reopening = asyncio.Lock()

    @property
    def authority(self) -> ConfiguredSource | None:
        """The configured identity authority."""
        return self.sources[self.config.identity.authority] if self.config.identity.authority else None

    def request(self, actor: Actor, purpose: str, received: float) -> "RequestGateway":
        """The gateway bound to one request; `received` is on the monotonic clock."""
        return RequestGateway(self, actor, purpose, received)

    async def not_ready(self) -> str | None:
        """Why no question can be answered now; None when it can. A failed audit store is tried again."""
        async with self._reopening:  # two at once would leave the store with two writers
            if not self._store.available:
                try:
                    await self._store.reopen()
                except AuditUnavailable as problem:
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
            subject = self._subject(source, reference, person)
            if subject is None:
                return Heard(source=source.ref, state=SourceState.NOT_ASKED, code=NO_IDENTIFIER)
            decided = tuple(
                sorted(
                    f"{x.status.value} {x.local_id}"
                    for x in self.crossref.links(person)
                    if x.source == source.table.id and x.decided_by is not None
                )
            )
            outcome = told or await self.flights.ask(source, subject, types, actor, purpose, policy.digest, decided)
            admitted = await self._admit(source, outcome, reference, person, actor)
            links = view_links(source.ref, admitted)
            much = len(outcome.facts) > MANY_FACTS
            heard = await aside(much, hear, source.ref, outcome, admitted, policy, links, self.ids.fact_id)
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

    def _subject(self, source: ConfiguredSource, reference: ReferencePerson, person: str) -> Subject | None:
        """The person as this source may know them: by the identifiers it accepts, and the ids already linked."""
        known = tuple(i for i in reference.identifiers if i.system in source.adapter.identifier_systems)
        if not known:
            return None
        # What the rule has linked is looked up by number each time: a second registration that was made since, or
        # that is held, must not be hidden by the first. What a person linked may not be found by any number.
        linked = (x for x in self.crossref.links(person) if x.source == source.table.id and x.decided_by is not None)
        name = reference.names[0] if reference.names else None
        return Subject(
            identifiers=known,
            local_ids=tuple(x.local_id for x in linked if x.status is Standing.LINKED),
            birth_date=reference.birth_date,
            family=name.family if name else None,
            given=name.given[0] if name and name.given else None,
        )

    async def _admit(
        self, source: ConfiguredSource, outcome: Outcome, reference: ReferencePerson, person: str, actor: Actor
    ) -> Admitted:
        """Whose records they are. What is newly decided is kept before anything of it is shown."""
        facts = [read.fact for read in outcome.facts]

        def judge() -> Admitted:
            return admit(
                facts,
                reference,
                person=person,
                standing=self.crossref.standing(source.table.id, {fact.subject for fact in facts if fact.subject}),
                candidates=outcome.candidates,
                traced=source.table.traced,
                forbids_restricted=source.forbids_restricted,
            )

        admitted = await aside(len(facts) > MANY_FACTS, judge)
        standing = {x.local_id: x for x in self.crossref.links(person) if x.source == source.table.id}
        proposals = admitted.proposals(source.table.id, person)
        if new := [(p, kind) for p in proposals if (kind := follows(p, standing.get(p.local_id)))]:
            await self.crossref.record([proposal for proposal, _ in new])
            admitted = await aside(len(facts) > MANY_FACTS, judge)
            about = audited(reference.identifier)
            for one, kind in new:
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

    def __init__(self, service: Service, actor: Actor, purpose: str, received: float) -> None:
        self._service = service
        self._actor = actor
        self._purpose = purpose
        self.received = received
        self.operation = ""
        """Hash of the GraphQL document, for the audit."""
        self._views: list[Gathering] = []

    async def sources(self) -> tuple[SourceRef, ...]:
        """Every configured source that this actor may know of."""
        with _said_aloud():
            policy = await self._decide(None)
        return tuple(s.ref for s in self._service.sources.values() if policy.may_ask(s.table.id))

    async def patient(
        self, identifier: Identifier, *, birth_date: date | None, deadline_s: float | None, types: frozenset[str]
    ) -> Gathering:
        """As the port says; a fault of ours is logged by its kind and place and shown as INTERNAL."""
        with _said_aloud():
            return await self._patient(identifier, birth_date, deadline_s, types)

    async def _patient(
        self, identifier: Identifier, birth_date: date | None, deadline_s: float | None, types: frozenset[str]
    ) -> Gathering:
        service = self._service
        asked = _readable(identifier)
        policy = await self._decide(asked)
        deadline = self.received + (deadline_s or service.config.gateway.deadline)
        plan = [s for s in service.sources.values() if policy.may_ask(s.table.id)]
        await service.audit.record(
            access_event(self._actor, self._purpose, audited(asked), self.operation, sources=[s.table.id for s in plan])
        )
        try:
            reference, told = await self._reference(asked, birth_date, policy, deadline)
        except QueryError as refused:
            # That a number is nobody's, or a birth date not its owner's, says something of a person too.
            await self._record_refusal(asked, refused.code.name)
            raise
        person = await service.crossref.ensure_person(reference.identifier, reference.superseded)
        _, *superseded = service.crossref.identifiers(person)
        reference = structs.replace(reference, superseded=tuple(superseded))
        view = Gathering(
            reference,
            tuple(self._ask(source, types, reference, person, policy, told) for source in plan),
            deadline,
            Merger(service.ids, service.translator, tuple(service.sources)),
        )
        self._views.append(view)
        return view

    async def _reference(
        self, asked: Identifier, birth_date: date | None, policy: Policy, deadline: float
    ) -> tuple[ReferencePerson, Outcome | None]:
        """Who this is, unless the caller states another birth date."""
        reference, told = await find_reference(self._service, asked, self._actor, self._purpose, policy, deadline)
        if reference.contradicts(birth_date):
            message = "The birth date given is not the one on record for this number: check both."
            raise QueryError(ErrorCode.IDENTITY_UNRESOLVED, message)
        return reference, told

    async def _record_refusal(self, asked: Identifier | None, code: str) -> None:
        patient = audited(asked) if asked else None
        await self._service.audit.record(refusal_event(self._actor, self._purpose, patient, self.operation, code))

    async def _decide(self, asked: Identifier | None) -> Policy:
        """The policy; a refusal is recorded too, and says the same whether or not the person exists.

        `asked` None: about nobody.
        """
        try:
            return self._service.access.decide(self._actor, self._purpose, asked or Identifier(value=""))
        except (AccessDenied, UnknownPurpose) as refused:
            await self._record_refusal(asked, refused.code)
            raise QueryError(ErrorCode.ACCESS_DENIED, f"{str(refused)[:1].upper()}{str(refused)[1:]}.") from None

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
        if self._service.breaker.is_open(source.table.id, self._service.clock()):
            return unasked(SourceState.UNAVAILABLE, CIRCUIT_OPEN, "conflict")
        answer = asyncio.create_task(
            self._service.hear(
                source,
                wanted,
                reference,
                person,
                self._actor,
                self._purpose,
                policy,
                told if source is self._service.authority and wanted == DEMOGRAPHICS else None,
            )
        )
        return Asked(source.ref, held, answer)

    async def record_disclosure(self, frame: bytes) -> None:
        """Record that this frame leaves, for every person it is about. Raises AuditUnavailable: then it must not."""
        for view in self._views:
            heard = view.heard()
            await self._service.audit.record(
                disclosure_event(
                    self._actor,
                    self._purpose,
                    audited(view.identifier),
                    self.operation,
                    frame=frame,
                    sources={h.source.id: h.state.value for h in heard},
                    records=[record for h in heard for record in h.record_hashes],
                )
            )

    def close(self) -> None:
        """The request is over. Flights go on."""
        for view in self._views:
            view.end()


@contextmanager
def _said_aloud() -> Iterator[None]:
    """Whatever goes wrong as a QueryError. A fault of ours is logged by its kind and place and shown as INTERNAL."""
    try:
        yield
    except QueryError:
        raise
    except AuditUnavailable:
        message = "The audit store cannot record this access: nothing is asked and nothing shown. Try again later."
        raise QueryError(ErrorCode.AUDIT_UNAVAILABLE, message) from None
    except CrossReferenceUnavailable:
        message = "The cross-reference table cannot be used: whose records these are cannot be established."
        raise QueryError(ErrorCode.IDENTITY_UNRESOLVED, message) from None
    except Exception as problem:
        reference = log_fault(log, problem)
        raise QueryError(ErrorCode.INTERNAL, f"A fault of ours, logged as {reference}.") from None


def audited(identifier: Identifier) -> str:
    """A person's identifier as the audit trail writes it."""
    return f"{identifier.system}|{identifier.value}"


def _readable(identifier: Identifier) -> Identifier:
    """The identifier in its canonical form. QueryError(IDENTIFIER_INVALID) says what is wrong with it."""
    if identifier.system != NHS_NUMBER:
        if not identifier.value.strip():
            raise QueryError(ErrorCode.IDENTIFIER_INVALID, "The identifier is empty.")
        return Identifier(system=identifier.system, value=identifier.value.strip())
    try:
        return Identifier(system=NHS_NUMBER, value=normalise(identifier.value))
    except BadIdentifier as problem:
        text = str(problem)
        raise QueryError(ErrorCode.IDENTIFIER_INVALID, f"{text[:1].upper()}{text[1:]}.") from None
