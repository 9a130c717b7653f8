"""Whom a search by demographics may offer. Pure: from what sources answered to who is shown.

A search is somebody's description and no proof, so nobody is linked by it and nobody grades certain. Four rules:

1. A record is offered when nothing in it contradicts what was stated, and what agrees would have been a search of its
   own (`SUFFICIENT`). Silence contradicts nothing.
2. Records are one candidate when the guard would link each of them to the same person of the identity authority: the
   same rules by which `patient` shows facts. Without an authority a verified number takes its place.
3. Whoever is restricted is not found, whoever holds a record of them: nor is a record that may be theirs and that is
   not proved to be another's. A name or a birth date that contradicts proves it; what a record leaves unsaid does not,
   and neither does another home, for a restricted person's is not told.
4. While the authority is silent, only those whom it has cleared by number are found: nobody else could say whether they
   are restricted.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TypeAlias

from msgspec import Struct

from gateway.identity.grade import BirthDateMatch, Grade, compare_birth_dates, compare_genders, grade
from gateway.identity.names import Agreement, family_agrees, given_agreement
from gateway.identity.nhs_number import usable
from gateway.identity.places import postcodes_differ, same_postcode
from gateway.identity.reference import ReferenceOrigin, ReferencePerson, day_of, from_patient
from gateway.identity.rules import Rules, default_rules
from schema.model.clinical import Patient
from schema.model.search import MatchGrade, PatientSearch
from schema.model.values import Address, HumanName, Identifier

SUFFICIENT = (frozenset({"family", "birth_date"}), frozenset({"family", "given", "postal_code"}))
"""What tells people apart well enough to look for somebody by; anything less would list a town."""
NOT_CONFIRMED = "identifier:not-confirmed"
"""The record carries a number that is not proved to be this person's: it is not shown."""
_FORMER = frozenset({"old", "anonymous"})
_ANOTHERS = frozenset({"birth-date:differs", "given:differs", "family:differs"})
"""What proves a record that no restricted person's number is on to be another's. A number of its own does not: whose it
is the authority says."""


class Fit(Struct, frozen=True):
    """How a record fits a search, with its reasons: codes, never values."""

    grade: MatchGrade
    evidence: tuple[str, ...]


class Offer(Struct, frozen=True, kw_only=True):
    """One record that a source answered with."""

    source: str
    record: Patient
    record_hash: str = ""
    fit: Fit | None = None
    """None when it does not fit: then it only speaks of who is restricted, and of what contradicts it."""


class Known(Struct, frozen=True, kw_only=True):
    """A person of the authority, and its own record of them where the viewer may see that source."""

    reference: ReferencePerson
    own: Offer | None = None


class Candidate(Struct, frozen=True, kw_only=True):
    """Records of one person, those of the authority first. `person` is None for a record that stands alone."""

    person: ReferencePerson | None
    records: tuple[Offer, ...]

    @property
    def fit(self) -> Fit:
        """The best fit of its records."""
        fits = [offer.fit for offer in self.records if offer.fit is not None]
        return min(fits, key=lambda fit: (list(MatchGrade).index(fit.grade), len(_unsaid(fit))))


Linked: TypeAlias = Callable[[str, Sequence[Patient], ReferencePerson], Collection[str]]
"""Of one source's records, the native ids of those that the guard would link to this person."""


def names_in_use(record: Patient) -> tuple[HumanName, ...]:
    """Without former names: a former identity is neither found nor shown. A maiden name is no former identity."""
    return tuple(name for name in record.names if name.use not in _FORMER)


def fit(search: PatientSearch, record: Patient, rules: Rules | None = None) -> Fit | None:
    """How the record fits, or None: it contradicts something, says too little, or was withdrawn."""
    rules = rules or default_rules()
    names = names_in_use(record)
    stated = (HumanName(family=search.family, given=tuple((search.given or "").split())),)
    if record.entered_in_error or family_agrees(stated, names, rules.names) is not True:
        return None
    found: dict[str, str | None] = {"family": "equal"}
    if search.given is not None:
        found["given"] = _given(stated, names, rules)
    if search.birth_date is not None:
        found["birth_date"] = _birth_date(search, record, rules)
    if search.gender is not None:
        found["gender"] = _gender(search.gender, record.gender)
    if search.postal_code is not None:
        home = (Address(postal_code=search.postal_code),)
        found["postal_code"] = _postcode(home, record.addresses, rules)
    agreed = {name for name, said in found.items() if said not in (None, _UNSAID)}
    if None in found.values() or not any(enough <= agreed for enough in SUFFICIENT):
        return None
    whole = {"family", "given", "birth_date"} <= agreed
    evidence = tuple(f"{name.replace('_', '-')}:{said}" for name, said in found.items())
    return Fit(MatchGrade.PROBABLE if whole else MatchGrade.POSSIBLE, evidence)


_UNSAID = "not-stated"


def _unsaid(fit: Fit) -> list[str]:
    return [code for code in fit.evidence if code.endswith(_UNSAID)]


def _given(stated: tuple[HumanName, ...], names: tuple[HumanName, ...], rules: Rules) -> str | None:
    found = given_agreement(stated, names, rules.names, rules.typo_min_length)
    if found is Agreement.DIFFERS:
        return None
    return _UNSAID if found is Agreement.MISSING else found.value


def _birth_date(search: PatientSearch, record: Patient, rules: Rules) -> str | None:
    found = compare_birth_dates(search.birth_date, day_of(record.birth_date), rules)
    if found is BirthDateMatch.ABSENT:
        return _UNSAID
    return "equal" if found is BirthDateMatch.EQUAL else None


def _gender(stated: str, theirs: str | None) -> str | None:
    if compare_genders(stated, theirs) is False:
        return None
    return "equal" if (theirs or "").casefold() == stated.casefold() else _UNSAID


def _postcode(stated: tuple[Address, ...], theirs: tuple[Address, ...], rules: Rules) -> str | None:
    if postcodes_differ(stated, theirs, rules.pseudo_postcodes):
        return None
    return "equal" if same_postcode(stated, theirs, rules.pseudo_postcodes) else _UNSAID


def numbers(record: Patient, systems: Collection[str], rules: Rules | None = None) -> tuple[Identifier, ...]:
    """The record's identifiers of these systems that can be somebody's, in their canonical form."""
    placeholders = (rules or default_rules()).placeholder_numbers
    return tuple(
        Identifier(system=one.system, value=value, verified=one.verified)
        for one in record.identifiers
        if one.system in systems and (value := usable(one, placeholders)) is not None
    )


def candidates(
    offers: Sequence[Offer],
    people: Sequence[Known],
    linked: Linked,
    *,
    systems: Collection[str],
    cleared: Callable[[Patient], bool],
    traced: Collection[str] = (),
) -> tuple[Candidate, ...]:
    """Who may be shown, each person once.

    `people` are those whom the authority named, in its search or when asked by a number; `offers` what the other
    sources answered; `systems` those of the authority's numbers. `cleared` says of a record that is nobody's whether
    the authority was heard about it.
    """
    groups = [Candidate(person=one.reference, records=_records(one, offers, linked)) for one in people]
    taken = {_key(offer) for group in groups for offer in group.records}
    rest = [offer for offer in offers if _key(offer) not in taken]
    withheld = [group.person for group in groups if group.person is not None and group.person.restricted]
    withheld += [_as_reference(offer.record, systems) for offer in offers if offer.record.restricted]
    open_to_all = [
        group
        for group in groups
        if group.person is not None
        and not group.person.restricted
        and not any(_is_one(hidden, group, group.person, traced) for hidden in withheld)
    ]
    # Whom a source restricts is looked for as the authority knows them too.
    withheld += [group.person for group in groups if group.person is not None and group not in open_to_all]
    shown = list(open_to_all)
    shown += [
        Candidate(person=None, records=(offer,))
        for offer in rest
        if cleared(offer.record)
        and not offer.record.restricted
        and not any(_may_be(hidden, offer, traced) for hidden in withheld)
    ]
    return tuple(sorted((group for group in shown if any(o.fit for o in group.records)), key=_order))


def agreed_people(
    offers: Sequence[Offer], linked: Linked, systems: Collection[str], traced: Collection[str]
) -> tuple[Known, ...]:
    """Without an authority: the people whom verified numbers name, where nobody who carries the number contradicts."""
    carried: dict[tuple[str | None, str], list[Offer]] = {}
    people: dict[tuple[str | None, str], Known] = {}
    for offer in offers:
        own = numbers(offer.record, systems)
        for one in own:
            carried.setdefault((one.system, one.value), []).append(offer)
        if len(own) == 1 and (own[0].verified or (own[0].verified is None and offer.source in traced)):
            reference = from_patient(offer.record, own[0], ReferenceOrigin.AGREEMENT, sources=(offer.source,))
            people.setdefault((own[0].system, own[0].value), Known(reference=reference))
    return tuple(
        one
        for number, one in people.items()
        if set(map(_key, carried[number])) <= set(map(_key, _records(one, offers, linked)))
    )


def _records(one: Known, offers: Sequence[Offer], linked: Linked) -> tuple[Offer, ...]:
    by_source: dict[str, list[Offer]] = {}
    for offer in offers:
        by_source.setdefault(offer.source, []).append(offer)
    found = [one.own] if one.own is not None else []
    for source, theirs in by_source.items():
        ids = linked(source, [offer.record for offer in theirs], one.reference)
        found += [offer for offer in theirs if offer.record.native_id in ids]
    return tuple(found)


def _key(offer: Offer) -> tuple[str, str]:
    return offer.source, offer.record.native_id


def _as_reference(record: Patient, systems: Collection[str]) -> ReferencePerson:
    """The person of a restricted record, under every number that it carries."""
    own = numbers(record, systems) or (Identifier(value=""),)
    return from_patient(record, own[0], ReferenceOrigin.CALLER, superseded=own[1:])


def _is_one(hidden: ReferencePerson, group: Candidate, person: ReferencePerson, traced: Collection[str]) -> bool:
    """Whether a person whom the authority does not restrict is the one who is hidden.

    By number, earlier ones and those of other systems included. Two numbers of the person's own system that differ are
    two people; else what their records say decides.
    """
    theirs, known = _numbers(hidden.identifiers), _numbers(person.identifiers)
    carried = {one for offer in group.records for one in _numbers(offer.record.identifiers)}
    if theirs & (known | carried):
        return True
    if person.identifier.system in {system for system, _ in theirs}:
        return False
    return any(_may_be(hidden, offer, traced) for offer in group.records)


def _may_be(hidden: ReferencePerson, offer: Offer, traced: Collection[str]) -> bool:
    """Whether a record is not proved to be another's than the hidden person's."""
    if _numbers(hidden.identifiers) & _numbers(offer.record.identifiers):
        return True
    found = grade(hidden, offer.record, traced=offer.source in traced)
    return found.grade is not Grade.CERTAINLY_NOT or _ANOTHERS.isdisjoint(found.evidence)


def _numbers(identifiers: Iterable[Identifier]) -> set[tuple[str, str]]:
    """Those that can be somebody's, by (system, canonical value)."""
    placeholders = default_rules().placeholder_numbers
    usual = ((one.system, usable(one, placeholders)) for one in identifiers)
    return {(system, value) for system, value in usual if system and value}


def _order(group: Candidate) -> tuple[int, int, str]:
    """The best fitting first, then whom more sources know; never in an order that a source chose."""
    who = group.person.identifier.value if group.person else "/".join(_key(group.records[0]))
    return list(MatchGrade).index(group.fit.grade), -len({offer.source for offer in group.records}), who
