"""The feed as a source: whom it knows, from when on, and what it says when it has gone quiet."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.hl7v2.feed import FeedSettings, Hl7v2FeedAdapter, listening, open_store
from adapters.sdk import Ask, SourceInvalid, SourceRequest, SourceUnavailable
from adapters.testing.conformance import AdapterConformance, call
from schema.model.clinical import Patient
from schema.model.fact import PATIENT_NOT_FOUND, Fact, Gap, GapKind
from tests.hl7v2.feed.conftest import NOON, PID, PID_MRN, Feed, message
from tests.hl7v2.feed.stores import BACKENDS
from tests.hl7v2.feed.test_folding import ADMIT, OBR, obx
from tests.support.mllp_sender import Sender
from tests.support.sources import person, source

Feeds = Callable[..., Any]


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """Both."""
    return str(request.param)


class TestTheFeed(AdapterConformance):
    known = person("9990000018")
    unknown = person("9990000107")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Hl7v2FeedAdapter]:
        with TemporaryDirectory() as folder:
            settings = FeedSettings(store=f"{folder}/feed.db")
            async with (
                await open_store(settings) as store,
                listening(settings, store) as port,
                Sender(port) as sender,
            ):
                await sender.send(message("ADT^A01", PID, ADMIT, "AL1|1|DA|91936005^Penicillin^SCT", control="1"))
                await sender.send(message("ORU^R01", PID_MRN, OBR, obx("120"), control="2"))
                yield Hl7v2FeedAdapter(source(settings))


async def records(one: Feed, *numbers: str) -> list[Any]:
    ask = Ask(subjects=(person(*(numbers or ("9990000018",))),), types=one.adapter.types)
    return [record async for record in one.adapter.fetch(ask, call())]


async def test_a_record_says_from_when_on_the_source_knows_anything(feed: Feeds) -> None:
    async with feed() as one:
        await one.hear(message("ADT^A28", PID, control="1"))
        one.now += timedelta(minutes=30)
        await one.hear(message("ADT^A31", PID, control="2"))
        (record,) = await records(one)
        assert record.complete_from == NOON
        assert record.retrieved == NOON + timedelta(minutes=30)


async def test_a_feed_that_is_silent_too_long_says_so_and_its_answer_is_as_old_as_its_last_message(feed: Feeds) -> None:
    async with feed(expected_silence_s=3600) as one:
        await one.hear(message("ADT^A28", PID, control="1"))
        one.now += timedelta(seconds=3600)
        assert [gap for gap in await one.ask() if isinstance(gap, Gap) and gap.code == "FEED_SILENT"] == []
        one.now += timedelta(seconds=1)
        (gap,) = [gap for gap in await one.ask() if isinstance(gap, Gap) and gap.code == "FEED_SILENT"]
        assert (gap.kind, gap.fact_type) == (GapKind.TRUNCATED, None)
        (record,) = await records(one)
        assert record.retrieved == NOON
        health = await one.adapter.check(call())
        assert health.warnings == ("the feed has been silent for longer than expected",)
        # The same message again is news of the feed, though not of the person.
        await one.hear(message("ADT^A28", PID, control="1"))
        assert not [gap for gap in await one.ask() if isinstance(gap, Gap) and gap.code == "FEED_SILENT"]


async def test_a_feed_that_has_heard_nothing_knows_nothing_of_anybody_and_does_not_deny_them(feed: Feeds) -> None:
    async with feed() as one:
        with pytest.raises(SourceUnavailable):
            await one.ask()
        with pytest.raises(SourceUnavailable):
            await one.adapter.check(call())


async def test_a_store_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    adapter = Hl7v2FeedAdapter(source(FeedSettings(store=str(tmp_path / "none.db"))))
    with pytest.raises(SourceUnavailable):
        await adapter.check(call())


async def test_what_was_kept_is_read_after_the_listener_has_gone(feed: Feeds) -> None:
    async with feed() as one:
        await one.hear(message("ADT^A28", PID))
        await one.store.close()
        alone = Hl7v2FeedAdapter(source(one.settings))
        ask = Ask(subjects=(person("9990000018"),), types=alone.types)
        (record,) = [record async for record in alone.fetch(ask, call())]
        assert any(isinstance(fact, Patient) for fact in alone.read(record))
        await alone.close()


async def test_check_counts_what_names_nobody_and_what_cannot_be_read(feed: Feeds) -> None:
    async with feed() as one:
        await one.hear(message("ADT^A28", PID), message("ADT^A04", "PID|1||5^^^X^XX"), b"MSH|^~\\&|no\rMSH|^~\\&|no")
        health = await one.adapter.check(call())
        assert health.detail == "3 messages kept"
        assert [warning[0] for warning in health.warnings] == ["1", "1"]


async def test_check_knocks_at_the_listener(feed: Feeds) -> None:
    async with feed() as one:
        await one.hear(message("ADT^A28", PID))
        async with listening(one.settings, one.store) as port:
            one.settings = one.settings.model_copy(update={"port": port})
            await one.adapter.check(call())
        with pytest.raises(SourceUnavailable, match="nobody listens"):
            await one.adapter.check(call())


async def test_two_numbers_of_one_nhs_number_are_two_records_each_its_own(feed: Feeds) -> None:
    async with feed() as one:
        await one.hear(message("ADT^A28", PID), message("ADT^A28", PID.replace("880417", "880418")))
        answers = [list(one.adapter.read(record)) for record in await records(one)]
        assert [{f.subject for f in answer if isinstance(f, Fact)} for answer in answers] == [
            {"Patient/880417"},
            {"Patient/880418"},
        ]


async def test_a_corrected_nhs_number_leads_to_the_person_and_the_old_one_to_nobody(feed: Feeds) -> None:
    async with feed() as one:
        await one.hear(message("ADT^A28", PID.replace("9990000018", "9990000034")), message("ADT^A31", PID))
        assert [p.native_id for p in await one.ask() if isinstance(p, Patient)] == ["Patient/880417"]
        assert [g.code for g in await one.ask("9990000034") if isinstance(g, Gap)] == [PATIENT_NOT_FOUND]


async def test_a_record_linked_by_hand_does_not_hide_the_one_that_has_the_number(feed: Feeds) -> None:
    async with feed() as one:
        bare = PID.replace("9990000018", "").replace("880417", "880999").replace("NSTS01", "")
        await one.hear(message("ADT^A28", PID, control="1"), message("ADT^A28", bare, control="2"))
        found = await one.ask(local=("Patient/880999",))
        assert {p.native_id for p in found if isinstance(p, Patient)} == {"Patient/880417", "Patient/880999"}


async def test_a_new_number_does_not_inherit_the_status_of_the_old_one(feed: Feeds) -> None:
    async with feed() as one:
        bare = PID.replace("9990000018", "9990000034").replace("NSTS01", "")
        await one.hear(message("ADT^A28", PID), message("ADT^A31", bare, at="20260317110000"))
        (patient,) = [p for p in await one.ask(local=("Patient/880417",)) if isinstance(p, Patient)]
        assert [(i.value, i.verified) for i in patient.identifiers if i.verified is not False] == [
            ("9990000034", None),
            ("880417", None),
        ]


async def test_more_messages_than_may_be_read_are_said_to_be_truncated(feed: Feeds) -> None:
    async with feed(max_messages=2) as one:
        await one.hear(*(message("ADT^A31", PID, control=str(at)) for at in range(3)))
        (record,) = await records(one)
        assert record.truncated
        assert len(record.parts) == 3
        assert any(isinstance(gap, Gap) and gap.kind is GapKind.TRUNCATED for gap in one.adapter.read(record))


async def test_a_damaged_list_of_numbers_is_refused_and_never_read_as_nobody(feed: Feeds) -> None:
    async with feed() as one:
        await one.hear(message("ADT^A28", PID))
        (record,) = await records(one)
        bent = record.parts[0].replace(b"880417", b"880418")
        with pytest.raises(SourceInvalid):
            list(
                one.adapter.read(
                    type(record)(**{n: getattr(record, n) for n in ("kind", "types", "retrieved")}, parts=(bent,))
                )
            )


async def test_what_a_source_is_not_configured_to_send_is_said_and_not_dropped(feed: Feeds) -> None:
    async with feed(messages=("ADT",)) as one:
        await one.hear(message("ORU^R01", PID, OBR, obx("1")))
        told = {gap.code for gap in await one.ask() if isinstance(gap, Gap) and gap.kind is GapKind.UNSUPPORTED}
        assert told == {"DiagnosticReport"}


@pytest.mark.parametrize(
    "wrong", [{"messages": ()}, {"messages": ("ADT", "ADT")}, {"tls_key": "k"}, {"port": -1}, {"unknown": 1}]
)
def test_settings_that_cannot_be_meant_are_refused(wrong: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ValidationError):
        FeedSettings.model_validate({"store": tmp_path / "feed.db"} | wrong)


OTHER = "PID|1||550012^^^RBI^MR||HARTLEBURY^Odo||19710203|M"
MERGED = "MRG|991100^^^RBI^MR"


async def told(one: Feed, after: str | None) -> tuple[str, list[tuple[list[str], list[str]]]]:
    """The cursor, and of everybody the local ids and the identifiers."""
    found = await one.adapter.changes(after, call())
    return found.cursor, [(list(who.local_ids), [i.value for i in who.identifiers]) for who in found.subjects]


async def test_whoever_a_new_message_names_has_changed_by_every_number_of_theirs(feed: Feeds) -> None:
    async with feed() as one:
        await one.hear(message("ADT^A28", PID, control="1"), message("ADT^A40", PID, MERGED, control="2"))
        now, nobody = await told(one, None)
        assert nobody == []
        # By the hospital's own number alone, and under the number that was merged away.
        await one.hear(message("ORU^R01", PID_MRN.replace("880417", "991100"), OBR, obx("120"), control="3"))
        after, changed = await told(one, now)
        assert changed == [(["Patient/880417", "Patient/991100"], ["9990000018"])]
        assert await told(one, after) == (after, [])


async def test_more_changes_than_are_told_at_once_are_told_one_after_the_other(
    feed: Feeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.hl7v2.feed.adapter._MOST_AT_ONCE", 2)
    async with feed() as one:
        cursor, _ = await told(one, None)
        await one.hear(*(message("ADT^A28", pid, control=str(n)) for n, pid in enumerate([PID, PID, OTHER])))
        cursor, first = await told(one, cursor)
        assert first == [(["Patient/880417"], ["9990000018"])]
        _, second = await told(one, cursor)
        assert second == [(["Patient/550012"], [])]


async def test_a_message_that_is_linked_by_hand_changes_the_record_it_is_linked_to(feed: Feeds) -> None:
    async with feed() as one:
        await one.hear(message("ADT^A28", PID, control="1"), message("ORU^R01", "PID|1", OBR, obx("120"), control="2"))
        cursor, _ = await told(one, None)
        (nameless,) = await one.store.unlinked(10)
        await one.store.link(nameless.id, "880417", "R. Hale", "seen at the bedside")
        cursor, changed = await told(one, cursor)
        assert changed == [(["Patient/880417"], ["9990000018"])]
        await one.store.unlink(nameless.id, "R. Hale", "wrong bed")
        assert (await told(one, cursor))[1] == changed


async def test_a_cursor_of_another_store_is_refused(feed: Feeds) -> None:
    async with feed() as one:
        await one.hear(message("ADT^A28", PID, control="1"))
        with pytest.raises(SourceRequest):
            await one.adapter.changes("9999.0", call())
