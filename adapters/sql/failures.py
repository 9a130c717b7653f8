"""What a database or its driver raises, as ours: by SQLSTATE, server error number or SQLite result code, never by text.

Truth: PostgreSQL 15 appendix A; the MariaDB error code reference; sqlite.org/rescode.html.
"""

import sqlite3

from adapters.sdk import (
    SourceAuth,
    SourceError,
    SourceInvalid,
    SourceRequest,
    SourceThrottled,
    SourceTimeout,
    SourceUnavailable,
)

_TIMEOUT = "the database ended the query at its time limit"
_AUTH = "the database refuses the account, its password, or its right to read this"
_REQUEST = "the database says that a query of the mapping file is wrong"
_THROTTLED = "the database has no connection to spare"
_UNAVAILABLE = "the database cannot be reached or broke off"
_LOCKED = "the database is locked by another program"
_INVALID = "what is there is no database, or a damaged one"

_BY_SQLSTATE: dict[str, tuple[type[SourceError], str]] = {
    "57014": (SourceTimeout, _TIMEOUT),
    "25P03": (SourceTimeout, _TIMEOUT),
    "55P03": (SourceUnavailable, _LOCKED),
    "42501": (SourceAuth, _AUTH),
    "28": (SourceAuth, _AUTH),
    "53300": (SourceThrottled, _THROTTLED),
    "53": (SourceUnavailable, _UNAVAILABLE),
    "57": (SourceUnavailable, _UNAVAILABLE),
    "58": (SourceUnavailable, _UNAVAILABLE),
    "08": (SourceUnavailable, _UNAVAILABLE),
    "40": (SourceUnavailable, _LOCKED),
    "XX": (SourceInvalid, _INVALID),
}
"""By SQLSTATE, else by its class. Whatever else a server that runs says of a query is about the query."""

_BY_NUMBER: dict[int, tuple[type[SourceError], str]] = {
    **dict.fromkeys((1317, 1969, 3024), (SourceTimeout, _TIMEOUT)),
    **dict.fromkeys((1044, 1045, 1142, 1143, 1227, 1370, 1698, 1820, 1862, 4151), (SourceAuth, _AUTH)),
    **dict.fromkeys((1040, 1203, 1226), (SourceThrottled, _THROTTLED)),
    **dict.fromkeys((1053, 1077, 1158, 1159, 1160, 1161, 1927), (SourceUnavailable, _UNAVAILABLE)),
    **dict.fromkeys(range(2000, 2070), (SourceUnavailable, _UNAVAILABLE)),
    **dict.fromkeys((1205, 1213), (SourceUnavailable, _LOCKED)),
    **dict.fromkeys((1034, 1035, 1194, 1195), (SourceInvalid, _INVALID)),
}

_BY_RESULT: dict[int, tuple[type[SourceError], str]] = {
    sqlite3.SQLITE_INTERRUPT: (SourceTimeout, _TIMEOUT),
    **dict.fromkeys((sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED), (SourceUnavailable, _LOCKED)),
    **dict.fromkeys((sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR), (SourceUnavailable, _UNAVAILABLE)),
    **dict.fromkeys((sqlite3.SQLITE_AUTH, sqlite3.SQLITE_PERM), (SourceAuth, _AUTH)),
    **dict.fromkeys((sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT), (SourceInvalid, _INVALID)),
}


_FOREIGN = frozenset({"sqlalchemy", "asyncpg", "asyncmy", "aiosqlite", "sqlite3"})


def translated(error: BaseException) -> SourceError | None:
    """The error as one of ours; None for one that neither a database nor its driver raised: a mistake of our own.

    Raise it `from None`: the other's text quotes the query and its parameters.
    """
    if isinstance(error, SourceError):
        return error
    for each in _chain(error):
        number = each.args[0] if each.args else None
        if isinstance(number, int) and not isinstance(each, OSError):
            kind, text = _BY_NUMBER.get(number, (SourceRequest, _REQUEST))
            return kind(text)
        state = getattr(each, "sqlstate", None) or getattr(each, "pgcode", None)
        if isinstance(state, str) and state:
            kind, text = _BY_SQLSTATE.get(state) or _BY_SQLSTATE.get(state[:2]) or (SourceRequest, _REQUEST)
            return kind(text)
        result = getattr(each, "sqlite_errorcode", None)
        if isinstance(result, int):
            # The low byte is the result; what is above it only says more.
            kind, text = _BY_RESULT.get(result & 0xFF, (SourceRequest, _REQUEST))
            return kind(text)
        if isinstance(each, TimeoutError):
            return SourceTimeout("the database did not answer in time")
        if isinstance(each, OSError | EOFError):
            return SourceUnavailable(_UNAVAILABLE)
    if isinstance(error, UnicodeError):
        return SourceInvalid("the database gives text that is not in the character set that it states")
    if type(error).__module__.partition(".")[0] not in _FOREIGN:
        return None
    # Without a code the driver speaks for itself: of a connection that broke, or of a parameter that does not fit.
    name = type(getattr(error, "orig", None) or error).__name__
    unavailable = name in ("InterfaceError", "InternalError", "ConnectionDoesNotExistError")
    return SourceUnavailable(_UNAVAILABLE) if unavailable else SourceRequest(_REQUEST)


def _chain(error: BaseException) -> list[BaseException]:
    """The error, the driver's error inside SQLAlchemy's, and what the driver made its own of."""
    found: list[BaseException] = []
    waiting: list[BaseException | None] = [getattr(error, "orig", None), error]
    while waiting:
        each = waiting.pop(0)
        if each is not None and each not in found and len(found) < 8:
            found.append(each)
            waiting += [each.__cause__, each.__context__]
    return found
