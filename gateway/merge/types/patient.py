"""Demographics: every record linked to the person is about the person, so all are the same thing.

Two registrations in one source are two members, each naming its local id. What the records disagree on is seen side by
side in the members; one disagreement is named because it must not be overlooked: dead here, and there stated to be
living or with a record in use.
"""

from typing import Any

from gateway.merge.compare import Answer
from gateway.merge.concepts import Terminology
from gateway.merge.rule import Compared, Keys, Relation, Rule
from schema.model.clinical import Patient
from schema.model.view import SourceFact


class PatientRule(Rule[Patient]):
    """See the module."""

    one_for_each_source = False

    def __init__(self, terms: Terminology) -> None:
        super().__init__(terms)
        self.compared = (Compared("deceased", _deceased, _text, divides=False),)

    def look(self, stated: SourceFact[Any]) -> Patient:
        fact: Patient = stated.fact
        return fact

    def keys(self, seen: Patient) -> Keys:
        return Keys(active=("person",))

    def relation(self, a: Patient, b: Patient) -> Relation:
        return Relation.COMPARABLE


def _dead(fact: Patient) -> bool | None:
    if fact.deceased_at is not None or fact.deceased is not None:
        return fact.deceased_at is not None or fact.deceased
    return False if fact.active else None


def _deceased(a: Patient, b: Patient) -> Answer:
    first, second = _dead(a), _dead(b)
    if first is None or second is None:
        return Answer.UNSTATED
    return Answer.AGREE if first is second else Answer.DIFFER


def _text(fact: Patient) -> str | None:
    dead = _dead(fact)
    if dead is None:
        return None
    return "true" if dead else "false" if fact.deceased is False else "record in use"
