"""The cache of what sources answered: bytes in memory, a time to live for each, least recently used out first.

Keys are HMACs: neither a key nor its length says anything about a person. Values are MessagePack, never pickle.
"""

import time
from collections import OrderedDict
from collections.abc import Callable


class MemoryCache:
    """Bytes by key. Holds at most `capacity_bytes` of values; a value beyond its time is a miss."""

    def __init__(self, capacity_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._capacity = capacity_bytes
        self._clock = clock
        self._held: OrderedDict[bytes, tuple[float, bytes, bytes]] = OrderedDict()
        self._tagged: dict[bytes, set[bytes]] = {}
        self._size = 0

    def get(self, key: bytes) -> bytes | None:
        """The value, unless there is none or it is stale."""
        entry = self._held.get(key)
        if entry is None:
            return None
        expires, value, _ = entry
        if expires <= self._clock():
            self._drop(key)
            return None
        self._held.move_to_end(key)
        return value

    def put(self, key: bytes, value: bytes, ttl_s: float, tag: bytes = b"") -> None:
        """Keep a value for that long, pushing out what was used least recently. `forget` drops it by its tag."""
        self._drop(key)
        if ttl_s <= 0 or len(value) > self._capacity:
            return
        self._held[key] = (self._clock() + ttl_s, value, tag)
        self._tagged.setdefault(tag, set()).add(key)
        self._size += len(value)
        while self._size > self._capacity:
            self._drop(next(iter(self._held)))

    def holds(self, key: bytes) -> bool:
        """Whether it was kept and has not been pushed out, be it stale by now."""
        return key in self._held

    def forget(self, tag: bytes) -> None:
        """Drop everything that was put under this tag."""
        for key in tuple(self._tagged.get(tag, ())):
            self._drop(key)

    def keys(self) -> tuple[bytes, ...]:
        """Every key held, for tests that prove they say nothing."""
        return tuple(self._held)

    def _drop(self, key: bytes) -> None:
        entry = self._held.pop(key, None)
        if entry is not None:
            _, value, tag = entry
            self._size -= len(value)
            self._tagged[tag].remove(key)
            if not self._tagged[tag]:
                del self._tagged[tag]
