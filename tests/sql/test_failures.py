"""What goes wrong at a database costs its own part and says who must act, in our words."""

import asyncio
import logging
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from adapters.sdk import SourceError, SourceInvalid, SourceRequest, SourceTimeout, SourceUnavailable
from adapters.sdk.resources import read_resource
from adapters.sql import SqlAdapter, SqlSettings
from adapters.sql.simulate import FileFaults, described, legacy_file
from adapters.testing.conformance import call
from adapters.testing.simulation import Faults
from schema.model.fact import Fact, Gap, GapKind
from tests.sql.conftest import Legacy, answer_of, records_of
from tests.sql.logical import DDL, KNOWN, MAPPING, TABLES, spaced
from tests.support.sources import source


def mapping(folder: Path, **changes: str) -> str:
    text = read_resource(MAPPING)
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    (folder / "own.mapping.toml").write_text(text, "utf-8")
    return str(folder / "own.mapping.toml")


async def test_one_resource_that_fails_costs_only_itself(legacy: Legacy, tmp_path: Path) -> None:
    async with legacy.opened(mapping=mapping(tmp_path, **{"FROM medication": "FROM mediaction"})) as adapter:
        found = await answer_of(adapter, KNOWN)
    failed = [(gap.fact_type, gap.code) for gap in found if isinstance(gap, Gap) and gap.kind is GapKind.FAILED]
    assert failed == [("Medication", "SOURCE_REQUEST")]
    assert {"Patient", "Condition", "Observation", "Encounter"} == {
        type(f).__name__ for f in found if isinstance(f, Fact)
    }


async def test_a_source_whose_every_resource_fails_has_failed(legacy: Legacy, tmp_path: Path) -> None:
    async with legacy.opened(mapping=mapping(tmp_path, **{"FROM medication": "FROM mediaction"})) as adapter:
        with pytest.raises(SourceRequest) as caught:
            await records_of(adapter, KNOWN, types=frozenset({"Medication"}))
    assert caught.value.__suppress_context__
    assert "mediaction" not in str(caught.value)


async def test_more_people_than_one_number_can_have_are_refused(legacy: Legacy, tmp_path: Path) -> None:
    everybody = mapping(
        tmp_path, **{"WHERE nhs_no = ": "WHERE nhs_no >= '' OR nhs_no = ", 'number = "nhs_no"': "max_people = 1"}
    )
    async with legacy.opened(mapping=everybody) as adapter:
        with pytest.raises(SourceInvalid, match="more people than one identifier can belong to"):
            await records_of(adapter, KNOWN)


async def test_people_with_another_number_are_handed_on_and_asked_no_further(legacy: Legacy, tmp_path: Path) -> None:
    wrong = mapping(tmp_path, **{"WHERE nhs_no = ": "WHERE surname <> '' AND client_id = 'C2' OR nhs_no < "})
    async with legacy.opened(mapping=wrong) as adapter:
        records = await records_of(adapter, KNOWN)
        found = list(adapter.read(records[0]))
    assert [record.kind for record in records] == ["patient.mismatch"]
    assert [gap.code for gap in found if isinstance(gap, Gap)] == ["IDENTITY_MISMATCH"]


async def test_nothing_that_was_asked_or_answered_is_logged(legacy: Legacy, caplog: pytest.LogCaptureFixture) -> None:
    """A spaced number, a bound id, and a value that a server would quote in a warning."""
    caplog.set_level(logging.DEBUG)
    async with legacy.opened() as adapter:
        await records_of(adapter, KNOWN)
        await adapter.check(call())
    written = " ".join(f"{record.getMessage()} {record.args}" for record in caplog.records)
    assert not [word for word in (KNOWN, spaced(KNOWN), "Quillfeather", "Venlafaxine", "'C1'") if word in written]


async def test_a_mistake_of_our_own_is_not_taken_for_the_databases(sqlite: Legacy) -> None:
    async def work(connection: Any) -> None:
        raise LookupError

    async with sqlite.opened() as adapter:
        with pytest.raises(LookupError):
            await adapter._database.run(work, call())


async def test_a_connection_that_the_server_dropped_is_made_anew(server: Legacy) -> None:
    """A firewall or a restart: the next question is answered, not failed for the last one's connection."""
    drop = {
        "postgresql": "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{name}'",
        "mariadb": "KILL USER {name}",
    }
    async with server.opened() as adapter:
        assert await records_of(adapter, KNOWN)
        await server.run(drop[server.backend].format(name=server.name))
        assert len(await answer_of(adapter, KNOWN)) == 16


async def test_letters_that_are_no_text_cost_one_row(tmp_path: Path) -> None:
    async with legacy_file(tmp_path / "a.db", DDL, TABLES) as file:
        with closing(sqlite3.connect(tmp_path / "a.db")) as connection:
            connection.execute("UPDATE medication SET drug = CAST(x'ff41' AS TEXT) WHERE med_id = 1")
            connection.commit()
        async with opened(file.url) as adapter:
            found = await answer_of(adapter, KNOWN, types=frozenset({"Medication"}))
    assert {f.native_id for f in found if isinstance(f, Fact)} == {"Patient/C1", "Medication/2", "Medication/4"}
    assert [gap.kind for gap in found if isinstance(gap, Gap)] == [GapKind.UNREADABLE]


class opened:
    """An adapter on a SQLite file: `async with opened(url) as adapter`."""

    def __init__(self, url: str, **settings: Any) -> None:
        self._adapter = SqlAdapter(source(SqlSettings(url=url, mapping=MAPPING, **settings)))

    async def __aenter__(self) -> SqlAdapter:
        return self._adapter

    async def __aexit__(self, *exc: object) -> None:
        await self._adapter.close()


@pytest.mark.parametrize(
    ("faults", "error"),
    [
        (Faults(down=True), SourceUnavailable),
        (Faults(garbage=True), SourceInvalid),
        (Faults(delay_s=60), SourceTimeout),
    ],
)
async def test_the_simulated_file_misbehaves_and_recovers(
    tmp_path: Path, faults: Faults, error: type[SourceError]
) -> None:
    async with legacy_file(tmp_path / "a.db", DDL, TABLES, faults) as file:
        async with opened(file.url, statement_timeout="200ms") as adapter:
            with pytest.raises(error) as caught:
                await adapter.check(call())
            assert caught.value.__suppress_context__ or caught.value.__context__ is None
        faults.down, faults.garbage, faults.delay_s = False, False, 0.0
        file.apply()
        async with opened(file.url) as adapter:
            assert len(await answer_of(adapter, KNOWN)) == 16
    assert not (tmp_path / "a.db").exists()


async def test_a_slow_file_answers_when_its_batch_lets_it(tmp_path: Path) -> None:
    batch = Faults(delay_s=0.1)
    async with legacy_file(tmp_path / "a.db", DDL, TABLES, batch) as file, opened(file.url) as adapter:
        assert len(await answer_of(adapter, KNOWN)) == 16


async def test_a_file_becomes_what_its_faults_say_when_they_are_set(tmp_path: Path) -> None:
    """With one adapter all along: a connection that it has open does not go on reading a file that was replaced."""
    faults = FileFaults()
    async with (
        legacy_file(tmp_path / "a.db", DDL, TABLES, faults) as file,
        opened(file.url, statement_timeout="200ms") as adapter,
    ):
        assert len(await answer_of(adapter, KNOWN)) == 16
        faults.down = True
        with pytest.raises(SourceUnavailable):
            await records_of(adapter, KNOWN)
        faults.down = False
        assert len(await answer_of(adapter, KNOWN)) == 16
        faults.garbage = True
        with pytest.raises(SourceInvalid):
            await records_of(adapter, KNOWN)
        faults.garbage = False
        faults.delay_s = 60.0
        with pytest.raises(SourceTimeout):
            await records_of(adapter, KNOWN)
        faults.delay_s = 0.0
        assert len(await answer_of(adapter, KNOWN)) == 16
    faults.down = True
    assert not (tmp_path / "a.db").exists()


async def test_a_file_that_is_held_answers_when_it_is_let_go(tmp_path: Path) -> None:
    held = asyncio.Event()
    faults = FileFaults(hold=held)
    async with legacy_file(tmp_path / "a.db", DDL, TABLES, faults) as file, opened(file.url) as adapter:
        with pytest.raises(SourceTimeout):
            await records_of(adapter, KNOWN, seconds=0.2)
        asking = asyncio.create_task(answer_of(adapter, KNOWN))
        held.set()
        assert len(await asking) == 16


async def test_a_file_that_was_replaced_is_read_anew(tmp_path: Path) -> None:
    """A nightly copy is renamed into place: what was open is yesterday's."""
    path = tmp_path / "a.db"
    newer = {**TABLES, "medication": []}
    async with (
        legacy_file(path, DDL, TABLES) as file,
        legacy_file(tmp_path / "b.db", DDL, newer),
        opened(file.url) as adapter,
    ):
        assert len(await answer_of(adapter, KNOWN)) == 16
        (tmp_path / "b.db").rename(path)
        found = await answer_of(adapter, KNOWN)
    told = {type(each).__name__ for each in found if isinstance(each, Fact)}
    assert told == {"Patient", "Condition", "Observation", "Encounter"}
    assert [gap.kind for gap in found if isinstance(gap, Gap) and gap.fact_type == "Medication"] == [
        GapKind.NOT_RECORDED
    ]


@pytest.mark.parametrize(
    "table",
    [
        {"columns": ["a", "b"], "types": ["INTEGER"], "rows": []},
        {"columns": ["a"], "types": ["INTEGER"], "rows": [[1, 2]]},
        {"columns": ["a; DROP"], "types": ["INTEGER"], "rows": []},
        {"columns": ["a"], "types": ["INTEGER); DROP"], "rows": []},
    ],
)
def test_tables_that_are_not_described_properly_are_refused(table: Any) -> None:
    with pytest.raises(ValueError):
        described({"t": table})
