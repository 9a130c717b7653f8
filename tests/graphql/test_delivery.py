"""How an answer arrives: sections at once, deferred parts as they settle, late sources at the deadline."""

import asyncio
from typing import Any

import pytest

from tests.graphql.conftest import MICHAEL, Running

CEILING_S = 30
DEFERRED = f"""{{ patient(identifier: {{value: "{MICHAEL}"}}, deadline: "PT20S") {{
    identifier {{ value }}
    ... @defer(label: "medicines") {{ medications {{ status totalCount }} }}
    ... @defer(label: "flags") {{ flags {{ status totalCount }} }}
}} }}"""


def fields_of(part: dict[str, Any]) -> set[str]:
    """The section fields that a part of a deferred answer brings."""
    return {name for one in part.get("incremental", ()) for name in one["data"]}


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
async def test_the_first_part_arrives_while_a_source_is_held_open(gateway: Running, encoding: str) -> None:
    held = gateway.faults["pharmacy"].hold = asyncio.Event()
    async with asyncio.timeout(CEILING_S), gateway.parts(DEFERRED, encoding) as parts:
        first = await anext(parts)
        assert first["data"]["patient"]["identifier"]["value"] == MICHAEL
        assert first["hasNext"] is True
        second = await anext(parts)
        assert fields_of(second) == {"flags"}, "the section the held source has no part in does not wait for it"
        held.set()
        rest = [part async for part in parts]
    assert set().union(*map(fields_of, rest)) == {"medications"}
    assert rest[-1]["hasNext"] is False


async def test_without_multipart_a_deferred_answer_comes_whole(gateway: Running) -> None:
    answer = await gateway.ask(DEFERRED)
    assert answer["data"]["patient"].keys() == {"identifier", "medications", "flags"}


STATES = "sources { source { id } state code } "


def states(record: Any) -> dict[str, tuple[str, str | None]]:
    return {source["source"]["id"]: (source["state"], source["code"]) for source in record["sources"]}


async def test_at_the_deadline_the_answer_is_what_is_in_and_says_what_is_not(gateway: Running) -> None:
    sections = (
        STATES + "assessments { status totalCount sources { source { id } state code } } "
        "medications { status totalCount } communications { status emptyReason totalCount } flags { status totalCount }"
    )
    await gateway.record("identifier { value }")  # the authority's answer is known
    gateway.faults["pharmacy"].down = True
    held = gateway.faults["telehealth"].hold = asyncio.Event()
    async with asyncio.timeout(CEILING_S):
        record = await gateway.record(sections, deadline="PT3S")
    assert states(record)["pharmacy"] == ("UNAVAILABLE", "SOURCE_UNAVAILABLE")
    assert states(record)["telehealth"] == ("PENDING", "SOURCE_PENDING")
    assert record["assessments"]["status"] == "COMPLETE"
    assert record["flags"]["status"] == "COMPLETE"
    assert record["medications"]["status"] == "PARTIAL"
    assert record["communications"]["status"] == "PARTIAL"

    gateway.faults["pharmacy"].down = False
    held.set()
    again = await gateway.record("medications { status totalCount } communications { totalCount } " + STATES)
    assert states(again)["pharmacy"] == ("OK", None), "a failure is not served again as an empty answer"
    assert again["medications"]["totalCount"] > record["medications"]["totalCount"]
    assert again["communications"]["totalCount"] > record["communications"]["totalCount"]


async def test_a_late_answer_is_in_the_cache_for_the_next(gateway: Running) -> None:
    await gateway.record("identifier { value }")
    faults = gateway.faults["telehealth"]
    held = faults.hold = asyncio.Event()
    late = await gateway.record("communications { totalCount } " + STATES, deadline="PT1S")
    assert states(late)["telehealth"] == ("PENDING", "SOURCE_PENDING")
    held.set()
    again = await gateway.record("communications { totalCount } sources { source { id } state cache }")
    asked = faults.asked
    third = await gateway.record("communications { totalCount } sources { source { id } state cache }")
    assert {s["source"]["id"]: s["cache"] for s in third["sources"]}["telehealth"] == "HIT"
    assert faults.asked == asked, "the late flight's answer is served without another question"
    assert again["communications"] == third["communications"]


async def test_one_caller_leaving_does_not_cancel_a_flight_another_waits_for(gateway: Running) -> None:
    await gateway.record("identifier { value }")
    faults = gateway.faults["telehealth"]
    held = faults.hold = asyncio.Event()
    asked = faults.asked
    leaves = asyncio.create_task(gateway.record("communications { totalCount }"))
    stays = asyncio.create_task(gateway.record("communications { totalCount } " + STATES))
    async with asyncio.timeout(CEILING_S):
        while faults.asked == asked:
            await asyncio.sleep(0)
        leaves.cancel()
        held.set()
        record = await stays
    assert states(record)["telehealth"][0] in ("OK", "PARTIAL")
    assert record["communications"]["totalCount"] > 0


async def test_an_undeferred_short_deadline_beside_a_long_one_shares_the_flights(gateway: Running) -> None:
    await gateway.record("identifier { value }")
    held = gateway.faults["telehealth"].hold = asyncio.Event()
    who = f'identifier: {{value: "{MICHAEL}"}}'
    fields = f"communications {{ totalCount }} {STATES}"
    query = f"""{{
        now: patient({who}, deadline: "PT0.3S") {{ {fields} }}
        ... @defer {{ whole: patient({who}, deadline: "PT20S") {{ {fields} }} }}
    }}"""
    async with asyncio.timeout(CEILING_S), gateway.parts(query) as parts:
        first = await anext(parts)
        assert states(first["data"]["now"])["telehealth"] == ("PENDING", "SOURCE_PENDING")
        held.set()
        rest = [part async for part in parts]
    whole = next(one["data"]["whole"] for part in rest for one in part.get("incremental", ()))
    assert states(whole)["telehealth"][0] in ("OK", "PARTIAL"), states(whole)
    assert whole["communications"]["totalCount"] > 0
