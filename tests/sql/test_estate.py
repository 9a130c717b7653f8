"""Three systems of Michael's estate, on all three databases: every fact of the ledgers, and no other.

The rows are those of adapters/demo/estate, rendered at the ledgers' clock; what they mean was written down in
tests/ledger before anything here read them.
"""

import tomllib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from adapters.demo.clock import render
from adapters.sql.simulate import described
from adapters.testing.conformance import call
from adapters.testing.simulation import raw_json
from schema.model.clinical import (
    AllergyIntolerance,
    CarePlan,
    CareTeam,
    Condition,
    Encounter,
    Flag,
    Medication,
    Patient,
    Polarity,
    Procedure,
    QuestionnaireResponse,
    RelatedPerson,
    ServiceRequest,
    SocialHistory,
)
from schema.model.fact import PATIENT_NOT_FOUND, Fact, Gap, GapKind
from schema.model.values import Party
from tests.sql.conftest import BACKENDS, Legacy, System, answer_of, records_of
from tests.support.ledger import same, words

ROOT = Path(__file__).parents[2]
WHOLE = ROOT / "adapters" / "demo" / "estate"
LEDGERS = [tomllib.loads(file.read_text("utf-8")) for file in sorted((ROOT / "tests/ledger").glob("q*.toml"))]
CLOCK = datetime(2026, 3, 17, 2, 10, tzinfo=UTC)
SYSTEMS = ("cmht", "socialcare", "renal")

MICHAEL = "9994071009"
FATHER, SON = "9995190001", "9995364018"
RESTRICTED = "9998843006"
NOBODY = "9997725018"
REGISTERS = "urn:oid:2.16.840.1.113883.2.1.3.2.4.18.99"


def tables_of(system: str) -> dict[str, Any]:
    """The raw tables of a system, at the ledgers' clock."""
    document: dict[str, Any] = raw_json(render((WHOLE / system / "tables.json").read_text("utf-8"), CLOCK))
    return document


def system(name: str, document: dict[str, Any] | None = None) -> System:
    return System(f"adapters.demo:mappings/{name}.toml", *described(document or tables_of(name)))


def with_somebody() -> dict[str, Any]:
    """The old renal database's tables, with the one patient whom it might have had."""
    document = tables_of("renal")
    document["PATIENT"]["rows"] = [["R-17", MICHAEL, "01", "Quillfeather", "Michael", "1967-06-14", "M"]]
    document["DIALYSIS_SESSION"]["rows"] = [[5, "R-17", "2009-07-01T09:30:00", 240, "HD", "Cramps, stopped early."]]
    return document


@pytest.fixture(params=[(name, backend) for name in SYSTEMS for backend in BACKENDS], ids="-".join)
def placed(request: pytest.FixtureRequest, make_system: Callable[[System, str], Legacy]) -> tuple[str, Legacy]:
    """Each system on each database."""
    name, backend = request.param
    return name, make_system(system(name), backend)


@pytest.fixture(params=[(name, backend) for name in SYSTEMS for backend in BACKENDS], ids="-".join)
def indexed(request: pytest.FixtureRequest, make_system: Callable[[System, str], Legacy]) -> Legacy:
    """Each as it would be had its vendor indexed what people are looked for by."""
    name, backend = request.param
    made = system(name)
    columns = {"nhs_no", "nhs_number", "client_id", "person_id", "hosp_no", "birth_date"}
    indexes = [
        f"CREATE INDEX {table}_{column} ON {table} ({column})"
        for table, described_by in tables_of(name).items()
        for column in described_by["columns"][1:]
        if column.lower() in columns
    ]
    return make_system(System(made.mapping, ";\n".join([made.ddl, *indexes]), made.tables), backend)


@pytest.fixture(params=SYSTEMS)
def everywhere(request: pytest.FixtureRequest, make_system: Callable[[System, str], Legacy]) -> list[Legacy]:
    """One system on all databases, to be compared."""
    return [make_system(system(request.param), backend) for backend in BACKENDS]


@pytest.fixture(params=BACKENDS)
def inhabited(request: pytest.FixtureRequest, make_system: Callable[[System, str], Legacy]) -> Legacy:
    """The renal database as if somebody were in it."""
    return make_system(system("renal", with_somebody()), request.param)


@pytest.fixture
def at(make_system: Callable[[System, str], Legacy]) -> Callable[[str], Legacy]:
    """A system's database in a file."""
    return lambda name: make_system(system(name), "sqlite")


@pytest.fixture
def one(at: Callable[[str], Legacy]) -> Callable[..., Any]:
    """One fact that a system states about Michael."""

    async def found(name: str, native_id: str, kind: type[Any], number: str = MICHAEL) -> Any:
        fact = (await facts(at(name), number))[native_id]
        assert isinstance(fact, kind)
        return fact

    return found


async def answer(legacy: Legacy, *numbers: str, **more: Any) -> list[Fact | Gap]:
    async with legacy.opened() as adapter:
        return await answer_of(adapter, *numbers, **more)


async def facts(legacy: Legacy, *numbers: str, **more: Any) -> dict[str, Fact]:
    return {each.native_id: each for each in await answer(legacy, *numbers, **more) if isinstance(each, Fact)}


def expected(name: str) -> Iterator[dict[str, Any]]:
    """Every ledger's entries for a source."""
    for ledger in LEDGERS:
        yield from (entry for entry in ledger.get("fact", ()) if entry["id"].startswith(f"{name}:"))


def reached(party: Party) -> tuple[str | None, str | None, list[str]]:
    return party.name, party.role, [contact.value for contact in party.telecom]


# The ledgers


async def test_every_fact_of_the_ledgers_is_there_and_no_other(placed: tuple[str, Legacy]) -> None:
    name, legacy = placed
    told = {f"{name}:{native_id}" for native_id in await facts(legacy, MICHAEL)}
    assert told == {entry["id"] for entry in expected(name)}
    (stated,) = (each for ledger in LEDGERS for each in ledger.get("source", ()) if each["id"] == name)
    assert len(told) == stated["facts"]


async def test_everything_that_the_ledgers_show_is_shown(placed: tuple[str, Legacy]) -> None:
    name, legacy = placed
    told = {
        f"{name}:{key}": list(words(raw_json(msgspec.json.encode(fact).decode())))
        for key, fact in (await facts(legacy, MICHAEL)).items()
    }
    missing = [
        (entry["id"], key, value)
        for entry in expected(name)
        for key, value in entry.get("shows", {}).items()
        if key != "deceased" and not any(same(value, word) for word in told[entry["id"]])
    ]
    assert missing == []
    assert name == "renal" or sum(len(entry.get("shows", {})) for entry in expected(name)) > 20


async def test_a_source_is_in_scope_for_the_types_of_the_ledger(placed: tuple[str, Legacy]) -> None:
    name, legacy = placed
    (stated,) = (each for ledger in LEDGERS for each in ledger.get("source", ()) if each["id"] == name)
    async with legacy.opened() as adapter:
        assert adapter.types == set(stated["types"])


async def test_nothing_is_left_unexplained_or_unread(placed: tuple[str, Legacy]) -> None:
    name, legacy = placed
    gaps = [(each.kind, each.code) for each in await answer(legacy, MICHAEL) if isinstance(each, Gap)]
    assert gaps == ([(GapKind.NOT_HELD, PATIENT_NOT_FOUND)] if name == "renal" else [])


async def test_the_three_databases_give_the_same_bytes_and_facts(everywhere: list[Legacy]) -> None:
    seen = []
    for legacy in everywhere:
        async with legacy.opened() as adapter:
            records = sorted(await records_of(adapter, MICHAEL), key=lambda record: record.kind)
            read = [list(adapter.read(record)) for record in records]
        seen.append(([(record.kind, record.types, record.parts) for record in records], read))
    assert seen[0] == seen[1] == seen[2]


# Who it is


async def test_a_traced_number_is_verified_and_a_day_that_means_none_is_no_death(one: Callable[..., Any]) -> None:
    michael = await one("cmht", "Patient/60417", Patient)
    (name,), (number,), (address,) = michael.names, michael.identifiers, michael.addresses
    assert (name.family, name.given) == ("QUILLFEATHER", ("MICHAEL AUBREY",))
    assert (number.value, number.verified) == (MICHAEL, True)
    assert (michael.deceased, michael.deceased_at) == (None, None)
    assert (address.postal_code, address.lines) == ("ZZ9 9QX", ("14 Salt & Tallow Yard", "CANARY-MALLOW-2C9B"))


async def test_a_registration_that_was_deleted_softly_is_nobody(at: Callable[[str], Legacy]) -> None:
    """Neither by its number nor by its id, should a steward have linked it before it was deleted."""
    for local_ids in ((), ("Patient/41207",)):
        told = await facts(at("cmht"), MICHAEL, local_ids=local_ids)
        assert {fact.subject for fact in told.values()} == {"Patient/60417"}
        assert "CANARY-MEADOW-B61E" not in str(told)
    (gap,) = await answer(at("cmht"), NOBODY, local_ids=("Patient/41207",))
    assert isinstance(gap, Gap)
    assert gap.code == PATIENT_NOT_FOUND


async def test_rows_that_were_deleted_softly_are_no_facts(at: Callable[[str], Legacy]) -> None:
    told = str(await facts(at("cmht"), MICHAEL))
    assert "CANARY-MALLOW-2C9B" in told
    assert not [word for word in ("CANARY-MUGWORT-70D5", "CANARY-MEADOW-B61E", "keyed twice") if word in told]


async def test_the_fathers_number_with_the_sons_birth_date_is_handed_on_as_it_is(at: Callable[[str], Legacy]) -> None:
    """Social care mixed two people of one name: what it says goes to the gateway, which links it to neither."""
    found = await answer(at("socialcare"), FATHER)
    (mixed,) = (each for each in found if isinstance(each, Fact))
    assert isinstance(mixed, Patient)
    assert (mixed.native_id, mixed.identifiers[0].value, mixed.identifiers[0].verified) == (
        "Patient/330412",
        FATHER,
        True,
    )
    assert mixed.birth_date is not None
    assert mixed.birth_date.value == "1970-08-19"
    gaps = {each.kind for each in found if isinstance(each, Gap)}
    assert gaps == {GapKind.NOT_RECORDED}
    (gap,) = await answer(at("socialcare"), SON)
    assert isinstance(gap, Gap)
    assert gap.code == PATIENT_NOT_FOUND


async def test_somebody_elses_record_that_is_linked_does_not_hide_ones_own(at: Callable[[str], Legacy]) -> None:
    told = await facts(at("cmht"), MICHAEL, local_ids=("Patient/58830",))
    assert {fact.subject for fact in told.values()} == {"Patient/58830", "Patient/60417"}
    assert {f"cmht:{key}" for key in told} >= {entry["id"] for entry in expected("cmht")}
    assert "Flag/3290" in told


# What it means


async def test_an_alert_says_who_raised_it_how_to_reach_them_and_until_when(one: Callable[..., Any]) -> None:
    alert = await one("cmht", "Flag/3107", Flag)
    assert reached(alert.author) == ("Sunita Banerjee", "Community psychiatric nurse", ["01632 960341"])
    assert [(each.system, each.value) for each in alert.identifiers] == [(f"{REGISTERS}.73", "FL-22-031")]
    assert (alert.status, alert.review.value, alert.period.end) == ("active", "2026-05-16", None)
    assert alert.code.text.startswith("Anxiety can look like aggression.")
    over = await one("cmht", "Flag/2650", Flag)
    assert (over.status, over.period.end.value, over.author.name) == ("inactive", "2020-03-17", "Hollis Greatorex")


async def test_letters_of_a_column_declared_with_the_wrong_character_set_are_whole(one: Callable[..., Any]) -> None:
    alert = await one("cmht", "Flag/3290", Flag, RESTRICTED)
    assert alert.author.name == "Zoë Underhay-Pryce"
    call_made = await one("cmht", "Encounter/88347", Encounter)
    assert call_made.notes[0].text.startswith("Naïve to call it a good week")
    assert "café coffee" in call_made.notes[0].text


async def test_a_visit_without_the_person_is_none_that_took_place(one: Callable[..., Any]) -> None:
    missed = await one("cmht", "Encounter/88120", Encounter)
    assert (missed.status, missed.reasons[0].text, missed.types[0].text) == (
        "noshow",
        "Did not attend",
        "Home visit",
    )
    assert missed.period.start.zone_assumed
    assert missed.period.start.earliest == datetime(2026, 2, 25, 14, tzinfo=UTC)


async def test_that_there_is_no_known_allergy_is_a_statement(one: Callable[..., Any]) -> None:
    nothing = await one("cmht", "AllergyIntolerance/911", AllergyIntolerance)
    assert nothing.polarity is Polarity.ABSENT
    assert [each.code for each in nothing.code.codings if each.system == "http://snomed.info/sct"] == ["716186003"]


async def test_a_course_without_a_last_day_is_active_with_its_dose_as_the_column_has_it(
    one: Callable[..., Any],
) -> None:
    course = await one("cmht", "Medication/15522", Medication)
    assert (str(course.dose.value), course.dose.unit, course.frequency) == ("150.00", "mg", "ON")
    assert (course.status, course.effective.end) == ("active", None)
    assert course.code.codings[0].code == "902011000001105"
    diagnosis = await one("cmht", "Condition/7002", Condition)
    assert (diagnosis.clinical_status, diagnosis.verification_status) == ("active", "confirmed")
    assert (diagnosis.code.codings[0].code, diagnosis.abatement) == ("F41.1", None)


async def test_plans_and_referrals_carry_the_numbers_of_the_countys_registers(one: Callable[..., Any]) -> None:
    plan = await one("cmht", "CarePlan/2201", CarePlan)
    referral = await one("socialcare", "ServiceRequest/90117", ServiceRequest)
    assert [(each.system, each.value) for each in plan.identifiers] == [(f"{REGISTERS}.72", "CP-22-118")]
    assert [(each.system, each.value) for each in referral.identifiers] == [(f"{REGISTERS}.71", "RF-26-0932")]
    assert "16/05/2026" in plan.notes[0].text
    assert referral.author.organization == "Ravensbrook Hospital"
    assert reached(referral.performers[0]) == ("Tunde Abernathy-Cole", "Social worker", ["01632 960322"])


async def test_a_care_team_names_its_worker_and_the_telephone(one: Callable[..., Any]) -> None:
    nurse = await one("cmht", "CareTeam/60417", CareTeam)
    worker = await one("socialcare", "CareTeam/330871", CareTeam)
    assert reached(nurse.participants[0]) == ("Sunita Banerjee", "Community psychiatric nurse", ["01632 960341"])
    assert [each.value for each in nurse.telecom] == ["01632 960340"]
    assert reached(worker.participants[0]) == ("Tunde Abernathy-Cole", "Social worker", ["01632 960322"])
    assert (nurse.status, worker.status, worker.name) == ("active", "active", "Adult social care, east")
    sister = await one("socialcare", "RelatedPerson/2207", RelatedPerson)
    assert [each.text for each in sister.relationships] == ["sister", "emergency contact"]
    assert [each.value for each in sister.telecom] == ["07700 900182"]


async def test_a_package_of_care_says_what_how_much_and_by_whom(one: Callable[..., Any]) -> None:
    package = await one("socialcare", "CarePlan/5140", CarePlan)
    assert package.activities == ("2.00 hours a week",)
    assert package.notes[0].text == "Provided by Lantern Support, telephone 01632 960366"
    assert (package.status, package.period.end) == ("active", None)
    stopped = await one("socialcare", "CarePlan/4802", CarePlan)
    assert (stopped.status, stopped.period.end.value) == ("revoked", "2026-02-16")


async def test_circumstances_are_coded_where_a_code_is_known(one: Callable[..., Any]) -> None:
    alone = await one("socialcare", "SocialHistory/6610", SocialHistory)
    rent = await one("socialcare", "SocialHistory/6611", SocialHistory)
    snomed = [[c.code for c in each.code.codings if c.system == "http://snomed.info/sct"] for each in (alone, rent)]
    assert snomed == [["105529008"], []]
    assert alone.value_string == "Lives alone since the divorce"
    assert rent.author.name == "Marguerite Sallis"


async def test_assessments_keep_their_answers_and_score(one: Callable[..., Any]) -> None:
    screen = await one("cmht", "QuestionnaireResponse/5512", QuestionnaireResponse)
    assert (screen.questionnaire, str(screen.score.value)) == ("Team risk screen", "4")
    assert screen.items[0].answers[0].startswith("Harm to self low")
    needs = await one("socialcare", "QuestionnaireResponse/871", QuestionnaireResponse)
    assert {item.link_id: item.answers for item in needs.items} == {
        "lives_alone": ("1",),
        "manages_money": ("0",),
        "needs_help_with": ("Shopping, letters, rent",),
        "outcome": ("Floating support agreed",),
    }


# The database that knows nobody


async def test_the_renal_database_would_tell_of_sessions_if_it_knew_somebody(inhabited: Legacy) -> None:
    told = await facts(inhabited, MICHAEL)
    session = told["Procedure/5"]
    assert isinstance(session, Procedure)
    assert session.subject == "Patient/R-17"
    assert session.performed is not None
    assert session.performed.start is not None
    assert session.performed.start.earliest == datetime(2009, 7, 1, 8, 30, tzinfo=UTC)
    assert [note.text for note in session.notes] == ["240 minutes", "Cramps, stopped early."]


# Check

_SCANNED = {
    "cmht": [
        *("patient", "resource alerts", "resource allergies", "resource diagnoses", "resource prescriptions"),
        *("resource contacts", "resource care-plans", "resource risk"),
    ],
    "socialcare": [
        *("patient", "patient.by_demographics", "resource workers", "resource referrals", "resource assessments"),
        "resource packages",
        *("resource circumstances", "resource contact-persons", "resource visits"),
    ],
    "renal": ["patient", "resource sessions"],
}
"""Queries by a column that is no key: these vendors indexed nothing else."""


async def test_check_passes_and_names_every_query_without_an_index(placed: tuple[str, Legacy]) -> None:
    name, legacy = placed
    async with legacy.opened() as adapter:
        warnings = (await adapter.check(call())).warnings
    said = "the query reads a table from end to end: it needs an index"
    scans = [warning for warning in warnings if not warning.startswith("the file may be written")]
    assert scans == [f"{legacy.mapping}: {query}: {said}" for query in _SCANNED[name]]


async def test_check_warns_of_nothing_where_there_are_indexes(indexed: Legacy) -> None:
    async with indexed.opened() as adapter:
        warnings = (await adapter.check(call())).warnings
    assert [warning for warning in warnings if not warning.startswith("the file may be written")] == []
