"""A reference person without an authority: who carries this verified number, as every source that has it agrees."""

from collections.abc import Collection, Sequence

from gateway.identity.grade import Grade, grade
from gateway.identity.reference import ReferenceOrigin, ReferencePerson, day_of, from_patient
from gateway.identity.rules import Rules, default_rules
from gateway.identity.vetoes import vetoes
from schema.model.clinical import Patient
from schema.model.values import Identifier

_CARRIES_IT = ("identifier:verified-equal", "identifier:verified-superseded")


def agreement(
    asked: Identifier,
    candidates: Sequence[tuple[str, Patient]],
    *,
    superseded: tuple[Identifier, ...] = (),
    linked: Collection[tuple[str, str]] = (),
    traced: Collection[str] = (),
    rules: Rules | None = None,
) -> ReferencePerson | None:
    """The person on whom two or more sources agree, or one source whose record is linked already; or None.

    `candidates` are (source id, record), `linked` those (source id, local id) that are the person's already. Records
    without the number, or an earlier one of the person's, verified, have no say. All that have it must agree with one
    another: certain both ways, with the very same birth date and without a veto. One that contradicts the others ends
    it, whether it is linked or not: a record may have been overwritten since, so then the number is on two people and
    only an authority can say whose it is.
    """
    rules = rules or default_rules()
    bare = ReferencePerson(identifier=asked, superseded=superseded, origin=ReferenceOrigin.AGREEMENT)
    voices = sorted(
        (
            (source, patient)
            for source, patient in candidates
            if not patient.entered_in_error
            and any(map(grade(bare, patient, traced=source in traced, rules=rules).has, _CARRIES_IT))
        ),
        key=lambda voice: ((voice[0], voice[1].native_id) not in linked, voice[0], voice[1].native_id),
    )
    anchored = bool(voices) and (voices[0][0], voices[0][1].native_id) in linked
    if len({source for source, _ in voices}) < (1 if anchored else 2):
        return None
    origin = ReferenceOrigin.LINKED if anchored else ReferenceOrigin.AGREEMENT
    for _, one in voices:
        reference = from_patient(one, asked, origin, superseded=superseded)
        for source, patient in voices:
            grading = grade(reference, patient, traced=source in traced, rules=rules)
            same_day = reference.birth_date == day_of(patient.birth_date)
            if grading.grade is not Grade.CERTAIN or not same_day or vetoes(reference, patient, grading):
                return None
    sources = tuple(sorted({source for source, _ in voices}))
    return from_patient(voices[0][1], asked, origin, superseded=superseded, sources=sources)
