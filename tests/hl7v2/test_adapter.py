"""The adapter against a simulated patient administration system, and against servers that answer wrongly."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.hl7v2 import Hl7v2Adapter, Hl7v2Settings, mllp
from adapters.hl7v2.parser import Message, parse
from adapters.hl7v2.simulate import serve_pas
from adapters.sdk import (
    Call,
    SettingsError,
    SourceError,
    SourceInvalid,
    SourceRecord,
    SourceRequest,
    SourceTimeout,
    SourceUnavailable,
)
from adapters.testing.simulation import Faults
from schema.model.clinical import (
    AllergyIntolerance,
    DiagnosticReport,
    Encounter,
    Observation,
    Patient,
    RelatedPerson,
)
from schema.model.fact import PATIENT_NOT_FOUND, Fact, Gap, GapKind

Build = Callable[..., Any]
Answer = Callable[[Message], bytes]

NUMBER, TWINS, NOBODY = "9990000018", "9990000026", "9990000107"

MICHAEL = "\n".join(
    [
        rf"PID|1||{NUMBER}^^^NHS^NH~771^^^RBI^MR||QUILL\T\FEATHER^Michael||19680614|M",
        "PD1|||Tallow Yard Surgery^^Z81099",
        "NK1|1|QUILL^Rosamund|SIS^Sister^HL70063",
        "PV1|1|I|AMU" + "|" * 16 + "SP1^^^RBI^VN",
        "PV2|||^Seizure",
        "PV1|2|E|ED" + "|" * 16 + "ED1^^^RBI^VN",
        "AL1|1|DA|91936005^Penicillin^SCT",
        "DG1|1||F10.3^Withdrawal^I10",
        "OBR|1||F1|24325-3^LFT^LN",
        "OBX|1|NM|1742-6^ALT^LN||120|U/L|||||F",
    ]
)
LOUISE = f"PID|1||{TWINS}^^^NHS^NH~1^^^RBI^MR||FENN^Louise||19310902|F"
LOUISA = f"PID|1||{TWINS}^^^NHS^NH~2^^^RBI^MR||FENN^Louisa||19310902|F\nPV1|1|O|OPD" + "|" * 16 + "V2"
ALIEN = f"PID|1||{NUMBER}^^^OTHER^PI~3^^^RBI^MR||ALIEN^Zed"
PATIENTS = (MICHAEL, LOUISE, LOUISA, ALIEN)


async def gather(adapter: Hl7v2Adapter, ask: Any, call: Call) -> list[SourceRecord]:
    return [record async for record in adapter.fetch(ask, call)]


async def until_failure(adapter: Hl7v2Adapter, ask: Any, call: Call) -> tuple[list[SourceRecord], SourceError | None]:
    """The records that came, and the error after them."""
    records: list[SourceRecord] = []
    try:
        async for record in adapter.fetch(ask, call):
            records += [record]
    except SourceError as error:
        return records, error
    return records, None


def read(adapter: Hl7v2Adapter, records: Iterable[SourceRecord]) -> list[Fact | Gap]:
    return [item for record in records for item in adapter.read(record)]


def ids(items: list[Fact | Gap], kind: type[Fact]) -> list[str]:
    return sorted({item.native_id for item in items if isinstance(item, kind)})


@pytest.fixture
async def pas() -> AsyncIterator[tuple[int, Faults]]:
    faults = Faults()
    async with serve_pas(PATIENTS, faults) as port:
        yield port, faults


@pytest.mark.parametrize(
    ("queries", "kinds", "expected"),
    [
        (("demographics",), {"RSP^K22"}, {Patient: ["Patient/771"], RelatedPerson: ["RelatedPerson/771-NK1-1"]}),
        (
            ("demographics", "visits"),
            {"RSP^K22", "RSP^ZV2"},
            {Patient: ["Patient/771"], Encounter: ["Encounter/ED1", "Encounter/SP1"]},
        ),
        (("visits",), {"RSP^ZV2"}, {Patient: ["Patient/771"], RelatedPerson: ["RelatedPerson/771-NK1-1"]}),
        (
            ("a19",),
            {"ADR^A19"},
            {
                Encounter: ["Encounter/ED1", "Encounter/SP1"],
                AllergyIntolerance: ["AllergyIntolerance/771-AL1-1"],
                Observation: [],
            },
        ),
        (
            ("a19", "results"),
            {"ADR^A19", "ORF^R04"},
            {Observation: ["Observation/F1-1742-6"], DiagnosticReport: ["DiagnosticReport/F1"]},
        ),
    ],
)
async def test_each_query_brings_its_facts_and_no_type_is_left_silent(
    queries: tuple[str, ...],
    kinds: set[str],
    expected: dict[type[Fact], list[str]],
    pas: tuple[int, Faults],
    adapter: Build,
    ask: Build,
    call: Build,
) -> None:
    source = adapter(pas[0], queries=queries)
    records = await gather(source, ask(source, NUMBER), call())
    items = read(source, records)
    assert {record.kind for record in records} == kinds
    assert frozenset().union(*(record.types for record in records)) == source.types
    assert {kind: ids(items, kind) for kind in expected} == expected
    stated = {item.fact_type if isinstance(item, Gap) else type(item).__name__ for item in items}
    assert source.types <= stated


@pytest.mark.parametrize("version", ["2.3", "2.4", "2.5.1", "2.8"])
async def test_older_queries_work_in_every_version(
    version: str, pas: tuple[int, Faults], adapter: Build, ask: Build, call: Build
) -> None:
    source = adapter(pas[0], queries=("a19", "results"), version=version)
    items = read(source, await gather(source, ask(source, NUMBER), call()))
    assert ids(items, Patient) == ["Patient/771"]
    nobody = read(source, await gather(source, ask(source, NOBODY), call()))
    assert Gap(kind=GapKind.NOT_HELD, code=PATIENT_NOT_FOUND) in nobody


async def test_only_the_questions_that_are_needed_are_asked(
    pas: tuple[int, Faults], adapter: Build, ask: Build, call: Build
) -> None:
    port, faults = pas
    source = adapter(port, queries=("demographics", "visits", "results"))
    await gather(source, ask(source, NUMBER, types=frozenset({"Patient"})), call())
    assert faults.asked == 1


async def test_a_link_does_not_hide_whom_else_the_source_knows_by_the_nhs_number(
    pas: tuple[int, Faults], adapter: Build, ask: Build, call: Build
) -> None:
    source = adapter(pas[0], mrn_authority="RBI")
    for linked in (("Patient/2",), ("Patient/1", "Patient/2")):
        items = read(source, await gather(source, ask(source, TWINS, local=linked), call()))
        assert ids(items, Patient) == ["Patient/1", "Patient/2"]
        assert ids(items, Encounter) == ["Encounter/V2"], "what comes by both numbers is told of once"


async def test_a_linked_number_is_told_of_where_the_nhs_number_is_not_known(
    pas: tuple[int, Faults], adapter: Build, ask: Build, call: Build
) -> None:
    source = adapter(pas[0], mrn_authority="RBI")
    items = read(source, await gather(source, ask(source, NOBODY, local=("Patient/2",)), call()))
    assert ids(items, Patient) == ["Patient/2"]
    assert ids(items, Encounter) == ["Encounter/V2"]
    assert not [gap for gap in items if isinstance(gap, Gap) and gap.kind is GapKind.NOT_HELD]


async def test_one_number_with_two_people_brings_both_apart(
    pas: tuple[int, Faults], adapter: Build, ask: Build, call: Build
) -> None:
    source = adapter(pas[0])
    items = read(source, await gather(source, ask(source, TWINS), call()))
    assert ids(items, Patient) == ["Patient/1", "Patient/2"]
    assert {item.subject for item in items if isinstance(item, Encounter)} == {"Patient/2"}


async def test_an_unknown_person_is_not_held(pas: tuple[int, Faults], adapter: Build, ask: Build, call: Build) -> None:
    source = adapter(pas[0], queries=("demographics",))
    (record,) = await gather(source, ask(source, NOBODY), call())
    assert list(source.read(record)) == [Gap(kind=GapKind.NOT_HELD, code=PATIENT_NOT_FOUND)]


async def test_a_superseded_number_is_tried_when_the_current_one_is_unknown(
    pas: tuple[int, Faults], adapter: Build, ask: Build, call: Build
) -> None:
    port, faults = pas
    source = adapter(port, queries=("demographics",))
    (record,) = await gather(source, ask(source, NOBODY, NUMBER, TWINS), call())
    assert ids(list(source.read(record)), Patient) == ["Patient/771"]
    assert faults.asked == 2


async def test_check_asks_for_real(pas: tuple[int, Faults], adapter: Build, call: Build) -> None:
    port, faults = pas
    health = await adapter(port, queries=("demographics", "visits", "a19", "results")).check(call())
    assert faults.asked == 4
    assert health.detail == "answered 4 of 4 queries; knows the test patient"


async def test_continuations_are_followed_and_capped(adapter: Build, ask: Build, call: Build) -> None:
    people = [f"PID|1||{TWINS}^^^NHS^NH~{at}^^^RBI^MR||FENN^L{at}" for at in range(5)]
    async with serve_pas(people, Faults(), page_size=2) as port:
        source = adapter(port, queries=("demographics",))
        (record,) = await gather(source, ask(source, TWINS), call())
        assert (len(record.parts), record.truncated) == (3, False)
        assert ids(list(source.read(record)), Patient) == [f"Patient/{at}" for at in range(5)]
        capped = adapter(port, queries=("demographics",), max_pages=2)
        (record,) = await gather(capped, ask(capped, TWINS), call())
        items = list(capped.read(record))
        assert (len(record.parts), record.truncated) == (2, True)
        assert GapKind.TRUNCATED in {item.kind for item in items if isinstance(item, Gap)}


# Faults


async def test_a_source_that_is_down_is_unavailable(
    pas: tuple[int, Faults], adapter: Build, ask: Build, call: Build
) -> None:
    port, faults = pas
    faults.down = True
    source = adapter(port)
    with pytest.raises(SourceUnavailable):
        await gather(source, ask(source, NUMBER), call())


async def test_a_source_that_does_not_speak_hl7_is_invalid(
    pas: tuple[int, Faults], adapter: Build, ask: Build, call: Build
) -> None:
    port, faults = pas
    faults.garbage = True
    source = adapter(port)
    with pytest.raises(SourceInvalid):
        await gather(source, ask(source, NUMBER), call())


async def test_a_silent_source_is_left_at_the_deadline_and_answers_the_next_time(
    pas: tuple[int, Faults], adapter: Build, ask: Build, call: Build
) -> None:
    port, faults = pas
    faults.hold = asyncio.Event()
    source = adapter(port)
    with pytest.raises(SourceTimeout):
        await gather(source, ask(source, NUMBER), call(0.2))
    faults.hold.set()
    assert await gather(source, ask(source, NUMBER), call())


async def test_a_deadline_that_has_passed_asks_nobody(
    pas: tuple[int, Faults], adapter: Build, ask: Build, call: Build
) -> None:
    port, faults = pas
    source = adapter(port)
    with pytest.raises(SourceTimeout):
        await gather(source, ask(source, NUMBER), call(-1))
    assert faults.asked == 0


def reply(question: Message, **changed: str) -> bytes:
    """A right answer to an ITI-21 question, but for what is changed."""
    qpd = question.first("QPD")
    assert qpd is not None
    right = {
        "type": "RSP^K22^RSP_K21",
        "msa1": "AA",
        "msa2": question.header.text(10) or "",
        "qak1": qpd.text(2) or "",
        "qak2": "OK",
        "body": MICHAEL.partition("\n")[0],
    }
    use = {**right, **changed}
    lines = [
        f"MSH|^~\\&|PAS||S||20260317||{use['type']}|X1|P|2.5",
        f"MSA|{use['msa1']}|{use['msa2']}",
        f"QAK|{use['qak1']}|{use['qak2']}",
        qpd.raw,
        use["body"],
    ]
    return "\r".join(line for line in lines if line).encode()


def answering(answer: Answer) -> Callable[[bytes], Awaitable[bytes]]:
    async def handle(payload: bytes) -> bytes:
        return answer(parse(payload))

    return handle


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"msa2": "someone-elses"}, SourceInvalid),
        ({"msa2": ""}, SourceInvalid),
        ({"msa1": "AE"}, SourceRequest),
        ({"msa1": "AR"}, SourceRequest),
        ({"msa1": "CE"}, SourceRequest),
        ({"msa1": "XX"}, SourceInvalid),
        ({"type": "ADR^A19"}, SourceInvalid),
        ({"type": "ACK"}, SourceInvalid),
        ({"type": "RSP^ZV2"}, SourceInvalid),
        ({"qak1": "another-query"}, SourceInvalid),
        ({"qak2": "AE"}, SourceRequest),
        ({"qak2": "AR"}, SourceRequest),
        ({"qak2": "??"}, SourceInvalid),
        ({"qak2": "NF"}, SourceInvalid),
        ({"body": ""}, SourceInvalid),
        ({"body": "MSH|^~\\&|second"}, SourceInvalid),
    ],
)
async def test_an_answer_that_does_not_answer_the_question_is_refused(
    changed: dict[str, str], error: type[Exception], adapter: Build, ask: Build, call: Build
) -> None:
    async with mllp.serve(answering(lambda question: reply(question, **changed))) as port:
        source = adapter(port, queries=("demographics",))
        with pytest.raises(error) as raised:
            await gather(source, ask(source, NUMBER), call())
    assert NUMBER not in str(raised.value)
    assert "QUILL" not in str(raised.value)


async def test_the_unchanged_answer_is_accepted(adapter: Build, ask: Build, call: Build) -> None:
    async with mllp.serve(answering(reply)) as port:
        source = adapter(port, queries=("demographics",))
        (record,) = await gather(source, ask(source, NUMBER), call())
    assert ids(list(source.read(record)), Patient) == ["Patient/771"]


async def test_a_commit_acknowledgement_is_not_the_answer(adapter: Build, ask: Build, call: Build) -> None:
    """Enhanced mode (HL7 v2.5.1 section 2.9.3): CA first, the answer after it on the same connection."""

    def answer(question: Message) -> bytes:
        commit = f"MSH|^~\\&|PAS||S||20260317||ACK|X0|P|2.5\rMSA|CA|{question.header.text(10)}\r".encode()
        return commit + mllp.END + b"\n" + mllp.START + reply(question)

    async with mllp.serve(answering(answer)) as port:
        source = adapter(port, queries=("demographics",))
        (record,) = await gather(source, ask(source, NUMBER), call())
    assert b"RSP^K22" in record.parts[0]


async def test_an_answer_over_the_cap_is_invalid(adapter: Build, ask: Build, call: Build) -> None:
    async with mllp.serve(answering(lambda q: reply(q, body="PID|1||" + "x" * 2000))) as port:
        source = adapter(port, queries=("demographics",), max_frame_bytes=1024)
        with pytest.raises(SourceInvalid):
            await gather(source, ask(source, NUMBER), call())


async def test_one_failing_query_does_not_cost_the_other_its_answer(adapter: Build, ask: Build, call: Build) -> None:
    def answer(question: Message) -> bytes:
        return reply(question) if question.type == "QBP^Q22" else reply(question, msa1="AE")

    async with mllp.serve(answering(answer)) as port:
        source = adapter(port)
        records, error = await until_failure(source, ask(source, NUMBER), call())
    assert [record.kind for record in records] == ["RSP^K22"]
    assert isinstance(error, SourceRequest)


@pytest.mark.parametrize("second", ["loop", "broken"])
async def test_pages_before_a_cut_are_kept_and_said_to_be_cut(
    second: str, adapter: Build, ask: Build, call: Build
) -> None:
    def answer(question: Message) -> bytes:
        page = reply(question, body=MICHAEL.partition("\n")[0] + "\rDSC|P1|I")
        return page if second == "loop" or question.first("DSC") is None else b"broken"

    async with mllp.serve(answering(answer)) as port:
        source = adapter(port, queries=("demographics",))
        records, error = await until_failure(source, ask(source, NUMBER), call())
    (record,) = records
    assert isinstance(error, SourceInvalid) is (second == "broken")
    assert record.truncated
    assert len(record.parts) == (2 if second == "loop" else 1)


async def test_an_identifier_cannot_write_into_the_question(adapter: Build, ask: Build, call: Build) -> None:
    heard: list[Message] = []

    def answer(question: Message) -> bytes:
        heard.append(question)
        return reply(question, qak2="NF", body="")

    evil = "1^2~3|4&5\\T\\\rPID|1||666\x1c\r\x0bMSH|^~\\&|"
    async with mllp.serve(answering(answer)) as port:
        source = adapter(port, queries=("demographics",))
        await gather(source, ask(source, evil), call())
    (question,) = heard
    assert [s.name for s in question.segments] == ["MSH", "QPD", "RCP"]
    assert question.segments[1].repetitions(3)[0].text(2) == evil


# Settings


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"queries": ()}, "queries"),
        ({"queries": ("a19", "a19")}, "queries"),
        ({"version": "2.3"}, "2.4"),
        ({"tls_ca": "ca.pem"}, "tls = true"),
        ({"charset": "LATIN"}, "0211"),
        ({"color": "blue"}, "color"),
    ],
)
def test_settings_that_cannot_work_are_refused_with_a_word_on_what_to_write(
    settings: dict[str, Any], word: str
) -> None:
    with pytest.raises(ValidationError, match=word):
        Hl7v2Settings(**{"host": "pas.example.org", "port": 2575, **settings})


def test_a_certificate_that_cannot_be_read_is_a_settings_error(adapter: Build) -> None:
    with pytest.raises(SettingsError):
        adapter(tls=True, tls_ca="/nowhere/ca.pem")


def test_types_are_declared_from_the_configured_queries(adapter: Build) -> None:
    assert adapter().types == {"Patient", "RelatedPerson", "Encounter"}
    assert adapter(queries=("results",)).types == {"Patient", "DiagnosticReport", "Observation"}
    assert adapter(mrn_system="https://r.example/mrn").identifier_systems >= {"https://r.example/mrn"}


# The simulator itself


@pytest.mark.parametrize(
    ("lines", "code", "status"),
    [
        (["QPD|IHE PDQ Query|T1|@PID.5.1^FENN~@PID.5.2^Louisa", "RCP|I|10^RD"], "AA", "OK"),
        (["QPD|IHE PDQ Query|T1|@PID.3.1^1~@PID.3.4^NHS", "RCP|I"], "AA", "NF"),
        (["QPD|IHE PDQ Query|T1|@PID.3.1^1"], "AE", "AE"),
        (["QPD|IHE PDQ Query|T1|", "RCP|I"], "AE", "AE"),
        (["QPD|IHE PDQ Query|T1|PID^1", "RCP|I"], "AE", "AE"),
        (["QPD|IHE PDQ Query|T1|@PID.3.1^1", "RCP|I", "DSC|made-up|I"], "AE", "AE"),
    ],
)
async def test_the_simulator_really_reads_the_question(
    lines: list[str], code: str, status: str, pas: tuple[int, Faults], call: Build
) -> None:
    header = "MSH|^~\\&|S||PAS||20260317||QBP^Q22^QBP_Q21|C1|P|2.5"
    async with mllp.Connection("127.0.0.1", pas[0], call(), 10**6, None) as line:
        answer = parse(await line.exchange("\r".join([header, *lines]).encode()))
    msa, qak = answer.first("MSA"), answer.first("QAK")
    assert msa is not None
    assert qak is not None
    assert (msa.text(1), msa.text(2), qak.text(2)) == (code, "C1", status)
