"""Profile `pds` over real sockets: current and superseded numbers, restriction, refusal."""

from typing import Any

import pytest

from adapters.fhir.simulate import pds_app
from adapters.sdk import DependsOn, SettingsError, SourceRequest
from adapters.testing.conformance import call
from schema.model.clinical import Patient
from schema.model.fact import PATIENT_NOT_FOUND, Gap, GapKind
from tests.fhir.records import NUMBER, OLD_NUMBER, UNKNOWN, patient

PDS = {"profile": "pds"}


def restricted() -> dict[str, Any]:
    found = patient(NUMBER)
    del found["address"]
    system = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
    return found | {"meta": {"security": [{"system": system, "code": "R", "display": "restricted"}]}}


async def test_the_authority_states_the_current_number_as_verified(asking: Any) -> None:
    async with asking(pds_app([patient(NUMBER)]), **PDS) as asker:
        (fact,) = await asker.items(numbers=[NUMBER])
        assert asker.adapter.types == {"Patient"}
        assert asker.adapter.answer_depends_on is DependsOn.NOTHING

    assert isinstance(fact, Patient)
    assert fact.native_id == fact.subject == f"Patient/{NUMBER}"
    assert [(one.value, one.verified) for one in fact.identifiers] == [(NUMBER, True)]
    assert not fact.restricted


async def test_a_superseded_number_gives_the_current_one_and_keeps_the_one_asked_for(asking: Any) -> None:
    async with asking(pds_app([patient(NUMBER)], {OLD_NUMBER: NUMBER}), **PDS) as asker:
        (fact,) = await asker.items(numbers=[OLD_NUMBER])

    assert isinstance(fact, Patient)
    assert [(one.value, one.type, one.verified) for one in fact.identifiers] == [
        (NUMBER, None, True),
        (OLD_NUMBER, "superseded", None),
    ]


async def test_a_restricted_person_is_marked_and_has_no_address(asking: Any) -> None:
    async with asking(pds_app([restricted()]), **PDS) as asker:
        (fact,) = await asker.items(numbers=[NUMBER])

    assert isinstance(fact, Patient)
    assert fact.restricted
    assert fact.addresses == ()
    assert [label.code for label in fact.security_labels] == ["R"]


async def test_an_unknown_number_is_a_gap(asking: Any) -> None:
    async with asking(pds_app([patient(NUMBER)]), **PDS) as asker:
        assert await asker.items(numbers=[UNKNOWN]) == [Gap(kind=GapKind.NOT_HELD, code=PATIENT_NOT_FOUND)]


async def test_a_number_that_is_none_is_refused_and_not_unknown(asking: Any) -> None:
    async with asking(pds_app([patient(NUMBER)]), **PDS) as asker:
        with pytest.raises(SourceRequest):
            await asker.items(numbers=["9991200011"])


async def test_check_reads_the_test_patient(asking: Any) -> None:
    async with asking(pds_app([patient(NUMBER)]), test_patient=NUMBER, **PDS) as asker:
        assert (await asker.adapter.check(call())).detail


async def test_check_without_a_test_patient_says_what_to_write(asking: Any) -> None:
    async with asking(pds_app([patient(NUMBER)]), **PDS) as asker:
        with pytest.raises(SettingsError, match="test_patient"):
            await asker.adapter.check(call())
