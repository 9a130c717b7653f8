"""Profile `search` over real sockets: look-up, paging, includes, parallel searches, failures of a part."""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from adapters.fhir.simulate import search_app
from adapters.sdk import SettingsError, SourceAuth, SourceInvalid, SourceRequest, SourceUnavailable
from adapters.testing.conformance import call
from schema.model.clinical import AllergyIntolerance, Medication, Observation, Patient, SocialHistory
from schema.model.fact import PATIENT_NOT_FOUND, Fact, Gap, GapKind
from tests.fhir.records import (
    NUMBER,
    OLD_NUMBER,
    UNKNOWN,
    hospital_record,
    observation,
    patient,
    searchset,
)

Answer = Callable[[web.Request], Awaitable[web.Response]]


def facts(items: list[Fact | Gap], kind: type[Fact]) -> list[Any]:
    return [item for item in items if type(item) is kind]


def gaps(items: list[Fact | Gap], fact_type: str | None) -> list[Gap]:
    return [item for item in items if isinstance(item, Gap) and item.fact_type == fact_type]


def fhir(body: Any, status: int = 200) -> web.Response:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return web.Response(body=data, status=status, content_type="application/fhir+json")


def outcome(code: str, severity: str = "error", status: int = 200) -> web.Response:
    return fhir({"resourceType": "OperationOutcome", "issue": [{"severity": severity, "code": code}]}, status)


def scripted(**answers: Any) -> web.Application:
    """A server that gives these answers by resource type: a body, or a function of the request. Patient is found."""

    async def answer(request: web.Request) -> web.Response:
        kind = request.match_info["kind"]
        scripted_answer = answers.get(kind, searchset(patient()) if kind == "Patient" else searchset())
        if callable(scripted_answer):
            found: web.Response = await scripted_answer(request)
            return found
        return scripted_answer if isinstance(scripted_answer, web.Response) else fhir(scripted_answer)

    app = web.Application()
    app.router.add_get("/{kind}", answer)
    app.router.add_get("/{kind}/{id}", answer)
    return app


async def test_every_page_of_a_long_result_is_read(asking: Any) -> None:
    async with asking(search_app([hospital_record(observations=11)], page_size=2)) as asker:
        items = await asker.items("Observation", numbers=[NUMBER])

    found = [fact.native_id for fact in facts(items, Observation)]
    assert sorted(found) == sorted(f"Observation/o{number}" for number in range(11))
    assert not gaps(items, "Observation")


async def test_a_next_link_is_followed_exactly_as_given(asking: Any) -> None:
    seen = []

    async def pages(request: web.Request) -> web.Response:
        seen.append(request.raw_path)
        if len(seen) == 1:
            return fhir(searchset(observation("o1"), following="Observation?page=a%2Fb%3D%3D&x=1,2"))
        return fhir(searchset(observation("o2")))

    async with asking(scripted(Observation=pages)) as asker:
        items = await asker.items("Observation", numbers=[NUMBER])

    assert seen[1] == "/Observation?page=a%2Fb%3D%3D&x=1,2"
    assert len(facts(items, Observation)) == 2


async def test_a_link_seen_before_ends_the_paging_and_what_came_is_marked_as_cut(asking: Any) -> None:
    async def loop(request: web.Request) -> web.Response:
        return fhir(searchset(observation("o1"), following=str(request.url.with_query("page=2"))))

    async with asking(scripted(Observation=loop), max_pages=50) as asker:
        items = await asker.items("Observation", numbers=[NUMBER])

    assert [fact.native_id for fact in facts(items, Observation)] == ["Observation/o1"]
    assert [gap.kind for gap in gaps(items, "Observation")] == [GapKind.TRUNCATED]
    assert asker.faults.asked < 6


async def test_pages_beyond_the_cap_are_left_and_said_to_be_missing(asking: Any) -> None:
    async with asking(search_app([hospital_record(observations=9)], page_size=2), max_pages=3) as asker:
        items = await asker.items("Observation", numbers=[NUMBER])

    # One of the ten matches is the social history; three pages of two are six.
    assert len(facts(items, Observation)) + len(facts(items, SocialHistory)) == 6
    assert GapKind.TRUNCATED in {gap.kind for gap in gaps(items, "Observation")}


async def test_a_page_that_fails_keeps_the_pages_before_it(asking: Any) -> None:
    async def pages(request: web.Request) -> web.Response:
        if "page" in request.query:
            return web.Response(status=500)
        return fhir(searchset(observation("o1"), following="Observation?page=2"))

    async with asking(scripted(Observation=pages)) as asker:
        items = await asker.items("Observation", numbers=[NUMBER])

    assert [fact.native_id for fact in facts(items, Observation)] == ["Observation/o1"]
    assert {gap.kind for gap in gaps(items, "Observation")} == {GapKind.TRUNCATED, GapKind.FAILED}


async def test_included_resources_tell_the_product_and_the_prescriber_and_are_no_facts(asking: Any) -> None:
    async with asking(search_app([hospital_record()])) as asker:
        items = await asker.items("Medication", numbers=[NUMBER])

    (order,) = facts(items, Medication)
    assert order.code.label == "Aspirin 75mg tablets"
    assert order.form.label == "Tablet"
    assert (str(order.strength.value), order.strength.unit) == ("75", "mg")
    assert order.author.name == "Dr Lister"
    assert not [item for item in items if isinstance(item, Gap)]


async def test_one_observation_search_answers_for_social_history_as_well(asking: Any) -> None:
    async with asking(search_app([hospital_record()])) as asker:
        records = await asker.records("Observation", "SocialHistory", numbers=[NUMBER])
        items = [item for record in records for item in asker.adapter.read(record)]

    assert [fact.native_id for fact in facts(items, SocialHistory)] == ["Observation/s1"]
    assert len(facts(items, Observation)) == 3
    assert asker.faults.asked == 2


async def test_no_medicine_is_said_to_be_missing_when_one_of_four_searches_found_some(asking: Any) -> None:
    async with asking(search_app([hospital_record()])) as asker:
        items = await asker.items("Medication", numbers=[NUMBER])

    assert facts(items, Medication)
    assert not gaps(items, "Medication")


async def test_an_empty_search_means_not_recorded_and_never_none_known(asking: Any) -> None:
    async with asking(search_app([hospital_record()])) as asker:
        items = await asker.items("Immunization", numbers=[NUMBER])

    assert [gap.kind for gap in gaps(items, "Immunization")] == [GapKind.NOT_RECORDED]


async def test_an_unknown_person_is_a_gap_and_no_other_search_is_made(asking: Any) -> None:
    async with asking(search_app([hospital_record()])) as asker:
        items = await asker.items("Observation", numbers=[UNKNOWN])

    assert items == [Gap(kind=GapKind.NOT_HELD, code=PATIENT_NOT_FOUND)]
    assert asker.faults.asked == 1


async def test_a_superseded_number_is_tried_when_the_current_one_is_not_known(asking: Any) -> None:
    record = hospital_record()
    record["entry"][0]["resource"] = patient(number=OLD_NUMBER)
    async with asking(search_app([record])) as asker:
        items = await asker.items("AllergyIntolerance", numbers=[NUMBER, OLD_NUMBER])

    assert len(facts(items, Patient)) == len(facts(items, AllergyIntolerance)) == 1
    assert not [item for item in items if isinstance(item, Gap)]


async def test_two_patients_with_one_number_both_come_with_all_they_have(asking: Any) -> None:
    other = {"resourceType": "Bundle", "entry": [{"resource": patient("p2")}]}
    other["entry"].append({"resource": observation("other", subject={"reference": "Patient/p2"})})
    async with asking(search_app([hospital_record(), other])) as asker:
        items = await asker.items("Observation", numbers=[NUMBER])

    assert {fact.native_id for fact in facts(items, Patient)} == {"Patient/p1", "Patient/p2"}
    assert {fact.subject for fact in facts(items, Observation)} == {"Patient/p1", "Patient/p2"}


async def test_whoever_is_linked_and_carries_the_number_is_told_of_once(asking: Any) -> None:
    async with asking(search_app([hospital_record()])) as asker:
        items = await asker.items("Observation", numbers=[NUMBER], local_ids=("Patient/p1",))

    assert [fact.native_id for fact in facts(items, Patient)] == ["Patient/p1"]
    assert len(facts(items, Observation)) == len({fact.native_id for fact in facts(items, Observation)})


async def test_a_link_to_one_who_carries_the_number_does_not_hide_another_who_does(asking: Any) -> None:
    other = {"resourceType": "Bundle", "entry": [{"resource": patient("p2")}]}
    other["entry"].append({"resource": observation("other", subject={"reference": "Patient/p2"})})
    async with asking(search_app([hospital_record(), other])) as asker:
        items = await asker.items("Observation", numbers=[NUMBER], local_ids=("Patient/p1",))

    assert {fact.native_id for fact in facts(items, Patient)} == {"Patient/p1", "Patient/p2"}
    assert {fact.subject for fact in facts(items, Observation)} == {"Patient/p1", "Patient/p2"}


async def test_a_look_up_that_fails_beside_a_link_is_a_gap_in_every_type_and_costs_no_fact(asking: Any) -> None:
    async def read(request: web.Request) -> web.Response:
        return fhir(patient()) if request.path.endswith("/p1") else outcome("exception", status=500)

    async with asking(scripted(Patient=read, Observation=searchset(observation("o1")))) as asker:
        items = await asker.items("Observation", numbers=[NUMBER], local_ids=("Patient/p1",))

    assert [fact.native_id for fact in facts(items, Observation)] == ["Observation/o1"]
    failed = {item.fact_type for item in items if isinstance(item, Gap) and item.kind is GapKind.FAILED}
    assert failed == {"Patient", "Observation"}


async def test_a_record_that_a_steward_linked_does_not_hide_the_one_that_has_the_number(asking: Any) -> None:
    by_hand = {"resourceType": "Bundle", "entry": [{"resource": patient("p2", identifier=[])}]}
    by_hand["entry"].append({"resource": observation("other", subject={"reference": "Patient/p2"})})
    async with asking(search_app([hospital_record(), by_hand])) as asker:
        items = await asker.items("Observation", numbers=[NUMBER], local_ids=("Patient/p2",))

    assert {fact.native_id for fact in facts(items, Patient)} == {"Patient/p1", "Patient/p2"}
    assert {fact.subject for fact in facts(items, Observation)} == {"Patient/p1", "Patient/p2"}


async def test_a_local_id_that_is_gone_is_an_unknown_person(asking: Any) -> None:
    async with asking(search_app([hospital_record()])) as asker:
        items = await asker.items("Observation", local_ids=("Patient/gone",))

    assert items == [Gap(kind=GapKind.NOT_HELD, code=PATIENT_NOT_FOUND)]


@pytest.mark.parametrize("code", ["not-found", "deleted", "processing"])
async def test_a_read_that_finds_nothing_is_an_unknown_person_in_every_servers_words(asking: Any, code: str) -> None:
    async with asking(scripted(Patient=outcome(code, status=404))) as asker:
        items = await asker.items("Condition", local_ids=("Patient/p9",))

    assert items == [Gap(kind=GapKind.NOT_HELD, code=PATIENT_NOT_FOUND)]


async def test_a_404_that_is_no_fhir_is_a_wrong_address_and_not_an_unknown_person(asking: Any) -> None:
    async with asking(scripted(Patient=web.Response(status=404, text="nothing here"))) as asker:
        with pytest.raises(SourceRequest, match="is the path of base_url right"):
            await asker.items("Condition", local_ids=("Patient/p9",))


async def test_one_failing_type_costs_only_itself(asking: Any) -> None:
    async with asking(
        scripted(Condition=outcome("not-supported", status=400), Observation=searchset(observation("o1")))
    ) as asker:
        items = await asker.items("Condition", "Observation", numbers=[NUMBER])

    assert len(facts(items, Observation)) == 1
    assert [(gap.kind, gap.code) for gap in gaps(items, "Condition")] == [(GapKind.FAILED, "SOURCE_REQUEST")]


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (outcome("throttled"), "SOURCE_THROTTLED"),
        (outcome("security"), "SOURCE_AUTH"),
        (outcome("timeout"), "SOURCE_TIMEOUT"),
        (outcome("informational", "information"), "SOURCE_INVALID"),
        (fhir(b"<html>Sign in</html>"), "SOURCE_INVALID"),
        (fhir(b'{"error": "session expired"}'), "SOURCE_INVALID"),
        (fhir(patient()), "SOURCE_INVALID"),
        (web.Response(status=403), "SOURCE_AUTH"),
    ],
    ids=["throttled", "security", "timeout", "information", "html", "json", "another-resource", "forbidden"],
)
async def test_status_200_is_not_success(asking: Any, answer: web.Response, code: str) -> None:
    body = (answer.body, answer.status)

    async def same(request: web.Request) -> web.Response:
        return web.Response(body=body[0], status=body[1], content_type="application/fhir+json")

    async with asking(scripted(Condition=same)) as asker:
        items = await asker.items("Condition", numbers=[NUMBER])

    assert [(gap.kind, gap.code) for gap in gaps(items, "Condition")] == [(GapKind.FAILED, code)]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (outcome("exception"), SourceUnavailable),
        (outcome("forbidden"), SourceAuth),
        (outcome("invalid", status=400), SourceRequest),
        (web.Response(text="<html>Sign in</html>", content_type="text/html"), SourceInvalid),
    ],
    ids=["exception", "forbidden", "refused", "html"],
)
async def test_a_look_up_that_fails_is_an_error_and_not_an_unknown_person(
    asking: Any, answer: web.Response, error: type[Exception]
) -> None:
    async def same(request: web.Request) -> web.Response:
        return answer

    async with asking(scripted(Patient=same)) as asker:
        with pytest.raises(error):
            await asker.items("Condition", numbers=[NUMBER])


async def test_the_person_comes_before_a_search_that_hangs(asking: Any) -> None:
    held = asyncio.Event()

    async def hang(request: web.Request) -> web.Response:
        await held.wait()
        return fhir(searchset())

    async with asking(scripted(Condition=hang, Observation=searchset(observation("o1")))) as asker:
        arrived = []
        ask_types = frozenset({"Patient", "Condition", "Observation"})
        async with asyncio.timeout(10):
            async for record in asker.adapter.fetch(asker.ask(ask_types, NUMBER), call()):
                arrived.append(record.types)
                if len(arrived) == 2:
                    held.set()

    assert arrived == [frozenset({"Patient"}), frozenset({"Observation"}), frozenset({"Condition"})]


async def test_searches_run_side_by_side_and_never_more_than_allowed(asking: Any) -> None:
    under_way, most = 0, 0
    three = asyncio.Event()

    async def count(request: web.Request) -> web.Response:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        if under_way == 3:
            three.set()
        await three.wait()
        await asyncio.sleep(0)
        under_way -= 1
        return fhir(searchset())

    types = ("Condition", "Procedure", "Flag", "CarePlan", "Consent", "Immunization")
    async with asking(scripted(**dict.fromkeys(types, count)), max_parallel=3) as asker:
        async with asyncio.timeout(10):
            await asker.items(*types, numbers=[NUMBER])

    assert most == 3


async def test_stu3_asks_for_referrals_under_their_old_names(asking: Any) -> None:
    kinds: Counter[str] = Counter()

    async def note(request: web.Request) -> web.Response:
        kinds[request.match_info["kind"]] += 1
        return fhir(searchset())

    names = ("ServiceRequest", "ReferralRequest", "ProcedureRequest")
    async with asking(scripted(**dict.fromkeys(names, note)), version="STU3") as asker:
        await asker.items("ServiceRequest", numbers=[NUMBER])

    assert kinds == Counter(ReferralRequest=1, ProcedureRequest=1)


async def test_a_resource_type_that_is_not_offered_is_not_asked_for(asking: Any) -> None:
    async with asking(search_app([hospital_record()]), not_offered=("MedicationAdministration",)) as asker:
        await asker.items("Medication", numbers=[NUMBER])

    assert asker.faults.asked == 4


async def test_check_refuses_a_server_of_another_release(asking: Any) -> None:
    async with asking(search_app([hospital_record()], version="STU3")) as asker:
        with pytest.raises(SettingsError):
            await asker.adapter.check(call())


async def test_a_source_that_knows_patients_by_another_system_is_asked_by_that(asking: Any) -> None:
    mrn = "https://zrh.example/mrn"
    record = hospital_record()
    record["entry"][0]["resource"]["identifier"].append({"system": mrn, "value": "Z55"})
    async with asking(search_app([record]), patient_identifier_system=mrn) as asker:
        assert asker.adapter.identifier_systems == {mrn}
        with pytest.raises(SourceRequest):
            await asker.items("Flag", numbers=[NUMBER])
        found = [r async for r in asker.adapter.fetch(asker.ask(frozenset({"Patient"}), "Z55", mrn), call())]

    assert len(facts([item for record in found for item in asker.adapter.read(record)], Patient)) == 1
