"""Which letters the bytes of a message are. HL7 v2.5.1 section 2.15.9.18 (MSH-18) and table 0211.

MSH-18 is often missing and sometimes wrong. A message is decoded as declared; where that cannot be right it is decoded
as well as can be, and every fact with a letter beyond ASCII then carries a caution.
"""

from msgspec import Struct

from adapters.sdk.errors import SourceInvalid

CHARSETS = {
    "ASCII": "ascii",
    "UNICODE UTF-8": "utf-8",
    "UTF-8": "utf-8",
    "UNICODE": "utf-8",
    "ISO IR100": "latin-1",
    "ISO-8859-1": "latin-1",
    "WINDOWS-1252": "cp1252",
    **{f"8859/{part}": f"iso8859-{part}" for part in (1, 2, 3, 4, 5, 6, 7, 8, 9, 15)},
}
"""Codecs by the names of table 0211, and by names that senders write in their place."""

_BOM = b"\xef\xbb\xbf"


class Decoded(Struct, frozen=True, kw_only=True):
    """The text of a message and how sure its letters are."""

    text: str
    codec: str
    doubtful: bool
    """True when the declared or expected character set did not fit the bytes."""
    bom: bool


def decode(data: bytes, expected: str | None = None) -> Decoded:
    """Decode by byte order mark, else MSH-18, else `expected` (a name of table 0211), else UTF-8, else Windows-1252.

    Raises SourceInvalid when the bytes do not begin with MSH.
    """
    bom = data.startswith(_BOM)
    body = data[3:] if bom else data
    if not body.startswith(b"MSH") or len(body) < 8:
        raise SourceInvalid("the answer is not an HL7 v2 message: it does not begin with MSH")
    declared = None if bom else CHARSETS.get((_msh18(body) or expected or "").strip().upper())
    codec = "utf-8" if bom else declared
    if codec is not None:
        text = _strict(body, codec)
        if text is not None:
            return Decoded(text=text, codec=codec, doubtful=_lies(body, text, codec), bom=bom)
    text = _strict(body, "utf-8")
    if text is not None:
        return Decoded(text=text, codec="utf-8", doubtful=codec is not None, bom=bom)
    return Decoded(text=body.decode("cp1252", "replace"), codec="cp1252", doubtful=True, bom=bom)


def _msh18(body: bytes) -> str | None:
    header = body[:2000].replace(b"\n", b"\r").partition(b"\r")[0].decode("latin-1")
    fields = header.split(header[3])
    # MSH-1 is the separator itself, so that MSH-18 is the seventeenth text after the name.
    return fields[17].partition(fields[1][1:2] or "~")[0] if len(fields) > 17 else None


def _strict(body: bytes, codec: str) -> str | None:
    try:
        return body.decode(codec)
    except UnicodeDecodeError:
        return None


def _lies(body: bytes, text: str, codec: str) -> bool:
    """A one-byte set decodes anything: C1 controls, or bytes that are well-formed UTF-8, show that it is another."""
    if codec == "utf-8" or text.isascii():
        return False
    return any("\x80" <= letter <= "\x9f" for letter in text) or _strict(body, "utf-8") is not None
