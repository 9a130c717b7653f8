"""Finding a person by name and birth date, over the whole estate: many is an answer, and silence is explained."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from adapters.demo import SECRETS
from adapters.demo.clock import render
from adapters.demo.raw import Raw
from adapters.demo.vendors import ooh_api
from adapters.fhir.simulate import pds_app
from adapters.rest.simulate import vendor_app
from adapters.testing.simulation import Faults, http_server
from gateway.cli import out
from tests.graphql.conftest import CLOCK, DESK, MICHAEL, Running, started
from tests.graphql.test_cli import sherwood

NHS = "https://fhir.nhs.uk/Id/nhs-number"
HOSPITAL = "urn:oid:2.16.840.1.113883.2.1.3.2.4.18.99.1"
LOUISE, LOUISA = "9991830006", "9991831002"
FATHER, SON = "9995190001", "9995364018"
TAMSIN = "9998843006"
FIND = """query ($search: PatientSearch!, $deadline: Duration) { patients(search: $search, deadline: $deadline) {
    status completeness truncated notice
    candidates { identifiers { system value } names { family given } birthDate { value } gender postalDistrict deceased
        grade evidence sources { id } }
    sources { source { id } state code message latencyMs }
} }"""


def born(token: str) -> str:
    return render(f"{{{{born:{token}|date}}}}", CLOCK)


WHOLE = {"family": "Quillfeather", "given": "Michael", "birthDate": born("58:06-14")}


async def find(gateway: Running, *, deadline: str = "PT20S", headers: Any = None, **search: str) -> dict[str, Any]:
    answer = await gateway.ask(FIND, search=search, deadline=deadline, headers=headers)
    assert "errors" not in answer, answer["errors"]
    return answer["data"]["patients"]


def numbers(found: dict[str, Any], system: str = NHS) -> list[str]:
    return [i["value"] for one in found["candidates"] for i in one["identifiers"] if i["system"] == system]


def known_to(candidate: dict[str, Any]) -> set[str]:
    return {source["id"] for source in candidate["sources"]}


def told(found: dict[str, Any]) -> dict[str, tuple[str, str | None]]:
    return {each["source"]["id"]: (each["state"], each["code"]) for each in found["sources"]}


def trail(gateway: Running) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(gateway.service.config.audit_path)) as db:
        db.row_factory = sqlite3.Row
        return [dict(row) for row in db.execute("SELECT * FROM trail ORDER BY sequence")]


@asynccontextmanager
async def moved(
    tmp_path: Path,
    source: str,
    app: web.Application,
    path: str = "",
    *,
    also: tuple[str, str] | None = None,
    more: Callable[[str], str] = str,
    **others: Any,
) -> AsyncIterator[Running]:
    """The estate, with one system of it replaced by this one; `also` another (its id, and the port and path of it).

    `more` changes the configuration further.
    """
    async with http_server(app, Faults()) as port:

        def edit(config: str) -> str:
            for name, place in filter(None, [(source, f"{port}{path}"), also]):
                before, here, after = config.partition(f'id = "{name}"')
                start = after.index("http://")
                end = after.index('"', start)
                config = f"{before}{here}{after[:start]}http://127.0.0.1:{place}{after[end:]}"
            return more(config)

        async with started(tmp_path, edit=edit, **others) as gateway:
            yield gateway


def ambulance(*rows: dict[str, Any], **habits: Any) -> web.Application:
    """The out-of-hours vendor with these people besides its own."""
    api = ooh_api(Raw(CLOCK).texts("ooh"), SECRETS["SHERWOOD_DEMO_OOH_KEY"])
    blank = dict.fromkeys(api.people[0], None)
    return vendor_app(replace(api, people=(*api.people, *(blank | row for row in rows)), **habits))


def patients_only(*people: dict[str, Any] | bytes, status: int = 200, **more: Any) -> web.Application:
    """A FHIR server that gives the same answer to every search for Patient."""

    async def search(_: web.Request) -> web.Response:
        entries = [{"resource": one, "search": {"mode": "match"}} for one in people]
        bundle = {"resourceType": "Bundle", "type": "searchset", "entry": entries} | more
        return web.Response(body=json.dumps(bundle).encode(), status=status, content_type="application/fhir+json")

    app = web.Application()
    app.router.add_get("/Patient", search)
    return app


def resource(number: int, family: str = "Quillfeather", given: str = "Michael", birth_date: str = "") -> dict[str, Any]:
    name = {"use": "official", "family": family, "given": [given]}
    return {
        "resourceType": "Patient",
        "id": f"p{number}",
        "identifier": [{"system": HOSPITAL, "value": f"77{number}"}],
        "name": [name],
        "birthDate": birth_date or WHOLE["birthDate"],
    }


async def test_michael_is_found_by_name_and_birth_date_with_the_number_to_ask_by(gateway: Running) -> None:
    found = await find(gateway, **WHOLE)
    michael, ambulance_record = found["candidates"]
    assert (found["status"], found["completeness"], found["truncated"]) == ("MANY", "COMPLETE", False)
    assert michael["identifiers"] == [{"system": NHS, "value": MICHAEL}, {"system": HOSPITAL, "value": "4471902"}]
    assert michael["names"] == [{"family": "Quillfeather", "given": ["Michael", "Aubrey"]}]
    assert (michael["birthDate"]["value"], michael["gender"], michael["postalDistrict"]) == (
        "1967-06-14",
        "male",
        "ZZ9",
    )
    assert (michael["grade"], michael["evidence"]) == (
        "PROBABLE",
        ["family:equal", "given:exact", "birth-date:equal"],
    )
    assert known_to(michael) == {"pds", "pas", "epr", "ooh", "socialcare"}
    assert known_to(ambulance_record) == {"ooh"}, "without a number nobody can say that it is he"
    assert ambulance_record["identifiers"] == []
    again = await gateway.ask(
        f'{{ patient(identifier: {{value: "{numbers(found)[0]}"}}) {{ identifier {{ value }} }} }}'
    )
    assert again["data"]["patient"]["identifier"]["value"] == MICHAEL


async def test_capitals_and_accents_do_not_matter(gateway: Running) -> None:
    found = await find(gateway, family="QUILLFEATHER", given="michael", birthDate=WHOLE["birthDate"])
    assert MICHAEL in numbers(found)


async def test_twins_of_one_family_name_and_birth_date_are_many_and_a_given_name_tells_them_apart(
    gateway: Running,
) -> None:
    both = await find(gateway, family="Fennimarsh", birthDate=born("31:09-02"))
    assert both["status"] == "MANY"
    assert sorted(numbers(both)) == [LOUISE, LOUISA]
    assert {one["grade"] for one in both["candidates"]} == {"POSSIBLE"}
    assert told(both)["ooh"] == ("NOT_ASKED", "SEARCH_NEEDS_MORE")
    assert both["completeness"] == "PARTIAL", "the ambulance is searched by a given name too"
    one = await find(gateway, family="Fennimarsh", given="Louise", birthDate=born("31:09-02"))
    assert (one["status"], one["completeness"], numbers(one)) == ("ONE", "COMPLETE", [LOUISE])


async def test_father_and_son_of_one_name_and_address_are_two_and_a_birth_date_gives_the_right_one(
    gateway: Running,
) -> None:
    both = await find(gateway, family="Thistlewick", given="Edmund", postalCode="ZZ9 4CW")
    assert (both["status"], sorted(numbers(both))) == ("MANY", [FATHER, SON])
    assert told(both)["pds"] == ("NOT_ASKED", "SEARCH_NEEDS_MORE")
    son = await find(gateway, family="Thistlewick", given="Edmund", birthDate=born("55:08-19"))
    assert numbers(son) == [SON], "social care has the son under his father's number: that is not shown"
    assert [known_to(one) for one in son["candidates"]] == [{"pds", "pas"}, {"socialcare"}]
    assert "identifier:not-confirmed" in son["candidates"][1]["evidence"]


async def test_somebody_without_an_nhs_number_is_found_with_the_hospitals(gateway: Running) -> None:
    found = await find(gateway, family="Ashgrove", given="Corwin", birthDate=born("27:07-19"))
    assert numbers(found) == []
    assert set(numbers(found, HOSPITAL)) == {"2405517"}
    assert set().union(*map(known_to, found["candidates"])) == {"epr", "pas"}


async def test_passports_and_foreign_insurance_numbers_are_not_told(gateway: Running) -> None:
    found = await find(gateway, family="Solvang-Lyng", given="Ingeborg", birthDate=born("33:01-08"))
    (one,) = found["candidates"]
    assert one["identifiers"] == [{"system": HOSPITAL, "value": "2419903"}]


async def test_a_death_is_shown(gateway: Running) -> None:
    found = await find(gateway, family="Thorncliffe", given="Barnaby", birthDate=born("74:05-27"))
    assert [(one["deceased"], one["identifiers"][0]["value"]) for one in found["candidates"]] == [(True, "9996281949")]


async def test_two_registrations_that_contradict_each_other_are_not_put_to_one_person(gateway: Running) -> None:
    found = await find(gateway, family="Fitchwater", given="Orlando", birthDate=born("44:10-02"))
    assert [known_to(one) for one in found["candidates"]] == [{"pds"}, {"pas"}, {"pas"}]
    assert {one["gender"] for one in found["candidates"]} == {"male", "female"}


async def test_a_mistyped_birth_date_finds_nobody_and_the_answer_says_who_was_heard(gateway: Running) -> None:
    wrong = WHOLE | {"birthDate": "1967-06-15"}
    found = await find(gateway, **wrong)
    assert (found["status"], found["completeness"], found["candidates"]) == ("NONE", "COMPLETE", [])
    assert "does not mean that nobody is there" in found["notice"]
    gateway.faults["pas"].down = True
    found = await find(gateway, **wrong)
    assert (found["status"], found["completeness"]) == ("NONE", "PARTIAL")
    assert told(found)["pas"] == ("UNAVAILABLE", "SOURCE_UNAVAILABLE")


async def test_with_every_source_down_nobody_was_heard(gateway: Running) -> None:
    for fault in gateway.faults.values():
        fault.down = True
    found = await find(gateway, **WHOLE)
    assert (found["status"], found["completeness"]) == ("NONE", "UNAVAILABLE")


RESTRICTED = {"family": "Hollowbeck", "given": "Tamsin", "birthDate": born("39:04-05")}
HERS = {"SURNAME": "Hollowbeck", "FORENAME": "Tamsin", "DOB": render("{{born:39:04-05|uk}}", CLOCK), "GENDER": "F"}


async def test_a_restricted_person_is_not_found_and_the_answer_is_that_about_nobody(gateway: Running) -> None:
    hers = await find(gateway, **RESTRICTED)
    nobodys = await find(gateway, family="Nosuchname", given="Tamsin", birthDate=born("39:04-05"))
    for found in (hers, nobodys):
        for each in found["sources"]:
            each["latencyMs"] = None
    assert hers == nobodys
    assert (hers["status"], hers["completeness"]) == ("NONE", "COMPLETE")


@pytest.mark.parametrize("number", [{}, {"NHS": TAMSIN, "NHS_STATUS": "01"}, {"NHS": TAMSIN, "NHS_STATUS": "02"}])
async def test_a_source_that_does_not_know_of_the_restriction_does_not_give_a_restricted_person_away(
    tmp_path: Path, number: dict[str, str]
) -> None:
    row = HERS | number | {"PERSON_REF": "AMB-1", "ADDRESS": "51 Withy Bank", "POSTCODE": "ZZ9 3WB"}
    async with moved(tmp_path, "ooh", ambulance(row)) as gateway:
        found = await find(gateway, **RESTRICTED)
        assert (found["status"], told(found)["ooh"]) == ("NONE", ("OK", None))


@pytest.mark.parametrize(
    ("number", "given", "token", "shown"),
    [(LOUISE, "Louise", "31:09-02", [LOUISE]), (TAMSIN, "Tamsin", "39:04-05", [])],
    ids=["anybody", "restricted"],
)
async def test_whom_a_source_has_under_a_new_name_is_known_to_the_authority_by_number(
    tmp_path: Path, number: str, given: str, token: str, shown: list[str]
) -> None:
    row = {"PERSON_REF": "AMB-1", "NHS": number, "NHS_STATUS": "01", "SURNAME": "Newname", "FORENAME": given}
    home = {"ADDRESS": "3 Lanternfield Close", "POSTCODE": "ZZ9 8LC", "GENDER": "F"}
    app = ambulance(row | home | {"DOB": render(f"{{{{born:{token}|uk}}}}", CLOCK)})
    async with moved(tmp_path, "ooh", app) as gateway:
        found = await find(gateway, family="Newname", given=given, birthDate=born(token))
        assert numbers(found) == shown
        assert found["completeness"] == "COMPLETE"


async def test_whom_the_authority_restricts_by_a_label_alone_is_not_found_under_a_name_that_it_does_not_know(
    tmp_path: Path,
) -> None:
    raw = Raw(CLOCK)
    people = list(raw.documents("pds/patients").values())
    (hers,) = [one for one in people if one["id"] == LOUISE]
    hers["meta"] = {**hers.get("meta", {}), "security": [{"code": " r"}]}
    ooh = {"PERSON_REF": "AMB-1", "NHS": LOUISE, "NHS_STATUS": "01", "SURNAME": "Newname", "FORENAME": "Louise"}
    home = {"ADDRESS": "3 Lanternfield Close", "POSTCODE": "ZZ9 8LC", "GENDER": "F"}
    row = ooh | home | {"DOB": render("{{born:31:09-02|uk}}", CLOCK)}
    authority = pds_app(people, raw.document("pds/superseded.json"), base_path="/fhir")
    async with http_server(authority, Faults()) as port:
        changed = moved(tmp_path, "ooh", ambulance(row), also=("pds", f"{port}/fhir"))
        async with changed as gateway:
            found = await find(gateway, family="Newname", given="Louise", birthDate=born("31:09-02"))
            assert (found["status"], numbers(found)) == ("NONE", [])


async def test_who_must_not_be_asked_about_the_restricted_is_in_no_search(gateway: Running) -> None:
    assert told(await find(gateway, **WHOLE))["cmht"] == ("NOT_ASKED", "SEARCH_NOT_OFFERED")
    for source in gateway.service.sources.values():
        if source.table.id == "cmht":
            source.adapter.search_needs = frozenset({"family"})
    found = await find(gateway, **WHOLE)
    assert told(found)["cmht"] == ("NOT_ASKED", "RESTRICTION_UNKNOWN")
    assert found["completeness"] == "COMPLETE", "it is in no search, whatever is stated"


async def test_while_the_authority_is_silent_nobody_is_shown_whom_it_has_not_cleared(gateway: Running) -> None:
    gateway.faults["pds"].down = True
    for search in (WHOLE, {"family": "Ashgrove", "given": "Corwin", "birthDate": born("27:07-19")}):
        found = await find(gateway, **search)
        assert (found["status"], found["completeness"]) == ("NONE", "PARTIAL")
        assert told(found)["pds"] == ("UNAVAILABLE", "SOURCE_UNAVAILABLE")
        assert told(found)["pas"] == ("OK", None)


async def test_a_source_that_hangs_costs_itself_and_the_deadline_holds(tmp_path: Path) -> None:
    async with started(tmp_path, edit=lambda text: text.replace('timeout = "8s"', 'timeout = "60s"')) as gateway:
        gateway.faults["epr"].hold = asyncio.Event()
        found = await asyncio.wait_for(find(gateway, deadline="PT1.5S", **WHOLE), timeout=30)
        assert told(found)["epr"] == ("UNAVAILABLE", "SOURCE_TIMEOUT")
        assert (MICHAEL in numbers(found), found["completeness"]) == (True, "PARTIAL")


async def test_a_source_that_answers_nonsense_or_refuses_is_said_to(gateway: Running, tmp_path: Path) -> None:
    gateway.faults["epr"].garbage = True
    gateway.faults["pas"].garbage = True
    found = await find(gateway, **WHOLE)
    assert {told(found)[source] for source in ("epr", "pas")} == {("UNAVAILABLE", "SOURCE_INVALID")}
    assert MICHAEL in numbers(found)


async def test_a_refusal_is_no_empty_answer(tmp_path: Path) -> None:
    async with moved(tmp_path, "epr", patients_only(status=403)) as gateway:
        found = await find(gateway, **WHOLE)
        assert told(found)["epr"] == ("UNAVAILABLE", "SOURCE_AUTH")
        assert found["completeness"] == "PARTIAL"


async def test_people_who_do_not_fit_are_not_shown_whoever_offers_them(tmp_path: Path) -> None:
    async with moved(tmp_path, "ooh", ambulance(HERS | {"PERSON_REF": "AMB-1"}, ignores_search=True)) as gateway:
        found = await find(gateway, **WHOLE)
        assert {name["given"][0] for one in found["candidates"] for name in one["names"]} == {"Michael"}
        assert not [row for row in trail(gateway) if "mismatch" in row["detail"]], "offered is not given as theirs"


async def test_a_crowd_is_too_many_and_the_first_of_it_are_shown(tmp_path: Path) -> None:
    async with moved(tmp_path, "epr", patients_only(*map(resource, range(60)))) as gateway:
        found = await find(gateway, **WHOLE)
        assert (found["status"], found["truncated"], len(found["candidates"])) == ("TOO_MANY", True, 20)
        assert found["candidates"][0]["identifiers"][0]["value"] == MICHAEL, "whom more sources know comes first"


async def test_a_source_that_has_more_than_it_gives_makes_it_too_many(tmp_path: Path) -> None:
    more = {"link": [{"relation": "next", "url": "http://127.0.0.1/next"}]}
    async with moved(tmp_path, "epr", patients_only(resource(1), **more)) as gateway:
        found = await find(gateway, **WHOLE)
        assert told(found)["epr"] == ("PARTIAL", "TOO_MANY_MATCHES")
        assert (found["status"], found["truncated"], found["completeness"]) == ("TOO_MANY", True, "PARTIAL")


async def test_a_caller_finds_nothing_of_a_source_that_is_denied_to_them(tmp_path: Path) -> None:
    tokens = """
[[access.tokens]]
token = "env:TEST_DESK_TOKEN"
user = "desk"
role = "Clerk"
organization = "ZRH"
deny_sources = ["ooh", "epr"]
"""
    async with started(tmp_path, tokens=tokens) as gateway:
        found = await find(gateway, headers={"Authorization": f"Bearer {DESK}"}, **WHOLE)
        assert {"ooh", "epr"}.isdisjoint(told(found))
        assert [known_to(one) for one in found["candidates"]] == [{"pds", "pas", "socialcare"}]
        assert numbers(found) == [MICHAEL]


async def test_a_search_links_nobody_and_keeps_nothing(gateway: Running) -> None:
    await find(gateway, **WHOLE)
    asked = {source: gateway.faults[source].asked for source in ("pds", "epr", "pas", "ooh")}
    assert await gateway.service.crossref.events() == ()
    await find(gateway, **WHOLE)
    assert all(gateway.faults[source].asked == 2 * before for source, before in asked.items()), "no answer is kept"


async def test_the_trail_says_who_searched_by_what_and_whom_they_were_shown_and_no_value_of_it(
    gateway: Running,
) -> None:
    await find(gateway, **WHOLE)
    asked, *shown = trail(gateway)
    assert (asked["kind"], asked["patient"], json.loads(asked["detail"])) == (
        "access",
        None,
        {"search": "birth_date family given"},
    )
    assert {source for source, _ in json.loads(asked["sources"])} == {"pds", "pas", "epr", "ooh", "socialcare"}
    assert [row["kind"] for row in shown] == ["disclosure", "disclosure"]
    assert [row["patient"] for row in shown] == [f"{NHS}|{MICHAEL}", "ooh|Patient/AMB-77810"]
    assert all(json.loads(row["records"]) and row["answer"] for row in shown)
    await find(gateway, family="Nosuchname", birthDate="1967-06-14")
    *_, access, nobody = trail(gateway)
    assert (access["kind"], nobody["kind"], nobody["patient"]) == ("access", "disclosure", None)
    assert json.loads(nobody["detail"]) == {"search": "NONE"}
    assert "Nosuchname" not in json.dumps(trail(gateway))


async def test_without_a_durable_record_nobody_is_asked(gateway: Running) -> None:
    await gateway.service.audit.close()  # type: ignore[attr-defined]
    answer = await gateway.ask(FIND, search=WHOLE)
    assert answer["errors"][0]["extensions"]["code"] == "AUDIT_UNAVAILABLE"
    assert all(fault.asked == 0 for fault in gateway.faults.values())


@pytest.mark.parametrize(
    ("search", "code"),
    [
        ({"family": "Quillfeather"}, "SEARCH_TOO_WIDE"),
        ({"family": "Quillfeather", "given": "Michael", "gender": "male"}, "SEARCH_TOO_WIDE"),
        ({"family": "Quill*", "birthDate": "1967-06-14"}, "ARGUMENT_INVALID"),
        ({"family": "Quillfeather", "birthDate": "14/06/1967"}, "GRAPHQL_INVALID"),
    ],
)
async def test_a_search_that_is_too_wide_is_refused_before_anybody_is_asked(
    gateway: Running, search: dict[str, str], code: str
) -> None:
    error = await gateway.refused(FIND, search=search)
    assert error["extensions"]["code"] == code
    assert "Quill" not in json.dumps(error)
    assert all(fault.asked == 0 for fault in gateway.faults.values())


async def test_a_purpose_that_is_not_granted_is_refused_and_recorded(gateway: Running) -> None:
    error = await gateway.refused(FIND, search=WHOLE, headers={"Sherwood-Purpose": "HMARKT"})
    assert error["extensions"]["code"] == "ACCESS_DENIED"
    (row,) = trail(gateway)
    assert (row["kind"], row["patient"]) == ("refusal", None)


async def test_without_an_authority_the_sources_own_word_counts(tmp_path: Path) -> None:
    async with started(tmp_path, edit=lambda text: text.replace('authority = "pds"\n', "")) as gateway:
        found = await find(gateway, **WHOLE)
        assert numbers(found) == [MICHAEL]
        assert (await find(gateway, **RESTRICTED))["status"] == "NONE", "two sources mark her as restricted"


@pytest.fixture
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(out, "_width", 200)


@pytest.mark.usefixtures("_wide")
async def test_the_command_line_shows_who_was_found_as_a_table_and_what_is_missing(gateway: Running) -> None:
    at = ("--url", f"{gateway.url}/graphql", "--token", "env:TEST_WARD_TOKEN")
    who = ("--family", "quillfeather", "--given", "michael", "--birth-date", WHOLE["birthDate"])
    said = await sherwood("find", *who, *at)
    for text in (
        "999 407 1009",
        "Michael Aubrey",
        "1967-06-14",
        "probable",
        "Ravensbrook Hospital PAS",
        "Several people",
    ):
        assert text in said
    assert "may be missing" not in said
    assert "no number to ask with" in said
    gateway.faults["pas"].down = True
    said = await sherwood("find", "--family", "Nosuchname", "--birth-date", date(1967, 6, 14).isoformat(), *at)
    assert "Nobody found" in said
    assert "somebody may be missing" in said
    assert "Ravensbrook Hospital PAS: SOURCE_UNAVAILABLE" in said
    assert "does not mean that nobody is there" in " ".join(said.split())
