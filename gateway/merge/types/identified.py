"""Flags, care plans, care teams, appointments, referrals, reports, imaging studies, assessments, consents, messages,
related persons.

Same when the business identifier and its issuer are the same, in whatever words and codes each source puts it: the
number says what it is. Two that one code system tells apart are only linked, for the reports of one order may share its
number. Without a shared number each stays single.

Never merged, shown as a conflict: a consent that permits with one that denies; a message sent with one not sent;
assessments with different scores. A status that has ended beside one that has not (a cancelled appointment still
booked elsewhere) is one thing: merged, and the disagreement named.

Related persons are never merged by name. The same name with the same telephone number is only proposed.
"""

from typing import Any

from msgspec import Struct

from gateway.merge.compare import Answer, compare_codes, compare_words, folded
from gateway.merge.concepts import Terminology
from gateway.merge.identifiers import IdKey, id_key, id_keys
from gateway.merge.rule import Compared, Keys, Relation, Rule
from gateway.merge.units import amount_text, compare_amounts
from schema.model.clinical import (
    Communication,
    Consent,
    DiagnosticReport,
    Flag,
    QuestionnaireResponse,
    RelatedPerson,
    ServiceRequest,
)
from schema.model.fact import Fact
from schema.model.view import SourceFact

_ENDED = frozenset(
    {"cancelled", "noshow", "revoked", "rejected", "inactive", "stopped", "entered-in-error", "superseded"}
)


class _Identified(Struct, frozen=True, gc=False):
    fact: Any
    numbers: frozenset[IdKey]


class IdentifiedRule(Rule[_Identified]):
    """See the module."""

    def __init__(self, terms: Terminology) -> None:
        super().__init__(terms)
        self.compared = (
            Compared("polarity", _decision, lambda x: getattr(x.fact, "decision", None)),
            Compared("status", _not_done, lambda x: getattr(x.fact, "status", None)),
            Compared("status", _ended, lambda x: getattr(x.fact, "status", None), divides=False),
            Compared("value", self._score, lambda x: amount_text(getattr(x.fact, "score", None))),
        )

    def look(self, stated: SourceFact[Any]) -> _Identified:
        return _Identified(stated.fact, id_keys(stated.fact.identifiers))

    def keys(self, seen: _Identified) -> Keys:
        return Keys(active=seen.numbers)

    def relation(self, a: _Identified, b: _Identified) -> Relation:
        if not a.numbers & b.numbers:
            return Relation.APART
        return Relation.RELATED if self._about(a.fact, b.fact) is Answer.DIFFER else Relation.COMPARABLE

    def _about(self, a: Fact, b: Fact) -> Answer:
        match a, b:
            case (DiagnosticReport() | Flag() | ServiceRequest(), DiagnosticReport() | Flag() | ServiceRequest()):
                return compare_codes(self.terms.concepts(a.code), self.terms.concepts(b.code))
            case (QuestionnaireResponse(), QuestionnaireResponse()):
                return compare_words(a.questionnaire, b.questionnaire)
            case _:
                return Answer.UNSTATED

    def _score(self, a: _Identified, b: _Identified) -> Answer:
        if isinstance(a.fact, QuestionnaireResponse) and isinstance(b.fact, QuestionnaireResponse):
            return compare_amounts(a.fact.score, b.fact.score, self.terms.units, rounded=False)
        return Answer.UNSTATED


class RelatedPersonRule(IdentifiedRule):
    """See the module."""

    def look(self, stated: SourceFact[Any]) -> _Identified:
        """The numbers of a related person are their own, so numbers of persons count here."""
        keys = (id_key(identifier) for identifier in stated.fact.identifiers)
        return _Identified(stated.fact, frozenset(key for key in keys if key))

    def keys(self, seen: _Identified) -> Keys:
        return Keys(active=(*seen.numbers, *_telephones(seen.fact)))

    def relation(self, a: _Identified, b: _Identified) -> Relation:
        if a.numbers & b.numbers:
            return Relation.COMPARABLE
        alike = _telephones(a.fact) & _telephones(b.fact) and _names(a.fact) & _names(b.fact)
        return Relation.RELATED if alike else Relation.APART


def _telephones(person: RelatedPerson) -> set[str]:
    digits = (
        "".join(c for c in contact.value if c.isdigit()) for contact in person.telecom if contact.system != "email"
    )
    return {number for number in digits if len(number) >= 6}


def _names(person: RelatedPerson) -> set[str]:
    spelled = (folded(" ".join((*name.given, name.family or ""))) or folded(name.text) for name in person.names)
    return {name for name in spelled if name}


def _decision(a: _Identified, b: _Identified) -> Answer:
    if isinstance(a.fact, Consent) and isinstance(b.fact, Consent):
        return compare_words(a.fact.decision, b.fact.decision)
    return Answer.UNSTATED


def _not_done(a: _Identified, b: _Identified) -> Answer:
    if isinstance(a.fact, Communication) and isinstance(b.fact, Communication):
        return Answer.DIFFER if (a.fact.status == "not-done") is not (b.fact.status == "not-done") else Answer.AGREE
    return Answer.UNSTATED


def _ended(a: _Identified, b: _Identified) -> Answer:
    first, second = (getattr(x.fact, "status", None) for x in (a, b))
    if first is None or second is None:
        return Answer.UNSTATED
    return Answer.DIFFER if (first in _ENDED) is not (second in _ENDED) else Answer.AGREE
