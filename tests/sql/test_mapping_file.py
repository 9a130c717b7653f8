"""The mapping file and the settings: every mistake is found at start, in one sentence with the file and the key."""

import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from adapters.sdk import SettingsError
from adapters.sdk.resources import read_resource
from adapters.sdk.secrets import Secret
from adapters.sql import SqlAdapter, SqlSettings
from adapters.sql.mapping_file import load
from adapters.sql.statement import compile_statement
from tests.sql.logical import MAPPING
from tests.support.sources import source

GOOD = read_resource(MAPPING)


@pytest.mark.parametrize(
    ("written", "instead", "says"),
    [
        ("[patient]\n", "[pateint]\n", "old.toml: patient.query"),
        ("[source]", "[sauce]", "old.toml: sauce: Extra inputs"),
        ('name = "scores"', 'name = "my scores"', "old.toml: resource.2.name"),
        ("= :nhs_number_spaced", "= '999 407 1009'", "patient.query: the query must say whom it is about"),
        ("client_id = :local_id\n", "client_id = :nhs_number\n", "there is no parameter :nhs_number here"),
        ("SELECT diag_id", "DELETE diag_id", "resource diagnoses.query: write one SELECT"),
        ("ORDER BY diag_id\n", "; DROP TABLE diagnosis\n", "resource diagnoses.query: one statement, not several"),
        ("ORDER BY diag_id\n", "FOR UPDATE\n", "UPDATE has no place in a query that only reads"),
        ('map = "tool"', 'map = "tols"', "resource scores.fields.code.text.map: there is no table [maps.tols]"),
        ('fact = "Condition"', 'fact = "Diagnosis"', "there is no fact type 'Diagnosis'"),
        ('subject = "client_id"', "", "write subject"),
        ('type = "decimal", scale = 2', "scale = 2", "scale is for type"),
        ('repair = "latin1-utf8"', 'repair = "guess"', "old.toml: patient.columns"),
        ('kept = ["N"], means = "entered_in_error"', 'kept = ["N"], means = "wrong"', "resource.0.soft_delete.means"),
        ('name = "scores"', 'name = "contacts"', "the name is taken"),
        ('name = "scores"', 'name = "patient"', "the name is taken"),
        ('onset = "diagnosed"', 'begins = "diagnosed"', "Condition has no such field"),
        ("max_rows = 2000", "max_rows = 0", "max_rows"),
        ("max_rows = 2000", 'ends = { column = "a", convert = "epoch" }', "resource.3.ends.convert"),
    ],
)
def test_a_mistake_in_the_file_is_named(written: str, instead: str, says: str) -> None:
    assert written in GOOD
    with pytest.raises(SettingsError) as caught:
        load(GOOD.replace(written, instead, 1), "old.toml")
    assert str(caught.value).startswith("old.toml: ")
    assert says in str(caught.value)


def test_the_column_of_an_end_is_needed_and_what_is_made_of_it_is_not_asked_for() -> None:
    ending = 'subject = "client_id"\nends = { column = "gone_on" }'
    text = GOOD.replace('subject = "client_id"', ending, 1).replace(
        'onset = "diagnosed"', 'clinical_status = "ended"', 1
    )
    (diagnoses,) = (each for each in load(text, "old.toml").resources if each.name == "diagnoses")
    assert "gone_on" in diagnoses.query.needed
    assert "ended" not in diagnoses.query.needed


def test_two_fact_types_may_be_read_from_one_query() -> None:
    shared = """
[[resource]]
name = "remarks"
fact = "Communication"
shares = "contacts"
where = "outcome == 'CALL'"
native_id = "contact_id"
subject = "client_id"
[resource.fields]
payload = ["note"]
"""
    (contacts,) = (each for each in load(GOOD + shared, "old.toml").resources if each.name == "contacts")
    assert contacts.types == {"Encounter", "Communication"}
    with pytest.raises(SettingsError, match="with shares, query is the other resource's"):
        load(GOOD + shared.replace("[resource.fields]", 'query = "SELECT 1"\n[resource.fields]'), "old.toml")
    with pytest.raises(SettingsError, match="there is no earlier resource 'nothing'"):
        load(GOOD + shared.replace('shares = "contacts"', 'shares = "nothing"'), "old.toml")


def test_the_columns_that_a_mapping_reads_are_known() -> None:
    legacy = load(GOOD, "old.toml")
    (contacts,) = (each for each in legacy.resources if each.name == "contacts")
    assert contacts.query.needed == {"contact_id", "client_id", "started_at", "outcome", "team", "worker", "note"}
    assert legacy.look_up.query.needed >= {"client_id", "nhs_no", "del_flag", "date_of_death"}


def compiled(sql: str) -> str:
    return compile_statement(sql, "a query", frozenset({"local_id"}), frozenset({"local_id"})).text


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1 WHERE 1 = :local_id; SELECT 2",
        "WITH gone AS (DELETE FROM a RETURNING *) SELECT * FROM gone WHERE id = :local_id",
        "SELECT * INTO copy FROM a WHERE id = :local_id",
        "SELECT a FROM b WHERE id = :local_id INTO OUTFILE '/somewhere/x'",
        "SELECT a FROM b WHERE id = :local_id FOR SHARE",
        "SELECT /*! SLEEP(9), */ a FROM b WHERE id = :local_id",
        "SELECT a /* one /* two */ FROM b WHERE id = :local_id",
        r"SELECT 'it\'s' FROM b WHERE id = :local_id",
        "SELECT 'open FROM b WHERE id = :local_id",
        "SELECT a FROM b WHERE id = $1 AND id = :local_id",
        "SELECT a FROM b WHERE id = ? AND id = :local_id",
        "SELECT $$x$$ FROM b WHERE id = :local_id",
        "SELECT a FROM b # a remark\n WHERE id = :local_id",
        "EXPLAIN SELECT a FROM b WHERE id = :local_id",
        "CALL tidy(:local_id)",
        "SELECT a FROM b WHERE id = ':local_id'",
        "SELECT a FROM b -- :local_id",
        "",
    ],
)
def test_what_is_not_one_plain_select_is_refused(sql: str) -> None:
    with pytest.raises(SettingsError, match=r"^a query: "):
        compiled(sql)


@pytest.mark.parametrize(
    ("sql", "sent"),
    [
        ("SELECT a FROM b WHERE id = :local_id ;\n", "SELECT a FROM b WHERE id = :local_id"),
        ("select x::date from b where id = :local_id", "select x::date from b where id = :local_id"),
        ("SELECT 'at 10:30 :x' FROM b WHERE id=:local_id", r"SELECT 'at 10\:30 \:x' FROM b WHERE id=:local_id"),
        ('SELECT "update" FROM b WHERE id = :local_id -- it\'s', 'SELECT "update" FROM b WHERE id = :local_id'),
        (
            "WITH c AS (SELECT 1) SELECT updated, REPLACE(a, 'delete', '') FROM c WHERE id = :local_id",
            "WITH c AS (SELECT 1) SELECT updated, REPLACE(a, 'delete', '') FROM c WHERE id = :local_id",
        ),
    ],
)
def test_a_select_is_sent_without_comments_and_with_its_literals_whole(sql: str, sent: str) -> None:
    assert compiled(sql) == sent


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"url": "postgresql://a:hidden@h/d"}, "a URL carries no password"),
        ({"url": "oracle://a@h/d"}, "begin it with sqlite://"),
        ({"url": "postgresql+psycopg://a@h/d"}, "begin it with sqlite://"),
        ({"url": "postgresql://a@h/d?sslmode=disable"}, "options after '?' are not taken"),
        ({"url": "postgresql://h/d"}, "name the user, the host and the database"),
        ({"url": "sqlite://"}, "name the file"),
        ({"url": "sqlite:///:memory:"}, "name the file"),
        ({"url": "sqlite:///x.db", "tls": True}, "no password and no TLS"),
        ({"url": "sqlite:///x.db", "schema": "s"}, "schema is for PostgreSQL"),
        ({"schema": "s; DROP"}, "schema"),
        ({"statement_timeout": "x5s"}, "statement_timeout"),
        ({"ca": "/ca.pem"}, "write tls = true"),
        ({"statement_timeout": "0s"}, "must be above zero"),
        ({"statement_timeout": "5 minutes"}, "statement_timeout"),
        ({"mappping": "x"}, "mappping"),
    ],
)
def test_a_mistake_in_the_settings_is_named_and_not_quoted(settings: dict[str, object], says: str) -> None:
    good: dict[str, object] = {"url": "postgresql://a@h/d", "mapping": MAPPING}
    SqlSettings.model_validate(good)
    with pytest.raises(ValidationError) as caught:
        SqlSettings.model_validate(good | settings)
    assert says in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_paths_are_beside_the_configuration(tmp_path: Path) -> None:
    made = SqlSettings.model_validate({"url": "sqlite:///a.db", "mapping": "m.toml"}, context={"folder": tmp_path})
    assert (made.file, made.mapping) == (tmp_path / "a.db", str(tmp_path / "m.toml"))
    absolute = {"url": "sqlite:////data/a.db", "mapping": MAPPING}
    made = SqlSettings.model_validate(absolute, context={"folder": tmp_path})
    assert (made.file, made.mapping) == (Path("/data/a.db"), MAPPING)


@pytest.mark.parametrize(
    ("url", "driver", "extra"),
    [
        ("sqlite:///x.db", "aiosqlite", "sql"),
        ("postgresql://a@h/d", "asyncpg", "postgresql"),
        ("mariadb://a@h/d", "asyncmy", "mariadb"),
    ],
)
def test_a_driver_that_is_not_installed_is_named_with_its_extra(
    monkeypatch: pytest.MonkeyPatch, url: str, driver: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, driver, None)
    with pytest.raises(SettingsError, match=rf"pip install 'sherwood-gateway\[{extra}\]'"):
        SqlAdapter(source(SqlSettings(url=url, mapping=MAPPING)))


def test_a_tls_authority_that_cannot_be_read_is_a_settings_error() -> None:
    settings = SqlSettings(url="postgresql://a@h/d", mapping=MAPPING, tls=True, ca="/nowhere.pem")
    with pytest.raises(SettingsError, match="ca cannot be read"):
        SqlAdapter(source(settings))


async def test_the_password_is_read_when_a_connection_is_made() -> None:
    settings = SqlSettings(url="postgresql://a@127.0.0.1:1/d", mapping=MAPPING, password=Secret("env:NOT_SET_AT_ALL"))
    from adapters.testing.conformance import call

    adapter = SqlAdapter(source(settings))
    with pytest.raises(SettingsError, match="env:NOT_SET_AT_ALL: the environment variable is not set"):
        await adapter.check(call())
    await adapter.close()
