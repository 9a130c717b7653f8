"""Which resource becomes which fact, and how one is read without harming the others. FHIR R4: the resource list."""

from collections.abc import Callable

from adapters.fhir import clinical, contacts, documents, medication, observations, people
from adapters.fhir.elements import Element
from adapters.fhir.facts import Context
from adapters.fhir.references import Index
from schema.model.fact import Fact, GapKind

READERS: dict[str, tuple[str, Callable[[Context], Fact]]] = {
    "Patient": ("Patient", people.patient),
    "AllergyIntolerance": ("AllergyIntolerance", clinical.allergy),
    "Condition": ("Condition", clinical.condition),
    "MedicationRequest": ("Medication", medication.request),
    "MedicationStatement": ("Medication", medication.statement),
    "MedicationDispense": ("Medication", medication.dispense),
    "MedicationAdministration": ("Medication", medication.administration),
    "Observation": ("Observation", observations.observation),
    "DiagnosticReport": ("DiagnosticReport", observations.diagnostic_report),
    "Immunization": ("Immunization", clinical.immunization),
    "Procedure": ("Procedure", clinical.procedure),
    "Encounter": ("Encounter", contacts.encounter),
    "EpisodeOfCare": ("Encounter", contacts.episode_of_care),
    "Appointment": ("Appointment", contacts.appointment),
    "ServiceRequest": ("ServiceRequest", contacts.service_request),
    "ReferralRequest": ("ServiceRequest", contacts.service_request),
    "ProcedureRequest": ("ServiceRequest", contacts.service_request),
    "DocumentReference": ("DocumentReference", documents.document_reference),
    "ImagingStudy": ("ImagingStudy", documents.imaging_study),
    "CarePlan": ("CarePlan", documents.care_plan),
    "Flag": ("Flag", documents.flag),
    "QuestionnaireResponse": ("QuestionnaireResponse", documents.questionnaire_response),
    "RelatedPerson": ("RelatedPerson", people.related_person),
    "Consent": ("Consent", documents.consent),
    "Communication": ("Communication", documents.communication),
    "CareTeam": ("CareTeam", documents.care_team),
}
"""Resource type to fact type and reader. STU3's own names stand beside R4's."""

FACT_TYPE = {resource: fact_type for resource, (fact_type, _) in READERS.items()}

REFERENCED = frozenset(
    {
        *(
            "Practitioner",
            "PractitionerRole",
            "Organization",
            "Location",
            "HealthcareService",
            "Medication",
            "Substance",
        ),
        *("Specimen", "BodyStructure", "BodySite", "Group", "Endpoint", "Schedule", "Slot", "List", "Provenance"),
        *("AuditEvent", "Binary", "Person", "OperationOutcome", "Parameters", "Bundle"),
    }
)
"""Meaningful only as the target of another resource, or about no statement on the patient."""

_NEAREST = {"Composition": "DocumentReference", "Media": "DocumentReference", "FamilyMemberHistory": "Condition"}
"""The fact type under which a statement that the model has no place for would be missed."""


def read_resource(resource: Element, index: Index, native_id: str | None) -> Fact | None:
    """The fact that one resource states; None with a gap when it cannot be one, None alone when it states nothing."""
    reading = resource.reading
    known = READERS.get(resource.type)
    if known is None:
        _unsupported(resource)
        return None
    reading.fact_type, reader = known
    try:
        if native_id is None:
            resource.unreadable("a resource without an id")
            return None
        return reader(Context(resource, index, native_id))
    except RecursionError:
        resource.unreadable("nested too deeply")
        return None
    finally:
        reading.fact_type = None


def _unsupported(resource: Element) -> None:
    """A resource about a patient that the model has no place for is a gap, never silence."""
    reading = resource.reading
    if not resource.type:
        resource.unreadable("a resource without a type")
        return
    about_patient = any(resource.has(name) for name in ("patient", "subject", "for", "beneficiary"))
    if resource.type in REFERENCED or not about_patient:
        return
    fact_type = _NEAREST.get(resource.type) or _grouped(resource)
    text = f"{resource.type} is not modelled"
    reading.gap(GapKind.UNSUPPORTED, resource, fact_type=fact_type, code="not-supported", text=text)


def _grouped(resource: Element) -> str | None:
    """A group of requests is missed under the type of what it groups."""
    if resource.type != "RequestGroup":
        return None
    return next(iter(_grouped_types(resource)), "ServiceRequest")


def _grouped_types(owner: Element) -> list[str]:
    found = []
    for action in owner.children("action"):
        reference = action.child("resource")
        named = (reference.text("reference") or "").partition("/")[0] if reference is not None else ""
        found += [FACT_TYPE[named]] if named in FACT_TYPE else []
        found += _grouped_types(action)
    return found
