"""Who is involved in a person's care, each once, and who saw them last."""

from typing import Any

import pytest

from gateway.merge import care_team_members
from schema.model.clinical import (
    Appointment,
    CareTeam,
    Communication,
    Encounter,
    Medication,
    MedicationKind,
    Patient,
)
from schema.model.journey import CareTeamMember, Finding
from schema.model.values import ContactPoint, Identifier, Party
from schema.model.view import SourceState
from tests.merge.making import at, course, number, since
from tests.merge.test_journey import Stated, sections


def party(name: str | None = None, phone: str | None = None, **more: Any) -> Party:
    telecom = (ContactPoint(system="phone", value=phone),) if phone else ()
    return Party(name=name, telecom=telecom, **more)


def team(*people: Party, **more: Any) -> dict[str, Any]:
    return {"participants": people, **more}


def visit(when: str, *people: Party, status: str | None = "finished", **more: Any) -> dict[str, Any]:
    return {"period": since(when), "status": status, "participants": people, **more}


def people(*stated: Stated, **heard: Any) -> dict[str | None, CareTeamMember]:
    """By name."""
    found = care_team_members(sections(*stated, **heard))
    by_name = {one.name or one.organization: one for one in found}
    assert len(by_name) == len(found), "two go by one name"
    return by_name


def last(member: CareTeamMember) -> str | None:
    return member.last_contact.when.value if member.last_contact and member.last_contact.when else None


def test_one_name_and_one_telephone_is_one_person_and_a_name_alone_is_not() -> None:
    sunita, titled = party("Sunita Banerjee", "01632 960341"), party("Mrs Sunita Banerjee", "01632960341")
    (one,) = care_team_members(sections((CareTeam, "a", team(sunita)), (CareTeam, "b", team(titled))))
    assert {source.id for source in one.sources} == {"a", "b"}
    found = care_team_members(sections((CareTeam, "a", team(sunita)), (CareTeam, "b", team(party("Sunita Banerjee")))))
    assert len(found) == 2


def test_two_who_act_for_one_practice_are_not_one_person_by_its_number() -> None:
    practice = number("Z81099", "https://fhir.nhs.uk/Id/ods-organization-code")
    doctors = [party(name, identifiers=(practice,)) for name in ("Dr A Yarrow", "Dr B Finch")]
    assert set(people((CareTeam, "a", team(*doctors)))) == {"Dr A Yarrow", "Dr B Finch"}


def test_the_last_contact_is_the_latest_that_took_place() -> None:
    nurse = party("Wilhelmina Oxtoby")
    found = people(
        (CareTeam, "a", team(nurse)),
        (Encounter, "a", visit("2026-03-11T10:15", nurse)),
        (Encounter, "a", visit("2026-03-15T10:00", nurse)),
        (Encounter, "a", visit("2026-03-16T10:20", nurse, status="cancelled")),
        (Appointment, "a", visit("2026-04-06T09:40", nurse, status="booked")),
    )
    assert last(found["Wilhelmina Oxtoby"]) == "2026-03-15T10:00"


def test_a_supply_handed_over_is_a_contact_with_who_runs_the_source_and_not_with_the_prescriber() -> None:
    pharmacy, doctor = party(organization="Trust a"), party("Dr I Yarrow")
    supply = course(start="2026-03-11") | {"kind": MedicationKind.DISPENSE, "status": "completed", "author": doctor}
    left = supply | {"status": "not-done", "effective": since("2026-03-16")}
    found = people((CareTeam, "a", team(pharmacy, doctor)), (Medication, "a", supply), (Medication, "a", left))
    assert (last(found["Trust a"]), last(found["Dr I Yarrow"])) == ("2026-03-11", None)


def test_a_message_counts_with_the_person_and_not_between_professionals() -> None:
    nurse, doctor, patient = party("Ewart Pilling"), party("Joy Adewole"), Party(role="patient")
    told = {"sent": at("2026-03-16T10:00"), "sender": nurse, "recipients": (patient,)}
    handover = {"sent": at("2026-03-16T15:00"), "sender": doctor, "recipients": (nurse,)}
    found = people((CareTeam, "a", team(nurse, doctor)), (Communication, "a", told), (Communication, "a", handover))
    assert (last(found["Ewart Pilling"]), last(found["Joy Adewole"])) == ("2026-03-16T10:00", None)


def test_a_contact_with_a_member_is_one_with_the_team_of_the_same_source() -> None:
    nurse, phone = party("Sunita Banerjee"), (ContactPoint(system="phone", value="01632 960340", label="duty desk"),)
    named = team(nurse, name="Community team", telecom=phone)
    found = people((CareTeam, "a", named), (Encounter, "a", visit("2026-03-11T11:00", nurse)))
    assert last(found["Community team"]) == "2026-03-11T11:00"
    assert found["Community team"].telecom == phone
    elsewhere = people((CareTeam, "a", named), (Encounter, "b", visit("2026-03-11T11:00", party("Ann Other"))))
    assert last(elsewhere["Community team"]) is None


def test_without_a_contact_it_is_not_found_only_when_everybody_was_heard() -> None:
    nurse = (CareTeam, "a", team(party("Alys Brackley")))
    visits = (Encounter, "a", visit("2026-03-11T11:00", party("Ann Other")))
    assert people(nurse, visits)["Alys Brackley"].contact is Finding.NOT_FOUND
    silent = people(nurse, visits, b=SourceState.UNAVAILABLE)
    assert silent["Alys Brackley"].contact is Finding.CANNOT_TELL
    assert [source.id for source in silent["Ann Other"].unheard] == ["b"]


def test_a_source_that_only_listens_may_have_missed_a_contact_before_it_began() -> None:
    named = CareTeam, "a", team(party("Ann Other"))
    another = Encounter, "a", visit("2026-03-11T10:15", party("Bob Else"))
    met = Encounter, "a", visit("2026-03-11T10:15", party("Ann Other"))
    never = people(named, another, listening="2026-03-01")["Ann Other"]
    assert (never.contact, [source.id for source in never.unheard]) == (Finding.CANNOT_TELL, ["c"])
    for began, silent in (("2026-03-12", ["c"]), ("2026-03-11", [])):
        seen = people(named, met, listening=began)["Ann Other"]
        assert (seen.contact, [source.id for source in seen.unheard]) == (Finding.FOUND, silent), began


def test_a_contact_took_place_by_the_word_of_the_first_source_that_says_whether_it_did() -> None:
    ann, number_ = party("Ann Other"), (number("V-1", "urn:visits"),)
    met = {"period": since("2026-03-11T10:15"), "participants": (ann,), "identifiers": number_}
    for late, early, counts in (
        (None, "finished", True),
        ("planned", "finished", True),
        ("cancelled", "finished", False),
    ):
        newest = (Encounter, "a", {**met, "status": late, "recorded": at("2026-03-12")})
        other = (Encounter, "b", {**met, "status": early, "recorded": at("2026-03-11")})
        found = people((CareTeam, "a", team(ann)), newest, other)
        assert (last(found["Ann Other"]) is not None) is counts, (late, early)


def test_a_stay_of_which_only_the_end_ahead_is_known_is_no_contact_yet() -> None:
    ann = party("Ann Other")
    for end, counts in (("2026-03-16", True), ("2026-04-01", False)):
        met = {"period": since("2026-03-11T10:15", end), "participants": (ann,)}
        assert (last(people((CareTeam, "a", team(ann)), (Encounter, "a", met))["Ann Other"]) is not None) is counts


def test_of_a_contact_that_names_its_provider_the_source_that_copied_it_has_none() -> None:
    practice = (Patient, "b", {"general_practitioners": (party(organization="Trust b"),)})
    copied = (Encounter, "b", visit("2026-03-16", service_provider="Anytown Royal"))
    assert last(people(practice, copied)["Trust b"]) is None
    assert last(people(practice, (Encounter, "b", visit("2026-03-16")))["Trust b"]) == "2026-03-16"


# ---------- who is somebody else


def gmc(value: str) -> Identifier:
    return number(value, "https://fhir.hl7.org.uk/Id/gmc-number")


def ods(value: str) -> Identifier:
    return number(value, "https://fhir.nhs.uk/Id/ods-organization-code")


def phones(*stated: Stated) -> list[list[str]]:
    """The telephone numbers of each member."""
    found = care_team_members(sections(*stated))
    return sorted(sorted(point.value for point in one.telecom) for one in found)


DEPARTMENT = number("CARD", "urn:trust-a:department")
APART = {
    "another title": (party("Dr Patel", "1"), party("Nurse Patel", "2")),
    "another title, one switchboard": (party("Dr Ann Patel", "1"), party("Nurse Ann Patel", "1")),
    "one word of a name": (party("Patel", "1"), party("Dr Patel", "2")),
    "another number": (
        party("Dr John Smith", "1", identifiers=(gmc("1111111"),)),
        party("Dr John Smith", "2", identifiers=(gmc("2222222"),)),
    ),
    "one department": (
        party("Dr Ann Yarrow", "1", identifiers=(DEPARTMENT,)),
        party("Dr Bob Finch", "2", identifiers=(DEPARTMENT,)),
    ),
    "the department itself": (
        party("Dr Ann Yarrow", "1", identifiers=(DEPARTMENT,)),
        party(None, "2", organization="Cardiology", identifiers=(DEPARTMENT,)),
    ),
}


@pytest.mark.parametrize("two", APART.values(), ids=APART)
def test_two_who_are_told_apart_never_share_a_telephone_number(two: tuple[Party, Party]) -> None:
    stated = [[point.value for point in one.telecom] for one in two]
    assert phones((CareTeam, "a", team(*two))) == stated
    assert phones((CareTeam, "a", team(two[0])), (CareTeam, "a", team(two[1]))) == stated


def test_one_without_a_number_joins_no_two_of_different_numbers() -> None:
    named = [party("Dr John Smith", phone, identifiers=(gmc(n),)) for phone, n in (("1", "1111111"), ("2", "2222222"))]
    everybody = (CareTeam, "a", team(*named, party("John Smith")))
    assert phones(everybody) == [[], ["1"], ["2"]]
    again = (CareTeam, "b", team(party("J Smith", "3", identifiers=(gmc("1111111"),))))
    assert phones(everybody, again) == [[], ["1", "3"], ["2"]], "a number still joins what it numbers"


def test_a_department_of_many_leaves_each_of_them_one() -> None:
    yarrow, finch = gmc("1111111"), gmc("2222222")
    a = team(party("Dr Ann Yarrow", "1", identifiers=(yarrow, DEPARTMENT)), party("Dr Bob Finch", identifiers=(finch,)))
    b = team(party("A Yarrow", "2", identifiers=(yarrow,)), party("Bob Finch", "3", identifiers=(finch, DEPARTMENT)))
    assert phones((CareTeam, "a", a), (CareTeam, "b", b)) == [["1", "2"], ["3"]]


def test_teams_of_one_name_in_two_trusts_are_two() -> None:
    named = [
        {"name": name, "telecom": (ContactPoint(system="phone", value=phone),), "participants": ()}
        for name, phone in (("Crisis Team", "1"), ("Crisis team", "2"))
    ]
    assert phones((CareTeam, "a", named[0]), (CareTeam, "b", named[1])) == [["1"], ["2"]]
    seen = (Encounter, "a", visit("2026-03-11", service_provider="Crisis Team"))
    found = care_team_members(sections((CareTeam, "a", named[0]), (CareTeam, "b", named[1]), seen))
    by_phone = {one.telecom[0].value: (last(one), one.contact) for one in found}
    assert by_phone == {"1": ("2026-03-11", Finding.FOUND), "2": (None, Finding.CANNOT_TELL)}


def test_practices_of_one_name_and_two_numbers_are_two() -> None:
    practices = [
        {"general_practitioners": (party(None, phone, organization="The Surgery", identifiers=(ods(code),)),)}
        for phone, code in (("1", "Z81001"), ("2", "Z82002"))
    ]
    assert phones((Patient, "a", practices[0]), (Patient, "b", practices[1])) == [["1"], ["2"]]
    assert phones((Patient, "a", practices[0]), (Patient, "b", practices[0])) == [["1"]]


def test_a_contact_with_one_of_the_same_name_leaves_open_whether_it_was_they() -> None:
    nurse = (CareTeam, "b", team(party("Sunita Banerjee")))
    visited = {
        title: people(nurse, (Appointment, "a", visit("2026-03-11", party(title), status="fulfilled")))
        for title in ("Mrs Sunita Banerjee", "Samir Banerjee")
    }
    found = {title: members["Sunita Banerjee"].contact for title, members in visited.items()}
    assert found == {"Mrs Sunita Banerjee": Finding.CANNOT_TELL, "Samir Banerjee": Finding.NOT_FOUND}
