"""Which entries of a section a query's bounds choose."""

from datetime import date
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest
from msgspec import Struct

from gateway.merge import delivered
from gateway.selection import chosen
from schema.model.clinical import AllergyIntolerance, Observation
from schema.model.values import CodeableConcept, Coding
from schema.model.view import EntryFilter, Section, SectionStatus
from schema.model.when import When
from tests.merge.making import merged, stating


class Entry(Struct):
    when: When | None


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
    entry = cast("Any", Entry(When.iso(stated, ZoneInfo("Europe/London")) if stated else None))
    section: Section[Any] = Section(
        fact_type="Observation", status=SectionStatus.COMPLETE, empty_reason=None, sources=(), entries=(entry,)
    )
    march = EntryFilter(since=date(2026, 3, 1), until=date(2026, 3, 31))
    assert bool(chosen(section, march, delivered()).entries) is fits


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
