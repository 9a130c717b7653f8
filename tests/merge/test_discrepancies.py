"""What can be said of a source that has no part in a fact, and where nothing is claimed. MERGE.md section 5."""

import sys
from typing import Any

import pytest

from gateway.merge import delivered, discrepancies, section
from schema.model.clinical import AllergyIntolerance, Condition, Flag, Medication, MedicationKind, Observation, Polarity
from schema.model.fact import Fact, Gap, GapKind
from schema.model.values import CodeableConcept
from schema.model.view import Discrepancy, DiscrepancyKind, SectionSource, SourceState
from tests.merge.making import (
    DMD,
    READ,
    SOURCES,
    TERMS,
    at,
    coded,
    course,
    merged,
    number,
    problem,
    reading,
    since,
    stating,
    words,
)

DIABETES, ASTHMA, CELLULITIS = "44054006", "195967001", "128045006"
NOT_FOUND, DIFFERS, CANNOT_TELL = DiscrepancyKind.NOT_FOUND, DiscrepancyKind.DIFFERS, DiscrepancyKind.CANNOT_TELL


def heard(source: str, state: SourceState = SourceState.OK, *gaps: GapKind, began: str | None = None) -> SectionSource:
    found = tuple(Gap(kind=kind, fact_type="Condition") for kind in gaps)
    return SectionSource(source=SOURCES[source], state=state, gaps=found, complete_from=at(began) if began else None)


def found(
    kind: type[Fact], *stated: tuple[str, dict[str, Any]], b: SectionSource | None = None
) -> tuple[Discrepancy, ...]:
    """Of source b: what it does not have of these statements."""
    settled = section(kind, merged(stating(kind, *stated)), [heard("a"), b or heard("b")])
    return discrepancies([settled], TERMS, source="b")


def said(kind: type[Fact], *stated: tuple[str, dict[str, Any]], **options: Any) -> list[DiscrepancyKind]:
    return [one.kind for one in found(kind, *stated, **options)]


def test_a_source_that_answered_completely_and_has_none_does_not_have_it() -> None:
    assert said(Condition, ("a", problem(DIABETES))) == [NOT_FOUND]
    assert said(Condition, ("a", problem(DIABETES)), ("b", problem(ASTHMA))) == [NOT_FOUND]


def test_who_has_it_too_is_not_named() -> None:
    assert said(Condition, ("a", problem(DIABETES)), ("b", problem(DIABETES))) == []


def test_who_says_otherwise_is_said_to_differ() -> None:
    ended = problem(DIABETES) | {"clinical_status": "resolved"}
    live = problem(DIABETES) | {"clinical_status": "active"}
    assert said(Condition, ("a", live), ("b", ended)) == [DIFFERS]


@pytest.mark.parametrize(
    "kind",
    [
        GapKind.WITHHELD,
        GapKind.UNREADABLE,
        GapKind.TRUNCATED,
        GapKind.UNSUPPORTED,
        GapKind.FAILED,
        GapKind.NARRATIVE_ONLY,
    ],
)
def test_nothing_is_claimed_of_a_source_that_did_not_say_everything(kind: GapKind) -> None:
    assert said(Condition, ("a", problem(DIABETES)), b=heard("b", SourceState.PARTIAL, kind)) == [CANNOT_TELL]
    assert said(Condition, ("a", problem(DIABETES)), b=heard("b", SourceState.OK, kind)) == [CANNOT_TELL]


@pytest.mark.parametrize(
    ("state", "gaps", "kind"),
    [
        (SourceState.PENDING, (), DiscrepancyKind.SOURCE_UNAVAILABLE),
        (SourceState.UNAVAILABLE, (), DiscrepancyKind.SOURCE_UNAVAILABLE),
        (SourceState.NOT_LINKED, (), DiscrepancyKind.SOURCE_UNAVAILABLE),
        (SourceState.NOT_LINKED, (GapKind.NOT_HELD,), DiscrepancyKind.OUT_OF_SCOPE),
        (SourceState.NOT_ASKED, (GapKind.NOT_HELD,), DiscrepancyKind.OUT_OF_SCOPE),
        (SourceState.OK, (GapKind.NOT_RECORDED,), NOT_FOUND),
        (SourceState.OK, (GapKind.NONE_KNOWN,), NOT_FOUND),
    ],
)
def test_a_source_that_was_not_heard_is_not_a_source_that_has_none(
    state: SourceState, gaps: tuple[GapKind, ...], kind: DiscrepancyKind
) -> None:
    assert said(Condition, ("a", problem(DIABETES)), b=heard("b", state, *gaps)) == [kind]


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        (coded(DIABETES), words("Type two diabetes")),
        (coded(DIABETES), coded("C10F.", READ)),
        (coded(DIABETES), coded("DM2", "urn:trust:codes")),
        (words("Type two diabetes"), coded(ASTHMA)),
        (coded("DM2", "urn:trust:codes"), coded("DM2", "urn:trust:codes")),
        (coded(DIABETES), coded("E11", "http://hl7.org/fhir/sid/icd-10")),
    ],
)
def test_what_cannot_be_compared_may_be_there(mine: Any, theirs: Any) -> None:
    assert said(Condition, ("a", {"code": mine}), ("b", {"code": theirs})) == [CANNOT_TELL]


def test_what_is_only_linked_may_be_the_same() -> None:
    undated = ("b", problem(CELLULITIS))
    assert said(Condition, ("a", problem(CELLULITIS, "2026-01-10")), undated) == [CANNOT_TELL]


def test_a_source_that_began_to_listen_later_cannot_be_said_not_to_have_it() -> None:
    old = ("a", problem(DIABETES, "2012-01-01"))
    assert said(Condition, old, b=heard("b", began="2023-11-14")) == [CANNOT_TELL]
    assert said(Condition, old, b=heard("b", began="2001-09-09")) == [NOT_FOUND]


ALCOHOL, ANXIETY = "66590003", "197480006"


def named(code: str, display: str, **more: Any) -> dict[str, Any]:
    return problem(code) | {"code": coded(code, display=display)} | more


def test_another_code_with_a_word_in_common_may_be_the_same_thing_in_another_clinicians_choice() -> None:
    mine = ("a", named(ALCOHOL, "Alcohol dependence"))
    assert said(Condition, mine, ("b", named("7200002", "Alcoholism"))) == [CANNOT_TELL]
    assert said(Condition, mine, ("b", named(ANXIETY, "Anxiety disorder"))) == [NOT_FOUND]


def test_who_states_both_tells_them_apart() -> None:
    alcohol, other = named(ALCOHOL, "Alcohol dependence"), named("7200002", "Alcoholism")
    assert said(Condition, ("a", alcohol), ("a", other), ("b", other)) == [NOT_FOUND]
    third = [("a", alcohol), ("c", other), ("b", other)]
    assert said(Condition, *third) == [CANNOT_TELL], "that a third source uses the other code says nothing"


def test_codes_that_a_map_puts_near_each_other_or_near_a_third_are_siblings() -> None:
    parent = "urn:parent"
    target = {"code": "P", "equivalence": "wider"}
    elements = [{"code": code, "target": [target]} for code in (DIABETES, ASTHMA)]
    group = {"source": "http://snomed.info/sct", "target": parent, "element": elements}
    terms = TERMS.extended(concept_maps=[{"resourceType": "ConceptMap", "group": [group]}])
    for other in (coded(ASTHMA), CodeableConcept(codings=(*coded("P", parent).codings, *coded(CELLULITIS).codings))):
        facts = stating(Condition, ("a", problem(DIABETES)), ("b", {"code": other}))
        settled = section(Condition, merged(facts, terms), [heard("a"), heard("b")])
        assert [one.kind for one in discrepancies([settled], terms, source="b")] == [CANNOT_TELL]


def test_of_what_happens_at_a_time_only_a_sibling_of_that_day_or_of_none_counts() -> None:
    def result(code: str, display: str, when: str | None) -> dict[str, Any]:
        return {"code": coded(code, display=display), "effective": since(when)}

    mine = ("a", result("1", "Serum ferritin level", "2026-01-14T10:05"))
    for when, kind in (("2026-01-14T16:00", CANNOT_TELL), (None, CANNOT_TELL), ("2026-01-20T10:05", NOT_FOUND)):
        assert said(Observation, mine, ("b", result("2", "Ferritin", when))) == [kind], when
    undated = ("a", result("1", "Serum ferritin level", None))
    assert said(Observation, undated, ("b", result("2", "Ferritin", "2026-01-20"))) == [CANNOT_TELL]
    assert said(Observation, mine, ("b", result("2", "Serum sodium level", "2026-01-14"))) == [NOT_FOUND]


def test_a_source_that_was_not_heard_is_said_so_once_of_the_section_with_the_count() -> None:
    live = [("a", problem(DIABETES)), ("a", problem(ASTHMA)), ("a", problem(CELLULITIS) | {"entered_in_error": True})]
    (one,) = found(Condition, *live, b=heard("b", SourceState.UNAVAILABLE))
    assert (one.kind, one.entry, one.count) == (DiscrepancyKind.SOURCE_UNAVAILABLE, None, 2)


def test_twice_as_many_results_of_one_code_cost_twice_as_many_steps() -> None:
    def steps(count: int) -> int:
        stated = [
            (source, reading("70", f"2026-01-{day:02}T{n // 60:02}:{n % 60:02}"))
            for source, day in (("a", 5), ("b", 20))
            for n in range(count)
        ]
        settled = section(Observation, merged(stating(Observation, *stated)), [heard("a"), heard("b")])
        calls = 0

        def count_call(*_: object) -> None:
            nonlocal calls
            calls += 1

        sys.setprofile(count_call)
        try:
            found = discrepancies([settled], TERMS)
        finally:
            sys.setprofile(None)
        assert len(found) == 2 * count
        return calls

    assert steps(600) <= 2.3 * steps(300)


def test_what_was_withdrawn_is_missed_by_nobody() -> None:
    assert said(Condition, ("a", problem(DIABETES) | {"entered_in_error": True})) == []


def test_what_goes_by_number_is_compared_by_numbers_of_one_issuer() -> None:
    mine = ("a", {"identifiers": (number("FL-1"),)})
    assert said(Flag, mine) == [NOT_FOUND]
    assert said(Flag, mine, ("b", {"identifiers": (number("FL-2"),)})) == [NOT_FOUND]
    assert said(Flag, mine, ("b", {"identifiers": (number("7", "urn:other"),)})) == [CANNOT_TELL]
    assert said(Flag, mine, ("b", {})) == [CANNOT_TELL]


def medicine(code: str, **more: Any) -> dict[str, Any]:
    return {"kind": MedicationKind.STATEMENT, "code": coded(code, DMD), "status": "active", **more}


def test_a_medicine_is_compared_only_when_the_dictionary_knows_the_product() -> None:
    assert said(Medication, ("a", medicine("1003")), ("b", medicine("1002"))) == [NOT_FOUND]
    assert said(Medication, ("a", medicine("1003")), ("b", medicine("4040"))) == [CANNOT_TELL]


def test_a_supply_of_a_course_is_not_the_course() -> None:
    supply = ("a", medicine("1003") | {"kind": MedicationKind.DISPENSE})
    assert said(Medication, supply, ("b", medicine("1003"))) == [NOT_FOUND]


@pytest.mark.parametrize("kind", [MedicationKind.REQUEST, MedicationKind.DISPENSE, MedicationKind.ADMINISTRATION])
def test_a_source_that_ordered_supplied_or_gave_a_medicine_is_not_said_to_lack_it(kind: MedicationKind) -> None:
    known = ("b", medicine("1003") | {"kind": kind})
    assert said(Medication, ("a", medicine("1003")), known) == [CANNOT_TELL]


def test_what_matters_most_comes_first() -> None:
    allergies = section(
        AllergyIntolerance,
        merged(
            stating(
                AllergyIntolerance,
                ("a", {"code": coded("111088007"), "polarity": Polarity.PRESENT, "criticality": "high"}),
                ("a", {"code": coded("91936005"), "polarity": Polarity.PRESENT}),
                ("a", {"code": coded("102263004"), "polarity": Polarity.PRESENT}),
            )
        ),
        [heard("a"), heard("b")],
    )
    medicines = section(
        Medication,
        merged(
            stating(
                Medication,
                ("a", medicine("1003")),
                ("a", medicine("2001")),
                ("a", medicine("1002", status="completed")),
            )
        ),
        [heard("a"), heard("b")],
    )
    problems = section(Condition, merged(stating(Condition, ("a", problem(DIABETES)))), [heard("a"), heard("b")])
    ordered = discrepancies([problems, medicines, allergies], TERMS, source="b")
    codes = [one.entry.display.code.codings[0].code for one in ordered]
    assert codes == ["111088007", "91936005", "102263004", "2001", "1003", DIABETES, "1002"]


def test_what_is_said_of_every_source_stands_in_the_order_by_which_pages_are_cut() -> None:
    told = [heard("b"), heard("d", SourceState.UNAVAILABLE), heard("a"), heard("c", SourceState.PARTIAL)]
    ended = problem(DIABETES) | {"clinical_status": "resolved"}
    problems = stating(Condition, ("a", problem(DIABETES)), ("b", ended), ("a", problem(ASTHMA)), ("c", problem("1")))
    flags = stating(Flag, *(("a", {"code": words(f"Flag {place}"), "identifiers": (number("1"),)}) for place in "ab"))
    sections = [section(Condition, merged(problems), told), section(Flag, merged(flags), told)]
    found = discrepancies(sections, TERMS)
    assert [one.order for one in found] == sorted(one.order for one in found)
    assert {one.kind for one in found} == {NOT_FOUND, DIFFERS, CANNOT_TELL, DiscrepancyKind.SOURCE_UNAVAILABLE}
    of_each = [one for source in "abcd" for one in discrepancies(sections, TERMS, source=source)]
    assert sorted(of_each, key=lambda one: one.order) == list(found)


def test_each_section_is_judged_under_its_own_terminology() -> None:
    stated = [(source, course(code)) for source, code in (("a", "1003"), ("b", "2001"))]
    medicines = section(Medication, merged(stating(Medication, *stated)), [heard("a"), heard("b")])
    problems = section(Condition, merged(stating(Condition, ("a", problem(DIABETES)))), [heard("a"), heard("b")])
    both = {"Condition": TERMS, "Medication": delivered()}
    assert [one.kind for one in discrepancies([medicines, problems], TERMS)] == [NOT_FOUND] * 3
    assert [one.kind for one in discrepancies([medicines, problems], both)] == [CANNOT_TELL, CANNOT_TELL, NOT_FOUND]


def test_what_a_source_without_a_place_in_the_section_states_still_tells_two_codes_apart() -> None:
    """It uses both codes itself, so the other code is not another word for the entry."""
    anxiety, disorder = named("48694002", "Anxiety"), named("197480006", "Anxiety disorder")
    stated = stating(Condition, ("c", anxiety), ("c", disorder), ("b", disorder))
    settled = section(Condition, merged(stated), [heard("b")])
    assert [one.kind for one in discrepancies([settled], TERMS)] == [NOT_FOUND]
    settled = section(Condition, merged(stated[::2]), [heard("b")])
    assert [one.kind for one in discrepancies([settled], TERMS)] == [CANNOT_TELL]


def test_one_result_on_the_day_among_others_may_be_the_same() -> None:
    """Whatever else of its code the source holds, before and after."""
    mine = ("a", reading("72", "2026-01-01T10:00:00Z"))
    around = [("b", reading("60", f"{month}-01T10:00:00Z")) for month in ("2025-06", "2026-05")]
    assert said(Observation, mine, *around) == [NOT_FOUND]
    assert said(Observation, mine, *around, ("b", reading("74", "2026-01-01T15:00:00Z"))) == [CANNOT_TELL]


def test_what_goes_by_numbers_is_compared_where_one_issuer_is_shared() -> None:
    mine = ("a", {"identifiers": (number("1"),)})
    other, shared = (("b", {"identifiers": (number("2", issuer),)}) for issuer in ("urn:oid:9", "urn:oid:1.2.3"))
    assert said(Flag, mine, other) == [CANNOT_TELL]
    assert said(Flag, mine, other, shared) == [NOT_FOUND]


def test_a_product_of_which_the_dictionary_does_not_say_what_it_holds_is_not_compared() -> None:
    rows = [
        {"code": "7001", "level": "VMP", "name": "Salbutamol 100micrograms/dose inhaler CFC free"},
        {"code": "7002", "level": "AMP", "name": "Ventolin 100micrograms/dose Evohaler"},
    ]
    terms = TERMS.extended(products=rows)
    stated = [(source, course(code)) for source, code in (("a", "7001"), ("b", "7002"))]
    settled = section(Medication, merged(stating(Medication, *stated), terms), [heard("a"), heard("b")])
    assert [one.kind for one in discrepancies([settled], terms)] == [CANNOT_TELL] * 2


def drug_allergy(code: str, display: str) -> dict[str, Any]:
    return {"code": coded(code, display=display), "clinical_status": "active", "categories": ("medication",)}


def test_two_drug_allergies_may_be_of_one_class_unless_the_lists_know_both_substances() -> None:
    penicillin, codeine = ("91936005", "Allergy to penicillin"), ("387494007", "Codeine")
    mine = ("a", drug_allergy(*penicillin))
    assert said(AllergyIntolerance, mine, ("b", drug_allergy("294505008", "Allergy to amoxicillin"))) == [CANNOT_TELL]
    unsaid = drug_allergy("294505008", "Allergy to amoxicillin") | {"categories": ()}
    assert said(AllergyIntolerance, mine, ("b", unsaid)) == [CANNOT_TELL]
    assert said(AllergyIntolerance, mine, ("b", unsaid | {"categories": ("food",)})) == [NOT_FOUND]
    assert said(AllergyIntolerance, mine, ("b", drug_allergy(*codeine))) == [NOT_FOUND]
    assert said(AllergyIntolerance, ("a", unsaid), ("b", drug_allergy(*codeine))) == [CANNOT_TELL]
    assert said(AllergyIntolerance, mine) == [NOT_FOUND]
