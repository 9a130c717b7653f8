"""What a section says where a source that only listens is in scope: of before it began, nobody can tell."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from schema.model.clinical import SECTIONS
from tests.graphql.conftest import MICHAEL, TOKENS, started

LOUISE, NOBODYS = "9991830006", "9997725018"
BEGAN = "2026-01-06T06:00:00+00:00"
"""The feed's first message."""
_ALL_TOKENS = TOKENS.replace('["telehealth"]', "[]")
_HELD = 'types = ["Patient", "Encounter", "DiagnosticReport", "Observation"]'
_SAID = "status emptyReason totalCount sources { source { id } state code completeFrom { earliest } }"
_ASKED = " ".join(f"{name} {{ {_SAID} }}" for name in SECTIONS)
FED = frozenset({"observations", "diagnosticReports", "encounters", "allergies", "conditions", "procedures"})
"""The sections that the feed is configured to hold here."""


def estate(*sources: str) -> Callable[[str], str]:
    """Of the demo's sources these alone; the laboratory's feed is to say more than it does."""

    def edit(config: str) -> str:
        assert _HELD in config
        more = _HELD.replace("]", ', "AllergyIntolerance", "Condition", "Procedure"]')
        head, *blocks = config.replace(_HELD, more).split("[[sources]]\n")
        kept = [block for block in blocks if re.match(r'id = "(.+)"', block)[1] in sources]  # type: ignore[index]
        assert len(kept) == len(sources)
        return "[[sources]]\n".join([head, *kept])

    return edit


def told(record: dict[str, Any], section: str) -> tuple[str, str | None, int]:
    return record[section]["status"], record[section]["emptyReason"], record[section]["totalCount"]


def of_feed(record: dict[str, Any], section: str) -> dict[str, Any]:
    (found,) = (source for source in record[section]["sources"] if source["source"]["id"] == "lab")
    return dict(found)


async def test_where_only_a_feed_could_know_the_section_is_partial_and_says_since_when_it_listens(
    tmp_path: Path,
) -> None:
    async with started(tmp_path, edit=estate("pds", "lab"), tokens=_ALL_TOKENS) as gateway:
        record = await gateway.record(_ASKED, number=LOUISE)
        assert told(record, "allergies") == ("PARTIAL", "NOT_RECORDED", 0)
        assert told(record, "observations") == ("PARTIAL", None, 1), "an earlier one may be missing"
        for name in SECTIONS:
            feed = of_feed(record, name)
            if name in FED:
                assert record[name]["status"] == "PARTIAL", name
                assert (feed["state"], feed["completeFrom"]) == ("OK", {"earliest": BEGAN}), name
            else:
                assert told(record, name) == ("COMPLETE", "NOT_HELD", 0), name
                assert (feed["code"], feed["completeFrom"]) == ("NOT_HELD", None), name


async def test_none_known_is_not_said_over_the_years_before_a_feed_began_and_who_said_it_is_shown(
    tmp_path: Path,
) -> None:
    asked = f"{_ASKED} said: allergies {{ entries {{ nodes {{ polarity provenance {{ source {{ id }} }} }} }} }}"
    async with started(tmp_path, edit=estate("pds", "lab", "gp", "epr"), tokens=_ALL_TOKENS) as gateway:
        record = await gateway.record(asked, number=LOUISE)
    assert told(record, "allergies") == ("PARTIAL", None, 1)
    (entry,) = record["said"]["entries"]["nodes"]
    assert entry == {"polarity": "ABSENT", "provenance": [{"source": {"id": "gp"}}]}
    assert told(record, "procedures") == ("PARTIAL", "NOT_RECORDED", 0), "the hospital has none, the feed cannot tell"
    assert told(record, "flags") == ("COMPLETE", "NOT_RECORDED", 0), "of which a feed says nothing"


async def test_without_the_feed_in_scope_the_same_statement_is_none_known(tmp_path: Path) -> None:
    async with started(tmp_path, edit=estate("pds", "gp", "epr"), tokens=_ALL_TOKENS) as gateway:
        record = await gateway.record(_ASKED, number=LOUISE)
    assert told(record, "allergies") == ("COMPLETE", "NONE_KNOWN", 1)


async def test_a_feed_that_does_not_know_the_person_may_have_known_them_before_it_began(tmp_path: Path) -> None:
    async with started(tmp_path, edit=estate("pds", "lab", "gp"), tokens=_ALL_TOKENS) as gateway:
        record = await gateway.record(_ASKED, number=NOBODYS)
    for name in FED:
        assert told(record, name) == ("PARTIAL", "NOT_HELD", 0), name
        feed = of_feed(record, name)
        assert (feed["code"], feed["completeFrom"]) == ("PATIENT_NOT_FOUND", {"earliest": BEGAN}), name
    assert told(record, "medications") == ("COMPLETE", "NOT_HELD", 0)


async def test_what_is_put_together_from_a_feeds_sections_is_not_complete_either(tmp_path: Path) -> None:
    asked = "observations { status } timeline { status } outcomes { status sources { completeFrom { earliest } } }"
    async with started(tmp_path, edit=estate("pds", "lab"), tokens=_ALL_TOKENS) as gateway:
        record = await gateway.record(asked, number=MICHAEL)
    assert (record["observations"]["status"], record["timeline"]["status"]) == ("PARTIAL", "PARTIAL")
    assert {line["status"] for line in record["outcomes"]} == {"PARTIAL"}
    assert {"earliest": BEGAN} in [source["completeFrom"] for source in record["outcomes"][0]["sources"]]
