"""What other record-merging engines are known to get wrong, each with the safe result.

The rows are merged in every order in which their facts can come (of long ones, a few). The last tests go the whole
way: two FHIR servers, the adapter, the gateway, GraphQL.
"""

from collections.abc import AsyncIterator, Iterator
from itertools import permutations
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from msgspec import structs

from adapters.fhir.simulate import search_app
from adapters.testing.simulation import Faults, http_server
from gateway.config import load
from gateway.merge import MixedSubjects, section
from gateway.opening import open_service
from gateway.web import build_app
from schema.model.clinical import AllergyIntolerance, Condition, Medication, Observation, ObservationComponent, Polarity
from schema.model.fact import Fact
from schema.model.values import CodeableConcept, Coding
from schema.model.view import EmptyReason, SectionSource, SourceFact, SourceState
from tests.fhir.records import NUMBER, Resource, bundle, concept, patient, ref
from tests.merge.making import (
    SOURCES,
    UCUM,
    amount,
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

Stated = tuple[str, dict[str, Any]]
PENICILLIN, CELLULITIS, DIABETES = coded("91936005"), "128045006", "44054006"
NO_ALLERGIES = {"code": coded("716186003"), "polarity": Polarity.ABSENT}
SYSTOLIC, DIASTOLIC = coded("271649006"), coded("271650006")


class Row(NamedTuple):
    """A mistake of others, and what is safe."""

    mistake: str
    kind: type[Fact]
    stated: list[Stated]
    together: list[list[int]]
    """Which statements, by position, are one fact."""
    disputed: tuple[str, ...] = ()
    linked: bool = False
    """Whether some of them are softly linked."""


def pressure(systolic: str, when: str = "2026-01-01T10:00:00Z") -> dict[str, Any]:
    parts = [(SYSTOLIC, systolic), (DIASTOLIC, "86")]
    return {
        "code": coded("75367002"),
        "effective": since(when),
        "components": tuple(
            ObservationComponent(code=part, value_quantity=amount(value, "mm[Hg]")) for part, value in parts
        ),
    }


def spelled(unit: str, code: str | None, value: str = "5.1") -> dict[str, Any]:
    quantity = structs.replace(amount(value), unit=unit, code=code, system=UCUM if code else None)
    return {"code": coded("1031801000000102"), "effective": since("2026-01-01T10:00:00Z"), "value_quantity": quantity}


def readings(sources: str, minutes: range) -> list[Stated]:
    """A pulse of 72, again and again."""
    times = [f"2026-01-01T{10 + minute // 60}:{minute % 60:02d}:00Z" for minute in minutes]
    return [
        (sources[place % len(sources)], reading("72", when, "364075005", "/min")) for place, when in enumerate(times)
    ]


PHQ9 = {"code": coded("720433000"), "effective": since("2026-01-01T10:00:00Z")}
ZERO, NO_VALUE = {**PHQ9, "value_integer": 0}, {**PHQ9, "data_absent_reason": words("not performed")}
BOTH_MEAN_IT = coded("195967001")

TABLE = [
    Row("drops an allergy that has a code and no words", AllergyIntolerance,
        [("a", {"code": PENICILLIN}), ("b", {"code": coded("293586001")})], [[0], [1]]),
    Row("shows one allergy without words twice", AllergyIntolerance,
        [("a", {"code": PENICILLIN}), ("b", {"code": PENICILLIN})], [[0, 1]]),
    Row("deletes 'no known allergies' once somebody states one", AllergyIntolerance,
        [("a", NO_ALLERGIES), ("b", {"code": PENICILLIN, "clinical_status": "active"})], [[0], [1]], ("polarity",)),
    Row("lets 'no known allergies' delete the allergy of another", AllergyIntolerance,
        [("a", {**NO_ALLERGIES, "recorded": at("2026-02-01")}), ("b", {"code": PENICILLIN, "recorded": at("2019")})],
        [[0], [1]], ("polarity",)),
    Row("merges what is refuted with what is confirmed", AllergyIntolerance,
        [("a", {"code": PENICILLIN, "verification_status": "confirmed"}),
         ("b", {"code": PENICILLIN, "verification_status": "refuted"})], [[0], [1]], ("verificationStatus",)),
    Row("drops a score of 0 as empty", Observation, [("a", ZERO), ("b", ZERO)], [[0, 1]]),
    Row("takes a score of 0 for no value", Observation, [("a", ZERO), ("b", NO_VALUE)], [[0], [1]], (), True),
    Row("drops a result that says why there is none", Observation, [("a", NO_VALUE)], [[0]]),
    Row("drops a panel whose values are all in its parts", Observation,
        [("a", pressure("148")), ("b", pressure("148"))], [[0, 1]]),
    Row("does not look into the parts", Observation,
        [("a", pressure("148")), ("b", pressure("184"))], [[0], [1]], ("value",)),
    Row("merges two doses", Medication,
        [("a", course(dose=amount("500", "mg"))), ("b", course(dose=amount("1000", "mg")))], [[0], [1]], ("dose",)),
    Row("merges two doses that are given in words alone", Medication,
        [("a", course(dosage="ONE daily")), ("b", course(dosage="TWO daily"))], [[0], [1]], (), True),
    Row("merges a course that runs with one that was stopped", Medication,
        [("a", course()), ("b", course(status="stopped"))], [[0], [1]], ("status",)),
    Row("shows what was entered in error as active", Condition,
        [("a", problem(DIABETES)), ("b", {**problem(DIABETES), "entered_in_error": True})], [[0], [1]]),
    Row("takes the status of one and the words of another", Condition,
        [("a", problem(DIABETES)), ("b", {**problem(DIABETES), "clinical_status": "resolved"})],
        [[0], [1]], ("clinicalStatus",)),
    Row("gives another answer in another order: three in a chain of dates", Condition,
        [("a", problem(CELLULITIS, "2026-01-01")), ("b", problem(CELLULITIS, "2026-01-11")),
         ("c", problem(CELLULITIS, "2026-01-21"))], [[0], [1], [2]], (), True),
    Row("joins two episodes over an undated third", Condition,
        [("a", problem(CELLULITIS, "2026-01-01")), ("b", problem(CELLULITIS)),
         ("c", problem(CELLULITIS, "2026-06-01"))], [[0], [1], [2]], (), True),
    Row("takes an undated episode for the dated one", Condition,
        [("a", problem(CELLULITIS, "2026-01-01")), ("b", problem(CELLULITIS))], [[0], [1]], (), True),
    Row("joins a monitor's equal readings every four minutes", Observation,
        readings("a", range(0, 64, 4)), [[place] for place in range(16)]),
    Row("joins them when two systems took turns", Observation,
        readings("ab", range(0, 64, 4)), [[place] for place in range(16)], (), True),
    Row("doubles every reading that two systems both keep", Observation,
        readings("a", range(0, 12, 4)) + readings("b", range(0, 12, 4)), [[0, 3], [1, 4], [2, 5]], (), True),
    Row("takes two spellings of one unit for two results", Observation,
        [("a", spelled("mmol/L", "mmol/L")), ("b", spelled("mmol per litre", "mmol/L"))], [[0, 1]]),
    Row("takes unlike units for a difference, or for the same", Observation,
        [("a", spelled("mmol/L", "mmol/L")), ("b", spelled("mg/dL", "mg/dL", "92"))], [[0], [1]], (), True),
    Row("folds the case of UCUM, where m and M are a milli and a mega", Observation,
        [("a", spelled("mg", "mg")), ("b", spelled("Mg", "Mg"))], [[0], [1]], (), True),
    Row("converts a dose to compare it", Medication,
        [("a", course(dose=amount("500", "mg"))), ("b", course(dose=amount("0.5", "g")))], [[0], [1]], (), True),
    Row("merges by the words of codes that nobody can compare", Condition,
        [("a", {"code": coded("D1", "urn:trust:codes", "Diabetes")}), ("b", {"code": coded("D1", "L", "Diabetes")})],
        [[0], [1]]),
    Row("merges by words alone", Condition,
        [("a", {"code": words("Diabetes")}), ("b", {"code": words("Diabetes")})], [[0], [1]]),
    Row("takes a number for another assigner's", Observation,
        [("a", {**PHQ9, "effective": None, "value_integer": 3, "identifiers": (number("1"),)}),
         ("b", {**PHQ9, "effective": None, "value_integer": 3, "identifiers": (number("1", "urn:oid:9"),)})],
        [[0], [1]]),
    Row("drops a second statement of one source as its duplicate", Condition,
        [("a", {"code": BOTH_MEAN_IT}), ("a", {"code": BOTH_MEAN_IT})], [[0], [1]], (), True),
    Row("takes two brands of insulin for each other", Medication,
        [("a", course("2001")), ("b", course("2002"))], [[0], [1]], ("brand", "strength")),
    Row("takes what runs in the family for the patient's own", Condition,
        [("a", problem(DIABETES)),
         ("b", {**problem(DIABETES), "categories": (CodeableConcept(codings=(Coding(code="family-history"),)),)})],
        [[0], [1]], (), True),
]  # fmt: skip


def orders(facts: list[SourceFact[Any]]) -> Iterator[list[SourceFact[Any]]]:
    if len(facts) <= 4:
        yield from map(list, permutations(facts))
    else:
        yield from (facts, facts[::-1], facts[::2] + facts[1::2], sorted(facts, key=lambda one: one.id))


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.mistake)
def test_the_mistake_is_not_made(row: Row) -> None:
    facts = stating(row.kind, *row.stated)
    place = {one.id: number for number, one in enumerate(facts)}
    expected = merged(facts)
    for given in orders(facts):
        assert merged(given) == expected
    assert sorted(sorted(place[one.id] for one in entry.members) for entry in expected) == row.together
    assert {one for entry in expected for one in entry.members} == set(facts)
    assert {conflict.field for entry in expected for conflict in entry.conflicts} == set(row.disputed)
    assert any(entry.related for entry in expected) is row.linked


@pytest.mark.parametrize("others", [[], [("b", problem(DIABETES))]], ids=["alone", "beside the patient's own"])
def test_one_condition_of_two_people_is_an_error_and_never_one_entry(others: list[Stated]) -> None:
    (of_somebody,) = stating(Condition, ("a", problem(DIABETES)))
    stranger = structs.replace(of_somebody, fact=structs.replace(of_somebody.fact, subject="somebody else"))
    with pytest.raises(MixedSubjects):
        merged([*stating(Condition, *others), stranger])


def test_no_known_allergies_alone_is_an_entry_and_the_reason_why_there_is_no_other() -> None:
    heard = SectionSource(source=SOURCES["a"], state=SourceState.OK)
    shown = section(AllergyIntolerance, merged(stating(AllergyIntolerance, ("a", NO_ALLERGIES))), [heard])
    assert (len(shown.entries), shown.empty_reason) == (1, EmptyReason.NONE_KNOWN)


# --- The whole way -------------------------------------------------------------------------------------------------

GATEWAY = """
[gateway]
state_dir = "state"

[identity]
authority = "a"
"""
SOURCE = """
[[sources]]
id = "{id}"
name = "Hospital {id}"
organization = "Hospital {id}"
adapter = "fhir"
timezone = "Europe/London"
settings = {{ base_url = "http://127.0.0.1:{port}", version = "R4", types = ["AllergyIntolerance", "Condition", \
"Observation", "QuestionnaireResponse"] }}
"""
ASKED = """query ($number: String!) { patient(identifier: {value: $number}) {
    allergies { totalCount entries { nodes { code { codings { code } } polarity provenance { source { id } } } } }
    conditions { entries { nodes { enteredInError code { codings { code } } provenance { source { id } } } } }
    observations { entries { nodes { code { codings { code } } valueQuantity { value } valueInteger
        components { code { codings { code } } valueQuantity { value } } provenance { source { id } } } } }
    assessments { entries { nodes { score { value } items { answers } } } }
} }"""


def at_ten(found_id: str, code: str, **value: Any) -> Resource:
    return {
        "resourceType": "Observation",
        "id": found_id,
        "status": "final",
        "subject": ref("Patient/p1"),
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": code}]},
        "effectiveDateTime": "2026-01-01T10:00:00Z",
    } | value


def of_patient(kind: str, found_id: str, role: str = "patient", **more: Any) -> Resource:
    return {"resourceType": kind, "id": found_id, role: ref("Patient/p1")} | more


def code_alone(code: str) -> Resource:
    return {"coding": [{"system": "http://snomed.info/sct", "code": code}]}


def hospital(diabetes: str) -> Resource:
    """Nothing here has words, and every value is one that is easily taken for none."""
    parts = [
        {"code": code_alone(code), "valueQuantity": {"value": value, "unit": "mm[Hg]", "code": "mm[Hg]"}}
        for code, value in (("271649006", 148), ("271650006", 86))
    ]
    total = {"linkId": "9", "text": "Total score", "answer": [{"valueInteger": 0}]}
    return bundle(
        patient(),
        of_patient("AllergyIntolerance", "al1", code=code_alone("91936005")),
        of_patient("AllergyIntolerance", "al2", code=code_alone("716186003")),
        of_patient(
            "Condition",
            "co1",
            "subject",
            code=code_alone("44054006"),
            verificationStatus=concept(diabetes, system="http://terminology.hl7.org/CodeSystem/condition-ver-status"),
        ),
        at_ten("ob1", "720433000", valueInteger=0),
        at_ten("ob2", "75367002", component=parts),
        of_patient("QuestionnaireResponse", "qr1", "subject", status="completed", item=[total]),
    )


@pytest.fixture
async def answer(tmp_path: Path) -> AsyncIterator[dict[str, Any]]:
    """What the gateway answers over two such hospitals, one of which has withdrawn its diagnosis."""
    async with (
        http_server(search_app([hospital("confirmed")]), Faults()) as one,
        http_server(search_app([hospital("entered-in-error")]), Faults()) as other,
    ):
        path = tmp_path / "gateway.toml"
        sources = (SOURCE.format(id=name, port=port) for name, port in (("a", one), ("b", other)))
        path.write_text(GATEWAY + "".join(sources), encoding="utf-8")
        async with open_service(load(path)) as service:
            wire = httpx.ASGITransport(app=build_app(service))
            async with httpx.AsyncClient(transport=wire, base_url="http://127.0.0.1") as client:
                asked = {"query": ASKED, "variables": {"number": NUMBER}}
                told = (await client.post("/graphql", json=asked)).json()
                assert "errors" not in told, told
                yield told["data"]["patient"]


def said_by(entry: dict[str, Any]) -> list[str]:
    return sorted(one["source"]["id"] for one in entry["provenance"])


def code_of(entry: dict[str, Any]) -> str:
    return str(entry["code"]["codings"][0]["code"])


async def test_from_the_wire_to_the_answer_nothing_that_looks_empty_is_dropped(answer: dict[str, Any]) -> None:
    allergies = {code_of(one): one for one in answer["allergies"]["entries"]["nodes"]}
    assert {code: said_by(one) for code, one in allergies.items()} == {"91936005": ["a", "b"], "716186003": ["a", "b"]}
    assert allergies["716186003"]["polarity"] == "ABSENT"
    observations = {code_of(one): one for one in answer["observations"]["entries"]["nodes"]}
    score, panel = observations["720433000"], observations["75367002"]
    assert (score["valueInteger"], said_by(score)) == (0, ["a", "b"])
    assert [part["valueQuantity"]["value"] for part in panel["components"]] == ["148", "86"]
    assert said_by(panel) == ["a", "b"]
    assert [one["score"]["value"] for one in answer["assessments"]["entries"]["nodes"]] == ["0", "0"]


async def test_from_the_wire_to_the_answer_what_was_withdrawn_stays_apart_and_says_so(answer: dict[str, Any]) -> None:
    conditions = answer["conditions"]["entries"]["nodes"]
    assert sorted((said_by(one), one["enteredInError"]) for one in conditions) == [(["a"], False), (["b"], True)]
