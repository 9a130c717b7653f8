"""The tokens of the demo estate: what each base and format renders, and that a bad one is named."""

from datetime import UTC, datetime

import pytest

from adapters.demo.clock import render

NIGHT = datetime(2026, 3, 17, 2, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("token", "shown"),
    [
        ("{{now-8h|instant}}", "2026-03-16T18:10:00+00:00"),
        ("{{now|z}}", "2026-03-17T02:10:00Z"),
        ("{{now-3d+2h|naive}}", "2026-03-14T04:10:00"),
        ("{{now-9d at 10:15|hl7}}", "20260308101500"),
        ("{{now-6y|hl7month}}", "202003"),
        ("{{now|hl7date}}", "20260317"),
        ("{{now-19d|uk}}", "26/02/2026"),
        ("{{now-14y|year}}", "2012"),
        ("{{now-2mo|month}}", "2026-01"),
        ("{{now-2w|date}}", "2026-03-03"),
        ("{{now-10s-1m|epoch}}", "1773713330"),
        ("{{born:58:06-14|date}}", "1967-06-14"),
        ("{{born:58:03-17|date}}", "1968-03-17"),
        ("plain text and one { brace }", "plain text and one { brace }"),
    ],
)
def test_each_token_renders_against_the_clock(token: str, shown: str) -> None:
    assert render(token, NIGHT) == shown


def test_summer_wall_time_is_an_hour_ahead_of_utc_and_has_no_zone() -> None:
    july = datetime(2026, 7, 1, 23, 30, tzinfo=UTC)
    assert render("{{now|naive}} {{now|uk}} {{now|date}}", july) == "2026-07-02T00:30:00 02/07/2026 2026-07-01"


def test_months_and_years_clamp_to_the_end_of_the_month() -> None:
    assert render("{{now-1mo|date}}", datetime(2026, 3, 31, tzinfo=UTC)) == "2026-02-28"
    assert render("{{now+1y|date}}", datetime(2028, 2, 29, tzinfo=UTC)) == "2029-02-28"


@pytest.mark.parametrize(
    "bad", ["{{now-8h}}", "{{now-8h|iso}}", "{{then|date}}", "{{now-8x|date}}", "{{born:58:02-29|date}}", "{{now|date"]
)
def test_a_bad_token_is_named_in_the_error(bad: str) -> None:
    with pytest.raises(ValueError, match="token"):
        render(f"before {bad} after", NIGHT)


def test_a_clock_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        render("{{now|date}}", datetime(2026, 3, 17, 2, 10))
