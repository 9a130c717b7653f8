"""The steward's part of one request: who may, what they may decide about, and that it is recorded before it happens."""

from typing import TYPE_CHECKING

from gateway.access import AccessDenied
from gateway.identity.ledger import LinkConflict, StewardNeeded
from gateway.refusals import readable, said_aloud, sentence
from gateway.stewardship import DecisionRefused, Pair, SeenUnknown, Stewardship, UnknownRecord
from schema.gql.errors import ErrorCode, QueryError
from schema.model.stewardship import LinkDecision, Unlinked, WorkList
from schema.model.values import Identifier

if TYPE_CHECKING:
    from gateway.requesting import RequestGateway


class RequestSteward:
    """Implements `schema.gql.ports.StewardPort` for one request."""

    def __init__(self, request: "RequestGateway") -> None:
        self._request = request
        self.shown: dict[Identifier, None] = {}
        """Whom the answer is about: each is told of in the trail when it leaves."""

    async def work_list(self, limit: int, after: int) -> WorkList:
        """As the port says."""
        with said_aloud():
            desk = await self._desk(None)
            found = await desk.work_list(self._request.actor, after=after, limit=limit)
        self.shown |= dict.fromkeys(item.identifier for item in found.items)
        return found

    async def link(self, identifier: Identifier, source: str, local_id: str, reason: str) -> LinkDecision:
        """As the port says."""
        with said_aloud():
            pair = Pair(identifier=readable(identifier), source=source, local_id=local_id)
            desk = await self._desk(pair.identifier)
            try:
                decision = await desk.link(pair, self._request.actor, reason)
            except (DecisionRefused, LinkConflict, StewardNeeded) as refused:
                raise await self._refused(pair, refused) from None
        self.shown[pair.identifier] = None
        return decision

    async def unlink(
        self, identifier: Identifier, source: str, local_id: str, reason: str, *, block_anyway: bool
    ) -> Unlinked:
        """As the port says."""
        with said_aloud():
            pair = Pair(identifier=readable(identifier), source=source, local_id=local_id)
            desk = await self._desk(pair.identifier)
            try:
                done = await desk.unlink(pair, self._request.actor, reason, block_anyway=block_anyway)
            except (DecisionRefused, LinkConflict, StewardNeeded) as refused:
                raise await self._refused(pair, refused) from None
            except SeenUnknown as unknown:
                raise QueryError(ErrorCode.AUDIT_UNAVAILABLE, sentence(unknown)) from None
        self.shown[pair.identifier] = None
        return done

    async def _desk(self, asked: Identifier | None) -> Stewardship:
        """What this caller may decide about. QueryError when they are no steward; recorded too."""
        request, service = self._request, self._request.service
        policy = await request.decide(asked)
        try:
            service.access.require_steward(request.actor)
        except AccessDenied as refused:
            await request.record_refusal(asked, refused.code)
            raise QueryError(ErrorCode.ACCESS_DENIED, sentence(refused)) from None
        visible = {name: source.ref for name, source in service.sources.items() if policy.may_ask(name)}
        return Stewardship(
            service.crossref, service.audit, service.config.audit_path, visible, restricted=policy.restricted
        )

    async def _refused(self, pair: Pair, refused: DecisionRefused | LinkConflict | StewardNeeded) -> QueryError:
        """The refusal as the caller is told it. It is recorded, unless the desk has done so."""
        code = ErrorCode.ACCESS_DENIED
        if isinstance(refused, DecisionRefused):
            code = refused.code
        elif isinstance(refused, LinkConflict):
            code = ErrorCode.LINK_CONFLICT
        if not isinstance(refused, UnknownRecord):
            await self._request.record_refusal(pair.identifier, code.name)
        return QueryError(code, sentence(refused))
