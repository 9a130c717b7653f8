"""The mapping engine: rows to facts, and mistakes in a mapping found before the first row."""

from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from adapters.sdk import SettingsError
from adapters.sdk.mapping import DUPLICATE_NATIVE_ID, PAYLOAD, Row, RowMapping, RowSpec, read_rows
from schema.model.clinical import FACT_TYPES
from schema.model.fact import Fact, Gap, GapKind
from schema.model.values import Identifier, Origin

LONDON = ZoneInfo("Europe/London")


def mapping(fact: str, fields: dict[str, Any], **more: Any) -> RowMapping:
    return RowMapping(RowSpec(fact=fact, native_id="id", fields=fields, **more), "file.toml: resource")


def read(mappings: RowMapping | list[RowMapping], *rows: Any) -> list[Any]:
    several = mappings if isinstance(mappings, list) else [mappings]
    types = frozenset(each.fact_name for each in several)
    return list(read_rows(several, [Row(f"items/{i}", row) for i, row in enumerate(rows)], LONDON, types))


WEIGHT = {"value_quantity": {"path": "kg", "unit": {"const": "kg"}}, "effective.start": "at", "recorded": "typed"}


def test_short_forms_fill_the_chief_field_of_a_struct() -> None:
    made = mapping(
        "Medication",
        {
            "kind": {"const": "DISPENSE"},
            "code": {"path": "drug", "codings": [{"path": "code", "system": "urn:codes"}]},
            "effective": "day",
            "author": "who",
            "notes": ["remark"],
        },
    )
    (fact,) = read(made, {"id": 7, "drug": "Metformin", "code": 902, "day": "2026-02-01", "who": "P", "remark": "R"})
    assert fact.native_id == "Medication/7"
    assert fact.subject is None
    assert (fact.code.text, fact.code.codings[0].code, fact.code.codings[0].system) == ("Metformin", "902", "urn:codes")
    assert fact.effective.start.value == "2026-02-01"
    assert fact.author.name == "P"
    assert fact.notes[0].text == "R"


def test_absent_values_leave_no_shells_behind() -> None:
    made = mapping(
        "Medication",
        {
            "kind": {"const": "REQUEST"},
            "quantity": {"path": "qty", "unit": "unit"},
            "code.codings": [{"path": "c", "system": "urn:x"}],
        },
    )
    (fact,) = read(made, {"id": 1, "unit": "tablet", "c": " "})
    assert fact.quantity is None, "a unit alone is not an amount"
    assert fact.code is None, "a code system alone is not a code"


def test_a_row_says_what_it_came_out_of_by_number_or_by_its_own_record() -> None:
    made = mapping(
        "Encounter",
        {
            "follows": [
                {"identifier": {"path": "ref", "system": "urn:referrals"}},
                {"native_id": "booking && join('', ['Appointment/', to_string(booking)])"},
            ]
        },
    )
    both, neither = read(made, {"id": 1, "ref": "RF-1", "booking": 9012}, {"id": 2, "ref": " "})
    assert both.follows == (
        Origin(identifier=Identifier(system="urn:referrals", value="RF-1")),
        Origin(native_id="Appointment/9012"),
    )
    assert neither.follows == ()


def test_an_unreadable_amount_makes_the_row_a_gap_and_an_unreadable_recording_time_does_not() -> None:
    found = read(mapping("Observation", WEIGHT), {"id": 1, "kg": "heavy"}, {"id": 2, "kg": "84.60", "typed": "later"})
    (fact, lost, field) = found
    assert str(fact.value_quantity.value) == "84.60"
    assert fact.recorded is None
    assert (lost.kind, lost.at) == (GapKind.UNREADABLE, "items/0/value_quantity.value")
    assert (field.kind, field.at) == (GapKind.UNREADABLE, "items/1/recorded")


def test_a_required_field_makes_the_row_a_gap_when_absent_or_unreadable() -> None:
    made = mapping("Observation", {"effective.start": {"path": "at", "required": True}})
    (gap,) = read(made, {"id": 1}, {"id": 2, "at": ""})
    assert (gap.count, gap.text) == (2, "effective.start is missing")
    (gap,) = read(made, {"id": 3, "at": "yesterday"})
    assert gap.kind is GapKind.UNREADABLE


def test_equal_gaps_are_one_and_counted() -> None:
    (gap,) = read(mapping("Observation", WEIGHT), *({"id": i, "kg": "?"} for i in range(60)))
    assert (gap.count, gap.at) == (60, "items/0/value_quantity.value")


@pytest.mark.parametrize("row", [None, 1, "x", [], {}, {"id": None}, {"id": ""}, {"id": {}}, {"id": True}])
def test_a_row_that_is_no_row_is_a_gap(row: Any) -> None:
    (gap,) = read(mapping("Observation", WEIGHT), row)
    assert gap.kind is GapKind.UNREADABLE


def test_an_unlisted_code_is_unreadable_kept_or_dropped_as_the_mapping_says() -> None:
    for unmapped, status in (("keep", "ODD"), ("drop", None)):
        made = mapping("Observation", {"status": {"path": "s", "map": {"F": "final"}, "unmapped": unmapped}})
        (listed, unlisted) = read(made, {"id": 1, "s": "F"}, {"id": 2, "s": "ODD"})
        assert (listed.status, unlisted.status) == ("final", status)
    (gap,) = read(mapping("Observation", {"status": {"path": "s", "map": {"F": "final"}}}), {"id": 1, "s": "ODD"})
    assert gap.text == "status is a code that the mapping does not list"


def test_a_default_is_for_absent_values_only() -> None:
    made = mapping("Observation", {"value_integer": {"path": "n", "default": 4}})
    (absent, gap) = read(made, {"id": 1}, {"id": 2, "n": "four"})
    assert absent.value_integer == 4
    assert isinstance(gap, Gap)


def test_each_makes_one_element_for_every_item_found() -> None:
    made = mapping(
        "Observation", {"components": {"each": "parts", "code": "name", "value_quantity": {"path": "v", "unit": "u"}}}
    )
    (fact, gap) = read(
        made,
        {"id": 1, "parts": [{"name": "systolic", "v": Decimal("148"), "u": "mmHg"}, {"name": "diastolic", "v": 86}]},
        {"id": 2, "parts": [{"name": "systolic", "v": "high"}]},
    )
    assert [(each.code.text, each.value_quantity.value) for each in fact.components] == [
        ("systolic", 148),
        ("diastolic", 86),
    ]
    assert gap.at == "items/1/components.value_quantity.value"


def test_rows_go_to_the_first_mapping_that_takes_them_and_none_is_lost() -> None:
    sorts = [
        mapping("Observation", {"value_string": "text"}, where="sort == 'obs'"),
        mapping("Communication", {"payload": ["text"]}, where="sort == 'msg'"),
    ]
    found = read(
        sorts, {"id": 1, "sort": "msg", "text": "a"}, {"id": 2, "sort": "obs", "text": "b"}, {"id": 3, "sort": "new"}
    )
    assert [each.native_id for each in found if isinstance(each, Fact)] == ["Communication/1", "Observation/2"]
    assert {(each.kind, each.fact_type) for each in found if isinstance(each, Gap)} == {
        (GapKind.UNSUPPORTED, "Observation"),
        (GapKind.UNSUPPORTED, "Communication"),
    }


def test_overlapping_pages_repeat_rows_and_a_contradiction_is_told() -> None:
    made = mapping("Observation", {"value_string": "text"})
    assert len(read(made, {"id": 1, "text": "a"}, {"id": 1, "text": "a"})) == 1
    (fact, gap) = read(made, {"id": 1, "text": "a"}, {"id": 1, "text": "b"})
    assert fact.value_string == "b"
    assert gap.code == DUPLICATE_NATIVE_ID


def test_patient_reported_may_be_said_by_each_row() -> None:
    made = mapping("Observation", {}, patient_reported="by == 'member'")
    assert [each.patient_reported for each in read(made, {"id": 1, "by": "member"}, {"id": 2, "by": "nurse"})] == [
        True,
        False,
    ]
    assert mapping("Observation", {}, patient_reported=True) is not None


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"colour": "x"}, "fields.colour: Observation has no such field"),
        ({"code": {"word": "x"}}, "fields.code.word: CodeableConcept has no such field"),
        ({"value_string": "a..b"}, "fields.value_string.path: 'a..b' is not JMESPath"),
        ({"value_string": "upper(a)"}, "JMESPath has no function upper()"),
        ({"value_string": {"path": "a", "convert": "guess"}}, "there is no converter 'guess'"),
        ({"value_string": {"path": "a", "convert": "decimal"}}, "decimal does not fit this field"),
        ({"effective.start": {"path": "a", "convert": "text"}}, "text does not fit this field"),
        ({"value_string": {"path": "a", "const": "b"}}, "either path or const"),
        ({"value_string": {"paht": "a"}}, "fields.value_string"),
        ({"value_string": 5}, "write a JMESPath"),
        ({"value_quantity": {"unit": "u"}}, "Quantity needs value"),
        ({"interpretation": "x"}, "it is a list"),
        ({"native_id": "x"}, "write native_id beside the fields"),
        ({"value_integer": {"const": "many"}}, "fields.value_integer.const: the value is not a number"),
        ({"value_boolean": {"path": "a", "map": {"J": "ja"}}}, "fields.value_boolean.map.J"),
        ({"code": "a", "code.text": "b"}, "already has a value"),
        ({"effective": {"path": "a", "start": "b"}}, "effective.start: it is already given"),
    ],
)
def test_a_mistake_is_found_at_load_and_named(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        mapping("Observation", fields)
    assert str(caught.value).startswith("file.toml: resource.fields")
    assert says in str(caught.value)


def test_a_fact_type_and_what_it_cannot_be_without_are_checked() -> None:
    with pytest.raises(SettingsError, match="there is no fact type 'Weather'"):
        mapping("Weather", {})
    with pytest.raises(SettingsError, match="Medication cannot be made without kind"):
        mapping("Medication", {})
    with pytest.raises(SettingsError, match=r"kind\.const: the value is not one of the values"):
        mapping("Medication", {"kind": {"const": "GIFT"}})
    with pytest.raises(SettingsError, match=r"where: 'a ==' is not JMESPath"):
        mapping("Observation", {}, where="a ==")


def test_every_field_named_as_payload_exists() -> None:
    known = {name for kind in FACT_TYPES.values() for name in kind.__struct_fields__}
    assert known >= PAYLOAD
