"""Choosing entries of a settled section by a query's arguments: after merging, so that no id depends on the query."""

from collections.abc import Collection, Iterator
from datetime import tzinfo
from typing import Any

from msgspec import structs

from gateway.merge import Days, Terminology, times_of
from schema.model.fact import Fact
from schema.model.values import CodeableConcept
from schema.model.view import EntryFilter, MergedFact, Section


def chosen(
    section: Section[Any], entries: EntryFilter, terms: Terminology, zones: Collection[tzinfo] = ()
) -> Section[Any]:
    """The section with those entries only. Its status and sources are what they were: nobody was asked differently.

    `zones` are those in which sources keep their time.
    """
    days = Days(entries.since, entries.until, zones)
    fitting = (entry for entry in section.entries if _fits(entry, entries, days, terms))
    return structs.replace(section, entries=tuple(fitting))


def _fits(entry: MergedFact[Any], entries: EntryFilter, days: Days, terms: Terminology) -> bool:
    """An entry fits when any of its members does; one without a time fits no bound. Days as the timeline reads them.

    A code stands for what it means: a laboratory's own code fits when the terminology calls it the same.
    """
    if entries.codes and not any(_is_about(member.fact, entries.codes, terms) for member in entry.members):
        return False
    if entries.category and not any(entries.category in _codes(m.fact, "categories") for m in entry.members):
        return False
    return days.is_every_day or days.may_hold(times_of(entry))


def _is_about(fact: Fact, wanted: Collection[str], terms: Terminology) -> bool:
    meant = terms.answers_to(getattr(fact, "code", None))
    return any(code in wanted for code in _codes(fact, "code")) or any(
        terms.is_asked_by(code, text) for text in wanted for code in meant
    )


def _codes(fact: Fact, name: str) -> Iterator[str]:
    """An allergy's categories are bare codes (FHIR R4 AllergyIntolerance.category)."""
    value: Any = getattr(fact, name, None)
    concepts: tuple[CodeableConcept | str, ...] = value if isinstance(value, tuple) else (value,) if value else ()
    for concept in concepts:
        if isinstance(concept, str):
            yield concept
            continue
        for coding in concept.codings:
            if coding.code:
                yield coding.code
