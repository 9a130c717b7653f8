"""What happened in order and what it came out of, referrals and discharges."""

from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gateway.merge import section, timeline, transfers_of_care
from schema.model.clinical import (
    Appointment,
    Communication,
    Condition,
    Encounter,
    Immunization,
    Medication,
    MedicationKind,
    Observation,
    ServiceRequest,
)
from schema.model.fact import PATIENT_NOT_FOUND, Fact, Gap, GapKind
from schema.model.journey import Finding, Moment, Occurrence, TransferKind, TransferOfCare
from schema.model.values import Identifier, Origin
from schema.model.view import Section, SectionSource, SourceState
from schema.model.when import When
from tests.merge.making import SOURCES, at, coded, course, merged, number, problem, since, stating

Stated = tuple[type[Fact], str, dict[str, Any]]
REFERRAL = number("RF-1")
SPELL = number("SP-1", "urn:spells")


def sections(
    *stated: Stated, b: SourceState = SourceState.OK, listening: str | None = None, stranger: bool = False
) -> list[Section[Any]]:
    """One settled section for each type stated; source "c" only listens, since then, or does not know the person."""
    c = SourceState.NOT_LINKED if stranger else SourceState.OK
    gaps = (Gap(kind=GapKind.NOT_HELD, code=PATIENT_NOT_FOUND),) if stranger else ()
    began = at(listening) if listening else None
    heard = [
        SectionSource(source=SOURCES["a"], state=SourceState.OK),
        SectionSource(source=SOURCES["b"], state=b),
        SectionSource(source=SOURCES["c"], state=c, gaps=gaps, complete_from=began),
    ]
    kinds = dict.fromkeys(kind for kind, _, _ in stated)
    by_kind = {kind: [(source, fields) for one, source, fields in stated if one is kind] for kind in kinds}
    return [section(kind, merged(stating(kind, *facts)), heard) for kind, facts in by_kind.items()]


def moments(*stated: Stated, since: str | None = None, until: str | None = None) -> list[Moment]:
    first, last = (date.fromisoformat(day) if day else None for day in (since, until))
    return list(timeline(sections(*stated), first, last, [ZoneInfo("Europe/London")]).moments)


def seen(found: list[Moment]) -> list[tuple[str, Occurrence]]:
    return [(moment.at.value, moment.occurrence) for moment in found]


# ---------- the timeline


def test_what_began_earlier_stands_where_it_was_written_down_or_ended_since() -> None:
    hidden = problem("66590003", "2018", recorded=at("2026-03-16"))
    stopped = course(start="2025-01-01") | {"effective": since("2025-01-01", "2026-02-27")}
    found = moments((Condition, "a", hidden), (Medication, "a", stopped), since="2026-02-21")
    assert seen(found) == [("2026-02-27", Occurrence.ENDED), ("2026-03-16", Occurrence.RECORDED)]
    everything = moments((Condition, "a", hidden), (Medication, "a", stopped))
    assert seen(everything) == [("2018", Occurrence.HAPPENED), ("2025-01-01", Occurrence.HAPPENED)]


def test_an_entry_stands_once_where_it_began_if_that_is_since() -> None:
    both = course() | {"effective": since("2026-02-25", "2026-03-01"), "recorded": at("2026-02-26")}
    assert seen(moments((Medication, "a", both), since="2026-02-21")) == [("2026-02-25", Occurrence.HAPPENED)]


def test_an_end_that_lay_ahead_when_the_source_was_asked_has_not_happened() -> None:
    planned = course() | {"effective": since("2025-01-01", "2027-01-01")}
    assert moments((Medication, "a", planned), since="2026-02-21") == []


def test_nothing_stands_outside_the_two_days_and_a_coarse_time_is_compared_as_coarsely() -> None:
    stated = [(Condition, "a", problem(str(n), day)) for n, day in enumerate(("2025", "2026", "2026-04-01"))]
    assert seen(moments(*stated, since="2026-03-01", until="2026-03-31")) == [("2026", Occurrence.HAPPENED)]


def test_what_was_withdrawn_did_not_happen() -> None:
    assert moments((Condition, "a", problem("1", "2026-01-01", entered_in_error=True))) == []


def test_when_it_was_written_down_stands_for_its_time_only_where_nobody_says_when_it_began() -> None:
    old = problem("44054006", "2010-05-01", recorded=at("2010-05-01"))
    late = problem("44054006", None, recorded=at("2026-03-10"))
    (one,) = moments((Condition, "a", old), (Condition, "b", late), until="2020-12-31")
    assert (one.at.value, one.occurrence, len(one.entry.members)) == ("2010-05-01", Occurrence.HAPPENED, 2)
    assert seen(moments((Condition, "b", late))) == [("2026-03-10", Occurrence.HAPPENED)]


@pytest.mark.parametrize(
    ("kind", "fields", "what"),
    [
        (Appointment, {"status": "booked", "period": since("2026-03-29T10:30")}, Occurrence.PLANNED),
        (Appointment, {"status": "booked", "period": since("2026-03-02T10:30")}, Occurrence.PLANNED),
        (Appointment, {"status": "fulfilled", "period": since("2026-03-02T10:30")}, Occurrence.HAPPENED),
        (Appointment, {"status": "cancelled", "period": since("2026-03-29T10:30")}, Occurrence.NOT_DONE),
        (Appointment, {"status": "noshow", "period": since("2026-03-02T10:30")}, Occurrence.MISSED),
        (Encounter, {"status": "cancelled", "period": since("2026-03-02T10:30")}, Occurrence.NOT_DONE),
        (Encounter, {"status": "noshow", "period": since("2026-03-02T10:30")}, Occurrence.MISSED),
        (Encounter, {"status": "planned", "period": since("2026-03-02T10:30")}, Occurrence.PLANNED),
        (Encounter, {"status": None, "period": since("2026-03-18")}, Occurrence.PLANNED),
        (Encounter, {"status": None, "period": since("2026-03-17")}, Occurrence.HAPPENED),
        (Immunization, {"status": "not-done", "occurrence": at("2026-03-02")}, Occurrence.NOT_DONE),
        (Medication, course(start="2026-03-18"), Occurrence.PLANNED),
        (Medication, course(start="2026-03-01") | {"status": "cancelled"}, Occurrence.HAPPENED),
        (
            Medication,
            course(start="2026-03-01") | {"status": "cancelled", "kind": MedicationKind.DISPENSE},
            Occurrence.NOT_DONE,
        ),
        (ServiceRequest, {"status": "cancelled", "authored": at("2026-03-02")}, Occurrence.HAPPENED),
        (Observation, {"status": "final", "effective": since("2026-03-17T02:11")}, Occurrence.HAPPENED),
    ],
)
def test_what_is_ahead_is_planned_and_what_was_called_off_or_missed_did_not_happen(
    kind: type[Fact], fields: dict[str, Any], what: Occurrence
) -> None:
    assert [moment.occurrence for moment in moments((kind, "a", fields))] == [what]


def test_what_the_source_shown_first_says_of_it_holds_and_where_it_says_nothing_another_does() -> None:
    visit = {"identifiers": (SPELL,), "period": since("2026-03-02T10:30")}
    old = (Encounter, "a", {**visit, "status": "planned", "recorded": at("2026-03-01")})
    for late, word, what in (
        ("2026-03-02", "finished", Occurrence.HAPPENED),
        ("2026-02-01", "finished", Occurrence.HAPPENED),
        ("2026-02-01", "cancelled", Occurrence.NOT_DONE),
    ):
        other = (Encounter, "b", {**visit, "status": word, "recorded": at(late)})
        (one,) = moments(old, other)
        assert (one.occurrence, len(one.entry.members)) == (what, 2), word
    kept = (Encounter, "b", {**visit, "status": "finished", "recorded": at("2026-03-02")})
    missed = (Encounter, "a", {**visit, "status": "noshow", "recorded": at("2026-03-03")})
    assert [one.occurrence for one in moments(kept, missed)] == [Occurrence.MISSED]


def test_what_did_not_happen_did_not_end_either() -> None:
    off = {"status": "cancelled", "period": since("2026-02-01", "2026-02-25")}
    assert moments((Encounter, "a", off), since="2026-02-21") == []


def test_a_day_is_the_day_of_every_zone_in_which_a_source_keeps_its_time() -> None:
    late = (Condition, "a", problem("1", "2026-06-20T23:30:00Z"))  # the 21st in London
    early = (Condition, "b", problem("2", "2026-06-20T00:30:00+01:00"))  # the 19th in UTC
    dated = (Condition, "c", problem("3", "2026-06-20"))

    def stand(**days: str) -> list[str]:
        return [moment.at.text for moment in moments(late, early, dated, **days)]

    assert stand(since="2026-06-21") == ["2026-06-20T23:30:00Z"]
    assert stand(until="2026-06-19") == ["2026-06-20T00:30:00+01:00"]
    assert stand(since="2026-06-22") == stand(until="2026-06-18") == []
    assert len(stand(since="2026-06-20", until="2026-06-20")) == 3, "nothing is narrowed by it"


def test_a_date_has_no_zone() -> None:
    for zone in ("America/New_York", "Pacific/Auckland"):
        dated = (Condition, "a", problem("1") | {"onset": When.iso("2026-06-20", ZoneInfo(zone))})
        assert moments(dated, since="2026-06-21") == moments(dated, until="2026-06-19") == []
        assert len(moments(dated, since="2026-06-20", until="2026-06-20")) == 1


def test_the_first_and_the_last_day_of_the_calendar_are_days() -> None:
    stated = (Condition, "a", problem("1", "2026-06-20T23:30:00Z"))
    assert len(moments(stated, since="0001-01-01", until="9999-12-31")) == 1


def test_an_entry_lies_between_two_days_by_what_any_source_says_of_its_time() -> None:
    old = (Condition, "a", problem("44054006", "2010-05-01", recorded=at("2026-01-01")))
    late = (Condition, "b", problem("44054006", "2026-03-01", recorded=at("2010-05-01")))
    assert seen(moments(old, late)) == [("2010-05-01", Occurrence.HAPPENED)], "as the one shown first says"
    assert seen(moments(old, late, since="2026-02-21")) == [("2026-03-01", Occurrence.HAPPENED)]
    assert seen(moments(old, late, until="2011-01-01")) == [("2010-05-01", Occurrence.HAPPENED)]
    swapped = [(kind, source, {**fields, "recorded": None}) for kind, source, fields in (late, old)]
    assert seen(moments(*swapped, until="2011-01-01")) == [("2010-05-01", Occurrence.HAPPENED)]
    assert seen(moments(old, late, since="2015-01-01", until="2020-12-31")) == [("2010-05-01", Occurrence.HAPPENED)]


# ---------- what came out of what


def followed(found: list[Moment], kind: type[Fact]) -> list[tuple[str, str | None]]:
    """(the type it came out of, the number that says so) of the one entry of that type."""
    (moment,) = [one for one in found if isinstance(one.entry.display, kind)]
    return [(type(x.entry.display).__name__, x.identifier.value if x.identifier else None) for x in moment.follows]


def referral(**more: Any) -> dict[str, Any]:
    return {"identifiers": (REFERRAL,), "authored": at("2026-03-16T22:10"), **more}


def booking(**more: Any) -> dict[str, Any]:
    return {"period": since("2026-03-29T10:30"), "status": "booked", **more}


def test_a_booking_that_quotes_a_referral_of_another_source_came_out_of_it() -> None:
    found = moments(
        (ServiceRequest, "a", referral()), (Appointment, "b", booking(follows=(Origin(identifier=REFERRAL),)))
    )
    assert followed(found, Appointment) == [("ServiceRequest", "RF-1")]
    assert followed(found, ServiceRequest) == []


def test_of_two_kinds_under_one_number_the_later_came_out_of_the_earlier() -> None:
    found = moments((ServiceRequest, "a", referral()), (Encounter, "b", stay(identifiers=(REFERRAL,))))
    assert followed(found, Encounter) == [("ServiceRequest", "RF-1")]
    assert followed(found, ServiceRequest) == []


def test_a_reference_within_one_source_joins_and_the_same_id_elsewhere_does_not() -> None:
    part = {"native_id": "Encounter/part", "part_of": "Encounter/spell"}
    for source, links in (("a", [("Encounter", None)]), ("b", [])):
        found = moments((Encounter, "a", stay(native_id="Encounter/spell")), (Encounter, source, part | timed()))
        (moment,) = [one for one in found if one.entry.display.native_id == "Encounter/part"]
        assert [(type(x.entry.display).__name__, x.identifier) for x in moment.follows] == links


def test_a_number_of_the_person_or_of_another_issuer_joins_nothing() -> None:
    for mine, theirs in ((number("1", kind="MR"),) * 2, (REFERRAL, number("RF-1", "urn:other"))):
        found = moments(
            (ServiceRequest, "a", referral(identifiers=(mine,))), (Appointment, "b", booking(identifiers=(theirs,)))
        )
        assert followed(found, Appointment) == []


# ---------- replies


def stay(**more: Any) -> dict[str, Any]:
    return {
        "encounter_class": coded("IMP", "http://terminology.hl7.org/CodeSystem/v3-ActCode"),
        "status": "finished",
        "period": since("2026-03-16T15:00", "2026-03-20T10:00"),
        "identifiers": (SPELL,),
        **more,
    }


def timed() -> dict[str, Any]:
    return {"period": since("2026-03-17T15:00")}


def reply(*stated: Stated, **heard: Any) -> TransferOfCare:
    """The answer to the one transfer stated."""
    (found,) = transfers_of_care(sections(*stated, **heard))
    return found


def test_a_referral_that_a_booking_names_is_answered() -> None:
    named = booking(follows=(Origin(identifier=REFERRAL),))
    found = reply((ServiceRequest, "a", referral()), (Appointment, "b", named))
    assert (found.kind, found.reply, len(found.replies)) == (TransferKind.REFERRAL, Finding.FOUND, 1)


def test_not_found_is_said_only_where_everybody_was_heard_and_everything_says_what_it_came_out_of() -> None:
    sent = (ServiceRequest, "a", referral())
    other = (Appointment, "b", booking(follows=(Origin(identifier=number("RF-2")),), identifiers=(number("RF-2"),)))
    assert reply(sent).reply is Finding.NOT_FOUND
    assert reply(sent, b=SourceState.UNAVAILABLE).reply is Finding.CANNOT_TELL
    assert reply(sent, (Appointment, "b", booking())).reply is Finding.CANNOT_TELL, "it may be the reply"
    before = booking(period=since("2026-03-01T10:30"))
    assert reply(sent, (Appointment, "b", before)).reply is Finding.NOT_FOUND, "it came earlier"
    assert reply((ServiceRequest, "a", referral(identifiers=()))).reply is Finding.CANNOT_TELL, "nobody can quote it"
    asked = (ServiceRequest, "c", referral(identifiers=(number("RF-2"),)))
    by_number = {t.entry.display.identifiers: t.reply for t in transfers_of_care(sections(sent, asked, other))}
    assert by_number == {(REFERRAL,): Finding.NOT_FOUND, (number("RF-2"),): Finding.FOUND}


def test_a_discharge_is_answered_by_another_source_and_not_by_the_hospitals_own_papers() -> None:
    named = {"sent": at("2026-03-21T09:00"), "follows": (Origin(identifier=SPELL),)}
    answered = reply((Encounter, "a", stay()), (Communication, "b", named))
    own = reply((Encounter, "a", stay()), (Communication, "a", named))
    assert (answered.kind, answered.reply) == (TransferKind.DISCHARGE, Finding.FOUND)
    assert (own.reply, own.replies) == (Finding.NOT_FOUND, ())


def test_what_names_a_referral_is_never_passed_over() -> None:
    sent, names = (ServiceRequest, "a", referral()), {"follows": (Origin(identifier=REFERRAL),)}
    early = (Encounter, "b", {"period": since("2026-03-15T10:00"), "status": "finished", **names})
    assert reply(sent, early).reply is Finding.FOUND, "its date may be wrong, its number is not"
    assert reply(sent, (Observation, "b", {"code": coded("1"), **names})).reply is Finding.CANNOT_TELL
    own = number("H-77", "urn:hospital")
    request = (ServiceRequest, "b", {"identifiers": (own,), "authored": at("2026-03-17T09:00"), **names})
    visited = {"period": since("2026-03-18T10:00"), "follows": (Origin(identifier=own),)}
    found = transfers_of_care(sections(sent, request, (Encounter, "b", visited)))
    by_number = {one.entry.display.identifiers: one.reply for one in found}
    assert by_number == {(REFERRAL,): Finding.CANNOT_TELL, (own,): Finding.FOUND}


@pytest.mark.parametrize(
    ("sent", "began", "finding"),
    [
        ("2026-03-16T22:10", "2026-03-16T22:00", Finding.NOT_FOUND),
        ("2026-03-16T22:10", "2026-03-16T22:11", Finding.CANNOT_TELL),
        ("2026-03-16", "2026-03-16T12:00", Finding.CANNOT_TELL),
        (None, "2020-01-01", Finding.CANNOT_TELL),
    ],
)
def test_of_a_source_that_began_to_listen_after_a_referral_nobody_knows_what_it_missed(
    sent: str | None, began: str, finding: Finding
) -> None:
    found = reply((ServiceRequest, "a", referral(authored=at(sent) if sent else None)), listening=began)
    assert found.reply is finding
    assert [one.id for one in found.unheard] == (["c"] if finding is Finding.CANNOT_TELL else [])


def test_a_source_that_only_listens_may_have_known_the_person_when_it_was_not_listening_yet() -> None:
    sent = (ServiceRequest, "a", referral(authored=at("2026-03-16T22:10")))
    later = reply(sent, listening="2026-03-17", stranger=True)
    assert (later.reply, [one.id for one in later.unheard]) == (Finding.CANNOT_TELL, ["c"])
    assert reply(sent, listening="2026-03-16", stranger=True).reply is Finding.NOT_FOUND, "it would have heard since"
    assert reply(sent, stranger=True).reply is Finding.NOT_FOUND, "it was asked, and does not know the person"


def test_a_discharge_is_asked_about_from_its_end() -> None:
    spell = (Encounter, "a", stay())  # of 16 to 20 March
    assert reply(spell, listening="2026-03-19").reply is Finding.NOT_FOUND
    assert reply(spell, listening="2026-03-20T10:01").reply is Finding.CANNOT_TELL


HANDOVER, VISIT = number("HO-1", "urn:handover"), number("V-1", "urn:visits")


def message(*origins: Identifier, sent: str = "2026-03-21T09:00", **more: Any) -> dict[str, Any]:
    return {"sent": at(sent), "follows": tuple(Origin(identifier=one) for one in origins), **more}


def test_a_reply_may_come_out_of_what_came_out_of_the_discharge() -> None:
    spell = (Encounter, "a", stay())
    handover = (Communication, "a", message(SPELL, identifiers=(HANDOVER,)))
    visit = (Encounter, "b", {"period": since("2026-03-23T10:00"), "follows": (Origin(identifier=HANDOVER),)})
    found = reply(spell, handover, visit)
    assert (found.reply, [link.identifier for link in found.replies]) == (Finding.FOUND, [HANDOVER])
    assert reply(spell, handover).reply is Finding.NOT_FOUND


def test_everything_that_came_out_of_a_referral_is_its_reply_however_many_steps_on() -> None:
    sent = (ServiceRequest, "a", referral())
    booked = (Appointment, "b", booking(follows=(Origin(identifier=REFERRAL),), identifiers=(VISIT,)))
    seen_ = (Encounter, "b", {"period": since("2026-03-29T10:30"), "identifiers": (VISIT, HANDOVER)})
    told = (Communication, "b", message(HANDOVER, sent="2026-03-30T10:30"))
    found = reply(sent, booked, seen_, told)
    kinds = [type(link.entry.display).__name__ for link in found.replies]
    assert (found.reply, kinds) == (Finding.FOUND, ["Appointment", "Encounter", "Communication"])


def test_what_follows_itself_over_others_ends() -> None:
    one = (Communication, "b", message(REFERRAL, HANDOVER, identifiers=(VISIT,)))
    other = (Communication, "b", message(VISIT, identifiers=(HANDOVER,), sent="2026-03-22T09:00"))
    found = reply((ServiceRequest, "a", referral(follows=(Origin(identifier=HANDOVER),))), one, other)
    assert (found.reply, len(found.replies)) == (Finding.FOUND, 2)


def test_by_way_of_another_request_nobody_can_tell_which_of_the_two_is_answered() -> None:
    spell = (Encounter, "a", stay())
    request = (ServiceRequest, "a", referral(follows=(Origin(identifier=SPELL),)))
    named = (Appointment, "b", booking(follows=(Origin(identifier=REFERRAL),)))
    by_kind = {one.kind: one.reply for one in transfers_of_care(sections(spell, request, named))}
    assert by_kind == {TransferKind.REFERRAL: Finding.FOUND, TransferKind.DISCHARGE: Finding.CANNOT_TELL}
    onward = (ServiceRequest, "a", referral(identifiers=(VISIT,), follows=(Origin(identifier=REFERRAL),)))
    visited = (Appointment, "b", booking(follows=(Origin(identifier=VISIT),)))
    discharge = transfers_of_care(sections(spell, request, onward, visited))[-1]
    assert (discharge.kind, discharge.reply) == (TransferKind.DISCHARGE, Finding.CANNOT_TELL), "two requests on"
    by_kind = {one.kind: one.reply for one in transfers_of_care(sections(spell, request))}
    assert by_kind == dict.fromkeys(TransferKind, Finding.NOT_FOUND)


def test_what_came_out_of_a_paper_that_names_nothing_may_be_the_reply() -> None:
    spell = (Encounter, "a", stay())
    paper = (Communication, "a", message(identifiers=(HANDOVER,)))
    named = (Communication, "b", message(HANDOVER, sent="2026-03-22T09:00"))
    assert reply(spell, paper, named).reply is Finding.CANNOT_TELL, "the hospital's paper may be of this stay"
    old = (Communication, "a", message(identifiers=(HANDOVER,), sent="2026-03-01T09:00"))
    assert reply(spell, old, named).reply is Finding.NOT_FOUND, "the stay had not begun"


def test_a_booking_that_was_called_off_is_shown_and_is_no_answer() -> None:
    sent, names = (ServiceRequest, "a", referral()), {"follows": (Origin(identifier=REFERRAL),)}
    off = (Appointment, "b", booking(status="cancelled", **names))
    found = reply(sent, off)
    assert (found.reply, len(found.replies)) == (Finding.CANNOT_TELL, 1)
    assert reply(sent, off, (Encounter, "b", {"period": since("2026-03-30"), **names})).reply is Finding.FOUND
    missed = (Appointment, "b", booking(status="noshow", **names))
    assert reply(sent, missed).reply is Finding.FOUND, "they answered, and the person did not come"


def test_of_a_stay_that_two_sources_hold_nobody_can_tell_which_of_them_answers() -> None:
    named = {"sent": at("2026-03-21T09:00"), "follows": (Origin(identifier=SPELL),)}
    held = (Encounter, "a", stay()), (Encounter, "b", stay())
    assert reply(*held, (Communication, "b", named)).reply is Finding.CANNOT_TELL
    assert reply(*held).reply is Finding.NOT_FOUND


@pytest.mark.parametrize(
    "fields",
    [{"status": "in-progress"}, {"period": since("2026-03-16")}, {"encounter_class": coded("AMB", "urn:class")}],
)
def test_a_stay_that_is_not_over_and_a_visit_are_no_discharge(fields: dict[str, Any]) -> None:
    assert transfers_of_care(sections((Encounter, "a", stay(**fields)))) == ()
