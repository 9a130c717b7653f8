"""The audit trail: who saw what of whom, durable before anything leaves. No durable record, no answer.

An access event is recorded before any source is called, a disclosure event with the hash of each frame before the frame
leaves, a refusal when nobody was shown anything, an identity event when a link is made or undone. The content follows
IHE BALP (Query with one patient) and DICOM PS3.15 A.5; the store is one SQLite file with a chain of hashes: each row's
hash covers the row and the hash of the row before, so that an edited, removed or exchanged row breaks the chain. Rows
cut from the end are found by the counter that SQLite keeps, and surely by comparing with a head kept elsewhere.

One thread writes; what waits while it commits goes into the next commit. Durable means: in the write-ahead log, and the
log synced to the disk (sqlite.org/pragma.html#pragma_synchronous, FULL). A file that was taken away goes on taking
writes on Unix, so after each commit the file's identity is compared before anybody is told that the event is safe.

The store is the one place outside the cross-reference table where a person's identifier stands.
"""

import asyncio
import hashlib
import json
import os
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from adapters.sdk import Actor
from adapters.sdk.durable.sqlite import write_ahead


class AuditUnavailable(Exception):
    """The event could not be made durable: what it is about must not happen."""

    code = "AUDIT_UNAVAILABLE"
    issue_type = "transient"


class AuditKind(Enum):
    """What is recorded."""

    ACCESS = "access"
    """Somebody asks; before any source is called."""
    DISCLOSURE = "disclosure"
    """One frame of an answer is about to leave."""
    REFUSAL = "refusal"
    """Somebody asked and was refused."""
    IDENTITY = "identity"
    """A record was linked, unlinked, held as somebody else's, or a source's circuit opened."""


class AuditEvent(Struct, frozen=True, kw_only=True):
    """One thing to be recorded. Use the constructors below."""

    kind: AuditKind
    user: str
    role: str
    organization: str
    purpose: str
    patient: str | None = None
    """The person's identifier, system and value as "system|value"."""
    operation: str = ""
    """Hash of the GraphQL document."""
    sources: tuple[tuple[str, str], ...] = ()
    """Source ids with their states."""
    records: tuple[str, ...] = ()
    """Hashes of the source records that the frame was made of."""
    answer: str = ""
    """Hash of the frame."""
    detail: tuple[tuple[str, str], ...] = ()
    """Further codes by name."""


def access_event(
    actor: Actor, purpose: str, patient: str | None, operation: str, sources: Iterable[str], **detail: str
) -> AuditEvent:
    """Somebody asks about a person, or looks for one (`patient` None), and these sources are about to be called."""
    asked = tuple((source, "ASKED") for source in sources)
    return _event(AuditKind.ACCESS, actor, purpose, patient, detail, operation=operation, sources=asked)


def disclosure_event(
    actor: Actor,
    purpose: str,
    patient: str | None,
    operation: str,
    *,
    frame: bytes,
    sources: Mapping[str, str],
    records: Iterable[str] = (),
    **detail: str,
) -> AuditEvent:
    """This very frame is about to leave, made of these records, with each source in this state."""
    return _event(
        AuditKind.DISCLOSURE,
        actor,
        purpose,
        patient,
        detail,
        operation=operation,
        sources=tuple(sorted(sources.items())),
        records=tuple(sorted(set(records))),
        answer=frame_hash(frame),
    )


def refusal_event(
    actor: Actor | None, purpose: str, patient: str | None, operation: str, code: str, **detail: str
) -> AuditEvent:
    """Somebody asked and is refused with this error code; `actor` None when nobody knows who."""
    nobody = Actor(user="", role="", organization="")
    return _event(AuditKind.REFUSAL, actor or nobody, purpose, patient, {"code": code} | detail, operation=operation)


def identity_event(actor: Actor, patient: str | None, source: str, what: str, **detail: str) -> AuditEvent:
    """`what` was decided about a record of this source: "linked", "unlinked", "mismatch", "circuit-opened"."""
    return _event(AuditKind.IDENTITY, actor, "", patient, {"what": what} | detail, sources=((source, what),))


def frame_hash(frame: bytes) -> str:
    """The hash by which a frame that left can be recognised."""
    return hashlib.sha256(frame).hexdigest()


class Audit(Protocol):
    """Where events are recorded."""

    async def record(self, event: AuditEvent) -> None:
        """Returns when the event is durable, and only then. Raises AuditUnavailable when it is not."""
        ...


class Head(Struct, frozen=True, kw_only=True):
    """The end of the trail: keep it somewhere else, and `verify` can prove that nothing was cut off."""

    sequence: int
    hash: str


class Verification(Struct, frozen=True, kw_only=True):
    """What walking the chain found."""

    rows: int
    head: Head
    broken_at: int | None = None
    """Sequence of the first row that is not what it was, or of the first one missing."""
    reason: str = ""

    @property
    def intact(self) -> bool:
        """Whether the whole trail is as it was written."""
        return self.broken_at is None


GENESIS = Head(sequence=0, hash="0" * 64)
"""What the first row's hash follows."""

_COLUMNS = (
    *("sequence", "time", "kind", "user", "role", "organization", "purpose", "patient", "operation"),
    *("sources", "records", "answer", "detail"),
)
_TRAIL = """
CREATE TABLE IF NOT EXISTS trail (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, time TEXT NOT NULL, kind TEXT NOT NULL, user TEXT NOT NULL,
    role TEXT NOT NULL, organization TEXT NOT NULL, purpose TEXT NOT NULL, patient TEXT, operation TEXT NOT NULL,
    sources TEXT NOT NULL, records TEXT NOT NULL, answer TEXT NOT NULL, detail TEXT NOT NULL, hash TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS trail_patient ON trail (patient, sequence);
CREATE TRIGGER IF NOT EXISTS trail_stays BEFORE UPDATE ON trail BEGIN SELECT raise(ABORT, 'append-only'); END;
CREATE TRIGGER IF NOT EXISTS trail_is_kept BEFORE DELETE ON trail BEGIN SELECT raise(ABORT, 'append-only'); END;
CREATE TRIGGER IF NOT EXISTS trail_is_not_replaced BEFORE INSERT ON trail
    WHEN EXISTS (SELECT 1 FROM trail WHERE sequence = new.sequence) BEGIN SELECT raise(ABORT, 'append-only'); END;
"""
_INSERT = f"INSERT INTO trail ({', '.join(_COLUMNS)}, hash) VALUES ({', '.join('?' * (len(_COLUMNS) + 1))})"  # noqa: S608

MOST_WAITING = 2048
"""Events that may wait for the disk; more are refused."""
MOST_IN_A_COMMIT = 256

_Waiting = tuple[AuditEvent, asyncio.AbstractEventLoop, "asyncio.Future[None]"]


class SqliteAudit:
    """`Audit` in one file. Once a write has failed it stays unavailable until `reopen` succeeds."""

    def __init__(self, path: Path, clock: Callable[[], datetime], *, most_waiting: int = MOST_WAITING) -> None:
        """Opens the file, making it if needed. Raises AuditUnavailable when it cannot be written."""
        self._path = path
        self._clock = clock
        self._closed = False
        self._head: Head | None = None
        self._queue: queue.Queue[_Waiting | None] = queue.Queue(most_waiting)
        self._thread: threading.Thread | None = None
        self._broken = threading.Event()
        self._start()

    @property
    def available(self) -> bool:
        """Whether the next event has a chance: for the readiness probe."""
        return not self._closed and not self._broken.is_set()

    async def record(self, event: AuditEvent) -> None:
        """As `Audit.record`. A caller that stops waiting does not undo the event."""
        if self._closed:
            raise AuditUnavailable("the audit store is closed")
        if self._broken.is_set():
            raise AuditUnavailable("the audit store failed earlier and has not been reopened")
        loop = asyncio.get_running_loop()
        durable: asyncio.Future[None] = loop.create_future()
        try:
            self._queue.put_nowait((event, loop, durable))
        except queue.Full:
            raise AuditUnavailable("too many events are waiting for the disk") from None
        await durable

    def head(self) -> Head:
        """The end of the trail as it was last written by this process: to be noted elsewhere."""
        if self._head is None:
            raise AuditUnavailable("the audit store is not open")
        return self._head

    async def verify(self, expected: Head | None = None) -> Verification:
        """Walk the chain, in a thread. See `gateway.audit.verify`."""
        return await asyncio.to_thread(verify, self._path, expected)

    async def reopen(self, *, accept_new_trail: bool = False) -> None:
        """Try again after a failure. Raises AuditUnavailable when it still cannot be written.

        A file that does not lead up to what this process last wrote is refused: rows are gone, or it is another file.
        `accept_new_trail` is a person's decision to begin anew all the same.
        """
        self._broken.set()
        await asyncio.to_thread(self._stop)
        if accept_new_trail:
            self._head = None
        await asyncio.to_thread(self._start)

    async def close(self) -> None:
        """Write what waits, then release the file.

        The word to stop is given before anything is awaited: a process that is being ended may cancel the rest, and the
        writer would keep it alive for ever.
        """
        self._closed = True
        with suppress(queue.Full):
            self._queue.put_nowait(None)
        await asyncio.shield(asyncio.to_thread(self._stop))

    def _start(self) -> None:
        self._broken.set()
        if self._head is not None and self._head.sequence and not self._path.exists():
            raise AuditUnavailable("the audit file is gone: a person must look")
        connection = _open(self._path)
        try:
            self._require_trail(connection)
            self._head, self._files = _head_of(connection), _file_identity(self._path)
        except (sqlite3.Error, OSError):
            connection.close()
            raise AuditUnavailable("the audit file cannot be written") from None
        except AuditUnavailable:
            connection.close()
            raise
        self._thread = threading.Thread(target=self._write, args=(connection,), name="audit")
        self._thread.start()
        self._broken.clear()

    def _require_trail(self, connection: sqlite3.Connection) -> None:
        """The file must lead up to what this process last wrote: else rows are gone, or it is another file."""
        if self._head is None or self._head.sequence == 0:
            return
        row = connection.execute("SELECT hash FROM trail WHERE sequence = ?", (self._head.sequence,)).fetchone()
        if row != (self._head.hash,):
            raise AuditUnavailable("the audit file is not the one that was written before: a person must look")

    def _stop(self) -> None:
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None
        late, _ = _drain(self._queue, self._queue.qsize())
        _tell(late, "the audit store is closed")

    def _write(self, connection: sqlite3.Connection) -> None:
        """The writer thread: until told to stop."""
        try:
            stop = False
            while not stop and (first := self._queue.get()) is not None:
                batch, stop = _drain(self._queue, MOST_IN_A_COMMIT - 1)
                batch.insert(0, first)
                if self._broken.is_set():
                    _tell(batch, "the audit store failed earlier and has not been reopened")
                    continue
                try:
                    self._commit(connection, [event for event, _, _ in batch])
                except BaseException:  # whatever it was: nothing of this batch is known to be durable
                    self._broken.set()
                    _tell(batch, "the audit event could not be made durable")
                else:
                    _tell(batch, None)
        finally:
            with suppress(sqlite3.Error):
                connection.close()

    def _commit(self, connection: sqlite3.Connection, events: Sequence[AuditEvent]) -> None:
        """One transaction. The head is read inside it: another process may write the same trail."""
        connection.execute("BEGIN IMMEDIATE")
        try:
            head = _head_of(connection)
            self._require_trail(connection)
            values = list(_rows(events, head, self._clock()))
            connection.executemany(_INSERT, values)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        if _file_identity(self._path) != self._files:
            raise AuditUnavailable("the audit file was taken away")
        self._head = Head(sequence=values[-1][0], hash=values[-1][-1])


def verify(path: Path, expected: Head | None = None) -> Verification:
    """Walk the whole chain of a trail, also one that is being written.

    With `expected`, a head that was noted elsewhere, it also proves that the trail still leads up to it. Raises
    AuditUnavailable when the file cannot be read as a trail.
    """
    if not path.exists():
        raise AuditUnavailable("there is no audit file at that place")
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            connection.execute("BEGIN")
            return _walk(connection, expected)
    except sqlite3.Error:
        raise AuditUnavailable("the audit file cannot be read as an audit trail") from None


def _walk(connection: sqlite3.Connection, expected: Head | None) -> Verification:
    head, count = GENESIS, 0
    met = expected is None or expected == GENESIS
    for row in connection.execute(f"SELECT {', '.join(_COLUMNS)}, hash FROM trail ORDER BY sequence"):  # noqa: S608
        sequence, *_ = row
        broken = ""
        if sequence != head.sequence + 1:
            broken = "rows are missing"
        elif _chained(head.hash, row[:-1]) != row[-1]:
            broken = "the row was changed, or stands where another stood"
        if broken:
            return Verification(rows=count, head=head, broken_at=head.sequence + 1, reason=broken)
        head, count = Head(sequence=sequence, hash=row[-1]), count + 1
        met = met or head == expected
    counter = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'trail'").fetchone()
    if (counter[0] if counter else 0) > head.sequence or not met:
        return Verification(
            rows=count, head=head, broken_at=head.sequence + 1, reason="rows were cut off, or the trail was replaced"
        )
    return Verification(rows=count, head=head)


def _file_identity(path: Path) -> tuple[int, int, int, int]:
    """Which files the trail is in right now: main file and write-ahead log. Raises OSError when one is gone."""
    main, log = path.stat(), Path(f"{path}-wal").stat()
    if not (main.st_mode & 0o222 and log.st_mode & 0o222 and os.access(path, os.W_OK)):
        raise PermissionError("read-only")
    return main.st_dev, main.st_ino, log.st_dev, log.st_ino


def _rows(events: Iterable[AuditEvent], head: Head, moment: datetime) -> Iterator[tuple[Any, ...]]:
    """The rows of these events, chained after `head`."""
    for event in events:
        values = (
            head.sequence + 1,
            moment.isoformat(),
            event.kind.value,
            _text(event.user),
            _text(event.role),
            _text(event.organization),
            _text(event.purpose),
            _text(event.patient) if event.patient is not None else None,
            _text(event.operation),
            _json(event.sources),
            _json(event.records),
            _text(event.answer),
            _json(dict(event.detail)),
        )
        head = Head(sequence=head.sequence + 1, hash=_chained(head.hash, values))
        yield (*values, head.hash)


def _chained(previous: str, values: tuple[Any, ...]) -> str:
    """The hash of a row: over the hash before it and every column, as canonical JSON."""
    return hashlib.sha256(f"{previous}\n{_json(values)}".encode()).hexdigest()


def _head_of(connection: sqlite3.Connection) -> Head:
    """The last row."""
    row = connection.execute("SELECT sequence, hash FROM trail ORDER BY sequence DESC LIMIT 1").fetchone()
    return Head(sequence=row[0], hash=row[1]) if row else GENESIS


def _open(path: Path) -> sqlite3.Connection:
    """A connection whose commits are durable. The directory is synced too, so that a new file is found again."""
    connection = None
    try:
        path.touch(mode=0o600)
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        write_ahead(connection)
        connection.execute("PRAGMA synchronous=FULL")
        if connection.execute("PRAGMA synchronous").fetchone() != (2,):
            raise sqlite3.OperationalError
        connection.executescript(_TRAIL)
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("COMMIT")
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except (sqlite3.Error, OSError):
        if connection is not None:
            connection.close()
        raise AuditUnavailable("the audit file cannot be opened for writing") from None
    return connection


def _drain(waiting: "queue.Queue[_Waiting | None]", most: int) -> tuple[list[_Waiting], bool]:
    """What waits already, and whether the word to stop was behind it."""
    found: list[_Waiting] = []
    while len(found) < most:
        try:
            item = waiting.get_nowait()
        except queue.Empty:
            break
        if item is None:
            return found, True
        found.append(item)
    return found, False


def _tell(batch: Sequence[_Waiting], failure: str | None) -> None:
    """Wake the callers, each on its own event loop; one call for each loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
    for _, loop, durable in batch:
        by_loop.setdefault(loop, []).append(durable)
    for loop, futures in by_loop.items():
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_settle, futures, failure)


def _settle(futures: Sequence["asyncio.Future[None]"], failure: str | None) -> None:
    for future in futures:
        if future.done():
            continue
        if failure is None:
            future.set_result(None)
        else:
            future.set_exception(AuditUnavailable(failure))


def _event(
    kind: AuditKind, actor: Actor, purpose: str, patient: str | None, detail: Mapping[str, str], **fields: Any
) -> AuditEvent:
    return AuditEvent(
        kind=kind,
        user=actor.user,
        role=actor.role,
        organization=actor.organization,
        purpose=purpose,
        patient=patient,
        detail=tuple(sorted(detail.items())),
        **fields,
    )


_ENCODER = msgspec.json.Encoder(order="deterministic")


def _json(value: object) -> str:
    try:
        return _ENCODER.encode(value).decode()
    except UnicodeEncodeError:  # half a surrogate pair, which `_text` tells about
        return json.dumps(value, ensure_ascii=True, separators=(",", ":"), sort_keys=True)


def _text(value: str) -> str:
    """What a caller typed may hold half a surrogate pair, which no file can store: it is written as its escape."""
    return value.encode("utf-8", "backslashreplace").decode()
