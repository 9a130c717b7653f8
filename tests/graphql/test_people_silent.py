"""People of whom something is not said: restricted, refused, on its way, unknown, or said of by one and not another."""

import json
from pathlib import Path

import pytest

from adapters.demo import SOURCES
from schema.model.clinical import SECTIONS
from tests.graphql.conftest import MICHAEL, Running, started
from tests.graphql.everybody import PEOPLE, facts, links_of, raw, source_of, whole

RESTRICTED, REFUSED, IN_TRANSIT = "9998843006", "9995181908", "9998219930"
WRONGLY_DEAD, NOBODYS = "9996281949", "9997725018"
CURRENT, EARLIER = "9996502007", "9992217006"
FORBIDDING = ("gp", "cmht")


async def test_of_a_restricted_person_nothing_clinical_and_nothing_that_tells_where_they_are_is_shown(
    gateway: Running,
) -> None:
    record, text = await whole(gateway, RESTRICTED)
    assert facts(record) == {}
    assert record["patient"] is None
    assert record["links"] == []
    assert {record[name]["totalCount"] for name in SECTIONS} == {0}
    assert "NONE_KNOWN" not in {record[name]["emptyReason"] for name in SECTIONS}
    assert "CANARY" not in text, "addresses, too, carry one"
    for whereabouts in ("ZZ9 0ZZ", "care of the team", "Z81099", "2986114", "58830", "HOLLOWBECK", "postalCode"):
        assert whereabouts.lower() not in text.lower(), whereabouts


async def test_no_source_that_forbids_it_is_asked_about_a_restricted_person(gateway: Running) -> None:
    for source in FORBIDDING:
        gateway.faults[source].down = True  # whoever asks it gets no answer, and would say so
    record, _ = await whole(gateway, RESTRICTED)
    assert gateway.faults["gp"].asked == 0
    for source in FORBIDDING:
        state = source_of(record, source)
        assert (state["state"], state["code"]) == ("WITHHELD", "PATIENT_RESTRICTED")
    asked = {s.labels["source"] for m in gateway.service.metrics.source_answers.collect() for s in m.samples}
    assert not set(FORBIDDING) & asked
    assert "epr" in asked
    other, _ = await whole(gateway, MICHAEL)
    assert {source_of(other, source)["state"] for source in FORBIDDING} == {"UNAVAILABLE"}, "they are really down"


async def test_a_source_that_forbids_it_is_not_asked_while_nobody_knows_whether_the_person_is_restricted(
    gateway: Running,
) -> None:
    await whole(gateway, MICHAEL)
    gateway.service.cache.__init__(gateway.service.config.gateway.cache_bytes)  # type: ignore[misc]
    gateway.faults["pds"].down = True
    record, _ = await whole(gateway, MICHAEL)
    for source in FORBIDDING:
        state = source_of(record, source)
        assert (state["state"], state["code"]) == ("NOT_ASKED", "RESTRICTION_UNKNOWN")


async def test_asked_by_a_superseded_number_the_answer_is_under_the_current_one_with_the_records_under_both(
    gateway: Running,
) -> None:
    record, _ = await whole(gateway, EARLIER)
    assert record["identifier"]["value"] == CURRENT
    assert EARLIER in {i["value"] for i in record["patient"]["identifiers"]}
    linked = {x["source"]["id"] for x in record["links"] if x["status"] == "LINKED"}
    assert linked == {"pds", "gp", "pharmacy", "nursing"}, "two of them under the old number"
    again, _ = await whole(gateway, CURRENT)
    assert facts(again).keys() == facts(record).keys()
    assert {x["source"]["id"] for x in again["links"] if x["status"] == "LINKED"} == linked


async def test_the_facts_of_every_source_are_shown_of_one_whom_the_hospital_says_is_dead(gateway: Running) -> None:
    record, _ = await whole(gateway, WRONGLY_DEAD)
    assert {"pas:Encounter/SP26-0102", "gp:Encounter/enc-seen"} <= facts(record).keys()
    stated = {fact["provenance"]["source"]["id"]: fact["deceased"] for fact in record["patient"]["facts"]}
    assert stated == {"pds": None, "gp": None, "pas": True}


async def test_one_sources_word_that_somebody_died_is_a_conflict_and_never_the_headline(gateway: Running) -> None:
    record, _ = await whole(gateway, WRONGLY_DEAD)
    assert record["patient"]["deceased"] is not True
    assert [conflict["field"] for conflict in record["patient"]["conflicts"]] == ["deceased"]


async def test_while_a_record_is_on_its_way_every_list_of_the_practice_is_partial_and_none_says_none_known(
    gateway: Running,
) -> None:
    record, _ = await whole(gateway, IN_TRANSIT)
    state = source_of(record, "gp")
    assert (state["state"], state["code"]) == ("PARTIAL", "data-in-transit")
    practices = [
        name
        for name in SECTIONS
        if any(s["source"]["id"] == "gp" and s["code"] != "NOT_HELD" for s in record[name]["sources"])
    ]
    assert len(practices) > 6
    assert {name: record[name]["status"] for name in practices} == dict.fromkeys(practices, "PARTIAL")
    for name in practices:
        (of_gp,) = (s for s in record[name]["sources"] if s["source"]["id"] == "gp")
        assert "data-in-transit" in {gap["code"] for gap in of_gp["gaps"]}, name
        assert any("may be missing" in (gap["text"] or "") for gap in of_gp["gaps"]), "in the practice's words"
    empty = {record[name]["emptyReason"] for name in practices if record[name]["totalCount"] == 0}
    assert empty == {"UNAVAILABLE"}


async def test_a_practice_that_withholds_a_record_is_heard_in_its_own_words_and_the_hospitals_visit_is_shown(
    gateway: Running,
) -> None:
    record, _ = await whole(gateway, REFUSED)
    state = source_of(record, "gp")
    assert (state["state"], state["code"], state["facts"]) == ("WITHHELD", "NO_PATIENT_CONSENT", 0)
    assert {gap["text"] for gap in state["gaps"]} == {"Patient has not provided consent to share data"}
    assert links_of(record, "gp") == []
    assert facts(record).keys() == {"pas:Encounter/OP26-0310"}
    for name in ("allergies", "conditions", "medications", "immunizations"):
        assert record[name]["emptyReason"] == "WITHHELD", "never none"
    assert record["encounters"]["status"] == "PARTIAL"


@pytest.mark.parametrize("number", sorted(PEOPLE.keys()))
async def test_a_system_that_knows_nobody_says_so_of_everybody_and_never_that_there_is_no_dialysis(
    gateway: Running, number: str
) -> None:
    record, _ = await whole(gateway, number)
    state = source_of(record, "renal")
    assert (state["state"], state["code"], state["facts"]) == ("NOT_LINKED", "PATIENT_NOT_FOUND", 0)
    (of_procedures,) = (s for s in record["procedures"]["sources"] if s["source"]["id"] == "renal")
    assert [gap["kind"] for gap in of_procedures["gaps"]] == ["NOT_HELD"]
    assert record["procedures"]["emptyReason"] != "NONE_KNOWN"


async def test_of_somebody_known_to_the_authority_alone_every_section_is_not_held_and_none_says_none(
    gateway: Running,
) -> None:
    record, _ = await whole(gateway, NOBODYS)
    assert {record[name]["emptyReason"] for name in SECTIONS} == {"NOT_HELD"}
    assert {record[name]["totalCount"] for name in SECTIONS} == {0}
    assert {x["source"]["id"] for x in record["links"]} == {"pds"}


async def test_of_somebody_known_to_the_authority_alone_a_source_that_is_down_is_not_taken_for_one_that_does_not_know(
    gateway: Running,
) -> None:
    gateway.faults["epr"].down = True
    record, _ = await whole(gateway, NOBODYS)
    assert record["allergies"]["emptyReason"] == "UNAVAILABLE"
    assert record["allergies"]["status"] != "COMPLETE"


async def test_no_known_allergies_is_said_only_while_every_source_in_scope_is_heard(gateway: Running) -> None:
    whole_record, _ = await whole(gateway, "9991830006")
    assert whole_record["allergies"]["emptyReason"] == "NONE_KNOWN"
    gateway.faults["epr"].down = True
    gateway.service.cache.__init__(gateway.service.config.gateway.cache_bytes)  # type: ignore[misc]
    partial, _ = await whole(gateway, "9991830006")
    assert partial["allergies"]["status"] == "PARTIAL"
    assert partial["allergies"]["emptyReason"] != "NONE_KNOWN"


async def test_a_number_that_nobody_was_ever_given_is_nobody_and_no_source_but_the_authority_is_asked(
    tmp_path: Path,
) -> None:
    async with started(tmp_path) as gateway:
        (error,) = json.loads(await raw(gateway, "9990000018"))["errors"]
        assert error["extensions"]["code"] == "PATIENT_NOT_FOUND"
        asked = {source for source in SOURCES if gateway.faults[source].asked}
        assert asked == {"pds"}
