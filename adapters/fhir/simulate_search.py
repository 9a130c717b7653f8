"""How a simulated FHIR server searches Patient by demographics. FHIR R4 sections 3.1.1.4.2 (string) and 8.1.18.

A string parameter finds what begins with it, in any case; a token and a date find what is equal.
"""

from typing import Any

Resource = dict[str, Any]

DEMOGRAPHIC = frozenset({"family", "given", "birthdate", "gender", "address-postalcode"})


def met(patient: Resource, name: str, value: str) -> bool:
    """Whether the Patient meets one criterion."""
    if name == "birthdate":
        return bool(patient.get("birthDate") == value.removeprefix("eq"))
    if name == "gender":
        return bool(patient.get("gender") == value)
    if name == "address-postalcode":
        held = [one.get("postalCode", "") for one in patient.get("address", [])]
    elif name == "family":
        held = [one.get("family", "") for one in patient.get("name", [])]
    else:
        held = [given for one in patient.get("name", []) for given in one.get("given", [])]
    return any(text.casefold().startswith(value.casefold()) for text in held)
