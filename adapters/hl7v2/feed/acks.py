"""Acknowledgements in original and enhanced mode. HL7 v2.5.1 sections 2.9 and 2.15, tables 0008, 0155.

Without MSH-15 and MSH-16 (original mode) one answer says AA, AE or AR. With either (enhanced mode) MSH-15 says whether
a commit answer (CA, CE, CR) is wanted and MSH-16 whether an application answer is; both may follow on one connection.
"""

from datetime import datetime
from typing import Literal
from uuid import uuid4

from msgspec import Struct

from adapters.hl7v2 import build
from adapters.hl7v2.charset import CHARSETS
from adapters.hl7v2.parser import Message
from adapters.sdk import SourceRequest

Outcome = Literal["accept", "error", "reject"]
"""Kept; at fault (content, and the same again will not help); not kept (ours, and the same again may)."""


class Fault(Struct, frozen=True):
    """Why a message was not simply accepted: a code of table 0357 and its words."""

    code: str
    text: str


UNREADABLE = Fault("100", "Segment sequence error")
MISSING = Fault("101", "Required field missing")
PROCESSING = Fault("202", "Unsupported processing id")
INTERNAL = Fault("207", "Application internal error")

_ORIGINAL = {"accept": "AA", "error": "AE", "reject": "AR"}
_COMMIT = {"accept": "CA", "error": "CE", "reject": "CR"}
_WANTED = {
    "AL": ("accept", "error", "reject"),
    "NE": (),
    "ER": ("error", "reject"),
    "SU": ("accept",),
}
"""Table 0155. What is not in it is taken as AL: silence must have been asked for."""


def answers(message: Message | None, outcome: Outcome, at: datetime, fault: Fault | None = None) -> tuple[bytes, ...]:
    """The acknowledgements to send, in order; none where the sender wants none.

    `message` is None for bytes of which nothing could be read: the answer then names no control id.
    """
    header = message.header if message is not None else None
    commit, application = (header.text(15), header.text(16)) if header is not None else (None, None)
    if commit is None and application is None:
        return (_ack(message, _ORIGINAL[outcome], at, fault),)
    codes = []
    # Only one of the two stated: the other is not wanted.
    if commit is not None and outcome in _WANTED.get(commit, _WANTED["AL"]):
        codes.append(_COMMIT[outcome])
    # What was not committed has reached no application, unless nobody listens for the commit.
    reached = outcome == "accept" or commit in (None, "NE")
    if application is not None and reached and outcome in _WANTED.get(application, _WANTED["AL"]):
        codes.append(_ORIGINAL[outcome])
    return tuple(_ack(message, code, at, fault) for code in codes)


def control_id(message: Message) -> str | None:
    """MSH-10 whole: it is text, and what looks like a delimiter in it belongs to it."""
    return message.dialect.unescape(message.header.field(10).strip(" ")) or None


def _ack(message: Message | None, code: str, at: datetime, fault: Fault | None) -> bytes:
    header = message.header if message is not None else None
    version = (header.text(12) if header is not None else None) or "2.5"
    event = header.text(9, 2) if header is not None else None
    modern = version not in ("2.1", "2.2", "2.3", "2.3.1", "2.4")

    def party(number: int) -> build.Value:
        found = header.repetitions(number) if header is not None else []
        return tuple(found[0].text(part) for part in (1, 2, 3)) if found else None

    charset = (header.text(18) if header is not None else None) or ""
    lines = [
        build.segment(
            "MSH",
            party(5),
            party(6),
            party(3),
            party(4),
            at.strftime("%Y%m%d%H%M%S%z"),
            None,
            ("ACK", event, "ACK" if modern and event else None),
            uuid4().hex[:20],
            (header.text(11) if header is not None else None) or "P",
            version,
            *([None] * 5),
            charset or None,
        ),
        build.segment("MSA", code, control_id(message) if message is not None else None),
    ]
    if fault is not None:
        error = (fault.code, fault.text, "HL70357")
        lines.append(
            build.segment("ERR", None, None, error, "E") if modern else build.segment("ERR", (None, None, None, error))
        )
    try:
        return build.message(lines, charset if charset in CHARSETS else "UNICODE UTF-8")
    except SourceRequest:
        return build.message(lines)
