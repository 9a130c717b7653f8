"""Everybody involved in a person's care, over all sources, each once, and when they last saw the person.

Named are: care teams that can be reached and the members of any, the registered practice, and who took part in a
contact. Two mentions are of one party when they share an identifier with its system; or one source, or one merged
contact, uses one name for both; or the name and a telephone number are equal. Organisations are one by identifier or by
name. Titles and capitals are left out of names ("Mrs Sunita Banerjee", "Sunita Banerjee"); initials are not filled in.
Nobody is joined by name alone across sources: to be here twice does less harm than for two to be here as one.

A contact counts when it took place: an encounter under way or finished (or without a status, and with an end), a kept
appointment, a supply handed over, a message between the party and the person. Never one that was cancelled, missed,
booked or not collected, nor a message between professionals. It counts for who took part, and for the organisation
that gave the care: the one that the contact names, and the one that runs the source that holds it. A contact with a
member is one with the team, where both are of one source. The author of a prescription has not seen the person by that.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from msgspec import Struct, field

from gateway.merge.absence import unheard
from gateway.merge.compare import folded
from gateway.merge.identifiers import id_key
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
_PATIENT = "patient"
_Key = tuple[str, ...]
"""Of what kind, and what."""


class _Mention(Struct, frozen=True):
    """One party as one source names it."""

    party: Party
    how: Involvement
    source: SourceRef
    period: Period | None
    keys: tuple[_Key, ...]
    """What identifies the party."""
    members: tuple[_Key, ...] = ()
    """Of a team, whose contacts are its own."""


class _Contacts(Struct):
    """The latest contact of one party."""

    latest: MergedFact[Any] | None = None
    mentions: list[_Mention] = field(default_factory=list)


def care_team_members(sections: Sequence[Section[Any]]) -> tuple[CareTeamMember, ...]:
    """Who is involved: named as such first, then by last contact, newest first, then by name."""
    mentions: list[_Mention] = []
    contacts: list[tuple[MergedFact[Any], tuple[_Key, ...]]] = []
    for section in sections:
        for entry in section.entries:
            if not entry.display.entered_in_error:
                mentions += _mentions(entry)
                if section.fact_type in _CONTACTS and _took_place(entry):
                    contacts.append((entry, tuple(_seen_by(entry))))
    groups = _groups(mentions)
    at: dict[_Key, list[_Contacts]] = {}
    for group in groups:
        for key in {key for one in group.mentions for key in (*one.keys, *one.members)}:
            at.setdefault(key, []).append(group)
    for entry, keys in contacts:
        for group in (group for key in keys for group in at.get(key, ())):
            if group.latest is None or _moment(group.latest) < _moment(entry):
                group.latest = entry
    silent = unheard(section for section in sections if section.fact_type in _CONTACTS)
    return tuple(sorted((_member(group, silent) for group in groups), key=_order))


def _mentions(entry: MergedFact[Any]) -> Iterator[_Mention]:
    for member in entry.members:
        fact = member.fact
        match fact:
            case CareTeam():
                members = [_mention(entry, member, p, Involvement.CARE_TEAM, fact.period) for p in fact.participants]
                if fact.name and fact.telecom:
                    yield _team(fact, member.provenance.source, members)
                yield from members
            case Patient():
                for party in fact.general_practitioners:
                    yield _mention(entry, member, party, Involvement.REGISTRATION, None)
            case Encounter():
                for party in fact.participants:
                    yield _mention(entry, member, party, Involvement.CONTACT, None)


def _team(fact: CareTeam, source: SourceRef, members: list[_Mention]) -> _Mention:
    named = Party(name=fact.name, telecom=fact.telecom)
    own = tuple(key for one in members for key in one.keys if key[:2] == ("source", source.id))
    keys = (_organization(fact.name),)
    return _Mention(named, Involvement.CARE_TEAM, source, fact.period, keys, own)


def _mention(
    entry: MergedFact[Any], member: SourceFact[Any], party: Party, how: Involvement, period: Period | None
) -> _Mention:
    source = member.provenance.source
    return _Mention(party, how, source, period, tuple(_keys(party, source, entry)))


def _organization(name: str | None) -> _Key:
    return ("organization", folded(name) or "")


def _keys(party: Party, source: SourceRef, entry: MergedFact[Any]) -> Iterator[_Key]:
    """What identifies a party: two mentions that share one are of one party."""
    for one in party.identifiers:
        key = id_key(one)
        if key is not None and not (party.name and one.system in _ORGANIZATIONS):
            yield ("identifier", *key)
    if (name := _bare(party.name)) is not None:
        yield ("source", source.id, name)
        yield ("contact", entry.id, name)
        for point in party.telecom:
            yield ("telecom", name, "".join(point.value.split()))
    elif party.organization:
        yield _organization(party.organization)


def _bare(name: str | None) -> str | None:
    """A person's name without titles and capitals."""
    words = [word.strip(".,") for word in (folded(name) or "").split()]
    return " ".join(word for word in words if word not in _TITLES) or None


def _groups(mentions: list[_Mention]) -> list[_Contacts]:
    """Mentions that share a key, also by way of others, together."""
    above: dict[_Key, _Key] = {}

    def top(key: _Key) -> _Key:
        while (higher := above.setdefault(key, key)) != key:
            above[key] = above[higher]
            key = higher
        return key

    named = [one for one in mentions if one.keys]
    for one in named:
        for key in one.keys[1:]:
            above[top(key)] = top(one.keys[0])
    groups: dict[_Key, _Contacts] = {}
    for one in named:
        groups.setdefault(top(one.keys[0]), _Contacts()).mentions.append(one)
    return list(groups.values())


def _took_place(entry: MergedFact[Any]) -> bool:
    """Whether any source says so and the one shown does not deny it."""
    fact = entry.display
    match fact:
        case Encounter():
            ended = fact.period is not None and fact.period.end is not None
            return fact.status in _TOOK_PLACE or (fact.status in (None, "unknown") and ended)
        case Appointment():
            return fact.status in _KEPT
        case Medication():
            return fact.kind is MedicationKind.DISPENSE and fact.status == "completed"
        case Communication():
            parties = [one for one in (fact.sender, *fact.recipients) if one is not None]
            return fact.status != "not-done" and any(_is_patient(one) for one in parties)
        case _:
            return False


def _is_patient(party: Party) -> bool:
    return folded(party.role) == _PATIENT


def _seen_by(entry: MergedFact[Any]) -> Iterator[_Key]:
    """Whose contact it was: the keys of who took part and of the organisations that gave the care."""
    for member in entry.members:
        source = member.provenance.source
        for party in _took_part(member.fact):
            yield from _keys(party, source, entry)
        provider = getattr(member.fact, "service_provider", None)
        yield from (_organization(name) for name in (provider, source.organization) if name)


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


def _member(group: _Contacts, silent: tuple[SourceRef, ...]) -> CareTeamMember:
    mentions = group.mentions
    parties = [one.party for one in mentions]
    absent = Finding.CANNOT_TELL if silent else Finding.NOT_FOUND
    return CareTeamMember(
        name=next((party.name for party in parties if party.name), None),
        organization=next((party.organization for party in parties if party.organization), None),
        roles=_each(party.role for party in parties if party.role),
        involvement=_each(one.how for one in mentions),
        telecom=_each_point(point for party in parties for point in party.telecom),
        identifiers=_each_identifier(one for party in parties for one in party.identifiers),
        periods=_each(one.period for one in mentions if one.period is not None),
        sources=_each(one.source for one in mentions),
        last_contact=group.latest,
        contact=absent if group.latest is None else Finding.FOUND,
        unheard=silent,
    )


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
