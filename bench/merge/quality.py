"""How good the merge is on labelled records, at three coverages of the maps.

Counted in pairs of statements of one record and type:

    precision   of the pairs that were merged, those that are the same thing in truth and claim the same of it
    recall      of the pairs that the rules ask to merge, those that were: the same
                pairs at every coverage
    conflicts   of the pairs that contradict each other and whose codes the supplied maps can compare, those that
                name each other
    not found   of the claims that a source does not have something, those that are true: it says nothing about it
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import Any

from msgspec import Struct, field

from bench.merge.events import events
from bench.merge.medicines import medicines
from bench.merge.problems import allergies, conditions
from bench.merge.record import IDS, LINKED, NAMES, SOURCES, Claimed, Record, Statement
from bench.merge.results import results
from bench.merge.vocabulary import PRODUCTS, Knowledge, knowledge
from gateway.merge import current, discrepancies, merge, section
from schema.model.clinical import Condition
from schema.model.fact import Fact
from schema.model.view import DiscrepancyKind, MergedFact, SectionSource, SourceState

COVERAGES = {"full": 1.0, "half": 0.5, "none": 0.0}
_PRODUCT_NAMES = frozenset(one.name for one in PRODUCTS)


class Score(Struct):
    """Counts over many records, by fact type."""

    merged: Counter[str] = field(default_factory=Counter)
    false: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    """Pairs that the rules ask to merge."""
    found: Counter[str] = field(default_factory=Counter)
    same: Counter[str] = field(default_factory=Counter)
    """Pairs that are the same in truth, told or not."""
    planted: Counter[str] = field(default_factory=Counter)
    shown: Counter[str] = field(default_factory=Counter)
    claimed: Counter[str] = field(default_factory=Counter)
    """Claims of NOT_FOUND."""
    untrue: Counter[str] = field(default_factory=Counter)
    abstained: Counter[str] = field(default_factory=Counter)
    """CANNOT_TELL where the source in truth has nothing."""
    wrong: list[tuple[str, Any, Any]] = field(default_factory=list)
    """(what went wrong, the one statement or entry, the other or the source): to look at."""

    @property
    def precision(self) -> float:
        return _share(self.merged.total() - self.false.total(), self.merged.total())

    @property
    def recall(self) -> float:
        return _share(self.found.total(), self.asked.total())

    @property
    def conflicts(self) -> float:
        return _share(self.shown.total(), self.planted.total())

    @property
    def not_found(self) -> float:
        return _share(self.claimed.total() - self.untrue.total(), self.claimed.total())


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 1.0


def person(seed: int) -> Record:
    """One invented person's record."""
    record = Record(seed)
    for part in (allergies, conditions, medicines, results, events):
        part(record)
    record.pass_on()
    return record


def score(seeds: Iterable[int], coverage: float) -> Score:
    """The score over these people's records, with maps for this share of the codes."""
    known = knowledge(coverage)
    total = Score()
    for seed in seeds:
        _judge(person(seed), known, total)
    return total


def _judge(record: Record, known: Knowledge, total: Score) -> None:
    by_type: dict[type[Fact], list[Statement]] = defaultdict(list)
    for one in record.statements:
        by_type[type(one.fact.fact)].append(one)
    for kind, statements in by_type.items():
        held, _ = current([one.fact for one in statements])
        entries = merge(held, IDS, linked=LINKED, terms=known.terms)
        entry_of = {one.id: entry for entry in entries for one in entry.members}
        twice = _held_twice(statements)
        for one, other in combinations(statements, 2):
            _judge_pair(record, known, total, (one, other), entry_of, twice)
        _judge_claims(record, statements, kind, entries, known, total)


def _judge_pair(
    record: Record,
    known: Knowledge,
    total: Score,
    pair: tuple[Statement, Statement],
    entry_of: dict[str, MergedFact[Any]],
    twice: set[Claimed],
) -> None:
    one, other = pair
    kind = type(one.fact.fact).__name__
    a, b = one.label, other.label
    mine, its = entry_of[one.fact.id], entry_of[other.fact.id]
    together = mine is its
    same_thing = a.thing == b.thing
    open_claim = a.says is None or b.says is None
    total.merged[kind] += together
    if same_thing and (a.says == b.says or open_claim):
        apart = one.fact.provenance.source.id == other.fact.provenance.source.id
        total.same[kind] += not apart
        if a.told and b.told and not open_claim and (a.thing, a.says) not in twice:
            total.asked[kind] += 1
            total.found[kind] += together
            if not together:
                total.wrong.append(("not merged", one, other))
        return
    if together:
        total.false[kind] += 1
        total.wrong.append(("false merge", one, other))
    disputed = same_thing or frozenset(((a.thing, a.says), (b.thing, b.says))) in record.disputes
    if disputed and a.told and b.told and _comparable(one, other, known, same_thing):
        named = any(its.id in conflict.with_ids for conflict in mine.conflicts)
        total.planted[kind] += 1
        total.shown[kind] += named
        if not named:
            total.wrong.append(("conflict not shown", one, other))


def _held_twice(statements: Iterable[Statement]) -> set[Claimed]:
    """Claims that one source states twice: the rules then keep all of them apart."""
    count = Counter((one.label.thing, one.label.says or "", one.fact.provenance.source.id) for one in statements)
    return {key[:2] for key, times in count.items() if times > 1}


def _comparable(one: Statement, other: Statement, known: Knowledge, same_thing: bool) -> bool:
    """Whether the maps tell that these are about one thing; a denial needs only its own code to be known."""
    mine, its = _meanings(one, known), _meanings(other, known)
    if not same_thing:
        return bool(mine & its) or any(name.startswith("no known") for name in mine | its)
    return bool(mine & its)


def _meanings(one: Statement, known: Knowledge) -> set[str]:
    """What the codes of a statement mean to the deployment; a product in its dictionary also means its ingredient."""
    fact = one.fact.fact
    concept = getattr(fact, "code", None) or getattr(fact, "vaccine_code", None)
    found = set()
    for coding in concept.codings if concept else ():
        code = known.terms.concept(coding)
        if code is None:
            continue
        name = known.meaning.get(code)
        if name or not isinstance(fact, Condition):  # nobody knows of another code that the condition lasts
            found.add(name or ":".join(code))
        if name in known.products and one.concept is not None and one.concept.ingredient:
            found.add(one.concept.ingredient)
    return found


def _judge_claims(
    record: Record,
    statements: list[Statement],
    kind: type[Fact],
    entries: tuple[MergedFact[Any], ...],
    known: Knowledge,
    total: Score,
) -> None:
    """What `discrepancies` says of sources that all answered completely."""
    by_id = {one.fact.id: one for one in statements}
    knows: dict[str, set[str]] = defaultdict(set)
    for one in statements:
        thing = one.label.thing
        knows[one.fact.provenance.source.id] |= {thing, *one.label.knows, *record.implied.get(thing, ())}
    held = Counter(one.fact.provenance.source.id for one in statements)
    told = [SectionSource(source=SOURCES[name], state=SourceState.OK, facts=held[name]) for name in NAMES]
    name = kind.__name__
    for found in discrepancies([section(kind, entries, told)], known.terms):
        if found.entry is None:
            continue
        things = {by_id[one.id].label.thing for one in found.entry.members}
        has = bool(things & knows[found.source.id])
        if found.kind is DiscrepancyKind.NOT_FOUND:
            total.claimed[name] += 1
            total.untrue[name] += has
            if has:
                total.wrong.append(("untrue: not found", by_id[found.entry.members[0].id], found.source.id))
        elif found.kind is DiscrepancyKind.CANNOT_TELL:
            total.abstained[name] += not has


def lines(people: int) -> Iterator[str]:
    """The figures, as text."""
    for name, coverage in COVERAGES.items():
        got = score(range(people), coverage)
        yield (
            f"maps {name}: precision {got.precision:.4f} of {got.merged.total()}, recall {got.recall:.3f} of "
            f"{got.asked.total()}, conflicts {got.conflicts:.3f} of {got.planted.total()}, not found "
            f"{got.not_found:.4f} of {got.claimed.total()} ({got.abstained.total()} true ones not claimed)"
        )
        for kind in got.merged:
            yield (
                f"  {kind:20} merged {got.merged[kind]:6} false {got.false[kind]:3}  asked {got.asked[kind]:6} found "
                f"{got.found[kind]:6}  planted {got.planted[kind]:5} shown {got.shown[kind]:5}  claimed "
                f"{got.claimed[kind]:6} untrue {got.untrue[kind]:4}"
            )
