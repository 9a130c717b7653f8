"""`check`: an account that could write is refused, a look-up without an index is noticed, and every query is tried."""

from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest

from adapters.sdk import Ask, SettingsError, SourceAuth, SourceError, SourceRequest, SourceUnavailable, Subject
from adapters.sdk.resources import read_resource
from adapters.sdk.secrets import Secret
from adapters.sql.mariadb import granted_privileges, granted_roles
from adapters.testing.conformance import call
from tests.sql.conftest import ADMIN, Legacy, records_of
from tests.sql.logical import KNOWN, MAPPING
from tests.support.sources import person


def written(folder: Path, **changes: str) -> str:
    text = read_resource(MAPPING)
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    path = folder / "own.mapping.toml"
    path.write_text(text, "utf-8")
    return str(path)


async def test_an_account_that_only_reads_passes(legacy: Legacy) -> None:
    async with legacy.opened() as adapter:
        health = await adapter.check(call())
    assert health.detail.startswith(
        {"sqlite": "SQLite", "postgresql": "PostgreSQL", "mariadb": "MariaDB"}[legacy.backend]
    )
    own = [warning for warning in health.warnings if not warning.startswith("the file may be written")]
    assert own == []


POSTGRESQL_WRITES = [
    ("GRANT INSERT ON {name}.client TO {name}", "REVOKE INSERT ON {name}.client FROM {name}", "write to 1 tables"),
    ("GRANT UPDATE (sex) ON {name}.client TO {name}", "REVOKE UPDATE (sex) ON {name}.client FROM {name}", "write to 1"),
    ("GRANT TRUNCATE ON {name}.score TO {name}", "REVOKE TRUNCATE ON {name}.score FROM {name}", "write to 1 tables"),
    ("ALTER ROLE {name} CREATEDB", "ALTER ROLE {name} NOCREATEDB", "may create databases"),
    ("ALTER ROLE {name} CREATEROLE", "ALTER ROLE {name} NOCREATEROLE", "may create roles"),
    ("ALTER ROLE {name} SUPERUSER", "ALTER ROLE {name} NOSUPERUSER", "is a superuser"),
    ("GRANT pg_write_all_data TO {name}", "REVOKE pg_write_all_data FROM {name}", "a role that writes everywhere"),
    (
        "CREATE SEQUENCE {name}.ids; GRANT USAGE ON SEQUENCE {name}.ids TO {name}",
        "DROP SEQUENCE {name}.ids",
        "may advance 1 sequences",
    ),
    (
        "GRANT CREATE ON SCHEMA {name} TO {name}; ALTER TABLE {name}.score OWNER TO {name}",
        "ALTER TABLE {name}.score OWNER TO CURRENT_USER; REVOKE CREATE ON SCHEMA {name} FROM {name}; "
        "GRANT SELECT ON {name}.score TO {name}",
        "owns 1 tables",
    ),
    (
        "CREATE ROLE {name}_w; GRANT DELETE ON {name}.score TO {name}_w; ALTER ROLE {name} NOINHERIT; "
        "GRANT {name}_w TO {name}",
        "REVOKE DELETE ON {name}.score FROM {name}_w; DROP ROLE {name}_w; ALTER ROLE {name} INHERIT",
        "write to 1 tables",
    ),
]


@pytest.mark.parametrize(("grant", "revoke", "says"), POSTGRESQL_WRITES)
async def test_a_postgresql_account_that_can_write_is_refused(
    postgresql: Legacy, grant: str, revoke: str, says: str
) -> None:
    await _refused(postgresql, grant, revoke, says)


MARIADB_WRITES = [
    ("GRANT INSERT ON {name}.* TO {name}", "REVOKE INSERT ON {name}.* FROM {name}", "holds INSERT"),
    ("GRANT UPDATE (sex) ON {name}.client TO {name}", "REVOKE UPDATE (sex) ON {name}.client FROM {name}", "UPDATE"),
    ("GRANT FILE ON *.* TO {name}", "REVOKE FILE ON *.* FROM {name}", "holds FILE"),
    (
        "GRANT SELECT ON {name}.* TO {name} WITH GRANT OPTION",
        "REVOKE GRANT OPTION ON {name}.* FROM {name}",
        "holds GRANT OPTION",
    ),
    (
        "CREATE ROLE {name}_w; GRANT DELETE ON {name}.score TO {name}_w; GRANT {name}_w TO {name}",
        "DROP ROLE {name}_w",
        "holds DELETE",
    ),
]


@pytest.mark.parametrize(("grant", "revoke", "says"), MARIADB_WRITES)
async def test_a_mariadb_account_that_can_write_is_refused(mariadb: Legacy, grant: str, revoke: str, says: str) -> None:
    await _refused(mariadb, grant, revoke, says)


async def _refused(legacy: Legacy, grant: str, revoke: str, says: str) -> None:
    await legacy.run(*grant.format(name=legacy.name).split(";"))
    try:
        async with legacy.opened() as adapter:
            with pytest.raises(SettingsError, match=says) as caught:
                await adapter.check(call())
            assert legacy.name not in str(caught.value)
    finally:
        await legacy.run(*revoke.format(name=legacy.name).split(";"))
    async with legacy.opened() as adapter:
        await adapter.check(call())


@pytest.mark.parametrize(
    ("grant", "privileges"),
    [
        ("GRANT USAGE ON *.* TO `a`@`%` IDENTIFIED BY PASSWORD '*0123'", {"USAGE"}),
        ("GRANT SELECT, SHOW VIEW ON `carenotes`.* TO `a`@`%`", {"SELECT", "SHOW VIEW"}),
        ("GRANT SELECT (`id`, `insert`), UPDATE (`x`) ON `d`.`t` TO `a`@`%`", {"SELECT", "UPDATE"}),
        ("GRANT ALL PRIVILEGES ON `d on e`.* TO `a`@`%` WITH GRANT OPTION", {"ALL PRIVILEGES", "GRANT OPTION"}),
        ("GRANT PROXY ON ''@'%' TO 'root'@'localhost' WITH GRANT OPTION", {"PROXY", "GRANT OPTION"}),
        ("something new", {"A GRANT OF UNKNOWN FORM"}),
    ],
)
def test_grants_are_parsed(grant: str, privileges: set[str]) -> None:
    assert granted_roles(grant) == []
    assert granted_privileges(grant) == privileges


def test_granted_roles_are_found() -> None:
    assert granted_roles("GRANT `a role` TO `sherwood`@`%`") == ["`a role`"]
    assert granted_roles("GRANT `r`@`%`,`s`@`%` TO `sherwood`@`%` WITH ADMIN OPTION") == ["`r`@`%`", "`s`@`%`"]


async def test_a_look_up_without_an_index_is_noticed(legacy: Legacy, tmp_path: Path) -> None:
    mapping = written(tmp_path, **{"WHERE nhs_no = :nhs_number_spaced": "WHERE mobile = :nhs_number_spaced"})
    async with legacy.opened(mapping=mapping) as adapter:
        warnings = (await adapter.check(call())).warnings
    assert [warning for warning in warnings if "from end to end" in warning] == [
        f"{mapping}: patient: the query reads a table from end to end: it needs an index"
    ]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("tool, total, scored_at, scorer FROM score", "tool, total, scored_at FROM score", "does not give: scorer"),
        ("state, as_needed, deleted_at", "state, as_needed", "does not give: deleted_at"),
        ("SELECT diag_id, client_id,", "SELECT diag_id, client_id, diag_id,", "two columns of the query have one name"),
        ("FROM contact", "FROM contcat", "says that a query of the mapping file is wrong"),
    ],
)
async def test_a_query_that_cannot_give_what_the_mapping_reads_is_found(
    legacy: Legacy, tmp_path: Path, old: str, new: str, says: str
) -> None:
    async with legacy.opened(mapping=written(tmp_path, **{old: new})) as adapter:
        with pytest.raises(SourceRequest, match=says):
            await adapter.check(call())


async def test_a_wrong_password_is_refused_without_being_told(mariadb: Legacy, monkeypatch: Any) -> None:
    monkeypatch.setenv("WRONG", "not-it")
    async with mariadb.opened(password=Secret("env:WRONG")) as adapter:
        with pytest.raises(SourceAuth) as caught:
            await adapter.check(call())
    assert caught.value.__suppress_context__
    assert "not-it" not in str(caught.value)
    assert mariadb.name not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["postgresql://a@127.0.0.1:1/d", "mariadb://a@127.0.0.1:1/d", "sqlite:////nowhere/x.db"]
)
async def test_a_database_that_is_not_there_is_unavailable(sqlite: Legacy, url: str) -> None:
    async with sqlite.opened(url=url) as adapter:
        with pytest.raises(SourceUnavailable):
            await adapter.check(call())


async def test_even_an_account_that_may_write_cannot_write_through_us(legacy: Legacy) -> None:
    table = "client" if legacy.backend == "sqlite" else f"{legacy.name}.client"

    async def work(connection: Any) -> Any:
        return await connection.exec_driver_sql(f"DELETE FROM {table}")

    settings = {} if legacy.backend == "sqlite" else {"url": ADMIN[legacy.backend], "password": None}
    async with legacy.opened(**settings) as adapter:
        with pytest.raises(SourceError):
            await adapter._database.run(work, call())

        async def count(connection: Any) -> int:
            return int((await connection.exec_driver_sql(f"SELECT count(*) FROM {table}")).scalar())

        assert await adapter._database.run(count, call()) == 3


@pytest.mark.parametrize("kind", ["integer", "uuid"])
async def test_ids_are_bound_as_the_type_of_their_column(postgresql: Legacy, tmp_path: Path, kind: str) -> None:
    one = {"integer": "4711", "uuid": "0b2c7e64-8d0f-4a3b-9f61-2f6c3c1d5a10"}[kind]
    await postgresql.run(
        f"CREATE TABLE {postgresql.name}.of_{kind} (id {kind} PRIMARY KEY, nhs_no bigint, dob date, note text)",
        f"INSERT INTO {postgresql.name}.of_{kind} VALUES ('{one}', {KNOWN}, '1958-06-14', 'a note')",
        f"GRANT SELECT ON {postgresql.name}.of_{kind} TO {postgresql.name}",
    )
    mapping = f"""
[patient]
query = "SELECT id, nhs_no, dob FROM of_{kind} WHERE nhs_no = :nhs_number AND dob = :birth_date"
local_id = "id"
local_id_type = "{kind}"
number = "nhs_no"
number_type = "integer"
by_id.query = "SELECT id, nhs_no, dob FROM of_{kind} WHERE id = :local_id"
fields = {{ birth_date = "dob" }}

[[resource]]
name = "notes"
fact = "Communication"
query = "SELECT id, note FROM of_{kind} WHERE id = :local_id"
native_id = "id"
subject = "id"
fields = {{ payload = ["note"] }}
"""
    (tmp_path / "own.toml").write_text(mapping, "utf-8")
    async with postgresql.opened(mapping=str(tmp_path / "own.toml")) as adapter:
        await adapter.check(call())
        born = Subject(identifiers=person(KNOWN).identifiers, birth_date=date(1958, 6, 14))
        for subject in (
            born,
            msgspec.structs.replace(born, local_ids=(f"Patient/{one}",)),
            msgspec.structs.replace(born, local_ids=("x",)),
        ):
            question = Ask(subjects=(subject,), types=adapter.types)
            found = [each async for record in adapter.fetch(question, call()) for each in adapter.read(record)]
            assert [fact.native_id for fact in found] == [f"Patient/{one}", f"Communication/{one}"]
        with pytest.raises(SourceRequest, match="the look-up needs more about the person than is known"):
            await records_of(adapter, KNOWN)
