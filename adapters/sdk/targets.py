"""What a mapping says about one field, compiled against the field's type: leaf, struct, list, or list made from a list.

text          "item.description"                                       JMESPath; the converter follows from the type
leaf          { path = "dispensedDate", convert = "uk_date" }          or const; with map, default, required
struct        { text = "item.description", codings = [...] }           one rule for each of its fields
struct, short { path = "dmdCode", system = "https://dmd.nhs.uk" }      path and the like are for its chief field
list          [ rule, rule ]                                           elements that come out absent are left out
list of list  { each = "allergies", ... }                              one element for each item found
"""

import types
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, Protocol, Union, get_args, get_origin, get_type_hints
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from adapters.sdk.converters import BY_TYPE, CONVERTERS, Context, Converter, Unreadable
from adapters.sdk.converters import text as as_text
from adapters.sdk.errors import SettingsError
from adapters.sdk.expressions import Expression
from schema.model.values import (
    Address,
    Annotation,
    CodeableConcept,
    Coding,
    ContactPoint,
    HumanName,
    Identifier,
    Party,
    Period,
    Quantity,
)
from schema.model.when import When

CHIEF: dict[type, str] = {
    CodeableConcept: "text",
    Coding: "code",
    Quantity: "value",
    Identifier: "value",
    ContactPoint: "value",
    HumanName: "text",
    Address: "text",
    Annotation: "text",
    Party: "name",
    Period: "start",
}
"""The field that a struct's short form is about."""

_SCALARS: tuple[type, ...] = (*BY_TYPE, Enum)
_NOT_WITHOUT: dict[type, frozenset[str]] = {Quantity: frozenset({"value"})}
"""A unit alone is not an amount: besides what a struct itself requires."""

Scalar = str | bool | int | Decimal
"""A value written in the mapping itself; TOML is read with digits kept."""

_ANY_ZONE = ZoneInfo("UTC")


class Rule(BaseModel):
    """A leaf: where the value is, and how it is written."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    path: str | None = None
    const: Scalar | None = None
    convert: str | None = None
    map: dict[str, Scalar] | None = None
    """From the value as the vendor writes it; what is not listed is treated as `unmapped` says."""
    unmapped: Literal["unreadable", "keep", "drop"] = "unreadable"
    default: Scalar | None = None
    """For an absent value, never for an unreadable one."""
    required: bool = False
    """A row in which the value is absent or unreadable is a gap."""
    pivot: Annotated[int, Field(ge=0, le=99)] | None = None

    @model_validator(mode="after")
    def one_origin(self) -> "Rule":
        if (self.path is None) == (self.const is None):
            raise ValueError("write either path or const")
        if self.const is not None and self.model_fields_set - {"const", "convert", "pivot"}:
            raise ValueError("a const takes nothing beside it but convert")
        return self


_RULE_KEYS = frozenset(Rule.model_fields)


class Problem(Struct, frozen=True):
    """A value that could not be read: which field, why, and whether the row is nothing without it."""

    at: str
    why: str
    fatal: bool


class Reading:
    """One row being read: the context, and what went wrong so far."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.problems: list[Problem] = []


class Node(Protocol):
    """A compiled rule."""

    fixed: bool
    """True when it comes from the mapping alone, not from the data."""

    def read(self, value: Any, reading: Reading) -> Any: ...


def compile_target(rule: Any, target: Any, where: str, at: str, *, fatal: bool) -> Node:
    """Compile what a mapping says for a field of type `target`. Raises SettingsError, which begins with `where`."""
    target = _bare(target)
    if get_origin(target) is tuple:
        return _compile_list(rule, get_args(target)[0], where, at, fatal)
    if isinstance(target, type) and issubclass(target, Struct) and target is not When:
        return _compile_struct(rule, target, where, at, fatal)
    if not (isinstance(target, type) and issubclass(target, _SCALARS)):
        raise SettingsError(f"{where}: a mapping cannot make this field")
    return _Leaf(_rule(rule, where), target, where, at, fatal)


def field_types(struct: type[Struct]) -> dict[str, Any]:
    """The fields of a struct with their types, descriptions stripped."""
    hints = get_type_hints(struct)
    return {field.name: hints[field.name] for field in msgspec.structs.fields(struct)}


def _bare(target: Any) -> Any:
    if get_origin(target) in (Union, types.UnionType):
        (target,) = (each for each in get_args(target) if each is not types.NoneType)
    return target


def _rule(rule: Any, where: str) -> Rule:
    if isinstance(rule, str):
        return Rule(path=rule)
    if not isinstance(rule, Mapping):
        raise SettingsError(f"{where}: write a JMESPath, or a table with path or const")
    try:
        return Rule.model_validate(dict(rule))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = "".join(f".{part}" for part in first["loc"])
        raise SettingsError(f"{where}{key}: {first['msg']}") from None


def _compile_struct(rule: Any, struct: type[Struct], where: str, at: str, fatal: bool) -> Node:
    chief = CHIEF.get(struct)
    if isinstance(rule, str):
        rule = {"path": rule}
    if not isinstance(rule, Mapping):
        raise SettingsError(f"{where}: write a table with the fields of {struct.__name__}")
    own = {key: value for key, value in rule.items() if key not in _RULE_KEYS}
    short = {key: value for key, value in rule.items() if key in _RULE_KEYS}
    known = field_types(struct)
    if short:
        if chief is None:
            raise SettingsError(f"{where}: write the fields of {struct.__name__}: {', '.join(known)}")
        if chief in own:
            raise SettingsError(f"{where}.{chief}: it is already given by {sorted(short)[0]}")
        own[chief] = short
    nodes: dict[str, Node] = {}
    for name, below in own.items():
        if name not in known:
            raise SettingsError(f"{where}.{name}: {struct.__name__} has no such field; it has {', '.join(known)}")
        if name == "system" and isinstance(below, str):
            below = {"const": below}
        nodes[name] = compile_target(below, known[name], f"{where}.{name}", f"{at}.{name}", fatal=fatal)
    needed = _NOT_WITHOUT.get(struct, frozenset()) | {f.name for f in msgspec.structs.fields(struct) if f.required}
    if lacking := sorted(needed - nodes.keys()):
        raise SettingsError(f"{where}: {struct.__name__} needs {', '.join(lacking)}")
    return _Group(nodes, needed)


def _compile_list(rule: Any, element: Any, where: str, at: str, fatal: bool) -> Node:
    if isinstance(rule, Mapping) and "each" in rule:
        below = {key: value for key, value in rule.items() if key != "each"}
        if not isinstance(rule["each"], str):
            raise SettingsError(f"{where}.each: write a JMESPath that finds a list")
        found = Expression(rule["each"], f"{where}.each")
        return _Each(found, compile_target(below or "@", element, where, at, fatal=fatal), at, fatal)
    if not isinstance(rule, list):
        raise SettingsError(f"{where}: it is a list: write [ ... ], or a table with each")
    return _List([compile_target(below, element, f"{where}[{i}]", at, fatal=fatal) for i, below in enumerate(rule)])


class _Leaf:
    def __init__(self, rule: Rule, target: type, where: str, at: str, fatal: bool) -> None:
        self._target, self._at = target, at
        self._fatal, self._required = fatal or rule.required, rule.required
        self._pivot, self._unmapped = rule.pivot, rule.unmapped
        self._converter = _converter(rule, target, where)
        self._path = Expression(rule.path, f"{where}.path") if rule.path is not None else None
        self._map = rule.map
        self._const, self._default = rule.const, rule.default
        self.fixed = self._path is None
        self._prove(where)

    def read(self, value: Any, reading: Reading) -> Any:
        context = self._context(reading.context)
        try:
            if self._path is None:
                return self._converted(self._const, context)
            found = self._found(self._path.search(value), context)
            return self._converted(found, context) if found is not None else None
        except Unreadable as why:
            reading.problems.append(Problem(self._at, str(why), self._fatal))
            return None

    def _found(self, found: Any, context: Context) -> Any:
        """The value after `map`; `default` where there is none."""
        if found is None or (isinstance(found, str) and not found.strip()):
            if self._default is None and self._required:
                raise Unreadable("is missing")
            return self._default
        if self._map is None:
            return found
        key = str(found).lower() if isinstance(found, bool) else as_text(found, context)
        if key in self._map:
            return self._map[key]
        if self._unmapped == "unreadable":
            raise Unreadable("is a code that the mapping does not list")
        return found if self._unmapped == "keep" else None

    def _converted(self, value: Any, context: Context) -> Any:
        given = self._converter.convert(value, context)
        if not issubclass(self._target, Enum):
            return given
        try:
            return self._target(given)
        except ValueError:
            raise Unreadable("is not one of the values that exist") from None

    def _context(self, context: Context) -> Context:
        return context if self._pivot is None else Context(zone=context.zone, pivot=self._pivot)

    def _prove(self, where: str) -> None:
        """What the mapping itself supplies must be readable: found out now, not with the first patient."""
        supplied: dict[str, Any] = {"const": self._const, "default": self._default}
        supplied |= {f"map.{key}": value for key, value in (self._map or {}).items()}
        for key, value in supplied.items():
            if value is None:
                continue
            try:
                self._converted(value, Context(zone=_ANY_ZONE, pivot=self._pivot))
            except Unreadable as why:
                raise SettingsError(f"{where}.{key}: the value {why}") from None


class _Group:
    """A struct. Absent when the data gives none of it, or not what it is nothing without."""

    def __init__(self, nodes: Mapping[str, Node], needed: frozenset[str]) -> None:
        self._nodes, self._needed = nodes, needed
        self.fixed = all(node.fixed for node in nodes.values())

    def read(self, value: Any, reading: Reading) -> Any:
        built = {name: node.read(value, reading) for name, node in self._nodes.items()}
        if any(built[name] is None for name in self._needed):
            return None
        stated = any(built[name] is not None and not node.fixed for name, node in self._nodes.items())
        return {name: each for name, each in built.items() if each is not None} if stated or self.fixed else None


class _List:
    def __init__(self, nodes: list[Node]) -> None:
        self._nodes = nodes
        self.fixed = all(node.fixed for node in nodes)

    def read(self, value: Any, reading: Reading) -> Any:
        return [each for node in self._nodes if (each := node.read(value, reading)) is not None] or None


class _Each:
    fixed = False

    def __init__(self, path: Expression, node: Node, at: str, fatal: bool) -> None:
        self._path, self._node, self._at, self._fatal = path, node, at, fatal

    def read(self, value: Any, reading: Reading) -> Any:
        try:
            found = self._path.search(value)
        except Unreadable as why:
            reading.problems.append(Problem(self._at, str(why), self._fatal))
            return None
        if found is None:
            return None
        if not isinstance(found, list):
            reading.problems.append(Problem(self._at, "is not a list", self._fatal))
            return None
        return [each for item in found if (each := self._node.read(item, reading)) is not None] or None


def _converter(rule: Rule, target: type, where: str) -> Converter:
    wanted = str if issubclass(target, Enum) else target
    name = rule.convert or BY_TYPE[wanted]
    if name not in CONVERTERS:
        raise SettingsError(f"{where}.convert: there is no converter {name!r}; write one of {', '.join(CONVERTERS)}")
    if CONVERTERS[name].gives is not wanted:
        fitting = ", ".join(key for key, each in CONVERTERS.items() if each.gives is wanted)
        raise SettingsError(f"{where}.convert: {name} does not fit this field; write one of {fitting}")
    return CONVERTERS[name]
