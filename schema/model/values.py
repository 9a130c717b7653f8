"""FHIR's data types, as immutable structs: what the fields of a fact are made of.

Names and meanings follow FHIR R4 section 2.24 (datatypes). Decimals keep the digits as written (13.50 is not 13.5).
"""

from decimal import Decimal
from enum import Enum
from typing import Annotated

from msgspec import Struct

from schema.model.describe import d
from schema.model.when import When


class Coding(Struct, frozen=True, gc=False, kw_only=True):
    """A code in a code system."""

    system: Annotated[str | None, d("URI of the code system; null when the source named none.")] = None
    code: Annotated[str | None, d("The code.")] = None
    display: Annotated[str | None, d("The system's words for the code, as the source gave them.")] = None
    version: Annotated[str | None, d("Version of the code system.")] = None


class CodeableConcept(Struct, frozen=True, gc=False, kw_only=True):
    """A concept: the source's own words and every code it gave for it."""

    text: Annotated[
        str | None, d("The concept in the source's own words; null when it gave only codes: show `display`.")
    ] = None
    codings: Annotated[tuple[Coding, ...], d("Every code the source gave, the original ones first.")] = ()

    @property
    def display(
        self,
    ) -> Annotated[
        str,
        d("The words to show, never empty: the source's own, else the first code's, else the code itself."),
    ]:
        """What to show a person, also when the source gave no words at all."""
        return self.label or "not named by the source"

    @property
    def label(self) -> str | None:
        """What to show a person: the source's words, else the first display, else the first code."""
        displays = [c.display for c in self.codings if c.display] or [c.code for c in self.codings if c.code]
        return self.text or (displays[0] if displays else None)


class Identifier(Struct, frozen=True, gc=False, kw_only=True):
    """A business identifier: a value that means something only within its system."""

    system: Annotated[str | None, d("URI of the identifier's system.")] = None
    value: Annotated[str, d("The value, unique within the system.")]
    type: Annotated[str | None, d("What kind of identifier it is: a code such as MR, NH or VN.")] = None
    assigner: Annotated[str | None, d("Who issued it.")] = None
    verified: Annotated[
        bool | None,
        d(
            "True when the source says it was traced or verified with the national authority (NHS status 01), false "
            "when it states any other status, null when it states none."
        ),
    ] = None


class Origin(Struct, frozen=True, gc=False, kw_only=True):
    """What a statement came out of: a referral, a booking, a contact or a spell. One of the two is stated."""

    native_id: Annotated[str | None, d("Native id of it in the same source.")] = None
    identifier: Annotated[Identifier | None, d("Its number: of a referral (UBRN), spell, visit or handover.")] = None


class Quantity(Struct, frozen=True, gc=False, kw_only=True):
    """A measured amount."""

    value: Annotated[Decimal | None, d("The number, with the digits as written.")] = None
    comparator: Annotated[str | None, d("How to read the number: <, <=, >=, > or ~.")] = None
    unit: Annotated[str | None, d("The unit as written.")] = None
    system: Annotated[str | None, d("URI of the unit's code system.")] = None
    code: Annotated[str | None, d("The coded unit, in UCUM where the source gave it.")] = None


class Range(Struct, frozen=True, gc=False, kw_only=True):
    """A low and a high amount."""

    low: Annotated[Quantity | None, d("The lower bound.")] = None
    high: Annotated[Quantity | None, d("The upper bound.")] = None


class Ratio(Struct, frozen=True, gc=False, kw_only=True):
    """One amount over another."""

    numerator: Annotated[Quantity | None, d("The upper amount.")] = None
    denominator: Annotated[Quantity | None, d("The lower amount.")] = None


class Period(Struct, frozen=True, gc=False, kw_only=True):
    """A span of clinical time, either end of which may be open."""

    start: Annotated[When | None, d("When it began.")] = None
    end: Annotated[When | None, d("When it ended; null when it has not, or the source does not say.")] = None


class ContactPoint(Struct, frozen=True, gc=False, kw_only=True):
    """A way to reach somebody."""

    system: Annotated[str | None, d("phone, email, fax, pager, sms, url or other.")] = None
    value: Annotated[str, d("The number or address.")]
    use: Annotated[str | None, d("home, work, mobile, temp or old.")] = None
    label: Annotated[str | None, d("What the source calls it, where it keeps several: out of hours, duty desk.")] = None


class HumanName(Struct, frozen=True, gc=False, kw_only=True):
    """A person's name, whole and in parts."""

    text: Annotated[str | None, d("The whole name as stated.")] = None
    family: Annotated[str | None, d("Family name.")] = None
    given: Annotated[tuple[str, ...], d("Given names in order.")] = ()
    prefix: Annotated[tuple[str, ...], d("Titles before the name.")] = ()
    use: Annotated[str | None, d("usual, official, temp, nickname, old, maiden.")] = None
    period: Annotated[Period | None, d("When the name was in use.")] = None


class Address(Struct, frozen=True, gc=False, kw_only=True):
    """A postal address."""

    text: Annotated[str | None, d("The whole address as stated.")] = None
    lines: Annotated[tuple[str, ...], d("House, street and locality lines.")] = ()
    city: Annotated[str | None, d("Town or city.")] = None
    district: Annotated[str | None, d("County or district.")] = None
    postal_code: Annotated[str | None, d("Postcode.")] = None
    country: Annotated[str | None, d("Country.")] = None
    use: Annotated[str | None, d("home, work, temp, old.")] = None


class Party(Struct, frozen=True, gc=False, kw_only=True):
    """Somebody who takes part in care: a person, a role, an organisation, or all three."""

    name: Annotated[str | None, d("The person's name as stated.")] = None
    role: Annotated[str | None, d("What they do here.")] = None
    organization: Annotated[str | None, d("The organisation they act for.")] = None
    identifiers: Annotated[tuple[Identifier, ...], d("Their professional or organisation identifiers.")] = ()
    telecom: Annotated[tuple[ContactPoint, ...], d("How to reach them.")] = ()


class Annotation(Struct, frozen=True, gc=False, kw_only=True):
    """A free-text remark."""

    text: Annotated[str, d("The remark.")]
    author: Annotated[str | None, d("Who made it.")] = None
    time: Annotated[When | None, d("When it was made.")] = None


class Attachment(Struct, frozen=True, gc=False, kw_only=True):
    """A document's content, described; the bytes stay at the source."""

    content_type: Annotated[str | None, d("Media type.")] = None
    title: Annotated[str | None, d("Title.")] = None
    size: Annotated[int | None, d("Size in bytes.")] = None
    hash: Annotated[str | None, d("Hash of the bytes as the source states it.")] = None
    created: Annotated[When | None, d("When the content was made.")] = None
    text: Annotated[str | None, d("The content itself where it is plain text and was given inline.")] = None


class CautionCode(Enum):
    """Why a fact must be read with care."""

    DEGRADED = "DEGRADED"
    """Codes were lost in a transfer between systems; only words are left."""
    STALE = "STALE"
    """Called active, though its own end date is past."""
    UNKNOWN_MODIFIER = "UNKNOWN_MODIFIER"
    """The record carries a modifierExtension that we do not understand and that may change its meaning."""
    CHARSET = "CHARSET"
    """The character set was missing or wrong; letters may be."""
    UNVERIFIED = "UNVERIFIED"
    """The source says that it has not been filed or checked yet."""


class Caution(Struct, frozen=True, gc=False, kw_only=True):
    """A reason to read a fact with care."""

    code: Annotated[CautionCode, d("The kind of caution.")]
    text: Annotated[str | None, d("In the source's words, or ours.")] = None
