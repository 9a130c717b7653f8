"""When two names are the same person's name: MERGE.md section 1, "Given names agree when ...".

Likeness measures are not used: they call Mohammed and Muhammad different and the twins Louis and Louise the same. What
is used instead is equality, a curated table of variants, spellings of one sound, and two kinds of slip of the typist
where exactly one of the two is a name that the table knows: of two names that are both known, or both strange to us,
nobody can say that they are one.
"""

import re
import tomllib
import unicodedata
from collections.abc import Iterable
from enum import Enum
from functools import cache, lru_cache
from importlib.resources import files
from itertools import product

from msgspec import Struct

from schema.model.values import HumanName


class Agreement(Enum):
    """How well two given names agree, the best first."""

    EXACT = "exact"
    VARIANT = "variant"
    """Forms of one name: listed so in the table, or spelled otherwise for the same sound."""
    TYPO = "typo"
    """One slip of the typist apart, and one of the two is no known name."""
    TURNED = "turned"
    """Given and family name stand in each other's place, and are equal so."""
    DIFFERS = "differs"
    MISSING = "missing"
    """One side states no name, or something that is nobody's name, such as "Baby"."""


class NameTable(Struct, frozen=True, kw_only=True):
    """Variants of given names, and names known to be distinct."""

    version: str
    forms: dict[str, frozenset[str]]
    """For each name its other forms: spellings and short forms. Two short forms of one name are not each other's."""
    distinct: frozenset[frozenset[str]]
    """Pairs that are two names whatever else is said."""
    known: frozenset[str]
    """Every name that is known to be one."""
    nobody: frozenset[str]
    """Words that stand where a name should be and are nobody's."""
    also_names: frozenset[str] = frozenset()
    """Those of them that are names as well: alone in their field they agree with themselves, as inexact names do."""

    def variants(self, one: str, other: str) -> bool:
        """Whether the table lists both as forms of one name."""
        return other in self.forms.get(one, frozenset()) and frozenset((one, other)) not in self.distinct

    def sounds_alike(self, one: str, other: str, min_length: int) -> bool:
        """Whether both are written for one sound: names that cannot be told apart by ear are not given to two twins."""
        if min(len(one), len(other)) < min_length or frozenset((one, other)) in self.distinct:
            return False
        return sound(one) == sound(other)

    def typo(self, one: str, other: str, min_length: int) -> bool:
        """Whether one is a slip away from the other and exactly one of them is a known name.

        Two neighbours exchanged or a consonant doubled, within the first and the last. A letter more, less or replaced
        is how real names differ, and no table knows them all: Rohan and Ronan, Salma and Salwa, Adnan and Adan. A
        vowel twice may be another vowel (Francees is Francis as well as Frances) or another end (Juliaan is Juliana).
        """
        if min(len(one), len(other)) < min_length or one[0] != other[0] or one[-1] != other[-1]:
            return False
        if (one in self.known) == (other in self.known) or frozenset((one, other)) in self.distinct:
            return False
        return one_slip(one, other) and (sorted(one) == sorted(other) or _undoubled(one) == _undoubled(other))


@cache
def default_table() -> NameTable:
    """The table that is shipped: `given_names.toml` beside this module."""
    return read_table(files("gateway.identity").joinpath("given_names.toml").read_text("utf-8"))


def read_table(text: str) -> NameTable:
    """A table from TOML: `groups`, `distinct` and `known` are lists of lines of names, the others lists of words.

    A line of `groups` is spellings of one name and, after a colon, its short forms: see the head of the file.
    """
    table = tomllib.loads(text)
    forms: dict[str, set[str]] = {}
    for line in table["groups"]:
        spellings, short = ({key(name) for name in part.split()} for part in line.partition(":")[::2])
        for one, other in (*product(spellings, spellings | short), *product(short, spellings)):
            forms.setdefault(one, set()).add(other)
    distinct = frozenset(frozenset(map(key, line.split())) for line in table["distinct"])
    known = {key(name) for line in table["known"] for name in line.split()}
    return NameTable(
        version=table["version"],
        forms={name: frozenset(others) for name, others in forms.items()},
        distinct=distinct,
        known=frozenset(known.union(forms, *distinct)),
        nobody=frozenset(map(key, table["nobody"])),
        also_names=frozenset(map(key, table.get("also_names", ()))),
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


_SOUNDS = (
    *((re.compile("ph"), "f"), (re.compile("ck|q|c(?![ehiy])"), "k"), (re.compile("ks"), "x")),
    *((re.compile("oo|ou"), "u"), (re.compile("ay"), "ai"), (re.compile("iy(?=a)"), "i")),
    *((re.compile("ah$"), "a"), (re.compile("(?:ie|ei|ey|y)$"), "i"), (re.compile("yn$"), "in")),
)


@lru_cache(maxsize=16384)
def sound(name: str) -> str:
    """A key without the choices that spelling leaves open: Fatimah is Fatima, Zaynab Zainab, Erica Erika.

    Nothing that can be heard is folded: ee and i stay two vowels (Colleen, Colin), and a doubled letter stays, since
    it may shorten the vowel before it (Casey, Cassie).
    """
    for spelling, one in _SOUNDS:
        name = spelling.sub(one, name)
    return name


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


def names_turned(reference: Iterable[HumanName], candidate: Iterable[HumanName], table: NameTable) -> bool:
    """Whether given and family name stand in each other's place: Wei Zhang as Zhang Wei. Both must be equal.

    A twin's record cannot pass: it would have to say the person's given name as a family name. Where a name is both at
    once (Guo Liang Guo) nothing can be turned, and the twin Guo Qiang would pass.
    """
    theirs = [_turnable(name, table) for name in candidate if _in_use(name)]
    ours = [_turnable(name, table) for name in reference if _in_use(name)]
    return any(
        family in their_given and their_family in given and family != their_family
        for family, given in ours
        for their_family, their_given in theirs
    )


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
    if words[0] in table.also_names and key(name.given[0]) == words[0]:
        return words
    return () if words[0] in table.nobody or "".join(words) in table.nobody else words


def _turnable(name: HumanName, table: NameTable) -> tuple[str, set[str]]:
    """The family name, and what of the given names may stand for all of them: the first, or all of them."""
    given = _given(name, table)
    return key(name.family or ""), {given[0], "".join(given)} if given else set()


def _marked(word: str) -> bool:
    """Letters with the vowel signs of their script, which `str.isalpha` does not count as letters."""
    return all(unicodedata.category(char)[0] in "LM" for char in word)


def _compare(one: tuple[str, ...], other: tuple[str, ...], table: NameTable, typo_min_length: int) -> Agreement:
    """First names decide; what both state beyond them must not contradict (brothers who share the first)."""
    found, first = Agreement.VARIANT if one[0] in table.also_names else Agreement.EXACT, True
    while one and other and found is not Agreement.DIFFERS:
        ours, theirs = _joined_equal(one, other)
        if not ours:
            ours = theirs = 1
            initial = not first and _initial_of(one[0], other[0])
            words = Agreement.VARIANT if initial else _compare_words(one[0], other[0], table, typo_min_length)
            found = max(found, words, key=_ORDER.index)
        one, other, first = one[ours:], other[theirs:], False
    return found


_ORDER = list(Agreement)


def _joined_equal(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[int, int]:
    """How many words of each are equal when written as one (Xiao Ming, Xiaoming), the fewest; none is (0, 0)."""
    pairs = product(range(1, len(one) + 1), range(1, len(other) + 1))
    return next(((i, j) for i, j in pairs if "".join(one[:i]) == "".join(other[:j])), (0, 0))


def _initial_of(one: str, other: str) -> bool:
    return 1 in (len(one), len(other)) and one[0] == other[0]


def _compare_words(one: str, other: str, table: NameTable, typo_min_length: int) -> Agreement:
    if one == other:
        return Agreement.EXACT
    if table.variants(one, other) or table.sounds_alike(one, other, typo_min_length):
        return Agreement.VARIANT
    return Agreement.TYPO if table.typo(one, other, typo_min_length) else Agreement.DIFFERS


def _common_prefix(one: str, other: str) -> int:
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


_DOUBLED = re.compile(r"([^aeiouy])\1+")


def _undoubled(name: str) -> str:
    return _DOUBLED.sub(r"\1", name)
