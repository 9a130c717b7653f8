"""The example configuration shows every setting there is, says what is true of each, and works as it stands."""

import datetime
import json
import re
import tomllib
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, get_args

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

from adapters.sdk import SettingsError
from adapters.sdk.registry import installed
from adapters.sdk.resources import PemFile
from adapters.sdk.secrets import Secret
from gateway.config import Config, ConfigError, load, parse
from gateway.opening import make_adapter, open_service, read_settings
from tests.deploy.example_file import (
    EXAMPLE,
    Shown,
    every_setting,
    fields,
    home,
    is_a_table,
    is_a_tag,
    model_of,
    read,
    shown,
    switched_on,
    ways_of_proof,
)

TEXT = EXAMPLE.read_text(encoding="utf-8")
DATA = read(TEXT)
SHOWN = list(shown(TEXT))


def _field(setting: Shown) -> FieldInfo | None:
    """What it is by the code; None where the code has no such setting."""
    return fields(model_of(setting, DATA)).get(setting.key)


TABLES = {setting for setting in SHOWN if (field := _field(setting)) is not None and is_a_table(field)}
EXPLAINED = [setting for setting in SHOWN if setting.explanation and setting not in TABLES]
_SAID = re.compile(r"(Required|Default: (.+))\.$")


def _name(setting: tuple[type[BaseModel], str]) -> str:
    return f"{setting[0].__name__}.{setting[1]}"


def test_every_setting_of_the_gateway_and_of_every_kind_is_shown_and_explained() -> None:
    explained = {home(model_of(setting, DATA), setting.key) for setting in EXPLAINED if _field(setting) is not None}
    tables = {home(model_of(setting, DATA), setting.key) for setting in TABLES}
    tables |= {home(Config, setting.table[0]) for setting in SHOWN if setting.table}
    assert sorted(map(_name, every_setting() - explained - tables)) == []


def test_no_setting_is_shown_that_does_not_exist() -> None:
    assert [f"{setting.line}: {setting.key}" for setting in SHOWN if _field(setting) is None] == []


def test_what_is_said_of_each_default_is_true() -> None:
    wrong = [f"{setting.line}: {setting.key}: {fault}" for setting in EXPLAINED if (fault := _fault(setting))]
    assert wrong == []


def _fault(setting: Shown) -> str | None:
    field = _field(setting)
    assert field is not None
    said = _SAID.search(setting.explanation)
    if is_a_tag(field):
        return None
    if said is None:
        return "neither Required nor Default"
    if field.is_required() or said[1] == "Required":
        return None if field.is_required() and said[1] == "Required" else "required or not?"
    default = field.get_default(call_default_factory=True)
    if said[2] == "none":
        return None if default in (None, (), {}) else "has a default"
    kind: Any = Annotated[(field.annotation, *field.metadata, "default")]
    return None if TypeAdapter(kind).validate_python(tomllib.loads(f"v = {said[2]}")["v"]) == default else "another"


def test_each_is_explained_in_a_line_or_two() -> None:
    lines = TEXT.splitlines()
    assert [line for line in lines if len(line) > 120] == []
    ends = [setting.line - 1 for setting in EXPLAINED]
    assert [end for end in ends if all(line.startswith("# ") for line in lines[end - 3 : end])] == []


def test_every_certificate_and_key_is_a_path_beside_the_file_or_a_secret() -> None:
    """A path that were plain text would be relative to wherever the gateway is started."""
    in_pem = {home(model_of(s, DATA), s.key) for s in EXPLAINED if "PEM file" in s.explanation}
    in_pem |= {setting for setting in every_setting() if re.search(r"(^|_)(ca|cert|key)$", setting[1])}
    assert len(in_pem) >= 12
    assert sorted(_name(s) for s in in_pem if not _is_pem_or_secret(fields(s[0])[s[1]].annotation)) == []


def _is_pem_or_secret(annotation: Any) -> bool:
    (kind,) = [one for one in get_args(annotation) or [annotation] if one is not type(None)]
    return issubclass(kind, PemFile | Secret)


# --- It works -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pem() -> tuple[str, str]:
    """A certificate that vouches for itself, and its key."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sherwood.example.org")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    form = serialization.Encoding.PEM
    private = key.private_bytes(form, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return builder.sign(key, hashes.SHA256()).public_bytes(form).decode(), private.decode()


@pytest.fixture
def folder(tmp_path: Path, pem: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place where everything is that the file refers to."""
    certificate, key = pem
    for reference in re.findall(r'"(?:file:)?(/(?:etc|run)/[^"]+)"', TEXT):
        path = tmp_path / reference[1:]
        path.parent.mkdir(parents=True, exist_ok=True)
        is_key = path.name.endswith(("client_key", "listener_key", "private_key"))
        path.write_text(certificate if path.suffix == ".pem" else key if is_key else path.name.center(40, "-"))
    for name in re.findall(r'"env:(\w+)"', TEXT):
        monkeypatch.setenv(name, "example")
    (tmp_path / "medicines.json").write_text("[]")
    for name in ("units.toml", "outcomes.toml"):
        (tmp_path / name).write_text('version = "example"')
    own = resources.files("gateway.merge").joinpath("terminology.toml").read_text(encoding="utf-8")
    (tmp_path / "terminology.toml").write_text(own, encoding="utf-8")
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps" / "local-codes.json").write_text(json.dumps({"resourceType": "ConceptMap", "group": []}))
    return tmp_path


@pytest.mark.parametrize("place", ["absolute", "relative"])
@pytest.mark.parametrize("everything", [False, True], ids=["as it stands", "with everything switched on"])
async def test_the_gateway_opens_with_the_file(
    folder: Path, everything: bool, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it is started: every path is absolute, or relative to the file."""
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    above = f"{folder}/" if place == "absolute" else ""
    text = switched_on(TEXT) if everything else TEXT
    # Whether a server is there is asked at once, and there is none at an address that is only an example.
    text = (
        re.sub(r"^(?=store\w* = )", "#", text.partition("[[")[0], flags=re.MULTILINE) + "[[" + text.partition("[[")[2]
    )
    file = folder / "gateway.toml"
    file.write_text(re.sub(r'(?<=file:)/(?=run|etc)|(?<=")/(?=(run|etc|var)/)', above, text), encoding="utf-8")
    config = load(file)
    async with open_service(config) as service:
        assert list(service.sources) == [source["id"] for source in DATA["sources"]]
    assert config.audit_path.is_relative_to(folder)
    assert config.audit_path.exists()


async def test_what_the_listener_alone_reads_need_not_be_there_for_the_gateway(folder: Path) -> None:
    """Nor may it: who can read the listener's key can take messages in its place."""
    feed = switched_on("[[sources]]" + TEXT.partition('id = "pas-feed"')[2].partition("[[sources]]")[0])
    feed = re.sub(r"^store.*", "", feed, flags=re.MULTILINE).replace("[[sources]]", '[[sources]]\nid = "pas-feed"')
    files = {key: f"/nowhere/{key}" for key in ("tls_cert", "tls_key", "tls_client_ca")}
    for key, path in files.items():
        feed = re.sub(rf"^{key} = .*", f'{key} = "{path}"', feed, flags=re.MULTILINE)
    (folder / "gateway.toml").write_text(f'{feed}\nstore = "feed.db"\n', encoding="utf-8")
    async with open_service(load(folder / "gateway.toml")) as service:
        settings = service.sources["pas-feed"].adapter.settings
        assert {key: getattr(settings, key) for key in files} == files


def test_every_kind_and_every_form_of_proof_has_a_source() -> None:
    assert {source["adapter"] for source in DATA["sources"]} == set(installed())
    assert {source["auth"]["type"] for source in DATA["sources"] if "auth" in source} == set(ways_of_proof())


def test_a_misspelt_key_is_refused_by_name() -> None:
    refusals = {setting: _refusal(setting) for setting in SHOWN if setting.table}
    assert len(refusals) > 150
    unnamed = {
        setting.line: refusal
        for setting, refusal in refusals.items()
        if f"{setting.key}x" not in refusal and f"'{setting.key}'" not in refusal  # as a tag that is missing
    }
    assert unnamed == {}


def test_a_misspelt_key_of_the_gateways_own_is_refused_with_its_line() -> None:
    for setting in SHOWN:
        if setting not in TABLES and not {"auth", "settings"} & set(setting.table):
            assert f"file:{setting.line}: " in _refusal(setting), setting


def _refusal(setting: Shown) -> str:
    """What is said to the whole file with this one key misspelt; nothing when it is taken."""
    lines = switched_on(TEXT).splitlines()
    line = lines[setting.line - 1]
    lines[setting.line - 1] = re.sub(rf"{setting.key}(?= =|\])", f"{setting.key}x", line)
    try:
        config = parse("\n".join(lines), "file")
        make_adapter(config.sources[setting.source], read_settings(config, setting.source))
    except (ConfigError, SettingsError) as refused:
        return str(refused)
    return ""
