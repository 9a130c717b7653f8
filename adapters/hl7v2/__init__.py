"""HL7 v2 queries over MLLP: what patient administration systems, laboratories and integration engines speak."""

from adapters.hl7v2.adapter import Hl7v2Adapter
from adapters.hl7v2.settings import Hl7v2Settings

__all__ = ["Hl7v2Adapter", "Hl7v2Settings"]
