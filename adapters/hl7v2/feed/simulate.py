"""A system that has sent its messages for weeks, to a listener that still listens: for tests and the demo."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from time import monotonic
from zoneinfo import ZoneInfo

from adapters.hl7v2 import mllp
from adapters.hl7v2.feed.listener import listening
from adapters.hl7v2.feed.opening import open_store
from adapters.hl7v2.feed.settings import FeedSettings
from adapters.hl7v2.feed.store import now
from adapters.hl7v2.parser import parse
from adapters.hl7v2.times import when
from adapters.sdk import Actor, Call
from adapters.testing.simulation import LOGIN_PAGE, Faults

_ACCEPTED = ("AA", "CA")
_PATIENCE_S = 30.0


@asynccontextmanager
async def fed(settings: FeedSettings, messages: Iterable[str], zone: ZoneInfo, faults: Faults) -> AsyncIterator[int]:
    """Send `messages` (one segment a line) in order over a real connection; yields the listener's port.

    While they are sent the listener's clock stands at each message's own time (MSH-7, in `zone`), as if it had come
    when it was written. Faults are those of the store, looked at once: down is none, garbage is a file that is no
    database. Raises ValueError when a message is not accepted.
    """
    clock = _Clock()
    store = await open_store(settings, clock)
    try:
        async with listening(settings, store, clock) as port:
            call = Call(deadline=monotonic() + _PATIENCE_S, actor=Actor(user="", role="", organization=""))
            async with mllp.Connection(settings.host, port, call, settings.max_frame_bytes, tls=None) as connection:
                for number, text in enumerate(messages):
                    payload = (text.strip().replace("\n", "\r") + "\r").encode()
                    sent = when(parse(payload).header.text(7) or "", zone).earliest
                    clock.at = sent
                    answer = parse(await connection.exchange(payload)).first("MSA")
                    if answer is None or answer.text(1) not in _ACCEPTED:
                        raise ValueError(f"message {number} was not accepted")
            clock.at = None
            if faults.down or faults.garbage:
                _spoil(Path(settings.store), garbage=faults.garbage)
            yield port
    finally:
        await store.close()


class _Clock:
    """The moment that is set, else now."""

    at: datetime | None = None

    def __call__(self) -> datetime:
        return self.at or now()


def _spoil(store: Path, *, garbage: bool) -> None:
    for file in (store, *store.parent.glob(f"{store.name}-*")):
        file.unlink(missing_ok=True)
    if garbage:
        store.write_text(LOGIN_PAGE * 50, "utf-8")
