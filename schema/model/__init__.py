"""Floor 0: facts, clinical time, identifiers, provenance, gaps. FHIR names; no I/O, no GraphQL, no vendor."""
