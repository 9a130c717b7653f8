"""What is done to the tables of a feed, written once for every database.

What a script is and who runs it is in `adapters.sdk.durable`. Messages are only ever added, and so are decisions by
hand: the latest one about a message stands.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any

from adapters.hl7v2.feed.kept import Changed, Cursor, Decision, Found, Kept, LinkRefused, Received, State
from adapters.sdk.durable import Script, Statement, marks

SHORTEST_ID = 12
"""Hexadecimal digits by which a message may be named."""
_ROWS_AT_ONCE = 1000

_TABLES = (
    "CREATE TABLE IF NOT EXISTS message (seq {key}, received TEXT NOT NULL, application TEXT NOT NULL, "
    "facility TEXT NOT NULL, control TEXT NOT NULL, digest {bytes} NOT NULL UNIQUE, type TEXT NOT NULL, "
    "state TEXT NOT NULL, raw {bytes} NOT NULL)",
    "CREATE INDEX IF NOT EXISTS message_unlinked ON message (seq) WHERE state = 'unlinked'",
    "CREATE TABLE IF NOT EXISTS person (seq BIGINT NOT NULL, number TEXT NOT NULL, nhs TEXT)",
    "CREATE INDEX IF NOT EXISTS person_number ON person (number, seq)",
    "CREATE INDEX IF NOT EXISTS person_nhs ON person (nhs, number) WHERE nhs IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS person_seq ON person (seq)",
    "CREATE TABLE IF NOT EXISTS tie (seq BIGINT NOT NULL, first TEXT NOT NULL, second TEXT NOT NULL, "
    "holds INTEGER NOT NULL)",
    "CREATE INDEX IF NOT EXISTS tie_first ON tie (first)",
    "CREATE INDEX IF NOT EXISTS tie_second ON tie (second)",
    "CREATE TABLE IF NOT EXISTS link (seq {key}, at TEXT NOT NULL, message BIGINT NOT NULL, number TEXT NOT NULL, "
    "holds INTEGER NOT NULL, who TEXT NOT NULL, why TEXT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS link_message ON link (message, seq)",
    "CREATE INDEX IF NOT EXISTS link_number ON link (number)",
    "CREATE TABLE IF NOT EXISTS tally (id INTEGER PRIMARY KEY CHECK (id = 1), first TEXT, last TEXT, "
    "messages BIGINT NOT NULL, unlinked BIGINT NOT NULL, unreadable BIGINT NOT NULL)",
    "INSERT INTO tally VALUES (1, NULL, NULL, 0, 0, 0) ON CONFLICT DO NOTHING",
)
_LINKED = (
    "FROM link JOIN message ON message.seq = link.message WHERE holds = 1 "
    "AND link.seq = (SELECT max(seq) FROM link AS later WHERE later.message = message.seq)"
)
"""The decisions by hand that stand."""
_KEPT = "SELECT digest, received, application, facility, control, type, raw FROM message"


def tables(key: str, bytes_: str) -> Script[None]:
    """Everything, made where it is not there; the two words are the database's own."""
    for text in _TABLES:
        yield Statement(text.format(key=key, bytes=bytes_))


def commit(messages: Sequence[Received], at: datetime) -> Script[list[bool]]:
    """Keep the messages; which of them are new."""
    digests = [sha256(one.raw).digest() for one in messages]
    distinct = dict(zip(digests, messages, strict=True))
    stamp = at.isoformat()
    rows = [
        (stamp, one.application, one.facility, one.control, digest, one.type, _standing(one), one.raw)
        for digest, one in distinct.items()
    ]
    head = "INSERT INTO message (received, application, facility, control, digest, type, state, raw)"
    seqs: dict[bytes, int] = {}
    for chunk in _chunks(rows):
        found = yield _insert(head, chunk, "ON CONFLICT (digest) DO NOTHING RETURNING digest, seq")
        seqs |= {bytes(digest): seq for digest, seq in found}
    new = [(seqs[digest], one) for digest, one in distinct.items() if digest in seqs]
    people = [(seq, p.number, p.nhs) for seq, one in new for p in dict.fromkeys(one.people)]
    for chunk in _chunks(people):
        yield _insert("INSERT INTO person", chunk)
    ties = [(seq, t.first, t.second, int(t.holds)) for seq, one in new for t in one.ties]
    for chunk in _chunks(ties):
        yield _insert("INSERT INTO tie", chunk)
    states = [_standing(one) for _, one in new]
    # A message heard again is a sign of life all the same.
    yield Statement(
        "UPDATE tally SET first = coalesce(first, $1), last = $1, messages = messages + $2, unlinked = unlinked + $3, "
        "unreadable = unreadable + $4",
        (stamp, len(new), states.count("unlinked"), states.count("unreadable")),
    )
    return [seqs.pop(digest, None) is not None for digest in digests]


def _standing(one: Received) -> str:
    return "unreadable" if not one.readable else "linked" if one.people else "unlinked"


def state() -> Script[State]:
    """As `Reader.state`."""
    ((first, last, messages, unlinked, unreadable),) = yield Statement(
        "SELECT first, last, messages, unlinked, unreadable FROM tally"
    )
    return State(
        first=datetime.fromisoformat(first) if first else None,
        last=datetime.fromisoformat(last) if last else None,
        messages=messages,
        unlinked=unlinked,
        unreadable=unreadable,
    )


def find(numbers: Sequence[str], nhs: Sequence[str], limit: int) -> Script[list[Found]]:
    """As `Reader.find`."""
    wanted = list(numbers)
    for one in nhs:
        wanted += yield from _numbers_of(one)
    found: list[Found] = []
    done: set[str] = set()
    for number in wanted:
        if number not in done:
            group = yield from _together(number)
            done |= group
            messages = yield from _messages(sorted(group), limit)
            found += [messages] if messages.messages else []
    return found


def _numbers_of(nhs: str) -> Script[list[str]]:
    """The own numbers whose NHS number, as last stated, is this one."""
    rows = yield Statement(
        "SELECT DISTINCT number FROM person WHERE nhs = $1 AND $1 = (SELECT nhs FROM person AS later "
        "WHERE later.number = person.number AND later.nhs IS NOT NULL ORDER BY later.seq DESC LIMIT 1)",
        (nhs,),
    )
    return sorted(number for (number,) in rows)


def _together(number: str) -> Script[set[str]]:
    """Every number that merges and links of the sender tie to this one, undone ties left out."""
    group, frontier = {number}, [number]
    while frontier:
        one = frontier.pop()
        rows = yield Statement(
            "SELECT first, second, holds FROM tie WHERE first = $1 OR second = $1 ORDER BY seq", (one,)
        )
        standing: dict[str, bool] = {}
        for first, second, holds in rows:
            standing[second if first == one else first] = bool(holds)
        for other, holds in standing.items():
            if holds and other not in group:
                group.add(other)
                frontier.append(other)
    return group


def _messages(group: list[str], limit: int) -> Script[Found]:
    wanted = marks(len(group))
    by_hand = yield Statement(f"SELECT digest, number {_LINKED} AND number IN {wanted}", tuple(group))
    rows = yield Statement(
        f"SELECT raw FROM message WHERE seq IN (SELECT seq FROM person WHERE number IN {wanted} "  # noqa: S608
        f"UNION SELECT link.message {_LINKED} AND number IN {wanted}) ORDER BY seq DESC LIMIT ${len(group) + 1}",
        (*group, limit + 1),
    )
    return Found(
        numbers=tuple(group),
        messages=tuple(raw for (raw,) in reversed(rows[:limit])),
        truncated=len(rows) > limit,
        by_hand=tuple((digest.hex(), number) for digest, number in by_hand),
    )


# What is new


def cursor() -> Script[Cursor]:
    """As `Reader.cursor`."""
    ((messages, decisions),) = yield Statement(
        "SELECT (SELECT coalesce(max(seq), 0) FROM message), (SELECT coalesce(max(seq), 0) FROM link)"
    )
    return Cursor(messages, decisions)


def changed(after: Cursor, limit: int) -> Script[Changed | None]:
    """As `Reader.changed`."""
    last = yield from cursor()
    if last.messages < after.messages or last.decisions < after.decisions:
        return None
    upto = Cursor(min(last.messages, after.messages + limit), min(last.decisions, after.decisions + limit))
    rows = yield Statement(
        "SELECT number FROM person WHERE seq > $1 AND seq <= $2 "
        "UNION SELECT number FROM link WHERE seq > $3 AND seq <= $4",
        (after.messages, upto.messages, after.decisions, upto.decisions),
    )
    people: list[tuple[tuple[str, ...], tuple[str, ...]]] = []
    done: set[str] = set()
    for number in sorted(str(number) for (number,) in rows):
        if number not in done:
            group = yield from _together(number)
            done |= group
            nhs = yield Statement(
                f"SELECT DISTINCT nhs FROM person WHERE number IN {marks(len(group))} AND nhs IS NOT NULL",  # noqa: S608
                tuple(sorted(group)),
            )
            people.append((tuple(sorted(group)), tuple(sorted(value for (value,) in nhs))))
    return Changed(upto=upto, people=tuple(people))


# By hand


def unlinked(limit: int) -> Script[list[Kept]]:
    """As `Reader.unlinked`."""
    rows = yield Statement(
        f"{_KEPT} WHERE state = 'unlinked' AND seq NOT IN (SELECT link.message {_LINKED}) ORDER BY seq LIMIT $1",
        (limit,),
    )
    return [_kept(row) for row in rows]


def message(beginning: str) -> Script[Kept]:
    """As `Reader.message`."""
    try:
        first, last = (bytes.fromhex(beginning.ljust(64, digit)) for digit in "0f")
    except ValueError:
        raise LinkRefused("the id of a message is written in hexadecimal digits") from None
    if not SHORTEST_ID <= len(beginning) <= 64:
        raise LinkRefused(f"write at least {SHORTEST_ID} digits of the message's id, as `unlinked` shows it")
    rows = yield Statement(f"{_KEPT} WHERE digest BETWEEN $1 AND $2", (first, last))
    if len(rows) != 1:
        raise LinkRefused("the id is of several messages: write more of it" if rows else "no message has this id")
    return _kept(rows[0])


def link(message: str, number: str, who: str, why: str, at: datetime) -> Script[None]:
    """As `Store.link`; the message by its whole id."""
    seq, named = yield from _decided(message)
    if named is not None:
        raise LinkRefused("the message is linked by hand already: undo that first")
    if not (yield Statement("SELECT 1 FROM person WHERE number = $1 LIMIT 1", (number,))):
        raise LinkRefused("the feed has not heard of this number")
    yield from _decide(seq, number, 1, who, why, at)


def unlink(message: str, who: str, why: str, at: datetime) -> Script[None]:
    """As `Store.unlink`; the message by its whole id."""
    seq, named = yield from _decided(message)
    if named is None:
        raise LinkRefused("the message is not linked by hand")
    yield from _decide(seq, named, 0, who, why, at)


def decisions() -> Script[list[Decision]]:
    """As `Reader.decisions`."""
    rows = yield Statement(
        "SELECT at, digest, number, holds, who, why FROM link JOIN message ON message.seq = link.message "
        "ORDER BY link.seq"
    )
    return [
        Decision(at=at, message=digest.hex(), number=number, holds=bool(holds), who=who, why=why)
        for at, digest, number, holds, who, why in rows
    ]


def _decided(message: str) -> Script[tuple[int, str | None]]:
    """The row of an unlinked message, and the number that it is linked to by hand."""
    rows = yield Statement("SELECT seq, state FROM message WHERE digest = $1", (bytes.fromhex(message),))
    if not rows:
        raise LinkRefused("no message has this id")
    ((seq, standing),) = rows
    if standing != "unlinked":
        raise LinkRefused("the message names its patients itself, or cannot be read")
    named = yield Statement(f"SELECT number {_LINKED} AND message.seq = $1", (seq,))
    return seq, named[0][0] if named else None


def _decide(seq: int, number: str, holds: int, who: str, why: str, at: datetime) -> Script[None]:
    row = (at.isoformat(), seq, number, holds, who, why)
    yield _insert("INSERT INTO link (at, message, number, holds, who, why)", [row])
    yield Statement("UPDATE tally SET unlinked = unlinked + $1", (-1 if holds else 1,))


# Small things


def _kept(row: Sequence[Any]) -> Kept:
    digest, received, application, facility, control, kind, raw = row
    sender = " ".join(filter(None, (application, facility)))
    return Kept(id=digest.hex(), received=received, sender=sender, control=control, type=kind, raw=raw)


def _insert(head: str, rows: Sequence[tuple[Any, ...]], tail: str = "") -> Statement:
    places = _places(len(rows[0]), len(rows))
    return Statement(f"{head} VALUES {places} {tail}", tuple(value for row in rows for value in row))


@lru_cache(maxsize=1024)
def _places(width: int, rows: int) -> str:
    return ", ".join(marks(width, at * width) for at in range(rows))


def _chunks(rows: Sequence[tuple[Any, ...]]) -> Iterable[Sequence[tuple[Any, ...]]]:
    return (rows[at : at + _ROWS_AT_ONCE] for at in range(0, len(rows), _ROWS_AT_ONCE))
