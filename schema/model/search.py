"""Finding a person by demographics: what is asked, and what may be answered. IHE PDQ (ITI-21), FHIR match-grade.

A search proves nothing about whose record is whose: it offers candidates, and links nobody.
"""

from datetime import date
from enum import Enum
from typing import Annotated

from msgspec import Struct, structs

from schema.model.describe import d
from schema.model.values import HumanName, Identifier
from schema.model.view import SectionStatus, SourceRef, SourceState
from schema.model.when import When


class PatientSearch(Struct, frozen=True, kw_only=True):
    """Whom somebody looks for. Whoever is found contradicts nothing that is stated here; there are no wildcards."""

    family: str
    given: str | None = None
    """One or more given names, the first one first, blanks between them."""
    birth_date: date | None = None
    gender: str | None = None
    """male, female or other."""
    postal_code: str | None = None

    @property
    def criteria(self) -> frozenset[str]:
        """The names of what is stated."""
        return frozenset(name for name in self.__struct_fields__ if structs.asdict(self)[name] is not None)


class MatchGrade(Enum):
    """How well a candidate fits the search (FHIR match-grade). Never certain: that takes a verified number."""

    PROBABLE = "PROBABLE"
    """Family name, given name and birth date were stated and are so."""
    POSSIBLE = "POSSIBLE"
    """Less was stated, or the record leaves some of it unsaid; nothing contradicts."""


class PatientCandidate(Struct, frozen=True, gc=False, kw_only=True):
    """Somebody who may be meant: demographics to tell people apart by, and what to ask `patient(identifier:)` with."""

    identifiers: Annotated[
        tuple[Identifier, ...],
        d(
            "The identifiers to ask with, the authority's number first. A number that the authority does not confirm "
            "as this person's is not among them: asking with it would show another."
        ),
    ]
    names: Annotated[tuple[HumanName, ...], d("Names in use, the usual one first; a former name is not shown.")]
    birth_date: Annotated[When | None, d("Date of birth.")]
    gender: Annotated[str | None, d("Administrative gender: male, female, other, unknown.")]
    postal_district: Annotated[
        str | None, d("The first part of the home's postcode: enough to tell people apart, not to find their home.")
    ]
    deceased: Annotated[
        bool | None, d("True when recorded as dead; null when not stated, or when sources contradict each other.")
    ]
    grade: Annotated[MatchGrade, d("How well the best of the records fits what was stated.")]
    evidence: Annotated[tuple[str, ...], d("What agreed and what was not stated, as codes without values.")]
    sources: Annotated[tuple[SourceRef, ...], d("Who has a record of this person that fits; nothing of it is linked.")]


class PatientSearchStatus(Enum):
    """How many people fit."""

    NONE = "NONE"
    """Nobody was found. Read `completeness`: it says nothing of sources that were not heard."""
    ONE = "ONE"
    """One person. Compare before you choose: it may still be another than the one you mean."""
    MANY = "MANY"
    """Several: choose by what you know, or state more."""
    TOO_MANY = "TOO_MANY"
    """More than are shown: state more."""


class SearchedSource(Struct, frozen=True, gc=False, kw_only=True):
    """One configured source, and what became of it in this search."""

    source: Annotated[SourceRef, d("The source.")]
    state: Annotated[SourceState, d("What became of it. OK says that it answered, not that it has anybody.")]
    code: Annotated[str | None, d("Why, as one of the documented error codes.")] = None
    message: Annotated[str | None, d("Why, in words; never an identifier or a payload.")] = None
    latency_ms: Annotated[int | None, d("How long it took to answer, in milliseconds.")] = None


class PatientSearchResult(Struct, frozen=True, gc=False, kw_only=True):
    """Who fits a search by demographics. Never clinical content; nothing is linked by a search."""

    status: Annotated[PatientSearchStatus, d("How many people fit.")]
    completeness: Annotated[
        SectionStatus,
        d("Whether every source that can be searched was heard: with less than COMPLETE somebody may be missing."),
    ]
    candidates: Annotated[tuple[PatientCandidate, ...], d("At most 20, the best fitting first.")]
    truncated: Annotated[bool, d("True when more people fit than are shown.")]
    notice: Annotated[str, d("What no search can tell: the same sentence in every answer.")]
    sources: Annotated[tuple[SearchedSource, ...], d("Every configured source, and what became of it.")]
