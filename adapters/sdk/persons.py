"""A person in a source's answer, as a mapping file describes them: which local id is theirs, and which number."""

from collections.abc import Iterable
from typing import Any

from adapters.sdk.converters import Context, Unreadable
from adapters.sdk.converters import text as as_text
from adapters.sdk.expressions import Expression


def local_id_of(person: Any, local_id: Expression, context: Context) -> str:
    """The person's local id in the source; "" when there is none that can be read."""
    return _stated(person, local_id, context)


def carries(person: Any, number: Expression | None, asked: Iterable[str], context: Context) -> bool:
    """Whether the person's own number is one of those asked for, spaces and hyphens aside.

    True where the mapping does not say where the number stands: then the gateway alone finds out.
    """
    return number is None or compact(_stated(person, number, context)) in {*map(compact, asked)} - {""}


def compact(number: str) -> str:
    """The number without spaces and hyphens."""
    return number.replace(" ", "").replace("-", "")


def _stated(person: Any, where: Expression, context: Context) -> str:
    try:
        return as_text(where.search(person), context)
    except Unreadable:
        return ""
