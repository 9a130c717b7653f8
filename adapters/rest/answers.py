"""One question to a vendor and what its answer amounts to: content, an explicit "none", or an error.

HTTP 200 is not success here: the body must be JSON and must not be one of the vendor's errors in disguise.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from adapters.rest.mapping_file import Vendor
from adapters.sdk import (
    Call,
    SourceAuth,
    SourceError,
    SourceInvalid,
    SourceRequest,
    SourceThrottled,
    SourceUnavailable,
)
from adapters.sdk.converters import Unreadable
from adapters.sdk.decode import json_value
from adapters.sdk.expressions import Expression, truthy
from adapters.sdk.http import HttpClient

_LARGE = 256 * 1024
"""Bytes from which decoding takes milliseconds and is done beside the event loop."""


class Answer(Struct, frozen=True, kw_only=True):
    """What came back."""

    body: bytes
    headers: Mapping[str, str]
    document: Any
    absent: bool = False
    """True when the vendor said, in a way that the mapping lists, that there is nothing; `document` is null then."""


class Asker:
    """Puts questions to one vendor, so many at a time."""

    def __init__(self, vendor: Vendor, http: HttpClient, max_parallel: int) -> None:
        self._vendor = vendor
        self._http = http
        self._slots = asyncio.Semaphore(max_parallel)

    async def get(
        self,
        path: str,
        params: Sequence[tuple[str, str]],
        call: Call,
        absent_statuses: frozenset[int] = frozenset(),
        absent_codes: frozenset[str] = frozenset(),
    ) -> Answer:
        """Raises a SourceError for everything that is neither content nor one of the listed ways to say "none"."""
        async with self._slots:
            response = await self._http.get(path, call=call, params=params, headers=self._vendor.source.headers)
        if response.status in absent_statuses:
            return Answer(body=response.body, headers=response.headers, document=None, absent=True)
        refused = response.status >= 400
        try:
            document = await decoded(response.body)
        except SourceInvalid:
            if not refused:
                raise
            document = None
        code = self._error_code(document)
        if code is not None:
            if code in absent_codes:
                return Answer(body=response.body, headers=response.headers, document=None, absent=True)
            raise self._error(code)
        if refused:
            raise SourceRequest(f"the source refused the question (HTTP {response.status})")
        return Answer(body=response.body, headers=response.headers, document=document)

    def _error_code(self, document: Any) -> str | None:
        if self._vendor.error_code is None:
            return None
        try:
            code = self._vendor.error_code.search(document)
        except Unreadable:
            raise SourceInvalid("the answer is not of the shape in which this source says errors") from None
        return str(code) if truthy(code) else None

    def _error(self, code: str) -> SourceError:
        """The vendor's code is not repeated: it may be anything."""
        errors = self._vendor.errors
        kind = errors.codes.get(code, errors.otherwise) if errors is not None else "invalid"
        match kind:
            case "auth":
                return SourceAuth("the source answered, in a success, that our session or right is not accepted")
            case "throttled":
                return SourceThrottled("the source answered, in a success, that it must be asked less")
            case "unavailable":
                return SourceUnavailable("the source answered, in a success, that it cannot serve now")
            case "not_found":
                return SourceRequest("the source answered that there is no such thing to ask for")
            case _:
                return SourceInvalid("the source answered with an error instead of content")


async def decoded(body: bytes) -> Any:
    """The JSON of a body; large ones beside the event loop. Raises SourceInvalid."""
    return await asyncio.to_thread(json_value, body) if len(body) > _LARGE else json_value(body)


def listed(expression: Expression, document: Any) -> list[Any]:
    """The list at the mapping's `items`. Raises SourceInvalid when there is none: that is not an empty list."""
    try:
        found = expression.search(document)
    except Unreadable:
        found = None
    if not isinstance(found, list):
        raise SourceInvalid("the answer has no list where the mapping says that its items are")
    return found
