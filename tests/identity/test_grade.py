"""The grading table of MERGE.md section 1, row by row, with the people it was made for."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.identity.grade import Grade, IdentifierMatch, grade
from gateway.identity.reference import ReferenceOrigin
from schema.model.values import Identifier
from tests.identity.people import EARLIER, NUMBER, OTHER, born, home, name, nhs, number, record, reference

CERTAIN, PROBABLE, POSSIBLE, CERTAINLY_NOT = Grade

SEWARD = (name("Michael", "Seward"),)
MOVED = (home("3 Birch Road", "LS99 2ZZ"),)
UNVERIFIED = (number(verified=False),)


@pytest.mark.parametrize(
    ("who", "changes", "graded"),
    [
        ("the same in everything", {}, CERTAIN),
        ("moved house", {"addresses": MOVED}, CERTAIN),
        ("no address", {"addresses": ()}, CERTAIN),
        ("no family name", {"names": (name("Michael", None),)}, CERTAIN),
        ("married: another family name, the same home", {"names": SEWARD}, CERTAIN),
        ("married and moved", {"names": SEWARD, "addresses": MOVED}, PROBABLE),
        ("the neighbour's flat is another home", {"names": SEWARD, "addresses": (home("13 Larch Close"),)}, PROBABLE),
        ("a short form of the name", {"names": (name("Mike"),)}, CERTAIN),
        ("a slip in the name", {"names": (name("Micheal"),)}, CERTAIN),
        ("a short form and another gender", {"names": (name("Mike"),), "gender": "female"}, PROBABLE),
        ("a slip and another gender", {"names": (name("Micheal"),), "gender": "female"}, PROBABLE),
        ("the exact name and another gender", {"gender": "female"}, CERTAIN),
        ("a short form and no gender", {"names": (name("Mike"),), "gender": "unknown"}, PROBABLE),
        ("a slip and no gender", {"names": (name("Micheal"),), "gender": None}, PROBABLE),
        ("an initial for a second name", {"names": (name(("Michael", "J")),)}, CERTAIN),
        ("the exact name and no gender", {"gender": None}, CERTAIN),
        ("names the wrong way round", {"names": (name("Harker", "Michael"),)}, CERTAIN),
        ("the twin's names the wrong way round", {"names": (name("Harker", "Mina"),)}, PROBABLE),
        ("nothing to turn", {"names": (name("Harker", "Harker"),)}, PROBABLE),
        ("the person's name as a family name alone", {"names": (name("Peter", "Michael"),)}, PROBABLE),
        ("the twin", {"names": (name("Michaela"),), "gender": "female"}, PROBABLE),
        ("a newborn's record", {"names": (name("Baby"),)}, PROBABLE),
        ("nobody's name", {"names": (name("Unknown", "Unknown"),)}, PROBABLE),
        ("no name", {"names": ()}, PROBABLE),
        ("an unverified number", {"identifiers": UNVERIFIED}, PROBABLE),
        ("a verified number beside another", {"identifiers": (number(), number(OTHER, verified=False))}, PROBABLE),
        ("one digit of the day", {"birth_date": "1967-03-24"}, CERTAIN),
        ("one digit of the month", {"birth_date": "1967-08-14"}, CERTAIN),
        ("a day slip and another family name", {"birth_date": "1967-03-24", "names": SEWARD}, POSSIBLE),
        ("a day slip and a short form", {"birth_date": "1967-03-24", "names": (name("Mike"),)}, POSSIBLE),
        ("a day slip and another address", {"birth_date": "1967-03-24", "addresses": MOVED}, POSSIBLE),
        ("a day slip and no address", {"birth_date": "1967-03-24", "addresses": ()}, POSSIBLE),
        ("a slip in the year", {"birth_date": "1968-03-14"}, POSSIBLE),
        ("slips in day and year", {"birth_date": "1968-03-24"}, POSSIBLE),
        ("slips in day and month", {"birth_date": "1967-04-15"}, POSSIBLE),
        ("a year alone", {"birth_date": "1967"}, POSSIBLE),
        ("a month alone", {"birth_date": "1967-03"}, POSSIBLE),
        ("no birth date", {"birth_date": None}, POSSIBLE),
        ("the date that means none", {"birth_date": "1900-01-01"}, POSSIBLE),
        ("father and son on one number", {"birth_date": "1941-03-14"}, POSSIBLE),
        ("somebody else on the number", {"names": (name("Quincey", "Morris"),), "birth_date": "1990-01-02"}, POSSIBLE),
        ("no number, names and birth date", {"identifiers": ()}, PROBABLE),
        ("a number that cannot be one", {"identifiers": (number("1111111111"),)}, PROBABLE),
        ("the number in another system", {"identifiers": (number(system="https://hospital.example/mrn"),)}, PROBABLE),
        ("the number in no system", {"identifiers": (number(system=None),)}, PROBABLE),
        ("no number and another family name", {"identifiers": (), "names": SEWARD}, CERTAINLY_NOT),
        ("no number and another given name", {"identifiers": (), "names": (name("Peter"),)}, CERTAINLY_NOT),
        ("no number, names and postcode only", {"identifiers": (), "birth_date": None}, POSSIBLE),
        ("no number, names only", {"identifiers": (), "birth_date": None, "addresses": ()}, CERTAINLY_NOT),
        ("father and son in one house", {"identifiers": (), "birth_date": "1941-09-02"}, CERTAINLY_NOT),
        ("another verified number, the same person otherwise", {"identifiers": (number(OTHER),)}, POSSIBLE),
        ("another unverified number, the same person otherwise", {"identifiers": (number(OTHER, False),)}, POSSIBLE),
        ("two verified numbers", {"identifiers": (number(), number(OTHER))}, POSSIBLE),
        ("another number and birth date", {"identifiers": (number(OTHER),), "birth_date": "1941-03-14"}, CERTAINLY_NOT),
        ("somebody else", {"identifiers": (number(OTHER),), "names": (name("Quincey", "Morris"),)}, CERTAINLY_NOT),
        ("an empty record", {"identifiers": (), "names": (), "birth_date": None, "addresses": ()}, CERTAINLY_NOT),
    ],
)  # fmt: skip
def test_each_row_of_the_table(who: str, changes: dict[str, Any], graded: Grade) -> None:
    assert grade(reference(), record(**changes)).grade is graded, who


def test_a_given_name_that_is_the_family_name_too_turns_no_twin_into_the_person() -> None:
    asked = reference(names=(name("Guo Liang", "Guo"),))
    assert grade(asked, record(names=(name("Guo Qiang", "Guo"),))).grade is PROBABLE


def test_an_initial_is_not_the_second_name_of_a_sister() -> None:
    asked = reference(names=(name("Jia Yu", "Chen"),))
    initial = (name("Jia Y", "Chen"),)
    assert grade(asked, record(names=initial, gender="female")).grade is PROBABLE
    assert grade(asked, record(names=initial)).grade is CERTAIN


def test_two_digits_of_the_day_exchanged_are_one_slip() -> None:
    assert grade(reference(birth_date=date(1967, 3, 12)), record(birth_date="1967-03-21")).grade is CERTAIN
    assert grade(reference(birth_date=date(1967, 3, 12)), record(birth_date="1976-03-12")).grade is POSSIBLE


@pytest.mark.parametrize("stated", ["1900-01-01", "1967-03", "1967"])
def test_a_date_that_was_not_stated_to_the_day_equals_nothing(stated: str) -> None:
    first = born(stated).day
    assert grade(reference(birth_date=first), record(birth_date=stated)).has("birth-date:absent")


def test_the_fifth_of_the_fifth_is_not_the_same_day_in_another_year() -> None:
    assert grade(reference(birth_date=date(1967, 5, 5)), record(birth_date="1968-05-05")).grade is POSSIBLE


def test_swapped_day_and_month_needs_both_names_and_the_address() -> None:
    asked = reference(birth_date=date(1967, 3, 4))
    assert grade(asked, record(birth_date="1967-04-03")).grade is CERTAIN
    assert grade(asked, record(birth_date="1967-04-03", addresses=())).grade is POSSIBLE
    assert grade(asked, record(birth_date="1967-04-03", names=(name("Mike"),))).grade is POSSIBLE


@pytest.mark.parametrize(
    ("one", "other"), [("Louis", "Louise"), ("Hassan", "Hussain"), ("Mia", "Maya"), ("Ella", "Ellie")]
)
@pytest.mark.parametrize("gender", [None, "female"])
def test_a_twin_on_the_wrong_number_is_never_linked(one: str, other: str, gender: str | None) -> None:
    asked = reference(names=(name(one),), gender=gender)
    graded = grade(asked, record(names=(name(other),), gender=gender))
    assert graded.grade is PROBABLE
    assert "given:differs" in graded.evidence


def test_a_number_that_the_authority_replaced_is_the_same_person() -> None:
    asked = reference(superseded=(number(EARLIER),))
    graded = grade(asked, record(identifiers=(number(EARLIER),)))
    assert graded.grade is CERTAIN
    assert "identifier:verified-superseded" in graded.evidence
    assert grade(asked, record(identifiers=(number(EARLIER), number()))).grade is CERTAIN
    assert grade(asked, record(identifiers=(number(EARLIER, verified=False),))).grade is PROBABLE
    assert grade(reference(), record(identifiers=(number(EARLIER),))).grade is POSSIBLE


def test_a_source_that_traces_every_number_needs_no_mark_on_each() -> None:
    unmarked = record(identifiers=(number(verified=None),))
    assert grade(reference(), unmarked).grade is PROBABLE
    assert grade(reference(), unmarked, traced=True).grade is CERTAIN
    another = record(identifiers=(number(OTHER, None),))
    assert grade(reference(), another, traced=True).has("identifier:verified-differs")


def test_tracing_a_whole_source_does_not_vouch_for_a_number_that_it_says_was_not_verified() -> None:
    assert grade(reference(), record(identifiers=UNVERIFIED), traced=True).grade is PROBABLE


def test_spaces_in_a_number_make_no_other_number() -> None:
    spaced = f"{NUMBER[:3]} {NUMBER[3:6]} {NUMBER[6:]}"
    assert grade(reference(), record(identifiers=(number(spaced),))).grade is CERTAIN
    assert grade(reference(identifier=number(spaced)), record()).grade is CERTAIN


def test_flats_of_one_house_are_different_homes_and_no_fixed_abode_is_none() -> None:
    flat = reference(addresses=(home("Flat 3, 12 Larch Close"),))
    assert grade(flat, record(names=SEWARD, addresses=(home("Flat 3, 12 LARCH CL"),))).grade is CERTAIN
    assert grade(flat, record(names=SEWARD, addresses=(home("Flat 4, 12 Larch Close"),))).grade is PROBABLE
    assert grade(flat, record(names=SEWARD)).grade is PROBABLE
    lettered = reference(addresses=(home("Flat B, 12 Larch Close"),))
    assert grade(lettered, record(names=SEWARD, addresses=(home("flat b 12 Larch Close"),))).grade is CERTAIN
    assert grade(lettered, record(names=SEWARD, addresses=(home("Flat C, 12 Larch Close"),))).grade is PROBABLE
    nowhere = home("12 Larch Close", "ZZ99 3VZ")
    assert grade(reference(addresses=(nowhere,)), record(names=SEWARD, addresses=(nowhere,))).grade is PROBABLE
    somewhere = home("12 Larch Close", "ZZ9 9QX")
    assert grade(reference(addresses=(somewhere,)), record(names=SEWARD, addresses=(somewhere,))).grade is CERTAIN
    work = home().__class__(lines=("12 Larch Close",), postal_code="LS99 1ZZ", use="work")
    assert grade(reference(addresses=(work,)), record(names=SEWARD, addresses=(work,))).grade is PROBABLE


def test_what_a_caller_states_without_a_name_makes_nobody_certain() -> None:
    asked = reference(origin=ReferenceOrigin.CALLER, names=())
    assert grade(asked, record()).grade is PROBABLE


NAMES = ["Michael", "Mike", "Michaela", "Louis", "Louise", "Micheal", "Baby", "Twin 1", "Qorvath"]
PEOPLE = st.fixed_dictionaries(
    {
        "identifiers": st.lists(
            st.builds(number, st.sampled_from([NUMBER, OTHER, nhs(999), "1111111111"]), st.booleans()), max_size=3
        ).map(tuple),
        "names": st.lists(
            st.builds(name, st.sampled_from(NAMES), st.sampled_from(["Harker", "Seward", None])), max_size=2
        ).map(tuple),
        "birth_date": st.sampled_from(["1967-03-14", "1967-03-24", "1967", "1941-03-14", "1900-01-01", None]),
        "gender": st.sampled_from(["male", "female", None, "unknown"]),
        "addresses": st.sampled_from([(), (home(),), MOVED]),
    }
)


@settings(deadline=None)
@given(PEOPLE)
def test_certain_always_has_the_verified_number_an_agreeing_given_name_and_a_near_birth_date(
    changes: dict[str, Any],
) -> None:
    graded = grade(reference(), record(**changes))
    if graded.grade is CERTAIN:
        evidence = set(graded.evidence)
        assert "identifier:verified-equal" in evidence
        assert evidence & {"given:exact", "given:variant", "given:typo", "given:turned"}
        assert evidence & {"birth-date:equal", "birth-date:one-edit"}
        assert evidence & {"given:exact", "given:turned"} or changes["gender"] == "male"
    stated = [NUMBER, OTHER, "Harker", "Seward", "1967", "LS99", *NAMES]
    assert not [value for value in stated for code in graded.evidence if value.casefold() in code]


@settings(deadline=None)
@given(PEOPLE, PEOPLE)
def test_the_order_of_names_and_numbers_changes_no_grade(changes: dict[str, Any], other: dict[str, Any]) -> None:
    asked = reference(names=other["names"], addresses=other["addresses"])
    turned = {k: v[::-1] if isinstance(v, tuple) else v for k, v in changes.items()}
    assert grade(asked, record(**changes)) == grade(asked, record(**turned))


MRN = "urn:region:mrn"


@pytest.mark.parametrize(
    ("theirs", "traced", "match"),
    [
        ([number(), number("R-1", None, MRN)], False, IdentifierMatch.VERIFIED_EQUAL),
        ([number(), number("R-2", None, MRN)], True, IdentifierMatch.VERIFIED_EQUAL),
        ([number(), number("R-2", True, MRN)], False, IdentifierMatch.VERIFIED_DIFFERS),
        ([number("R-1", None, MRN)], True, IdentifierMatch.VERIFIED_EQUAL),
        ([number("R-1", None, MRN)], False, IdentifierMatch.EQUAL),
        ([number("R-0", True, MRN)], False, IdentifierMatch.VERIFIED_SUPERSEDED),
        ([number("R-2", None, MRN)], False, IdentifierMatch.DIFFERS),
        ([number("R-1", None, MRN), number("R-2", None, MRN)], False, IdentifierMatch.AMBIGUOUS),
        ([number(OTHER), number("R-1", True, MRN)], False, IdentifierMatch.VERIFIED_DIFFERS),
        ([number("R-1", True, "urn:elsewhere")], False, IdentifierMatch.ABSENT),
    ],
)
def test_a_number_of_another_system_speaks_where_the_first_is_silent_and_never_against_it_unless_verified(
    theirs: list[Identifier], traced: bool, match: IdentifierMatch
) -> None:
    person = reference(others=(number("R-1", True, MRN),), superseded=(number("R-0", True, MRN),))
    graded = grade(person, record(identifiers=tuple(theirs)), traced=traced)
    assert graded.evidence[0] == f"identifier:{match.value}"
