"""Medicines: one course, brands, orders, supplies and doses. MERGE.md section 2."""

from typing import Any

import pytest

from gateway.merge import delivered
from schema.model.clinical import Medication, MedicationKind
from tests.merge.making import (
    DMD,
    TERMS,
    amount,
    at,
    claims,
    coded,
    course,
    disputes,
    linked,
    merged,
    number,
    since,
    stating,
    together,
    words,
)

ORDER = {"kind": MedicationKind.REQUEST, "intent": "order"}
GIVEN = {"kind": MedicationKind.ADMINISTRATION, "status": "completed"}
SUPPLIED = {"kind": MedicationKind.DISPENSE, "status": "completed"}


def test_one_product_started_within_sixty_days_is_one_course() -> None:
    assert together(Medication, ("a", course()), ("b", course(start="2026-03-02"))) == [[0, 1]]
    assert together(Medication, ("a", course()), ("b", course(start="2026-03-03"))) == [[0], [1]]


def test_a_course_that_ended_before_another_began_is_another_course() -> None:
    first = {**course(), "status": "completed", "effective": since("2026-01-01", "2026-01-07")}
    later = {**course(), "status": "completed", "effective": since("2026-01-08", "2026-01-14")}
    assert together(Medication, ("a", first), ("b", later)) == [[0], [1]]
    assert linked(Medication, ("a", first), ("b", later))
    overlapping = {**later, "effective": since("2026-01-07", "2026-01-14")}
    assert together(Medication, ("a", first), ("b", overlapping)) == [[0, 1]]


def test_a_course_that_ended_and_one_that_began_later_are_still_in_conflict() -> None:
    over = {**course(), "status": "stopped", "effective": since("2026-01-01", "2026-01-07")}
    assert disputes(Medication, ("a", over), ("b", course(start="2026-01-20"))) == {"status"}


def test_an_acute_course_is_the_same_only_within_a_fortnight() -> None:
    acute = {**course(), "prescription_type": "Acute"}
    assert together(Medication, ("a", acute), ("b", course(start="2026-01-15"))) == [[0, 1]]
    assert together(Medication, ("a", acute), ("b", course(start="2026-01-16"))) == [[0], [1]]
    repeated = {**course(), "prescription_type": "repeat"}
    assert together(Medication, ("a", repeated), ("b", course(start="2026-01-16"))) == [[0, 1]]


def test_dmd_and_snomed_are_one_code_system() -> None:
    assert together(Medication, ("a", course()), ("b", {**course(), "code": coded("1003")})) == [[0, 1]]


@pytest.mark.parametrize("start", [None, "2026", "2026-01"])
def test_a_course_whose_start_is_not_known_to_the_day_stays_single_and_linked(start: str | None) -> None:
    assert together(Medication, ("a", course()), ("b", course(start=start))) == [[0], [1]]
    assert linked(Medication, ("a", course()), ("b", course(start=start)))


@pytest.mark.parametrize(
    ("one", "other", "field"),
    [
        ({"status": "active"}, {"status": "stopped"}, "status"),
        ({"dose": amount("500", "mg")}, {"dose": amount("1000", "mg")}, "dose"),
        ({"dose": amount("7", "mg")}, {"dose": amount("7.5", "mg")}, "dose"),
        (
            {"dose": amount("500", "mg"), "frequency": "od"},
            {"dose": amount("500", "mg"), "frequency": "twice daily"},
            "dose",
        ),
        ({"as_needed": True, "frequency": "bd"}, {"as_needed": False, "frequency": "bd"}, "dose"),
        ({"strength": amount("500", "mg")}, {"strength": amount("850", "mg")}, "strength"),
        ({"route": coded("26643006")}, {"route": coded("34206005")}, "route"),
        ({"form": coded("385055001")}, {"form": coded("385049006")}, "form"),
        ({"intent": "plan"}, {"intent": "order"}, "intent"),
        ({"brand": "Glucophage"}, {"brand": "Sukkarto"}, "brand"),
    ],
)
def test_any_difference_is_a_conflict_and_never_merged(one: dict[str, Any], other: dict[str, Any], field: str) -> None:
    pair = (("a", {**course(), **one}), ("b", {**course(start="2026-01-20"), **other}))
    assert together(Medication, *pair) == [[0], [1]]
    assert disputes(Medication, *pair) == {field}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"dosage": "Take ONE tablet daily"}, {"dosage": "take one  tablet DAILY"}),
        ({"dosage": "Take ONE daily"}, {"dosage": "Take ONE daily", "dose": amount("500", "mg")}),
        ({"dose": amount("500", "mg"), "frequency": "od"}, {"dose": amount("500.0", "mg"), "frequency": "once daily"}),
        ({"dosage": "Take ONE daily"}, {}),
        ({"status": "unknown"}, {"status": "active"}),
        ({"intent": "plan", "issues": 2}, {"intent": "order"}),
    ],
)
def test_what_is_no_difference_does_not_divide(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert together(Medication, ("a", {**course(), **one}), ("b", {**course(), **other})) == [[0, 1]]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"dosage": "Take ONE daily"}, {"dosage": "1 OD"}),
        ({"dose": amount("500", "mg")}, {"dose": amount("0.5", "g")}),
        ({"dose": amount("500", "mg")}, {"dosage": "Take ONE daily"}),
        (
            {"dose": amount("500", "mg"), "dosage": "in the morning"},
            {"dose": amount("500", "mg"), "dosage": "morning and night"},
        ),
        ({"dose": amount("500", "mg"), "frequency": "od"}, {"dose": amount("500", "mg"), "frequency": "with meals"}),
        ({"route": coded("26643006", display="Oral route")}, {"route": coded("PO", "urn:trust:routes", "By mouth")}),
    ],
)
def test_what_cannot_be_compared_is_linked_without_a_conflict(one: dict[str, Any], other: dict[str, Any]) -> None:
    pair = (("a", {**course(), **one}), ("b", {**course(), **other}))
    assert linked(Medication, *pair)
    assert disputes(Medication, *pair) == set()


@pytest.mark.parametrize(
    "code",
    [
        coded("2001", DMD),
        coded("555", DMD, "Lithium carbonate 400mg modified-release tablets"),
        coded("556", DMD, "Lamotrigine 100mg tablets"),
        coded("557", DMD, "Ciclosporin 50mg capsules"),
        coded("558", DMD, "Tacrolimus 1mg capsules"),
        coded("559", DMD, "Fentanyl 25micrograms/hour transdermal patches"),
        coded("560", DMD, "Nifedipine 30mg modified-release tablets"),
    ],
)
def test_a_brand_critical_medicine_needs_the_same_brand(code: Any) -> None:
    def branded(brand: str | None) -> dict[str, Any]:
        return {**course(), "code": code, "brand": brand}

    assert together(Medication, ("a", branded("One")), ("b", branded("one"))) == [[0, 1]]
    assert disputes(Medication, ("a", branded("One")), ("b", branded("Two"))) == {"brand"}
    if code.codings[0].code != "2001":
        assert together(Medication, ("a", branded("One")), ("b", branded(None))) == [[0], [1]]
        assert linked(Medication, ("a", branded(None)), ("b", branded(None)))


def test_a_brands_own_product_needs_no_brand_beside_it() -> None:
    assert together(Medication, ("a", course("2001")), ("b", course("2001"))) == [[0, 1]]


def test_modified_release_and_plain_of_one_ingredient_are_in_conflict() -> None:
    pair = (("a", course("1001", "2022-03-17")), ("b", course("1002", "2026-03-16")))
    assert together(Medication, *pair) == [[0], [1]]
    assert disputes(Medication, *pair) == {"form", "strength"}


def test_two_insulin_brands_are_in_conflict_by_brand_and_strength_and_product_says_no_more() -> None:
    first, second = merged(
        stating(Medication, ("a", course("2001", "2019-03-17")), ("b", {**course("2002", "2026-03-16"), **ORDER}))
    )
    said = {conflict.field: claims(conflict) for conflict in first.conflicts}
    assert said == {
        "brand": {"a": "Lantus", "b": "Toujeo"},
        "strength": {"a": "100 unit/mL", "b": "300 unit/mL"},
    }
    assert {conflict.field for conflict in second.conflicts} == set(said)


def test_without_a_dictionary_no_conflict_between_products_is_claimed() -> None:
    pair = (("a", course("1001")), ("b", course("1002")))
    assert disputes(Medication, *pair, terms=delivered()) == set()
    assert not linked(Medication, *pair, terms=delivered())


def test_a_course_long_over_is_in_no_conflict_with_one_that_runs() -> None:
    past = {**course("1002", "2015-01-01", status="completed"), "effective": since("2015-01-01", "2016-01-01")}
    assert disputes(Medication, ("a", past), ("b", course("1001", "2022-01-01"))) == set()


def test_active_here_and_stopped_there_is_a_conflict_when_the_courses_overlap() -> None:
    stopped = {**course(status="stopped"), "effective": since(None, "2026-02-27")}
    assert disputes(Medication, ("a", course(start="2022-01-01")), ("b", stopped)) == {"status"}


def test_a_source_that_holds_two_strengths_means_both() -> None:
    both = [course("1001", dose=amount("150", "mg")), course("1002", dose=amount("75", "mg"))]
    assert disputes(Medication, ("a", both[0]), ("a", both[1])) == set()
    brand = {"brand": "Efexor"}
    facts = stating(Medication, *((source, {**one, **brand}) for source in "ab" for one in both))
    entries = merged(facts)
    assert [len(entry.members) for entry in entries] == [2, 2]
    assert all(not entry.conflicts for entry in entries)


def test_a_source_that_holds_one_of_two_strengths_disputes_the_other() -> None:
    both = [course("1001", dose=amount("150", "mg")), course("1002", dose=amount("75", "mg"))]
    entries = merged(stating(Medication, ("a", both[0]), ("b", both[1]), ("c", both[1])))
    assert sorted(len(entry.members) for entry in entries) == [1, 2]
    assert all(entry.conflicts for entry in entries)


def test_monthly_courses_do_not_join_into_one() -> None:
    months = [("a" if month % 2 else "b", course(start=f"2026-{month:02d}-01")) for month in range(1, 9)]
    assert together(Medication, *months) == [[place] for place in range(8)]


def test_order_supply_and_dose_are_linked_with_the_course_and_never_merged() -> None:
    for event in (ORDER, SUPPLIED, GIVEN):
        pair = (("a", course()), ("b", {**course(), **event, "status": "completed"}))
        assert together(Medication, *pair) == [[0], [1]]
        assert linked(Medication, *pair)


def test_a_running_order_and_a_course_can_be_in_conflict_and_a_dose_given_cannot() -> None:
    dosed = {**course("1002"), "dose": amount("75", "mg")}
    assert disputes(Medication, ("a", course("1001")), ("b", {**dosed, **ORDER})) == {"form", "strength"}
    assert disputes(Medication, ("a", course("1001")), ("b", {**dosed, **GIVEN})) == set()


def test_an_order_joins_a_course_only_where_the_deployment_says_so() -> None:
    pair = (("a", course(issues=1)), ("b", {**course(start="2026-02-15"), **ORDER}))
    assert together(Medication, *pair) == [[0], [1]]
    assert together(Medication, *pair, terms=TERMS.extended(orders_join_courses=True)) == [[0, 1]]


def test_two_supplies_are_one_only_by_their_number_and_product() -> None:
    numbered = {**course(), **SUPPLIED, "identifiers": (number("P1"),)}
    assert together(Medication, ("a", {**course(), **SUPPLIED}), ("b", {**course(), **SUPPLIED})) == [[0], [1]]
    assert together(Medication, ("a", numbered), ("b", numbered)) == [[0, 1]]
    assert together(Medication, ("a", numbered), ("b", {**numbered, "code": coded("1002", DMD)})) == [[0], [1]]


def test_a_dose_is_linked_with_the_order_it_names() -> None:
    order = {
        **course(),
        **ORDER,
        "native_id": "MedicationRequest/1",
        "code": words("as charted"),
        "status": "completed",
    }
    given = {**course("1002"), **GIVEN, "based_on": ("MedicationRequest/1",)}
    assert linked(Medication, ("a", order), ("a", given))
    assert not linked(Medication, ("a", order), ("b", given))


def test_a_dose_not_given_never_merges_with_one_given() -> None:
    dose = {**course(), **GIVEN, "identifiers": (number("D1"),)}
    assert together(Medication, ("a", dose), ("b", {**dose, "status": "not-done"})) == [[0], [1]]


def test_an_uncoded_medicine_stays_single() -> None:
    spoken = {**course(), "code": words("Blue inhaler"), "last_issued": at("2026-01-01")}
    assert together(Medication, ("a", spoken), ("b", spoken)) == [[0], [1]]
