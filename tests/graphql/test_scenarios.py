"""What the answer to question 5 says when something is wrong, by the ledger: what changes, and what must not."""

import asyncio
import secrets
import socket
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from adapters.demo import no_faults
from schema.model.clinical import SECTIONS
from tests.graphql.conftest import Running, started
from tests.graphql.test_ledger import WHOLE, entries, groups
from tests.sql.conftest import ADMIN
from tests.support.ledger import ledger

SCENARIOS = {scenario["when"]: scenario for scenario in ledger("q5_sources")["scenario"]}
LAB_DOWN, LAB_SILENT, EPR_SLOW, CMHT_REFUSES, LOGIN_PAGE = SCENARIOS


def hold_against(scenario: Any, record: Any) -> None:
    """State and code of the source, the sections that are incomplete by it, what is kept and what is gone."""
    (source,) = [s for s in record["sources"] if s["source"]["id"] == scenario["source"]]
    assert source["state"] == scenario["state"]
    assert not scenario["code"] or source["code"] == scenario["code"]
    for section in scenario["partial"]:
        assert record[section]["status"] == "PARTIAL", section
    told = groups(record, ["patient", *SECTIONS])
    assert set(scenario["kept"]) <= told.keys()
    assert not set(scenario["gone"]) & told.keys()
    for section in scenario["partial"]:  # and what is not heard is nowhere said not to be
        if not entries(record, section):
            assert record[section]["emptyReason"] == "UNAVAILABLE"


QUESTION = WHOLE.replace(" { entries(", " { status emptyReason entries(")


async def test_a_feed_whose_store_is_gone_costs_its_own_facts_alone(tmp_path: Path) -> None:
    faults = no_faults()
    faults["lab"].down = True
    async with started(tmp_path, faults=faults) as gateway:
        hold_against(SCENARIOS[LAB_DOWN], await gateway.record(QUESTION))


async def test_a_feed_that_is_silent_too_long_is_partial_and_keeps_what_it_heard(tmp_path: Path) -> None:
    def restless(config: str) -> str:
        return config.replace("expected_silence_s = 999999999", "expected_silence_s = 1")

    async with started(tmp_path, edit=restless) as gateway:
        record = await gateway.record(QUESTION)
        hold_against(SCENARIOS[LAB_SILENT], record)


async def test_a_source_slower_than_the_deadline_is_pending_and_nothing_of_it_is_said_to_be_none(
    gateway: Running,
) -> None:
    gateway.faults["epr"].hold = asyncio.Event()
    record = await gateway.record(QUESTION, deadline="PT2S")
    hold_against(SCENARIOS[EPR_SLOW], record)


async def test_a_database_that_refuses_the_password_costs_its_own_facts_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = make_url(ADMIN["mariadb"])
    try:
        socket.create_connection((server.host, server.port), timeout=5).close()
    except OSError:
        pytest.skip("no MariaDB server is running here")
    monkeypatch.setenv("TEST_WRONG_PASSWORD", secrets.token_hex(8))

    def elsewhere(config: str) -> str:
        begin = config.index("settings = {", config.index('id = "cmht"'))
        end = config.index("\n", begin)
        url = f"mariadb://sherwood_nobody@{server.host}:{server.port}/{server.database}"
        wrong = (
            f'{{ url = "{url}", password = "env:TEST_WRONG_PASSWORD", mapping = "adapters.demo:mappings/cmht.toml" }}'
        )
        return f"{config[:begin]}settings = {wrong}{config[end:]}"

    async with started(tmp_path, edit=elsewhere) as gateway:
        hold_against(SCENARIOS[CMHT_REFUSES], await gateway.record(QUESTION))


async def test_a_login_page_in_place_of_an_answer_costs_its_own_facts_alone(gateway: Running) -> None:
    gateway.faults["pharmacy"].garbage = True
    hold_against(SCENARIOS[LOGIN_PAGE], await gateway.record(QUESTION))


def test_every_scenario_of_the_ledger_is_tried() -> None:
    assert len(SCENARIOS) == 5
