"""Units: the same by a list or not at all, nothing converted that is shown. MERGE.md section 2, "Units"."""

from decimal import Decimal

import pytest

from gateway.merge.compare import Answer
from gateway.merge.lists import delivered_units
from gateway.merge.units import compare_amounts
from schema.model.clinical import Observation
from schema.model.values import Quantity
from tests.merge.making import TERMS, UCUM, coded, disputes, linked, merged, reading, since, stating, together

LOINC = "http://loinc.org"
TEN = "2026-01-03T10:00:00Z"
AGREE, DIFFER, UNKNOWN = Answer.AGREE, Answer.DIFFER, Answer.UNKNOWN


def written(text: str) -> Quantity:
    """An amount as a source writes it: no code."""
    value, _, unit = text.partition(" ")
    return Quantity(value=Decimal(value), unit=unit or None)


def compared(code: str | None, one: str, other: str) -> Answer:
    about = {(LOINC, code)} if code else set()
    answer = compare_amounts(written(one), written(other), TERMS.units, rounded=True, about=about)
    assert answer is compare_amounts(written(other), written(one), TERMS.units, rounded=True, about=about), (
        "not symmetric"
    )
    return answer


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("5 mmol/L", "5 mmol/l"),
        ("84 umol/L", "84 \u00b5mol/L"),
        ("84 \u00b5mol/L", "84 \u03bcmol/l"),
        ("102 10*9/L", "102 x10^9/L"),
        ("102 10*9/L", "102 10⁹/L"),
        ("4.5 10*12/L", "4.5 x 10^12/L"),
        ("120 mmHg", "120 mm[Hg]"),
        ("120 mm Hg", "120 mm[Hg]"),
        ("72 /min", "72 1/min"),
        ("36.6 °C", "36.6 Cel"),
        ("50 ug", "50 mcg"),
        ("50 micrograms", "50 \u00b5g"),
        ("500 ml", "500 mL"),
        ("61 mL/min/1.73m2", "61 mL/min/{1.73_m2}"),
        ("150 MG", "150 mg"),
    ],
)
def test_spellings_of_one_unit_are_one_unit_whatever_is_measured(one: str, other: str) -> None:
    assert compared(None, one, other) is AGREE


@pytest.mark.parametrize(
    ("code", "one", "other", "answer"),
    [
        ("718-7", "13.5 g/dL", "135 g/L", AGREE),
        ("718-7", "13.5 g/dL", "135.4 g/L", AGREE),  # 13.54 is 13.5 to the digit that is written
        ("718-7", "13.5 g/dL", "136 g/L", DIFFER),
        ("718-7", "9 g/dL", "94 g/L", AGREE),  # 9.4 is 9 to the digit that is written
        ("718-7", "9.0 g/dL", "94 g/L", DIFFER),
        ("1751-7", "3.8 g/dl", "38 g/l", AGREE),
        ("1988-5", "1.2 mg/dL", "12 mg/L", AGREE),
        ("2276-4", "64 ng/mL", "64 ug/L", AGREE),
        ("67151-1", "14 ng/L", "0.014 ng/mL", AGREE),
        ("777-3", "102 10*3/uL", "102 x10^9/L", AGREE),
        ("777-3", "102 K/uL", "102 10*9/L", AGREE),
        ("2823-3", "4.2 mEq/L", "4.2 mmol/L", AGREE),
        ("1742-6", "107 IU/L", "107 U/L", AGREE),
        ("59261-8", "58 mmol/mol{Hb}", "58 mmol/mol", AGREE),
        ("8867-4", "72 bpm", "72 /min", AGREE),
        ("9279-1", "16 breaths/min", "16 /min", AGREE),
        ("29463-7", "3250 g", "3.25 kg", AGREE),
        ("29463-7", "3250 g", "3.2 kg", AGREE),
        ("29463-7", "3251 g", "3.20 kg", DIFFER),
        ("8302-2", "1.82 m", "182 cm", AGREE),
    ],
)
def test_a_step_that_is_listed_for_the_test_serves_the_comparison(
    code: str, one: str, other: str, answer: Answer
) -> None:
    assert compared(code, one, other) is answer
    assert compared(None, one, other) is UNKNOWN, "for another test it says nothing"


@pytest.mark.parametrize(
    ("code", "one", "other"),
    [
        ("59261-8", "58 mmol/mol", "58 %"),
        ("59261-8", "58 mmol/mol", "7.5 %"),
        ("4548-4", "7.5 %", "58 mmol/mol"),
        ("14749-6", "5.5 mmol/L", "99 mg/dL"),  # glucose
        ("14682-9", "88.4 umol/L", "1 mg/dL"),  # creatinine
        ("14682-9", "88 umol/L", "0.088 mmol/L"),  # exact, and not listed
        ("22664-7", "5 mmol/L", "14 mg/dL"),  # urea, and urea nitrogen
        ("2000-8", "2.4 mmol/L", "4.8 mEq/L"),  # calcium has two charges
        ("2601-3", "0.8 mmol/L", "0.8 mEq/L"),  # magnesium
        ("48065-7", "500 ng/mL{FEU}", "500 ng/mL{DDU}"),  # D-dimer: twice as much
        ("3016-3", "2 mIU/L", "2 mU/L"),  # a hormone's international unit is no unit of an enzyme
        ("3016-3", "2 IU/L", "2 U/L"),
        ("19994-3", "10 kPa", "75 mm[Hg]"),
        ("8310-5", "98.6 [degF]", "37 Cel"),
        ("8867-4", "72 breaths/min", "72 /min"),
        ("1988-5", "12 mg/L", "12 g/L"),
        (None, "1 MU", "1 mU"),  # a million units, and a thousandth of one
        (None, "1 MIU/L", "1 mIU/L"),
        (None, "10 units", "10 [iU]"),
        (None, "10 IU", "10 U"),
        (None, "5", "5 mmol/L"),
    ],
)
def test_what_is_not_exactly_equal_by_definition_cannot_be_compared(code: str | None, one: str, other: str) -> None:
    assert compared(code, one, other) is UNKNOWN


def test_a_unit_that_is_coded_as_one_and_written_as_another_cannot_be_compared() -> None:
    torn = Quantity(value=Decimal(58), unit="%", system=UCUM, code="mmol/mol")
    whole = Quantity(value=Decimal(58), unit="mmol/mol", system=UCUM, code="mmol/mol")
    assert compare_amounts(torn, whole, TERMS.units, rounded=True) is UNKNOWN
    assert compare_amounts(torn, torn, TERMS.units, rounded=True) is UNKNOWN


def test_a_code_counts_only_in_ucum_and_by_any_of_its_names() -> None:
    coded_unit = Quantity(value=Decimal(5), system="urn:oid:2.16.840.1.113883.6.8", code="mmol/l")
    assert compare_amounts(coded_unit, written("5 mmol/L"), TERMS.units, rounded=True) is AGREE
    local = Quantity(value=Decimal(5), system="urn:trust:units", code="mmol/L", unit="17")
    assert compare_amounts(local, written("5 mmol/L"), TERMS.units, rounded=True) is UNKNOWN


def haemoglobin(value: str, unit: str) -> dict[str, object]:
    return {**reading(value, TEN, unit=unit), "code": coded("718-7", LOINC)}


def test_results_in_two_units_of_one_test_merge_and_both_are_shown_as_stated() -> None:
    pair = (("a", haemoglobin("13.5", "g/dL")), ("b", haemoglobin("135", "g/L")))
    assert together(Observation, *pair) == [[0, 1]]
    (entry,) = merged(stating(Observation, *pair))
    shown = {(str(m.fact.value_quantity.value), m.fact.value_quantity.unit) for m in entry.members}
    assert shown == {("13.5", "g/dL"), ("135", "g/L")}


def test_different_results_in_two_units_are_a_conflict_of_what_each_stated() -> None:
    pair = (("a", haemoglobin("13.5", "g/dL")), ("b", haemoglobin("71", "g/L")))
    assert disputes(Observation, *pair) == {"value"}
    entry = merged(stating(Observation, *pair))[0]
    assert {claim.value for claim in entry.conflicts[0].claims} == {"13.5 g/dL", "71 g/L"}


def test_a_laboratorys_own_code_has_the_units_of_the_loinc_code_that_a_map_gives_it() -> None:
    group = {"source": "urn:lab", "target": LOINC, "element": [{"code": "HB", "target": [_equivalent("718-7")]}]}
    terms = TERMS.extended(concept_maps=[{"resourceType": "ConceptMap", "group": [group]}])
    pair = [("a", haemoglobin("13.5", "g/dL")), ("b", {**haemoglobin("135", "g/L"), "code": coded("HB", "urn:lab")})]
    assert together(Observation, *pair, terms=terms) == [[0, 1]]
    assert together(Observation, *pair) == [[0], [1]]


def _equivalent(code: str) -> dict[str, str]:
    return {"code": code, "equivalence": "equivalent"}


def test_hba1c_in_percent_and_in_mmol_per_mol_are_only_linked_whatever_the_numbers() -> None:
    both = [{"code": coded("59261-8", LOINC), "effective": since(TEN)} for _ in range(2)]
    for value in ("7.5", "58"):
        pair = (
            ("a", {**both[0], "value_quantity": written("58 mmol/mol")}),
            ("b", {**both[1], "value_quantity": written(f"{value} %")}),
        )
        assert disputes(Observation, *pair) == set()
        assert linked(Observation, *pair)


def test_the_list_contradicts_itself_nowhere() -> None:
    units = delivered_units()
    assert set(units.spelling.values()) <= set(units.spelling), "a unit is a spelling of itself"
    for (_, code), test in units.tests.items():
        assert set(test.spelling.values()) <= set(units.spelling.values()), code
        assert set(test.powers) <= set(units.spelling.values()), code
        assert not {s for s, ucum in test.spelling.items() if s != ucum} & set(units.spelling), code
