"""The cross-reference table: which local id of which source is which person. The role of IHE PIX (ITI TF-1, chapter 5).

Every decision is an event that is only ever added; what stands now is kept beside the events and is always what they
add up to (`replay` proves it). A person's id is random, so that it says nothing where it turns up. Local ids and
national numbers stand in this file because it is what translates between them: it is made readable to its owner only.

Reads use a connection of their own and take some tens of microseconds: call them inline. Writes wait for the disk: call
them through `AsyncCrossReference`.
"""

import asyncio
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from gateway.identity.ledger import (
    SCHEMA,
    Event,
    EventKind,
    Link,
    LinkConflict,
    Proposal,
    StewardNeeded,
    fold,
    follows,
)
from schema.model.values import Identifier


class CrossReferenceUnavailable(Exception):
    """The table cannot be read or written; without it nobody's record can be shown."""

    code = "IDENTITY_UNAVAILABLE"
    issue_type = "transient"


class CrossReference:
    """The table in one SQLite file. Safe to use from several threads and several processes."""

    def __init__(self, path: Path, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._read_lock = threading.Lock()
        with _ours():
            path.touch(mode=0o600)
            self._writer = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._writer.execute("PRAGMA journal_mode=WAL")
            # An unlink that a power cut takes back would show the wrong person's record again.
            self._writer.execute("PRAGMA synchronous=FULL")
            if self._writer.execute("PRAGMA synchronous").fetchone() != (2,):
                raise sqlite3.OperationalError
            self._writer.executescript(SCHEMA)
            self._reader = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._reader.execute("PRAGMA query_only=ON")

    def close(self) -> None:
        """Release the file."""
        with self._lock, self._read_lock:
            self._reader.close()
            self._writer.close()

    # --- asking -----------------------------------------------------------------------------------------------------

    def person_for(self, identifier: Identifier) -> str | None:
        """The person known under this identifier, superseded ones included; None when nobody is."""
        rows = self._query(
            "SELECT person FROM identifiers WHERE system = ? AND value = ?", (identifier.system, identifier.value)
        )
        return rows[0][0] if rows else None

    def identifiers(self, person: str) -> tuple[Identifier, ...]:
        """Every identifier that the person is known under, the current one first."""
        rows = self._query(
            "SELECT system, value FROM identifiers WHERE person = ? ORDER BY current DESC, seq DESC, value", (person,)
        )
        return tuple(Identifier(system=system, value=value, verified=True) for system, value in rows)

    def links(self, person: str) -> tuple[Link, ...]:
        """Every decision that stands for this person, in order of source and local id."""
        return self.links_many((person,))[person]

    def links_many(self, persons: Iterable[str]) -> dict[str, tuple[Link, ...]]:
        """`links` for several persons, in one question."""
        found: dict[str, list[Link]] = {person: [] for person in persons}
        marks = ",".join("?" * len(found))
        for row in self._query(
            f"SELECT {_LINK} FROM links WHERE person IN ({marks}) ORDER BY source, local_id",  # noqa: S608
            tuple(found),
        ):
            link = _link(row)
            found[link.person].append(link)
        return {person: tuple(links) for person, links in found.items()}

    def standing(self, source: str, local_ids: Iterable[str]) -> dict[str, tuple[Link, ...]]:
        """What stands about these local ids of a source, whoever they are linked to: what the guard needs to know."""
        wanted = tuple(dict.fromkeys(local_ids))
        found: dict[str, list[Link]] = {local_id: [] for local_id in wanted}
        marks = ",".join("?" * len(wanted))
        for row in self._query(
            f"SELECT {_LINK} FROM links WHERE source = ? AND local_id IN ({marks}) ORDER BY person",  # noqa: S608
            (source, *wanted),
        ):
            link = _link(row)
            found[link.local_id].append(link)
        return {local_id: tuple(links) for local_id, links in found.items()}

    def events(self, person: str | None = None) -> tuple[Event, ...]:
        """The events in order; of one person, or all."""
        where, values = ("WHERE person = ?", (person,)) if person else ("", ())
        return tuple(_event(row) for row in self._query(f"SELECT {_EVENT} FROM events {where} ORDER BY seq", values))  # noqa: S608

    def replay(self) -> bool:
        """Whether what stands now is exactly what the events add up to."""
        links, identifiers = fold(self.events())
        stored = {(x.source, x.local_id, x.person): x for x in map(_link, self._query(f"SELECT {_LINK} FROM links"))}  # noqa: S608
        known = {(system, value): person for system, value, person in self._query(_KNOWN)}
        return stored == links and known == identifiers

    # --- deciding ---------------------------------------------------------------------------------------------------

    def ensure_person(self, identifier: Identifier, superseded: Sequence[Identifier] = ()) -> str:
        """The person with this current number, made known if new.

        `superseded` are earlier numbers on the authority's word. A person who was known under one of them alone is
        this same person from now on, with every decision that stood for the earlier number; a block outlives that.
        """
        with self._writing() as write:
            known = {i: self._person_of(write, i) for i in (identifier, *superseded)}
            person = known[identifier] or next((p for p in known.values() if p), None) or uuid.uuid4().hex
            for earlier in dict.fromkeys(p for p in known.values() if p and p != person):
                self._add(write, EventKind.SUPERSEDE, person, evidence=(earlier,))
            if not self._is_current(write, identifier, person):
                self._add(write, EventKind.OBSERVE, person, identifier=identifier, current=True)
            for number in superseded:
                if known[number] is None:
                    self._add(write, EventKind.OBSERVE, person, identifier=number, current=False)
        return person

    def record(self, proposals: Iterable[Proposal]) -> tuple[Link | None, ...]:
        """Keep what the gateway found by itself: linked when certain, present when probable, held when possible.

        What was present or held and is certainly not the person leaves the list (`ledger.follows`). What a person
        decided is never changed here: a blocked pair stays blocked, and a local id that is linked to somebody else is
        not linked a second time. Returns what stands afterwards for each, None where nothing does.
        """
        with self._writing() as write:
            return tuple(self._record(write, proposal) for proposal in proposals)

    def link(self, source: str, local_id: str, person: str, *, by: str, reason: str = "") -> Link:
        """A named steward decides that it is this person, a block notwithstanding.

        Raises LinkConflict when it is linked to somebody else: that must be undone first, by name.
        """
        return self._decide(EventKind.LINK, source, local_id, person, by, reason)

    def unlink(self, source: str, local_id: str, person: str, *, by: str, reason: str = "") -> Link:
        """A named steward decides that it is not this person.

        What stood for the person before the link stands again exactly, and the pair is never linked automatically.
        """
        return self._decide(EventKind.UNLINK, source, local_id, person, by, reason)

    # --- inside a transaction ---------------------------------------------------------------------------------------

    def _record(self, write: sqlite3.Connection, proposal: Proposal) -> Link | None:
        source, local_id, person = proposal.source, proposal.local_id, proposal.person
        standing = self._one(write, source, local_id, person)
        kind = follows(proposal, standing)
        if kind is None or (kind is EventKind.LINK and self._linked_elsewhere(write, source, local_id, person)):
            return standing
        self._add(write, kind, person, source, local_id, evidence=proposal.evidence, rules=proposal.rules)
        return self._one(write, source, local_id, person)

    def _decide(self, kind: EventKind, source: str, local_id: str, person: str, by: str, reason: str) -> Link:
        if not by.strip():
            raise StewardNeeded("name the person who decides")
        with self._writing() as write:
            if kind is EventKind.LINK and self._linked_elsewhere(write, source, local_id, person):
                raise LinkConflict("this record is linked to another person: unlink it there first")
            self._add(write, kind, person, source, local_id, by=by.strip(), reason=reason)
            link = self._one(write, source, local_id, person)
        if link is None:
            raise CrossReferenceUnavailable("the decision was not kept")
        return link

    def _add(
        self,
        write: sqlite3.Connection,
        kind: EventKind,
        person: str,
        source: str | None = None,
        local_id: str | None = None,
        *,
        evidence: tuple[str, ...] = (),
        rules: str = "",
        by: str | None = None,
        reason: str = "",
        identifier: Identifier | None = None,
        current: bool = False,
    ) -> None:
        """Add one event and bring what stands up to date with it, by the very fold that `replay` checks."""
        moment = self._clock()
        if moment.tzinfo is None:
            raise ValueError("the clock must be aware")
        event = Event(
            seq=write.execute("SELECT coalesce(max(seq), 0) + 1 FROM events").fetchone()[0],
            at=moment,
            kind=kind,
            person=person,
            source=source,
            local_id=local_id,
            evidence=evidence,
            rules=rules,
            decided_by=by,
            reason=reason,
            system=identifier.system if identifier else None,
            value=identifier.value if identifier else None,
            current=current,
        )
        write.execute(f"INSERT INTO events ({_EVENT}) VALUES ({_EVENT_MARKS})", _event_row(event))  # noqa: S608
        persons = (person, *event.evidence) if kind is EventKind.SUPERSEDE else (person,)
        marks = ",".join("?" * len(persons))
        rows = write.execute(f"SELECT {_LINK} FROM links WHERE person IN ({marks})", persons)  # noqa: S608
        before = {(x.source, x.local_id, x.person): x for x in map(_link, rows)}
        after, _ = fold((event,), before)
        for key in before.keys() - after.keys():
            write.execute("DELETE FROM links WHERE source = ? AND local_id = ? AND person = ?", key)
        for key, link in after.items():
            if before.get(key) != link:
                write.execute(f"INSERT OR REPLACE INTO links ({_LINK}) VALUES ({_LINK_MARKS})", _link_row(link))  # noqa: S608
        if kind is EventKind.SUPERSEDE:
            for earlier in event.evidence:
                write.execute("UPDATE identifiers SET person = ?, current = 0 WHERE person = ?", (person, earlier))
        elif kind is EventKind.OBSERVE:
            if current:
                write.execute("UPDATE identifiers SET current = 0 WHERE person = ?", (person,))
            write.execute(
                "INSERT OR REPLACE INTO identifiers (system, value, person, current, seq) VALUES (?, ?, ?, ?, ?)",
                (event.system, event.value, person, int(current), event.seq),
            )

    @staticmethod
    def _one(write: sqlite3.Connection, source: str, local_id: str, person: str) -> Link | None:
        row = write.execute(
            f"SELECT {_LINK} FROM links WHERE source = ? AND local_id = ? AND person = ?",  # noqa: S608
            (source, local_id, person),
        ).fetchone()
        return _link(row) if row else None

    @staticmethod
    def _linked_elsewhere(write: sqlite3.Connection, source: str, local_id: str, person: str) -> bool:
        return bool(
            write.execute(
                "SELECT 1 FROM links WHERE source = ? AND local_id = ? AND person <> ? AND status = 'LINKED'",
                (source, local_id, person),
            ).fetchone()
        )

    @staticmethod
    def _person_of(write: sqlite3.Connection, identifier: Identifier) -> str | None:
        row = write.execute(
            "SELECT person FROM identifiers WHERE system = ? AND value = ?", (identifier.system, identifier.value)
        ).fetchone()
        return row[0] if row else None

    @staticmethod
    def _is_current(write: sqlite3.Connection, identifier: Identifier, person: str) -> bool:
        row = write.execute(
            "SELECT current FROM identifiers WHERE system = ? AND value = ? AND person = ?",
            (identifier.system, identifier.value, person),
        ).fetchone()
        return bool(row and row[0])

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock, _ours():
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise

    def _query(self, statement: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        with self._read_lock, _ours():
            return self._reader.execute(statement, values).fetchall()


class AsyncCrossReference:
    """The same table for the event loop: reads at once, decisions in a thread, because they wait for the disk."""

    def __init__(self, table: CrossReference) -> None:
        self.table = table
        self.person_for = table.person_for
        self.identifiers = table.identifiers
        self.links = table.links
        self.links_many = table.links_many
        self.standing = table.standing

    async def ensure_person(self, identifier: Identifier, superseded: Sequence[Identifier] = ()) -> str:
        """As `CrossReference.ensure_person`; nothing is written for a person who is known just so."""
        known = {self.person_for(i) for i in (identifier, *superseded)}
        (person, *others) = known
        if person is not None and not others and self.identifiers(person)[0].value == identifier.value:
            return person
        return await asyncio.to_thread(self.table.ensure_person, identifier, superseded)

    async def record(self, proposals: Sequence[Proposal]) -> tuple[Link | None, ...]:
        """As `CrossReference.record`."""
        return await asyncio.to_thread(self.table.record, proposals) if proposals else ()

    async def link(self, source: str, local_id: str, person: str, *, by: str, reason: str = "") -> Link:
        """As `CrossReference.link`."""
        return await asyncio.to_thread(self.table.link, source, local_id, person, by=by, reason=reason)

    async def unlink(self, source: str, local_id: str, person: str, *, by: str, reason: str = "") -> Link:
        """As `CrossReference.unlink`."""
        return await asyncio.to_thread(self.table.unlink, source, local_id, person, by=by, reason=reason)


_LINK_COLUMNS = ("source", "local_id", "person", "status", "evidence", "rules", "decided_by", "reason", "at", "seq")
_LINK, _LINK_MARKS = ", ".join(_LINK_COLUMNS), ", ".join("?" * len(_LINK_COLUMNS))
_EVENT_COLUMNS = (
    *("seq", "at", "kind", "person", "source", "local_id", "evidence", "rules", "decided_by", "reason"),
    *("system", "value", "current"),
)
_EVENT, _EVENT_MARKS = ", ".join(_EVENT_COLUMNS), ", ".join("?" * len(_EVENT_COLUMNS))
_KNOWN = "SELECT system, value, person FROM identifiers"


def _link(row: tuple[Any, ...]) -> Link:
    fields = dict(zip(_LINK_COLUMNS, row, strict=True))
    return msgspec.convert(fields | {"evidence": tuple(fields["evidence"].split())}, Link)


def _link_row(link: Link) -> tuple[Any, ...]:
    fields = msgspec.structs.asdict(link)
    fields |= {"evidence": " ".join(link.evidence), "status": link.status.value, "at": link.at.isoformat()}
    return tuple(fields[column] for column in _LINK_COLUMNS)


def _event(row: tuple[Any, ...]) -> Event:
    fields = dict(zip(_EVENT_COLUMNS, row, strict=True))
    return msgspec.convert(
        fields | {"evidence": tuple(fields["evidence"].split()), "current": bool(fields["current"])}, Event
    )


def _event_row(event: Event) -> tuple[Any, ...]:
    fields = msgspec.structs.asdict(event)
    fields |= {"evidence": " ".join(event.evidence), "kind": event.kind.value, "at": event.at.isoformat()}
    return tuple(fields[column] for column in _EVENT_COLUMNS)


@contextmanager
def _ours() -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError):
        raise CrossReferenceUnavailable("the cross-reference table cannot be used: check its file and disk") from None
