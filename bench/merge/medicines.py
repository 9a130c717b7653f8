"""Invented medicines. MERGE.md section 2, the row Medication course."""

from datetime import date, timedelta
from typing import Any

from bench.merge.record import Label, Record, ago, amount, instant, moment, on, since
from bench.merge.vocabulary import ACUTE, BRANDED, PLAIN, Concept
from schema.model.clinical import Medication, MedicationKind
from schema.model.values import CodeableConcept, Coding, Quantity

_OFTEN = {
    "once": ("once daily", "OD", "1 per day", None),
    "twice": ("twice daily", "BD", "2 per day", None),
    "night": ("at night", "nocte", None),
}
_ROUTES = {"oral": "26643006", "buccal": "54471007"}


def medicines(record: Record) -> None:
    """Courses with their orders, supplies and doses; changes of dose; brands; courses that come again."""
    rng = record.rng
    for concept in rng.sample(PLAIN, 5):
        rng.choice((_agreed, _agreed, _agreed, _disputed, _changed))(record, concept)
    for concept in rng.sample(ACUTE, 2):
        _again(record, concept)
    for generic, brands in rng.sample(BRANDED, 3):
        _branded(record, generic, brands)


def _course(record: Record, source: str, label: Label, concept: Concept, start: date | None, **more: Any) -> None:
    """An active course unless said otherwise; each source writes dose and frequency in its own way, or not at all."""
    rng = record.rng
    fields: dict[str, Any] = {
        "kind": MedicationKind.STATEMENT,
        "status": "active",
        "effective": since(on(start)) if start else None,
        "brand": concept.brand if concept.brand and rng.random() < 0.5 else None,
        **more,
    }
    record.say(source, Medication, label, concept, code=record.coded(source, concept), **fields)


def _taken(record: Record, often: str, tablets: str = "1") -> dict[str, Any]:
    """One regime as different systems write it."""
    rng = record.rng
    said: dict[str, Any] = {"frequency": rng.choice(_OFTEN[often])}
    if rng.random() < 0.7:
        said["dose"] = _tablets(tablets)
    if rng.random() < 0.3:
        said["route"] = _route("oral")
    return said


def _tablets(value: str) -> Quantity:
    return amount(value, "{tablet}")


def _route(name: str) -> CodeableConcept:
    coding = Coding(system="http://snomed.info/sct", code=_ROUTES[name], display=name)
    return CodeableConcept(text=name, codings=(coding,))


def _jitter(record: Record, day: date) -> date:
    return day + timedelta(days=record.rng.randint(-12, 12))


def _agreed(record: Record, concept: Concept) -> None:
    """One course that everybody dates a little differently, and its events in the hospital."""
    rng = record.rng
    thing, start = record.name(concept.name), ago(rng.randint(120, 900))
    often = rng.choice(tuple(_OFTEN))
    for source in record.some(2, 3):
        _course(record, source, Label(thing), concept, _jitter(record, start), **_taken(record, often))
    if rng.random() < 0.5:
        _events(record, concept, thing, start)
    if rng.random() < 0.1:
        label = Label(record.name("undated"), told=False, knows=(thing,))
        _course(record, "community", label, concept, None)
    if rng.random() < 0.1:
        label = Label(record.name("withdrawn"), knows=(thing,))
        _course(record, "gp", label, concept, _jitter(record, start), entered_in_error=True)


def _events(record: Record, concept: Concept, thing: str, start: date) -> None:
    """An order, two supplies and doses given: linked with the course, each a thing of its own."""
    rng = record.rng

    def event(source: str, kind: MedicationKind, **fields: Any) -> None:
        # Passed on it keeps no number of its own, and two doses of a day look like one: no copy need be recognised.
        label = Label(record.name(f"{kind.name.lower()} of {concept.name}"), told=False, knows=(thing,))
        code = record.coded(source, concept)
        record.say(source, Medication, label, concept, kind=kind, code=code, dose=_tablets("1"), **fields)

    event("hospital", MedicationKind.REQUEST, status="active", intent="order", effective=since(on(start)))
    for month in (0, 28):
        day = start + timedelta(days=month)
        source = rng.choice(("gp", "community"))
        event(source, MedicationKind.DISPENSE, status="completed", effective=since(on(day)))
    given = moment(rng, (ago(0) - start).days - 2)
    for dose in range(4):
        # Four hours apart, by two systems, each of which has its own part of the doses.
        at = since(instant(rng, given + timedelta(hours=4 * dose)))
        source = ("hospital", "community")[dose % 2]
        event(source, MedicationKind.ADMINISTRATION, status="completed", effective=at)
    if rng.random() < 0.3:
        # Two doses of one day, of which each system has one and says no more than the day.
        for source in ("hospital", "mental"):
            at = since(on(start + timedelta(days=9)))
            event(source, MedicationKind.ADMINISTRATION, status="completed", effective=at)


def _disputed(record: Record, concept: Concept) -> None:
    """One course of which one source claims something else."""
    rng = record.rng
    one, other = rng.choice(
        (
            ({"status": "active"}, {"status": "stopped"}),
            ({"dose": _tablets("1")}, {"dose": _tablets("2")}),
            ({"frequency": "once daily"}, {"frequency": "BD"}),
            ({"route": _route("oral")}, {"route": _route("buccal")}),
        )
    )
    thing, start = record.name(concept.name), ago(rng.randint(120, 900))
    for place, source in enumerate(record.some(2, 3)):
        said = other if place == 0 else one
        _course(record, source, Label(thing, str(place == 0)), concept, _jitter(record, start), **said)


def _changed(record: Record, concept: Concept) -> None:
    """The dose was doubled; one system still shows the old one as active."""
    rng = record.rng
    start = ago(rng.randint(200, 900))
    before, now = record.name(concept.name + " before"), record.name(concept.name + " now")
    changed = start + timedelta(days=rng.randint(90, 180))
    slow, *others = record.some(3, 3)
    for source in others:
        old = since(on(start), on(changed))
        one, two = {"dose": _tablets("1"), "frequency": "once daily"}, {"dose": _tablets("2"), "frequency": "od"}
        _course(record, source, Label(before, "over"), concept, start, status="completed", **one | {"effective": old})
        _course(record, source, Label(now), concept, changed, **two)
    late = {"dose": _tablets("1"), "frequency": "once daily"}
    _course(record, slow, Label(before, "active", knows=(now,)), concept, start, **late)
    record.dispute((before, "active"), (now, ""))


def _again(record: Record, concept: Concept) -> None:
    """Short courses that come again after weeks, each from one or two sources. All state the end but the
    practice, which calls them acute and leaves the end out as often as not."""
    rng = record.rng
    day = ago(rng.randint(20, 40))
    for _ in range(rng.randint(2, 4)):
        thing = record.name(concept.name)
        for source in record.some(1, 2):
            start = day + timedelta(days=rng.randint(0, 2))
            end = None if source == "gp" and rng.random() < 0.5 else on(start + timedelta(days=6))
            said = {"status": "completed", "effective": since(on(start), end)}
            if source == "gp":
                said["prescription_type"] = "acute"
            _course(record, source, Label(thing), concept, start, **said)
        day -= timedelta(days=rng.choice((21, 35, 50, 90, 200)))


def _branded(record: Record, generic: Concept, brands: list[Concept]) -> None:
    """One brand, known to two sources; a third names the medicine without its brand, or another brand."""
    rng = record.rng
    start = ago(rng.randint(120, 900))
    mine, other = rng.sample(brands, 2)
    thing = record.name(mine.name)
    sources = record.some(4, 4)
    disputed = rng.random() < 0.4
    for source in sources[:2]:
        label = Label(thing, mine.name if disputed else "")
        _course(record, source, label, mine, _jitter(record, start), dose=amount("1", "{dose}"))
    if disputed:
        label = Label(thing, other.name)
        _course(record, sources[2], label, other, _jitter(record, start), dose=amount("1", "{dose}"))
    if rng.random() < 0.6:
        label = Label(record.name(generic.name), told=False, knows=(thing,))
        _course(record, sources[3], label, generic, _jitter(record, start), dose=amount("1", "{dose}"))
        if not disputed:
            # A second source without the brand: they may be two brands.
            label = Label(record.name(generic.name), told=False, knows=(thing,))
            _course(record, sources[2], label, generic, _jitter(record, start), dose=amount("1", "{dose}"))
