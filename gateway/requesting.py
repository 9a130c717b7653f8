"""One request: what a caller may ask of the gateway, and the record of what was shown to them.

The way of a request: who asks and may they (access), the record that they asked (audit), who it is about (reference
person), all sources at once (`Service.hear`), what this viewer may see (policy), and one view (gathering).
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import date
from functools import partial

from msgspec import structs

from adapters.sdk import Actor
from gateway import criteria, watching
from gateway.access import (
    AccessDenied,
    NotAuthenticated,
    Policy,
    UnknownPurpose,
)
from gateway.audit import (
    AuditEvent,
    access_event,
    disclosure_event,
    refusal_event,
)
from gateway.deciding import RequestSteward
from gateway.disclosures import LINKS, audited, links_detail
from gateway.finding import Disclosed, Finding, Found
from gateway.flights import ConfiguredSource, Outcome
from gateway.gathering import Asked, Gathering, Merger
from gateway.hearing import (
    CIRCUIT_OPEN,
    NOT_IN_SCOPE,
    RESTRICTED,
    RESTRICTION_UNKNOWN,
    Heard,
)
from gateway.identity.reference import SUPERSEDED, ReferenceOrigin, ReferencePerson
from gateway.referring import DEMOGRAPHICS, find_reference
from gateway.refusals import readable, said_aloud, sentence
from gateway.service import Service
from gateway.updates import LEFT, Watch
from gateway.watching import Watched
from schema.gql.errors import ErrorCode, QueryError
from schema.gql.ports import PatientUpdate
from schema.gql.request import MOST_AT_ONCE
from schema.model.search import PatientSearch, PatientSearchResult
from schema.model.values import Identifier
from schema.model.view import SourceRef, SourceState


class RequestGateway:
    """Implements `schema.gql.ports.GatewayPort` for one request."""

    def __init__(
        self, service: Service, actor: Actor, purpose: str, received: float, headers: Mapping[str, str] | None = None
    ) -> None:
        """`received` is on the monotonic clock.

        `headers` are what the actor was known by: a subscription looks at them again for each update.
        """
        self.service = service
        self.actor = actor
        self._purpose = purpose
        self.received = received
        self.operation = ""
        """Hash of the GraphQL document, for the audit."""
        self.steward = RequestSteward(self)
        self._headers = headers or {}
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
            partial(service.updates.late, person, self.actor, self._purpose),
        )
        self._views.append(view)
        return view

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

    def close(self, reason: str = LEFT) -> None:
        """The request is over, of a subscription for this reason. Flights go on."""
        self._end_views()
        if self._watch is not None:
            self._watch.close(reason)

    def _end_views(self) -> None:
        for view in self._views:
            view.end()
        self._views.clear()
