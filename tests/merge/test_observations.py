"""Results and measurements: one sample counted once, two readings never one. MERGE.md section 2."""

from typing import Any

import pytest

from schema.model.clinical import Observation, ObservationComponent, SocialHistory
from schema.model.values import Range, Ratio
from tests.merge.making import (
    amount,
    claims,
    coded,
    disputes,
    linked,
    merged,
    number,
    reading,
    since,
    stating,
    together,
    words,
)

TEN = "2026-01-03T10:00:00Z"


def lab(value: str = "72", **more: Any) -> dict[str, Any]:
    return reading(value, TEN, "999791000000106", "mmol/mol", **more)


@pytest.mark.parametrize("kind", [Observation, SocialHistory])
def test_one_code_one_instant_one_value_from_two_sources_is_one_fact(kind: type[Observation]) -> None:
    assert together(kind, ("a", reading("84.2", TEN)), ("b", reading("84.2", "2026-01-03T10:00+00:00"))) == [[0, 1]]


@pytest.mark.parametrize(("one", "other"), [("13.5", "13.50"), ("7.4", "7.38"), ("7", "7.46"), ("0", "0.0")])
def test_values_may_differ_by_the_rounding_of_the_last_digit(one: str, other: str) -> None:
    assert together(Observation, ("a", reading(one, TEN)), ("b", reading(other, TEN))) == [[0, 1]]


@pytest.mark.parametrize(
    ("one", "other"), [("13.5", "13.6"), ("7.4", "7.34"), ("84", "85"), ("0", "1"), ("150", "153")]
)
def test_different_values_are_two_facts_in_conflict(one: str, other: str) -> None:
    pair = (("a", reading(one, TEN)), ("b", reading(other, TEN)))
    assert together(Observation, *pair) == [[0], [1]]
    assert disputes(Observation, *pair) == {"value"}
    entry = merged(stating(Observation, *pair))[0]
    assert claims(entry.conflicts[0]) == {"a": f"{one} kg", "b": f"{other} kg"}


def test_a_comparator_agrees_only_with_itself() -> None:
    def below(comparator: str | None) -> dict[str, Any]:
        return {**reading("5", TEN), "value_quantity": amount("5", "kg", comparator)}

    assert together(Observation, ("a", below("<")), ("b", below("<"))) == [[0, 1]]
    assert disputes(Observation, ("a", below("<")), ("b", below(None))) == {"value"}


def test_another_unit_is_neither_equal_nor_in_conflict() -> None:
    pair = (("a", reading("58", TEN, unit="mmol/mol")), ("b", reading("58", TEN, unit="%")))
    assert disputes(Observation, *pair) == set()
    assert linked(Observation, *pair)


def test_one_source_may_repeat_itself() -> None:
    assert together(Observation, ("a", reading("84", TEN)), ("a", reading("84", TEN))) == [[0], [1]]
    assert disputes(Observation, ("a", reading("84", TEN)), ("a", reading("90", TEN))) == set()


def test_a_repeat_in_one_source_keeps_its_twin_in_another_single() -> None:
    same = reading("84", TEN)
    assert together(Observation, ("a", same), ("a", same), ("b", same)) == [[0], [1], [2]]


def test_equal_values_within_five_minutes_are_only_proposed() -> None:
    pair = (("a", reading("84", TEN)), ("b", reading("84", "2026-01-03T10:05:00Z")))
    assert together(Observation, *pair) == [[0], [1]]
    assert linked(Observation, *pair)
    assert not linked(Observation, ("a", reading("84", TEN)), ("b", reading("84", "2026-01-03T10:05:01Z")))
    assert not linked(Observation, ("a", reading("84", TEN)), ("b", reading("85", "2026-01-03T10:01:00Z")))


def test_a_monitors_equal_readings_every_four_minutes_stay_sixteen() -> None:
    clock = [f"2026-01-03T10:{4 * step:02d}:00Z" if step < 15 else "2026-01-03T11:00:00Z" for step in range(16)]
    readings = [("ab"[place % 2], reading("72", when, "78564009", "/min")) for place, when in enumerate(clock)]
    assert together(Observation, *readings) == [[place] for place in range(16)]


def test_a_day_without_a_time_is_only_proposed() -> None:
    day = reading("84", "2026-01-03")
    assert together(Observation, ("a", day), ("b", day)) == [[0], [1]]
    assert linked(Observation, ("a", day), ("b", day))
    assert linked(Observation, ("a", day), ("b", reading("84", TEN)))


def test_an_hour_that_happens_twice_is_no_instant() -> None:
    october = reading("84", "2026-10-25T01:30:00")
    assert together(Observation, ("a", october), ("b", october)) == [[0], [1]]
    assert linked(Observation, ("a", october), ("b", october))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"patient_reported": True}, {}),
        ({"categories": (coded("laboratory"),)}, {"device": "Glucometer"}),
        ({"specimen_type": coded("119364003")}, {"specimen_type": coded("119297000")}),
        ({"specimen_type": coded("119364003")}, {"specimen_type": coded("SER", "urn:trust:specimens")}),
        ({"body_site": coded("368208006")}, {"body_site": coded("368209003")}),
        ({"identifiers": (number("R1"),)}, {"identifiers": (number("R2"),)}),
        ({"specimen": "urn:lab|S1"}, {"specimen": "urn:lab|S2"}),
        ({"code": coded("K", "L")}, {"code": coded("K", "L")}),
        ({"code": words("Weight")}, {"code": words("Weight")}),
        ({"code": coded("27113001")}, {"code": coded("29463-7", "http://loinc.org")}),
        ({"effective": None}, {"effective": None}),
    ],
)
def test_what_must_agree_keeps_equal_values_apart(one: dict[str, Any], other: dict[str, Any]) -> None:
    pair = (("a", {**reading("84", TEN), **one}), ("b", {**reading("84", TEN), **other}))
    assert together(Observation, *pair) == [[0], [1]]
    assert disputes(Observation, *pair) == set()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"patient_reported": True}, {}),
        ({"categories": (coded("laboratory"),)}, {"device": "Glucometer"}),
        ({"identifiers": (number("R1"),), "patient_reported": True}, {"identifiers": (number("R1"),)}),
    ],
)
def test_what_the_patient_and_a_nurse_wrote_of_one_reading_is_proposed_as_one(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    assert linked(Observation, ("a", {**reading("12.1", TEN), **one}), ("b", {**reading("12.1", TEN), **other}))
    apart = ("b", {**reading("12.4", TEN), **other, "identifiers": ()})
    assert not linked(Observation, ("a", {**reading("12.1", TEN), **one, "identifiers": ()}), apart)


def test_a_result_without_a_value_is_the_same_whether_or_not_the_copy_says_why() -> None:
    bare = {**reading("1", TEN), "value_quantity": None, "identifiers": (number("R1"),)}
    why = {**bare, "data_absent_reason": coded("error")}
    assert together(Observation, ("a", bare), ("b", why)) == [[0, 1]]
    assert together(Observation, ("a", {**bare, "value_quantity": amount("6.1", "mmol/L")}), ("b", why)) == [[0], [1]]


@pytest.mark.parametrize(
    "other",
    [
        {"patient_reported": True},
        {"status": "cancelled"},
        {"device": "Scales"},
        {"specimen_type": coded("119364003")},
        {"body_site": coded("368208006")},
        {"identifiers": (number("R2"),)},
        {"value_quantity": amount("84", "kg", "<")},
        {"value_quantity": amount("84", "g")},
    ],
)
def test_a_third_that_differs_in_one_thing_stays_out_of_what_the_other_two_are(other: dict[str, Any]) -> None:
    """Equal facts are looked at once, so what makes one unequal must be among what is looked at."""
    plain = reading(
        "84",
        TEN,
        categories=(coded("laboratory"),),
        specimen_type=coded("119297000"),
        body_site=coded("368209003"),
        identifiers=(number("R1"),),
    )
    unlike = {**plain, **other} if "device" not in other else {**plain, **other, "categories": ()}
    assert together(Observation, ("a", plain), ("b", plain), ("c", unlike)) == [[0, 1], [2]]


def test_one_result_number_of_one_assigner_is_one_result_whatever_time_each_source_gives() -> None:
    for shared in ({"identifiers": (number("R1"),)}, {"specimen": "urn:lab|S1"}):
        pair = (("a", lab(**shared)), ("b", {**lab(**shared), "effective": since("2026-01-03")}))
        assert together(Observation, *pair) == [[0, 1]]
    unassigned = {"identifiers": (number("R1", system=None),), "effective": None}
    assert together(Observation, ("a", lab(**unassigned)), ("b", lab(**unassigned))) == [[0], [1]]


def test_one_result_number_with_two_values_is_a_conflict() -> None:
    shared = {"identifiers": (number("R1"),)}
    assert disputes(Observation, ("a", lab("72", **shared)), ("b", lab("74", **shared))) == {"value"}


def test_the_analytes_of_one_specimen_are_never_one_fact() -> None:
    shared = {"specimen": "urn:lab|S1", "identifiers": (number("ORDER-1"),)}
    pair = (
        ("a", reading("4", TEN, "1000651000000109", **shared)),
        ("b", reading("4", TEN, "1010671000000102", **shared)),
    )
    assert together(Observation, *pair) == [[0], [1]]


def test_a_cancelled_result_never_merges_with_one_that_stands() -> None:
    assert disputes(Observation, ("a", lab(status="final")), ("b", lab(status="cancelled"))) == {"status"}
    assert together(Observation, ("a", lab(status="final")), ("b", lab(status="preliminary"))) == [[0, 1]]


def pressure(systolic: str, diastolic: str | None = "86") -> dict[str, Any]:
    parts = [("271649006", systolic), ("271650006", diastolic)]
    return {
        "code": coded("75367002"),
        "effective": since(TEN),
        "components": tuple(
            ObservationComponent(code=coded(code), value_quantity=amount(value, "mm[Hg]"))
            for code, value in parts
            if value
        ),
    }


def test_a_panel_of_components_alone_is_kept_and_compared_by_its_parts() -> None:
    assert together(Observation, ("a", pressure("148")), ("b", pressure("148"))) == [[0, 1]]
    assert disputes(Observation, ("a", pressure("148")), ("b", pressure("150"))) == {"value"}
    assert linked(Observation, ("a", pressure("148")), ("b", pressure("148", None)))
    (entry,) = merged(stating(Observation, ("a", pressure("148"))))
    assert len(entry.display.components) == 2


@pytest.mark.parametrize(
    "value",
    [
        {"value_integer": 0},
        {"value_boolean": False},
        {"value_string": "Trace"},
        {"value_codeable_concept": coded("86933000")},
        {"value_range": Range(low=amount("1", "L"), high=amount("2", "L"))},
        {"value_ratio": Ratio(numerator=amount("1"), denominator=amount("128"))},
        {"value_period": since("2026-01-01", "2026-01-02")},
        {"data_absent_reason": coded("error", "http://terminology.hl7.org/CodeSystem/data-absent-reason")},
        {},
    ],
)
def test_zero_false_and_a_reason_for_absence_are_values(value: dict[str, Any]) -> None:
    bare = {"code": coded("720433000"), "effective": since(TEN)}
    assert together(Observation, ("a", {**bare, **value}), ("b", {**bare, **value})) == [[0, 1]]
    seven = {**bare, "value_quantity": amount("7")}
    assert together(Observation, ("a", {**bare, **value}), ("b", seven)) == [[0], [1]]


def test_a_score_of_zero_is_in_conflict_with_a_score_of_five() -> None:
    scored = [{"code": coded("720433000"), "effective": since(TEN), "value_integer": score} for score in (0, 5)]
    entries = merged(stating(Observation, ("a", scored[0]), ("b", scored[1])))
    assert claims(entries[0].conflicts[0]) == {"a": "0", "b": "5"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"value_boolean": True}, {"value_boolean": False}),
        ({"value_string": "Trace"}, {"value_string": "None"}),
        ({"value_codeable_concept": coded("86933000")}, {"value_codeable_concept": coded("105542008")}),
        ({"value_ratio": Ratio(numerator=amount("1"), denominator=amount("64"))},
         {"value_ratio": Ratio(numerator=amount("1"), denominator=amount("128"))}),
    ],
)  # fmt: skip
def test_other_kinds_of_value_are_in_conflict_too(one: dict[str, Any], other: dict[str, Any]) -> None:
    bare = {"code": coded("720433000"), "effective": since(TEN)}
    assert disputes(Observation, ("a", {**bare, **one}), ("b", {**bare, **other})) == {"value"}
