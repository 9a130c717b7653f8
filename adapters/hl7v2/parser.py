"""HL7 v2 messages from bytes, in one pass and lazily. HL7 v2.5.1 sections 2.5 to 2.7 (delimiters, escapes, null).

Delimiters are the ones MSH-1 and MSH-2 declare. Segments end in CR; LF and CRLF are accepted, for files and careless
senders. Nothing below a segment is split before it is asked for. A field of `""` says that the value was deleted, an
empty one says nothing: both read as None, and `Segment.deleted` tells them apart.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

from msgspec import Struct

from adapters.hl7v2.charset import decode
from adapters.sdk.errors import SourceInvalid

NULL = '""'
MAX_SEGMENTS = 100_000

_LINE_END = re.compile(r"\r\n|\r|\n")
_NAME = re.compile(r"[A-Z][A-Z0-9]{2}")


class Delimiters(Struct, frozen=True):
    """The characters that structure a message; the standard's defaults."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"


class Dialect(Struct, frozen=True):
    """Delimiters and the codec that hexadecimal escapes are written in."""

    delimiters: Delimiters
    codec: str

    def unescape(self, raw: str) -> str:
        """Replace escape sequences; one that the standard does not define stays as it stands."""
        if not self.delimiters.escape or self.delimiters.escape not in raw:
            return raw
        return _escapes(self.delimiters.escape).sub(self._meaning, raw)

    def _meaning(self, found: re.Match[str]) -> str:
        sequence = found[1]
        marks = self.delimiters
        literal = {
            "F": marks.field,
            "S": marks.component,
            "T": marks.subcomponent,
            "R": marks.repetition,
            "E": marks.escape,
            "P": "#",
            "H": "",
            "N": "",
        }.get(sequence)
        if literal is not None:
            return literal
        if sequence[0] == "X":
            return self._hexadecimal(sequence[1:])
        return _formatting(sequence[1:3].lower(), sequence[3:])

    def _hexadecimal(self, digits: str) -> str:
        data = bytes.fromhex(digits)
        try:
            return data.decode(self.codec)
        except UnicodeDecodeError:
            return data.decode("cp1252", "replace")


@lru_cache(maxsize=16)
def _escapes(mark: str) -> re.Pattern[str]:
    """Only defined sequences match, so that a lone backslash never swallows the start of a true one."""
    m = re.escape(mark)
    return re.compile(
        rf"{m}([FSTREPHN]|X(?:[0-9A-Fa-f]{{2}})+|\.(?:[bB][rR]|[fF][iI]|[nN][fF]|[cC][eE]|(?:[sS][pPkK]|[iI][nN]|[tT][iI])"
        rf"[+-]?[0-9]{{0,3}})){m}"
    )


def _formatting(command: str, amount: str) -> str:
    """Section 2.7.6: formatting commands, as far as plain text can follow them."""
    count = min(abs(int(amount)) if amount.strip("+-") else 1, 100)
    if command in ("br", "ce"):
        return "\n"
    if command == "sp":
        return "\n" * count
    if command == "sk":
        return " " * count
    return ""


class Repetition:
    """One repetition of a field."""

    __slots__ = ("_dialect", "raw")

    def __init__(self, raw: str, dialect: Dialect) -> None:
        self.raw = raw
        self._dialect = dialect

    def text(self, component: int = 1, subcomponent: int = 1) -> str | None:
        """The unescaped text, without blanks around it; None when empty or null."""
        marks = self._dialect.delimiters
        raw = _nth(_nth(self.raw, marks.component, component), marks.subcomponent, subcomponent)
        return _value(raw, self._dialect)

    def whole(self, component: int | None = None) -> str | None:
        """All of it (or of one component) as text, inner delimiters included: for types that have no parts."""
        raw = self.raw if component is None else _nth(self.raw, self._dialect.delimiters.component, component)
        return _value(raw, self._dialect, strip=component is not None)

    def component(self, number: int) -> "Repetition":
        """A component on its own, its subcomponents taking the place of components (as HD inside CX)."""
        marks = self._dialect.delimiters
        raw = _nth(self.raw, marks.component, number)
        if marks.subcomponent:
            raw = raw.replace(marks.subcomponent, marks.component)
        return Repetition(raw, self._dialect)


class Segment:
    """One segment; fields are counted from 1 as the standard does, MSH-1 being the field separator."""

    __slots__ = ("_dialect", "_fields", "name", "raw")

    def __init__(self, raw: str, dialect: Dialect) -> None:
        self.raw = raw
        self.name = raw[:3]
        self._dialect = dialect
        self._fields: list[str] | None = None

    def field(self, number: int) -> str:
        """A field's raw text, empty when the segment is shorter."""
        if self._fields is None:
            self._fields = self.raw.split(self._dialect.delimiters.field)
            if self.name == "MSH":
                self._fields.insert(1, self._dialect.delimiters.field)
        return self._fields[number] if number < len(self._fields) else ""

    def repetitions(self, number: int) -> list[Repetition]:
        """The repetitions that state something."""
        raw = self.field(number)
        if not raw or raw.strip(" ") in ("", NULL):
            return []
        if self._dialect.delimiters.repetition not in raw:
            return [Repetition(raw, self._dialect)]
        return [
            Repetition(part, self._dialect)
            for part in raw.split(self._dialect.delimiters.repetition)
            if part.strip(" ") not in ("", NULL)
        ]

    def text(self, number: int, component: int = 1, subcomponent: int = 1) -> str | None:
        """Text of the first repetition."""
        # Most fields of most segments are empty: they must cost nothing.
        found = self.repetitions(number) if self.field(number) else None
        return found[0].text(component, subcomponent) if found else None

    def deleted(self, number: int) -> bool:
        """True when the field is the explicit null: the value is to be deleted."""
        return self.field(number).strip(" ") == NULL

    def updated_by(self, newer: "Segment") -> "Segment":
        """This segment with what a newer one says: a value replaces, the null deletes, an empty field says nothing."""
        if newer._dialect != self._dialect:
            return newer
        separator = self._dialect.delimiters.field
        old, new = self.raw.split(separator), newer.raw.split(separator)
        old += [""] * (len(new) - len(old))
        for at, value in enumerate(new):
            said = value.strip(" ")
            if said:
                old[at] = "" if said == NULL else value
        return Segment(separator.join(old), newer._dialect)

    def with_field(self, number: int, raw: str) -> "Segment":
        """The same segment (not MSH) with one field's raw text exchanged."""
        separator = self._dialect.delimiters.field
        fields = self.raw.split(separator)
        fields += [""] * (number + 1 - len(fields))
        fields[number] = raw
        return Segment(separator.join(fields), self._dialect)

    @property
    def empty(self) -> bool:
        """True when no field after the set id states anything."""
        fields = self.raw.split(self._dialect.delimiters.field)
        return all(part.strip(" ") in ("", NULL) for part in fields[2:])


class Message(Struct, frozen=True, kw_only=True):
    """A message: its segments in order, MSH first and once."""

    segments: tuple[Segment, ...]
    dialect: Dialect
    doubtful: bool
    """The character set was missing or wrong and letters beyond ASCII were read by assumption."""
    bom: bool
    unreadable: int
    """How many lines are not segments."""

    def all(self, name: str) -> Iterator[Segment]:
        return (segment for segment in self.segments if segment.name == name)

    def first(self, name: str) -> Segment | None:
        return next(self.all(name), None)

    @property
    def header(self) -> Segment:
        return self.segments[0]

    @property
    def type(self) -> str:
        """MSH-9 as message^event, without the structure, which older versions do not have."""
        return "^".join(self.header.text(9, part) or "" for part in (1, 2)).rstrip("^")


def parse(data: bytes, expected_charset: str | None = None) -> Message:
    """Read one message. Raises SourceInvalid unless it is exactly one, with usable delimiters."""
    decoded = decode(data, expected_charset)
    text = decoded.text
    dialect = Dialect(_delimiters(text), decoded.codec)
    separator = dialect.delimiters.field
    segments: list[Segment] = []
    unreadable = 0
    # Not str.splitlines: it would also cut at characters that belong to the text, such as U+0085 and U+2028.
    for line in _LINE_END.split(text):
        if not line.strip():
            continue
        if _NAME.fullmatch(line[:3]) and (len(line) == 3 or line[3] == separator):
            segments.append(Segment(line, dialect))
        else:
            unreadable += 1
    if len(segments) > MAX_SEGMENTS:
        raise SourceInvalid("the message has more segments than any message should")
    if any(segment.name == "MSH" for segment in segments[1:]):
        raise SourceInvalid("more than one message stands where there must be one")
    return Message(
        segments=tuple(segments),
        dialect=dialect,
        doubtful=decoded.doubtful,
        bom=decoded.bom,
        unreadable=unreadable,
    )


def _delimiters(text: str) -> Delimiters:
    """MSH-1 and MSH-2; escape and subcomponent may be undeclared, which switches them off."""
    field = text[3]
    marks = text[4:10].partition(field)[0]
    used = field + marks
    if not 2 <= len(marks) <= 5 or len(set(used)) != len(used) or any(m.isalnum() or m.isspace() for m in used):
        raise SourceInvalid("the message header declares delimiters that cannot be used")
    return Delimiters(field, marks[0], marks[1], marks[2:3], marks[3:4])


def _nth(raw: str, separator: str, number: int) -> str:
    if not separator or separator not in raw:
        return raw if number == 1 else ""
    parts = raw.split(separator, number)
    return parts[number - 1] if number <= len(parts) else ""


def _value(raw: str, dialect: Dialect, *, strip: bool = True) -> str | None:
    stripped = raw.strip(" ")
    if not stripped or stripped == NULL:
        return None
    return dialect.unescape(stripped if strip else raw) or None
