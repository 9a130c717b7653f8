"""Contacts: visits, spells, consultations, calls.

Same when all hold: the same visit or spell number with its assigner; or the same organisation, class and service, and
a start within 30 minutes, both known to the minute. Two numbers of one assigner are two visits, whatever else agrees.

Never merged: a ward stay or consultant episode with the spell that it is part of (linked); two parts of one spell
because both carry the spell's number (they need a start within 30 minutes too). Contacts that share a referral or
handover number are linked: the spells of one journey.
"""

from collections.abc import Hashable
from typing import Any

from msgspec import Struct

from gateway.merge.compare import Answer, compare_concepts, folded, worst
from gateway.merge.concepts import Code, Terminology
from gateway.merge.identifiers import IdKey, contradict, id_keys
from gateway.merge.rule import Keys, Relation, Rule
from gateway.merge.times import instant, start_of, window
from schema.model.clinical import Encounter
from schema.model.fact import Fact
from schema.model.view import SourceFact

_VISIT_TYPES = (None, "VN")
"""HL7 table 0203: a visit number; FHIR systems seldom give a type."""


class _Encounter(Struct, frozen=True, gc=False):
    fact: Encounter
    visits: frozenset[IdKey]
    others: frozenset[IdKey]
    start: float | None
    organization: str | None
    classes: frozenset[Code]
    part: bool


class EncounterRule(Rule[_Encounter]):
    """See the module."""

    def __init__(self, terms: Terminology) -> None:
        super().__init__(terms)
        self._near_s = terms.limits.contact_minutes * 60.0

    def look(self, stated: SourceFact[Any]) -> _Encounter:
        fact: Encounter = stated.fact
        visits = id_keys(fact.identifiers, types=_VISIT_TYPES)
        return _Encounter(
            fact=fact,
            visits=visits,
            others=id_keys(fact.identifiers) - visits,
            start=instant(start_of(fact.period)),
            organization=folded(fact.service_provider),
            classes=self.codes(fact.encounter_class),
            part=fact.part_of is not None,
        )

    def keys(self, seen: _Encounter) -> Keys:
        numbers: tuple[Hashable, ...] = tuple(seen.visits | seen.others)
        if seen.organization is None:
            return Keys(active=numbers)
        return Keys(active=(*numbers, *((seen.organization, bucket) for bucket in window(seen.start, self._near_s))))

    def relation(self, a: _Encounter, b: _Encounter) -> Relation:
        starts_together = a.start is not None and b.start is not None and abs(a.start - b.start) <= self._near_s
        if a.visits & b.visits:
            one_level = a.part is b.part and (starts_together or not a.part)
            return Relation.COMPARABLE if one_level else Relation.RELATED
        linked = Relation.RELATED if a.others & b.others else Relation.APART
        if a.part is not b.part or not starts_together or contradict(a.visits, b.visits):
            return linked
        if a.organization is None or a.organization != b.organization:
            return linked
        alike = worst((self._class(a, b), self._service(a, b)))
        if alike is Answer.AGREE:
            return Relation.COMPARABLE
        return linked if alike is Answer.DIFFER else Relation.RELATED

    def _class(self, a: _Encounter, b: _Encounter) -> Answer:
        answer = compare_concepts(a.fact.encounter_class, b.fact.encounter_class, self.terms)
        return Answer.UNKNOWN if answer is Answer.UNSTATED else answer

    def _service(self, a: _Encounter, b: _Encounter) -> Answer:
        """Stated by neither it agrees; by one of them it cannot be told."""
        first, second = a.fact.service, b.fact.service
        if first is None and second is None:
            return Answer.AGREE
        answer = compare_concepts(first, second, self.terms)
        return Answer.UNKNOWN if answer is Answer.UNSTATED else answer

    def refers(self, fact: Fact) -> tuple[str, ...]:
        part_of = fact.part_of if isinstance(fact, Encounter) else None
        return (*fact.replaces, part_of) if part_of else fact.replaces
