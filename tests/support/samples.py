"""Sample files by other people, which are not ours to distribute, and our tables of what stands in them."""

import os
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = Path(os.environ.get("SHERWOOD_SAMPLES") or ROOT.parent / "shared" / "data")
"""Where the files are, if they are anywhere: `SHERWOOD_SAMPLES`, or `../shared/data` beside the repository."""
MISSING = "no samples here: set SHERWOOD_SAMPLES to their folder"


def table(name: str) -> list[dict[str, Any]]:
    """The rows of a table in tests/samples, written by hand from the files alone."""
    rows: list[dict[str, Any]] = tomllib.loads((ROOT / "tests" / "samples" / f"{name}.toml").read_text("utf-8"))["file"]
    return rows
