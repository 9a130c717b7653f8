"""Who is found by name and birth date: the ambulance knows no numbers. Shown only after a steward says who it is."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters.demo import SECRETS
from adapters.demo.raw import Raw
from adapters.demo.vendors import ooh_api
from adapters.rest.simulate import VendorApi, vendor_app
from adapters.testing.simulation import Faults, http_server
from tests.graphql.conftest import CLOCK, MICHAEL, Running, started
from tests.graphql.everybody import OTHERS, facts, links_of, source_of, whole
from tests.graphql.test_stewardship import sherwood

AMBULANCE = "Patient/AMB-77810"
WHY = ("--by", "a.steward", "--reason", "seen with his wallet")
AFTER = [entry["shows"] for entry in OTHERS["after_link"]]
HEARD_OF = "CANARY-ROWAN-7E2A"
"""In the ambulance's record of him."""
MICHELLE = ("AMB-77793", "CANARY-REDWING-08D3", "Michelle", "Gasworks")


def lasting(answer: Any) -> Any:
    """An answer without what differs between two askings of the same: how long it took, when it was had, and the bytes
    in which the same demographics came, once by number and once by local id."""
    if isinstance(answer, dict):
        passing = ("latencyMs", "asOf", "retrieved", "cache", "recordHash")
        return {key: lasting(value) for key, value in answer.items() if key not in passing}
    return list(map(lasting, answer)) if isinstance(answer, list) else answer


def trail(gateway: Running) -> list[str]:
    """What the audit trail says of whose records were met."""
    with closing(sqlite3.connect(gateway.service.config.audit_path)) as db:
        return [detail for (detail,) in db.execute("SELECT detail FROM trail")]


@asynccontextmanager
async def beside(tmp_path: Path, **habits: Any) -> AsyncIterator[Running]:
    """The gateway over the estate, with an out-of-hours vendor whose API has other habits."""
    api = replace(ooh_api(Raw(CLOCK).texts("ooh"), SECRETS["SHERWOOD_DEMO_OOH_KEY"]), **habits)
    async with http_server(vendor_app(api), Faults()) as port:

        def moved(config: str) -> str:
            before, here, after = config.partition('id = "ooh"')
            settings, mapping, rest = after.partition(', mapping = "adapters.demo:mappings/ooh.toml"')
            settings = settings[: settings.rindex("http://")] + f'http://127.0.0.1:{port}"'
            return before + here + settings + mapping + rest

        async with started(tmp_path, edit=moved) as gateway:
            yield gateway


def people(*names: str) -> tuple[dict[str, Any], ...]:
    api: VendorApi = ooh_api(Raw(CLOCK).texts("ooh"), "")
    return tuple(row for row in api.people if row["PERSON_REF"] in names)


async def test_an_ambulance_record_without_a_number_is_said_to_be_there_and_nothing_of_it_is_shown(
    gateway: Running,
) -> None:
    record, text = await whole(gateway, MICHAEL)
    assert (source_of(record, "ooh")["state"], source_of(record, "ooh")["code"]) == ("PARTIAL", "PRESENT_NOT_LINKED")
    assert [(x["status"], x["localId"]) for x in links_of(record, "ooh")] == [
        ("LINKED", "Patient/OOH-55120"),
        ("PRESENT_NOT_LINKED", None),
    ]
    assert not {shown["id"] for shown in AFTER} & facts(record).keys()
    assert "AMB-77810" not in text
    assert HEARD_OF not in text
    for name in ("encounters", "observations", "medications"):
        assert record[name]["status"] == "PARTIAL", "the record that is not linked may hold some"


async def test_an_ambulance_record_is_shown_once_a_steward_links_it_and_gone_again_once_it_is_unlinked(
    gateway: Running, tmp_path: Path
) -> None:
    before, _ = await whole(gateway, MICHAEL)
    await sherwood(tmp_path, "link", MICHAEL, "ooh", AMBULANCE, *WHY)
    linked, text = await whole(gateway, MICHAEL)
    of_sources = facts(linked)
    for shown in AFTER:
        fact = of_sources[shown["id"]]
        assert fact["provenance"]["localPatientId"] == AMBULANCE
        stated = [fact.get(name) for name in ("effective", "when", "period")]
        starts = {(each.get("start") or each)["earliest"] for each in stated if each}
        assert shown["when"] in starts
    assert HEARD_OF in text
    assert AMBULANCE in {link["localId"] for link in links_of(linked, "ooh") if link["status"] == "LINKED"}
    assert facts(before).keys() < of_sources.keys(), "and no other fact is lost"

    await sherwood(tmp_path, "unlink", MICHAEL, "ooh", AMBULANCE, *WHY)
    after, text = await whole(gateway, MICHAEL)
    assert HEARD_OF not in text
    assert lasting(after) == lasting(before), "to the letter: what would be held anyway is not said to be blocked"


async def test_somebody_with_the_same_birth_date_and_family_name_is_not_even_said_to_be_there(
    tmp_path: Path,
) -> None:
    """A vendor whose search ignores given names offers Michelle for Michael: offered is not given."""
    async with beside(tmp_path, demographics={"SURNAME": "SURNAME", "DOB": "DOB"}) as gateway:
        record, text = await whole(gateway, MICHAEL)
        assert not [word for word in MICHELLE if word in text]
        assert [x["status"] for x in links_of(record, "ooh")] == ["LINKED", "PRESENT_NOT_LINKED"], "the two of him"
        assert source_of(record, "ooh")["code"] == "PRESENT_NOT_LINKED"
        assert not [detail for detail in trail(gateway) if '"mismatch"' in detail or "AMB-77793" in detail]


async def test_a_source_that_only_offers_somebody_else_does_not_know_the_person(tmp_path: Path) -> None:
    loosely = {"SURNAME": "SURNAME", "DOB": "DOB"}
    async with beside(tmp_path, demographics=loosely, people=people("AMB-77793")) as gateway:
        record, text = await whole(gateway, MICHAEL)
        assert not [word for word in MICHELLE if word in text]
        assert (source_of(record, "ooh")["state"], source_of(record, "ooh")["code"]) == (
            "NOT_LINKED",
            "PATIENT_NOT_FOUND",
        )
        assert links_of(record, "ooh") == []
        in_medications = next(s for s in record["medications"]["sources"] if s["source"]["id"] == "ooh")
        assert [gap["kind"] for gap in in_medications["gaps"]] == ["NOT_HELD"]
        assert '"mismatch"' not in "".join(trail(gateway))


async def test_a_person_whom_the_number_did_not_find_may_still_be_the_one_offered(tmp_path: Path) -> None:
    async with beside(tmp_path, people=people("AMB-77810")) as gateway:
        record, _ = await whole(gateway, MICHAEL)
        assert (source_of(record, "ooh")["state"], source_of(record, "ooh")["code"]) == (
            "NOT_LINKED",
            "PRESENT_NOT_LINKED",
        )
        assert [(x["status"], x["localId"]) for x in links_of(record, "ooh")] == [("PRESENT_NOT_LINKED", None)]


async def test_somebody_else_in_the_answer_to_a_question_by_number_is_a_wrong_answer(tmp_path: Path) -> None:
    async with beside(tmp_path, ignores_search=True) as gateway:
        record, text = await whole(gateway, MICHAEL)
        assert source_of(record, "ooh")["code"] == "IDENTITY_MISMATCH"
        assert not [word for word in MICHELLE if word in text]
        assert '"mismatch"' in "".join(trail(gateway))


@pytest.mark.parametrize("found", [("AMB-77810", "AMB-77793"), ("AMB-77793",)])
async def test_what_was_offered_and_is_nobodys_is_in_no_stewards_list(tmp_path: Path, found: tuple[str, ...]) -> None:
    loosely = {"SURNAME": "SURNAME", "DOB": "DOB"}
    async with beside(tmp_path, demographics=loosely, people=people(*found)) as gateway:
        await whole(gateway, MICHAEL)
        said = await sherwood(tmp_path, "links", MICHAEL, "--by", "a.steward")
        assert "AMB-77793" not in said
        assert ("AMB-77810" in said) == ("AMB-77810" in found)
