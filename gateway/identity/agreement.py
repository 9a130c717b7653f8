"""The last way to a reference person: at least two sources that agree on who carries this verified number."""

from collections.abc import Collection, Sequence

from gateway.identity.grade import Grade, grade
from gateway.identity.reference import ReferenceOrigin, ReferencePerson, day_of, from_patient
from gateway.identity.rules import Rules, default_rules
from gateway.identity.vetoes import vetoes
from schema.model.clinical import Patient
from schema.model.values import Identifier


def agreement(
    asked: Identifier,
    candidates: Sequence[tuple[str, Patient]],
    *,
    traced: Collection[str] = (),
    rules: Rules | None = None,
) -> ReferencePerson | None:
    """The person on whom two or more sources agree, or None.

    `candidates` are (source id, record). Those without the asked number, verified, have no say. All that have it must
    agree with one another: certain both ways, with the very same birth date and without a veto. One that contradicts
    the others ends it, because then the number is on two people and only an authority can say whose it is.
    """
    rules = rules or default_rules()
    bare = ReferencePerson(identifier=asked, origin=ReferenceOrigin.AGREEMENT)
    voices = sorted(
        (
            (source, patient)
            for source, patient in candidates
            if not patient.entered_in_error
            and grade(bare, patient, traced=source in traced, rules=rules).has("identifier:verified-equal")
        ),
        key=lambda voice: (voice[0], voice[1].native_id),
    )
    if len({source for source, _ in voices}) < 2:
        return None
    as_reference = [from_patient(patient, asked, ReferenceOrigin.AGREEMENT) for _, patient in voices]
    for reference in as_reference:
        for source, patient in voices:
            grading = grade(reference, patient, traced=source in traced, rules=rules)
            same_day = reference.birth_date == day_of(patient.birth_date)
            if grading.grade is not Grade.CERTAIN or not same_day or vetoes(reference, patient, grading):
                return None
    return from_patient(
        voices[0][1],
        asked,
        ReferenceOrigin.AGREEMENT,
        sources=tuple(sorted({source for source, _ in voices})),
    )
