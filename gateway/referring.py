"""Finding the reference person: the authority's word, else that of every source that has the number."""

import asyncio
import time
from typing import TYPE_CHECKING

from msgspec import structs

from adapters.sdk import NHS_NUMBER, Actor, Subject
from gateway.access import Policy, is_restricted
from gateway.flights import ConfiguredSource, Outcome
from gateway.identity.agreement import agreement
from gateway.identity.ledger import Standing
from gateway.identity.reference import SUPERSEDED, ReferencePerson, on_record
from schema.gql.errors import ErrorCode, QueryError
from schema.model.clinical import Patient
from schema.model.fact import PATIENT_NOT_FOUND
from schema.model.values import Identifier

if TYPE_CHECKING:
    from gateway.service import Service

DEMOGRAPHICS = frozenset({"Patient"})
PATIENCE = 0.5
"""The share of what is left of the deadline that is waited for the authority, and then for those who may stand in."""


async def find_reference(
    service: "Service", asked: Identifier, actor: Actor, purpose: str, policy: Policy, deadline: float
) -> tuple[ReferencePerson, Outcome | None]:
    """Who this is, and the authority's answer; without one, nobody knows whether the person is restricted.

    Raises QueryError: PATIENT_NOT_FOUND on the authority's word, IDENTITY_UNRESOLVED when nobody can say.
    """
    if service.authority is not None:
        outcome = await _ask(service, service.authority, asked, actor, purpose, policy, _part_of(deadline))
        if outcome is not None and outcome.error is None:
            return on_the_authoritys_word(outcome, asked, service.authority), outcome
    found = await _without_authority(service, asked, actor, purpose, policy, _part_of(deadline))
    if found is None:
        message = (
            "Who this is could not be established: the identity authority did not answer, and the sources that have "
            "this number are too few, or do not agree on whose it is. Nothing clinical is shown. Try again later."
        )
        raise QueryError(ErrorCode.IDENTITY_UNRESOLVED, message)
    return found, None


def on_the_authoritys_word(outcome: Outcome, asked: Identifier, authority: ConfiguredSource) -> ReferencePerson:
    """Whom the authority says that the number belongs to. A label of restriction restricts them, as the flag does.

    Raises QueryError: PATIENT_NOT_FOUND, or IDENTITY_UNRESOLVED when its answer does not say.
    """
    answer = outcome.answers["Patient"]
    if any(gap.code == PATIENT_NOT_FOUND for gap in answer.gaps):
        raise QueryError(ErrorCode.PATIENT_NOT_FOUND, "The identity authority does not know this number: check it.")
    people = [read.fact for read in answer.facts if isinstance(read.fact, Patient)]
    reference = None
    if len(people) == 1:
        reference = on_record(
            people[0],
            asked,
            authority.table.id,
            authority.adapter.identifier_systems,
            restricted=is_restricted(people[0]),
        )
    if reference is None:
        message = "The identity authority's answer does not say who this is. Nothing clinical is shown."
        raise QueryError(ErrorCode.IDENTITY_UNRESOLVED, message)
    return reference


def _part_of(deadline: float) -> float:
    """An earlier deadline: who waits to the last moment for one that hangs has nothing left for the others."""
    now = time.monotonic()
    return now + PATIENCE * max(0.0, deadline - now)


async def _ask(
    service: "Service",
    source: ConfiguredSource,
    asked: Identifier,
    actor: Actor,
    purpose: str,
    policy: Policy,
    deadline: float,
) -> Outcome | None:
    """Demographics from one source by the deadline; None when it is not in by then. The flight goes on."""
    subject = Subject(identifiers=(asked,))
    flight = asyncio.ensure_future(service.flights.ask(source, subject, DEMOGRAPHICS, actor, purpose, policy.digest))
    done, _ = await asyncio.wait({flight}, timeout=max(0.0, deadline - time.monotonic()))
    return flight.result() if done else None


async def _without_authority(
    service: "Service", asked: Identifier, actor: Actor, purpose: str, policy: Policy, deadline: float
) -> ReferencePerson | None:
    """Whom every source that has the number agrees on. Restricted patients' sources are left out."""
    sources = [
        source
        for source in service.sources.values()
        if source is not service.authority
        and policy.may_ask(source.table.id)
        and not source.forbids_restricted
        and not service.breaker.is_open(source.table.id, service.clock())
        and asked.system in source.adapter.identifier_systems
    ]
    outcomes = await asyncio.gather(
        *(_ask(service, source, asked, actor, purpose, policy, deadline) for source in sources)
    )
    heard = [
        (source.table.id, read.fact)
        for source, outcome in zip(sources, outcomes, strict=True)
        if outcome is not None
        for read in outcome.facts
        if isinstance(read.fact, Patient)
    ]
    current = asked
    earlier: tuple[Identifier, ...] = ()
    others: tuple[Identifier, ...] = ()
    linked: frozenset[tuple[str, str]] = frozenset()
    person = await service.crossref.person_for(asked)
    if person is not None:
        known = await service.crossref.identifiers(person)
        earlier = tuple(one for one in known if one.type == SUPERSEDED)
        current = next((one for one in known if one.system == asked.system and one.type != SUPERSEDED), known[0])
        others = tuple(one for one in known if one.type != SUPERSEDED and one.system != current.system)
        links = await service.crossref.links(person)
        linked = frozenset((x.source, x.local_id) for x in links if x.status is Standing.LINKED)
    traced = {source.table.id for source in sources if source.table.traced}
    found = agreement(current, heard, superseded=earlier, linked=linked, traced=traced)
    if found is None:
        return None
    first, *rest = sorted((found.identifier, *others), key=lambda one: one.system != NHS_NUMBER)
    return structs.replace(found, identifier=first, others=tuple(rest))
