"""Whom a search by demographics offers: what fits, who is one person, and who is never found."""

from collections.abc import Collection, Sequence
from datetime import date
from typing import Any

import pytest

from adapters.sdk import NHS_NUMBER
from gateway.identity.candidates import Candidate, Known, Offer, agreed_people, candidates, fit
from gateway.identity.guard import admit
from gateway.identity.reference import ReferencePerson
from schema.model.clinical import Patient
from schema.model.search import MatchGrade, PatientSearch
from schema.model.values import Identifier
from tests.identity.people import EARLIER, NUMBER, OTHER, born, home, name, number, record, reference

SYSTEMS = {NHS_NUMBER}
BORN = date(1967, 3, 14)
WHOLE = PatientSearch(family="Harker", given="Michael", birth_date=BORN)


@pytest.mark.parametrize(
    ("stated", "changes", "grade"),
    [
        ({"given": "Michael"}, {}, MatchGrade.PROBABLE),
        ({"given": "mike"}, {}, MatchGrade.PROBABLE),
        ({}, {}, MatchGrade.POSSIBLE),
        ({"given": "Martin"}, {}, None),
        ({"given": "Michael"}, {"names": (name("Baby"),)}, MatchGrade.POSSIBLE),
        ({"family": "Harkness"}, {}, None),
        ({}, {"names": (name("Michael", family=None),)}, None),
        ({"birth_date": date(1967, 3, 15)}, {}, None),
        ({}, {"birth_date": None}, None),
        ({"given": "Michael", "postal_code": "LS99 1ZZ"}, {"birth_date": None}, MatchGrade.POSSIBLE),
        ({"given": "Michael", "postal_code": "LS99 1ZZ"}, {"birth_date": born("1967")}, MatchGrade.POSSIBLE),
        ({"given": "Michael"}, {"birth_date": None}, None),
        ({"gender": "male"}, {}, MatchGrade.POSSIBLE),
        ({"gender": "female"}, {}, None),
        ({"gender": "female"}, {"gender": "unknown"}, MatchGrade.POSSIBLE),
        ({"postal_code": "ls991zz"}, {}, MatchGrade.POSSIBLE),
        ({"postal_code": "LS98 1ZZ"}, {}, None),
        ({"postal_code": "LS98 1ZZ"}, {"addresses": ()}, MatchGrade.POSSIBLE),
        ({}, {"entered_in_error": True}, None),
    ],
)
def test_a_record_fits_when_nothing_contradicts_and_enough_agrees(
    stated: dict[str, Any], changes: dict[str, Any], grade: MatchGrade | None
) -> None:
    search = PatientSearch(**({"family": "HARKER", "birth_date": BORN} | stated))
    found = fit(search, record(**changes))
    assert (found.grade if found else None) is grade


def test_a_former_name_finds_nobody_and_a_maiden_name_does() -> None:
    now = name("Michael", "Seward", use="usual")
    assert fit(WHOLE, record(names=(now, name("Michael", use="old")))) is None
    assert fit(WHOLE, record(names=(now, name("Michael", use="maiden")))) is not None


def test_evidence_holds_codes_and_no_value() -> None:
    search = PatientSearch(family="Harker", given="Michael", birth_date=BORN, gender="male", postal_code="LS98 1ZZ")
    found = fit(search, record(gender=None, addresses=()))
    assert found is not None
    assert found.evidence == (
        *("family:equal", "given:exact", "birth-date:equal"),
        *("gender:not-stated", "postal-code:not-stated"),
    )


def offer(source: str, native_id: str = "Patient/1", search: PatientSearch = WHOLE, **changes: Any) -> Offer:
    made = record(native_id, **changes)
    return Offer(source=source, record=made, record_hash=f"{source} {native_id}", fit=fit(search, made))


def linked(source: str, records: Sequence[Patient], person: ReferencePerson) -> Collection[str]:
    ids = {one.native_id for one in records}
    return admit(records, person, person=None, standing={}, candidates=ids).links


def found(
    offers: Sequence[Offer], *people: Known, cleared: bool = True, traced: Collection[str] = ()
) -> tuple[Candidate, ...]:
    return candidates(offers, people, linked, systems=SYSTEMS, cleared=lambda _: cleared, traced=traced)


def of(*groups: Candidate) -> list[list[str]]:
    return [[each.source for each in group.records] for group in groups]


AUTHORITY = Known(reference=reference(), own=offer("pds"))


def test_records_that_the_guard_would_link_are_one_candidate_and_the_authoritys_is_first() -> None:
    (one,) = found([offer("epr"), offer("pas", "Patient/9")], AUTHORITY)
    assert of(one) == [["pds", "epr", "pas"]]
    assert one.person is not None
    assert one.person.identifier.value == NUMBER


def test_a_record_without_a_number_stands_alone_beside_the_one_it_is_like() -> None:
    both = found([offer("ooh", identifiers=())], AUTHORITY)
    assert of(*both) == [["pds"], ["ooh"]]
    assert [one.person is None for one in both] == [False, True]


def test_a_record_filed_under_anothers_number_is_not_shown_as_that_person() -> None:
    search = PatientSearch(family="Harker", given="Jonathan", birth_date=BORN)
    brother = offer("pds", names=(name("Jonathan"),), identifiers=(number(OTHER),), search=search)
    his = Known(reference=reference(identifier=number(OTHER), names=(name("Jonathan"),)), own=brother)
    michael = Known(reference=reference(), own=offer("pds", search=search))
    misfiled = offer("telehealth", names=(name("Jonathan"),), search=search)
    assert of(*found([misfiled], michael, his)) == [["pds"], ["telehealth"]]
    assert all(one.person is None or one.person.identifier.value == OTHER for one in found([misfiled], michael, his))


def test_two_contradicting_registrations_of_one_source_are_neither_put_to_the_person() -> None:
    one, other = offer("pas", "Patient/1"), offer("pas", "Patient/2", gender="female", addresses=(home("9 Kiln Row"),))
    assert of(*found([one, other], AUTHORITY)) == [["pds"], ["pas"], ["pas"]]


HIDDEN = Known(reference=reference(restricted=True), own=offer("pds", restricted=True))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"identifiers": ()},
        {"identifiers": (number(verified=None),)},
        {"birth_date": born("1967-03-15"), "names": (name("Michael"),)},
    ],
    ids=["the same person", "no number", "number not traced", "one slip in the birth date"],
)
def test_a_restricted_person_is_found_in_no_source_that_does_not_know_it(changes: dict[str, Any]) -> None:
    search = PatientSearch(family="Harker", birth_date=changes["birth_date"].day if "birth_date" in changes else BORN)
    made = offer("ooh", search=search, **changes)
    assert made.fit is not None
    assert found([made], HIDDEN) == ()


SPARSE: list[dict[str, Any]] = [
    {"names": (name(None),)},
    {"names": (name("M"),)},
    {"names": (name("Mike"),), "gender": None},
    {"names": (name("M"),), "identifiers": (number(OTHER, verified=False),)},
    {"addresses": (home("9 Kiln Row", "LS97 1ZZ"),), "birth_date": "1967-03-15"},
    {"addresses": (home("9 Kiln Row", "LS97 1ZZ"),)},
]
SPARSE_IDS = ["no given name", "an initial", "a short name", "another number", "a slip and another home", "moved"]


@pytest.mark.parametrize("changes", SPARSE, ids=SPARSE_IDS)
def test_a_record_that_says_too_little_to_be_proved_anothers_does_not_give_a_restricted_person_away(
    changes: dict[str, Any],
) -> None:
    day = BORN.replace(day=15) if "birth_date" in changes else BORN
    made = offer("ooh", search=PatientSearch(family="Harker", birth_date=day), **({"identifiers": ()} | changes))
    assert made.fit is not None
    assert of(*found([made])) == [["ooh"]]
    assert found([made], HIDDEN) == ()
    assert found([made], Known(reference=reference(restricted=True, addresses=()))) == ()


def test_a_record_without_a_birth_date_does_not_give_away_a_restricted_person_whose_home_is_not_told() -> None:
    search = PatientSearch(family="Harker", given="Michael", postal_code="LS99 1ZZ")
    made = offer("ooh", search=search, identifiers=(), birth_date=None)
    assert made.fit is not None
    assert found([made], Known(reference=reference(restricted=True, addresses=()))) == ()


@pytest.mark.parametrize(
    "changes", [{"names": (name("Jonathan"),)}, {"birth_date": "1967-08-21"}, {"birth_date": "1941-03-14"}]
)
def test_a_name_or_a_birth_date_that_contradicts_proves_a_record_to_be_anothers(changes: dict[str, Any]) -> None:
    search = PatientSearch(
        family="Harker",
        given=None if "names" in changes else "Michael",
        birth_date=BORN if "names" in changes else born(changes["birth_date"]).day,
    )
    assert of(*found([offer("ooh", search=search, identifiers=(), **changes)], HIDDEN)) == [["ooh"]]


def test_somebody_else_of_that_name_whom_the_authority_knows_is_found_all_the_same() -> None:
    namesake = Known(reference=reference(identifier=number(OTHER)), own=offer("pds", identifiers=(number(OTHER),)))
    assert of(*found([offer("epr", identifiers=(number(OTHER),))], HIDDEN, namesake)) == [["pds", "epr"]]


def test_whom_one_source_restricts_is_found_in_none() -> None:
    marked = offer("epr", restricted=True)
    assert found([marked, offer("ooh", identifiers=())], AUTHORITY) == ()
    assert found([marked]) == ()
    assert found([offer("epr", identifiers=(), restricted=True)], AUTHORITY) == ()


@pytest.mark.parametrize("own", [(number(EARLIER),), (number(OTHER), number(EARLIER))], ids=["one", "the second"])
def test_whom_a_source_restricts_under_an_earlier_number_is_found_in_none(own: tuple[Identifier, ...]) -> None:
    known = Known(reference=reference(superseded=(number(EARLIER),)), own=offer("pds"))
    marked = offer("epr", identifiers=own, restricted=True)
    assert found([marked, offer("gp")], known) == ()
    assert found([marked, offer("gp", identifiers=(number(EARLIER),))]) == ()


def test_whom_a_source_restricts_by_the_number_alone_is_found_by_no_name() -> None:
    marked = offer("epr", names=(name("Michael", "Seward"),), restricted=True)
    assert found([marked, offer("ooh", identifiers=())], AUTHORITY) == ()


def test_a_restricted_record_that_says_little_hides_whom_it_may_be() -> None:
    assert found([offer("epr", identifiers=(), names=(name("M"),), restricted=True)], AUTHORITY) == ()


def test_while_nobody_can_clear_a_record_it_is_not_shown() -> None:
    loose = offer("ooh", identifiers=())
    assert of(*found([loose], AUTHORITY, cleared=False)) == [["pds"]]


def test_without_an_authority_a_verified_number_that_nobody_contradicts_makes_one_person() -> None:
    offers = [offer("epr"), offer("pas"), offer("ooh", identifiers=())]
    agreed = agreed_people(offers, linked, SYSTEMS, ())
    assert of(*found(offers, *agreed)) == [["epr", "pas"], ["ooh"]]


def test_without_an_authority_a_number_on_two_people_makes_nobody() -> None:
    offers = [offer("epr"), offer("pas", names=(name("Jonathan"),))]
    assert agreed_people(offers, linked, SYSTEMS, ()) == ()


def test_the_order_is_not_the_order_in_which_sources_answer() -> None:
    offers = [offer("pas", identifiers=()), offer("epr", identifiers=()), offer("ooh", "Patient/0", identifiers=())]
    forward, backward = found(offers), found(offers[::-1])
    assert of(*forward) == of(*backward) == [["epr"], ["ooh"], ["pas"]]
