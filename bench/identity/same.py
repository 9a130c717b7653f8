"""Pairs of records of ONE person, with what life and clerks do to them. What is linked of these is recall."""

import random
from collections.abc import Callable
from datetime import date

from bench.identity import slips
from bench.identity.different import PLACEHOLDERS
from bench.identity.people import Pair, Person, Record, a_person, an_address, names_of, record_of

GROWN = date(2005, 1, 1)

# How often a second system differs from the authority, per record. Orders of magnitude as NHS linkage reports give
# them: forenames differ in a few in a hundred, family names of grown women in about two, addresses in more than ten.
GIVEN_SLIP = 0.012
GIVEN_SHORT = 0.03
GIVEN_RESPELLED = 0.04
GIVEN_MISSING = 0.003
GIVEN_MIDDLE = 0.004
NAMES_TURNED = 0.003
MIDDLE_JOINED = 0.03
MIDDLE_MISSING = 0.4
FAMILY_CHANGED = 0.02
FAMILY_SLIP = 0.012
FAMILY_MISSING = 0.004
MOVED = 0.12
ADDRESS_OTHERWISE = 0.3
ADDRESS_MISSING = 0.03
GENDER_MISSING = 0.02
GENDER_WRONG = 0.002


def new_family(rng: random.Random, person: Person) -> str:
    """Another family name: after a wedding, or both names with a hyphen."""
    taken = rng.choice([name for name in names_of(person.origin).family if name != person.family])
    return f"{person.family}-{taken}" if rng.random() < 0.15 else taken


def moved(rng: random.Random, record: Record, chance: float = MOVED) -> Record:
    if record.address is None or rng.random() >= chance:
        return record
    return record.but(address=an_address(rng))


def other_given(rng: random.Random, person: Person, record: Record) -> Record:
    """At most one of: a slip, a short name, another spelling, the middle name, none at all."""
    given = person.given
    names = names_of(person.origin)
    drawn = rng.random()
    for chance, change in (
        (GIVEN_SLIP, lambda: slips.name_slip(rng, given)),
        (GIVEN_SHORT, lambda: rng.choice(names.short.get(given, (given,)))),
        (GIVEN_RESPELLED, lambda: rng.choice(names.written.get(given, (given,)))),
        (GIVEN_MISSING, lambda: None),
        (GIVEN_MIDDLE, lambda: person.middle or given),
    ):
        if drawn < chance:
            return record.but(given=change())
        drawn -= chance
    return record


def everyday(rng: random.Random, person: Person) -> Record:
    """What a second system holds of somebody, right number and birth date: each fault as often as it is met."""
    record = other_given(rng, person, record_of(person))
    if record.middle and record.given and rng.random() < MIDDLE_JOINED:
        record = record.but(given=f"{record.given} {record.middle}", middle=None)
    if rng.random() < MIDDLE_MISSING:
        record = record.but(middle=None)
    drawn = rng.random()
    if person.gender == "female" and person.birth_date < GROWN and drawn < FAMILY_CHANGED:
        record = moved(rng, record.but(family=new_family(rng, person)), chance=0.5)
    elif drawn > 1 - FAMILY_SLIP:
        record = record.but(family=slips.name_slip(rng, person.family))
    elif drawn > 1 - FAMILY_SLIP - FAMILY_MISSING:
        record = record.but(family=None)
    if record.given and record.family and rng.random() < NAMES_TURNED:
        record = record.but(given=record.family, family=record.given)
    record = moved(rng, record)
    if record.address and rng.random() < ADDRESS_OTHERWISE:
        record = record.but(address=slips.address_slip(rng, record.address))
    if rng.random() < ADDRESS_MISSING:
        record = record.but(address=None)
    drawn = rng.random()
    if drawn < GENDER_MISSING:
        return record.but(gender=None)
    if drawn < GENDER_MISSING + GENDER_WRONG:
        return record.but(gender="male" if person.gender == "female" else "female")
    return record


def changed_family_name(rng: random.Random, person: Person) -> Record:
    return moved(rng, record_of(person).but(family=new_family(rng, person)), chance=0.3)


def short_name(rng: random.Random, person: Person) -> Record:
    return moved(rng, record_of(person).but(given=rng.choice(names_of(person.origin).short[person.given])))


def other_spelling(rng: random.Random, person: Person) -> Record:
    return moved(rng, record_of(person).but(given=rng.choice(names_of(person.origin).written[person.given])))


def missing_fields(rng: random.Random, person: Person) -> Record:
    record = record_of(person).but(middle=None)
    gone = rng.sample(("family", "gender", "address"), rng.randrange(1, 4))
    return record.but(**dict.fromkeys(gone))


def moved_away(rng: random.Random, person: Person) -> Record:
    return moved(rng, record_of(person), chance=1)


def slip_in_given_name(rng: random.Random, person: Person) -> Record:
    return moved(rng, record_of(person).but(given=slips.name_slip(rng, person.given)))


def slip_in_family_name(rng: random.Random, person: Person) -> Record:
    return moved(rng, record_of(person).but(family=slips.name_slip(rng, person.family)))


def two_forenames(rng: random.Random, person: Person) -> Record:
    """Both forenames in one field, or the second one used alone."""
    middle = person.middle or "Lee"
    given = rng.choice((f"{person.given} {middle}", f"{person.given}-{middle}", f"{person.given} {middle[0]}"))
    return moved(rng, record_of(person).but(given=given, middle=None))


def slip_in_birth_date(rng: random.Random, person: Person) -> Record:
    """Day and month swapped, or one digit of them: linked only where names and address hold."""
    return moved(rng, record_of(person).but(birth_date=slips.date_slip(rng, person.birth_date)))


def no_number(rng: random.Random, person: Person) -> Record:
    """What an ambulance has. Never linked by itself: what counts is that somebody sees it."""
    return everyday(rng, person).but(number=None, verified=False)


def slip_in_number(rng: random.Random, person: Person) -> Record:
    return everyday(rng, person).but(number=slips.number_slip(rng, person.number), verified=False)


def not_named_yet(rng: random.Random, person: Person) -> Record:
    return record_of(person).but(given=rng.choice(PLACEHOLDERS), middle=None)


EVERYDAY = "everyday"
ONE_PERSON: dict[str, Callable[[random.Random, Person], Record]] = {
    EVERYDAY: everyday,
    "changed family name": changed_family_name,
    "short name": short_name,
    "other spelling": other_spelling,
    "missing fields": missing_fields,
    "moved away": moved_away,
    "slip in the given name": slip_in_given_name,
    "slip in the family name": slip_in_family_name,
    "two forenames": two_forenames,
    "slip in the birth date": slip_in_birth_date,
    "no number": no_number,
    "slip in the number": slip_in_number,
    "not named yet": not_named_yet,
}


def someone_for(rng: random.Random, kind: str, origin: str) -> Person:
    """Anybody; where the kind is about a short name or a spelling, somebody who has one."""
    names = names_of(origin)
    table = {"short name": names.short, "other spelling": names.written}.get(kind)
    return a_person(rng, origin, given=rng.choice(sorted(table))) if table else a_person(rng, origin)


def same_pair(rng: random.Random, kind: str, origin: str) -> Pair:
    person = someone_for(rng, kind, origin)
    return Pair(kind, origin, record_of(person), ONE_PERSON[kind](rng, person), same=True)
