"""What the HL7 v2 tests share: an adapter for a port, a call with a deadline, and a record around a message."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.hl7v2 import Hl7v2Adapter, Hl7v2Settings
from adapters.sdk import Ask, Call, SourceRecord
from adapters.testing.conformance import call as a_call
from tests.support.sources import person, source


@pytest.fixture
def adapter() -> Callable[..., Hl7v2Adapter]:
    def build(port: int = 2575, **settings: Any) -> Hl7v2Adapter:
        return Hl7v2Adapter(source(Hl7v2Settings(**{"host": "127.0.0.1", "port": port, **settings}), id="pas"))

    return build


@pytest.fixture
def call() -> Callable[..., Call]:
    return a_call


@pytest.fixture
def ask() -> Callable[..., Ask]:
    def build(of: Hl7v2Adapter, *numbers: str, local: tuple[str, ...] = (), types: frozenset[str] | None = None) -> Ask:
        return Ask(subjects=(person(*numbers, local_ids=local),), types=types or of.types)

    return build


@pytest.fixture
def record() -> Callable[..., SourceRecord]:
    """A record of one answer whose segments after MSA are given as text, one a line."""

    def build(
        body: str, kind: str = "ADR^A19", types: tuple[str, ...] = ("Patient",), charset: str = "", codec: str = "utf-8"
    ) -> SourceRecord:
        header = f"MSH|^~\\&|PAS|RBI|S|S|20260317||{kind}|1|P|2.5||||||{charset}"
        lines = [header, "MSA|AA|1", *body.strip().splitlines()]
        return SourceRecord(
            kind=kind,
            types=frozenset(types),
            parts=("\r".join(lines).encode(codec),),
            retrieved=datetime(2026, 3, 17, tzinfo=UTC),
        )

    return build
