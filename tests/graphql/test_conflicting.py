"""`entries(conflicting: true)`: those that sources disagree on, of whatever section, and no others."""

from tests.graphql.conftest import MICHAEL, Running

ASKED = """query ($who: IdentifierInput!) { patient(identifier: $who) {
  medications { totalCount
    every: entries(first: 1000) { nodes { id conflicts { field } } }
    disputed: entries(first: 1, conflicting: true) { nodes { id } pageInfo { hasNextPage endCursor } } } } }"""
REST = """query ($who: IdentifierInput!, $after: String) { patient(identifier: $who) {
  medications { entries(conflicting: true, after: $after) { nodes { id } pageInfo { hasNextPage } } } } }"""


async def test_only_entries_in_conflict_are_chosen_and_they_page_like_all_others(gateway: Running) -> None:
    who = {"value": MICHAEL}
    section = (await gateway.ask(ASKED, who=who))["data"]["patient"]["medications"]
    every = section["every"]["nodes"]
    disputed = [entry["id"] for entry in every if entry["conflicts"]]
    assert 1 < len(disputed) < len(every) == section["totalCount"]
    (first,) = section["disputed"]["nodes"]
    place = section["disputed"]["pageInfo"]
    assert place["hasNextPage"] is True
    rest = (await gateway.ask(REST, who=who, after=place["endCursor"]))["data"]["patient"]["medications"]["entries"]
    assert [first["id"], *(entry["id"] for entry in rest["nodes"])] == disputed
    assert rest["pageInfo"]["hasNextPage"] is False
