"""Generated facts on their way into a view: identity, policy, merge and sections as the gateway does them.

    view(facts, policy, ...)     what the record's port answers: sections, timeline, discrepancies, sources, links
The invariants 5, 10 and 11 of MERGE.md section 4 are properties of views. As in `invariants.py` each raises
AssertionError where it does not hold.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from datetime import date
from enum import Enum
from typing import Any, TypeVar

import msgspec
from hypothesis import strategies as st

from adapters.sdk import SourceTimeout
from gateway import hearing
from gateway.access import Policy
from gateway.flights import Outcome, ReadFact, TypeAnswer
from gateway.gathering import Asked, Gathering, Merger
from gateway.hearing import Heard
from gateway.identity.guard import admit
from gateway.merge import current
from gateway.translating import Translator
from schema.gql.connection import order_key, page
from schema.model.clinical import SECTIONS, Patient
from schema.model.fact import Gap, GapKind
from schema.model.view import (
    CacheState,
    DiscrepancyKind,
    EmptyReason,
    EntryFilter,
    SectionStatus,
    SourceFact,
    SourceState,
)
from tests.identity.people import record, reference
from tests.merge.generated import KINDS, MAPPED, RESTRICTED, SOURCES, one_persons_facts
from tests.merge.invariants import Entries, Facts, joins_only_what_is_the_same, members, source_of
from tests.merge.making import IDS, RETRIEVED, said
from tests.merge.making import SOURCES as REFS

T = TypeVar("T")
REFERENCE = reference()
PEOPLE = {source: [record(f"{source}-{number}") for number in (1, 2)] for source in SOURCES}
"""Every source has registered the person twice, and both registrations are certain."""
EVERYTHING = Policy(restricted=True)
MANY_KINDS = tuple(kind for kind in KINDS if kind is not Patient)


class Silence(Enum):
    """How a source can be missing."""

    FAILED = SourceState.UNAVAILABLE
    PENDING = SourceState.PENDING


def heard(source: str, facts: Facts, types: frozenset[str], policy: Policy, failed: bool = False) -> Heard:
    """What one source comes to for a viewer: its answer, proved to be the person's, and filtered."""
    by_type: dict[str, list[Any]] = defaultdict(list)
    for fact in [] if failed else [*PEOPLE[source], *(one.fact for one in facts if source_of(one) == source)]:
        by_type[type(fact).__name__].append(fact)
    retrieved = {id(one.fact): one.provenance.retrieved for one in facts}
    answers = {}
    for fact_type in types | {"Patient"}:
        reads = [
            ReadFact(fact=fact, record_hash="0" * 64, retrieved=retrieved.get(id(fact), RETRIEVED))
            for fact in by_type[fact_type]
        ]
        silent = Gap(kind=GapKind.FAILED if failed else GapKind.NOT_RECORDED, fact_type=fact_type)
        answers[fact_type] = TypeAnswer(facts=tuple(reads), gaps=() if reads else (silent,), retrieved=RETRIEVED)
    error = SourceTimeout("no answer") if failed else None
    outcome = Outcome(answers, error, latency_s=0.0, cache=CacheState.MISS)
    admitted = admit([read.fact for read in outcome.facts], REFERENCE, person="p", standing={})
    links = hearing.view_links(REFS[source], admitted)
    return hearing.hear(REFS[source], outcome, admitted, policy, links, IDS.fact_id)


def view(
    facts: Facts,
    ask: Callable[[Gathering], Awaitable[T]],
    *,
    types: frozenset[str],
    policy: Policy = EVERYTHING,
    silent: dict[str, Silence] | None = None,
) -> T:
    """What `ask` is answered by the view of these facts. Sources that the policy forbids are not asked at all."""

    async def asked() -> T:
        never = asyncio.create_task(asyncio.Event().wait())
        plan = []
        for source in SOURCES:
            if policy.may_ask(source):
                how = (silent or {}).get(source)
                answer: Any = heard(source, facts, types, policy, failed=how is Silence.FAILED)
                plan.append(Asked(REFS[source], types | {"Patient"}, never if how is Silence.PENDING else answer))
        gathering = Gathering(REFERENCE, tuple(plan), 0.0, Merger(IDS, Translator(MAPPED), tuple(SOURCES)))
        try:
            return await ask(gathering)
        finally:
            gathering.end()
            never.cancel()

    return asyncio.run(asked())


def types_of(facts: Facts) -> frozenset[str]:
    return frozenset(type(one.fact).__name__ for one in facts)


@st.composite
def records(draw: st.DrawFn) -> Facts:
    """Facts of one person of one type or two."""
    kinds = draw(st.sets(st.sampled_from(MANY_KINDS), min_size=1, max_size=2))
    return [one for kind in sorted(kinds, key=lambda kind: kind.__name__) for one in draw(one_persons_facts(kind))]


async def all_of(gathering: Gathering) -> tuple[Any, ...]:
    """Everything that a viewer can see of a record."""
    return (
        [await gathering.section(fact.__name__) for fact in SECTIONS.values()],
        await gathering.timeline(None, None),
        await gathering.discrepancies(None),
        await gathering.sources(),
        await gathering.links(),
        await gathering.patient(),
        gathering.heard(),
    )


# 5


def silences() -> st.SearchStrategy[tuple[Facts, str, Silence]]:
    return st.tuples(records(), st.sampled_from(SOURCES), st.sampled_from(Silence))


def never_takes_a_silent_source_for_none(case: tuple[Facts, str, Silence]) -> None:
    """A source that is down or late costs its own facts, and nothing is said of what it may hold."""
    facts, source, how = case
    types = types_of(facts) | {"Flag"}
    sections, _, found, statuses, *_ = view(facts, all_of, types=types, silent={source: how})
    left = current([one for one in facts if source_of(one) != source])[0]
    assert {one.id for section in sections for one in members(section.entries)} == {one.id for one in left}
    for section in sections:
        if section.fact_type not in types:
            continue
        joins_only_what_is_the_same(members(section.entries))
        (mine,) = [one for one in section.sources if one.source.id == source]
        assert mine.state is how.value
        assert section.status is not SectionStatus.COMPLETE
        assert section.empty_reason in (None, EmptyReason.UNAVAILABLE)
        assert section.entries or section.empty_reason is EmptyReason.UNAVAILABLE
    assert {one.kind for one in found if one.source.id == source} <= {DiscrepancyKind.SOURCE_UNAVAILABLE}
    assert [status.state for status in statuses if status.source.id == source] == [how.value]


# 10


def viewers() -> st.SearchStrategy[tuple[Facts, frozenset[str]]]:
    return st.tuples(records(), st.frozensets(st.sampled_from(SOURCES), max_size=2))


def shows_no_trace_of_what_is_hidden(case: tuple[Facts, frozenset[str]]) -> None:
    """The view is that of the visible facts alone: of a forbidden source nothing, of masked facts that there are some.

    Not what they are, nor how many: one other fact in their place gives the same view. What a source has itself
    corrected no longer holds, for anybody, whoever may see the correction.
    """
    facts, forbidden = case
    policy = Policy(deny_sources=forbidden)
    types = types_of(facts)
    seen = view(facts, all_of, types=types, policy=policy)
    masked = [one for one in facts if RESTRICTED in one.fact.security_labels]
    holding = [one for one in current(facts)[0] if source_of(one) not in forbidden]
    visible = [one for one in holding if one not in masked]
    in_their_place = {(source_of(one), type(one.fact)): another(one) for one in holding if one in masked}
    assert view([*visible, *in_their_place.values()], all_of, types=types, policy=policy) == seen
    shown = msgspec.json.encode(seen)
    for one in (one for one in facts if one.id not in {other.id for other in visible}):
        assert one.id.encode() not in shown
        assert IDS.merged_id(one.id).encode() not in shown
    for source in forbidden:
        told = heard(source, facts, types, policy)
        assert (told.facts, told.record_hashes) == ({}, ())
        assert not any(gap.kind is GapKind.WITHHELD for gaps in told.gaps.values() for gap in gaps)
        assert f'"id":"{source}"'.encode() not in shown


def another(one: SourceFact[Any]) -> SourceFact[Any]:
    """A masked fact of the same source and type that has nothing else in common with this one."""
    more = {"kind": one.fact.kind} if "kind" in one.fact.__struct_fields__ else {}
    name, subject = f"Other{type(one.fact).__name__}/1", f"{source_of(one)}-1"
    fact = type(one.fact)(native_id=name, subject=subject, security_labels=(RESTRICTED,), **more)
    return said(source_of(one), fact)


# 11

DAYS = (None, date(2026, 1, 2), date(2026, 1, 15), date(2026, 3, 20))
FILTERS = st.builds(
    EntryFilter,
    codes=st.sampled_from([(), ("91936005",), ("44054006", "27113001"), ("C10F.", "1003"), ("EQ-27113001",)]),
    category=st.sampled_from([None, None, "family-history", "medication"]),
    since=st.sampled_from(DAYS),
    until=st.sampled_from(DAYS),
)


def questions() -> st.SearchStrategy[tuple[Facts, EntryFilter]]:
    return st.tuples(records(), FILTERS)


def answers_about_a_part_with_that_part(case: tuple[Facts, EntryFilter]) -> None:
    """Arguments, pages and what else a query asks for choose among entries and change none of them."""
    facts, chosen = case
    types = types_of(facts)

    async def ask(gathering: Gathering) -> tuple[Any, ...]:
        pairs = [(await gathering.section(name), await gathering.section(name, chosen)) for name in sorted(types)]
        return pairs, await gathering.timeline(chosen.since, chosen.until)

    pairs, line = view(facts, ask, types=types)
    for whole, part in pairs:
        assert msgspec.structs.replace(part, entries=whole.entries) == whole
        assert list(part.entries) == [entry for entry in whole.entries if entry.id in {one.id for one in part.entries}]
        if chosen == EntryFilter(codes=chosen.codes):
            coded = {e.id for e in whole.entries if any(codes(one) & set(chosen.codes) for one in e.members)}
            assert coded <= {entry.id for entry in part.entries}
        assert page_by_page(whole.entries) == whole.entries
        name = whole.fact_type
        assert view(facts, lambda gathering, name=name: gathering.section(name), types=frozenset({name})) == whole
    every = [entry for whole, _ in pairs for entry in whole.entries]
    assert all(moment.entry in every for moment in line.moments)


def page_by_page(entries: Entries) -> Entries:
    found, after = [], None
    for _ in entries:
        one = page(entries, 1, after, key=order_key)
        found += [edge.node for edge in one.edges]
        after = one.page_info.end_cursor
    return tuple(found)


def codes(one: SourceFact[Any]) -> set[str | None]:
    concept = getattr(one.fact, "code", None)
    return {coding.code for coding in concept.codings} if concept else set()
