"""What is handed to others carries the pages: every file that they name, and nothing of how they were made."""

import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from gateway.pages import BUILT
from tests.deploy.dockerfile import ROOT, files_of_the_house
from tests.support.pages import built


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with wheel and source distribution, made of a copy of the house in which the pages were built."""
    built()
    folder = tmp_path_factory.mktemp("made")
    house = folder / "house"
    for path in files_of_the_house():
        (house / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, house / path)
    shutil.copytree(BUILT, house / "gateway" / "built")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--directory", str(folder / "dist")],
        cwd=house,
        capture_output=True,
        check=True,
        timeout=120,
    )
    return folder / "dist"


def _whole(names: set[str], texts: dict[str, str]) -> None:
    """Every asset that a page or another asset names is there, with the licences."""
    assert {"viewer/index.html", "graphiql/index.html", "licenses.txt", "documents.json"} <= names
    assert ".ready" not in names
    for page in ("viewer", "graphiql"):
        assert re.search(r'<script type="module"[^>]* src="/assets/[\w-]+\.js"', texts[f"{page}/index.html"])
    named = {
        one for text in texts.values() for one in re.findall(r"""["'(/]((?:assets/)[\w.-]+\.(?:js|css|ttf))""", text)
    }
    assert len(named) > 5
    assert named - names == set()
    assert [name for name in names if name.endswith(".js.gz")]


def test_the_wheel_carries_both_pages_and_every_file_that_they_name(made: Path) -> None:
    (wheel,) = made.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = {name.removeprefix("gateway/built/") for name in archive.namelist() if "gateway/built/" in name}
        texts = {
            name: archive.read(f"gateway/built/{name}").decode() for name in names if name.endswith((".html", ".js"))
        }
        assert [name for name in archive.namelist() if "node_modules" in name or name.startswith("web/")] == []
    _whole(names, texts)


def test_the_source_distribution_carries_them_too_so_that_installing_it_needs_no_npm(made: Path) -> None:
    (sdist,) = made.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        paths = [member.partition("/")[2] for member in archive.getnames()]
    assert {
        "gateway/built/viewer/index.html",
        "gateway/built/documents.json",
        "gateway/built/licenses.txt",
        "web/vite.config.ts",
    } <= set(paths)
    assert [path for path in paths if "node_modules" in path] == []
