"""How an answer travels, by what the client accepts; and the two formats of its parts."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.delivery import Delivery, accepted, chosen, in_the_form_of_2022


@pytest.mark.parametrize(
    ("header", "how"),
    [
        ("", Delivery.WHOLE),
        ("*/*", Delivery.WHOLE),
        ("application/json", Delivery.WHOLE),
        ("application/json, multipart/mixed", Delivery.PARTS),
        ("multipart/mixed;incrementalSpec=v0.2, application/json", Delivery.PARTS),
        ('Multipart/Mixed; deferSpec="20220824"', Delivery.PARTS_2022),
        ("multipart/mixed; q=0, application/json", Delivery.WHOLE),
        ("multipart/mixed; q=0.5", Delivery.PARTS),
        ("text/event-stream", Delivery.EVENTS),
        ("text/event-stream, application/json", Delivery.WHOLE),
        ("text/event-stream, multipart/mixed", Delivery.EVENTS),
        ("application/json, text/event-stream, multipart/mixed", Delivery.PARTS),
    ],
)
def test_the_client_says_how_it_takes_its_answer(header: str, how: Delivery) -> None:
    assert chosen(accepted(header)) is how


async def frames(*given: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    for frame in given:
        yield frame


async def test_every_part_has_its_own_place_in_the_older_format() -> None:
    error = {"message": "no"}
    told = in_the_form_of_2022(
        frames(
            {"data": {"a": {}}, "pending": [{"id": "0", "path": ["a"], "label": "x"}], "hasNext": True},
            {
                "pending": [{"id": "1", "path": ["a"]}],
                "incremental": [{"id": "0", "data": {"b": 1}}, {"id": "0", "subPath": ["c", 2], "data": {"d": 1}}],
                "completed": [{"id": "0"}],
                "hasNext": True,
            },
            {"completed": [{"id": "1", "errors": [error]}], "hasNext": False},
        )
    )
    assert [frame async for frame in told] == [
        {"data": {"a": {}}, "hasNext": True},
        {
            "incremental": [
                {"data": {"b": 1}, "path": ["a"], "label": "x"},
                {"data": {"d": 1}, "path": ["a", "c", 2], "label": "x"},
            ],
            "hasNext": True,
        },
        {"incremental": [{"data": None, "errors": [error], "path": ["a"]}], "hasNext": False},
    ]
