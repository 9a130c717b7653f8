"""What a configuration refers to, secrets and PEM files: found beside it, or named with its line when it is missing."""

import tomllib
from pathlib import Path

import pytest
from pydantic import Field

from adapters.sdk import Settings
from adapters.sdk.secrets import Secret
from gateway.config import ConfigError, load, parse
from gateway.opening import open_service

WARD = "a-token-of-the-ward-in-twenty-characters"


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_WARD_TOKEN", WARD)


AUTHENTICATED = (
    '[[sources]]\nid = "epr"\nname = "E"\norganization = "O"\nadapter = "fhir"\n'
    'settings = { base_url = "http://127.0.0.1:1" }\n'
)
DATABASE = (
    '[[sources]]\nid = "db"\nname = "D"\norganization = "O"\nadapter = "sql"\n'
    '[sources.settings]\nurl = "postgresql://u@127.0.0.1:1/d"\nmapping = "m.toml"\n'
)
TOKEN = '[[access.tokens]]\nuser = "u"\nrole = "r"\norganization = "o"\n'


async def test_a_file_with_a_secret_is_relative_to_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "elsewhere"):
        (tmp_path / name).mkdir()
    (tmp_path / "one" / "token").write_text(WARD, encoding="utf-8")
    path = tmp_path / "one" / "gateway.toml"
    auth = '[sources.auth]\ntype = "header"\nname = "X-Api-Key"\nvalue = "file:token"\n'
    path.write_text(f'{TOKEN}token = "file:token"\n{AUTHENTICATED}{auth}', encoding="utf-8")
    monkeypatch.chdir(tmp_path / "elsewhere")
    for given in (path, Path("../one/gateway.toml")):
        async with open_service(load(given)) as service:
            assert service.access.authenticate({"authorization": f"Bearer {WARD}"}).user == "u"


async def refused(tmp_path: Path, written: str) -> str:
    """What is said of a configuration that nothing is opened by."""
    path = tmp_path / "gateway.toml"
    path.write_text(written, encoding="utf-8")
    with pytest.raises(ConfigError) as problem:
        async with open_service(load(path)):
            pass
    return str(problem.value)


@pytest.mark.parametrize(
    ("written", "line", "key"),
    [
        ('[gateway]\nport = 0\nsecret = "file:gone"\n', 3, "gateway.secret"),
        (f'{TOKEN}token = "file:gone"\n', 5, "access.tokens.0.token"),
        (
            f'{AUTHENTICATED}[sources.auth]\ntype = "header"\nname = "X-Api-Key"\nvalue = "file:gone"\n',
            10,
            "sources.0.auth.value",
        ),
        (
            f'{AUTHENTICATED}auth = {{ type = "basic", username = "u", password = "file:gone" }}\n',
            7,
            "sources.0.auth.password",
        ),
        (
            f'{TOKEN}token = "env:TEST_WARD_TOKEN"\n{DATABASE}password = "file:gone"\n',
            14,
            "sources.0.settings.password",
        ),
    ],
)
async def test_a_secret_that_cannot_be_had_is_named_with_its_key_line_and_path(
    tmp_path: Path, written: str, line: int, key: str
) -> None:
    missing = f"file:{tmp_path / 'gone'}: the file cannot be read"
    assert await refused(tmp_path, written) == f"{tmp_path / 'gateway.toml'}:{line}: {key}: {missing}"


@pytest.mark.parametrize(
    ("written", "line", "key"),
    [
        (
            '[identity]\nstore = "postgresql://u@127.0.0.1:1/d"\nstore_tls = true\nstore_ca = "gone"\n',
            4,
            "identity.store_ca",
        ),
        ('[terminology.server]\nbase_url = "https://t.example"\nca = "gone"\n', 3, "terminology.server.ca"),
        (
            f'{AUTHENTICATED}[sources.auth]\ntype = "mtls"\ncert = "gone"\nkey = "env:TEST_WARD_TOKEN"\n',
            9,
            "sources.0.auth.cert",
        ),
        (
            f'{AUTHENTICATED}[sources.auth]\ntype = "basic"\nusername = "u"\npassword = "env:TEST_WARD_TOKEN"\n'
            '[sources.auth.tls]\ncert = "gateway.toml"\nkey = "env:TEST_WARD_TOKEN"\nca = "gone"\n',
            14,
            "sources.0.auth.tls.ca",
        ),
        (f'{DATABASE}tls = true\nca = "gone"\n', 10, "sources.0.settings.ca"),
    ],
)
async def test_a_certificate_that_is_not_there_is_named_with_its_key_line_and_path(
    tmp_path: Path, written: str, line: int, key: str
) -> None:
    missing = f"{tmp_path / 'gone'}: the file cannot be read"
    assert await refused(tmp_path, written) == f"{tmp_path / 'gateway.toml'}:{line}: {key}: {missing}"


class _Strangers(Settings):
    secret: Secret = Field(alias="api-key")
    others: dict[str, list[Secret]]


def test_a_secret_anywhere_in_the_settings_of_a_kind_is_looked_for() -> None:
    written = 'api-key = "env:NOT_SET_A"\nothers = { x = ["env:PATH", "env:NOT_SET_B"] }\n'
    config = parse(f"{DATABASE}{written}")
    with pytest.raises(ConfigError) as refused:
        config.check_secrets_and_files([_Strangers.model_validate(tomllib.loads(written))])
    assert [line.rpartition(": ")[0] for line in str(refused.value).splitlines()] == [
        "configuration:9: sources.0.settings.api-key: env:NOT_SET_A",
        "configuration:10: sources.0.settings.others.x.1: env:NOT_SET_B",
    ]


async def test_a_secret_itself_in_the_settings_is_refused_with_its_place_and_not_quoted(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text(f'{DATABASE}password = "letmein"\n', encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        async with open_service(load(path)):
            pass
    assert str(refused.value).startswith(f"{path}:6: sources.0.settings: password: a secret is not written")
    assert "letmein" not in str(refused.value)


def test_an_empty_path_is_not_the_systems_authorities() -> None:
    with pytest.raises(ConfigError, match=r"^configuration:2: terminology.server.ca: write the path of a PEM file"):
        parse('[terminology.server]\nca = ""\n')
