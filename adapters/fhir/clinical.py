"""Allergies, problems, immunisations, procedures. FHIR R4 sections 9.1, 9.2, 9.3, 11.4 and their STU3 forms.

STU3 says some things with other elements, and dropping those would invert a meaning: `notGiven`, `notDone`. Both forms
are read here side by side, because their names do not clash.
"""

from adapters.fhir.datatypes import (
    annotations,
    code_of,
    concept,
    concepts,
    first_concept,
    moment,
    quantity,
    range_,
)
from adapters.fhir.elements import Element
from adapters.fhir.facts import SNOMED, Context, common, remark
from adapters.fhir.parties import display, first_party, is_patient
from schema.model.clinical import AllergyIntolerance, Condition, Immunization, Polarity, Procedure, Reaction
from schema.model.values import Annotation, CodeableConcept, Party, Period
from schema.model.when import When

NO_KNOWN_ALLERGY = frozenset(
    {
        "716186003",  # No known allergy
        "409137002",  # No known drug allergy
        "429625007",  # No known food allergy
        "428607008",  # No known environmental allergy
        "716184000",  # No known latex allergy
        "428197003",  # No known insect allergy
        "160244002",  # No known allergies: retired from SNOMED CT, still in records
    }
)
"""SNOMED CT statements that there is none: UK Core and GP Connect allow 716186003 and what is below it."""

NO_PROBLEM = frozenset({"160245001"})
"""SNOMED CT "No current problems or disability"."""


def allergy(context: Context) -> AllergyIntolerance:
    """An allergy or intolerance, or the statement that there is none."""
    resource = context.resource
    code = concept(resource.child("code"))
    ended, reason = _ended(resource)
    base = common(context, coded=code)
    base["notes"] += remark(reason, "Reason ended: ")
    return AllergyIntolerance(
        **base,
        recorded=_recorded(resource),
        author=first_party(resource, context.index, "recorder", "asserter"),
        patient_reported=is_patient(resource.child("asserter")),
        code=code,
        polarity=_polarity(code, NO_KNOWN_ALLERGY),
        clinical_status=code_of(resource.child("clinicalStatus")),
        verification_status=code_of(resource.child("verificationStatus")),
        type=code_of(resource.child("type")),
        categories=tuple(c for c in (code_of(found) for found in resource.children("category")) if c),
        criticality=resource.text("criticality"),
        onset=_start(resource, "onset"),
        ended=ended,
        last_occurrence=resource.when("lastOccurrence"),
        reactions=tuple(_reaction(found) for found in resource.children("reaction")),
    )


def _reaction(element: Element) -> Reaction:
    said = [element.text("description")] + [note.text for note in annotations(element, "note")]
    return Reaction(
        manifestations=concepts(element, "manifestation"),
        severity=element.text("severity"),
        onset=element.when("onset"),
        description="; ".join(text for text in said if text) or None,
    )


def _ended(resource: Element) -> tuple[When | None, str | None]:
    extension = resource.extension("AllergyIntoleranceEnd")
    if extension is None:
        return None, None
    date, reason = extension.nested("endDate"), extension.nested("reasonEnded")
    return date.when("valueDateTime") if date else None, reason.text("valueString") if reason else None


def _polarity(code: CodeableConcept | None, negatives: frozenset[str]) -> Polarity:
    absent = code is not None and any(c.code in negatives and c.system in (SNOMED, None) for c in code.codings)
    return Polarity.ABSENT if absent else Polarity.PRESENT


def _recorded(resource: Element) -> When | None:
    """R4's recordedDate; STU3 has assertedDate in its place."""
    return resource.when("recordedDate") if resource.has("recordedDate") else resource.when("assertedDate")


def _start(resource: Element, stem: str) -> When | None:
    """When `stem[x]` began, where it is a time."""
    found = moment(resource, stem)
    return found.start or found.end if found is not None else None


def condition(context: Context) -> Condition:
    """A problem or diagnosis."""
    resource = context.resource
    code = concept(resource.child("code"))
    verification = code_of(resource.child("verificationStatus"))
    significance = resource.extension("ProblemSignificance", "ConditionProblemSignificance")
    absent = verification == "refuted" or _polarity(code, NO_PROBLEM) is Polarity.ABSENT
    base = common(context, coded=code)
    base["notes"] += _in_words(resource, "onset", "Onset: ") + _in_words(resource, "abatement", "Ended: ")
    return Condition(
        **base,
        recorded=_recorded(resource),
        author=first_party(resource, context.index, "recorder", "asserter"),
        patient_reported=is_patient(resource.child("asserter")),
        code=code,
        polarity=Polarity.ABSENT if absent else Polarity.PRESENT,
        clinical_status=code_of(resource.child("clinicalStatus")),
        verification_status=verification,
        categories=concepts(resource, "category"),
        severity=concept(resource.child("severity")),
        significance=_significance(significance),
        body_sites=concepts(resource, "bodySite"),
        onset=_start(resource, "onset"),
        abatement=_end(resource, "abatement"),
    )


def _significance(extension: Element | None) -> str | None:
    if extension is None:
        return None
    return extension.text("valueCode") or code_of(extension.child("valueCodeableConcept"))


def _end(resource: Element, stem: str) -> When | None:
    found = moment(resource, stem)
    return found.end or found.start if found is not None else None


def _in_words(resource: Element, stem: str, prefix: str) -> tuple[Annotation, ...]:
    """A time given as an age, a range or in words: kept as a remark, because it is no date."""
    if resource.has(stem + "String"):
        return remark(resource.text(stem + "String"), prefix)
    age = quantity(resource.child(stem + "Age"))
    if age is not None and age.value is not None:
        return remark(f"at the age of {age.value} {age.unit or age.code or ''}".strip(), prefix)
    span = range_(resource.child(stem + "Range"))
    if span is not None:
        low, high = (q.value if q is not None else "" for q in (span.low, span.high))
        return remark(f"between {low} and {high}", prefix)
    return ()


def immunization(context: Context) -> Immunization:
    """A vaccine given, or not given and why."""
    resource = context.resource
    given = resource.flag("notGiven") is not True and resource.flag("wasNotGiven") is not True
    vaccine = _vaccine(resource)
    base = common(context, coded=vaccine)
    said = resource.text("occurrenceString") if resource.has("occurrenceString") else None
    base["notes"] += remark(said, "When: ")
    return Immunization(
        **base,
        recorded=_immunization_recorded(resource),
        author=_performer(context, "performer"),
        patient_reported=_from_patient(resource),
        vaccine_code=vaccine,
        status=resource.text("status") if given else "not-done",
        status_reason=_not_given_reason(resource),
        occurrence=resource.when("date") if resource.has("date") else resource.when("occurrenceDateTime"),
        dose_number=_dose_number(resource),
        lot_number=resource.text("lotNumber"),
        manufacturer=display(resource.child("manufacturer"), context.index),
        site=concept(resource.child("site")),
        route=concept(resource.child("route")),
    )


def _vaccine(resource: Element) -> CodeableConcept | None:
    """The vaccine; where it is only "unknown", the vaccination procedure in the British profiles' extension."""
    vaccine = concept(resource.child("vaccineCode"))
    known = vaccine is not None and (
        vaccine.text or any(not (c.system or "").endswith("NullFlavor") for c in vaccine.codings)
    )
    extension = resource.extension("VaccinationProcedure")
    if known or extension is None:
        return vaccine
    return concept(extension.child("valueCodeableConcept")) or vaccine


def _immunization_recorded(resource: Element) -> When | None:
    if resource.has("recorded"):
        return resource.when("recorded")
    extension = resource.extension("DateRecorded")
    return extension.when("valueDateTime") if extension is not None else None


def _from_patient(resource: Element) -> bool:
    origin = code_of(resource.child("reportOrigin"))
    return origin in ("recall", "patient")


def _not_given_reason(resource: Element) -> CodeableConcept | None:
    explanation = resource.child("explanation")
    old = first_concept(explanation, "reasonNotGiven") if explanation is not None else None
    return concept(resource.child("statusReason")) or old


def _dose_number(resource: Element) -> str | None:
    for applied in resource.children("protocolApplied"):
        number = applied.integer("doseNumberPositiveInt") if applied.has("doseNumberPositiveInt") else None
        return str(number) if number is not None else applied.text("doseNumberString")
    for protocol in resource.children("vaccinationProtocol"):
        number = protocol.integer("doseSequence")
        return str(number) if number is not None else None
    return None


def _performer(context: Context, name: str) -> Party | None:
    """The one who did it: `performer.actor`, or the performer itself where the element is a reference."""
    return first_party(context.resource, context.index, f"{name}.actor", "practitioner.actor", name)


def procedure(context: Context) -> Procedure:
    """Something done to or for the person, or not done and why."""
    resource = context.resource
    code = concept(resource.child("code"))
    done = resource.flag("notDone") is not True
    base = common(context, coded=code)
    said = resource.text("performedString") if resource.has("performedString") else None
    base["notes"] += remark(said, "When: ")
    return Procedure(
        **base,
        recorded=None,
        author=_performer(context, "performer") or first_party(resource, context.index, "recorder", "asserter"),
        patient_reported=is_patient(resource.child("asserter")),
        code=code,
        status=resource.text("status") if done else "not-done",
        status_reason=concept(resource.child("statusReason")) or concept(resource.child("notDoneReason")),
        performed=_performed(resource),
        body_sites=concepts(resource, "bodySite"),
        outcome=concept(resource.child("outcome")),
    )


def _performed(resource: Element) -> Period | None:
    return moment(resource, "performed")
