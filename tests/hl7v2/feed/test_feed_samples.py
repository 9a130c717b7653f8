"""Every sample message alone in a feed, against tests/samples/hl7v2_feed.toml, judged by hand before the reader."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from schema.model.clinical import Appointment, DocumentReference, Encounter, Medication, ServiceRequest
from schema.model.fact import Fact, Gap, GapKind
from tests.support.samples import MISSING, SAMPLES, table

MESSAGES = SAMPLES / "hl7v2"
TABLE = table("hl7v2_feed")
MUST_BE_READ = ("ADT", "ORU", "SIU", "MDM", "RDE", "VXU")

pytestmark = pytest.mark.skipif(not MESSAGES.is_dir(), reason=MISSING)


def settings(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "mrn_authority": row.get("authority"),
        "bare_number": row.get("plain", False),
        "processing": ("P", "T"),
    }


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row["name"])
async def test_a_sample_says_what_the_table_says(row: dict[str, Any], feed: Callable[..., Any]) -> None:
    async with feed(**settings(row)) as one:
        raw = (MESSAGES / row["name"]).read_bytes()
        await one.hear(raw)
        state = await one.store.state()
        assert (state.messages, state.unlinked, state.unreadable) == (1, 0 if row.get("subject") else 1, 0)
        subject = row.get("subject")
        items = await one.ask(local=(f"Patient/{subject or '10292'}",))
        facts = [item for item in items if isinstance(item, Fact)]
        assert dict(Counter(type(fact).__name__ for fact in facts)) == row["facts"]
        assert {fact.subject for fact in facts} <= {f"Patient/{subject}", f"Patient/{row.get('retired')}"}
        unread = [
            gap for gap in items if isinstance(gap, Gap) and gap.kind is GapKind.UNSUPPORTED and gap.at == "MSH-9"
        ]
        assert bool(unread) == ((row["outcome"] == "not-read" and bool(subject)) or row["name"] == "ADT-A29-01.hl7")
        main = [
            fact
            for fact in facts
            if isinstance(fact, Encounter | Appointment | DocumentReference | ServiceRequest | Medication)
        ]
        if "status" in row:
            # A visit's message may also carry a referral: the status is the visit's.
            assert (main[0].status or "") == row["status"]
            assert main[0].entered_in_error is row.get("withdrawn", False)


def test_the_table_judges_every_sample_and_reads_the_families_it_must() -> None:
    assert len(TABLE) == len({row["name"] for row in TABLE}) == 70
    for row in TABLE:
        family = next(one["type"] for one in table("hl7v2") if one["name"] == row["name"])[:3]
        assert row["outcome"] == "read" or family not in MUST_BE_READ
