"""Observations, social history and diagnostic reports. FHIR R4 sections 10.1 and 10.3 and their STU3 forms."""

from typing import Any

from adapters.fhir.datatypes import (
    concept,
    concepts,
    identifiers,
    moment,
    period,
    quantity,
    range_,
    ratio,
)
from adapters.fhir.elements import Element
from adapters.fhir.facts import SNOMED, Context, common, remark
from adapters.fhir.parties import display, first_party, is_patient
from schema.model.clinical import DiagnosticReport, Observation, ObservationComponent, SocialHistory
from schema.model.fact import GapKind
from schema.model.values import CodeableConcept

SOCIAL_HISTORY = "social-history"

WAY_OF_LIFE = frozenset(
    {
        "1082641000000106",  # Alcohol units consumed per week
        "1082631000000102",  # Alcohol units consumed per day
        "160573003",  # Alcohol intake
        "160593006",  # Alcohol intake within recommended sensible limits
        "228273003",  # Finding relating to alcohol drinking behaviour
        "219006",  # Current drinker of alcohol
        "105542008",  # Teetotaller
        "77176002",  # Smoker
        "65568007",  # Cigarette smoker
        "449868002",  # Smokes tobacco daily
        "428041000124106",  # Occasional tobacco smoker
        "266919005",  # Never smoked tobacco
        "8517006",  # Ex-smoker
        "8392000",  # Non-smoker
        "230056004",  # Cigarette consumption
        "229819007",  # Tobacco use and exposure
        "365981007",  # Tobacco smoking behaviour
    }
)
"""SNOMED CT codes by which a GP record, whose observations carry no category, tells of alcohol and tobacco."""


def observation(context: Context) -> Observation:
    """A measurement or finding; zero, false, components alone and a reason for absence are values."""
    resource = context.resource
    code = concept(resource.child("code"))
    categories = concepts(resource, "category")
    kind = SocialHistory if _is_way_of_life(context, code, categories) else Observation
    specimen = context.index.resolve(resource.child("specimen"))
    base = common(context, "note", "comment", coded=code)
    performer = resource.child("performer")
    issued = resource.when("issued")
    return kind(
        **base,
        recorded=issued,
        author=first_party(resource, context.index, "performer"),
        patient_reported=is_patient(performer),
        code=code,
        categories=categories,
        status=resource.text("status"),
        effective=moment(resource, "effective"),
        issued=issued,
        **_values(resource),
        value_boolean=resource.flag("valueBoolean") if resource.has("valueBoolean") else None,
        value_integer=resource.integer("valueInteger") if resource.has("valueInteger") else None,
        value_range=range_(resource.child("valueRange")),
        value_ratio=ratio(resource.child("valueRatio")),
        value_period=_value_period(resource),
        reference_range=_reference_range(resource),
        components=tuple(_component(found) for found in resource.children("component")),
        specimen=_specimen(context, specimen),
        specimen_type=concept(specimen.child("type")) if specimen is not None else None,
        method=concept(resource.child("method")),
        device=display(resource.child("device"), context.index),
        body_site=concept(resource.child("bodySite")),
    )


def _is_way_of_life(context: Context, code: CodeableConcept | None, categories: tuple[CodeableConcept, ...]) -> bool:
    if any(c.code == SOCIAL_HISTORY for category in categories for c in category.codings):
        return True
    coded = code is not None and any(c.code in WAY_OF_LIFE and c.system == SNOMED for c in code.codings)
    return context.reading.gp_record and coded


def _values(element: Element) -> dict[str, Any]:
    """What an observation and its components have in common."""
    sampled = element.child("valueSampledData")
    time = element.text("valueTime") if element.has("valueTime") else None
    return {
        "value_quantity": quantity(element.child("valueQuantity")),
        "value_codeable_concept": concept(element.child("valueCodeableConcept")),
        "value_string": (element.text("valueString") if element.has("valueString") else None)
        or (sampled.text("data") if sampled is not None else None)
        or time,
        "data_absent_reason": concept(element.child("dataAbsentReason")),
        "interpretation": concepts(element, "interpretation"),
    }


def _value_period(resource: Element) -> Any:
    return moment(resource, "value") if resource.has("valueDateTime") else period(resource.child("valuePeriod"))


def _component(element: Element) -> ObservationComponent:
    values = _values(element)
    if values["value_string"] is None:
        values["value_string"] = _plain_value(element)
    return ObservationComponent(code=concept(element.child("code")), **values)


def _plain_value(element: Element) -> str | None:
    """A component's value of a kind that the model has no field for, in words."""
    if element.has("valueBoolean"):
        return {True: "true", False: "false", None: None}[element.flag("valueBoolean")]
    if element.has("valueInteger"):
        number = element.integer("valueInteger")
        return str(number) if number is not None else None
    if element.has("valueDateTime"):
        when = element.when("valueDateTime")
        return when.text if when is not None else None
    for name, separator in (("valueRange", " - "), ("valueRatio", " : ")):
        parts = element.child(name)
        if parts is not None:
            ends = (parts.child(key) for key in ("low", "high", "numerator", "denominator"))
            return separator.join(str(q.value) for q in map(quantity, ends) if q is not None) or None
    return None


def _reference_range(resource: Element) -> str | None:
    found = []
    for element in resource.children("referenceRange"):
        low, high = quantity(element.child("low")), quantity(element.child("high"))
        said = element.text("text")
        if said is None and (low or high):
            ends = [str(q.value) if q is not None and q.value is not None else "" for q in (low, high)]
            unit = next((q.unit or q.code for q in (low, high) if q is not None and (q.unit or q.code)), None)
            said = " - ".join(ends).strip() + (f" {unit}" if unit else "")
        if said:
            found.append(said)
    return "; ".join(found) or None


def _specimen(context: Context, specimen: Element | None) -> str | None:
    """The specimen's own number: what another system may know the same sample by; else what the reference says."""
    if specimen is not None:
        accession = identifiers(specimen, "accessionIdentifier") + identifiers(specimen)
        if accession:
            return accession[0].value
    return next(iter(context.native_ids("specimen")), None) or display(
        context.resource.child("specimen"), context.index
    )


def diagnostic_report(context: Context) -> DiagnosticReport:
    """A report on investigations. Its results are facts of their own."""
    resource = context.resource
    code = concept(resource.child("code"))
    base = common(context, coded=code)
    issued = resource.when("issued")
    _missing_results(context)
    for form in resource.children("presentedForm"):
        base["notes"] += remark(form.text("title"), "Attached: ")
    return DiagnosticReport(
        **base,
        recorded=issued,
        author=first_party(resource, context.index, "performer.actor", "performer", "resultsInterpreter"),
        code=code,
        categories=concepts(resource, "category"),
        status=resource.text("status"),
        effective=moment(resource, "effective"),
        issued=issued,
        conclusion=resource.text("conclusion"),
        conclusion_codes=concepts(resource, "conclusionCode", "codedDiagnosis"),
        results=context.native_ids("result"),
    )


def _missing_results(context: Context) -> None:
    """A result that is named and did not come is a hole, where the answer should have been complete."""
    if not context.reading.complete:
        return
    for reference in context.resource.children("result"):
        if context.index.resolve(reference) is None:
            context.reading.gap(
                GapKind.UNREADABLE,
                reference,
                fact_type="Observation",
                text="a result that the report names is not in the answer",
            )
