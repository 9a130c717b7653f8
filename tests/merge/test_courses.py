"""Last issued, last dispensed and last given are three things, told apart. MERGE.md section 2, medication course."""

from typing import Any

import pytest

from gateway.merge import with_courses
from schema.model.clinical import Medication, MedicationKind
from schema.model.view import MedicationCourse, MergedFact
from tests.merge.making import DMD, TERMS, amount, at, coded, course, merged, since, stating

ISSUED = {**course(), "kind": MedicationKind.REQUEST, "intent": "order", "status": "active"}
SUPPLIED = {**course(), "kind": MedicationKind.DISPENSE, "status": "completed"}
GIVEN = {**course(), "kind": MedicationKind.ADMINISTRATION, "status": "completed"}


def entries(*stated: tuple[str, dict[str, Any]]) -> tuple[MergedFact[Any], ...]:
    return with_courses(merged(stating(Medication, *stated)), TERMS)


def of_the_course(*stated: tuple[str, dict[str, Any]]) -> dict[str, str | None]:
    """Its last events as written, the course being the first statement."""
    (found,) = (e.course for e in entries(*stated) if e.display.native_id == "Medication/0")
    assert isinstance(found, MedicationCourse)
    events = {"issued": found.last_issued, "dispensed": found.last_dispensed, "given": found.last_given}
    return {name: event.when.text if event else None for name, event in events.items()}


def on(day: str, event: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {**event, "effective": since(day), **more}


def test_what_was_issued_dispensed_and_given_last_is_told_apart() -> None:
    told = of_the_course(
        ("a", course(last_issued=at("2026-03-01"))),
        ("b", on("2026-02-03", SUPPLIED)),
        ("b", on("2026-03-03", SUPPLIED)),
        ("c", on("2026-03-16", GIVEN)),
        ("c", on("2026-03-15", GIVEN)),
    )
    assert told == {"issued": "2026-03-01", "dispensed": "2026-03-03", "given": "2026-03-16"}


def test_a_supply_is_not_a_dose_and_an_authorised_course_is_neither() -> None:
    told = of_the_course(("a", course()), ("b", on("2026-03-03", SUPPLIED)))
    assert told == {"issued": None, "dispensed": "2026-03-03", "given": None}
    assert of_the_course(("a", course())) == dict.fromkeys(("issued", "dispensed", "given"))


@pytest.mark.parametrize("status", ["not-done", "cancelled", "declined", "unknown", "on-hold", "preparation", "booked"])
def test_what_did_not_happen_or_may_not_have_is_no_last_event(status: str) -> None:
    told = of_the_course(("a", course()), ("b", on("2026-03-15", GIVEN)), ("b", on("2026-03-16", GIVEN, status=status)))
    assert told["given"] == "2026-03-15"


def test_a_dose_entered_in_error_is_no_last_event() -> None:
    told = of_the_course(
        ("a", course()), ("b", on("2026-03-15", GIVEN)), ("b", on("2026-03-16", GIVEN, entered_in_error=True))
    )
    assert told["given"] == "2026-03-15"


def test_another_product_of_the_ingredient_is_linked_and_is_no_dose_of_this_one() -> None:
    lantus, toujeo = course("2001"), on("2026-03-16", {**GIVEN, "code": course("2002")["code"]})
    (entry,) = (e for e in entries(("a", lantus), ("b", toujeo)) if e.course)
    assert entry.related
    assert entry.course == MedicationCourse(last_issued=None, last_dispensed=None, last_given=None)


def test_a_dose_that_names_the_order_counts_whatever_it_calls_the_product() -> None:
    other = {**GIVEN, "code": course("1002")["code"], "based_on": ("Medication/0",)}
    assert of_the_course(("a", ISSUED), ("a", on("2026-03-16", other)))["given"] == "2026-03-16"
    assert of_the_course(("a", ISSUED), ("b", on("2026-03-16", other)))["given"] is None


@pytest.mark.parametrize("day", ["2025-12-31", "2026-02-02"])
def test_a_dose_outside_the_course_is_not_of_the_course(day: str) -> None:
    january = course(status="stopped", effective=since("2026-01-01", "2026-02-01"))
    assert of_the_course(("a", january), ("b", on(day, GIVEN)))["given"] is None
    assert of_the_course(("a", january), ("b", on("2026-02-01", GIVEN)))["given"] == "2026-02-01"


def test_an_undated_dose_is_linked_and_has_no_place_among_the_last() -> None:
    (entry,) = (e for e in entries(("a", course()), ("b", {**GIVEN, "effective": None})) if e.course)
    assert entry.related
    assert entry.course == MedicationCourse(last_issued=None, last_dispensed=None, last_given=None)


def test_each_event_names_who_says_so_and_where() -> None:
    found = entries(("a", course(last_issued=at("2026-03-01"))), ("c", on("2026-03-16", GIVEN)))
    authorised, given = sorted(found, key=lambda e: e.display.kind is MedicationKind.ADMINISTRATION)
    assert given.course is None
    said = authorised.course
    events = [said and said.last_issued, said and said.last_given]
    assert [e and (e.source.id, e.entry_id) for e in events] == [("a", authorised.id), ("c", given.id)]


def test_a_wards_order_is_no_issue_of_the_practices_course() -> None:
    ordered = on("2026-03-16", ISSUED)
    assert of_the_course(("a", course()), ("b", ordered))["issued"] is None
    assert of_the_course(("a", course()), ("a", ordered))["issued"] == "2026-03-16"


def test_every_source_of_a_course_may_say_when_it_was_issued() -> None:
    told = of_the_course(("a", course(last_issued=at("2026-02-01"))), ("b", course(last_issued=at("2026-03-01"))))
    assert told["issued"] == "2026-03-01"


def test_a_supply_after_the_stated_end_of_a_course_that_still_runs_is_its_last() -> None:
    stale = course(effective=since("2025-06-01", "2026-02-01"))
    supplies = [("b", on("2026-01-20", SUPPLIED)), ("b", on("2026-03-10", SUPPLIED))]
    assert of_the_course(("a", stale), *supplies)["dispensed"] == "2026-03-10"


def test_an_end_that_only_one_source_of_a_course_states_is_no_end_of_it() -> None:
    over, unsaid = {"effective": since("2025-06-01", "2026-02-01"), "status": None}, {"status": None}
    stated = (("a", course() | over), ("c", course(start="2025-06-01") | unsaid))
    assert of_the_course(*stated, ("b", on("2026-03-10", SUPPLIED)))["dispensed"] == "2026-03-10"
    assert of_the_course(stated[0], ("b", on("2026-03-10", SUPPLIED)))["dispensed"] is None


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        ({"brand": "Prograf"}, {"brand": "Adoport"}),
        ({"strength": amount("500", "mg")}, {"strength": amount("1000", "mg")}),
        ({"form": coded("385055001")}, {"form": coded("420699003")}),
        ({"route": coded("26643006")}, {"route": coded("34206005")}),
    ],
)
def test_a_supply_of_another_brand_strength_form_or_route_is_none_of_this_course(
    mine: dict[str, Any], theirs: dict[str, Any]
) -> None:
    mine, theirs = ({"code": coded("5555", DMD), **fields} for fields in (mine, theirs))
    supplied = on("2026-03-10", SUPPLIED)
    assert of_the_course(("a", course() | mine), ("b", supplied | theirs))["dispensed"] is None
    assert of_the_course(("a", course() | mine), ("b", supplied | mine))["dispensed"] == "2026-03-10"


def test_what_is_dated_after_it_was_read_has_not_happened() -> None:
    told = of_the_course(("a", course()), ("b", on("2026-03-15", GIVEN)), ("b", on("2026-05-10", GIVEN)))
    assert told["given"] == "2026-03-15"
    assert of_the_course(("a", course(last_issued=at("2026-05-10"))))["issued"] is None


def test_a_dose_without_a_status_was_given_and_an_order_that_is_active_was_issued() -> None:
    assert of_the_course(("a", course()), ("b", on("2026-03-15", GIVEN, status=None)))["given"] == "2026-03-15"
    assert of_the_course(("a", course()), ("a", on("2026-03-15", ISSUED)))["issued"] == "2026-03-15"


def test_another_order_of_the_product_is_no_issue_of_this_order_unless_it_names_it() -> None:
    first, later = ("a", on("2025-01-05", ISSUED)), on("2026-03-10", ISSUED)
    assert of_the_course(first, ("a", later))["issued"] == "2025-01-05"
    assert of_the_course(first, ("a", later | {"based_on": ("Medication/0",)}))["issued"] == "2026-03-10"
