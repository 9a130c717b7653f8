"""Ids, order, versions, concepts and refusals: what the merge promises for every type."""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.merge import Ids, MixedSubjects, MixedTypes, concepts, current, delivered, load, merge, when_of
from gateway.merge.compare import Answer
from gateway.merge.units import compare_amounts
from schema.model.clinical import (
    FACT_TYPES,
    AllergyIntolerance,
    Condition,
    DocumentReference,
    Medication,
    MedicationKind,
    Observation,
)
from schema.model.values import CodeableConcept, Coding, Party
from schema.model.view import SourceFact
from tests.merge.making import (
    DMD,
    IDS,
    LINKED,
    READ,
    RETRIEVED,
    SCT,
    TERMS,
    amount,
    at,
    coded,
    merged,
    problem,
    reading,
    said,
    stating,
)


def test_an_id_is_the_keyed_hash_of_source_patient_and_native_id() -> None:
    key, native = b"sixteen bytes or more", "Condition/1"
    message = msgspec.msgpack.encode(("fact", "gp", "p1", native))
    assert Ids(key).fact_id("gp", "p1", native) == hmac.new(key, message, hashlib.sha256).hexdigest()[:26]
    long = b"k" * 200
    assert Ids(long).merged_id("x") == hmac.new(long, b"merged\0x", hashlib.sha256).hexdigest()[:26]


def test_ids_do_not_run_their_parts_together() -> None:
    made = {
        IDS.fact_id("a", "bc", "d"),
        IDS.fact_id("ab", "c", "d"),
        IDS.fact_id("a", "b", "cd"),
        IDS.fact_id("a", None, "d"),
        IDS.fact_id("a", "", "d"),
    }
    assert len(made) == 5


def test_another_secret_gives_other_ids_and_a_short_one_is_refused() -> None:
    assert IDS.fact_id("a", "b", "c") != Ids(b"another secret, also long").fact_id("a", "b", "c")
    with pytest.raises(ValueError, match="16 bytes"):
        Ids(b"short")


def test_the_newest_clinical_time_comes_first_and_the_undated_last() -> None:
    times = [None, "2026", "2026-03-01", "2026-03-01T10:00:00Z", "2019-01-01"]
    facts = stating(Condition, *(("a", {"onset": at(text) if text else None}) for text in times))
    shown = [entry.display.onset.text if entry.display.onset else None for entry in merged(facts)]
    assert shown == ["2026-03-01T10:00:00Z", "2026-03-01", "2026", "2019-01-01", None]


def test_facts_of_one_time_are_ordered_by_id() -> None:
    entries = merged(stating(Condition, *(("a", {}) for _ in range(9))))
    assert [entry.id for entry in entries] == sorted(entry.id for entry in entries)


@pytest.mark.parametrize("kind", FACT_TYPES.values(), ids=lambda kind: kind.__name__)
def test_every_fact_type_has_a_time_and_falls_back_on_when_it_was_written_down(kind: Any) -> None:
    more = {"kind": MedicationKind.STATEMENT} if kind is Medication else {}
    bare = kind(native_id="X/1", subject="p", **more)
    assert when_of(bare) is None
    assert when_of(msgspec.structs.replace(bare, recorded=at("2026-01-01"))) == at("2026-01-01")


def test_display_precedence_is_newest_recorded_then_the_authors_own_system_then_the_order_of_sources() -> None:
    diabetes = problem("44054006")
    newest = {**diabetes, "recorded": at("2026-02-01")}
    older = {**diabetes, "recorded": at("2026-01-01")}
    own = {**diabetes, "author": Party(organization="Trust c")}

    def first(*stated: tuple[str, dict[str, Any]], order: tuple[str, ...] = ()) -> str:
        (entry,) = merged(stating(Condition, *stated), order=order)
        return entry.members[0].provenance.source.id

    assert first(("a", older), ("b", newest), ("c", own)) == "b"
    assert first(("a", diabetes), ("b", diabetes), ("c", own)) == "c"
    assert first(("a", diabetes), ("b", diabetes)) == "a"
    assert first(("a", diabetes), ("b", diabetes), order=("b", "a")) == "b"


def test_facts_of_a_record_that_is_not_linked_are_an_error_and_the_message_names_nobody() -> None:
    (fact,) = stating(Condition, ("a", {}))
    stranger = msgspec.structs.replace(fact, fact=msgspec.structs.replace(fact.fact, subject="somebody-else"))
    unlinked = msgspec.structs.replace(
        fact, provenance=msgspec.structs.replace(fact.provenance, local_patient_id="somebody-else")
    )
    for wrong in (stranger, unlinked):
        with pytest.raises(MixedSubjects) as caught:
            merged([wrong])
        assert "somebody-else" not in str(caught.value)
    with pytest.raises(MixedSubjects):
        merge([fact], IDS, linked=frozenset())


def test_two_fact_types_are_not_merged_at_once() -> None:
    with pytest.raises(MixedTypes):
        merged([*stating(Condition, ("a", {})), *stating(AllergyIntolerance, ("b", {}))])


def test_nothing_given_is_nothing_merged() -> None:
    assert merged([]) == ()


def later(fact: SourceFact[Any], **fields: Any) -> SourceFact[Any]:
    moment = fact.provenance.retrieved + timedelta(minutes=1)
    return msgspec.structs.replace(
        fact,
        fact=msgspec.structs.replace(fact.fact, **fields),
        provenance=msgspec.structs.replace(fact.provenance, retrieved=moment),
    )


def test_of_two_versions_of_one_statement_the_newest_is_taken_in_either_order() -> None:
    (old,) = stating(Condition, ("a", problem("44054006")))
    new = later(old, clinical_status="resolved")
    for facts in ([old, new], [new, old], [old, new, old, new]):
        (entry,) = merged(facts)
        assert [one.fact.clinical_status for one in entry.members] == ["resolved"]


def test_a_statement_that_another_replaces_no_longer_holds_and_is_not_lost() -> None:
    facts = stating(
        Observation,
        ("a", {**reading("84", "2026-01-01T10:00:00Z"), "native_id": "Observation/1"}),
        ("a", {**reading("48", "2026-01-01T10:00:00Z"), "native_id": "Observation/2", "replaces": ("Observation/1",)}),
        ("b", {**reading("84", "2026-01-01T10:00:00Z"), "native_id": "Observation/1"}),
    )
    held, replaced = current(facts)
    assert {one.id for one in held} == {facts[1].id, facts[2].id}
    assert replaced == [facts[0]]


def test_documents_keep_their_older_versions_and_a_circle_of_replacements_hides_nothing() -> None:
    versions = stating(
        DocumentReference, ("a", {"native_id": "D/1"}), ("a", {"native_id": "D/2", "replaces": ("D/1",)})
    )
    assert current(versions)[1] == []
    circle = stating(
        Condition,
        ("a", {"native_id": "C/1", "replaces": ("C/2",)}),
        ("a", {"native_id": "C/2", "replaces": ("C/1",)}),
        ("a", {"native_id": "C/3", "replaces": ("C/3",)}),
    )
    assert current(circle)[1] == []


def test_which_of_two_statements_of_one_name_is_meant_does_not_depend_on_the_order_they_come_in() -> None:
    one, other, third = stating(
        Condition,
        ("a", {"native_id": "C/1"}),
        ("a", {"native_id": "C/2", "folds": ("C/1",)}),
        ("a", {"native_id": "C/3", "replaces": ("C/1",)}),
    )
    orders = list(permutations((one, other, third)))
    assert len({frozenset(gone.id for gone in current(facts)[1]) for facts in orders}) == 1
    assert len({merged(facts) for facts in orders}) == 1
    assert [len(entry.related) for entry in merged((one, other, third))].count(1) == 2


def test_conflicts_are_named_in_the_order_of_their_fields() -> None:
    one = {"code": coded("91936005"), "clinical_status": "active", "type": "allergy", "criticality": "low"}
    other = {"code": coded("91936005"), "clinical_status": "resolved", "type": "intolerance", "criticality": "high"}
    for entry in merged(stating(AllergyIntolerance, ("a", one), ("b", other))):
        assert [conflict.field for conflict in entry.conflicts] == ["clinicalStatus", "criticality", "type"]


@pytest.mark.parametrize("system", [DMD, "urn:oid:2.16.840.1.113883.6.96", "SCT", "http://snomed.info/sct/"])
def test_aliases_of_a_code_system_are_folded(system: str) -> None:
    assert TERMS.concept(Coding(system=system, code=" 44054006 ")) == (SCT, "44054006")


@pytest.mark.parametrize("system", [None, "", "L", "99LAB", "local"])
def test_a_system_that_only_the_sender_knows_maps_to_nothing(system: str | None) -> None:
    assert TERMS.concept(Coding(system=system, code="GLU")) is None
    assert not TERMS.code_systems(TERMS.concepts(coded("GLU", system)))


def test_mapped_means_a_code_system_that_others_know_too() -> None:
    def systems(concept: CodeableConcept | None) -> set[str]:
        return set(TERMS.code_systems(TERMS.concepts(concept)))

    assert systems(coded("44054006")) == {SCT}
    assert systems(coded("GLU", "urn:trust:codes")) == set()
    assert systems(coded("44G3.", READ)) == set(), "a retired system alone"
    assert systems(None) == set()


CONCEPT_MAP = {
    "resourceType": "ConceptMap",
    "group": [
        {
            "source": "urn:trust:codes",
            "target": SCT,
            "element": [
                {"code": "DM2", "target": [{"code": "44054006", "equivalence": "equivalent"}]},
                {"code": "DM", "target": [{"code": "44054006", "equivalence": "wider"}]},
                {"code": "AST", "target": [{"code": "195967001", "relationship": "equivalent"}]},
            ],
        }
    ],
}


def test_a_supplied_map_merges_equivalent_codes_and_nothing_broader() -> None:
    terms = TERMS.extended(concept_maps=[CONCEPT_MAP])

    def count(local: str, code: str) -> int:
        facts = stating(Condition, ("a", {"code": coded(local, "urn:trust:codes")}), ("b", {"code": coded(code)}))
        return len(merged(facts, terms))

    assert count("DM2", "44054006") == 1
    assert count("AST", "195967001") == 1
    assert count("DM", "44054006") == 2
    assert (
        len(merged(stating(Condition, ("a", {"code": coded("DM2", "urn:trust:codes")}), ("b", problem("44054006")))))
        == 2
    )


def test_a_limit_is_configuration(tmp_path: Path) -> None:
    text = (Path(concepts.__file__).parent / "terminology.toml").read_text(encoding="utf-8")
    narrow = tmp_path / "narrow.toml"
    narrow.write_text(text.replace("episode_days = 14", "episode_days = 3"), encoding="utf-8")
    facts = stating(Condition, ("a", problem("128045006", "2026-01-01")), ("b", problem("128045006", "2026-01-10")))
    assert len(merged(facts)) == 1
    assert len(merged(facts, load(narrow))) == 2


def test_the_delivered_terminology_is_complete_and_a_broken_one_is_refused(tmp_path: Path) -> None:
    assert delivered().is_long_term((SCT, "44054006"))
    assert not delivered().is_long_term((SCT, "128045006"))
    delivered_text = (Path(concepts.__file__).parent / "terminology.toml").read_text(encoding="utf-8")
    broken = tmp_path / "terminology.toml"
    for wrong in ("episode_days = 0", 'episode_days = "14"', "episode_day = 14"):
        broken.write_text(delivered_text.replace("episode_days = 14", wrong), encoding="utf-8")
        with pytest.raises(ValueError, match="terminology file"):
            load(broken)
    broken.write_text('version = "1"\n', encoding="utf-8")
    with pytest.raises(ValueError, match="terminology file"):
        load(broken)


@dataclass
class Amounts:
    one: str
    other: str
    rounded: Answer
    exact: Answer


@pytest.mark.parametrize(
    "case",
    [
        Amounts("7.4", "7.45", Answer.AGREE, Answer.DIFFER),
        Amounts("7.4", "7.451", Answer.DIFFER, Answer.DIFFER),
        Amounts("1.5E+2", "153", Answer.DIFFER, Answer.DIFFER),
        Amounts("150", "1.5E+2", Answer.AGREE, Answer.AGREE),
        Amounts("0", "-0.0", Answer.AGREE, Answer.AGREE),
        Amounts("NaN", "1", Answer.UNKNOWN, Answer.UNKNOWN),
    ],
)
def test_amounts_agree_up_to_the_last_digit_only_where_that_is_allowed(case: Amounts) -> None:
    one, other = amount(case.one, "mg"), amount(case.other, "mg")
    assert compare_amounts(one, other, TERMS.units, rounded=True) is case.rounded
    assert compare_amounts(other, one, TERMS.units, rounded=False) is case.exact


def test_units_are_compared_by_code_and_by_words_where_one_has_no_code() -> None:
    coded_unit = amount("1", "mg")
    spelled = msgspec.structs.replace(coded_unit, code=None, system=None, unit="MG")
    assert compare_amounts(coded_unit, spelled, TERMS.units, rounded=False) is Answer.AGREE
    assert compare_amounts(coded_unit, amount("1", "g"), TERMS.units, rounded=False) is Answer.UNKNOWN
    assert compare_amounts(coded_unit, amount("1"), TERMS.units, rounded=False) is Answer.UNKNOWN


def test_a_merged_fact_keeps_every_members_own_words() -> None:
    two = [
        CodeableConcept(text=text, codings=(Coding(system=SCT, code="44054006"),))
        for text in ("T2DM", "Type 2 diabetes")
    ]
    (entry,) = merged(
        [said("ab"[n], Condition(native_id="C/1", subject=f"{'ab'[n]}-1", code=c)) for n, c in enumerate(two)]
    )
    assert sorted(one.fact.code.text for one in entry.members) == ["T2DM", "Type 2 diabetes"]
    assert all(one.provenance.retrieved == RETRIEVED for one in entry.members)
    assert {(one.provenance.source.id, one.provenance.local_patient_id) for one in entry.members} <= LINKED
