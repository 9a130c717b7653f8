"""The fact types: FHIR R4 resources flattened to what a reader of a patient record needs.

Field names are FHIR's; status fields hold FHIR's codes as text, because a source may send one that FHIR lacks and no
statement is dropped for it. Each type names the section that shows it.
"""

from enum import Enum
from typing import Annotated, ClassVar

from msgspec import Struct

from schema.model.describe import d
from schema.model.fact import Fact
from schema.model.values import (
    Address,
    Attachment,
    CodeableConcept,
    ContactPoint,
    HumanName,
    Party,
    Period,
    Quantity,
    Range,
    Ratio,
)
from schema.model.when import When


class Patient(Fact, frozen=True, kw_only=True):
    """Demographics: who the source says this person is. `native_id` equals `subject`."""

    section: ClassVar[str] = "patient"

    names: Annotated[tuple[HumanName, ...], d("Names, the usual one first.")] = ()
    birth_date: Annotated[When | None, d("Date of birth.")] = None
    gender: Annotated[str | None, d("Administrative gender: male, female, other, unknown.")] = None
    deceased: Annotated[bool | None, d("True when recorded as dead; null when not stated.")] = None
    deceased_at: Annotated[When | None, d("When the person died.")] = None
    active: Annotated[bool | None, d("True when the source still uses this record; null when not stated.")] = None
    addresses: Annotated[tuple[Address, ...], d("Addresses, the current home first.")] = ()
    telecom: Annotated[tuple[ContactPoint, ...], d("How to reach the person.")] = ()
    multiple_birth: Annotated[bool | None, d("True for a twin or other multiple birth.")] = None
    general_practitioners: Annotated[tuple[Party, ...], d("The registered practice or practitioner.")] = ()
    languages: Annotated[tuple[CodeableConcept, ...], d("Languages, the preferred one first.")] = ()
    replaced_by: Annotated[str | None, d("Native id of the record that survived a merge at the source.")] = None
    restricted: Annotated[bool, d("True when the source marks the whole record as restricted.")] = False


class Polarity(Enum):
    """Whether a statement says that something is there or that it is not."""

    PRESENT = "PRESENT"
    """It is there."""
    ABSENT = "ABSENT"
    """It is stated not to be there."""


class Reaction(Struct, frozen=True, gc=False, kw_only=True):
    """What happened on exposure."""

    manifestations: Annotated[tuple[CodeableConcept, ...], d("Signs and symptoms.")] = ()
    severity: Annotated[str | None, d("mild, moderate or severe.")] = None
    onset: Annotated[When | None, d("When it happened.")] = None
    description: Annotated[str | None, d("In words.")] = None


class AllergyIntolerance(Fact, frozen=True, kw_only=True):
    """An allergy or intolerance, or the statement that there is none (polarity ABSENT)."""

    section: ClassVar[str] = "allergies"

    code: Annotated[CodeableConcept | None, d("The substance, or the finding that names it.")] = None
    polarity: Annotated[Polarity, d("ABSENT for 'no known allergies' and the like.")] = Polarity.PRESENT
    clinical_status: Annotated[str | None, d("active, inactive or resolved.")] = None
    verification_status: Annotated[str | None, d("unconfirmed, confirmed, refuted or entered-in-error.")] = None
    type: Annotated[str | None, d("allergy or intolerance.")] = None
    categories: Annotated[tuple[str, ...], d("food, medication, environment, biologic.")] = ()
    criticality: Annotated[str | None, d("low, high or unable-to-assess.")] = None
    onset: Annotated[When | None, d("When it began.")] = None
    ended: Annotated[When | None, d("When it was found to have ended.")] = None
    last_occurrence: Annotated[When | None, d("When it last happened.")] = None
    reactions: Annotated[tuple[Reaction, ...], d("What happened.")] = ()


class Condition(Fact, frozen=True, kw_only=True):
    """A problem or diagnosis."""

    section: ClassVar[str] = "conditions"

    code: Annotated[CodeableConcept | None, d("The problem or diagnosis.")] = None
    polarity: Annotated[Polarity, d("ABSENT when the source says that it is not so.")] = Polarity.PRESENT
    clinical_status: Annotated[str | None, d("active, recurrence, relapse, inactive, remission, resolved.")] = None
    verification_status: Annotated[
        str | None, d("unconfirmed, provisional, differential, confirmed, refuted or entered-in-error.")
    ] = None
    categories: Annotated[tuple[CodeableConcept, ...], d("problem-list-item, encounter-diagnosis and others.")] = ()
    severity: Annotated[CodeableConcept | None, d("How bad it is.")] = None
    significance: Annotated[str | None, d("major or minor, where the source grades its problem list.")] = None
    body_sites: Annotated[tuple[CodeableConcept, ...], d("Where in the body, with side.")] = ()
    onset: Annotated[When | None, d("When it began.")] = None
    abatement: Annotated[When | None, d("When it ended.")] = None


class MedicationKind(Enum):
    """What a medication statement is a record of."""

    STATEMENT = "STATEMENT"
    """A course: what is authorised or said to be taken. Authorised is not taken."""
    REQUEST = "REQUEST"
    """An order or prescription."""
    DISPENSE = "DISPENSE"
    """A supply."""
    ADMINISTRATION = "ADMINISTRATION"
    """A dose given, or stated as not given: the only proof of taking besides the patient's own word."""


class Medication(Fact, frozen=True, kw_only=True):
    """A medicine course, order, supply or dose: FHIR's MedicationStatement, -Request, -Dispense, -Administration."""

    section: ClassVar[str] = "medications"

    kind: Annotated[MedicationKind, d("A course, an order, a supply or a dose given.")]
    code: Annotated[CodeableConcept | None, d("The product, in dm+d where coded.")] = None
    brand: Annotated[str | None, d("Brand name, where stated apart from the product.")] = None
    form: Annotated[CodeableConcept | None, d("Dose form, with release characteristic.")] = None
    strength: Annotated[Quantity | None, d("Strength of one unit of the product.")] = None
    status: Annotated[
        str | None,
        d("active, completed, stopped, on-hold, cancelled, intended, unknown, not-done or the source's own."),
    ] = None
    intent: Annotated[str | None, d("plan, order, reflex-order and so on.")] = None
    prescription_type: Annotated[str | None, d("acute, repeat, repeat-dispensing or as the source says.")] = None
    dosage: Annotated[str | None, d("The dosage instruction in words.")] = None
    dose: Annotated[Quantity | None, d("Amount per dose.")] = None
    frequency: Annotated[str | None, d("How often, in words or as coded by the source.")] = None
    as_needed: Annotated[bool | None, d("True when taken only as needed.")] = None
    route: Annotated[CodeableConcept | None, d("How it enters the body.")] = None
    effective: Annotated[Period | None, d("When it was or is taken, given or supplied.")] = None
    last_issued: Annotated[When | None, d("The last prescription issued under this course.")] = None
    issues: Annotated[int | None, d("How many prescriptions were issued under this course.")] = None
    quantity: Annotated[Quantity | None, d("Amount prescribed or supplied.")] = None
    reasons: Annotated[tuple[CodeableConcept, ...], d("Why it is given, or why it was stopped or not given.")] = ()
    based_on: Annotated[tuple[str, ...], d("Native ids of the orders this one fulfils.")] = ()


class ObservationComponent(Struct, frozen=True, gc=False, kw_only=True):
    """One part of an observation that has several, such as systolic blood pressure."""

    code: Annotated[CodeableConcept | None, d("What was measured.")] = None
    value_quantity: Annotated[Quantity | None, d("The amount.")] = None
    value_codeable_concept: Annotated[CodeableConcept | None, d("The coded value.")] = None
    value_string: Annotated[str | None, d("The value in words.")] = None
    data_absent_reason: Annotated[CodeableConcept | None, d("Why there is no value.")] = None
    interpretation: Annotated[tuple[CodeableConcept, ...], d("High, low, abnormal and so on.")] = ()


class Observation(Fact, frozen=True, kw_only=True):
    """A measurement or finding. Zero, false, components alone and a dataAbsentReason are values."""

    section: ClassVar[str] = "observations"

    code: Annotated[CodeableConcept | None, d("What was measured or asked.")] = None
    categories: Annotated[tuple[CodeableConcept, ...], d("laboratory, vital-signs, survey and others.")] = ()
    status: Annotated[str | None, d("registered, preliminary, final, amended, corrected, cancelled.")] = None
    effective: Annotated[Period | None, d("When it was true of the patient: start alone for an instant.")] = None
    issued: Annotated[When | None, d("When the result was made available.")] = None
    value_quantity: Annotated[Quantity | None, d("The amount.")] = None
    value_codeable_concept: Annotated[CodeableConcept | None, d("The coded value.")] = None
    value_string: Annotated[str | None, d("The value in words.")] = None
    value_boolean: Annotated[bool | None, d("Yes or no.")] = None
    value_integer: Annotated[int | None, d("A whole number without a unit.")] = None
    value_range: Annotated[Range | None, d("A range.")] = None
    value_ratio: Annotated[Ratio | None, d("A ratio, such as a titre.")] = None
    value_period: Annotated[Period | None, d("A time or a span of time.")] = None
    data_absent_reason: Annotated[CodeableConcept | None, d("Why there is no value.")] = None
    interpretation: Annotated[tuple[CodeableConcept, ...], d("High, low, abnormal and so on.")] = ()
    reference_range: Annotated[str | None, d("The range that the source compares with, in words.")] = None
    components: Annotated[tuple[ObservationComponent, ...], d("The parts of a panel.")] = ()
    specimen: Annotated[str | None, d("Specimen identifier as the source gives it.")] = None
    specimen_type: Annotated[CodeableConcept | None, d("What was sampled.")] = None
    method: Annotated[CodeableConcept | None, d("How it was done.")] = None
    device: Annotated[str | None, d("The device, where one is named.")] = None
    body_site: Annotated[CodeableConcept | None, d("Where in the body.")] = None


class SocialHistory(Observation, frozen=True, kw_only=True):
    """An observation about the way of life: alcohol, smoking, housing, work."""

    section: ClassVar[str] = "socialHistory"


class DiagnosticReport(Fact, frozen=True, kw_only=True):
    """A report on investigations, with its conclusion."""

    section: ClassVar[str] = "diagnosticReports"

    code: Annotated[CodeableConcept | None, d("What was investigated.")] = None
    categories: Annotated[tuple[CodeableConcept, ...], d("Laboratory, radiology and others.")] = ()
    status: Annotated[str | None, d("registered, partial, preliminary, final, amended, corrected, cancelled.")] = None
    effective: Annotated[Period | None, d("When the patient was investigated.")] = None
    issued: Annotated[When | None, d("When the report was released.")] = None
    conclusion: Annotated[str | None, d("The conclusion in words.")] = None
    conclusion_codes: Annotated[tuple[CodeableConcept, ...], d("Coded conclusions.")] = ()
    results: Annotated[tuple[str, ...], d("Native ids of the observations it reports.")] = ()


class Immunization(Fact, frozen=True, kw_only=True):
    """A vaccine given, or not given and why."""

    section: ClassVar[str] = "immunizations"

    vaccine_code: Annotated[CodeableConcept | None, d("The vaccine.")] = None
    status: Annotated[str | None, d("completed or not-done.")] = None
    status_reason: Annotated[CodeableConcept | None, d("Why it was not given.")] = None
    occurrence: Annotated[When | None, d("When it was given.")] = None
    dose_number: Annotated[str | None, d("Which dose in the series.")] = None
    lot_number: Annotated[str | None, d("Batch.")] = None
    manufacturer: Annotated[str | None, d("Manufacturer.")] = None
    site: Annotated[CodeableConcept | None, d("Where in the body.")] = None
    route: Annotated[CodeableConcept | None, d("How it was given.")] = None


class Procedure(Fact, frozen=True, kw_only=True):
    """Something done to or for the person, or not done and why."""

    section: ClassVar[str] = "procedures"

    code: Annotated[CodeableConcept | None, d("What was done.")] = None
    status: Annotated[str | None, d("preparation, in-progress, not-done, on-hold, stopped, completed.")] = None
    status_reason: Annotated[CodeableConcept | None, d("Why it was not done or stopped.")] = None
    performed: Annotated[Period | None, d("When.")] = None
    body_sites: Annotated[tuple[CodeableConcept, ...], d("Where in the body, with side.")] = ()
    outcome: Annotated[CodeableConcept | None, d("How it went.")] = None


class Encounter(Fact, frozen=True, kw_only=True):
    """A contact with a care provider: visit, spell, consultation, call."""

    section: ClassVar[str] = "encounters"

    status: Annotated[str | None, d("planned, arrived, in-progress, finished, cancelled, noshow and others.")] = None
    encounter_class: Annotated[CodeableConcept | None, d("Inpatient, emergency, ambulatory, virtual and others.")] = (
        None
    )
    types: Annotated[tuple[CodeableConcept, ...], d("What kind of contact it was.")] = ()
    service: Annotated[CodeableConcept | None, d("The service or specialty.")] = None
    period: Annotated[Period | None, d("From arrival to leaving.")] = None
    reasons: Annotated[tuple[CodeableConcept, ...], d("Why.")] = ()
    location: Annotated[str | None, d("Ward, room or place.")] = None
    service_provider: Annotated[str | None, d("The organisation that gave the care.")] = None
    participants: Annotated[tuple[Party, ...], d("Who took part.")] = ()
    admission_source: Annotated[CodeableConcept | None, d("Where the person came from.")] = None
    discharge_disposition: Annotated[CodeableConcept | None, d("Where the person went.")] = None
    part_of: Annotated[str | None, d("Native id of the spell this is a part of.")] = None


class Appointment(Fact, frozen=True, kw_only=True):
    """A booked contact."""

    section: ClassVar[str] = "appointments"

    status: Annotated[str | None, d("proposed, booked, arrived, fulfilled, cancelled, noshow.")] = None
    service: Annotated[CodeableConcept | None, d("The service or specialty.")] = None
    description: Annotated[str | None, d("What it is for.")] = None
    period: Annotated[Period | None, d("From when to when.")] = None
    location: Annotated[str | None, d("Where.")] = None
    participants: Annotated[tuple[Party, ...], d("Who takes part besides the patient.")] = ()
    reasons: Annotated[tuple[CodeableConcept, ...], d("Why, or why it was cancelled.")] = ()


class ServiceRequest(Fact, frozen=True, kw_only=True):
    """A referral, or a request for a service."""

    section: ClassVar[str] = "referrals"

    code: Annotated[CodeableConcept | None, d("The service asked for.")] = None
    categories: Annotated[tuple[CodeableConcept, ...], d("What kind of request it is.")] = ()
    status: Annotated[str | None, d("draft, active, on-hold, revoked, completed.")] = None
    intent: Annotated[str | None, d("proposal, plan or order.")] = None
    priority: Annotated[str | None, d("routine, urgent, asap, stat.")] = None
    authored: Annotated[When | None, d("When it was made.")] = None
    occurrence: Annotated[Period | None, d("When it should happen.")] = None
    performers: Annotated[tuple[Party, ...], d("Who is asked to do it.")] = ()
    reasons: Annotated[tuple[CodeableConcept, ...], d("Why.")] = ()
    description: Annotated[str | None, d("In words.")] = None


class DocumentReference(Fact, frozen=True, kw_only=True):
    """A document that the source holds."""

    section: ClassVar[str] = "documents"

    type: Annotated[CodeableConcept | None, d("What kind of document.")] = None
    categories: Annotated[tuple[CodeableConcept, ...], d("Its class.")] = ()
    status: Annotated[str | None, d("current, superseded.")] = None
    document_status: Annotated[str | None, d("preliminary, final, amended.")] = None
    date: Annotated[When | None, d("When it was made.")] = None
    description: Annotated[str | None, d("What it is.")] = None
    contents: Annotated[tuple[Attachment, ...], d("Its content, described.")] = ()
    period: Annotated[Period | None, d("The time of care that it is about.")] = None


class ImagingStudy(Fact, frozen=True, kw_only=True):
    """An imaging study."""

    section: ClassVar[str] = "imagingStudies"

    status: Annotated[str | None, d("registered, available, cancelled.")] = None
    description: Annotated[str | None, d("What was imaged.")] = None
    modalities: Annotated[tuple[CodeableConcept, ...], d("CT, MR, US and so on (DICOM codes).")] = ()
    started: Annotated[When | None, d("When it began.")] = None
    procedures: Annotated[tuple[CodeableConcept, ...], d("The procedure performed.")] = ()
    body_sites: Annotated[tuple[CodeableConcept, ...], d("What part of the body.")] = ()
    series_count: Annotated[int | None, d("How many series.")] = None
    instance_count: Annotated[int | None, d("How many instances.")] = None
    reasons: Annotated[tuple[CodeableConcept, ...], d("Why.")] = ()


class CarePlan(Fact, frozen=True, kw_only=True):
    """A plan of care."""

    section: ClassVar[str] = "carePlans"

    title: Annotated[str | None, d("Its title.")] = None
    description: Annotated[str | None, d("What it says.")] = None
    categories: Annotated[tuple[CodeableConcept, ...], d("What kind of plan.")] = ()
    status: Annotated[str | None, d("draft, active, on-hold, revoked, completed.")] = None
    intent: Annotated[str | None, d("proposal, plan, order.")] = None
    period: Annotated[Period | None, d("When it applies.")] = None
    activities: Annotated[tuple[str, ...], d("What is to be done, in words.")] = ()
    goals: Annotated[tuple[str, ...], d("What it aims at, in words.")] = ()


class Flag(Fact, frozen=True, kw_only=True):
    """An alert about the person."""

    section: ClassVar[str] = "flags"

    code: Annotated[CodeableConcept | None, d("What to watch for.")] = None
    categories: Annotated[tuple[CodeableConcept, ...], d("What kind of alert.")] = ()
    status: Annotated[str | None, d("active or inactive.")] = None
    period: Annotated[Period | None, d("When it applies.")] = None
    review: Annotated[When | None, d("When it is to be reviewed.")] = None


class QuestionnaireItem(Struct, frozen=True, gc=False, kw_only=True):
    """One question and its answers."""

    link_id: Annotated[str | None, d("The question's id in its questionnaire.")] = None
    question: Annotated[str | None, d("The question.")] = None
    answers: Annotated[tuple[str, ...], d("The answers, in words.")] = ()


class QuestionnaireResponse(Fact, frozen=True, kw_only=True):
    """An assessment: a questionnaire filled in."""

    section: ClassVar[str] = "assessments"

    questionnaire: Annotated[str | None, d("Which questionnaire.")] = None
    status: Annotated[str | None, d("in-progress, completed, amended, stopped.")] = None
    authored: Annotated[When | None, d("When it was filled in.")] = None
    items: Annotated[tuple[QuestionnaireItem, ...], d("Questions and answers, in order.")] = ()
    score: Annotated[Quantity | None, d("The total score, where the source states one.")] = None


class RelatedPerson(Fact, frozen=True, kw_only=True):
    """Somebody close to the person."""

    section: ClassVar[str] = "relatedPersons"

    names: Annotated[tuple[HumanName, ...], d("Their names.")] = ()
    relationships: Annotated[tuple[CodeableConcept, ...], d("What they are to the person.")] = ()
    telecom: Annotated[tuple[ContactPoint, ...], d("How to reach them.")] = ()
    addresses: Annotated[tuple[Address, ...], d("Where they live.")] = ()
    period: Annotated[Period | None, d("When this held.")] = None
    active: Annotated[bool | None, d("False when it no longer holds.")] = None


class Consent(Fact, frozen=True, kw_only=True):
    """What the person agreed to or refused."""

    section: ClassVar[str] = "consents"

    status: Annotated[str | None, d("draft, proposed, active, rejected, inactive.")] = None
    scope: Annotated[CodeableConcept | None, d("What the consent covers.")] = None
    categories: Annotated[tuple[CodeableConcept, ...], d("What kind of consent.")] = ()
    decision: Annotated[str | None, d("permit or deny.")] = None
    date: Annotated[When | None, d("When it was given.")] = None
    period: Annotated[Period | None, d("When it holds.")] = None
    description: Annotated[str | None, d("In words.")] = None


class Communication(Fact, frozen=True, kw_only=True):
    """A message between the person and those who care for them, or about the person."""

    section: ClassVar[str] = "communications"

    status: Annotated[str | None, d("in-progress, completed, not-done and others.")] = None
    categories: Annotated[tuple[CodeableConcept, ...], d("What kind of message.")] = ()
    medium: Annotated[CodeableConcept | None, d("Text message, phone, letter.")] = None
    sent: Annotated[When | None, d("When it was sent.")] = None
    received: Annotated[When | None, d("When it was received.")] = None
    sender: Annotated[Party | None, d("Who sent it.")] = None
    recipients: Annotated[tuple[Party, ...], d("Who received it.")] = ()
    payload: Annotated[tuple[str, ...], d("What it says.")] = ()


class CareTeam(Fact, frozen=True, kw_only=True):
    """Who is involved in the person's care, and how to reach them."""

    section: ClassVar[str] = "careTeam"

    name: Annotated[str | None, d("The team's name.")] = None
    categories: Annotated[tuple[CodeableConcept, ...], d("What kind of team.")] = ()
    status: Annotated[str | None, d("proposed, active, suspended, inactive.")] = None
    period: Annotated[Period | None, d("When it is or was involved.")] = None
    participants: Annotated[tuple[Party, ...], d("Its members.")] = ()
    telecom: Annotated[tuple[ContactPoint, ...], d("How to reach the team.")] = ()
    reasons: Annotated[tuple[CodeableConcept, ...], d("Why.")] = ()


FACT_TYPES: dict[str, type[Fact]] = {
    kind.__name__: kind
    for kind in (
        Patient,
        AllergyIntolerance,
        Condition,
        Medication,
        Observation,
        DiagnosticReport,
        Immunization,
        Procedure,
        Encounter,
        Appointment,
        ServiceRequest,
        DocumentReference,
        ImagingStudy,
        CarePlan,
        Flag,
        QuestionnaireResponse,
        SocialHistory,
        RelatedPerson,
        Consent,
        Communication,
        CareTeam,
    )
}
"""Every fact type by name, in the order of the view."""

SECTIONS: dict[str, type[Fact]] = {kind.section: kind for kind in FACT_TYPES.values() if kind is not Patient}
"""Every section of the view and the one fact type it shows."""

AnyFact = (
    Patient
    | AllergyIntolerance
    | Condition
    | Medication
    | Observation
    | DiagnosticReport
    | Immunization
    | Procedure
    | Encounter
    | Appointment
    | ServiceRequest
    | DocumentReference
    | ImagingStudy
    | CarePlan
    | Flag
    | QuestionnaireResponse
    | SocialHistory
    | RelatedPerson
    | Consent
    | Communication
    | CareTeam
)
"""The union that MessagePack decodes to, by the `factType` tag."""
