"""Visits as a run of ADT events leaves them. HL7 v2.5.1 sections 3.3 (events) and 3.4.3 (PV1).

A field that a later message leaves empty says nothing and stays; the explicit null deletes. The event says what became
of the visit: PV1 alone cannot tell a pending admission from one that was cancelled.
"""

from dataclasses import dataclass, field

from msgspec.structs import replace

from adapters.hl7v2.groups import Node, Visit
from adapters.hl7v2.parser import Segment
from adapters.hl7v2.stays import encounter
from adapters.hl7v2.values import Reading
from schema.model.clinical import Encounter

ABOUT_THE_PERSON = frozenset({"A24", "A28", "A29", "A30", "A31", "A34", "A37", "A40", "A43", "A46", "A47"})
"""Events whose PV1 is there because the structure wants one: no visit is changed by them."""

_PLANNED = frozenset({"A05", "A14"})
_HERE = frozenset(
    {"A01", "A02", "A06", "A07", "A09", "A10", "A12", "A13", "A15", "A16", "A17", "A20"}
    | {"A21", "A22", "A25", "A26", "A32", "A33"}
)
_CANCELLED = frozenset({"A11", "A27", "A38"})
_DISCHARGE, _CANCEL_DISCHARGE, _REGISTER, _DELETE_VISIT = "A03", "A13", "A04", "A23"
_IN = frozenset({"I", "E"})


@dataclass
class Stay:
    """One visit so far."""

    reading: Reading
    pv1: Segment
    number: str
    pv2: Segment | None = None
    restrictions: list[Segment] = field(default_factory=list)
    notes: list[Segment] = field(default_factory=list)
    status: str | None = None
    withdrawn: bool = False

    def fact(self) -> Encounter | None:
        """The visit as it stands. Raises ValueError when it cannot be read."""
        visit = Visit(Node(self.pv1, self.notes), self.pv2, self.restrictions)
        built = encounter(self.reading, visit, self.number, 1)
        if built is None:
            return None
        status = "entered-in-error" if self.withdrawn else self.status or built.status
        return replace(built, status=status, entered_in_error=self.withdrawn)


def key(pv1: Segment, number: str, otherwise: str) -> str:
    """The visit number, else the person and the time of admission, else this very message."""
    return pv1.text(19) or (f"{number}-PV1-{pv1.text(44)}" if pv1.text(44) else otherwise)


def apply(before: Stay | None, visit: Visit, event: str, number: str, reading: Reading) -> Stay:
    """The visit after one more event."""
    pv1 = visit.pv1.segment
    pv2 = visit.pv2
    if before is not None:
        pv1 = before.pv1.updated_by(pv1)
        pv2 = before.pv2.updated_by(pv2) if before.pv2 is not None and pv2 is not None else pv2 or before.pv2
    if event == _CANCEL_DISCHARGE:
        # Its PV1 may still carry what it cancels.
        pv1 = pv1.with_field(45, "").with_field(36, "")
    return Stay(
        reading=reading,
        pv1=pv1,
        number=number,
        pv2=pv2,
        restrictions=visit.restrictions or (before.restrictions if before is not None else []),
        notes=visit.pv1.notes or (before.notes if before is not None else []),
        status=_status(before.status if before is not None else None, event, pv1),
        withdrawn=event == _DELETE_VISIT,
    )


def _status(before: str | None, event: str, pv1: Segment) -> str | None:
    if event in _CANCELLED:
        return "cancelled"
    if event == _DISCHARGE or pv1.text(45):
        return "finished"
    if event in _PLANNED:
        return "planned"
    if event == _REGISTER:
        return "in-progress" if pv1.text(2) in _IN else "arrived"
    if event in _HERE:
        return "in-progress"
    return before
