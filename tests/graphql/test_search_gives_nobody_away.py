"""Of a restricted person a search says, and does, what it says and does of nobody."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from adapters.demo.clock import render
from adapters.demo.raw import Raw
from adapters.fhir.simulate import pds_app
from adapters.testing.simulation import Faults, http_server
from gateway.finding import STEP_MS
from tests.graphql.conftest import CLOCK, Running
from tests.graphql.test_search import TAMSIN, WHOLE, ambulance, born, find, moved, told

HERS = {"family": "Newname", "given": "Tamsin", "birthDate": born("39:04-05")}
NOBODYS = HERS | {"family": "Nosuchname"}
_ROW = {"PERSON_REF": "AMB-1", "NHS": TAMSIN, "NHS_STATUS": "01", "SURNAME": "Newname", "FORENAME": "Tamsin"}
UNDER_A_NEW_NAME = _ROW | {"GENDER": "F", "DOB": render("{{born:39:04-05|uk}}", CLOCK)}
"""The ambulance knows the restricted person by a name of which the authority does not know: it is asked by number."""


def refusing(status: int, *only: str) -> web.Application:
    """The authority, which is searched as always and fails when it is asked about these numbers, or about any."""

    @web.middleware
    async def refuse(request: web.Request, handler: Any) -> web.StreamResponse:
        number = request.path.rpartition("/Patient/")[2]
        if number.isdigit() and (not only or number in only):
            return web.Response(status=status)
        answer: web.StreamResponse = await handler(request)
        return answer

    raw = Raw(CLOCK)
    people = list(raw.documents("pds/patients").values())
    app = pds_app(people, raw.document("pds/superseded.json"), base_path="/fhir")
    app.middlewares.append(refuse)
    return app


@asynccontextmanager
async def over(tmp_path: Path, authority: web.Application) -> AsyncIterator[Running]:
    """The estate with this authority, and an ambulance that knows her by her new name."""
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(http_server(authority, Faults()))
        known = ambulance(UNDER_A_NEW_NAME)
        yield await stack.enter_async_context(moved(tmp_path, "ooh", known, also=("pds", f"{port}/fhir")))


def without_times(found: dict[str, Any]) -> dict[str, Any]:
    return {**found, "sources": [{**each, "latencyMs": None} for each in found["sources"]]}


@pytest.mark.parametrize("status", [503, 403], ids=["down", "refused"])
async def test_when_the_authority_speaks_of_no_number_the_answer_about_a_restricted_person_is_that_about_nobody(
    tmp_path: Path, status: int
) -> None:
    async with over(tmp_path, refusing(status)) as gateway:
        hers, nobodys = [without_times(await find(gateway, **search)) for search in (HERS, NOBODYS)]
        assert hers == nobodys
        assert told(nobodys)["pds"][0] == "PARTIAL", "who was not cleared may be missing, and that is said"
        assert nobodys["completeness"] == "PARTIAL"


async def test_when_the_authority_does_not_speak_of_a_restricted_person_the_answer_is_that_about_nobody(
    tmp_path: Path,
) -> None:
    async with over(tmp_path, refusing(403, TAMSIN)) as gateway:
        hers, nobodys = [without_times(await find(gateway, **search)) for search in (HERS, NOBODYS)]
        assert hers == nobodys
        assert (hers["status"], hers["completeness"]) == ("NONE", "COMPLETE")


async def test_the_authority_is_asked_about_a_number_also_when_nobody_was_found(tmp_path: Path) -> None:
    async with moved(tmp_path, "ooh", ambulance(UNDER_A_NEW_NAME)) as gateway:
        asked = []
        for search in (NOBODYS, NOBODYS, HERS, HERS):
            before = gateway.faults["pds"].asked
            await find(gateway, **search)
            asked.append(gateway.faults["pds"].asked - before)
        assert asked == [2, 2, 3, 2], "a search and a number that is nobody's; once hers too, beside that"


async def test_how_long_a_source_took_is_told_in_steps_that_hide_what_it_had_to_read(gateway: Running) -> None:
    found = await find(gateway, **WHOLE)
    taken = [each["latencyMs"] for each in found["sources"] if each["latencyMs"] is not None]
    assert taken
    assert all(each > 0 and each % STEP_MS == 0 for each in taken)
