"""The kind `fhir`: FHIR R4 and STU3 servers, GP Connect structured records, the Personal Demographics Service."""

from adapters.fhir.adapter import FhirAdapter
from adapters.fhir.settings import FhirSettings

__all__ = ["FhirAdapter", "FhirSettings"]
