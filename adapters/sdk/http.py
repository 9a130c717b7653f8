"""The HTTP client that adapters are given: one source's origin, authentication and limits built in."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from adapters.sdk.contract import Call


class HttpResponse(Struct, frozen=True, kw_only=True):
    """A complete answer."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    """Decoded of any content encoding, never longer than the source's cap."""

    @property
    def media_type(self) -> str:
        """The media type without parameters, in lower case; empty when the source named none."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


class HttpClient(Protocol):
    """GET and POST to one source.

    `path` is relative to the source's base URL, or an absolute URL of an allowed origin (a `next` link as given).
    Returns any 2xx, and any 4xx but 401, 403, 408, 425 and 429, for the adapter to judge. Redirects are not followed.
    Raises SourceTimeout (the call's deadline, on the whole exchange), SourceUnavailable (connection, 5xx),
    SourceThrottled (429, or 503 with Retry-After), SourceAuth (401 after one token refresh, 403), SourceInvalid (over
    the cap, a redirect, another origin, a broken encoding). With `forbidden_answers` a 403 is returned too, for
    protocols in which its body says what is withheld.
    """

    async def get(
        self,
        path: str,
        *,
        call: Call,
        params: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> HttpResponse: ...

    async def post(
        self,
        path: str,
        *,
        call: Call,
        body: bytes,
        media_type: str,
        headers: Mapping[str, str] | None = None,
        forbidden_answers: bool = False,
    ) -> HttpResponse: ...

    async def close(self) -> None: ...
