"""The tutorial's adapter is run as it stands on the page, against a real server."""

import ast
import re
import sys
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from aiohttp import web

from adapters.sdk import Ask, SourceInvalid, SourceRequest
from adapters.sdk.registry import load
from adapters.testing.conformance import AdapterConformance, call
from adapters.testing.http_conformance import HttpAdapterConformance
from adapters.testing.simulation import Faults, http_server
from schema.model.clinical import Observation, Patient
from schema.model.fact import PATIENT_NOT_FOUND, Fact, Gap, GapKind
from tests.support.sources import opened, person

PAGE = (Path(__file__).parents[2] / "docs" / "tutorials" / "write-an-adapter.md").read_text("utf-8")
ADA, NEVER_WEIGHED, UNKNOWN = "9990000018", "9990000026", "9990000034"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


(CODE,) = blocks("python")
(EXPORT,) = blocks("text")
HEADING = EXPORT.splitlines()[0]
EXPORTS = {ADA: EXPORT, NEVER_WEIGHED: f"{HEADING}\nW-18,Tallowby,Bram,1961-12-24,,,\n"}


def the_page() -> ModuleType:
    """The page's code, as the module it says it is."""
    module = ModuleType("wellbeck")
    exec(compile(CODE, "wellbeck.py", "exec"), module.__dict__)
    return module


@pytest.fixture
def wellbeck(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = the_page()
    monkeypatch.setitem(sys.modules, "wellbeck", module)
    return module


def test_the_conformance_test_on_the_page_overrides_what_the_kit_asks_for() -> None:
    (shown,) = (node for node in ast.parse(blocks("py")[0]).body if isinstance(node, ast.ClassDef))
    assert [ast.unparse(base) for base in shown.bases] == [HttpAdapterConformance.__name__]
    overridden = {node.name for node in shown.body if isinstance(node, ast.AsyncFunctionDef)}
    assigned = {target.id for node in shown.body if isinstance(node, ast.Assign) for target in node.targets}
    assert overridden == {"running", "at"}
    assert all(hasattr(HttpAdapterConformance, name) for name in overridden)
    assert assigned == {"known", "unknown"}
    assert assigned <= AdapterConformance.__annotations__.keys()


@asynccontextmanager
async def server(faults: Faults) -> AsyncIterator[str]:
    """A Wellbeck server; yields its URL."""

    async def export(request: web.Request) -> web.Response:
        return web.Response(text=EXPORTS.get(request.query["nhs"], f"{HEADING}\n"), content_type="text/csv")

    app = web.Application()
    app.router.add_get("/export", export)
    async with http_server(app, faults) as port:
        yield f"http://127.0.0.1:{port}"


@asynccontextmanager
async def adapter_at(url: str, module: ModuleType) -> AsyncIterator[Any]:
    """The page's adapter, asking at this URL."""
    async with opened(module.WellbeckAdapter, module.WellbeckSettings(base_url=url)) as adapter:
        yield adapter


@pytest.fixture
async def scales(wellbeck: ModuleType) -> AsyncIterator[tuple[Any, Faults]]:
    faults = Faults()
    async with server(faults) as url, adapter_at(url, wellbeck) as adapter:
        yield adapter, faults


class TestConformance(HttpAdapterConformance):
    """What the page promises: the kit, run on the page's adapter."""

    known = person(ADA)
    unknown = person(UNKNOWN)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Any]:
        async with server(Faults()) as url, adapter_at(url, the_page()) as adapter:
            yield adapter

    @asynccontextmanager
    async def at(self, url: str) -> AsyncIterator[Any]:
        async with adapter_at(url, the_page()) as adapter:
            yield adapter


async def answer(adapter: Any, *numbers: str, types: frozenset[str] | None = None) -> list[Fact | Gap]:
    question = Ask(subjects=(person(*numbers),), types=types or adapter.types)
    return [found async for record in adapter.fetch(question, call()) for found in adapter.read(record)]


def test_a_useful_adapter_is_under_sixty_statements() -> None:
    assert sum(isinstance(node, ast.stmt) for node in ast.walk(ast.parse(CODE))) < 60


async def test_facts_come_out_and_the_broken_line_is_a_gap(scales) -> None:
    adapter, _ = scales
    patient, weight, gap = await answer(adapter, ADA)
    assert isinstance(patient, Patient)
    assert patient.birth_date is not None
    assert (patient.names[0].family, patient.birth_date.value) == ("Fernhollow", "1950-04-01")
    assert isinstance(weight, Observation)
    assert weight.value_quantity is not None
    assert str(weight.value_quantity.value) == "61.40"
    assert weight.subject == patient.native_id
    assert isinstance(gap, Gap)
    assert (gap.kind, gap.fact_type) == (GapKind.UNREADABLE, "Observation")


async def test_every_silence_has_its_reason(scales) -> None:
    adapter, _ = scales
    assert await answer(adapter, UNKNOWN) == [Gap(kind=GapKind.NOT_HELD, code=PATIENT_NOT_FOUND)]
    patient, gap = await answer(adapter, NEVER_WEIGHED)
    assert isinstance(patient, Patient)
    assert gap == Gap(kind=GapKind.NOT_RECORDED, fact_type="Observation")
    assert len(await answer(adapter, UNKNOWN, ADA)) == 3, "a superseded number is tried after the current one"
    assert len(await answer(adapter, ADA, types=frozenset({"Patient"}))) == 1


async def test_check_is_a_round_trip_that_a_login_page_fails(scales) -> None:
    adapter, faults = scales
    assert "columns" in (await adapter.check(call())).detail
    faults.garbage = True
    for asked in (adapter.check(call()), answer(adapter, ADA)):
        with pytest.raises(SourceInvalid):
            await asked


async def test_a_refused_question_is_not_an_empty_answer(scales, wellbeck) -> None:
    adapter, _ = scales
    adapter.settings = adapter.settings.model_copy(update={"export_path": "elsewhere"})
    with pytest.raises(SourceRequest):
        await answer(adapter, ADA)


def test_the_registration_on_the_page_names_the_class_and_its_kind(wellbeck) -> None:
    package, gateway = (tomllib.loads(block) for block in blocks("toml"))
    ((kind, reference),) = package["project"]["entry-points"]["sherwood.adapters"].items()
    assert load(reference).kind == kind
    (source,) = gateway["sources"]
    assert source["adapter"] == kind
    wellbeck.WellbeckSettings.model_validate(source["settings"])
