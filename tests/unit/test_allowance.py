"""How often one user may search, by a clock of the test's own."""

from adapters.sdk import Actor
from gateway import allowance
from gateway.allowance import Allowance


def user(name: str, role: str = "Clerk") -> Actor:
    return Actor(user=name, role=role, organization="ZRH")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_so_many_at_once_and_then_one_after_the_other_as_time_passes() -> None:
    clock = Clock()
    searches = Allowance(6, clock)
    assert [searches.take(user("a")) for _ in range(6)] == [0] * 6
    assert searches.take(user("a")) == 10
    clock.now += 4
    assert searches.take(user("a")) == 6, "to ask in vain costs nothing"
    clock.now += 6
    assert [searches.take(user("a")) for _ in range(2)] == [0, 10]
    clock.now += 3600
    assert [searches.take(user("a")) for _ in range(7)] == [0] * 6 + [10], "nothing is saved up"


def test_another_user_has_their_own_and_another_role_of_the_same_has_not() -> None:
    searches = Allowance(1, Clock())
    assert searches.take(user("a")) == 0
    assert searches.take(user("b")) == 0
    assert searches.take(user("a", role="Sister")) == 60


def test_who_has_not_searched_for_a_minute_is_forgotten_and_there_are_never_too_many() -> None:
    clock = Clock()
    searches = Allowance(1, clock)
    for number in range(allowance.MOST_USERS + 10):
        searches.take(user(f"u{number}"))
    assert len(searches) == allowance.MOST_USERS
    clock.now += 60
    searches.take(user("a"))
    assert len(searches) == 1
