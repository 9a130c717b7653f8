"""What each source says of each fact type, as a hash: by that two answers to one caller are compared.

Neither when a source was asked nor in which order it answered makes a difference; nor do the bytes it gave. What policy
hides was removed before, and so leaves no trace in them.
"""

import hashlib
from collections.abc import Iterable
from typing import Any

import msgspec

from schema.gql.ports import FIELDS
from schema.model.view import SectionSource, SectionVersion, SourceFact, SourceRef, SourceVersion

_encode = msgspec.msgpack.Encoder(order="deterministic").encode
_SHORT = 16
"""Hexadecimal digits: two versions in a billion billion are the same by chance."""
Told = tuple[SectionSource, str, tuple[SourceFact[Any], ...]]
"""What became of a source for one fact type, the type, and its facts of it."""
Seen = dict[tuple[SourceRef, str], bytes]
"""What each source says of each type, as hashes."""


def hashed(told: Iterable[Told]) -> Seen:
    """What was told, to be compared."""
    return {(what.source, fact_type): _hash(what, facts) for what, fact_type, facts in told}


def versions(told: Iterable[Told]) -> tuple[SourceVersion, ...]:
    """The same for whoever asks, in the order in which it was told."""
    found: dict[SourceRef, list[SectionVersion]] = {}
    for what, fact_type, facts in told:
        version = _hash(what, facts).hex()[:_SHORT]
        one = SectionVersion(section=FIELDS[fact_type], state=what.state, version=version)
        found.setdefault(what.source, []).append(one)
    return tuple(SourceVersion(source=source, sections=tuple(sections)) for source, sections in found.items())


def _hash(what: SectionSource, facts: tuple[SourceFact[Any], ...]) -> bytes:
    # Of several gaps the first lends the source its code: which that is, is a matter of who answered first.
    code = None if any(gap.code == what.code for gap in what.gaps) else what.code
    said = (
        msgspec.structs.replace(what, code=code, gaps=()),
        sorted(map(_encode, what.gaps)),
        sorted(_encode((one.id, one.fact)) for one in facts),
    )
    return hashlib.sha256(_encode(said)).digest()
