"""A store on a PostgreSQL server: one that may lose what it commits is refused, and one that goes may come back."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg  # type: ignore[import-untyped]
import pytest
from pydantic import ValidationError

from adapters.hl7v2.feed import FeedSettings, Hl7v2FeedAdapter, StoreUnavailable, listening, open_store
from adapters.hl7v2.feed.identity import Person
from adapters.hl7v2.feed.kept import Received
from adapters.sdk import Ask, SettingsError, SourceUnavailable
from adapters.sdk.durable.postgresql import ONE_WRITER
from adapters.sdk.secrets import Secret
from adapters.testing.conformance import call
from tests.hl7v2.feed import stores
from tests.hl7v2.feed.conftest import PID, message
from tests.support.mllp_sender import Sender
from tests.support.sources import person, source


@pytest.fixture(scope="module")
def own() -> Iterator[stores.OwnServer]:
    with stores.own_server() as server:
        yield server


@pytest.fixture
def server(own: stores.OwnServer) -> Iterator[stores.OwnServer]:
    """A server of this test's own, not started."""
    yield own
    own.stop()


@pytest.mark.parametrize("standing", ["on", "local", "remote_write", "remote_apply"])
async def test_a_server_whose_commits_wait_for_the_disk_is_taken(standing: str, server: stores.OwnServer) -> None:
    server.start(f"synchronous_commit={standing}")
    async with await open_store(FeedSettings(store=server.url)) as store:
        assert (await store.state()).messages == 0


@pytest.mark.parametrize("setting", ["fsync", "synchronous_commit"])
async def test_a_server_that_may_lose_what_it_commits_is_refused(setting: str, server: stores.OwnServer) -> None:
    server.start(f"{setting}=off")
    with pytest.raises(StoreUnavailable, match=f"{setting} off"):
        await open_store(FeedSettings(store=server.url))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "adapters.hl7v2.feed", "--port", "0", "--store", server.url),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        out, told = await process.communicate()
    assert (process.returncode, out) == (2, b"")
    assert f"{setting} off".encode() in told


def test_a_database_alone_may_not_be_set_to_lose_what_it_commits_either() -> None:
    with stores.database("SET synchronous_commit = off") as url, pytest.raises(StoreUnavailable, match="synchronous"):
        asyncio.run(open_store(FeedSettings(store=url)))


async def test_while_the_server_is_gone_nothing_is_accepted_and_when_it_is_back_the_feed_goes_on(
    server: stores.OwnServer,
) -> None:
    server.start()
    settings = FeedSettings(store=server.url)
    adapter = Hl7v2FeedAdapter(source(settings))
    sent = [message("ADT^A08", PID, control=f"C{at}") for at in range(3)]
    async with await open_store(settings) as store, listening(settings, store) as port, Sender(port) as sender:
        assert await sender.send(sent[0]) == ["AA", "C0"]
        await adapter.check(call())
        server.kill()
        assert await sender.send(sent[1]) == ["AR", "C1"]
        modern = sent[2].replace(b"|2.4", b"|2.4|||AL|NE")
        assert await sender.send(modern) == ["CR", "C2"]
        with pytest.raises(SourceUnavailable):
            await adapter.check(call())
        server.start()
        assert [await sender.send(each) for each in sent] == [["AA", f"C{at}"] for at in range(3)]
        await adapter.check(call())
    await adapter.close()
    assert await stores.rows(server.url) == [(f"C{at}", "linked", each) for at, each in enumerate(sent)]


async def test_a_server_that_comes_back_without_fsync_is_told_nothing_is_accepted(server: stores.OwnServer) -> None:
    server.start()
    settings = FeedSettings(store=server.url)
    async with await open_store(settings) as store, listening(settings, store) as port, Sender(port) as sender:
        server.kill()
        server.start("fsync=off")
        assert await sender.send(message("ADT^A08", PID, control="C1")) == ["AR", "C1"]


async def test_a_server_that_is_told_while_it_runs_to_lose_commits_has_nothing_accepted_until_told_otherwise(
    server: stores.OwnServer,
) -> None:
    server.start()
    settings = FeedSettings(store=server.url)
    raw = message("ADT^A08", PID, control="C1")
    async with await open_store(settings) as store, listening(settings, store) as port, Sender(port) as sender:
        for change, awaited in (("SET synchronous_commit = off", "AR"), ("RESET synchronous_commit", "AA")):
            await stores.run(server.url, f"ALTER SYSTEM {change}", "SELECT pg_reload_conf()")
            async with asyncio.timeout(30):
                # The server takes its new settings up in its own time.
                while (await sender.send(raw))[0] != awaited:
                    pass


async def test_nothing_acknowledged_is_lost_when_the_server_is_killed_while_messages_come(
    server: stores.OwnServer,
) -> None:
    """The server ends without a word in the middle of commits, comes back, and is asked what it has."""
    server.start()
    settings = FeedSettings(store=server.url)
    accepted: set[str] = set()
    refused: set[str] = set()
    many, some = asyncio.Event(), asyncio.Event()
    lanes = 4

    async def send(port: int, lane: int) -> None:
        async with Sender(port) as sender:
            while not some.is_set():
                control = f"{lane}-{len(accepted) + len(refused)}"
                code, told = await sender.send(message("ADT^A08", PID, control=control))
                assert (code, told) in (("AA", control), ("AR", control))
                (accepted if code == "AA" else refused).add(control)
                if len(accepted) > 100:
                    many.set()
                if len(refused) > lanes:
                    some.set()

    async with await open_store(settings) as store, listening(settings, store) as port, asyncio.timeout(60):
        sending = [asyncio.ensure_future(send(port, lane)) for lane in range(lanes)]
        await many.wait()
        await asyncio.to_thread(server.kill)
        await asyncio.gather(*sending)
        server.start()
        kept = {control for control, _, _ in await stores.rows(server.url)}
        assert accepted <= kept
        async with Sender(port) as sender:
            assert await sender.send(message("ADT^A08", PID, control="again")) == ["AA", "again"]


async def test_two_listeners_may_fill_one_store_and_a_message_that_both_hear_is_kept_once(database: str) -> None:
    await stores.emptied(database)
    settings = FeedSettings(store=database)
    stores_of_both = await asyncio.gather(open_store(settings), open_store(settings))
    async with stores_of_both[0] as one, stores_of_both[1] as other:
        async with listening(settings, one) as first, listening(settings, other) as second:

            async def send(port: int) -> None:
                async with Sender(port) as sender:
                    for at in range(50):
                        assert await sender.send(message("ADT^A08", PID, control=f"C{at}")) == ["AA", f"C{at}"]

            await asyncio.gather(send(first), send(second))
        assert (await one.state()).messages == len(await stores.rows(database)) == 50


async def test_a_writer_takes_no_row_number_before_the_one_in_front_of_it_has_committed(database: str) -> None:
    """Else a reader's cursor could pass a row that becomes visible later."""
    await stores.emptied(database)
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with await open_store(FeedSettings(store=database)) as store:
        in_front = await asyncpg.connect(database)
        try:
            async with in_front.transaction(), asyncio.timeout(30):
                await in_front.execute(ONE_WRITER)  # as every writer begins
                behind = asyncio.ensure_future(store.keep(Received(raw=message("ADT^A08", PID))))
                while not await in_front.fetchval(waiting):
                    assert not behind.done()
                assert await in_front.fetchval("SELECT is_called FROM message_seq_seq") is False
            assert await behind is True
        finally:
            await in_front.close()


async def test_the_gateways_account_needs_to_read_and_nothing_else(server: stores.OwnServer) -> None:
    server.start()
    await stores.emptied(server.url)
    settings = FeedSettings(store=server.url)
    async with await open_store(settings) as store:
        await store.keep(Received(raw=message("ADT^A08", PID), people=(Person("880417"),)))
    grants = ("GRANT USAGE ON SCHEMA public TO gateway", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO gateway")
    await stores.run(server.url, "CREATE ROLE gateway LOGIN", *grants)
    adapter = Hl7v2FeedAdapter(source(FeedSettings(store=server.url.replace("postgres@", "gateway@"))))
    try:
        ask = Ask(subjects=(person("9990000018", local_ids=("Patient/880417",)),), types=adapter.types)
        (record,) = [record async for record in adapter.fetch(ask, call())]
        assert record.parts[1:] == (message("ADT^A08", PID),)
    finally:
        await adapter.close()


async def test_the_password_is_read_whenever_a_connection_is_made(
    server: stores.OwnServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.ask_for_passwords()
    server.start()
    await stores.run(server.url, "CREATE ROLE feed LOGIN PASSWORD 'a test''s'", "CREATE DATABASE feed OWNER feed")
    url = urlsplit(server.url)._replace(netloc=f"feed@127.0.0.1:{server.port}", path="/feed").geturl()
    settings = FeedSettings(store=url, store_password=Secret("env:SHERWOOD_TEST_FEED_PASSWORD"))
    monkeypatch.setenv("SHERWOOD_TEST_FEED_PASSWORD", "an old one")
    with pytest.raises(StoreUnavailable):
        await open_store(settings)
    monkeypatch.setenv("SHERWOOD_TEST_FEED_PASSWORD", "a test's")
    async with await open_store(settings) as store:
        assert (await store.state()).messages == 0
    monkeypatch.delenv("SHERWOOD_TEST_FEED_PASSWORD")
    with pytest.raises(SettingsError, match="SHERWOOD_TEST_FEED_PASSWORD"):
        await open_store(settings)


@pytest.mark.parametrize(
    "wrong",
    [
        {"store": "postgresql://user:secret@127.0.0.1/feed"},
        {"store": "postgresql://127.0.0.1/feed"},
        {"store": "postgresql://user@127.0.0.1"},
        {"store": "postgresql://user@127.0.0.1/feed?sslmode=disable"},
        {"store": "postgresql://user@127.0.0.1:99999/feed"},
        {"store": "mysql://user@127.0.0.1/feed"},
        {"store": ""},
        {"store": "feed.db", "store_tls": True},
        {"store": "feed.db", "store_password": "env:NAME"},
        {"store": "postgresql://user@127.0.0.1/feed", "store_ca": "ca.pem"},
    ],
)
def test_a_store_that_cannot_be_meant_is_refused_and_never_quoted(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as refusal:
        FeedSettings.model_validate(wrong)
    assert "secret" not in str(refusal.value)


def test_a_file_is_relative_to_the_folder_of_the_configuration() -> None:
    given = FeedSettings.model_validate({"store": "feed.db"}, context={"folder": "/etc/sherwood"})
    assert given.store == "/etc/sherwood/feed.db"
    absolute = FeedSettings.model_validate({"store": "/var/feed.db"}, context={"folder": "/etc/sherwood"})
    assert absolute.store == "/var/feed.db"


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ((), "beside/gone"),
        (("--store", "postgresql://user@127.0.0.1:1/other"), "beside/gone"),
        (("--store-password", "file:gone"), "gone"),
    ],
)
def test_the_file_of_a_password_is_relative_to_where_it_is_written(
    tmp_path: Path, given: tuple[str, ...], read: str
) -> None:
    (tmp_path / "beside").mkdir()
    config = tmp_path / "beside" / "gateway.toml"
    settings = '{ store = "postgresql://user@127.0.0.1:1/feed", store_password = "file:gone" }'
    config.write_text(f'[[sources]]\nadapter = "hl7v2-feed"\nsettings = {settings}\n', encoding="utf-8")
    command = (sys.executable, "-m", "adapters.hl7v2.feed", "unlinked", "-c", str(config), *given)
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False).stderr
    assert said.replace(f"{tmp_path}/", "") == f"file:{read}: the file cannot be read\n"
