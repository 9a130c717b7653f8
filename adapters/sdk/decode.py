"""JSON as clinical sources send it: digits kept, and a document that two parsers could read differently refused."""

import json
from decimal import Decimal
from typing import Any

from adapters.sdk.errors import SourceInvalid


def json_value(data: bytes) -> Any:
    """Decode JSON. Numbers with a fraction become Decimal with the digits as written.

    Raises SourceInvalid for anything else than one UTF-8 JSON document without duplicate keys, NaN or absurd depth.
    """
    try:
        return json.loads(
            data.decode("utf-8-sig"), parse_float=Decimal, parse_constant=_constant, object_pairs_hook=_object
        )
    except (ValueError, RecursionError):
        raise SourceInvalid("the answer is not well-formed JSON") from None


def _constant(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("duplicate key")
    return found
