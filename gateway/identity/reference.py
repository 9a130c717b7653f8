"""The reference person: who is asked about, with the demographics that every source's answer is checked against.

In order of trust (MERGE.md section 1): the linked person; the configured authority; what the caller states; else the
agreement of at least two sources. Whoever has none of them is shown nothing: IDENTITY_UNRESOLVED.
"""

from collections.abc import Collection
from datetime import date
from enum import Enum

from msgspec import Struct, structs

from adapters.sdk import NHS_NUMBER
from gateway.identity.nhs_number import usable
from schema.model.clinical import Patient
from schema.model.values import Address, HumanName, Identifier, Party
from schema.model.when import Precision, When

SUPERSEDED = "superseded"
"""`Identifier.type` of a number that the authority has replaced."""


class ReferenceOrigin(Enum):
    """Where the reference's demographics come from."""

    LINKED = "linked"
    AUTHORITY = "authority"
    CALLER = "caller"
    AGREEMENT = "agreement"


class ReferencePerson(Struct, frozen=True, kw_only=True):
    """The person asked about."""

    identifier: Identifier
    """The authority's current number."""
    origin: ReferenceOrigin
    superseded: tuple[Identifier, ...] = ()
    """Earlier numbers of the same person, on the authority's word only."""
    others: tuple[Identifier, ...] = ()
    """Current numbers of the same person in other systems, on the authority's word only."""
    names: tuple[HumanName, ...] = ()
    birth_date: date | None = None
    gender: str | None = None
    addresses: tuple[Address, ...] = ()
    deceased: bool | None = None
    restricted: bool = False
    """S-flagged: sources that forbid it are not asked and not shown."""
    multiple_birth: bool | None = None
    practices: tuple[Party, ...] = ()
    """The registered practice."""
    sources: tuple[str, ...] = ()
    """Ids of the sources that the demographics were had from."""

    @property
    def identifiers(self) -> tuple[Identifier, ...]:
        """The current number first, superseded ones after, then those of other systems."""
        return (self.identifier, *self.superseded, *self.others)

    @property
    def trusted(self) -> bool:
        """Whether the number is known to be this person's, not only typed by somebody."""
        return self.origin is not ReferenceOrigin.CALLER or self.identifier.verified is True

    def contradicts(self, birth_date: date | None) -> bool:
        """Whether the caller states another birth date: then the number was probably mistyped, and nothing is shown."""
        return birth_date is not None and self.birth_date is not None and birth_date != self.birth_date


def day_of(when: When | None) -> date | None:
    """A birth date that was stated to the day; None when it was not stated, or only its month or year."""
    if when is None or when.precision in (Precision.YEAR, Precision.MONTH):
        return None
    return when.day


def from_patient(
    patient: Patient,
    identifier: Identifier,
    origin: ReferenceOrigin,
    *,
    superseded: tuple[Identifier, ...] = (),
    sources: tuple[str, ...] = (),
) -> ReferencePerson:
    """The reference person whom this record describes, under a number that the caller of this function vouches for."""
    return ReferencePerson(
        identifier=identifier,
        origin=origin,
        superseded=superseded,
        names=patient.names,
        birth_date=day_of(patient.birth_date),
        gender=patient.gender,
        addresses=patient.addresses,
        deceased=patient.deceased,
        restricted=patient.restricted,
        multiple_birth=patient.multiple_birth,
        practices=patient.general_practitioners,
        sources=sources,
    )


def from_caller(
    identifier: Identifier,
    *,
    birth_date: date | None = None,
    names: tuple[HumanName, ...] = (),
    gender: str | None = None,
    addresses: tuple[Address, ...] = (),
) -> ReferencePerson:
    """What the caller states. Without a given name and a birth date no record can grade certain against it."""
    return ReferencePerson(
        identifier=identifier,
        origin=ReferenceOrigin.CALLER,
        names=names,
        birth_date=birth_date,
        gender=gender,
        addresses=addresses,
    )


def current_number(patient: Patient, system: str | None) -> Identifier | None:
    """The one number of this system that the authority has not replaced; None when there is none, or several."""
    current = [i for i in patient.identifiers if i.system == system and i.type != SUPERSEDED]
    return current[0] if len(current) == 1 else None


def on_record(
    patient: Patient, asked: Identifier, source: str, systems: Collection[str], *, restricted: bool
) -> ReferencePerson | None:
    """The person whom the authority's record describes, the same whichever of their numbers was asked for.

    `systems` are those by whose numbers the authority can be asked. Their current numbers are all this person's, unless
    the authority says itself that one was not verified; an NHS number goes before the others. None as `from_authority`.
    """
    found = from_authority(patient, asked, source, current=current_number(patient, asked.system))
    if found is None:
        return None
    numbers = [found.identifier]
    for system in sorted(set(systems) - {asked.system}):
        one = current_number(patient, system)
        if one is not None and one.verified is not False and usable(one) is not None:
            numbers.append(one)
    numbers.sort(key=lambda one: one.system != NHS_NUMBER)
    replaced = [i for i in patient.identifiers if i.type == SUPERSEDED and i.system in systems and usable(i)]
    earlier = {(i.system, usable(i)): i for i in (*found.superseded, *replaced)}
    return structs.replace(
        found,
        identifier=numbers[0],
        others=tuple(numbers[1:]),
        superseded=tuple(earlier.values()),
        restricted=restricted,
    )


def from_authority(
    patient: Patient, asked: Identifier, source: str, *, current: Identifier | None = None
) -> ReferencePerson | None:
    """What the identity authority answered about the number that was asked for.

    A number of the same system that is not the one asked for is a supersession: it is the current one, and the one
    asked for becomes an earlier one. None when the authority names several numbers and `current` does not say which
    of them is the current one, or names none: then nobody knows who this is.
    """
    known = {value: i for i in patient.identifiers if i.system == asked.system and (value := usable(i))}
    if current is None and len(known) == 1:
        (current,) = known.values()
    number = usable(current) if current else None
    if current is None or number is None:
        return None
    if value := usable(asked):
        known.setdefault(value, asked)
    earlier = {value: i for value, i in known.items() if value != number}
    return from_patient(
        patient, current, ReferenceOrigin.AUTHORITY, superseded=tuple(earlier.values()), sources=(source,)
    )
