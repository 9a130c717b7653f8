"""Several people in one request: each by their own number, none in another's place, one error each."""

from adapters.sdk import NHS_NUMBER
from schema.model.values import Identifier
from tests.graphql.conftest import MICHAEL, Running

OTHER = "9991830006"
NOBODY = "9990000018"
MISTYPED = "9994071008"
QUERY = """query($who: [IdentifierInput!]!) { patientsByIdentifier(identifiers: $who, deadline: "PT20S") {
  identifier { value } patient { names { family } } medications { totalCount } } }"""


def asked(*numbers: str) -> list[dict[str, str]]:
    return [{"value": number} for number in numbers]


async def test_each_person_stands_in_the_place_they_were_asked_for(gateway: Running) -> None:
    answer = await gateway.ask(QUERY, who=asked(MICHAEL, OTHER, MICHAEL))
    assert "errors" not in answer
    people = answer["data"]["patientsByIdentifier"]
    assert [one["identifier"]["value"] for one in people] == [MICHAEL, OTHER, MICHAEL]
    assert people[0] == people[2] != people[1]
    alone = await gateway.record("patient { names { family } } medications { totalCount }", number=OTHER)
    assert people[1]["patient"] == alone["patient"]
    assert people[1]["medications"] == alone["medications"]


async def test_who_cannot_be_shown_is_an_error_in_their_own_place_and_costs_the_others_nothing(
    gateway: Running,
) -> None:
    answer = await gateway.ask(QUERY, who=asked(NOBODY, MICHAEL, MISTYPED))
    people = answer["data"]["patientsByIdentifier"]
    assert [one and one["identifier"]["value"] for one in people] == [None, MICHAEL, None]
    told = {error["path"][1]: error["extensions"]["code"] for error in answer["errors"]}
    assert told == {0: "PATIENT_NOT_FOUND", 2: "IDENTIFIER_INVALID"}


async def test_one_request_asks_about_fifty_people_at_most_however_it_names_them(gateway: Running) -> None:
    fields = [f"a{n}: patientsByIdentifier(identifiers: $who) {{ identifier {{ value }} }}" for n in range(3)]
    query = f"query($who: [IdentifierInput!]!) {{ {' '.join(fields)} }}"
    answer = await gateway.ask(query, who=asked(*[MICHAEL] * 20))
    shown = [one for people in answer["data"].values() for one in people if one]
    assert len(shown) == 50
    assert {error["extensions"]["code"] for error in answer["errors"]} == {"ARGUMENT_INVALID"}


async def test_a_list_of_more_than_fifty_people_is_refused_before_anybody_in_it_is_looked_at(gateway: Running) -> None:
    answer = await gateway.ask(QUERY, who=asked(*[MICHAEL] * 51))
    assert not answer["data"]
    (error,) = answer["errors"]
    assert error["extensions"]["code"] == "ARGUMENT_INVALID"
    assert error["path"] == ["patientsByIdentifier"]
    identifier = Identifier(system=NHS_NUMBER, value=MICHAEL)
    assert await gateway.service.crossref.person_for(identifier) is None, "nobody was asked about"
