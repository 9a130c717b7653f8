"""Whom a message is about, and which numbers it says belong together. HL7 v2.5.1 section 3.3 (A24, A34, A37, A40, A47).

The number is the source's own (PID-3 by authority and type), else the NHS number, under `nhs-`, where the message does
not itself say that it is unverified. A message with neither is about nobody that can be named.
"""

from itertools import pairwise

from msgspec import Struct

from adapters.hl7v2.parser import Message, Repetition, Segment
from adapters.hl7v2.people import NoLocalNumber, local_number
from adapters.hl7v2.settings import ReadingSettings
from adapters.sdk import NHS_NUMBER

MERGES = frozenset({"A18", "A34", "A36", "A40", "A47"})
"""Events whose MRG-1 is a retired number of the person in PID."""
LINK, UNLINK = "A24", "A37"
"""Two PID that are one person, or are so no longer; both numbers stay in use."""

LONGEST_NUMBER = 250
"""Characters of a whole CX (section 2.A.14): what is longer is no number, and fits no index."""

_NOT_NHS = frozenset({"MR", "PI", "PT", "SS", "VN", "AN", "PN"})


class Person(Struct, frozen=True):
    """One PID (or MRG): the number its facts are kept under, and the NHS number it gives."""

    number: str
    nhs: str | None = None


class Tie(Struct, frozen=True):
    """Two numbers that a message says are one person's, or (`holds` false) are not."""

    first: str
    second: str
    holds: bool = True


def person(settings: ReadingSettings, pid: Segment) -> Person | None:
    """Whom a PID names; None when nobody for certain."""
    nhs = nhs_number(settings, pid)
    number = own_number(settings, pid.repetitions(3))
    if number is not None:
        return Person(number, nhs)
    return Person(f"nhs-{nhs}", nhs) if nhs is not None else None


def own_number(settings: ReadingSettings, numbers: list[Repetition]) -> str | None:
    """The source's own number among the repetitions of a CX field."""
    try:
        number = local_number(settings, numbers)
    except NoLocalNumber:
        return None
    return number if len(number) <= LONGEST_NUMBER else None


def nhs_number(settings: ReadingSettings, pid: Segment) -> str | None:
    """The one NHS number of PID-3 that has not expired and that PID-32 does not call unverified."""
    statuses = {status.text(1) for status in pid.repetitions(32)}
    if statuses - {"NSTS01"}:
        return None
    found = {
        (cx.text(1) or "").replace(" ", "") for cx in pid.repetitions(3) if is_nhs(settings, cx) and not cx.text(8)
    } - {""}
    number = found.pop() if len(found) == 1 else ""
    return number if 0 < len(number) <= LONGEST_NUMBER else None


def is_nhs(settings: ReadingSettings, cx: Repetition) -> bool:
    """Authority NHS, or, without an authority, type NH."""
    authority = cx.text(4)
    if authority is None:
        return cx.text(5) == "NH"
    return settings.systems().get(authority) == NHS_NUMBER and cx.text(5) not in _NOT_NHS


def people(message: Message, settings: ReadingSettings) -> tuple[list[Person], int]:
    """Everybody a message names, retired numbers included, and how many PID name nobody for certain."""
    named = [person(settings, pid) for pid in message.all("PID")]
    certain = [one for one in named if one is not None]
    retired = (tie.first for tie in ties(message, settings))
    return certain + [Person(number) for number in retired], len(named) - len(certain)


def ties(message: Message, settings: ReadingSettings) -> list[Tie]:
    """What a message says about numbers: the retired one first, the surviving one second."""
    event = message.header.text(9, 2) or ""
    if event in (LINK, UNLINK):
        numbers = [own_number(settings, pid.repetitions(3)) for pid in message.all("PID")]
        return [Tie(a, b, event == LINK) for a, b in pairwise(numbers) if a and b and a != b]
    return [] if event not in MERGES else _merged(message, settings)


def _merged(message: Message, settings: ReadingSettings) -> list[Tie]:
    """Each MRG with the PID it follows."""
    found: list[Tie] = []
    pid: Segment | None = None
    for segment in message.segments:
        if segment.name == "PID":
            pid = segment
        elif segment.name == "MRG" and pid is not None:
            retired, survivor = _own(settings, segment, 1), _own(settings, pid, 3)
            if retired is None or survivor is None or retired[0] == survivor[0]:
                continue
            # Numbers of two authorities are not two numbers of ours.
            if not (retired[1] and survivor[1] and retired[1] != survivor[1]):
                found.append(Tie(retired[0], survivor[0]))
    return found


def _own(settings: ReadingSettings, segment: Segment, field: int) -> tuple[str, str | None] | None:
    numbers = segment.repetitions(field)
    number = own_number(settings, numbers)
    if number is None:
        return None
    return number, next((cx.text(4) for cx in numbers if cx.text(1) == number), None)
