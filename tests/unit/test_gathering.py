"""One view under one reading of codes: what a terminology server answers in between serves the next view."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any

from adapters.sdk import HttpSettings
from adapters.sdk.client import open_client
from gateway.config import TerminologyServerTable
from gateway.gathering import Asked, Gathering, Merger
from gateway.hearing import Heard
from gateway.translating import Translator
from schema.model.clinical import FACT_TYPES, Condition, Observation
from schema.model.fact import Fact
from schema.model.view import DiscrepancyKind, EntryFilter, Link, LinkStatus, SourceState
from tests.identity.people import reference
from tests.merge.making import IDS, READ, SOURCES, TERMS, at, coded, reading, stating
from tests.support.terminology_server import match, terminology_server

CEILING_S = 30.0
DIABETES, ALT = "44054006", "1018251000000107"
MAPS = {(READ, "ZZ1.."): [match(DIABETES)], (READ, "44G3."): [match(ALT)]}


def heard(source: str, kind: type[Fact], fields: dict[str, Any]) -> Asked:
    facts = {kind.__name__: tuple(stating(kind, (source, fields)))}
    types = frozenset(FACT_TYPES)
    link = Link(source=SOURCES[source], status=LinkStatus.LINKED, grade="certain", local_id=f"{source}-1")
    return Asked(
        SOURCES[source],
        types,
        Heard(source=SOURCES[source], state=SourceState.OK, facts=facts, links=(link,)),
    )


@asynccontextmanager
async def a_view_before_the_server_answers(
    kind: type[Fact], one: dict[str, Any], other: dict[str, Any]
) -> AsyncIterator[tuple[Gathering, Translator]]:
    """Two sources' statements; nobody waits for the server, so its answer is for the next view."""
    async with asyncio.timeout(CEILING_S), terminology_server(maps=MAPS) as server:
        table = TerminologyServerTable.model_construct(wait=0.0, timeout=CEILING_S)
        http = open_client(
            HttpSettings(base_url=server.base_url),
            None,
            name="the terminology server",
            timeout_s=CEILING_S,
            max_concurrency=2,
        )
        translator = Translator(TERMS, table, http)
        asked = (heard("a", kind, one), heard("b", kind, other))
        merger = Merger(IDS, translator, ("a", "b"))
        try:
            yield Gathering(reference(), asked, monotonic() + CEILING_S, merger), translator
        finally:
            await translator.close()


async def until_it_has_answered(translator: Translator) -> None:
    while translator.terms is TERMS:
        await asyncio.sleep(0.001)


DIABETES_IN_READ = {"code": coded("ZZ1..", READ), "onset": at("2010-05-01"), "clinical_status": "active"}
DIABETES_IN_SNOMED = {"code": coded(DIABETES), "onset": at("2015-06-01"), "clinical_status": "active"}


async def test_a_translation_that_comes_after_the_merge_makes_no_claim_that_a_source_lacks_a_fact() -> None:
    async with a_view_before_the_server_answers(Condition, DIABETES_IN_READ, DIABETES_IN_SNOMED) as (view, terms):
        settled = await view.section("Condition")
        assert len(settled.entries) == 2
        await until_it_has_answered(terms)
        found = {one.kind for one in await view.discrepancies(None) if one.fact_type == "Condition"}
        assert found == {DiscrepancyKind.CANNOT_TELL}


async def test_a_translation_that_comes_after_the_merge_makes_no_second_point_of_one_sample() -> None:
    in_read = reading("97", "2026-01-14T10:05", unit="U/L") | {"code": coded("44G3.", READ)}
    in_snomed = reading("97", "2026-01-14T10:05", unit="U/L") | {"code": coded(ALT)}
    async with a_view_before_the_server_answers(Observation, in_read, in_snomed) as (view, terms):
        await view.section("Observation")
        await until_it_has_answered(terms)
        (line,) = await view.outcomes((ALT,))
        assert [str(point.value) for point in line.points] == ["97"]
        chosen = await view.section("Observation", EntryFilter(codes=(ALT,)))
        assert len(chosen.entries) == 1
