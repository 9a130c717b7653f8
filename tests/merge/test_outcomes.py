"""Measurements over time: which results are points, what is left out and why, and what the numbers say. MERGE.md 6."""

from collections.abc import Sequence
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from gateway.merge import outcomes, section
from schema.model.clinical import Observation, ObservationComponent
from schema.model.series import ExclusionReason, ObservationSeries
from schema.model.values import Quantity
from schema.model.view import SectionSource, SectionStatus, SourceState
from tests.merge.making import SOURCES, TERMS, UCUM, amount, coded, merged, number, reading, since, stating, words

LOINC = "http://loinc.org"
ALT, PLATELETS, LAB_GLUCOSE, METER_GLUCOSE = "1742-6", "777-3", "14749-6", "14743-9"
CAPILLARY = "122554006"


def series(
    *stated: tuple[str, dict[str, Any]], codes: Sequence[str] = (ALT,), terms: Any = TERMS, **states: SourceState
) -> ObservationSeries:
    """The one series that the codes stand for."""
    (found,) = several(*stated, codes=codes, terms=terms, **states)
    return found


def several(
    *stated: tuple[str, dict[str, Any]], codes: Sequence[str] = (), terms: Any = TERMS, **states: SourceState
) -> tuple[ObservationSeries, ...]:
    heard = [SectionSource(source=SOURCES[n], state=states.get(n, SourceState.OK)) for n in ("a", "b")]
    return outcomes(section(Observation, merged(stating(Observation, *stated), terms), heard), terms, codes)


def alt(value: str, when: str, unit: str = "U/L", **more: Any) -> dict[str, Any]:
    return reading(value, when, ALT, unit, **more) | {"code": coded(ALT, LOINC)}


def values(found: ObservationSeries) -> list[str]:
    return [str(point.value) for point in found.points]


def reasons(found: ObservationSeries) -> list[ExclusionReason]:
    return [one.reason for one in found.excluded]


def test_points_are_in_order_of_measurement_with_the_digits_as_written() -> None:
    found = series(("a", alt("97", "2026-01-14T10:05")), ("b", alt("48.0", "2025-05-21T09:20")))
    assert values(found) == ["48.0", "97"]
    assert (found.unit, found.change) == ("U/L", Decimal("49.0"))
    assert found.first is found.points[0]
    assert found.latest is found.points[-1]


def test_a_sample_that_two_systems_report_is_one_point_that_names_both() -> None:
    once = [("a", alt("97", "2026-01-14T10:05")), ("a", alt("48", "2025-05-21T09:20"))]
    twice = series(*once, *(("b", fields) for _, fields in once))
    assert values(twice) == values(series(*once)) == ["48", "97"]
    assert [[m.provenance.source.id for m in p.entry.members] for p in twice.points] == [["a", "b"], ["a", "b"]]
    assert (twice.change, twice.slope) == (series(*once).change, series(*once).slope)


@pytest.mark.parametrize(
    ("name", "code", "unit"),
    [
        ("ALP", "1000621000000104", "U/L"),
        ("ALP", "1013041000000106", "U/L"),
        ("GGT", "1028091000000102", "U/L"),
        ("AST", "1031101000000102", "U/L"),
        ("AST", "1000881000000102", "IU/L"),
        ("PHQ-9 score", "720433000", "{score}"),
    ],
)
def test_a_line_knows_the_codes_under_which_practices_file_it(name: str, code: str, unit: str) -> None:
    found = series(("a", reading("97", "2026-01-14T10:05", code, unit)), codes=(code,))
    assert (found.name, values(found)) == (name, ["97"])


def test_ast_has_a_line_of_its_own_in_which_practice_and_laboratory_meet() -> None:
    filed = reading("61", "2026-01-14T10:05", "1000881000000102", "IU/L")
    told = reading("48", "2025-05-21T09:20", unit="U/L") | {"code": coded("1920-8", LOINC)}
    lines = {one.name: one for one in several(("a", filed), ("b", told))}
    assert (values(lines["AST"]), lines["AST"].change) == (["48", "61"], Decimal(13))
    assert (values(lines["ALT"]), lines["ALT"].excluded) == ([], ())


def test_a_glucose_is_not_on_the_line_of_ggt() -> None:
    glucose = "1028881000000105"  # which was listed there once, from memory
    (found,) = several(("a", reading("97", "2026-01-14T10:05", glucose, "U/L")), codes=("2324-2",))
    assert (values(found), found.excluded) == ([], ())


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"entered_in_error": True}, ExclusionReason.ENTERED_IN_ERROR),
        ({"status": "cancelled"}, ExclusionReason.CANCELLED),
        ({"patient_reported": True}, ExclusionReason.OTHER_SPECIMEN),
        ({"specimen_type": coded(CAPILLARY)}, ExclusionReason.OTHER_SPECIMEN),
        ({"value_quantity": None}, ExclusionReason.NO_VALUE),
        ({"value_quantity": None, "value_string": "haemolysed"}, ExclusionReason.NO_VALUE),
        ({"value_quantity": None, "data_absent_reason": words("Haemolysed")}, ExclusionReason.NO_VALUE),
        ({"value_quantity": amount("5", "U/L", "<")}, ExclusionReason.COMPARATOR),
        ({"value_quantity": amount("1.2", "ukat/L")}, ExclusionReason.OTHER_UNIT),
        ({"value_quantity": amount("97")}, ExclusionReason.OTHER_UNIT),
        ({"effective": None, "issued": None}, ExclusionReason.UNDATED),
        ({"effective": since("2026-01")}, ExclusionReason.UNDATED),
    ],
)
def test_what_is_no_point_is_listed_with_the_reason(fields: dict[str, Any], reason: ExclusionReason) -> None:
    found = series(("a", alt("97", "2026-01-14T10:05") | fields), ("a", alt("48", "2025-05-21T09:20")))
    assert values(found) == ["48"]
    assert reasons(found) == [reason]


def test_a_preliminary_or_remarked_result_is_a_point_and_its_entry_says_so() -> None:
    found = series(("a", alt("97", "2026-01-14T10:05", status="preliminary")))
    assert [point.entry.display.status for point in found.points] == ["preliminary"]


def test_two_values_of_one_sample_are_drawn_by_neither() -> None:
    same = {"identifiers": (number("R-1"),)}
    found = series(("a", alt("97", "2026-01-14T10:05", **same)), ("b", alt("107", "2026-01-14T10:05", **same)))
    assert values(found) == []
    assert reasons(found) == [ExclusionReason.DISPUTED] * 2


def test_laboratory_and_meter_glucose_are_two_lines() -> None:
    def glucose(code: str, value: str) -> dict[str, Any]:
        return reading(value, "2026-03-16T12:40", unit="mmol/L") | {"code": coded(code, LOINC)}

    laboratory, meter = several(
        ("a", glucose(LAB_GLUCOSE, "11.4")), ("b", glucose(METER_GLUCOSE, "12.1")), codes=[LAB_GLUCOSE, METER_GLUCOSE]
    )
    assert (values(laboratory), values(meter)) == (["11.4"], ["12.1"])


def test_the_parts_of_a_blood_pressure_are_two_lines_of_one_result() -> None:
    parts = tuple(
        ObservationComponent(code=coded(code), value_quantity=amount(value, "mm[Hg]"))
        for code, value in (("271649006", "148"), ("271650006", "86"))
    )
    taken = {"code": coded("75367002"), "effective": since("2026-02-21T09:40"), "components": parts}
    systolic, diastolic = several(("a", taken), codes=["75367002"])
    assert (values(systolic), values(diastolic)) == (["148"], ["86"])
    assert systolic.points[0].entry is diastolic.points[0].entry


def test_what_a_map_calls_equivalent_is_on_the_line_and_what_it_calls_wider_is_listed() -> None:
    conceptmap = {
        "resourceType": "ConceptMap",
        "group": [
            {
                "source": "urn:lab",
                "target": LOINC,
                "element": [
                    {"code": "ALT", "target": [{"code": ALT, "equivalence": "equivalent"}]},
                    {"code": "ALTP", "target": [{"code": ALT, "equivalence": "wider"}]},
                ],
            }
        ],
    }
    stated = [
        ("a", reading("97", "2026-01-14T10:05", unit="U/L") | {"code": coded(code, "urn:lab")})
        for code in ("ALT", "ALTP")
    ]
    found = series(*stated, terms=TERMS.extended(concept_maps=[conceptmap]))
    assert values(found) == ["97"]
    assert reasons(found) == [ExclusionReason.RELATED_CODE]
    unmapped = series(*stated)
    assert (values(unmapped), unmapped.excluded, unmapped.unmapped) == ([], (), 2)


def test_one_code_of_two_vendors_is_two_lines_and_a_code_that_nobody_uses_an_empty_one() -> None:
    def own(system: str, unit: str) -> dict[str, Any]:
        return reading("201", "2026-03-16T12:40", unit=unit) | {"code": coded("AST", system)}

    found = several(("a", own("urn:lab-a", "U/L")), ("b", own("urn:lab-b", "ukat/L")), codes=["AST"])
    assert sorted((one.unit or "", values(one)[0]) for one in found) == [("U/L", "201"), ("ukat/L", "201")]
    (nothing,) = several(codes=["XYZ"])
    assert (nothing.name, nothing.points, nothing.unit) == ("XYZ", (), None)


def test_a_line_asked_for_by_code_takes_the_unit_that_most_of_its_results_state() -> None:
    stated = [
        ("a", reading("1", f"2026-01-0{day}T08:00", unit=unit) | {"code": coded("X", "urn:lab")})
        for day, unit in ((1, "mg"), (2, "mg"), (3, "g"))
    ]
    found = series(*stated, codes=["X"])
    assert (found.unit, len(found.points), reasons(found)) == ("mg", 2, [ExclusionReason.OTHER_UNIT])


def test_every_listed_line_is_there_also_without_points_and_says_who_was_not_heard() -> None:
    found = several(b=SourceState.UNAVAILABLE)
    assert {one.name for one in found} >= {"HbA1c", "Weight", "PHQ-9 score", "ALT", "Platelets"}
    assert {one.status for one in found} == {SectionStatus.PARTIAL}
    assert {s.state for one in found for s in one.sources} == {SourceState.OK, SourceState.UNAVAILABLE}


def test_a_slope_is_the_least_squares_line_per_thirty_days_in_exact_decimals() -> None:
    days = ("2025-01-01", "2025-03-02", "2025-05-01")  # 60 days apart
    found = series(*(("a", alt(value, day)) for value, day in zip(("10.1", "10.4", "10.7"), days, strict=True)))
    assert found.slope == Decimal("0.15")
    assert str(found.slope) == "0.15", "one digit more than the points have"
    bent = series(*(("a", alt(value, day)) for value, day in zip(("10", "40", "10"), days, strict=True)))
    assert bent.slope == 0


@pytest.mark.parametrize("days", [("2025-01-01", "2025-05-01"), ("2025-01-01", "2025-02-01", "2025-03-31")])
def test_there_is_no_slope_of_two_points_nor_of_less_than_ninety_days(days: tuple[str, ...]) -> None:
    found = series(*(("a", alt(str(10 + place), day)) for place, day in enumerate(days)))
    assert found.change is not None
    assert found.slope is None


def test_ninety_days_over_the_change_of_the_clocks_are_ninety_days() -> None:
    days = ("2025-01-01", "2025-02-01", "2025-04-01")
    assert series(*(("a", alt(str(10 + place), day)) for place, day in enumerate(days))).slope is not None


def test_the_order_of_the_results_changes_nothing() -> None:
    stated = [("a", alt(str(40 + day), f"2026-01-{day:02}T08:00")) for day in range(1, 29)]
    facts = stating(Observation, *stated)
    shuffled = Random(1).sample(facts, len(facts))
    heard = [SectionSource(source=SOURCES["a"], state=SourceState.OK)]
    one, other = (outcomes(section(Observation, merged(f), heard), TERMS, [ALT])[0] for f in (facts, shuffled))
    assert one == other


def test_an_amount_coded_in_one_unit_and_written_in_another_is_not_drawn() -> None:
    both = Quantity(value=Decimal(95), unit="mg/dL", system=UCUM, code="mmol/L")
    stated = reading("95", "2026-01-10T09:00") | {"code": coded(LAB_GLUCOSE, LOINC), "value_quantity": both}
    assert reasons(series(("a", stated), codes=(LAB_GLUCOSE,))) == [ExclusionReason.OTHER_UNIT]


@pytest.mark.parametrize(
    "specimen", [words("Capillary blood"), coded("BLDC", "http://terminology.hl7.org/CodeSystem/v2-0487")]
)
def test_capillary_blood_is_no_laboratory_point_however_it_is_said(specimen: Any) -> None:
    found = series(("a", alt("97", "2026-01-14T10:05", specimen_type=specimen)))
    assert reasons(found) == [ExclusionReason.OTHER_SPECIMEN]


def pressure(*parts: tuple[str, str, str], **more: Any) -> dict[str, Any]:
    """A panel of (code system, code, value)."""
    components = tuple(
        ObservationComponent(code=coded(code, system), value_quantity=amount(value, "mm[Hg]"))
        for system, code, value in parts
    )
    return {"code": coded("75367002"), "effective": since("2026-02-21T09:40"), "components": components} | more


@pytest.mark.parametrize(
    ("panel", "unmapped"),
    [(pressure(("L", "SYS", "188"), ("L", "DIA", "112")), 1), (pressure(value_string="188/112"), 0)],
)
def test_a_blood_pressure_of_which_no_part_is_known_is_listed_and_not_silent(
    panel: dict[str, Any], unmapped: int
) -> None:
    found = series(("a", panel), codes=("8480-6",))
    assert (reasons(found), found.unmapped) == ([ExclusionReason.NO_VALUE], unmapped)


def test_lying_and_standing_in_one_panel_are_two_points() -> None:
    found = series(("a", pressure((LOINC, "8480-6", "150"), (LOINC, "8480-6", "98"))), codes=("8480-6",))
    assert values(found) == ["150", "98"]


def test_a_third_code_puts_no_meter_reading_on_the_laboratorys_line() -> None:
    target = [{"code": "36048009", "equivalence": "equivalent"}]
    elements = [{"code": code, "target": target} for code in (LAB_GLUCOSE, METER_GLUCOSE)]
    group = {"source": LOINC, "target": "http://snomed.info/sct", "element": elements}
    terms = TERMS.extended(concept_maps=[{"resourceType": "ConceptMap", "group": [group]}])
    stated = [
        ("a", reading(value, when, unit="mmol/L") | {"code": coded(code, LOINC)})
        for value, when, code in (("5.1", "2026-01-10T09:00", LAB_GLUCOSE), ("14.2", "2026-01-12T09:00", METER_GLUCOSE))
    ]
    found = series(*stated, codes=(LAB_GLUCOSE,), terms=terms)
    assert (values(found), reasons(found)) == (["5.1"], [ExclusionReason.RELATED_CODE])


def test_two_points_that_may_be_one_sample_count_once_for_the_slope() -> None:
    once = [("a", alt("40", "2025-10-01T09:00")), ("a", alt("97", "2026-01-14T09:05"))]
    twice = series(*once, ("b", alt("97", "2026-01-14")))
    assert (values(twice), twice.slope) == (["40", "97", "97"], None)
