"""The backup of the how-to: whole copies of stores that are being written, and a trail that was tampered with told."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.sdk import Actor
from gateway.audit import SqliteAudit, identity_event, verify
from gateway.config import AUDIT_FILE
from tests.deploy.dockerfile import ROOT

ACTOR = Actor(user="u", role="r", organization="o")


def back_up(state: Path) -> "subprocess.CompletedProcess[str]":
    """As `docker compose exec -T gateway python - STATE BACKUPS <backup.py` does it."""
    return subprocess.run(
        [sys.executable, "-", str(state), str(state / "backup")],
        input=(ROOT / "deploy" / "backup.py").read_text(encoding="utf-8"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture
async def state(tmp_path: Path) -> Path:
    """A state folder with a trail of two rows and a store below it."""
    audit = SqliteAudit(tmp_path / AUDIT_FILE, lambda: datetime.now(UTC))
    for what in ("linked", "unlinked"):
        await audit.record(identity_event(ACTOR, None, "epr", what))
    await audit.close()
    (tmp_path / "feeds").mkdir()
    with closing(sqlite3.connect(tmp_path / "feeds" / "lab.sqlite3", isolation_level=None)) as feed:
        feed.execute("CREATE TABLE message (raw BLOB)")
    return tmp_path


async def test_a_trail_that_is_being_written_is_copied_whole_up_to_what_was_acknowledged(state: Path) -> None:
    audit = SqliteAudit(state / AUDIT_FILE, lambda: datetime.now(UTC))
    try:
        await audit.record(identity_event(ACTOR, None, "epr", "mismatch"))
        done = back_up(state)
        noted = audit.head()
    finally:
        await audit.close()
    assert done.returncode == 0, done.stderr
    (folder,) = (state / "backup").iterdir()
    copied = verify(folder / AUDIT_FILE, noted)
    assert copied.intact
    assert copied.rows == 3
    assert f"audit trail: 3 rows, ends with 3:{noted.hash}\n" in done.stdout
    assert (folder / "feeds" / "lab.sqlite3").is_file()
    assert {path.stat().st_mode & 0o077 for path in folder.rglob("*")} == {0}


async def test_a_second_backup_does_not_copy_the_first(state: Path) -> None:
    assert [back_up(state).returncode, back_up(state).returncode] == [0, 0]
    first, second = sorted((state / "backup").iterdir())
    assert [path.name for path in second.rglob("*.sqlite3")] == [path.name for path in first.rglob("*.sqlite3")]


async def test_a_row_that_was_changed_fails_the_backup_and_is_named(state: Path) -> None:
    with closing(sqlite3.connect(state / AUDIT_FILE, isolation_level=None)) as file:
        file.execute("DROP TRIGGER trail_stays")
        file.execute("UPDATE trail SET user = 'another' WHERE sequence = 2")
    done = back_up(state)
    assert done.returncode == 1
    assert "broken at 2" in done.stderr
