"""The merge on invented people whose truth is known (`bench/merge`): what must never happen, and what must be reached.

The figures of the bench itself, over more people, are in bench/README.md. The seeds are fixed: a failure names the
statements.
"""

import pytest

from bench.merge.quality import COVERAGES, Score, score

PEOPLE = range(1000, 1016)
RECALL = {"full": 0.95, "half": 0.70, "none": 0.60}


@pytest.fixture(scope="module", params=COVERAGES)
def measured(request: pytest.FixtureRequest) -> tuple[str, Score]:
    return request.param, score(PEOPLE, COVERAGES[request.param])


def wrong(measured: Score, what: str) -> list[str]:
    return [f"{one.label} and {getattr(other, 'label', other)}" for kind, one, other in measured.wrong if kind == what]


def test_no_two_things_are_merged(measured: tuple[str, Score]) -> None:
    _, got = measured
    assert wrong(got, "false merge") == []
    assert got.merged.total() > 1000


def test_what_the_maps_can_compare_is_merged(measured: tuple[str, Score]) -> None:
    coverage, got = measured
    assert got.recall >= RECALL[coverage]


def test_every_contradiction_that_the_maps_can_compare_is_shown(measured: tuple[str, Score]) -> None:
    _, got = measured
    assert wrong(got, "conflict not shown") == []
    assert got.planted.total() > 200


def test_what_a_source_knows_is_hardly_ever_said_not_to_be_found_there(measured: tuple[str, Score]) -> None:
    _, got = measured
    assert got.claimed.total() > 1000
    assert {kind: untrue for kind, untrue in got.untrue.items() if untrue > got.claimed[kind] / 100} == {}
