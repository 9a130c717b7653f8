"""Facts of one person, of one type, to merged facts with their conflicts. Written once for every type. MERGE.md
sections 2 and 4.

A symmetric relation looks at two facts and nothing else. Its connected components are taken, but a component that is
not pairwise the same throughout, or that holds two facts of one source, is not one fact: its members stay single,
softly linked. So a chain of near-equal readings never becomes one, and the result depends neither on order nor on how
the facts came in.

Everything here is a function of the set of visible facts. Facts that a viewer may not see are removed before.
"""

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from itertools import chain, combinations, product
from operator import attrgetter
from typing import Any, NamedTuple

from gateway.merge.compare import DIFFER, UNKNOWN
from gateway.merge.concepts import Terminology, delivered
from gateway.merge.ids import Ids
from gateway.merge.precedence import precedence
from gateway.merge.rule import ALIKE, APART, RELATED, Compared, Rule
from gateway.merge.times import clinical_time, when_of
from gateway.merge.types import RULES
from gateway.merge.versions import newest
from schema.model.view import Claim, Conflict, MergedFact, SourceFact
from schema.model.when import When

Linked = Collection[tuple[str, str | None]]
"""The (source id, local patient id) pairs that are linked to the one person."""


class MixedSubjects(Exception):
    """Facts of somebody who is not linked to the person were about to be merged: nothing is merged."""


class MixedTypes(TypeError):
    """`merge` takes the facts of one fact type."""


class _Links(NamedTuple):
    """What the pairs of facts are to each other, by position."""

    same: list[tuple[int, ...]]
    """Two facts, or several that are all the same as each other."""
    related: list[tuple[int, int]]
    disputes: list[tuple[int, int, tuple[Compared, ...]]]


class _Looks(dict[int, Any]):
    """What the rule looks at of a fact, by its place, worked out when first asked for: of a thousand equal results,
    of two."""

    def __init__(self, rule: Rule[Any], stated: Sequence[SourceFact[Any]]) -> None:
        super().__init__()
        self._rule, self._stated = rule, stated

    def __missing__(self, place: int) -> Any:
        seen = self[place] = self._rule.look(self._stated[place])
        return seen


def merge(
    facts: Iterable[SourceFact[Any]],
    ids: Ids,
    *,
    linked: Linked,
    terms: Terminology | None = None,
    order: Sequence[str] = (),
) -> tuple[MergedFact[Any], ...]:
    """The merged facts of one person and one fact type: newest clinical time first, undated last, then by id.

    Every fact given is a member of exactly one of them. `linked` says whose facts may be here; one of anybody else
    raises MixedSubjects. `order` ranks the sources for display. The same (source, id, version) given twice counts
    once; of two versions under one id the newest is taken.
    """
    stated = newest(facts)
    if not stated:
        return ()
    _one_person(stated, frozenset(linked))
    kinds = {type(one.fact) for one in stated}
    if len(kinds) > 1:
        raise MixedTypes("facts of one type are merged at a time")
    rule = RULES[kinds.pop()](terms or delivered())
    looks = _Looks(rule, stated)
    sources = [one.provenance.source.id for one in stated]
    links = _linked_pairs(rule, stated, sources, looks)
    groups = _groups(sources, links.same, rule.one_for_each_source)
    return _Build(rule, stated, looks, links, groups, ids, order).merged()


def _one_person(stated: Sequence[SourceFact[Any]], linked: frozenset[tuple[str, str | None]]) -> None:
    records = {(one.provenance.source.id, one.provenance.local_patient_id, one.fact.subject) for one in stated}
    for source, local, subject in records:
        proved = (source, local) in linked
        if not proved or not (subject is None or subject == local or (source, subject) in linked):
            raise MixedSubjects("a fact of a record that is not linked to this person")


def _linked_pairs(
    rule: Rule[Any], stated: Sequence[SourceFact[Any]], sources: Sequence[str], looks: Mapping[int, Any]
) -> _Links:
    links = _Links([], _references(rule, stated), [])
    classes = _classes(rule, stated, looks)
    for first, second in _pairs(rule, looks, classes):
        verdicts: dict[bool, _Verdict] = {}
        if first is second and len({sources[place] for place in first}) == len(first):
            verdicts[False] = _verdict(rule, looks[first[0]], looks[first[1]], False)
            if verdicts[False] == _SAME:
                links.same.append(tuple(first))
                continue
        for a, b in combinations(first, 2) if first is second else product(first, second):
            one_source = sources[a] == sources[b]
            verdict = verdicts.get(one_source)
            if verdict is None:
                verdict = verdicts[one_source] = _verdict(rule, looks[a], looks[b], one_source)
            if verdict.disputed:
                links.disputes.append((a, b, verdict.disputed))
            if verdict.same:
                links.same.append((a, b))
            elif verdict.related:
                links.related.append((a, b))
    return links


class _Verdict(NamedTuple):
    same: bool = False
    related: bool = False
    disputed: tuple[Compared, ...] = ()


_NOTHING = _Verdict()
_RELATED = _Verdict(related=True)
_SAME = _Verdict(same=True)


def _verdict(rule: Rule[Any], a: Any, b: Any, one_source: bool) -> _Verdict:
    relation = rule.relation(a, b)
    if relation is APART:
        return _NOTHING
    if relation is RELATED:
        return _RELATED
    unclear, differing = _differences(rule, a, b)
    near = _RELATED if unclear or relation is ALIKE else _SAME
    if not differing:
        return near
    disputed = () if rule.self_consistent and one_source else differing
    if any(one.divides for one in differing):
        return _Verdict(disputed=disputed)
    return near._replace(disputed=disputed)


def _classes(rule: Rule[Any], stated: Sequence[SourceFact[Any]], looks: Mapping[int, Any]) -> list[list[int]]:
    """Facts that nothing but their source tells apart, together; without those entered in error."""
    classes: list[list[int]] = []
    by_signature: dict[Hashable, list[int]] = {}
    for place, one in enumerate(stated):
        if one.fact.entered_in_error:
            continue
        signature = rule.signature(one.fact)
        members = by_signature.get(signature) if signature is not None else None
        if members is not None:
            members.append(place)
            continue
        members = [place]
        classes.append(members)
        if signature is not None:
            by_signature[signature] = members
        looks[place]  # now, while the fact is at hand: a large record does not fit into the processor's caches
    return classes


def _pairs(
    rule: Rule[Any], looks: Mapping[int, Any], classes: Sequence[list[int]]
) -> Iterable[tuple[list[int], list[int]]]:
    """Every pair of classes of which the rule may have something to say, once; a class with itself among them."""
    first: dict[Hashable, int] = {}
    """The first class that is active under a key, and under some keys all of them: most are met by nobody."""
    active: dict[Hashable, list[int]] = {}
    passive = []
    for number, members in enumerate(classes):
        keys = rule.keys(looks[members[0]])
        known = False
        for key in keys.active:
            known = True
            other = first.setdefault(key, number)
            if other != number:
                active.setdefault(key, [other]).append(number)
        passive.append(keys.passive)
        if known and len(members) > 1:
            yield members, members
    pairs: set[tuple[int, int]] = set()
    for numbers in active.values():
        pairs.update(combinations(numbers, 2))
    for number, found in enumerate(passive):
        for key in found:
            if key in first:
                others = active.get(key) or (first[key],)
                pairs.update((min(number, other), max(number, other)) for other in others if other != number)
    for a, b in pairs:
        yield classes[a], classes[b]


def _differences(rule: Rule[Any], a: Any, b: Any) -> tuple[bool, tuple[Compared, ...]]:
    """Whether something cannot be compared, and which attributes differ."""
    unclear = False
    differing = []
    for compared in rule.compared:
        answer = compared.compare(a, b)
        if answer is DIFFER:
            differing.append(compared)
        elif answer is UNKNOWN and compared.divides:
            unclear = True
    if len(differing) > 1:
        fields = {one.field for one in differing}
        differing = [one for one in differing if not one.unless & fields]
    return unclear, tuple(differing)


def _references(rule: Rule[Any], stated: Sequence[SourceFact[Any]]) -> list[tuple[int, int]]:
    """Facts that name another of their own source: corrected versions kept, parts of a spell, orders fulfilled."""
    wanted = [(place, names) for place, one in enumerate(stated) if (names := rule.refers(one.fact))]
    if not wanted:
        return []
    by_name: dict[tuple[str, str], int] = {}
    for place, one in sorted(enumerate(stated), key=lambda each: each[1].id):
        for name in (one.fact.native_id, *one.fact.folds):
            by_name.setdefault((one.provenance.source.id, name), place)
    found = []
    for place, names in wanted:
        for name in names:
            other = by_name.get((stated[place].provenance.source.id, name))
            if other is not None and other != place and not _withdrawn(stated, place, other):
                found.append((place, other))
    return found


def _withdrawn(stated: Sequence[SourceFact[Any]], *places: int) -> bool:
    return any(stated[place].fact.entered_in_error for place in places)


def _groups(sources: Sequence[str], same: Sequence[tuple[int, ...]], one_for_each_source: bool) -> list[list[int]]:
    """Connected components, those that are not one fact broken up into single facts."""
    above: dict[int, int] = {}

    def top(place: int) -> int:
        root = place
        while (higher := above.get(root, root)) != root:
            root = higher
        while (higher := above.get(place, place)) != root:
            above[place] = root
            place = higher
        return root

    for alike in same:
        root = top(alike[0])
        for place in alike:
            above[top(place) if place in above else place] = root
    components: dict[int, list[int]] = defaultdict(list)
    for place in above:
        components[top(place)].append(place)
    edges: dict[int, int] = defaultdict(int)
    for alike in same:
        edges[top(alike[0])] += len(alike) * (len(alike) - 1) // 2
    groups: list[list[int]] = [[place] for place in range(len(sources)) if place not in above]
    for root, members in components.items():
        size = len(members)
        different = len({sources[place] for place in members}) == size
        pairwise = edges[root] == size * (size - 1) // 2
        if pairwise and (different or not one_for_each_source):
            groups.append(members)
        else:
            groups.extend([place] for place in members)
    return groups


class _Build:
    """Puts the groups together: ids, members in order, conflicts named from both sides, soft links."""

    def __init__(
        self,
        rule: Rule[Any],
        stated: Sequence[SourceFact[Any]],
        looks: Mapping[int, Any],
        links: _Links,
        groups: list[list[int]],
        ids: Ids,
        order: Sequence[str],
    ) -> None:
        self.rule, self.stated, self.looks, self.links = rule, stated, looks, links
        key = precedence(order)
        self.groups = [
            members if len(members) == 1 else sorted(members, key=lambda p: key(stated[p])) for members in groups
        ]
        self.ids = [ids.merged_id(min(stated[place].id for place in members)) for members in self.groups]
        self.group_of = {place: number for number, members in enumerate(self.groups) for place in members}

    def merged(self) -> tuple[MergedFact[Any], ...]:
        related, conflicts = self._related(), self._conflicts()
        ordered = []
        for number, members in enumerate(self.groups):
            made: MergedFact[Any] = MergedFact(
                id=self.ids[number],
                members=tuple(self.stated[place] for place in members),
                when=self._when(members),
                conflicts=conflicts.get(number, ()),
                related=related.get(number, ()),
            )
            time = -made.when.earliest.timestamp() if made.when else float("inf")
            ordered.append((time, made.id, made))
        ordered.sort(key=lambda entry: entry[:2])
        return tuple(made for _, _, made in ordered)

    def _when(self, members: Sequence[int]) -> When | None:
        """The clinical time of the first member in display order that states one; only else when one was written."""
        facts = [self.stated[place].fact for place in members]
        return next(filter(None, chain(map(clinical_time, facts), map(when_of, facts))), None)

    def _related(self) -> dict[int, tuple[str, ...]]:
        """Links proposed by the rule, and the same facts of a component that is not one fact."""
        found: dict[int, set[str]] = defaultdict(set)
        for linked in (*self.links.related, *self.links.same):
            numbers = {self.group_of[place] for place in linked}
            for first, second in combinations(numbers, 2) if len(numbers) > 1 else ():
                found[first].add(self.ids[second])
                found[second].add(self.ids[first])
        return {number: tuple(sorted(names)) for number, names in found.items()}

    def _conflicts(self) -> dict[int, tuple[Conflict, ...]]:
        disputed: dict[int, dict[Compared, set[int]]] = defaultdict(lambda: defaultdict(set))
        for a, b, fields in self.links.disputes:
            first, second = self.group_of[a], self.group_of[b]
            if self.rule.self_consistent and first != second and self._hold_both(first, second, a, b):
                continue
            for compared in fields:
                disputed[first][compared].add(second)
                disputed[second][compared].add(first)
        in_order = sorted(self.rule.compared, key=attrgetter("field"))
        return {
            number: tuple(
                self._conflict(number, compared, fields[compared] - {number})
                for compared in in_order
                if compared in fields
            )
            for number, fields in disputed.items()
        }

    def _hold_both(self, first: int, second: int, a: int, b: int) -> bool:
        """Both sources of a dispute hold both statements: they mean the two side by side."""
        return self._source(a) in self._sources(second) and self._source(b) in self._sources(first)

    def _sources(self, number: int) -> set[str]:
        return {self._source(place) for place in self.groups[number]}

    def _source(self, place: int) -> str:
        return self.stated[place].provenance.source.id

    def _conflict(self, number: int, compared: Compared, others: set[int]) -> Conflict:
        """Own claims first, then the others' in the order of their ids."""
        others_in_order = sorted(others, key=lambda other: self.ids[other])
        return Conflict(
            field=compared.field,
            with_ids=tuple(self.ids[other] for other in others_in_order),
            claims=tuple(
                Claim(
                    source=self.stated[place].provenance.source,
                    fact_id=self.stated[place].id,
                    value=compared.text(self.looks[place]),
                )
                for each in (number, *others_in_order)
                for place in self.groups[each]
            ),
        )
