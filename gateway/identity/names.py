"""When two names are the same person's name: MERGE.md section 1, "Given names agree when ...".

Likeness measures are not used: they call Mohammed and Muhammad different and the twins Louis and Louise the same. What
is used instead is equality, a curated table of variants, and one slip of the typist where exactly one of the two is a
name that the table knows: of two names that are both known, or both strange to us, nobody can say that they are one.
"""

import re
import tomllib
import unicodedata
from collections.abc import Iterable
from enum import Enum
from functools import cache, lru_cache
from importlib.resources import files

from msgspec import Struct

from schema.model.values import HumanName


class Agreement(Enum):
    """How well two given names agree, the best first."""

    EXACT = "exact"
    VARIANT = "variant"
    """Listed in the table as forms of one name."""
    TYPO = "typo"
    """One slip of the typist apart, and one of the two is no known name."""
    DIFFERS = "differs"
    MISSING = "missing"
    """One side states no name, or something that is nobody's name, such as "Baby"."""


class NameTable(Struct, frozen=True, kw_only=True):
    """Variants of given names, and names known to be distinct."""

    version: str
    groups: dict[str, frozenset[int]]
    """The groups that a name is in; two names that share one are forms of the same name."""
    distinct: frozenset[frozenset[str]]
    """Pairs that are two names whatever else is said."""
    known: frozenset[str]
    """Every name that is known to be one."""
    nobody: frozenset[str]
    """Words that stand where a name should be and are nobody's."""

    def variants(self, one: str, other: str) -> bool:
        """Whether the table lists both as forms of one name."""
        shared = self.groups.get(one, frozenset()) & self.groups.get(other, frozenset())
        return bool(shared) and frozenset((one, other)) not in self.distinct

    def typo(self, one: str, other: str, min_length: int) -> bool:
        """Whether one is a slip away from the other and exactly one of them is a known name.

        A slip keeps the first and the last letter and does not trade a vowel for a vowel: those are how real names
        differ (Louis and Louise, Mario and Maria, Jamil and Jamal).
        """
        if min(len(one), len(other)) < min_length or one[0] != other[0] or one[-1] != other[-1]:
            return False
        if (one in self.known) == (other in self.known) or frozenset((one, other)) in self.distinct:
            return False
        return one_slip(one, other) and not _vowel_traded(one, other)


@cache
def default_table() -> NameTable:
    """The table that is shipped: `given_names.toml` beside this module."""
    return read_table(files("gateway.identity").joinpath("given_names.toml").read_text("utf-8"))


def read_table(text: str) -> NameTable:
    """A table from TOML: `groups`, `distinct` and `known` are lists of lines of names, `nobody` a list of words."""
    table = tomllib.loads(text)
    groups: dict[str, set[int]] = {}
    for number, line in enumerate(table["groups"]):
        for name in line.split():
            groups.setdefault(key(name), set()).add(number)
    distinct = frozenset(frozenset(map(key, line.split())) for line in table["distinct"])
    known = {key(name) for line in table["known"] for name in line.split()}
    return NameTable(
        version=table["version"],
        groups={name: frozenset(numbers) for name, numbers in groups.items()},
        distinct=distinct,
        known=frozenset(known.union(groups, *distinct)),
        nobody=frozenset(map(key, table["nobody"])),
    )


_LETTERS = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ð": "d", "æ": "ae", "œ": "oe", "þ": "th", "ı": "i", "ħ": "h"})


@lru_cache(maxsize=16384)
def key(name: str) -> str:
    """A name without case, diacritics, hyphens, apostrophes, points and spaces; digits and other signs stay.

    Marks are taken from Latin letters only: in other scripts they are letters, not decoration.
    """
    found = []
    latin = False
    plain = unicodedata.normalize("NFKC", name).casefold().translate(_LETTERS)
    for char in unicodedata.normalize("NFKD", plain):
        if unicodedata.combining(char):
            if not latin:
                found.append(char)
            continue
        latin = char.isascii() and char.isalpha()
        if char not in _DROPPED and not char.isspace():
            found.append(char)
    return "".join(found)


_DROPPED = frozenset("-\u2010\u2011\u2012\u2013'\u2018\u2019\u02bc`\u00b4.,\"")


def given_agreement(
    reference: Iterable[HumanName], candidate: Iterable[HumanName], table: NameTable, typo_min_length: int
) -> Agreement:
    """The best agreement between any two names in use. Former names do not count: see `_in_use`."""
    theirs = [forms for name in candidate if _in_use(name) and (forms := _given(name, table))]
    ours = [forms for name in reference if _in_use(name) and (forms := _given(name, table))]
    if not ours or not theirs:
        return Agreement.MISSING
    found = {_compare(one, other, table, typo_min_length) for one in ours for other in theirs}
    return next(agreement for agreement in Agreement if agreement in found)


def family_agrees(reference: Iterable[HumanName], candidate: Iterable[HumanName], table: NameTable) -> bool | None:
    """Whether any two family names are equal, maiden and former ones included; None when one side states none."""
    ours = {key(name.family) for name in reference if name.family} - {""}
    theirs = {key(name.family) for name in candidate if name.family} - {""}
    if not ours or not theirs:
        return None
    return any(name not in table.nobody for name in ours & theirs)


def one_slip(one: str, other: str) -> bool:
    """Whether the two differ by one letter added, lost, replaced, or by two neighbours exchanged."""
    if one == other or abs(len(one) - len(other)) > 1:
        return False
    start = _common_prefix(one, other)
    end = _common_prefix(one[start:][::-1], other[start:][::-1])
    left, right = one[start : len(one) - end], other[start : len(other) - end]
    return max(len(left), len(right)) == 1 or (len(left) == 2 and left == right[::-1])


def _in_use(name: HumanName) -> bool:
    """A former given name may be a former identity (adoption, gender): it never ties two records together."""
    return name.use not in ("old", "anonymous", "maiden")


def _given(name: HumanName, table: NameTable) -> tuple[str, ...]:
    """The given names as keys; empty when there is none, or an initial, or a word that is nobody's name."""
    words = tuple(found for part in name.given for word in part.split() if (found := key(word)))
    if not words or len(words[0]) < 2 or any(not word.isalpha() and not _marked(word) for word in words):
        return ()
    return () if words[0] in table.nobody or "".join(words) in table.nobody else words


def _marked(word: str) -> bool:
    """Letters with the vowel signs of their script, which `str.isalpha` does not count as letters."""
    return all(unicodedata.category(char)[0] in "LM" for char in word)


def _compare(one: tuple[str, ...], other: tuple[str, ...], table: NameTable, typo_min_length: int) -> Agreement:
    """First names decide; where both state a second one it must not contradict (brothers who share the first)."""
    if "".join(one) == "".join(other):
        return Agreement.EXACT
    first = _compare_words(one[0], other[0], table, typo_min_length)
    if first is Agreement.DIFFERS or len(one) == 1 or len(other) == 1:
        return first
    second = _compare_words(one[1], other[1], table, typo_min_length)
    if second is Agreement.DIFFERS and 1 in (len(one[1]), len(other[1])) and one[1][0] == other[1][0]:
        return first
    order = list(Agreement)
    return max(first, second, key=order.index)


def _compare_words(one: str, other: str, table: NameTable, typo_min_length: int) -> Agreement:
    if one == other:
        return Agreement.EXACT
    if table.variants(one, other):
        return Agreement.VARIANT
    return Agreement.TYPO if table.typo(one, other, typo_min_length) else Agreement.DIFFERS


def _common_prefix(one: str, other: str) -> int:
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


_VOWEL = re.compile("[aeiouy]")


def _vowel_traded(one: str, other: str) -> bool:
    """Whether one vowel stands for another; two neighbours exchanged are no such trade."""
    return sorted(one) != sorted(other) and _VOWEL.sub("*", one) == _VOWEL.sub("*", other)
