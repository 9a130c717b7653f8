"""What the generated patient has had: problems, products, tests. Written to be varied; no terminology is to be taken
from here (`estate/README.md`)."""

from decimal import Decimal
from typing import NamedTuple

Term = tuple[str, str]
"""Code and display."""


class Measure(NamedTuple):
    """One test or reading: its LOINC code, its unit, and the ends of the usual range with the digits it is given in."""

    code: str
    display: str
    unit: str
    ucum: str
    low: Decimal
    high: Decimal


class Panel(NamedTuple):
    """Tests that are done on one sample."""

    code: str
    display: str
    measures: tuple[Measure, ...]


def _measure(code: str, display: str, unit: str, low: str, high: str, ucum: str = "") -> Measure:
    return Measure(code, display, unit, ucum or unit, Decimal(low), Decimal(high))


PANELS = (
    Panel(
        "58410-2",
        "Full blood count",
        (
            _measure("718-7", "Haemoglobin", "g/L", "130", "180"),
            _measure("6690-2", "White cell count", "10*9/L", "4.0", "11.0"),
            _measure("777-3", "Platelets", "10*9/L", "150", "400"),
            _measure("787-2", "Mean cell volume", "fL", "80.0", "100.0"),
        ),
    ),
    Panel(
        "24362-6",
        "Urea and electrolytes",
        (
            _measure("2951-2", "Sodium", "mmol/L", "133", "146"),
            _measure("2823-3", "Potassium", "mmol/L", "3.5", "5.3"),
            _measure("22664-7", "Urea", "mmol/L", "2.5", "7.8"),
            _measure("14682-9", "Creatinine", "umol/L", "59", "104"),
            _measure("62238-1", "Estimated GFR", "mL/min/1.73m2", "60", "120", "mL/min/{1.73_m2}"),
        ),
    ),
    Panel(
        "24325-3",
        "Liver function",
        (
            _measure("1742-6", "ALT", "U/L", "10", "50"),
            _measure("6768-6", "Alkaline phosphatase", "U/L", "30", "130"),
            _measure("14631-6", "Bilirubin", "umol/L", "3", "20"),
            _measure("1751-7", "Albumin", "g/L", "35", "50"),
        ),
    ),
    Panel("1988-5", "C-reactive protein", (_measure("1988-5", "C-reactive protein", "mg/L", "1.0", "9.0"),)),
    Panel("59261-8", "Haemoglobin A1c", (_measure("59261-8", "Haemoglobin A1c", "mmol/mol", "20", "60"),)),
    Panel(
        "24331-1",
        "Lipid profile",
        (
            _measure("14647-2", "Cholesterol", "mmol/L", "3.0", "6.0"),
            _measure("14646-4", "HDL cholesterol", "mmol/L", "0.90", "2.20"),
        ),
    ),
)

VITALS = (
    (
        _measure("8480-6", "Systolic blood pressure", "mmHg", "100", "150", "mm[Hg]"),
        _measure("8462-4", "Diastolic blood pressure", "mmHg", "60", "90", "mm[Hg]"),
    ),
    (_measure("8867-4", "Heart rate", "/min", "55", "95"),),
    (_measure("9279-1", "Respiratory rate", "/min", "12", "20"),),
    (_measure("59408-5", "Oxygen saturation", "%", "93", "99"),),
    (_measure("8310-5", "Body temperature", "Cel", "36.0", "37.8"),),
    (_measure("29463-7", "Body weight", "kg", "78.0", "92.0"),),
)
"""What a nurse reads at the bedside; the two halves of a blood pressure are one reading."""

PROBLEMS: tuple[Term, ...] = (
    ("38341003", "Hypertensive disorder"),
    ("44054006", "Type 2 diabetes mellitus"),
    ("84114007", "Heart failure"),
    ("709044004", "Chronic kidney disease"),
    ("13645005", "Chronic obstructive lung disease"),
    ("49436004", "Atrial fibrillation"),
    ("396275006", "Osteoarthritis"),
    ("90560007", "Gout"),
    ("40930008", "Hypothyroidism"),
    ("35489007", "Depressive disorder"),
    ("68566005", "Urinary tract infectious disease"),
    ("233604007", "Pneumonia"),
    ("128045006", "Cellulitis"),
    ("263102004", "Fracture of wrist"),
)
ALLERGENS: tuple[Term, ...] = (
    ("294505008", "Allergy to amoxicillin"),
    ("293586001", "Allergy to aspirin"),
    ("300916003", "Latex allergy"),
    ("91935009", "Allergy to peanut"),
    ("418689008", "Allergy to grass pollen"),
)
PRODUCTS: tuple[tuple[str, str, str], ...] = (
    ("902041000001106", "Amlodipine 5mg tablets", "5 mg once a day"),
    ("902031000001104", "Metformin 500mg tablets", "500 mg twice a day"),
    ("909811000001101", "Bisoprolol 2.5mg tablets", "2.5 mg once a day"),
    ("909821000001107", "Furosemide 40mg tablets", "40 mg in the morning"),
    ("909831000001109", "Apixaban 5mg tablets", "5 mg twice a day"),
    ("909841000001100", "Allopurinol 100mg tablets", "100 mg once a day"),
    ("909851000001102", "Atorvastatin 20mg tablets", "20 mg at night"),
    ("909861000001104", "Paracetamol 500mg tablets", "1 g up to four times a day"),
)
"""Code, display, and how it is taken."""
DOCUMENTS: tuple[Term, ...] = (
    ("373942005", "Discharge summary"),
    ("371525003", "Clinical procedure report"),
    ("823691000000103", "Clinical letter"),
)
IMAGING: tuple[Term, ...] = (
    ("DX", "Chest radiograph"),
    ("US", "Ultrasound of kidneys"),
    ("CT", "CT of abdomen"),
    ("MR", "MRI of lumbar spine"),
)
PROCEDURES: tuple[Term, ...] = (
    ("29303009", "Electrocardiographic procedure"),
    ("40701008", "Echocardiography"),
    ("36777000", "Debridement"),
    ("73761001", "Colonoscopy"),
)
SERVICES = ("Heart failure clinic", "Renal clinic", "General medicine", "Diabetes clinic", "Respiratory clinic")
