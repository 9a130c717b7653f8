"""One SELECT with bound parameters, and nothing else: what a query in a mapping file may be.

The file is the operator's own, so this is no defence against an attacker: it is what keeps a mistake in it from
reaching a clinical database. The read-only transaction and the read-only role are the other two locks.
"""

import re
from collections.abc import Iterator

from msgspec import Struct

from adapters.sdk import SettingsError

_TOKEN = re.compile(
    r"""
      (?P<blank>\s+)
    | (?P<comment>--[^\n]*|/\*(?P<inside>.*?)\*/)
    | (?P<literal>'(?:[^']|'')*')
    | (?P<quoted>"(?:[^"]|"")*"|`(?:[^`]|``)*`)
    | (?P<cast>::)
    | :(?P<parameter>[A-Za-z_]\w*)
    | (?P<word>[^\W\d][\w$]*)
    | (?P<number>\d[\w.]*)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_NEVER = frozenset(
    [
        *("INSERT", "UPDATE", "DELETE", "MERGE", "TRUNCATE", "DROP", "ALTER", "CREATE", "GRANT", "REVOKE", "CALL"),
        *("EXEC", "EXECUTE", "COPY", "LOCK", "INTO", "ATTACH", "DETACH", "PRAGMA", "VACUUM", "REINDEX", "HANDLER"),
        *("LOAD", "PROCEDURE", "SHARE"),
    ]
)
"""Words of statements that write or lock. A column called so is written in quotation marks."""


class Statement(Struct, frozen=True):
    """A query as it is sent: comments gone, parameters by name."""

    text: str
    """In the form that SQLAlchemy's `text` takes: a colon that begins no parameter is escaped."""
    parameters: frozenset[str]


def compile_statement(sql: str, where: str, allowed: frozenset[str], one_of: frozenset[str]) -> Statement:
    """The statement, proved to be one SELECT that uses only parameters of `allowed`, and at least one of `one_of`.

    Raises SettingsError, which begins with `where`.
    """
    parts: list[str] = []
    words: list[str] = []
    parameters: set[str] = set()
    ended = False
    for kind, text in _tokens(sql, where):
        if kind in ("blank", "comment"):
            parts.append(" ")
            continue
        if ended:
            raise SettingsError(f"{where}: one statement, not several")
        if text == ";":
            ended = True
            continue
        if kind == "parameter":
            parameters.add(text)
            parts.append(f":{text}")
            continue
        if kind == "word":
            words.append(text.upper())
        parts.append(text.replace(":", r"\:") if kind in ("literal", "quoted") else text)
    _is_a_select(words, where)
    for name in sorted(parameters - allowed):
        raise SettingsError(f"{where}: there is no parameter :{name} here; there is {_listed(allowed)}")
    if not parameters & one_of:
        raise SettingsError(f"{where}: the query must say whom it is about: use {_listed(one_of)}")
    return Statement(text="".join(parts).strip(), parameters=frozenset(parameters))


def _tokens(sql: str, where: str) -> Iterator[tuple[str, str]]:
    for match in _TOKEN.finditer(sql):
        kind, text = match.lastgroup or "other", match[0]
        if match["comment"] is not None:
            kind = "comment"
            # MySQL runs what stands in /*! */, and PostgreSQL nests comments where others do not.
            if text.startswith("/*!") or "/*" in (match["inside"] or ""):
                raise SettingsError(f"{where}: write comments as -- ... or /* ... */, none inside another")
        elif kind == "parameter":
            text = match["parameter"]
        elif kind in ("literal", "quoted") and "\\" in text:
            raise SettingsError(f"{where}: a backslash in a literal means different things to different databases")
        elif kind == "other" and text in "'\"`":
            raise SettingsError(f"{where}: a quotation mark is not closed")
        elif kind == "other" and text in "$#\\?@":
            raise SettingsError(f"{where}: {text} is not taken: use :parameters, -- comments and '...' literals")
        yield kind, text


def _is_a_select(words: list[str], where: str) -> None:
    if not words or words[0] not in ("SELECT", "WITH") or "SELECT" not in words:
        raise SettingsError(f"{where}: write one SELECT, which may begin with WITH")
    for word in words:
        if word in _NEVER:
            raise SettingsError(
                f"{where}: {word} has no place in a query that only reads (quote a column of that name)"
            )


def _listed(names: frozenset[str]) -> str:
    return ", ".join(f":{name}" for name in sorted(names)) or "none"
