"""What a steward decides over GraphQL: who may, that it is recorded first, what it does to the view, who saw it."""

import asyncio
import base64
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from adapters.sdk import NHS_NUMBER
from gateway.config import AUDIT_FILE
from gateway.identity.ledger import Standing
from schema.model.values import Identifier
from tests.graphql.conftest import DESK, MICHAEL, TOKENS, Running, started
from tests.graphql.everybody import whole

STEWARD = "a-token-of-a-steward-who-may-see-restricted"
NOVICE = "a-token-of-a-steward-who-may-not-see-it"
STEWARDS = f"""{TOKENS}
[[access.tokens]]
token = "env:TEST_STEWARD_TOKEN"
user = "r.hale"
role = "Data steward"
organization = "ZRH"
purposes = ["RECORDMGT"]
restricted = true
steward = true

[[access.tokens]]
token = "env:TEST_NOVICE_TOKEN"
user = "o.pine"
role = "Data steward"
organization = "ZRH"
purposes = ["RECORDMGT"]
deny_sources = ["telehealth"]
steward = true
"""
AS_STEWARD = {"Authorization": f"Bearer {STEWARD}", "Sherwood-Purpose": "RECORDMGT"}
AS_NOVICE = {"Authorization": f"Bearer {NOVICE}", "Sherwood-Purpose": "RECORDMGT"}

TWIN = "9991830006"
HERS = ("telehealth", "Patient/7758")
"""Telehealth files her twin under her number: present, not linked."""
FATHER = "9995190001"
MIXED = ("socialcare", "Patient/330412")
"""Social care's record with the father's number and the son's birth date: only possible."""
RESTRICTED = "9998843006"
CLOSED = ("epr", "Patient/epr-2986114")
"""Her record in the EPR, which the EPR restricts."""

LINK = """mutation ($input: LinkInput!) { link(input: $input) {
    decision { identifier { value } source { id } localId before status decidedBy reason at } } }"""
UNLINK = """mutation ($input: UnlinkInput!) { unlink(input: $input) {
    decision { before status decidedBy } seenBy { user role organization purpose first last answers } } }"""
WORK = """query ($first: Int, $after: String) { workList(first: $first, after: $after) {
    totalCount pageInfo { hasNextPage endCursor }
    nodes { identifier { value } source { id } localId status grade evidence explanation advice since } } }"""


@pytest.fixture(autouse=True)
def _tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_STEWARD_TOKEN", STEWARD)
    monkeypatch.setenv("TEST_NOVICE_TOKEN", NOVICE)


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Running]:
    """The gateway with two stewards."""
    async with started(tmp_path, tokens=STEWARDS) as up:
        yield up


def about(number: str, record: tuple[str, str], **more: Any) -> dict[str, Any]:
    source, local_id = record
    return {"identifier": {"value": number}, "source": source, "localId": local_id, "reason": "seen the papers", **more}


async def decided(gateway: Running, document: str, given: dict[str, Any], **headers: Any) -> dict[str, Any]:
    """The payload of a decision that is taken."""
    answer = await gateway.ask(document, input=given, headers=headers.get("headers", AS_STEWARD))
    assert "errors" not in answer, answer["errors"]
    (payload,) = answer["data"].values()
    return payload


async def not_decided(
    gateway: Running, document: str, given: dict[str, Any], headers: dict[str, str] | None = None
) -> dict[str, Any]:
    """The error of one that is refused; and nothing was decided."""
    before = await gateway.service.crossref.events()
    error = await gateway.refused(document, input=given, headers=headers or AS_STEWARD)
    assert await gateway.service.crossref.events() == before
    assert given["localId"] not in error["message"]
    assert given["identifier"]["value"] not in error["message"]
    return error


async def work(gateway: Running, headers: dict[str, str] | None = None, **variables: Any) -> dict[str, Any]:
    answer = await gateway.ask(WORK, headers=headers or AS_STEWARD, **variables)
    assert "errors" not in answer, answer["errors"]
    return answer["data"]["workList"]


async def standing(gateway: Running, number: str, record: tuple[str, str]) -> Standing | None:
    crossref = gateway.service.crossref
    person = await crossref.person_for(Identifier(system=NHS_NUMBER, value=number))
    assert person is not None
    return {(x.source, x.local_id): x.status for x in await crossref.links(person)}.get(record)


def trail(gateway: Running, where: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(gateway.state_dir / AUDIT_FILE)) as db:
        return db.execute(f"SELECT kind, user, patient, detail FROM trail WHERE {where} ORDER BY sequence").fetchall()


_OF_THE_MOMENT = {"asOf", "retrieved", "latencyMs", "cache"}


def timeless(value: Any) -> Any:
    """The answer without ages and times of this asking."""
    if isinstance(value, dict):
        return {key: timeless(inner) for key, inner in value.items() if key not in _OF_THE_MOMENT}
    return [timeless(inner) for inner in value] if isinstance(value, list) else value


# --- What it does to the view -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "record"), [(TWIN, HERS), (FATHER, MIXED), (RESTRICTED, CLOSED)])
async def test_after_a_link_and_an_unlink_the_view_is_what_it_was_to_the_letter(
    gateway: Running, number: str, record: tuple[str, str]
) -> None:
    before, _ = await whole(gateway, number)
    await decided(gateway, LINK, about(number, record))
    between, _ = await whole(gateway, number)
    assert timeless(between) != timeless(before), "the link showed something"
    await decided(gateway, UNLINK, about(number, record))
    for _ in range(2):
        after, _ = await whole(gateway, number)
        assert timeless(after) == timeless(before)
    assert await standing(gateway, number, record) is Standing.BLOCKED, "the rule has not touched it"


async def test_a_certain_record_that_was_unlinked_is_not_linked_again_by_rule_but_by_a_steward(
    gateway: Running,
) -> None:
    his = ("epr", "Patient/epr-4471902")
    sources = "sources { source { id } facts }"

    async def shown() -> int:
        return next(s["facts"] for s in (await gateway.record(sources))["sources"] if s["source"]["id"] == "epr")

    first = await shown()
    assert first > 0
    done = await decided(gateway, UNLINK, about(MICHAEL, his))
    assert done["decision"] == {"before": "LINKED", "status": "BLOCKED", "decidedBy": "r.hale"}
    assert [await shown() for _ in range(2)] == [0, 0]
    decision = (await decided(gateway, LINK, about(MICHAEL, his)))["decision"]
    assert decision.pop("at").endswith("+00:00")
    assert decision == {
        "identifier": {"value": MICHAEL},
        "source": {"id": "epr"},
        "localId": his[1],
        "before": "BLOCKED",
        "status": "LINKED",
        "decidedBy": "r.hale",
        "reason": "seen the papers",
    }
    assert await shown() == first


# --- Who saw it -------------------------------------------------------------------------------------------------------


async def test_unlink_names_everybody_to_whom_an_answer_with_that_record_went_and_nobody_else(gateway: Running) -> None:
    desk = {"Authorization": f"Bearer {DESK}"}
    grades = "links { grade }"
    await gateway.record(grades, number=FATHER, headers=desk)
    await gateway.record(grades, number=MICHAEL)
    await decided(gateway, LINK, about(FATHER, MIXED))
    for _ in range(2):
        await gateway.record("carePlans { totalCount }", number=FATHER, headers={"Sherwood-Purpose": "ETREAT"})
    seen = (await decided(gateway, UNLINK, about(FATHER, MIXED)))["seenBy"]
    (one,) = seen
    assert one.pop("first") < one.pop("last")
    assert one == {"user": "jacky", "role": "Sister", "organization": "ZRH", "purpose": "ETREAT", "answers": 2}
    await gateway.record("carePlans { totalCount }", number=FATHER, headers=desk)
    again = await decided(gateway, UNLINK, about(FATHER, MIXED))
    assert again["decision"]["before"] == "BLOCKED"
    assert [each["user"] for each in again["seenBy"]] == ["jacky"], "and it can be asked again"


async def test_when_the_trail_cannot_be_read_after_an_unlink_nobody_is_told_that_nobody_saw_it(
    gateway: Running, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    await gateway.record("links { grade }", number=FATHER)
    moved = gateway.service.config.model_copy(
        update={"gateway": gateway.service.config.gateway.model_copy(update={"state_dir": tmp_path / "elsewhere"})}
    )
    monkeypatch.setattr(gateway.service, "config", moved)
    error = await gateway.refused(UNLINK, input=about(FATHER, MIXED), headers=AS_STEWARD)
    assert error["extensions"]["code"] == "AUDIT_UNAVAILABLE"
    assert error["message"].startswith("It is unlinked, and who saw")
    assert await standing(gateway, FATHER, MIXED) is Standing.BLOCKED


# --- Who may ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("document", [LINK, UNLINK])
async def test_nobody_decides_who_was_not_made_a_steward_and_the_attempt_is_in_the_trail(
    gateway: Running, document: str
) -> None:
    await gateway.record("links { grade }", number=FATHER)
    error = await not_decided(gateway, document, about(FATHER, MIXED), gateway.headers)
    assert error["extensions"] == {"code": "ACCESS_DENIED", "issueType": "forbidden"}
    ((_, user, patient, detail),) = trail(gateway, "kind = 'refusal'")
    assert (user, patient, detail) == ("jacky", f"{NHS_NUMBER}|{FATHER}", '{"code":"ACCESS_DENIED"}')


async def test_nobody_sees_the_work_list_who_was_not_made_a_steward(gateway: Running) -> None:
    await gateway.record("links { grade }", number=FATHER)
    error = await gateway.refused(WORK)
    assert error["extensions"]["code"] == "ACCESS_DENIED"
    assert (await gateway.refused(WORK, headers=AS_STEWARD | {"Sherwood-Purpose": "TREAT"}))["extensions"]["code"] == (
        "ACCESS_DENIED"
    ), "nor a steward for another purpose"


async def test_without_tokens_nobody_can_be_named_and_so_nobody_decides_here(tmp_path: Path) -> None:
    async with started(tmp_path, tokens="") as gateway:
        gateway.headers = {}
        await gateway.record("links { grade }", number=FATHER)
        error = await not_decided(gateway, LINK, about(FATHER, MIXED), {"Accept": "*/*"})
        assert error["extensions"]["code"] == "ACCESS_DENIED"
        assert "`sherwood link`" in error["message"]


async def test_of_a_source_that_is_denied_to_a_steward_there_is_no_trace(gateway: Running) -> None:
    await gateway.record("links { grade }", number=TWIN)
    assert "telehealth" in str(await work(gateway))
    assert "telehealth" not in str(await work(gateway, AS_NOVICE))
    error = await not_decided(gateway, LINK, about(TWIN, HERS), AS_NOVICE)
    nowhere = await not_decided(gateway, LINK, about(TWIN, ("nowhere", HERS[1])), AS_NOVICE)
    assert error == nowhere


async def test_what_a_source_restricts_is_decided_by_those_alone_who_may_see_it(gateway: Running) -> None:
    await gateway.record("links { grade }", number=RESTRICTED)
    assert CLOSED[1] in str(await work(gateway))
    assert CLOSED[1] not in str(await work(gateway, AS_NOVICE))
    for document in (LINK, UNLINK):
        error = await not_decided(gateway, document, about(RESTRICTED, CLOSED), AS_NOVICE)
        assert error["extensions"]["code"] == "LINK_UNKNOWN", "the authority restricts her: nobody is known there"


async def test_no_decision_opens_a_restricted_record_to_a_steward_who_may_not_see_it(gateway: Running) -> None:
    await gateway.record("links { grade }", number=RESTRICTED)
    await gateway.record("links { grade }", number=MICHAEL)
    for_another = await not_decided(gateway, LINK, about(MICHAEL, CLOSED), AS_NOVICE)
    assert for_another["extensions"]["code"] == "ACCESS_DENIED", "it is held for her, and restricted for everybody"
    await decided(gateway, UNLINK, about(RESTRICTED, CLOSED))
    for document in (LINK, UNLINK):
        anyway = {"blockAnyway": True} if document == UNLINK else {}
        for whose in (RESTRICTED, MICHAEL):
            error = await not_decided(gateway, document, about(whose, CLOSED, **anyway), AS_NOVICE)
            code = "LINK_UNKNOWN" if whose == RESTRICTED else "ACCESS_DENIED"
            assert error["extensions"]["code"] == code, "after a decision as before it"
    await decided(gateway, LINK, about(RESTRICTED, CLOSED))
    await gateway.record("links { grade }", number=RESTRICTED)
    assert await standing(gateway, RESTRICTED, CLOSED) is Standing.LINKED, "decided by who may see it, and knowing it"


# --- Recorded first ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("document", [LINK, UNLINK])
async def test_a_decision_that_cannot_be_recorded_is_not_taken(gateway: Running, document: str) -> None:
    await gateway.record("links { grade }", number=FATHER)
    for file in gateway.state_dir.glob(f"{AUDIT_FILE}*"):
        file.unlink()
    before = await gateway.service.crossref.events()
    error = await gateway.refused(document, input=about(FATHER, MIXED), headers=AS_STEWARD)
    assert error["extensions"]["code"] == "AUDIT_UNAVAILABLE"
    assert await gateway.service.crossref.events() == before


async def test_a_decision_is_in_the_trail_with_who_took_it_before_the_answer_that_tells_of_it(gateway: Running) -> None:
    await gateway.record("links { grade }", number=FATHER)
    await decided(gateway, LINK, about(FATHER, MIXED))
    first, last = trail(gateway, "user = 'r.hale'")
    patient = f"{NHS_NUMBER}|{FATHER}"
    assert first[:3] == ("identity", "r.hale", patient)
    assert json.loads(first[3]) == {"what": "link", "record": MIXED[1]}
    assert last[:3] == ("disclosure", "r.hale", patient)


async def test_whoever_is_named_in_a_work_list_has_it_in_their_trail(gateway: Running) -> None:
    for number in (TWIN, FATHER):
        await gateway.record("links { grade }", number=number)
    await work(gateway)
    first, *shown = trail(gateway, "user = 'r.hale'")
    assert json.loads(first[3])["what"] == "work-list-shown"
    assert {f"{NHS_NUMBER}|{TWIN}", f"{NHS_NUMBER}|{FATHER}"} <= {patient for _, _, patient, _ in shown}


# --- The list ---------------------------------------------------------------------------------------------------------


async def test_the_work_list_says_what_a_decision_takes_in_words_and_nothing_else(gateway: Running) -> None:
    await gateway.record("links { grade }", number=FATHER)
    (item,) = [each for each in (await work(gateway))["nodes"] if each["localId"] == MIXED[1]]
    assert item.pop("since")
    assert item == {
        "identifier": {"value": FATHER},
        "source": {"id": MIXED[0]},
        "localId": MIXED[1],
        "status": "HELD",
        "grade": "possible",
        "evidence": item["evidence"],
        "explanation": item["explanation"],
        "advice": "look it up in the source; if it is this person `link` it, if it is not `unlink` it",
    }
    assert "birth-date:differs" in item["evidence"]
    assert "the birth date is another one" in item["explanation"]
    assert not {":"} & set("".join(item["explanation"]).replace("stopped:", "")), "no code is left without words"
    await decided(gateway, UNLINK, about(FATHER, MIXED))
    assert MIXED[1] not in str(await work(gateway)), "decided"


async def test_the_work_list_comes_in_pages_that_leave_nothing_out(gateway: Running) -> None:
    for number in (TWIN, FATHER, RESTRICTED, MICHAEL):
        await gateway.record("links { grade }", number=number)
    everything = await work(gateway)
    assert everything["totalCount"] == len(everything["nodes"]) >= 3
    assert [each["since"] for each in everything["nodes"]] == sorted(each["since"] for each in everything["nodes"])
    found, after = [], None
    while True:
        page = await work(gateway, first=1, after=after)
        found += page["nodes"]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert found == everything["nodes"]


@pytest.mark.parametrize(
    ("variables", "code"),
    [
        ({"first": 0}, "ARGUMENT_INVALID"),
        ({"first": 201}, "ARGUMENT_INVALID"),
        ({"after": "?"}, "CURSOR_INVALID"),
        ({"after": base64.urlsafe_b64encode(b"work 99999999999999999999").decode()}, "CURSOR_INVALID"),
        ({"after": base64.urlsafe_b64encode(b"-1.0 abc").decode()}, "CURSOR_INVALID"),
    ],
)
async def test_a_page_that_cannot_be_is_refused(gateway: Running, variables: dict[str, Any], code: str) -> None:
    assert (await gateway.refused(WORK, headers=AS_STEWARD, **variables))["extensions"]["code"] == code


# --- Refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "given", "code"),
    [
        (LINK, about("9998843006", MIXED), "LINK_UNKNOWN"),
        (UNLINK, about("9998843006", MIXED), "LINK_UNKNOWN"),
        (UNLINK, about(FATHER, (MIXED[0], "Patient/mistyped")), "LINK_UNKNOWN"),
        (LINK, about(FATHER, ("nowhere", "Patient/1")), "ARGUMENT_INVALID"),
        (LINK, about(FATHER, (MIXED[0], "330412")), "ARGUMENT_INVALID"),
        (LINK, about(FATHER, (MIXED[0], "Patient/\0")), "ARGUMENT_INVALID"),
        (LINK, about(FATHER, MIXED) | {"reason": "  "}, "ARGUMENT_INVALID"),
        (LINK, about("9994071008", MIXED), "IDENTIFIER_INVALID"),
    ],
)
async def test_a_decision_that_cannot_be_meant_is_refused_with_its_code(
    gateway: Running, document: str, given: dict[str, Any], code: str
) -> None:
    await gateway.record("links { grade }", number=FATHER)
    assert (await not_decided(gateway, document, given))["extensions"]["code"] == code


async def test_a_record_that_is_linked_to_somebody_else_is_a_conflict(gateway: Running) -> None:
    for number in (MICHAEL, FATHER):
        await gateway.record("links { grade }", number=number)
    error = await not_decided(gateway, LINK, about(FATHER, ("epr", "Patient/epr-4471902")))
    assert error["extensions"] == {"code": "LINK_CONFLICT", "issueType": "conflict"}


async def test_a_record_that_is_not_known_is_blocked_when_that_is_said(gateway: Running) -> None:
    await gateway.record("links { grade }", number=FATHER)
    done = await decided(gateway, UNLINK, about(FATHER, ("epr", "Patient/unseen"), blockAnyway=True))
    assert done["decision"]["before"] is None
    assert done["seenBy"] == []


async def test_a_mutation_in_a_url_decides_nothing(gateway: Running) -> None:
    await gateway.record("links { grade }", number=FATHER)
    query = {"query": LINK, "variables": json.dumps({"input": about(FATHER, MIXED)})}
    asked = gateway.session.get(f"{gateway.url}/graphql", params=query, headers=AS_STEWARD)
    async with asked as response:
        assert (response.status, response.headers["Allow"]) == (405, "POST")
    assert await standing(gateway, FATHER, MIXED) is Standing.HELD


async def test_two_decisions_at_the_same_moment_are_both_in_the_history(gateway: Running) -> None:
    await gateway.record("links { grade }", number=FATHER)
    await asyncio.gather(*(decided(gateway, UNLINK, about(FATHER, MIXED)) for _ in range(5)))
    events = await gateway.service.crossref.events()
    assert [event.decided_by for event in events if event.kind.value == "unlink"] == ["r.hale"] * 5
