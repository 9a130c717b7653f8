"""Medicines: statements, orders, supplies and doses. FHIR R4 sections 11.1 to 11.4 and their STU3 forms.

What a medicine is may stand in another resource; when that one did not come, the fact stays and a gap names the place.
"""

from typing import Any

from msgspec.structs import replace

from adapters.fhir.datatypes import (
    annotations,
    code_of,
    concept,
    concepts,
    first_concept,
    identifiers,
    moment,
    period,
    quantity,
)
from adapters.fhir.elements import Element
from adapters.fhir.facts import Context, common, remark
from adapters.fhir.parties import first_party, is_patient
from schema.model.clinical import Medication, MedicationKind
from schema.model.values import Annotation, Caution, CautionCode, CodeableConcept, Period, Quantity
from schema.model.when import When

NOT_DONE = "not-done"


def statement(context: Context) -> Medication:
    """A course: what is authorised or said to be taken."""
    resource = context.resource
    taken = resource.text("taken") if resource.has("taken") else None
    not_taken = taken == "n" or resource.flag("wasNotTaken") is True or resource.text("status") == "not-taken"
    last_issued = resource.extension("MedicationStatementLastIssueDate")
    base = _base(context, MedicationKind.STATEMENT, resource.children("dosage"))
    return Medication(
        **_with_stale(context, base, resource, moment(resource, "effective")),
        recorded=resource.when("dateAsserted"),
        author=first_party(resource, context.index, "informationSource"),
        patient_reported=is_patient(resource.child("informationSource")),
        status=NOT_DONE if not_taken else resource.text("status"),
        prescription_type=_prescription_type(resource),
        effective=moment(resource, "effective"),
        last_issued=last_issued.when("valueDateTime") if last_issued is not None else None,
        reasons=_reasons(resource, "reasonCode", "statusReason", "reasonNotTaken"),
        based_on=context.native_ids("basedOn"),
    )


def request(context: Context) -> Medication:
    """An order or prescription, or an instruction not to give."""
    resource = context.resource
    instructions = resource.children("dosageInstruction")
    supply = resource.child("dispenseRequest")
    repeat = resource.extension("MedicationRepeatInformation")
    issued = repeat.nested("numberOfRepeatPrescriptionsIssued") if repeat is not None else None
    effective = _span(instructions) or (period(supply.child("validityPeriod")) if supply is not None else None)
    forbidden = resource.flag("doNotPerform") is True
    base = _base(context, MedicationKind.REQUEST, instructions)
    base["replaces"] = context.native_ids("priorPrescription")
    return Medication(
        **_with_stale(context, base, resource, effective),
        recorded=resource.when("authoredOn"),
        author=first_party(resource, context.index, "requester.agent", "requester", "recorder"),
        patient_reported=resource.value_of("reportedBoolean") is True and is_patient(resource.child("requester")),
        status=NOT_DONE if forbidden else resource.text("status"),
        intent=resource.text("intent"),
        prescription_type=_prescription_type(resource),
        effective=effective,
        issues=_count(issued),
        quantity=quantity(supply.child("quantity")) if supply is not None else None,
        reasons=_reasons(resource, "reasonCode", "statusReason") + _status_reason(resource),
        based_on=context.native_ids("basedOn"),
    )


def dispense(context: Context) -> Medication:
    """A supply. Prepared is not handed over: only the handing over is when it was supplied."""
    resource = context.resource
    handed = resource.when("whenHandedOver")
    not_done = resource.flag("notDone") is True or resource.text("status") == "declined"
    return Medication(
        **_base(context, MedicationKind.DISPENSE, resource.children("dosageInstruction")),
        recorded=resource.when("whenPrepared"),
        author=first_party(resource, context.index, "performer.actor"),
        status=NOT_DONE if not_done else resource.text("status"),
        effective=Period(start=handed) if handed is not None else None,
        quantity=quantity(resource.child("quantity")),
        reasons=_reasons(resource, "statusReasonCodeableConcept", "notDoneReasonCodeableConcept"),
        based_on=context.native_ids("authorizingPrescription"),
    )


def administration(context: Context) -> Medication:
    """A dose given, or stated as not given: the only proof of taking besides the patient's own word."""
    resource = context.resource
    not_given = resource.flag("notGiven") is True or resource.flag("wasNotGiven") is True
    return Medication(
        **_base(context, MedicationKind.ADMINISTRATION, resource.children("dosage")),
        author=first_party(resource, context.index, "performer.actor", "practitioner"),
        status=NOT_DONE if not_given else resource.text("status"),
        effective=moment(resource, "effective"),
        reasons=_reasons(resource, "reasonCode", "statusReason", "reasonNotGiven"),
        based_on=context.native_ids("request", "prescription"),
    )


def _base(context: Context, kind: MedicationKind, dosages: list[Element]) -> dict[str, Any]:
    resource = context.resource
    code, product = _product(context)
    fields = common(context, coded=code) | {"kind": kind, "code": code}
    # The number of the whole prescription: several medicines may share it, so it says which kind it is.
    fields["identifiers"] += tuple(replace(one, type="group") for one in identifiers(resource, "groupIdentifier"))
    if product is not None:
        fields["form"] = concept(product.child("form"))
        fields["strength"] = _strength(product)
    fields["dosage"] = "; ".join(text for text in (_words(found) for found in dosages) if text) or None
    for found in dosages:
        fields["notes"] += _dosage_remarks(found)
    if len(dosages) == 1:
        fields |= _dose(dosages[0])
    if code is None and not resource.has("medicationReference"):
        resource.unreadable("no medicine is named")
    return fields


def _product(context: Context) -> tuple[CodeableConcept | None, Element | None]:
    """The medicine: coded in place, or in the Medication that is referred to."""
    resource = context.resource
    coded = concept(resource.child("medicationCodeableConcept"))
    reference = resource.child("medicationReference")
    if coded is not None or reference is None:
        return coded, None
    product = context.index.resolve(reference)
    if product is None or product.type != "Medication":
        reference.unreadable("the medicine that is referred to is not in the answer")
        named = reference.text("display")
        return CodeableConcept(text=named) if named else None, None
    named = reference.text("display")
    return concept(product.child("code")) or (CodeableConcept(text=named) if named else None), product


def _strength(product: Element) -> Quantity | None:
    """The strength of one unit, where there is one ingredient and the amount is per one."""
    ingredients = product.children("ingredient")
    if len(ingredients) != 1:
        return None
    strength = ingredients[0].child("strength") or ingredients[0].child("amount")
    if strength is None:
        return None
    per = quantity(strength.child("denominator"))
    one = per is None or per.value in (None, 1)
    return quantity(strength.child("numerator")) if one else None


def _words(dosage: Element) -> str | None:
    return dosage.text("text")


def _dosage_remarks(dosage: Element) -> tuple[Annotation, ...]:
    said = annotations(dosage, "patientInstruction")
    found = tuple(Annotation(text=f"For the patient: {note.text}") for note in said)
    extra = [c.label for c in concepts(dosage, "additionalInstruction") if c.label]
    needed = concept(dosage.child("asNeededCodeableConcept"))
    found += tuple(Annotation(text=text) for text in extra)
    return found + remark(needed.label if needed is not None else None, "As needed for: ")


def _dose(dosage: Element) -> dict[str, Any]:
    """The structured dose, where the source gives one dosage; several are told in words only."""
    amounts = dosage.child("doseAndRate") or dosage
    as_needed = True if dosage.has("asNeededCodeableConcept") else None
    if dosage.has("asNeededBoolean"):
        as_needed = dosage.flag("asNeededBoolean")
    dose = amounts.child("doseQuantity") or amounts.child("dose")
    return {
        "dose": quantity(dose) or quantity(amounts.child("rateQuantity")),
        "frequency": _frequency(dosage.child("timing")),
        "as_needed": as_needed,
        "route": concept(dosage.child("route")),
    }


def _frequency(timing: Element | None) -> str | None:
    if timing is None:
        return None
    coded = concept(timing.child("code"))
    if coded is not None and coded.label:
        return coded.label
    repeat = timing.child("repeat")
    if repeat is None:
        return None
    times, span, unit = repeat.integer("frequency"), repeat.decimal("period"), repeat.text("periodUnit")
    if span is None or unit is None:
        return ", ".join(repeat.texts("when")) or None
    return f"{times or 1} per {unit if span == 1 else f'{span} {unit}'}"


def _span(instructions: list[Element]) -> Period | None:
    for found in instructions:
        bounds = period(found.path("timing", "repeat", "boundsPeriod"))
        if bounds is not None:
            return bounds
    return None


def _prescription_type(resource: Element) -> str | None:
    extension = resource.extension("PrescriptionType", "MedicationPrescriptionType")
    stated = code_of(extension.child("valueCodeableConcept")) if extension is not None else None
    return stated or code_of(resource.child("courseOfTherapyType"))


def _reasons(resource: Element, *elements: str) -> tuple[CodeableConcept, ...]:
    return tuple(found for name in elements for found in concepts(resource, name))


def _status_reason(resource: Element) -> tuple[CodeableConcept, ...]:
    extension = resource.extension("MedicationStatusReason")
    reason = extension.nested("statusReason") if extension is not None else None
    found = first_concept(reason, "valueCodeableConcept") if reason is not None else None
    return (found,) if found is not None else ()


def _count(extension: Element | None) -> int | None:
    if extension is None:
        return None
    name = "valuePositiveInt" if extension.has("valuePositiveInt") else "valueUnsignedInt"
    return extension.integer(name)


def _with_stale(context: Context, base: dict[str, Any], resource: Element, span: Period | None) -> dict[str, Any]:
    """Called active, though its own end had passed when the source was asked."""
    end: When | None = span.end if span is not None else None
    if resource.text("status") == "active" and end is not None and end.latest < context.reading.retrieved:
        stale = Caution(code=CautionCode.STALE, text="Called active; its own end date has passed.")
        base["cautions"] += (stale,)
    return base
