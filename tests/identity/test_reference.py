"""The reference person: from the authority, from the caller, from the agreement of sources; and the vetoes."""

from datetime import date
from typing import Any

import pytest

from gateway.identity.agreement import agreement
from gateway.identity.grade import Grade, grade
from gateway.identity.reference import ReferenceOrigin, from_authority, from_caller
from gateway.identity.vetoes import registrations_disagree, vetoes
from schema.model.clinical import Patient
from tests.identity.people import EARLIER, NUMBER, OTHER, home, name, number, record, reference

TWIN = {"names": (name("Michaela"),), "gender": "female"}


def test_another_number_from_the_authority_is_a_supersession() -> None:
    found = from_authority(record(), number(EARLIER, verified=False), "pds")
    assert found is not None
    assert found.identifier.value == NUMBER
    assert [i.value for i in found.superseded] == [EARLIER]
    assert (found.origin, found.sources, found.birth_date) == (ReferenceOrigin.AUTHORITY, ("pds",), date(1967, 3, 14))


def test_the_number_asked_for_with_spaces_is_no_supersession() -> None:
    found = from_authority(record(), number(f"{NUMBER[:3]} {NUMBER[3:6]} {NUMBER[6:]}"), "pds")
    assert found is not None
    assert found.superseded == ()


def test_an_authority_with_two_numbers_must_say_which_is_current() -> None:
    both = record(identifiers=(number(), number(EARLIER)))
    assert from_authority(both, number(), "pds") is None
    assert from_authority(record(identifiers=()), number(), "pds") is None
    found = from_authority(both, number(EARLIER), "pds", current=number())
    assert found is not None
    assert [i.value for i in found.identifiers] == [NUMBER, EARLIER]


def test_a_birth_date_that_the_caller_states_differently_is_a_mistyped_number() -> None:
    assert reference().contradicts(date(1967, 3, 15))
    assert not reference().contradicts(date(1967, 3, 14))
    assert not reference().contradicts(None)
    assert not from_caller(number()).contradicts(date(1967, 3, 14))


def test_full_demographics_of_the_caller_are_enough() -> None:
    asked = from_caller(number(verified=False), birth_date=date(1967, 3, 14), names=(name("Michael"),))
    assert grade(asked, record()).grade is Grade.CERTAIN


OVERLAID: dict[str, Any] = {"names": (name("Sandra", "Okafor"),), "birth_date": "1990-01-02", "gender": "female"}


def test_one_source_whose_record_is_linked_is_enough_where_nobody_contradicts_it() -> None:
    alone = [("pas", record("Patient/1"))]
    assert agreement(number(), alone) is None
    found = agreement(number(), alone, linked={("pas", "Patient/1")})
    assert found is not None
    assert (found.origin, found.sources) == (ReferenceOrigin.LINKED, ("pas",))
    assert agreement(number(), alone, linked={("gp", "Patient/1")}) is None, "another source's record of that id"


@pytest.mark.parametrize("beside", [1, 2])
def test_a_linked_record_that_was_overwritten_does_not_certify_itself(beside: int) -> None:
    voices = [("pas", record("Patient/1", **OVERLAID)), ("gp", record("Patient/2")), ("lab", record("Patient/3"))]
    linked = {(source, one.native_id) for source, one in voices}
    assert agreement(number(), voices[: beside + 1], linked=linked) is None
    assert agreement(number(), voices[1:], linked=linked) is not None


def test_a_linked_record_without_the_number_has_no_say() -> None:
    by_hand = [("ooh", record("Patient/1", identifiers=()))]
    assert agreement(number(), by_hand, linked={("ooh", "Patient/1")}) is None


def test_a_record_under_an_earlier_number_of_a_known_person_has_a_say() -> None:
    behind = [("pas", record("Patient/1", identifiers=(number(EARLIER),)))]
    linked = {("pas", "Patient/1")}
    assert agreement(number(), behind, linked=linked) is None
    found = agreement(number(), behind, linked=linked, superseded=(number(EARLIER),))
    assert found is not None
    assert [i.value for i in found.identifiers] == [NUMBER, EARLIER]


def test_two_sources_that_agree_make_a_reference_person_whatever_their_order() -> None:
    voices = [("lab", record("Patient/9")), ("gp", record("Patient/1", names=(name("Mike"),)))]
    found = agreement(number(), voices)
    assert found is not None
    assert found == agreement(number(), voices[::-1])
    assert (found.sources, found.names) == (("gp", "lab"), (name("Mike"),))


@pytest.mark.parametrize(
    ("why", "voices"),
    [
        ("one source alone", [("gp", record())]),
        ("one source twice", [("gp", record("Patient/1")), ("gp", record("Patient/2"))]),
        ("unverified", [("gp", record()), ("lab", record(identifiers=(number(verified=False),)))]),
        ("a twin", [("gp", record()), ("lab", record(**TWIN))]),
        ("a third one contradicts", [("gp", record()), ("lab", record()), ("ed", record(birth_date="1941-03-14"))]),
        ("a day apart", [("gp", record()), ("lab", record(birth_date="1967-03-24"))]),
        ("restricted", [("gp", record()), ("lab", record(restricted=True))]),
        ("two numbers", [("gp", record()), ("lab", record(identifiers=(number(), number(OTHER))))]),
        ("withdrawn", [("gp", record()), ("lab", record(entered_in_error=True))]),
        ("no birth date", [("gp", record(birth_date=None)), ("lab", record(birth_date=None))]),
    ],
)
def test_without_agreement_there_is_no_reference_person(why: str, voices: list[tuple[str, Patient]]) -> None:
    assert agreement(number(), voices) is None, why


def test_a_voice_without_the_verified_number_neither_helps_nor_hinders() -> None:
    voices = [("gp", record()), ("lab", record()), ("ed", record(identifiers=(), birth_date="1941-03-14"))]
    assert agreement(number(), voices) is not None
    unverified = [("gp", record()), ("lab", record(identifiers=(number(verified=None),)))]
    assert agreement(number(), unverified, traced={"lab"}) is not None


@pytest.mark.parametrize(
    ("changes", "asked", "found"),
    [
        ({}, {}, ()),
        ({"identifiers": (number(OTHER),)}, {}, ("veto:verified-numbers-differ",)),
        ({"identifiers": (number(), number(OTHER))}, {}, ("veto:verified-numbers-differ",)),
        ({"identifiers": (number(), number(OTHER, False))}, {}, ("veto:two-numbers-in-one-record",)),
        ({"restricted": True}, {}, ("veto:restricted",)),
        ({"entered_in_error": True}, {}, ("veto:entered-in-error",)),
        ({"multiple_birth": True}, {}, ()),
        ({"multiple_birth": True, "names": (name("Mike"),)}, {}, ("veto:multiple-birth",)),
        ({"names": (name("Mike"),)}, {"multiple_birth": True}, ("veto:multiple-birth",)),
        ({"names": (name("Michael", "Seward"),)}, {"multiple_birth": True}, ()),
    ],
)
def test_each_veto(changes: dict[str, Any], asked: dict[str, Any], found: tuple[str, ...]) -> None:
    person, candidate = reference(**asked), record(**changes)
    assert vetoes(person, candidate, grade(person, candidate)) == found


def test_two_registrations_disagree_on_address_or_gender_and_not_on_silence() -> None:
    assert registrations_disagree([record(), record(gender="female")])
    assert registrations_disagree([record(), record(addresses=(home("3 Birch Road"),))])
    assert registrations_disagree([record(addresses=()), record(), record(addresses=(home("3 Birch Road"),))])
    assert not registrations_disagree([record(), record(addresses=(), gender=None)])
    assert not registrations_disagree([record(), record(gender="unknown", names=(name("Mike"),))])
