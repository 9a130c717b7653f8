"""The merge rule of each fact type: one module for each rule, the rule in prose at its head. MERGE.md section 2."""

from typing import Any

from gateway.merge.rule import Rule
from gateway.merge.types.allergy import AllergyRule
from gateway.merge.types.condition import ConditionRule
from gateway.merge.types.document import DocumentRule
from gateway.merge.types.encounter import EncounterRule
from gateway.merge.types.identified import IdentifiedRule, RelatedPersonRule
from gateway.merge.types.immunization import ImmunizationRule
from gateway.merge.types.medication import MedicationRule
from gateway.merge.types.observation import ObservationRule
from gateway.merge.types.patient import PatientRule
from gateway.merge.types.procedure import ProcedureRule
from schema.model.clinical import (
    AllergyIntolerance,
    Appointment,
    CarePlan,
    CareTeam,
    Communication,
    Condition,
    Consent,
    DiagnosticReport,
    DocumentReference,
    Encounter,
    Flag,
    ImagingStudy,
    Immunization,
    Medication,
    Observation,
    Patient,
    Procedure,
    QuestionnaireResponse,
    RelatedPerson,
    ServiceRequest,
    SocialHistory,
)
from schema.model.fact import Fact

RULES: dict[type[Fact], type[Rule[Any]]] = {
    Patient: PatientRule,
    AllergyIntolerance: AllergyRule,
    Condition: ConditionRule,
    Medication: MedicationRule,
    Observation: ObservationRule,
    SocialHistory: ObservationRule,
    Immunization: ImmunizationRule,
    Procedure: ProcedureRule,
    Encounter: EncounterRule,
    DocumentReference: DocumentRule,
    RelatedPerson: RelatedPersonRule,
    Appointment: IdentifiedRule,
    CarePlan: IdentifiedRule,
    CareTeam: IdentifiedRule,
    Communication: IdentifiedRule,
    Consent: IdentifiedRule,
    DiagnosticReport: IdentifiedRule,
    Flag: IdentifiedRule,
    ImagingStudy: IdentifiedRule,
    QuestionnaireResponse: IdentifiedRule,
    ServiceRequest: IdentifiedRule,
}
"""Every fact type and its rule."""
