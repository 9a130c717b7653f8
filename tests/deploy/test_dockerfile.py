"""The image is built from locked parts in one stage and runs, as nobody in particular, from another."""

import json
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from gateway import __version__
from gateway.config import GatewayTable
from tests.deploy.dockerfile import DOCKERFILE, IGNORE, ROOT, Stage, files_of_the_house, send_context, sent, stages
from tests.deploy.example_file import EXAMPLE

TEXT = DOCKERFILE.read_text(encoding="utf-8")
IGNORED = IGNORE.read_text(encoding="utf-8")
PAGES, BUILD, RUNTIME = stages(TEXT)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def _commands(stage: Stage) -> list[str]:
    return [command.strip() for run in stage.all("RUN") for command in re.split(r"&&|;|\|", run.text)]


def test_what_runs_is_another_stage_than_what_builds() -> None:
    assert [PAGES.name, BUILD.name, RUNTIME.name] == ["pages", "build", "runtime"]
    assert [one.text for one in RUNTIME.all("COPY")] == ["--from=build /srv/sherwood /srv/sherwood"]
    assert not [command for command in _commands(RUNTIME) if " install " in f"{command} " and "pip" in command]


def test_the_pages_are_built_of_what_the_lock_file_names_by_its_hash_and_only_the_pages_go_on() -> None:
    assert re.fullmatch(r"node:22\.\d+\.\d+-[a-z]+-slim", PAGES.image), "a release with long-term support, slim"
    brought, built = _commands(PAGES)
    assert re.match(r"npm ci .*--ignore-scripts", brought)
    assert built == "npm run --prefix web build"
    lock = json.loads((ROOT / "web" / "package-lock.json").read_text(encoding="utf-8"))
    assert [name for name, one in lock["packages"].items() if name and "integrity" not in one] == []
    assert [one.text for one in BUILD.all("COPY") if one.stage] == ["--from=pages /build/gateway/built gateway/built"]
    order = [one.text for one in BUILD.instructions if one.word in ("COPY", "RUN")]
    assert order.index("--from=pages /build/gateway/built gateway/built") < next(
        place for place, text in enumerate(order) if "pip wheel" in text
    )


def test_both_stages_have_the_same_python_of_one_pinned_release() -> None:
    assert BUILD.image == RUNTIME.image
    assert re.fullmatch(r"python:3\.11\.\d+-slim-[a-z]+", RUNTIME.image), "a release, slim, of a named Debian"
    assert "latest" not in TEXT


def test_nothing_is_installed_that_is_not_locked_by_its_hash_or_lies_in_the_image() -> None:
    installs = [command for command in _commands(BUILD) if " install " in command]
    assert len(installs) == 3
    for command in installs:
        locked = "--require-hashes -r requirements/" in command and "--only-binary :all:" in command
        ours = "--no-deps --no-index dist/*.whl" in command
        assert locked or ours, command
    assert not re.search(r"\b(apt|apt-get|apk|curl|wget|gcc)\b|://", "\n".join(_commands(BUILD)))
    assert BUILD.last("ENV").variables["PIP_NO_CACHE_DIR"] == "1"


def test_the_image_has_everything_that_the_base_has_and_every_driver() -> None:
    def pins(name: str) -> dict[str, str]:
        text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
        return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE))

    image = pins("image.txt")
    assert pins("base.txt").items() <= image.items()
    for name, extra in PROJECT["project"]["optional-dependencies"].items():
        for requirement in map(Requirement, extra):
            pinned = image.get(canonicalize_name(requirement.name), "0")
            assert requirement.specifier.contains(pinned), f"{name}: run make lock"


def test_it_runs_as_a_number_that_is_not_root_and_stays_so() -> None:
    user = RUNTIME.last("USER").text
    number, _, group = user.partition(":")
    assert number.isdigit()
    assert group.isdigit()
    assert "0" not in (number, group)
    after = RUNTIME.instructions[RUNTIME.instructions.index(RUNTIME.last("USER")) + 1 :]
    assert not [one for one in after if one.word in {"RUN", "COPY"}]
    assert f"--owner={number} --group={group} --mode=0700 {RUNTIME.last('VOLUME').text}" in RUNTIME.last("RUN").text


def test_what_is_kept_is_kept_on_the_volume() -> None:
    state_dir = tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))["gateway"]["state_dir"]
    assert RUNTIME.last("VOLUME").text == state_dir == RUNTIME.last("WORKDIR").text
    assert RUNTIME.last("ENV").variables["PYTHONDONTWRITEBYTECODE"] == "1"


def test_it_starts_the_command_that_the_package_installs() -> None:
    (command,) = RUNTIME.last("ENTRYPOINT").exec_form
    assert command in PROJECT["project"]["scripts"]
    assert RUNTIME.last("CMD").exec_form == ["serve", "-c", "/etc/sherwood/gateway.toml"]
    assert RUNTIME.last("ENV").variables["PATH"].startswith("/srv/sherwood/bin:")


def test_its_health_is_asked_of_the_port_that_it_listens_on() -> None:
    port = str(GatewayTable.model_fields["port"].default)
    assert RUNTIME.last("EXPOSE").text == port
    assert re.findall(r"HTTPConnection\('127\.0\.0\.1', (\d+)", RUNTIME.last("HEALTHCHECK").text) == [port]


def test_the_release_in_the_build_line_is_ours() -> None:
    assert f"--tag sherwood-gateway:{__version__} ." in TEXT


# --- What is sent to the builder --------------------------------------------------------------------------------------


def test_everything_that_is_copied_is_in_the_repository_and_reaches_the_builder() -> None:
    reaching = sent(files_of_the_house(), IGNORED)
    for instruction in (*PAGES.all("COPY"), *BUILD.all("COPY")):
        for source in () if instruction.stage else instruction.files[0]:
            assert [path for path in reaching if path == source or path.startswith(source)], f"{source} is not there"


def test_every_file_of_the_three_packages_reaches_the_builder() -> None:
    packages = tuple(f"{package}/" for package in PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    ours = {path for path in files_of_the_house() if path.startswith(packages)}
    assert ours - set(sent(ours, IGNORED)) == set()


@pytest.mark.parametrize(
    "path",
    [
        *(".git/config", ".venv/bin/python", ".env", "gateway/.env", ".ci/run", "node_modules/x.js"),
        *(".sherwood/audit.sqlite3", "adapters/demo/.sherwood/secret", "gateway/crossref.sqlite3-wal"),
        *("deploy/secrets/gateway_secret", "deploy/gateway.toml", "gateway/tls/client.pem", "gateway.toml"),
        *("gateway/built/viewer/index.html", "web/node_modules/react/index.js", "docs/adr/0001-flat-package-names.md"),
        *("gateway/__pycache__/cli.cpython-311.pyc", "tests/unit/test_when.py", "docs/README.md", "feed.db"),
    ],
)
def test_state_secrets_and_what_tools_leave_behind_do_not_reach_the_builder(path: str) -> None:
    assert sent([path], IGNORED) == []


def test_patterns_mean_what_docker_says_that_they_mean() -> None:
    # docs.docker.com/build/concepts/context, "Matching" and "Negating matches"
    assert sent(["somedir/temporary.txt", "somedir/a/b", "tempa"], "*/temp*") == ["somedir/a/b", "tempa"]
    assert sent(["tempa", "tempb", "temp", "temps/x", "tempab"], "temp?") == ["temp", "tempab"]
    assert sent(["a/b/c.go", "c.go", "c.gone"], "**/*.go") == ["c.gone"]
    assert sent(["README.md", "other.md", "README-secret.md"], "*.md\n!README*.md\nREADME-secret.md") == ["README.md"]
    assert sent(["README.md", "README-secret.md"], "*.md\nREADME-secret.md\n!README*.md") == [
        "README.md",
        "README-secret.md",
    ]


# --- What is in the wheel ---------------------------------------------------------------------------------------------


def test_the_wheel_that_the_builder_makes_has_every_file_of_the_three_packages(tmp_path: Path) -> None:
    context, out = tmp_path / "context", tmp_path / "dist"
    send_context(context)
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(out)],
        cwd=context,
        capture_output=True,
        check=True,
        timeout=120,
    )
    (wheel,) = out.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    packages = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    copied = {path for package in packages for path in (context / package).rglob("*") if path.is_file()}
    assert packed == {path.relative_to(context).as_posix() for path in copied}
    assert {Path(name).suffix for name in packed} >= {".py", ".toml", ".html", ".graphql", ".json", ".typed", ".sql"}
