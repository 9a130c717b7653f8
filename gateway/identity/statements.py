"""What is done to the cross-reference table, written once for SQLite and PostgreSQL (`adapters.sdk.durable`).

Four tables: `events`, which are only ever added; `links`, what stands now; `identifiers`, who is known under which
number; `restricted`, whom the authority restricts. Whatever is decided is decided inside the transaction that writes
it, after every decision before it: of two gateways that decide about one record at the same moment, the second sees
what the first has decided.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from adapters.sdk import NHS_NUMBER
from adapters.sdk.durable import Script, Statement, StoreUnavailable, marks
from gateway.identity.ledger import (
    JOINED,
    UNION,
    WAITING,
    Event,
    EventKind,
    Link,
    LinkConflict,
    Links,
    Proposal,
    Standing,
    fold,
    follows,
)
from gateway.identity.reference import SUPERSEDED
from gateway.identity.vetoes import RESTRICTED
from schema.model.values import Identifier

_WAITING = f"(status IN ({', '.join(repr(status.value) for status in WAITING)}) OR evidence LIKE '%{JOINED}%')"
"""What is on the stewards' list: what waits, and what they are to be told of."""
_HOLDING = (Standing.LINKED, Standing.DOUBTED)
"""One record is held to be one person's at most, in doubt or not."""

_TABLES = (
    "CREATE TABLE IF NOT EXISTS events (seq BIGINT PRIMARY KEY, at TEXT NOT NULL, kind TEXT NOT NULL, "
    "person TEXT NOT NULL, source TEXT, local_id TEXT, evidence TEXT NOT NULL, rules TEXT NOT NULL, decided_by TEXT, "
    "reason TEXT NOT NULL, system TEXT, value TEXT, current INTEGER NOT NULL)",
    "CREATE INDEX IF NOT EXISTS events_person ON events (person)",
    "CREATE INDEX IF NOT EXISTS events_record ON events (source, local_id)",
    "CREATE TABLE IF NOT EXISTS links (source TEXT NOT NULL, local_id TEXT NOT NULL, person TEXT NOT NULL, "
    "status TEXT NOT NULL, evidence TEXT NOT NULL, rules TEXT NOT NULL, decided_by TEXT, reason TEXT NOT NULL, "
    "at TEXT NOT NULL, seq BIGINT NOT NULL, PRIMARY KEY (source, local_id, person))",
    "CREATE UNIQUE INDEX IF NOT EXISTS one_holder ON links (source, local_id) "
    f"WHERE status IN ({', '.join(repr(status.value) for status in _HOLDING)})",
    "CREATE INDEX IF NOT EXISTS links_person ON links (person)",
    "DROP INDEX IF EXISTS links_waiting",  # of tables from before stewards were told of joined people
    f"CREATE INDEX IF NOT EXISTS links_listed ON links (seq) WHERE {_WAITING}",
    "CREATE TABLE IF NOT EXISTS identifiers (system TEXT NOT NULL, value TEXT NOT NULL, person TEXT NOT NULL, "
    "current INTEGER NOT NULL, seq BIGINT NOT NULL, PRIMARY KEY (system, value))",
    "CREATE INDEX IF NOT EXISTS identifiers_person ON identifiers (person)",
    "CREATE TABLE IF NOT EXISTS restricted (person TEXT PRIMARY KEY)",
)
_REFUSE = "BEGIN SELECT raise(ABORT, 'append-only'); END"
_SQLITE = (
    f"CREATE TRIGGER IF NOT EXISTS events_stay BEFORE UPDATE ON events {_REFUSE}",
    f"CREATE TRIGGER IF NOT EXISTS events_keep BEFORE DELETE ON events {_REFUSE}",
    # INSERT OR REPLACE takes a row away without asking the trigger above.
    "CREATE TRIGGER IF NOT EXISTS events_once BEFORE INSERT ON events WHEN EXISTS "  # noqa: S608
    f"(SELECT 1 FROM events WHERE seq = new.seq) {_REFUSE}",
)
_TRIGGERS = {
    "events_stay": "BEFORE UPDATE OR DELETE ON events FOR EACH ROW",
    "events_keep": "BEFORE TRUNCATE ON events FOR EACH STATEMENT",
}
_POSTGRESQL = (
    "CREATE OR REPLACE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql "
    "AS 'BEGIN RAISE EXCEPTION ''append-only''; END'",
    *(
        f"DO 'BEGIN IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = ''events''::regclass AND tgname = ''{name}'')"
        f" THEN CREATE TRIGGER {name} {when} EXECUTE FUNCTION append_only(); END IF; END'"
        for name, when in _TRIGGERS.items()
    ),
)


def sqlite_tables(at: datetime) -> Script[None]:
    """Everything, made where it is not there. What was once written about persons who had ended follows them."""
    for text in (*_TABLES, *_SQLITE):
        yield Statement(text)
    yield from follow_ended(at)


def postgresql_tables(at: datetime) -> Script[None]:
    """As `sqlite_tables`. StoreUnavailable where events may be changed after all."""
    for text in (*_TABLES, *_POSTGRESQL):
        yield Statement(text)
    refusing = yield Statement(
        "SELECT tgname FROM pg_trigger WHERE tgrelid = 'events'::regclass AND tgenabled IN ('O', 'A')"
    )
    if not _TRIGGERS.keys() <= {name for (name,) in refusing}:
        raise StoreUnavailable("the triggers that keep decisions from being changed are switched off")
    yield from follow_ended(at)


# --- asking -----------------------------------------------------------------------------------------------------------


def person_for(identifier: Identifier, restricted: bool = True) -> Script[str | None]:
    """As `CrossReference.person_for`."""
    where = "" if restricted else f" AND {_UNRESTRICTED.format('identifiers')}"
    rows = yield Statement(
        f"SELECT person FROM identifiers WHERE system = $1 AND value = $2{where}",  # noqa: S608
        (identifier.system, identifier.value),
    )
    return rows[0][0] if rows else None


def identifiers(person: str) -> Script[tuple[Identifier, ...]]:
    """As `CrossReference.identifiers`."""
    rows = yield Statement(
        "SELECT system, value, current FROM identifiers WHERE person = $1 ORDER BY current DESC, seq DESC, value",
        (person,),
    )
    rows = sorted(rows, key=lambda row: (not row[2], row[0] != NHS_NUMBER))
    return tuple(
        Identifier(system=system, value=value, verified=True, type=None if current else SUPERSEDED)
        for system, value, current in rows
    )


def known_just_so(
    current: Sequence[Identifier], superseded: Sequence[Identifier], restricted: bool | None
) -> Script[str | None]:
    """The one person known under every one of these, with these as current numbers; None when there is none such."""
    persons = set()
    for identifier in (*current, *superseded):
        persons.add((yield from person_for(identifier)))
    (person, *others) = persons
    if person is None or others:
        return None
    known = yield from identifiers(person)
    stated = {(one.system, one.value) for one in current}
    if not stated <= {(one.system, one.value) for one in known if one.type != SUPERSEDED}:
        return None
    if restricted is not None and restricted is not (yield from is_restricted(person)):
        return None
    return person


def is_restricted(person: str) -> Script[bool]:
    """As `CrossReference.is_restricted`."""
    rows = yield Statement("SELECT 1 FROM restricted WHERE person = $1", (person,))
    return bool(rows)


def links(person: str) -> Script[tuple[Link, ...]]:
    """As `CrossReference.links`."""
    found = yield from _links_of((person,))
    return tuple(sorted(found.values(), key=lambda link: (link.source, link.local_id)))


def standing(source: str, local_ids: Sequence[str]) -> Script[dict[str, tuple[Link, ...]]]:
    """As `CrossReference.standing`."""
    found: dict[str, list[Link]] = {local_id: [] for local_id in local_ids}
    for start in range(0, len(local_ids), _AT_ONCE):
        some = tuple(local_ids[start : start + _AT_ONCE])
        rows = yield Statement(
            f"SELECT {_LINK} FROM links WHERE source = $1 AND local_id IN {marks(len(some), 1)} ORDER BY person",  # noqa: S608
            (source, *some),
        )
        for row in rows:
            link = _link(row)
            found[link.local_id].append(link)
    return {local_id: tuple(links) for local_id, links in found.items()}


def judged_for(person: str, source: str, local_ids: Sequence[str]) -> Script[tuple[str, dict[str, tuple[Link, ...]]]]:
    """As `CrossReference.judged_for`."""
    goes_on = (yield from _goes_on(person)) or person
    return goes_on, (yield from standing(source, local_ids))


def decided_about(
    records: Sequence[tuple[str, Sequence[str]]], numbers: Sequence[Identifier]
) -> Script[tuple[dict[str, dict[str, tuple[Link, ...]]], dict[Identifier, str]]]:
    """As `CrossReference.decided_about`."""
    found = {}
    for source, local_ids in records:
        found[source] = yield from standing(source, local_ids)
    persons = {}
    for number in numbers:
        if (person := (yield from person_for(number))) is not None:
            persons[number] = person
    return found, persons


def ever_restricted(source: str, local_id: str) -> Script[bool]:
    """As `CrossReference.ever_restricted`."""
    rows = yield Statement(
        "SELECT 1 FROM events WHERE source = $1 AND local_id = $2 AND ' ' || evidence || ' ' LIKE $3 LIMIT 1",
        (source, local_id, f"% {RESTRICTED} %"),
    )
    return bool(rows)


def events(person: str | None = None) -> Script[tuple[Event, ...]]:
    """As `CrossReference.events`."""
    where, values = ("WHERE person = $1", (person,)) if person else ("", ())
    rows = yield Statement(f"SELECT {_EVENT} FROM events {where} ORDER BY seq", values)  # noqa: S608
    return tuple(map(_event, rows))


def replay() -> Script[bool]:
    """As `CrossReference.replay`."""
    everything = yield from events()
    expected = fold(everything)
    stored = yield Statement(f"SELECT {_LINK} FROM links")  # noqa: S608
    people = yield Statement("SELECT system, value, person, current FROM identifiers")
    restricted = yield Statement("SELECT person FROM restricted")
    return (
        {_key(link): link for link in map(_link, stored)} == expected.links
        and {(system, value): (person, bool(current)) for system, value, person, current in people}
        == expected.identifiers
        and {person for (person,) in restricted} == expected.restricted
    )


def waiting(
    sources: Sequence[str], restricted: bool, after: int, limit: int
) -> Script[tuple[tuple[tuple[Link, Identifier], ...], int]]:
    """As `CrossReference.waiting`."""
    where = f"FROM links WHERE {_WAITING} AND source IN {marks(len(sources))}"
    # A row about a person who has ended waits for nobody: nobody could name whom to decide about.
    where += " AND EXISTS (SELECT 1 FROM identifiers WHERE identifiers.person = links.person)"
    if not restricted:
        where += f" AND {_UNRESTRICTED.format('links')} AND {_NEVER_RESTRICTED}"
    ((total,),) = yield Statement(f"SELECT count(*) {where}", tuple(sources))
    at = len(sources)
    rows = yield Statement(
        f"SELECT {_LINK} {where} AND seq > ${at + 1} ORDER BY seq LIMIT ${at + 2}", (*sources, after, limit)
    )
    found = tuple(map(_link, rows))
    numbers: dict[str, Identifier] = {}
    for person in dict.fromkeys(link.person for link in found):
        current, *_ = yield from identifiers(person)
        numbers[person] = msgspec.structs.replace(current, type=None)
    return tuple((link, numbers[link.person]) for link in found), total


# --- deciding ---------------------------------------------------------------------------------------------------------


def follow_ended(at: datetime) -> Script[None]:
    """What was written about persons who had ended by then is theirs who they turned out to be."""
    rows = yield Statement(
        "SELECT DISTINCT person FROM links WHERE NOT EXISTS "
        "(SELECT 1 FROM identifiers WHERE identifiers.person = links.person)"
    )
    for (ended,) in rows:
        person = yield from _goes_on(ended)
        if person is not None:
            yield from add(EventKind.SUPERSEDE, person, at, evidence=(ended,), rules=UNION)


def record(proposals: Iterable[Proposal], at: datetime) -> Script[tuple[Link | None, ...]]:
    """As `CrossReference.record`."""
    kept: list[Link | None] = []
    for proposal in proposals:
        person = yield from _goes_on(proposal.person)
        if person is None:
            kept.append(None)
            continue
        one = msgspec.structs.replace(proposal, person=person)
        here = yield from _one(one.source, one.local_id, one.person)
        kind = follows(one, here)
        if kind is EventKind.LINK and (yield from _held_elsewhere(one.source, one.local_id, one.person)):
            kind = None
        if kind is not None:
            pair = (one.source, one.local_id)
            yield from add(kind, one.person, at, pair, evidence=one.evidence, rules=one.rules)
            here = yield from _one(one.source, one.local_id, one.person)
        kept.append(here)
    return tuple(kept)


def decide(
    kind: EventKind, source: str, local_id: str, person: str, by: str, reason: str, at: datetime
) -> Script[tuple[Link, Standing | None]]:
    """As `CrossReference.link` and `unlink`; with what stood before.

    That the source restricts the record, or once did, is kept with the decision: a link admits a restricted record only
    when it was decided knowing that.
    """
    person = (yield from _goes_on(person)) or person
    restricted = yield from ever_restricted(source, local_id)
    before = yield from _one(source, local_id, person)
    if kind is EventKind.LINK and (yield from _held_elsewhere(source, local_id, person)):
        raise LinkConflict("this record is linked to another person: unlink it there first")
    evidence = (RESTRICTED,) if restricted else ()
    yield from add(kind, person, at, (source, local_id), evidence=evidence, by=by, reason=reason)
    link = yield from _one(source, local_id, person)
    if link is None:
        raise StoreUnavailable("the decision was not kept")
    return link, before.status if before is not None else None


def add(
    kind: EventKind,
    person: str,
    at: datetime,
    pair: tuple[str, str] | tuple[None, None] = (None, None),
    *,
    evidence: tuple[str, ...] = (),
    rules: str = "",
    by: str | None = None,
    reason: str = "",
    identifier: Identifier | None = None,
    current: bool = False,
) -> Script[None]:
    """Add one event and bring what stands up to date with it, by the very fold that `replay` checks."""
    ((seq,),) = yield Statement("SELECT coalesce(max(seq), 0) + 1 FROM events")
    source, local_id = pair
    event = Event(
        seq=seq,
        at=at,
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
    yield Statement(_KEEP_EVENT, _event_row(event))
    before = yield from _links_of((person, *evidence) if kind is EventKind.SUPERSEDE else (person,))
    after = fold((event,), before).links
    for key in before.keys() - after.keys():
        yield Statement("DELETE FROM links WHERE source = $1 AND local_id = $2 AND person = $3", key)
    for key, link in after.items():
        if before.get(key) != link:
            yield Statement(_KEEP_LINK, _link_row(link))
    if kind is EventKind.SUPERSEDE:
        for earlier in evidence:
            yield Statement("UPDATE identifiers SET person = $1, current = 0 WHERE person = $2", (person, earlier))
            if (yield from is_restricted(earlier)):
                yield Statement("DELETE FROM restricted WHERE person = $1", (earlier,))
                yield Statement(_RESTRICT, (person,))
    elif kind is EventKind.RESTRICT:
        yield Statement(_RESTRICT, (person,))
    elif kind is EventKind.UNRESTRICT:
        yield Statement("DELETE FROM restricted WHERE person = $1", (person,))
    elif kind is EventKind.OBSERVE:
        if current:
            yield Statement(
                "UPDATE identifiers SET current = 0 WHERE person = $1 AND system = $2", (person, event.system)
            )
        yield Statement(_KEEP_IDENTIFIER, (event.system, event.value, person, int(current), seq))


def _goes_on(person: str) -> Script[str | None]:
    """The person, or who they turned out to be while an answer about them was on its way; None when nobody is known."""
    seen: set[str] = set()
    while person not in seen:
        seen.add(person)
        if (yield Statement("SELECT 1 FROM identifiers WHERE person = $1 LIMIT 1", (person,))):
            return person
        rows = yield Statement(
            "SELECT person FROM events WHERE kind = $1 AND evidence = $2 ORDER BY seq DESC LIMIT 1",
            (EventKind.SUPERSEDE.value, person),
        )
        person = rows[0][0] if rows else person
    return None


def _one(source: str, local_id: str, person: str) -> Script[Link | None]:
    rows = yield Statement(
        f"SELECT {_LINK} FROM links WHERE source = $1 AND local_id = $2 AND person = $3",  # noqa: S608
        (source, local_id, person),
    )
    return _link(rows[0]) if rows else None


def _links_of(persons: Sequence[str]) -> Script[Links]:
    among = marks(len(persons))
    rows = yield Statement(f"SELECT {_LINK} FROM links WHERE person IN {among}", tuple(persons))  # noqa: S608
    return {_key(link): link for link in map(_link, rows)}


def _held_elsewhere(source: str, local_id: str, person: str) -> Script[bool]:
    rows = yield Statement(
        f"SELECT {_LINK} FROM links WHERE source = $1 AND local_id = $2 AND person <> $3",  # noqa: S608
        (source, local_id, person),
    )
    return any(link.status in _HOLDING for link in map(_link, rows))


# --- rows -------------------------------------------------------------------------------------------------------------

_AT_ONCE = 1000
_LINK_COLUMNS = ("source", "local_id", "person", "status", "evidence", "rules", "decided_by", "reason", "at", "seq")
_LINK = ", ".join(_LINK_COLUMNS)
_RESTATED = ", ".join(f"{column} = excluded.{column}" for column in _LINK_COLUMNS[3:])
_KEEP_LINK = (
    f"INSERT INTO links ({_LINK}) VALUES {marks(len(_LINK_COLUMNS))} "  # noqa: S608
    f"ON CONFLICT (source, local_id, person) DO UPDATE SET {_RESTATED}"
)
_EVENT_COLUMNS = (
    *("seq", "at", "kind", "person", "source", "local_id", "evidence", "rules", "decided_by", "reason"),
    *("system", "value", "current"),
)
_EVENT = ", ".join(_EVENT_COLUMNS)
_KEEP_EVENT = f"INSERT INTO events ({_EVENT}) VALUES {marks(len(_EVENT_COLUMNS))}"  # noqa: S608
_RESTRICT = "INSERT INTO restricted (person) VALUES ($1) ON CONFLICT DO NOTHING"
_UNRESTRICTED = "NOT EXISTS (SELECT 1 FROM restricted WHERE restricted.person = {}.person)"
_NEVER_RESTRICTED = (
    "NOT EXISTS (SELECT 1 FROM events AS told WHERE told.source = links.source AND told.local_id = links.local_id "  # noqa: S608
    f"AND ' ' || told.evidence || ' ' LIKE '% {RESTRICTED} %')"
)
_KEEP_IDENTIFIER = (
    "INSERT INTO identifiers (system, value, person, current, seq) VALUES ($1, $2, $3, $4, $5) "
    "ON CONFLICT (system, value) DO UPDATE SET person = excluded.person, current = excluded.current, seq = excluded.seq"
)


def _key(link: Link) -> tuple[str, str, str]:
    return link.source, link.local_id, link.person


def _link(row: Sequence[Any]) -> Link:
    fields = dict(zip(_LINK_COLUMNS, row, strict=True))
    return msgspec.convert(fields | {"evidence": tuple(fields["evidence"].split())}, Link)


def _link_row(link: Link) -> tuple[Any, ...]:
    fields = msgspec.structs.asdict(link)
    fields |= {"evidence": " ".join(link.evidence), "status": link.status.value, "at": link.at.isoformat()}
    return tuple(fields[column] for column in _LINK_COLUMNS)


def _event(row: Sequence[Any]) -> Event:
    fields = dict(zip(_EVENT_COLUMNS, row, strict=True))
    return msgspec.convert(
        fields | {"evidence": tuple(fields["evidence"].split()), "current": bool(fields["current"])}, Event
    )


def _event_row(event: Event) -> tuple[Any, ...]:
    fields = msgspec.structs.asdict(event)
    fields |= {"evidence": " ".join(event.evidence), "kind": event.kind.value, "at": event.at.isoformat()}
    fields["current"] = int(event.current)
    return tuple(fields[column] for column in _EVENT_COLUMNS)
