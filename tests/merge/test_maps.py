"""What ConceptMaps make the same, and what they keep apart. MERGE.md section 2, "Concepts"."""

from itertools import permutations
from typing import Any

import pytest

from gateway.merge import ConceptMap, MapError, Relation, Terminology, delivered, read_maps
from gateway.merge.compare import same_codes
from gateway.merge.maps import relation_of
from schema.model.clinical import Condition, Observation
from tests.merge.making import SCT, TERMS, coded, linked, merged, problem, stating, together

LAB, OTHER, THIRD, LOINC = "urn:lab-a", "urn:lab-b", "urn:lab-c", "http://loinc.org"


def conceptmap(source: str, target: str, *lines: tuple[str, str | None, str], **more: Any) -> dict[str, Any]:
    """An R4 map of one group; each line is (code, target code, equivalence)."""
    elements = [
        {"code": code, "target": [{"equivalence": word, **({"code": to} if to else {})}]} for code, to, word in lines
    ]
    group = {"source": source, "target": target, "element": elements}
    return {"resourceType": "ConceptMap", "url": f"urn:map:{source}:{target}", "group": [group], **more}


def under(*maps: dict[str, Any]) -> Terminology:
    return delivered().extended(concept_maps=maps)


def same(terms: Terminology, one: tuple[str, str], other: tuple[str, str]) -> bool:
    """Whether two codes are the same; the same asked either way."""
    first, second = (terms.concepts(coded(code, system)) for system, code in (one, other))
    assert same_codes(first, second) is same_codes(second, first)
    return same_codes(first, second)


@pytest.mark.parametrize(
    ("word", "relation"),
    [
        *((word, Relation.SAME) for word in ("equal", "equivalent")),
        *((word, Relation.NEAR) for word in ("wider", "subsumes", "narrower", "specializes", "inexact", "relatedto")),
        *((word, Relation.NEAR) for word in ("source-is-narrower-than-target", "source-is-broader-than-target")),
        ("related-to", Relation.NEAR),
        *((word, Relation.APART) for word in ("unmatched", "disjoint", "not-related-to")),
    ],
)
def test_only_equal_and_equivalent_make_two_codes_the_same(word: str, relation: Relation) -> None:
    assert relation_of({"equivalence": word}) == relation_of({"relationship": word}) == (relation, word)
    terms = under(conceptmap(LAB, SCT, ("X", "44054006", word)))
    assert same(terms, (LAB, "X"), (SCT, "44054006")) is (relation is Relation.SAME)
    assert bool(terms.nearby([(LAB, "X")])) is (relation is Relation.NEAR)


@pytest.mark.parametrize("condition", ["dependsOn", "product"])
def test_an_equivalence_on_a_condition_groups_and_never_merges(condition: str) -> None:
    line = {"code": "44054006", "equivalence": "equivalent", condition: [{"property": "urn:x", "value": "y"}]}
    group = {"source": LAB, "target": SCT, "element": [{"code": "X", "target": [line]}]}
    terms = under({"resourceType": "ConceptMap", "group": [group]})
    pair = (("a", {"code": coded("X", LAB)}), ("b", problem("44054006")))
    assert together(Condition, *pair, terms=terms) == [[0], [1]]
    assert linked(Condition, *pair, terms=terms)


def test_an_r5_map_is_read_with_versions_cut_off_and_value_sets_left_out() -> None:
    elements = [
        {"code": "X", "target": [{"code": "44054006", "relationship": "equivalent"}]},
        {"code": "Y", "noMap": True},
        {"valueSet": "urn:set", "target": [{"code": "1", "relationship": "equivalent"}]},
        {"code": "Z", "target": [{"valueSet": "urn:set", "relationship": "equivalent"}]},
    ]
    group = {"source": f"{LAB}|2", "target": f"{SCT}|http://snomed.info/sct/83821000000107", "element": elements}
    terms = under({"resourceType": "ConceptMap", "group": [group]})
    assert same(terms, (LAB, "X"), (SCT, "44054006"))
    assert terms.nowhere == {((LAB, "Y"), SCT)}
    assert (LAB, "Z") not in terms.known


def test_aliases_of_code_systems_are_folded_in_maps_too() -> None:
    terms = under(conceptmap("urn:oid:2.16.840.1.113883.2.1.6.2", "https://dmd.nhs.uk", ("C10F.", "44054006", "equal")))
    assert same(terms, ("http://read.info/readv2", "C10F."), (SCT, "44054006"))


HUB = (
    conceptmap(LAB, SCT, ("ALT", "1018251000000107", "equivalent")),
    conceptmap(LOINC, SCT, ("1742-6", "1018251000000107", "equivalent")),
)


def test_two_codes_are_the_same_through_a_third_that_both_are_equivalent_to() -> None:
    terms = under(*HUB)
    assert same(terms, (LAB, "ALT"), (LOINC, "1742-6"))
    assert (LOINC, "1742-6") in terms.answers_to(coded("ALT", LAB)), "and can be asked for by it"


def test_no_longer_chain_is_followed() -> None:
    terms = under(*HUB, conceptmap(OTHER, LOINC, ("GPT", "1742-6", "equivalent")))
    assert same(terms, (OTHER, "GPT"), (LOINC, "1742-6"))
    assert same(terms, (OTHER, "GPT"), (SCT, "1018251000000107"))
    assert not same(terms, (OTHER, "GPT"), (LAB, "ALT"))


def test_two_codes_of_one_system_are_never_joined_through_a_third() -> None:
    hub = conceptmap(LOINC, SCT, ("1742-6", "1018251000000107", "equal"), ("1743-4", "1018251000000107", "equal"))
    terms = under(hub)
    assert same(terms, (LOINC, "1743-4"), (SCT, "1018251000000107"))
    assert not same(terms, (LOINC, "1742-6"), (LOINC, "1743-4"))
    stated = [("a", "1742-6", LOINC), ("b", "1743-4", LOINC), ("c", "1018251000000107", SCT)]
    facts = stating(Observation, *((source, {"code": coded(code, system)}) for source, code, system in stated))
    assert [len(entry.members) for entry in merged(facts, terms)] == [1, 1, 1]


CONTRADICTIONS = [
    (conceptmap(LAB, SCT, ("X", "1", "equivalent")), conceptmap(LAB, SCT, ("X", "1", "disjoint"), url="urn:b")),
    (conceptmap(LAB, SCT, ("X", "1", "equivalent")), conceptmap(LAB, SCT, ("X", "1", "wider"), url="urn:b")),
    (conceptmap(LAB, SCT, ("X", "1", "equivalent")), conceptmap(SCT, LAB, ("1", "X", "not-related-to"), url="urn:b")),
    (conceptmap(LAB, SCT, ("X", "1", "equivalent")), conceptmap(LAB, SCT, ("X", None, "unmatched"), url="urn:b")),
]


@pytest.mark.parametrize("maps", CONTRADICTIONS)
def test_two_maps_that_contradict_each_other_are_both_named_and_the_pair_is_not_the_same(
    maps: tuple[dict[str, Any], ...],
) -> None:
    for order in permutations(maps):
        terms = under(*order)
        assert not same(terms, (LAB, "X"), (SCT, "1"))
        (told,) = terms.contradictions
        assert all(one["url"] in told for one in maps)
        assert terms.contradictions == under(*maps).contradictions


def test_what_one_map_calls_apart_is_not_the_same_through_a_third_code() -> None:
    for word, code in (("disjoint", "1742-6"), ("narrower", "1742-6"), ("unmatched", None)):
        terms = under(*HUB, conceptmap(LAB, LOINC, ("ALT", code, word)))
        assert not same(terms, (LAB, "ALT"), (LOINC, "1742-6")), word
        assert same(terms, (LOINC, "1742-6"), (SCT, "1018251000000107")), "of the others nothing was said"
        (told,) = terms.contradictions
        assert f"urn:map:{LAB}:{LOINC}" in told
        assert f"urn:map:{LAB}:{SCT}" in told


def test_near_and_apart_of_one_pair_is_neither_grouped_nor_the_same() -> None:
    terms = under(conceptmap(LAB, SCT, ("X", "1", "wider")), conceptmap(LAB, SCT, ("X", "1", "disjoint"), url="urn:b"))
    assert not terms.nearby([(LAB, "X")])
    assert len(terms.contradictions) == 1


def test_a_map_may_take_back_an_equivalence_that_is_delivered() -> None:
    penicillin = ((SCT, "91936005"), (SCT, "764146007"))
    assert same(TERMS, *penicillin)
    assert not same(under(conceptmap(SCT, SCT, ("91936005", "764146007", "wider"))), *penicillin)


def test_maps_given_one_after_another_are_maps_given_at_once() -> None:
    one, other = CONTRADICTIONS[0]
    step = delivered().extended(concept_maps=[one]).extended(concept_maps=[other])
    at_once = under(one, other)
    assert (step.equivalent, step.near, step.contradictions) == (
        at_once.equivalent,
        at_once.near,
        at_once.contradictions,
    )


def test_every_map_of_a_bundle_is_read_and_its_name_version_and_date_are_kept() -> None:
    inside = conceptmap(LAB, SCT, ("X", "1", "equal"), version="3", date="2026-02-01")
    bundle = {"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "ValueSet"}}, {"resource": inside}]}
    (one,) = read_maps(bundle, "maps/a.json")
    assert (one.name, one.version, one.date, len(one.lines)) == (f"urn:map:{LAB}:{SCT}", "3", "2026-02-01", 1)
    (nameless,) = read_maps({"resourceType": "ConceptMap"}, "maps/a.json")
    assert nameless == ConceptMap(name="maps/a.json")


def broken(**group: Any) -> dict[str, Any]:
    return {"resourceType": "ConceptMap", "group": [{"source": LAB, "target": SCT, **group}]}


def element(**target: Any) -> list[dict[str, Any]]:
    return [{"code": "X", "target": [target]}]


@pytest.mark.parametrize(
    ("resource", "place"),
    [
        ([], "resourceType"),
        ({"resourceType": "ValueSet"}, "resourceType"),
        ({"resourceType": "Bundle"}, "entry"),
        ({"resourceType": "ConceptMap", "status": "retired"}, "status"),
        ({"resourceType": "ConceptMap", "version": 3}, "version"),
        ({"resourceType": "ConceptMap", "group": {}}, "group"),
        (broken(element=[{"target": []}]), "group[0].element[0].code"),
        (broken(element=["X"]), "group[0].element[0]"),
        (broken(element=element(code="1")), "group[0].element[0].target[0]"),
        (broken(element=element(code="1", equivalence="same-ish")), "group[0].element[0].target[0]"),
        (broken(element=element(code="1", equivalence=["equal"])), "group[0].element[0].target[0]"),
        (broken(element=element(equivalence="equal")), "group[0].element[0].target[0].code"),
        (broken(element=element(code=" ", equivalence="disjoint")), "group[0].element[0].target[0].code"),
        (broken(element=element(code="1", equivalence="equal"), source=None), "group[0].source"),
        (broken(element=element(code="1", equivalence="equal"), target="SNOMED"), "group[0].target"),
        (
            {"resourceType": "Bundle", "entry": [{"resource": broken(element="X")}]},
            "entry[0].resource.group[0].element",
        ),
    ],
)
def test_a_map_that_cannot_be_used_is_refused_with_the_element_named(resource: Any, place: str) -> None:
    with pytest.raises(MapError) as caught:
        read_maps(resource, "map")
    assert str(caught.value).startswith(f"{place}: ")


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("https://dmd.nhs.uk", SCT),
        ("urn:oid:2.16.840.1.113883.6.96", SCT),
        ("2.16.840.1.113883.2.1.3.2.4.15", SCT),
        ("http://snomed.info/sct/999000031000000106", SCT),
        ("http://snomed.info/sct/", SCT),
        ("urn:oid:2.16.840.1.113883.6.1", LOINC),
        ("urn:oid:2.16.840.1.113883.2.1.6.2", "http://read.info/readv2"),
        ("urn:oid:2.16.840.1.113883.2.1.3.2.4.14", "http://read.info/ctv3"),
        ("I10", "http://hl7.org/fhir/sid/icd-10"),
        ("https://fhir.nhs.uk/Id/opcs-4", "https://fhir.hl7.org.uk/CodeSystem/OPCS-4"),
        ("http://hl7.org/fhir/sid/icd-10-cm", "http://hl7.org/fhir/sid/icd-10-cm"),
        ("http://snomed.info/xsct", "http://snomed.info/xsct"),
    ],
)
def test_the_names_of_a_code_system_are_folded_and_the_original_stays_in_the_fact(written: str, canonical: str) -> None:
    assert TERMS.concepts(coded("1", written)) >= {(canonical, "1")}
    (entry,) = merged(stating(Condition, ("a", {"code": coded("1", written)})))
    assert entry.display.code is not None
    assert entry.display.code.codings[0].system == written
