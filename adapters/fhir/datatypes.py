"""FHIR JSON data types to the model's values. FHIR R4 section 2.24; what STU3 writes differently is read as well."""

import base64
import binascii

from adapters.fhir.elements import Element
from schema.model.values import (
    Address,
    Annotation,
    Attachment,
    CodeableConcept,
    Coding,
    ContactPoint,
    HumanName,
    Identifier,
    Period,
    Quantity,
    Range,
    Ratio,
)

VERIFIED = "01"
"""NHS number status "Number present and verified" (Care Connect and UK Core use the same codes)."""


def coding(element: Element) -> Coding:
    """One code."""
    return Coding(
        system=element.text("system"),
        code=element.text("code"),
        display=element.text("display"),
        version=element.text("version"),
    )


def concept(element: Element | None) -> CodeableConcept | None:
    """A CodeableConcept; a bare Coding or a bare code where a server sends one (STU3 has such elements)."""
    if element is None:
        return None
    if isinstance(element.value, str):
        return CodeableConcept(codings=(Coding(code=element.value),))
    if element.has("code") and not element.has("coding"):
        return CodeableConcept(codings=(coding(element),))
    codings = tuple(coding(found) for found in element.children("coding"))
    text = element.text("text")
    return CodeableConcept(text=text, codings=codings) if codings or text else None


def concepts(owner: Element, *names: str) -> tuple[CodeableConcept, ...]:
    """Every concept under the first of these names that is there."""
    for name in names:
        if owner.has(name):
            return tuple(found for found in map(concept, owner.children(name)) if found is not None)
    return ()


def first_concept(owner: Element, *names: str) -> CodeableConcept | None:
    """The first concept under the first of these names that is there."""
    return next(iter(concepts(owner, *names)), None)


def code_of(element: Element | None) -> str | None:
    """The code as text: of a code (STU3) or of a CodeableConcept (R4)."""
    found = concept(element)
    if found is None:
        return None
    return next((c.code for c in found.codings if c.code), found.text)


def identifiers(owner: Element, name: str = "identifier") -> tuple[Identifier, ...]:
    """The business identifiers that have a value."""
    found = (identifier(element) for element in owner.children(name))
    return tuple(one for one in found if one is not None)


def identifier(element: Element) -> Identifier | None:
    """One identifier, verified or not as its NHS number status says; unknown where it has none."""
    value = element.text("value")
    if value is None:
        return None
    system = element.text("system")
    status = element.extension("NHSNumberVerificationStatus")
    state = code_of(status.child("valueCodeableConcept")) if status is not None else None
    kind = code_of(element.child("type"))
    assigner = element.child("assigner")
    return Identifier(
        system=system,
        value=value,
        type=kind,
        assigner=(assigner.text("display") or assigner.text("reference")) if assigner is not None else None,
        verified=None if state is None else state == VERIFIED,
    )


def quantity(element: Element | None) -> Quantity | None:
    """An amount; the unit in words may stand in a British extension."""
    if element is None or not isinstance(element.value, dict):
        return None
    words = element.extension("MedicationQuantityText")
    return Quantity(
        value=element.decimal("value"),
        comparator=element.text("comparator"),
        unit=element.text("unit") or (words.text("valueString") if words is not None else None),
        system=element.text("system"),
        code=element.text("code"),
    )


def range_(element: Element | None) -> Range | None:
    """A low and a high amount."""
    if element is None:
        return None
    return Range(low=quantity(element.child("low")), high=quantity(element.child("high")))


def ratio(element: Element | None) -> Ratio | None:
    """One amount over another."""
    if element is None:
        return None
    return Ratio(numerator=quantity(element.child("numerator")), denominator=quantity(element.child("denominator")))


def period(element: Element | None) -> Period | None:
    """A span of time; None when neither end can be read."""
    if element is None:
        return None
    start, end = element.when("start"), element.when("end")
    return Period(start=start, end=end) if start or end else None


def moment(owner: Element, stem: str) -> Period | None:
    """`stem[x]` as a span: a dateTime, an instant, a Period, or the first event of a Timing."""
    for suffix in ("DateTime", "Instant", "Date"):
        if owner.has(stem + suffix):
            start = owner.when(stem + suffix)
            return Period(start=start) if start else None
    if owner.has(stem + "Period"):
        return period(owner.child(stem + "Period"))
    timing = owner.child(stem + "Timing")
    if timing is None:
        return None
    bounds = timing.path("repeat", "boundsPeriod")
    start = timing.when("event")
    return Period(start=start) if start else period(bounds)


def human_name(element: Element) -> HumanName:
    """A name."""
    return HumanName(
        text=element.text("text"),
        family=" ".join(element.texts("family")) or None,
        given=element.texts("given"),
        prefix=element.texts("prefix"),
        use=element.text("use"),
        period=period(element.child("period")),
    )


_NAME_ORDER = {"usual": 0, "official": 1, None: 2, "nickname": 3, "temp": 4, "anonymous": 5, "maiden": 6, "old": 7}
_ADDRESS_ORDER = {"home": 0, None: 1, "temp": 2, "work": 3, "billing": 4, "old": 5}


def names(owner: Element) -> tuple[HumanName, ...]:
    """The names, the usual one first."""
    found = [human_name(element) for element in owner.children("name")]
    return tuple(sorted(found, key=lambda name: _NAME_ORDER.get(name.use, 2)))


def full_name(element: Element | None) -> str | None:
    """A name as one text."""
    if element is None:
        return None
    name = human_name(element)
    return name.text or " ".join((*name.prefix, *name.given, *((name.family,) if name.family else ()))) or None


def addresses(owner: Element) -> tuple[Address, ...]:
    """The addresses, the current home first."""
    found = [_address(element) for element in owner.children("address")]
    return tuple(sorted(found, key=lambda address: _ADDRESS_ORDER.get(address.use, 1)))


def _address(element: Element) -> Address:
    return Address(
        text=element.text("text"),
        lines=element.texts("line"),
        city=element.text("city"),
        district=element.text("district"),
        postal_code=element.text("postalCode"),
        country=element.text("country"),
        use=element.text("use"),
    )


def telecom(owner: Element, name: str = "telecom") -> tuple[ContactPoint, ...]:
    """The ways to reach somebody that have a value."""
    found = []
    for element in owner.children(name):
        value = element.text("value")
        if value:
            found.append(ContactPoint(system=element.text("system"), value=value, use=element.text("use")))
    return tuple(found)


def annotations(owner: Element, *elements: str) -> tuple[Annotation, ...]:
    """Remarks: of type Annotation, or plain text where STU3 or the element has it so."""
    found = []
    for name in elements:
        for element in owner.children(name):
            if isinstance(element.value, str):
                if element.value.strip():
                    found.append(Annotation(text=element.value))
                continue
            text = element.text("text")
            if text:
                found.append(Annotation(text=text, author=_annotator(element), time=element.when("time")))
    return tuple(found)


def _annotator(element: Element) -> str | None:
    reference = element.child("authorReference")
    named = reference.text("display") if reference is not None else None
    return element.text("authorString") or named


def attachment(element: Element) -> Attachment:
    """A document's content, described; plain text given inline is its text."""
    kind = element.text("contentType")
    data = element.text("data")
    return Attachment(
        content_type=kind,
        title=element.text("title"),
        size=element.integer("size"),
        hash=element.text("hash"),
        created=element.when("creation"),
        text=_inline_text(element, data) if data and (kind or "").startswith("text/plain") else None,
    )


def _inline_text(element: Element, data: str) -> str | None:
    try:
        return base64.b64decode(data, validate=False).decode("utf-8-sig")
    except (binascii.Error, UnicodeDecodeError):
        element.unreadable("the text of the document cannot be decoded")
        return None
