"""TLS towards sources: whom to trust, how little will do, and our own certificate where a source asks for one."""

import ssl
import tempfile
from functools import cache
from pathlib import Path

from adapters.sdk.auth import Auth, ClientTls
from adapters.sdk.contract import HttpSettings
from adapters.sdk.errors import SettingsError


def tls_context(settings: HttpSettings, auth: Auth | None) -> ssl.SSLContext:
    """TLS 1.2 or better with the host name checked, for ever: nothing a source does can lower it."""
    client = auth if isinstance(auth, ClientTls) else auth.tls if auth is not None else None
    if client is None and settings.ca is None:
        return _usual_tls()
    try:
        context = _strict_tls((client.ca if client is not None else None) or settings.ca)
    except (OSError, ssl.SSLError):
        raise SettingsError("ca: the file cannot be read, or is not PEM certificates") from None
    if client is not None:
        _load_client_certificate(context, client)
    return context


@cache
def _usual_tls() -> ssl.SSLContext:
    """With the system's authorities, one for all sources: to read those takes 50 ms. Nobody changes it."""
    return _strict_tls(None)


def _strict_tls(ca: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _load_client_certificate(context: ssl.SSLContext, client: ClientTls) -> None:
    key = client.key.reveal()
    # OpenSSL reads keys from files only: this one is readable by us alone and gone in a moment.
    with tempfile.TemporaryDirectory(prefix="sherwood-") as folder:
        file = Path(folder, "key.pem")
        file.touch(mode=0o600)
        file.write_text(key)
        try:
            # The empty password keeps OpenSSL from asking for one at the terminal.
            context.load_cert_chain(client.cert, file, password="")
        except (OSError, ssl.SSLError, ValueError):
            raise SettingsError(
                "cert, key: they cannot be read, are not PEM, are encrypted, or do not belong together"
            ) from None
