"""Contacts and what is arranged: encounters, episodes, appointments, referrals.

FHIR R4 sections 8.11 (Encounter), 8.10 (EpisodeOfCare), 8.15 (Appointment), 12.4 (ServiceRequest) and the STU3 forms.
"""

from adapters.fhir.datatypes import code_of, concept, concepts, first_concept, moment, period
from adapters.fhir.elements import Element
from adapters.fhir.facts import Context, common, remark
from adapters.fhir.parties import display, first_party, is_patient, parties, party
from schema.model.clinical import Appointment, Encounter, ServiceRequest
from schema.model.values import CodeableConcept, Party, Period

NOT_DONE = "not-done"


def encounter(context: Context) -> Encounter:
    """A contact with a care provider."""
    resource, index = context.resource, context.index
    stay = resource.child("hospitalization")
    involved = _participants(context, resource, "individual")
    provider = party(resource.child("serviceProvider"), index, "service provider")
    if provider is not None and provider.telecom:
        involved += (provider,)  # how to reach whoever was visited
    return Encounter(
        **common(context),
        status=resource.text("status"),
        encounter_class=concept(resource.child("class")),
        types=concepts(resource, "type"),
        service=concept(resource.child("serviceType")),
        period=period(resource.child("period")),
        reasons=concepts(resource, "reasonCode", "reason"),
        location=", ".join(_places(context)) or None,
        service_provider=display(resource.child("serviceProvider"), index),
        participants=involved,
        admission_source=concept(stay.child("admitSource")) if stay is not None else None,
        discharge_disposition=concept(stay.child("dischargeDisposition")) if stay is not None else None,
        part_of=next(iter(context.native_ids("partOf")), None),
    )


def _places(context: Context) -> list[str]:
    found = (display(place.child("location"), context.index) for place in context.resource.children("location"))
    return [name for name in found if name]


def _participants(context: Context, resource: Element, member: str) -> tuple[Party, ...]:
    found = []
    for participant in resource.children("participant"):
        reference = participant.child(member)
        role = first_concept(participant, "type", "role")
        if not is_patient(reference):
            found.append(party(reference, context.index, role.label if role is not None else None))
    return tuple(one for one in found if one is not None)


def episode_of_care(context: Context) -> Encounter:
    """A span of care by one organisation: shown among the contacts."""
    resource, index = context.resource, context.index
    manager = party(resource.child("careManager"), index, "care manager")
    team = parties(resource, "team", index)
    return Encounter(
        **common(context),
        status=resource.text("status"),
        types=concepts(resource, "type"),
        period=period(resource.child("period")),
        reasons=_diagnoses(context),
        service_provider=display(resource.child("managingOrganization"), index),
        participants=((manager,) if manager is not None else ()) + team,
    )


def _diagnoses(context: Context) -> tuple[CodeableConcept, ...]:
    found = []
    for diagnosis in context.resource.children("diagnosis"):
        reference = diagnosis.child("condition")
        target = context.index.resolve(reference)
        named = concept(target.child("code")) if target is not None else None
        label = reference.text("display") if reference is not None else None
        found.append(named or (CodeableConcept(text=label) if label else None))
    return tuple(one for one in found if one is not None)


def appointment(context: Context) -> Appointment:
    """A booked contact."""
    resource = context.resource
    start, end = resource.when("start"), resource.when("end")
    places = [
        name
        for found in resource.children("participant")
        if _is_place(found.child("actor")) and (name := display(found.child("actor"), context.index))
    ]
    people = tuple(
        one for one in _participants(context, resource, "actor") if (one.name or one.organization) not in places
    )
    base = common(context, "comment") | {"subject": _attendee(context)}
    base["notes"] += remark(_text_or_none(resource, "patientInstruction"), "For the patient: ")
    return Appointment(
        **base,
        recorded=resource.when("created"),
        status=resource.text("status"),
        service=first_concept(resource, "serviceType", "specialty"),
        description=resource.text("description"),
        period=Period(start=start, end=end) if start or end else None,
        location=", ".join(places) or None,
        participants=people,
        reasons=concepts(resource, "reasonCode", "reason") + concepts(resource, "cancelationReason"),
    )


def _attendee(context: Context) -> str | None:
    """An Appointment has no subject: the patient is one of those who take part."""
    for found in context.resource.children("participant"):
        actor = found.child("actor")
        if actor is not None and is_patient(actor):
            named = context.index.canonical(actor)
            return named if named is not None and named.startswith(("Patient/", "http")) else None
    return None


def _is_place(reference: Element | None) -> bool:
    text = reference.text("reference") if reference is not None else None
    return "Location/" in (text or "")


def _text_or_none(resource: Element, name: str) -> str | None:
    return resource.text(name) if resource.has(name) else None


def service_request(context: Context) -> ServiceRequest:
    """A referral, or a request for a service: R4 ServiceRequest, STU3 ReferralRequest and ProcedureRequest."""
    resource, index = context.resource, context.index
    asked = concepts(resource, "code") or concepts(resource, "serviceRequested")
    base = common(context, coded=asked[0] if asked else None)
    base["replaces"] = context.native_ids("replaces")
    base["notes"] += remark(_text_or_none(resource, "patientInstruction"), "For the patient: ")
    kinds = concepts(resource, "category") if resource.has("category") else concepts(resource, "type")
    forbidden = resource.flag("doNotPerform") is True
    return ServiceRequest(
        **base,
        recorded=resource.when("authoredOn"),
        author=first_party(resource, index, "requester.agent", "requester"),
        code=asked[0] if asked else concept(resource.child("specialty")),
        categories=kinds + (concepts(resource, "specialty") if asked else ()) + asked[1:],
        status=NOT_DONE if forbidden else resource.text("status"),
        intent=resource.text("intent"),
        priority=code_of(resource.child("priority")),
        authored=resource.when("authoredOn"),
        occurrence=moment(resource, "occurrence"),
        performers=parties(resource, "performer", index) + parties(resource, "recipient", index),
        reasons=concepts(resource, "reasonCode"),
        description=_text_or_none(resource, "description"),
    )
