"""Sample messages of other people against tests/samples/hl7v2.toml, a table written by hand from the files alone."""

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

import pytest

from adapters.hl7v2 import Hl7v2Adapter
from adapters.hl7v2.parser import Message, parse
from adapters.sdk import SourceRecord
from schema.model.clinical import DiagnosticReport, Observation, Patient
from schema.model.fact import Fact, Gap
from tests.support.samples import MISSING, SAMPLES, table

MESSAGES = SAMPLES / "hl7v2"
TABLE = table("hl7v2")

pytestmark = pytest.mark.skipif(not MESSAGES.is_dir(), reason=MISSING)


def in_runs(names: list[str]) -> list[str]:
    runs = ((name, len(list(run))) for name, run in groupby(names))
    return [name if count == 1 else f"{name}*{count}" for name, count in runs]


def described(data: bytes, message: Message) -> dict[str, Any]:
    """The table's columns, as the parser sees the file."""
    header = message.header
    lines = data.decode("utf-8-sig").split("\n")
    evn = message.first("EVN")
    event = evn.text(1) if evn is not None else None
    found: dict[str, Any] = {
        "type": message.type,
        "version": header.text(12),
        "control_id": header.text(10),
        "processing": header.text(11),
        "segments": in_runs([s.name for s in message.segments]),
        "subjects": [cx.text(1) for pid in message.all("PID") for cx in pid.repetitions(3)],
        "pids": len(list(message.all("PID"))),
        "bom": message.bom,
        "final_newline": data.endswith(b"\n"),
        "retired": [cx.text(1) for mrg in message.all("MRG") for cx in mrg.repetitions(1)],
        "restricted": message.first("ARV") is not None,
        "evn1": event if event != header.text(9, 2) else None,
        "msh18": header.text(18),
        "blank_lines": sum(not line.strip() for line in (lines[:-1] if data.endswith(b"\n") else lines)),
        "trailing_blanks": [at for at, line in enumerate(lines, 1) if line.strip() and line.endswith(" ")],
    }
    return {key: value for key, value in found.items() if value not in (None, [], 0) or key in ("bom", "final_newline")}


def test_the_table_names_every_sample() -> None:
    assert {row["name"] for row in TABLE} == {path.name for path in MESSAGES.glob("*.hl7")}
    assert len(TABLE) == 70


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row["name"])
def test_a_sample_reads_as_the_table_says(row: dict[str, Any]) -> None:
    data = (MESSAGES / row["name"]).read_bytes()
    message = parse(data)
    expected = {key: value for key, value in row.items() if key not in ("name", "note") and value is not False}
    found = {key: value for key, value in described(data, message).items() if value is not False}
    assert found == expected
    assert message.unreadable == 0
    assert not message.doubtful


def read_sample(name: str, adapter: Callable[..., Hl7v2Adapter]) -> list[Fact | Gap]:
    data = (MESSAGES / name).read_bytes()
    record = SourceRecord(
        kind=parse(data).type, types=adapter().types, parts=(data,), retrieved=datetime(2026, 3, 17, tzinfo=UTC)
    )
    return list(adapter().read(record))


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row["name"])
def test_every_sample_is_read_without_loss(row: dict[str, Any], adapter: Callable[..., Hl7v2Adapter]) -> None:
    items = read_sample(row["name"], adapter)
    facts = [item for item in items if isinstance(item, Fact)]
    gaps = [item for item in items if isinstance(item, Gap)]
    people = [fact for fact in facts if isinstance(fact, Patient)]
    local = {person.native_id for person in people}
    # Either a person was identified with certainty, or it is said that none was.
    assert len(people) + sum(gap.at == "PID-3" for gap in gaps) == row["pids"]
    assert {fact.subject for fact in facts} <= local | {None}
    others = [fact.native_id for fact in facts if not isinstance(fact, Patient)]
    assert len(others) == len(set(others))


def test_ten_results_under_two_orders_are_ten_although_their_set_ids_repeat(
    adapter: Callable[..., Hl7v2Adapter],
) -> None:
    items = read_sample("LAB-ORU-2.hl7", adapter)
    results = [item for item in items if isinstance(item, Observation)]
    reports = [item for item in items if isinstance(item, DiagnosticReport)]
    assert [str(r.value_quantity.value) for r in results if r.value_quantity] == [
        *("0", "72", "2", "20", "6"),
        *("13.4", "8.2", "4.08", "39.7", "220"),
    ]
    assert [(r.native_id, len(r.results)) for r in reports] == [
        ("DiagnosticReport/890775544", 5),
        ("DiagnosticReport/82503246", 5),
    ]
    assert results[5].value_quantity is not None
    assert (results[5].value_quantity.unit, results[5].value_quantity.system) == ("g/l-1", None)


def test_a_number_under_an_unknown_authority_is_no_nhs_number(adapter: Callable[..., Hl7v2Adapter]) -> None:
    def systems(items: list[Fact | Gap]) -> list[tuple[str | None, bool | None]]:
        (person,) = (item for item in items if isinstance(item, Patient))
        return [(i.system, i.verified) for i in person.identifiers]

    def configured(**settings: Any) -> Hl7v2Adapter:
        return adapter(mrn_authority="SIMULATOR MRN", **settings)

    assert systems(read_sample("MDM-T02-03.hl7", configured)) == [(None, None), (None, None)]
    nhs = "https://fhir.nhs.uk/Id/nhs-number"
    mapped = read_sample("MDM-T02-03.hl7", lambda: configured(authorities={"NHSNBR": nhs}))
    assert systems(mapped) == [(None, None), (nhs, None)]


def test_lines_of_one_text_are_one_observation(adapter: Callable[..., Hl7v2Adapter]) -> None:
    items = read_sample("MDM-T02-03.hl7", lambda: adapter(mrn_authority="SIMULATOR MRN"))
    (text,) = (item for item in items if isinstance(item, Observation))
    assert text.value_string is not None
    assert len(text.value_string.split("\n")) == 29


def test_an_identifier_without_authority_and_type_identifies_nobody(adapter: Callable[..., Hl7v2Adapter]) -> None:
    items = read_sample("ORU-R01-RMGEAD.hl7", adapter)
    # Its only identifier has neither authority nor type: nobody is identified, and that is said.
    assert [item.at for item in items if isinstance(item, Gap)] == ["PID-3"]
