"""FHIR ConceptMap resources to what they say of pairs of codes. R4 section ConceptMap (`equivalence`) and R5
(`relationship`).

Only `equal` and `equivalent` make two codes the same, and only where the line is without a condition. A line with
`dependsOn` or `product` holds in some circumstances: it groups. What a map says is apart (`disjoint`, `unmatched`,
`not-related-to`, `noMap`) is kept, because it must outweigh what another map says.

Where statements contradict each other nothing is the same: see `settled`.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from itertools import combinations
from typing import Any, NamedTuple

from msgspec import Struct

Code = tuple[str, str]
"""A canonical (system, code)."""


class Relation(Enum):
    """What a line says of two codes."""

    SAME = "same"
    NEAR = "near"
    """Broader, narrower, overlapping, or the same under a condition: grouped on screen, never merged."""
    APART = "apart"


_WORDS = {
    **dict.fromkeys(("equal", "equivalent"), Relation.SAME),
    **dict.fromkeys(("wider", "subsumes", "narrower", "specializes", "inexact", "relatedto"), Relation.NEAR),
    **dict.fromkeys(("source-is-narrower-than-target", "source-is-broader-than-target", "related-to"), Relation.NEAR),
    **dict.fromkeys(("unmatched", "disjoint", "not-related-to"), Relation.APART),
}
"""R4 ConceptMapEquivalence and R5 ConceptMapRelationship: no word means one thing in one and another in the other."""


class MapError(ValueError):
    """A resource is not a ConceptMap that can be used; the message names the element."""


class Line(NamedTuple):
    """One line of a map: how two codes are related, and in which word."""

    relation: Relation
    word: str
    one: Code
    system: str
    other: str | None
    """The code in `system`; None: `one` has no counterpart there."""


class ConceptMap(Struct, frozen=True, kw_only=True):
    """A map that has been read, its systems as written."""

    name: str
    """How it is named to people: its canonical URL, else its id, else where it was found."""
    version: str | None = None
    date: str | None = None
    lines: tuple[Line, ...] = ()


def relation_of(target: Mapping[str, Any]) -> tuple[Relation, str] | None:
    """What a target of a map or a match of `$translate` says: R4 or R5; None when it is no word of either."""
    word = target.get("equivalence") or target.get("relationship")
    relation = _WORDS.get(word) if isinstance(word, str) else None
    if relation is None:
        return None
    if relation is Relation.SAME and (target.get("dependsOn") or target.get("product")):
        return Relation.NEAR, f"{word} on a condition"
    return relation, str(word)


def read_maps(resource: Any, found_at: str) -> list[ConceptMap]:
    """Every ConceptMap in a resource: itself, or those of a Bundle. Raises MapError, which names the element."""
    kind = resource.get("resourceType") if isinstance(resource, dict) else None
    if kind == "ConceptMap":
        return [_read(resource, found_at)]
    if kind == "Bundle":
        inside = [_table(entry, f"entry[{i}]").get("resource") for i, entry in _rows(resource, "entry", "")]
        maps = [
            _read(one, found_at, f"entry[{i}].resource.")
            for i, one in enumerate(inside)
            if isinstance(one, dict) and one.get("resourceType") == "ConceptMap"
        ]
        if maps:
            return maps
        raise MapError("entry: there is no ConceptMap in this Bundle")
    raise MapError("resourceType: write a ConceptMap, or a Bundle of them")


def _read(resource: Mapping[str, Any], found_at: str, at: str = "") -> ConceptMap:
    if resource.get("status") == "retired":
        raise MapError(f"{at}status: the map is retired: leave it out")
    version, date = (_text(resource, key, at) if key in resource else None for key in ("version", "date"))
    groups = [(f"{at}group[{i}]", group) for i, group in _rows(resource, "group", at)]
    return ConceptMap(
        name=str(resource.get("url") or resource.get("id") or found_at),
        version=version,
        date=date,
        lines=tuple(line for here, group in groups for line in _lines(_table(group, here), here)),
    )


def _lines(group: Mapping[str, Any], at: str) -> Iterator[Line]:
    for i, row in _rows(group, "element", f"{at}."):
        here = f"{at}.element[{i}]"
        element = _table(row, here)
        if "valueSet" in element:  # R5: about a whole value set, which says nothing of one code
            continue
        one = (_system(group, "source", at), _text(element, "code", f"{here}."))
        if element.get("noMap") is True:
            yield Line(Relation.APART, "noMap", one, _system(group, "target", at), None)
        for j, target in _rows(element, "target", f"{here}."):
            there = f"{here}.target[{j}]"
            found = relation_of(_table(target, there))
            if found is None:
                raise MapError(f"{there}: equivalence (R4) or relationship (R5) is none of {', '.join(_WORDS)}")
            if "valueSet" in target:
                continue
            relation, word = found
            nowhere = relation is Relation.APART and "code" not in target
            code = None if nowhere else _text(target, "code", f"{there}.")
            yield Line(relation, word, one, _system(group, "target", at), code)


def _system(group: Mapping[str, Any], key: str, at: str) -> str:
    """R4 a URI, R5 a canonical that may end in a version. A code means nothing without it."""
    system = _text(group, key, f"{at}.").partition("|")[0]
    if ":" not in system:
        raise MapError(f"{at}.{key}: write the URI of the code system")
    return system


def _rows(table: Mapping[str, Any], key: str, at: str) -> Iterator[tuple[int, Any]]:
    rows = table.get(key, [])
    if not isinstance(rows, list):
        raise MapError(f"{at}{key}: it is a list")
    return enumerate(rows)


def _table(value: Any, at: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise MapError(f"{at}: it is an object")
    return value


def _text(table: Mapping[str, Any], key: str, at: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value.strip():
        raise MapError(f"{at}{key}: it is text, and must be there")
    return value.strip()


class Said(NamedTuple):
    """A line with canonical systems, and which map it is from."""

    relation: Relation
    word: str
    one: Code
    system: str
    other: str | None
    origin: str

    def __str__(self) -> str:
        other = f"{self.system}|{self.other}" if self.other else f"nothing in {self.system}"
        return f"{self.one[0]}|{self.one[1]} {self.word} {other} ({self.origin})"


Graph = dict[Code, set[Code]]


class Settled(NamedTuple):
    """What all maps together say of pairs of codes, both ways round."""

    same: Graph
    near: Graph
    nowhere: frozenset[tuple[Code, str]]
    """(code, code system in which it has no counterpart)."""
    known: frozenset[Code]
    """Every code of which a map says anything."""
    contradictions: tuple[str, ...]
    """In words, each naming the lines and their maps."""


def settled(said: Iterable[Said]) -> Settled:
    """All statements together; their order does not matter.

    Of two statements about one pair the more careful one holds: apart before near before same. Where a map calls one
    code near another, apart from it, or without counterpart in its system, and both would be the same by a third that
    they are equivalent to, the first loses the line to that third.
    """
    lines = sorted(set(said), key=str)
    graphs: dict[Relation, Graph] = {relation: defaultdict(set) for relation in Relation}
    stated: dict[tuple[Code, Code], list[Said]] = defaultdict(list)
    for line in lines:
        if line.other is not None and line.one != (other := (line.system, line.other)):
            graphs[line.relation][line.one].add(other)
            graphs[line.relation][other].add(line.one)
            stated[line.one, other].append(line)
            stated[other, line.one].append(line)
    same, near, apart = graphs[Relation.SAME], graphs[Relation.NEAR], graphs[Relation.APART]
    careful = [line for line in lines if line.relation is not Relation.SAME]
    broken = {(line, third) for line in careful for third in _leads_to_the_same(line, same)}
    told = [f"{line}; but {'; '.join(map(str, stated[line.one, third]))}" for line, third in broken]
    for line, third in broken:
        same[line.one].discard(third)
        same[third].discard(line.one)
    for one, others in apart.items():
        if both := near.get(one, set()) & others:
            told += [f"{first}; but {second}" for other in both for first, second in _unlike(stated[one, other])]
            near[one] -= both
    return Settled(
        same={code: others for code, others in same.items() if others},
        near={code: others for code, others in near.items() if others},
        nowhere=frozenset((line.one, line.system) for line in careful if line.other is None),
        known=frozenset(line.one for line in lines) | frozenset(one for one, _ in stated),
        contradictions=tuple(sorted(set(told))),
    )


def _leads_to_the_same(line: Said, same: Graph) -> Iterator[Code]:
    """The codes by whose equivalence `line.one` would be the same as what it is said not to be the same as."""
    for third in same.get(line.one, ()):
        reached = {third} | (same[third] - {line.one})
        if (line.system, line.other) in reached or (line.other is None and line.system in {s for s, _ in reached}):
            yield third


def _unlike(lines: list[Said]) -> Iterator[tuple[Said, Said]]:
    for first, second in combinations(lines, 2):
        if first.relation is not second.relation:
            yield first, second
