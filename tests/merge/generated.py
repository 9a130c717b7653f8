"""Facts of one person from several sources, drawn from small pools so that they meet often. For the properties of the
merge."""

from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from msgspec import structs

from schema.model.clinical import (
    AllergyIntolerance,
    Appointment,
    Condition,
    Consent,
    DiagnosticReport,
    DocumentReference,
    Encounter,
    Immunization,
    Medication,
    MedicationKind,
    Observation,
    ObservationComponent,
    Patient,
    Polarity,
    Procedure,
    Reaction,
    RelatedPerson,
    SocialHistory,
)
from schema.model.fact import Fact
from schema.model.values import Attachment, CodeableConcept, Coding, ContactPoint, HumanName
from schema.model.view import SourceFact
from tests.merge.making import DMD, READ, RETRIEVED, SCT, TERMS, amount, at, coded, number, said, since, words

SOURCES = "abcd"


def maybe(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from((None, *values))


LAB = "urn:lab:codes"
"""A laboratory's own codes, some of which a supplied map explains: EQ- is the same concept, WIDE- a broader one."""
CODES: dict[type[Fact], tuple[str, tuple[str, ...]]] = {
    AllergyIntolerance: (SCT, ("91936005", "716186003", "409137002", "372687004", "764146007")),
    Condition: (SCT, ("44054006", "128045006")),
    Medication: (DMD, ("1003", "1001", "1002")),
    Immunization: (SCT, ("1181000221105",)),
    Procedure: (SCT, ("36777000",)),
    DiagnosticReport: (SCT, ("26604007", "997531000000108")),
    Observation: (SCT, ("27113001", "78564009")),
}


def _line(code: str, named: str, relation: str) -> dict[str, Any]:
    return {"code": f"{named}-{code}", "target": [{"code": code, "equivalence": relation}]}


MAPPED = TERMS.extended(
    concept_maps=[
        {
            "resourceType": "ConceptMap",
            "group": [
                {
                    "source": LAB,
                    "target": system,
                    "element": [_line(codes[0], "EQ", "equivalent"), _line(codes[0], "WIDE", "wider")],
                }
                for system, codes in CODES.values()
            ],
        }
    ]
)
"""The terminology under which generated facts are merged."""


def concepts(kind: type[Fact]) -> st.SearchStrategy[CodeableConcept | None]:
    """In half of all facts an exact code; else another system's, a laboratory's, the sender's own, or none."""
    system, codes = CODES[kind]
    exact = [coded(code, system, "Something") for code in codes]
    other = [
        coded(f"EQ-{codes[0]}", LAB, "Something"),
        coded(f"WIDE-{codes[0]}", LAB, "Something"),
        coded("C10F.", READ, "Something"),
        coded(codes[0], "urn:trust:codes", "Something"),
        coded(codes[0], "L", "Something"),
        coded(codes[0], None),
        words("Something"),
        CodeableConcept(codings=(Coding(system=system, code=codes[0]), Coding(system=READ, code="C10F."))),
        CodeableConcept(codings=(Coding(system=system, code=codes[-1]), Coding(system=READ, code="C10F."))),
    ]
    return st.sampled_from(exact) | st.sampled_from([*other, None])


DAYS = st.sampled_from(
    [None]
    + [
        at(text)
        for text in (
            "2026-01-01",
            "2026-01-01",
            "2026-01-02",
            "2026-01-02",
            "2026-01-09",
            "2026-01-15",
            "2026-01-20",
            "2026-01-30",
            "2026-03-20",
            "2020-01-01",
        )
    ]
    + [at(text) for text in ("2026", "2026-01", "2026-01-01T10:00:00Z", "2026-01-02T00:30:00+01:00")]
)
INSTANTS = st.sampled_from(
    [None, since("2026-01-01"), since("2026-01"), since("2026-10-25T01:30:00")]
    + [since(f"2026-01-01T10:{minute:02d}:00Z") for minute in (0, 0, 4, 8, 12, 16, 46)]
)
NUMBERS = st.sampled_from(
    [
        (),
        (),
        (number("1"),),
        (number("2"),),
        (number("1"), number("2")),
        (number("1", "urn:oid:9"),),
        (number("1", None),),
        (number("1", kind="VN"),),
        (number("7", kind="REF"),),
    ]
)
PERIODS = DAYS.map(lambda when: since(when.text) if when else None)
SITES = st.sampled_from([(), (words("Left foot"),), (words("Right foot"),), (coded("22335008", display="Foot"),)])

RESTRICTED = Coding(system="http://terminology.hl7.org/CodeSystem/v3-Confidentiality", code="R")

BASE: dict[str, st.SearchStrategy[Any]] = {
    "entered_in_error": st.sampled_from([False] * 15 + [True]),
    "recorded": DAYS,
    "identifiers": NUMBERS,
    "security_labels": st.sampled_from([(), (), (), (RESTRICTED,)]),
}
POLARITY = st.sampled_from([Polarity.PRESENT] * 3 + [Polarity.ABSENT])
FIELDS: dict[type[Fact], dict[str, st.SearchStrategy[Any]]] = {
    AllergyIntolerance: {
        "code": concepts(AllergyIntolerance),
        "polarity": POLARITY,
        "clinical_status": maybe("active", "resolved", "inactive"),
        "verification_status": maybe("confirmed", "unconfirmed", "refuted"),
        "criticality": maybe("low", "high", "unable-to-assess"),
        "type": maybe("allergy", "intolerance"),
        "categories": st.sampled_from([(), ("food",), ("medication",)]),
        "reactions": st.sampled_from(
            [(), (Reaction(manifestations=(words("rash"),)),), (Reaction(manifestations=(coded("1"),)),)]
        ),
    },
    Condition: {
        "code": concepts(Condition),
        "polarity": POLARITY,
        "clinical_status": maybe("active", "resolved", "inactive"),
        "verification_status": maybe("confirmed", "provisional", "refuted"),
        "onset": DAYS,
        "body_sites": SITES,
        "categories": st.sampled_from([(), (), (coded("family-history", "urn:x"),)]),
    },
    Medication: {
        "kind": st.sampled_from([*[MedicationKind.STATEMENT] * 3, *MedicationKind]),
        "code": concepts(Medication),
        "status": maybe("active", "stopped", "completed"),
        "effective": PERIODS,
        "dose": maybe(amount("75", "mg"), amount("150", "mg"), amount("0.15", "g")),
        "dosage": maybe("Take ONE daily", "Take TWO daily"),
        "frequency": maybe("od", "once daily", "bd"),
        "brand": maybe("Efexor"),
        "intent": maybe("plan", "order"),
        "issues": maybe(2),
        "based_on": st.sampled_from([(), ("Medication/0",)]),
    },
    Immunization: {
        "vaccine_code": concepts(Immunization),
        "status": maybe("completed", "not-done"),
        "occurrence": DAYS,
        "dose_number": maybe("1", "2"),
    },
    Procedure: {
        "code": concepts(Procedure),
        "status": maybe("completed", "not-done", "preparation"),
        "performed": PERIODS,
        "body_sites": SITES,
    },
    Encounter: {
        "encounter_class": maybe(coded("IMP"), coded("EMER")),
        "service": maybe(words("Cardiology")),
        "service_provider": maybe("Trust A", "trust a"),
        "period": INSTANTS,
        "part_of": maybe("Encounter/0"),
    },
    DocumentReference: {
        "contents": st.sampled_from([(), (Attachment(hash="x"),), (Attachment(hash="x"), Attachment(hash="y"))]),
        "date": DAYS,
        "replaces": st.sampled_from([(), ("DocumentReference/0",)]),
    },
    DiagnosticReport: {"code": concepts(DiagnosticReport), "status": maybe("final", "cancelled")},
    Appointment: {"status": maybe("booked", "cancelled"), "period": PERIODS},
    Consent: {"decision": maybe("permit", "deny")},
    RelatedPerson: {
        "names": st.sampled_from([(), (HumanName(family="Fennimarsh"),)]),
        "telecom": st.sampled_from([(), (ContactPoint(value="07700 900182"),)]),
    },
    Patient: {"deceased": maybe(True, False)},
}
RESULT: dict[str, st.SearchStrategy[Any]] = {
    "code": concepts(Observation),
    "effective": INSTANTS,
    "value_quantity": maybe(
        *(amount(value, unit) for value in ("72", "72.4", "72.40", "72.9", "0") for unit in ("kg", "g")),
        amount("72", "kg", "<"),
    ),
    "components": st.sampled_from([(), (), (ObservationComponent(code=coded("1"), value_quantity=amount("1", "kg")),)]),
    "patient_reported": st.booleans(),
    "specimen": maybe("urn:lab|S1", "S1"),
    "specimen_type": maybe(coded("119364003"), coded("119297000")),
    "device": maybe("Scales"),
    "status": maybe("final", "cancelled"),
}
FIELDS[Observation] = FIELDS[SocialHistory] = RESULT
KINDS = tuple(FIELDS)
TELLING = frozenset({"code", "polarity", "onset", "occurrence", "performed", "effective", "dose", "value_quantity"})
"""By these the merge tells facts apart more than by others: one of them is what changes in every second record."""


@st.composite
def one_persons_facts(draw: st.DrawFn, kind: type[Fact] | None = None, most: int = 8) -> list[SourceFact[Any]]:
    """Facts of one type, in any order; now and then of a second registration, corrected, or in two versions."""
    kind = kind or draw(st.sampled_from(KINDS))
    fields = all_fields(kind)
    drawn = draw(st.lists(st.tuples(st.sampled_from(SOURCES), st.fixed_dictionaries(fields)), max_size=most - 4))
    # Stating one thing again in other sources, at most one field changed, is what a merge is for: without this few
    # facts would be nearly the same. One field for all of them, so that three can be a chain.
    names = list(FIELDS[kind])
    telling = [one for one in names if one in TELLING] or names
    name = draw(st.sampled_from([None, *names]) | st.sampled_from(telling))
    others = [source for source in SOURCES if drawn and source != drawn[0][0]]
    for source in draw(st.sets(st.sampled_from(others))) if others else ():
        changed = {} if name is None else {name: draw(fields[name])}
        drawn.append((source, {**drawn[0][1], **changed}))
    facts: list[SourceFact[Any]] = []
    for place, (source, values) in enumerate(drawn):
        registration = draw(REGISTRATIONS)
        subject = f"{source}-{registration}"
        earlier = [one.fact.native_id for one in facts if one.fact.subject == subject]
        corrects = {"replaces": (earlier[0],)} if earlier and draw(CORRECTIONS) else {}
        fact = kind(native_id=f"{kind.__name__}/{place}", subject=subject, **{**values, **corrects})
        facts.append(said(source, fact, registration))
    if facts and draw(st.sampled_from([True, False, False, False])):
        facts.append(_later_version(draw, draw(st.sampled_from(facts)), fields))
    return facts


REGISTRATIONS = st.sampled_from([1] * 6 + [2])
CORRECTIONS = st.sampled_from([False, False, True])


def all_fields(kind: type[Fact]) -> dict[str, st.SearchStrategy[Any]]:
    return {**BASE, **FIELDS[kind]}


def _later_version(draw: st.DrawFn, one: SourceFact[Any], fields: dict[str, st.SearchStrategy[Any]]) -> SourceFact[Any]:
    """The same statement under the same id, received again with one thing changed, and perhaps its date of writing."""
    name = draw(st.sampled_from(list(fields)))
    fact = structs.replace(one.fact, **{name: draw(fields[name]), "recorded": draw(DAYS)})
    registration = int(one.provenance.local_patient_id[-1])
    return said(
        one.provenance.source.id, fact, registration, RETRIEVED + timedelta(minutes=draw(st.sampled_from([0, 1])))
    )
