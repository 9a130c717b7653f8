"""One human by two numbers of the authority, a block under an earlier number, and who saw somebody by a search."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from adapters.demo.raw import Raw
from adapters.fhir.simulate import pds_app
from adapters.sdk import NHS_NUMBER
from gateway.identity.ledger import EventKind
from schema.model.values import Identifier
from tests.graphql.conftest import CLOCK, MICHAEL, Running, started
from tests.graphql.everybody import WHOLE as EVERYTHING
from tests.graphql.everybody import facts, links_of, source_of
from tests.graphql.everybody import raw as asked
from tests.graphql.test_people_found_by_name import lasting
from tests.graphql.test_search import HERS, HOSPITAL, WHOLE, ambulance, find, known_to, moved, numbers
from tests.graphql.test_stewards import (
    AS_NOVICE,
    AS_STEWARD,
    LINK,
    NOVICE,
    RESTRICTED,
    STEWARD,
    STEWARDS,
    UNLINK,
    about,
    decided,
    not_decided,
    work,
)

HIS = ("epr", "Patient/epr-4471902")
HIS_MRN = "4471902"
CURRENT, EARLIER = "9996502007", "9992217006"
UNMARKED = "Patient/AMB-1"


@pytest.fixture(autouse=True)
def _tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_STEWARD_TOKEN", STEWARD)
    monkeypatch.setenv("TEST_NOVICE_TOKEN", NOVICE)


@pytest.fixture
async def hospital(tmp_path: Path) -> AsyncIterator[Running]:
    """The gateway where the hospital's index is the authority: it is asked by NHS numbers and by its own."""

    def edit(text: str) -> str:
        mrn = f'receiving_facility = "ZRH"\nmrn_system = "{HOSPITAL}"\n'
        return text.replace('receiving_facility = "ZRH"\n', mrn, 1).replace('authority = "pds"', 'authority = "pas"')

    async with started(tmp_path, edit=edit, tokens=STEWARDS) as gateway:
        yield gateway


async def by(gateway: Running, system: str, number: str) -> Any:
    return json.loads(await asked(gateway, number, system=system, selection=EVERYTHING))["data"]["patient"]


async def test_the_record_is_the_same_whichever_of_the_persons_numbers_is_asked_for(hospital: Running) -> None:
    by_number = await by(hospital, NHS_NUMBER, MICHAEL)
    by_mrn = await by(hospital, HOSPITAL, HIS_MRN)
    assert by_mrn["identifier"]["value"] == MICHAEL
    assert facts(by_mrn).keys() == facts(by_number).keys() != set()
    assert lasting(by_mrn["links"]) == lasting(by_number["links"])
    persons = {event.person for event in await hospital.service.crossref.events() if event.kind is EventKind.OBSERVE}
    assert len(persons) == 1
    assert await hospital.service.crossref.replay()


async def test_what_a_steward_unlinks_under_one_number_is_not_shown_under_the_other(hospital: Running) -> None:
    await by(hospital, HOSPITAL, HIS_MRN)
    mrn = about(HIS_MRN, HIS) | {"identifier": {"system": HOSPITAL, "value": HIS_MRN}}
    done = await decided(hospital, UNLINK, mrn)
    assert done["decision"]["before"] == "LINKED"
    for system, number in ((NHS_NUMBER, MICHAEL), (HOSPITAL, HIS_MRN)):
        record = await by(hospital, system, number)
        assert [link["status"] for link in links_of(record, "epr")] == ["BLOCKED"], system
        assert not [fact for fact in facts(record) if fact.startswith("epr:")]


async def test_who_saw_a_person_by_a_search_is_among_those_who_saw_what_a_link_showed(hospital: Running) -> None:
    await find(hospital, **WHOLE)
    await hospital.record("links { grade }", headers=AS_STEWARD)
    seen = (await decided(hospital, UNLINK, about(MICHAEL, HIS)))["seenBy"]
    assert {one["user"] for one in seen} == {"jacky", "r.hale"}
    await find(hospital, **WHOLE)
    again = (await decided(hospital, UNLINK, about(MICHAEL, HIS)))["seenBy"]
    assert again == seen, "by the search after it nothing of that record was shown as his"


@pytest.mark.parametrize("known_by_both", [False, True])
async def test_a_block_under_an_earlier_number_keeps_a_record_out_of_the_persons_candidate(
    tmp_path: Path, known_by_both: bool
) -> None:
    """Decided before the authority replaced the number, and nobody has asked by the earlier one since."""
    row = {"PERSON_REF": "AMB-1", "NHS": EARLIER, "NHS_STATUS": "01", "SURNAME": "Brackenshaw", "FORENAME": "Ottoline"}
    home = {"ADDRESS": "The Old Signal Box", "POSTCODE": "ZZ9 2SB", "GENDER": "F", "DOB": "23/11/1953"}
    search = {"family": "Brackenshaw", "given": "Ottoline", "birthDate": "1953-11-23"}
    async with moved(tmp_path, "ooh", ambulance(row | home)) as gateway:
        (one,) = (await find(gateway, **search))["candidates"]
        assert known_to(one) == {"pds", "ooh"}
        crossref = gateway.service.crossref
        then = await crossref.ensure_person(Identifier(system=NHS_NUMBER, value=EARLIER))
        await crossref.unlink("ooh", UNMARKED, then, by="r.hale")
        if known_by_both:
            await crossref.ensure_person(Identifier(system=NHS_NUMBER, value=CURRENT))
        found = await find(gateway, **search)
        assert sorted(map(sorted, map(known_to, found["candidates"]))) == [["ooh"], ["pds"]]
        assert numbers(found) == [CURRENT]


async def test_nobody_of_whom_the_authority_says_that_they_are_restricted_is_on_the_list_of_who_may_not_see_it(
    tmp_path: Path,
) -> None:
    """The ambulance does not know that she is restricted: its record has no mark."""
    async with moved(tmp_path, "ooh", ambulance(HERS | {"PERSON_REF": "AMB-1"}), tokens=STEWARDS) as gateway:
        before = await work(gateway, AS_NOVICE)
        await gateway.record("links { grade }", number=RESTRICTED)
        listed = {item["localId"] for item in (await work(gateway))["nodes"]}
        assert UNMARKED in listed
        after = await work(gateway, AS_NOVICE)
        assert after == before, "no item, no count and no page more"
        hers = await not_decided(gateway, LINK, about(RESTRICTED, ("ooh", UNMARKED)), AS_NOVICE)
        nobodys = await not_decided(gateway, LINK, about(CURRENT, ("ooh", UNMARKED)), AS_NOVICE)
        assert hers == nobodys
        assert hers["extensions"]["code"] == "LINK_UNKNOWN"
        assert (await decided(gateway, LINK, about(RESTRICTED, ("ooh", UNMARKED)), headers=AS_STEWARD))["decision"]


async def test_whom_the_authority_restricts_by_a_label_alone_is_restricted_when_asked_for_by_number(
    tmp_path: Path,
) -> None:
    raw = Raw(CLOCK)
    people = list(raw.documents("pds/patients").values())
    (hers,) = [one for one in people if one["id"] == CURRENT]
    hers["meta"] = {**hers.get("meta", {}), "security": [{"code": " r"}]}
    authority = pds_app(people, raw.document("pds/superseded.json"), base_path="/fhir")
    async with moved(tmp_path, "pds", authority, "/fhir") as gateway:
        record = await by(gateway, NHS_NUMBER, CURRENT)
        assert source_of(record, "gp")["code"] == "PATIENT_RESTRICTED"
        assert gateway.faults["gp"].asked == 0
