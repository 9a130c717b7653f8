"""GraphQL types from the model's structs: each field is written once, in `schema.model`.

Every value struct becomes one type of the same name. Every fact type X becomes two faces: `X implements MergedFact`
(fields by display precedence) and `XFact implements SourceFact` (one source's own version). The objects behind them are
the model's own structs: `read_directly` says how a field of each is read.
"""

import ast
import inspect
import textwrap
import types
import typing
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from itertools import pairwise
from operator import attrgetter
from typing import Annotated, Any

import msgspec
import strawberry
from graphql import GraphQLObjectType, GraphQLSchema
from strawberry.types.field import StrawberryField

from schema.model.view import MergedFact

SCALARS: frozenset[type] = frozenset({str, int, bool, float, Decimal, datetime, date})
_OWN_OF_MERGED = frozenset({"id", "when", "conflicts", "related", "course"})
_OWN_OF_SOURCE = frozenset({"id", "provenance"})
_NEVER_DISPUTED = {"deceased": "deceased", "deceased_at": "deceased"}
"""Fields that have no headline while members disagree on them, and the name of the conflict: nobody is declared dead by
whoever wrote last."""

PLAIN = "sherwood-plain"
"""The extension of a field that is read from its object and from nothing else: the function that reads it."""

Fields = dict[str, tuple[Any, str]]
"""Python field name -> (strawberry annotation, description)."""


def read_directly(schema: GraphQLSchema) -> None:
    """Have plain fields read without Strawberry's layers between: a long answer has a hundred thousand of them."""
    for kind in schema.type_map.values():
        if isinstance(kind, GraphQLObjectType):
            faces = {interface.name for interface in kind.interfaces}
            reader = _of_merged if "MergedFact" in faces else _of_source if "SourceFact" in faces else attrgetter
            for field in kind.fields.values():
                stated = field.extensions.get("strawberry-definition")
                if isinstance(stated, StrawberryField) and stated.is_basic_field:
                    get = field.extensions[PLAIN] = reader(stated.python_name)
                    field.resolve = _without_info(get)


def _without_info(get: Callable[[Any], object]) -> Callable[..., object]:
    return lambda root, _: get(root)


def _of_source(name: str) -> Callable[[Any], object]:
    """What reads a field of a source fact: from what that source said."""
    return attrgetter(name if name in _OWN_OF_SOURCE else f"fact.{name}")


def _of_merged(name: str) -> Callable[[Any], object]:
    """What reads a field of a merged fact: of all its members, or by display precedence."""
    if name in _OF_MEMBERS:
        return _OF_MEMBERS[name]
    if name in _OWN_OF_MERGED:
        return attrgetter(name)
    disputed = _NEVER_DISPUTED.get(name)

    def first_stated(merged: MergedFact[Any]) -> object:
        """What the first member in display order that states it says; the next is asked only where it is silent."""
        if disputed is not None and any(conflict.field == disputed for conflict in merged.conflicts):
            return None
        stated = None
        for member in merged.members:
            stated = getattr(member.fact, name)
            if stated is not None and stated != ():
                return stated
        return stated

    return first_stated


_OF_MEMBERS: dict[str, Callable[[MergedFact[Any]], object]] = {
    "facts": attrgetter("members"),
    "provenance": lambda merged: [member.provenance for member in merged.members],
    "identifiers": lambda merged: tuple(dict.fromkeys(i for one in merged.members for i in one.fact.identifiers)),
}


def define(
    name: str,
    fields: Fields,
    description: str,
    *,
    bases: tuple[type, ...] = (),
    is_type_of: Callable[[Any, Any], bool] | None = None,
    interface: bool = False,
) -> Any:
    """One strawberry type or interface."""
    namespace: dict[str, Any] = {
        "__annotations__": {field: annotation for field, (annotation, _) in fields.items()},
        **{field: strawberry.field(description=text) for field, (_, text) in fields.items()},
    }
    if is_type_of is not None:
        namespace["is_type_of"] = staticmethod(is_type_of)
    make = strawberry.interface if interface else strawberry.type
    return make(type(name, bases, namespace), description=description)


@cache
def value_type(struct: type[msgspec.Struct]) -> Any:
    """The GraphQL type of a value struct."""
    return define(struct.__name__, struct_fields(struct), summary(struct))


@cache
def enum_type(kind: type[Enum]) -> Any:
    """The GraphQL enum of a model enum; each member's description is the line under it."""
    made = strawberry.enum(kind, description=summary(kind))
    lines = _lines_under(kind)
    for value in made.__strawberry_definition__.values:  # type: ignore[attr-defined]
        value.description = lines[value.name]
    return made


def _lines_under(kind: type[Enum]) -> dict[str, str]:
    """Member name -> the string literal that follows it in the class body. KeyError where a member has none."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    lines: dict[str, str] = {}
    for member, after in pairwise(body.body):  # type: ignore[attr-defined]
        if isinstance(member, ast.Assign) and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            lines[ast.unparse(member.targets[0])] = " ".join(str(after.value.value).split())
    return lines


def annotation_of(hint: Any) -> Any:
    """The strawberry annotation of a model annotation. Raises TypeError for what GraphQL cannot show."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return annotation_of(args[0])
    if origin in (typing.Union, types.UnionType):
        (inner,) = (arg for arg in args if arg is not type(None))
        return optional(annotation_of(inner))
    if origin is tuple:
        return listed(annotation_of(args[0]))
    if hint in SCALARS:
        return hint
    if isinstance(hint, type) and issubclass(hint, Enum):
        return enum_type(hint)
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return value_type(hint)
    raise TypeError(f"no GraphQL type for {hint!r}")


def listed(kind: Any) -> Any:
    """The annotation of a list of a derived type."""
    return types.GenericAlias(list, (kind,))


def optional(kind: Any) -> Any:
    """The annotation of a derived type that may be null; `|` does not know derived types."""
    return typing.Union[kind, None]  # noqa: UP007


def struct_fields(struct: type[msgspec.Struct], leave_out: frozenset[str] = frozenset()) -> Fields:
    """Every field of a struct with its annotation and description, inherited ones first, then described properties."""
    hints = typing.get_type_hints(struct, include_extras=True)
    names = [field.name for field in msgspec.structs.fields(struct)]
    for name, member in vars(struct).items():
        if isinstance(member, property) and member.fget is not None:
            returns = typing.get_type_hints(member.fget, include_extras=True)["return"]
            if typing.get_origin(returns) is Annotated:
                hints[name] = returns
                names.append(name)
    return {
        name: (annotation_of(hints[name]), _description(struct, name, hints[name]))
        for name in names
        if name not in leave_out
    }


def _description(struct: type, name: str, hint: Any) -> str:
    for meta in getattr(hint, "__metadata__", ()):
        if isinstance(meta, msgspec.Meta) and meta.description:
            return meta.description
    raise TypeError(f"{struct.__name__}.{name} has no description")


def summary(kind: type) -> str:
    """The first paragraph of the docstring, on one line."""
    return " ".join((kind.__doc__ or "").strip().split("\n\n")[0].split())
