"""Invented measurements. MERGE.md section 2, the row Observation."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from bench.merge.problems import coded_word
from bench.merge.record import Label, Record, ago, amount, instant, moment, number, on, since
from bench.merge.vocabulary import CULTURE, DIASTOLIC, PRESSURE, SCORE, SCT, SIGNS, SYSTOLIC, TESTS, Concept
from schema.model.clinical import Observation, ObservationComponent
from schema.model.values import CodeableConcept, Coding, Period, Quantity

_UNITS = {
    "weight": "kg", "heart rate": "/min", "temperature": "Cel", "oxygen saturation": "%", "height": "cm",
    "haemoglobin": "g/L", "white cells": "10*9/L", "creatinine": "umol/L", "ALT": "U/L", "C-reactive protein": "mg/L",
    "TSH": "m[IU]/L", "HbA1c": "mmol/mol",
}  # fmt: skip
_LABORATORY = "https://results.laboratory.example"
_SERUM, _URINE = coded_word("Serum", "119364003"), coded_word("Urine", "122575003")


def results(record: Record) -> None:
    """Laboratory results by two ways, measurements in clinics, a monitor, and what looks alike and is not."""
    for visit in range(3):
        _sample(record, 15 + visit * record.rng.randint(20, 90))
    for concept in record.rng.sample(SIGNS, 3):
        _measured(record, concept)
    _monitor(record)
    _pressures(record)
    for alike in record.rng.sample(
        (_two_units, _bound, _home, _bedside, _two_specimens, _bare_numbers, _words, _zero, _near_misses), 4
    ):
        alike(record)


def _value(record: Record) -> Decimal:
    return Decimal(record.rng.randint(20, 1999)).scaleb(-1)


def _say(
    record: Record,
    source: str,
    label: Label,
    concept: Concept,
    effective: Period,
    value: Quantity | None,
    sent: CodeableConcept | None = None,
    **more: Any,
) -> None:
    """`sent` is the code in the message that brought the result, if one did: most systems keep it beside their own."""
    code = record.coded(source, concept)
    if sent is not None and sent.codings and record.rng.random() < 0.7:
        own = code.codings if record.rng.random() < 0.5 else ()
        code = CodeableConcept(text=code.text, codings=(*sent.codings, *own))
    record.say(
        source, Observation, label, concept, code=code, effective=effective, value_quantity=value, status="final",
        **more,
    )  # fmt: skip


def _sample(record: Record, days: int) -> None:
    """One blood sample, several results under one specimen number. The laboratory sends them to hospital and practice:
    with the result's number, or with the time alone; sometimes the practice rounds, sometimes it has the earlier value
    of a corrected result."""
    rng = record.rng
    taken = moment(rng, days)
    specimen = f"SP{rng.randrange(10**7)}"
    for concept in rng.sample(TESTS, 5):
        thing, value = record.name(concept.name), _value(record)
        unit = _UNITS.get(concept.name, "mmol/L")
        result = (number(_LABORATORY, f"{rng.randrange(10**8)}"),)
        sent = record.coded("laboratory", concept)
        corrected, rounded = rng.random() < 0.1, rng.random() < 0.15
        for source in ("laboratory", *record.some(1, 2, ("hospital", "gp"))):
            by_number = source == "laboratory" or rng.random() < 0.7
            said = amount(value, unit)
            if source == "gp" and rounded:
                said = amount(Decimal(round(value)), unit)
            if source != "laboratory" and corrected:
                said = amount(value + 7, unit)
            effective = since(instant(rng, taken))
            if source == "hospital" and rng.random() < 0.3:
                # As many systems write units; not where the capital would tell a thousandth from a million.
                lower = unit if "[IU]" in unit else unit.lower()
                said = Quantity(value=said.value, unit=lower, system=None, code=None)
            label = Label(thing, ("later" if source == "laboratory" else "earlier") if corrected else "")
            _say(
                record, source, label, concept, effective, said, sent,
                identifiers=result if by_number else (), specimen=specimen if by_number else None,
                specimen_type=_SERUM if rng.random() < 0.5 else None,
            )  # fmt: skip


def _measured(record: Record, concept: Concept) -> None:
    """Measured in one clinic, and sent to another with its time; some sources state the day alone."""
    rng = record.rng
    for visit in range(3):
        taken, value = moment(rng, 10 + 40 * visit), _value(record)
        sent = record.coded("hospital", concept)
        day_alone = rng.random() < 0.3  # no instant: two readings of one day and value may be two
        label = Label(record.name(concept.name), told=not day_alone)
        for source in record.some(1, 3):
            at = since(on(taken.date())) if day_alone else since(instant(rng, taken))
            _say(record, source, label, concept, at, amount(value, _UNITS[concept.name]), sent)


def _monitor(record: Record) -> None:
    """Sixteen equal readings, four minutes apart; a second system has every other one."""
    rng = record.rng
    concept, start = SIGNS[1], moment(rng, rng.randint(3, 300))
    sent = record.coded("hospital", concept)
    for place in range(16):
        label = Label(record.name("monitor reading"))
        at = since(instant(rng, start + timedelta(minutes=4 * place)))
        _say(record, "hospital", label, concept, at, amount("72", "/min"), sent, device="Monitor 3")
        if place % 2:
            _say(record, "community", label, concept, at, amount("72", "/min"), sent, device="Monitor 3")


def _pressures(record: Record) -> None:
    """Blood pressure is its components; another diastolic is another reading."""
    rng = record.rng
    sent = record.coded("hospital", PRESSURE)

    def say(source: str, label: Label, at: datetime, low: int) -> None:
        parts = tuple(
            ObservationComponent(
                code=CodeableConcept(codings=(Coding(system=SCT, code=one.codes[SCT]),)),
                value_quantity=amount(str(value), "mm[Hg]"),
            )
            for one, value in ((SYSTOLIC, 128), (DIASTOLIC, low))
        )
        _say(record, source, label, PRESSURE, since(instant(rng, at)), None, sent, components=parts)

    for visit in range(3):
        thing, at, low = record.name("pressure"), moment(rng, 5 + 50 * visit), rng.randint(60, 99)
        odd = rng.random() < 0.2
        for place, source in enumerate(record.some(2, 3)):
            other = odd and place == 0
            says = str(other) if odd else ""
            say(source, Label(thing, says), at, low + 11 if other else low)


def _two_units(record: Record) -> None:
    """One HbA1c in two units: no unit is converted, so they stay two."""
    at = since(instant(record.rng, moment(record.rng, 77)))
    one, other = record.some(2, 2)
    new, old = record.name("HbA1c in mmol/mol"), record.name("HbA1c in %")
    _say(record, one, Label(new, knows=(old,)), TESTS[8], at, amount("58", "mmol/mol"))
    _say(record, other, Label(old, knows=(new,)), TESTS[8], at, amount("7.5", "%"))


def _bound(record: Record) -> None:
    """ "Under 5" is not 5."""
    at = since(instant(record.rng, moment(record.rng, 78)))
    one, other = record.some(2, 2)
    thing = record.name("bound")
    _say(record, one, Label(thing, "<5"), TESTS[5], at, amount("5", "mg/L", "<"))
    _say(record, other, Label(thing, "5"), TESTS[5], at, amount("5", "mg/L"))


def _home(record: Record) -> None:
    """What the patient measured is not what the nurse measured, on one day and with one value."""
    one, other = record.some(2, 2)
    home, clinic = record.name("at home"), record.name("in the clinic")
    at, value = since(on(ago(60))), amount("81.5", "kg")
    _say(record, one, Label(home, told=False), SIGNS[0], at, value, patient_reported=True)
    _say(record, other, Label(clinic, told=False), SIGNS[0], at, value)


def _bedside(record: Record) -> None:
    """The meter's glucose is not the laboratory's."""
    at = since(instant(record.rng, moment(record.rng, 61)))
    laboratory = CodeableConcept(codings=(
        Coding(system="http://terminology.hl7.org/CodeSystem/observation-category", code="laboratory"),
    ))  # fmt: skip
    value, meter, analyser = amount("6.1", "mmol/L"), record.name("meter"), record.name("analyser")
    _say(record, "hospital", Label(meter), TESTS[7], at, value, device="Bedside meter 4")
    _say(record, "laboratory", Label(analyser), TESTS[7], at, value, categories=(laboratory,), specimen_type=_SERUM)


def _two_specimens(record: Record) -> None:
    """Sodium of one moment and one value in serum and in urine."""
    at = since(instant(record.rng, moment(record.rng, 62)))
    for source, specimen in zip(record.some(2, 2), (_SERUM, _URINE), strict=True):
        label = Label(record.name("sodium in one specimen"))
        _say(record, source, label, TESTS[1], at, amount("140", "mmol/L"), specimen_type=specimen)


def _bare_numbers(record: Record) -> None:
    """Two laboratories count their results from 1 and name no issuer; or name two."""
    for place, source in enumerate(record.some(2, 2, ("laboratory", "hospital", "community"))):
        named = f"https://lab-{place}.example" if record.rng.random() < 0.5 else None
        at = since(instant(record.rng, moment(record.rng, 70 + 9 * place)))
        label = Label(record.name("numbered from 1"))
        _say(record, source, label, TESTS[0], at, amount("4.4", "mmol/L"), identifiers=(number(named, "1"),))


def _words(record: Record) -> None:
    """A result in words, by its time."""
    at, thing = since(instant(record.rng, moment(record.rng, 63))), record.name("culture")
    for source in record.some(2, 3):
        _say(record, source, Label(thing), CULTURE, at, None, value_string="No growth")


def _zero(record: Record) -> None:
    """0 is a value, and another one than 1."""
    rng = record.rng
    at, thing = since(instant(rng, moment(rng, 64))), record.name("score")
    one, two, odd = record.some(3, 3)
    for source in (one, two):
        _say(record, source, Label(thing, "0"), SCORE, at, None, value_integer=0)
    _say(record, odd, Label(thing, "1"), SCORE, at, None, value_integer=1)


def _near_misses(record: Record) -> None:
    """Equal readings by two systems, a minute or two apart: proposed at most. And a withdrawn one."""
    rng = record.rng
    start = moment(rng, 65)
    for place, source in enumerate(record.some(2, 2)):
        label = Label(record.name("near miss"))
        at = since(instant(rng, start + timedelta(minutes=1 + place)))
        _say(record, source, label, SIGNS[3], at, amount("97", "%"))
    label = Label(record.name("withdrawn"))
    _say(record, "mental", label, SIGNS[3], since(instant(rng, start)), amount("97", "%"), entered_in_error=True)
