"""Clinical time keeps what was said, no more and no less."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from schema.model.when import Precision, When

LONDON = ZoneInfo("Europe/London")


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "precision", "earliest", "value"),
    [
        ("1958", Precision.YEAR, at(1958, 1, 1), "1958"),
        ("1958-06", Precision.MONTH, at(1958, 5, 31, 23), "1958-06"),
        ("2026-01-17", Precision.DAY, at(2026, 1, 17), "2026-01-17"),
        ("2026-07-17T01:30", Precision.MINUTE, at(2026, 7, 17, 0, 30), "2026-07-17T01:30"),
        ("2026-07-17T01:30:15+05:30", Precision.SECOND, at(2026, 7, 16, 20, 0, 15), "2026-07-17T01:30:15"),
        (
            "2026-07-17T01:30:15.250Z",
            Precision.SECOND,
            at(2026, 7, 17, 1, 30, 15, 250_000),
            "2026-07-17T01:30:15.250000",
        ),
    ],
)
def test_precision_and_first_instant_are_as_stated(
    text: str, precision: Precision, earliest: datetime, value: str
) -> None:
    when = When.iso(text, LONDON)
    assert (when.text, when.precision, when.earliest, when.value) == (text, precision, earliest, value)


def test_a_wall_time_that_happens_twice_keeps_both() -> None:
    when = When.iso("2026-10-25T01:30:00", LONDON)
    assert (when.earliest, when.latest) == (at(2026, 10, 25, 0, 30), at(2026, 10, 25, 1, 30))
    assert when.zone_assumed


def test_a_stated_offset_is_not_assumed() -> None:
    when = When.iso("2026-10-25T01:30:00+01:00", LONDON)
    assert when.earliest == when.latest == at(2026, 10, 25, 0, 30)
    assert (when.zone, when.zone_assumed) == ("+01:00", False)


def test_a_month_reaches_to_its_last_instant() -> None:
    when = When.iso("2024-02", ZoneInfo("UTC"))
    assert when.latest == at(2024, 2, 29, 23, 59, 59, 999_999)
    assert when.day.isoformat() == "2024-02-01"


@pytest.mark.parametrize("text", ["2026-02-30", "2026-13", "yesterday", "", "20260317", "2026-03-17T25:00", "0000"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        When.iso(text, LONDON)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
def test_the_edge_of_the_calendar_is_refused_not_a_crash(text: str) -> None:
    with pytest.raises(ValueError, match="calendar"):
        When.iso(text, LONDON)
