"""Which entries of a section a query's bounds choose."""

from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gateway.merge import delivered, outcomes
from gateway.selection import chosen
from schema.model.clinical import AllergyIntolerance, Observation
from schema.model.values import CodeableConcept, Coding, Identifier, Period
from schema.model.view import EntryFilter, Section, SectionStatus
from tests.merge.making import coded, merged, since, stating


@pytest.mark.parametrize(
    ("stated", "fits"),
    [
        ("2026-02-28", False),
        ("2026-03-01", True),
        ("2026-03-31T23:59:00", True),
        ("2026-04-01", False),
        ("2026-03", True),
        ("2026-02", False),
        ("2026", True),
        ("2025", False),
        (None, False),
    ],
)
def test_a_time_stated_coarsely_is_compared_as_coarsely(stated: str | None, fits: bool) -> None:
    assert in_march(since(stated)) is fits


def test_a_result_is_chosen_by_any_zone_in_which_a_source_keeps_its_time_and_by_any_sources_word() -> None:
    assert in_march(since("2026-03-31T23:30:00Z"))
    assert in_march(since("2026-03-31T22:30:00Z")), "the 31st in London"
    assert in_march(since("2026-04-01T00:30:00+01:00")), "the 31st in UTC"
    assert not in_march(since("2026-04-01T00:30:00+00:00"))
    assert in_march(since("2026-04-02"), since("2026-03-02")), "one of the two says so"


def in_march(*effective: Period | None) -> bool:
    """Whether the result that sources say was made then is one of March's."""
    alike = {"code": coded("1"), "identifiers": (Identifier(system="urn:lab", value="R1"),)}
    stated = [(n, {**alike, "effective": one}) for n, one in zip("ab", effective, strict=False)]
    entries = merged(stating(Observation, *stated))
    assert len(entries) == 1
    section: Section[Any] = Section(
        fact_type="Observation", status=SectionStatus.COMPLETE, empty_reason=None, sources=(), entries=entries
    )
    march = EntryFilter(since=date(2026, 3, 1), until=date(2026, 3, 31))
    return bool(chosen(section, march, delivered(), [ZoneInfo("Europe/London")]).entries)


@pytest.mark.parametrize(
    ("system", "code", "fits"),
    [
        ("http://snomed.info/sct", "1018251000000107", True),
        ("urn:lab", "ALT", True),
        ("urn:lab", "AST", False),
        (None, "ALT", False),
    ],
)
def test_a_code_stands_for_what_a_map_calls_the_same(system: str | None, code: str, fits: bool) -> None:
    assert ("1018251000000107" in answering(system, code)) is fits


def test_a_code_also_stands_for_what_is_the_same_by_a_third_code() -> None:
    assert "1742-6" in answering("urn:lab", "ALT"), "both are equivalent to one SNOMED CT code"
    assert "1743-4" not in answering("urn:lab", "ALT")


def answering(system: str | None, code: str) -> list[str]:
    """By which of a few codes a result with this code is found."""
    target = [{"code": "1018251000000107", "equivalence": "equivalent"}]
    groups = [
        {"source": source, "target": "http://snomed.info/sct", "element": [{"code": one, "target": target}]}
        for source, one in (("urn:lab", "ALT"), ("http://loinc.org", "1742-6"))
    ]
    terms = delivered().extended(concept_maps=[{"resourceType": "ConceptMap", "group": groups}])
    stated = stating(Observation, ("a", {"code": CodeableConcept(codings=(Coding(system=system, code=code),))}))
    section: Section[Any] = Section(
        fact_type="Observation",
        status=SectionStatus.COMPLETE,
        empty_reason=None,
        sources=(),
        entries=merged(stated),
    )
    asked = ("1018251000000107", "1742-6", "1743-4")
    return [one for one in asked if chosen(section, EntryFilter(codes=(one,)), terms).entries]


@pytest.mark.parametrize(
    ("system", "stated", "asked", "fits"),
    [
        ("http://hl7.org/fhir/sid/icd-10", "E11.9", "E119", True),
        ("http://hl7.org/fhir/sid/icd-10", "E119", "E11.9", True),
        ("urn:oid:2.16.840.1.113883.6.3", "I10X", "I10", True),
        ("http://hl7.org/fhir/sid/icd-10", "I10", "I10X", True),
        ("https://fhir.hl7.org.uk/CodeSystem/OPCS-4", "W37.1", "W371", True),
        ("http://hl7.org/fhir/sid/icd-10", "E11.8", "E119", False),
        ("urn:lab", "E11.9", "E119", False),
        ("http://hl7.org/fhir/sid/icd-10-cm", "E11.9", "E119", False),
    ],
)
def test_a_code_is_asked_for_with_or_without_its_dot_only_in_the_systems_that_write_it_both_ways(
    system: str, stated: str, asked: str, fits: bool
) -> None:
    entries = merged(stating(Observation, ("a", {"code": coded(stated, system), "effective": since("2026-03-01")})))
    section: Section[Any] = Section(
        fact_type="Observation", status=SectionStatus.COMPLETE, empty_reason=None, sources=(), entries=entries
    )
    assert bool(chosen(section, EntryFilter(codes=(asked,)), delivered()).entries) is fits
    (line,) = outcomes(section, delivered(), (asked,))
    assert bool(line.excluded or line.points) is fits


def test_a_category_is_chosen_by_whether_it_is_coded_or_a_bare_code() -> None:
    food, drug = {"categories": ("food",)}, {"categories": ("medication",)}
    coded = {"categories": (CodeableConcept(codings=(Coding(code="food"),)),)}
    for kind, one, other in ((AllergyIntolerance, food, drug), (Observation, coded, {})):
        entries = merged(stating(kind, ("a", one), ("b", other)))
        section: Section[Any] = Section(
            fact_type=kind.__name__, status=SectionStatus.COMPLETE, empty_reason=None, sources=(), entries=entries
        )
        found = chosen(section, EntryFilter(category="food"), delivered()).entries
        assert [entry.members[0].provenance.source.id for entry in found] == ["a"]
