"""JMESPath expressions, compiled when a mapping is loaded. Truth: jmespath.org/specification.html.

A mistake in one is a SettingsError at load, an unknown function included; on data, whatever an expression runs into is
`Unreadable`.
"""

from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.functions import Functions

from adapters.sdk.converters import Unreadable
from adapters.sdk.errors import SettingsError


class Expression:
    """A compiled expression, named by where in which file it is written."""

    def __init__(self, source: str, where: str) -> None:
        try:
            self._compiled = jmespath.compile(source)
        except JMESPathError:
            raise SettingsError(f"{where}: {source!r} is not JMESPath") from None
        unknown = sorted(_functions(self._compiled.parsed) - Functions.FUNCTION_TABLE.keys())
        if unknown:
            raise SettingsError(f"{where}: JMESPath has no function {unknown[0]}()")
        self._names = _plain(self._compiled.parsed)

    def search(self, value: Any) -> Any:
        """What the expression finds; None when nothing. Raises Unreadable when it cannot be applied."""
        if self._names is not None:
            # "item.code" and the like are nearly all there is, and the interpreter takes twenty times as long for them.
            for name in self._names:
                value = value.get(name) if isinstance(value, dict) else None
            return value
        try:
            return self._compiled.search(value)
        except (JMESPathError, TypeError, ValueError, ArithmeticError, AttributeError):
            raise Unreadable("cannot be looked up: the row is not of the shape that the mapping expects") from None


def truthy(value: Any) -> bool:
    """Truth as JMESPath has it: null, false and everything empty are false; the number 0 is true."""
    return not (value is None or value is False or (isinstance(value, str | list | dict) and not value))


def _plain(node: Any) -> tuple[str, ...] | None:
    """The names of an expression that is only names with dots between them."""
    if node["type"] == "field":
        return (node["value"],)
    if node["type"] != "subexpression":
        return None
    names = [_plain(child) for child in node["children"]]
    return tuple(part for name in names for part in name or ()) if all(names) else None


def _functions(node: Any) -> set[str]:
    found = {node["value"]} if node["type"] == "function_expression" else set()
    for child in node["children"]:
        if isinstance(child, dict):
            found |= _functions(child)
    return found
