"""How often one user may search: who searches for one name after another is listing people, not looking for one.

A token bucket for each user: so many searches at once, and as many again over a minute. What is counted is one process;
with several gateways each counts for itself.
"""

import math
from collections import OrderedDict
from collections.abc import Callable

from msgspec import Struct

from adapters.sdk import Actor

MOST_USERS = 10_000
"""Whose searches are remembered. Who has not searched for a minute is forgotten: they have their whole allowance."""
_MINUTE_S = 60.0


class _Bucket(Struct, frozen=True):
    left: float
    at: float


class Allowance:
    """What each user has left. Used by one event loop."""

    def __init__(self, per_minute: int, clock: Callable[[], float]) -> None:
        """`clock` is monotonic, in seconds."""
        self._per_minute = per_minute
        self._clock = clock
        self._buckets: OrderedDict[tuple[str, str], _Bucket] = OrderedDict()

    def take(self, actor: Actor) -> int:
        """Take one search; 0, or in how many seconds there will be one. Roles and purposes make nobody another user."""
        now = self._clock()
        who = (actor.user, actor.organization)
        before = self._buckets.pop(who, _Bucket(self._per_minute, now))
        left = min(self._per_minute, before.left + (now - before.at) * self._per_minute / _MINUTE_S)
        granted = left >= 1
        self._buckets[who] = _Bucket(left - 1 if granted else left, now)
        self._forget(now)
        return 0 if granted else math.ceil((1 - left) * _MINUTE_S / self._per_minute)

    def __len__(self) -> int:
        """How many users are remembered."""
        return len(self._buckets)

    def _forget(self, now: float) -> None:
        """The longest silent are first."""
        while self._buckets:
            who, bucket = next(iter(self._buckets.items()))
            if now - bucket.at < _MINUTE_S and len(self._buckets) <= MOST_USERS:
                return
            del self._buckets[who]
