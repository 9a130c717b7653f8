"""Nothing of any patient in logs, metrics, error texts, cache keys or file names, whatever goes wrong meanwhile.

Every demo patient carries canary words in every source; a full run with faults is made and every output is searched for
them, and for every number, name, local id, postcode and birth date of every patient.
"""

import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from adapters.demo.clock import render
from gateway.telemetry import configure_logs
from tests.graphql.conftest import CLOCK, DESK, Running

ESTATE = Path(__file__).parents[2] / "adapters" / "demo" / "estate"
PEOPLE = (
    "9994071009",
    "9991830006",
    "9991831002",
    "9996502007",
    "9992217006",
    "9998843006",
    "9995190001",
    "9997725018",
)
EVERYTHING = """
    patient { names { text family given } birthDate { value } addresses { lines postalCode } }
    allergies { entries { nodes { id code { text } } } } conditions { entries { nodes { id } } }
    medications { entries { nodes { id dosage } } } observations { entries { nodes { id } } }
    encounters { entries { nodes { id } } } communications { entries { nodes { id payload } } }
    relatedPersons { entries { nodes { id } } } links { localId } sources { code message }
"""


def canaries() -> set[str]:
    """Every word in the raw records that names somebody."""
    found: set[str] = set(PEOPLE)
    patterns = (
        r"CANARY-[A-Z]+-[A-Z0-9]{4}",
        r'"(?:family|surname|last_name)": "([^"]{4,})"',
        r'"(?:patientId|postalCode|postcode|post_code)": "([^"]+)"',
        r"\b(44719\d\d|331045\d|2986114|1105233|1620871)\b",
        r"^PID\|[^|]*\|[^|]*\|[^|]*\|[^|]*\|([A-Za-z]+)\^",
    )
    for file in (path for path in ESTATE.rglob("*") if path.suffix in (".json", ".hl7") and path.name != "dmd.json"):
        text = render(file.read_text(encoding="utf-8"), CLOCK)
        for pattern in patterns:
            found.update(re.findall(pattern, text, re.MULTILINE))
    return {word.lower() for word in found}


@pytest.fixture
def said(capfd: pytest.CaptureFixture[str]) -> Iterator[Callable[[], list[str]]]:
    """Gives everything any logger said at any level so far, and what went to standard output and error."""
    logged: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            logged.append(self.format(record))

    configure_logs("debug")
    handler, root = Keep(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield lambda: [*logged, *capfd.readouterr()]
    root.removeHandler(handler)
    root.setLevel(level)


async def provoke(gateway: Running) -> list[str]:
    """A run with everything in it; the error texts that came back."""
    errors: list[str] = []
    for state in ("well", "garbage", "down"):
        for source in ("epr", "pas", "telehealth"):
            gateway.faults[source].garbage = state == "garbage"
            gateway.faults[source].down = state == "down"
        for number in PEOPLE:
            query = f'{{ patient(identifier: {{value: "{number}"}}, deadline: "PT9S") {{ {EVERYTHING} }} }}'
            purpose = {"Sherwood-Purpose": {"well": "TREAT", "garbage": "ETREAT", "down": "TREAT"}[state]}
            token = {} if state != "down" else {"Authorization": f"Bearer {DESK}"}
            answer = await gateway.ask(query, headers=purpose | token)
            errors += [str(error["message"]) for error in answer.get("errors", ())]
            sources = (answer["data"]["patient"] or {}).get("sources", ())
            errors += [str(source["message"]) for source in sources]
    gateway.faults["epr"].garbage = True
    for family in ("Quillfeather", "Hollowbeck", "Fennimarsh*", "Fitchwater"):
        search = f'{{family: "{family}", birthDate: "1967-06-14"}}'
        found = await gateway.ask(f"{{ patients(search: {search}) {{ notice sources {{ message }} }} }}")
        errors += [str(error["message"]) for error in found.get("errors", ())]
        errors += [str(found["data"])]
    for wrong in ("9994071008", "999407100", "9990000018"):
        answer = await gateway.ask(f'{{ patient(identifier: {{value: "{wrong}"}}) {{ links {{ localId }} }} }}')
        errors += [error["message"] for error in answer["errors"]]
    async with gateway.session.get(f"{gateway.url}/graphql?query=%7Bsources%7Bid%7D%7D&x=9994071009") as response:
        errors.append(await response.text())
    return errors


async def test_no_output_of_a_full_run_names_anybody(gateway: Running, said: Callable[[], list[str]]) -> None:
    errors = await provoke(gateway)
    async with gateway.session.get(f"{gateway.url}/metrics") as response:
        metrics = await response.text()
    keys = [repr(key) for key in gateway.service.cache.keys()]  # noqa: SIM118 - no mapping
    files = [path.name for path in gateway.state_dir.iterdir()]
    words = canaries()
    assert len(words) > 40
    assert len(keys) > 20
    assert "sherwood_source_answers_total" in metrics
    assert errors
    for name, texts in (("log", said()), ("metric", [metrics]), ("error", errors), ("key", keys), ("file", files)):
        for text in texts:
            leaked = {word for word in words if word in text.lower()}
            assert not leaked, f"a {name} names a patient: {leaked}"


async def test_the_search_finds_a_canary_where_there_is_one(gateway: Running, said: Callable[[], list[str]]) -> None:
    logging.getLogger("a.library").debug("fetched https://example.invalid/?nhs=9994071009")
    assert any(word in text.lower() for text in said() for word in canaries())
