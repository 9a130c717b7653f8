"""The listener of a feed: takes messages over MLLP and acknowledges each only once it is durable.

HL7 v2.5.1 section 2.9 (acknowledgement) and appendix C.2 (MLLP). It judges nothing: whatever has a usable header is
kept, whole; what it is worth is decided when it is read. What cannot be read is kept too, marked, and answered with an
error, so that its sender's people look at it. A store that fails is answered with a rejection: the sender tries again.
"""

import asyncio
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime

from adapters.hl7v2 import mllp
from adapters.hl7v2.feed import acks, identity
from adapters.hl7v2.feed.kept import Received, StoreUnavailable
from adapters.hl7v2.feed.settings import FeedSettings
from adapters.hl7v2.feed.store import Store, now
from adapters.hl7v2.parser import Message, parse
from adapters.sdk import SettingsError, SourceInvalid

_LARGE = 256 * 1024
"""Bytes from which a message is parsed in a thread, so that nothing holds the loop."""
_MOST_KEPT_OF_OVERSIZE = 64 * 1024
"""Bytes kept of a frame that was too long to take."""


class Listener:
    """Answers frames; `counts` says what became of them."""

    def __init__(self, settings: FeedSettings, store: Store, clock: Callable[[], datetime]) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self.counts: Counter[str] = Counter()

    async def handle(self, payload: bytes) -> tuple[bytes, ...]:
        """The acknowledgements for one frame."""
        try:
            message = await self._parse(payload)
        except SourceInvalid:
            return await self._unreadable(payload)
        header = message.header
        if not header.text(9) or not acks.control_id(message):
            return await self._keep(message, self._received(payload, message, readable=False), acks.MISSING)
        # MSH-11 may be left out by old senders: production is what they mean.
        if (header.text(11) or "P") not in self._settings.processing:
            return await self._keep(message, self._received(payload, message, readable=False), acks.PROCESSING)
        return await self._keep(message, self._received(payload, message, readable=True), None)

    async def _parse(self, payload: bytes) -> Message:
        if len(payload) < _LARGE:
            return parse(payload, self._settings.charset)
        return await asyncio.to_thread(parse, payload, self._settings.charset)

    async def oversize(self, head: bytes) -> bytes:
        """The acknowledgement for a frame that was too long, of which this is the beginning."""
        return (await self._unreadable(head[:_MOST_KEPT_OF_OVERSIZE]))[0]

    async def _unreadable(self, payload: bytes) -> tuple[bytes, ...]:
        """Bytes that are no message: kept where they began as one, and answered as far as the header can be read."""
        if b"MSH" not in payload[:8]:
            self.counts["refused"] += 1
            return acks.answers(None, "error", self._clock(), acks.UNREADABLE)
        header = _header_alone(payload)
        received = Received(raw=payload, readable=False)
        if header is not None:
            received = self._received(payload, header, readable=False)
        return await self._keep(header, received, acks.UNREADABLE)

    async def _keep(self, message: Message | None, received: Received, fault: acks.Fault | None) -> tuple[bytes, ...]:
        try:
            new = await self._store.keep(received)
        except StoreUnavailable:
            self.counts["failed"] += 1
            return acks.answers(message, "reject", self._clock(), acks.INTERNAL)
        self.counts["duplicate" if not new else "kept" if received.readable else "unreadable"] += 1
        self.counts["unlinked"] += new and received.readable and not received.people
        return acks.answers(message, "accept" if fault is None else "error", self._clock(), fault)

    def _received(self, payload: bytes, message: Message, *, readable: bool) -> Received:
        header = message.header
        people = identity.people(message, self._settings)[0] if readable else []
        return Received(
            raw=payload,
            application=header.text(3) or "",
            facility=header.text(4) or "",
            control=acks.control_id(message) or "",
            type=message.type,
            readable=readable,
            people=tuple(people),
            ties=tuple(identity.ties(message, self._settings)) if readable else (),
        )


def _header_alone(payload: bytes) -> Message | None:
    """The first line as a message of its own: enough to say who sent what cannot be read."""
    try:
        return parse(payload.replace(b"\n", b"\r").partition(b"\r")[0])
    except SourceInvalid:
        return None


@asynccontextmanager
async def listening(settings: FeedSettings, store: Store, clock: Callable[[], datetime] = now) -> AsyncIterator[int]:
    """Take messages into `store` until left; yields the port."""
    listener = Listener(settings, store, clock)
    async with mllp.serve(
        listener.handle,
        host=settings.host,
        port=settings.port,
        max_frame_bytes=settings.max_frame_bytes,
        read_deadline_s=settings.frame_deadline_s,
        idle_s=settings.idle_deadline_s,
        max_connections_per_peer=settings.max_connections_per_peer,
        tls=_tls(settings),
        oversize=listener.oversize,
    ) as port:
        yield port


def _tls(settings: FeedSettings) -> ssl.SSLContext | None:
    """Raises SettingsError when a certificate file cannot be used."""
    if settings.tls_cert is None:
        return None
    for key in ("tls_cert", "tls_key", "tls_client_ca"):
        if (file := getattr(settings, key)) is not None:
            try:
                file.check()
            except SettingsError as problem:
                raise SettingsError(f"{key}: {problem}") from None
    try:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=settings.tls_client_ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(settings.tls_cert, settings.tls_key)
    except OSError:
        raise SettingsError("tls_cert, tls_key or tls_client_ca cannot be read as certificates and key") from None
    if settings.tls_client_ca:
        context.verify_mode = ssl.CERT_REQUIRED
    return context
