"""How sure it is that a source's record is the reference person's: the grading table of MERGE.md section 1.

Grades are FHIR's match-grade codes. Pure: nothing is read but the two people and the rules. The bar is no false
automatic link, so whatever is not plainly in the first row of the table is not certain.
"""

from datetime import date
from enum import Enum

from msgspec import Struct

from gateway.identity.names import Agreement, family_agrees, given_agreement, names_turned, one_slip
from gateway.identity.nhs_number import usable
from gateway.identity.places import same_home, same_postcode
from gateway.identity.reference import ReferencePerson, day_of
from gateway.identity.rules import Rules, default_rules
from schema.model.clinical import Patient
from schema.model.values import Identifier


class Grade(Enum):
    """FHIR match-grade, the surest first."""

    CERTAIN = "certain"
    """Linked; the evidence is kept with the link."""
    PROBABLE = "probable"
    """No facts are shown: present, not linked."""
    POSSIBLE = "possible"
    """For a steward's eyes only."""
    CERTAINLY_NOT = "certainly-not"


class Grading(Struct, frozen=True, kw_only=True):
    """A grade with its reasons: codes such as "identifier:verified-equal", never a value."""

    grade: Grade
    evidence: tuple[str, ...]
    rules: str
    """Version of the rules, and of the table of names, that it was graded by."""

    def has(self, *codes: str) -> bool:
        """Whether all these reasons are among the evidence."""
        return set(codes) <= set(self.evidence)


class IdentifierMatch(Enum):
    """How a record's identifiers compare with the reference's, within the same system and in no other."""

    VERIFIED_EQUAL = "verified-equal"
    VERIFIED_SUPERSEDED = "verified-superseded"
    """Verified, and equal to a number that the authority has replaced."""
    EQUAL = "equal"
    """Equal, but nobody traced it."""
    AMBIGUOUS = "ambiguous"
    """Equal, and beside it stands another number of the same system."""
    DIFFERS = "differs"
    VERIFIED_DIFFERS = "verified-differs"
    """Both numbers are verified and they are not the same: a veto."""
    ABSENT = "absent"


class BirthDateMatch(Enum):
    """How two birth dates compare."""

    EQUAL = "equal"
    ONE_EDIT = "one-edit"
    """One digit of the day or month, or two exchanged, or day and month exchanged; never the year."""
    DIFFERS = "differs"
    ABSENT = "absent"


_VERIFIED = (IdentifierMatch.VERIFIED_EQUAL, IdentifierMatch.VERIFIED_SUPERSEDED)
_SAME_NUMBER = (*_VERIFIED, IdentifierMatch.EQUAL, IdentifierMatch.AMBIGUOUS)


class _Compared(Struct, frozen=True, kw_only=True):
    number: IdentifierMatch
    birth_date: BirthDateMatch
    given: Agreement
    family: bool | None
    home: bool
    postcode: bool
    genders: bool | None
    """Whether the genders are equal; None when one side states none."""

    @property
    def given_agrees(self) -> bool:
        """Another gender never vetoes by itself; it takes away an inexact name, and so does one that is not stated.

        Alex, Charlie and Sam are short for a boy's name and a girl's: without the gender nobody knows for which.
        """
        if self.given in (Agreement.EXACT, Agreement.TURNED):
            return True
        return self.given in (Agreement.VARIANT, Agreement.TYPO) and self.genders is True


def grade(
    reference: ReferencePerson, candidate: Patient, *, traced: bool = False, rules: Rules | None = None
) -> Grading:
    """Grade a source's record. `traced` says that this source is configured as tracing every number it holds."""
    rules = rules or default_rules()
    given = given_agreement(reference.names, candidate.names, rules.names, rules.typo_min_length)
    family = family_agrees(reference.names, candidate.names, rules.names)
    if given is Agreement.DIFFERS and names_turned(reference.names, candidate.names, rules.names):
        given, family = Agreement.TURNED, True
    compared = _Compared(
        number=compare_identifiers(reference, candidate, traced, rules),
        birth_date=compare_birth_dates(reference.birth_date, day_of(candidate.birth_date), rules),
        given=given,
        family=family,
        home=same_home(reference.addresses, candidate.addresses, rules.pseudo_postcodes),
        postcode=same_postcode(reference.addresses, candidate.addresses, rules.pseudo_postcodes),
        genders=compare_genders(reference.gender, candidate.gender),
    )
    return Grading(
        grade=_grade(compared),
        evidence=_evidence(compared),
        rules=f"{rules.version}/{rules.names.version}",
    )


def compare_identifiers(reference: ReferencePerson, candidate: Patient, traced: bool, rules: Rules) -> IdentifierMatch:
    """Compare within each system: an MRN, a CHI or a temporary number is never read as an NHS number.

    The reference's own system decides. Where the record has no number of that, those of the person's other systems do.
    A number of theirs that differs is a veto when the record itself says that it was verified: a hospital is configured
    as tracing for the national number, and may well have registered one person twice in its own.
    """
    found = _in_one_system(reference.identifier, reference, candidate, traced, rules)
    others = [_in_one_system(one, reference, candidate, traced, rules) for one in reference.others]
    vetoed = [_in_one_system(one, reference, candidate, False, rules) for one in reference.others]
    if IdentifierMatch.VERIFIED_DIFFERS in vetoed:
        return IdentifierMatch.VERIFIED_DIFFERS
    if found is not IdentifierMatch.ABSENT:
        return found
    stated = {match for match in others if match is not IdentifierMatch.ABSENT}
    if not stated:
        return IdentifierMatch.ABSENT
    differing = {IdentifierMatch.DIFFERS, IdentifierMatch.VERIFIED_DIFFERS}
    if stated & differing:
        return IdentifierMatch.DIFFERS if stated <= differing else IdentifierMatch.AMBIGUOUS
    if IdentifierMatch.AMBIGUOUS in stated:
        return IdentifierMatch.AMBIGUOUS
    return min(stated, key=list(IdentifierMatch).index)


def _in_one_system(
    ours: Identifier, reference: ReferencePerson, candidate: Patient, traced: bool, rules: Rules
) -> IdentifierMatch:
    """The record's numbers of one system against the person's number of it, and their earlier ones."""
    system = ours.system
    current = usable(ours, rules.placeholder_numbers)
    if system is None or current is None:
        return IdentifierMatch.ABSENT
    earlier = {usable(i, rules.placeholder_numbers) for i in reference.superseded if i.system == system}
    theirs: dict[str, bool] = {}
    for identifier in candidate.identifiers:
        value = usable(identifier, rules.placeholder_numbers) if identifier.system == system else None
        if value is not None:
            # Tracing a whole source vouches for what it says nothing of, not for what it says was never verified.
            verified = traced if identifier.verified is None else identifier.verified
            theirs[value] = theirs.get(value, False) or verified
    if not theirs:
        return IdentifierMatch.ABSENT
    others = [value for value in theirs if value != current and value not in earlier]
    if any(theirs[value] for value in others) and reference.trusted:
        return IdentifierMatch.VERIFIED_DIFFERS
    if len(others) == len(theirs):
        return IdentifierMatch.DIFFERS
    if others:
        return IdentifierMatch.AMBIGUOUS
    if theirs.get(current):
        return IdentifierMatch.VERIFIED_EQUAL
    if current not in theirs and any(theirs.values()):
        return IdentifierMatch.VERIFIED_SUPERSEDED
    return IdentifierMatch.EQUAL


def compare_birth_dates(ours: date | None, theirs: date | None, rules: Rules) -> BirthDateMatch:
    """Compare two days; the dates that systems write when they have none are no dates."""
    if ours is None or theirs is None or {ours, theirs} & rules.placeholder_birth_dates:
        return BirthDateMatch.ABSENT
    if ours == theirs:
        return BirthDateMatch.EQUAL
    if ours.year != theirs.year or not rules.birth_date_edit:
        return BirthDateMatch.DIFFERS
    day = one_slip(f"{ours.day:02d}", f"{theirs.day:02d}") and ours.month == theirs.month
    month = one_slip(f"{ours.month:02d}", f"{theirs.month:02d}") and ours.day == theirs.day
    swapped = (ours.day, ours.month) == (theirs.month, theirs.day)
    return BirthDateMatch.ONE_EDIT if day or month or swapped else BirthDateMatch.DIFFERS


def compare_genders(ours: str | None, theirs: str | None) -> bool | None:
    """Whether the genders are equal; None when one side states none, and "unknown" states none."""
    stated = [gender.casefold() for gender in (ours, theirs) if gender and gender.casefold() != "unknown"]
    return stated[0] == stated[1] if len(stated) == 2 else None


def _grade(c: _Compared) -> Grade:
    """The table, row by row."""
    if c.number in _VERIFIED:
        whole = c.birth_date is BirthDateMatch.EQUAL and c.given_agrees and (c.family is not False or c.home)
        slip = c.birth_date is BirthDateMatch.ONE_EDIT and c.given is Agreement.EXACT and c.family is True and c.home
        if whole or slip:
            return Grade.CERTAIN
    both_names = c.given_agrees and c.family is True
    if c.number in _SAME_NUMBER:
        return Grade.PROBABLE if c.birth_date is BirthDateMatch.EQUAL else Grade.POSSIBLE
    if c.birth_date is BirthDateMatch.EQUAL and both_names:
        return Grade.PROBABLE if c.number is IdentifierMatch.ABSENT else Grade.POSSIBLE
    near = c.birth_date is not BirthDateMatch.DIFFERS and c.number is not IdentifierMatch.VERIFIED_DIFFERS
    return Grade.POSSIBLE if near and both_names and c.postcode else Grade.CERTAINLY_NOT


def _evidence(c: _Compared) -> tuple[str, ...]:
    family = {True: "equal", False: "differs", None: "missing"}[c.family]
    address = "equal" if c.home else "postcode-equal" if c.postcode else "not-equal"
    found = (
        f"identifier:{c.number.value}",
        f"birth-date:{c.birth_date.value}",
        f"given:{c.given.value}",
        f"family:{family}",
        f"address:{address}",
    )
    return (*found, "gender:differs") if c.genders is False else found
