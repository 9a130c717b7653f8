"""The SDK's HTTP client over TLS and through a proxy: whom it trusts, and how it proves who it is."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from adapters.sdk import HttpSettings, SettingsError, SourceError, SourceUnavailable
from adapters.sdk.auth import parse_auth
from adapters.sdk.client import open_client
from adapters.testing.conformance import call
from adapters.testing.hostile import hostile_server

CEILING_S = 20.0


class Authority:
    """A certificate authority made for one test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
        root = self._builder(self._name, self._key, days=10)
        root = root.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        root = root.add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
        self.certificate = folder / "ca.pem"
        self.certificate.write_bytes(root.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM))

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, days: int) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=30))
            .not_valid_after(now + timedelta(days=days))
        )

    def issue(self, name: str, address: str = "127.0.0.1", days: int = 10) -> tuple[Path, Path]:
        """Certificate and key files for that address."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        alternative = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))])
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        signed = (
            self._builder(subject, key, days)
            .add_extension(alternative, critical=False)
            .add_extension(authority, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        cert_file, key_file = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        cert_file.write_bytes(signed.public_bytes(Encoding.PEM))
        key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return cert_file, key_file


def server_tls(files: tuple[Path, Path], clients: Path | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(clients)
    return context


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


async def ask(url: str, auth: dict[str, Any] | None = None, **settings: Any) -> int:
    client = open_client(
        HttpSettings(base_url=url, **settings),
        None if auth is None else parse_auth(auth),
        name="the source",
        timeout_s=CEILING_S,
        max_concurrency=1,
    )
    try:
        async with asyncio.timeout(CEILING_S):
            return (await client.get("", call=call())).status
    finally:
        await client.close()


async def test_a_source_of_the_configured_authority_is_trusted(authority: Authority) -> None:
    async with hostile_server(tls=server_tls(authority.issue("source"))) as server:
        assert await ask(server.base_url, ca=str(authority.certificate)) == 200


@pytest.mark.parametrize("wrong", ["unknown authority", "expired", "other host"])
async def test_a_source_that_cannot_prove_who_it_is_is_asked_nothing(authority: Authority, wrong: str) -> None:
    files = authority.issue(
        "source",
        address="127.0.0.9" if wrong == "other host" else "127.0.0.1",
        days=-1 if wrong == "expired" else 10,
    )
    settings = {} if wrong == "unknown authority" else {"ca": str(authority.certificate)}
    async with hostile_server(tls=server_tls(files)) as server:
        with pytest.raises(SourceUnavailable, match="certificate") as caught:
            await ask(server.base_url, **settings)
        assert server.requests == 0
    assert "127.0.0" not in str(caught.value)


async def test_an_old_tls_version_is_refused(authority: Authority) -> None:
    context = server_tls(authority.issue("source"))
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    async with hostile_server(tls=context) as server:
        with pytest.raises(SourceUnavailable):
            await ask(server.base_url, ca=str(authority.certificate))
        assert server.requests == 0


async def test_a_client_certificate_is_shown(authority: Authority) -> None:
    cert, key = authority.issue("gateway")
    auth = {"type": "mtls", "cert": str(cert), "key": f"file:{key}", "ca": str(authority.certificate)}
    context = server_tls(authority.issue("source"), clients=authority.certificate)
    async with hostile_server(tls=context) as server:
        assert await ask(server.base_url, auth) == 200
        with pytest.raises(SourceError):
            await ask(server.base_url, ca=str(authority.certificate))
        assert server.requests == 1


async def test_a_client_certificate_can_stand_beside_other_credentials(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    cert, key = authority.issue("gateway")
    monkeypatch.setenv("CLIENT_KEY", key.read_text())
    monkeypatch.setenv("API_KEY", "k")
    tls = {"cert": str(cert), "key": "env:CLIENT_KEY", "ca": str(authority.certificate)}
    auth = {"type": "header", "name": "X-Key", "value": "env:API_KEY", "tls": tls}
    context = server_tls(authority.issue("source"), clients=authority.certificate)
    async with hostile_server(tls=context) as server:
        assert await ask(server.base_url, auth) == 200


def test_a_client_certificate_that_does_not_fit_its_key_is_refused(authority: Authority) -> None:
    cert, _ = authority.issue("gateway")
    _, other = authority.issue("other")
    auth = parse_auth({"type": "mtls", "cert": str(cert), "key": f"file:{other}"})
    with pytest.raises(SettingsError, match="cert, key"):
        open_client(HttpSettings(base_url="https://127.0.0.1"), auth, name="x", timeout_s=1, max_concurrency=1)


@asynccontextmanager
async def forward_proxy(refuse: bool = False) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A proxy that opens tunnels (RFC 9110 section 9.3.6), and the first line of all it was asked."""
    asked: list[bytes] = []

    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        head = await reader.readuntil(b"\r\n\r\n")
        asked.append(head.split(b"\r\n")[0])
        if refuse:
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            writer.close()
            await writer.wait_closed()
            return
        host, _, port = head.split(b" ")[1].decode().partition(":")
        to_reader, to_writer = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(pump(reader, to_writer), pump(to_reader, writer))

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
        with suppress(ConnectionError):
            writer.close()
            await writer.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked
        async with asyncio.timeout(CEILING_S):
            await asyncio.gather(*serving)


async def test_a_forward_proxy_tunnels_and_the_source_still_proves_who_it_is(authority: Authority) -> None:
    async with hostile_server(tls=server_tls(authority.issue("source"))) as server, forward_proxy() as (proxy, asked):
        assert await ask(server.base_url, ca=str(authority.certificate), proxy=proxy) == 200
        assert asked == [f"CONNECT 127.0.0.1:{server.port} HTTP/1.1".encode()]
        with pytest.raises(SourceUnavailable, match="certificate"):
            await ask(server.base_url, proxy=proxy)


async def test_a_proxy_that_refuses_is_told_apart_from_the_source(authority: Authority) -> None:
    async with (
        hostile_server(tls=server_tls(authority.issue("source"))) as server,
        forward_proxy(refuse=True) as (proxy, _),
    ):
        with pytest.raises(SourceUnavailable, match="proxy"):
            await ask(server.base_url, ca=str(authority.certificate), proxy=proxy)
        assert server.requests == 0


async def test_the_environment_does_not_choose_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    async with hostile_server() as server:
        assert await ask(server.base_url) == 200
