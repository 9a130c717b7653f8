"""Concepts as the bench's sources code them, the maps that join the codes, and a small drug dictionary.

Lasting conditions, statements of no allergy and drug allergens carry their real SNOMED CT codes, since the rules know
them by those; every other code and every product is invented.
"""

import random
from typing import Any

from msgspec import Struct

from gateway.merge import Terminology, delivered

SCT, ICD10, READ2 = "http://snomed.info/sct", "http://hl7.org/fhir/sid/icd-10", "http://read.info/readv2"
IPS = "http://hl7.org/fhir/uv/ips/CodeSystem/absent-unknown-uv-ips"
LOINC, UCUM = "http://loinc.org", "http://unitsofmeasure.org"
LOCAL = {name: f"https://codes.{name}.example" for name in ("gp", "hospital", "laboratory", "mental", "community")}
"""Each source's own code system: it means something to others only through a map."""
PRIVATE = "L"
"""HL7 v2's word for "a local code": the same word, and often the same code, for other things elsewhere."""


class Concept(Struct, frozen=True):
    """A thing that can be coded: what it is called, and its code in each shared system."""

    name: str
    codes: dict[str, str]
    ingredient: str | None = None
    """Of a product: two products of one ingredient can contradict each other, once a dictionary says so."""
    level: str = "VMP"
    brand: str | None = None
    strength: str | None = None
    form: str | None = None
    brand_critical: bool = False

    def local(self, source: str) -> str:
        """Its code in that source's own system."""
        return f"{source[:2].upper()}-{self.name.replace(' ', '-')[:40]}"


def _known(letter: str, *rows: tuple[str, str, str | None]) -> list[Concept]:
    return [
        Concept(name, {SCT: sct, READ2: f"{letter}{place:02}..", **({ICD10: icd10} if icd10 else {})})
        for place, (name, sct, icd10) in enumerate(rows)
    ]


def _invented(start: int, letter: str, *names: str, shared: tuple[str, ...] = (SCT, READ2)) -> list[Concept]:
    forms = {SCT: "90{}", READ2: letter + "{}.", ICD10: letter + "{}", LOINC: "{}-9"}
    return [
        Concept(name, {system: forms[system].format(start + place) for system in shared})
        for place, name in enumerate(names)
    ]


LASTING = _known(
    "R",
    ("type 2 diabetes", "44054006", "E11.9"),
    ("asthma", "195967001", "J45.9"),
    ("COPD", "13645005", "J44.9"),
    ("essential hypertension", "59621000", "I10"),
    ("epilepsy", "84757009", "G40.9"),
    ("atrial fibrillation", "49436004", "I48.9"),
    ("hypothyroidism", "40930008", "E03.9"),
    ("gout", "90560007", "M10.9"),
    ("rheumatoid arthritis", "69896004", "M06.9"),
    ("recurrent depression", "191616006", "F33.9"),
    ("alcohol dependence", "66590003", "F10.2"),
    ("coeliac disease", "396331005", "K90.0"),
)
COARSE = {
    "type 2 diabetes": Concept("diabetes mellitus", {SCT: "73211009", READ2: "C10..", ICD10: "E14.9"}),
    "essential hypertension": Concept("hypertension", {SCT: "38341003", READ2: "G2...", ICD10: "I15.9"}),
    "recurrent depression": Concept("depressive disorder", {SCT: "35489007", READ2: "E2B..", ICD10: "F32.9"}),
}
"""What a source says that knows less exactly: a broader concept."""
JOINT = Concept("osteoarthritis", {SCT: "396275006", READ2: "N05..", ICD10: "M19.9"})
EPISODIC = _invented(
    1000, "H", "pneumonia", "urinary infection", "cellulitis", "otitis media", "sprained ankle", "tonsillitis",
    "gastroenteritis", "sinusitis", shared=(SCT, READ2, ICD10),
)  # fmt: skip
DRUG_ALLERGENS = _known(
    "A",
    ("penicillin", "764146007", None),
    ("codeine", "387494007", None),
    ("ibuprofen", "387207008", None),
    ("morphine", "373529000", None),
)
AMOXICILLIN = Concept("amoxicillin", {SCT: "372687004", READ2: "TJ0.."})
OTHER_ALLERGENS = _invented(1100, "Z", "house dust", "latex", "grass pollen", "cat dander", "shellfish", "sesame")
NO_ALLERGY = Concept("no known allergies", {SCT: "716186003", IPS: "no-known-allergies"})
NO_DRUG_ALLERGY = Concept("no known drug allergies", {SCT: "409137002", IPS: "no-known-medication-allergies"})
NO_FOOD_ALLERGY = Concept("no known food allergies", {SCT: "429625007", IPS: "no-known-food-allergies"})
TESTS = _invented(
    1200, "4", "potassium", "sodium", "creatinine", "haemoglobin", "white cells", "C-reactive protein", "ALT",
    "glucose", "HbA1c", "TSH", shared=(SCT, LOINC, READ2),
)  # fmt: skip
SIGNS = _invented(1300, "2", "weight", "heart rate", "temperature", "oxygen saturation", "height")
PRESSURE, SYSTOLIC, DIASTOLIC, CULTURE, SCORE = _invented(
    1400, "3", "blood pressure", "systolic pressure", "diastolic pressure", "urine culture", "early warning score"
)
VACCINES = _invented(1500, "V", "influenza vaccine", "COVID-19 vaccine", "pneumococcal vaccine", "tetanus vaccine")
PROCEDURES = _invented(
    1600, "P", "cataract extraction", "total hip replacement", "carpal tunnel release", "colonoscopy", "appendicectomy"
)
SERVICES = _invented(1700, "S", "general medicine", "cardiology", "ophthalmology")
ALERT = Concept("risk of falls", {SCT: "901800", READ2: "F1800."})

_DRUGS = (
    ("metformin", "500 mg", "tablet"), ("amlodipine", "5 mg", "tablet"), ("ramipril", "2.5 mg", "capsule"),
    ("sertraline", "50 mg", "tablet"), ("atorvastatin", "20 mg", "tablet"), ("omeprazole", "20 mg", "capsule"),
    ("apixaban", "5 mg", "tablet"), ("levothyroxine", "100 microgram", "tablet"),
)  # fmt: skip
PLAIN = [
    Concept(f"{drug.title()} {strength} {form}s", {SCT: f"70{place:02}", READ2: f"d{place:02}.."}, drug, "VMP", None,
            strength, form)
    for place, (drug, strength, form) in enumerate(_DRUGS)
]  # fmt: skip
ACUTE = [
    Concept(f"{drug} 500 mg capsules", {SCT: f"71{place:02}", READ2: f"e{place:02}.."}, drug.lower(), "VMP", None,
            "500 mg", "capsule")
    for place, drug in enumerate(("Amoxicillin", "Flucloxacillin", "Clarithromycin"))
]  # fmt: skip
BRANDED = [
    (
        Concept(generic, {SCT: f"72{place}0"}, drug, "VMP", None, strength, form, True),
        [
            Concept(f"{brand} {strength} {form}", {SCT: f"72{place}{n}"}, drug, "AMP", brand, strength, form, True)
            for n, brand in enumerate(brands, 1)
        ],
    )
    for place, (drug, generic, strength, form, brands) in enumerate(
        (
            ("insulin glargine", "Insulin glargine 100 units/ml pens", "100 unit/mL", "pen", ("Lantus", "Abasaglar")),
            ("lithium", "Lithium carbonate 400 mg modified-release tablets", "400 mg", "m/r tablet",
             ("Priadel", "Camcolit")),
            ("tacrolimus", "Tacrolimus 1 mg capsules", "1 mg", "capsule", ("Prograf", "Adoport")),
            ("carbamazepine", "Carbamazepine 200 mg tablets", "200 mg", "tablet", ("Tegretol", "Curatil")),
            ("fentanyl", "Fentanyl 25 micrograms/hour transdermal patches", "25 microgram/h", "patch",
             ("Durogesic", "Matrifen")),
            ("venlafaxine", "Venlafaxine 150 mg modified-release capsules", "150 mg", "m/r capsule",
             ("Efexor XL", "Vensir XL")),
        )
    )
]  # fmt: skip
"""Medicines whose brands must not be taken for each other: (generic product, its brands)."""

PRODUCTS = [*PLAIN, *ACUTE, *(one for generic, brands in BRANDED for one in (generic, *brands))]
MAPPED = [
    *LASTING, *COARSE.values(), JOINT, *EPISODIC, *DRUG_ALLERGENS, AMOXICILLIN, *OTHER_ALLERGENS, NO_ALLERGY,
    NO_DRUG_ALLERGY, NO_FOOD_ALLERGY, *TESTS, *SIGNS, PRESSURE, SYSTOLIC, DIASTOLIC, CULTURE, SCORE, *VACCINES,
    *PROCEDURES, *SERVICES, ALERT, *PRODUCTS,
]  # fmt: skip


class Knowledge(Struct, frozen=True):
    """What a deployment supplied: the terminology as the merge takes it, and the same as the labels need it."""

    terms: Terminology
    meaning: dict[tuple[str, str], str]
    """(system, code) -> what a supplied map says it is, or the code itself in a system that all share."""
    products: frozenset[str]
    """Names of the products in the dictionary."""


def knowledge(coverage: float) -> Knowledge:
    """With maps for this share of all codes (0 to 1) and as large a part of the dictionary."""
    rng = random.Random(7)
    lines = [
        ((system, code), (SCT, one.codes[SCT]), one.name)
        for one in MAPPED
        for system, code in [
            *((system, code) for system, code in one.codes.items() if system != SCT),
            *((LOCAL[source], one.local(source)) for source in LOCAL),
        ]
    ]
    supplied = [line for line in lines if rng.random() < coverage]
    broader = [
        ((SCT, one.codes[SCT]), (SCT, COARSE[one.name].codes[SCT]))
        for one in LASTING
        if one.name in COARSE and rng.random() < coverage
    ]
    listed = [one for one in PRODUCTS if rng.random() < coverage]
    return Knowledge(
        terms=delivered().extended(
            products=[_row(one) for one in listed],
            concept_maps=[
                *(_map(one, to, "equivalent") for one, to, _ in supplied),
                *(_map(one, to, "wider") for one, to in broader),
            ],
        ),
        meaning={(SCT, one.codes[SCT]): one.name for one in MAPPED}
        | {one: name for one, _, name in supplied}
        | {(IPS, one.codes[IPS]): one.name for one in (NO_ALLERGY, NO_DRUG_ALLERGY, NO_FOOD_ALLERGY)},
        products=frozenset(one.name for one in listed),
    )


def _map(one: tuple[str, str], to: tuple[str, str], relation: str) -> dict[str, Any]:
    """One line of a FHIR R4 ConceptMap."""
    element = {"code": one[1], "target": [{"code": to[1], "equivalence": relation}]}
    group = {"source": one[0], "target": to[0], "element": [element]}
    return {"resourceType": "ConceptMap", "status": "active", "group": [group]}


def _row(one: Concept) -> dict[str, Any]:
    """As a row of a dm+d extract."""
    return {
        "code": one.codes[SCT],
        "level": one.level,
        "name": one.name,
        "vtmName": one.ingredient,
        "strength": one.strength,
        "form": one.form,
        "brand": one.brand,
        "brandCritical": one.brand_critical,
    }
