"""What the authority says of the numbers that a search came upon, and of one number more, which is nobody's.

The authority alone knows who is restricted, and which number is current. It is asked once every source has answered, or
has had its time, and always: also when nobody was offered, about a number that is never issued. So the answer about a
restricted person is had by the same steps as that about nobody, takes as long, and says as much of the authority: it
has failed when it fails that one question, or when any did not come back, and not by what it says of anybody.
"""

import asyncio
import secrets
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

import structlog
from msgspec import Struct, structs

from adapters.sdk import NHS_NUMBER, Actor, SourceRequest, Subject, TransientError
from gateway.access import Policy, is_restricted
from gateway.flights import ConfiguredSource, Outcome
from gateway.identity.candidates import Known, Offer, fit
from gateway.identity.nhs_number import check_digit
from gateway.identity.reference import ReferencePerson
from gateway.referring import DEMOGRAPHICS, on_the_authoritys_word
from gateway.telemetry import log_fault
from schema.gql.errors import ErrorCode, QueryError
from schema.model.clinical import Patient
from schema.model.search import PatientSearch
from schema.model.values import Identifier

if TYPE_CHECKING:
    from gateway.service import Service

log = structlog.get_logger(__name__)

MOST_LOOKED_UP = 20
"""Numbers about which the authority is asked for one search."""
NOT_HEARD = "SOURCE_TIMEOUT"

Place = tuple[str | None, str]
"""System and value of a number."""


class Asking(Struct, frozen=True):
    """What is searched for, and by whom."""

    service: "Service"
    search: PatientSearch
    actor: Actor
    purpose: str
    policy: Policy


class Clearing:
    """The authority's word for one search."""

    def __init__(self, asking: Asking, authority: ConfiguredSource) -> None:
        self._asking = asking
        self.authority = authority
        self.systems = authority.adapter.identifier_systems
        self.people: dict[Place, Known] = {}
        """Whom the authority knows, each by their current number."""
        self.crowded = False
        """Whether there were more numbers than it is asked about."""
        self.failed: str | None = None
        """The code of what kept it from being heard; null when it was."""
        self._cleared: dict[Place, bool] = {}
        """Numbers asked about, and whether the authority has said whose they are, or that they are nobody's."""

    def know(self, reference: ReferencePerson, own: Offer) -> None:
        """A person of the authority. Superseded numbers are told only to who asks by one: what is known adds up."""
        at = place(reference.identifier)
        self._cleared |= {place(one): True for one in reference.identifiers}
        known = self.people.get(at)
        if known is None:
            seen = self._asking.policy.may_ask(self.authority.table.id)
            self.people[at] = Known(reference=reference, own=own if seen else None)
            return
        earlier = tuple(dict.fromkeys((*known.reference.superseded, *reference.superseded)))
        told = structs.replace(
            known.reference, superseded=earlier, restricted=known.reference.restricted or reference.restricted
        )
        self.people[at] = structs.replace(known, reference=told)

    def cleared(self, numbers: Iterable[Identifier]) -> bool:
        """Whether the authority has spoken of all these numbers."""
        return all(self._cleared.get(place(one), False) for one in numbers)

    async def ask(self, numbers: Iterable[Identifier], deadline: float) -> None:
        """Ask about every number that it has not spoken of yet, by the deadline (on the monotonic clock)."""
        new = {place(one): one for one in numbers if place(one) not in self._cleared}
        wanted = list(new.values())[:MOST_LOOKED_UP]
        self.crowded = len(new) > len(wanted)
        nobodys = asyncio.create_task(self._about(_nobodys(self.systems)))
        tasks = [nobodys, *(asyncio.create_task(self._look_up(one)) for one in wanted)]
        _, late = await asyncio.wait(tasks, timeout=max(0.0, deadline - time.monotonic()))
        for task in late:
            task.cancel()  # the flight goes on
        await asyncio.gather(*tasks, return_exceptions=True)
        self._heard(tasks, nobodys)

    def _heard(self, tasks: "list[asyncio.Task[Outcome]]", nobodys: "asyncio.Task[Outcome]") -> None:
        for task in tasks:
            if task.cancelled():
                self.failed = self.failed or NOT_HEARD
            elif (problem := task.exception()) is not None:
                log_fault(log, problem)
                self.failed = self.failed or NOT_HEARD
            # What it refuses to say of one person leaves no trace; that it refuses any question does.
            elif (error := task.result().error) is not None and (
                isinstance(error, TransientError) or (task is nobodys and not isinstance(error, SourceRequest))
            ):
                self.failed = self.failed or error.code

    async def _about(self, number: Identifier) -> Outcome:
        subject = Subject(identifiers=(Identifier(system=number.system, value=number.value),))
        asking = self._asking
        return await asking.service.flights.ask(
            self.authority, subject, DEMOGRAPHICS, asking.actor, asking.purpose, asking.policy.digest
        )

    async def _look_up(self, number: Identifier) -> Outcome:
        outcome = await self._about(number)
        if outcome.error is not None:
            return outcome
        try:
            reference = on_the_authoritys_word(outcome, number, self.authority)
        except QueryError as nobody:
            self._cleared[place(number)] = nobody.code is ErrorCode.PATIENT_NOT_FOUND
            return outcome
        for read in outcome.answers["Patient"].facts:
            if isinstance(read.fact, Patient):
                own = offer_of(self.authority.table.id, read.fact, read.record_hash, self._asking.search)
                self.know(reference, own)
        return outcome


def offer_of(source: str, record: Patient, record_hash: str, search: PatientSearch) -> Offer:
    """A record that was answered. One with a label of restriction is restricted whatever else it says."""
    record = structs.replace(record, restricted=is_restricted(record))
    return Offer(source=source, record=record, record_hash=record_hash, fit=fit(search, record))


def place(identifier: Identifier) -> Place:
    """By what a number is found again."""
    return identifier.system, identifier.value


def _nobodys(systems: Iterable[str]) -> Identifier:
    """A number that is never issued, another each time: no answer about it is kept anywhere.

    NHS numbers that begin with 999 are for tests; of other systems nobody knows the form.
    """
    if NHS_NUMBER not in systems:
        return Identifier(system=min(systems), value=f"none{secrets.randbelow(10**9):09}")
    while True:
        nine = f"999{secrets.randbelow(10**6):06}"
        if (digit := check_digit(nine)) is not None:
            return Identifier(system=NHS_NUMBER, value=f"{nine}{digit}")
