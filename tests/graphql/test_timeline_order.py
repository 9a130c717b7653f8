"""The timeline is walked either way, page by page, and it is the same timeline."""

from typing import Any

from tests.graphql.conftest import Running

PAGE = "edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage endCursor }"


async def walk(gateway: Running, arguments: str) -> list[str]:
    """The ids of every entry, by pages of 30."""
    found: list[str] = []
    after = ""
    while True:
        part: Any = (await gateway.record(f"timeline(first: 30, {arguments}{after}) {{ {PAGE} }}"))["timeline"]
        assert part["pageInfo"]["hasPreviousPage"] == bool(found)
        found += [edge["node"]["id"] for edge in part["edges"]]
        if not part["pageInfo"]["hasNextPage"]:
            return found
        after = f', after: "{part["pageInfo"]["endCursor"]}"'


async def test_newest_first_is_oldest_first_the_other_way_round_and_its_pages_leave_nothing_out(
    gateway: Running,
) -> None:
    oldest, newest = await walk(gateway, "newestFirst: false"), await walk(gateway, "newestFirst: true")
    assert newest == oldest[::-1]
    assert len(set(newest)) == len(newest) > 100


async def test_a_cursor_is_the_same_place_in_both_directions(gateway: Running) -> None:
    record = await gateway.record(f"timeline(first: 40) {{ {PAGE} }}")
    edges = record["timeline"]["edges"]
    back = await gateway.record(f'timeline(newestFirst: true, after: "{edges[30]["cursor"]}") {{ {PAGE} }}')
    assert [edge["node"]["id"] for edge in back["timeline"]["edges"]] == [
        edge["node"]["id"] for edge in edges[:30][::-1]
    ]
