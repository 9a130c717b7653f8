"""How the gateway proves to a source who it is: header, basic, OAuth 2.0 client credentials, client assertion, mTLS.

OAuth 2.0: RFC 6749 sections 2.3.1, 4.4 and 5; client assertions: RFC 7523 sections 2.2 and 3, as SMART Backend
Services and NHS England's application-restricted APIs use them; bearer tokens: RFC 6750; basic: RFC 7617.
The token of a GP Connect call names the user who asks: the FHIR adapter makes it, call by call, not this module.
"""

import asyncio
import base64
import json
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Literal, Protocol
from urllib.parse import quote_plus, urlsplit
from uuid import uuid4

from msgspec import Struct
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from adapters.sdk.contract import Settings
from adapters.sdk.errors import SettingsError, SourceAuth, SourceUnavailable
from adapters.sdk.http import HttpResponse
from adapters.sdk.resources import PemFile
from adapters.sdk.secrets import Secret

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e\t]*[\x21-\x7e])?")
_FRAMING = frozenset({"host", "content-length", "transfer-encoding", "connection", "accept-encoding", "content-type"})
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_RFC6749_ERRORS = frozenset(
    {
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
    }
)
"""RFC 6749 section 5.2: the only words of a token endpoint's refusal that are repeated."""

_UNSTATED_LIFE_S = 300.0
"""How long a token is used whose answer has no expires_in (RFC 6749 only recommends it)."""
_LONGEST_LIFE_S = 24 * 3600.0
_EARLY_S = 60.0
"""A token is replaced this long before it expires, or in the last fifth of a short life."""
_EARLY_RETRY_S = 10.0
"""After an early replacement failed, the old token serves on, and the next attempt waits this long."""
_ASSERTION_LIFE_S = 300
"""NHS England and SMART accept at most five minutes."""


class _AuthSettings(Settings):
    # hide_input: a misspelt key's value may be a secret, and pydantic would quote it.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


class ClientTls(_AuthSettings):
    """A client certificate, shown to the source and to the token endpoint."""

    cert: PemFile
    """Path of the PEM file with the certificate and its chain."""
    key: Secret
    """The private key in PEM, unencrypted."""
    ca: PemFile | None = None
    """Path of a PEM file: the only authorities trusted for this source, instead of the system's."""


class MutualTls(ClientTls):
    """The client certificate is the whole proof."""

    type: Literal["mtls"]


class _HttpAuth(_AuthSettings):
    tls: ClientTls | None = None
    """A client certificate besides."""


class HeaderAuth(_HttpAuth):
    """A fixed header, such as an API key."""

    type: Literal["header"]
    name: str
    value: Secret
    """The whole value, with "Bearer " or the like where the source wants it."""

    @field_validator("name")
    @classmethod
    def _is_a_header(cls, name: str) -> str:
        if not _HEADER_NAME.fullmatch(name) or name.lower() in _FRAMING:
            raise ValueError("not a header name that may carry credentials")
        return name


class BasicAuth(_HttpAuth):
    """User name and password, RFC 7617."""

    type: Literal["basic"]
    username: str
    password: Secret

    @field_validator("username")
    @classmethod
    def _has_no_colon(cls, username: str) -> str:
        if ":" in username:
            raise ValueError("a user name of basic authentication has no colon (RFC 7617)")
        return username


class _TokenAuth(_HttpAuth):
    token_url: str
    client_id: str
    scope: str | None = None

    @field_validator("token_url")
    @classmethod
    def _is_safe(cls, url: str) -> str:
        parts = urlsplit(url)
        if not parts.hostname or parts.username or parts.fragment:
            raise ValueError("write an absolute URL without user name and fragment")
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            raise ValueError("credentials are sent here: write an https URL")
        return url


class ClientCredentials(_TokenAuth):
    """OAuth 2.0 client credentials with a client secret, RFC 6749 section 4.4."""

    type: Literal["oauth2_client_credentials"]
    client_secret: Secret
    client_authentication: Literal["basic", "post"] = "basic"
    """Where the secret travels: the Authorization header, or the form."""


class PrivateKeyJwt(_TokenAuth):
    """OAuth 2.0 client credentials with a signed assertion, RFC 7523."""

    type: Literal["private_key_jwt"]
    private_key: Secret
    """PEM, or a JWK as JSON."""
    kid: str
    algorithm: Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"] = "RS384"
    audience: str | None = None
    """The `aud` claim; the token URL when not given."""


Auth = Annotated[
    HeaderAuth | BasicAuth | ClientCredentials | PrivateKeyJwt | MutualTls,
    Field(discriminator="type"),
]
"""The `auth` table of a source, told apart by `type`."""

_AUTH: TypeAdapter[HeaderAuth | BasicAuth | ClientCredentials | PrivateKeyJwt | MutualTls] = TypeAdapter(
    Auth, config=ConfigDict(hide_input_in_errors=True)
)


def parse_auth(table: Mapping[str, Any]) -> HeaderAuth | BasicAuth | ClientCredentials | PrivateKeyJwt | MutualTls:
    """Validate an `auth` table. Raises SettingsError, which names the keys at fault and never a value."""
    try:
        return _AUTH.validate_python(dict(table))
    except ValidationError as error:
        faults = (
            f"auth.{'.'.join(str(part) for part in fault['loc'][1:]) or 'type'}: {_advice(fault['type'], fault['msg'])}"
            for fault in error.errors(include_url=False, include_input=False, include_context=False)
        )
        raise SettingsError("; ".join(faults)) from None


def _advice(kind: str, message: str) -> str:
    # The message of a wrong tag quotes it.
    if kind.startswith("union_tag"):
        return "write header, basic, oauth2_client_credentials, private_key_jwt or mtls"
    return message.removeprefix("Value error, ")


class PostForm(Protocol):
    """Posts a form to the token endpoint, bounded in time and size; raises a SourceError when there is no answer."""

    async def __call__(self, url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> HttpResponse: ...


class Authenticator(Protocol):
    """Gives the headers that prove who asks."""

    async def headers(self) -> Mapping[str, str]:
        """Raises a SourceError when there are none to be had."""
        ...

    async def renew(self, refused: Mapping[str, str]) -> bool:
        """The source refused these with 401. True when other ones are to be tried, once."""
        ...

    async def close(self) -> None: ...


def authenticator(auth: Auth | None, post_form: PostForm, name: str) -> Authenticator:
    """The authenticator for a source's settings. Raises SettingsError when its secret cannot be had."""
    match auth:
        case HeaderAuth():
            return _Fixed(lambda: {auth.name: _header_value(auth.value)})
        case BasicAuth():
            return _Fixed(lambda: {"Authorization": _basic(auth.username, auth.password.reveal())})
        case ClientCredentials() | PrivateKeyJwt():
            return _Bearer(TokenCache(_TokenEndpoint(auth, post_form, name)))
        case _:
            return _Fixed(dict)


def _header_value(secret: Secret) -> str:
    value = secret.reveal()
    if not _HEADER_VALUE.fullmatch(value):
        raise SettingsError(f"{secret.reference}: it has characters that a header cannot carry")
    return value


def _basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


class _Fixed:
    """Headers that change only when the secret is rotated, which a 401 makes us look for."""

    def __init__(self, make: Callable[[], dict[str, str]]) -> None:
        self._make = make
        self._headers = make()

    async def headers(self) -> Mapping[str, str]:
        return self._headers

    async def renew(self, refused: Mapping[str, str]) -> bool:
        self._headers = self._make()
        return self._headers != refused

    async def close(self) -> None:
        return


class Token(Struct, frozen=True):
    """A bearer token and the time, on the clock of `time.monotonic()`, when it is no longer used."""

    value: str
    expires: float
    renew_from: float

    def __repr__(self) -> str:
        return "Token(...)"


class TokenCache:
    """One token for all callers: fetched in single flight, replaced shortly before it expires.

    A flight belongs to no caller: one that gives up waiting does not cancel it for the others.
    """

    def __init__(self, fetch: Callable[[], Awaitable[Token]], clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._token: Token | None = None
        self._flight: asyncio.Task[Token] | None = None
        self._early_after = 0.0

    async def get(self) -> str:
        """A token that has not expired. Raises a SourceError when none can be had."""
        token, now = self._token, self._clock()
        if token is None or now >= token.expires:
            return await self._wait(self._start())
        if now >= max(token.renew_from, self._early_after):
            self._early_after = now + _EARLY_RETRY_S
            self._start()
        return token.value

    async def renew(self, refused: str) -> str:
        """Another token than the refused one, unless somebody else has already fetched it."""
        if self._token is not None and self._token.value == refused:
            self._token = None
        return await self.get()

    async def _wait(self, flight: "asyncio.Task[Token]") -> str:
        await asyncio.wait([flight])
        if flight.cancelled():
            raise SourceUnavailable("the client of this source was closed")
        return flight.result().value

    def _start(self) -> "asyncio.Task[Token]":
        if self._flight is None:
            self._flight = asyncio.get_running_loop().create_task(self._fly())
            self._flight.add_done_callback(self._landed)
        return self._flight

    async def _fly(self) -> Token:
        self._token = token = await self._fetch()
        return token

    def _landed(self, flight: "asyncio.Task[Token]") -> None:
        self._flight = None
        if not flight.cancelled():
            flight.exception()  # marks it as seen: every caller may have left

    async def close(self) -> None:
        """End a flight that is under way and forget the token."""
        self._token = None
        if self._flight is not None:
            self._flight.cancel()
            await asyncio.wait([self._flight])


class _Bearer:
    def __init__(self, tokens: TokenCache) -> None:
        self._tokens = tokens

    async def headers(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {await self._tokens.get()}"}

    async def renew(self, refused: Mapping[str, str]) -> bool:
        token = refused["Authorization"].removeprefix("Bearer ")
        return await self._tokens.renew(token) != token

    async def close(self) -> None:
        await self._tokens.close()


class _TokenEndpoint:
    """Asks the token endpoint: RFC 6749 section 4.4.2."""

    def __init__(self, auth: ClientCredentials | PrivateKeyJwt, post_form: PostForm, name: str) -> None:
        self._auth = auth
        self._post_form = post_form
        self._who = f"{name}: the token endpoint"
        if isinstance(auth, PrivateKeyJwt):
            _signing_key(auth)
        else:
            auth.client_secret.reveal()

    async def __call__(self) -> Token:
        form = {"grant_type": "client_credentials"}
        if self._auth.scope:
            form["scope"] = self._auth.scope
        headers = {"Accept": "application/json"}
        if isinstance(self._auth, PrivateKeyJwt):
            form["client_assertion_type"] = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
            form["client_assertion"] = client_assertion(self._auth, time.time())
        elif self._auth.client_authentication == "post":
            form |= {"client_id": self._auth.client_id, "client_secret": self._auth.client_secret.reveal()}
        else:
            # RFC 6749 section 2.3.1: both are form-encoded before they are joined.
            secret = quote_plus(self._auth.client_secret.reveal())
            headers["Authorization"] = _basic(quote_plus(self._auth.client_id), secret)
        asked = time.monotonic()
        return self._read(await self._post_form(self._auth.token_url, form, headers), asked)

    def _read(self, response: HttpResponse, asked: float) -> Token:
        try:
            answer = json.loads(response.body)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            answer = {}
        if response.status != 200:
            error = answer.get("error")
            reason = f" ({error})" if isinstance(error, str) and error in _RFC6749_ERRORS else ""
            raise SourceAuth(f"{self._who} refused our credentials{reason}")
        value, kind = answer.get("access_token"), answer.get("token_type", "Bearer")
        usable = isinstance(value, str) and _HEADER_VALUE.fullmatch(value) and " " not in value
        if not usable or not isinstance(kind, str) or kind.lower() != "bearer":
            raise SourceAuth(f"{self._who} gave no bearer token")
        life = _life_s(answer.get("expires_in"))
        return Token(str(value), asked + life, asked + life - min(_EARLY_S, life / 5))


def _life_s(stated: Any) -> float:
    try:
        life = float(stated)  # a string in some servers, though RFC 6749 says a number
    except (TypeError, ValueError, OverflowError):
        return _UNSTATED_LIFE_S
    return min(max(life, 0.0), _LONGEST_LIFE_S) if life == life else _UNSTATED_LIFE_S


def client_assertion(auth: PrivateKeyJwt, now: float) -> str:
    """The signed assertion of RFC 7523 section 3: each is used once, so each has its own `jti`."""
    from joserfc import jwt

    claims = {
        "iss": auth.client_id,
        "sub": auth.client_id,
        "aud": auth.audience or auth.token_url,
        "jti": str(uuid4()),
        "iat": int(now),
        "exp": int(now) + _ASSERTION_LIFE_S,
    }
    header = {"alg": auth.algorithm, "kid": auth.kid, "typ": "JWT"}
    return jwt.encode(header, claims, _signing_key(auth), algorithms=[auth.algorithm])


def _signing_key(auth: PrivateKeyJwt) -> Any:
    from joserfc.errors import JoseError
    from joserfc.jwk import import_key

    text = auth.private_key.reveal()
    try:
        key: Any = import_key(
            json.loads(text) if text.lstrip().startswith("{") else text,
            "EC" if auth.algorithm.startswith("ES") else "RSA",
        )
    except (JoseError, ValueError, TypeError, KeyError):
        key = None
    if key is None or not key.is_private:
        raise SettingsError(
            f"{auth.private_key.reference}: it is not a private key in PEM or JWK that can sign {auth.algorithm}"
        )
    return key
