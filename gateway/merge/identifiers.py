"""Business identifiers as keys: a number means something only with whoever issued it."""

from collections.abc import Collection, Iterable

from gateway.merge.compare import folded
from schema.model.values import Identifier

IdKey = tuple[str, str]
"""(who issued it, the number)."""

_OF_A_PERSON = frozenset({"MR", "NH", "PI", "PN", "PT", "SS", "MRN", "NHS", "XX"})
"""HL7 table 0203 types that number a person: two facts of one person share them without being the same thing."""
_NHS_NUMBERS = frozenset({"https://fhir.nhs.uk/Id/nhs-number", "https://fhir.nhs.uk/id/nhs-number"})


def id_key(identifier: Identifier) -> IdKey | None:
    """The number with its system, else with its assigner; None when neither is stated."""
    value = identifier.value.strip()
    issuer = identifier.system or folded(identifier.assigner)
    return (issuer, value) if value and issuer else None


def id_keys(identifiers: Iterable[Identifier], *, types: Collection[str | None] | None = None) -> frozenset[IdKey]:
    """Keys of the identifiers of these types (all by default) that number a thing and not the person."""
    found = []
    for identifier in identifiers:
        if identifier.type in _OF_A_PERSON or identifier.system in _NHS_NUMBERS:
            continue
        key = id_key(identifier) if types is None or identifier.type in types else None
        if key is not None:
            found.append(key)
    return frozenset(found)


def contradict(a: frozenset[IdKey], b: frozenset[IdKey]) -> bool:
    """Both are numbered by one issuer and share no number of it: two things, whatever else agrees."""
    issuers = {issuer for issuer, _ in a} & {issuer for issuer, _ in b}
    return bool(issuers) and not any(issuer in issuers for issuer, _ in a & b)
