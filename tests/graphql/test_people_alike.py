"""People who are easily taken for one another, and one person registered twice: never the wrong one's facts."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import out
from tests.graphql.conftest import Running
from tests.graphql.everybody import NHS_NUMBER, facts, links_of, raw, source_of, whole
from tests.graphql.test_stewardship import sherwood

LOUISE, LOUISA = "9991830006", "9991831002"
JUNIPER, JASPER = "9991860916", "9993909963"
FATHER, SON = "9995190001", "9995364018"
AGREEING, DISAGREEING = "9991590838", "9990166137"
PERPETUA = "9997725018"
HOSPITAL = "urn:oid:2.16.840.1.113883.2.1.3.2.4.18.99.1"
WIDE = 400
BY = ("--by", "a.steward", "--reason", "seen the birth certificate")


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(out, "_width", WIDE)


def results(record: dict[str, Any]) -> set[tuple[str, str]]:
    """Source and value of each result."""
    return {
        (key.partition(":")[0], fact["valueQuantity"]["value"])
        for key, fact in facts(record, "observations").items()
        if fact["valueQuantity"]
    }


async def test_each_twin_is_shown_her_own_ferritin_though_the_samples_came_a_minute_apart(gateway: Running) -> None:
    louise, _ = await whole(gateway, LOUISE)
    louisa, _ = await whole(gateway, LOUISA)
    assert {value for source, value in results(louise) if source == "lab"} == {"9"}
    assert {value for source, value in results(louisa) if source == "lab"} == {"64"}


async def test_a_twins_weight_filed_under_her_sisters_number_is_shown_to_neither(gateway: Running) -> None:
    for number in (LOUISE, LOUISA):
        record, text = await whole(gateway, number)
        assert not [key for key in facts(record) if key.startswith("telehealth:")]
        assert "60.5" not in text
    assert [x["status"] for x in links_of((await whole(gateway, LOUISE))[0], "telehealth")] == ["PRESENT_NOT_LINKED"]
    assert source_of((await whole(gateway, LOUISA))[0], "telehealth")["code"] == "PATIENT_NOT_FOUND"


async def test_a_result_of_baby_twin_one_that_came_before_the_baby_is_shown_to_neither_twin(gateway: Running) -> None:
    for number, sources in ((JUNIPER, {"pas", "lab"}), (JASPER, {"pas"})):
        record, text = await whole(gateway, number)
        assert facts(record) == {}
        assert {x["source"]["id"] for x in record["links"] if x["status"] == "PRESENT_NOT_LINKED"} == sources
        assert "CANARY-LAVENDER-03AD" not in text
        assert "Baby" not in text


async def test_the_result_of_baby_twin_one_is_hers_once_a_steward_says_which_twin_it_is(
    gateway: Running, tmp_path: Path
) -> None:
    for number in (JUNIPER, JASPER):
        await whole(gateway, number)
    await sherwood(tmp_path, "link", JUNIPER, "lab", "Patient/2440201", *BY)
    juniper, text = await whole(gateway, JUNIPER)
    assert ("lab", "212") in results(juniper)
    assert "CANARY-LAVENDER-03AD" in text
    jasper, text = await whole(gateway, JASPER)
    assert facts(jasper) == {}
    assert "CANARY-LAVENDER-03AD" not in text


async def test_father_and_son_of_one_name_and_one_address_are_each_shown_their_own_and_nothing_of_a_mixture(
    gateway: Running,
) -> None:
    father, of_father = await whole(gateway, FATHER)
    son, of_son = await whole(gateway, SON)
    assert "pas:Encounter/SP25-2044" in facts(father)
    assert "CANARY-CLIFF-8838" in of_father
    assert not facts(father).keys() & facts(son).keys()
    assert "CANARY-CLIFF-8838" not in of_son
    assert {key.partition(":")[0] for key in facts(son)} == {"pas"}
    for text in (of_father, of_son):
        assert "CANARY-NUTMEG-D3A9" not in text, "social care mixed them"
        assert "330412" not in text
    assert source_of(father, "socialcare")["facts"] == 0
    assert links_of(father, "socialcare") == links_of(son, "socialcare") == []


async def test_somebody_registered_twice_alike_is_shown_both_registrations_and_the_visits_of_both(
    gateway: Running,
) -> None:
    record, _ = await whole(gateway, AGREEING)
    assert {x["localId"] for x in links_of(record, "pas")} == {"Patient/2207714", "Patient/2290031"}
    visits = {key: fact["provenance"]["localPatientId"] for key, fact in facts(record, "encounters").items()}
    assert visits == {
        "pas:Encounter/OP25-1190": "Patient/2207714",
        "pas:Encounter/ED26-0991": "Patient/2290031",
    }
    registered = [f["provenance"] for f in record["patient"]["facts"] if f["provenance"]["source"]["id"] == "pas"]
    assert {each["localPatientId"] for each in registered} == {"Patient/2207714", "Patient/2290031"}
    numbers = {i["value"] for i in record["patient"]["identifiers"] if i["system"] == HOSPITAL}
    assert numbers == {"2207714", "2290031"}


async def test_two_registrations_that_contradict_each_other_are_both_kept_from_view_until_a_steward_says_which(
    gateway: Running, tmp_path: Path
) -> None:
    record, text = await whole(gateway, DISAGREEING)
    assert facts(record) == {}
    assert links_of(record, "pas") == []
    assert "2311460" not in text
    assert "2318872" not in text
    assert record["encounters"]["emptyReason"] == "NOT_ASKED", "and never that there were none"
    said = await sherwood(tmp_path, "links", DISAGREEING, "--by", "a.steward")
    for local_id in ("Patient/2311460", "Patient/2318872"):
        (row,) = [line for line in said.splitlines() if local_id in line]
        assert "HELD" in row
        assert "certain" in row
        assert "veto:registrations-disagree" in row
        assert "contradict each other" in row
    await sherwood(tmp_path, "link", DISAGREEING, "pas", "Patient/2311460", *BY)
    record, text = await whole(gateway, DISAGREEING)
    assert facts(record).keys() == {"pas:Encounter/OP25-2207"}
    assert "2318872" not in text


async def test_the_digits_of_a_foreign_insurance_number_are_nobodys_nhs_number(gateway: Running) -> None:
    record, text = await whole(gateway, PERPETUA)
    assert source_of(record, "pas")["code"] == "PATIENT_NOT_FOUND"
    assert "SOLVANG" not in text.upper()
    assert "CANARY-CORIANDER-E60B" not in text


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("2419903", "IDENTITY_UNRESOLVED"),
        ("2405517", "IDENTITY_UNRESOLVED"),
        ("7700123", "IDENTITY_UNRESOLVED"),
        ("4480099", "IDENTITY_UNRESOLVED"),
    ],
    ids=["overseas visitor", "no NHS number", "announced to nobody", "unknown man"],
)
async def test_one_whom_no_authority_knows_is_unresolved_by_hospital_number_and_nothing_of_them_is_shown(
    gateway: Running, value: str, code: str
) -> None:
    text = await raw(gateway, value, system=HOSPITAL)
    (error,) = json.loads(text)["errors"]
    assert error["extensions"]["code"] == code
    assert "CANARY" not in text
    assert value not in text


async def test_the_placeholder_of_an_unknown_man_is_refused_before_any_source_is_asked(gateway: Running) -> None:
    text = await raw(gateway, "9999999999", system=NHS_NUMBER)
    (error,) = json.loads(text)["errors"]
    assert error["extensions"]["code"] == "IDENTIFIER_INVALID"
    assert "placeholder" in error["message"]
    assert {source: faults.asked for source, faults in gateway.faults.items() if faults.asked} == {}
