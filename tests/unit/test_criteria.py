"""What may be searched by, and what the refusal says to add."""

from datetime import date
from typing import Any

import pytest

from gateway.criteria import readable
from schema.gql.errors import QueryError
from schema.model.search import PatientSearch

TODAY = date(2026, 3, 17)
BORN = date(1967, 6, 14)
FAMILY = "Quillfeather"


@pytest.mark.parametrize(
    "stated",
    [
        {},
        {"given": "Michael"},
        {"postal_code": "LS99 1ZZ"},
        {"given": "Michael", "gender": "male"},
        {"given": "Michael", "postal_code": "ZZ99 3VZ"},
        {"birth_date": date(1900, 1, 1)},
        {"family": " ", "birth_date": BORN},
        {"family": "", "given": "Michael", "birth_date": BORN, "postal_code": "LS99 1ZZ"},
    ],
)
def test_a_search_that_would_list_a_town_is_refused_with_what_to_add(stated: dict[str, Any]) -> None:
    with pytest.raises(QueryError) as refused:
        readable(PatientSearch(**({"family": FAMILY} | stated)), TODAY)
    assert refused.value.code.name == "SEARCH_TOO_WIDE"
    assert "birth date" in str(refused.value)
    assert FAMILY not in str(refused.value)


@pytest.mark.parametrize(
    ("stated", "says"),
    [
        ({"family": "Quill*"}, "family: there are no wildcards"),
        ({"family": "Quill%"}, "family: there are no wildcards"),
        ({"given": "M?chael"}, "given: there are no wildcards"),
        ({"postal_code": "LS99_1ZZ"}, "postalCode: there are no wildcards"),
        ({"given": "M"}, "given: an initial tells nobody apart"),
        ({"given": "M. Aubrey"}, "given: an initial tells nobody apart"),
        ({"family": "-"}, "family: write the name itself"),
        ({"family": "Quill\x0bfeather\x00"}, "family: write at most 100 letters"),
        ({"family": "Q" * 101}, "family: write at most 100 letters"),
        ({"gender": "M"}, "gender: write male, female or other"),
        ({"birth_date": date(2026, 3, 18)}, "birthDate: it lies in the future"),
    ],
)
def test_what_cannot_be_searched_by_is_refused_without_being_quoted(stated: dict[str, Any], says: str) -> None:
    with pytest.raises(QueryError) as refused:
        readable(PatientSearch(**({"family": FAMILY, "birth_date": BORN} | stated)), TODAY)
    assert refused.value.code.name == "ARGUMENT_INVALID"
    assert str(refused.value).startswith(says)
    assert "uill" not in str(refused.value)


def test_what_says_nothing_is_no_criterion() -> None:
    stated = PatientSearch(
        family="  Quillfeather ", given=" Michael  Aubrey ", birth_date=BORN, gender="Unknown", postal_code="ZZ99 3VZ"
    )
    found = readable(stated, TODAY)
    assert found == PatientSearch(family=FAMILY, given="Michael Aubrey", birth_date=BORN)
    assert found.criteria == {"family", "given", "birth_date"}


@pytest.mark.parametrize("family", ["O", "Ng", "O'Brien", "Żółć-Łęcka", "van der Berg", "王"])
def test_short_and_foreign_family_names_are_names(family: str) -> None:
    assert readable(PatientSearch(family=family, birth_date=BORN), TODAY).family == family
