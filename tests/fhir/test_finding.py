"""`find` over real sockets: what a FHIR server, and PDS, are asked by, and what they may answer."""

import json
from datetime import date
from typing import Any

import pytest
from aiohttp import web
from pydantic import ValidationError

from adapters.fhir import FhirSettings
from adapters.fhir.simulate import pds_app, search_app
from adapters.sdk import PatientSearch, SourceAuth, SourceInvalid, SourceRecord, SourceRequest
from adapters.testing.conformance import call
from schema.model.clinical import Patient
from schema.model.fact import PATIENT_NOT_FOUND, Gap, GapKind
from tests.fhir.records import NUMBER, hospital_record, patient, searchset

PERSON = patient(NUMBER)
FAMILY = PERSON["name"][0]["family"]
BORN = date.fromisoformat(PERSON["birthDate"])
WHOLE = PatientSearch(family=FAMILY.upper(), birth_date=BORN)


async def offered(asker: Any, search: PatientSearch = WHOLE) -> SourceRecord:
    (record,) = [record async for record in asker.adapter.find(search, call())]
    assert record.candidates
    assert record.types == {"Patient"}
    return record


def listening(body: Any = None, status: int = 200) -> tuple[web.Application, list[web.Request]]:
    """A server that answers every search for Patient alike, and what it was asked."""
    heard: list[web.Request] = []

    async def search(request: web.Request) -> web.Response:
        heard.append(request)
        data = json.dumps(searchset() if body is None else body).encode()
        return web.Response(body=data, status=status, content_type="application/fhir+json")

    app = web.Application()
    app.router.add_get("/Patient", search)
    return app, heard


@pytest.mark.parametrize("profile", ["search", "pds"])
async def test_who_fits_is_offered_with_demographics_and_nothing_else(asking: Any, profile: str) -> None:
    app = search_app([hospital_record()]) if profile == "search" else pds_app([PERSON])
    async with asking(app, profile=profile, find=True) as asker:
        found = list(asker.adapter.read(await offered(asker)))
        assert [type(one) for one in found] == [Patient]
        nobody = list(asker.adapter.read(await offered(asker, PatientSearch(family="Nosuchname", birth_date=BORN))))
        assert nobody == [Gap(kind=GapKind.NOT_HELD, code=PATIENT_NOT_FOUND)]


async def test_everything_stated_is_asked_by_and_nothing_in_it_can_widen_the_search(asking: Any) -> None:
    app, heard = listening()
    search = PatientSearch(
        family="Har,ker|x", given="Anna Maria", birth_date=BORN, gender="female", postal_code="LS99 1ZZ"
    )
    async with asking(app, find=True) as asker:
        await offered(asker, search)
    (request,) = heard
    assert list(request.query.items()) == [
        ("family", "Har\\,ker\\|x"),
        ("given", "Anna"),
        ("given", "Maria"),
        ("birthdate", f"eq{BORN}"),
        ("gender", "female"),
        ("address-postalcode", "LS99 1ZZ"),
    ]
    assert request.headers["Prefer"] == "handling=strict", "an unknown parameter is to be refused, not left out"


async def test_more_pages_are_said_and_not_fetched(asking: Any) -> None:
    more = searchset(patient(NUMBER)) | {"link": [{"relation": "next", "url": "http://127.0.0.1/never"}]}
    app, heard = listening(more)
    async with asking(app, find=True) as asker:
        assert (await offered(asker)).truncated
    assert len(heard) == 1


async def test_too_many_matches_is_no_answer_of_nobody(asking: Any) -> None:
    others = [patient(NUMBER) | {"id": f"999000{number:04}"} for number in range(3)]
    async with asking(pds_app(others, most=2), profile="pds", find=True) as asker:
        record = await offered(asker)
        assert record.truncated
        gaps = list(asker.adapter.read(record))
        assert gaps == [Gap(kind=GapKind.TRUNCATED, fact_type="Patient", code="TOO_MANY_MATCHES")]


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ({"resourceType": "Patient", "id": "1"}, 200, SourceInvalid),
        ({"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "forbidden"}]}, 200, SourceAuth),
        (
            {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "required"}]},
            400,
            SourceRequest,
        ),
    ],
)
async def test_what_is_no_list_of_people_is_an_error(
    asking: Any, body: Any, status: int, error: type[Exception]
) -> None:
    async with asking(listening(body, status)[0], find=True) as asker:
        with pytest.raises(error):
            await offered(asker)


async def test_a_server_is_searched_only_where_the_settings_say_so(asking: Any) -> None:
    for settings, needs in (
        ({}, None),
        ({"find": True}, {"family"}),
        ({"profile": "pds"}, None),
        ({"profile": "pds", "find": True}, {"family", "birth_date"}),
    ):
        async with asking(pds_app([]), **settings) as asker:
            assert asker.adapter.search_needs == needs
    with pytest.raises(ValidationError, match="NHS number alone"):
        FhirSettings(base_url="http://127.0.0.1:9", profile="gpconnect", find=True)


async def test_check_warns_of_a_server_that_does_not_say_that_it_can_be_searched(asking: Any) -> None:
    async def metadata(_: web.Request) -> web.Response:
        rest = [{"mode": "server", "resource": [{"type": "Patient", "searchParam": [{"name": "identifier"}]}]}]
        return web.json_response({"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1", "rest": rest})

    silent = web.Application()
    silent.router.add_get("/metadata", metadata)
    async with asking(silent, find=True) as asker:
        (warning,) = (await asker.adapter.check(call())).warnings
        assert "family and birthdate" in warning
    async with asking(search_app([hospital_record()]), find=True) as asker:
        assert (await asker.adapter.check(call())).warnings == ()
