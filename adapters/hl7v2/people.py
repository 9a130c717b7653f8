"""PID, PD1 and ARV to a patient, NK1 to related persons. HL7 v2.5.1 section 3.4; ARV: HL7 v2.8 section 3.4.14.

PID-3 repeats and its order is no ranking: the source's own number is the repetition of the configured authority, or of
type MR; the NHS number is the one of authority NHS or, without an authority, of type NH.
"""

from adapters.hl7v2.groups import Node, PatientGroup
from adapters.hl7v2.parser import Repetition, Segment
from adapters.hl7v2.settings import ReadingSettings
from adapters.hl7v2.values import Reading, addresses, flag, names, notes, table, telecom
from adapters.sdk import NHS_NUMBER
from schema.model.clinical import Patient, RelatedPerson
from schema.model.values import Coding, Identifier, Party

_GENDER = {"F": "female", "M": "male", "O": "other", "A": "other", "N": "other", "U": "unknown"}
_NOT_NHS = frozenset({"MR", "PI", "PT", "SS", "VN", "AN", "PN"})


class NoLocalNumber(ValueError):
    """A PID without a number that is certainly the source's own."""


def local_number(settings: ReadingSettings, numbers: list[Repetition]) -> str:
    """The source's own number in PID-3 (or MRG-1). Raises NoLocalNumber when there is none, or more than one."""
    authority = settings.mrn_authority
    numbers = [cx for cx in numbers if cx.text(1)]
    bare = {cx.text(1) for cx in numbers if settings.bare_number and not (cx.text(4) or cx.text(5))}
    if len(bare) == 1:
        return str(bare.pop())
    if authority:
        numbers = [cx for cx in numbers if cx.text(4) == authority]
    # One authority may issue other numbers too, such as an account: type MR then tells them apart.
    if not authority or len(numbers) > 1:
        numbers = [cx for cx in numbers if cx.text(5) == "MR"]
    values = {cx.text(1) for cx in numbers}
    if len(values) != 1:
        raise NoLocalNumber("PID-3 does not name the source's own number")
    return str(values.pop())


def patient(reading: Reading, group: PatientGroup, number: str) -> Patient:
    """Demographics. `number` is the source's own."""
    assert group.pid is not None  # noqa: S101
    pid = group.pid.segment
    pd1 = group.pd1
    died = reading.when("Patient", pid, 29)
    dead = flag(pid, 30)
    restrictions = [arv for arv in group.restrictions if arv.text(2) != "D"]
    return Patient(
        native_id=f"Patient/{number}",
        subject=f"Patient/{number}",
        identifiers=identifiers(reading, pid),
        names=names(pid, 5) + names(pid, 9),
        birth_date=reading.when("Patient", pid, 7),
        gender=_gender(pid),
        deceased=True if died is not None and dead is None else dead,
        deceased_at=died,
        addresses=addresses(pid, 11),
        telecom=telecom(pid, 13, "home") + telecom(pid, 14, "work") + telecom(pid, 40),
        multiple_birth=flag(pid, 24),
        languages=reading.concepts(pid, 15, table("0296")),
        general_practitioners=_practice(reading, pd1) if pd1 is not None else (),
        restricted=(pd1 is not None and flag(pd1, 12) is True) or any(a.text(3) == "ALL" for a in restrictions),
        security_labels=labels(restrictions),
        notes=notes(group.pid.notes),
        cautions=reading.cautions(pid, pd1),
    )


def identifiers(reading: Reading, pid: Segment) -> tuple[Identifier, ...]:
    """Every identifier of PID-3, then the older PID-2 and PID-4 where they say something else."""
    statuses = {status.text(1) for status in pid.repetitions(32)}
    verified = statuses == {"NSTS01"} if statuses else None
    found: list[Identifier] = []
    for field in (3, 2, 4):
        for cx in pid.repetitions(field):
            identifier = reading.identifier(cx)
            if identifier is None:
                continue
            is_nhs = _is_nhs(identifier)
            value = identifier.value.replace(" ", "") if is_nhs else identifier.value
            if any(value == other.value for other in found) and field != 3:
                continue
            found.append(
                Identifier(
                    system=NHS_NUMBER if is_nhs else _other_system(identifier),
                    value=value,
                    type=identifier.type,
                    assigner=identifier.assigner,
                    # CX.8: a number that has expired was verified once, not now.
                    verified=None if not is_nhs else False if cx.text(8) is not None else verified,
                )
            )
    return tuple(found)


def _is_nhs(identifier: Identifier) -> bool:
    if identifier.assigner is None:
        return identifier.type == "NH"
    return identifier.system == NHS_NUMBER and identifier.type not in _NOT_NHS


def _other_system(identifier: Identifier) -> str | None:
    return None if identifier.system == NHS_NUMBER else identifier.system


def _gender(pid: Segment) -> str | None:
    code = pid.text(8)
    return _GENDER.get(code, code) if code else None


def _practice(reading: Reading, pd1: Segment) -> tuple[Party, ...]:
    """PD1-3 (practice) and PD1-4 (practitioner); one of each is one party."""
    people = reading.parties(pd1, 4, "general practitioner")
    practices = []
    for xon in pd1.repetitions(3):
        # XON.10 is the code of later versions, XON.3 the one of earlier ones.
        code = xon.text(10) or xon.text(3)
        system, assigner = reading.assigner(xon.component(6))
        ids = (Identifier(system=system, value=code, assigner=assigner),) if code else ()
        if xon.text(1) or ids:
            practices.append(Party(organization=xon.text(1), identifiers=ids))
    if len(people) == len(practices) == 1:
        person, practice = people[0], practices[0]
        return (
            Party(
                name=person.name,
                role=person.role,
                organization=practice.organization,
                identifiers=person.identifiers + practice.identifiers,
            ),
        )
    return (*people, *practices)


def labels(restrictions: list[Segment]) -> tuple[Coding, ...]:
    """ARV-3, what is restricted (table 0717)."""
    return tuple(
        Coding(system=table("0717"), code=code, display=value.text(2))
        for arv in restrictions
        for value in arv.repetitions(3)
        if (code := value.text(1))
    )


def related_person(reading: Reading, node: Node, number: str, ordinal: int) -> RelatedPerson | None:
    """Next of kin and other contacts; None when the segment states nothing (or only deletes)."""
    nk1 = node.segment
    if nk1.empty:
        return None
    return RelatedPerson(
        native_id=f"RelatedPerson/{number}-NK1-{nk1.text(1) or ordinal}",
        subject=f"Patient/{number}",
        names=names(nk1, 2),
        relationships=reading.concepts(nk1, 3, table("0063")) + reading.concepts(nk1, 7, table("0131")),
        addresses=addresses(nk1, 4),
        telecom=telecom(nk1, 5, "home") + telecom(nk1, 6, "work") + telecom(nk1, 40),
        period=reading.period("RelatedPerson", nk1, 8, 9),
        notes=notes(node.notes),
        cautions=reading.cautions(nk1),
    )
