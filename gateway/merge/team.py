"""Everybody involved in a person's care, over all sources, each once, and when they last saw the person.

Named are: care teams that can be reached and the members of any, the registered practice, and who took part in a
contact. Two mentions are of one party when they share an identifier with its system; or one source, or one merged
contact, uses one name of at least two words for both; or such a name and a telephone number are equal. Organisations
are one by identifier or by name, teams by source or shared record, and name; a team called as who runs its source
is that organisation. Titles and capitals are left out of names ("Mrs Sunita Banerjee", "Sunita Banerjee"); initials are
not filled in. Nobody is joined by name alone across sources: to be here twice does less harm than for two to be as one.

What says otherwise goes before a name: two that one issuer numbers differently, or that bear different titles, are two.
It is asked of all mentions that would become one. If any two of them contradict each other, they are joined by
identifier alone; and if that contradicts itself too, only those that one source states alike in every word. An
identifier that an organisation bears, or people of different names, is no person's: a department's joins nobody.

A contact counts when it took place: an encounter under way or finished (or without a status, and with an end), a kept
appointment, a supply handed over, a message between the party and the person. Never one that was cancelled, missed,
booked or not collected, nor a message between professionals. Where sources differ, the first in display order that says
whether it took place holds. It counts for who took part, and for the organisation that gave the care: the one that the
contact names, or if it names none, the one that runs the source that holds it. A contact with a member is one with the
team, where both are of one source. The author of a prescription has not seen the person by that. Nobody can tell
whether somebody was seen where a contact was with one of the same name, or where a source only listens and began later.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from itertools import combinations
from typing import Any

from msgspec import Struct

from gateway.merge.absence import Silence
from gateway.merge.compare import folded
from gateway.merge.identifiers import IdKey, contradict, id_key
from schema.model.clinical import (
    Appointment,
    CareTeam,
    Communication,
    Encounter,
    Medication,
    MedicationKind,
    Patient,
)
from schema.model.fact import Fact
from schema.model.journey import CareTeamMember, Finding, Involvement
from schema.model.values import ContactPoint, Identifier, Party, Period
from schema.model.view import MergedFact, Section, SourceFact, SourceRef

_ORGANIZATIONS = frozenset({"https://fhir.nhs.uk/Id/ods-organization-code"})
"""Systems that number organisations: a person who acts for one is not the organisation."""
_TITLES = frozenset({"dr", "mr", "mrs", "ms", "miss", "mx", "prof", "professor", "sister", "nurse", "rev"})
_CONTACTS = frozenset({"Encounter", "Appointment", "Medication", "Communication"})
_TOOK_PLACE = frozenset({"arrived", "triaged", "in-progress", "onleave", "discharged", "completed", "finished"})
_KEPT = frozenset({"arrived", "checked-in", "fulfilled"})
_AHEAD = frozenset({None, "planned", "proposed", "pending", "booked", "waitlist", "unknown"})
_PATIENT = "patient"
_Key = tuple[Hashable, ...]
"""Of what kind, and what."""


class _Mention(Struct, frozen=True, eq=False, kw_only=True):
    """One party as one source names it."""

    party: Party
    source: SourceRef
    entry: MergedFact[Any]
    how: Involvement | None = None
    """None where it is named only as who took part in a contact of a kind that makes nobody a member."""
    period: Period | None = None
    took_place: bool = False
    """Whether the entry is a contact with the party that took place."""
    team: tuple["_Mention", ...] | None = None
    """Of a team, its members: their contacts are its own."""

    @property
    def is_organization(self) -> bool:
        return self.party.name is None

    @property
    def name(self) -> str | None:
        """A person's name without titles, a team's and an organisation's as it is; all without capitals."""
        if self.is_organization or self.team is not None:
            return folded(self.party.name or self.party.organization)
        return " ".join(word for word in _words(self.party.name) if word not in _TITLES) or None

    @property
    def titles(self) -> frozenset[str]:
        return frozenset(word.replace("professor", "prof") for word in _words(self.party.name) if word in _TITLES)

    @property
    def issued(self) -> frozenset[IdKey]:
        """The numbers that it bears, but for those of systems that number what it is not."""
        own = (one for one in self.party.identifiers if self.is_organization or one.system not in _ORGANIZATIONS)
        return frozenset(key for one in own if (key := id_key(one)) is not None)


class _Named(Struct, frozen=True, eq=False):
    """A mention with what identifies its party."""

    mention: _Mention
    numbers: frozenset[IdKey]
    stated: tuple[_Key, ...]
    """What two mentions share only if one source states them alike in every word."""
    numbered: tuple[_Key, ...]
    called: tuple[_Key, ...]


def care_team_members(sections: Sequence[Section[Any]]) -> tuple[CareTeamMember, ...]:
    """Who is involved: named as such first, then by last contact, newest first, then by name."""
    mentions = [
        mention
        for section in sections
        for entry in section.entries
        if not entry.display.entered_in_error
        for mention in _mentions(entry, section.fact_type in _CONTACTS and _took_place(entry))
    ]
    groups = _groups(mentions)
    group_of = {id(one.mention): group for group in groups for one in group}
    silence = Silence(one for one in sections if one.fact_type in _CONTACTS)
    seen = [one for group in groups for one in group if one.mention.took_place]
    listed = [group for group in groups if any(one.mention.how is not None for one in group)]
    return tuple(sorted((_member(group, _contacts(group, group_of), seen, silence) for group in listed), key=_order))


def _contacts(group: list[_Named], group_of: dict[int, list[_Named]]) -> list[MergedFact[Any]]:
    """What took place with a party; with a team also what did with a member, in the team's own source."""
    found = [one.mention.entry for one in group if one.mention.took_place]
    for team in (one.mention for one in group if one.mention.team is not None):
        for member in team.team or ():
            theirs = (one.mention for one in group_of.get(id(member), ()))
            found += [one.entry for one in theirs if one.took_place and one.source.id == team.source.id]
    return found


def _mentions(entry: MergedFact[Any], took_place: bool) -> Iterator[_Mention]:
    for member in entry.members:
        fact, source = member.fact, member.provenance.source
        match fact:
            case CareTeam():
                how = Involvement.CARE_TEAM
                people = tuple(
                    _Mention(party=p, source=source, entry=entry, how=how, period=fact.period)
                    for p in fact.participants
                )
                if fact.name and fact.telecom:
                    itself = folded(fact.name) == folded(source.organization)
                    name, organization = (None, fact.name) if itself else (fact.name, None)
                    named = Party(name=name, organization=organization, telecom=fact.telecom)
                    yield _Mention(party=named, source=source, entry=entry, how=how, period=fact.period, team=people)
                yield from people
            case Patient():
                for party in fact.general_practitioners:
                    yield _Mention(party=party, source=source, entry=entry, how=Involvement.REGISTRATION)
            case _:
                yield from _taking_part(entry, member, took_place)


def _taking_part(entry: MergedFact[Any], member: SourceFact[Any], took_place: bool) -> Iterator[_Mention]:
    """Whose contact it was: who took part, and who gave the care. A provider may be an organisation or a team."""
    source = member.provenance.source
    how = Involvement.CONTACT if isinstance(member.fact, Encounter) else None
    for party in _took_part(member.fact):
        yield _Mention(party=party, source=source, entry=entry, how=how, took_place=took_place)
    if not took_place:
        return
    provider = getattr(member.fact, "service_provider", None)
    if provider:
        yield _Mention(party=Party(name=provider), source=source, entry=entry, took_place=True, team=())
    if by := provider or source.organization:
        yield _Mention(party=Party(organization=by), source=source, entry=entry, took_place=True)


def _words(name: str | None) -> list[str]:
    return [word for each in (folded(name) or "").split() if (word := each.strip(".,"))]


def _named(mention: _Mention, shared: frozenset[IdKey]) -> _Named:
    """What identifies a party; `shared` are the identifiers that are no person's."""
    kind = "organization" if mention.is_organization else "person" if mention.team is None else "team"
    numbers = mention.issued if mention.is_organization else mention.issued - shared
    return _Named(
        mention,
        numbers,
        stated=(("stated", kind, mention.source.id, mention.party),),
        numbered=tuple(("identifier", kind, *key) for key in sorted(numbers)),
        called=tuple((kind, *key) for key in _called(mention)),
    )


def _called(mention: _Mention) -> Iterator[_Key]:
    """What a name identifies a party by: where, or with which telephone number."""
    name = mention.name
    if name is None:
        return
    if mention.is_organization:
        yield (name,)
        return
    if mention.team is None and " " not in name:
        return  # half of the staff may be called Patel
    yield ("entry", mention.entry.id, name)
    yield ("source", mention.source.id, name)
    for point in mention.party.telecom if mention.team is None else ():
        yield ("telecom", name, "".join(point.value.split()))


def _shared(mentions: list[_Mention]) -> frozenset[IdKey]:
    """Identifiers that an organisation bears, or people whose names differ: they are no person's."""
    names: dict[IdKey, set[str | None]] = defaultdict(set)
    for one in mentions:
        for key in one.issued:
            names[key].add(None if one.is_organization else one.name)
    return frozenset(
        key for key, found in names.items() if None in found or any(_differ(*pair) for pair in combinations(found, 2))
    )


def _differ(a: str | None, b: str | None) -> bool:
    """Whether the shorter name has a word that is none of the longer's, nor an initial of one."""
    shorter, longer = sorted(((a or "").split(), (b or "").split()), key=len)
    return not all(any(_stands_for(one, other) for other in longer) for one in shorter)


def _stands_for(a: str, b: str) -> bool:
    return a == b or (min(len(a), len(b)) == 1 and a[0] == b[0])


def _groups(mentions: list[_Mention]) -> list[list[_Named]]:
    """Mentions of one party together; an order of the mentions changes nothing."""
    shared = _shared(mentions)
    named = [_named(one, shared) for one in mentions if one.name or one.issued]
    groups: list[list[_Named]] = []
    for together in _components(named, lambda one: one.stated + one.numbered + one.called):
        if not _numbered_apart(together) and not _titled_apart(together):
            groups.append(together)
            continue
        for by_number in _components(together, lambda one: one.stated + one.numbered):
            apart = _numbered_apart(by_number)
            groups += _components(by_number, lambda one: one.stated) if apart else [by_number]
    return groups


def _numbered_apart(group: list[_Named]) -> bool:
    return any(contradict(a, b) for a, b in combinations({one.numbers for one in group}, 2))


def _titled_apart(group: list[_Named]) -> bool:
    titles = {one.mention.titles for one in group if one.mention.titles}
    return any(a.isdisjoint(b) for a, b in combinations(titles, 2))


def _components(named: list[_Named], keys: Callable[[_Named], tuple[_Key, ...]]) -> list[list[_Named]]:
    """Mentions that share a key, also by way of others, together."""
    above: dict[_Key, _Key] = {}

    def top(key: _Key) -> _Key:
        while (higher := above.setdefault(key, key)) != key:
            above[key] = above[higher]
            key = higher
        return key

    for one in named:
        first, *rest = keys(one)
        for key in rest:
            above[top(key)] = top(first)
    groups: dict[_Key, list[_Named]] = defaultdict(list)
    for one in named:
        groups[top(keys(one)[0])].append(one)
    return list(groups.values())


def _took_place(entry: MergedFact[Any]) -> bool:
    """By the word of the first member in display order that says whether it did."""
    said = (answer for member in entry.members if (answer := _says_it_took_place(member)) is not None)
    return next(said, False)


def _says_it_took_place(member: SourceFact[Any]) -> bool | None:
    """None where it says neither: ahead, or of no known status."""
    fact = member.fact
    match fact:
        case Encounter() if fact.status in (None, "unknown"):
            end = fact.period.end if fact.period is not None else None
            return True if end is not None and end.earliest <= member.provenance.retrieved else None
        case Encounter() | Appointment() if fact.status in _AHEAD:
            return None
        case Encounter():
            return fact.status in _TOOK_PLACE
        case Appointment():
            return fact.status in _KEPT
        case Medication() if fact.kind is MedicationKind.DISPENSE:
            return None if fact.status in (None, "in-progress", "unknown") else fact.status == "completed"
        case Communication():
            parties = [one for one in (fact.sender, *fact.recipients) if one is not None]
            return fact.status != "not-done" and any(_is_patient(one) for one in parties)
        case _:
            return None


def _is_patient(party: Party) -> bool:
    return folded(party.role) == _PATIENT


def _took_part(fact: Fact) -> Iterable[Party]:
    match fact:
        case Encounter() | Appointment():
            return fact.participants
        case Communication():
            both = (fact.sender, *fact.recipients)
            return [party for party in both if party is not None and not _is_patient(party)]
        case _:
            return ()  # who signed a prescription handed nothing over


def _moment(entry: MergedFact[Any]) -> tuple[float, str]:
    return (entry.when.earliest.timestamp() if entry.when is not None else float("-inf"), entry.id)


def _member(
    group: list[_Named], contacts: list[MergedFact[Any]], seen: list[_Named], silence: Silence
) -> CareTeamMember:
    mentions = [one.mention for one in group if one.mention.how is not None]
    parties = [one.party for one in mentions]
    latest = max(contacts, key=_moment, default=None)
    silent = silence.since(latest.when if latest is not None else None)
    absent = Finding.CANNOT_TELL if silent or _may_be_seen(group, seen) else Finding.NOT_FOUND
    return CareTeamMember(
        name=next((party.name for party in parties if party.name), None),
        organization=next((party.organization for party in parties if party.organization), None),
        roles=_each(party.role for party in parties if party.role),
        involvement=_each(one.how for one in mentions),
        telecom=_each_point(point for party in parties for point in party.telecom),
        identifiers=_each_identifier(one for party in parties for one in party.identifiers),
        periods=_each(one.period for one in mentions if one.period is not None),
        sources=_each(one.source for one in mentions),
        last_contact=latest,
        contact=absent if latest is None else Finding.FOUND,
        unheard=silent,
    )


def _may_be_seen(group: list[_Named], seen: list[_Named]) -> bool:
    """Whether a contact was with one of the same name, and nothing says that it was with somebody else."""
    names = {one.mention.name for one in group} - {None}
    alike = (one for one in seen if one.mention.name in names)
    return any(not _numbered_apart([one, *group]) and not _titled_apart([one, *group]) for one in alike)


def _each(found: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(found))


def _each_point(points: Iterable[ContactPoint]) -> tuple[ContactPoint, ...]:
    return tuple({(one.system, "".join(one.value.split())): one for one in reversed(list(points))}.values())[::-1]


def _each_identifier(found: Iterable[Identifier]) -> tuple[Identifier, ...]:
    return tuple({(one.system, one.value): one for one in found}.values())


def _order(member: CareTeamMember) -> tuple[bool, float, str]:
    named = member.involvement != (Involvement.CONTACT,)
    seen = _moment(member.last_contact)[0] if member.last_contact is not None else float("-inf")
    return (not named, -seen, member.name or member.organization or "")
