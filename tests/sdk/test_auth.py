"""How the SDK proves who asks: settings, headers, tokens and their renewal, against real endpoints on loopback."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from joserfc import jwt
from joserfc.jwk import import_key
from pydantic import BaseModel, ValidationError

from adapters.sdk import (
    HttpSettings,
    SettingsError,
    SourceAuth,
    SourceError,
    SourceThrottled,
    SourceTimeout,
    SourceUnavailable,
)
from adapters.sdk.auth import Token, TokenCache, parse_auth
from adapters.sdk.client import open_client
from adapters.sdk.http import HttpClient
from adapters.sdk.secrets import Secret
from adapters.testing.conformance import call
from adapters.testing.hostile import hostile_server
from adapters.testing.misbehaviour import Misbehaviour
from adapters.testing.simulation import Faults, http_server

CEILING_S = 20.0
SECRET = "correct horse"


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_SECRET", SECRET)


@asynccontextmanager
async def client_of(port: int, auth: dict[str, Any], timeout_s: float = CEILING_S) -> AsyncIterator[HttpClient]:
    settings = HttpSettings(base_url=f"http://127.0.0.1:{port}/api")
    client = open_client(settings, parse_auth(auth), name="the source", timeout_s=timeout_s, max_concurrency=100)
    try:
        yield client
    finally:
        await client.close()


@dataclass
class Source:
    """An API and its token endpoint: it accepts the newest token it gave out, and remembers what it was shown."""

    accepted: set[str] = field(default_factory=set)
    shown: list[dict[str, str]] = field(default_factory=list)
    forms: list[dict[str, str]] = field(default_factory=list)
    form_headers: list[dict[str, str]] = field(default_factory=list)
    answer: dict[str, Any] = field(default_factory=lambda: {"token_type": "Bearer", "expires_in": 3600})
    status: int = 200
    hold: asyncio.Event | None = None
    refuse_all: bool = False

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/token", self._token)
        app.router.add_get("/api", self._api)
        return app

    async def _token(self, request: web.Request) -> web.Response:
        self.forms.append({name: str(value) for name, value in (await request.post()).items()})
        self.form_headers.append(dict(request.headers))
        if self.hold is not None:
            await self.hold.wait()
        token = f"token-{len(self.forms)}"
        self.accepted = {f"Bearer {token}"}
        return web.json_response({"access_token": token, **self.answer}, status=self.status)

    async def _api(self, request: web.Request) -> web.Response:
        self.shown.append(dict(request.headers))
        known = not self.accepted or request.headers.get("Authorization") in self.accepted
        return web.Response(status=200 if known and not self.refuse_all else 401)


@asynccontextmanager
async def running(source: Source) -> AsyncIterator[int]:
    async with http_server(source.app(), Faults()) as port:
        yield port


def credentials(port: int, **more: Any) -> dict[str, Any]:
    return {
        "type": "oauth2_client_credentials",
        "token_url": f"http://127.0.0.1:{port}/token",
        "client_id": "our id",
        "client_secret": "env:SOURCE_SECRET",
        **more,
    }


# Secrets


def test_a_secret_is_read_from_the_environment_or_a_file_and_shown_by_nothing(tmp_path: Path) -> None:
    class Model(BaseModel):
        secret: Secret

    file = tmp_path / "secret"
    file.write_text(SECRET + "\n")
    for reference in ("env:SOURCE_SECRET", f"file:{file}"):
        model = Model(secret=reference)  # type: ignore[arg-type]
        assert model.secret.reveal() == SECRET
        assert SECRET not in f"{model!r} {model} {model.model_dump()} {model.model_dump_json()} {model.secret!r}"


@pytest.mark.parametrize("literal", ["hunter2", "", "env:", "ENV:X", "vault:x", 7, None])
def test_a_literal_secret_is_refused_with_advice_and_without_quoting_it(literal: Any) -> None:
    class Model(BaseModel):
        secret: Secret

    with pytest.raises(SettingsError, match="write env:NAME or file:path") as caught:
        Model(secret=literal)
    assert "hunter2" not in repr(caught.value)


def test_a_missing_secret_is_named_by_its_variable_or_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="env:NOT_SET_ANYWHERE"):
        Secret("env:NOT_SET_ANYWHERE").reveal()
    for content, why in ((None, "cannot be read"), (b"", "empty"), (b"\xff\xfe", "UTF-8"), (b"x" * 300_000, "large")):
        path = tmp_path / why
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(SettingsError, match=why):
            Secret(f"file:{path}").reveal()


# Settings


@pytest.mark.parametrize(
    ("table", "named"),
    [
        ({"type": "header", "name": "X-Key", "valeu": "hunter2"}, "auth.header.valeu|auth.valeu"),
        ({"type": "hunter2"}, "auth.type"),
        ({"value": "hunter2"}, "auth.type"),
        ({"type": "header", "name": "X-Key", "value": "hunter2"}, "value"),
        ({"type": "header", "name": "X Key", "value": "env:SOURCE_SECRET"}, "auth.name"),
        ({"type": "header", "name": "Host", "value": "env:SOURCE_SECRET"}, "auth.name"),
        ({"type": "basic", "username": "a:b", "password": "env:SOURCE_SECRET"}, "auth.username"),
        ({**credentials(1), "token_url": "http://example.org/hunter2"}, "auth.token_url"),
        ({**credentials(1), "token_url": "token"}, "auth.token_url"),
        ({**credentials(1), "client_id": 7}, "auth.client_id"),
        ({"type": "mtls", "cert": "c.pem"}, "auth.key"),
    ],
)
def test_a_wrong_auth_table_is_refused_naming_the_key_and_no_value(table: dict[str, Any], named: str) -> None:
    with pytest.raises(SettingsError, match=named) as caught:
        parse_auth(table)
    assert "hunter2" not in repr(caught.value)


def test_adapter_settings_do_not_quote_what_was_written() -> None:
    with pytest.raises(ValidationError) as caught:
        HttpSettings(base_url="https://example.org", pasword="hunter2")  # type: ignore[call-arg]
    assert "hunter2" not in str(caught.value)


# Headers


async def test_a_header_and_basic_credentials_are_sent() -> None:
    source = Source()
    async with running(source) as port:
        async with client_of(port, {"type": "header", "name": "X-Key", "value": "env:SOURCE_SECRET"}) as client:
            await client.get("", call=call())
        async with client_of(port, {"type": "basic", "username": "zoë", "password": "env:SOURCE_SECRET"}) as client:
            await client.get("", call=call(), headers={"authorization": "ours wins"})
    assert source.shown[0]["X-Key"] == SECRET
    assert source.shown[1]["Authorization"] == "Basic " + base64.b64encode(f"zoë:{SECRET}".encode()).decode()


async def test_a_rotated_secret_is_picked_up_when_the_old_one_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("old")
    source = Source(accepted={"new"})
    async with running(source) as port:
        auth = {"type": "header", "name": "Authorization", "value": f"file:{file}"}
        async with client_of(port, auth) as client:
            with pytest.raises(SourceAuth):
                await client.get("", call=call())
            assert len(source.shown) == 1
            file.write_text("new")
            assert (await client.get("", call=call())).status == 200


def test_a_secret_that_a_header_cannot_carry_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_SECRET", "a\r\nX-Evil: hunter2")
    auth = parse_auth({"type": "header", "name": "X-Key", "value": "env:SOURCE_SECRET"})
    with pytest.raises(SettingsError) as caught:
        open_client(HttpSettings(base_url="http://127.0.0.1"), auth, name="x", timeout_s=1, max_concurrency=1)
    assert "hunter2" not in str(caught.value)


# OAuth 2.0


async def test_a_token_is_fetched_once_for_many_callers_and_kept() -> None:
    source = Source(hold=asyncio.Event())
    async with running(source) as port, client_of(port, credentials(port, scope="system/*.rs")) as client:
        asking = [asyncio.create_task(client.get("", call=call())) for _ in range(50)]
        while not source.forms:
            await asyncio.sleep(0)
        source.hold.set()
        assert {response.status for response in await asyncio.gather(*asking)} == {200}
        await client.get("", call=call())
    assert source.forms == [{"grant_type": "client_credentials", "scope": "system/*.rs"}]
    expected = base64.b64encode(b"our+id:correct+horse").decode()
    assert source.form_headers[0]["Authorization"] == f"Basic {expected}"


async def test_a_client_secret_can_travel_in_the_form() -> None:
    source = Source()
    async with running(source) as port, client_of(port, credentials(port, client_authentication="post")) as client:
        await client.get("", call=call())
    assert source.forms[0]["client_secret"] == SECRET
    assert "Authorization" not in source.form_headers[0]


async def test_an_expired_session_costs_one_refresh_however_many_callers_meet_it() -> None:
    source = Source()
    async with running(source) as port, client_of(port, credentials(port)) as client:
        await client.get("", call=call())
        source.accepted = {"Bearer nobody has this"}
        responses = await asyncio.gather(*(client.get("", call=call()) for _ in range(50)))
    assert {response.status for response in responses} == {200}
    assert len(source.forms) == 2


async def test_a_token_refused_after_its_refresh_is_the_end() -> None:
    source = Source(refuse_all=True)
    async with running(source) as port, client_of(port, credentials(port)) as client:
        with pytest.raises(SourceAuth):
            await client.get("", call=call())
    assert (len(source.forms), len(source.shown)) == (2, 2)


@pytest.mark.parametrize(
    ("status", "answer", "expected", "says"),
    [
        (400, {"error": "invalid_scope"}, SourceAuth, "invalid_scope"),
        (401, {"error": "invalid_client"}, SourceAuth, "invalid_client"),
        (400, {"error": "hunter2"}, SourceAuth, "refused our credentials"),
        (403, {}, SourceAuth, "token endpoint"),
        (429, {}, SourceThrottled, "token endpoint"),
        (500, {}, SourceUnavailable, "token endpoint"),
        (200, {"access_token": 7}, SourceAuth, "no bearer token"),
        (200, {"access_token": "a\nb"}, SourceAuth, "no bearer token"),
        (200, {"token_type": "mac"}, SourceAuth, "no bearer token"),
    ],
)
async def test_each_failure_of_the_token_endpoint_is_typed(
    status: int, answer: dict[str, Any], expected: type[SourceError], says: str
) -> None:
    source = Source(status=status, answer=answer)
    async with running(source) as port, client_of(port, credentials(port)) as client:
        with pytest.raises(expected, match=says) as caught:
            await client.get("", call=call())
    assert "token endpoint" in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert source.shown == []


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Misbehaviour.REFUSE, SourceUnavailable),
        (Misbehaviour.RESET, SourceUnavailable),
        (Misbehaviour.HANG_MID_BODY, SourceTimeout),
        (Misbehaviour.GARBAGE, SourceAuth),
        (Misbehaviour.LOGIN_PAGE, SourceAuth),
        (Misbehaviour.DEEP_JSON, SourceAuth),
        (Misbehaviour.REDIRECT_ELSEWHERE, SourceError),
        (Misbehaviour.GZIP_BOMB, SourceError),
    ],
)
async def test_a_misbehaving_token_endpoint_is_a_typed_error(fault: Misbehaviour, expected: type[SourceError]) -> None:
    async with asyncio.timeout(CEILING_S), hostile_server(fault) as server:
        auth = credentials(1, token_url=f"{server.base_url}/token")
        async with client_of(1, auth, timeout_s=0.3) as client:
            with pytest.raises(expected):
                await client.get("", call=call())
        assert server.elsewhere == 0


async def test_an_assertion_proves_the_client_by_its_signature(tmp_path: Path) -> None:
    keys = {
        "RS384": rsa.generate_private_key(public_exponent=65537, key_size=2048),
        "ES384": ec.generate_private_key(ec.SECP384R1()),
    }
    for algorithm, private in keys.items():
        file = tmp_path / algorithm
        file.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        source = Source(accepted={"none"})
        async with running(source) as port:
            auth = {
                "type": "private_key_jwt",
                "token_url": f"http://127.0.0.1:{port}/token",
                "client_id": "me",
                "private_key": f"file:{file}",
                "kid": "key-1",
                "algorithm": algorithm,
            }
            async with client_of(port, auth) as client:
                assert (await client.get("", call=call())).status == 200
                source.accepted = {"none"}
                await client.get("", call=call())
        key = import_key(public, "RSA" if algorithm.startswith("RS") else "EC")
        tokens = [jwt.decode(form["client_assertion"], key, algorithms=[algorithm]) for form in source.forms]
        assert tokens[0].header == {"alg": algorithm, "kid": "key-1", "typ": "JWT"}
        claims = tokens[0].claims
        assert (claims["iss"], claims["sub"], claims["aud"]) == ("me", "me", auth["token_url"])
        assert 0 < claims["exp"] - claims["iat"] <= 300
        assert tokens[0].claims["jti"] != tokens[1].claims["jti"]
        assert source.forms[0]["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def test_a_key_that_cannot_sign_is_refused_before_anything_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    curve = ec.generate_private_key(ec.SECP256R1())
    public = curve.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    private = curve.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    for text, algorithm in (("hunter2", "RS384"), (public, "ES256"), (private, "RS384"), ("{}", "ES256")):
        monkeypatch.setenv("SOURCE_SECRET", text)
        auth = parse_auth(
            {
                "type": "private_key_jwt",
                "token_url": "https://example.org/token",
                "client_id": "me",
                "private_key": "env:SOURCE_SECRET",
                "kid": "1",
                "algorithm": algorithm,
            }
        )
        with pytest.raises(SettingsError, match="env:SOURCE_SECRET") as caught:
            open_client(HttpSettings(base_url="http://127.0.0.1"), auth, name="x", timeout_s=1, max_concurrency=1)
        assert "hunter2" not in str(caught.value)


# The token cache, with a clock of ours


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def turns() -> None:
    """Let every task that can run do so."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_token_is_replaced_early_while_the_old_one_serves_on() -> None:
    clock, gate, fetched = Clock(), asyncio.Event(), 0

    async def fetch() -> Token:
        nonlocal fetched
        fetched += 1
        if fetched > 1:
            await gate.wait()
        return Token(f"t{fetched}", clock.now + 100, clock.now + 80)

    cache = TokenCache(fetch, clock)
    assert await cache.get() == "t1"
    clock.now = 79
    assert (await cache.get(), fetched) == ("t1", 1)
    clock.now = 81
    assert await cache.get() == "t1"
    assert await cache.get() == "t1"
    await turns()
    assert fetched == 2
    gate.set()
    await turns()
    assert (await cache.get(), fetched) == ("t2", 2)


async def test_an_early_replacement_that_fails_is_not_tried_at_every_call() -> None:
    clock, fetched = Clock(), 0

    async def fetch() -> Token:
        nonlocal fetched
        fetched += 1
        if fetched > 1:
            raise SourceUnavailable("down")
        return Token("t1", 100, 50)

    cache = TokenCache(fetch, clock)
    await cache.get()
    for clock.now in (51, 52, 53, 54):
        assert await cache.get() == "t1"
        await turns()
    assert fetched == 2
    clock.now = 100
    with pytest.raises(SourceUnavailable):
        await cache.get()


async def test_a_caller_that_leaves_does_not_cancel_the_fetch_of_the_others() -> None:
    gate = asyncio.Event()

    async def fetch() -> Token:
        await gate.wait()
        return Token("t", 100, 80)

    cache = TokenCache(fetch, Clock())
    first, second = asyncio.create_task(cache.get()), asyncio.create_task(cache.get())
    await turns()
    first.cancel()
    await turns()
    gate.set()
    assert await second == "t"
    assert first.cancelled()


async def test_a_late_complaint_about_an_old_token_fetches_nothing() -> None:
    fetched = 0

    async def fetch() -> Token:
        nonlocal fetched
        fetched += 1
        return Token(f"t{fetched}", 100, 80)

    cache = TokenCache(fetch, Clock())
    assert await cache.get() == "t1"
    assert await cache.renew("t1") == "t2"
    assert await cache.renew("t1") == "t2"
    assert fetched == 2


async def test_closing_ends_a_fetch_and_tells_who_waits() -> None:
    async def fetch() -> Token:
        await asyncio.Event().wait()
        raise AssertionError

    cache = TokenCache(fetch, Clock())
    waiting = asyncio.create_task(cache.get())
    await turns()
    await cache.close()
    with pytest.raises(SourceUnavailable):
        await waiting


def test_a_token_does_not_show_itself() -> None:
    assert SECRET not in repr(Token(SECRET, 1, 1))
