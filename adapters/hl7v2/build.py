"""HL7 v2 messages to bytes. HL7 v2.5.1 section 2.7.

Everything that is data is escaped here, so that no name and no identifier can end a field, a segment or a frame, begin
another, or be read as the explicit null.
"""

import re
from typing import TypeAlias

from adapters.hl7v2.charset import CHARSETS
from adapters.hl7v2.parser import NULL
from adapters.sdk.errors import SourceRequest

Part: TypeAlias = str | tuple[str | None, ...] | None
"""A component: text, or a tuple of subcomponents."""
Value: TypeAlias = Part | tuple[Part, ...] | list["Value"]
"""A field: text, a tuple of components, or a list of repetitions. None is empty."""

_LITERAL = {"|": "\\F\\", "^": "\\S\\", "~": "\\R\\", "&": "\\T\\", "\\": "\\E\\"}
_SPECIAL = re.compile(r"[|^~&\\\x00-\x1f\x7f]")


def escape(text: str) -> str:
    """`text` as data between the standard's delimiters."""
    if text.strip(" ") == NULL:
        return text.replace(NULL, "\\X2222\\")
    return _SPECIAL.sub(lambda found: _LITERAL.get(found[0]) or f"\\X{ord(found[0]):02X}\\", text)


def segment(name: str, *fields: Value) -> str:
    """One segment, fields from 1 (for MSH from 3)."""
    start = "MSH|^~\\&" if name == "MSH" else name
    return "|".join((start, *(_field(value) for value in fields))).rstrip("|")


def message(segments: list[str], charset: str = "UNICODE UTF-8") -> bytes:
    """The message's bytes; every segment ends in CR. Raises SourceRequest for a letter that the set does not have."""
    try:
        return "".join(part + "\r" for part in segments).encode(CHARSETS[charset])
    except UnicodeEncodeError:
        raise SourceRequest("the question has a letter that the source's character set cannot write") from None


def _field(value: Value) -> str:
    if isinstance(value, list):
        return "~".join(_field(part) for part in value)
    if isinstance(value, tuple):
        return "^".join(_component(part) for part in value).rstrip("^")
    return escape(value or "")


def _component(part: Part) -> str:
    if isinstance(part, tuple):
        return "&".join(escape(text or "") for text in part).rstrip("&")
    return escape(part or "")
