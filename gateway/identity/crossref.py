"""The cross-reference table: which local id of which source is which person. The role of IHE PIX (ITI TF-1, chapter 5).

Every decision is an event that is only ever added; what stands now is kept beside the events and is always what they
add up to (`replay` proves it). A person's id is random, so that it says nothing where it turns up. Local ids and
national numbers stand here because it is what translates between them: a file is made readable to its owner only.

It is a SQLite file, for one gateway, or a PostgreSQL database, for several: they then share one history. Nothing is
remembered beside it: an answer from memory could show a record that a steward has just taken away, so while the table
is away nobody's record is shown.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from adapters.sdk.durable import Database, Script, Statement, StoreUnavailable
from adapters.sdk.durable.server import Server
from adapters.sdk.durable.sqlite import SmallSqliteDatabase
from gateway.identity import joining, statements
from gateway.identity.ledger import Event, EventKind, Link, Proposal, Standing, StewardNeeded
from schema.model.values import Identifier

T = TypeVar("T")

_ANSWER_WITHIN_S = 5.0
"""Longer than this nobody waits for a server."""


class CrossReferenceUnavailable(Exception):
    """The table cannot be read or written; without it nobody's record can be shown."""

    code = "IDENTITY_UNAVAILABLE"
    issue_type = "transient"


async def open_crossref(where: Path | Server, clock: Callable[[], datetime]) -> "CrossReference":
    """The table in this file, which is made where there is none, or on this server.

    Raises CrossReferenceUnavailable when a decision would not be durable there, and SettingsError.
    """
    table = CrossReference(_database(where, clock), clock)
    try:
        await table.open()
    except BaseException:
        await table.close()
        raise
    return table


def _database(where: Path | Server, clock: Callable[[], datetime]) -> Database:
    if isinstance(where, Path):
        return SmallSqliteDatabase(where, lambda: statements.sqlite_tables(clock()))
    from adapters.sdk.durable.postgresql import PostgresqlDatabase

    return PostgresqlDatabase(where, lambda: statements.postgresql_tables(clock()), answer_within_s=_ANSWER_WITHIN_S)


class CrossReference:
    """The table. Used by one event loop; several processes may share its database.

    Every method raises CrossReferenceUnavailable when the database does not answer.
    """

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    async def open(self) -> None:
        """Make ready for decisions. What was once written about persons who had ended follows them."""
        try:
            await self._database.open()
        except StoreUnavailable as problem:
            raise CrossReferenceUnavailable(f"the cross-reference table cannot be used: {problem}") from None

    async def close(self) -> None:
        """Release the database."""
        await self._database.close()

    # --- asking -----------------------------------------------------------------------------------------------------

    async def check(self) -> None:
        """A real round trip."""

        def asked() -> Script[None]:
            yield Statement("SELECT 1 FROM identifiers LIMIT 1")

        await self._read(asked())

    async def person_for(self, identifier: Identifier, *, restricted: bool = True) -> str | None:
        """The person known under this identifier, superseded ones included; None when nobody is.

        `restricted` False: nobody whom the authority restricts, either.
        """
        return await self._read(statements.person_for(identifier, restricted))

    async def is_restricted(self, person: str) -> bool:
        """Whether the authority restricted the person when it was last heard."""
        return await self._read(statements.is_restricted(person))

    async def identifiers(self, person: str) -> tuple[Identifier, ...]:
        """Every identifier that the person is known under: the current ones, an NHS number first, then earlier ones.

        An earlier one has the type `superseded`.
        """
        return await self._read(statements.identifiers(person))

    async def links(self, person: str) -> tuple[Link, ...]:
        """Every decision that stands for this person, in order of source and local id."""
        return await self._read(statements.links(person))

    async def standing(self, source: str, local_ids: Iterable[str]) -> dict[str, tuple[Link, ...]]:
        """What stands about these local ids of a source, whoever they are linked to: what the guard needs to know."""
        wanted = tuple(dict.fromkeys(local_ids))
        for local_id in wanted:
            _keepable(local_id)
        return await self._read(statements.standing(source, wanted)) if wanted else {}

    async def judged_for(
        self, person: str, source: str, local_ids: Iterable[str]
    ) -> tuple[str, dict[str, tuple[Link, ...]]]:
        """Who the person is by now, and what stands about these local ids: both at one moment.

        While an answer was on its way the person may have turned out to be another, with that one's blocks.
        """
        wanted = tuple(dict.fromkeys(local_ids))
        for local_id in wanted:
            _keepable(local_id)
        return await self._read(statements.judged_for(person, source, wanted))

    async def decided_about(
        self, records: Mapping[str, Iterable[str]], numbers: Iterable[Identifier]
    ) -> tuple[dict[str, dict[str, tuple[Link, ...]]], dict[Identifier, str]]:
        """What stands about these local ids by source, and who is known under these numbers: all at one moment."""
        wanted = [(source, tuple(dict.fromkeys(local_ids))) for source, local_ids in records.items()]
        for _, local_ids in wanted:
            for local_id in local_ids:
                _keepable(local_id)
        return await self._read(statements.decided_about(wanted, tuple(dict.fromkeys(numbers))))

    async def waiting(
        self, sources: Sequence[str], *, restricted: bool, after: int = 0, limit: int = 100
    ) -> tuple[tuple[tuple[Link, Identifier], ...], int]:
        """What waits for a steward, the longest first, each with the person's current number; and how many there are.

        Of these sources, those after the event `after`, `limit` at most. `restricted`: also records that their source
        restricts or ever did, and people whom the authority restricts.
        """
        return await self._read(statements.waiting(sources, restricted, after, limit)) if sources else ((), 0)

    async def ever_restricted(self, source: str, local_id: str) -> bool:
        """Whether the source has ever restricted this record, whoever it was thought to be."""
        return await self._read(statements.ever_restricted(source, local_id))

    async def events(self, person: str | None = None) -> tuple[Event, ...]:
        """The events in order; of one person, or all."""
        return await self._read(statements.events(person))

    async def replay(self) -> bool:
        """Whether what stands now is exactly what the events add up to."""
        return await self._read(statements.replay())

    # --- deciding ---------------------------------------------------------------------------------------------------

    async def ensure_person(
        self,
        identifier: Identifier,
        superseded: Sequence[Identifier] = (),
        *,
        others: Sequence[Identifier] = (),
        restricted: bool | None = None,
    ) -> str:
        """The person with this current number, made known if new. Nothing is written when they are known just so.

        `superseded` are earlier numbers and `others` current ones of other systems, all on the authority's word. Who
        was known under one of them is this same person from now on, with every decision that stood for that number; a
        block outlives that. Where both had decisions, stewards are told (`JOINED`). A number of `others` is taken
        from whoever has another current number in a system that is stated here: they are two people, and stay two.
        A number that was once said to be replaced, and is now current without the one that replaced it, is another
        person's from then on: nothing is linked to them but what is found anew, and every block stands for both.
        `restricted`: whether the authority restricts the person; null when it was not heard.
        """
        current = (identifier, *others)
        known = await self._read(statements.known_just_so(current, superseded, restricted))
        if known is not None:
            return known
        return await self._write(joining.ensure_person(current, superseded, restricted, self._now()))

    async def record(self, proposals: Sequence[Proposal]) -> tuple[Link | None, ...]:
        """Keep what the gateway found by itself: linked when certain, present when probable, held when possible.

        What was present or held and is certainly not the person leaves the list, and a link whose record contradicts
        the person is doubted (`ledger.follows`). A blocked pair stays blocked, and a local id that is linked to
        somebody else is not linked a second time. Returns what stands afterwards for each, None where nothing does.
        """
        for proposal in proposals:
            _keepable(proposal.local_id)
        return await self._write(statements.record(proposals, self._now())) if proposals else ()

    async def link(
        self, source: str, local_id: str, person: str, *, by: str, reason: str = ""
    ) -> tuple[Link, Standing | None]:
        """A named steward decides that it is this person, a block notwithstanding; and what stood before.

        Raises LinkConflict when it is linked to somebody else: that must be undone first, by name.
        """
        return await self._decide(EventKind.LINK, source, local_id, person, by, reason)

    async def unlink(
        self, source: str, local_id: str, person: str, *, by: str, reason: str = ""
    ) -> tuple[Link, Standing | None]:
        """A named steward decides that it is not this person; and what stood before.

        What was shown of the person before the link is shown again, and the pair is never linked automatically.
        """
        return await self._decide(EventKind.UNLINK, source, local_id, person, by, reason)

    async def _decide(
        self, kind: EventKind, source: str, local_id: str, person: str, by: str, reason: str
    ) -> tuple[Link, Standing | None]:
        if not by.strip():
            raise StewardNeeded("name the person who decides")
        _keepable(local_id)
        return await self._write(statements.decide(kind, source, local_id, person, by.strip(), reason, self._now()))

    def _now(self) -> datetime:
        moment = self._clock()
        if moment.tzinfo is None:
            raise ValueError("the clock must be aware")
        return moment

    async def _read(self, script: Script[T]) -> T:
        with _ours():
            return await self._database.read(script)

    async def _write(self, script: Script[T]) -> T:
        with _ours():
            return await self._database.write(script)


@contextmanager
def _ours() -> Iterator[None]:
    try:
        yield
    except StoreUnavailable:
        raise CrossReferenceUnavailable("the cross-reference table cannot be used: check its store") from None


def _keepable(local_id: str) -> None:
    """PostgreSQL's text holds no NUL; written as anything else, it could be another record's id."""
    if "\0" in local_id:
        raise CrossReferenceUnavailable("a local id holds a NUL, which no table can keep")
