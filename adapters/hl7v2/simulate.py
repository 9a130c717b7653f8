"""A patient administration system that answers HL7 v2 queries, for tests and the demo. IHE ITI TF-2 3.21 and 3.22;
HL7 v2.5.1 sections 3.3.19 and 7.3.3.

It really parses the question and really matches it against its patients; it never sees who is expected.
"""

import secrets
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Literal

from adapters.hl7v2 import mllp
from adapters.hl7v2.build import message, segment
from adapters.hl7v2.groups import TECHNICAL
from adapters.hl7v2.parser import Delimiters, Dialect, Message, Repetition, Segment, parse
from adapters.sdk import SourceInvalid
from adapters.testing.simulation import Faults

_DIALECT = Dialect(Delimiters(), "utf-8")
_DEMOGRAPHICS = frozenset({"PID", "PD1", "NK1"})
_RESULTS = frozenset({"OBR", "OBX", "SPM"})
_CONTENT: dict[str, tuple[tuple[str, ...], frozenset[str] | None]] = {
    "QBP^Q22": (("RSP", "K22", "RSP_K21"), _DEMOGRAPHICS),
    "QBP^ZV1": (("RSP", "ZV2", "RSP_ZV2"), _DEMOGRAPHICS | {"PV1", "PV2"}),
    "QRY^A19": (("ADR", "A19"), None),
    "QRY^R02": (("ORF", "R04"), _RESULTS | {"PID"}),
}
"""For each question the answer's MSH-9, and the segments it holds (None: all but results)."""


class Malformed(ValueError):
    """A question that cannot be carried out."""


class _Patient:
    def __init__(self, text: str) -> None:
        lines = [line.strip("\r") for line in text.split("\n")]
        self.segments = [Segment(line, _DIALECT) for line in lines if line.strip()]
        if not self.segments or self.segments[0].name != "PID":
            raise ValueError("a simulated patient begins with PID")

    def matches(self, wanted: dict[tuple[str, int], dict[tuple[int, int], str]]) -> bool:
        """Every criterion of one field is met by one repetition of it: not the number here and the authority there."""
        return all(
            any(
                all(_same(name, field, value.text(*place), text) for place, text in parts.items())
                for one in self.segments
                if one.name == name
                for value in one.repetitions(field)
            )
            for (name, field), parts in wanted.items()
        )

    def answer(self, kinds: frozenset[str] | None) -> list[str]:
        """Its segments; remarks stay with the segment before them."""
        kept: list[str] = []
        keep = False
        for one in self.segments:
            if one.name != "NTE":
                keep = one.name in kinds if kinds is not None else one.name not in _RESULTS
            if keep:
                kept.append(one.raw)
        return kept


def _same(name: str, field: int, held: str | None, asked: str) -> bool:
    """Capitals make no difference in a person's name (PID-5); everywhere else the text is compared as it is."""
    if (name, field) == ("PID", 5) and held is not None:
        return held.casefold() == asked.casefold()
    return held == asked


class _Pas:
    def __init__(self, patients: Iterable[str], faults: Faults, page_size: int) -> None:
        self._patients = [_Patient(text) for text in patients]
        self._faults = faults
        self._page_size = page_size
        self._open: dict[str, tuple[str, int]] = {}
        """Continuation pointers handed out: the query tag they belong to, and where to go on."""

    async def handle(self, payload: bytes) -> bytes | None:
        await self._faults.before_answer()
        if self._faults.down:
            return None
        if self._faults.garbage:
            return b"<html><title>Sign in</title></html>"
        try:
            question = parse(payload)
        except SourceInvalid:
            return mllp.NAK
        kind = question.type
        if kind not in _CONTENT:
            return self._write(question, ("ACK",), "AR", [segment("ERR", None, None, "200", "E")])
        try:
            return self._carry_out(question, kind)
        except Malformed:
            return self._write(
                question,
                _CONTENT[kind][0],
                "AE",
                [segment("ERR", None, None, "101", "E"), *self._status(question, "AE")],
            )

    def _carry_out(self, question: Message, kind: str) -> bytes:
        answer_type, kinds = _CONTENT[kind]
        wanted = _criteria(question)
        hits = [patient for patient in self._patients if patient.matches(wanted)]
        if kind == "QRY^R02":
            hits = [patient for patient in hits if any(s.name == "OBR" for s in patient.segments)]
        start = self._start(question)
        size = min(self._page_size, _quantity(question))
        page = hits[start : start + size]
        body = self._status(question, "OK" if page else "NF")
        for patient in page:
            body += patient.answer(kinds)
        if start + size < len(hits):
            pointer = secrets.token_hex(8)
            self._open[pointer] = (_tag(question), start + size)
            body.append(segment("DSC", pointer, "I"))
        return self._write(question, answer_type, "AA", body)

    def _start(self, question: Message) -> int:
        dsc = question.first("DSC")
        if dsc is None:
            return 0
        tag, start = self._open.get(dsc.text(1) or "", ("", 0))
        if tag != _tag(question):
            raise Malformed("an unknown continuation pointer")
        return start

    def _status(self, question: Message, status: Literal["OK", "NF", "AE"]) -> list[str]:
        """QAK came with version 2.4; the definition is echoed."""
        old = (question.header.text(12) or "").startswith(("2.1", "2.2", "2.3"))
        echo = [s.raw for s in question.segments if s.name in ("QPD", "QRD", "QRF")]
        return [*([] if old else [segment("QAK", _tag(question), status)]), *echo]

    def _write(self, question: Message, answer_type: tuple[str, ...], code: str, body: list[str]) -> bytes:
        asked = question.header
        header = segment(
            "MSH",
            asked.text(5),
            asked.text(6),
            asked.text(3),
            asked.text(4),
            datetime.now(UTC).strftime("%Y%m%d%H%M%S%z"),
            None,
            answer_type,
            secrets.token_hex(10),
            asked.text(11),
            asked.text(12),
            *[None] * 5,
            "UNICODE UTF-8",
        )
        return message([header, segment("MSA", code, asked.text(10)), *body])


def _tag(question: Message) -> str:
    """QPD-2 or QRD-4."""
    qpd, qrd = question.first("QPD"), question.first("QRD")
    return (qpd.text(2) if qpd else qrd.text(4) if qrd else None) or ""


def _quantity(question: Message) -> int:
    """RCP-2 or QRD-7; without one, no limit."""
    rcp, qrd = question.first("RCP"), question.first("QRD")
    text = rcp.text(2) if rcp else qrd.text(7) if qrd else None
    if text is not None and not (text.isdecimal() and int(text)):
        raise Malformed("not a quantity")
    return int(text) if text else 1_000_000


def _criteria(question: Message) -> dict[tuple[str, int], dict[tuple[int, int], str]]:
    """What is asked for: text by segment, field, component and subcomponent."""
    found: dict[tuple[str, int], dict[tuple[int, int], str]] = {}
    qpd, qrd = question.first("QPD"), question.first("QRD")
    if question.type.startswith("QBP"):
        if qpd is None or question.first("RCP") is None or not _tag(question):
            raise Malformed("QPD or RCP is missing")
        for value in qpd.repetitions(3):
            name, field, place = _parameter(value)
            found.setdefault((name, field), {})[place] = value.text(2) or ""
    else:
        if qrd is None or not qrd.repetitions(8) or not _tag(question):
            raise Malformed("QRD is missing or asks for nobody")
        # QRD-8 is an XCN: id, assigning authority and type stand in the first, ninth and thirteenth component.
        who = qrd.repetitions(8)[0]
        parts = {(1, 1): who.text(1), (4, 1): who.text(9), (5, 1): who.text(13)}
        found["PID", 3] = {place: text for place, text in parts.items() if text}
    if not any(found.values()) or any(not text for parts in found.values() for text in parts.values()):
        raise Malformed("nothing is asked for")
    return found


def _parameter(value: Repetition) -> tuple[str, int, tuple[int, int]]:
    """`@PID.3.4.1` as segment, field, (component, subcomponent)."""
    name, *numbers = (value.text(1) or "").removeprefix("@").split(".")
    if name in TECHNICAL or len(name) != 3 or not 1 <= len(numbers) <= 3 or not all(n.isdecimal() for n in numbers):
        raise Malformed("an unknown parameter")
    field, component, subcomponent = (*(int(n) for n in numbers), 1, 1)[:3]
    return name, field, (component, subcomponent)


@asynccontextmanager
async def serve_pas(
    patients: Iterable[str],
    faults: Faults,
    port: int = 0,
    *,
    page_size: int = 50,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[int]:
    """Serve these patients on 127.0.0.1; yields the port.

    Each patient is text, one segment a line: PID, optionally PD1 and NK1, then for each visit PV1 (and PV2), then AL1,
    DG1, OBR and OBX as there are.
    """
    pas = _Pas(patients, faults, page_size)
    async with mllp.serve(pas.handle, port=port, tls=tls) as bound:
        yield bound
