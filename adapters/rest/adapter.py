"""The `rest` kind: a vendor's JSON over HTTP, asked and read as a mapping file says. No code for a new vendor."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import UTC, datetime

from msgspec import Struct

from adapters.rest import records
from adapters.rest.answers import Answer, Asker, listed
from adapters.rest.mapping_file import Resource, filled, load
from adapters.rest.paging import fetch_pages
from adapters.rest.settings import RestSettings
from adapters.sdk import (
    Adapter,
    Ask,
    Call,
    DependsOn,
    Health,
    SettingsError,
    Source,
    SourceError,
    SourceInvalid,
    SourceRecord,
    SourceRequest,
    Subject,
)
from adapters.sdk.converters import Context, Unreadable
from adapters.sdk.converters import text as as_text
from adapters.sdk.expressions import truthy
from adapters.sdk.resources import read_resource
from schema.model.fact import Fact, Gap

_NATIVE = "Patient/"


def _text(mapping: str) -> str:
    try:
        return read_resource(mapping)
    except SettingsError as error:
        raise SettingsError(f"mapping {error}") from None


class _Person(Struct, frozen=True, kw_only=True):
    """The source's record of who this is, and the local ids to ask on with: none when it does not know the person."""

    records: tuple[SourceRecord, ...]
    local_ids: tuple[str, ...] = ()


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

    async def fetch(self, ask: Ask, call: Call) -> AsyncIterator[SourceRecord]:
        """The person first, then every wanted resource of theirs, as each comes in."""
        asker = Asker(self._vendor, self.http)
        person = await self._linked(asker, ask, call) or await self._looked_up(asker, ask, call)
        for record in person.records:
            yield record
        wanted = [resource for resource in self._vendor.resources if resource.types & ask.types]
        questions = [(resource, local_id) for local_id in person.local_ids for resource in wanted]
        slots = asyncio.Semaphore(self.settings.max_parallel)
        tasks = [
            asyncio.create_task(self._resource(asker, each, local_id, ask, call, slots)) for each, local_id in questions
        ]
        try:
            failures: list[tuple[Resource, SourceError]] = []
            for done in asyncio.as_completed(tasks):
                resource, outcome = await done
                if isinstance(outcome, SourceError):
                    failures.append((resource, outcome))
                else:
                    yield outcome
            if failures and len(failures) == len(tasks):
                raise failures[0][1]
            for resource, error in failures:
                yield self._record(f"{resource.name}.{records.FAILED}.{error.code}", resource.types & ask.types)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def read(self, record: SourceRecord) -> Iterable[Fact | Gap]:
        return records.read_record(self._vendor, record, self.source.timezone)

    async def check(self, call: Call) -> Health:
        """The request of `[check]`: it must be answered with what the mapping expects there."""
        check = self._vendor.check
        answer = await Asker(self._vendor, self.http).get(check.path, tuple(check.params.items()), call)
        try:
            found = truthy(self._vendor.check_expect.search(answer.document))
        except Unreadable:
            found = False
        if not found:
            raise SourceInvalid("the source answered the check, but not with what the mapping expects")
        return Health(detail="the source answered the check of its mapping")

    async def _linked(self, asker: Asker, ask: Ask, call: Call) -> _Person | None:
        """Demographics of the local ids that are already linked; None when the source has no such request or ids."""
        by_id = self._vendor.look_up.table.by_id
        if by_id is None:
            return None
        found: list[SourceRecord] = []
        known: list[str] = []
        for linked in ask.subject.local_ids:
            local_id = _safe(linked.removeprefix(_NATIVE))
            values = {"local_id": local_id}
            answer = await asker.get(
                filled(by_id.path, values, in_path=True),
                [(name, filled(text, values, in_path=False)) for name, text in by_id.params.items()],
                call,
                by_id.not_found_statuses,
                by_id.not_found_codes,
            )
            if answer.absent:
                continue
            records.by_id_item(self._vendor.look_up, answer.document)
            found.append(self._record(records.BY_ID, {"Patient"}, answer.body))
            known.append(local_id)
        return _Person(records=tuple(found), local_ids=tuple(known)) if found else None

    async def _looked_up(self, asker: Asker, ask: Ask, call: Call) -> _Person:
        """The person by identifier: the current one first, superseded ones when that is not known."""
        look_up, table = self._vendor.look_up, self._vendor.look_up.table
        system = self._vendor.source.identifier_system
        numbers = [each.value for each in ask.subject.identifiers if each.system == system]
        unknown: list[bytes] = []
        for number in numbers:
            values = _asked_by(number, ask.subject)
            try:
                path = filled(table.path, values, in_path=True)
                params = [(name, filled(text, values, in_path=False)) for name, text in table.params.items()]
            except KeyError:
                raise SourceRequest("the look-up needs more about the person than is known") from None
            answer = await asker.get(path, params, call, table.not_found_statuses, table.not_found_codes)
            people = [] if answer.absent else listed(look_up.items, answer.document)
            if len(people) > table.max_people:
                raise SourceInvalid("the look-up answered with more people than one identifier can belong to")
            if people:
                return self._person(people, numbers, answer, ask)
            unknown.append(answer.body)
        wanted = {"Patient"} | (ask.types & self.types)
        return _Person(records=(self._record(records.NOT_FOUND, wanted, *unknown),))

    def _person(self, people: list[object], numbers: list[str], answer: Answer, ask: Ask) -> _Person:
        """Who of the people in the answer to ask on about: those whose own number is one that was asked for."""
        matching = [person for person in people if self._is_one_of(person, numbers)]
        if not matching:
            wanted = {"Patient"} | (ask.types & self.types)
            return _Person(records=(self._record(records.MISMATCH, wanted, answer.body),))
        local_ids = tuple(dict.fromkeys(_safe(self._local_id(person)) for person in matching))
        return _Person(records=(self._record(records.PATIENT, {"Patient"}, answer.body),), local_ids=local_ids)

    def _is_one_of(self, person: object, numbers: list[str]) -> bool:
        """Whether the person's own number was among those asked for; without `number` the gateway alone finds out."""
        stated_at = self._vendor.look_up.number
        if stated_at is None:
            return True
        try:
            stated = as_text(stated_at.search(person), self._context)
        except Unreadable:
            return False
        return _compact(stated) in {_compact(number) for number in numbers}

    def _local_id(self, person: object) -> str:
        try:
            return as_text(self._vendor.look_up.local_id.search(person), self._context)
        except Unreadable:
            return ""

    async def _resource(
        self, asker: Asker, resource: Resource, local_id: str, ask: Ask, call: Call, slots: asyncio.Semaphore
    ) -> tuple[Resource, SourceRecord | SourceError]:
        """One resource of one local id; its failure is a value, so that the others go on."""
        types = resource.types & ask.types
        async with slots:
            try:
                pages = await fetch_pages(asker, resource, {"local_id": local_id}, self.settings, call)
            except SourceError as error:
                return resource, error
        kind = f"{resource.name}.{records.EMPTY}" if pages.absent else resource.name
        return resource, self._record(kind, types, *pages.parts, truncated=pages.truncated)

    def _record(self, kind: str, types: Iterable[str], *parts: bytes, truncated: bool = False) -> SourceRecord:
        return SourceRecord(
            kind=kind, types=frozenset(types), parts=parts, retrieved=datetime.now(UTC), truncated=truncated
        )


def _asked_by(number: str, subject: Subject) -> Mapping[str, str]:
    """What the placeholders of the look-up stand for; one without a value is left out."""
    compact = _compact(number)
    values = {
        "identifier": number,
        "nhs_number": compact,
        "nhs_number_spaced": f"{compact[:3]} {compact[3:6]} {compact[6:]}",
        "birth_date": subject.birth_date.isoformat() if subject.birth_date is not None else None,
        "family": subject.family,
        "given": subject.given,
    }
    return {name: value for name, value in values.items() if value is not None}


def _compact(number: str) -> str:
    return number.replace(" ", "").replace("-", "")


def _safe(local_id: str) -> str:
    """The id, proved to be one that cannot turn a path into another's."""
    if local_id in ("", ".", "..") or not local_id.isprintable():
        raise SourceInvalid("the source gave a person without a usable id")
    return local_id
