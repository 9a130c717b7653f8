"""Paging: every style to its end, and no style without an end."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapters.rest.simulate import ApiKey, Collection, VendorApi
from schema.model.fact import Fact, Gap, GapKind

NUMBER = "9994071009"
MAPPING = """
[check]
path = "status"
[errors]
code = "error.code"
[errors.codes]
CURSOR_EXPIRED = "unavailable"
[patient]
path = "people"
params = {{ number = "{{nhs_number}}" }}
items = "items"
local_id = "id"
[patient.fields]
names = ["name"]
[[resource]]
name = "readings"
fact = "Observation"
path = "people/{{local_id}}/readings"
items = "items"
paging = {paging}
native_id = "id"
subject = "person"
[resource.fields]
value_quantity = "value"
"""
STYLES = {
    "page": '{ style = "page", page_param = "page", size_param = "size", size = 2, total = "total" }',
    "cursor": '{ style = "cursor", cursor_param = "cursor", next = "next", size_param = "size", size = 2 }',
    "link": '{ style = "link", size_param = "size", size = 2 }',
}


def vendor(paging: str, rows: int = 5) -> VendorApi:
    return VendorApi(
        people=({"id": "P 1/x", "number": NUMBER, "name": "Invented Person"},),
        people_route="/people",
        number="number",
        number_param="number",
        local_id="id",
        collections=(
            Collection(
                "/people/{id}/readings",
                tuple({"id": i, "person": "P 1/x", "value": i} for i in range(rows)),
                "person",
                paging=paging,
            ),
        ),
        auth=ApiKey("X-Api-Key", "k"),
        status_route="/status",
    )


@pytest.fixture
def mapped(tmp_path: Path) -> Callable[[str], str]:
    def write(paging: str) -> str:
        file = tmp_path / "vendor.mapping.toml"
        file.write_text(MAPPING.format(paging=paging), "utf-8")
        return str(file)

    return write


def readings(found: list[Any]) -> list[str]:
    return [each.native_id for each in found if isinstance(each, Fact) and type(each).__name__ == "Observation"]


def kinds(found: list[Any]) -> list[GapKind]:
    return [each.kind for each in found if isinstance(each, Gap)]


@pytest.mark.parametrize("style", STYLES)
async def test_all_pages_of_every_style_are_fetched_in_order(serve, mapped, style: str) -> None:
    async with serve(vendor(style), mapped(STYLES[style])) as asked:
        found = await asked.answer(NUMBER)
    assert readings(found) == [f"Observation/{i}" for i in range(5)]
    assert kinds(found) == []


@pytest.mark.parametrize("style", STYLES)
async def test_an_empty_answer_is_not_recorded_rather_than_nothing(serve, mapped, style: str) -> None:
    async with serve(vendor(style, rows=0), mapped(STYLES[style])) as asked:
        assert kinds(await asked.answer(NUMBER)) == [GapKind.NOT_RECORDED]


@pytest.mark.parametrize("style", STYLES)
async def test_a_page_that_fails_leaves_the_earlier_ones_and_says_truncated(serve, mapped, style: str) -> None:
    async with serve(vendor(style), mapped(STYLES[style])) as asked:
        asked.api.fails_at = 1
        (_, record) = await asked.records(NUMBER)
        assert record.truncated
        found = list(asked.adapter.read(record))
    assert readings(found) == ["Observation/0", "Observation/1"]
    assert kinds(found) == [GapKind.TRUNCATED]


@pytest.mark.parametrize("style", STYLES)
async def test_a_vendor_that_always_has_more_is_stopped_and_said_to_be_cut(serve, mapped, style: str) -> None:
    async with serve(vendor(style), mapped(STYLES[style]), max_pages=7) as asked:
        asked.api.stuck = True
        found = await asked.answer(NUMBER)
        assert asked.faults.asked == 1 + 2, "the second page is the first again"
    assert readings(found) == ["Observation/0", "Observation/1"]
    assert kinds(found) == [GapKind.TRUNCATED]


async def test_a_long_list_is_cut_at_the_most_pages_and_says_so(serve, mapped) -> None:
    for style in STYLES:
        async with serve(vendor(style), mapped(STYLES[style]), max_pages=2) as asked:
            found = await asked.answer(NUMBER)
        assert len(readings(found)) == 4
        assert kinds(found) == [GapKind.TRUNCATED]


async def test_a_repeated_cursor_ends_the_walk(serve, mapped, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serve(vendor("cursor", rows=50), mapped(STYLES["cursor"])) as asked:
        # A vendor whose cursor is for ever the same one, though its pages differ.
        pages = iter(range(50))
        monkeypatch.setattr(
            "adapters.rest.simulate._Vendor._cursor", lambda self, *_: _remember(self._api, next(pages))
        )
        found = await asked.answer(NUMBER)
        assert asked.faults.asked < 10
    assert kinds(found) == [GapKind.TRUNCATED]


def _remember(api: VendorApi, index: int) -> str:
    api.cursors["the-one"] = ("/people/{id}/readings", "P 1/x", index + 1)
    return "the-one"


async def test_a_cursor_that_expired_keeps_what_came(serve, mapped) -> None:
    async with serve(vendor("cursor"), mapped(STYLES["cursor"])) as asked:
        asked.api.cursors_expire = True
        found = await asked.answer(NUMBER)
    assert readings(found) == ["Observation/0", "Observation/1"]
    assert kinds(found) == [GapKind.TRUNCATED]


async def test_a_vendor_that_caps_the_page_size_is_still_read_to_the_end(serve, mapped) -> None:
    paging = '{ style = "page", page_param = "page", size_param = "size", size = 4, total = "total" }'
    async with serve(vendor("page"), mapped(paging)) as asked:
        asked.api.max_page = 2
        assert len(readings(await asked.answer(NUMBER))) == 5


async def test_without_a_total_pages_are_asked_for_until_one_is_empty(serve, mapped) -> None:
    paging = '{ style = "page", page_param = "page", size_param = "size", size = 2 }'
    async with serve(vendor("page"), mapped(paging)) as asked:
        found = await asked.answer(NUMBER)
        assert asked.faults.asked == 1 + 4
    assert len(readings(found)) == 5


async def test_one_page_served_without_a_word_is_noticed_by_its_total(serve, mapped) -> None:
    async with serve(vendor("page"), mapped('{ style = "none", total = "total" }')) as asked:
        asked.api.max_page = 2
        found = await asked.answer(NUMBER)
    assert len(readings(found)) == 2
    assert kinds(found) == [GapKind.TRUNCATED]


async def test_the_page_size_of_the_settings_wins(serve, mapped) -> None:
    async with serve(vendor("page"), mapped(STYLES["page"]), page_size=5) as asked:
        assert len(readings(await asked.answer(NUMBER))) == 5
        assert asked.faults.asked == 2
