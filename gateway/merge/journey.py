"""What came out of what: referral, booking, contact, report and message, joined by their numbers across settings.

A link is stated, never guessed. A source's own record refers to another of its records (an encounter that is part of a
spell, a message sent in a contact); or it quotes a number (of a referral, spell, visit or handover) that another record
bears; or two records of different kinds bear one number, and then the later kind came out of the earlier: referral,
booking, contact, report, document or message. Nearness in time, a name or a service joins nothing.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from gateway.merge.identifiers import IdKey, id_key, id_keys
from schema.model.clinical import Encounter
from schema.model.fact import Fact
from schema.model.journey import JourneyLink
from schema.model.values import Identifier
from schema.model.view import MergedFact, Section, SourceFact

STAGES = {
    "ServiceRequest": 0,
    "Appointment": 1,
    "Encounter": 2,
    "DiagnosticReport": 3,
    "DocumentReference": 4,
    "Communication": 4,
}
"""What numbers join, in the order in which one comes out of another."""


class Journey:
    """The records of a person's way through care, to be found by native id and by number."""

    def __init__(self, sections: Iterable[Section[Any]]) -> None:
        self._by_native: dict[tuple[str, str], MergedFact[Any]] = {}
        self._by_number: dict[IdKey, list[tuple[int, MergedFact[Any]]]] = {}
        for section in sections:
            stage = STAGES.get(section.fact_type)
            if stage is None:
                continue
            for entry in section.entries:
                if not entry.display.entered_in_error:
                    self._add(stage, entry)

    def _add(self, stage: int, entry: MergedFact[Any]) -> None:
        for member in entry.members:
            for name in (member.fact.native_id, *member.fact.folds):
                self._by_native.setdefault((member.provenance.source.id, name), entry)
        for key in {key for member in entry.members for key in id_keys(member.fact.identifiers)}:
            self._by_number.setdefault(key, []).append((stage, entry))

    def follows(self, fact_type: str, entry: MergedFact[Any]) -> tuple[JourneyLink, ...]:
        """What an entry came out of, each other entry once, as its first member in display order says."""
        stage = STAGES.get(fact_type, len(STAGES))
        links: dict[str, JourneyLink] = {}
        for member in entry.members:
            for other, identifier in self._origins(stage, member):
                if other.id != entry.id:
                    link = JourneyLink(entry=other, source=member.provenance.source, identifier=identifier)
                    links.setdefault(other.id, link)
        return tuple(links.values())

    def _origins(self, stage: int, member: SourceFact[Any]) -> Iterator[tuple[MergedFact[Any], Identifier | None]]:
        source = member.provenance.source.id
        for name in _references(member.fact):
            if (other := self._by_native.get((source, name))) is not None:
                yield other, None
        for origin in member.fact.follows:
            for _, other in self._bearing(origin.identifier):
                yield other, origin.identifier
        if stage in STAGES.values():
            for identifier in member.fact.identifiers:
                if id_keys((identifier,)):  # what numbers the person joins nothing
                    yield from ((other, identifier) for at, other in self._bearing(identifier) if at < stage)

    def _bearing(self, identifier: Identifier | None) -> list[tuple[int, MergedFact[Any]]]:
        key = id_key(identifier) if identifier is not None else None
        return self._by_number.get(key, []) if key is not None else []


def _references(fact: Fact) -> Iterator[str]:
    if isinstance(fact, Encounter) and fact.part_of is not None:
        yield fact.part_of
    for origin in fact.follows:
        if origin.native_id is not None:
            yield origin.native_id
