"""Copies what the gateway must not forget, while it runs: every SQLite file of the state folder, whole and consistent.

    docker compose exec -T gateway python - /var/lib/sherwood /var/lib/sherwood/backup <backup.py

Each run makes a folder named for its time below the second one. The copy of the audit trail is read through, and where
it ends is written to standard output: kept elsewhere, that line proves later that nothing was cut off. Ends with
status 1 when the trail is not intact.
"""

import os
import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from gateway.audit import verify
from gateway.config import AUDIT_FILE


def main(state: Path, backups: Path) -> int:
    """Copy, then look at the copy."""
    os.umask(0o077)
    target = backups / f"{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}"
    files = [file for file in sorted(state.rglob("*.sqlite3")) if not file.is_relative_to(backups)]
    for file in files:
        copy = target / file.relative_to(state)
        copy.parent.mkdir(parents=True, exist_ok=True)
        with (
            closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as old,
            closing(sqlite3.connect(copy)) as new,
        ):
            old.backup(new)
        sys.stdout.write(f"{copy}: {copy.stat().st_size} bytes\n")
    trail = verify(target / AUDIT_FILE)
    sys.stdout.write(f"audit trail: {trail.rows} rows, ends with {trail.head.sequence}:{trail.head.hash}\n")
    if not trail.intact:
        sys.stderr.write(f"audit trail: broken at {trail.broken_at}: {trail.reason}\n")
    return 0 if trail.intact else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()))
