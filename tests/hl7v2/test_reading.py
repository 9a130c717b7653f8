"""Answers to facts and gaps: what each field becomes, and that nothing is invented, mixed up or lost."""

from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from adapters.hl7v2 import Hl7v2Adapter
from adapters.sdk import NHS_NUMBER, SourceInvalid, SourceRecord
from schema.model.clinical import (
    AllergyIntolerance,
    Condition,
    DiagnosticReport,
    Encounter,
    Observation,
    Patient,
    Polarity,
    RelatedPerson,
)
from schema.model.fact import Fact, Gap, GapKind
from schema.model.values import CautionCode
from schema.model.when import Precision

F = TypeVar("F", bound=Fact)
Build = Callable[..., Any]

PID = r"PID|1||9990000018^^^NHS^NH~55^^^LAB^MR2~771^^^RBI^MR||QUILL\T\FEATHER^Michael^Aubrey^^Mr^^L||195806|M"


def seg(name: str, **fields: str) -> str:
    """A segment from its fields by number: `seg("PV1", f2="I")`."""
    at = {int(key[1:]): value for key, value in fields.items()}
    return "|".join([name, *(at.get(number, "") for number in range(1, max(at) + 1))])


@pytest.fixture
def read(adapter: Build, record: Build) -> Build:
    def run(
        body: str, *, kind: str = "ADR^A19", types: tuple[str, ...] = ("Patient",), **more: Any
    ) -> list[Fact | Gap]:
        encoding = {key: more.pop(key) for key in ("charset", "codec") if key in more}
        # Of an adapter whose other questions answer none of the types that are read here.
        more.setdefault("queries", ("results",) if kind == "ADR^A19" else ("demographics",))
        return list(adapter(**more).read(record(body, kind, types, **encoding)))

    return run


def of(items: list[Fact | Gap], kind: type[F]) -> list[F]:
    return [item for item in items if isinstance(item, kind)]


def gaps(items: list[Fact | Gap]) -> list[tuple[GapKind, str | None, str | None, int]]:
    return [(g.kind, g.fact_type, g.at, g.count) for g in items if isinstance(g, Gap)]


def test_demographics_are_read_as_stated(read: Build) -> None:
    (person,) = of(read(PID), Patient)
    assert person.native_id == person.subject == "Patient/771"
    (name,) = person.names
    assert (name.family, name.given, name.prefix, name.use) == (
        "QUILL&FEATHER",
        ("Michael", "Aubrey"),
        ("Mr",),
        "official",
    )
    assert person.birth_date is not None
    assert (person.birth_date.value, person.birth_date.precision) == ("1958-06", Precision.MONTH)
    assert (person.gender, person.deceased) == ("male", None)


@pytest.mark.parametrize("order", ["771^^^RBI^MR~9990000018^^^NHS^NH", "9990000018^^^NHS^NH~771^^^RBI^MR"])
def test_the_order_of_identifiers_decides_nothing(order: str, read: Build) -> None:
    (person,) = of(read(f"PID|1||{order}"), Patient)
    assert person.native_id == "Patient/771"
    assert {(i.system, i.value) for i in person.identifiers} == {(None, "771"), (NHS_NUMBER, "9990000018")}


@pytest.mark.parametrize(
    ("status", "verified"),
    [("NSTS01", True), ("NSTS02", False), ("NSTS08", False), ("", None), ("NSTS01~NSTS03", False)],
)
def test_only_status_01_verifies_a_number_and_no_status_says_nothing(
    status: str, verified: bool | None, read: Build
) -> None:
    pid = "PID|1||771^^^RBI^MR~999 000 0018^^^NHS^NH" + "|" * 29 + status
    (person,) = of(read(pid), Patient)
    assert [(i.type, i.value, i.verified) for i in person.identifiers] == [
        ("MR", "771", None),
        ("NH", "9990000018", verified),
    ]


@pytest.mark.parametrize("pid3", ["", "9990000018^^^NHS^NH", "1^^^A^MR~2^^^B^MR", '""'])
def test_a_person_whose_own_number_is_not_certain_is_said_to_be_unreadable(pid3: str, read: Build) -> None:
    items = read(f"PID|1||{pid3}||A^B\rPV1|1|I".replace("\r", "\n"), types=("Patient", "Encounter"))
    assert gaps(items) == [(GapKind.UNREADABLE, None, "PID-3", 1)]
    assert len(items) == 1


def test_configured_authority_tells_two_hospitals_apart(read: Build) -> None:
    items = read("PID|1||1^^^A^MR~2^^^B^MR~3^^^B^AN", mrn_authority="B", mrn_system="https://b.example/mrn")
    (person,) = of(items, Patient)
    assert person.native_id == "Patient/2"
    assert [i.system for i in person.identifiers] == [None, "https://b.example/mrn", "https://b.example/mrn"]


def test_explicit_null_is_nothing_and_never_text(read: Build) -> None:
    null = '""'
    lines = [
        seg("PID", f1="1", f3="771^^^RBI^MR", f5='""^""', f7=null, f8=null, f11=null, f13=null, f29=null, f30=null),
        seg("NK1", f1="1", f2=null, f3=null),
        seg("PV1", f1="1", f2="I", f3='""^""', f19="V1", f44="20260101", f45=null),
        seg("AL1", f1="1", f2="DA", f3=null),
        seg("DG1", f1="1", f3=null, f4=null),
    ]
    body = "\n".join(lines)
    items = read(body, types=("Patient", "RelatedPerson", "Encounter", "AllergyIntolerance", "Condition"))
    assert '""' not in repr(items)
    (person,) = of(items, Patient)
    assert (person.names, person.birth_date, person.gender, person.addresses, person.telecom) == (
        (),
        None,
        None,
        (),
        (),
    )
    assert of(items, RelatedPerson) == of(items, AllergyIntolerance) == of(items, Condition) == []
    (stay,) = of(items, Encounter)
    assert (stay.location, stay.status) == (None, "in-progress")
    assert {g[1] for g in gaps(items)} == {"RelatedPerson", "AllergyIntolerance", "Condition"}
    assert {g[0] for g in gaps(items)} == {GapKind.NOT_RECORDED}


def test_twins_in_one_answer_keep_their_own_facts(read: Build) -> None:
    body = "\n".join(
        [
            seg("PID", f1="1", f3="1^^^RBI^MR", f5="FENN^Louise", f7="19310902", f24="Y"),
            "NK1|1|FENN^Ada|MTH",
            seg("PV1", f1="1", f2="I", f19="V1"),
            seg("PID", f1="2", f3="2^^^RBI^MR", f5="FENN^Louisa", f7="19310902", f24="Y"),
            seg("PV1", f1="1", f2="O", f19="V2"),
            "AL1|1|DA|P^Penicillin",
        ]
    )
    items = read(body)
    assert [(p.native_id, p.multiple_birth) for p in of(items, Patient)] == [("Patient/1", True), ("Patient/2", True)]
    assert [(v.native_id, v.subject) for v in of(items, Encounter)] == [
        ("Encounter/V1", "Patient/1"),
        ("Encounter/V2", "Patient/2"),
    ]
    assert [k.subject for k in of(items, RelatedPerson)] == ["Patient/1"]
    assert [a.subject for a in of(items, AllergyIntolerance)] == ["Patient/2"]


def test_a_visit_has_its_number_place_people_and_times(read: Build) -> None:
    stay_line = seg(
        "PV1",
        f1="1",
        f2="I",
        f3=r"AMU^B2^07^RBI^^N^^^Acute \T\ Medical",
        f7="C1^LOWNDES^Petra^^^Dr",
        f10="300",
        f19="SP1^^^RBI&1.2.3&ISO^VN",
        f44="202603170210",
        f45="20260319",
    )
    body = "\n".join([PID, stay_line, r"PV2|||^Seizure \T\ fall"])
    (stay,) = of(read(body), Encounter)
    (number,) = stay.identifiers
    assert (stay.native_id, number.system, number.type) == ("Encounter/SP1", "urn:oid:1.2.3", "VN")
    assert (stay.location, stay.service_provider, stay.status) == ("Acute & Medical (AMU), B2, 07", "RBI", "finished")
    assert [(p.name, p.role) for p in stay.participants] == [("Dr Petra LOWNDES", "attending")]
    assert [r.label for r in stay.reasons] == ["Seizure & fall"]
    assert stay.period is not None
    assert stay.period.start is not None
    assert stay.period.end is not None
    assert (stay.period.start.precision, stay.period.end.precision) == (Precision.MINUTE, Precision.DAY)
    assert stay.service is not None
    assert stay.service.codings[0].system == "urn:x-hl7v2:pas:HL70069"


def test_no_visit_no_kin_is_not_recorded_and_never_none_known(read: Build) -> None:
    items = read(PID + "\nPV1|1|N\nNK1|1", types=("Patient", "Encounter", "RelatedPerson"))
    assert gaps(items) == [
        (GapKind.NOT_RECORDED, "Encounter", None, 1),
        (GapKind.NOT_RECORDED, "RelatedPerson", None, 1),
    ]


def test_bad_segments_cost_themselves_only(read: Build) -> None:
    body = PID + "\nAL1|1|DA|P^Penicillin\nAL1|2|DA|\nAL1|3|DA|\nDG1|1||\nAL1|4|FA|N^Nuts\nrubbish"
    items = read(body)
    assert [a.native_id for a in of(items, AllergyIntolerance)] == [
        "AllergyIntolerance/771-AL1-1",
        "AllergyIntolerance/771-AL1-4",
    ]
    assert gaps(items) == [
        (GapKind.UNREADABLE, "AllergyIntolerance", "AL1", 2),
        (GapKind.UNREADABLE, "Condition", "DG1", 1),
        (GapKind.UNREADABLE, None, "line", 1),
    ]


def test_a_date_that_does_not_exist_is_a_gap_and_the_fact_stays(read: Build) -> None:
    items = read("PID|1||771^^^RBI^MR||A^B||19580631|F")
    (person,) = of(items, Patient)
    assert (person.birth_date, person.gender) == (None, "female")
    assert gaps(items) == [(GapKind.UNREADABLE, "Patient", "PID-7", 1)]


def test_segments_without_a_reader_are_said_once_each_with_their_count(read: Build) -> None:
    body = PID + "\nPD1|||Surgery^^Z81\nIN1|1\nZPX|secret\nZPX|more\nPR1|1\nEVN|A01"
    items = read(body)
    assert gaps(items) == [
        (GapKind.UNSUPPORTED, "Patient", "IN1", 1),
        (GapKind.UNSUPPORTED, "Patient", "ZPX", 2),
        (GapKind.UNSUPPORTED, "Procedure", "PR1", 1),
    ]
    assert "secret" not in repr([g for g in items if isinstance(g, Gap)])


def test_allergies_and_diagnoses_keep_code_words_and_polarity(read: Build) -> None:
    body = (
        PID
        + """
PV1|1|I|||||||||||||||||V1
AL1|1|DA|91936005^Penicillin^SCT|SV|Rash~Wheeze|201805
AL1|2||716186003^No known allergy^SCT
AL1|3||NKA^Nil
DG1|1|I10|E11.5^Type 2 diabetes||202001|F
"""
        + seg("DG1", f1="2", f4="Hypochondriasis", f20="D9", f21="D")
    )
    items = read(body, no_known_allergy_codes=("NKA",))
    penicillin, none, nil = of(items, AllergyIntolerance)
    assert [a.polarity for a in (penicillin, none, nil)] == [Polarity.PRESENT, Polarity.ABSENT, Polarity.ABSENT]
    assert [(r.manifestations[0].text, r.severity) for r in penicillin.reactions] == [
        ("Rash", "severe"),
        ("Wheeze", "severe"),
    ]
    assert penicillin.categories == ("medication",)
    diabetes, wrong = of(items, Condition)
    assert diabetes.native_id == "Condition/V1-DG1-1"
    assert diabetes.code is not None
    assert diabetes.code.codings[0].system == "http://hl7.org/fhir/sid/icd-10"
    assert (diabetes.verification_status, wrong.entered_in_error) == ("confirmed", True)
    assert wrong.code is not None
    assert wrong.code.label == "Hypochondriasis"


def test_restrictions_are_carried(read: Build) -> None:
    body = PID + "\nPD1||||||||||||Y\nARV|1|A|DEM^Demographics|PAT\nPV1|1|I|||||||||||||||||V1\nARV|1|A|LOC"
    items = read(body)
    (person,) = of(items, Patient)
    (stay,) = of(items, Encounter)
    assert person.restricted
    assert [c.code for c in person.security_labels] == ["DEM"]
    assert [c.code for c in stay.security_labels] == ["LOC"]


def test_a_restriction_of_the_second_person_is_not_the_first_ones_visit(read: Build) -> None:
    first = [seg("PID", f3="1^^^RBI^MR"), seg("PV1", f1="1", f2="I", f19="V1")]
    items = read("\n".join([*first, seg("PID", f3="2^^^RBI^MR"), "ARV|1|A|ALL"]))
    assert [(p.native_id, p.restricted) for p in of(items, Patient)] == [("Patient/1", False), ("Patient/2", True)]
    assert [stay.security_labels for stay in of(items, Encounter)] == [()]


@pytest.mark.parametrize(
    ("cx", "system"),
    [
        ("9990000018^^^NHS", NHS_NUMBER),
        ("9990000018^^^^NH", NHS_NUMBER),
        ("9990000018^^^OTHER^NH", None),
        ("9990000018^^^NHS^VN", None),
        ("9990000018", None),
    ],
)
def test_a_number_is_an_nhs_number_only_by_authority_or_type(cx: str, system: str | None, read: Build) -> None:
    (person,) = of(read(f"PID|1||771^^^RBI^MR~{cx}"), Patient)
    assert person.identifiers[1].system == system


def results(read: Build, *lines: str) -> list[Observation]:
    return of(read("\n".join([PID, "OBR|1|P1|F1|24325-3^LFT^LN|||202603170130", *lines]), kind="ORF^R04"), Observation)


def values(item: Observation) -> dict[str, Any]:
    """The value fields that are set, in a short form."""
    shown: dict[str, Any] = {}
    if item.value_quantity:
        q = item.value_quantity
        shown["quantity"] = (q.comparator, str(q.value), q.unit, q.code)
    if item.value_range and item.value_range.low and item.value_range.high:
        shown["range"] = (str(item.value_range.low.value), str(item.value_range.high.value))
    if item.value_ratio and item.value_ratio.numerator and item.value_ratio.denominator:
        shown["ratio"] = (str(item.value_ratio.numerator.value), str(item.value_ratio.denominator.value))
    if item.value_codeable_concept:
        shown["concept"] = item.value_codeable_concept.label
    if item.value_string:
        shown["string"] = item.value_string
    if item.value_period and item.value_period.start:
        shown["time"] = item.value_period.start.value
    if item.components:
        shown["components"] = [
            str(c.value_quantity.value) if c.value_quantity else c.value_string for c in item.components
        ]
    return shown


@pytest.mark.parametrize(
    ("kind", "value", "shown"),
    [
        ("NM", "13.50", {"quantity": (None, "13.50", "g/L", "g/L")}),
        ("NM", "0", {"quantity": (None, "0", "g/L", "g/L")}),
        ("NM", "<5", {"quantity": ("<", "5", "g/L", "g/L")}),
        ("NM", "see note", {"string": "see note"}),
        ("NM", "1e5", {"string": "1e5"}),
        ("NM", "60~120", {"components": ["60", "120"]}),
        ("SN", "^182", {"quantity": (None, "182", "g/L", "g/L")}),
        ("SN", ">=^100", {"quantity": (">=", "100", "g/L", "g/L")}),
        ("SN", "^1^-^2.0", {"range": ("1", "2.0")}),
        ("SN", "^1^:^128", {"ratio": ("1", "128")}),
        ("SN", "^2^+", {"string": "^2^+"}),
        ("SN", "<>^2", {"string": "<>^2"}),
        ("CE", "POS^Positive^L", {"concept": "Positive"}),
        ("CWE", "seen twice", {"concept": "seen twice"}),
        ("ST", r"A \T\ B ^ C & D", {"string": "A & B ^ C & D"}),
        ("TX", r"one\.br\two~three", {"string": "one\ntwo\nthree"}),
        ("TS", "202603", {"time": "2026-03"}),
        ("TS", "soon", {"string": "soon"}),
        ("XCN", "C1^LOWNDES", {"string": "C1^LOWNDES"}),
        ("NM", "", {}),
        ("NM", '""', {}),
    ],
)
def test_a_value_is_read_by_its_type_and_kept_as_words_otherwise(
    kind: str, value: str, shown: dict[str, Any], read: Build
) -> None:
    (result,) = results(read, f"OBX|1|{kind}|C1^ALT^L||{value}|g/L^^UCUM|||||F")
    assert values(result) == shown


@pytest.mark.parametrize(
    ("code", "status", "wrong"),
    [
        ("F", "final", False),
        ("P", "preliminary", False),
        ("C", "corrected", False),
        ("X", "cancelled", False),
        ("D", "entered-in-error", True),
        ("W", "entered-in-error", True),
        ("Q", "Q", False),
        ("", None, False),
    ],
)
def test_result_status_follows_table_0085(code: str, status: str | None, wrong: bool, read: Build) -> None:
    (result,) = results(read, f"OBX|1|NM|C1^ALT^L||5||||||{code}")
    assert (result.status, result.entered_in_error) == (status, wrong)


def test_a_correction_takes_the_place_of_what_it_corrects(read: Build) -> None:
    (result,) = results(read, "OBX|1|NM|C1^ALT^L|1|50||||||F", "OBX|2|NM|C1^ALT^L|1|5.0||||||C")
    assert (values(result)["quantity"][1], result.status) == ("5.0", "corrected")
    assert result.native_id == "Observation/F1-C1-1"


def test_two_final_values_of_one_name_are_both_kept(read: Build) -> None:
    found = results(read, "OBX|1|NM|C1^ALT^L||50||||||F", "OBX|2|NM|C1^ALT^L||51||||||F")
    assert [(r.native_id, values(r)["quantity"][1]) for r in found] == [
        ("Observation/F1-C1", "50"),
        ("Observation/F1-C1-2", "51"),
    ]


def test_a_report_names_its_results_and_documents_are_a_gap(read: Build) -> None:
    body = (
        PID
        + """
OBR|1|P1^EPR|F1^LAB|24325-3^LFT^LN|||202603170130|||||||||||||||202603170300||CH|F
NTE|1||Haemolysed
OBX|1|NM|C1^ALT^L||120|U/L^^UCUM|<40|H|||F|||20260316
NTE|1||Repeat
OBX|2|ED|PDF^Report^L||^application^pdf^Base64^AAAA
SPM|1|^S9||BLD^Blood"""
    )
    items = read(body, kind="ORF^R04", types=("DiagnosticReport", "Observation"))
    (report,), (result,) = of(items, DiagnosticReport), of(items, Observation)
    assert (report.native_id, report.status, report.results) == (
        "DiagnosticReport/F1",
        "final",
        ("Observation/F1-C1",),
    )
    assert [n.text for n in report.notes] == ["Haemolysed"]
    assert [n.text for n in result.notes] == ["Repeat"]
    assert (result.reference_range, result.interpretation[0].label, result.specimen) == ("<40", "H", "S9")
    assert result.specimen_type is not None
    assert result.specimen_type.label == "Blood"
    assert result.effective is not None
    assert result.effective.start is not None
    assert result.effective.start.value == "2026-03-16"
    assert gaps(items) == [(GapKind.UNSUPPORTED, "DocumentReference", "OBX-5", 1)]


def test_results_without_a_person_stay_without_one(read: Build) -> None:
    items = read("OBR|1||F1|A^B\nOBX|1|NM|C1^ALT||5", kind="ORF^R04", types=("DiagnosticReport", "Observation"))
    assert [item.subject for item in items if isinstance(item, Fact)] == [None, None]


def test_doubtful_letters_are_flagged_where_they_stand(read: Build) -> None:
    body = "PID|1||771^^^RBI^MR||ZOË^A\nAL1|1|DA|P^Penicillin"
    items = read(body, charset="UNICODE UTF-8", codec="cp1252")
    (person,), (allergy,) = of(items, Patient), of(items, AllergyIntolerance)
    assert [c.code for c in person.cautions] == [CautionCode.CHARSET]
    assert allergy.cautions == ()
    assert person.names[0].family == "ZOË"
    (sure,) = of(read(body, charset="UNICODE UTF-8"), Patient)
    assert sure.cautions == ()


def test_a_record_of_another_type_than_it_says_is_refused(adapter: Build, record: Build) -> None:
    kept: SourceRecord = record(PID, "RSP^K22")
    wrong = SourceRecord(kind="ADR^A19", types=kept.types, parts=kept.parts, retrieved=kept.retrieved)
    with pytest.raises(SourceInvalid):
        list(adapter().read(wrong))


def test_reading_again_gives_the_same(adapter: Build, record: Build) -> None:
    of_adapter: Hl7v2Adapter = adapter()
    kept = record(PID + "\nAL1|1|DA|P^Penicillin\nZZZ|1")
    assert list(of_adapter.read(kept)) == list(of_adapter.read(kept))
