"""The kinds of source records of a `rest` source, and how each is read: the pure half of the adapter.

patient                      the look-up's answer                       parts: one answer
patient.mismatch             its people all have another number         parts: one answer
patient.by_id                demographics by local id                   parts: one answer
patient.by_demographics      the answer to names and birth date         parts: one answer
patient.unlinked             the same, when nobody else is known        parts: one answer
patient.not_found            every way of asking said "unknown"         parts: each answer
patient.failed.<code>        a look-up failed, another did not          parts: none
<resource>                   a resource                                 parts: its pages
<resource>.empty             the vendor said "none"                     parts: one answer
<resource>.failed.<code>     the vendor failed, others did not          parts: none

An answer that names people whom an earlier record gave already has the positions of the others after its kind:
`patient.by_demographics@0+2`.
"""

from collections.abc import Iterable, Iterator
from typing import Any
from zoneinfo import ZoneInfo

from adapters.rest.answers import listed
from adapters.rest.mapping_file import LookUp, Resource, Vendor
from adapters.sdk import SourceInvalid, SourceRecord
from adapters.sdk.converters import Unreadable
from adapters.sdk.decode import json_value
from adapters.sdk.mapping import Row, RowMapping, read_rows
from schema.model.fact import PATIENT_NOT_FOUND, Fact, Gap, GapKind

PATIENT = "patient"
BY_ID = "patient.by_id"
NOT_FOUND = "patient.not_found"
MISMATCH = "patient.mismatch"
BY_DEMOGRAPHICS = "patient.by_demographics"
UNLINKED = "patient.unlinked"
PATIENT_TYPE = "Patient"
OFFERED = frozenset({BY_DEMOGRAPHICS, UNLINKED})
"""Answers to names and a birth date: whoever is in them is a candidate (`SourceRecord.candidates`)."""
IDENTITY_MISMATCH = "IDENTITY_MISMATCH"
PRESENT_NOT_LINKED = "PRESENT_NOT_LINKED"
EMPTY = "empty"
FAILED = "failed"


_NOBODY_PROVED = {
    MISMATCH: (IDENTITY_MISMATCH, "the source answered with other people only"),
    UNLINKED: (PRESENT_NOT_LINKED, "the source has people of this name and birth date, and nobody of this number"),
}
"""Why a record of people is no answer to anything but who they are: the code and the words of its gap."""


def chosen(kind: str, positions: list[int], people: int) -> str:
    """The kind of a record of which only the people at these positions are new."""
    return kind if len(positions) == people else f"{kind}@{'+'.join(map(str, positions))}"


def read_record(vendor: Vendor, record: SourceRecord, zone: ZoneInfo) -> Iterator[Fact | Gap]:
    """Facts and gaps of one record: every type in `record.types` ends in at least one of them."""
    kind, _, positions = record.kind.partition("@")
    name, _, rest = kind.partition(".")
    code = rest.removeprefix(f"{FAILED}.")
    if code != rest:
        yield from (Gap(kind=GapKind.FAILED, fact_type=each, code=code) for each in sorted(record.types))
        return
    if name == PATIENT:
        yield from _read_patient(vendor.look_up, record, kind, positions, zone)
        return
    resource = next((each for each in vendor.resources if each.name == name), None)
    if resource is None:
        raise SourceInvalid("the record is of a resource that the mapping file no longer has")
    if rest == EMPTY:
        yield from (Gap(kind=GapKind.NOT_RECORDED, fact_type=each) for each in sorted(record.types))
    else:
        yield from _read_resource(resource, record, zone)


def _read_patient(
    look_up: LookUp, record: SourceRecord, kind: str, positions: str, zone: ZoneInfo
) -> Iterator[Fact | Gap]:
    if kind == NOT_FOUND:
        yield Gap(kind=GapKind.NOT_HELD, code=PATIENT_NOT_FOUND)
        return
    if len(record.parts) != 1:
        raise SourceInvalid("the record of a person is not one answer")
    people = people_in(look_up, kind, json_value(record.parts[0]))
    rows = [Row(f"parts/0/items/{i}", person) for i, person in enumerate(people)]
    if positions:
        try:
            rows = [rows[int(position)] for position in positions.split("+")]
        except IndexError:
            raise SourceInvalid("the answer lacks people whom it had") from None
    yield from _rows((look_up.rows,), rows, frozenset({PATIENT_TYPE}), zone)
    if kind in _NOBODY_PROVED:
        code, why = _NOBODY_PROVED[kind]
        yield Gap(kind=GapKind.FAILED, code=code, text=why)


def people_in(look_up: LookUp, kind: str, document: Any) -> list[Any]:
    """The people in an answer that is kept as `kind`. Raises SourceInvalid when there is no such list, or person."""
    if kind == BY_ID:
        return [by_id_item(look_up, document)]
    others = look_up.by_demographics_items
    return listed(others if others is not None and kind in (BY_DEMOGRAPHICS, UNLINKED) else look_up.items, document)


def by_id_item(look_up: LookUp, document: Any) -> Any:
    """The person in an answer to `[patient.by_id]`. Raises SourceInvalid when there is none."""
    try:
        person = look_up.by_id_item.search(document) if look_up.by_id_item is not None else None
    except Unreadable:
        person = None
    if not isinstance(person, dict):
        raise SourceInvalid("the answer has no person where the mapping says that it is")
    return person


def _read_resource(resource: Resource, record: SourceRecord, zone: ZoneInfo) -> Iterator[Fact | Gap]:
    if not record.parts:
        raise SourceInvalid("the record has no answer in it")
    rows = [
        Row(f"parts/{part}/items/{i}", item)
        for part, body in enumerate(record.parts)
        for i, item in enumerate(listed(resource.items, json_value(body)))
    ]
    yield from _rows(resource.rows, rows, record.types, zone, truncated=record.truncated)


def _rows(
    mappings: tuple[RowMapping, ...],
    rows: Iterable[Row],
    types: frozenset[str],
    zone: ZoneInfo,
    *,
    truncated: bool = False,
) -> Iterator[Fact | Gap]:
    explained: set[str] = set()
    for found in read_rows(mappings, rows, zone, types):
        explained.add(type(found).__name__ if isinstance(found, Fact) else found.fact_type or "")
        yield found
    if truncated:
        yield from (Gap(kind=GapKind.TRUNCATED, fact_type=each) for each in sorted(types))
    else:
        yield from (Gap(kind=GapKind.NOT_RECORDED, fact_type=each) for each in sorted(types - explained))
