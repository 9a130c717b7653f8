"""What the cells of a row mean: sentinels that say "not stated", letters to repair, rows that were deleted softly.

Pure: it works on the canonical rows of a source record, so that a kept record is read anew when a mapping learns of
another sentinel.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Any, Literal
from zoneinfo import ZoneInfo

from msgspec import Struct
from pydantic import BaseModel, ConfigDict, Field

from adapters.sdk.converters import CONVERTERS, Context, Unreadable
from adapters.sql.cells import ColumnRule

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_TIME_OF_DAY = re.compile(r"([ T]\d{2}:\d{2}(:\d{2}(\.\d+)?)?Z?)?", re.ASCII)


class SoftDelete(BaseModel):
    """`soft_delete`: the column by which the source marks rows as deleted, in place of deleting them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    column: str
    deleted: tuple[str, ...] | Literal["stated"]
    """The values that mean deleted; "stated" where any value does, such as the time of deletion."""
    kept: tuple[str, ...] | None = Field(default=None, min_length=1)
    """The values that mean not deleted, besides none at all. A value of neither list makes the row unreadable."""
    means: Literal["gone", "entered_in_error"] = "gone"
    """What deleting says here: the row is no more, or the source withdrew it as wrong."""


class Ends(BaseModel):
    """`ends`: the column that tells until when a row holds, for a system that keeps no status of it.

    The row gets a column `ended`, true or false, for rules that make a status of it. It is judged by when the row was
    retrieved, not by when it is read: a kept record says the same again. A day is over when its last instant is.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    column: str
    convert: Literal["iso_datetime", "naive_datetime", "uk_date", "compact_datetime"] = "naive_datetime"

    def marked(self, row: Mapping[str, Any], retrieved: datetime, zone: ZoneInfo) -> dict[str, Any]:
        """An understood row with `ended` in it: false without an end, null where the end cannot be read."""
        return {**row, ENDED: self._ended(row.get(self.column), retrieved, zone)}

    def _ended(self, value: Any, retrieved: datetime, zone: ZoneInfo) -> bool | None:
        if value is None or value == "":
            return False
        try:
            return bool(CONVERTERS[self.convert].convert(value, Context(zone=zone)).latest < retrieved)
        except Unreadable:
            return None


ENDED = "ended"
"""The column that `ends` adds to a row."""


class Fate(Enum):
    """What a soft-delete column says of a row."""

    KEPT = "KEPT"
    GONE = "GONE"
    ENTERED_IN_ERROR = "ENTERED_IN_ERROR"
    UNCLEAR = "UNCLEAR"


class Meaning(Struct, frozen=True, kw_only=True):
    """How the cells of one query's rows are understood."""

    rules: Mapping[str, ColumnRule]
    sentinels: frozenset[str]
    """For every column."""
    soft_delete: SoftDelete | None
    ends: Ends | None = None

    def understood(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The row with "not stated" as null, and with its letters repaired."""
        return {name: self._cell(value, self.rules.get(name)) for name, value in row.items()}

    def told(self, row: Mapping[str, Any], retrieved: datetime, zone: ZoneInfo) -> dict[str, Any]:
        """The understood row, and whether it had ended when it was retrieved."""
        understood = self.understood(row)
        return understood if self.ends is None else self.ends.marked(understood, retrieved, zone)

    def fate(self, row: Mapping[str, Any]) -> Fate:
        """Whether an understood row is there at all."""
        rule = self.soft_delete
        if rule is None:
            return Fate.KEPT
        if rule.column not in row:
            return Fate.UNCLEAR
        value = row[rule.column]
        if value is None or value == "":
            return Fate.KEPT
        text = _text(value)
        if rule.deleted == "stated" or text in rule.deleted:
            return Fate.GONE if rule.means == "gone" else Fate.ENTERED_IN_ERROR
        return Fate.KEPT if rule.kept is None or text in rule.kept else Fate.UNCLEAR

    def _cell(self, value: Any, rule: ColumnRule | None) -> Any:
        text = _text(value)
        if text is None:
            return value
        if text in self.sentinels or (rule is not None and text in rule.sentinels):
            return None
        # A sentinel day is one at whatever time of day: 9999-12-31T23:59:59.
        day, rest = text[:10], text[10:]
        if _DAY.fullmatch(day) and _TIME_OF_DAY.fullmatch(rest):
            stated = self.sentinels | set(rule.sentinels if rule is not None else ())
            if day in stated:
                return None
        return _repaired(value) if rule is not None and rule.repair is not None and isinstance(value, str) else value


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "1" if value else "0"
    return None if value is None or isinstance(value, dict | list) else str(value)


def _repaired(text: str) -> str:
    """UTF-8 that a latin1 column took for latin1, read as what it is. Text of which that is not true is left alone.

    What databases call latin1 is Windows code page 1252, its five unassigned bytes passed through as control characters
    (MariaDB, PostgreSQL's WIN1252 apart). A text that is not ASCII and still valid as UTF-8 by chance is next to none.
    """
    if text.isascii():
        return text
    try:
        return b"".join(_byte(letter) for letter in text).decode("utf-8")
    except UnicodeError:
        return text


def _byte(letter: str) -> bytes:
    try:
        return letter.encode("cp1252")
    except UnicodeEncodeError:
        return letter.encode("latin-1")
