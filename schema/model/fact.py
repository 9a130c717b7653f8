"""What one source states, and the silence it explains: the base of every fact, and the gap.

A fact is immutable, names the record it came from, and carries what the source said without repair. Adapters build
facts; the gateway alone adds provenance (`schema.model.view`).
"""

from enum import Enum
from typing import Annotated, ClassVar

from msgspec import Struct

from schema.model.describe import d
from schema.model.values import Annotation, Caution, Coding, Identifier, Origin, Party
from schema.model.when import When


class Fact(Struct, frozen=True, gc=False, kw_only=True, tag_field="factType", tag=True, omit_defaults=True):
    """One statement of one source about one person.

    Subclasses are the fact types; the class name is the type's name and FHIR's where FHIR has one.
    """

    section: ClassVar[str]
    """The section of the patient view that shows this type: the GraphQL field's name."""

    native_id: Annotated[str, d("The source's own id: resource type, slash, id.")]
    subject: Annotated[str | None, d("The source's own id of the person it is about; null when it names nobody.")]
    folds: Annotated[tuple[str, ...], d("Other native ids that the source split this one statement over.")] = ()
    identifiers: Annotated[tuple[Identifier, ...], d("Business identifiers: result, visit or document numbers.")] = ()
    recorded: Annotated[When | None, d("When it was written down.")] = None
    author: Annotated[Party | None, d("Who stated it, as the source names them.")] = None
    patient_reported: Annotated[bool, d("True when the patient, not a professional, stated or measured it.")] = False
    entered_in_error: Annotated[bool, d("True when the source has since withdrawn it as wrong.")] = False
    security_labels: Annotated[tuple[Coding, ...], d("The source's confidentiality and sensitivity labels.")] = ()
    cautions: Annotated[tuple[Caution, ...], d("Reasons to read it with care.")] = ()
    notes: Annotated[tuple[Annotation, ...], d("Remarks.")] = ()
    replaces: Annotated[
        tuple[str, ...], d("Native ids of earlier statements of this source that this one replaces.")
    ] = ()
    follows: Annotated[tuple[Origin, ...], d("What it came out of, as the source says.")] = ()


class GapKind(Enum):
    """Why there is silence. The nine are never confused with one another (MERGE.md section 3)."""

    NONE_KNOWN = "NONE_KNOWN"
    """Somebody stated that there is none."""
    NOT_RECORDED = "NOT_RECORDED"
    """The source answered and holds nothing: it does not say that there is none."""
    NOT_HELD = "NOT_HELD"
    """Out of what this source holds; with code PATIENT_NOT_FOUND, the source does not know the person."""
    WITHHELD = "WITHHELD"
    """The source has something and says it will not show it."""
    UNREADABLE = "UNREADABLE"
    """The source gave something that could not be read."""
    TRUNCATED = "TRUNCATED"
    """The source gave a part and was cut."""
    UNSUPPORTED = "UNSUPPORTED"
    """The source gave something of a kind that Sherwood does not model."""
    NARRATIVE_ONLY = "NARRATIVE_ONLY"
    """The source gave words without codes or structure."""
    FAILED = "FAILED"
    """The source could not answer this part."""


class Gap(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """A silence and its reason."""

    kind: Annotated[GapKind, d("Why there is silence.")]
    fact_type: Annotated[str | None, d("The fact type it concerns; null for every type asked of the source.")] = None
    code: Annotated[str | None, d("The source's own code for the reason, or ours.")] = None
    text: Annotated[str | None, d("The reason in words; the source's where it gave any.")] = None
    at: Annotated[str | None, d("Where in the source record: a pointer, never a value.")] = None
    count: Annotated[int, d("How many items it concerns.")] = 1


PATIENT_NOT_FOUND = "PATIENT_NOT_FOUND"
"""The `Gap.code` with which an adapter says that its source answered and does not know the person."""
