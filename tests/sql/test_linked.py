"""Beside linked ids the number is looked up all the same: the source may know one person twice."""

from pathlib import Path

from adapters.sdk import SourceRecord
from adapters.sdk.resources import read_resource
from schema.model.fact import Fact, Gap, GapKind
from tests.sql.conftest import Legacy, records_of
from tests.sql.logical import KNOWN, MAPPING, TWIN, UNKNOWN


def changed(folder: Path, old: str, new: str) -> str:
    text = read_resource(MAPPING)
    assert text.count(old) == 1
    path = folder / "own.mapping.toml"
    path.write_text(text.replace(old, new), "utf-8")
    return str(path)


async def asked_of(
    legacy: Legacy, mapping: str, *numbers: str, linked: tuple[str, ...]
) -> tuple[list[SourceRecord], list[Fact | Gap]]:
    async with legacy.opened(mapping=mapping) as adapter:
        records = await records_of(adapter, *numbers, local_ids=linked)
        return records, [found for record in records for found in adapter.read(record)]


def subjects(found: list[Fact | Gap]) -> set[str | None]:
    return {each.subject for each in found if isinstance(each, Fact)}


async def test_whoever_is_linked_and_carries_the_number_is_told_of_once(legacy: Legacy) -> None:
    records, found = await asked_of(legacy, MAPPING, KNOWN, linked=("Patient/C1",))
    assert "patient" not in {record.kind for record in records}
    assert subjects(found) == {"Patient/C1"}


async def test_a_link_to_one_who_carries_the_number_does_not_hide_another_who_does(
    legacy: Legacy, tmp_path: Path
) -> None:
    twice = changed(tmp_path, "WHERE nhs_no = ", "WHERE client_id = 'C2' OR nhs_no = ")
    twice_numbered = Path(twice).read_text("utf-8").replace('number = "nhs_no"\n', "")
    Path(twice).write_text(twice_numbered, "utf-8")
    _, found = await asked_of(legacy, twice, KNOWN, linked=("Patient/C1",))
    assert subjects(found) == {"Patient/C1", "Patient/C2"}


async def test_a_link_to_another_record_does_not_hide_the_one_with_the_number(legacy: Legacy) -> None:
    records, found = await asked_of(legacy, MAPPING, KNOWN, linked=("Patient/C2",))
    assert [record.kind for record in records[:2]] == ["patient.by_id", "patient"]
    assert subjects(found) == {"Patient/C1", "Patient/C2"}
    told = {each.native_id for each in found if isinstance(each, Fact)}
    assert {"Medication/1", "Condition/9"} <= told


async def test_a_superseded_number_that_a_linked_record_carries_is_a_number_asked_for(legacy: Legacy) -> None:
    records, found = await asked_of(legacy, MAPPING, UNKNOWN, TWIN, linked=("Patient/C2",))
    assert "patient" not in {record.kind for record in records}
    assert subjects(found) == {"Patient/C2"}


async def test_that_nobody_else_has_the_number_does_not_say_that_the_person_is_unknown(legacy: Legacy) -> None:
    _, found = await asked_of(legacy, MAPPING, UNKNOWN, linked=("Patient/C1",))
    assert subjects(found) == {"Patient/C1"}
    assert GapKind.NOT_HELD not in {gap.kind for gap in found if isinstance(gap, Gap)}


async def test_a_look_up_that_fails_beside_a_link_is_a_gap_in_every_type(legacy: Legacy, tmp_path: Path) -> None:
    broken = changed(tmp_path, "FROM client\nWHERE nhs_no", "FROM cleint\nWHERE nhs_no")
    _, found = await asked_of(legacy, broken, KNOWN, linked=("Patient/C2",))
    failed = {gap.fact_type: gap.code for gap in found if isinstance(gap, Gap) and gap.kind is GapKind.FAILED}
    types = ("Patient", "Condition", "Medication", "Observation", "Encounter")
    assert failed == dict.fromkeys(types, "SOURCE_REQUEST")
    assert subjects(found) == {"Patient/C2"}


async def test_people_with_another_number_are_handed_on_beside_a_link_without_their_facts(
    legacy: Legacy, tmp_path: Path
) -> None:
    wrong = changed(tmp_path, "WHERE nhs_no = ", "WHERE client_id = 'C1' OR nhs_no < ")
    records, found = await asked_of(legacy, wrong, UNKNOWN, linked=("Patient/C2",))
    assert [record.kind for record in records[:2]] == ["patient.by_id", "patient"]
    about = {each.native_id for each in found if isinstance(each, Fact) and each.subject == "Patient/C1"}
    assert about == {"Patient/C1"}


async def test_where_nobody_can_tell_who_carries_the_number_it_is_looked_up(legacy: Legacy, tmp_path: Path) -> None:
    silent = changed(tmp_path, 'number = "nhs_no"\n', "")
    _, found = await asked_of(legacy, silent, KNOWN, linked=("Patient/C2",))
    assert subjects(found) == {"Patient/C1", "Patient/C2"}
