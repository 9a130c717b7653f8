"""The raw records of the estate, as each system holds them, rendered against the clock."""

from datetime import datetime
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from adapters.demo.clock import render
from adapters.testing.simulation import raw_json


class Raw:
    """Files below `estate/`, their tokens replaced (`adapters.demo.clock`)."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._home = files(__package__).joinpath("estate")

    def documents(self, folder: str) -> dict[str, Any]:
        """File name without ending -> JSON document, for each file of a folder."""
        return {name: raw_json(text) for name, text in self.texts(folder).items()}

    def document(self, path: str) -> Any:
        """One JSON document."""
        return raw_json(self._render(self._home.joinpath(path)))

    def texts(self, folder: str) -> dict[str, str]:
        """File name without ending -> rendered text, in the order of names."""
        entries = sorted(self._home.joinpath(folder).iterdir(), key=lambda entry: entry.name)
        return {entry.name.rpartition(".")[0]: self._render(entry) for entry in entries if entry.is_file()}

    def _render(self, entry: Traversable) -> str:
        return render(entry.read_text(encoding="utf-8"), self._now)
