"""Whom a vendor knows: by linked local ids, by the identifier, and by names and birth date.

Only people whose own number is one of those asked for, or whose local id is linked, are asked about any further. The
others are handed on as demographics, which the gateway grades (MERGE.md section 1); those whom names and birth date
found as candidates, for the vendor never said of them that they are the person asked for.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from adapters.rest import records
from adapters.rest.answers import Answer, Asker
from adapters.rest.mapping_file import (
    BIRTH_DATES,
    ByDemographicsTable,
    ByIdTable,
    PatientTable,
    Vendor,
    filled,
    placeholders,
)
from adapters.sdk import Ask, Call, SourceError, SourceInvalid, SourceRecord, SourceRequest, Subject
from adapters.sdk.converters import Context
from adapters.sdk.persons import carries, compact, local_id_of

_NATIVE = "Patient/"


class Found(Struct, frozen=True, kw_only=True):
    """What the source says of who this is, and the local ids to ask on with."""

    records: tuple[SourceRecord, ...] = ()
    local_ids: tuple[str, ...] = ()
    seen: frozenset[str] = frozenset()
    """Local ids of everybody in the records."""
    unknown: tuple[bytes, ...] = ()
    """The answers that said "unknown"."""

    def __add__(self, other: "Found") -> "Found":
        return Found(
            records=self.records + other.records,
            local_ids=tuple(dict.fromkeys(self.local_ids + other.local_ids)),
            seen=self.seen | other.seen,
            unknown=self.unknown + other.unknown,
        )


class People:
    """One search for one person."""

    def __init__(self, vendor: Vendor, asker: Asker, context: Context, ask: Ask, call: Call) -> None:
        self._look_up, self._table = vendor.look_up, vendor.look_up.table
        self._asker, self._context, self._call = asker, context, call
        self._subject = ask.subject
        held = frozenset[str]().union(*(resource.types for resource in vendor.resources))
        self._wanted = {"Patient"} | (ask.types & held)
        system = vendor.source.identifier_system
        self._numbers = [each.value for each in ask.subject.identifiers if each.system == system]

    async def known(self) -> Found:
        """By linked ids and by the identifier: a source may know one person twice.

        Raises the SourceError of a look-up without which nobody is known.
        """
        linked = await self._linked()
        try:
            return linked + await self._numbered(linked)
        except SourceError as error:
            if not linked.local_ids:
                raise
            return linked + _failed(error, self._wanted)

    async def others(self, known: Found) -> Found:
        """People of the same names and birth date, besides those known; else, if nobody is, that nobody is.

        Raises a SourceError when nobody is known otherwise: silence is not absence.
        """
        table, values = self._table.by_demographics, _demographics(self._subject)
        if table is None or not placeholders(table) <= values.keys():
            return Found() if known.records else self._nobody(known.unknown)
        try:
            return await self._named(table, values, known)
        except SourceError as error:
            if not known.records:
                raise
            return _failed(error, {"Patient"})

    async def offered(self) -> SourceRecord:
        """Whoever has these names and this birth date, and nothing else of them. `[patient.by_demographics]`."""
        table = self._table.by_demographics
        if table is None:
            raise SourceRequest("the mapping file says of no way to search by names and birth date")
        answer = await self._get(table, _demographics(self._subject))
        people = [] if answer.absent else records.people_in(self._look_up, records.BY_DEMOGRAPHICS, answer.document)
        if not people:
            return _record(records.NOT_FOUND, {"Patient"}, answer.body)
        record = _record(records.BY_DEMOGRAPHICS, {"Patient"}, answer.body)
        return replace(record, truncated=len(people) > table.max_people)

    async def _linked(self) -> Found:
        """The demographics of linked local ids."""
        by_id, found = self._table.by_id, Found()
        if by_id is None:
            return found
        for linked in self._subject.local_ids:
            local_id = _safe(linked.removeprefix(_NATIVE))
            answer = await self._get(by_id, {"local_id": local_id})
            if answer.absent:
                continue
            records.by_id_item(self._look_up, answer.document)  # Refuses an answer that has nobody in it.
            record = _record(records.BY_ID, {"Patient"}, answer.body)
            found += Found(records=(record,), local_ids=(local_id,), seen=frozenset({local_id}))
        return found

    async def _numbered(self, linked: Found) -> Found:
        """By identifier: the current one first, superseded ones when that is not known."""
        unknown: list[bytes] = []
        for number in self._numbers:
            answer, people = await self._ask(self._table, _asked_by(number, self._subject), records.PATIENT)
            if not people:
                unknown.append(answer.body)
                continue
            matching = [person for person in people if self._carries(person)]
            if matching:
                return self._found(records.PATIENT, {"Patient"}, answer, people, matching, linked)
            return self._found(records.MISMATCH, self._wanted, answer, people, (), linked)
        return Found(unknown=tuple(unknown))

    async def _named(self, table: ByDemographicsTable, values: Mapping[str, str], known: Found) -> Found:
        """By names and birth date."""
        answer, people = await self._ask(table, values, records.BY_DEMOGRAPHICS)
        matching = [person for person in people if self._look_up.number is not None and self._carries(person)]
        if known.records or matching:
            return self._found(records.BY_DEMOGRAPHICS, {"Patient"}, answer, people, matching, known)
        if people:
            return self._found(records.UNLINKED, self._wanted, answer, people, (), known)
        return self._nobody((*known.unknown, answer.body))

    async def _ask(
        self, table: PatientTable | ByDemographicsTable, values: Mapping[str, str], kind: str
    ) -> tuple[Answer, list[Any]]:
        """The people in the answer; none when the source says that it knows nobody."""
        answer = await self._get(table, values)
        people = [] if answer.absent else records.people_in(self._look_up, kind, answer.document)
        if len(people) > table.max_people:
            raise SourceInvalid("the look-up answered with more people than can be meant")
        return answer, people

    async def _get(self, table: PatientTable | ByDemographicsTable | ByIdTable, values: Mapping[str, str]) -> Answer:
        try:
            path = filled(table.path, values, in_path=True)
            params = [(name, filled(text, values, in_path=False)) for name, text in table.params.items()]
        except KeyError:
            raise SourceRequest("the look-up needs more about the person than is known") from None
        return await self._asker.get(path, params, self._call, table.not_found_statuses, table.not_found_codes)

    def _found(
        self,
        kind: str,
        types: Iterable[str],
        answer: Answer,
        people: list[Any],
        matching: Iterable[Any],
        known: Found,
    ) -> Found:
        """A record of the people who are not known yet, and those to ask on about."""
        ids = [self._local_id(person) for person in people]
        new = [position for position, local_id in enumerate(ids) if local_id not in known.seen]
        local_ids = (_safe(self._local_id(person)) for person in matching)
        return Found(
            records=(_record(records.chosen(kind, new, len(people)), types, answer.body),) if new else (),
            local_ids=tuple(dict.fromkeys(each for each in local_ids if each not in known.seen)),
            seen=frozenset(ids) - {""},
        )

    def _nobody(self, answers: Iterable[bytes]) -> Found:
        return Found(records=(_record(records.NOT_FOUND, self._wanted, *answers),))

    def _carries(self, person: Any) -> bool:
        return carries(person, self._look_up.number, self._numbers, self._context)

    def _local_id(self, person: Any) -> str:
        return local_id_of(person, self._look_up.local_id, self._context)


def _record(kind: str, types: Iterable[str], *parts: bytes) -> SourceRecord:
    return SourceRecord(
        kind=kind,
        types=frozenset(types),
        parts=parts,
        retrieved=datetime.now(UTC),
        candidates=kind.partition("@")[0] in records.OFFERED,
    )


def _failed(error: SourceError, types: Iterable[str]) -> Found:
    """What the other look-ups gave is kept: a gap says that there may be more."""
    return Found(records=(_record(f"patient.{records.FAILED}.{error.code}", types),))


def _asked_by(number: str, subject: Subject) -> Mapping[str, str]:
    """What the placeholders of the look-up by identifier stand for; one without a value is left out."""
    plain = compact(number)
    return {
        "identifier": number,
        "nhs_number": plain,
        "nhs_number_spaced": f"{plain[:3]} {plain[3:6]} {plain[6:]}",
        **_demographics(subject),
    }


def _demographics(subject: Subject) -> dict[str, str]:
    """The placeholders that say who somebody is without a number; one without a value is left out."""
    values = {"family": subject.family, "given": subject.given}
    if (born := subject.birth_date) is not None:
        values |= {
            "birth_date": born.isoformat(),
            "birth_date_uk": f"{born:%d/%m/%Y}",
            "birth_date_compact": f"{born:%Y%m%d}",
        }
    return {name: value for name, value in values.items() if value}


_NEEDED = dict.fromkeys(BIRTH_DATES, "birth_date")


def search_needs(table: ByDemographicsTable) -> frozenset[str]:
    """What must be stated for this search: the fields of `PatientSearch` that its placeholders stand for."""
    return frozenset(_NEEDED.get(name, name) for name in placeholders(table))


def _safe(local_id: str) -> str:
    """The id, proved to be one that cannot turn a path into another's."""
    if local_id in ("", ".", "..") or not local_id.isprintable():
        raise SourceInvalid("the source gave a person without a usable id")
    return local_id
