"""A demonstration estate: simulated legacy systems on their real protocols, and the configuration that reaches them.

An estate is found through the entry-point group `sherwood.estates`; `sherwood demo` starts one and serves it.
"""

from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

from msgspec import Struct


class Mischief(Struct, frozen=True, kw_only=True):
    """What the simulated systems do wrong, by source id."""

    slow_s: dict[str, float] = {}
    down: frozenset[str] = frozenset()
    garbage: frozenset[str] = frozenset()


class Running(Struct, frozen=True, kw_only=True):
    """An estate that is up."""

    config: str
    """The gateway configuration for it, as TOML text; secrets are `env:` references."""
    secrets: dict[str, str]
    """The environment variables that the configuration refers to."""


class Estate(Protocol):
    """Starts the simulated systems as of `now` and stops them on exit."""

    def __call__(self, now: datetime, mischief: Mischief) -> AbstractAsyncContextManager[Running]: ...
