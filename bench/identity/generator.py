"""Pairs of records in any number, the same for the same seed, every origin as often as the next.

The kinds are in `different` (two people: a link is a false link) and `same` (one person: a link is recall).
"""

import random
from collections.abc import Iterator

from bench.identity.different import HARD_KINDS, hard_pair
from bench.identity.people import ORIGINS, Pair
from bench.identity.same import ONE_PERSON, same_pair


def pairs(kind: str, count: int, seed: int) -> Iterator[Pair]:
    """`count` pairs of a kind of HARD_KINDS or ONE_PERSON; one kind never depends on another's count."""
    if kind not in HARD_KINDS and kind not in ONE_PERSON:
        raise ValueError(f"no such kind of pair: {kind}")
    make = hard_pair if kind in HARD_KINDS else same_pair
    rng = random.Random(f"{seed} {kind}")
    for n in range(count):
        yield make(rng, kind, ORIGINS[n % len(ORIGINS)])
