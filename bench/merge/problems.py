"""Invented allergies and conditions. MERGE.md section 2, the rows AllergyIntolerance and Condition."""

from datetime import date, timedelta
from typing import Any

from bench.merge.record import CLINICS, Claimed, Label, Record, ago, on
from bench.merge.vocabulary import (
    AMOXICILLIN,
    COARSE,
    DRUG_ALLERGENS,
    EPISODIC,
    JOINT,
    LASTING,
    NO_ALLERGY,
    NO_DRUG_ALLERGY,
    NO_FOOD_ALLERGY,
    OTHER_ALLERGENS,
    SCT,
    Concept,
)
from schema.model.clinical import AllergyIntolerance, Condition, Polarity, Reaction
from schema.model.values import CodeableConcept, Coding

_SITES = {"left": "7771000", "right": "24028007"}
_CONTRADICTIONS: tuple[tuple[dict[str, Any], dict[str, Any]], ...] = (
    ({"clinical_status": "active"}, {"clinical_status": "resolved"}),
    ({"verification_status": "confirmed"}, {"verification_status": "refuted"}),
    ({"criticality": "high"}, {"criticality": "low"}),
    ({"type": "allergy"}, {"type": "intolerance"}),
    ({"reactions": ("anaphylaxis",)}, {"reactions": ("rash",)}),
)


def coded_word(word: str, code: str) -> CodeableConcept:
    return CodeableConcept(text=word, codings=(Coding(system=SCT, code=code, display=word),))


_REACTIONS = {"anaphylaxis": coded_word("Anaphylaxis", "39579001"), "rash": coded_word("Rash", "271807003")}


def allergies(record: Record) -> None:
    """Agreed, disputed, withdrawn and denied allergies; a class beside its member."""
    rng = record.rng
    drugs = rng.sample(DRUG_ALLERGENS, 3)
    others = rng.sample(OTHER_ALLERGENS, 3)
    live: list[tuple[Claimed, str]] = []
    for concept in (*drugs, *others):
        category = "medication" if concept in drugs else "food" if concept.name in ("shellfish", "sesame") else None
        category = category or "environment"
        thing = record.name(f"allergy to {concept.name}")
        one, other = rng.choice(_CONTRADICTIONS) if rng.random() < 0.3 else ({}, None)
        sources = record.some(2, 4)
        for place, source in enumerate(sources):
            odd = other is not None and place == len(sources) - 1
            said = {**one, **(other or {})} if odd else one
            says = "" if other is None else str(said)
            if not {"resolved", "refuted"} & set(map(str, said.values())):
                live.append(((thing, says), category))
            _allergy(record, source, Label(thing, says), concept, category, said)
        if rng.random() < 0.2:
            wrong = Label(record.name("withdrawn"), knows=(thing,))
            _allergy(record, rng.choice(sources), wrong, concept, category, {"entered_in_error": True})
        if concept is DRUG_ALLERGENS[0] and rng.random() < 0.6:
            _member(record, thing, sources)
    _denials(record, live)


def _allergy(record: Record, source: str, label: Label, concept: Concept, category: str, said: dict[str, Any]) -> None:
    """Active unless said otherwise; verification and dates are stated by some sources only."""
    rng = record.rng
    fields: dict[str, Any] = {"clinical_status": "active", "categories": (category,)}
    if rng.random() < 0.5:
        fields["verification_status"] = "confirmed"
    if rng.random() < 0.5:
        fields["onset"] = on(ago(rng.randint(400, 9000)), rng.choice((4, 7, 10)))
    if rng.random() < 0.5:
        fields["recorded"] = on(ago(rng.randint(1, 400)))
    fields |= said
    if "reactions" in said:
        fields["reactions"] = tuple(
            Reaction(manifestations=(_REACTIONS[name],), description=name) for name in said["reactions"]
        )
    record.say(source, AllergyIntolerance, label, concept, code=record.coded(source, concept), **fields)


def _member(record: Record, penicillins: str, sources: list[str]) -> None:
    """Another source knows which penicillin: shown together, never merged."""
    member = record.name("allergy to amoxicillin")
    others = [name for name in CLINICS if name not in sources]
    for source in others[:1]:
        label = Label(member, knows=(penicillins,))
        _allergy(record, source, label, AMOXICILLIN, "medication", {})
    record.imply(penicillins, member)


def _denials(record: Record, live: list[tuple[Claimed, str]]) -> None:
    """Statements that there is none: each contradicts every live allergy of the kind that it denies, and nothing
    else."""
    rng = record.rng
    concept, denied = rng.choice(
        (
            (NO_ALLERGY, {"medication", "food", "environment"}),
            (NO_DRUG_ALLERGY, {"medication"}),
            (NO_FOOD_ALLERGY, {"food"}),
        )
    )
    if rng.random() < 0.5:
        return
    thing = record.name(concept.name)
    for source in record.some(1, 2):
        record.say(
            source,
            AllergyIntolerance,
            Label(thing),
            concept,
            code=record.coded(source, concept),
            polarity=Polarity.ABSENT,
            clinical_status="active",
        )
    for claim, category in live:
        if category in denied:
            record.dispute((thing, ""), claim)


def conditions(record: Record) -> None:
    """Lasting conditions, episodes that recur, sides, relatives' illnesses and suspicions."""
    for concept in record.rng.sample(LASTING, 5):
        _lasting(record, concept)
    for concept in record.rng.sample(EPISODIC, 4):
        _episodes(record, concept)
    if record.rng.random() < 0.5:
        _both_knees(record)


def _lasting(record: Record, concept: Concept) -> None:
    """The year of onset differs between sources and does not matter; what they claim does."""
    rng = record.rng
    thing = record.name(concept.name)
    sources = record.some(2, 4)
    one, other = rng.choice(
        (
            ({"clinical_status": "active"}, None),
            ({"clinical_status": "active"}, None),
            ({"clinical_status": "active"}, {"clinical_status": "resolved"}),
            ({"verification_status": "confirmed"}, {"verification_status": "refuted"}),
            ({"verification_status": "confirmed"}, {"verification_status": "differential"}),
        )
    )
    for place, source in enumerate(sources):
        odd = other is not None and place == 0
        said = other if other is not None and odd else one
        onset = on(ago(rng.randint(1000, 8000)), rng.choice((4, 7, 10))) if rng.random() < 0.7 else None
        label = Label(thing, str(said) if other is not None else "")
        known = COARSE.get(concept.name)
        if known is not None and not odd and rng.random() < 0.08:
            concept_said, label = known, Label(record.name("coarse"), knows=(thing,))
        else:
            concept_said = concept
        _condition(record, source, label, concept_said, onset=onset, **said)
    if rng.random() < 0.15:
        code = record.coded("gp", concept)
        relative = (coded_word("Family history", "57177007"),)
        label = Label(record.name("a relative's " + concept.name))
        record.say("gp", Condition, label, concept, code=code, categories=relative)
    if rng.random() < 0.1:
        wrong = Label(record.name("withdrawn"), knows=(thing,))
        _condition(record, sources[-1], wrong, concept, entered_in_error=True)


def _condition(record: Record, source: str, label: Label, concept: Concept, **fields: Any) -> None:
    record.say(source, Condition, label, concept, code=record.coded(source, concept), **fields)


def _episodes(record: Record, concept: Concept) -> None:
    """Weeks apart at least; sources put one episode up to seven days apart. Undated, it could be any of them."""
    rng = record.rng
    day, things = ago(rng.randint(20, 60) + rng.choice((0, 300))), []
    for _ in range(rng.randint(1, 3)):
        day -= timedelta(days=rng.randint(30, 500))
        thing = record.name(concept.name)
        things.append(thing)
        for source in record.some(1, 3):
            _condition(record, source, Label(thing), concept, onset=on(_near(record, day)))
    if rng.random() < 0.3:
        label = Label(record.name("undated " + concept.name), told=False, knows=tuple(things))
        _condition(record, rng.choice(("gp", "community")), label, concept)
    if rng.random() < 0.2:
        label = Label(things[-1], told=False)
        _condition(record, "community", label, concept, onset=on(day, 7))


def _near(record: Record, day: date) -> date:
    return day + timedelta(days=record.rng.randint(-3, 4))


def _both_knees(record: Record) -> None:
    """The same lasting condition on two sides of the body is two conditions."""
    for side, code in _SITES.items():
        thing = record.name(f"{side} knee")
        for source in record.some(1, 2):
            _condition(
                record, source, Label(thing), JOINT, body_sites=(coded_word(f"{side} knee", code),),
                clinical_status="active",
            )  # fmt: skip
