"""In which order messages happened. HL7 v2.5.1 sections 3.4.1.2 (EVN-2) and 2.15.9.7 (MSH-7).

The order of arrival stands, unless a message says that it is certainly earlier than one that came before it. Certainly:
the latest instant that its time can mean lies before the earliest of the other's, so that a date without a clock time,
or the doubled hour in October, moves nothing.
"""

from zoneinfo import ZoneInfo

from adapters.hl7v2.parser import Message
from adapters.hl7v2.times import when
from schema.model.when import When


def happened(message: Message, zone: ZoneInfo) -> When | None:
    """When the event was recorded, else when the message was made; None when neither can be read."""
    evn = message.first("EVN")
    for text in (evn.text(2) if evn is not None else None, message.header.text(7)):
        if text is None:
            continue
        try:
            return when(text, zone)
        except ValueError:
            continue
    return None


def in_order(messages: list[Message], zone: ZoneInfo) -> list[tuple[Message, When | None]]:
    """The messages, given in order of arrival, in the order in which they happened."""
    placed: list[tuple[Message, When | None]] = []
    for message in messages:
        at = happened(message, zone)
        place = len(placed)
        while place and precedes(at, placed[place - 1][1]):
            place -= 1
        placed.insert(place, (message, at))
    return placed


def precedes(one: When | None, other: When | None) -> bool:
    """True when one is certainly before the other."""
    return one is not None and other is not None and one.latest < other.earliest
