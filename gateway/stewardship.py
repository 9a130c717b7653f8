"""Decisions about identity by a person, written to the cross-reference table for good, and what waits for one.

A steward who mistypes a local id must be told so: a decision about a record that nobody has seen changes nothing that
is shown, and to report it as done would leave another person's record where it is. So a refusal comes first, then the
audit trail, then the decision; and after an unlink, who saw what the link showed.
"""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from adapters.sdk import Actor
from gateway.audit import Audit, AuditEvent, AuditUnavailable, identity_event
from gateway.disclosures import audited, seen_over
from gateway.identity.crossref import CrossReference
from gateway.identity.ledger import Link, LinkConflict, Standing, StewardNeeded
from gateway.identity.words import advice, evidence_of, explained
from schema.gql.errors import ErrorCode
from schema.model.stewardship import LinkDecision, LinkStanding, Unlinked, WorkItem, WorkList
from schema.model.values import Identifier
from schema.model.view import SourceRef


class DecisionRefused(Exception):
    """A decision that cannot be meant, or may not be taken: nothing was decided. The message quotes no identifier."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code


class UnknownPerson(DecisionRefused):
    """Nobody has asked about this number here."""

    def __init__(self) -> None:
        message = "nobody has asked about this number here yet: ask for the person first, and check who it is"
        super().__init__(ErrorCode.LINK_UNKNOWN, message)


class UnknownRecord(DecisionRefused):
    """The record is not known as this person's."""

    def __init__(self, linked: tuple[str, ...]) -> None:
        message = "the record is not known as this person's: check the id, or say that it is to be blocked anyway"
        super().__init__(ErrorCode.LINK_UNKNOWN, message)
        self.linked = linked
        """The local ids of the source that are linked to the person."""


class SeenUnknown(Exception):
    """It is unlinked, and who saw what the link showed cannot be read."""

    code = "AUDIT_UNAVAILABLE"
    issue_type = "no-store"


class Pair(Struct, frozen=True, kw_only=True):
    """A source's record and the person it is, or is not."""

    identifier: Identifier
    """In its canonical form."""
    source: str
    local_id: str


class Stewardship:
    """The table, the trail, and the sources that the steward may know of.

    Every method raises CrossReferenceUnavailable or AuditUnavailable when one of them fails; then nothing was decided.
    """

    def __init__(
        self,
        crossref: CrossReference,
        audit: Audit,
        trail: Path,
        sources: Mapping[str, SourceRef],
        *,
        restricted: bool = True,
    ) -> None:
        """`trail` is the audit trail's file. `restricted`: also about people and records that are restricted."""
        self._crossref = crossref
        self._audit = audit
        self._trail = trail
        self._sources = sources
        self._restricted = restricted

    async def work_list(self, actor: Actor, *, after: int = 0, limit: int = 100) -> WorkList:
        """What waits for a steward, the longest first. Recorded first: it says who is treated where."""
        await self._audit.record(identity_event(actor, None, "", "work-list-shown"))
        found, total = await self._crossref.waiting(
            tuple(self._sources), restricted=self._restricted, after=after, limit=limit
        )
        return WorkList(items=tuple(self._item(link, identifier) for link, identifier in found), total=total)

    async def known(self, identifier: Identifier, actor: Actor) -> str:
        """The person behind a number, an earlier one too. Nobody is made known by a decision: who would it be about?

        Whom the authority restricts is unknown to a steward who may not see what is restricted.
        """
        if not actor.user.strip():
            raise StewardNeeded("name the person who decides")
        person = await self._crossref.person_for(identifier, restricted=self._restricted)
        if person is None:
            raise UnknownPerson
        return person

    async def link(self, pair: Pair, actor: Actor, reason: str) -> LinkDecision:
        """Decide that the record is the person. Raises DecisionRefused, LinkConflict, StewardNeeded."""
        person, _ = await self._about(pair, actor, reason)
        await self._refuse_restricted(pair)
        for link in (await self._crossref.standing(pair.source, (pair.local_id,)))[pair.local_id]:
            # Before the trail says that it was linked. The table refuses as well, should somebody be quicker.
            if link.person != person and link.status in (Standing.LINKED, Standing.DOUBTED):
                raise LinkConflict("this record is linked to another person: unlink it there first")
        await self._audit.record(_event(pair, actor, "link"))
        kept, before = await self._crossref.link(pair.source, pair.local_id, person, by=actor.user, reason=reason)
        return self._decision(pair, kept, before)

    async def unlink(self, pair: Pair, actor: Actor, reason: str, *, block_anyway: bool = False) -> Unlinked:
        """Decide that it is not, and say who saw what the link showed. Raises DecisionRefused, StewardNeeded.

        A record that is not known as the person's is refused, unless it is to be blocked anyway. SeenUnknown: it is
        done, and the trail cannot be read.
        """
        person, of_source = await self._about(pair, actor, reason)
        if not block_anyway and all(link.local_id != pair.local_id for link in of_source):
            # On the command line the refusal names this person's records, so it is a disclosure as well.
            await self._audit.record(_event(pair, actor, "unlink-refused"))
            raise UnknownRecord(tuple(link.local_id for link in of_source if link.status is Standing.LINKED))
        await self._refuse_restricted(pair)
        numbers = [audited(each) for each in await self._crossref.identifiers(person)]
        await self._audit.record(_event(pair, actor, "unlink"))
        kept, before = await self._crossref.unlink(pair.source, pair.local_id, person, by=actor.user, reason=reason)
        try:
            seen = await asyncio.to_thread(seen_over, self._trail, numbers, pair.source, pair.local_id)
        except AuditUnavailable:
            message = "it is unlinked, and who saw what it showed cannot be read now: unlink it again to be told"
            raise SeenUnknown(message) from None
        return Unlinked(decision=self._decision(pair, kept, before), seen_by=seen)

    async def _about(self, pair: Pair, actor: Actor, reason: str) -> tuple[str, list[Link]]:
        """The person, and what stands about records of this source; once all that was given can be meant."""
        if pair.source not in self._sources:
            there = ", ".join(sorted(self._sources)) or "none"
            raise DecisionRefused(ErrorCode.ARGUMENT_INVALID, f"there is no such source; there are {there}")
        if "/" not in pair.local_id or "\0" in pair.local_id:
            message = "a local id is the resource type and the source's id, such as Patient/123"
            raise DecisionRefused(ErrorCode.ARGUMENT_INVALID, message)
        if not reason.strip():
            raise DecisionRefused(ErrorCode.ARGUMENT_INVALID, "say why: the reason is kept with the decision")
        person = await self.known(pair.identifier, actor)
        return person, [link for link in await self._crossref.links(person) if link.source == pair.source]

    async def _refuse_restricted(self, pair: Pair) -> None:
        """Whoever the record was thought to be when its source restricted it, and whatever was decided since."""
        if not self._restricted and await self._crossref.ever_restricted(pair.source, pair.local_id):
            message = "only a steward who may see what is restricted decides about this record"
            raise DecisionRefused(ErrorCode.ACCESS_DENIED, message)

    def _item(self, link: Link, identifier: Identifier) -> WorkItem:
        grade, codes = evidence_of(link)
        return WorkItem(
            identifier=identifier,
            source=self._sources[link.source],
            local_id=link.local_id,
            status=LinkStanding(link.status.value),
            grade=grade,
            evidence=codes,
            explanation=explained(codes),
            advice=advice(link),
            since=link.at,
            place=link.seq,
        )

    def _decision(self, pair: Pair, kept: Link, before: Standing | None) -> LinkDecision:
        return LinkDecision(
            identifier=pair.identifier,
            source=self._sources[pair.source],
            local_id=pair.local_id,
            before=LinkStanding(before.value) if before is not None else None,
            status=LinkStanding(kept.status.value),
            decided_by=kept.decided_by or "",
            reason=kept.reason,
            at=kept.at,
        )


def _event(pair: Pair, actor: Actor, what: str) -> AuditEvent:
    return identity_event(actor, audited(pair.identifier), pair.source, what, record=pair.local_id)
