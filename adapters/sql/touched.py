"""Which columns a mapping reads, found by letting it read a row that remembers what it was asked for.

JMESPath on a row finds nothing where there is no such column, and says nothing: with JSON that is right, for keys come
and go. A query's columns do not: one that is missing is a misspelt name, and facts would be lost in silence.
"""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any
from zoneinfo import ZoneInfo

from adapters.sdk.converters import Unreadable
from adapters.sdk.expressions import Expression
from adapters.sdk.mapping import Row, RowMapping, RowSpec

_ZONE = ZoneInfo("UTC")


class _Witness(dict[str, Any]):
    """A row that has every column: one value in those of `full`, or in all of them, and null in the others."""

    def __init__(self, full: frozenset[str] | None) -> None:
        super().__init__()
        self.asked: set[str] = set()
        self._full = full

    def get(self, key: str, default: Any = None) -> Any:
        self.asked.add(key)
        return "1" if self._full is None or key in self._full else None


def touched_columns(spec: RowSpec, mapping: RowMapping, further: Iterable[str]) -> frozenset[str]:
    """The columns that are read, as far as two rows show: one with a value everywhere, one with ids only.

    A column that only a certain value of another leads to may be missed, and is never wrongly named.
    """
    found: set[str] = set()
    own = [spec.native_id, *([spec.subject] if spec.subject is not None else [])]
    ids = frozenset().union(*(_searched(expression) for expression in own))
    for expression in [*further, *([spec.where] if spec.where is not None else [])]:
        found |= _searched(expression)
    for full in (None, ids):
        witness = _Witness(full)
        mapping.read(Row("", witness), _ZONE)
        found |= witness.asked
    return frozenset(found) | ids


def _searched(expression: str) -> frozenset[str]:
    found: set[str] = set()
    for full in (None, frozenset[str]()):
        witness = _Witness(full)
        with suppress(Unreadable):
            Expression(expression, "").search(witness)
        found |= witness.asked
    return frozenset(found)
