"""What `Rule.signature` promises: two statements of one signature are told apart by nothing but their source.

Each statement here differs in one field from a full one. Two that the rule tells apart, by where it looks for their
like or by what it finds between them and any other, have two signatures.
"""

from collections import defaultdict
from itertools import combinations
from typing import Any

import pytest
from msgspec import structs

from gateway.merge.rule import Rule
from gateway.merge.types import RULES
from schema.model.clinical import AllergyIntolerance, Medication, MedicationKind, Observation, Polarity, Reaction
from schema.model.fact import Fact
from tests.merge.making import DMD, TERMS, UCUM, amount, at, coded, number, said, since, words

KG, MG = amount("72", "kg"), amount("500", "mg")
RESULT = Observation(
    native_id="Observation/0",
    subject="a-1",
    code=coded("27113001"),
    effective=since("2026-01-01T10:00:00Z"),
    value_quantity=KG,
    status="final",
)
COURSE = Medication(
    native_id="Medication/0",
    subject="a-1",
    kind=MedicationKind.STATEMENT,
    code=coded("1003", DMD, "Metformin"),
    status="active",
    effective=since("2026-01-01"),
)
ALLERGY = AllergyIntolerance(native_id="AllergyIntolerance/0", subject="a-1", code=coded("91936005"))
CHANGES: list[tuple[Fact, dict[str, list[Any]]]] = [
    (
        RESULT,
        {
            "code": [coded("78564009"), coded("27113001", display="Weight"), coded("1", "L"), None],
            "categories": [(coded("laboratory", "urn:x"),)],
            "status": ["cancelled", "amended"],
            "effective": [
                None,
                *map(since, ("2026", "2026-01-01", "2026-01-01T10:01:00Z", "2026-01-01T11:00:00+01:00")),
                since("2026-01-02T00:00:00+14:00"),  # the same instant on another day
                since("2026-01-02"),
            ],
            "value_quantity": [
                amount("72.0", "kg"),
                amount("72.4", "kg"),
                structs.replace(KG, unit="kilogram"),
                amount("72", "kg", "<"),
                structs.replace(KG, unit="g"),
                structs.replace(KG, code="g"),
                structs.replace(KG, unit=None, code=None),
                structs.replace(KG, unit="stone", code=None),
                structs.replace(KG, unit=None, code="kg", system="urn:units"),
                structs.replace(KG, unit=None, code="kg", system=UCUM),
            ],
            "identifiers": [(number("1"),), (number("2"),)],
            "specimen": ["urn:lab|1", "urn:lab|2"],
            "specimen_type": [coded("119364003"), coded("119297000")],
            "body_site": [coded("1"), coded("2")],
            "device": ["Scales"],
            "patient_reported": [True],
        },
    ),
    (
        COURSE,
        {
            "code": [coded("1001", DMD), coded("1003", DMD, "Insulin"), coded("1003", DMD, "METFORMIN"), None],
            "kind": list(MedicationKind),
            "identifiers": [(number("1"),), (number("2"),)],
            "brand": ["Glucophage", "Lantus"],
            "form": [coded("1", "urn:x"), coded("2", "urn:x"), words("insulin pen")],
            "strength": [MG, amount("1", "g")],
            "status": ["stopped", "unknown", None],
            "intent": ["plan", "order"],
            "issues": [2],
            "prescription_type": ["acute", "repeat"],
            "dosage": ["Take ONE daily", "Take TWO daily"],
            "dose": [MG, amount("1", "g")],
            "frequency": ["od", "bd"],
            "as_needed": [True, False],
            "route": [coded("1", "urn:x"), coded("2", "urn:x")],
            "effective": [
                None,
                *map(since, ("2026", "2026-01-05", "2026-02-10", "2024-01-01")),
                *(since("2026-01-01", end) for end in ("2026-02-01", "2026-02", "2026-03")),
            ],
            "recorded": [at("2026-05-01")],
        },
    ),
    (
        ALLERGY,
        {
            "code": [coded("716186003"), coded("372687004"), coded("91936005", display="Penicillin"), coded("1", "L")],
            "polarity": [Polarity.ABSENT],
            "clinical_status": ["active", "resolved"],
            "verification_status": ["confirmed", "refuted"],
            "type": ["allergy", "intolerance"],
            "criticality": ["low", "high"],
            "categories": [("food",), ("medication",)],
            "reactions": [(Reaction(manifestations=(words(each),), severity=each),) for each in ("mild", "severe")],
        },
    ),
]


NO_DRUG_ALLERGY = structs.replace(ALLERGY, code=coded("409137002"), polarity=Polarity.ABSENT)
LATER = structs.replace(COURSE, effective=since("2026-12-01"))
"""Beside these the kind of an allergy, and an end that is known to the month alone, make a difference."""


def statements(full: Fact, changes: dict[str, list[Any]]) -> tuple[list[Fact], list[Fact]]:
    """The full statement and each with one thing changed in it; each with two, as some show only beside another."""
    single = [{name: value} for name, values in changes.items() for value in values]
    double = [{**one, **other} for one, other in combinations(single, 2) if one.keys() != other.keys()]
    return [full, *(structs.replace(full, **each) for each in single)], [structs.replace(full, **e) for e in double]


def tells_apart(rule: Rule[Any], one: Fact, other: Fact, rest: list[Fact]) -> bool:
    """Whether anything in keys, relation or comparison differs, stated by one source, beside any third statement."""
    a, b = (rule.look(said("a", each)) for each in (one, other))
    if any(set(mine) != set(its) for mine, its in zip(rule.keys(a), rule.keys(b), strict=True)):
        return True
    thirds = [rule.look(said(source, each)) for each in (one, other, *rest) for source in "ab"]
    return any(
        rule.relation(a, c) is not rule.relation(b, c)
        or any(each.compare(a, c) is not each.compare(b, c) for each in rule.compared)
        for c in thirds
    )


@pytest.mark.parametrize(("full", "changes"), CHANGES, ids=lambda each: type(each).__name__)
def test_statements_of_one_signature_are_told_apart_by_nothing_but_their_source(
    full: Fact, changes: dict[str, list[Any]]
) -> None:
    rule = RULES[type(full)](TERMS)
    singles, doubles = statements(full, changes)
    thirds = [*singles, *(one for one in (NO_DRUG_ALLERGY, LATER) if type(one) is type(full))]
    classes: dict[Any, list[Fact]] = defaultdict(list)
    for one in (*singles, *doubles):
        if (signature := rule.signature(one)) is not None:
            classes[signature].append(one)
    of_one = [(members[0], other) for members in classes.values() for other in members[1:]]
    assert [(a, b) for a, b in of_one if tells_apart(rule, a, b, thirds)] == []
    assert of_one, "no two statements have one signature: nothing is proved"
