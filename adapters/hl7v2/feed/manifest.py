"""The first part of a feed's record: what the store knew besides the messages, so that reading needs no store.

It carries its own hash: a damaged one could turn "these are the person's numbers" into "nobody is known".
"""

from datetime import datetime
from hashlib import sha256

import msgspec
from msgspec import Struct

from adapters.sdk import SourceInvalid


class Manifest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose messages follow, and what is known of the feed at that moment."""

    numbers: tuple[str, ...]
    """Every number of the person; none when the feed has not heard of them."""
    complete_from: datetime
    """When the feed's first message was committed: it knows nothing of before."""
    last_heard: datetime
    silent: bool
    """True when nothing has come for longer than expected: later messages may be missing."""
    by_hand: tuple[tuple[str, str], ...] = ()
    """Messages that name nobody and that an operator linked: the SHA-256 of each, and the number it was linked to."""


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Manifest).decode


def write(manifest: Manifest) -> bytes:
    body = _encode(manifest)
    return sha256(body).hexdigest().encode() + b"\n" + body


def read(part: bytes) -> Manifest:
    """Raises SourceInvalid unless it is exactly what was written."""
    digest, _, body = part.partition(b"\n")
    if digest != sha256(body).hexdigest().encode():
        raise SourceInvalid("the record's list of numbers is damaged")
    try:
        return _decode(body)
    except msgspec.MsgspecError:
        raise SourceInvalid("the record's list of numbers cannot be read") from None
