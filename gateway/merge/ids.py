"""Ids of facts and merged facts: keyed hashes, so that an id says nothing about a person, a source or a number.

HMAC-SHA256 (RFC 2104) under the deployment's secret. Two deployments give the same fact different ids, and nobody
without the secret can test a guessed NHS number against one.
"""

import hashlib

import msgspec

_LENGTH = 26
"""Hexadecimal digits kept: 104 bits, where a billion ids collide with a chance of about 1 in 10**13."""
_BLOCK = 64
"""SHA-256's block size in bytes."""


class Ids:
    """Makes ids under one secret. The same input gives the same id in every process of a deployment."""

    def __init__(self, secret: bytes) -> None:
        """Raises ValueError when the secret is too short to keep anything."""
        if len(secret) < 16:
            raise ValueError("the secret is at least 16 bytes")
        key = hashlib.sha256(secret).digest() if len(secret) > _BLOCK else secret
        padded = key.ljust(_BLOCK, b"\0")
        # The two key blocks are hashed once here: half of the cost of an id otherwise (bench/merge/cost.py).
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in padded))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in padded))

    def fact_id(self, source: str, local_patient: str | None, native_id: str) -> str:
        """The id of one source's fact: of (source, the source's own id of the patient, its own id of the statement)."""
        return self._keyed(msgspec.msgpack.encode(("fact", source, local_patient, native_id)))

    def merged_id(self, least_member: str) -> str:
        """The id of a merged fact: of its least visible member's fact id. It may change when a late source joins."""
        return self._keyed(b"merged\0" + least_member.encode())

    def _keyed(self, message: bytes) -> str:
        inner = self._inner.copy()
        inner.update(message)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.hexdigest()[:_LENGTH]
