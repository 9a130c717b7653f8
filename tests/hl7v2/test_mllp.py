"""Frames on real sockets: cut anywhere, junk between, too large, too slow, over TLS."""

import asyncio
import contextlib
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from adapters.hl7v2 import mllp
from adapters.sdk import Call, SourceInvalid, SourceTimeout, SourceUnavailable

Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
CAP = 1024


@contextlib.asynccontextmanager
async def peer(behave: Peer) -> AsyncIterator[int]:
    """A server that does exactly what is told, once for each connection."""
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def run() -> None:
            try:
                with contextlib.suppress(OSError):
                    await behave(reader, writer)
            finally:
                writer.transport.abort()

        tasks.add(asyncio.ensure_future(run()))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def answering(data: bytes, *, hold: bool = True) -> Peer:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(mllp.END)
        writer.write(data)
        await writer.drain()
        if hold:
            await reader.read()

    return behave


async def echo(payload: bytes) -> bytes:
    return payload


@pytest.mark.parametrize("size", range(1, 25))
def test_a_frame_may_be_cut_at_every_byte(size: int) -> None:
    stream = b"junk" + mllp.frame(b"MSH|one\x1ctwo") + b"\r\n" + mllp.frame(b"") + mllp.frame(b"MSH|2")
    reader = mllp.FrameReader(CAP)
    found = [f for at in range(0, len(stream), size) for f in reader.feed(stream[at : at + size])]
    assert found == [b"MSH|one\x1ctwo", b"", b"MSH|2"]
    assert not reader.inside


def test_frame_cap_is_exact_however_the_frame_is_cut() -> None:
    for size in (1, 7, 5000):
        reader = mllp.FrameReader(CAP)
        stream = mllp.frame(b"x" * CAP)
        assert [f for at in range(0, len(stream), size) for f in reader.feed(stream[at : at + size])] == [b"x" * CAP]
        over = mllp.frame(b"x" * (CAP + 1))
        with pytest.raises(SourceInvalid):
            [reader.feed(over[at : at + size]) for at in range(0, len(over), size)]


def test_junk_is_counted_and_has_the_same_cap() -> None:
    reader = mllp.FrameReader(CAP)
    reader.feed(b"j" * CAP)
    assert reader.junk == CAP
    with pytest.raises(SourceInvalid):
        reader.feed(b"j")


def test_a_frame_inside_a_frame_is_refused() -> None:
    with pytest.raises(SourceInvalid):
        mllp.FrameReader(CAP).feed(b"\x0bMSH|cut off in the mid\x0bMSH|again\x1c\r")


async def test_two_frames_in_one_packet_are_two_messages(call: Callable[..., Call]) -> None:
    async with (
        peer(answering(b"\n" + mllp.frame(b"one") + b"--" + mllp.frame(b"two"))) as port,
        mllp.Connection("127.0.0.1", port, call(), CAP, None) as line,
    ):
        assert await line.exchange(b"q") == b"one"
        assert await line.receive() == b"two"


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", SourceUnavailable),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", SourceInvalid),
        (b"\x0bMSH|half", SourceUnavailable),
        (b"\x0b" + b"x" * (CAP + 10), SourceInvalid),
        (b"j" * (CAP + 10), SourceInvalid),
    ],
)
async def test_a_broken_answer_says_who_must_act(
    data: bytes, error: type[Exception], call: Callable[..., Call]
) -> None:
    async with (
        peer(answering(data, hold=False)) as port,
        mllp.Connection("127.0.0.1", port, call(), CAP, None) as line,
    ):
        with pytest.raises(error):
            await line.exchange(b"q")


async def test_a_silent_server_is_left_at_the_deadline(call: Callable[..., Call]) -> None:
    async with peer(answering(b"")) as port, mllp.Connection("127.0.0.1", port, call(0.2), CAP, None) as line:
        with pytest.raises(SourceTimeout):
            await line.exchange(b"q")


async def test_a_dripping_server_is_left_at_the_deadline_although_bytes_keep_coming(call: Callable[..., Call]) -> None:
    dripped = 0

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal dripped
        await reader.readuntil(mllp.END)
        writer.write(mllp.START)
        while True:
            writer.write(b"x")
            dripped += 1
            await writer.drain()
            await asyncio.sleep(0)

    async with peer(drip) as port, mllp.Connection("127.0.0.1", port, call(0.2), 10**9, None) as line:
        with pytest.raises(SourceTimeout):
            await line.exchange(b"q")
    assert dripped > 1


async def test_nobody_listening_is_unavailable(call: Callable[..., Call]) -> None:
    async with peer(answering(b"")) as port:
        pass
    with pytest.raises(SourceUnavailable):
        async with mllp.Connection("127.0.0.1", port, call(), CAP, None):
            pass


async def test_server_answers_every_frame_of_a_connection_in_order(call: Callable[..., Call]) -> None:
    async with mllp.serve(echo) as port, mllp.Connection("127.0.0.1", port, call(), CAP, None) as line:
        assert await line.exchange(b"one") == b"one"
        assert await line.exchange(mllp.END.join([b"two", b"junk" + mllp.START + b"three"])) == b"two"
        assert await line.receive() == b"three"


async def test_server_refuses_an_endless_frame_and_serves_others(call: Callable[..., Call]) -> None:
    async with mllp.serve(echo, max_frame_bytes=CAP) as port:
        async with mllp.Connection("127.0.0.1", port, call(), CAP, None) as bad:
            assert await bad.exchange(b"x" * (CAP + 1)) == mllp.NAK
        async with mllp.Connection("127.0.0.1", port, call(), CAP, None) as good:
            assert await good.exchange(b"fine") == b"fine"


async def test_server_closes_a_connection_that_never_ends_its_frame(call: Callable[..., Call]) -> None:
    async with mllp.serve(echo, read_deadline_s=0.1) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\x0bMSH|")
        async with asyncio.timeout(5):
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read() == b""
        writer.transport.abort()


async def test_one_peer_cannot_hold_more_than_its_connections(call: Callable[..., Call]) -> None:
    async with (
        mllp.serve(echo, max_connections_per_peer=2) as port,
        mllp.Connection("127.0.0.1", port, call(), CAP, None) as first,
        mllp.Connection("127.0.0.1", port, call(), CAP, None) as second,
    ):
        assert await first.exchange(b"1") == b"1"
        assert await second.exchange(b"2") == b"2"
        async with mllp.Connection("127.0.0.1", port, call(), CAP, None) as third:
            with pytest.raises(SourceUnavailable):
                await third.exchange(b"3")
        assert await first.exchange(b"still") == b"still"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A throwaway certificate for 127.0.0.1, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(signed.public_bytes(serialization.Encoding.PEM) + private)
    return path


def server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context


async def test_tls_is_spoken_with_the_configured_authority(certificate: Path, call: Callable[..., Call]) -> None:
    trusted = ssl.create_default_context(cafile=certificate)
    async with (
        mllp.serve(echo, tls=server_tls(certificate)) as port,
        mllp.Connection("127.0.0.1", port, call(), CAP, trusted) as line,
    ):
        assert await line.exchange(b"secret") == b"secret"


async def test_an_untrusted_certificate_is_refused_and_nothing_is_sent(
    certificate: Path, call: Callable[..., Call]
) -> None:
    heard: list[bytes] = []

    async def listen(payload: bytes) -> bytes:
        heard.append(payload)
        return payload

    async with mllp.serve(listen, tls=server_tls(certificate)) as port:
        with pytest.raises(SourceUnavailable):
            async with mllp.Connection("127.0.0.1", port, call(), CAP, ssl.create_default_context()) as line:
                await line.exchange(b"secret")
    assert heard == []


async def test_a_server_without_tls_never_gets_the_question_in_clear(call: Callable[..., Call]) -> None:
    heard = bytearray()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.extend(await reader.read(100))

    async with peer(listen) as port:
        with pytest.raises(SourceUnavailable):
            async with mllp.Connection("127.0.0.1", port, call(), CAP, ssl.create_default_context()) as line:
                await line.exchange(b"secret")
    assert b"secret" not in heard
