"""Choosing entries of a settled section by a query's arguments: after merging, so that no id depends on the query."""

from collections.abc import Iterator
from typing import Any

from msgspec import structs

from gateway.merge import Terminology, is_between
from schema.model.fact import Fact
from schema.model.values import CodeableConcept
from schema.model.view import EntryFilter, MergedFact, Section


def chosen(section: Section[Any], entries: EntryFilter, terms: Terminology) -> Section[Any]:
    """The section with those entries only. Its status and sources are what they were: nobody was asked differently."""
    return structs.replace(section, entries=tuple(entry for entry in section.entries if _fits(entry, entries, terms)))


def _fits(entry: MergedFact[Any], entries: EntryFilter, terms: Terminology) -> bool:
    """An entry fits when any of its members does; one without a time fits no bound.

    A code stands for what it means: a laboratory's own code fits when the terminology calls it the same.
    """
    if entries.codes:
        wanted = set(entries.codes)
        meant = (code for m in entry.members for _, code in terms.answers_to(getattr(m.fact, "code", None)))
        if not any(wanted & set(_codes(m.fact, "code")) for m in entry.members) and wanted.isdisjoint(meant):
            return False
    if entries.category and not any(entries.category in _codes(m.fact, "categories") for m in entry.members):
        return False
    if entries.since is None and entries.until is None:
        return True
    if entry.when is None:
        return False
    return is_between(entry.when, entries.since, entries.until)


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
