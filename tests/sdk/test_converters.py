"""The named converters: what each reads, and that none guesses."""

from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.sdk.converters import BY_TYPE, CONVERTERS, Context, Unreadable
from schema.model.when import Precision, When

LONDON = Context(zone=ZoneInfo("Europe/London"))


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("text", "  as stated ", "as stated"),
        ("text", 7701, "7701"),
        ("text", Decimal("1.50"), "1.50"),
        ("upper", "ab", "AB"),
        ("lower", "AB", "ab"),
        ("integer", "28", 28),
        ("integer", Decimal("3.0"), 3),
        ("boolean", "Y", True),
        ("boolean", 0, False),
        ("boolean", "no", False),
        ("boolean", True, True),
        ("comparator", "<0.5", "<"),
        ("comparator", "0.5", None),
        ("nhs_number", "999 407 1009", "9994071009"),
        ("nhs_number", "999-407-1009", "9994071009"),
    ],
)
def test_a_value_is_read_as_what_it_means(name: str, value: object, read: object) -> None:
    assert CONVERTERS[name].convert(value, LONDON) == read


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("text", True),
        ("text", ["a"]),
        ("text", {"a": 1}),
        ("integer", "3.5"),
        ("integer", True),
        ("decimal", "n/a"),
        ("decimal", "1,200"),
        ("decimal", "<0.5"),
        ("decimal", "NaN"),
        ("decimal", Decimal("Infinity")),
        ("decimal", "1e400"),
        ("decimal", "٣"),
        ("decimal", False),
        ("boolean", "maybe"),
        ("boolean", 2),
        ("nhs_number", "9994071008"),
        ("nhs_number", "9999999999"),
        ("nhs_number", "999407100"),
        ("nhs_number", "9994071009.0"),
        ("iso_datetime", "13/03/2026"),
        ("iso_datetime", "2026-02-30"),
        ("naive_datetime", "2026-03-14T07:30:00Z"),
        ("naive_datetime", "2026-03-14T07:30:00+01:00"),
        ("uk_date", "03/13/2026"),
        ("uk_date", "31/02/2026"),
        ("uk_date", "01/02/67"),
        ("uk_date", "2026-02-01"),
        ("compact_datetime", "2026031407"),
        ("compact_datetime", "20260230"),
        ("compact_datetime", "2026-03-14"),
        ("compact_datetime", "20260314T0730"),
        ("epoch", "soon"),
        ("epoch", 10**30),
        ("epoch_ms", True),
    ],
)
def test_what_cannot_be_read_is_said_without_the_value(name: str, value: object) -> None:
    with pytest.raises(Unreadable) as caught:
        CONVERTERS[name].convert(value, LONDON)
    assert str(value) not in str(caught.value)


def test_decimals_keep_their_digits() -> None:
    assert str(CONVERTERS["decimal"].convert("13.50", LONDON)) == "13.50"
    assert str(CONVERTERS["decimal"].convert(Decimal("84.60"), LONDON)) == "84.60"
    assert str(CONVERTERS["compared_decimal"].convert("<0.50", LONDON)) == "0.50"


def test_a_uk_date_is_read_day_first_with_the_pivot_that_was_stated() -> None:
    pivot = Context(zone=LONDON.zone, pivot=30)

    def day(text: str) -> When:
        found = CONVERTERS["uk_date"].convert(text, pivot)
        assert isinstance(found, When)
        return found

    assert day("03/04/2026").value == "2026-04-03"
    assert day("14/06/67").value == "1967-06-14"
    assert day("01/01/30").value == "2030-01-01"
    assert day("03/04/2026 07:05").precision is Precision.MINUTE


def test_a_naive_time_is_the_sources_wall_time_and_the_hour_that_happens_twice_keeps_both() -> None:
    summer = CONVERTERS["naive_datetime"].convert("2026-07-01 10:00:00", LONDON)
    assert summer.earliest.hour == 9
    assert summer.zone_assumed
    twice = CONVERTERS["naive_datetime"].convert("2026-10-25T01:30:00", LONDON)
    assert (twice.latest - twice.earliest).total_seconds() == 3600


def test_an_epoch_is_an_instant_in_utc() -> None:
    at = CONVERTERS["epoch"].convert(1773713330, LONDON)
    assert (at.value, at.zone_assumed) == ("2026-03-17T02:08:50", False)
    assert CONVERTERS["epoch_ms"].convert("1773713330500", LONDON).value == "2026-03-17T02:08:50.500000"


def test_every_type_has_a_converter_that_gives_it() -> None:
    assert all(CONVERTERS[name].gives is kind for kind, name in BY_TYPE.items())


@settings(max_examples=300)
@given(
    st.sampled_from(sorted(CONVERTERS)),
    st.one_of(st.none(), st.booleans(), st.integers(), st.decimals(), st.text(), st.lists(st.text())),
)
def test_a_converter_reads_a_value_or_says_that_it_cannot_and_does_nothing_else(name: str, value: object) -> None:
    try:
        found = CONVERTERS[name].convert(value, LONDON)
    except Unreadable:
        return
    assert found is None or isinstance(found, CONVERTERS[name].gives)


@pytest.mark.parametrize(
    ("stated", "value"),
    [
        ("20260314073005", "2026-03-14T07:30:05"),
        ("202603140730", "2026-03-14T07:30"),
        (" 20260314 ", "2026-03-14"),
        ("202603", "2026-03"),
        (2026, "2026"),
    ],
)
def test_a_compact_time_is_local_and_as_precise_as_it_was_stated(stated: object, value: str) -> None:
    found = CONVERTERS["compact_datetime"].convert(stated, LONDON)
    assert isinstance(found, When)
    assert (found.value, found.zone, found.zone_assumed) == (value, "Europe/London", True)
