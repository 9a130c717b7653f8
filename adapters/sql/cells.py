"""From what a database driver gives to canonical JSON: the same bytes for the same data, whichever database holds it.

PostgreSQL gives dates as dates and DECIMAL with its digits; SQLite gives dates as text and DECIMAL as a float; MariaDB
gives yes and no as 1 and 0. The mapping file states a column's type where drivers differ. CHAR columns are padded with
blanks in one database and not in another: trailing blanks are no content (SQL:2016 part 2, 8.2). What has no form in
JSON becomes an object, which no converter reads: the row's gap says so, and the other rows stay.
"""

import base64
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Literal
from uuid import UUID

import msgspec
from pydantic import BaseModel, ConfigDict, Field, model_validator

ColumnType = Literal["text", "decimal", "boolean", "date", "datetime"]
Charset = Literal["utf-8", "cp1252", "iso-8859-1", "iso-8859-15", "cp850", "utf-16-le"]

_encode = msgspec.json.Encoder(decimal_format="number", order="sorted").encode
_ISO = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[ T](\d{2}:\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?\s*(Z|[+-]\d{2}(?::?\d{2})?)?)?", re.ASCII
)
_LARGEST_EXPONENT = 40


class ColumnRule(BaseModel):
    """What a mapping file says of one column of a query."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: ColumnType | None = None
    """What the column holds, where the database's own type does not say it, or another database's would differ."""
    scale: int | None = Field(default=None, ge=0, le=20)
    """Of a decimal, or of one read as text: digits after the point that the column is declared with; missing zeros are
    put back."""
    charset: Charset | None = None
    """Of a column of bytes that hold text."""
    repair: Literal["latin1-utf8"] | None = None
    """For a column declared as latin1 into which UTF-8 was written: "JosÃ©" is read as "José"."""
    sentinels: tuple[str, ...] = ()
    """Values by which this column says "not stated", besides those of the whole file."""

    @model_validator(mode="after")
    def _consistent(self) -> "ColumnRule":
        if self.scale is not None and self.type not in ("decimal", "text"):
            raise ValueError('scale is for type = "decimal" or "text"')
        return self


_PLAIN = ColumnRule()


def canonical_rows(
    names: Sequence[str], rows: Sequence[Sequence[Any]], rules: Mapping[str, ColumnRule]
) -> list[dict[str, Any]]:
    """Rows as JSON objects, keyed by column name in small letters."""
    chosen = [rules.get(name, _PLAIN) for name in names]
    return [
        {name: canonical(value, rule) for name, value, rule in zip(names, row, chosen, strict=True)} for row in rows
    ]


def document(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """A source record's bytes: keys sorted, digits kept."""
    return _encode({"rows": rows})


def canonical(value: Any, rule: ColumnRule) -> Any:
    """One cell."""
    if value is None:
        return None
    if isinstance(value, bytes | bytearray | memoryview):
        value = _decoded(bytes(value), rule)
    if isinstance(value, str):
        value = value.rstrip(" ")
    match rule.type:
        case "decimal":
            return _decimal(value, rule.scale)
        case "boolean":
            return _boolean(value)
        case "date":
            return _date(_plain(value))
        case "datetime":
            return _datetime(_plain(value))
        case "text":
            plain = _plain(value) if rule.scale is None else _decimal(value, rule.scale)
            return str(plain) if isinstance(plain, int | Decimal) and not isinstance(plain, bool) else plain
        case None:
            return _plain(value)


def _plain(value: Any) -> Any:
    """A value of a Python type as JSON has it."""
    match value:
        case bool() | str() | dict():
            return value
        case int():
            return value
        case float() | Decimal():
            return _number(value)
        case datetime():
            moment = value if value.tzinfo is None else value.astimezone(UTC)
            return moment.isoformat().replace("+00:00", "Z")
        case date() | time():
            return value.isoformat()
        case timedelta() if timedelta(0) <= value < timedelta(days=1):
            return (datetime.min + value).time().isoformat()
        case UUID():
            return str(value)
        case list() | tuple():
            return [canonical(each, _PLAIN) for each in value]
        case _:
            return {"unsupported": type(value).__name__}


def _number(value: float | Decimal) -> Any:
    # repr() of a float is the shortest text that gives it back: 13.5, not 13.500000000000000444.
    number = value if isinstance(value, Decimal) else Decimal(repr(value))
    if not number.is_finite() or abs(number.adjusted()) > _LARGEST_EXPONENT:
        return {"unsupported": "number"}
    return number


def _decimal(value: Any, scale: int | None) -> Any:
    """A number with the digits of its column. Zeros are put back, and nothing is ever rounded."""
    if isinstance(value, str):
        try:
            value = Decimal(value.strip())
        except InvalidOperation:
            return value
    number = (
        _number(Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else value)
        if (isinstance(value, int | float | Decimal) and not isinstance(value, bool))
        else _plain(value)
    )
    if not isinstance(number, Decimal) or scale is None:
        return number
    exponent = number.as_tuple().exponent
    return number.quantize(Decimal(1).scaleb(-scale)) if isinstance(exponent, int) and -exponent < scale else number


def _boolean(value: Any) -> Any:
    plain = _plain(value)
    match plain:
        case bool() | 0 | 1:
            return bool(plain)
        # BIT(1) of MariaDB.
        case {"bytes": "AA=="}:
            return False
        case {"bytes": "AQ=="}:
            return True
        case _:
            return plain


def _date(value: Any) -> Any:
    """A day. A time of day other than midnight stays: it is not ours to forget."""
    stated = _datetime(value)
    return stated[:10] if isinstance(stated, str) and re.fullmatch(r".{10}T00:00:00", stated) else stated


def _datetime(value: Any) -> Any:
    """ISO 8601 text in one form; text of another form stays as it is, for a converter to read."""
    found = _ISO.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        return value
    day, minute, second, fraction, offset = found.groups()
    if minute is None:
        return day
    fraction = (fraction or "").rstrip("0")
    clock = f"{minute}:{second or '00'}" + (f".{fraction[:6]:0<6}" if fraction else "")
    if offset in ("+00", "+00:00", "+0000"):
        offset = "Z"
    elif offset is not None and len(offset) == 3:
        offset += ":00"
    return f"{day}T{clock}{offset or ''}"


def _decoded(value: bytes, rule: ColumnRule) -> Any:
    try:
        # Without a stated charset bytes are not guessed at.
        if rule.charset is not None:
            return value.decode(rule.charset)
    except UnicodeDecodeError:
        pass
    return {"bytes": base64.b64encode(value).decode("ascii")}
