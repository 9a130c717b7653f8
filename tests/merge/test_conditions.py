"""Problems and diagnoses: lasting ones by concept, episodes by concept and onset. MERGE.md section 2."""

from typing import Any

import pytest

from schema.model.clinical import Condition, Polarity
from schema.model.values import CodeableConcept, Coding
from tests.merge.making import READ, SCT, TERMS, at, coded, disputes, linked, merged, problem, stating, together, words

DIABETES, CELLULITIS = "44054006", "128045006"
ICD10 = "http://hl7.org/fhir/sid/icd-10"
_BROADER = [
    {"code": "E11.9", "target": [{"code": DIABETES, "equivalence": "wider"}]},
    {"code": "L03.9", "target": [{"code": CELLULITIS, "relationship": "source-is-narrower-than-target"}]},
]
BROADER = TERMS.extended(
    concept_maps=[
        {"resourceType": "ConceptMap", "group": [{"source": ICD10, "target": SCT, "element": _BROADER}]},
    ]
)


def test_a_long_term_condition_is_one_whatever_onset_each_source_has() -> None:
    pair = (("a", problem(DIABETES, "2012")), ("b", problem(DIABETES, "2013-05-01")), ("c", problem(DIABETES)))
    assert together(Condition, *pair) == [[0, 1, 2]]


def test_episodes_are_one_within_fourteen_days_and_two_after() -> None:
    assert together(Condition, ("a", problem(CELLULITIS, "2026-01-01")), ("b", problem(CELLULITIS, "2026-01-15"))) == [
        [0, 1]
    ]
    apart = (("a", problem(CELLULITIS, "2026-01-01")), ("b", problem(CELLULITIS, "2026-01-16")))
    assert together(Condition, *apart) == [[0], [1]]
    assert not linked(Condition, *apart)


@pytest.mark.parametrize("onset", [None, "2026", "2026-01"])
def test_an_episode_whose_onset_is_not_known_to_the_day_is_linked_and_never_merged(onset: str | None) -> None:
    pair = (("a", problem(CELLULITIS, "2026-01-10")), ("b", problem(CELLULITIS, onset)))
    assert together(Condition, *pair) == [[0], [1]]
    assert linked(Condition, *pair)


def test_two_undated_episodes_are_linked_and_one_of_another_year_is_not() -> None:
    assert linked(Condition, ("a", problem(CELLULITIS)), ("b", problem(CELLULITIS)))
    assert not linked(Condition, ("a", problem(CELLULITIS, "2019")), ("b", problem(CELLULITIS, "2026-01-10")))


@pytest.mark.parametrize(
    ("one", "other", "field"),
    [
        ({"clinical_status": "active"}, {"clinical_status": "resolved"}, "clinicalStatus"),
        ({"clinical_status": "relapse"}, {"clinical_status": "remission"}, "clinicalStatus"),
        ({"verification_status": "refuted"}, {"verification_status": "confirmed"}, "verificationStatus"),
        ({"verification_status": "refuted"}, {}, "verificationStatus"),
        ({"verification_status": "provisional"}, {"verification_status": "confirmed"}, "verificationStatus"),
        ({"verification_status": "differential"}, {"verification_status": "confirmed"}, "verificationStatus"),
        ({"verification_status": "unconfirmed"}, {"verification_status": "confirmed"}, "verificationStatus"),
        ({"verification_status": "planned"}, {"verification_status": "confirmed"}, "verificationStatus"),
        ({"polarity": Polarity.ABSENT}, {}, "polarity"),
    ],
)
@pytest.mark.parametrize("code", [DIABETES, CELLULITIS])
def test_what_is_never_merged_is_shown_as_a_conflict(
    code: str, one: dict[str, Any], other: dict[str, Any], field: str
) -> None:
    pair = (("a", {**problem(code, "2026-01-01"), **one}), ("b", {**problem(code, "2026-01-02"), **other}))
    assert together(Condition, *pair) == [[0], [1]]
    assert disputes(Condition, *pair) == {field}


def test_inactive_and_resolved_are_both_not_active() -> None:
    pair = ({"clinical_status": "inactive"}, {"clinical_status": "resolved"})
    stated = [("ab"[place], {**problem(DIABETES), **more}) for place, more in enumerate(pair)]
    assert together(Condition, *stated) == [[0, 1]]


def test_suspected_and_confirmed_of_one_source_are_in_conflict_too() -> None:
    assert disputes(
        Condition,
        ("a", {**problem("8635005", "2026-03-16T13:10:00Z"), "verification_status": "provisional"}),
        ("a", {**problem("8635005", "2026-03-16T20:10:00Z"), "verification_status": "confirmed"}),
    ) == {"verificationStatus"}


def test_left_and_right_are_two_conditions() -> None:
    left, right = words("Left knee"), words("Right knee")
    for code in ("396275006", CELLULITIS):
        pair = [
            (source, {**problem(code, "2026-01-01"), "body_sites": (site,)})
            for source, site in (("a", left), ("b", right))
        ]
        assert together(Condition, *pair) == [[0], [1]]
        assert disputes(Condition, *pair) == set()
        assert together(Condition, pair[0], ("b", problem(code, "2026-01-01"))) == [[0, 1]]


def test_a_site_that_cannot_be_compared_links() -> None:
    sites = (coded("22335008", display="Foot"), coded("F1", "urn:trust:sites", "Lower limb"))
    pair = [("ab"[n], {**problem(DIABETES), "body_sites": (site,)}) for n, site in enumerate(sites)]
    assert together(Condition, *pair) == [[0], [1]]
    assert linked(Condition, *pair)


def test_family_history_is_linked_and_never_merged() -> None:
    family = {**problem(DIABETES), "categories": (coded("family-history", "urn:trust:categories"),)}
    assert together(Condition, ("a", problem(DIABETES)), ("b", family)) == [[0], [1]]
    assert linked(Condition, ("a", problem(DIABETES)), ("b", family))


def test_equal_words_without_a_common_code_never_merge() -> None:
    read = {**problem(DIABETES), "code": coded("C10F.", READ, "Type 2 diabetes mellitus")}
    assert together(Condition, ("a", problem(DIABETES)), ("b", read)) == [[0], [1]]
    spoken = {"code": words("Type 2 diabetes mellitus")}
    assert together(Condition, ("a", spoken), ("b", spoken)) == [[0], [1]]


def test_codes_that_contradict_each_other_in_one_system_never_merge() -> None:
    """One Read code stands for several SNOMED CT concepts; agreeing on it proves nothing when those differ."""
    both = [
        {"code": type(coded("x"))(codings=(*coded(sct).codings, *coded("H33..", READ).codings))}
        for sct in ("195967001", "13645005")
    ]
    assert together(Condition, ("a", both[0]), ("b", both[1])) == [[0], [1]]


def test_one_source_with_two_entries_for_one_condition_leaves_all_three_single_and_linked() -> None:
    facts = stating(Condition, ("a", problem(DIABETES)), ("a", problem(DIABETES)), ("b", problem(DIABETES)))
    entries = merged(facts)
    assert [len(entry.members) for entry in entries] == [1, 1, 1]
    assert all(len(entry.related) == 2 for entry in entries)


def test_entered_in_error_hides_only_its_own_fact() -> None:
    wrong = {**problem(DIABETES), "entered_in_error": True, "clinical_status": "resolved"}
    entries = merged(stating(Condition, ("a", problem(DIABETES)), ("b", problem(DIABETES)), ("b", wrong)))
    assert sorted(len(entry.members) for entry in entries) == [1, 2]
    assert all(not entry.conflicts and not entry.related for entry in entries)
    (single,) = (entry for entry in entries if len(entry.members) == 1)
    assert single.display.entered_in_error


@pytest.mark.parametrize(
    ("code", "onset", "icd", "other_onset"),
    [
        (DIABETES, "2012", "E11.9", "2019-05-01"),
        (DIABETES, None, "E11.9", None),
        (CELLULITIS, "2026-01-10", "L03.9", "2026-01-12"),
        (CELLULITIS, "2026-01-10", "L03.9", None),
        (CELLULITIS, None, "L03.9", "2026-01-12"),
    ],
)
def test_what_a_map_calls_broader_is_shown_beside_and_never_merged(
    code: str, onset: str | None, icd: str, other_onset: str | None
) -> None:
    pair = (("a", problem(code, onset)), ("b", {**problem(code, other_onset), "code": coded(icd, ICD10)}))
    assert together(Condition, *pair, terms=BROADER) == [[0], [1]]
    assert linked(Condition, *pair, terms=BROADER)
    assert disputes(Condition, *pair, terms=BROADER) == set()
    assert not linked(Condition, *pair), "without the map nobody can tell"


def test_a_broader_episode_of_another_time_is_not_shown_beside() -> None:
    pair = (("a", problem(CELLULITIS, "2026-01-10")), ("b", problem(CELLULITIS, "2026-03-12")))
    pair[1][1]["code"] = coded("L03.9", ICD10)
    assert not linked(Condition, *pair, terms=BROADER)


@pytest.mark.parametrize(("onset", "one"), [(None, False), ("2026-06-01", False), ("2026-01-05", True)])
def test_a_lasting_code_that_only_one_of_them_adds_does_not_make_an_episode_last(onset: str | None, one: bool) -> None:
    both = CodeableConcept(codings=(Coding(system=SCT, code=CELLULITIS), Coding(system=READ, code="C10F.")))
    pair = (("a", problem(CELLULITIS, "2026-01-01")), ("b", problem(CELLULITIS, onset) | {"code": both}))
    assert together(Condition, *pair) == ([[0, 1]] if one else [[0], [1]])
    assert one or linked(Condition, *pair)


OPCS4 = "https://fhir.hl7.org.uk/CodeSystem/OPCS-4"


@pytest.mark.parametrize(
    ("system", "one", "other"),
    [(ICD10, "E11.9", "E119"), (ICD10, "I10", "I10X"), (ICD10, "I10.X", "I10"), (OPCS4, "W37.1", "W371")],
)
def test_a_classifications_code_is_one_code_with_or_without_its_dot_and_filling_x(
    system: str, one: str, other: str
) -> None:
    assert TERMS.concepts(coded(one, system)) == TERMS.concepts(coded(other, system))
    pair = [("a", problem(one, "2026-01-01")), ("b", problem(other, "2026-01-01"))]
    for (_, fields), code in zip(pair, (one, other), strict=True):
        fields["code"] = coded(code, system)
    assert together(Condition, *pair) == [[0, 1]]
    (entry,) = merged(stating(Condition, *pair))
    assert {member.fact.code.codings[0].code for member in entry.members} == {one, other}


def test_another_code_of_a_classification_stays_another_and_no_other_system_is_respelled() -> None:
    assert TERMS.concepts(coded("E11.9", ICD10)) != TERMS.concepts(coded("E11", ICD10))
    cm = "http://hl7.org/fhir/sid/icd-10-cm"
    assert TERMS.concepts(coded("I10X", cm)) != TERMS.concepts(coded("I10", cm))


def test_a_code_of_blanks_is_no_code() -> None:
    assert TERMS.concepts(coded(" ")) == frozenset()
    blank = {"code": coded(" "), "onset": at("2026-01-01")}
    assert together(Condition, ("a", blank), ("b", blank)) == [[0], [1]]
