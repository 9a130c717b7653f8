"""What may be searched by: a search is refused that would list a town, or that hopes for a wildcard."""

import re
import unicodedata
from datetime import date

from gateway.identity.candidates import SUFFICIENT
from gateway.identity.names import key as name_key
from gateway.identity.places import same_postcode
from gateway.identity.rules import default_rules
from schema.gql.errors import ErrorCode, QueryError
from schema.model.search import PatientSearch
from schema.model.values import Address

_GENDERS = frozenset({"male", "female", "other"})
_LONGEST = 100
_WILDCARD = re.compile(r"[*%?_]")


def readable(search: PatientSearch, today: date) -> PatientSearch:
    """The search in its canonical form, empty criteria left out.

    Raises QueryError: ARGUMENT_INVALID, SEARCH_TOO_WIDE. Neither quotes what was stated.
    """
    family, given = _text(search.family, "family"), _text(search.given or "", "given")
    postal_code = _text(search.postal_code or "", "postalCode")
    gender = (search.gender or "").strip().casefold() or None
    if gender not in _GENDERS | {None, "unknown"}:
        raise _invalid("gender", "write male, female or other, or leave it out")
    for name, field in ((family, "family"), (given, "given")):
        if name and not name_key(name):
            raise _invalid(field, "write the name itself")
    if given and len(name_key(given.split()[0])) < 2:
        raise _invalid("given", "an initial tells nobody apart: write the whole given name, or leave it out")
    if search.birth_date is not None and search.birth_date > today:
        raise _invalid("birthDate", "it lies in the future")
    rules = default_rules()
    born = None if search.birth_date in rules.placeholder_birth_dates else search.birth_date
    home = (Address(postal_code=postal_code or None),)
    if not same_postcode(home, home, rules.pseudo_postcodes):
        postal_code = ""
    found = PatientSearch(
        family=family,
        given=given or None,
        birth_date=born,
        gender=None if gender == "unknown" else gender,
        postal_code=postal_code or None,
    )
    if not family or not any(enough <= found.criteria for enough in SUFFICIENT):
        raise QueryError(
            ErrorCode.SEARCH_TOO_WIDE,
            "State the family name and the birth date; or, when no birth date is known, the family name, a given name "
            "and the whole postcode of the home. Dates and postcodes that stand for 'not known' do not count.",
        )
    return found


def _text(text: str, field: str) -> str:
    plain = " ".join(unicodedata.normalize("NFC", text).split())
    if len(plain) > _LONGEST or not plain.isprintable():
        raise _invalid(field, f"write at most {_LONGEST} letters, without control characters")
    if _WILDCARD.search(plain):
        raise _invalid(field, "there are no wildcards here: write the whole of it")
    return plain


def _invalid(field: str, why: str) -> QueryError:
    return QueryError(ErrorCode.ARGUMENT_INVALID, f"{field}: {why}.")
