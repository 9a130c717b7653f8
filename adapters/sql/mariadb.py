"""MariaDB and MySQL through asyncmy: read-only sessions, max_statement_time, and KILL QUERY by a second connection.

Cancelling an asyncmy query only closes our end: the server goes on until it has something to send. So it is told.
Truth: the MariaDB knowledge base on max_statement_time, SET TRANSACTION, KILL and SHOW GRANTS; MySQL 8.0 on
max_execution_time (the same for SELECT, in milliseconds).
"""

import logging
import re
from collections.abc import Mapping
from typing import Any

import asyncmy
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from adapters.sql.database import Database, Facts
from adapters.sql.mapping_file import Query

# It logs the server's warnings, which quote values ("Truncated incorrect DECIMAL value: ...").
logging.getLogger("asyncmy").setLevel(logging.CRITICAL + 1)

_READS = frozenset(
    {
        "USAGE",
        "SELECT",
        "SHOW VIEW",
        "SHOW DATABASES",
        "PROCESS",
        "REPLICATION CLIENT",
        "BINLOG MONITOR",
        "SLAVE MONITOR",
        "REPLICA MONITOR",
        "SHOW_ROUTINE",
    }
)
_MAY_BE = {
    "EXECUTE": "may run stored routines, which may write: REVOKE EXECUTE",
    "CREATE TEMPORARY TABLES": "may create temporary tables: REVOKE CREATE TEMPORARY TABLES",
}
_NAME = r"(?:`(?:[^`]|``)*`|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|[\w%.$-]+)"
_ROLE_GRANT = re.compile(rf"GRANT (?P<roles>{_NAME}(?:@{_NAME})?(?:, ?{_NAME}(?:@{_NAME})?)*) TO ", re.IGNORECASE)
_GRANT = re.compile(r"GRANT (?P<what>.*?) ON (?P<rest>.*)", re.IGNORECASE | re.DOTALL)
_QUOTED = re.compile(r"`(?:[^`]|``)*`")
_KILL_WITHIN_S = 2.0


class MariadbDatabase(Database):
    """MariaDB, MySQL."""

    def make_engine(self) -> AsyncEngine:
        engine = create_async_engine(
            self.make_url("mysql+asyncmy"),
            pool_size=self.settings.pool_size,
            max_overflow=0,
            pool_pre_ping=True,
            hide_parameters=True,
            connect_args={"charset": "utf8mb4", **self._tls()},
        )
        self.keep_password_fresh(engine)
        event.listen(engine.sync_engine, "connect", _read_only)
        return engine

    def _tls(self) -> dict[str, Any]:
        tls = self.tls_context()
        return {} if tls is None else {"ssl": tls}

    async def begin(self, connection: AsyncConnection, seconds: float) -> None:
        if getattr(connection.dialect, "is_mariadb", False):
            await connection.exec_driver_sql(f"SET SESSION max_statement_time = {seconds:.3f}")
        else:
            await connection.exec_driver_sql(f"SET SESSION max_execution_time = {max(1, round(seconds * 1000))}")

    def handle(self, driver: Any) -> int:
        return int(driver.thread_id())

    async def stop(self, handle: int) -> None:
        """A user may always kill its own queries. The connection is ours alone until its task has ended."""
        url = self.engine.url
        password = self.settings.password
        killer = await asyncmy.connect(
            host=url.host or "localhost",
            port=url.port or 3306,
            user=url.username,
            password=password.reveal() if password is not None else "",
            connect_timeout=_KILL_WITHIN_S,
            **self._tls(),
        )
        try:
            async with killer.cursor() as cursor:
                await cursor.execute(f"KILL QUERY {handle}")
        finally:
            killer.close()

    async def account(self, connection: AsyncConnection) -> Facts:
        waiting = [""]
        known: set[str] = set()
        writes: set[str] = set()
        warnings: set[str] = set()
        while waiting:
            role = waiting.pop()
            if role:
                # Only an active role's grants are shown to an account that may not read the tables they are kept in.
                await connection.exec_driver_sql(f"SET ROLE {role}")
            for grant in (await connection.exec_driver_sql("SHOW GRANTS")).scalars().all():
                # A role that was granted may be taken up at any time, whether it is active now or not.
                roles = granted_roles(grant)
                waiting += [each for each in roles if each not in known]
                known.update(roles)
                for privilege in granted_privileges(grant) if not roles else ():
                    if privilege in _MAY_BE:
                        warnings.add(f"the account {_MAY_BE[privilege]}")
                    elif privilege not in _READS:
                        writes.add(f"holds {privilege}")
        version = (await connection.execute(text("SELECT VERSION()"))).scalar_one()
        name = "MariaDB" if "mariadb" in str(version).lower() else "MySQL"
        if known:
            # The session has another role now than its default.
            await connection.invalidate()
        return Facts(detail=name, writes=tuple(sorted(writes)), warnings=tuple(sorted(warnings)))

    async def scans(self, connection: AsyncConnection, query: Query, values: Mapping[str, Any]) -> bool:
        parameters = {name: self.value(values[name]) for name in query.statement.parameters}
        plan = await connection.execute(self.bound(query.statement, "EXPLAIN "), parameters)
        rows = [{name.lower(): value for name, value in row.items()} for row in plan.mappings()]
        return any(
            row.get("type") in ("ALL", "index") and not str(row.get("table") or "<").startswith("<") for row in rows
        )


def _read_only(connection: Any, record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("SET SESSION TRANSACTION READ ONLY")
    cursor.close()


def granted_roles(grant: str) -> list[str]:
    """The roles of "GRANT `role` TO `user`@`host`", quoted; none for a grant of privileges."""
    found = _ROLE_GRANT.match(grant)
    if found is None or _QUOTED.match(found["roles"]) is None:
        return []
    return [each for each in re.findall(rf"{_NAME}(?:@{_NAME})?", found["roles"]) if each.startswith("`")]


def granted_privileges(grant: str) -> set[str]:
    """The privileges of "GRANT SELECT, UPDATE (`a`) ON `db`.* TO ... WITH GRANT OPTION", in capitals."""
    found = _GRANT.match(_QUOTED.sub("``", grant))
    if found is None:
        return {"A GRANT OF UNKNOWN FORM"}
    listed = re.sub(r"\([^)]*\)", "", found["what"])
    privileges = {" ".join(each.split()).upper() for each in listed.split(",")}
    return privileges | ({"GRANT OPTION"} if "GRANT OPTION" in found["rest"].upper() else set())
