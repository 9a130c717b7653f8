"""PostgreSQL through asyncpg: read-only transactions, statement_timeout, and a cancel that reaches the server.

Truth: PostgreSQL 15, sections 20.11.1 (statement_timeout), 13.2 and SET TRANSACTION, 9.26.2 (access privilege inquiry).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import TextClause, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.types import NullType

from adapters.sql.database import Database, Facts
from adapters.sql.mapping_file import Query
from adapters.sql.statement import Statement

_MINE = "WITH mine AS (SELECT * FROM pg_roles WHERE pg_has_role(current_user, oid, 'MEMBER'))"
"""The account, and every role that it could become by SET ROLE, whether it inherits from it or not."""
_ROLE = text(
    f"""
    {_MINE}
    SELECT bool_or(rolsuper) AS super, bool_or(rolcreatedb) AS databases, bool_or(rolcreaterole) AS roles,
           bool_or(rolreplication) AS replicates,
           bool_or(rolname IN ('pg_write_all_data', 'pg_write_server_files', 'pg_execute_server_program')) AS writes,
           bool_or(has_database_privilege(oid, current_database(), 'CREATE')) AS schemas
    FROM mine
    """  # noqa: S608  (two constants)
)
_TABLES = text(
    f"""
    {_MINE}, kept AS (
        SELECT c.relkind <> 'S' AS holds_rows,
               bool_or(c.relowner = mine.oid) AS owned,
               bool_or(CASE WHEN c.relkind = 'S' THEN has_sequence_privilege(mine.oid, c.oid, 'USAGE, UPDATE')
                            ELSE has_table_privilege(mine.oid, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
                                 OR has_any_column_privilege(mine.oid, c.oid, 'INSERT, UPDATE') END) AS written,
               CASE WHEN c.relkind = 'S' THEN false
                    ELSE has_table_privilege(c.oid, 'SELECT') OR has_any_column_privilege(c.oid, 'SELECT') END AS shown
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace CROSS JOIN mine
        WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
          AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND n.nspname NOT LIKE 'pg\\_temp%'
        GROUP BY c.oid, c.relkind
    )
    SELECT count(*) FILTER (WHERE owned) AS owned,
           count(*) FILTER (WHERE written AND holds_rows) AS written,
           count(*) FILTER (WHERE written AND NOT holds_rows) AS sequences,
           count(*) FILTER (WHERE shown) AS readable
    FROM kept
    """  # noqa: S608  (the same)
)
_SCHEMAS = text(
    """
    SELECT count(*) FROM pg_namespace n
    WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' AND has_schema_privilege(n.oid, 'CREATE')
    """
)
_SETTINGS = text(
    """
    SELECT set_config('statement_timeout', :timeout, true), set_config('lock_timeout', :timeout, true),
           set_config('idle_in_transaction_session_timeout', '60s', true),
           set_config('search_path', coalesce(:path, current_setting('search_path')), true)
    """
).bindparams(bindparam("timeout", type_=NullType()), bindparam("path", type_=NullType()))

_ONLY_LOOK_UPS = text(
    "SELECT set_config('enable_seqscan', 'off', true), set_config('enable_indexscan', 'off', true), "
    "set_config('enable_indexonlyscan', 'off', true)"
)


class PostgresqlDatabase(Database):
    """PostgreSQL."""

    def make_engine(self) -> AsyncEngine:
        tls = self.tls_context()
        engine = create_async_engine(
            self.make_url("postgresql+asyncpg"),
            pool_size=self.settings.pool_size,
            max_overflow=0,
            pool_pre_ping=True,
            hide_parameters=True,
            connect_args={
                "ssl": tls if tls is not None else False,
                # PgBouncer takes this parameter at start, and few others.
                "server_settings": {"application_name": "sherwood"},
            },
        )
        self.keep_password_fresh(engine)
        return engine

    async def begin(self, connection: AsyncConnection, seconds: float) -> None:
        await connection.execution_options(postgresql_readonly=True)
        timeout = str(max(1, round(seconds * 1000)))
        await connection.execute(_SETTINGS, {"timeout": timeout, "path": self.settings.db_schema})

    def handle(self, driver: Any) -> None:
        # asyncpg sends a cancel request when the task that waits for an answer is cancelled.
        return None

    async def stop(self, handle: Any) -> None:
        """Never called: there is no handle."""

    def bound(self, statement: Statement, prefix: str = "") -> TextClause:
        """Without a type of ours, the server types each parameter by the column that it is compared with."""
        clause = text(prefix + statement.text)
        return clause.bindparams(*(bindparam(name, type_=NullType()) for name in statement.parameters))

    async def account(self, connection: AsyncConnection) -> Facts:
        role = (await connection.execute(_ROLE)).mappings().one()
        tables = (await connection.execute(_TABLES)).mappings().one()
        creating = (await connection.execute(_SCHEMAS)).scalar_one()
        writes = {
            "is a superuser": role["super"],
            "may create databases": role["databases"],
            "may create roles": role["roles"],
            "may replicate": role["replicates"],
            "belongs to a role that writes everywhere": role["writes"],
            f"owns {tables['owned']} tables, views or sequences": tables["owned"],
            f"may write to {tables['written']} tables": tables["written"],
            f"may advance {tables['sequences']} sequences": tables["sequences"],
        }
        warnings = {
            f"may create tables in {creating} schemas: REVOKE CREATE ON SCHEMA": creating,
            "may create schemas: REVOKE CREATE ON DATABASE": role["schemas"],
        }
        return Facts(
            detail=f"PostgreSQL; {tables['readable']} tables and views may be read",
            writes=tuple(what for what, is_so in writes.items() if is_so),
            warnings=tuple(f"the account {what}" for what, is_so in warnings.items() if is_so),
        )

    async def scans(self, connection: AsyncConnection, query: Query, values: Mapping[str, Any]) -> bool:
        # A small table is read whole although it has an index, or through its key for the sake of an order. What is
        # wanted is whether there is an index to look up by: a bitmap needs one, and goes before what is off here.
        await connection.execute(_ONLY_LOOK_UPS)
        parameters = {name: self.value(values[name]) for name in query.statement.parameters}
        plan = (await connection.execute(self.bound(query.statement, "EXPLAIN (FORMAT JSON) "), parameters)).scalar()
        if isinstance(plan, str):
            import json

            plan = json.loads(plan)
        return any(_from_end_to_end(node) for node in _nodes(plan))


def _from_end_to_end(node: Mapping[str, Any]) -> bool:
    """A table read as it lies, or through all of an index, each row being looked at."""
    kind = str(node.get("Node Type"))
    return kind == "Seq Scan" or (kind.startswith("Index") and "Index Cond" not in node and "Filter" in node)


def _nodes(plan: Any) -> Iterator[dict[str, Any]]:
    waiting = [plan]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            yield each
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each
