"""The deployment's secret, and what is derived from it: cache keys and ids that say nothing about a person."""

import hashlib
import hmac
import os
import secrets
from pathlib import Path

import msgspec


class Keys:
    """Keyed hashes under one deployment secret."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) < 16:
            raise ValueError("the secret is at least 16 bytes")
        self._secret = secret

    def key(self, use: str, *parts: object) -> bytes:
        """HMAC-SHA256 over the canonical tuple (use, *parts); parts are text, numbers, None or tuples of them."""
        return hmac.digest(self._secret, msgspec.msgpack.encode((use, *parts), order="deterministic"), hashlib.sha256)

    def derived(self, use: str) -> bytes:
        """A secret of its own for another use."""
        return self.key("derive", use)


def state_secret(state_dir: Path) -> bytes:
    """The secret kept in `state_dir`, made on first use and readable by its owner alone."""
    path = state_dir / "secret"
    try:
        return path.read_bytes()
    except FileNotFoundError:
        state_dir.mkdir(parents=True, exist_ok=True)
        secret = secrets.token_hex(32).encode()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secret)
        return secret
