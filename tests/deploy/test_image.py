"""The image without an engine: its build is replayed into a folder, and what comes of it runs away from the sources.

The commands are those of the Dockerfile, the configuration and its secrets those of the how-to; only absolute paths are
moved below the folder, and addresses to 127.0.0.1. The runtime stage's own commands are not replayed: they would take
pip from this machine's Python.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from graphql import build_schema
from msgspec import Struct

from gateway import __version__
from tests.deploy.dockerfile import DOCKERFILE, ROOT, Instruction, bare_environment, replay, send_context, stages
from tests.deploy.how_to import make_site
from tests.support.mllp_sender import Sender

pytestmark = pytest.mark.slow

PAGES, BUILD, RUNTIME = stages(DOCKERFILE.read_text(encoding="utf-8"))
STARTS_WITHIN_S = 60.0
ADMISSION = "\r".join(
    [
        r"MSH|^~\&|RAVPAS|ZRH|SHERWOOD|ZRH|20260314073000||ADT^A28^ADT_A05|PAS7000001|P|2.4|||AL|NE",
        "EVN|A28|20260314073000",
        "PID|1||4471902^^^ZRH^MR~9994071009^^^NHS^NH||QUILLFEATHER^Michael^^^^^L||19670614|M" + "|" * 24 + "NSTS01",
    ]
).encode()


class Image(Struct, frozen=True):
    """What was built, below a folder in place of /."""

    root: Path

    def run(self, *command: str, stdin: bytes | None = None) -> subprocess.CompletedProcess[str]:
        """A command in the image."""
        done = subprocess.run(
            command, cwd=self.state, env=self.environment, input=stdin, capture_output=True, check=False, timeout=120
        )
        return subprocess.CompletedProcess(command, done.returncode, done.stdout.decode(), done.stderr.decode())

    @contextmanager
    def running(self, *command: str) -> Iterator["subprocess.Popen[str]"]:
        """A command that goes on until it is told to end, as an engine tells it. It must end of that, and in time."""
        with subprocess.Popen(
            command, cwd=self.state, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                yield process
                word = signal.Signals[RUNTIME.last("STOPSIGNAL").text]
                process.send_signal(word)
                _, said = process.communicate(timeout=30)
                # uvicorn, having ended in order, raises the signal once more: the status is then the signal's.
                assert process.returncode in (0, -word), said
                assert "Traceback" not in said
            finally:
                process.kill()

    @property
    def state(self) -> Path:
        return self.root / RUNTIME.last("WORKDIR").text.lstrip("/")

    @property
    def environment(self) -> dict[str, str]:
        set_here = RUNTIME.last("ENV").variables
        path = set_here["PATH"].replace("/srv", f"{self.root}/srv").replace("$PATH", os.environ["PATH"])
        return bare_environment(Path()) | set_here | {"PATH": path, "COLUMNS": "200"}

    def files(self) -> dict[str, int]:
        """Everything in the environment, with the time of its last change."""
        return {str(path): path.stat().st_mtime_ns for path in sorted((self.root / "srv").rglob("*"))}


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    folder = tmp_path_factory.mktemp("image")
    root, context, python = folder / "root", folder / "context", folder / "python"
    send_context(context)
    subprocess.run([sys.executable, "-m", "venv", str(python)], check=True, timeout=120)
    if shutil.which("npm") is None:
        pytest.skip("not installed: npm (Debian: nodejs, npm)")
    replay(PAGES, context, folder / "pages", bare_environment(Path()))
    replay(BUILD, context, root, bare_environment(python / "bin"), {"pages": folder / "pages"})
    built = Image(root)
    (built.state / "feeds").mkdir(parents=True, mode=0o700)
    return built


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return make_site(tmp_path)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def _configure(site: Path, image: Image, feed: int) -> Path:
    """The configuration of the how-to, where its containers' paths and names are this machine's."""
    file = site / "etc" / "gateway.toml"
    text = file.read_text(encoding="utf-8")
    for there, here in {
        "/run/secrets": f"{site}/secrets",
        "/var/lib/sherwood": str(image.state),
        '"0.0.0.0"': '"127.0.0.1"',
        '"feed" ': '"127.0.0.1" ',
        "2575": str(feed),
    }.items():
        assert there in text
        text = text.replace(there, here)
    file.write_text(text, encoding="utf-8")
    return file


def _is_healthy(image: Image, port: int) -> bool:
    asked = Instruction("CMD", RUNTIME.last("HEALTHCHECK").text.partition(" CMD ")[2])
    return image.run(*(part.replace("8000", str(port)) for part in asked.exec_form)).returncode == 0


def _ask(port: int, token: str | None) -> tuple[int, dict[str, object]]:
    question = '{ patient(identifier: {value: "9994071009"}) { patient { names { family } } sources { state } } }'
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql", json.dumps({"query": question}).encode(), headers
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.load(refused)


def test_the_command_line_works_without_the_source_tree(image: Image) -> None:
    usage = image.run("sherwood", "--help")
    assert usage.returncode == 0, usage.stderr
    assert "Usage: sherwood" in usage.stdout
    assert image.run("sherwood", "--version").stdout == f"sherwood {__version__}\n"
    assert "PatientRecord" in build_schema(image.run("sherwood", "schema").stdout).type_map
    where = image.run("python", "-c", "import gateway, schema, adapters; print(gateway.__file__)").stdout
    assert where.startswith(str(image.root / "srv" / "sherwood"))


def test_every_kind_and_every_driver_can_be_loaded(image: Image) -> None:
    kinds = image.run("sherwood", "adapter", "list").stdout
    assert [kind for kind in ("fhir", "hl7v2", "hl7v2-feed", "rest", "sql") if f"│ {kind} " not in kinds] == []
    drivers = image.run("python", "-c", "import aiosqlite, asyncpg, asyncmy, sqlalchemy.ext.asyncio")
    assert drivers.returncode == 0, drivers.stderr


def test_the_demonstrations_files_came_along(image: Image) -> None:
    shown = image.run("sherwood", "demo", "--show-config")
    assert shown.returncode == 0, shown.stderr
    assert "[[sources]]" in shown.stdout


def test_the_pages_came_along(image: Image) -> None:
    said = image.run(
        "python", "-c", "from gateway.pages import Pages; print(Pages().viewer.html, Pages().graphiql.html)"
    )
    assert said.returncode == 0, said.stderr
    assert len(re.findall(r'<script type="module"[^>]* src="/assets/[\w-]+\.js"', said.stdout)) == 2


def test_nothing_is_installed_but_the_gateway_and_what_is_locked(image: Image) -> None:
    listing = "from importlib.metadata import distributions as d; print(*(f'{x.name}=={x.version}' for x in d()))"
    installed = {re.sub("[._]", "-", one).lower() for one in image.run("python", "-c", listing).stdout.split()}
    locked = re.findall(r"^[a-z0-9-]+==\S+", (ROOT / "requirements" / "image.txt").read_text(), re.MULTILINE)
    assert installed - {re.sub("[._]", "-", one) for one in locked} == {
        f"sherwood-gateway=={__version__}".replace(".", "-")
    }
    assert image.run("python", "-m", "pip", "--version").returncode != 0


async def test_a_site_made_by_the_how_to_answers_from_a_message_that_it_took(image: Image, site: Path) -> None:
    before = image.files()
    token = (site / "secrets" / "ward_portal_token").read_text().strip()
    port, file = _free_port(), _configure(site, image, feed_port := _free_port())
    listen = ("python", "-m", "adapters.hl7v2.feed", "-c", str(file), "--source", "pas-feed", "--host", "127.0.0.1")
    serve = [*RUNTIME.last("ENTRYPOINT").exec_form, *RUNTIME.last("CMD").exec_form]
    serve[serve.index("/etc/sherwood/gateway.toml")] = str(file)
    with image.running(*listen) as feed, image.running(*serve, "--port", str(port)) as gateway:
        assert feed.stdout is not None
        assert feed.stdout.readline() == f"listening on port {feed_port}\n"
        limit = time.monotonic() + STARTS_WITHIN_S
        while not _is_healthy(image, port):
            assert gateway.poll() is None, gateway.communicate()[1]
            assert time.monotonic() < limit, "it does not become healthy"
        async with Sender(feed_port) as sender:
            assert (await sender.send(ADMISSION))[0] in {"AA", "CA"}
        assert _ask(port, None)[0] == 401
        status, answer = _ask(port, token)
        assert (status, answer) == (
            200,
            {"data": {"patient": {"patient": {"names": [{"family": "QUILLFEATHER"}]}, "sources": [{"state": "OK"}]}}},
        )
        checked = image.run("sherwood", "check", "-c", str(file))
        assert checked.returncode == 0, checked.stdout + checked.stderr
        copied = _back_up(image)
    assert not _is_healthy(image, port)
    assert image.files() == before, "the root file system may be read-only"
    assert {"audit.sqlite3", "crossref.sqlite3", "feeds/pas-feed.sqlite3"} <= copied


def _back_up(image: Image) -> set[str]:
    """What the how-to's backup copied, from a gateway that runs."""
    script = (ROOT / "deploy" / "backup.py").read_bytes()
    done = image.run("python", "-", str(image.state), str(image.state / "backup"), stdin=script)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^audit trail: [1-9]\d* rows, ends with \d+:[0-9a-f]{64}$", done.stdout, re.MULTILINE)
    (folder,) = (image.state / "backup").iterdir()
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*.sqlite3")}
