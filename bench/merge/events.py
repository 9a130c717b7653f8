"""Invented vaccinations, procedures, stays, documents and things that go by their number. MERGE.md section 2."""

from datetime import timedelta
from typing import Any

from bench.merge.problems import coded_word
from bench.merge.record import CLINICS, Label, Record, ago, instant, moment, number, on, since
from bench.merge.vocabulary import ALERT, PRIVATE, PROCEDURES, SERVICES, TESTS, VACCINES, Concept
from schema.model.clinical import (
    CarePlan,
    DiagnosticReport,
    DocumentReference,
    Encounter,
    Flag,
    Immunization,
    Procedure,
    ServiceRequest,
)
from schema.model.fact import Fact
from schema.model.values import Attachment, CodeableConcept, Coding

_SITES = {"left": "7771000", "right": "24028007"}


def events(record: Record) -> None:
    """Everything that happened once, at a time or under a number."""
    for concept in record.rng.sample(VACCINES, 3):
        _vaccinations(record, concept)
    for concept in record.rng.sample(PROCEDURES, 3):
        _procedures(record, concept)
    _spell(record)
    _contacts(record)
    _documents(record)
    _numbered(record)


def _vaccinations(record: Record, concept: Concept) -> None:
    """Doses three weeks or a year apart, dated to the day, one source a day late; refused once."""
    rng = record.rng
    day, numbered = ago(rng.randint(20, 200)), rng.random() < 0.5
    for dose in range(rng.randint(1, 3)):
        thing = record.name(concept.name)
        refused = rng.random() < 0.1
        for place, source in enumerate(record.some(2, 3)):
            odd = refused and place == 0
            when = day + timedelta(days=rng.choice((0, 0, 0, 1)))
            stated = str(3 - dose) if numbered and rng.random() < 0.7 else None
            record.say(
                source, Immunization, Label(thing, str(odd) if refused else ""), concept,
                vaccine_code=record.coded(source, concept), status="not-done" if odd else "completed",
                occurrence=on(when), dose_number=stated,
            )  # fmt: skip
        day -= timedelta(days=rng.choice((21, 365)))


def _procedures(record: Record, concept: Concept) -> None:
    """One side, then the other some weeks later; now and then a source has the wrong side, or knows the month alone."""
    rng = record.rng
    day = ago(rng.randint(100, 3000))
    for side in rng.sample(("left", "right"), rng.randint(1, 2)):
        thing, wrong = record.name(f"{concept.name}, {side}"), rng.random() < 0.2
        for place, source in enumerate(record.some(2, 3)):
            odd = wrong and place == 0
            named = {"left": "right", "right": "left"}[side] if odd else side
            site = coded_word(f"{named} {concept.name.split()[0]}", _SITES[named])
            vague = not wrong and rng.random() < 0.08
            label = Label(thing, named if wrong else "", told=not vague)
            record.say(
                source, Procedure, label, concept, code=record.coded(source, concept), status="completed",
                performed=since(on(day, 7 if vague else 10)), body_sites=(site,),
            )  # fmt: skip
        day += timedelta(days=rng.randint(20, 90))


_CLASSES = {"IMP": "inpatient encounter", "EMER": "emergency", "AMB": "ambulatory"}


def _class(code: str) -> CodeableConcept:
    system = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
    return CodeableConcept(codings=(Coding(system=system, code=code, display=_CLASSES[code]),))


def _spell(record: Record) -> None:
    """A spell that practice and hospital know by its number, with ward stays that carry the same number, and the
    emergency attendance that it began with. Another hospital gives the same number to somebody's visit in another
    year."""
    rng = record.rng
    begun = moment(rng, rng.randint(30, 900))
    value = str(rng.randrange(10**6))
    spell, attendance = record.name("spell"), record.name("attendance")
    ids = (number("https://visits.hospital.example", value),)
    period = since(instant(rng, begun), instant(rng, begun + timedelta(days=6)))
    hospital = record.say(
        "hospital", Encounter, Label(spell), encounter_class=_class("IMP"), period=period, identifiers=ids,
        service=record.coded("hospital", SERVICES[0]), service_provider="Hospital",
    )  # fmt: skip
    for source in record.some(1, 2, ("gp", "mental")):
        record.say(
            source, Encounter, Label(spell), encounter_class=_class("IMP"), identifiers=ids,
            period=since(on(begun.date())) if rng.random() < 0.5 else period,
        )  # fmt: skip
    for ward in range(3):
        start = begun + timedelta(days=2 * ward)
        record.say(
            "hospital", Encounter, Label(record.name("ward stay"), knows=(spell,)), encounter_class=_class("IMP"),
            period=since(instant(rng, start), instant(rng, start + timedelta(days=2))), identifiers=ids,
            location=f"Ward {ward + 1}", part_of=hospital.fact.fact.native_id, service_provider="Hospital",
            service=record.coded("hospital", SERVICES[0]),
        )  # fmt: skip
    record.say(
        "hospital", Encounter, Label(attendance), encounter_class=_class("EMER"), service_provider="Hospital",
        period=since(instant(rng, begun - timedelta(minutes=20))),
    )  # fmt: skip
    record.say(
        "community", Encounter, Label(record.name("visit elsewhere")), encounter_class=_class("AMB"),
        period=since(instant(rng, begun - timedelta(days=400))),
        identifiers=(number("https://visits.community.example", value),),
    )  # fmt: skip


def _contacts(record: Record) -> None:
    """Contacts without a common number: by organisation, class, service and start; the next one hours later."""
    rng = record.rng
    for visit in range(3):
        begun = moment(rng, 12 + 30 * visit)
        for later in (0, 4)[: rng.randint(1, 2)]:
            thing, service = record.name("contact"), rng.choice(SERVICES)
            for source in record.some(1, 2):
                start = begun + timedelta(hours=later, minutes=rng.randint(0, 12))
                code = record.coded(source, service)
                told = any(coding.system != PRIVATE for coding in code.codings)
                record.say(
                    source, Encounter, Label(thing, told=told), service, encounter_class=_class("AMB"), service=code,
                    period=since(instant(rng, start)), service_provider="Clinic",
                )  # fmt: skip


def _documents(record: Record) -> None:
    """By master identifier or content; a second version is another document, and so is one of the same day and
    title."""
    rng = record.rng
    for letter in range(3):
        date = on(ago(10 + 20 * letter))
        for version in range(rng.randint(1, 2)):
            thing = record.name("letter")
            master = (number("https://documents.example", f"{rng.randrange(10**9)}"),)
            content = f"{rng.randrange(16**40):040x}"
            by_hash = rng.random() < 0.4
            for source in record.some(1, 3):
                record.say(
                    source, DocumentReference, Label(thing), status="current", date=date,
                    description="Clinic letter", identifiers=() if by_hash else master,
                    contents=(Attachment(content_type="application/pdf", hash=content if by_hash else None),),
                    document_status=("final", "amended")[version],
                )  # fmt: skip


def _numbered(record: Record) -> None:
    """Same by their number; without one, or with the same number of another issuer, each stays alone."""
    rng = record.rng
    kinds: tuple[tuple[type[Fact], Concept | None, dict[str, Any]], ...] = (
        (Flag, ALERT, {"status": "active"}),
        (CarePlan, None, {"title": "Care plan", "status": "active"}),
        (DiagnosticReport, TESTS[0], {"status": "final", "effective": since(on(ago(33)))}),
        (ServiceRequest, SERVICES[2], {"status": "active", "authored": on(ago(44))}),
    )
    for kind, concept, fields in kinds:
        value = str(rng.randrange(10**6))
        thing = record.name(kind.__name__)
        for source in record.some(2, 3):
            said = {**fields, "code": record.coded(source, concept)} if concept else fields
            ids = (number("https://numbers.example", value),)
            record.say(source, kind, Label(thing), concept, identifiers=ids, **said)
        source = rng.choice(CLINICS)
        said = {**fields, "code": record.coded(source, concept)} if concept else fields
        other = (number("https://other.example", value),) if rng.random() < 0.5 else ()
        record.say(source, kind, Label(record.name(kind.__name__), told=False), concept, identifiers=other, **said)
