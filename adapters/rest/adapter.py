"""The `rest` kind: a vendor's JSON over HTTP, asked and read as a mapping file says. No code for a new vendor."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime

from msgspec import Struct

from adapters.rest import records
from adapters.rest.answers import Asker
from adapters.rest.mapping_file import Resource, load
from adapters.rest.paging import fetch_pages
from adapters.rest.people import Found, People, search_needs
from adapters.rest.settings import RestSettings
from adapters.sdk import (
    Adapter,
    Ask,
    Call,
    DependsOn,
    Health,
    PatientSearch,
    SettingsError,
    Source,
    SourceError,
    SourceInvalid,
    SourceRecord,
    Subject,
)
from adapters.sdk.converters import Context, Unreadable
from adapters.sdk.expressions import truthy
from adapters.sdk.resources import read_resource
from schema.model.fact import Fact, Gap


def _text(mapping: str) -> str:
    try:
        return read_resource(mapping)
    except SettingsError as error:
        raise SettingsError(f"mapping {error}") from None


class _Outcome(Struct, frozen=True, kw_only=True):
    """What one question came to: records, people to ask on about, or why a resource was not answered."""

    records: tuple[SourceRecord, ...] = ()
    local_ids: tuple[str, ...] = ()
    failed: tuple[Resource, SourceError] | None = None


class RestAdapter(Adapter[RestSettings]):
    """One vendor API, described by a mapping file (adapters/rest/README.md)."""

    kind = "rest"
    settings_model = RestSettings
    uses_http = True

    def __init__(self, source: Source[RestSettings]) -> None:
        super().__init__(source)
        self._vendor = load(_text(self.settings.mapping), self.settings.mapping)
        self.types = frozenset({"Patient"}).union(*(resource.types for resource in self._vendor.resources))
        self.identifier_systems = frozenset({self._vendor.source.identifier_system})
        self.answer_depends_on = DependsOn(self._vendor.source.answer_depends_on)
        self._context = Context(zone=source.timezone)
        by_demographics = self._vendor.look_up.table.by_demographics
        self.search_needs = search_needs(by_demographics) if by_demographics is not None else None

    async def fetch(self, ask: Ask, call: Call) -> AsyncIterator[SourceRecord]:
        """The person first, then every wanted resource of theirs, as each comes in."""
        asker = Asker(self._vendor, self.http, self.settings.max_parallel)
        people = People(self._vendor, asker, self._context, ask, call)
        known = await people.known()
        for record in known.records:
            yield record
        tasks = self._resources(asker, known.local_ids, ask, call)
        asked = len(tasks)
        failures: list[tuple[Resource, SourceError]] = []
        tasks.add(asyncio.create_task(self._others(people, known)))
        try:
            while tasks:
                done, tasks = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for outcome in [task.result() for task in done]:
                    for record in outcome.records:
                        yield record
                    if outcome.failed is not None:
                        failures.append(outcome.failed)
                    more = self._resources(asker, outcome.local_ids, ask, call)
                    asked, tasks = asked + len(more), tasks | more
            if failures and len(failures) == asked:
                raise failures[0][1]
            for resource, error in failures:
                yield self._record(f"{resource.name}.{records.FAILED}.{error.code}", resource.types & ask.types)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def find(self, search: PatientSearch, call: Call) -> AsyncIterator[SourceRecord]:
        """See `Adapter.find`. The vendor is asked by what its mapping file asks by; the first given name alone."""
        given = search.given.split()[0] if search.given else None
        meant = Subject(identifiers=(), family=search.family, given=given, birth_date=search.birth_date)
        ask = Ask(subjects=(meant,), types=frozenset({"Patient"}))
        asker = Asker(self._vendor, self.http, self.settings.max_parallel)
        yield await People(self._vendor, asker, self._context, ask, call).offered()

    def read(self, record: SourceRecord) -> Iterable[Fact | Gap]:
        return records.read_record(self._vendor, record, self.source.timezone)

    async def check(self, call: Call) -> Health:
        """The request of `[check]`: it must be answered with what the mapping expects there."""
        check = self._vendor.check
        asker = Asker(self._vendor, self.http, self.settings.max_parallel)
        answer = await asker.get(check.path, tuple(check.params.items()), call)
        try:
            found = truthy(self._vendor.check_expect.search(answer.document))
        except Unreadable:
            found = False
        if not found:
            raise SourceInvalid("the source answered the check, but not with what the mapping expects")
        return Health(detail="the source answered the check of its mapping")

    async def _others(self, people: People, known: Found) -> _Outcome:
        found = await people.others(known)
        return _Outcome(records=found.records, local_ids=found.local_ids)

    def _resources(self, asker: Asker, local_ids: Iterable[str], ask: Ask, call: Call) -> set[asyncio.Task[_Outcome]]:
        """Every wanted resource of these people, being asked for."""
        wanted = [resource for resource in self._vendor.resources if resource.types & ask.types]
        questions = [(resource, local_id) for local_id in local_ids for resource in wanted]
        return {asyncio.create_task(self._resource(asker, each, local_id, ask, call)) for each, local_id in questions}

    async def _resource(self, asker: Asker, resource: Resource, local_id: str, ask: Ask, call: Call) -> _Outcome:
        """One resource of one local id; its failure is a value, so that the others go on."""
        try:
            pages = await fetch_pages(asker, resource, {"local_id": local_id}, self.settings, call)
        except SourceError as error:
            return _Outcome(failed=(resource, error))
        kind = f"{resource.name}.{records.EMPTY}" if pages.absent else resource.name
        record = self._record(kind, resource.types & ask.types, *pages.parts, truncated=pages.truncated)
        return _Outcome(records=(record,))

    def _record(self, kind: str, types: Iterable[str], *parts: bytes, truncated: bool = False) -> SourceRecord:
        return SourceRecord(
            kind=kind, types=frozenset(types), parts=parts, retrieved=datetime.now(UTC), truncated=truncated
        )
