"""Allergies: what is the same, what never merges, and what a statement of absence denies. MERGE.md section 2."""

from typing import Any

import pytest

from schema.model.clinical import AllergyIntolerance, Polarity, Reaction
from tests.merge.making import claims, coded, disputes, linked, merged, stating, together, words

RASH, ANAPHYLAXIS = coded("271807003", display="Rash"), coded("39579001", display="Anaphylaxis")
PENICILLIN = {"code": coded("91936005"), "clinical_status": "active"}
NKA = {"code": coded("716186003"), "polarity": Polarity.ABSENT, "clinical_status": "active"}
NKDA = {**NKA, "code": coded("409137002")}


def reacting(*manifestations: Any, severity: str | None = None) -> dict[str, Any]:
    return {"reactions": (Reaction(manifestations=manifestations, severity=severity),)}


def test_one_substance_in_two_sources_is_one_allergy() -> None:
    assert together(AllergyIntolerance, ("a", PENICILLIN), ("b", PENICILLIN)) == [[0, 1]]


def test_a_finding_and_its_substance_are_one_through_the_map_and_not_without_it() -> None:
    substance = {"code": coded("764146007")}
    assert together(AllergyIntolerance, ("a", PENICILLIN), ("b", substance)) == [[0, 1]]
    latex = [{"code": coded(code)} for code in ("1003755004", "1003752001")]
    assert together(AllergyIntolerance, ("a", latex[0]), ("b", latex[1])) == [[0], [1]]


@pytest.mark.parametrize(
    ("one", "other", "field"),
    [
        ({"verification_status": "refuted"}, {"verification_status": "confirmed"}, "verificationStatus"),
        ({"verification_status": "refuted"}, {}, "verificationStatus"),
        ({"type": "allergy"}, {"type": "intolerance"}, "type"),
        ({"clinical_status": "active"}, {"clinical_status": "resolved"}, "clinicalStatus"),
        ({"clinical_status": "active"}, {"clinical_status": "inactive"}, "clinicalStatus"),
        ({"criticality": "low"}, {"criticality": "high"}, "criticality"),
        (reacting(RASH), reacting(ANAPHYLAXIS), "reaction"),
        (reacting(RASH), reacting(RASH, ANAPHYLAXIS), "reaction"),
        (reacting(words("rash")), reacting(words("collapse")), "reaction"),
        (reacting(RASH, severity="mild"), reacting(RASH, severity="severe"), "severity"),
        ({"polarity": Polarity.ABSENT}, {"polarity": Polarity.PRESENT}, "polarity"),
    ],
)
def test_what_is_never_merged_is_shown_as_a_conflict(one: dict[str, Any], other: dict[str, Any], field: str) -> None:
    pair = (("a", {**PENICILLIN, **one}), ("b", {**PENICILLIN, **other}))
    assert together(AllergyIntolerance, *pair) == [[0], [1]]
    assert field in disputes(AllergyIntolerance, *pair)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"verification_status": "unconfirmed"}, {"verification_status": "confirmed"}),
        ({"clinical_status": "inactive"}, {"clinical_status": "resolved"}),
        ({"criticality": "unable-to-assess"}, {"criticality": "high"}),
        ({"criticality": None}, {"criticality": "high"}),
        (reacting(RASH), {}),
        (reacting(RASH, ANAPHYLAXIS), reacting(ANAPHYLAXIS, RASH)),
    ],
)
def test_what_is_no_difference_does_not_divide(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert together(AllergyIntolerance, ("a", {**PENICILLIN, **one}), ("b", {**PENICILLIN, **other})) == [[0, 1]]


def test_a_reaction_that_cannot_be_compared_links_and_claims_no_conflict() -> None:
    local = coded("R1", "urn:trust:codes", "Wheeze")
    pair = (("a", {**PENICILLIN, **reacting(RASH)}), ("b", {**PENICILLIN, **reacting(local)}))
    assert disputes(AllergyIntolerance, *pair) == set()
    assert linked(AllergyIntolerance, *pair)


def test_no_known_allergies_conflicts_with_any_live_allergy() -> None:
    peanut = {"code": coded("91935009"), "clinical_status": "active"}
    for allergy in (peanut, PENICILLIN, {"code": words("bee stings")}):
        assert disputes(AllergyIntolerance, ("a", NKA), ("b", allergy)) == {"polarity"}


def test_no_known_allergies_conflicts_with_neither_an_ended_nor_a_refuted_allergy() -> None:
    for past in ({"clinical_status": "resolved"}, {"verification_status": "refuted"}):
        assert disputes(AllergyIntolerance, ("a", NKA), ("b", {**PENICILLIN, **past})) == set()


def test_no_known_drug_allergy_conflicts_only_with_an_allergy_to_a_medicine() -> None:
    peanut = {"code": coded("91935009"), "categories": ("food",)}
    unmapped = {"code": coded("999"), "categories": ("medication",)}
    assert disputes(AllergyIntolerance, ("a", NKDA), ("b", PENICILLIN)) == {"polarity"}
    assert disputes(AllergyIntolerance, ("a", NKDA), ("b", unmapped)) == {"polarity"}
    assert disputes(AllergyIntolerance, ("a", NKDA), ("b", peanut)) == set()
    assert not linked(AllergyIntolerance, ("a", NKDA), ("b", peanut))


def test_no_known_drug_allergy_and_an_allergy_of_unknown_kind_are_only_linked() -> None:
    unknown = {"code": coded("999")}
    assert disputes(AllergyIntolerance, ("a", NKDA), ("b", unknown)) == set()
    assert linked(AllergyIntolerance, ("a", NKDA), ("b", unknown))


def test_no_known_allergies_is_kept_beside_a_live_allergy_in_one_source() -> None:
    entries = merged(stating(AllergyIntolerance, ("a", NKA), ("a", PENICILLIN)))
    assert len(entries) == 2
    assert all(entry.conflicts for entry in entries)


def test_no_known_allergies_of_two_sources_are_one_statement_however_it_was_coded() -> None:
    ips = coded("no-known-allergies", "http://hl7.org/fhir/uv/ips/CodeSystem/absent-unknown-uv-ips")
    assert together(AllergyIntolerance, ("a", NKA), ("b", {**NKA, "code": ips})) == [[0, 1]]
    assert together(AllergyIntolerance, ("a", NKA), ("b", NKDA)) == [[0], [1]]


def test_a_statement_of_absence_without_a_code_denies_every_allergy() -> None:
    denial = {"polarity": Polarity.ABSENT, "code": words("No known allergies")}
    assert disputes(AllergyIntolerance, ("a", denial), ("b", PENICILLIN)) == {"polarity"}


def test_absence_of_one_substance_says_nothing_about_another() -> None:
    not_latex = {"polarity": Polarity.ABSENT, "code": coded("1003755004")}
    assert disputes(AllergyIntolerance, ("a", not_latex), ("b", PENICILLIN)) == set()


def test_a_class_and_its_member_are_linked_and_never_merged() -> None:
    pair = (("a", PENICILLIN), ("b", {"code": coded("372687004")}))
    assert linked(AllergyIntolerance, *pair)
    assert disputes(AllergyIntolerance, *pair) == set()


def test_an_allergy_without_words_or_status_is_kept() -> None:
    """Code-only allergies are what other systems drop."""
    assert together(AllergyIntolerance, ("a", {"code": coded("123")}), ("a", {})) == [[0], [1]]


def test_a_chain_through_a_source_that_does_not_say_is_not_one_fact() -> None:
    """Low agrees with not stated, and not stated with high: pairwise they are not the same throughout, so all stay
    single."""
    stated = [(s, {**PENICILLIN, "criticality": c}) for s, c in (("a", "low"), ("b", None), ("c", "high"))]
    facts = stating(AllergyIntolerance, *stated)
    entries = {entry.members[0].provenance.source.id: entry for entry in merged(facts)}
    assert len(entries) == 3
    assert set(entries["b"].related) == {entries["a"].id, entries["c"].id}
    assert entries["b"].conflicts == ()
    assert entries["a"].conflicts[0].with_ids == (entries["c"].id,)


def test_a_conflict_shows_each_claim_with_its_source_and_its_own_first() -> None:
    first, second = merged(
        stating(
            AllergyIntolerance,
            ("a", {**PENICILLIN, "criticality": "low"}),
            ("b", {**PENICILLIN, "criticality": "high"}),
        )
    )
    for entry, other in ((first, second), (second, first)):
        (conflict,) = entry.conflicts
        assert conflict.field == "criticality"
        assert conflict.with_ids == (other.id,)
        assert claims(conflict) == {"a": "low", "b": "high"}
        assert conflict.claims[0].fact_id == entry.members[0].id
