"""Pairs of DIFFERENT people that are hard to tell apart. A link between the two is a false link.

In each, one thing at least tells the two apart that a careful clerk could see, and `told_apart` says which; a pair
without it is drawn again. A twin whose record says his brother's name, birth date, number and address is his brother's
record, and no rule could know better. It is asked before the small faults of writing are added,
and again after them: a slip in a name may hide what tells the two apart, and is never itself what does.
"""

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import date

from bench.identity import slips
from bench.identity.people import (
    ORIGINS,
    Pair,
    Person,
    Record,
    a_date,
    a_given,
    a_number,
    a_person,
    an_address,
    may_be_one_name,
    names_of,
    record_of,
)

PLACEHOLDERS: tuple[str, ...] = ("Baby", "Baby Boy", "Baby Girl", "Boy", "Girl", "Infant", "Infant Of", "Newborn")
PLACEHOLDERS += ("Twin 1", "Twin 2", "Twin I", "Twin II", "Twin A", "Triplet 2", "Male", "Female", "Unknown")
PLACEHOLDERS += ("Not Known", "Unnamed", "Test", "BB1")
FAMILIES_ALIKE = (
    *(("Brown", "Browne"), ("Clark", "Clarke"), ("Davis", "Davies"), ("Smith", "Smyth"), ("Read", "Reed")),
    *(("Harris", "Harries"), ("Wood", "Woods"), ("Johnson", "Johnston"), ("Thomson", "Thompson"), ("Morris", "Norris")),
    *(("Hussain", "Hassan"), ("Khan", "Khanum"), ("Patel", "Patil"), ("Rahman", "Rehman"), ("Ali", "Alam")),
    *(("Li", "Lin"), ("Wang", "Wong"), ("Zhang", "Zhong"), ("Chan", "Chang"), ("Nowak", "Novak")),
    *(("Kaminski", "Kaminska"), ("Popa", "Pop"), ("Okafor", "Okoro"), ("Mensah", "Mensa"), ("Diallo", "Jallow")),
    *(("Haddad", "Haddid"), ("Saleh", "Salah"), ("Murphy", "Murray"), ("Byrne", "Burns"), ("Walsh", "Welsh")),
)
DEFAULT_BIRTHDAYS = ((1, 1), (7, 1), (12, 31))
"""Written where the day is not known, so shared by brothers and sisters."""


def told_apart(pair: Pair) -> str | None:
    """What a careful clerk could see, or None where the two records look like one person's."""
    ours, theirs = pair.reference, pair.candidate
    if theirs.number != ours.number or not theirs.verified:
        return "number"
    if theirs.birth_date is None or ours.birth_date is None:
        return "birth date not said"
    if theirs.birth_date.year != ours.birth_date.year:
        return "birth year"
    said = [name for name in (ours.given, theirs.given) if name and len(name) > 1 and name not in PLACEHOLDERS]
    if len(said) < 2:
        return "given name not said"
    stated = {ours.gender, theirs.gender} - {None}
    if said[0].lower() != said[1].lower() and len(stated) == 2:
        return "another form of the name, and gender"
    if not may_be_one_name(*said) and not _continues(ours, theirs):
        return "given name"
    if ours.address and theirs.address and theirs.address.place() != ours.address.place():
        if theirs.family and ours.family and theirs.family.lower() != ours.family.lower():
            return "family name and address"
        middles = theirs.middle and ours.middle and not may_be_one_name(theirs.middle, ours.middle)
        if middles and not _continues(ours, theirs):
            return "middle name and address"
        if any(one.address == ours.address for one in pair.beside):
            return "address of another record there"
    return None


def _continues(one: Record, other: Record) -> bool:
    """Whether one states the other's forenames and perhaps more: Xiu, Ying and Xiuying; Mei, Ling and Mei Ling, Na."""
    shorter, longer = sorted((_words(one), _words(other)), key=lambda words: len("".join(words)))
    return any("".join(shorter) == "".join(longer[:words]) for words in range(1, len(longer) + 1))


def _words(record: Record) -> list[str]:
    return f"{record.given} {record.middle or ''}".lower().split()


def alike(rng: random.Random, origin: str) -> tuple[str, str]:
    one, other = rng.choice(names_of(origin).alike)
    return (one, other) if rng.random() < 0.5 else (other, one)


def genders(rng: random.Random) -> tuple[str, str]:
    return rng.choice(("male", "female")), rng.choice(("male", "female"))


def two_of_a_home(rng: random.Random, origin: str, *, like_names: bool) -> tuple[Person, Person]:
    """Twins: one family name, birth date and address. Like names go to a boy and a girl as well as to two boys."""
    gender, other_gender = genders(rng)
    first = a_person(rng, origin, gender=gender)
    given = a_given(rng, origin, other_gender)
    if like_names:
        mine, given = alike(rng, origin)
        first = replace(first, given=mine)
    middle = first.middle if rng.random() < 0.3 else rng.choice((None, a_given(rng, origin, other_gender)))
    return first, replace(first, given=given, middle=middle, gender=other_gender, number=a_number(rng))


def smudged(rng: random.Random, record: Record) -> Record:
    """The small faults of any record: a slip in a name, an address written otherwise, gender not said."""
    if record.given and rng.random() < 0.03 and record.given not in PLACEHOLDERS:
        record = record.but(given=slips.name_slip(rng, record.given))
    if record.family and rng.random() < 0.03:
        record = record.but(family=slips.name_slip(rng, record.family))
    if record.address and rng.random() < 0.25:
        record = record.but(address=slips.address_slip(rng, record.address))
    if rng.random() < 0.15:
        record = record.but(gender=None)
    if rng.random() < 0.4:
        record = record.but(middle=None)
    return record


def under(number_of: Person, told_of: Person) -> Record:
    """A record that is filed under one person's verified number and tells of another."""
    return record_of(told_of).but(number=number_of.number)


def twins(rng: random.Random, origin: str) -> tuple[Record, Record]:
    """Twins whose numbers were exchanged."""
    first, second = two_of_a_home(rng, origin, like_names=False)
    return record_of(first), under(first, second).but(multiple_birth=rng.random() < 0.3)


def twins_with_like_names(rng: random.Random, origin: str) -> tuple[Record, Record]:
    first, second = two_of_a_home(rng, origin, like_names=True)
    return record_of(first), under(first, second).but(multiple_birth=rng.random() < 0.3)


def newborn_twins(rng: random.Random, origin: str) -> tuple[Record, Record]:
    """Not named yet, or one of them only. A placeholder is said of every newborn."""
    first, second = two_of_a_home(rng, origin, like_names=False)
    reference = record_of(first)
    if rng.random() < 0.4:
        reference = reference.but(given=rng.choice(PLACEHOLDERS), middle=None)
    named = rng.random() < 0.2
    candidate = under(first, second).but(middle=None, given=second.given if named else rng.choice(PLACEHOLDERS))
    return reference, candidate


def parent_and_child(rng: random.Random, origin: str) -> tuple[Record, Record]:
    """One name, one address, one number, and a generation between. Some children come on the parent's birthday."""
    parent = a_person(
        rng, origin, birth_date=date(rng.randrange(1930, 1990), rng.randrange(1, 13), rng.randrange(1, 29))
    )
    year = min(parent.birth_date.year + rng.choice((17, 19, 20, 21, 24, 26, 30, 31, 33, 40)), 2025)
    born = a_date(rng).replace(year=year, day=rng.randrange(1, 29))
    if rng.random() < 0.6:
        born = parent.birth_date.replace(year=year)
    child = replace(parent, birth_date=born, middle=rng.choice((parent.middle, None)), number=a_number(rng))
    one, other = (parent, child) if rng.random() < 0.5 else (child, parent)
    return record_of(one), under(one, other)


def overlay_of_all(rng: random.Random, origin: str) -> tuple[Record, Record]:
    """Another person's demographics were written over the record; the number stayed."""
    first = a_person(rng, origin)
    second = a_person(rng, rng.choice((origin, origin, rng.choice(ORIGINS))))
    if rng.random() < 0.7:
        second = replace(second, birth_date=first.birth_date)
    if rng.random() < 0.3:
        second = replace(second, family=first.family)
    return record_of(first), under(first, second)


def overlay_of_a_part(rng: random.Random, origin: str) -> tuple[Record, Record]:
    """Names and gender of another person over the record; birth date, number and, mostly, address stayed."""
    first = a_person(rng, origin)
    second = a_person(rng, origin)
    if rng.random() < 0.5:
        mine, theirs = alike(rng, origin)
        first, second = replace(first, given=mine), replace(second, given=theirs)
    left = record_of(first).but(given=second.given, middle=second.middle, gender=second.gender)
    if rng.random() < 0.6:
        left = left.but(family=rng.choice((second.family, None)))
    return record_of(first), left.but(address=rng.choice((first.address, first.address, second.address, None)))


def namesake_of(rng: random.Random, first: Person) -> Person:
    """Somebody else of the same name, born on the same day."""
    middle = rng.choice((first.middle, None, a_given(rng, first.origin, first.gender)))
    return replace(first, middle=middle, address=an_address(rng), number=a_number(rng))


def namesake_with_own_number(rng: random.Random, origin: str) -> tuple[Record, Record]:
    first = a_person(rng, origin)
    second = record_of(namesake_of(rng, first))
    if rng.random() < 0.3:
        second = second.but(address=first.address)
    return record_of(first), second


def namesake_without_verified_number(rng: random.Random, origin: str) -> tuple[Record, Record]:
    first = a_person(rng, origin)
    second = namesake_of(rng, first)
    number = rng.choice((None, second.number, first.number, slips.number_slip(rng, first.number)))
    return record_of(first), record_of(second).but(number=number, verified=False)


def exchanged_numbers(rng: random.Random, origin: str) -> tuple[Record, Record]:
    """Two people registered one after the other: often born on one day, some of one family name or with like names."""
    first, second = a_person(rng, origin), a_person(rng, origin)
    if rng.random() < 0.6:
        second = replace(second, birth_date=first.birth_date)
    if rng.random() < 0.3:
        second = replace(second, family=first.family)
    if rng.random() < 0.4:
        mine, theirs = alike(rng, origin)
        first, second = replace(first, given=mine), replace(second, given=theirs)
    if rng.random() < 0.2:
        second = replace(second, address=first.address)
    return record_of(first), under(first, second)


def number_off_by_a_slip(rng: random.Random, origin: str) -> tuple[Record, Record]:
    """Somebody of the same home or name whose number is the other's but for a slip, said to be verified."""
    first, second = two_of_a_home(rng, origin, like_names=rng.random() < 0.5)
    if rng.random() < 0.3:
        second = namesake_of(rng, first)
    return record_of(first), record_of(second).but(number=slips.number_slip(rng, first.number))


def wrong_trace(rng: random.Random, origin: str) -> tuple[Record, Record]:
    """A trace by birth date and a name that looks like it brought the other's number; they live elsewhere."""
    first = a_person(rng, origin)
    second = namesake_of(rng, first)
    which = rng.random()
    if which < 0.6:
        mine, theirs = alike(rng, origin)
        first, second = replace(first, given=mine), replace(second, given=theirs)
    elif which < 0.85:
        mine, theirs = rng.choice(FAMILIES_ALIKE)
        first, second = replace(first, family=mine), replace(second, family=theirs)
    else:
        first = replace(first, middle=first.middle or a_given(rng, origin, first.gender))
        second = replace(second, middle=a_given(rng, origin, first.gender))
    return record_of(first), under(first, second)


def in_laws(rng: random.Random, origin: str) -> tuple[Record, Record]:
    """Two women of one given name married into one family and one home."""
    first = a_person(rng, origin, gender="female")
    born = slips.year_slip(rng, first.birth_date)
    if rng.random() < 0.4:
        born = slips.date_slip(rng, born)
    second = replace(first, birth_date=born, middle=rng.choice((first.middle, None)), number=a_number(rng))
    return record_of(first), under(first, second)


def another_family_name(rng: random.Random, origin: str) -> tuple[Record, Record]:
    """One given name and birth date, another family name AND address: a stranger, or a wedding and a move."""
    first = a_person(rng, origin)
    family = rng.choice([name for name in names_of(origin).family if name != first.family])
    return record_of(first), under(first, replace(namesake_of(rng, first), family=family))


def spelled_alike(rng: random.Random, origin: str) -> tuple[Record, Record]:
    """Brothers or sisters whose birthday is not known, with like names, one of them in another of its spellings."""
    month, day = rng.choice(DEFAULT_BIRTHDAYS)
    first, second = two_of_a_home(rng, origin, like_names=True)
    spellings = [
        name for name in names_of(origin).written.get(second.given, ()) if not may_be_one_name(name, first.given)
    ]
    if spellings:
        second = replace(second, given=rng.choice(spellings))
    born = first.birth_date.replace(month=month, day=day)
    return record_of(first).but(birth_date=born), under(first, second).but(birth_date=born)


def called_alike(rng: random.Random, origin: str) -> tuple[Record, Record]:
    """Twins, one of them by a short name. It is not one of the other's, or they are a boy and a girl (Sam, Alex)."""
    first, second = two_of_a_home(rng, origin, like_names=False)
    short = names_of(origin).short
    full, brief = rng.choice([(full, one) for full, several in short.items() for one in several])
    sharing = [name for name in short if name != full and brief in short[name]]
    if sharing:
        other = "female" if first.gender == "male" else "male"
        return record_of(replace(first, given=rng.choice(sharing))), under(
            first, replace(second, given=brief, gender=other)
        )
    candidate = under(first, replace(second, given=brief, gender=first.gender))
    names = [name for name in (*names_of(origin).male, *names_of(origin).female) if not may_be_one_name(name, brief)]
    initialled = [name for name in names if name[0] == full[0] and not may_be_one_name(name, full)]
    given = rng.choice(initialled) if initialled and rng.random() < 0.5 else rng.choice(names)
    return record_of(replace(first, given=given)), candidate


def said_too_little(rng: random.Random, origin: str) -> tuple[Record, Record]:
    """Somebody of the same home under the person's number, with the field left out that would tell them apart."""
    first, second = two_of_a_home(rng, origin, like_names=rng.random() < 0.3)
    if rng.random() < 0.4:
        second = replace(second, birth_date=slips.year_slip(rng, second.birth_date))
    candidate = under(first, second)
    which = rng.random()
    if which < 0.35:
        candidate = candidate.but(given=None, middle=None)
    elif which < 0.65:
        candidate = candidate.but(given=second.given[0], middle=None)
    elif which < 0.8:
        candidate = candidate.but(birth_date=None)
    else:
        candidate = candidate.but(family=None, address=None)
    if rng.random() < 0.3:
        candidate = candidate.but(family=None)
    return record_of(first), candidate


HARD: dict[str, Callable[[random.Random, str], tuple[Record, Record]]] = {
    "twins, numbers exchanged": twins,
    "twins with like names": twins_with_like_names,
    "newborn twins": newborn_twins,
    "parent and child of one name": parent_and_child,
    "overlay of the whole record": overlay_of_all,
    "overlay of a part": overlay_of_a_part,
    "namesake, own number": namesake_with_own_number,
    "namesake, no verified number": namesake_without_verified_number,
    "exchanged numbers": exchanged_numbers,
    "number off by a slip": number_off_by_a_slip,
    "wrong trace": wrong_trace,
    "in-laws of one name": in_laws,
    "another family name": another_family_name,
    "spelled alike": spelled_alike,
    "called alike": called_alike,
    "said too little": said_too_little,
}
SHARED = "shared number"
HARD_KINDS = (*HARD, SHARED)


def shared_number(rng: random.Random, origin: str) -> Pair:
    """One source holds a person and a namesake of the same birth date under one verified number, at two addresses."""
    first = a_person(rng, origin)
    second = under(first, namesake_of(rng, first))
    own = smudged(rng, record_of(first)).but(address=first.address)
    return Pair(SHARED, origin, record_of(first), second, same=False, beside=(own,))


def hard_pair(rng: random.Random, kind: str, origin: str) -> Pair:
    """A pair of that kind which can be told apart."""
    while True:
        if kind == SHARED:
            clean = shared_number(rng, origin)
        else:
            clean = Pair(kind, origin, *HARD[kind](rng, origin), same=False)
        pair = replace(clean, candidate=smudged(rng, clean.candidate))
        unslipped = pair.candidate.but(given=clean.candidate.given, family=clean.candidate.family)
        if told_apart(clean) and told_apart(pair) and told_apart(replace(pair, candidate=unslipped)):
            return pair
