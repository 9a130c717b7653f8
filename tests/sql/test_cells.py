"""Cells: what each driver gives becomes the same JSON, and what the columns mean is read from that."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.sdk.decode import json_value
from adapters.sql.cells import ColumnRule, canonical, document
from adapters.sql.columns import Ends, Fate, Meaning, SoftDelete


def rule(**more: Any) -> ColumnRule:
    return ColumnRule(**more)


@pytest.mark.parametrize(
    ("values", "column", "expected"),
    [
        ((Decimal("13.50"), 13.5, "13.5", "13.50", Decimal("13.5")), rule(type="decimal", scale=2), Decimal("13.50")),
        ((Decimal("17"), 17, 17.0, "17"), rule(type="decimal", scale=1), Decimal("17.0")),
        ((Decimal("1.234"), 1.234, "1.234"), rule(type="decimal", scale=2), Decimal("1.234")),
        ((True, 1, Decimal(1), b"\x01"), rule(type="boolean"), True),
        ((False, 0, b"\x00"), rule(type="boolean"), False),
        ((date(1958, 6, 14), datetime(1958, 6, 14), "1958-06-14 00:00:00"), rule(type="date"), "1958-06-14"),
        ((datetime(1958, 6, 14, 7, 5), "1958-06-14 07:05"), rule(type="date"), "1958-06-14T07:05:00"),
        (
            (datetime(2025, 10, 26, 1, 30), "2025-10-26 01:30", "2025-10-26T01:30:00.000"),
            rule(type="datetime"),
            "2025-10-26T01:30:00",
        ),
        (
            (datetime(2025, 7, 1, 11, tzinfo=UTC), "2025-07-01 11:00:00+00", "2025-07-01T11:00:00Z"),
            rule(type="datetime"),
            "2025-07-01T11:00:00Z",
        ),
        ((datetime(2025, 7, 1, 12, tzinfo=timezone(timedelta(hours=1))),), rule(), "2025-07-01T11:00:00Z"),
        (("C1", "C1      "), rule(), "C1"),
        ((7, "7", Decimal(7)), rule(type="text"), "7"),
        ((2, 2.0, "2", Decimal("2.00")), rule(type="text", scale=2), "2.00"),
        (("about two",), rule(type="text", scale=2), "about two"),
        ((b"\xa312", "£12", b"\xa312  "), rule(charset="cp1252"), "£12"),
        ((timedelta(hours=9, minutes=5), time(9, 5)), rule(), "09:05:00"),
        ((UUID(int=1),), rule(), "00000000-0000-0000-0000-000000000001"),
        ((1.5, Decimal("1.5")), rule(), Decimal("1.5")),
    ],
)
def test_drivers_agree(values: tuple[Any, ...], column: ColumnRule, expected: Any) -> None:
    for value in values:
        found = canonical(value, column)
        assert (found, type(found), str(found)) == (expected, type(expected), str(expected))


@pytest.mark.parametrize(
    "value", [b"\xff", object(), float("nan"), Decimal("Infinity"), Decimal("1e99"), timedelta(days=-1), 1j]
)
def test_what_has_no_form_in_json_is_kept_as_something_that_no_converter_reads(value: Any) -> None:
    found = canonical(value, rule())
    assert isinstance(found, dict)
    assert json_value(document([{"a": found}])) == {"rows": [{"a": found}]}


def test_text_of_another_form_is_left_alone() -> None:
    assert canonical("14/06/1958", rule(type="date")) == "14/06/1958"
    assert canonical("<0.5", rule(type="decimal", scale=2)) == "<0.5"
    assert canonical("maybe", rule(type="boolean")) == "maybe"


_CELLS = (
    st.none()
    | st.text()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.decimals()
    | st.binary()
    | st.dates()
    | st.datetimes()
)
_RULES = st.builds(
    ColumnRule,
    type=st.sampled_from([None, "text", "boolean", "date", "datetime", "decimal"]),
    charset=st.sampled_from([None, "utf-8", "cp1252", "utf-16-le"]),
)


@settings(max_examples=300, deadline=None)
@given(_CELLS, _RULES)
def test_every_cell_has_a_form_that_json_keeps(value: Any, column: ColumnRule) -> None:
    found = canonical(value, column)
    # A lone surrogate is no text in any encoding: no driver gives one.
    if not (isinstance(found, str) and any("\ud800" <= letter <= "\udfff" for letter in found)):
        body = document([{"a": found}])
        assert document(json_value(body)["rows"]) == body
    assert canonical(found, column) == found or isinstance(found, dict | bool)


def meaning(column: ColumnRule | None = None, soft_delete: SoftDelete | None = None) -> Meaning:
    days = frozenset({"1900-01-01", "9999-12-31"})
    return Meaning(rules={"a": column} if column else {}, sentinels=days, soft_delete=soft_delete)


@pytest.mark.parametrize("value", ["1900-01-01", "1900-01-01T00:00:00", "9999-12-31T23:59:59", "9999-12-31 00:00"])
def test_a_sentinel_day_says_nothing_at_whatever_time(value: str) -> None:
    assert meaning().understood({"a": value}) == {"a": None}


@pytest.mark.parametrize("value", ["1900-01-02", "1900-01-01 was a Monday", "31/12/9999", 0, False, Decimal("0")])
def test_what_is_no_sentinel_stays(value: Any) -> None:
    assert meaning().understood({"a": value}) == {"a": value}


def test_a_column_may_have_sentinels_of_its_own() -> None:
    own = meaning(ColumnRule(sentinels=("-1.00", "ZZ99 3WZ", "1899-12-30")))
    for value in (Decimal("-1.00"), "ZZ99 3WZ", "1899-12-30T00:00:00"):
        assert own.understood({"a": value, "b": value}) == {"a": None, "b": value}


@given(st.text(st.characters(codec="utf-8")))
def test_repair_undoes_what_a_latin1_column_does(text: str) -> None:
    gaps = {0x81, 0x8D, 0x8F, 0x90, 0x9D}
    broken = "".join(bytes([b]).decode("latin-1" if b in gaps else "cp1252") for b in text.encode())
    assert meaning(ColumnRule(repair="latin1-utf8")).understood({"a": broken}) in ({"a": text}, {"a": None})


@pytest.mark.parametrize("text", ["naïve", "Ménière’s", "日本", "plain", "10 µg"])
def test_repair_leaves_whole_letters_alone(text: str) -> None:
    assert meaning(ColumnRule(repair="latin1-utf8")).understood({"a": text}) == {"a": text}


FLAG = SoftDelete(column="a", deleted=("Y", "1"), kept=("N", "0"))
STAMP = SoftDelete(column="a", deleted="stated", means="entered_in_error")


@pytest.mark.parametrize(
    ("rule", "row", "fate"),
    [
        (FLAG, {"a": "Y"}, Fate.GONE),
        (FLAG, {"a": True}, Fate.GONE),
        (FLAG, {"a": 1}, Fate.GONE),
        (FLAG, {"a": 0}, Fate.KEPT),
        (FLAG, {"a": None}, Fate.KEPT),
        (FLAG, {"a": ""}, Fate.KEPT),
        (FLAG, {"a": "X"}, Fate.UNCLEAR),
        (FLAG, {}, Fate.UNCLEAR),
        (STAMP, {"a": "2025-01-01T00:00:00"}, Fate.ENTERED_IN_ERROR),
        (STAMP, {"a": None}, Fate.KEPT),
        (None, {"a": "Y"}, Fate.KEPT),
    ],
)
def test_a_row_is_deleted_only_when_its_column_says_so(rule: SoftDelete | None, row: Any, fate: Fate) -> None:
    assert meaning(soft_delete=rule).fate(row) is fate


RETRIEVED = datetime(2026, 3, 17, 23, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("convert", "end", "ended"),
    [
        ("uk_date", "16/03/2026", True),
        ("uk_date", "17/03/2026", False),
        ("uk_date", "18/03/2026", False),
        ("uk_date", None, False),
        ("uk_date", "", False),
        ("uk_date", "9999-12-31", False),
        ("uk_date", "next week", None),
        ("uk_date", 7, None),
        ("naive_datetime", "2026-03-17T23:29:59", True),
        ("naive_datetime", "2026-03-17T23:30:01", False),
        ("compact_datetime", "20260317232959", True),
    ],
)
def test_a_row_has_ended_when_its_last_instant_had_passed_as_it_was_retrieved(
    convert: Any, end: Any, ended: bool | None
) -> None:
    ends = Ends(column="end_dt", convert=convert)
    told = Meaning(rules={}, sentinels=frozenset({"9999-12-31"}), soft_delete=None, ends=ends).told(
        {"end_dt": end}, RETRIEVED, ZoneInfo("Europe/London")
    )
    assert told["ended"] is ended


def test_a_day_ends_where_the_source_is() -> None:
    """Half past eleven at night in London is the next day in Auckland."""
    ends = Ends(column="a")
    assert ends.marked({"a": "2026-03-17"}, RETRIEVED, ZoneInfo("Pacific/Auckland")) == {
        "a": "2026-03-17",
        "ended": True,
    }
    assert ends.marked({"a": "2026-03-17"}, RETRIEVED, ZoneInfo("Europe/London"))["ended"] is False
