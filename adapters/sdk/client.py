"""The HTTP client behind `adapters.sdk.http.HttpClient`: one source's origin, authentication and limits, over aiohttp.

What a source may do to us is bounded here, once for every adapter: one deadline over the whole exchange, a cap on
decoded bytes, no redirect, no other origin, no cookie, no weaker TLS, one retry from a small budget. What it says of
itself stays here: no URL, header, body or foreign exception text leaves this module.
HTTP: RFC 9110 (status codes, Retry-After in 10.2.3, content codings in 8.4.1) and RFC 9112; gzip: RFC 1952.

aiohttp is imported when the first client is opened: who has no HTTP source does not pay for it.
"""

import asyncio
import logging
import ssl
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from adapters.sdk.auth import Auth, authenticator
from adapters.sdk.contract import Call, HttpSettings
from adapters.sdk.errors import (
    SettingsError,
    SourceAuth,
    SourceError,
    SourceInvalid,
    SourceRequest,
    SourceThrottled,
    SourceTimeout,
    SourceUnavailable,
)
from adapters.sdk.http import HttpClient, HttpResponse
from adapters.sdk.tls import tls_context

if TYPE_CHECKING:
    import aiohttp
    from yarl import URL

_PIECE = 64 * 1024
"""Bytes decoded before other tasks get their turn."""
_MAX_MEMBERS = 1000
"""Members of one gzip body: empty ones cost time and count as no bytes."""
_TOKEN_BYTES = 256 * 1024
_RETRY_AFTER_CAP_S = 300.0


def open_client(
    settings: HttpSettings, auth: Auth | None, *, name: str, timeout_s: float, max_concurrency: int
) -> HttpClient:
    """The client for one source. `name` is what its errors call the source; nothing is asked of it yet.

    Raises SettingsError when a URL, a certificate or a secret is not usable.
    """
    import aiohttp  # noqa: F401  (here, so that the first request does not wait for it)

    for logger in ("aiohttp.client", "aiohttp.internal"):
        # They write URLs and raw cookies.
        logging.getLogger(logger).setLevel(logging.CRITICAL + 1)
    return _Client(settings, auth, name, timeout_s, max_concurrency)


class _Refused(SourceAuth):
    """401: other credentials may help."""


class _BrokenOff(SourceUnavailable):
    """The connection broke after it stood: the same question may be put again."""


Judge = Callable[[str, int, Mapping[str, str]], None]
"""Raises a SourceError when a status means that the body is of no use: called before the body is read."""


class _Client:
    def __init__(
        self, settings: HttpSettings, auth: Auth | None, name: str, timeout_s: float, max_concurrency: int
    ) -> None:
        self._name = name
        self._timeout_s = timeout_s
        self._cap = settings.max_bytes
        self._origins = _Origins(settings, name)
        self._proxy = _proxy(settings.proxy)
        self._tls = tls_context(settings, auth)
        self._api = _Lane(self._tls, self._proxy, max_concurrency)
        # A lane of its own: callers stuck at a slow source do not keep the token from being renewed.
        self._tokens = _Lane(self._tls, self._proxy, 1)
        self._auth = authenticator(auth, self._post_form, name)
        self._retries = _RetryBudget()

    async def get(
        self,
        path: str,
        *,
        call: Call,
        params: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> HttpResponse:
        return await self._bounded("GET", self._origins.resolve(path, params), call, headers, None, _judge)

    async def post(
        self,
        path: str,
        *,
        call: Call,
        body: bytes,
        media_type: str,
        headers: Mapping[str, str] | None = None,
        forbidden_answers: bool = False,
    ) -> HttpResponse:
        headers = {**(headers or {}), "Content-Type": media_type}
        judge = _judge_but_forbidden if forbidden_answers else _judge
        return await self._bounded("POST", self._origins.resolve(path, ()), call, headers, body, judge)

    async def close(self) -> None:
        await self._auth.close()
        await self._api.close()
        await self._tokens.close()

    async def _bounded(
        self,
        method: str,
        url: "URL",
        call: Call,
        headers: Mapping[str, str] | None,
        body: bytes | None,
        judge: Judge,
    ) -> HttpResponse:
        left_s = min(call.remaining_s(), self._timeout_s)
        if left_s <= 0:
            raise SourceTimeout(f"{self._name}: the time was up before it was asked")
        try:
            async with asyncio.timeout(left_s):
                return await self._authenticated(method, url, headers or {}, body, judge)
        except TimeoutError:
            raise SourceTimeout(f"{self._name} did not answer completely in time") from None

    async def _authenticated(
        self, method: str, url: "URL", headers: Mapping[str, str], body: bytes | None, judge: Judge
    ) -> HttpResponse:
        proof = await self._auth.headers()
        try:
            return await self._retried(method, url, headers, proof, body, judge)
        except _Refused:
            if not await self._auth.renew(proof):
                raise SourceAuth(f"{self._name} refused our credentials") from None
        try:
            return await self._retried(method, url, headers, await self._auth.headers(), body, judge)
        except _Refused:
            raise SourceAuth(f"{self._name} refused our renewed credentials") from None

    async def _retried(
        self,
        method: str,
        url: "URL",
        headers: Mapping[str, str],
        proof: Mapping[str, str],
        body: bytes | None,
        judge: Judge,
    ) -> HttpResponse:
        self._retries.earn()
        for last in (method != "GET", True):
            try:
                return await self._api.exchange(
                    self._name, method, url, headers, proof, body=body, cap=self._cap, judge=judge
                )
            except _BrokenOff as error:
                if last or not self._retries.spend():
                    raise SourceUnavailable(str(error)) from None
        raise AssertionError

    async def _post_form(self, url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> HttpResponse:
        """Ask the token endpoint. On a clock of its own, because the token is for every caller."""
        from yarl import URL

        who = f"{self._name}: the token endpoint"
        headers = {**headers, "Content-Type": "application/x-www-form-urlencoded"}
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._tokens.exchange(
                    who,
                    "POST",
                    URL(url, encoded=True),
                    headers,
                    {},
                    body=urlencode(form).encode(),
                    cap=_TOKEN_BYTES,
                    judge=_judge_token_endpoint,
                )
        except TimeoutError:
            raise SourceTimeout(f"{who} did not answer completely in time") from None
        except _BrokenOff as error:
            raise SourceUnavailable(str(error)) from None


class _RetryBudget:
    """At most one retry in ten requests, so that a source in trouble is not asked twice as much.

    A few are saved up while all is well, for the connection that breaks now and then.
    """

    def __init__(self) -> None:
        self._saved = 1.0

    def earn(self) -> None:
        self._saved = min(self._saved + 0.1, 3.0)

    def spend(self) -> bool:
        if self._saved < 1:
            return False
        self._saved -= 1
        return True


class _Origins:
    """Where this source's questions may go: its base URL, and links to the origins that were configured."""

    def __init__(self, settings: HttpSettings, name: str) -> None:
        self._name = name
        self._base = _absolute(settings.base_url, "base_url")
        if self._base.query_string or self._base.fragment:
            raise SettingsError("base_url: write it without query and fragment")
        further = [_absolute(text, "allowed_origins") for text in settings.allowed_origins]
        if self._base.scheme == "https" and any(url.scheme != "https" for url in further):
            raise SettingsError("allowed_origins: an https source may only be continued over https")
        self._allowed = {url.origin() for url in (self._base, *further)}

    def resolve(self, path: str, params: Sequence[tuple[str, str]]) -> "URL":
        """The URL to ask. Raises SourceInvalid when it is another's, or leaves the base URL."""
        url = self._link(path) if path.startswith("//") or "://" in path.partition("?")[0] else self._below_base(path)
        return url.extend_query(list(params)) if params else url

    def _link(self, text: str) -> "URL":
        from yarl import URL

        try:
            # As given: a server may compare the link it handed out byte by byte.
            url = URL(text, encoded=all("!" <= letter <= "~" for letter in text))
            known = url.absolute and url.user is None and url.password is None and url.origin() in self._allowed
        except (ValueError, TypeError):
            known = False
        if not known:
            raise SourceInvalid(f"{self._name}: a link leads to an origin that is not configured for it")
        return url.with_fragment(None)

    def _below_base(self, path: str) -> "URL":
        from yarl import URL

        base = str(self._base)
        glue = "" if path.startswith("?") or not path else "/"
        try:
            url = URL(base.rstrip("/") + glue + path.lstrip("/") if path else base)
        except ValueError:
            raise SourceRequest(f"{self._name}: the question does not make a URL") from None
        inside = self._base.path.rstrip("/") + "/"
        if url.origin() != self._base.origin() or not (url.path.rstrip("/") + "/").startswith(inside):
            raise SourceRequest(f"{self._name}: the question leads out of the source's base URL")
        return url.with_fragment(None)


def _absolute(text: str, field: str) -> "URL":
    from yarl import URL

    try:
        url = URL(text)
        usable = url.scheme in ("http", "https") and bool(url.host) and url.user is None and url.password is None
        url.port  # noqa: B018  (an absurd one raises here)
    except (ValueError, TypeError):
        usable = False
    if not usable:
        raise SettingsError(f"{field}: write an absolute http or https URL without user name and password")
    return url


def _proxy(text: str | None) -> "URL | None":
    return None if text is None else _absolute(text, "proxy")


class _Lane:
    """A pool of connections: as many at once as its limit, each given back or cut when its exchange ends."""

    def __init__(self, tls: ssl.SSLContext, proxy: "URL | None", limit: int) -> None:
        self._tls = tls
        self._proxy = proxy
        self._limit = limit
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    def _open(self) -> "aiohttp.ClientSession":
        import aiohttp

        if self._closed:
            raise SourceUnavailable("the client of this source was closed")
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=self._tls, limit=self._limit),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
                auto_decompress=False,
                trust_env=False,
            )
            # aiohttp would retry by itself, outside our budget.
            self._session._retry_connection = False
        return self._session

    async def close(self) -> None:
        self._closed = True
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def exchange(
        self,
        who: str,
        method: str,
        url: "URL",
        headers: Mapping[str, str],
        proof: Mapping[str, str],
        *,
        body: bytes | None,
        cap: int,
        judge: Judge,
    ) -> HttpResponse:
        """One question and its complete answer. Raises a SourceError for everything else but cancellation."""
        import aiohttp
        from multidict import CIMultiDict

        sent = CIMultiDict({"User-Agent": "sherwood", **headers})
        sent.update(proof)
        sent["Accept-Encoding"] = "gzip"
        try:
            async with self._open().request(
                method, url, headers=sent, data=body, allow_redirects=False, proxy=self._proxy
            ) as response:
                try:
                    received = {name.lower(): value for name, value in response.headers.items()}
                    judge(who, response.status, received)
                    content = await _read(response, cap, who)
                except BaseException:
                    response.close()
                    raise
                return HttpResponse(status=response.status, headers=received, body=content)
        except SourceError:
            raise
        except (aiohttp.ClientError, aiohttp.http_exceptions.HttpProcessingError, OSError, ValueError) as error:
            raise _ours(error, who) from None


def _ours(error: Exception, who: str) -> SourceError:
    """What a foreign exception means; its text, which may hold a URL, is dropped. The most special first."""
    import aiohttp

    meanings: tuple[tuple[type[Exception] | tuple[type[Exception], ...], SourceError], ...] = (
        (
            (aiohttp.ClientSSLError, aiohttp.ClientConnectorCertificateError, ssl.SSLError),
            SourceUnavailable(f"{who}: no trusted TLS connection could be made: see its certificate, its CA and ours"),
        ),
        (
            (aiohttp.ClientProxyConnectionError, aiohttp.ClientHttpProxyError),
            SourceUnavailable(f"{who}: the forward proxy did not let us through"),
        ),
        (aiohttp.ClientConnectorDNSError, SourceUnavailable(f"{who}: its host name is not known")),
        (aiohttp.ClientConnectorError, SourceUnavailable(f"{who} cannot be reached or refused the connection")),
        (
            (aiohttp.ServerDisconnectedError, aiohttp.ClientPayloadError, OSError),
            _BrokenOff(f"{who} broke the connection off"),
        ),
        (
            (aiohttp.ClientResponseError, aiohttp.http_exceptions.HttpProcessingError),
            SourceInvalid(f"{who} gave an answer that is not HTTP"),
        ),
        (aiohttp.ClientError, _BrokenOff(f"{who} broke the connection off")),
    )
    for kinds, meaning in meanings:
        if isinstance(error, kinds):
            return meaning
    return SourceRequest(f"{who}: the question cannot be sent over HTTP")


async def _read(response: "aiohttp.ClientResponse", cap: int, who: str) -> bytes:
    """The decoded body. Raises SourceInvalid as soon as it grows over the cap, or is not what its coding says."""
    too_long = f"{who} gave an answer over the limit of {cap} bytes"
    coding = ",".join(response.headers.getall("Content-Encoding", ())).strip().lower()
    if coding not in ("", "identity", "gzip", "x-gzip"):
        raise SourceInvalid(f"{who} gave an answer in an encoding that was not asked for")
    if (response.content_length or 0) > cap:
        raise SourceInvalid(too_long)
    gunzip = _Gunzip() if coding.endswith("gzip") else None
    pieces: list[bytes] = []
    received = decoded = 0
    try:
        async for data in response.content.iter_any():
            received += len(data)
            for piece in gunzip.feed(data) if gunzip else (data,):
                pieces.append(piece)
                decoded += len(piece)
                if max(received, decoded) > cap:
                    raise SourceInvalid(too_long)
                await asyncio.sleep(0)
        if gunzip is not None and received:
            gunzip.finish()
    except zlib.error:
        raise SourceInvalid(f"{who} gave an answer that is not the gzip it is said to be") from None
    return b"".join(pieces)


class _Gunzip:
    """Gzip piece by piece, never more at once than a piece; members may follow one another (RFC 1952 section 2.2)."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=31)
        self._members = 1

    def feed(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._member.eof:
                self._members += 1
                if self._members > _MAX_MEMBERS:
                    raise zlib.error("too many members")
                self._member = zlib.decompressobj(wbits=31)
            yield self._member.decompress(data, _PIECE)
            data = self._member.unused_data if self._member.eof else self._member.unconsumed_tail

    def finish(self) -> None:
        if not self._member.eof:
            raise zlib.error("cut off")


def _judge(who: str, status: int, headers: Mapping[str, str]) -> None:
    if 200 <= status < 300:
        return
    if status == 401:
        raise _Refused(f"{who} refused our credentials")
    if status == 403:
        raise SourceAuth(f"{who} refused our right to ask")
    if status == 429 or (status == 503 and "retry-after" in headers):
        raise SourceThrottled(f"{who} asked us to slow down", retry_after_s(headers.get("retry-after")))
    if status == 408:
        raise SourceTimeout(f"{who} gave up waiting for our question")
    if status == 425 or 500 <= status < 600:
        raise SourceUnavailable(f"{who} answered that it cannot serve now (HTTP {status})")
    if not 400 <= status < 500:
        raise SourceInvalid(f"{who} answered with a redirect or an unknown status (HTTP {status})")


def _judge_but_forbidden(who: str, status: int, headers: Mapping[str, str]) -> None:
    if status != 403:
        _judge(who, status, headers)


def _judge_token_endpoint(who: str, status: int, headers: Mapping[str, str]) -> None:
    """As a source's, but the body of a 401 says why (RFC 6749 section 5.2)."""
    if status != 401:
        _judge(who, status, headers)


def retry_after_s(value: str | None, now: datetime | None = None) -> float | None:
    """Seconds to wait by a Retry-After header, at most five minutes; None when it does not say."""
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return float(min(int(text[:20]), _RETRY_AFTER_CAP_S))
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        wait_s = (moment - (now or datetime.now(UTC))).total_seconds()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return min(max(wait_s, 0.0), _RETRY_AFTER_CAP_S)
