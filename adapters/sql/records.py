"""The kinds of source records of a `sql` source, and how each is read: the pure half of the adapter.

patient                    the look-up's rows                        parts: one document
patient.by_id              demographics by local id                  parts: one document for each id
patient.by_demographics    people of some names and birth date       parts: one document
patient.not_found          no identifier is known                    parts: the empty answers
patient.mismatch           only people with another number           parts: one document
patient.failed.<code>      the look-up failed beside linked people   parts: none
<resource>                 a resource's rows                         parts: one document
<resource>.empty           it has no row                             parts: one document
<resource>.failed.<code>   its query failed, others did not          parts: none

A document is JSON, {"rows": [{column: cell}]}: see `adapters.sql.cells`.
"""

from collections.abc import Iterable, Iterator
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from adapters.sdk import SourceInvalid, SourceRecord
from adapters.sdk.decode import json_value
from adapters.sdk.mapping import Row, RowMapping, read_rows
from adapters.sql.columns import Fate, Meaning
from adapters.sql.mapping_file import Legacy, LookUp, Resource
from schema.model.fact import PATIENT_NOT_FOUND, Fact, Gap, GapKind

PATIENT = "patient"
BY_ID = "patient.by_id"
BY_DEMOGRAPHICS = "patient.by_demographics"
NOT_FOUND = "patient.not_found"
MISMATCH = "patient.mismatch"
PATIENT_TYPE = "Patient"
_WHO = frozenset({PATIENT_TYPE})
IDENTITY_MISMATCH = "IDENTITY_MISMATCH"
EMPTY = "empty"
FAILED = "failed"


def read_record(legacy: Legacy, record: SourceRecord, zone: ZoneInfo) -> Iterator[Fact | Gap]:
    """Facts and gaps of one record: every type in `record.types` ends in at least one of them."""
    name, _, rest = record.kind.partition(".")
    if rest.startswith(f"{FAILED}."):
        code = rest.removeprefix(f"{FAILED}.")
        yield from (Gap(kind=GapKind.FAILED, fact_type=each, code=code) for each in sorted(record.types))
        return
    if name == PATIENT:
        yield from _read_patient(legacy.look_up, record, zone)
        return
    resource = next((each for each in legacy.resources if each.name == name), None)
    if resource is None:
        raise SourceInvalid("the record is of a resource that the mapping file no longer has")
    yield from _read_resource(resource, record, zone)


def _read_patient(look_up: LookUp, record: SourceRecord, zone: ZoneInfo) -> Iterator[Fact | Gap]:
    rows = _documents(record)
    if record.kind == NOT_FOUND:
        if any(look_up.meaning.fate(look_up.meaning.understood(row.value)) is not Fate.GONE for row in rows):
            raise SourceInvalid("the record says that nobody was found, and has people in it")
        yield Gap(kind=GapKind.NOT_HELD, code=PATIENT_NOT_FOUND)
        return
    yield from _rows((look_up.rows,), rows, look_up.meaning, msgspec.structs.replace(record, types=_WHO), zone)
    if record.kind == MISMATCH:
        yield Gap(kind=GapKind.FAILED, code=IDENTITY_MISMATCH, text="the source answered with other people only")


def _read_resource(resource: Resource, record: SourceRecord, zone: ZoneInfo) -> Iterator[Fact | Gap]:
    yield from _rows(resource.rows, _documents(record), resource.meaning, record, zone)


def _documents(record: SourceRecord) -> list[Row]:
    if not record.parts:
        raise SourceInvalid("the record has no rows in it")
    return [
        Row(f"parts/{part}/rows/{i}", row)
        for part, body in enumerate(record.parts)
        for i, row in enumerate(_listed(json_value(body)))
    ]


def _listed(document: Any) -> list[dict[str, Any]]:
    rows = document.get("rows") if isinstance(document, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise SourceInvalid("the record is not a list of rows")
    return rows


def _rows(
    mappings: tuple[RowMapping, ...], rows: Iterable[Row], meaning: Meaning, record: SourceRecord, zone: ZoneInfo
) -> Iterator[Fact | Gap]:
    types = record.types
    kept: list[Row] = []
    withdrawn: list[Row] = []
    unclear: list[Row] = []
    for row in rows:
        understood = Row(row.at, meaning.told(row.value, record.retrieved, zone))
        match meaning.fate(understood.value):
            case Fate.KEPT:
                kept.append(understood)
            case Fate.ENTERED_IN_ERROR:
                withdrawn.append(understood)
            case Fate.UNCLEAR:
                unclear.append(understood)
    explained: set[str] = set()
    for found in _found(mappings, kept, withdrawn, zone, types):
        explained.add(type(found).__name__ if isinstance(found, Fact) else found.fact_type or "")
        yield found
    if unclear:
        why = "the soft-delete column does not say whether a row is deleted"
        at = unclear[0].at
        for each in sorted({mapping.fact_name for mapping in mappings} & types):
            explained.add(each)
            yield Gap(
                kind=GapKind.UNREADABLE,
                fact_type=each,
                code="UNREADABLE_VALUE",
                text=why,
                at=at,
                count=len(unclear),
            )
    if record.truncated:
        yield from (Gap(kind=GapKind.TRUNCATED, fact_type=each) for each in sorted(types))
    else:
        yield from (Gap(kind=GapKind.NOT_RECORDED, fact_type=each) for each in sorted(types - explained))


def _found(
    mappings: tuple[RowMapping, ...], kept: list[Row], withdrawn: list[Row], zone: ZoneInfo, types: frozenset[str]
) -> Iterator[Fact | Gap]:
    yield from read_rows(mappings, kept, zone, types)
    for found in read_rows(mappings, withdrawn, zone, types):
        yield msgspec.structs.replace(found, entered_in_error=True) if isinstance(found, Fact) else found
