"""Objects of nothing but plain fields, read in one go: a long answer is a hundred thousand of them.

graphql-core asks of every field which arguments it has, what its resolver is told, whether a coroutine came back, and
where in the answer it stands. A plain field (`schema.gql.derive.read_directly`) has none of it. Where all fields
of an object are plain, down to the leaves, its selection is made into one function from the object to its dictionary.

Nothing is decided here that GraphQL decides elsewhere: what a selection comes to is graphql-core's own
(`collect_subfields`, with @skip, @include and fragments), and an object on which anything goes wrong is read again the
long way, which finds the same fault, says where it is, and nulls what must be null (GraphQL, section 6.4.4).
"""

from collections.abc import Callable
from enum import Enum
from typing import Any

from graphql import (
    FieldNode,
    GraphQLEnumType,
    GraphQLID,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLStreamDirective,
    GraphQLString,
    TypeNameMetaFieldDef,
    Undefined,
)
from graphql.execution.collect_fields import CollectedFields, FieldDetails

from schema.gql.derive import PLAIN

Read = Callable[[Any], Any]
Collect = Callable[[GraphQLObjectType, list[FieldDetails]], CollectedFields]


class NotPlain(Exception):
    """The value is none that a plain field has: the long way says what is wrong with it."""


class Readers:
    """The functions for the selections of one operation, each made once, however often its fragment is spread."""

    def __init__(self, schema: GraphQLSchema, collect: Collect) -> None:
        self._schema = schema
        self._collect = collect
        self._known: dict[tuple[Any, ...], Read | None] = {}

    def of(self, kind: GraphQLObjectType, details: list[FieldDetails]) -> Read | None:
        """The function that reads an object of this type as these fields select from it; None where one is not plain.

        The function raises whatever goes wrong, and changes nothing.
        """
        if any(detail.defer_usage is not details[0].defer_usage for detail in details):
            return None  # in two parts of the answer at once
        key = (kind, *(id(detail.node) for detail in details))  # the document, which the caller keeps, keeps the nodes
        if key not in self._known:
            self._known[key] = self._read(kind, details)
        return self._known[key]

    def _read(self, kind: GraphQLObjectType, details: list[FieldDetails]) -> Read | None:
        selected = self._collect(kind, details)
        if selected.new_defer_usages:
            return None
        fields: list[tuple[str, Read, Read]] = []
        for name, of_field in selected.grouped_field_set.items():
            field = self._schema.get_field(kind, of_field[0].node.name.value)
            if field is None or any(_is_streamed(detail.node) for detail in of_field):
                return None
            get: Read | None = field.extensions.get(PLAIN)
            if field is TypeNameMetaFieldDef:
                get = _always(kind.name)
            if get is None or (complete := self._completed(field.type, of_field)) is None:
                return None
            fields.append((name, get, complete))
        return lambda source: {name: complete(get(source)) for name, get, complete in fields}

    def _completed(self, kind: Any, details: list[FieldDetails]) -> Read | None:
        """CompleteValue (GraphQL, section 6.4.3) of what is neither a fault nor null where null may not be."""
        if isinstance(kind, GraphQLNonNull):
            return self._never_null(kind.of_type, details)
        inner = self._never_null(kind, details)
        return _text_or_null if inner is _text else inner and (lambda value: None if value is None else inner(value))

    def _never_null(self, kind: Any, details: list[FieldDetails]) -> Read | None:
        """The same, where null is a fault."""
        if kind is GraphQLString or kind is GraphQLID:
            return _text
        if isinstance(kind, GraphQLEnumType):
            return _named(kind)
        if isinstance(kind, GraphQLScalarType):
            return _leaf(kind.coerce_output_value)
        if isinstance(kind, GraphQLList):
            item = self._completed(kind.of_type, details)
            return item and _listed(item)
        if isinstance(kind, GraphQLObjectType):
            read = self.of(kind, details)
            return read and _checked(read, kind.is_type_of or _is_there)
        return None  # an interface: which type it is depends on the value


def _is_streamed(node: FieldNode) -> bool:
    directives = node.directives or ()
    return len(directives) > 0 and any(one.name.value == GraphQLStreamDirective.name for one in directives)


def _text(value: Any) -> str:
    if type(value) is not str:
        raise NotPlain
    return value


def _text_or_null(value: Any) -> str | None:
    if value is not None and type(value) is not str:
        raise NotPlain
    return value


def _always(value: str) -> Read:
    return lambda _: value


def _named(kind: GraphQLEnumType) -> Read:
    """Strawberry looks through an enum for each value of it; once for each of its members is enough."""
    read_value = _leaf(kind.coerce_output_value)
    names: dict[Enum, Any] = {}

    def read(value: Any) -> Any:
        if not isinstance(value, Enum):
            return read_value(value)
        if value not in names:
            names[value] = read_value(value)
        return names[value]

    return read


def _leaf(coerce: Read) -> Read:
    def read(value: Any) -> Any:
        if value is None or isinstance(value, Exception):  # a scalar may take any object for a text
            raise NotPlain
        shown = coerce(value)
        if shown is None or shown is Undefined:
            raise NotPlain
        return shown

    return read


def _listed(item: Read) -> Read:
    def read(values: Any) -> list[Any]:
        if not isinstance(values, tuple | list):
            raise NotPlain
        return [item(value) for value in values]

    return read


def _is_there(value: Any, _: None) -> bool:
    return value is not None and not isinstance(value, Exception)


def _checked(read: Read, is_type_of: Callable[[Any, Any], Any]) -> Read:
    def checked(value: Any) -> Any:
        if is_type_of(value, None) is not True:
            raise NotPlain
        return read(value)

    return checked
