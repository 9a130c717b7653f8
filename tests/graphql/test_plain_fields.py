"""The estate's answers are the same, read in one go and field by field."""

from collections.abc import Callable
from typing import Any

import pytest

from gateway import plain
from schema.model.clinical import SECTIONS
from tests.graphql.conftest import Running
from tests.support.ledger import everything

FROM = "provenance { source { id name } nativeId author { name } recorded { value } retrieved recordHash }"
OTHERS = {
    "patient": "Patient",
    "links": "Link",
    "careTeamMembers": "CareTeamMember",
    "transfersOfCare": "TransferOfCare",
    "outcomes": "ObservationSeries",
}
SELECTIONS = [
    *(
        f"{name} {{ status sources {{ state gaps {{ kind text }} }} entries {{ nodes {{ {everything(kind.__name__)} "
        f"{FROM} facts {{ {FROM} }} }} }} }}"
        for name, kind in SECTIONS.items()
        if name != "patient"
    ),
    *(f"{name} {{ {everything(kind, 3)} }}" for name, kind in OTHERS.items()),
]


async def test_the_whole_record_is_the_same_in_one_go_and_field_by_field(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults: list[Exception] = []
    readers = 0
    made = plain.Readers.of

    def watched(*of: Any) -> Callable[[Any], Any] | None:
        nonlocal readers
        read = made(*of)
        if read is None:
            return None
        readers += 1

        def reading(source: Any) -> Any:
            try:
                return read(source)
            except Exception as fault:
                faults.append(fault)
                raise

        return reading

    async def record() -> list[Any]:
        return [await gateway.record(selection) for selection in SELECTIONS]

    await record()  # what comes now comes from the cache
    monkeypatch.setattr(plain.Readers, "of", watched)
    in_one_go = await record()
    assert readers > 2 * len(SELECTIONS)
    assert not faults, "an object without a fault went the long way"
    monkeypatch.setattr(plain.Readers, "of", lambda *_: None)
    assert in_one_go == await record()
