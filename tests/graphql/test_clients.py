"""Front-end developers' own clients against a running gateway: what they render, and in which order."""

import asyncio
from typing import Any

import pytest

from tests.graphql import clients
from tests.graphql.conftest import MICHAEL, WARD, Running

CEILING_S = 60
DEFERRED = f"""{{ patient(identifier: {{value: "{MICHAEL}"}}, deadline: "PT20S") {{
    identifier {{ value }}
    ... @defer(label: "medicines") {{ medications {{ status totalCount }} }}
    ... @defer(label: "flags") {{ flags {{ status totalCount }} }}
}} }}"""


async def test_the_endpoint_passes_every_check_of_graphql_over_http(gateway: Running) -> None:
    async with asyncio.timeout(CEILING_S), clients.run("audit.mjs", f"{gateway.url}/graphql", WARD) as lines:
        checks = [line async for line in lines]
    assert [check for check in checks if check["status"] != "ok"] == []
    assert len(checks) == 61


@pytest.mark.parametrize(("script", "form"), [("apollo.mjs", "17"), ("apollo.mjs", "2022"), ("urql.mjs", "")])
async def test_a_client_renders_the_first_part_while_a_source_is_held_open(
    gateway: Running, script: str, form: str
) -> None:
    held = gateway.faults["pharmacy"].hold = asyncio.Event()
    async with (
        asyncio.timeout(CEILING_S),
        clients.run(script, f"{gateway.url}/graphql", WARD, form, DEFERRED) as states,
    ):
        first = await anext(states)
        assert (first["data"]["patient"]["identifier"]["value"], first["more"]) == (MICHAEL, True)
        while "flags" not in first["data"]["patient"]:
            first = await anext(states)
        assert "medications" not in first["data"]["patient"], "they wait for the source that is held"
        held.set()
        last: Any = None
        async for state in states:
            last = state
    whole = await gateway.ask(DEFERRED)
    assert without_typenames(last["data"]) == whole["data"], "every part is in its place"
    assert (last["more"], last.get("error")) == (False, None)


async def test_events_bring_the_first_part_while_a_source_is_held_open(gateway: Running) -> None:
    held = gateway.faults["pharmacy"].hold = asyncio.Event()
    async with (
        asyncio.timeout(CEILING_S),
        clients.run("sse.mjs", f"{gateway.url}/graphql", WARD, "", DEFERRED) as results,
    ):
        assert (await anext(results))["data"]["patient"]["identifier"]["value"] == MICHAEL
        held.set()
        rest = [result async for result in results]
    assert rest[-1] == {"complete": True}
    assert rest[-2]["hasNext"] is False


def without_typenames(data: Any) -> Any:
    if isinstance(data, dict):
        return {name: without_typenames(value) for name, value in data.items() if name != "__typename"}
    return data
