"""What a run of messages says in the end: corrections, cancellations, merges, lateness and repetition."""

from collections.abc import Callable
from itertools import permutations
from typing import Any, TypeVar

import pytest

from adapters.hl7v2.feed.folding import Fold
from schema.model.clinical import (
    AllergyIntolerance,
    Appointment,
    DiagnosticReport,
    DocumentReference,
    Encounter,
    Immunization,
    Medication,
    Observation,
    Patient,
    RelatedPerson,
    ServiceRequest,
)
from schema.model.fact import Fact, Gap, GapKind
from tests.hl7v2.feed.conftest import PID, PID_MRN, message

Feeds = Callable[..., Any]
F = TypeVar("F", bound=Fact)

ADMIT = "PV1|1|I|AMU^B2^07||||||||||||||||SP7^^^RBI^VN|||||||||||||||||||||||||202603160900"
DISCHARGED = "PV1|1|I|AMU^B2^07||||||||||||||||SP7^^^RBI^VN|||||||||||||||||||||||||202603160900|202603171500"
OBR = "OBR|1|P1|F1|24325-3^Liver function^LN|||202603170130"


def of(kind: type[F], items: list[Fact | Gap]) -> list[F]:
    return [item for item in items if isinstance(item, kind)]


def obx(value: str, status: str = "F", code: str = "1742-6^ALT^LN") -> str:
    return f"OBX|1|NM|{code}||{value}|U/L|||||{status}|||202603170130"


def values(items: list[Fact | Gap]) -> list[str | None]:
    return [str(one.value_quantity.value) if one.value_quantity else None for one in of(Observation, items)]


# Results


@pytest.mark.parametrize("status", ["C", "D", "W"])
async def test_a_correction_takes_the_place_of_the_result_it_corrects(status: str, feed: Feeds) -> None:
    async with feed() as one:
        await one.hear(
            message("ADT^A28", PID, control="1", at="20260301"),
            message("ORU^R01", PID_MRN, OBR, obx("120"), control="2", at="20260317020000"),
            message("ORU^R01", PID_MRN, OBR, obx("12", status), control="3", at="20260317030000"),
        )
        (result,) = of(Observation, await one.ask())
        assert str(result.value_quantity.value) == "12" if result.value_quantity else False
        assert result.status == {"C": "corrected"}.get(status, "entered-in-error")
        assert result.entered_in_error is (status != "C")


async def test_a_correction_that_comes_before_its_original_still_stands(feed: Feeds) -> None:
    async with feed() as one:
        first = message("ORU^R01", PID, OBR, obx("120"), control="2", at="20260317020000")
        second = message("ORU^R01", PID, OBR, obx("12", "C"), control="3", at="20260317030000")
        undated = first.replace(b"20260317020000", b"20260317")
        await one.hear(second, first)
        assert values(await one.ask()) == ["12"]
        await one.hear(undated.replace(b"|2|P|", b"|4|P|"))
        assert values(await one.ask()) == ["12"]


async def test_a_final_result_replaces_the_preliminary_one_and_keeps_a_value_it_leaves_out(feed: Feeds) -> None:
    async with feed() as one:
        await one.hear(message("ORU^R01", PID, OBR, obx("120", "P"), control="1", at="20260317020000"))
        await one.hear(message("ORU^R01", PID, OBR, obx("", "U"), control="2", at="20260317030000"))
        (result,) = of(Observation, await one.ask())
        assert (result.status, values([result])) == ("final", ["120"])


async def test_a_final_result_without_a_value_takes_back_the_preliminary_one(feed: Feeds) -> None:
    async with feed() as one:
        await one.hear(message("ORU^R01", PID, OBR, obx("6.1", "P"), control="1", at="20260317020000"))
        haemolysed = "NTE|1|L|Haemolysed: not reported."
        await one.hear(message("ORU^R01", PID, OBR, obx("", "F"), haemolysed, control="2", at="20260317030000"))
        (result,) = of(Observation, await one.ask())
        assert (result.status, result.value_quantity, result.value_string) == ("final", None, None)
        assert [note.text for note in result.notes] == ["Haemolysed: not reported."]


async def test_two_final_results_that_differ_without_a_correction_are_both_kept(feed: Feeds) -> None:
    async with feed() as one:
        await one.hear(message("ORU^R01", PID, OBR, obx("120"), control="1", at="20260317020000"))
        await one.hear(message("ORU^R01", PID, OBR, obx("121"), control="2", at="20260317030000"))
        items = await one.ask()
        assert values(items) == ["120", "121"]
        (report,) = of(DiagnosticReport, items)
        assert set(report.results) == {result.native_id for result in of(Observation, items)}


async def test_a_result_with_the_hospital_number_alone_belongs_to_the_person_of_that_number(feed: Feeds) -> None:
    async with feed() as one:
        await one.hear(message("ORU^R01", PID_MRN, OBR, obx("120"), control="1"))
        assert of(Patient, await one.ask()) == []
        # The result came before the admission that says whose number it is.
        await one.hear(message("ADT^A01", PID, ADMIT, control="2"))
        items = await one.ask()
        assert values(items) == ["120"]
        assert {item.subject for item in items if isinstance(item, Fact)} == {"Patient/880417"}


async def test_a_number_that_is_said_to_be_unverified_leads_to_nobody(feed: Feeds) -> None:
    async with feed() as one:
        await one.hear(message("ADT^A01", PID.replace("NSTS01", "NSTS03"), ADMIT, control="1"))
        assert [gap.code for gap in of_gaps(await one.ask())] == ["PATIENT_NOT_FOUND"]


def of_gaps(items: list[Fact | Gap]) -> list[Gap]:
    return [item for item in items if isinstance(item, Gap)]


# Visits


@pytest.mark.parametrize(
    ("events", "status", "ended"),
    [
        ((("A01", ADMIT), ("A11", ADMIT)), "cancelled", False),
        ((("A01", ADMIT), ("A03", DISCHARGED)), "finished", True),
        ((("A01", ADMIT), ("A03", DISCHARGED), ("A13", DISCHARGED)), "in-progress", False),
        ((("A14", ADMIT), ("A27", ADMIT)), "cancelled", False),
        ((("A01", ADMIT), ("A11", ADMIT), ("A01", ADMIT)), "in-progress", False),
        ((("A01", ADMIT), ("A03", DISCHARGED), ("A31", ADMIT)), "finished", True),
    ],
    ids=[
        "cancelled admission",
        "discharge",
        "cancelled discharge",
        "cancelled plan",
        "admitted again",
        "A31 changes none",
    ],
)
async def test_an_event_says_what_became_of_the_visit(
    events: tuple[tuple[str, str], ...], status: str, ended: bool, feed: Feeds
) -> None:
    async with feed() as one:
        sent = [
            message(f"ADT^{event}", PID, pv1, control=str(at), at=f"2026031710{at:02d}00")
            for at, (event, pv1) in enumerate(events)
        ]
        await one.hear(*reversed(sent))
        (visit,) = of(Encounter, await one.ask())
        assert visit.status == status
        assert visit.period is not None
        assert (visit.period.end is not None) is ended


async def test_a_cancelled_transfer_puts_the_person_back(feed: Feeds) -> None:
    async with feed() as one:
        moved = ADMIT.replace("AMU^B2^07", "ICU^1^1")
        for at, (event, pv1) in enumerate((("A01", ADMIT), ("A02", moved), ("A12", ADMIT))):
            await one.hear(message(f"ADT^{event}", PID, pv1, control=str(at), at=f"2026031710{at:02d}00"))
        (visit,) = of(Encounter, await one.ask())
        assert visit.location == "AMU, B2, 07"


async def test_what_a_later_message_leaves_out_stays_and_what_it_nulls_goes(feed: Feeds) -> None:
    async with feed() as one:
        await one.hear(message("ADT^A28", "PID|1||880417^^^RBI^MR||WEATHERBY^Ottoline||19580612|F|||1 Quay^^R||0113"))
        await one.hear(message("ADT^A31", 'PID|1||880417^^^RBI^MR||||||||||""', at="20260317110000"))
        (person,) = of(Patient, await one.ask(local=("Patient/880417",)))
        assert person.names[0].family == "WEATHERBY"
        assert person.addresses
        assert person.telecom == ()


async def test_an_allergy_is_not_gone_because_a_later_message_does_not_repeat_it(feed: Feeds) -> None:
    async with feed() as one:
        penicillin, latex = "AL1|1|DA|91936005^Penicillin^SCT", "AL1|1|EA|300916003^Latex^SCT"
        await one.hear(message("ADT^A01", PID, ADMIT, penicillin, at="20260317100000"))
        await one.hear(message("ADT^A08", PID, ADMIT, latex, at="20260317110000"))
        await one.hear(message("ADT^A03", PID, DISCHARGED, at="20260317120000"))
        codes = {a.code.codings[0].code for a in of(AllergyIntolerance, await one.ask()) if a.code}
        assert codes == {"91936005", "300916003"}


async def test_next_of_kin_are_those_of_the_latest_message_that_names_any(feed: Feeds) -> None:
    async with feed() as one:
        await one.hear(message("ADT^A28", PID, "NK1|1|LANE^Barnaby|BRO", "NK1|2|LANE^Ada|MTH", at="20260317100000"))
        await one.hear(message("ADT^A31", PID, "NK1|1|LANE^Ada|MTH", at="20260317110000"))
        await one.hear(message("ADT^A08", PID, at="20260317120000"))
        assert [kin.names[0].given for kin in of(RelatedPerson, await one.ask())] == [("Ada",)]


# Merges

OTHER = "PID|1||770001^^^RBI^MR||WEATHERBY^Ottoline||19580612|F"


@pytest.mark.parametrize("event", ["A40", "A34", "A47"])
async def test_a_merge_brings_the_retired_record_and_says_who_survives(event: str, feed: Feeds) -> None:
    async with feed() as one:
        await one.hear(
            message("ORU^R01", OTHER, OBR, obx("120"), control="1"),
            message("ADT^A28", PID, control="2"),
            message(f"ADT^{event}", PID, "MRG|770001^^^RBI^MR", control="3"),
            message("ORU^R01", OTHER, OBR.replace("F1", "F2").replace("P1", "P2"), obx("130"), control="4"),
        )
        items = await one.ask()
        assert {p.native_id: p.replaced_by for p in of(Patient, items)} == {
            "Patient/880417": None,
            "Patient/770001": "Patient/880417",
        }
        # What was said under the retired number, before the merge and after it, is there under that number.
        assert {r.subject for r in of(Observation, items)} == {"Patient/770001"}
        assert values(items) == ["120", "130"]


async def test_a_correction_under_the_surviving_number_reaches_a_result_under_the_retired_one(feed: Feeds) -> None:
    async with feed() as one:
        await one.hear(
            message("ORU^R01", OTHER, OBR, obx("120"), control="1", at="20260317020000"),
            message("ADT^A40", PID, "MRG|770001^^^RBI^MR", control="2", at="20260317030000"),
            message("ORU^R01", PID, OBR, obx("12", "C"), control="3", at="20260317040000"),
        )
        items = await one.ask()
        assert values(items) == ["12"]
        assert [r.subject for r in of(Observation, items)] == ["Patient/880417"]


async def test_a_merge_between_numbers_of_two_authorities_is_not_followed(feed: Feeds) -> None:
    async with feed() as one:
        await one.hear(message("ADT^A28", OTHER, control="1"), message("ADT^A28", PID, control="2"))
        await one.hear(message("ADT^A47", PID, "MRG|770001^^^ELSEWHERE^MR", control="3"))
        assert [p.native_id for p in of(Patient, await one.ask())] == ["Patient/880417"]


async def test_an_unlink_undoes_a_link(feed: Feeds) -> None:
    async with feed() as one:
        await one.hear(message("ADT^A28", OTHER, control="1"), message("ADT^A24", PID, OTHER, control="2"))
        assert len(of(Patient, await one.ask())) == 2
        await one.hear(message("ADT^A37", PID, OTHER, control="3"))
        assert [p.native_id for p in of(Patient, await one.ask())] == ["Patient/880417"]


async def test_two_people_in_one_message_stay_two(feed: Feeds) -> None:
    async with feed() as one:
        stranger = "PID|2||660002^^^RBI^MR||STRANGER^Someone||19700101|M"
        await one.hear(message("ORU^R01", PID, OBR, obx("1"), stranger, OBR.replace("F1", "F2"), obx("2")))
        assert values(await one.ask()) == ["1"]
        # With the stranger's number linked by hand both records come, and neither has taken anything from the other.
        both = of(Observation, await one.ask(local=("Patient/660002",)))
        said = sorted(zip([one.subject for one in both], values(list(both)), strict=True))
        assert said == [("Patient/660002", "2"), ("Patient/880417", "1")]


# Repetition and order


async def test_replay_adds_nothing_and_the_order_of_arrival_changes_nothing(feed: Feeds) -> None:
    async with feed() as one:
        sent = [
            message("ADT^A01", PID, ADMIT, control="1", at="20260316090000"),
            message("ORU^R01", PID_MRN, OBR, obx("120", "P"), control="2", at="20260317020000"),
            message("ORU^R01", PID_MRN, OBR, obx("12", "C"), control="3", at="20260317030000"),
            message("ADT^A03", PID, DISCHARGED, control="4", at="20260317150000"),
        ]
        answers = [folded(one, arrival) for arrival in permutations(sent)]
        await one.hear(*sent, *sent)
        expected = sorted(map(repr, await one.ask()))
        assert (await one.store.state()).messages == 4
        assert all(answer == expected for answer in answers)


def folded(one: Any, arrival: tuple[bytes, ...]) -> list[str]:
    """What the same source makes of messages in another order of arrival."""
    fold = Fold(("880417",), one.settings, one.adapter.source.timezone, "feed")
    fold.take(arrival)
    stated = list(fold.items())
    types = {type(item).__name__ for item in stated}
    missing = [Gap(kind=GapKind.NOT_RECORDED, fact_type=name) for name in one.adapter.types - types]
    return sorted(map(repr, [*stated, *missing]))


# The other families


async def test_an_appointment_lives_through_its_events(feed: Feeds) -> None:
    async with feed() as one:
        sch = "SCH|A1|B2||||ROUTINE^Routine|||30|min|^^30^202604011000^202604011030||||||||||||||Booked"
        for at, event in enumerate(("S12", "S13", "S26")):
            await one.hear(message(f"SIU^{event}", sch, PID, control=str(at), at=f"2026031710{at:02d}00"))
        (appointment,) = of(Appointment, await one.ask())
        assert (appointment.status, appointment.native_id) == ("noshow", "Appointment/B2")
        assert appointment.period is not None
        assert appointment.period.start is not None
        assert appointment.period.start.value == "2026-04-01T10:00"


async def test_an_appointment_says_for_which_order_it_was_made(feed: Feeds) -> None:
    async with feed() as one:
        orders = "RF-1^REF^urn:referrals^URI|"
        for at, said in enumerate((orders, "|")):
            sch = (
                f"SCH|A{at}|B{at}||||ROUTINE^Routine|||30|min|^^30^202604011000^202604011030||||||||||||||Booked|{said}"
            )
            await one.hear(message("SIU^S12", sch, PID, control=str(at), at=f"2026031710{at:02d}00"))
        found = {one.native_id: one.follows for one in of(Appointment, await one.ask())}
        (origin,) = found["Appointment/B0"]
        assert (origin.identifier.system, origin.identifier.value) == ("urn:referrals", "RF-1")
        assert found["Appointment/B1"] == ()


async def test_a_replaced_document_is_superseded_and_a_cancelled_one_withdrawn(feed: Feeds) -> None:
    async with feed() as one:
        txa = "TXA|1|DS^Discharge summary|TX|20260317090000||||||||{own}|{parent}||||AU"
        line = "OBX|{at}|TX|S^Summary||{text}||||||F"
        first = txa.format(own="D1", parent="")
        words = [line.format(at=at, text=text) for at, text in enumerate(("One", "Two"), 1)]
        await one.hear(message("MDM^T02", PID, first, *words, control="1", at="20260317090000"))
        second = txa.format(own="D2", parent="D1")
        await one.hear(message("MDM^T10", PID, second, words[0], control="2", at="20260317100000"))
        documents = {d.native_id: d for d in of(DocumentReference, await one.ask())}
        assert {k: d.status for k, d in documents.items()} == {
            "DocumentReference/D1": "superseded",
            "DocumentReference/D2": "current",
        }
        assert documents["DocumentReference/D1"].contents[0].text == "One\nTwo"
        assert documents["DocumentReference/D2"].replaces == ("DocumentReference/D1",)
        await one.hear(message("MDM^T11", PID, second, control="3", at="20260317110000"))
        (withdrawn,) = [d for d in of(DocumentReference, await one.ask()) if d.native_id.endswith("D2")]
        assert withdrawn.entered_in_error


async def test_an_order_is_one_request_through_its_changes(feed: Feeds) -> None:
    async with feed() as one:
        rxe = r"RXE||39720311000001101^Paracetamol 500mg tablets^DMD|1|2|TAB^tablet||^Four times a day"
        for at, control in enumerate(("NW", "HD", "DC")):
            orc = f"ORC|{control}|P9|F9"
            await one.hear(
                message("RDE^O11", PID, orc, rxe, "RXR|PO^Oral", control=str(at), at=f"2026031710{at:02d}00")
            )
        (order,) = of(Medication, await one.ask())
        assert (order.status, order.dose) == ("stopped", None)
        assert order.dosage == "Four times a day\n1 to 2 tablet"


async def test_an_order_takes_route_and_remarks_from_what_the_pharmacy_made_of_it(feed: Feeds) -> None:
    async with feed() as one:
        asked = ["RXO|1^Doxycycline^L|1||TAB", "RXR|IV^Intravenous"]
        made = ["RXE||2^Doxycycline 100mg capsules^L|1||CAP", "NTE|1||With water", "RXR|PO^Oral"]
        await one.hear(message("RDE^O11", PID, "AL1|1|DA|91936005^Penicillin^SCT", "ORC|NW|P9|F9", *asked, *made))
        items = await one.ask()
        (order,) = of(Medication, items)
        assert (order.code.label if order.code else None) == "Doxycycline 100mg capsules"
        assert (order.route.label if order.route else None) == "Oral"
        assert [note.text for note in order.notes] == ["With water"]
        # A remark on the order is none on the allergy that stands before it.
        assert [allergy.notes for allergy in of(AllergyIntolerance, items)] == [()]


async def test_a_refused_vaccine_is_not_done(feed: Feeds) -> None:
    async with feed() as one:
        rxa = "RXA|0|1|20260301||207^Covid-19^CVX|999||||||||||||00^Patient decision^NIP002||{}"
        await one.hear(message("VXU^V04", PID, "ORC|RE|P1|F1", rxa.format("RE"), "ORC|RE|P2|F2", rxa.format("NA")))
        assert [shot.status for shot in of(Immunization, await one.ask())] == ["not-done", "not-done"]


async def test_a_cancelled_referral_is_revoked(feed: Feeds) -> None:
    async with feed() as one:
        rf1 = "RF1|A^Accepted|R|LIV^Hepatology|||R77^PAS|20260301"
        await one.hear(message("REF^I12", rf1, PID, control="1", at="20260317100000"))
        await one.hear(message("REF^I14", rf1, PID, control="2", at="20260317110000"))
        assert [(r.native_id, r.status) for r in of(ServiceRequest, await one.ask())] == [
            ("ServiceRequest/R77", "revoked")
        ]


async def test_a_message_without_a_reader_is_said_and_money_is_not(feed: Feeds) -> None:
    async with feed() as one:
        await one.hear(message("ADT^A28", PID, control="1"), message("ORM^O01", PID, control="2"))
        await one.hear(message("BAR^P01", PID, control="3"))
        told = [(gap.code, gap.count) for gap in of_gaps(await one.ask()) if gap.kind is GapKind.UNSUPPORTED]
        assert told == [("ORM^O01", 1)]
