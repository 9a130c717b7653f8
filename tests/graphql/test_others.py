"""Everybody else in the estate as `tests/ledger/others.toml` judges them by hand: whom each source is shown for,
whom not, and what is nowhere in the answer, in no field of any fact.
"""

import json
import re
from collections import Counter
from typing import Any

import pytest

from tests.graphql.conftest import MICHAEL, Running
from tests.graphql.everybody import (
    OTHERS,
    PEOPLE,
    UNRESOLVED,
    facts,
    links_of,
    raw,
    source_of,
    whole,
)

AUTHORITY = "pds"
CANARY = re.compile(r"CANARY-[A-Z]+-[A-Z0-9]{4}")


def judged(kind: str, number: str) -> list[dict[str, Any]]:
    return [entry for entry in OTHERS[kind] if entry.get("identifier") == number]


async def known(gateway: Running, number: str) -> tuple[dict[str, Any], str]:
    """The whole answer; for one with an earlier number after a question by it, as the authority tells of it then."""
    if earlier := PEOPLE[number].get("superseded"):
        await gateway.record("identifier { value }", number=earlier)
    return await whole(gateway, number)


@pytest.mark.parametrize("number", sorted(PEOPLE))
async def test_each_source_is_linked_present_withheld_or_absent_as_was_judged_by_hand(
    gateway: Running, number: str
) -> None:
    record, _ = await known(gateway, number)
    statuses: dict[str, list[dict[str, Any]]] = {}
    for other in judged("other", number):
        statuses.setdefault(other["source"], []).append(other)
    if PEOPLE[number]["elsewhere"] == "absent":
        rest = {source["source"]["id"] for source in record["sources"]} - {AUTHORITY}
        for source in rest - statuses.keys():
            statuses[source] = [{"source": source, "status": "absent"}]
    assert statuses
    for source, others in statuses.items():
        state, links = source_of(record, source), links_of(record, source)
        shown = {link["localId"] for link in links if link["status"] == "LINKED"}
        linked = [other for other in others if other["status"] == "linked"]
        assert len(shown) >= len(linked), source
        for other in linked:
            if "local_id" in other:
                assert f"Patient/{other['local_id']}" in shown
            assert "certain" in {link["grade"] for link in links if link["status"] == "LINKED"}
            assert state["facts"] > 0
        for other in others:
            match other["status"]:
                case "linked":
                    pass
                case "not-linked":
                    (present,) = (link for link in links if link["status"] == "PRESENT_NOT_LINKED")
                    assert (present["grade"], present["localId"]) == (other["grade"], None), "it may be another's"
                    assert state["code"] == "PRESENT_NOT_LINKED"
                    assert state["state"] == ("PARTIAL" if shown else "NOT_LINKED")
                case "steward":
                    assert links == [], "no viewer is told"
                    assert (state["state"], state["facts"]) == ("NOT_LINKED", 0)
                case "withheld":
                    assert (state["state"], state["facts"], links) == ("WITHHELD", 0, [])
                case "absent":
                    assert (state["state"], state["code"]) == ("NOT_LINKED", "PATIENT_NOT_FOUND")
                    assert (state["facts"], links) == (0, [])
                case unknown:
                    pytest.fail(f"the ledger has a status that no test knows: {unknown}")


@pytest.mark.parametrize("number", sorted(PEOPLE))
async def test_what_must_not_be_there_is_nowhere_in_the_answer(gateway: Running, number: str) -> None:
    record, text = await known(gateway, number)
    unlinked = {
        other["local_id"]
        for other in judged("other", number)
        if other["status"] in ("not-linked", "steward", "withheld") and "local_id" in other
    }
    for local_id in unlinked - {link["localId"] for link in record["links"]}:
        assert f'"Patient/{local_id}"' not in text
    for absent in judged("absent", number):
        words = [absent["text"]] if "text" in absent else []
        words += [absent["raw"]["PV1-19.1"]] if "PV1-19.1" in absent["raw"] else []
        words += [f'"{absent["raw"]["/val"]}"'] if "/val" in absent["raw"] else []
        assert words, f"nothing to look for: {absent['why']}"
        for word in words:
            assert word not in text, absent["why"]


@pytest.mark.parametrize("number", sorted({shown["identifier"] for shown in OTHERS["shown"]}))
async def test_what_must_be_there_is_there(gateway: Running, number: str) -> None:
    record, text = await known(gateway, number)
    of_sources = facts(record)
    for shown in (entry["shows"] for entry in judged("shown", number)):
        if "id" in shown:
            assert shown["id"] in of_sources
        if "value" in shown:
            told = {key: fact.get("valueQuantity") for key, fact in of_sources.items()}
            values = [value for key, value in told.items() if key.startswith(f"{shown['source']}:")]
            assert shown["value"] in {f"{value['value']} {value['code']}" for value in values if value}
        if "when" in shown:
            starts = [f["period"]["start"]["earliest"] for f in of_sources.values() if f.get("period")]
            assert shown["when"] in starts
        for name in ("clinicalStatus", "status", "deceasedAt", "code"):
            if name in shown:
                assert f'"{shown[name]}"' in text
        if shown.get("deceased") == "true":
            (hospital,) = (f for f in record["patient"]["facts"] if f["provenance"]["source"]["id"] == "pas")
            assert hospital["deceased"] is True


@pytest.mark.parametrize("person", UNRESOLVED, ids=lambda person: person["who"])
async def test_who_cannot_be_established_is_shown_to_nobody(gateway: Running, person: dict[str, Any]) -> None:
    system, _, value = person["asked_by"].partition("|")
    text = await raw(gateway, value, system=system)
    answer = json.loads(text)
    (error,) = answer["errors"]
    assert answer["data"] == {"patient": None}
    refused = value == "9999999999"
    assert error["extensions"]["code"] == ("IDENTIFIER_INVALID" if refused else "IDENTITY_UNRESOLVED")
    assert "CANARY" not in text
    assert value not in text


async def test_no_word_of_one_persons_record_is_in_the_answer_about_another(gateway: Running) -> None:
    """Each patient's data at each source has a word of its own, so that a leak names where it came from."""
    answers = {number: set(CANARY.findall((await known(gateway, number))[1])) for number in sorted(PEOPLE)}
    told = Counter(word for words in answers.values() for word in words)
    assert len(told) > 20, "else nothing was looked for"
    assert {word for word, people in told.items() if people > 1} == set()
    assert "CANARY-RUSHES-C40B" in answers[MICHAEL], "the search finds a word that is there"
