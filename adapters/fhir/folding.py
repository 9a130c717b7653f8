"""GP Connect splits one medicine course over a statement, its plan and its issues: here they become one fact again.

A MedicationStatement is based on a MedicationRequest of intent `plan`; each issue is one of intent `order`, based on
the plan. Truth: GP Connect Access Record Structured, "Medications"; MERGE.md section 2 (one course, all native ids).
"""

from collections.abc import Iterable
from typing import TypeVar

from msgspec.structs import replace

from adapters.fhir.elements import Reading
from schema.model.clinical import Medication, MedicationKind
from schema.model.fact import Fact, Gap, GapKind
from schema.model.values import Annotation
from schema.model.when import When

T = TypeVar("T")


def fold_courses(facts: list[Fact], reading: Reading) -> list[Fact]:
    """Every statement with its plan and issues as one fact, in the place of the statement; the rest as it was."""
    requests = {
        fact.native_id: fact for fact in facts if isinstance(fact, Medication) and fact.kind is MedicationKind.REQUEST
    }
    heads = [fact for fact in facts if isinstance(fact, Medication) and fact.kind is MedicationKind.STATEMENT]
    heads += [fact for fact in requests.values() if not any(up in requests for up in fact.based_on)]
    folded: dict[str, Medication] = {}
    taken: set[str] = set()
    for head in heads:
        if head.native_id in taken:
            continue
        members = _members(head, requests, taken)
        taken.update(member.native_id for member in members)
        folded[head.native_id] = _course(head, members)
        _note_missing(head, requests, reading)
    return [folded.get(fact.native_id, fact) for fact in facts if fact.native_id not in taken]


def _members(head: Medication, requests: dict[str, Medication], taken: set[str]) -> list[Medication]:
    """The plan, then its issues in the order of the record, however long the chain."""
    wanted = [up for up in head.based_on if up in requests and up not in taken and up != head.native_id]
    found: dict[str, Medication] = {up: requests[up] for up in wanted}
    roots = set(found) | {head.native_id}
    growing = True
    while growing:
        growing = False
        for request in requests.values():
            known = request.native_id in roots or request.native_id in taken
            if not known and roots.intersection(request.based_on):
                found[request.native_id] = request
                roots.add(request.native_id)
                growing = True
    return list(found.values())


def _note_missing(head: Medication, requests: dict[str, Medication], reading: Reading) -> None:
    if head.kind is MedicationKind.STATEMENT and any(up not in requests for up in head.based_on):
        text = "the prescription plan of a course is not in the answer"
        reading.gaps.append(Gap(kind=GapKind.UNREADABLE, fact_type="Medication", text=text))


def _course(head: Medication, members: list[Medication]) -> Medication:
    if not members:
        return head
    plans = [member for member in members if member.intent == "plan"]
    issues = [member for member in members if member.intent != "plan"]
    plan = plans[0] if plans else members[0]
    dates = [issue.recorded for issue in issues if issue.recorded is not None]
    names = {member.native_id for member in members}
    return replace(
        head,
        folds=tuple(member.native_id for member in members),
        identifiers=_union(fact.identifiers for fact in (head, *members)),
        security_labels=_union(fact.security_labels for fact in (head, *members)),
        cautions=_union(fact.cautions for fact in (head, *members)),
        notes=_union([*(fact.notes for fact in (head, *members)), _disagreements(head, members)]),
        author=head.author or plan.author,
        code=head.code or plan.code,
        form=head.form or plan.form,
        strength=head.strength or plan.strength,
        dosage=head.dosage or plan.dosage,
        dose=head.dose or plan.dose,
        frequency=head.frequency or plan.frequency,
        route=head.route or plan.route,
        prescription_type=head.prescription_type or plan.prescription_type,
        effective=head.effective or plan.effective,
        quantity=head.quantity or plan.quantity or (issues[-1].quantity if issues else None),
        last_issued=head.last_issued or _latest(dates),
        issues=len(issues) or plan.issues,
        reasons=_union(fact.reasons for fact in (head, plan)),
        based_on=tuple(up for up in head.based_on if up not in names),
    )


def _latest(dates: list[When]) -> When | None:
    return max(dates, key=lambda when: when.earliest, default=None)


def _disagreements(head: Medication, members: list[Medication]) -> tuple[Annotation, ...]:
    """What the plan or an issue says otherwise than the statement: both must stay readable."""
    found = []
    for member in members:
        what = "Prescription plan" if member.intent == "plan" else "Prescription issued"
        if member.dosage and head.dosage and member.dosage != head.dosage:
            found.append(Annotation(text=f"{what} states another dosage: {member.dosage}"))
        if member.code and head.code and member.code != head.code and member.code.label:
            found.append(Annotation(text=f"{what} names another product: {member.code.label}"))
    return tuple(found)


def _union(groups: Iterable[Iterable[T]]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(one for group in groups for one in group))
