"""deploy/gateway.example.toml as its reader takes it: which settings it shows, where, and what it says of each.

A line that begins with "#" and a blank explains; one that begins with "#" and anything else is a setting switched off.
"""

import re
import tomllib
from collections.abc import Iterator
from functools import cache
from inspect import get_annotations
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from msgspec import Struct
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from adapters.sdk.auth import Auth
from adapters.sdk.registry import installed
from adapters.sdk.registry import load as load_kind
from gateway.config import Config

EXAMPLE = Path(__file__).resolve().parents[2] / "deploy" / "gateway.example.toml"

_HEADER = re.compile(r"(\[\[?)([\w.]+)\]\]?$")
_SETTING = re.compile(r"(\w+) = ")


def switched_on(text: str) -> str:
    """The same with every setting that is commented out written; lines keep their numbers."""
    return re.sub(r"^#(?=[^\s#])", "", text, flags=re.MULTILINE)


class Shown(Struct, frozen=True, kw_only=True):
    """A setting, or the table that is one, as the file shows it."""

    line: int
    table: tuple[str, ...]
    source: int
    """Which of the [[sources]] it belongs to; -1 before the first."""
    key: str
    explanation: str


def shown(text: str) -> Iterator[Shown]:
    """Every setting in the file, switched off or not."""
    table: tuple[str, ...] = ()
    source, said = -1, list[str]()
    for number, line in enumerate(text.splitlines(), start=1):
        if re.match(r"#(\s|$)", line):
            said.append(line[1:].strip())
            continue
        written, explanation = switched_on(line), " ".join(said)
        if header := _HEADER.match(written):
            table = tuple(header[2].split("."))
            source += table == ("sources",)
            yield Shown(line=number, table=table[:-1], source=source, key=table[-1], explanation=explanation)
        elif setting := _SETTING.match(written):
            yield Shown(line=number, table=table, source=source, key=setting[1], explanation=explanation)
        elif written:
            raise AssertionError(f"line {number} is neither a header, a setting nor an explanation")
        said = []


def model_of(setting: Shown, data: dict[str, Any]) -> type[BaseModel]:
    """The model of the table in which a setting stands; `data` is the file with everything switched on."""
    model: type[BaseModel] = Config
    for depth, part in enumerate(setting.table):
        if setting.table[:1] == ("sources",) and depth == 1:
            one = data["sources"][setting.source]
            model = ways_of_proof()[one["auth"]["type"]] if part == "auth" else load_kind(one["adapter"]).settings_model
        else:
            model = _table_in(fields(model)[part].annotation) or model
    return model


def fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Fields by the key that is written."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def home(model: type[BaseModel], key: str) -> tuple[type[BaseModel], str]:
    """The class that declares it: what kinds have in common is explained once."""
    name = next(name for name, field in model.model_fields.items() if key == (field.alias or name))
    return next(kind for kind in model.__mro__ if name in get_annotations(kind)), key


@cache
def ways_of_proof() -> dict[str, type[BaseModel]]:
    """The forms of authentication by their `type`."""
    return {get_args(kind.model_fields["type"].annotation)[0]: kind for kind in get_args(get_args(Auth)[0])}


def models(root: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """A model and those of all tables below it."""
    yield root
    for field in root.model_fields.values():
        if (below := _table_in(field.annotation)) is not None:
            yield from models(below)


def every_setting() -> set[tuple[type[BaseModel], str]]:
    """Whatever may be written: of the gateway, of each form of authentication, of each of our kinds."""
    kinds = [load_kind(name).settings_model for name, entry in installed().items() if _ours(entry.dist)]
    roots: list[type[BaseModel]] = [Config, *ways_of_proof().values(), *kinds]
    return {home(model, key) for root in roots for model in models(root) for key in fields(model)}


def is_a_table(field: FieldInfo) -> bool:
    """Whether it is written as a table, with settings of its own."""
    return _table_in(field.annotation) is not None or field.discriminator is not None


def is_a_tag(field: FieldInfo) -> bool:
    """Whether only one word can stand there."""
    return get_origin(field.annotation) is Literal and len(get_args(field.annotation)) == 1


def read(text: str) -> dict[str, Any]:
    """The whole file, everything switched on."""
    return tomllib.loads(switched_on(text))


def _table_in(annotation: Any) -> type[BaseModel] | None:
    """The one model in a type such as `Table`, `Table | None` or `tuple[Table, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = {below for one in get_args(annotation) if (below := _table_in(one)) is not None}
    return found.pop() if len(found) == 1 else None


def _ours(distribution: Any) -> bool:
    return distribution is not None and distribution.name == "sherwood-gateway"
