"""HL7 v2 data types to the values of a fact. HL7 v2.5.1 section 2.A; code tables as in the HL7 v2-to-FHIR concept maps.

A code without a FHIR equivalent is kept as the source wrote it. Nothing is completed, corrected or guessed.
"""

from collections import Counter
from zoneinfo import ZoneInfo

from adapters.hl7v2.parser import Message, Repetition, Segment
from adapters.hl7v2.settings import ReadingSettings
from adapters.hl7v2.times import when
from schema.model.values import (
    Address,
    Annotation,
    Caution,
    CautionCode,
    CodeableConcept,
    Coding,
    ContactPoint,
    HumanName,
    Identifier,
    Party,
    Period,
)
from schema.model.when import When

CODE_SYSTEMS = {
    "LN": "http://loinc.org",
    "LOINC": "http://loinc.org",
    "SCT": "http://snomed.info/sct",
    "SNOMED": "http://snomed.info/sct",
    "SNOMED-CT": "http://snomed.info/sct",
    "I10": "http://hl7.org/fhir/sid/icd-10",
    "I9": "http://hl7.org/fhir/sid/icd-9-cm",
    "I9C": "http://hl7.org/fhir/sid/icd-9-cm",
    "DMD": "https://dmd.nhs.uk",
    "UCUM": "http://unitsofmeasure.org",
}
"""Code system URIs by the names of table 0396 that this adapter is sure of."""

_NAME_USE = {"D": "usual", "L": "official", "M": "maiden", "N": "nickname", "T": "temp", "B": "old"}
_ADDRESS_USE = {"H": "home", "P": "home", "L": "home", "O": "work", "B": "work", "C": "temp"}
_TELECOM_USE = {"PRN": "home", "VHN": "home", "WPN": "work", "ORN": "home", "PRS": "mobile"}
_TELECOM_SYSTEM = {"PH": "phone", "CP": "phone", "FX": "fax", "BP": "pager", "INTERNET": "email", "X.400": "email"}


class Reading:
    """What reading one message needs to know, and the count of what could not be read."""

    def __init__(self, message: Message, settings: ReadingSettings, zone: ZoneInfo, source_id: str) -> None:
        self.message = message
        self.settings = settings
        self.unreadable: Counter[tuple[str, str]] = Counter()
        """Fields that could not be read, by fact type and place."""
        self._zone = zone
        self._source_id = source_id

    def when(self, fact_type: str, segment: Segment, field: int) -> When | None:
        """The time in a field; one that is none is counted as unreadable and left out."""
        text = segment.text(field)
        if text is None:
            return None
        return self._when(fact_type, f"{segment.name}-{field}", text, segment.text(field, 2))

    def _when(self, fact_type: str, at: str, text: str, degree: str | None = None) -> When | None:
        try:
            return when(text, self._zone, degree)
        except ValueError:
            self.unreadable[fact_type, at] += 1
            return None

    def period(self, fact_type: str, segment: Segment, start: int, end: int) -> Period | None:
        first, last = self.when(fact_type, segment, start), self.when(fact_type, segment, end)
        return Period(start=first, end=last) if first or last else None

    def time_value(self, at: str, text: str) -> When | None:
        return self._when("Observation", at, text)

    def stated(self, fact_type: str, at: str, text: str) -> When | None:
        """A time that stands in a component; `at` is counted where it is none."""
        return self._when(fact_type, at, text)

    def concept(self, value: Repetition, default_system: str | None = None) -> CodeableConcept | None:
        """CE and CWE: two codings side by side, and the original words. A lone phrase is words, not a code."""
        codings = []
        for code_at in (1, 4):
            code, display, system = value.text(code_at), value.text(code_at + 1), value.text(code_at + 2)
            if code_at == 1 and code and not display and not system and " " in code and default_system is None:
                return CodeableConcept(text=code)
            if code:
                uri = self.code_system(system) if system else (default_system if code_at == 1 else None)
                codings.append(Coding(system=uri, code=code, display=display))
        text = value.text(9) or (value.text(2) if not codings else None)
        return CodeableConcept(text=text, codings=tuple(codings)) if codings or text else None

    def concepts(self, segment: Segment, field: int, default_system: str | None = None) -> tuple[CodeableConcept, ...]:
        if not segment.field(field):
            return ()
        found = (self.concept(value, default_system) for value in segment.repetitions(field))
        return tuple(concept for concept in found if concept is not None)

    def first_concept(self, segment: Segment, field: int, default_system: str | None = None) -> CodeableConcept | None:
        return next(iter(self.concepts(segment, field, default_system)), None)

    def code_system(self, name: str) -> str | None:
        """The URI for a name of table 0396. A local name becomes one that no other source can share; L says nothing."""
        if name in self.settings.code_systems:
            return self.settings.code_systems[name]
        if name.upper() in CODE_SYSTEMS:
            return CODE_SYSTEMS[name.upper()]
        if name.startswith("HL7") and name[3:].isdigit():
            return table(name[3:])
        return None if name == "L" else f"urn:x-hl7v2:{self._source_id}:{name}"

    def site_table(self, number: str) -> str:
        """The system of a user-defined table whose values each site makes up: never shared with another source."""
        name = f"HL7{number}"
        return self.settings.code_systems.get(name, f"urn:x-hl7v2:{self._source_id}:{name}")

    def _system(self, name: str | None, universal: str | None, kind: str | None, *, own: bool = False) -> str | None:
        """The system of an assigning authority: a configured name first, then an ISO OID or URI that it carries.

        The authority of the source's own patient number may give out other numbers too, visits for example: unless the
        number is known to be a patient's (`own`), an OID says better than that name whose it is.
        """
        if name in self.settings.authorities:
            return self.settings.authorities[name]
        systems = self.settings.systems()
        if own and name in systems:
            return systems[name]
        if universal and kind == "ISO":
            return f"urn:oid:{universal}"
        if universal and kind == "URI":
            return universal
        return systems.get(name or "")

    def assigner(self, authority: Repetition, *, own: bool = False) -> tuple[str | None, str | None]:
        """HD as (system URI, name)."""
        name, universal, kind = (authority.text(part) for part in (1, 2, 3))
        return self._system(name, universal, kind, own=own), name or (None if kind == "URI" else universal)

    def identifier(self, value: Repetition, type_code: str | None = None) -> Identifier | None:
        """CX. Without a `type_code` it is a number of a patient."""
        number = value.text(1)
        if number is None:
            return None
        system, assigner = self.assigner(value.component(4), own=type_code is None)
        return Identifier(system=system, value=number, type=type_code or value.text(5), assigner=assigner)

    def entity(self, value: Repetition, type_code: str) -> Identifier | None:
        """EI: the assigner stands in the second to fourth component, not in one."""
        number = value.text(1)
        if number is None:
            return None
        name = value.text(2)
        system = self._system(name, value.text(3), value.text(4))
        return Identifier(system=system, value=number, type=type_code, assigner=name or value.text(3))

    def party(self, value: Repetition, role: str | None = None) -> Party | None:
        """XCN: an id, then a name."""
        number = value.text(1)
        system, assigner = self.assigner(value.component(9))
        identifiers = (
            (Identifier(system=system, value=number, assigner=assigner, type=value.text(13)),) if number else ()
        )
        family, given, middle, prefix = (value.text(part) for part in (2, 3, 4, 6))
        name = " ".join(part for part in (prefix, given, middle, family) if part)
        return Party(name=name or None, role=role, identifiers=identifiers) if name or identifiers else None

    def parties(self, segment: Segment, field: int, role: str | None = None) -> tuple[Party, ...]:
        found = (self.party(value, role) for value in segment.repetitions(field))
        return tuple(party for party in found if party is not None)

    def cautions(self, *segments: Segment | None) -> tuple[Caution, ...]:
        """Read with care where letters beyond ASCII were read by assumption."""
        if self.message.doubtful and any(s is not None and not s.raw.isascii() for s in segments):
            return (Caution(code=CautionCode.CHARSET, text="The message's character set is missing or wrong."),)
        return ()


def table(number: str) -> str:
    """The URI of an HL7 v2 table."""
    return f"http://terminology.hl7.org/CodeSystem/v2-{number.zfill(4)}"


def name(value: Repetition) -> HumanName | None:
    """XPN. Components two and three are given names; the family name's own subcomponents stay together."""
    family, given, middle, suffix, prefix, kind = (value.text(part) for part in (1, 2, 3, 4, 5, 7))
    if not (family or given or middle):
        return None
    parts = (prefix, given, middle, family, suffix)
    return HumanName(
        text=" ".join(part for part in parts if part),
        family=family,
        given=tuple(part for part in (given, middle) if part),
        prefix=(prefix,) if prefix else (),
        use=_NAME_USE.get(kind or ""),
    )


def names(segment: Segment, field: int) -> tuple[HumanName, ...]:
    """The usual name first, then the official one, then the others in the source's order."""
    order = {"usual": 0, "official": 1, None: 2}
    found = [read for value in segment.repetitions(field) if (read := name(value)) is not None]
    return tuple(sorted(found, key=lambda one: order.get(one.use, 3)))


def addresses(segment: Segment, field: int) -> tuple[Address, ...]:
    """XAD, the current home first."""
    found = [read for value in segment.repetitions(field) if (read := _address(value)) is not None]
    return tuple(sorted(found, key=lambda one: (one.use != "home", one.use is not None)))


def _address(value: Repetition) -> Address | None:
    street, other, city, county, postcode, country, kind = (value.text(part) for part in range(1, 8))
    lines = tuple(line for line in (street, other) if line)
    if not (lines or city or county or postcode or country):
        return None
    return Address(
        lines=lines,
        city=city,
        district=value.text(9) or county,
        postal_code=postcode,
        country=country,
        use=_ADDRESS_USE.get(kind or ""),
    )


def telecom(segment: Segment, field: int, use: str | None = None) -> tuple[ContactPoint, ...]:
    """XTN; `use` is what the field itself means where the value says nothing."""
    found = (_contact(value, use) for value in segment.repetitions(field))
    return tuple(contact for contact in found if contact is not None)


def _contact(value: Repetition, use: str | None) -> ContactPoint | None:
    plain, meaning, equipment, email = (value.text(part) for part in (1, 2, 3, 4))
    kind = (equipment or "").upper()
    if email and (kind in ("INTERNET", "X.400") or meaning == "NET" or not plain):
        return ContactPoint(system="email", value=email, use=_TELECOM_USE.get(meaning or "", use))
    dialled = " ".join(part for part in (value.text(number) for number in (5, 6, 7)) if part)
    number = value.text(12) or plain or dialled
    if not number:
        return None
    system = "pager" if meaning == "BPN" else _TELECOM_SYSTEM.get(kind, "email" if meaning == "NET" else "phone")
    stated = "mobile" if kind == "CP" else _TELECOM_USE.get(meaning or "", use)
    return ContactPoint(system=system, value=number, use=stated)


def notes(segments: list[Segment]) -> tuple[Annotation, ...]:
    """NTE-3, one annotation for each segment that says something."""
    texts = ("\n".join(filter(None, (value.whole() for value in nte.repetitions(3)))) for nte in segments)
    return tuple(Annotation(text=text) for text in texts if text)


def flag(segment: Segment, field: int) -> bool | None:
    """Table 0136: Y, N; anything else says neither."""
    return {"Y": True, "N": False}.get(segment.text(field) or "")
