"""One view of one person being gathered: all sources asked at once, each section settled by itself.

A section settles when every source in scope for it has settled or the caller's deadline has passed, and never changes
after that: a late answer is for the next view. What is not in by then is PENDING, and said to be.

So is a late translation. What is said over a section (what was not found, which results stand on one line, what a code
chooses) reads its codes as they were read when it was merged: else two facts that were not known to be one would each
be said to be lacking in the other's source.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, tzinfo
from typing import Any, TypeVar

from gateway.aside import MANY_FACTS, aside
from gateway.hearing import Heard
from gateway.identity.reference import ReferencePerson
from gateway.merge import (
    Code,
    Ids,
    Terminology,
    care_team_members,
    discrepancies,
    merge,
    outcomes,
    section,
    timeline,
    transfers_of_care,
    with_courses,
)
from gateway.selection import chosen
from gateway.translating import Translator
from gateway.versions import Told, versions
from schema.gql.errors import ErrorCode, QueryError
from schema.gql.ports import OVER_SECTIONS
from schema.model.clinical import FACT_TYPES, Medication, Patient
from schema.model.journey import CareTeamMember, Timeline, TransferOfCare
from schema.model.series import ObservationSeries
from schema.model.values import Identifier
from schema.model.view import (
    ConceptMapUsed,
    Discrepancy,
    EntryFilter,
    Link,
    MergedFact,
    Section,
    SectionSource,
    SourceFact,
    SourceRef,
    SourceState,
    SourceStatus,
    SourceVersion,
    TerminologyUsed,
)

T = TypeVar("T")

MOST_CODES = 100


@dataclass(frozen=True)
class Merger:
    """How this deployment merges: its ids, its terminology, and its sources."""

    ids: Ids
    translator: Translator
    order: tuple[str, ...]
    """Of its sources, for display."""
    zones: frozenset[tzinfo] = frozenset()
    """In which its sources keep their time."""

    @property
    def terms(self) -> Terminology:
        """What is known of codes by now."""
        return self.translator.terms

    def section(
        self,
        fact_type: str,
        facts: list[SourceFact[Any]],
        sources: tuple[SectionSource, ...],
        linked: frozenset[tuple[str, str | None]],
        terms: Terminology,
    ) -> Section[Any]:
        """One settled section of the facts of one person."""
        entries = merge(facts, self.ids, linked=linked, terms=terms, order=self.order)
        if fact_type == Medication.__name__:
            entries = with_courses(entries, terms)
        return section(FACT_TYPES[fact_type], entries, sources)


@dataclass(frozen=True)
class Asked:
    """One source in this view: what it holds, and either the answer under way or what is known without asking."""

    source: SourceRef
    types: frozenset[str]
    answer: "asyncio.Task[Heard] | Heard"


class Gathering:
    """Implements `schema.gql.ports.PatientRecordPort` over the answers under way."""

    def __init__(
        self,
        reference: ReferencePerson,
        asked: tuple[Asked, ...],
        deadline: float,
        merger: Merger,
        person: str = "",
        late: Callable[[str], None] = lambda source: None,
    ) -> None:
        """`person` is who it is in the cross-reference table; `late` is told of every source whose answer came
        after this view had stopped waiting for it, and lasts: one that would be asked again shows nothing new.
        """
        self.reference = reference
        self.person = person
        self._late = late
        self._asked = asked
        self._deadline = deadline
        self._merger = merger
        self._sections: dict[str, asyncio.Task[Section[Any]]] = {}
        self._terms: dict[str, Terminology] = {}
        """What each section was merged under."""
        self._settled: dict[str, Heard] = {}
        self._untranslated: set[Code] = set()

    @property
    def identifier(self) -> Identifier:
        """The authority's current number."""
        return self.reference.identifier

    async def patient(self) -> MergedFact[Patient] | None:
        """Demographics of every linked record, as one merged fact: identity has said that they are one person's."""
        section = await self._section("Patient")
        return section.entries[0] if section.entries else None

    async def section(self, fact_type: str, entries: EntryFilter | None = None) -> Section[Any]:
        """As the port says. A filter chooses among merged entries and changes nothing else."""
        section = await self._section(fact_type)
        if not entries or entries == EntryFilter():
            return section
        return chosen(section, entries, self._terms[fact_type], self._merger.zones)

    async def timeline(self, since: date | None, until: date | None) -> Timeline:
        """As the port says."""
        sections = await self._every_section(OVER_SECTIONS["timeline"])
        return await aside(_many(sections), timeline, sections, since, until, self._merger.zones)

    async def outcomes(self, codes: tuple[str, ...]) -> tuple[ObservationSeries, ...]:
        """As the port says. More codes than a screen has lines are refused: each is looked for in every result."""
        if len(codes) > MOST_CODES:
            raise QueryError(ErrorCode.ARGUMENT_INVALID, f"`codes` names at most {MOST_CODES}.")
        results = await self._section("Observation")
        return await aside(_many([results]), outcomes, results, self._terms[results.fact_type], codes)

    async def transfers_of_care(self) -> tuple[TransferOfCare, ...]:
        """As the port says."""
        sections = await self._every_section(OVER_SECTIONS["transfersOfCare"])
        return await aside(_many(sections), transfers_of_care, sections)

    async def care_team_members(self) -> tuple[CareTeamMember, ...]:
        """As the port says."""
        sections = await self._every_section(OVER_SECTIONS["careTeamMembers"])
        return await aside(_many(sections), care_team_members, sections)

    async def discrepancies(self, source: str | None) -> tuple[Discrepancy, ...]:
        """As the port says."""
        if source is not None and source not in {asked.source.id for asked in self._asked}:
            raise QueryError(ErrorCode.ARGUMENT_INVALID, "There is no such source: `sources` names them.")
        sections = await self._every_section(OVER_SECTIONS["discrepancies"])
        terms = {one.fact_type: self._terms[one.fact_type] for one in sections}
        return await aside(_many(sections), discrepancies, sections, terms, source=source)

    async def _every_section(self, types: Collection[str]) -> list[Section[Any]]:
        """Every section of these fact types, in the order of the view."""
        return list(await asyncio.gather(*(self._section(name) for name in FACT_TYPES if name in types)))

    async def links(self) -> tuple[Link, ...]:
        """What was decided about each source's record."""
        heard = await self._wait(self._asked)
        return tuple(link for found in heard for link in found.links)

    async def sources(self) -> tuple[SourceStatus, ...]:
        """One status for each configured source."""
        return tuple(found.status for found in await self._wait(self._asked))

    async def versions(self) -> tuple[SourceVersion, ...]:
        """As the port says."""
        return await self.compared(versions, FACT_TYPES)

    async def compared(self, made: Callable[[Iterable[Told]], T], types: Collection[str]) -> T:
        """What is made of all that the sources say of these types, once all of them have settled."""
        await self.sources()
        told = list(self.told(types))
        return await aside(sum(len(facts) for _, _, facts in told) > MANY_FACTS, made, told)

    async def terminology(self) -> TerminologyUsed:
        """As the port says."""
        await self._every_section(FACT_TYPES)
        terms = self._merger.terms
        return TerminologyUsed(
            version=terms.version,
            maps=tuple(ConceptMapUsed(name=one.name, version=one.version, date=one.date) for one in terms.maps),
            translates=self._merger.translator.asks,
            untranslated=len(self._untranslated),
        )

    def heard(self) -> tuple[Heard, ...]:
        """What each source that this view has waited for came to: for the audit of what is shown of it."""
        return tuple(self._settled.values())

    def told(self, types: Collection[str]) -> Iterator[Told]:
        """What each source that is settled came to for each of these types that it holds, and its facts of it."""
        for asked in self._asked:
            heard = self._settled.get(asked.source.id)
            if heard is None:
                continue
            for fact_type in (name for name in FACT_TYPES if name in asked.types and name in types):
                yield heard.section_source(fact_type, True), fact_type, heard.facts.get(fact_type, ())

    def end(self) -> None:
        """Nobody waits for this view any more. The flights go on."""
        for task in self._sections.values():
            task.cancel()

    async def _section(self, fact_type: str) -> Section[Any]:
        task = self._sections.get(fact_type)
        if task is None:
            task = self._sections[fact_type] = asyncio.create_task(self._settle(fact_type))
        return await asyncio.shield(task)

    async def _settle(self, fact_type: str) -> Section[Any]:
        in_scope = tuple(asked for asked in self._asked if fact_type in asked.types)
        heard = await self._wait(in_scope)
        facts = [fact for found in heard for fact in found.facts.get(fact_type, ())]
        linked = frozenset((found.source.id, link.local_id) for found in heard for link in found.links)
        sources = tuple(self._now(asked).section_source(fact_type, asked in in_scope) for asked in self._asked)
        self._untranslated |= await self._merger.translator.learn([one.fact for one in facts], self._deadline)
        terms = self._terms[fact_type] = self._merger.terms
        return await aside(len(facts) > MANY_FACTS, self._merger.section, fact_type, facts, sources, linked, terms)

    async def _wait(self, asked: tuple[Asked, ...]) -> list[Heard]:
        """Wait for these sources until all are in or the deadline passes; then what each came to, for good."""
        under_way = {
            one.answer for one in asked if isinstance(one.answer, asyncio.Task) and one.source.id not in self._settled
        }
        if under_way:
            await asyncio.wait(under_way, timeout=max(0.0, self._deadline - time.monotonic()))
        return [self._settle_source(one) for one in asked]

    def _settle_source(self, asked: Asked) -> Heard:
        heard = self._settled.get(asked.source.id)
        if heard is None:
            heard = self._settled[asked.source.id] = self._now(asked)
            if heard.state is SourceState.PENDING and isinstance(asked.answer, asyncio.Task):
                asked.answer.add_done_callback(self._landed)
        return heard

    def _landed(self, answer: "asyncio.Task[Heard]") -> None:
        if not answer.cancelled() and answer.exception() is None and answer.result().lasts:
            self._late(answer.result().source.id)

    def _now(self, asked: Asked) -> Heard:
        if (settled := self._settled.get(asked.source.id)) is not None:
            return settled
        if isinstance(asked.answer, Heard):
            return asked.answer
        if asked.answer.done():
            return asked.answer.result()
        return Heard(source=asked.source, state=SourceState.PENDING, code="SOURCE_PENDING", issue_type="timeout")


def _many(sections: list[Section[Any]]) -> bool:
    return sum(len(section.entries) for section in sections) > MANY_FACTS
