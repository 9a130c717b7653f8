"""The compose file: what it names is there, nothing is open to strangers, and nothing runs with more than it needs."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from gateway import __version__
from gateway.config import load
from gateway.serving import DRAIN_S
from gateway.telemetry import Metrics
from gateway.web import BODY_CAP
from tests.deploy.compose_file import COMPOSE, parse
from tests.deploy.example_file import EXAMPLE
from tests.deploy.how_to import TEXT as HOW_TO
from tests.deploy.how_to import block, make_site

TEXT = COMPOSE.read_text(encoding="utf-8")
FILE = parse(TEXT)
SERVICES: dict[str, dict[str, Any]] = FILE["services"]
_SECRET = re.compile(r"/run/secrets/(\w+)")


@cache
def _mounts(service: str) -> dict[str, str]:
    """What is mounted where: path in the container -> folder of the host, or volume."""
    return {mount.split(":")[1]: mount.split(":")[0] for mount in SERVICES[service].get("volumes", [])}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_site(tmp_path_factory.mktemp("site"))


# --- What it names is there -------------------------------------------------------------------------------------------


def test_every_file_that_it_names_is_there_once_the_how_to_was_followed(site: Path) -> None:
    named = [secret["file"] for secret in FILE["secrets"].values()]
    named += [host for service in SERVICES for host in _mounts(service).values() if host.startswith(".")]
    assert len(named) >= 5
    assert [name for name in named if not (site / name).exists()] == []
    assert (site / "compose.yaml").read_text(encoding="utf-8") == TEXT


@pytest.mark.parametrize("kind", ["secrets", "networks", "volumes"])
def test_every_secret_network_and_volume_is_declared_and_used(kind: str) -> None:
    used = {name.partition(":")[0] for service in SERVICES.values() for name in service.get(kind, [])}
    assert {name for name in used if not name.startswith(".")} == set(FILE[kind])


def test_every_variable_has_a_default_and_is_in_the_how_to() -> None:
    variables = re.findall(r"\$\{(\w+)(:-[^}]+)?\}", TEXT)
    assert {name for name, _ in variables} == {"SHERWOOD_IMAGE", "SHERWOOD_FEED_ADDRESS"}
    assert [name for name, default in variables if not default or name not in HOW_TO] == []


def test_every_secret_that_the_configuration_reads_is_mounted_where_it_is_read(site: Path) -> None:
    config = load(site / "etc" / "gateway.toml")
    assert config.gateway.secret is not None
    read = set(_SECRET.findall((site / "etc" / "gateway.toml").read_text(encoding="utf-8")))
    assert read
    assert read <= set(SERVICES["gateway"]["secrets"])
    (feed,) = [source for source in config.sources if source.adapter == "hl7v2-feed"]
    assert set(_SECRET.findall(str(feed.settings))) <= set(SERVICES["feed"]["secrets"])
    for service in SERVICES.values():
        assert set(_SECRET.findall(str(service.get("environment", "")))) <= set(service.get("secrets", []))


def test_the_feed_listens_for_the_source_that_the_configuration_names(site: Path) -> None:
    config = load(site / "etc" / "gateway.toml")
    (feed,) = [source for source in config.sources if source.adapter == "hl7v2-feed"]
    command = SERVICES["feed"]["command"]
    assert command[command.index("--source") + 1] == feed.id
    assert feed.settings["host"] == "feed"
    (published,) = SERVICES["feed"]["ports"]
    assert published.endswith(f":{feed.settings['port']}:{feed.settings['port']}")
    assert f"('127.0.0.1', {feed.settings['port']})" in SERVICES["feed"]["healthcheck"]["test"][-1]
    kept = str(Path(feed.settings["store"]).parent)
    assert _mounts("feed")[kept] == _mounts("gateway")[kept] == "feeds"


def test_the_feed_in_postgresql_of_the_example_is_the_one_that_is_served_here() -> None:
    ((user, host, database),) = re.findall(
        r'^store = "postgresql://(\w+)@(\w+)/(\w+)"$', EXAMPLE.read_text(), re.MULTILINE
    )
    environment = SERVICES[host]["environment"]
    assert (environment["POSTGRES_USER"], environment["POSTGRES_DB"]) == (user, database)
    for service in (host, "gateway", "feed"):
        assert "postgresql_password" in SERVICES[service]["secrets"]
        assert "stores" in SERVICES[service]["networks"]


def test_images_are_pinned_to_a_release_and_ours_is_this_one() -> None:
    for name, service in SERVICES.items():
        if name in ("gateway", "feed"):
            assert service["image"] == f"${{SHERWOOD_IMAGE:-sherwood-gateway:{__version__}}}"
        else:
            assert re.fullmatch(r"[\w/-]+:\d+\.\d+(\.\d+)?-[a-z]+", service["image"]), service["image"]
    assert f"--tag sherwood-gateway:{__version__} ." in HOW_TO


def test_only_the_gateway_starts_unless_more_is_asked_for() -> None:
    assert [name for name, service in SERVICES.items() if "profiles" not in service] == ["gateway"]
    rows = dict(re.findall(r"^\| `(\w+)` \| `?(\w*)`? ?\| ", HOW_TO.split("## 4.")[0], re.MULTILINE))
    assert rows == {name: service.get("profiles", [""])[0] for name, service in SERVICES.items()}


# --- Nothing is open to strangers, and nothing has more than it needs -------------------------------------------------


def test_ports_are_published_on_this_host_alone_unless_an_operator_says_otherwise(site: Path) -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert set(published) == {"gateway", "feed"}
    for ports in published.values():
        for port in ports:
            assert re.fullmatch(r"(127\.0\.0\.1|\$\{SHERWOOD_FEED_ADDRESS:-127\.0\.0\.1\}):\d+:\d+", port)
    assert load(site / "etc" / "gateway.toml").access.tokens, "inside the container it listens on every address"


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_fenced_in(name: str) -> None:
    service = SERVICES[name]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"])
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert not service.keys() & {"cap_add", "privileged", "network_mode", "pid", "devices", "env_file"}
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory", "pids"}
    assert service["restart"] == "unless-stopped"
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}
    assert not [mount for mount in service.get("volumes", []) if mount.startswith(".") and not mount.endswith(":ro")]
    # The gateway's health check is the image's.
    assert ("healthcheck" in service) == (name != "gateway")


def test_the_stores_reach_nothing_and_nobody_else_reaches_them() -> None:
    assert FILE["networks"]["stores"] == {"internal": True}
    for name in ("postgresql", "redis"):
        assert SERVICES[name]["networks"] == ["stores"]
        assert "ports" not in SERVICES[name]


def test_requests_under_way_have_the_time_to_end() -> None:
    for name in ("gateway", "feed"):
        assert int(SERVICES[name]["stop_grace_period"].removesuffix("s")) > DRAIN_S


def test_no_secret_stands_in_the_file() -> None:
    environment = [text for service in SERVICES.values() for text in service.get("environment", {})]
    assert [name for name in environment if re.search("PASSWORD|TOKEN|SECRET|KEY", name) and "_FILE" not in name] == []


# --- What the how-to says ---------------------------------------------------------------------------------------------


def test_the_proxy_logs_neither_query_string_nor_referer_nor_token_and_passes_what_the_gateway_takes() -> None:
    proxy = block("proxy")
    (form,) = re.findall(r"log_format sherwood '([^']+)'", proxy)
    assert not re.search(r"\$(request\b|request_uri|args|query_string|arg_|http_|request_body|cookie)", form)
    assert re.findall(r"access_log \S+ (\w+);", proxy) == ["sherwood"]
    assert re.findall(r"error_log \S+ (\w+);", proxy) == ["crit"]
    assert re.findall(r"client_max_body_size (\d+)m", proxy) == [str(BODY_CAP // 1024**2)]
    assert re.findall(r"location (.+) \{", proxy) == ["= /graphql"]
    assert f"proxy_pass http://{SERVICES['gateway']['ports'][0].rpartition(':')[0]};" in proxy


def test_every_metric_that_the_how_to_watches_is_counted() -> None:
    watched = set(re.findall(r"`(sherwood_\w+)`", HOW_TO))
    assert len(watched) >= 5
    counted = Metrics().text().decode()
    assert [name for name in watched if f"# TYPE {name} " not in counted] == []


# --- Reading it -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        *("a: no", "a: 12:30", "a: 010", "a: 1.5", "a: [b]", "a: {b: c}", "a: &b c", "a: *b", "a: !c d", "a: ~"),
        *("a: |\n  b", "a: b # c", "a: 'b'", "a:", "a: b\na: c", "a:\n    b: c", "a: b\n  c: d", "- a", "a:\n  - b: c"),
        *("a:\n  b: c\n - d", "a\n", '"a": b', "a: b\n--- \nc: d", 'a: "b\\n"'),
    ],
)
def test_what_is_not_plain_yaml_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="line "):
        parse(text)


def test_plain_yaml_is_read_as_what_it_says() -> None:
    text = '# x\na:\n  b: true\n  c: "no"\n  d:\n    - e\n    - "f: g"\n\nh: 10\ni: 30s\n'
    assert parse(text) == {"a": {"b": True, "c": "no", "d": ["e", "f: g"]}, "h": 10, "i": "30s"}
