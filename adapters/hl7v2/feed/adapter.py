"""A hospital's HL7 v2 feed as a source: what its messages, kept by a listener, say about a person.

HL7 v2.5.1 section 2.9 (unsolicited messages). A feed cannot be asked; it knows what it heard, from its first message
on, and if it has gone quiet for longer than expected it may be missing the latest.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TypeVar

from adapters.hl7v2.feed import manifest
from adapters.hl7v2.feed.folding import Fold
from adapters.hl7v2.feed.kept import Cursor, Found, State, StoreUnavailable
from adapters.hl7v2.feed.manifest import Manifest
from adapters.hl7v2.feed.opening import reader
from adapters.hl7v2.feed.settings import FeedSettings
from adapters.hl7v2.feed.store import Reader, now
from adapters.sdk import (
    NHS_NUMBER,
    Adapter,
    Ask,
    Call,
    Changes,
    DependsOn,
    Health,
    Source,
    SourceInvalid,
    SourceRecord,
    SourceRequest,
    SourceTimeout,
    SourceUnavailable,
    Subject,
)
from schema.model.fact import PATIENT_NOT_FOUND, Fact, Gap, GapKind
from schema.model.values import Identifier

T = TypeVar("T")

KIND = "HL7V2-FEED"
FEED_SILENT = "FEED_SILENT"
"""The `Gap.code` that says that a feed has not been heard for longer than expected."""
_LOCAL = "Patient/"
_MOST_AT_ONCE = 256
"""Messages whose people are told at once."""


class Hl7v2FeedAdapter(Adapter[FeedSettings]):
    """Reads the store that a listener fills: by NHS number, or by the source's own number."""

    kind = "hl7v2-feed"
    settings_model = FeedSettings
    answer_depends_on = DependsOn.NOTHING
    tells_changes = True

    def __init__(
        self, source: Source[FeedSettings], store: Reader | None = None, clock: Callable[[], datetime] = now
    ) -> None:
        super().__init__(source)
        self.types = self.settings.held_types
        own = {self.settings.mrn_system} if self.settings.mrn_system else set()
        self.identifier_systems = frozenset({NHS_NUMBER, *own})
        self._store = store or reader(self.settings)
        self._clock = clock

    async def fetch(self, ask: Ask, call: Call) -> AsyncIterator[SourceRecord]:
        numbers, nhs = self._keys(ask.subject)
        state = await self._bounded(self._store.state, call)
        if state.first is None or state.last is None:
            raise SourceUnavailable("the feed has not received any message yet: it knows nothing of anybody")
        found = await self._bounded(lambda: self._store.find(numbers, nhs, self.settings.max_messages), call)
        types = frozenset((ask.types | {"Patient"}) & self.types)
        at = self._clock()
        silent = self._silent(state, at)
        for one in found or [Found(numbers=(), messages=())]:
            about = Manifest(
                numbers=one.numbers,
                complete_from=state.first,
                last_heard=state.last,
                silent=silent,
                by_hand=one.by_hand,
            )
            yield SourceRecord(
                kind=KIND,
                types=types,
                parts=(manifest.write(about), *one.messages),
                # What a stalled feed says is as old as the last thing it heard.
                retrieved=state.last if silent else at,
                truncated=one.truncated,
                media_type="application/hl7-v2+er7",
                complete_from=state.first,
            )

    def read(self, record: SourceRecord) -> Iterable[Fact | Gap]:
        if record.kind != KIND or not record.parts:
            raise SourceInvalid("the record is not one of a feed")
        about = manifest.read(record.parts[0])
        if not about.numbers:
            yield Gap(kind=GapKind.NOT_HELD, code=PATIENT_NOT_FOUND)
            yield from _warnings(about, record)
            return
        fold = Fold(about.numbers, self.settings, self.source.timezone, self.source.id)
        fold.take(record.parts[1:], dict(about.by_hand))
        stated: set[str | None] = set()
        undeclared: Counter[str] = Counter()
        for item in fold.items():
            kind = item.fact_type if isinstance(item, Gap) else type(item).__name__
            if kind is None or kind in record.types or kind == "Patient":
                stated.add(kind)
                yield item
            elif kind not in self.types:
                undeclared[kind] += 1
        for kind, count in undeclared.items():
            text = "Stated in messages, and not among what the source is configured to hold."
            yield Gap(kind=GapKind.UNSUPPORTED, fact_type="Patient", code=kind, text=text, count=count)
        if "Patient" not in stated:
            yield Gap(kind=GapKind.UNREADABLE, fact_type=None, at="PID")
            stated.add(None)
        yield from _warnings(about, record)
        if None not in stated:
            for missing in sorted(record.types - stated):
                yield Gap(kind=GapKind.NOT_RECORDED, fact_type=missing)

    async def changes(self, after: str | None, call: Call) -> Changes:
        """By the row numbers of the store, so that it does not matter in which process the listener is."""
        if after is None:
            return Changes(cursor=_written(await self._bounded(self._store.cursor, call)))
        cursor = _cursor(after)
        found = await self._bounded(lambda: self._store.changed(cursor, _MOST_AT_ONCE), call)
        if found is None:
            raise SourceRequest("the cursor is of another store")
        return Changes(
            cursor=_written(found.upto),
            subjects=tuple(
                Subject(
                    identifiers=tuple(Identifier(system=NHS_NUMBER, value=value) for value in nhs),
                    local_ids=tuple(f"{_LOCAL}{number}" for number in numbers),
                )
                for numbers, nhs in found.people
            ),
        )

    async def check(self, call: Call) -> Health:
        """Reads the store, and knocks at the listener where its port is configured."""
        state = await self._bounded(self._store.state, call)
        if self.settings.port:
            await self._knock(call)
        if state.first is None:
            raise SourceUnavailable("the feed has not received any message yet")
        warnings = []
        if self._silent(state, self._clock()):
            warnings.append("the feed has been silent for longer than expected")
        if state.unlinked:
            warnings.append(f"{state.unlinked} messages name nobody for certain and are kept unlinked")
        if state.unreadable:
            warnings.append(f"{state.unreadable} messages could not be read and are kept")
        return Health(detail=f"{state.messages} messages kept", warnings=tuple(warnings))

    async def close(self) -> None:
        await self._store.close()

    def _keys(self, subject: Subject) -> tuple[list[str], list[str]]:
        # By every number at once: a record that somebody linked by hand must not hide the one that has the NHS number.
        own = [number.removeprefix(_LOCAL) for number in subject.local_ids if number.startswith(_LOCAL)]
        own += [i.value for i in subject.identifiers if i.system == self.settings.mrn_system]
        return own, [i.value for i in subject.identifiers if i.system == NHS_NUMBER]

    def _silent(self, state: State, at: datetime) -> bool:
        longest = timedelta(seconds=self.settings.expected_silence_s)
        return state.last is None or at - state.last > longest

    async def _knock(self, call: Call) -> None:
        try:
            async with asyncio.timeout(call.remaining_s()):
                _, writer = await asyncio.open_connection(self.settings.host, self.settings.port)
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()
        except (OSError, TimeoutError):
            raise SourceUnavailable("nobody listens for the feed at its address") from None

    async def _bounded(self, work: Callable[[], Awaitable[T]], call: Call) -> T:
        if not call.remaining_s():
            raise SourceTimeout("there was no time left to read the store")
        try:
            async with asyncio.timeout(call.remaining_s()):
                return await work()
        except TimeoutError:
            raise SourceTimeout("the store was not read in time") from None
        except StoreUnavailable:
            raise SourceUnavailable("the feed's store cannot be read") from None


def _written(cursor: Cursor) -> str:
    return f"{cursor.messages}.{cursor.decisions}"


def _cursor(text: str) -> Cursor:
    messages, _, decisions = text.partition(".")
    if not (messages.isdecimal() and decisions.isdecimal()):
        raise SourceRequest("the cursor is not one of a feed")
    return Cursor(int(messages), int(decisions))


def _warnings(about: Manifest, record: SourceRecord) -> Iterable[Gap]:
    if record.truncated:
        yield Gap(kind=GapKind.TRUNCATED, text="The source holds more messages of this person than were read.")
    if about.silent:
        yield Gap(
            kind=GapKind.TRUNCATED,
            code=FEED_SILENT,
            text="The feed has been silent for longer than expected: later messages may be missing.",
        )
