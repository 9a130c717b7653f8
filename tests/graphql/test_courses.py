"""What the ward asks of each medicine: last issued, last dispensed, last given. Written by hand from the raw records.

The practice states its last issue (gp/records/9994071009.json, MedicationStatementLastIssueDate), the pharmacy what was
collected (pharmacy/dispenses.json), the ward what it gave (epr/4471902.json, MedicationAdministration).
"""

from tests.graphql.conftest import Running

EVENT = "{ when { value } source { id } }"
QUESTION = f"""medications {{ entries(first: 500) {{ nodes {{
  facts {{ provenance {{ source {{ id }} nativeId }} }}
  course {{ lastIssued {EVENT} lastDispensed {EVENT} lastGiven {EVENT} }}
}} }} }}"""

NOTHING = (None, None, None)
COURSES = {
    # Issued 21 days before; D1093 collected, D1122 not; the ward gave plain tablets, which are another product.
    "gp:MedicationStatement/ms-venlafaxine": ("2026-02-24 gp", "2026-02-26 pharmacy", None),
    "epr:MedicationRequest/mr-venlafaxine": ("2026-03-16 epr", None, "2026-03-16 epr"),
    # The pharmacy still hands out Lantus, six days ago; nobody has dispensed the clinic's Toujeo, whose only
    # order is the ward's (orders_join_courses: it is a part of the course).
    "gp:MedicationStatement/ms-lantus": ("2026-02-10 gp", "2026-03-11 pharmacy", None),
    "diabetes:Medication/2467": ("2026-03-16 epr", None, None),
    # Ended before either supply of Lantus.
    "diabetes:Medication/2201": NOTHING,
    "gp:MedicationStatement/ms-metformin": ("2026-01-31 gp", "2026-02-01 pharmacy", None),
    "gp:MedicationStatement/ms-amlodipine": ("2026-01-24 gp", None, None),
    "epr:MedicationRequest/mr-amlodipine": ("2026-03-16 epr", None, None),
    "epr:MedicationRequest/mr-chlordiazepoxide": ("2026-03-16 epr", None, "2026-03-16 epr"),
    "ooh:Medication/M-2": NOTHING,
}


async def test_the_ward_sees_when_each_medicine_was_last_issued_dispensed_and_given(gateway: Running) -> None:
    record = await gateway.record(QUESTION)
    told = {}
    for entry in record["medications"]["entries"]["nodes"]:
        for fact in entry["facts"]:
            said_by = fact["provenance"]
            told[f"{said_by['source']['id']}:{said_by['nativeId']}"] = entry["course"]
    for name, expected in COURSES.items():
        course = told[name]
        events = [course[kind] for kind in ("lastIssued", "lastDispensed", "lastGiven")]
        assert tuple(e and f"{e['when']['value'][:10]} {e['source']['id']}" for e in events) == expected, name
    assert told["epr:MedicationAdministration/ma-venlafaxine"] is None, "a dose is no course"
