"""The SDK's HTTP client against a source that misbehaves, over real sockets."""

import asyncio
import logging
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

import pytest

from adapters.sdk import (
    HttpSettings,
    SettingsError,
    SourceAuth,
    SourceError,
    SourceInvalid,
    SourceRequest,
    SourceThrottled,
    SourceTimeout,
    SourceUnavailable,
)
from adapters.sdk.client import open_client, retry_after_s
from adapters.sdk.http import HttpClient
from adapters.testing.conformance import call
from adapters.testing.hostile import HostileServer, hostile_server
from adapters.testing.misbehaviour import HUGE, Misbehaviour

CANARY = "9990000018"
"""An invented NHS number that is in every question and must be in no error and no log line."""
CEILING_S = 20.0
"""Longer than any test takes; only a hang reaches it."""


@asynccontextmanager
async def client_at(
    url: str, *, limit: int = 4, timeout_s: float = CEILING_S, **more: object
) -> AsyncIterator[HttpClient]:
    settings = HttpSettings(base_url=url, **{"max_bytes": 1024 * 1024, **more})
    client = open_client(settings, None, name="the source", timeout_s=timeout_s, max_concurrency=limit)
    try:
        yield client
    finally:
        await client.close()


async def fails(
    server: HostileServer, seconds: float = CEILING_S, *, hangs_up: bool = False, **more: object
) -> SourceError:
    """Ask once; the error. When it `hangs_up`, its connection was closed before the client was."""
    async with asyncio.timeout(CEILING_S), client_at(server.base_url, **more) as client:
        with pytest.raises(SourceError) as caught:
            await client.get("Patient", call=call(seconds), params=[("identifier", CANARY)])
        if hangs_up:
            await server.abandoned()
    told = f"{caught.value!r} {caught.value}"
    assert CANARY not in told
    assert "127.0.0.1" not in told
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return caught.value


async def test_a_good_answer_comes_with_status_lower_case_headers_and_body() -> None:
    async with hostile_server(answer=b'{"a": 1}') as server, client_at(server.base_url) as client:
        response = await client.get("Patient/1", call=call())
    assert (response.status, response.body, response.media_type) == (200, b'{"a": 1}', "application/json")
    assert all(name == name.lower() for name in response.headers)


@pytest.mark.parametrize(
    "fault",
    [
        Misbehaviour.HANG_BEFORE_HEADERS,
        Misbehaviour.HANG_MID_HEADERS,
        Misbehaviour.HANG_MID_BODY,
        Misbehaviour.DRIP,
    ],
)
async def test_a_source_that_never_ends_its_answer_is_cut_at_the_deadline_and_its_socket_closed(
    fault: Misbehaviour,
) -> None:
    async with hostile_server(fault, answer=b" " * 1000) as server:
        assert type(await fails(server, seconds=0.2, hangs_up=True)) is SourceTimeout


async def test_the_timeout_of_the_source_cuts_a_call_whose_deadline_is_later() -> None:
    async with hostile_server(Misbehaviour.HANG_BEFORE_HEADERS) as server:
        assert type(await fails(server, timeout_s=0.2)) is SourceTimeout


async def test_a_deadline_in_the_past_asks_nothing() -> None:
    async with hostile_server() as server:
        assert type(await fails(server, seconds=-1)) is SourceTimeout
        assert server.requests == 0


async def test_a_cut_call_gives_its_slot_back() -> None:
    async with (
        hostile_server(Misbehaviour.HANG_BEFORE_HEADERS) as server,
        client_at(server.base_url, limit=1) as client,
    ):
        with pytest.raises(SourceTimeout):
            await client.get("", call=call(0.2))
        server.fault = Misbehaviour.NONE
        assert (await client.get("", call=call())).status == 200


async def test_a_cancelled_call_closes_its_socket_and_gives_its_slot_back() -> None:
    async with hostile_server(Misbehaviour.HANG_MID_BODY) as server, client_at(server.base_url, limit=1) as client:
        asking = asyncio.create_task(client.get("", call=call()))
        async with asyncio.timeout(CEILING_S):
            while not server.sent:
                await asyncio.sleep(0)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            await server.abandoned()
        server.fault = Misbehaviour.NONE
        assert (await client.get("", call=call())).status == 200


async def test_a_caller_waiting_for_a_slot_is_cut_at_its_deadline_too() -> None:
    async with (
        hostile_server(Misbehaviour.HANG_BEFORE_HEADERS) as server,
        client_at(server.base_url, limit=1) as client,
    ):
        first = asyncio.create_task(client.get("", call=call()))
        while not server.requests:
            await asyncio.sleep(0)
        with pytest.raises(SourceTimeout):
            await client.get("", call=call(0.2))
        assert server.requests == 1
        first.cancel()
        await asyncio.wait([first])


@pytest.mark.parametrize("fault", [Misbehaviour.HUGE_BODY, Misbehaviour.HUGE_BODY_ANNOUNCED, Misbehaviour.GZIP_BOMB])
async def test_an_answer_over_the_cap_is_cut_while_it_comes(fault: Misbehaviour) -> None:
    async with hostile_server(fault) as server:
        assert type(await fails(server, hangs_up=fault is not Misbehaviour.GZIP_BOMB)) is SourceInvalid
        assert server.sent < HUGE / 4
        assert server.requests == 1


async def test_an_answer_that_announces_too_much_is_not_read_at_all() -> None:
    async with hostile_server(Misbehaviour.HUGE_BODY_ANNOUNCED) as server:
        assert type(await fails(server, hangs_up=True, max_bytes=HUGE - 1)) is SourceInvalid
        assert server.sent < HUGE / 4


async def test_an_answer_of_exactly_the_cap_is_not_cut() -> None:
    async with hostile_server(answer=b" " * 5000) as server:
        async with client_at(server.base_url, max_bytes=5000) as client:
            assert len((await client.get("", call=call())).body) == 5000
        assert type(await fails(server, max_bytes=4999)) is SourceInvalid


@pytest.mark.parametrize(
    "fault",
    [Misbehaviour.RESET, Misbehaviour.RESET_MID_BODY, Misbehaviour.TRUNCATED],
)
async def test_a_broken_connection_is_tried_once_more_and_half_an_answer_never_given(fault: Misbehaviour) -> None:
    async with hostile_server(fault, answer=b"[1,2,3,4]" * 50) as server:
        assert type(await fails(server)) is SourceUnavailable
        assert server.requests == 2


async def test_a_connection_that_breaks_once_costs_nothing() -> None:
    async with hostile_server(Misbehaviour.RESET) as server, client_at(server.base_url) as client:
        asking = asyncio.create_task(client.get("", call=call()))
        while not server.requests:
            await asyncio.sleep(0)
        server.fault = Misbehaviour.NONE
        assert (await asking).status == 200


async def test_a_post_is_never_sent_twice() -> None:
    async with hostile_server(Misbehaviour.RESET) as server, client_at(server.base_url) as client:
        with pytest.raises(SourceUnavailable):
            await client.post("_search", call=call(), body=b"a=b", media_type="application/x-www-form-urlencoded")
        assert server.requests == 1


async def test_a_long_outage_is_not_met_with_twice_the_questions() -> None:
    async with hostile_server(Misbehaviour.RESET) as server, client_at(server.base_url) as client:
        for _ in range(50):
            with pytest.raises(SourceUnavailable):
                await client.get("", call=call())
        assert server.requests <= 50 * 1.1 + 1


@pytest.mark.parametrize(
    "fault",
    [
        Misbehaviour.NOT_HTTP,
        Misbehaviour.ENDLESS_HEADERS,
        Misbehaviour.UNASKED_ENCODING,
        Misbehaviour.NOT_GZIP,
        Misbehaviour.GZIP_CUT,
    ],
)
async def test_an_answer_that_breaks_the_protocol_is_invalid(fault: Misbehaviour) -> None:
    async with hostile_server(fault, answer=b"[1,2,3,4]" * 50) as server:
        assert type(await fails(server)) is SourceInvalid


async def test_a_broken_chunk_framing_is_no_answer() -> None:
    async with hostile_server(Misbehaviour.BROKEN_CHUNKS) as server:
        assert isinstance(await fails(server), (SourceInvalid, SourceUnavailable))


@pytest.mark.parametrize(
    "fault", [Misbehaviour.REDIRECT_LOOP, Misbehaviour.REDIRECT_ELSEWHERE, Misbehaviour.REDIRECT_METADATA]
)
async def test_a_redirect_is_not_followed(fault: Misbehaviour) -> None:
    async with hostile_server(fault) as server:
        assert type(await fails(server)) is SourceInvalid
        assert (server.requests, server.elsewhere) == (1, 0)


@pytest.mark.parametrize(
    ("fault", "expected", "retry_after"),
    [
        (Misbehaviour.REFUSE, SourceUnavailable, None),
        (Misbehaviour.UNAUTHORIZED, SourceAuth, None),
        (Misbehaviour.FORBIDDEN, SourceAuth, None),
        (Misbehaviour.ECHO_500, SourceUnavailable, None),
        (Misbehaviour.BUSY, SourceUnavailable, None),
        (Misbehaviour.BUSY_SECONDS, SourceThrottled, (7, 7)),
        (Misbehaviour.BUSY_DATE, SourceThrottled, (1, 60)),
        (Misbehaviour.BUSY_ABSURD, SourceThrottled, (300, 300)),
        (Misbehaviour.THROTTLED, SourceThrottled, None),
        (Misbehaviour.THROTTLED_SECONDS, SourceThrottled, (7, 7)),
        (Misbehaviour.THROTTLED_DATE, SourceThrottled, (1, 60)),
        (Misbehaviour.THROTTLED_ABSURD, SourceThrottled, (300, 300)),
    ],
)
async def test_each_refusal_is_typed(
    fault: Misbehaviour, expected: type[SourceError], retry_after: tuple[float, float] | None
) -> None:
    async with hostile_server(fault) as server:
        error = await fails(server)
    assert type(error) is expected
    if isinstance(error, SourceThrottled):
        if retry_after is None:
            assert error.retry_after_s is None
        else:
            assert error.retry_after_s is not None
            assert retry_after[0] <= error.retry_after_s <= retry_after[1]


@pytest.mark.parametrize("fault", [Misbehaviour.NOT_FOUND, Misbehaviour.ECHO_400])
async def test_a_refused_question_is_for_the_adapter_to_judge(fault: Misbehaviour) -> None:
    async with hostile_server(fault) as server, client_at(server.base_url) as client:
        assert (await client.get("Patient/1", call=call())).status in (400, 404)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("0", 0),
        ("120", 120),
        ("99999999999999999999999999", 300),
        ("Thu, 05 Nov 2026 12:00:30 GMT", 30),
        ("Thu, 05 Nov 2026 11:00:00 GMT", 0),
        ("Thu, 05 Nov 9999 12:00:00 GMT", 300),
        ("Thu, 05 Nov 2026 12:00:30 -0000", 30),
        ("Thu, 99 Nov 2026 12:00:30 GMT", None),
        ("١٢", None),
    ],
)
def test_retry_after_is_read_in_both_forms_and_capped(header: str | None, seconds: float | None) -> None:
    assert retry_after_s(header, datetime(2026, 11, 5, 12, tzinfo=UTC)) == seconds


@pytest.mark.parametrize(
    "link",
    [
        "http://127.0.0.1:1/next",
        "https://127.0.0.1/next",
        "//127.0.0.1:1/next",
        "http://user@{here}/next",
        "http://{here}@127.0.0.1:1/next",
        "http://127.0.0.1:99999/next",
        "file:///etc/passwd",
        "http://[::1/next",
        "http://",
    ],
)
async def test_a_link_to_another_origin_is_refused(link: str) -> None:
    async with hostile_server() as server, client_at(server.base_url) as client:
        with pytest.raises(SourceInvalid):
            await client.get(link.format(here=f"127.0.0.1:{server.port}"), call=call())
        assert server.requests == 0


async def test_a_link_to_a_configured_origin_is_followed_as_given() -> None:
    async with hostile_server() as server, hostile_server(Misbehaviour.ECHO_400) as other:
        async with client_at(server.base_url, allowed_origins=(other.base_url,)) as client:
            response = await client.get(f"{other.base_url}/page?state=a%2Fb+c%7E&x=%41", call=call())
        assert response.body.startswith(b"GET /page?state=a%2Fb+c%7E&x=%41 HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("base", "path", "target"),
    [
        ("/fhir", "Patient/1", b"/fhir/Patient/1?x=a%2Bb%26c"),
        ("/fhir/", "/Patient/1", b"/fhir/Patient/1?x=a%2Bb%26c"),
        ("/fhir", "", b"/fhir?x=a%2Bb%26c"),
        ("/fhir", "?y=1", b"/fhir?y=1&x=a%2Bb%26c"),
        ("", "Patient/$everything", b"/Patient/$everything?x=a%2Bb%26c"),
    ],
)
async def test_a_path_is_below_the_base_url(base: str, path: str, target: bytes) -> None:
    async with hostile_server(Misbehaviour.ECHO_400) as server, client_at(server.base_url + base) as client:
        response = await client.get(path, call=call(), params=[("x", "a+b&c")])
    assert response.body.split(b" ")[1] == target


@pytest.mark.parametrize("path", ["../admin", "Patient/../../admin", "%2e%2e/admin"])
async def test_a_path_cannot_leave_the_base_url(path: str) -> None:
    async with hostile_server() as server, client_at(server.base_url + "/fhir") as client:
        with pytest.raises(SourceRequest):
            await client.get(path, call=call())
        assert server.requests == 0


async def test_a_header_cannot_smuggle_another() -> None:
    async with hostile_server() as server, client_at(server.base_url) as client:
        with pytest.raises(SourceRequest) as caught:
            await client.get("", call=call(), headers={"X-Trace": f"{CANARY}\r\nX-Evil: 1"})
        assert CANARY not in str(caught.value)
        assert server.requests == 0


async def test_what_is_sent_is_what_was_given() -> None:
    async with hostile_server(Misbehaviour.ECHO_400) as server, client_at(server.base_url) as client:
        response = await client.post(
            "_search",
            call=call(),
            body=b"a=b",
            media_type="text/x",
            headers={"Accept": "text/y", "Accept-Encoding": "br"},
        )
    lines = response.body.decode().split("\r\n")
    assert lines[0] == "POST /_search HTTP/1.1"
    sent = [line.partition(": ")[::2] for line in lines[1:] if line]
    assert {name.lower(): value for name, value in sent if name.lower() != "host"} == {
        "user-agent": "sherwood",
        "accept": "text/y",
        "accept-encoding": "gzip",
        "content-type": "text/x",
        "content-length": "3",
    }


async def test_nothing_of_a_call_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for fault in (Misbehaviour.NONE, Misbehaviour.RESET, Misbehaviour.NOT_HTTP, Misbehaviour.GZIP_CUT):
        async with hostile_server(fault) as server, client_at(server.base_url) as client:
            with suppress(SourceError):
                await client.get(f"Patient/{CANARY}", call=call(), params=[("identifier", CANARY)])
    assert CANARY not in caplog.text


@pytest.mark.parametrize(
    "settings",
    [
        {"base_url": "ftp://example.org/"},
        {"base_url": "example.org/fhir"},
        {"base_url": "https://user:hunter2@example.org/"},
        {"base_url": "https://example.org/?a=b"},
        {"base_url": "https://example.org:99999/"},
        {"base_url": "https://example.org/", "allowed_origins": ("http://example.org",)},
        {"base_url": "https://example.org/", "proxy": "proxy:3128"},
        {"base_url": "https://example.org/", "ca": "/no/such/file.pem"},
    ],
)
def test_settings_that_cannot_work_are_refused_before_anything_is_asked(settings: dict[str, object]) -> None:
    with pytest.raises(SettingsError) as caught:
        open_client(HttpSettings(**settings), None, name="x", timeout_s=1, max_concurrency=1)
    assert "hunter2" not in str(caught.value)


async def test_a_closed_client_asks_nothing() -> None:
    async with hostile_server() as server:
        async with client_at(server.base_url) as client:
            pass
        with pytest.raises(SourceUnavailable):
            await client.get("", call=call())
        assert server.requests == 0


def test_who_opens_no_client_does_not_pay_for_it() -> None:
    program = (
        "import sys, adapters.sdk, adapters.sdk.client; "
        "sys.exit(bool({'aiohttp', 'yarl', 'joserfc', 'cryptography'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
