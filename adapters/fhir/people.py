"""Patient and RelatedPerson. FHIR R4 sections 8.1 and 8.2; Care Connect and UK Core for the British extensions."""

from adapters.fhir.datatypes import addresses, concept, concepts, names, period, telecom
from adapters.fhir.elements import Element
from adapters.fhir.facts import Context, common, labels
from adapters.fhir.parties import parties, party
from schema.model.clinical import Patient, RelatedPerson
from schema.model.values import CodeableConcept, Party

RESTRICTED = frozenset({"R", "V"})
"""v3-Confidentiality: restricted and very restricted. PDS marks S-flagged patients so."""


def patient(context: Context) -> Patient:
    """Demographics. The subject of a Patient is itself."""
    resource = context.resource
    base = common(context) | {"subject": context.native_id}
    died = resource.when("deceasedDateTime") if resource.has("deceasedDateTime") else None
    born_among = resource.value_of("multipleBirthInteger")
    return Patient(
        **base,
        names=names(resource),
        birth_date=resource.when("birthDate"),
        gender=resource.text("gender"),
        deceased=True if died is not None else resource.flag("deceasedBoolean"),
        deceased_at=died,
        active=resource.flag("active"),
        addresses=addresses(resource),
        telecom=telecom(resource),
        multiple_birth=True if isinstance(born_among, int) else resource.flag("multipleBirthBoolean"),
        general_practitioners=_practices(context),
        languages=_languages(resource),
        replaced_by=_survivor(context),
        restricted=any(label.code in RESTRICTED for label in labels(resource)),
    )


def _practices(context: Context) -> tuple[Party, ...]:
    found = parties(context.resource, "generalPractitioner", context.index)
    managing = context.resource.child("managingOrganization")
    if context.reading.gp_record and managing is not None:
        # At a GP practice the organisation that manages the record is the practice the person is registered with.
        practice = party(managing, context.index)
        found += (practice,) if practice is not None else ()
    return found


def _languages(resource: Element) -> tuple[CodeableConcept, ...]:
    spoken = [
        (found.flag("preferred") is not True, concept(found.child("language")))
        for found in resource.children("communication")
    ]
    return tuple(language for _, language in sorted(spoken, key=lambda pair: pair[0]) if language is not None)


def _survivor(context: Context) -> str | None:
    for link in context.resource.children("link"):
        other = link.child("other")
        if link.text("type") == "replaced-by" and other is not None:
            return context.index.canonical(other)
    return None


def related_person(context: Context) -> RelatedPerson:
    """Somebody close to the person."""
    resource = context.resource
    return RelatedPerson(
        **common(context),
        names=names(resource),
        relationships=concepts(resource, "relationship"),
        telecom=telecom(resource),
        addresses=addresses(resource),
        period=period(resource.child("period")),
        active=resource.flag("active"),
    )
