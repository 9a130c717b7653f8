"""Everybody else in the estate: twins, father and son, a superseded number, a restricted person, one nobody knows."""

import pytest

from tests.graphql.conftest import Running
from tests.graphql.test_ledger import LEDGER

SELECTION = (
    "identifier { value } sources { source { id } state code facts } links { source { id } localId grade status }"
)


SUPERSEDED = {"9996502007": "9992217006"}


@pytest.mark.parametrize("number", sorted({other["identifier"] for other in LEDGER["other"]}))
async def test_each_source_is_linked_held_or_absent_as_the_ledger_says(gateway: Running, number: str) -> None:
    superseded = SUPERSEDED.get(number)
    if superseded:  # the authority tells of an earlier number when it is asked by it, and the gateway remembers
        await gateway.record("identifier { value }", number=superseded)
    record = await gateway.record(SELECTION, number=number)
    sources = {source["source"]["id"]: source for source in record["sources"]}
    links = {link["source"]["id"]: link for link in record["links"]}
    for other in (entry for entry in LEDGER["other"] if entry["identifier"] == number):
        source, link = sources[other["source"]], links.get(other["source"])
        match other["status"]:
            case "linked":
                assert link is not None
                assert (link["status"], link["grade"]) == ("LINKED", other["grade"])
                assert link["localId"] == f"Patient/{other['local_id']}"
                assert source["facts"] > 0
            case "not-linked":
                assert link is not None
                assert (link["status"], link["grade"]) == ("PRESENT_NOT_LINKED", other["grade"])
                assert link["localId"] is None, "it may be somebody else's"
                assert (source["state"], source["facts"]) == ("NOT_LINKED", 0)
            case "withheld":
                assert (source["state"], source["code"]) == ("WITHHELD", "PATIENT_RESTRICTED")
                assert source["facts"] == 0
            case "absent":
                assert (source["state"], source["code"]) == ("NOT_LINKED", "PATIENT_NOT_FOUND")
                assert source["facts"] == 0


async def test_gp_connect_is_never_called_for_a_restricted_person(gateway: Running) -> None:
    await gateway.record("allergies { totalCount }", number="9998843006")
    assert gateway.faults["gp"].asked == 0


async def test_a_superseded_number_leads_to_the_current_one(gateway: Running) -> None:
    record = await gateway.record("identifier { value } patient { identifiers { value } }", number="9992217006")
    assert record["identifier"]["value"] == "9996502007"
    assert "9992217006" in {i["value"] for i in record["patient"]["identifiers"]}
    assert gateway.faults["pds"].asked > 0


async def test_a_twin_filed_under_her_sisters_number_shows_no_fact_to_either(gateway: Running) -> None:
    for number in ("9991830006", "9991831002"):
        record = await gateway.record(
            "observations { entries { nodes { provenance { source { id } } } } }", number=number
        )
        told = {p["source"]["id"] for entry in record["observations"]["entries"]["nodes"] for p in entry["provenance"]}
        assert "telehealth" not in told


async def test_a_person_nobody_knows_has_empty_sections_that_do_not_say_none(gateway: Running) -> None:
    record = await gateway.record("allergies { totalCount emptyReason status }", number="9997725018")
    assert record["allergies"]["totalCount"] == 0
    assert record["allergies"]["emptyReason"] == "NOT_HELD"


async def test_no_known_allergies_is_said_by_who_stated_it_and_only_when_all_were_heard(
    gateway: Running,
) -> None:
    selection = (
        "allergies { status emptyReason totalCount entries { nodes { polarity provenance { source { id } } } } }"
    )
    whole = (await gateway.record(selection, number="9991830006"))["allergies"]
    assert [node["polarity"] for node in whole["entries"]["nodes"]] == ["ABSENT"]
    gateway.faults["epr"].down = True
    gateway.service.cache.__init__(gateway.service.config.gateway.cache_bytes)  # type: ignore[misc]
    partial = (await gateway.record(selection, number="9991830006"))["allergies"]
    assert partial["status"] == "PARTIAL"
    assert partial["emptyReason"] != "NONE_KNOWN"
