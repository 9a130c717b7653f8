"""Who takes part: references to people, roles and organisations, followed as far as the record goes.

A reference whose target did not come keeps its display, and its text as an identifier of type "reference".
Truth: FHIR R4 sections 8.4 (Practitioner), 8.5 (PractitionerRole), 8.6 (Organization); MERGE.md section 2.
"""

from adapters.fhir.datatypes import concept, concepts, full_name, identifier, identifiers, telecom
from adapters.fhir.elements import Element
from adapters.fhir.references import Index
from schema.model.values import Identifier, Party


def party(reference: Element | None, index: Index, role: str | None = None) -> Party | None:
    """The party that a reference names; None when it names none."""
    if reference is None:
        return None
    target = index.resolve(reference)
    if target is None or target.type not in _READERS:
        return _unresolved(reference, role)
    return _READERS[target.type](target, index, role or _stated_role(reference))


def parties(owner: Element, name: str, index: Index) -> tuple[Party, ...]:
    """Every party that the references of that name lead to."""
    found = (party(reference, index) for reference in owner.children(name))
    return tuple(one for one in found if one is not None)


def first_party(owner: Element, index: Index, *paths: str) -> Party | None:
    """The party at the first of these dotted paths that is there; a person and an organisation there are one party."""
    for path in paths:
        found = [one for reference in _along(owner, path) if (one := party(reference, index)) is not None]
        if found:
            return _joined(found)
    return None


def _along(owner: Element, path: str) -> list[Element]:
    here = [owner]
    for name in path.split("."):
        here = [inner for element in here if isinstance(element.value, dict) for inner in element.children(name)]
    return here


def _joined(found: list[Party]) -> Party:
    """Who acted, and for whom: several performers are one Party when they are a person and an organisation."""
    first = next((one for one in found if one.name), found[0])
    acted_for = next((one for one in found if one.name is None and one.organization is not None), None)
    if acted_for is None or acted_for is first or first.organization is not None:
        return first
    return Party(
        name=first.name,
        role=first.role,
        organization=acted_for.organization,
        identifiers=first.identifiers + acted_for.identifiers,
        telecom=first.telecom + acted_for.telecom,
    )


def display(reference: Element | None, index: Index) -> str | None:
    """What to call the target of a reference: a place, a device, an organisation."""
    if reference is None:
        return None
    target = index.resolve(reference)
    named = reference.text("display")
    if target is not None:
        label = target.child("name") if target.type in ("Organization", "Location", "HealthcareService") else None
        kind = concept(target.child("type")) if target.type == "Device" else None
        named = (label.value if label is not None and isinstance(label.value, str) else None) or named
        named = named or (kind.label if kind else None)
    logical = reference.path("identifier")
    return named or reference.text("reference") or (logical.text("value") if logical is not None else None)


def is_patient(reference: Element | None) -> bool:
    """True when a reference names the patient, not a professional or a relative."""
    text = reference.text("reference") if reference is not None else None
    kind = reference.text("type") if reference is not None and reference.has("type") else None
    return kind == "Patient" or "Patient/" in (text or "")


def _unresolved(reference: Element, role: str | None) -> Party | None:
    name = reference.text("display")
    logical = reference.child("identifier")
    known = identifier(logical) if logical is not None else None
    text = reference.text("reference")
    marks = tuple(one for one in (known, Identifier(value=text, type="reference") if text else None) if one)
    if not name and not marks:
        return None
    if reference.text("type") == "Organization" or (text or "").partition("/")[0] == "Organization":
        return Party(organization=name, role=role, identifiers=marks)
    return Party(name=name, role=role, identifiers=marks)


def _stated_role(reference: Element) -> str | None:
    return None if reference.value_of("role") is None else reference.text("role")


def _person(target: Element, index: Index, role: str | None) -> Party:
    return Party(
        name=full_name(target.child("name")),
        role=role or _first_label(target, "relationship"),
        identifiers=identifiers(target),
        telecom=telecom(target),
    )


def _role(target: Element, index: Index, role: str | None) -> Party:
    person = index.resolve(target.child("practitioner"))
    organization = index.resolve(target.child("organization"))
    known = identifiers(target) + (identifiers(person) if person else ()) + (_ids(organization))
    reach = telecom(target) + (telecom(person) if person else ()) + (telecom(organization) if organization else ())
    practitioner = target.child("practitioner")
    return Party(
        name=full_name(person.child("name")) if person else (practitioner.text("display") if practitioner else None),
        role=role or _first_label(target, "code") or _first_label(target, "specialty"),
        organization=display(target.child("organization"), index),
        identifiers=known,
        telecom=reach,
    )


def _organization(target: Element, index: Index, role: str | None) -> Party:
    return Party(organization=target.text("name"), role=role, identifiers=identifiers(target), telecom=telecom(target))


def _service(target: Element, index: Index, role: str | None) -> Party:
    return Party(
        name=target.text("name"),
        role=role,
        organization=display(target.child("providedBy"), index),
        identifiers=identifiers(target),
        telecom=telecom(target),
    )


def _team(target: Element, index: Index, role: str | None) -> Party:
    return Party(name=target.text("name"), role=role, identifiers=identifiers(target), telecom=telecom(target))


def _ids(target: Element | None) -> tuple[Identifier, ...]:
    return identifiers(target) if target is not None else ()


def _first_label(target: Element, name: str) -> str | None:
    return next((found.label for found in concepts(target, name)), None)


_READERS = {
    "Practitioner": _person,
    "Patient": _person,
    "RelatedPerson": _person,
    "PractitionerRole": _role,
    "Organization": _organization,
    "HealthcareService": _service,
    "CareTeam": _team,
}
