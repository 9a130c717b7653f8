"""The kinds of source records of a `rest` source, and how each is read: the pure half of the adapter.

patient                    the look-up's answer                    parts: one answer
patient.by_id              demographics by local id                parts: one answer
patient.not_found          every way of asking said "unknown"      parts: each answer
patient.mismatch           only people with another number         parts: one answer
<resource>                 a resource                              parts: its pages
<resource>.empty           the vendor said "none"                  parts: one answer
<resource>.failed.<code>   the vendor failed, others did not       parts: none
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
PATIENT_TYPE = "Patient"
IDENTITY_MISMATCH = "IDENTITY_MISMATCH"
EMPTY = "empty"
FAILED = "failed"


def read_record(vendor: Vendor, record: SourceRecord, zone: ZoneInfo) -> Iterator[Fact | Gap]:
    """Facts and gaps of one record: every type in `record.types` ends in at least one of them."""
    name, _, rest = record.kind.partition(".")
    if name == PATIENT:
        yield from _read_patient(vendor.look_up, record, zone)
        return
    resource = next((each for each in vendor.resources if each.name == name), None)
    if resource is None:
        raise SourceInvalid("the record is of a resource that the mapping file no longer has")
    if rest == EMPTY:
        yield from (Gap(kind=GapKind.NOT_RECORDED, fact_type=each) for each in sorted(record.types))
    elif rest:
        code = rest.removeprefix(f"{FAILED}.")
        yield from (Gap(kind=GapKind.FAILED, fact_type=each, code=code) for each in sorted(record.types))
    else:
        yield from _read_resource(resource, record, zone)


def _read_patient(look_up: LookUp, record: SourceRecord, zone: ZoneInfo) -> Iterator[Fact | Gap]:
    if record.kind == NOT_FOUND:
        yield Gap(kind=GapKind.NOT_HELD, code=PATIENT_NOT_FOUND)
        return
    if len(record.parts) != 1:
        raise SourceInvalid("the record of a person is not one answer")
    document = json_value(record.parts[0])
    people = [by_id_item(look_up, document)] if record.kind == BY_ID else listed(look_up.items, document)
    rows = [Row(f"parts/0/items/{i}", person) for i, person in enumerate(people)]
    yield from _rows((look_up.rows,), rows, frozenset({PATIENT_TYPE}), zone)
    if record.kind == MISMATCH:
        yield Gap(kind=GapKind.FAILED, code=IDENTITY_MISMATCH, text="the source answered with other people only")


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
