"""What is asked, answered in sealed frames: the same whatever the transport.

A frame is sealed when the audit store has recorded, with its hash, that it is leaving. Without a record it does not.
"""

import hashlib
import time
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Any

import orjson
import structlog
from graphql import DocumentNode
from msgspec import Struct

from gateway.access import NotAuthenticated
from gateway.audit import AuditUnavailable
from gateway.config import ConfigError
from gateway.delivery import Delivery, Frame, in_the_form_of_2022
from gateway.documents import documents_of
from gateway.operation import Operations, invalid, lasts, refusal
from gateway.requesting import RequestGateway
from gateway.service import Service
from gateway.telemetry import log_fault
from gateway.updates import LEFT
from schema.gql.errors import ErrorCode, QueryError
from schema.gql.federation import build_subgraph
from schema.gql.request import Context
from schema.gql.root import build_schema

log = structlog.get_logger(__name__)


class Sealed(Struct, frozen=True):
    """A frame's bytes, recorded."""

    body: bytes
    more: bool
    """True when another part of this answer follows. Of a subscription nobody knows."""
    status: int
    """As HTTP says it."""
    refused: bool = False
    """Nothing was executed, or (of a subscription) nothing more will be: errors and no data."""


class Refused(Exception):
    """Nothing is executed; the frame says why."""

    def __init__(self, frame: Frame, *, well_formed: bool = True) -> None:
        super().__init__("refused")
        self.frame = frame
        self.well_formed = well_formed
        """False where what was sent is no GraphQL request at all."""


class Question(Struct, frozen=True):
    """A request as GraphQL over HTTP names its parameters."""

    values: dict[str, Any]
    variables: dict[str, Any]
    operation_name: str | None


def read_question(values: Any) -> Question:
    """The parameters of a request. Raises Refused, saying what is wrong with them."""
    if not isinstance(values, dict):
        raise _malformed('Send an object with the document as text: {"query": "..."}.')
    variables, operation = values.get("variables"), values.get("operationName")
    if not isinstance(variables, dict | None) or not isinstance(values.get("extensions"), dict | None):
        raise _malformed("`variables` and `extensions` are objects.")
    if not isinstance(operation, str | None):
        raise _malformed("`operationName` is text.")
    return Question(values, variables or {}, operation)


def _malformed(message: str) -> Refused:
    return Refused(refusal(ErrorCode.BAD_REQUEST, message), well_formed=False)


def fault(problem: Exception) -> Frame:
    """The frame for a fault of ours. The text of it may quote a payload: it stays here."""
    return refusal(ErrorCode.INTERNAL, f"A fault of ours, logged as {log_fault(log, problem)}.")


class Answering:
    """Runs the documents of one schema for the requests of one service."""

    def __init__(self, service: Service, expected: Iterable[str] = ()) -> None:
        """`expected` is made ready before it is asked. Raises ConfigError where a trusted document cannot be run."""
        self._service = service
        settings = service.config.graphql
        schema = build_subgraph(introspection=settings.introspection) if settings.federation else build_schema()
        self._operations = Operations(schema, introspection=settings.introspection)
        self._documents = documents_of(service.config)
        for name, text in self._documents.trusted.items():
            if isinstance(problem := self._operations.prepare(text, Delivery.WHOLE), list):
                raise ConfigError(f"[graphql] trusted_documents: document {name!r}: {problem[0].message}")
        for text in expected:
            self._operations.prepare(text, Delivery.PARTS)

    def prepare(self, question: Question, bound: RequestGateway, how: Delivery) -> DocumentNode:
        """The valid document. Raises Refused."""
        try:
            query = self._documents.text(question.values)
        except QueryError as problem:
            frame = {"errors": [problem.formatted]}
            raise Refused(frame, well_formed=problem.code is not ErrorCode.BAD_REQUEST) from None
        bound.operation = hashlib.sha256(query.encode("utf-8", "replace")).hexdigest()
        document = self._operations.prepare(query, how)
        if isinstance(document, list):
            raise Refused(invalid(document))
        return document

    async def frames(
        self, document: DocumentNode, question: Question, bound: RequestGateway, how: Delivery
    ) -> AsyncGenerator[Sealed, None]:
        """Execute; each frame once it is recorded. Closing it ends what is under way, a subscription too."""
        said = self._operations.run(document, question.variables, question.operation_name, Context(bound), how)
        if how is Delivery.PARTS_2022:
            said = in_the_form_of_2022(said)
        lasting = lasts(document, question.operation_name)
        ended = LEFT
        last: Frame = {}  # a failure after the first part must tell the client that no other follows
        try:
            async with aclosing(said) as frames:
                async for frame in frames:
                    body = orjson.dumps(frame, default=str)
                    await bound.record_disclosure(body)
                    last = {} if lasting else {"hasNext": False}
                    if refused := _is_refused(frame, lasting):
                        ended = frame["errors"][0]["extensions"]["code"]
                    yield Sealed(body, bool(frame.get("hasNext")), 200, refused)
        except AuditUnavailable:
            ended = ErrorCode.AUDIT_UNAVAILABLE.name
            message = "The audit store cannot record this disclosure: nothing is shown. Try again later."
            yield Sealed(orjson.dumps(refusal(ErrorCode.AUDIT_UNAVAILABLE, message) | last), False, 503, lasting)
        except NotAuthenticated as problem:
            ended = ErrorCode.NOT_AUTHENTICATED.name
            frame = refusal(ErrorCode.NOT_AUTHENTICATED, str(problem))
            yield Sealed(orjson.dumps(frame | last), False, 401, lasting)
        except Exception as problem:
            ended = ErrorCode.INTERNAL.name
            yield Sealed(orjson.dumps(fault(problem) | last), False, 500, lasting)
        finally:
            bound.close(ended)
            if not lasting:
                self._service.metrics.request_seconds.observe(time.monotonic() - bound.received)


def _is_refused(frame: Frame, lasting: bool) -> bool:
    """Errors and no data, and none of them happened at a field; of a subscription, wherever they happened."""
    errors = frame.get("errors", ())
    return bool(errors) and frame.get("data") is None and (lasting or not any("path" in error for error in errors))
