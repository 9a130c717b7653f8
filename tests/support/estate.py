"""The raw records of the demo estate, dated for one night: what a simulator of one system serves."""

from datetime import UTC, datetime
from pathlib import Path

from adapters.demo.clock import render

ESTATE = Path(__file__).parents[2] / "adapters" / "demo" / "estate"
NIGHT = datetime(2026, 3, 17, 2, 10, tzinfo=UTC)


def rendered(system: str) -> dict[str, str]:
    """The text of each file of a system's folder, by its name without the ending."""
    return {file.stem: render(file.read_text("utf-8"), NIGHT) for file in sorted((ESTATE / system).iterdir())}
