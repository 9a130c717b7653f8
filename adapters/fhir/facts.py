"""What every fact carries, whatever its type: subject, identifiers, labels, cautions, remarks. FHIR R4 section 2.27.

`Context` is what a reader of one resource is given; `common` the fields of the base class, as keyword arguments.
"""

from dataclasses import dataclass
from typing import Any

from adapters.fhir.datatypes import annotations, code_of, coding, identifier, identifiers
from adapters.fhir.elements import Element, Reading
from adapters.fhir.references import Index
from schema.model.values import Annotation, Caution, CautionCode, CodeableConcept, Coding, Identifier, Origin

SNOMED = "http://snomed.info/sct"

DEGRADED = frozenset({"196461000000101", "196471000000108", "196421000000109", "196411000000103"})
"""SNOMED CT (UK) record artefacts: transfer-degraded drug allergy, non-drug allergy, medication entry, record entry."""

ENTERED_IN_ERROR = "entered-in-error"


@dataclass(frozen=True)
class Context:
    """One resource to be read, and the record it came with."""

    resource: Element
    index: Index
    native_id: str

    @property
    def reading(self) -> Reading:
        """The reading it is a part of."""
        return self.resource.reading

    def native_ids(self, *names: str) -> tuple[str, ...]:
        """What the references of these names point to, as native ids."""
        found = []
        for name in names:
            for reference in self.resource.children(name):
                canonical = self.index.canonical(reference)
                if canonical is not None:
                    found.append(canonical)
        return tuple(dict.fromkeys(found))


def common(context: Context, *notes: str, coded: CodeableConcept | None = None) -> dict[str, Any]:
    """The base fields of any fact: `notes` names the elements that hold remarks, `coded` is what the fact is about."""
    resource = context.resource
    return {
        "native_id": context.native_id,
        "subject": context.index.subject(resource),
        "identifiers": all_identifiers(resource),
        "entered_in_error": ENTERED_IN_ERROR
        in (_plain(resource, "status"), code_of(resource.child("verificationStatus"))),
        "security_labels": labels(resource),
        "cautions": cautions(resource, coded),
        "notes": annotations(resource, *(notes or ("note",))),
        "follows": origins(context),
    }


def origins(context: Context) -> tuple[Origin, ...]:
    """The referral, booking or contact that it came out of, by reference or by number. R4 `basedOn`, `encounter`,
    `appointment`; STU3 `incomingReferral` and `context`; of documents below `context`."""
    resource = context.resource
    references = [one for name in _ORIGINS if resource.has(name) for one in resource.children(name)]
    references += [one for outer in references if outer.has("encounter") for one in outer.children("encounter")]
    found = []
    for reference in references:
        if not isinstance(reference.value, dict):
            continue
        named = context.index.canonical(reference)
        number = reference.child("identifier")
        numbered = identifier(number) if number is not None else None
        if named is not None and named.rpartition("/")[0].rpartition("/")[2] in _OF_A_JOURNEY:
            found.append(Origin(native_id=named))
        elif numbered is not None:
            found.append(Origin(identifier=numbered))
    return tuple(dict.fromkeys(found))


_ORIGINS = ("basedOn", "incomingReferral", "appointment", "encounter", "context")
"""A document's `context` holds its encounters one step further down."""
_OF_A_JOURNEY = frozenset(
    {"ServiceRequest", "ReferralRequest", "ProcedureRequest", "Appointment", "Encounter", "EpisodeOfCare"}
)


def all_identifiers(resource: Element) -> tuple[Identifier, ...]:
    """Business identifiers, the document master identifier included."""
    return identifiers(resource, "masterIdentifier") + identifiers(resource)


def labels(resource: Element) -> tuple[Coding, ...]:
    """The confidentiality and sensitivity labels of `meta.security`."""
    meta = resource.child("meta")
    return tuple(coding(found) for found in meta.children("security")) if meta is not None else ()


def cautions(resource: Element, coded: CodeableConcept | None = None) -> tuple[Caution, ...]:
    """Why to read with care: meaning lost in transfer, or a modifier that we do not understand."""
    found = []
    if coded is not None and any(c.code in DEGRADED and c.system in (SNOMED, None) for c in coded.codings):
        found.append(Caution(code=CautionCode.DEGRADED, text="The code was lost in a transfer between systems."))
    if resource.reading.modifiers and _modified(resource.value):
        found.append(
            Caution(
                code=CautionCode.UNKNOWN_MODIFIER,
                text="The record carries an extension that may change its meaning and is not understood.",
            )
        )
    return tuple(found)


def remark(text: str | None, prefix: str = "") -> tuple[Annotation, ...]:
    """A remark of a source that has no field of its own, or nothing."""
    return (Annotation(text=f"{prefix}{text}"),) if text else ()


def _plain(resource: Element, name: str) -> str | None:
    found = resource.value_of(name)
    return found if isinstance(found, str) else None


def _modified(resource: Any) -> bool:
    """True when a modifierExtension stands anywhere in the resource, its contained resources left out."""
    rest = [resource]
    while rest:
        value = rest.pop()
        if isinstance(value, dict):
            if value.get("modifierExtension"):
                return True
            rest += [inner for key, inner in value.items() if isinstance(inner, _NESTED) and key != "contained"]
        else:
            rest += [inner for inner in value if isinstance(inner, _NESTED)]
    return False


_NESTED = (dict, list)
