"""Who a number's person is, by all messages under it. HL7 v2.5.1 section 3.4.2 (PID) and 2.5.3 (empty and null).

ADT is where demographics are kept; what a laboratory copies onto its results counts only where no ADT was heard.
Numbers of other authorities that a later message leaves out stay; the NHS number's status goes with the number it
was said of.
"""

from msgspec.structs import replace

from adapters.hl7v2.feed.identity import is_nhs
from adapters.hl7v2.groups import Node, PatientGroup
from adapters.hl7v2.parser import Repetition, Segment
from adapters.hl7v2.people import patient
from adapters.hl7v2.values import Reading
from schema.model.clinical import Patient
from schema.model.values import Identifier


class Demographics:
    """The PID of one number, folded."""

    def __init__(self, number: str) -> None:
        self._number = number
        self._reading: Reading | None = None
        self._group: PatientGroup | None = None
        self._by_adt = False
        self.named = False
        """True when a merge names the number: it is known, even if nothing else is."""

    def take(self, reading: Reading, whole: PatientGroup, *, adt: bool) -> None:
        """One more message of this number."""
        if self._by_adt and not adt:
            return
        if self._group is None or (adt and not self._by_adt):
            self._group, self._reading, self._by_adt = _only_demographics(whole), reading, adt
            return
        before, now = self._group, _only_demographics(whole)
        assert before.pid is not None  # noqa: S101
        assert now.pid is not None  # noqa: S101
        now.pid.segment = _updated(reading, before.pid.segment, now.pid.segment)
        now.pid.notes = now.pid.notes or before.pid.notes
        if before.pd1 is not None:
            now.pd1 = before.pd1.updated_by(now.pd1) if now.pd1 is not None else before.pd1
        now.restrictions = now.restrictions or before.restrictions
        self._group, self._reading = now, reading

    def fact(self, replaced_by: str | None) -> Patient | None:
        """The person; None when no message named the number."""
        if self._group is None or self._reading is None:
            if not self.named:
                return None
            own = Identifier(value=self._number, type="MR")
            return Patient(
                native_id=f"Patient/{self._number}",
                subject=f"Patient/{self._number}",
                identifiers=(own,),
                replaced_by=replaced_by,
            )
        return replace(patient(self._reading, self._group, self._number), replaced_by=replaced_by)


def _only_demographics(whole: PatientGroup) -> PatientGroup:
    pid = whole.pid
    assert pid is not None  # noqa: S101
    return PatientGroup(pid=Node(pid.segment, list(pid.notes)), pd1=whole.pd1, restrictions=list(whole.restrictions))


def _updated(reading: Reading, old: Segment, new: Segment) -> Segment:
    """PID after PID. PID-3 is a list: what a later message leaves out of it was not taken back."""
    found = old.updated_by(new)
    if not new.repetitions(3):
        return found
    said = {_issuer(cx) for cx in new.repetitions(3)}
    kept = [cx for cx in old.repetitions(3) if _issuer(cx) not in said]
    mark = reading.message.dialect.delimiters.repetition
    found = found.with_field(3, mark.join(cx.raw for cx in (*new.repetitions(3), *kept)))
    before, after = _nhs(reading, old), _nhs(reading, new)
    if after and after != before and not new.field(32).strip():
        # A status that was said of another number says nothing of this one.
        found = found.with_field(32, "")
    return found


def _issuer(cx: Repetition) -> tuple[str | None, str | None]:
    return cx.text(4), cx.text(5)


def _nhs(reading: Reading, pid: Segment) -> set[str | None]:
    return {cx.text(1) for cx in pid.repetitions(3) if is_nhs(reading.settings, cx)}
