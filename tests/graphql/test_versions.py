"""By `versions` a client tells whether what it shows is still what the sources say."""

from pathlib import Path
from typing import Any

from gateway.hearing import Heard
from gateway.versions import versions
from schema.model.fact import Gap, GapKind
from schema.model.view import SourceRef, SourceState
from tests.graphql.conftest import DESK, TOKENS, Running, started
from tests.graphql.laboratory import send_potassium
from tests.graphql.subscribers import by

VERSIONS = "versions { source { id } sections { section state version } }"
Said = dict[tuple[str, str], tuple[str, str]]


async def said(gateway: Running, **headers: str) -> Said:
    """Source and section -> state and version, of sources that are all asked anew."""
    gateway.service.cache.__init__(gateway.service.config.gateway.cache_bytes)  # type: ignore[misc]
    record: Any = await gateway.record(f"{VERSIONS} sources {{ source {{ id }} }}", headers=headers)
    assert [one["source"] for one in record["versions"]] == [one["source"] for one in record["sources"]]
    return {
        (one["source"]["id"], section["section"]): (section["state"], section["version"])
        for one in record["versions"]
        for section in one["sections"]
    }


def differing(then: Said, now: Said) -> list[tuple[str, str]]:
    assert then.keys() == now.keys()
    return [place for place in now if now[place] != then[place]]


async def test_they_are_the_same_until_a_source_says_something_else_and_then_there_alone(gateway: Running) -> None:
    first = await said(gateway)
    assert {section for _, section in first} >= {"patient", "allergies", "observations", "careTeam"}
    assert differing(first, await said(gateway)) == []
    await send_potassium(gateway.feed_port, "6.6")
    assert differing(first, await said(gateway)) == [("lab", "observations"), ("lab", "diagnosticReports")]


async def test_a_source_that_is_not_heard_is_another_version_that_says_so(gateway: Running) -> None:
    first = await said(gateway)
    gateway.faults["gp"].down = True
    changed = differing(first, now := await said(gateway))
    assert {source for source, _ in changed} == {"gp"}
    assert {now[place][0] for place in changed} == {"UNAVAILABLE"}


async def test_what_policy_hides_changes_none_of_them(tmp_path: Path) -> None:
    hidden = TOKENS.replace('deny_sources = ["telehealth"]', 'deny_sources = ["lab"]')
    async with started(tmp_path, tokens=hidden) as gateway:
        first, ward = await said(gateway, **by(DESK)), await said(gateway)
        await send_potassium(gateway.feed_port, "6.6")
        assert differing(ward, await said(gateway)) != []
        assert differing(first, await said(gateway, **by(DESK))) == []
        assert "lab" not in {source for source, _ in first}


def test_which_of_two_silences_is_told_first_makes_no_other_version() -> None:
    late = Gap(kind=GapKind.FAILED, fact_type="Medication", code="SOURCE_TIMEOUT")
    busy = Gap(kind=GapKind.FAILED, fact_type="Medication", code="SOURCE_THROTTLED")
    ward = SourceRef(id="epr", name="Ward", organization="ZRH")

    def version(*gaps: Gap) -> str:
        heard = Heard(source=ward, state=SourceState.PARTIAL, gaps={"Medication": gaps})
        ((section,),) = (
            one.sections for one in versions([(heard.section_source("Medication", True), "Medication", ())])
        )
        return section.version

    assert version(late, busy) == version(busy, late)
    assert len({version(), version(late), version(busy), version(late, busy), version(late, late)}) == 5
