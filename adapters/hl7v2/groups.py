"""The segments of an answer put together as the standard groups them. HL7 v2.5.1 sections 3.3.19, 7.3.3 and IHE ITI-22.

A PID begins a patient, a PV1 a visit, an OBR a report; everything else belongs to what stands before it. Groups differ
in detail between versions and sites, so nothing but the segment names is relied on.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from adapters.hl7v2.parser import Segment

TECHNICAL = frozenset(
    {"MSH", "MSA", "ERR", "QAK", "QPD", "QRD", "QRF", "QRI", "RCP", "EVN", "DSC", "SFT", "UAC", "TQ1", "ORC"}
)
"""Segments that say nothing about the patient which the ones read here do not say (ORC repeats OBR's numbers)."""


@dataclass
class Node:
    """A segment with the remarks that follow it."""

    segment: Segment
    notes: list[Segment] = field(default_factory=list)


@dataclass
class Visit:
    pv1: Node
    pv2: Segment | None = None
    restrictions: list[Segment] = field(default_factory=list)


@dataclass
class Report:
    """An order or panel and its results; without an OBR, results that stand alone."""

    obr: Node | None
    results: list[Node] = field(default_factory=list)
    specimens: list[Segment] = field(default_factory=list)


@dataclass
class PatientGroup:
    """One PID and everything up to the next one; without a PID, what stands before any."""

    pid: Node | None
    pd1: Segment | None = None
    restrictions: list[Segment] = field(default_factory=list)
    kin: list[Node] = field(default_factory=list)
    visits: list[Visit] = field(default_factory=list)
    allergies: list[Node] = field(default_factory=list)
    diagnoses: list[tuple[Node, Visit | None]] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    unmodelled: Counter[str] = field(default_factory=Counter)


def group(segments: Iterable[Segment]) -> list[PatientGroup]:
    """Every segment but the technical ones is in exactly one group."""
    before = PatientGroup(pid=None)
    groups = [before]
    # What a remark or a restriction belongs to, when it is not the patient.
    last: Node | None = None
    visit: Visit | None = None
    for segment in segments:
        name = segment.name
        if name in TECHNICAL:
            continue
        if name == "PID":
            last, visit = Node(segment), None
            groups.append(PatientGroup(pid=last))
            continue
        current = groups[-1]
        if name == "NTE":
            if last is not None:
                last.notes.append(segment)
        elif name == "ARV":
            (visit.restrictions if visit is not None else current.restrictions).append(segment)
        elif name == "PV1":
            last = Node(segment)
            visit = Visit(last)
            current.visits.append(visit)
        elif name == "PV2" and visit is not None:
            visit.pv2 = segment
        else:
            last = _place(current, segment, visit) or last
    return groups if before != PatientGroup(pid=None) else groups[1:]


def _place(current: PatientGroup, segment: Segment, visit: Visit | None) -> Node | None:
    """Put a segment where it belongs; returns the node that remarks may follow."""
    node = Node(segment)
    if segment.name == "PD1":
        current.pd1 = segment
        return None
    if segment.name == "NK1":
        current.kin.append(node)
    elif segment.name == "AL1":
        current.allergies.append(node)
    elif segment.name == "DG1":
        current.diagnoses.append((node, visit))
    elif segment.name == "OBR":
        current.reports.append(Report(node))
    elif segment.name == "OBX":
        if not current.reports:
            current.reports.append(Report(None))
        current.reports[-1].results.append(node)
    elif segment.name == "SPM" and current.reports:
        current.reports[-1].specimens.append(segment)
    else:
        current.unmodelled[segment.name] += 1
    return node
