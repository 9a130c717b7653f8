"""The three REST sources of the estate, asked over real sockets: everything that the ledgers say of them."""

import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest

from schema.model.clinical import (
    AllergyIntolerance,
    CarePlan,
    CareTeam,
    Communication,
    Condition,
    Encounter,
    Medication,
    MedicationKind,
    Observation,
    Patient,
    Polarity,
)
from schema.model.fact import Fact, Gap, GapKind
from tests.support.estate import ESTATE
from tests.support.ledger import same, words

LEDGERS = Path(__file__).parents[1] / "ledger"
SOURCES = ("diabetes", "nursing", "ooh")
MICHAEL = "9994071009"
REFERENCE: dict[str, Any] = {"family": "Quillfeather", "given": "Michael", "birth_date": date(1967, 6, 14)}
AMBULANCE, CALL_CENTRE = "Patient/AMB-77810", "Patient/OOH-55120"


def ledger(name: str) -> dict[str, Any]:
    return tomllib.loads((LEDGERS / f"{name}.toml").read_text("utf-8"))


def written_of(source: str) -> dict[str, dict[str, Any]]:
    """Each fact of the source in any ledger about Michael, by its native id, with everything that is shown of it."""
    found: dict[str, dict[str, Any]] = {}
    for name in ("q1_ward", "q2_diabetes", "q3_liver", "q4_gp"):
        for fact in ledger(name)["fact"]:
            if fact["id"].startswith(f"{source}:"):
                entry = found.setdefault(fact["id"].partition(":")[2], {"shows": {}} | fact)
                entry["shows"] = entry["shows"] | fact["shows"]
    return found


def facts(found: list[Fact | Gap]) -> dict[str, Fact]:
    return {each.native_id: each for each in found if isinstance(each, Fact)}


def said(fact: Fact) -> list[str]:
    """Every value of a fact as a ledger writes it, the values that are not stated aloud included."""
    stated = {name: getattr(fact, name) for name in fact.__struct_fields__}
    return list(words(msgspec.json.decode(msgspec.json.encode(stated))))


def unsaid(fact: Fact, shows: dict[str, str]) -> list[tuple[str, str]]:
    """What the ledger shows and the fact does not say. A ledger names a product by the first word of its name."""
    leaves = said(fact)
    return [
        (name, value)
        for name, value in shows.items()
        if not any(same(value, leaf) or (name == "product" and leaf.startswith(f"{value} ")) for leaf in leaves)
    ]


@pytest.mark.parametrize("source", SOURCES)
async def test_what_the_ledgers_say_of_a_source_is_read_and_nothing_else(vendor, source: str) -> None:
    written = written_of(source)
    async with vendor(source) as asked:
        found = await asked.answer(MICHAEL)
    told = facts(found)
    assert told.keys() == written.keys()
    assert {name: type(fact).__name__ for name, fact in told.items()} == {n: f["type"] for n, f in written.items()}
    assert {name: missing for name, fact in told.items() if (missing := unsaid(fact, written[name]["shows"]))} == {}
    kinds = {name: fact.kind.value for name, fact in told.items() if isinstance(fact, Medication)}
    assert kinds == {name: fact["kind"] for name, fact in written.items() if fact["type"] == "Medication"}
    assert {fact.subject for fact in told.values()} == {next(name for name in told if name.startswith("Patient/"))}
    # The call centre measures nothing; the ambulance, whose record is not linked, does.
    silent = {"ooh": [Gap(kind=GapKind.NOT_RECORDED, fact_type="Observation")]}
    assert [each for each in found if isinstance(each, Gap)] == silent.get(source, [])


@pytest.mark.parametrize("source", SOURCES)
async def test_a_source_holds_the_types_of_the_ledger(vendor, source: str) -> None:
    (written,) = (entry for entry in ledger("q5_sources")["source"] if entry["id"] == source)
    # The ledger counts what is shown; the ambulance's observations are shown once its record is linked.
    hidden = {"ooh": {"Observation"}}.get(source, set())
    async with vendor(source) as asked:
        assert asked.adapter.types == set(written["types"]) | hidden
        assert len(facts(await asked.answer(MICHAEL))) == written["facts"]


@pytest.mark.parametrize("source", SOURCES)
async def test_every_raw_row_becomes_a_fact_once_everybody_is_asked_about(vendor, source: str) -> None:
    async with vendor(source) as asked:
        api = asked.api
        everybody = [str(row[api.local_id]) for row in api.people]
        found = facts(await asked.answer(MICHAEL, local_ids=tuple(f"Patient/{each}" for each in everybody)))
        assert len(found) == len(everybody) + sum(len(collection.rows) for collection in api.collections)


async def test_a_copy_of_the_laboratorys_result_carries_the_laboratorys_number_and_assigner(vendor) -> None:
    async with vendor("diabetes") as asked:
        found = facts(await asked.answer(MICHAEL))
    copy, own = found["Observation/40117"], found["Observation/39902"]
    assert isinstance(copy, Observation)
    assert isinstance(own, Observation)
    (number,) = copy.identifiers
    assert (number.system, number.value) == ("urn:oid:2.16.840.1.113883.2.1.3.2.4.18.99.31", "RB26-041733-HBA1C")
    assert number.assigner == "2.16.840.1.113883.2.1.3.2.4.18.99.31"
    assert own.identifiers == ()
    assert (copy.device, own.device) == (None, "desktop HbA1c analyser")
    assert [coding.code for category in copy.categories for coding in category.codings] == ["laboratory"]
    assert own.categories == ()


async def test_codes_are_in_the_systems_that_the_readme_names(vendor) -> None:
    systems: dict[str, list[tuple[str | None, str | None]]] = {}
    for source in SOURCES:
        async with vendor(source) as asked:
            for name, fact in facts(await asked.answer(MICHAEL)).items():
                code = getattr(fact, "code", None)
                systems[name] = [(coding.system, coding.code) for coding in code.codings] if code else []
    assert systems["AllergyIntolerance/77"] == [("http://snomed.info/sct", "409137002")]
    assert systems["Condition/640"] == [("http://read.info/readv2", "M2710")]
    assert systems["Medication/2467"] == [("http://snomed.info/sct", "903021000001105")]
    assert systems["Observation/31055"] == [("https://diabetes-clinic.example/test", "A1C_DCCT")]
    assert systems["Observation/m-30551"][1:] == [("http://loinc.org", "14743-9")]
    assert systems["Observation/m-30552"] == [("https://community-nursing.example/measurement", "WOUND_AREA")]
    assert systems["Medication/M-2"] == systems["AllergyIntolerance/A-1"] == []


async def test_who_looks_after_the_person_comes_with_roles_and_numbers_to_ring(vendor) -> None:
    async with vendor("diabetes") as asked:
        clinic = facts(await asked.answer(MICHAEL))["CareTeam/DC-T-812"]
    async with vendor("nursing") as asked:
        nurses = facts(await asked.answer(MICHAEL))["CareTeam/t-5521"]
    assert isinstance(clinic, CareTeam)
    assert isinstance(nurses, CareTeam)
    assert [(p.name, p.role, p.telecom[0].value) for p in (*clinic.participants, *nurses.participants)] == [
        ("Dr Devan Singh-Harte", "Consultant diabetologist", "01632 960304"),
        ("Alys Brackley-Snow", "Diabetes specialist nurse", "01632 960319"),
        ("Wilhelmina Oxtoby", "Community nurse", "01632 960372"),
    ]
    assert [each.value for each in nurses.telecom] == ["01632 960370", "01632 960371"]


async def test_what_the_ledgers_leave_to_the_reader_is_kept(vendor) -> None:
    found: dict[str, Fact] = {}
    for source in SOURCES:
        async with vendor(source) as asked:
            found |= facts(await asked.answer(MICHAEL))
    nkda, ulcer, regimen = found["AllergyIntolerance/77"], found["Condition/511"], found["Medication/2318"]
    visit, call, plan = found["Encounter/7719"], found["Encounter/C-260316-0118"], found["CarePlan/p-771"]
    message, says, asked_for = (
        found["Communication/P-55120-1"],
        found["Medication/M-2"],
        found["ServiceRequest/DC-R-118"],
    )
    assert isinstance(nkda, AllergyIntolerance)
    assert isinstance(ulcer, Condition)
    assert isinstance(regimen, Medication)
    assert isinstance(visit, Encounter)
    assert isinstance(call, Encounter)
    assert isinstance(plan, CarePlan)
    assert isinstance(message, Communication)
    assert isinstance(says, Medication)
    assert nkda.polarity is Polarity.ABSENT
    assert nkda.author is not None
    assert nkda.author.name == "A Brackley-Snow"
    assert regimen.frequency == "at bedtime"
    assert [reason.text for reason in regimen.reasons] == ["changed to a stronger insulin"]
    assert [note.text for note in visit.notes] == ["Lantus changed to Toujeo. Practice to amend the repeat."]
    assert [reason.text for reason in call.reasons] == [
        "Sweating, shaking, cannot sleep. Stopped drinking three days ago."
    ]
    assert [party.name for party in call.participants] == ["Nurse adviser Ewart Pilling"]
    assert plan.activities == ("Alginate dressing left heel", "Photograph every fortnight")
    assert [identifier.value for party in message.recipients for identifier in party.identifiers] == ["Z81099"]
    assert (says.kind, says.patient_reported, says.status) == (MedicationKind.STATEMENT, True, None)
    assert [party.organization for party in asked_for.performers] == ["Sallow Lane Pharmacy"]  # type: ignore[attr-defined]
    assert [note.text for note in found["Appointment/9340"].notes] == ["30 minutes"]


async def test_a_nickname_is_a_second_name_only_where_it_is_another(vendor) -> None:
    async with vendor("diabetes") as asked:
        first = facts(await asked.answer(MICHAEL))["Patient/DC-00812"]
        row = asked.api.people[0]
        row["name"] = {**row["name"], "known": "Mike"}
        second = facts(await asked.answer(MICHAEL))["Patient/DC-00812"]
    assert isinstance(first, Patient)
    assert isinstance(second, Patient)
    assert [(name.use, name.given) for name in first.names] == [("official", ("Michael",))]
    assert [(name.use, name.given, name.family) for name in second.names] == [
        ("official", ("Michael",), "Quillfeather"),
        ("nickname", ("Mike",), "Quillfeather"),
    ]


async def test_the_ambulances_facts_are_read_once_its_record_is_linked(vendor) -> None:
    entries = [entry for entry in ledger("others")["after_link"] if entry["source"] == "ooh"]
    assert entries
    async with vendor("ooh") as asked:
        found = facts(await asked.answer(MICHAEL, local_ids=(CALL_CENTRE, AMBULANCE), **REFERENCE))
    for entry in entries:
        shows = {name: value for name, value in entry["shows"].items() if name not in ("type", "id")}
        fact = found[entry["shows"]["id"].removeprefix("ooh:")]
        assert (type(fact).__name__, fact.subject) == (entry["shows"]["type"], AMBULANCE)
        assert unsaid(fact, shows) == []


async def test_the_rows_are_the_files_own(vendor) -> None:
    for source in SOURCES:
        async with vendor(source) as asked:
            names = {collection.route.rpartition("/")[2].lower() for collection in asked.api.collections}
            people = {"nursing": "patients"}.get(source, "people")
        assert {file.stem for file in (ESTATE / source).iterdir()} == names | {people}
