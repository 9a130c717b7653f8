"""What the listener takes, keeps and answers, over real sockets."""

import asyncio
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapters.hl7v2.feed import listening
from adapters.hl7v2.mllp import END, NAK, START, frame
from adapters.sdk import SettingsError
from tests.hl7v2.feed.conftest import PID, PID_MRN, message
from tests.hl7v2.feed.stores import BACKENDS, no_message_can_be_kept
from tests.support.mllp_sender import Sender

Feeds = Callable[..., Any]


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """Both."""
    return str(request.param)


@pytest.mark.parametrize("version", ["2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.8"])
async def test_original_mode_is_answered_once_after_the_commit(version: str, feed: Feeds) -> None:
    async with feed() as one:
        raw = message("ADT^A01", PID, control="C1").replace(b"|P|2.4", b"|P|" + version.encode())
        assert await one.send(raw) == [["AA", "C1"]]
        assert await one.rows() == [("C1", "linked", raw)]


@pytest.mark.parametrize(
    ("commit", "application", "expected"),
    [
        ("AL", "NE", ["CA"]),
        ("AL", "AL", ["CA", "AA"]),
        ("NE", "AL", ["AA"]),
        ("SU", "", ["CA"]),
        ("ER", "", []),
        ("NE", "NE", []),
        ("ER", "AL", ["AA"]),
    ],
)
async def test_enhanced_mode_answers_what_the_sender_asked_for(
    commit: str, application: str, expected: list[str], feed: Feeds
) -> None:
    async with feed() as one:
        asked = message("ADT^A01", PID, control="C1", header=f"|||{commit}|{application}")
        async with listening(one.settings, one.store) as port, Sender(port) as sender:
            # The message after it, in original mode, shows where the answers to the first one end.
            await sender.put(frame(asked) + frame(message("ADT^A08", PID, control="C2")))
            codes = [await sender.acknowledgement() for _ in range(len(expected) + 1)]
        assert codes == [*([code, "C1"] for code in expected), ["AA", "C2"]]


async def test_an_acknowledgement_names_sender_and_receiver_the_other_way_round(feed: Feeds) -> None:
    async with feed() as one, listening(one.settings, one.store, lambda: one.now) as port, Sender(port) as sender:
        await sender.put(frame(message("ORU^R01", PID, control="A&B")))
        header, msa = (await sender.receive()).decode().split("\r")[:2]
        assert header.startswith(r"MSH|^~\&|SHERWOOD|GW|PAS|RBI|20260317120000+0000||ACK^R01|")
        assert msa == r"MSA|AA|A\T\B"


async def test_a_message_sent_twice_is_acknowledged_twice_and_kept_once(feed: Feeds) -> None:
    async with feed() as one:
        raw = message("ADT^A01", PID, control="C1")
        assert await one.send(raw, raw) == [["AA", "C1"]] * 2
        assert len(await one.rows()) == 1


async def test_one_control_id_on_two_messages_is_two_messages(feed: Feeds) -> None:
    async with feed() as one:
        first, second = message("ADT^A01", PID, control="1"), message("ADT^A03", PID, control="1")
        elsewhere = first.replace(b"|PAS|RBI|", b"|PAS|OTHER|")
        await one.send(first, second, elsewhere)
        assert len(await one.rows()) == 3


async def test_a_message_that_names_nobody_is_kept_unlinked_and_counted(feed: Feeds) -> None:
    async with feed() as one:
        nobody = "PID|1||555^^^OTHER^XX||UNKNOWN^Male"
        assert await one.send(message("ADT^A04", nobody, control="C1")) == [["AA", "C1"]]
        assert [state for _, state, _ in await one.rows()] == ["unlinked"]
        assert (await one.store.state()).unlinked == 1


@pytest.mark.parametrize(
    "raw",
    [
        b"MSH|^~\\&|PAS|RBI|S|S|20260317||ADT^A01|C1|P|2.4\rMSH|^~\\&|PAS|RBI|S|S|20260317||ADT^A01|C2|P|2.4\r",
        b"MSH|^~\\&|PAS|RBI|S|S|20260317|||C1|P|2.4\rPID|1\r",
        b"MSH|^~\\&|PAS|RBI|S|S|20260317||ADT^A01|C1|T|2.4\rPID|1\r",
    ],
    ids=["two messages in one frame", "no message type", "a training message"],
)
async def test_what_cannot_be_taken_is_answered_with_an_error_and_kept_as_unreadable(raw: bytes, feed: Feeds) -> None:
    async with feed() as one:
        assert await one.send(raw) == [["AE", "C1"]]
        assert await one.rows() == [("C1", "unreadable", raw)]
        # In enhanced mode what was not committed has reached no application: one answer, and then the next message's.
        modern = raw.replace(b"|2.4", b"|2.4|||AL|AL")
        assert await one.send(modern, message("ADT^A08", PID, control="C9")) == [["CE", "C1"], ["AA", "C9"]]


async def test_bytes_without_a_header_are_answered_with_an_error_and_not_kept(feed: Feeds) -> None:
    async with feed() as one:
        assert [code for code, _ in await one.send(b"GET / HTTP/1.1", b"FHS|^~\\&|BATCH")] == ["AE", "AE"]
        assert await one.rows() == []


async def test_a_frame_over_the_cap_is_refused_and_its_beginning_kept(feed: Feeds) -> None:
    async with feed(max_frame_bytes=1024) as one:
        raw = message("ADT^A01", PID, "NTE|1||" + "x" * 2000, control="C1")
        assert await one.send(raw) == [["AE", "C1"]]
        ((control, state, kept),) = await one.rows()
        assert (control, state) == ("C1", "unreadable")
        assert raw.startswith(kept)
        assert await one.send(message("ADT^A01", PID, control="C2")) == [["AA", "C2"]]


async def test_junk_between_frames_is_skipped_and_a_frame_inside_a_frame_is_refused(feed: Feeds) -> None:
    async with feed() as one, listening(one.settings, one.store) as port:
        good = message("ADT^A01", PID, control="C1")
        async with Sender(port) as sender:
            await sender.put(b"\r\n junk " + frame(good))
            assert await sender.acknowledgement() == ["AA", "C1"]
            await sender.put(START + good[:40] + START + good + END)
            assert await sender.receive() == NAK
        assert len(await one.rows()) == 1


async def test_an_address_holds_no_more_connections_than_it_may(feed: Feeds) -> None:
    async with (
        feed(max_connections_per_peer=2) as one,
        listening(one.settings, one.store) as port,
        Sender(port) as first,
        Sender(port) as second,
    ):
        raw = message("ADT^A01", PID, control="C1")
        assert await first.send(raw) == await second.send(raw) == ["AA", "C1"]
        async with Sender(port) as third:
            with pytest.raises(ConnectionError):
                await third.send(raw)


async def test_many_senders_share_commits_and_each_is_told_of_its_own(feed: Feeds) -> None:
    async with feed() as one, listening(one.settings, one.store) as port:

        async def lane(number: int) -> list[list[str]]:
            async with Sender(port) as sender:
                return [await sender.send(message("ADT^A08", PID, control=f"{number}-{at}")) for at in range(25)]

        told = await asyncio.gather(*(lane(number) for number in range(8)))
        assert told == [[["AA", f"{number}-{at}"] for at in range(25)] for number in range(8)]
        assert (await one.store.state()).messages == 200


@pytest.mark.parametrize(("header", "code"), [("", "AR"), ("|||AL|NE", "CR")])
async def test_a_message_that_could_not_be_committed_is_never_accepted_and_the_store_goes_on(
    header: str, code: str, feed: Feeds
) -> None:
    async with feed() as one:
        raw = message("ADT^A01", PID, control="C1", header=header)
        async with listening(one.settings, one.store) as port, Sender(port) as sender:
            async with no_message_can_be_kept(one.settings.store):
                assert await sender.send(raw) == [code, "C1"]
                assert await one.rows() == []
            assert await sender.send(raw) == [code.replace("R", "A"), "C1"]
        assert len(await one.rows()) == 1


@pytest.mark.parametrize("gone", ["tls_cert", "tls_key", "tls_client_ca"])
async def test_a_file_of_the_listeners_that_is_not_there_is_named_with_its_key(
    gone: str, feed: Feeds, tmp_path: Path
) -> None:
    files = {key: str(tmp_path / key) for key in ("tls_cert", "tls_key", "tls_client_ca")}
    for key in files.keys() - {gone}:
        Path(files[key]).touch()
    async with feed(**files) as one:
        with pytest.raises(SettingsError, match=f"^{gone}: {files[gone]}: the file cannot be read$"):
            async with listening(one.settings, one.store):
                pass


async def test_what_a_database_takes_for_the_end_of_a_text_does_not_cost_the_message(feed: Feeds) -> None:
    async with feed() as one:
        raw = message("ADT^A01", PID, control=r"C\X00\1")
        assert [code for code, _ in await one.send(raw)] == ["AA"]
        assert [kept for _, _, kept in await one.rows()] == [raw]


async def test_a_number_longer_than_any_index_can_hold_does_not_cost_the_message(feed: Feeds) -> None:
    async with feed() as one:
        raw = message("ADT^A01", PID_MRN.replace("880417", secrets.token_hex(9000)), control="C" * 5000)
        assert [code for code, _ in await one.send(raw)] == ["AA"]
        assert [kept for _, _, kept in await one.rows()] == [raw]
