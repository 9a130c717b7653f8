"""What is not answered, and what the refusal says to do."""

import asyncio
import io
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from adapters.sdk import SettingsError
from gateway.config import AUDIT_FILE, ConfigError, load
from gateway.opening import open_service
from gateway.problems import CommandError
from gateway.serving import bind, refuse_strangers
from tests.graphql.conftest import MICHAEL, Running, started

BY_NUMBER = '{{ patient(identifier: {{value: "{}"}}) {{ allergies {{ totalCount }} }} }}'


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        ("999407100", "ten digits"),
        ("9994071008", "check digit"),
        ("9999999999", "placeholder"),
        ("1111111111", "placeholder"),
        ("999 407 100 O", "digits only"),
        ("", "digits only"),
    ],
)
async def test_a_number_that_cannot_be_one_is_refused_before_anybody_is_asked(
    gateway: Running, number: str, advice: str
) -> None:
    error = await gateway.refused(BY_NUMBER.format(number))
    assert error["extensions"]["code"] == "IDENTIFIER_INVALID"
    assert advice in error["message"]
    assert not number or number not in error["message"]
    assert all(fault.asked == 0 for fault in gateway.faults.values())


async def test_a_number_with_spaces_is_the_same_number(gateway: Running) -> None:
    answer = await gateway.ask('{ patient(identifier: {value: "999 407 1009"}) { identifier { value } } }')
    assert answer["data"]["patient"]["identifier"]["value"] == MICHAEL


async def test_a_number_the_authority_does_not_know_is_not_found_and_no_source_is_asked(gateway: Running) -> None:
    error = await gateway.refused(BY_NUMBER.format("9990000018"))
    assert error["extensions"]["code"] == "PATIENT_NOT_FOUND"
    assert [name for name, fault in gateway.faults.items() if fault.asked] == ["pds"]


async def test_a_birth_date_that_is_not_the_authoritys_shows_nothing(gateway: Running) -> None:
    query = (
        f'{{ patient(identifier: {{value: "{MICHAEL}"}}, birthDate: "1967-06-15") {{ allergies {{ totalCount }} }} }}'
    )
    error = await gateway.refused(query)
    assert error["extensions"]["code"] == "IDENTITY_UNRESOLVED"
    assert "1967" not in error["message"]


async def test_with_the_authority_down_and_nobody_agreeing_nothing_clinical_is_shown(gateway: Running) -> None:
    for source in gateway.faults.keys() - {"lab"}:  # one alone agrees with nobody
        gateway.faults[source].down = True
    error = await gateway.refused(BY_NUMBER.format(MICHAEL))
    assert error["extensions"]["code"] == "IDENTITY_UNRESOLVED"


async def test_with_the_authority_down_agreeing_sources_say_who_it_is_and_gp_connect_is_not_called(
    gateway: Running,
) -> None:
    gateway.faults["pds"].down = True
    record = await gateway.record("identifier { value } sources { source { id } state code }")
    told = {s["source"]["id"]: (s["state"], s["code"]) for s in record["sources"]}
    assert told["pas"] == ("OK", None)
    assert told["gp"] == ("NOT_ASKED", "RESTRICTION_UNKNOWN")
    assert gateway.faults["gp"].asked == 0


async def test_a_hung_authority_leaves_time_for_those_who_stand_in_for_it(gateway: Running) -> None:
    gateway.faults["pds"].hold = asyncio.Event()
    record = await gateway.record("encounters { totalCount } sources { source { id } state code }", deadline="PT6S")
    told = {s["source"]["id"]: s["state"] for s in record["sources"]}
    assert told["pas"] == "OK"
    assert told["gp"] == "NOT_ASKED"
    assert record["encounters"]["totalCount"] > 0


@pytest.mark.parametrize("deadline", ["0.3s", "PT0S", "PT31S", "-PT1S", "P1D", "soon"])
async def test_a_deadline_out_of_range_says_how_one_is_written(gateway: Running, deadline: str) -> None:
    query = (
        f'{{ patient(identifier: {{value: "{MICHAEL}"}}, deadline: "{deadline}") {{ allergies {{ totalCount }} }} }}'
    )
    error = await gateway.refused(query)
    assert error["extensions"]["code"] == "DEADLINE_INVALID"
    assert "PT" in error["message"]


async def test_an_unknown_field_is_named_and_nothing_else_stops(gateway: Running) -> None:
    error = await gateway.refused(f'{{ patient(identifier: {{value: "{MICHAEL}"}}) {{ allergys {{ totalCount }} }} }}')
    assert error["extensions"]["code"] == "GRAPHQL_INVALID"
    assert "allergys" in error["message"]
    assert (await gateway.record("allergies { totalCount }"))["allergies"]["totalCount"] > 0


FAN = " ".join(f"a{n}: __schema {{ queryType {{ name }} }}" for n in range(100))
PEOPLE = " ".join(f'p{n}: patient(identifier: {{value: "{MICHAEL}"}}) {{ links {{ grade }} }}' for n in range(100))
DOUBLING = " ".join(f"fragment f{n} on SourceRef {{ ...f{n + 1} ...f{n + 1} }}" for n in range(40))


@pytest.mark.parametrize(
    ("document", "advice"),
    [
        (f"{{ {FAN} }}", "at its root"),
        (f"{{ {PEOPLE} }}", "at its root"),
        ("{ sources " + "{ a " * 60 + "}" * 60 + " }", "deep"),
        (f"{{ sources {{ ...f0 }} }} {DOUBLING} fragment f40 on SourceRef {{ id }}", "more than"),
        ("{ sources { " + " ".join(f"a{n}: id" for n in range(4500)) + " } }", "tokens"),
        ("{ sources { ...f } } fragment f on SourceRef { id ...f }", "deep"),
    ],
)
async def test_a_document_that_asks_for_too_much_is_refused_before_anybody_is_asked(
    gateway: Running, document: str, advice: str
) -> None:
    error = await gateway.refused(document)
    assert error["extensions"]["code"] == "GRAPHQL_INVALID"
    assert advice in error["message"]
    assert all(fault.asked == 0 for fault in gateway.faults.values())


async def test_a_request_that_is_not_executed_has_status_400_for_a_client_that_speaks_graphql_json(
    gateway: Running,
) -> None:
    accept = {"Accept": "application/graphql-response+json"}
    two = "query A { sources { id } } query B { sources { id } }"
    assert (await gateway.refused(two, headers=accept, status=400))["extensions"]["code"] == "BAD_REQUEST"
    assert (await gateway.refused("{ nothing }", headers=accept, status=400))["extensions"]["code"] == "GRAPHQL_INVALID"


@pytest.mark.parametrize("body", ["", "null", "1", '"x"', "[]", "{", '{"query": 1}', '{"query": "{", "variables": []}'])
async def test_a_body_that_is_no_request_is_refused(gateway: Running, body: str) -> None:
    headers = gateway.headers | {"Content-Type": "application/json"}
    async with gateway.session.post(f"{gateway.url}/graphql", data=body, headers=headers) as response:
        assert response.status == 400
        (error,) = (await response.json())["errors"]
        assert error["extensions"]["code"] == "BAD_REQUEST"


async def test_a_body_of_another_type_or_too_large_is_refused(gateway: Running) -> None:
    async with gateway.session.post(f"{gateway.url}/graphql", data="{}", headers=gateway.headers) as response:
        assert response.status == 415
    headers = gateway.headers | {"Content-Type": "application/json"}
    large = io.BytesIO(b'{"query": "' + b" " * 2_000_000 + b'"}')
    async with gateway.session.post(f"{gateway.url}/graphql", data=large, headers=headers) as response:
        assert response.status == 413


async def test_without_a_token_nobody_is_answered(gateway: Running) -> None:
    error = await gateway.refused(BY_NUMBER.format(MICHAEL), headers={"Authorization": ""}, status=401)
    assert error["extensions"]["code"] == "NOT_AUTHENTICATED"
    assert all(fault.asked == 0 for fault in gateway.faults.values())


async def test_a_purpose_the_caller_was_not_given_is_denied_and_no_source_is_asked(gateway: Running) -> None:
    error = await gateway.refused(BY_NUMBER.format(MICHAEL), headers={"Sherwood-Purpose": "HMARKT"})
    assert error["extensions"]["code"] == "ACCESS_DENIED"
    assert all(fault.asked == 0 for fault in gateway.faults.values())


async def test_the_list_of_sources_is_refused_for_such_a_purpose_too_and_the_trail_says_so(gateway: Running) -> None:
    error = await gateway.refused("{ sources { id } }", headers={"Sherwood-Purpose": "HMARKT"})
    assert error["extensions"]["code"] == "ACCESS_DENIED"
    assert refusals(gateway) == ['{"code":"ACCESS_DENIED"}']


async def test_that_a_number_is_nobodys_or_a_birth_date_not_its_owners_is_in_the_trail(gateway: Running) -> None:
    await gateway.refused(BY_NUMBER.format("9990000018"))
    who = f'identifier: {{value: "{MICHAEL}"}}, birthDate: "1967-06-15"'
    await gateway.refused(f"{{ patient({who}) {{ links {{ grade }} }} }}")
    assert refusals(gateway) == ['{"code":"PATIENT_NOT_FOUND"}', '{"code":"IDENTITY_UNRESOLVED"}']


def refusals(gateway: Running) -> list[str]:
    """What the trail says of refusals."""
    with closing(sqlite3.connect(gateway.state_dir / AUDIT_FILE)) as trail:
        rows = trail.execute("SELECT detail FROM trail WHERE kind = 'refusal' ORDER BY sequence")
        return [detail for (detail,) in rows]


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        (f"{{ patient(identifier: {{value: {MICHAEL}}}) {{ links {{ grade }} }} }}", {}),
        (f'{{ patient(identifier: "{MICHAEL}") {{ links {{ grade }} }} }}', {}),
        (f'{{ patient(identifier: {{value "{MICHAEL}"}}) }}', {}),
        ("query ($n: String!) { patient(identifier: {value: $n}) { links { grade } } }", {"n": int(MICHAEL)}),
        (
            'query ($d: Date) { patient(identifier: {value: "1"}, birthDate: $d) { links { grade } } }',
            {"d": f"born {MICHAEL}"},
        ),
    ],
)
async def test_an_error_never_quotes_the_value_that_was_written(
    gateway: Running, query: str, variables: dict[str, object]
) -> None:
    error = await gateway.refused(query, **variables)
    assert error["extensions"]["code"] == "GRAPHQL_INVALID"
    assert MICHAEL not in error["message"]


async def test_an_alias_reaches_no_log(
    gateway: Running, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def stumble(*_: object, **__: object) -> None:
        raise KeyError(MICHAEL)

    monkeypatch.setattr("gateway.gathering.merge", stumble)
    query = BY_NUMBER.format(MICHAEL).replace("{ patient", f"{{ p{MICHAEL}: patient")
    assert (await gateway.refused(query))["extensions"]["code"] == "INTERNAL"
    said = "".join(capfd.readouterr())
    assert "KeyError" in said
    assert MICHAEL not in said


async def test_a_head_request_is_refused_and_asks_nobody(gateway: Running) -> None:
    query = {"query": BY_NUMBER.format(MICHAEL)}
    async with gateway.session.head(f"{gateway.url}/graphql", params=query, headers=gateway.headers) as response:
        assert response.status == 405
    assert all(fault.asked == 0 for fault in gateway.faults.values())


async def test_two_probes_at_once_reopen_the_audit_store_once(gateway: Running) -> None:
    gateway.service._store._broken.set()
    answers = await asyncio.gather(*(gateway.session.get(f"{gateway.url}/readyz") for _ in range(8)))
    assert {answer.status for answer in answers} == {200}
    assert [thread.name for thread in threading.enumerate()].count("audit") == 1


async def test_with_the_audit_store_gone_nothing_is_asked_and_nothing_is_disclosed(gateway: Running) -> None:
    await gateway.record("sources { state }", number="9997725018")
    asked = {name: fault.asked for name, fault in gateway.faults.items()}
    for file in gateway.state_dir.glob(f"{AUDIT_FILE}*"):
        file.unlink()
    error = await gateway.refused(BY_NUMBER.format(MICHAEL))
    assert error["extensions"]["code"] == "AUDIT_UNAVAILABLE"
    assert {name: fault.asked for name, fault in gateway.faults.items()} == asked
    async with gateway.session.get(f"{gateway.url}/readyz") as response:
        assert response.status == 503


async def test_an_audit_store_that_dies_during_an_answer_stops_the_answer(gateway: Running) -> None:
    gateway.faults["pharmacy"].hold = asyncio.Event()
    query = BY_NUMBER.format(MICHAEL).replace("allergies", "medications")
    answer = asyncio.create_task(gateway.refused(query, status=503))
    while not gateway.faults["pharmacy"].asked:
        await asyncio.sleep(0)
    for file in gateway.state_dir.glob(f"{AUDIT_FILE}*"):
        file.unlink()
    gateway.faults["pharmacy"].hold.set()
    assert (await answer)["extensions"]["code"] == "AUDIT_UNAVAILABLE"


async def test_every_answer_left_a_trail_of_access_and_disclosure_with_its_hash(gateway: Running) -> None:
    await gateway.record("allergies { totalCount }")
    with sqlite3.connect(gateway.state_dir / AUDIT_FILE) as trail:
        rows = trail.execute(
            "SELECT kind, user, purpose, patient, answer, records FROM trail ORDER BY sequence"
        ).fetchall()
    trail.close()
    rows = [row for row in rows if row[0] != "identity"]
    assert [row[0] for row in rows] == ["access", "disclosure"]
    assert {(row[1], row[2]) for row in rows} == {("jacky", "TREAT")}
    assert all(row[3].endswith(MICHAEL) for row in rows)
    assert len(rows[1][4]) == 64
    assert len(rows[1][5]) > 64, "the records it was made of are named by their hashes"


def test_serving_strangers_without_authentication_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text("", encoding="utf-8")
    with pytest.raises(CommandError, match="access token"):
        refuse_strangers(load(path), "0.0.0.0")
    refuse_strangers(load(path), "127.0.0.1")
    refuse_strangers(load(path), "::1")


def test_the_command_line_refuses_strangers_with_a_sentence_and_status_2(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text("", encoding="utf-8")
    command = [
        sys.executable,
        "-c",
        "from gateway.cli import main; main()",
        "serve",
        "-c",
        str(path),
        "--host",
        "0.0.0.0",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "refusing to serve" in done.stderr
    assert "[[access.tokens]]" in done.stderr, "what stands in brackets is no markup"
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("denied", "advice"), [("gum", "no source's id"), ("pds", "identity authority")])
def test_a_denied_source_that_is_not_there_or_that_every_answer_rests_on_is_refused(
    tmp_path: Path, denied: str, advice: str
) -> None:
    path = tmp_path / "gateway.toml"
    token = f'token = "env:A"\nuser = "u"\nrole = "r"\norganization = "o"\ndeny_sources = ["{denied}"]\n'
    source = 'id = "pds"\nname = "P"\norganization = "O"\nadapter = "fhir"\n'
    path.write_text(f'[identity]\nauthority = "pds"\n[[access.tokens]]\n{token}[[sources]]\n{source}', encoding="utf-8")
    with pytest.raises(ConfigError, match=advice):
        load(path)


def test_a_port_in_use_is_said_with_what_to_do() -> None:
    with bind("127.0.0.1", 0) as taken, pytest.raises(CommandError, match="--port"):
        bind("127.0.0.1", taken.getsockname()[1])


@pytest.mark.parametrize(
    ("written", "line", "advice"),
    [
        ('[gateway]\nhosst = "x"\n', 2, "no such setting"),
        ("[gateway]\nport = 99999\n", 2, "port"),
        ('[gateway]\ndeadline = "5"\n', 2, "unit"),
        ('\n[[sources]]\nid = "a"\nname = "A"\norganization = "O"\n', 2, "must be written"),
        ('[identity]\nauthority = "pds"\n', 1, "no source"),
        ('[[access.tokens]]\ntoken = "letmein"\n', 2, "env:NAME"),
        (
            '[[sources]]\nid = "a"\n[sources.auth]\ntype = "basic"\nusername = "u"\npassword = "letmein"\n',
            3,
            "sources.0.auth: password: a secret is not written",
        ),
        (
            '[[sources]]\nid = "a"\nname = "A"\norganization = "O"\nadapter = "rest"\ntimeout = "0s"\n',
            6,
            "greater than 0",
        ),
    ],
)
def test_a_wrong_setting_is_refused_with_its_line_and_what_to_write(
    tmp_path: Path, written: str, line: int, advice: str
) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text(written, encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        load(path)
    (first, *_) = [text for text in str(refused.value).splitlines() if advice in text]
    assert first.startswith(f"{path}:{line}:") or "authority" in written
    assert "letmein" not in str(refused.value)


async def test_a_missing_secret_names_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEST_WARD_TOKEN")
    with pytest.raises(ConfigError, match=r"gateway.toml:\d+: access.tokens.0.token: env:TEST_WARD_TOKEN"):
        async with started(tmp_path):
            pass


@pytest.mark.parametrize(
    ("adapter", "settings", "says"),
    [
        ("fhir", 'base_url = "http://127.0.0.1:1", pagesize = 3', "settings: pagesize: there is no such setting"),
        ("fhir", 'version = "R4"', "settings: base_url: this setting must be written"),
        ("fhir", 'base_url = "http://127.0.0.1:1", types = "Flag"', 'settings: types: write a list: ["..."]'),
        ("fhir", 'base_url = "http://127.0.0.1:1", types = ["Flags"]', "settings: types: unknown ['Flags']; known"),
        ("fhir", 'base_url = "127.0.0.1:1"', "base_url: write an absolute http or https URL"),
        ("sql", 'url = "sqlite:///drop.db", mapping = "drop.toml"', "mapping '{folder}/drop.toml' cannot be read"),
    ],
)
async def test_a_wrong_setting_of_a_source_names_the_source_and_says_what_to_write(
    tmp_path: Path, adapter: str, settings: str, says: str
) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text(
        '[[sources]]\nid = "epr"\nname = "E"\norganization = "O"\n'
        f'adapter = "{adapter}"\nsettings = {{ {settings} }}\n',
        encoding="utf-8",
    )
    with pytest.raises(SettingsError) as refused:
        async with open_service(load(path)):
            pass
    assert str(refused.value).startswith(f"source 'epr': {says.replace('{folder}', str(tmp_path))}")


async def test_an_adapter_kind_that_is_not_installed_says_which_are(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text('[[sources]]\nid = "x"\nname = "X"\norganization = "O"\nadapter = "fax"\n', encoding="utf-8")
    with pytest.raises(SettingsError, match=r"installed: .*fhir"):
        async with open_service(load(path)):
            pass
