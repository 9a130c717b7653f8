"""MDM to documents. HL7 v2.5.1 chapter 9 (T01 to T11, TXA), tables 0270, 0271, 0273.

The OBX are the document itself: lines of text are kept with it, anything else is described and its bytes stay where
they are kept. A replacement names the document it replaces; a cancelled document is entered in error.
"""

import binascii
from base64 import b64decode

from adapters.hl7v2.feed.blocks import Block
from adapters.hl7v2.parser import Segment
from adapters.hl7v2.values import Reading, table
from schema.model.clinical import DocumentReference
from schema.model.fact import Gap, GapKind
from schema.model.values import Attachment

SEGMENTS = frozenset({"TXA", "OBX", "OBR", "ORC", "TQ1", "NTE"})
REPLACES = frozenset({"T09", "T10"})
_ADDENDUM = frozenset({"T05", "T06"})
_CANCELLED = "T11"
_COMPLETION = {"AU": "final", "LA": "final", "PA": "preliminary", "DI": "preliminary", "DO": "preliminary"}
_COMPLETION |= {"IP": "preliminary", "IN": "preliminary"}
_TEXT = frozenset({"TX", "FT", "ST"})
_MEDIA = {"pdf": "application/pdf", "jpeg": "image/jpeg", "png": "image/png", "rtf": "application/rtf"}


def number_of(txa: Segment, field: int) -> str | None:
    """TXA-12 and -13 are EI; some senders leave its first component empty and use the third."""
    return txa.text(field) or txa.text(field, 3)


def document(reading: Reading, block: Block, number: str, key: str) -> tuple[DocumentReference | None, list[Gap]]:
    """The document of an MDM, and what of its content cannot be had; None without TXA."""
    txa = block.first("TXA")
    if txa is None:
        return None, []
    contents, gaps = _contents(reading, block)
    replaced = number_of(txa, 13) if block.event in REPLACES else None
    cancelled = block.event == _CANCELLED or txa.text(19) == "CA"
    about = block.first("OBR")
    label = reading.first_concept(about, 4) if about is not None else None
    words = (label.label if label is not None else None, "addendum" if block.event in _ADDENDUM else None)
    fact = DocumentReference(
        native_id=f"DocumentReference/{key}",
        subject=f"Patient/{number}",
        identifiers=tuple(
            found
            for field, kind in ((12, "DOC"), (14, "PLAC"), (15, "FILL"))
            for value in txa.repetitions(field)[:1]
            if (found := reading.entity(value, kind))
        ),
        type=reading.first_concept(txa, 2, table("0270")),
        status="entered-in-error" if cancelled else "superseded" if txa.text(19) == "OB" else "current",
        entered_in_error=cancelled,
        document_status=_COMPLETION.get(txa.text(17) or ""),
        date=reading.when("DocumentReference", txa, 4) or reading.when("DocumentReference", txa, 6),
        recorded=reading.when("DocumentReference", txa, 6),
        author=next(iter(reading.parties(txa, 9)), None) or next(iter(reading.parties(txa, 5)), None),
        description=", ".join(filter(None, words)) or txa.text(16),
        contents=contents,
        replaces=(f"DocumentReference/{replaced}",) if replaced else (),
        security_labels=tuple(c for concept in reading.concepts(txa, 18, table("0272")) for c in concept.codings),
        cautions=reading.cautions(txa, *block.all("OBX")),
    )
    return fact, gaps


def _contents(reading: Reading, block: Block) -> tuple[tuple[Attachment, ...], list[Gap]]:
    lines: list[str] = []
    others: list[Attachment] = []
    missing = unsupported = 0
    for obx in block.all("OBX"):
        kind = obx.text(2) or "ST"
        if kind in _TEXT:
            lines += [value.whole() or "" for value in obx.repetitions(5)] or [""]
        elif kind == "ED":
            found = _encapsulated(obx)
            missing += found is None
            others += [found] if found is not None else []
        else:
            # RP is an address that nobody here may fetch; coded and numeric values are no document.
            unsupported += 1
    text = "\n".join(lines)
    written = (Attachment(content_type="text/plain", text=text),) if text.strip() else ()
    gaps = [
        Gap(kind=kind, fact_type="DocumentReference", at="OBX-5", count=count)
        for kind, count in ((GapKind.UNREADABLE, missing), (GapKind.UNSUPPORTED, unsupported))
        if count
    ]
    return (*written, *others), gaps


def _encapsulated(obx: Segment) -> Attachment | None:
    """ED: source, type, subtype, encoding, data. Described, not decoded; None when there is nothing in it."""
    value = obx.repetitions(5)
    data = value[0].text(5) if value else None
    if data is None:
        return None
    kind, subtype, encoding = (value[0].text(part) for part in (2, 3, 4))
    size = len(data)
    if (encoding or "").lower() == "base64":
        try:
            size = len(b64decode(data, validate=True))
        except (binascii.Error, ValueError):
            return None
    media = _MEDIA.get((subtype or "").lower()) or ("/".join(filter(None, (kind, subtype))).lower() or None)
    return Attachment(content_type=media, size=size)
