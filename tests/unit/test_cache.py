"""The cache forgets in time, and never grows past its bound."""

from gateway.cache import MemoryCache
from gateway.keys import Keys


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_an_answer_is_served_until_its_time_is_up() -> None:
    clock = Clock()
    cache = MemoryCache(100, clock)
    cache.put(b"k", b"value", ttl_s=10)
    clock.now = 9.9
    assert cache.get(b"k") == b"value"
    clock.now = 10.0
    assert cache.get(b"k") is None


def test_what_was_used_least_recently_goes_first() -> None:
    cache = MemoryCache(10, Clock())
    cache.put(b"a", b"12345", 1)
    cache.put(b"b", b"12345", 1)
    assert cache.get(b"a")
    cache.put(b"c", b"1", 1)
    assert cache.get(b"b") is None
    assert cache.get(b"a")
    assert cache.get(b"c")


def test_a_value_larger_than_the_cache_or_without_time_is_not_kept() -> None:
    cache = MemoryCache(3, Clock())
    cache.put(b"large", b"1234", 1)
    cache.put(b"never", b"1", 0)
    assert cache.keys() == ()


def test_a_value_put_again_counts_once() -> None:
    cache = MemoryCache(10, Clock())
    for _ in range(5):
        cache.put(b"k", b"1234567", 1)
    cache.put(b"other", b"123", 1)
    assert set(cache.keys()) == {b"k", b"other"}


def test_keys_differ_by_every_part_and_by_secret() -> None:
    one, two = Keys(b"a" * 16), Keys(b"b" * 16)
    keys = {
        one.key("u", "a", "b"),
        one.key("u", "ab", ""),
        one.key("u", "a", ("b",)),
        one.key("v", "a", "b"),
        two.key("u", "a", "b"),
    }
    assert len(keys) == 5
    assert all(len(key) == 32 for key in keys)


def test_what_was_put_under_a_tag_is_forgotten_with_it_and_nothing_else() -> None:
    cache = MemoryCache(100, Clock())
    cache.put(b"a", b"1", 10, b"one")
    cache.put(b"b", b"2", 10, b"one")
    cache.put(b"c", b"3", 10, b"other")
    cache.put(b"b", b"4", 10, b"other")
    cache.forget(b"one")
    assert [cache.get(key) for key in (b"a", b"b", b"c")] == [None, b"4", b"3"]
    cache.forget(b"one")
    cache.forget(b"other")
    cache.put(b"d", b"x" * 100, 10, b"one")
    assert cache.keys() == (b"d",), "all of the memory is free again"
