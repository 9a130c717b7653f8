"""Facts for the merge tests: small makers with defaults, one person, sources by letter."""

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from gateway.merge import Ids, Terminology, delivered, merge
from schema.model.clinical import MedicationKind
from schema.model.fact import Fact
from schema.model.values import CodeableConcept, Coding, Identifier, Period, Quantity
from schema.model.view import Conflict, MergedFact, Provenance, SourceFact, SourceRef
from schema.model.when import When

LONDON = ZoneInfo("Europe/London")
RETRIEVED = datetime(2026, 3, 17, 2, 10, tzinfo=UTC)
IDS = Ids(b"only the tests know this secret!")
SCT = "http://snomed.info/sct"
DMD = "https://dmd.nhs.uk"
UCUM = "http://unitsofmeasure.org"
READ = "http://read.info/readv2"
SOURCES = {name: SourceRef(id=name, name=f"Source {name}", organization=f"Trust {name}") for name in "abcdef"}
LINKED = frozenset((name, f"{name}-{registration}") for name in SOURCES for registration in (1, 2))
"""Every source knows the person, and some have registered them twice."""

DICTIONARY = (
    {"code": "1001", "level": "VMP", "name": "Venlafaxine 150mg modified-release capsules", "vtm": "9001",
     "vtmName": "venlafaxine", "strength": "150 mg", "form": "modified-release capsule", "route": "oral",
     "brandCritical": True},
    {"code": "1002", "level": "VMP", "name": "Venlafaxine 75mg tablets", "vtm": "9001", "vtmName": "venlafaxine",
     "strength": "75 mg", "form": "tablet", "route": "oral", "brandCritical": False},
    {"code": "1003", "level": "VMP", "name": "Metformin 500mg tablets", "vtm": "9003", "vtmName": "metformin",
     "strength": "500 mg", "form": "tablet", "route": "oral", "brandCritical": False},
    {"code": "2001", "level": "AMP", "name": "Lantus SoloStar 100units/ml pens", "vtm": "9002",
     "vtmName": "insulin glargine", "strength": "100 unit/mL", "form": "solution for injection",
     "route": "subcutaneous", "brandCritical": True},
    {"code": "2002", "level": "AMP", "name": "Toujeo SoloStar 300units/ml pens", "vtm": "9002",
     "vtmName": "insulin glargine", "strength": "300 unit/mL", "form": "solution for injection",
     "route": "subcutaneous", "brandCritical": True},
)  # fmt: skip
TERMS: Terminology = delivered().extended(products=DICTIONARY)


def at(text: str) -> When:
    return When.iso(text, LONDON)


def since(text: str | None, until: str | None = None) -> Period | None:
    return Period(start=at(text) if text else None, end=at(until) if until else None) if text or until else None


def coded(code: str, system: str | None = SCT, display: str | None = None) -> CodeableConcept:
    return CodeableConcept(codings=(Coding(system=system, code=code, display=display),))


def words(text: str) -> CodeableConcept:
    return CodeableConcept(text=text)


def amount(value: str, unit: str | None = None, comparator: str | None = None) -> Quantity:
    return Quantity(value=Decimal(value), unit=unit, system=UCUM if unit else None, code=unit, comparator=comparator)


def number(value: str, system: str | None = "urn:oid:1.2.3", kind: str | None = None) -> Identifier:
    return Identifier(system=system, value=value, type=kind)


def said(source: str, fact: Fact, registration: int = 1, retrieved: datetime = RETRIEVED) -> SourceFact[Any]:
    """`fact` as that source's statement about the patient whom it registered first, or once more."""
    local = f"{source}-{registration}"
    return SourceFact(
        id=IDS.fact_id(source, local, fact.native_id),
        fact=fact,
        provenance=Provenance(
            source=SOURCES[source],
            native_id=fact.native_id,
            local_patient_id=local,
            author=fact.author,
            recorded=fact.recorded,
            retrieved=retrieved,
            record_hash="0" * 64,
        ),
    )


def stating(kind: type[Fact], *stated: tuple[str, dict[str, Any]]) -> list[SourceFact[Any]]:
    """One fact for each (source, fields), with native ids by position."""
    return [
        said(source, kind(**{"native_id": f"{kind.__name__}/{place}", "subject": f"{source}-1", **fields}))
        for place, (source, fields) in enumerate(stated)
    ]


def merged(facts: Iterable[SourceFact[Any]], terms: Terminology = TERMS, **options: Any) -> tuple[MergedFact[Any], ...]:
    return merge(facts, IDS, linked=LINKED, terms=terms, **options)


def together(kind: type[Fact], *stated: tuple[str, dict[str, Any]], terms: Terminology = TERMS) -> list[list[int]]:
    """Which of the statements, by position, became one fact."""
    facts = stating(kind, *stated)
    place = {one.id: number for number, one in enumerate(facts)}
    return sorted(sorted(place[one.id] for one in entry.members) for entry in merged(facts, terms))


def disputes(kind: type[Fact], *stated: tuple[str, dict[str, Any]], terms: Terminology = TERMS) -> set[str]:
    """The fields in dispute between two statements that stay two facts; checks that each names the other."""
    first, second = merged(stating(kind, *stated), terms)
    for entry, other in ((first, second), (second, first)):
        for conflict in entry.conflicts:
            assert conflict.with_ids == (other.id,)
            assert [claim.fact_id for claim in conflict.claims] == [entry.members[0].id, other.members[0].id]
    fields = {conflict.field for conflict in first.conflicts}
    assert fields == {conflict.field for conflict in second.conflicts}
    return fields


def linked(kind: type[Fact], *stated: tuple[str, dict[str, Any]], terms: Terminology = TERMS) -> bool:
    """Whether two statements that stay two facts are softly linked, both ways or not at all."""
    first, second = merged(stating(kind, *stated), terms)
    assert (second.id in first.related) == (first.id in second.related)
    return second.id in first.related


def claims(conflict: Conflict) -> dict[str, str | None]:
    return {claim.source.id: claim.value for claim in conflict.claims}


def reading(value: str, when: str, code: str = "27113001", unit: str = "kg", **more: Any) -> dict[str, Any]:
    return {"code": coded(code), "effective": since(when), "value_quantity": amount(value, unit), **more}


def course(code: str = "1003", start: str | None = "2026-01-01", **more: Any) -> dict[str, Any]:
    return {
        "kind": MedicationKind.STATEMENT,
        "code": coded(code, DMD),
        "status": "active",
        "effective": since(start),
        **more,
    }


def problem(code: str, onset: str | None = None, **more: Any) -> dict[str, Any]:
    return {"code": coded(code), "onset": at(onset) if onset else None, "clinical_status": "active", **more}
