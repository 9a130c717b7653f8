"""Documents, imaging, plans, alerts, questionnaires, consents, messages, teams. FHIR R4 chapters 2, 6, 9, 10; STU3."""

import re

from adapters.fhir.datatypes import (
    attachment,
    coding,
    concept,
    concepts,
    first_concept,
    period,
    quantity,
    telecom,
)
from adapters.fhir.elements import Element
from adapters.fhir.facts import Context, common, remark
from adapters.fhir.parties import display, first_party, is_patient, parties, party
from schema.model.clinical import (
    CarePlan,
    CareTeam,
    Communication,
    Consent,
    DocumentReference,
    Flag,
    ImagingStudy,
    QuestionnaireItem,
    QuestionnaireResponse,
)
from schema.model.values import CodeableConcept, Party, Quantity


def document_reference(context: Context) -> DocumentReference:
    """A document that the source holds, described; its bytes stay there."""
    resource = context.resource
    base = common(context)
    base["replaces"] = _replaced(context)
    date = "date" if resource.has("date") else "created" if resource.has("created") else "indexed"
    content = (found.child("attachment") for found in resource.children("content"))
    return DocumentReference(
        **base,
        recorded=resource.when("indexed") if resource.has("indexed") else resource.when("date"),
        author=first_party(resource, context.index, "author", "custodian"),
        type=concept(resource.child("type")),
        categories=concepts(resource, "category", "class"),
        status=resource.text("status"),
        document_status=resource.text("docStatus"),
        date=resource.when(date),
        description=resource.text("description"),
        contents=tuple(attachment(found) for found in content if found is not None),
        period=period(resource.path("context", "period")),
    )


def _replaced(context: Context) -> tuple[str, ...]:
    found = []
    for relation in context.resource.children("relatesTo"):
        target = relation.child("target")
        if relation.text("code") == "replaces" and target is not None:
            found.append(context.index.canonical(target))
    return tuple(one for one in found if one is not None)


def imaging_study(context: Context) -> ImagingStudy:
    """An imaging study."""
    resource = context.resource
    series = resource.children("series")
    modalities = concepts(resource, "modality", "modalityList") or tuple(
        dict.fromkeys(found for one in series for found in concepts(one, "modality"))
    )
    sites = tuple(dict.fromkeys(found for one in series for found in concepts(one, "bodySite")))
    return ImagingStudy(
        **common(context),
        author=first_party(resource, context.index, "referrer"),
        status=resource.text("status") if resource.has("status") else resource.text("availability"),
        description=resource.text("description"),
        modalities=modalities,
        started=resource.when("started"),
        procedures=concepts(resource, "procedureCode"),
        body_sites=sites,
        series_count=resource.integer("numberOfSeries"),
        instance_count=resource.integer("numberOfInstances"),
        reasons=concepts(resource, "reasonCode", "reason"),
    )


def care_plan(context: Context) -> CarePlan:
    """A plan of care, its activities and goals in words."""
    resource = context.resource
    base = common(context)
    base["replaces"] = context.native_ids("replaces")
    activities = (_activity(context, found) for found in resource.children("activity"))
    goals = (_goal(context, found) for found in resource.children("goal"))
    return CarePlan(
        **base,
        recorded=resource.when("created"),
        author=first_party(resource, context.index, "author"),
        patient_reported=is_patient(resource.child("author")),
        title=resource.text("title"),
        description=resource.text("description"),
        categories=concepts(resource, "category"),
        status=resource.text("status"),
        intent=resource.text("intent"),
        period=period(resource.child("period")),
        activities=tuple(text for text in activities if text),
        goals=tuple(text for text in goals if text),
    )


def _activity(context: Context, element: Element) -> str | None:
    detail = element.child("detail")
    if detail is None:
        return display(element.child("reference"), context.index)
    code = concept(detail.child("code"))
    said = detail.text("description") or (code.label if code is not None else None)
    forbidden = detail.flag("doNotPerform") is True or detail.flag("prohibited") is True
    status = detail.text("status")
    text = f"{said} ({status})" if said and status else said
    return f"Not to be done: {text}" if forbidden and text else text


def _goal(context: Context, reference: Element) -> str | None:
    target = context.index.resolve(reference)
    said = concept(target.child("description")) if target is not None else None
    return said.label if said is not None else display(reference, context.index)


def flag(context: Context) -> Flag:
    """An alert about the person."""
    resource = context.resource
    review = resource.extension("FlagReviewDate", "ReviewDate")
    return Flag(
        **common(context),
        author=first_party(resource, context.index, "author"),
        code=concept(resource.child("code")),
        categories=concepts(resource, "category"),
        status=resource.text("status"),
        period=period(resource.child("period")),
        review=review.when("valueDateTime") if review is not None else None,
    )


def questionnaire_response(context: Context) -> QuestionnaireResponse:
    """A questionnaire filled in: answers stay answers, whatever they tell."""
    resource = context.resource
    form = resource.child("questionnaire")
    items = tuple(item for found in resource.children("item") for item in _items(found, context))
    named = form.value if form is not None and isinstance(form.value, str) else display(form, context.index)
    return QuestionnaireResponse(
        **common(context),
        recorded=resource.when("authored"),
        author=first_party(resource, context.index, "author", "source"),
        patient_reported=is_patient(resource.child("source")),
        questionnaire=named,
        status=resource.text("status"),
        authored=resource.when("authored"),
        items=items,
        score=next((score for found in resource.children("item") if (score := _score(found)) is not None), None),
    )


def _items(element: Element, context: Context) -> list[QuestionnaireItem]:
    """One question and, after it, those below it and below its answers, in order."""
    answers = element.children("answer")
    said = tuple(text for text in (_answer(found, context) for found in answers) if text is not None)
    found = [QuestionnaireItem(link_id=element.text("linkId"), question=element.text("text"), answers=said)]
    for owner in (*answers, element):
        for inner in owner.children("item"):
            found += _items(inner, context)
    return found


def _answer(element: Element, context: Context) -> str | None:
    """One answer in words, as written."""
    if not isinstance(element.value, dict):
        element.unreadable("an answer was expected")
        return None
    for name, value in element.value.items():
        if not name.startswith("value") or value is None:
            continue
        if isinstance(value, bool):
            return "true" if value else "false"
        if not isinstance(value, dict | list):
            return str(value)
        return _complex_answer(name, element, context)
    return None


def _complex_answer(name: str, element: Element, context: Context) -> str | None:
    found = element.child(name)
    if found is None:
        return None
    if name == "valueQuantity":
        amount = quantity(found)
        unit = (amount.unit or amount.code) if amount is not None else None
        return f"{amount.value} {unit or ''}".strip() if amount is not None and amount.value is not None else None
    if name == "valueCoding":
        one = coding(found)
        return one.display or one.code
    if name == "valueReference":
        return display(found, context.index)
    return found.text("title") or found.text("url")


_TOTAL = re.compile(r"\b(total|overall)\b.*\bscore\b|^score$|\btotal$", re.IGNORECASE)


def _score(element: Element) -> Quantity | None:
    """The total, where a question names itself one and has one number for an answer."""
    answers = element.children("answer")
    title = element.text("text") or element.text("linkId") or ""
    if len(answers) == 1 and _TOTAL.search(title):
        for name in ("valueInteger", "valueDecimal"):
            if answers[0].has(name):
                return Quantity(value=answers[0].decimal(name))
        if answers[0].has("valueQuantity"):
            return quantity(answers[0].child("valueQuantity"))
    return next((score for inner in element.children("item") if (score := _score(inner)) is not None), None)


def consent(context: Context) -> Consent:
    """What the person agreed to or refused. Without a stated type it is neither."""
    resource = context.resource
    provision = resource.child("provision")
    policy = concept(resource.child("policyRule")) if resource.has("policyRule") else None
    return Consent(
        **common(context),
        recorded=resource.when("dateTime"),
        author=first_party(resource, context.index, "performer", "consentingParty", "organization"),
        status=resource.text("status"),
        scope=concept(resource.child("scope")),
        categories=concepts(resource, "category"),
        decision=provision.text("type") if provision is not None else None,
        date=resource.when("dateTime"),
        period=period(provision.child("period")) if provision is not None else period(resource.child("period")),
        description=policy.label if policy is not None else None,
    )


def communication(context: Context) -> Communication:
    """A message between the person and those who care for them, or about the person."""
    resource, index = context.resource, context.index
    not_done = resource.flag("notDone") is True
    reason = first_concept(resource, "statusReason", "notDoneReason")
    base = common(context)
    base["notes"] += remark(reason.label if reason is not None else None, "Reason: ")
    return Communication(
        **base,
        recorded=resource.when("sent"),
        author=first_party(resource, index, "sender"),
        patient_reported=is_patient(resource.child("sender")),
        status="not-done" if not_done else resource.text("status"),
        categories=concepts(resource, "category"),
        medium=first_concept(resource, "medium"),
        sent=resource.when("sent"),
        received=resource.when("received"),
        sender=first_party(resource, index, "sender"),
        recipients=parties(resource, "recipient", index),
        payload=tuple(text for found in resource.children("payload") if (text := _payload(found))),
    )


def _payload(element: Element) -> str | None:
    if element.has("contentString"):
        return element.text("contentString")
    attached = element.child("contentAttachment")
    if attached is None:
        reference = element.child("contentReference")
        return reference.text("display") if reference is not None else None
    described = attachment(attached)
    return described.text or described.title


def care_team(context: Context) -> CareTeam:
    """Who is involved, and how to reach them."""
    resource = context.resource
    members = tuple(
        member for found in resource.children("participant") if (member := _member(context, found)) is not None
    )
    organizations = parties(resource, "managingOrganization", context.index)
    return CareTeam(
        **common(context),
        name=resource.text("name"),
        categories=concepts(resource, "category"),
        status=resource.text("status"),
        period=period(resource.child("period")),
        participants=members + organizations,
        telecom=telecom(resource),
        reasons=concepts(resource, "reasonCode"),
    )


def _member(context: Context, element: Element) -> Party | None:
    member = element.child("member")
    role: CodeableConcept | None = first_concept(element, "role")
    if is_patient(member):
        return None
    return party(member, context.index, role.label if role is not None else None)
