"""One GraphQL operation: parse and validate once per document, execute, and give frames of plain data.

A client that takes parts gets what is deferred in parts; for any other the directives are taken out, so that it gets
one complete answer (graphql-core would refuse).
"""

import hashlib
import re
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from functools import partial
from inspect import isawaitable
from typing import Any, cast

import strawberry
import structlog
from graphql import (
    DirectiveNode,
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    NoSchemaIntrospectionCustomRule,
    Visitor,
    get_operation_ast,
    parse,
    specified_rules,
    subscribe,
    validate,
    visit,
)
from graphql.execution import ExperimentalIncrementalExecutionResults, experimental_execute_incrementally
from graphql.execution.collect_fields import collect_subfields
from graphql.execution.incremental import IncrementalExecutor
from graphql.language import OperationType

from gateway.delivery import Delivery, Frame
from gateway.limits import TooMuch, check_limits
from gateway.plain import Read, Readers
from gateway.telemetry import log_fault
from schema.gql.errors import ErrorCode, QueryError
from schema.gql.request import Context

log = structlog.get_logger(__name__)

MAX_TOKENS = 10_000
"""Longest document, in lexical tokens: refused while parsing."""
KEPT_DOCUMENTS = 256
LONGEST_KEPT = 64 * 1024
"""Longer documents are prepared each time, so that what is kept stays small."""
_TAKEN_OUT = {
    Delivery.WHOLE: frozenset({"defer", "stream"}),
    # In the older format the parts of a list are numbered, which its clients need for nothing else.
    Delivery.PARTS_2022: frozenset({"stream"}),
}


class _Settle(Visitor):
    """Takes directives out of a document."""

    def __init__(self, names: frozenset[str]) -> None:
        super().__init__()
        self._names = names

    def enter_directive(self, node: DirectiveNode, *_: Any) -> Any:
        return self.REMOVE if node.name.value in self._names else None


class Executor(IncrementalExecutor):
    """graphql-core's own, but for what costs most in long answers."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        collect = partial(collect_subfields, self.schema, self.fragments, self.variable_values, self.operation)
        self._readers = Readers(self.schema, collect)  # with the next shared by the executors of deferred parts
        self._chosen: dict[tuple[Any, int], tuple[Any, Read | None]] = {}

    def get_new_delivery_group_map(self, new_defer_usages: Any, delivery_group_map: Any, path: Any) -> Any:
        """Not copied for every object in a deferred part: nothing is added to it there."""
        if delivery_group_map is not None and not new_defer_usages:
            return [], delivery_group_map
        return super().get_new_delivery_group_map(new_defer_usages, delivery_group_map, path)

    def collect_and_execute_subfields(
        self, return_type: Any, field_details_list: Any, path: Any, result: Any, position_context: Any
    ) -> Any:
        """In one go, where every field is plain."""
        key = (return_type, id(field_details_list))
        if (known := self._chosen.get(key)) is None:
            read = self._readers.of(return_type, field_details_list)
            known = self._chosen[key] = (field_details_list, read)  # the list kept, so that its id is not used again
        if (read := known[1]) is not None:
            with suppress(Exception):  # the long way finds it again, and says where
                return read(result)
        return super().collect_and_execute_subfields(return_type, field_details_list, path, result, position_context)


class _Prepared:
    """One document, as each way of delivery takes it."""

    def __init__(self, valid: DocumentNode | list[GraphQLError]) -> None:
        self._valid = valid
        self._settled: dict[Delivery, DocumentNode] = {}

    def taken(self, how: Delivery) -> DocumentNode | list[GraphQLError]:
        """The document without the directives that this way does not know, or what is wrong with it."""
        if how not in _TAKEN_OUT or isinstance(self._valid, list):
            return self._valid
        if how not in self._settled:
            self._settled[how] = visit(self._valid, _Settle(_TAKEN_OUT[how]))
        return self._settled[how]


class Operations:
    """Runs documents against one schema."""

    def __init__(self, schema: strawberry.Schema, *, introspection: bool = True) -> None:
        self._rules = specified_rules if introspection else (*specified_rules, NoSchemaIntrospectionCustomRule)
        self._suggests = introspection
        self._schema = schema._schema  # graphql-core's schema: Strawberry's own execute() logs query literals
        self._documents: OrderedDict[bytes, _Prepared] = OrderedDict()

    def prepare(self, query: str, how: Delivery) -> DocumentNode | list[GraphQLError]:
        """The valid document, or what is wrong with it. Bounded memory: the documents used last are kept."""
        if len(query) > LONGEST_KEPT:
            return _Prepared(self._valid(query)).taken(how)
        key = hashlib.sha256(query.encode("utf-8", "surrogatepass")).digest()
        if (known := self._documents.get(key)) is not None:
            self._documents.move_to_end(key)
            return known.taken(how)
        prepared = self._documents[key] = _Prepared(self._valid(query))
        if len(self._documents) > KEPT_DOCUMENTS:
            self._documents.popitem(last=False)
        return prepared.taken(how)

    def _valid(self, query: str) -> DocumentNode | list[GraphQLError]:
        try:
            document = parse(query, max_tokens=MAX_TOKENS, no_location=False)
        except GraphQLError as error:
            return [error]
        except RecursionError:
            return [GraphQLError("The document is nested too deeply.")]
        try:
            check_limits(document)
        except TooMuch as problem:
            return [GraphQLError(str(problem))]
        errors = validate(self._schema, document, self._rules, max_errors=20)
        if errors:
            return errors if self._suggests else [_suggesting_nothing(error) for error in errors]
        return document

    async def run(
        self,
        document: DocumentNode,
        variables: dict[str, Any],
        operation_name: str | None,
        context: Context,
        how: Delivery,
    ) -> AsyncGenerator[Frame, None]:
        """Execute and yield frames: one, or with deferred parts the first and then each as it comes.

        Of a subscription one for each event, and at the end perhaps one that says why it is the end.
        """
        operation = get_operation_ast(document, operation_name)
        if operation is None:
            yield refusal(
                ErrorCode.BAD_REQUEST, "Name the operation to run in `operationName`: the document has several."
            )
            return
        if operation.operation is OperationType.SUBSCRIPTION:
            if not how.lasts:
                where = (
                    "A subscription is answered as text/event-stream (in `Accept`, without JSON), or over a WebSocket."
                )
                yield refusal(ErrorCode.BAD_REQUEST, where)
                return
            async with aclosing(self._events(document, variables, operation_name, context)) as events:
                async for frame in events:
                    yield frame
            return
        result = experimental_execute_incrementally(
            self._schema,
            document,
            context_value=context,
            variable_values=variables,
            operation_name=operation_name,
            executor_class=Executor,
        )
        if isawaitable(result):
            result = await result
        if isinstance(result, ExperimentalIncrementalExecutionResults):
            yield _shown(result.initial_result)
            async for part in result.subsequent_results:
                yield _shown(part)
        else:
            yield _shown(result)

    async def _events(
        self, document: DocumentNode, variables: dict[str, Any], operation_name: str | None, context: Context
    ) -> AsyncGenerator[Frame, None]:
        events = subscribe(
            self._schema,
            document,
            context_value=context,
            variable_values=variables,
            operation_name=operation_name,
        )
        if isawaitable(events):
            events = await events
        if isinstance(events, ExecutionResult):
            yield _shown(events)
            return
        try:
            async with aclosing(cast("AsyncGenerator[ExecutionResult, None]", events)) as shown:
                async for event in shown:
                    yield _shown(event)
        except GraphQLError as problem:
            yield _shown(ExecutionResult(None, [problem]))


def lasts(document: DocumentNode, operation_name: str | None) -> bool:
    """Whether the operation that would run is a subscription."""
    operation = get_operation_ast(document, operation_name)
    return operation is not None and operation.operation is OperationType.SUBSCRIPTION


def changes_something(document: DocumentNode, operation_name: str | None) -> bool:
    """Whether the operation that would run is a mutation."""
    operation = get_operation_ast(document, operation_name)
    return operation is not None and operation.operation is OperationType.MUTATION


def refusal(code: ErrorCode, message: str) -> Frame:
    """A frame that holds one error and no data."""
    return {"data": None, "errors": [QueryError(code, message).formatted]}


def invalid(errors: list[GraphQLError]) -> Frame:
    """A frame for a document that does not fit the schema."""
    code = _codes(ErrorCode.GRAPHQL_INVALID)
    return {
        "errors": [_quoting_nothing(e.formatted) | {"extensions": {**code, **(e.extensions or {})}} for e in errors]
    }


def _shown(result: Any) -> Frame:
    """The frame with a documented code on every error."""
    frame: Frame = dict(result.formatted)
    holders = (frame, *frame.get("incremental", ()), *frame.get("completed", ()))
    parts = (result, *(getattr(result, "incremental", None) or ()), *(getattr(result, "completed", None) or ()))
    for holder, part in zip(holders, parts, strict=True):
        if holder.get("errors"):
            holder["errors"] = [
                _typed(dict(error), problem) for error, problem in zip(holder["errors"], part.errors, strict=True)
            ]
    return frame


def _typed(error: Frame, problem: GraphQLError) -> Frame:
    """An error of ours as it is; what went wrong while executing is our fault and hidden; else the request's."""
    if error.get("extensions", {}).get("code") in ErrorCode.__members__:
        return error
    if "path" in error:
        # Not under its path: names in it are the caller's aliases, which may hold a number.
        reference = log_fault(log, problem.original_error or problem)
        internal = QueryError(ErrorCode.INTERNAL, f"A fault of ours, logged as {reference}.").formatted
        return {**internal, "path": error["path"]}
    return {**_quoting_nothing(error), "extensions": _codes(ErrorCode.GRAPHQL_INVALID)}


_VALUE = re.compile(r"(?s)(cannot represent [^:\"']*): .*|, found: .*")
_TOKEN = re.compile(r"(?s)\b(Int|Float|String|BlockString) (['\"]).*\2")


def _quoting_nothing(error: Any) -> Frame:
    """The error without the value that was written: it may be somebody's number, and error texts end up in logs."""
    return {**error, "message": _TOKEN.sub(r"\1", _VALUE.sub(r"\1", error["message"]))}


_SUGGESTION = re.compile(r" Did you mean .*\?$")


def _suggesting_nothing(error: GraphQLError) -> GraphQLError:
    return GraphQLError(_SUGGESTION.sub("", error.message), error.nodes, extensions=error.extensions)


def _codes(code: ErrorCode) -> Frame:
    return {"code": code.name, "issueType": code.issue_type}
