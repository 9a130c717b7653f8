"""The audit trail on a real file: durable before acknowledged, unavailable rather than silent, and a chain that shows
every tampering."""

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adapters.sdk import Actor
from gateway.audit import (
    GENESIS,
    AuditEvent,
    AuditUnavailable,
    Head,
    SqliteAudit,
    access_event,
    disclosure_event,
    frame_hash,
    identity_event,
    refusal_event,
    verify,
)
from gateway.cli import app
from gateway.config import AUDIT_FILE
from gateway.problems import CommandError

JACKY = Actor(user="jacky", role="Ward sister", organization="RXX", name="Jacky")
PATIENT = "https://fhir.nhs.uk/Id/nhs-number|9990001006"
NOW = datetime(2026, 3, 17, 2, 10, tzinfo=UTC)


def event(serial: int = 0) -> AuditEvent:
    return access_event(JACKY, "TREAT", PATIENT, "op-hash", ("gp", "lab"), request=str(serial))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.db"


@pytest.fixture
async def audit(path: Path) -> AsyncIterator[SqliteAudit]:
    audit = SqliteAudit(path, lambda: NOW)
    yield audit
    await audit.close()


def stored(path: Path, columns: str = "*") -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(f"SELECT {columns} FROM trail ORDER BY sequence").fetchall()
    finally:
        connection.close()


async def test_each_kind_of_event_is_stored_as_it_was_made(audit: SqliteAudit, path: Path) -> None:
    await audit.record(event())
    await audit.record(
        disclosure_event(
            JACKY,
            "TREAT",
            PATIENT,
            "op-hash",
            frame=b'{"data":{}}',
            sources={"lab": "PENDING", "gp": "OK"},
            records=["r2", "r1", "r2"],
        )
    )
    await audit.record(refusal_event(None, "", None, "op-hash", "NOT_AUTHENTICATED"))
    await audit.record(identity_event(JACKY, PATIENT, "lab", "mismatch", local_id="77"))
    rows = stored(path, "sequence, time, kind, user, purpose, patient, sources, records, answer, detail")
    assert [row[2] for row in rows] == ["access", "disclosure", "refusal", "identity"]
    assert rows[0][:6] == (1, NOW.isoformat(), "access", "jacky", "TREAT", PATIENT)
    assert json.loads(str(rows[0][6])) == [["gp", "ASKED"], ["lab", "ASKED"]]
    assert json.loads(str(rows[1][6])) == [["gp", "OK"], ["lab", "PENDING"]]
    assert (json.loads(str(rows[1][7])), rows[1][8]) == (["r1", "r2"], frame_hash(b'{"data":{}}'))
    assert (rows[2][3], rows[2][5], json.loads(str(rows[2][9]))) == ("", None, {"code": "NOT_AUTHENTICATED"})
    assert json.loads(str(rows[3][9])) == {"local_id": "77", "what": "mismatch"}


async def test_what_is_acknowledged_is_visible_to_another_process(audit: SqliteAudit, path: Path) -> None:
    await audit.record(event())
    assert len(stored(path)) == 1
    assert path.stat().st_mode & 0o077 == 0


async def test_events_that_wait_are_committed_together_and_in_order(path: Path) -> None:
    commits: list[datetime] = []

    def clock() -> datetime:
        commits.append(NOW)
        return NOW

    audit = SqliteAudit(path, clock)
    await asyncio.gather(*(audit.record(event(n)) for n in range(100)))
    await audit.close()
    assert len(commits) < 100
    assert [json.loads(str(row[0]))["request"] for row in stored(path, "detail")] == [str(n) for n in range(100)]
    assert verify(path).rows == 100


async def test_a_caller_that_leaves_does_not_undo_its_event(audit: SqliteAudit, path: Path) -> None:
    leaving = asyncio.ensure_future(audit.record(event(1)))
    await asyncio.sleep(0)
    leaving.cancel()
    await audit.record(event(2))
    assert leaving.cancelled()
    assert len(stored(path)) == 2


async def test_closing_writes_what_waits_and_then_refuses(path: Path) -> None:
    audit = SqliteAudit(path, lambda: NOW)
    waiting = [asyncio.ensure_future(audit.record(event(n))) for n in range(20)]
    await asyncio.sleep(0)
    await audit.close()
    await asyncio.gather(*waiting)
    assert len(stored(path)) == 20
    assert not audit.available
    with pytest.raises(AuditUnavailable):
        await audit.record(event())


async def test_more_than_may_wait_is_refused_and_the_rest_is_kept(path: Path) -> None:
    audit = SqliteAudit(path, lambda: NOW, most_waiting=2)
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")  # the writer waits for this lock, as it would for a slow disk
    outcomes = [asyncio.ensure_future(audit.record(event(n))) for n in range(8)]
    await asyncio.wait(outcomes, return_when=asyncio.FIRST_COMPLETED)
    blocker.execute("COMMIT")
    blocker.close()
    found = await asyncio.gather(*outcomes, return_exceptions=True)
    await audit.close()
    refused = [outcome for outcome in found if outcome is not None]
    assert refused
    assert all(isinstance(outcome, AuditUnavailable) for outcome in refused)
    assert len(stored(path)) == len(found) - len(refused)


async def test_a_file_that_is_taken_away_makes_the_next_record_fail_until_a_person_decides(path: Path) -> None:
    audit = SqliteAudit(path, lambda: NOW)
    await audit.record(event())
    path.rename(f"{path}.away")
    for _ in range(2):
        with pytest.raises(AuditUnavailable):
            await audit.record(event())
    assert not audit.available
    with pytest.raises(AuditUnavailable, match="a person must look"):
        await audit.reopen()
    assert not path.exists(), "no new trail was begun in its place"
    with pytest.raises(AuditUnavailable):
        await audit.record(event())
    await audit.reopen(accept_new_trail=True)
    await audit.record(event())
    assert audit.available
    await audit.close()


async def test_a_log_that_is_taken_away_makes_the_next_record_fail_and_loses_nothing_acknowledged(path: Path) -> None:
    audit = SqliteAudit(path, lambda: NOW)
    await audit.record(event(1))
    Path(f"{path}-wal").unlink()
    with pytest.raises(AuditUnavailable):
        await audit.record(event(2))
    await audit.reopen()
    await audit.record(event(3))
    await audit.close()
    requests = [json.loads(str(row[0]))["request"] for row in stored(path, "detail")]
    assert (requests[0], requests[-1]) == ("1", "3")
    assert verify(path, audit.head()).intact


async def test_another_file_in_its_place_is_found_out(audit: SqliteAudit, path: Path) -> None:
    await audit.record(event())
    path.rename(f"{path}.away")
    other = SqliteAudit(path, lambda: NOW)
    await other.record(event(7))
    await other.close()
    with pytest.raises(AuditUnavailable):
        await audit.record(event())
    with pytest.raises(AuditUnavailable, match="a person must look"):
        await audit.reopen()


async def test_a_read_only_file_makes_the_next_record_fail_until_it_may_be_written(
    audit: SqliteAudit, path: Path
) -> None:
    await audit.record(event())
    path.chmod(0o400)
    with pytest.raises(AuditUnavailable):
        await audit.record(event())
    with pytest.raises(AuditUnavailable):
        await audit.reopen()
    path.chmod(0o600)
    with pytest.raises(AuditUnavailable):
        await audit.record(event())
    await audit.reopen()
    await audit.record(event())
    assert verify(path, audit.head()).intact


DISK_FULL = """
import asyncio, resource, sys
from datetime import UTC, datetime
from pathlib import Path
from gateway.audit import AuditUnavailable, SqliteAudit, identity_event, verify
from adapters.sdk import Actor

async def main():
    path = Path(sys.argv[1])
    audit = SqliteAudit(path, lambda: datetime.now(UTC))
    event = identity_event(Actor(user="u", role="r", organization="o"), None, "gp", "mismatch", filler="x" * 2000)
    await audit.record(event)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
    kept, refused = 1, 0
    while not refused:
        try:
            await audit.record(event)
            kept += 1
        except AuditUnavailable as error:
            assert error.__cause__ is None and str(path) not in str(error)
            refused += 1
    try:
        await audit.record(event)
    except AuditUnavailable:
        refused += 1
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    await audit.reopen()
    await audit.record(event)
    await audit.close()
    found = verify(path)
    print(kept + 1, refused, found.rows, found.intact)

asyncio.run(main())
"""


def test_a_full_disk_makes_the_next_record_fail_and_loses_nothing_acknowledged(path: Path) -> None:
    ran = subprocess.run([sys.executable, "-c", DISK_FULL, str(path)], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    kept, refused, rows, intact = ran.stdout.split()
    assert (refused, intact) == ("2", "True")
    assert int(rows) >= int(kept) > 2


@pytest.mark.parametrize("broken", ["directory", "garbage"])
def test_a_place_that_cannot_be_a_trail_is_refused_at_the_start(path: Path, broken: str) -> None:
    if broken == "directory":
        path.mkdir()
    else:
        path.write_bytes(b"not a database, for a long time now" * 100)
    with pytest.raises(AuditUnavailable) as caught:
        SqliteAudit(path, lambda: NOW)
    assert str(path) not in str(caught.value)
    assert caught.value.__cause__ is None


async def test_what_a_caller_typed_never_breaks_the_store(audit: SqliteAudit, path: Path) -> None:
    odd = "half \ud83d of a pair\x00, 'quoted\"; DROP TABLE trail; --"
    await audit.record(refusal_event(JACKY, odd, odd, odd, "ACCESS_DENIED", said=odd))
    await audit.record(event())
    assert verify(path).intact
    assert verify(path).rows == 2


KILLED = """
import asyncio, sys
from datetime import UTC, datetime
from pathlib import Path
from gateway.audit import SqliteAudit, refusal_event

async def one(audit, serial):
    await audit.record(refusal_event(None, "", None, "", "X", serial=str(serial)))
    sys.stdout.write(f"{serial}\\n")
    sys.stdout.flush()

async def main():
    audit = SqliteAudit(Path(sys.argv[1]), lambda: datetime.now(UTC))
    for round in range(10**9):
        await asyncio.gather(*(one(audit, round * 7 + n) for n in range(7)))

asyncio.run(main())
"""


@pytest.mark.parametrize("acknowledged", [1, 50, 300])
def test_everything_acknowledged_is_there_after_kill_9(path: Path, acknowledged: int) -> None:
    with subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = [process.stdout.readline() for _ in range(acknowledged)]
        os.kill(process.pid, signal.SIGKILL)
        told += process.stdout.readlines()
    found = {json.loads(str(row[0]))["serial"] for row in stored(path, "detail")}
    assert {line.strip() for line in told if line.endswith("\n")} <= found
    assert len(found) >= acknowledged
    assert verify(path).intact


@pytest.mark.parametrize(
    ("tamper", "broken_at"),
    [
        ("UPDATE trail SET patient = 'another' WHERE sequence = 3", 3),
        ("UPDATE trail SET detail = '{}' WHERE sequence = 1", 1),
        ("UPDATE trail SET patient = NULL WHERE sequence = 5", 5),
        ("DELETE FROM trail WHERE sequence = 3", 3),
        ("DELETE FROM trail WHERE sequence = 1", 1),
        ("DELETE FROM trail WHERE sequence > 3", 4),
        ("DELETE FROM trail", 1),
        (
            "UPDATE trail SET sequence = 99 WHERE sequence = 2; UPDATE trail SET sequence = 2 WHERE sequence = 3; "
            "UPDATE trail SET sequence = 3 WHERE sequence = 99",
            2,
        ),
    ],
)
async def test_every_tampering_is_found(path: Path, tamper: str, broken_at: int) -> None:
    audit = SqliteAudit(path, lambda: NOW)
    for serial in range(5):
        await audit.record(event(serial))
    head = audit.head()
    assert (await audit.verify(head)).intact
    await audit.close()
    connection = sqlite3.connect(path)
    connection.executescript(f"DROP TRIGGER trail_stays; DROP TRIGGER trail_is_kept; {tamper};")
    connection.commit()
    connection.close()
    found = verify(path)
    assert (found.intact, found.broken_at) == (False, broken_at)
    assert ("missing" in found.reason) is (tamper.endswith(("= 3", "= 1")) and tamper.startswith("DELETE"))


async def test_a_trail_cut_off_by_someone_who_knows_sqlite_is_found_by_a_head_kept_elsewhere(path: Path) -> None:
    audit = SqliteAudit(path, lambda: NOW)
    for serial in range(5):
        await audit.record(event(serial))
    await audit.close()
    connection = sqlite3.connect(path)
    connection.executescript(
        "DROP TRIGGER trail_is_kept; DELETE FROM trail WHERE sequence > 3; UPDATE sqlite_sequence SET seq = 3;"
    )
    connection.close()
    assert verify(path).intact
    assert not verify(path, audit.head()).intact
    assert not verify(path, Head(sequence=3, hash="f" * 64)).intact
    assert verify(path, GENESIS).intact


async def test_rows_that_go_while_it_runs_are_noticed_at_the_next_record(audit: SqliteAudit, path: Path) -> None:
    await audit.record(event())
    connection = sqlite3.connect(path)
    connection.executescript("DROP TRIGGER trail_is_kept; DELETE FROM trail;")
    connection.close()
    with pytest.raises(AuditUnavailable):
        await audit.record(event())


async def test_rows_are_neither_changed_removed_nor_replaced_by_statement(audit: SqliteAudit, path: Path) -> None:
    await audit.record(event())
    connection = sqlite3.connect(path)
    replace = "INSERT OR REPLACE INTO trail SELECT * FROM trail"
    for statement in ("UPDATE trail SET user = 'x'", "DELETE FROM trail", replace):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(statement)
    connection.close()


async def test_two_processes_write_one_chain(audit: SqliteAudit, path: Path) -> None:
    other = SqliteAudit(path, lambda: NOW)
    for serial in range(10):
        await asyncio.gather(audit.record(event(serial)), other.record(event(serial)))
    await other.close()
    assert verify(path, audit.head()).intact
    assert verify(path).rows == 20


async def test_a_trail_opened_again_goes_on(path: Path) -> None:
    for serial in range(3):
        audit = SqliteAudit(path, lambda: NOW)
        await audit.record(event(serial))
        await audit.close()
    assert verify(path, audit.head()) == verify(path)
    assert verify(path).rows == 3


def test_there_is_nothing_to_verify_where_there_is_no_file(path: Path) -> None:
    with pytest.raises(AuditUnavailable):
        verify(path)
    path.write_bytes(b"not a database, for a long time now" * 100)
    with pytest.raises(AuditUnavailable):
        verify(path)


def audit_verify(folder: Path, *more: str) -> tuple[int, str]:
    """Exit status and words of `sherwood audit verify` over a trail in this folder."""
    config = folder / "gateway.toml"
    config.write_text('[gateway]\nstate_dir = "."\n', encoding="utf-8")
    done = CliRunner().invoke(app, ["audit", "verify", "-c", str(config), *more])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, " ".join(done.stdout.split())


@pytest.fixture
async def trail(tmp_path: Path) -> Path:
    """A trail of five rows where the gateway keeps it."""
    path = tmp_path / AUDIT_FILE
    audit = SqliteAudit(path, lambda: NOW)
    for serial in range(5):
        await audit.record(event(serial))
    await audit.close()
    return path


def rewritten(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(f"DROP TRIGGER trail_stays; DROP TRIGGER trail_is_kept; {statement}")


async def test_the_command_says_that_a_trail_is_intact_and_where_it_ends(trail: Path) -> None:
    status, said = audit_verify(trail.parent)
    assert (status, "is intact: 5 rows" in said) == (0, True)
    noted = said.rpartition(" ")[2]
    assert noted == f"5:{verify(trail).head.hash}"
    audit = SqliteAudit(trail, lambda: NOW)
    await audit.record(event(6))
    assert audit_verify(trail.parent, "--noted", noted)[0] == 0, "it goes on, and still leads up to what was noted"
    await audit.close()


async def test_the_command_fails_on_a_trail_that_was_changed_and_names_the_row(trail: Path) -> None:
    rewritten(trail, "UPDATE trail SET user = 'nobody' WHERE sequence = 3;")
    status, said = audit_verify(trail.parent)
    assert (status, "NOT intact" in said, "row 3" in said) == (1, True, True)
    assert "nobody" not in said


async def test_the_command_finds_a_cut_that_leaves_no_mark_by_the_end_noted_earlier(trail: Path) -> None:
    noted = audit_verify(trail.parent)[1].rpartition(" ")[2]
    rewritten(trail, "DELETE FROM trail WHERE sequence > 3; UPDATE sqlite_sequence SET seq = 3 WHERE name = 'trail';")
    assert audit_verify(trail.parent)[0] == 0
    assert audit_verify(trail.parent, "--noted", noted)[0] == 1


@pytest.mark.parametrize("noted", ["5", "5:short", "x:" + "0" * 64])
async def test_the_command_refuses_an_end_that_it_never_printed(trail: Path, noted: str) -> None:
    with pytest.raises(CommandError, match="--noted"):
        audit_verify(trail.parent, "--noted", noted)


def test_the_command_does_not_take_a_missing_trail_for_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no audit file"):
        audit_verify(tmp_path)
