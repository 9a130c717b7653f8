"""Whose answer may be served to whom."""

from tests.graphql.conftest import DESK, Running, started


async def test_an_answer_bound_to_an_actor_is_never_served_to_another(gateway: Running) -> None:
    gp = gateway.faults["gp"]
    await gateway.record("allergies { totalCount }")
    asked = gp.asked
    await gateway.record("allergies { totalCount }")
    assert gp.asked == asked, "the same actor is served from the cache"
    await gateway.record("allergies { totalCount }", headers={"Authorization": f"Bearer {DESK}"})
    assert gp.asked > asked, "another actor's question goes to the source"


async def test_another_purpose_is_another_question_to_a_source_that_sees_the_purpose(gateway: Running) -> None:
    gp = gateway.faults["gp"]
    await gateway.record("allergies { totalCount }")
    asked = gp.asked
    await gateway.record("allergies { totalCount }", headers={"Sherwood-Purpose": "ETREAT"})
    assert gp.asked > asked


async def test_an_answer_that_depends_on_nobody_is_shared_between_actors_of_one_policy(tmp_path: object) -> None:
    second = """
[[access.tokens]]
token = "env:TEST_DESK_TOKEN"
user = "another"
role = "Sister"
organization = "ZRH"
restricted = true

[[access.tokens]]
token = "env:TEST_WARD_TOKEN"
user = "jacky"
role = "Sister"
organization = "ZRH"
restricted = true
"""
    async with started(tmp_path, tokens=second) as gateway:  # type: ignore[arg-type]
        pas = gateway.faults["pas"]
        await gateway.record("encounters { totalCount }")
        asked = pas.asked
        await gateway.record("encounters { totalCount }", headers={"Authorization": f"Bearer {DESK}"})
        assert pas.asked == asked


async def test_a_denied_source_leaves_no_trace(gateway: Running) -> None:
    desk = {"Authorization": f"Bearer {DESK}"}
    selection = "communications { status sources { source { id } } } sources { source { id } } links { source { id } }"
    record = await gateway.record(selection, headers=desk)
    assert "telehealth" not in str(record)
    assert gateway.faults["telehealth"].asked == 0


async def test_what_policy_masks_is_said_to_be_withheld_and_nothing_of_it_is_shown(gateway: Running) -> None:
    entries = "entries { nodes { provenance { nativeId } } }"
    selection = f"conditions {{ status totalCount {entries} sources {{ source {{ id }} state code }} }}"
    whole = (await gateway.record(selection))["conditions"]
    masked = (await gateway.record(selection, headers={"Authorization": f"Bearer {DESK}"}))["conditions"]
    assert masked["totalCount"] == whole["totalCount"] - 1
    assert "Condition/cond-suicidal" in str(whole)
    assert "cond-suicidal" not in str(masked)
    assert {"source": {"id": "epr"}, "state": "WITHHELD", "code": "POLICY_MASKED"} in masked["sources"]
    assert masked["status"] == "PARTIAL"
