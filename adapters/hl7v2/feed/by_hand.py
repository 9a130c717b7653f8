"""What an operator does about messages that name nobody for certain: list them, say whose they are, take it back.

A decision is a row of its own, with who made it and why; the message stays as it was. What is shown is what finding the
person takes: ids, times and numbers, never a name and nothing clinical.
"""

from collections.abc import Iterator

from adapters.hl7v2.feed.kept import Kept, LinkRefused
from adapters.hl7v2.feed.settings import FeedSettings
from adapters.hl7v2.feed.store import Reader, Store
from adapters.hl7v2.parser import Message, parse
from adapters.sdk import SourceInvalid

_SHOWN_OF_AN_ID = 16


async def list_unlinked(store: Reader, settings: FeedSettings, limit: int) -> Iterator[str]:
    """One line for each message that waits for a decision, the oldest first; a heading before them."""
    found = await store.unlinked(limit)
    rows = ((_id(one.id), one.received, one.sender, one.control, one.type, _numbers(one, settings)) for one in found)
    return _table(("message", "received", "sender", "control id", "type", "numbers"), rows)


async def list_decisions(store: Reader) -> Iterator[str]:
    """One line for each decision, in the order in which they were made; a heading before them."""
    rows = (
        (each.at, _id(each.message), "link" if each.holds else "unlink", each.number, each.who, each.why)
        for each in await store.decisions()
    )
    return _table(("at", "message", "decision", "number", "who", "why"), rows)


async def link(store: Store, settings: FeedSettings, message: str, number: str, who: str, why: str) -> None:
    """Say whose the message is. Raises LinkRefused, StoreUnavailable."""
    found = await store.message(message)
    if len(list(_parsed(found, settings).all("PID"))) != 1:
        # One decision would put what is said of one person into the record of another.
        raise LinkRefused("only a message with exactly one PID can be linked")
    await store.link(found.id, number, *_signed(who, why))


async def unlink(store: Store, message: str, who: str, why: str) -> None:
    """Take the decision back. Raises LinkRefused, StoreUnavailable."""
    await store.unlink((await store.message(message)).id, *_signed(who, why))


def _signed(who: str, why: str) -> tuple[str, str]:
    if not who.strip() or not why.strip():
        raise LinkRefused("say who decides, and why")
    return who.strip(), why.strip()


def _id(whole: str) -> str:
    return whole[:_SHOWN_OF_AN_ID]


def _parsed(one: Kept, settings: FeedSettings) -> Message:
    try:
        return parse(one.raw, settings.charset)
    except SourceInvalid:
        raise LinkRefused("the message cannot be read by now: has the configured charset changed?") from None


def _numbers(one: Kept, settings: FeedSettings) -> str:
    """PID-3 as it was sent: each number with its authority and type."""
    cxs = [cx for pid in _parsed(one, settings).all("PID") for cx in pid.repetitions(3)]
    return ", ".join(" ".join(filter(None, (cx.text(1), cx.text(4), cx.text(5)))) for cx in cxs)


def _table(heading: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> Iterator[str]:
    """Lines of columns with a tab between them. What a sender wrote may not move the cursor or make a line."""
    yield "\t".join(heading)
    for row in rows:
        yield "\t".join("".join(letter if letter.isprintable() else "?" for letter in cell) for cell in row)
