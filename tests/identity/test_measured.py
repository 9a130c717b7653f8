"""Automatic linking over the generated pairs of bench/identity: no false link, and enough of the right ones."""

import pytest

from bench.identity.different import HARD_KINDS, told_apart
from bench.identity.generator import pairs
from bench.identity.measure import measure
from bench.identity.people import ORIGINS
from bench.identity.same import EVERYDAY, ONE_PERSON
from gateway.identity.guard import Verdict

SEED = 20261123
SEES_ALL = tuple(kind for kind in ONE_PERSON if kind not in ("no number", "slip in the number"))


@pytest.mark.parametrize("kind", HARD_KINDS)
def test_no_record_of_another_person_is_linked(kind: str) -> None:
    assert not measure(kind, pairs(kind, 1_500, SEED)).linked


@pytest.mark.slow
@pytest.mark.parametrize("kind", HARD_KINDS)
def test_no_record_of_another_person_is_linked_among_340_000(kind: str) -> None:
    assert not measure(kind, pairs(kind, 20_000, SEED)).linked


def test_everyday_records_are_linked_whatever_the_origin_of_the_name() -> None:
    found = measure(EVERYDAY, pairs(EVERYDAY, 1_800 * len(ORIGINS), SEED))
    rates = [found.link_rate(origin) for origin in ORIGINS]
    assert found.link_rate() >= 0.97
    assert max(rates) - min(rates) <= 0.02


@pytest.mark.parametrize("kind", SEES_ALL)
def test_a_record_with_the_right_number_is_linked_or_seen_by_somebody(kind: str) -> None:
    assert measure(kind, pairs(kind, 200, SEED)).seen_rate() == 1


def test_a_record_without_a_number_is_never_linked_and_mostly_seen() -> None:
    found = measure("no number", pairs("no number", 500, SEED))
    assert found.count(Verdict.ADMITTED) == 0
    assert found.seen_rate() >= 0.93


@pytest.mark.parametrize("kind", HARD_KINDS)
def test_every_hard_pair_can_be_told_apart_and_the_seed_decides_it(kind: str) -> None:
    drawn = list(pairs(kind, 70, SEED))
    assert all(told_apart(pair) for pair in drawn)
    assert drawn == list(pairs(kind, 70, SEED))
    assert drawn != list(pairs(kind, 70, SEED + 1))
