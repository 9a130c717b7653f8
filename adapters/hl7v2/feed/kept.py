"""What a store is given and what it gives back.

StoreUnavailable   nothing can be written, or read: the machine's people act, and the sender tries again
LinkRefused        a decision by hand that cannot be meant: the operator acts
"""

from datetime import datetime

from msgspec import Struct

from adapters.hl7v2.feed.identity import Person, Tie
from adapters.sdk.durable import StoreUnavailable

__all__ = ["Changed", "Cursor", "Decision", "Found", "Kept", "LinkRefused", "Received", "State", "StoreUnavailable"]


class LinkRefused(Exception):
    """The message is not one that may be linked (or undone) in this way; the text says why, without naming it."""


class Received(Struct, frozen=True, kw_only=True):
    """A message as it arrived, and what was learned from its envelope."""

    raw: bytes
    application: str = ""
    facility: str = ""
    control: str = ""
    type: str = ""
    readable: bool = True
    people: tuple[Person, ...] = ()
    ties: tuple[Tie, ...] = ()


class Found(Struct, frozen=True, kw_only=True):
    """One person's messages in order of arrival, and every number of theirs."""

    numbers: tuple[str, ...]
    messages: tuple[bytes, ...]
    truncated: bool = False
    by_hand: tuple[tuple[str, str], ...] = ()
    """Of the messages that name nobody and that an operator linked: the id, and the number it was linked to."""


class State(Struct, frozen=True, kw_only=True):
    """What the feed has heard so far."""

    first: datetime | None = None
    """When the first message was committed: the beginning of what the source knows."""
    last: datetime | None = None
    messages: int = 0
    unlinked: int = 0
    """Messages that name nobody for certain and that nobody has linked by hand."""
    unreadable: int = 0


class Cursor(Struct, frozen=True):
    """How far somebody has been told: the last message and the last decision by hand, by their row numbers."""

    messages: int
    decisions: int


class Changed(Struct, frozen=True, kw_only=True):
    """Whose messages, or decisions about messages, are new."""

    upto: Cursor
    people: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]
    """Of each every own number, and every NHS number that was ever given with one."""


class Kept(Struct, frozen=True, kw_only=True):
    """One message in the store."""

    id: str
    """The SHA-256 of its bytes, in hexadecimal: a mistyped one is nobody's."""
    received: str
    sender: str
    control: str
    type: str
    raw: bytes


class Decision(Struct, frozen=True, kw_only=True):
    """A message linked by hand, or (`holds` false) such a link undone. Nothing is ever taken out of this list."""

    at: str
    message: str
    """The id of the message."""
    number: str
    holds: bool
    who: str
    why: str
