"""The `sql` kind: a legacy database, asked and read as a mapping file says. No code for a new database."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

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
    SourceRequest,
    Subject,
)
from adapters.sdk.converters import Context
from adapters.sdk.persons import carries, compact, local_id_of
from adapters.sdk.resources import read_resource
from adapters.sql import records
from adapters.sql.cells import document
from adapters.sql.columns import Fate
from adapters.sql.database import Fetched, open_database
from adapters.sql.mapping_file import IdType, Query, Resource, load
from adapters.sql.settings import SqlSettings
from schema.model.fact import Fact, Gap

_NATIVE = "Patient/"
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_NOBODY: Mapping[IdType, str | int] = {"text": "-", "integer": 0, "uuid": "00000000-0000-0000-0000-000000000000"}
"""A local id that is nobody's, for `check`."""


class _Person(Struct, frozen=True, kw_only=True):
    """The source's record of who this is, and the local ids to ask on with: none when it does not know the person."""

    records: tuple[SourceRecord, ...] = ()
    local_ids: tuple[str, ...] = ()


class SqlAdapter(Adapter[SqlSettings]):
    """One database, described by a mapping file (adapters/sql/README.md)."""

    kind = "sql"
    settings_model = SqlSettings

    def __init__(self, source: Source[SqlSettings]) -> None:
        super().__init__(source)
        self._legacy = load(_text(self.settings.mapping), self.settings.mapping)
        self.types = frozenset({"Patient"}).union(*(resource.types for resource in self._legacy.resources))
        self.identifier_systems = frozenset({self._legacy.source.identifier_system})
        self.answer_depends_on = DependsOn(self._legacy.source.answer_depends_on)
        self._context = Context(zone=source.timezone)
        self._database = open_database(self.settings)
        others = self._legacy.look_up.by_demographics
        self.search_needs = others.statement.parameters if others is not None else None

    async def fetch(self, ask: Ask, call: Call) -> AsyncIterator[SourceRecord]:
        """The person first, then every wanted resource of theirs, as each comes in."""
        person = await self._person(ask, call)
        for record in person.records:
            yield record
        wanted = [resource for resource in self._legacy.resources if resource.types & ask.types]
        questions = [(resource, local_id) for local_id in person.local_ids for resource in wanted]
        tasks = [asyncio.create_task(self._resource(each, local_id, ask, call)) for each, local_id in questions]
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
                yield self._failed(resource.name, error, resource.types & ask.types)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def find(self, search: PatientSearch, call: Call) -> AsyncIterator[SourceRecord]:
        """See `Adapter.find`. The query of `[patient.by_demographics]`, with the first given name alone."""
        query = self._legacy.look_up.by_demographics
        if query is None:
            raise SourceRequest("the mapping file has no query by names and birth date")
        fetched = await self._database.rows(query, _searched_by(search), call, query.max_rows)
        kind = records.BY_DEMOGRAPHICS if fetched.rows else records.NOT_FOUND
        body = document(fetched.rows)
        yield self._record(kind, {"Patient"}, body, truncated=fetched.truncated, candidates=True)

    def read(self, record: SourceRecord) -> Iterable[Fact | Gap]:
        return records.read_record(self._legacy, record, self.source.timezone)

    async def check(self, call: Call) -> Health:
        """What the account may do, and every query of the mapping file, run about nobody.

        Raises SettingsError for an account that may write: read-only is proved, not promised.
        """
        account = await self._database.run(self._database.account, call)
        if account.writes:
            raise SettingsError(
                f"the account can write: it {'; it '.join(account.writes)}. Give Sherwood an account that only reads"
            )
        warnings = list(account.warnings)
        if self._database.can_be_overheard:
            warnings.append("the connection is not encrypted: write tls = true")
        for query, values in self._questions():
            await self._database.rows(query, values, call, 1)

            async def scans(connection: Any, query: Query = query, values: Mapping[str, Any] = values) -> bool:
                return await self._database.scans(connection, query, values)

            if await self._database.run(scans, call):
                warnings.append(f"{query.name}: the query reads a table from end to end: it needs an index")
        return Health(detail=account.detail, warnings=tuple(warnings))

    async def close(self) -> None:
        await self._database.close()

    def _questions(self) -> list[tuple[Query, Mapping[str, Any]]]:
        """Every query, with values that are nobody's."""
        look_up, number = self._legacy.look_up, self.settings.check_identifier
        nobody = Subject(identifiers=(), birth_date=datetime(1900, 1, 1, tzinfo=UTC).date(), family="-", given="-")
        local = {"local_id": _NOBODY[look_up.table.local_id_type]}
        found: list[tuple[Query, Mapping[str, Any]]] = [(look_up.query, self._asked_by(number, nobody))]
        found += [(look_up.by_id, local)] if look_up.by_id is not None else []
        anybody = PatientSearch(family="-", given="-", birth_date=nobody.birth_date, gender="-", postal_code="-")
        found += [(look_up.by_demographics, _searched_by(anybody))] if look_up.by_demographics is not None else []
        return found + [(resource.query, local) for resource in self._legacy.resources]

    async def _person(self, ask: Ask, call: Call) -> _Person:
        """Whoever is linked, and whoever has the number.

        A source may know one person twice: without the look-up the registration that nobody linked would be lost in
        silence. A look-up that fails beside somebody linked is a gap in every type.
        """
        linked = await self._linked(ask, call)
        try:
            other = await self._looked_up(ask, call, linked.local_ids)
        except SourceError as error:
            if not linked.local_ids:
                raise
            failed = self._failed(records.PATIENT, error, {"Patient"} | (ask.types & self.types))
            return _Person(records=(*linked.records, failed), local_ids=linked.local_ids)
        local_ids = tuple(dict.fromkeys(linked.local_ids + other.local_ids))
        return _Person(records=linked.records + other.records, local_ids=local_ids)

    async def _linked(self, ask: Ask, call: Call) -> _Person:
        """Demographics of the local ids that are already linked; nobody when the source has no such query or ids."""
        query = self._legacy.look_up.by_id
        if query is None:
            return _Person()
        kind = self._legacy.look_up.table.local_id_type
        parts: list[bytes] = []
        known: list[str] = []
        for linked in ask.subject.local_ids:
            local_id = linked.removeprefix(_NATIVE)
            if not _is_one(local_id, kind):
                continue
            fetched = await self._database.rows(query, self._by_local_id(local_id), call, query.max_rows)
            people = [each for each in self._people(fetched) if self._local_id(each) == local_id]
            if people:
                parts.append(document(fetched.rows))
                known.append(local_id)
        if not known:
            return _Person()
        record = self._record(records.BY_ID, {"Patient"}, *parts)
        return _Person(records=(record,), local_ids=tuple(known))

    def _numbers(self, ask: Ask) -> list[str]:
        system = self._legacy.source.identifier_system
        return [each.value for each in ask.subject.identifiers if each.system == system]

    async def _looked_up(self, ask: Ask, call: Call, linked: tuple[str, ...]) -> _Person:
        """The person by identifier: the current one first, superseded ones when that is not known.

        Beside people who are linked, that nobody has the number does not say that the person is not known.
        """
        look_up, numbers = self._legacy.look_up, self._numbers(ask)
        unknown: list[bytes] = []
        for number in numbers:
            values = self._asked_by(number, ask.subject)
            if look_up.query.statement.parameters - values.keys():
                raise SourceRequest("the look-up needs more about the person than is known")
            fetched = await self._database.rows(look_up.query, values, call, look_up.query.max_rows)
            people = self._people(fetched)
            if people:
                return self._found(people, numbers, document(fetched.rows), ask, linked)
            unknown.append(document(fetched.rows))
        if linked:
            return _Person()
        wanted = {"Patient"} | (ask.types & self.types)
        nobody = unknown or [document([])]
        return _Person(records=(self._record(records.NOT_FOUND, wanted, *nobody),))

    def _people(self, fetched: Fetched) -> list[dict[str, Any]]:
        """The rows of people who are still there. Raises SourceInvalid for a crowd."""
        meaning, table = self._legacy.look_up.meaning, self._legacy.look_up.table
        if len(fetched.rows) > table.max_people or fetched.truncated:
            raise SourceInvalid("the look-up answered with more people than one identifier can belong to")
        understood = [meaning.understood(row) for row in fetched.rows]
        return [row for row in understood if meaning.fate(row) is not Fate.GONE]

    def _found(
        self, people: list[dict[str, Any]], numbers: list[str], body: bytes, ask: Ask, linked: tuple[str, ...]
    ) -> _Person:
        """Who of the people in the answer to ask on about: those whose own number is one that was asked for."""
        matching = [each for each in people if carries(each, self._legacy.look_up.number, numbers, self._context)]
        if linked and all(self._local_id(person) in linked for person in people):
            return _Person()
        if not matching and linked:
            return _Person(records=(self._record(records.PATIENT, {"Patient"}, body),))
        if not matching:
            wanted = {"Patient"} | (ask.types & self.types)
            return _Person(records=(self._record(records.MISMATCH, wanted, body),))
        local_ids = tuple(dict.fromkeys(self._local_id(person) for person in matching))
        if "" in local_ids:
            raise SourceInvalid("the source gave a person without a usable id")
        return _Person(records=(self._record(records.PATIENT, {"Patient"}, body),), local_ids=local_ids)

    def _local_id(self, person: dict[str, Any]) -> str:
        return local_id_of(person, self._legacy.look_up.local_id, self._context)

    async def _resource(
        self, resource: Resource, local_id: str, ask: Ask, call: Call
    ) -> tuple[Resource, SourceRecord | SourceError]:
        """One resource of one local id; its failure is a value, so that the others go on."""
        max_rows = self.settings.max_rows or resource.query.max_rows
        try:
            fetched = await self._database.rows(resource.query, self._by_local_id(local_id), call, max_rows)
        except SourceError as error:
            return resource, error
        kind = resource.name if fetched.rows else f"{resource.name}.{records.EMPTY}"
        types = resource.types & ask.types
        return resource, self._record(kind, types, document(fetched.rows), truncated=fetched.truncated)

    def _by_local_id(self, local_id: str) -> Mapping[str, Any]:
        return {"local_id": _bound(local_id, self._legacy.look_up.table.local_id_type)}

    def _asked_by(self, number: str, subject: Subject) -> Mapping[str, Any]:
        """What the parameters of the look-up stand for; one without a value is left out."""
        plain = compact(number)
        kind = self._legacy.look_up.table.number_type
        values = {
            "identifier": _bound(number, kind),
            "nhs_number": _bound(plain, kind),
            "nhs_number_spaced": f"{plain[:3]} {plain[3:6]} {plain[6:]}",
            "birth_date": subject.birth_date,
            "family": subject.family,
            "given": subject.given,
        }
        return {name: value for name, value in values.items() if value is not None}

    def _failed(self, name: str, error: SourceError, types: Iterable[str]) -> SourceRecord:
        return self._record(f"{name}.{records.FAILED}.{error.code}", types)

    def _record(
        self, kind: str, types: Iterable[str], *parts: bytes, truncated: bool = False, candidates: bool = False
    ) -> SourceRecord:
        return SourceRecord(
            kind=kind,
            types=frozenset(types),
            parts=parts,
            retrieved=datetime.now(UTC),
            truncated=truncated,
            candidates=candidates,
        )


def _text(mapping: str) -> str:
    try:
        return read_resource(mapping)
    except SettingsError as error:
        raise SettingsError(f"mapping {error}") from None


def _searched_by(search: PatientSearch) -> Mapping[str, Any]:
    return {
        "family": search.family,
        "given": search.given.split()[0] if search.given else None,
        "birth_date": search.birth_date,
        "gender": search.gender,
        "postal_code": search.postal_code,
    }


def _bound(value: str, kind: IdType) -> str | int:
    """The value as its column's type. Raises SourceRequest for one that the column cannot hold."""
    if not _is_one(value, kind):
        raise SourceRequest("an identifier is not of the type that the mapping says its column has")
    return int(value) if kind == "integer" else value


def _is_one(value: str, kind: IdType) -> bool:
    if kind == "integer":
        return value.isascii() and value.isdigit() and len(value) <= 18
    return kind == "text" or _UUID.fullmatch(value) is not None
