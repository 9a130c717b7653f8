"""The floors of the house: who may import whom, what may be named how, and that the house refuses strangers in it.

DESIGN.md section 2 is the rule, docs/adr/0001-flat-package-names.md the reason for the fence.
"""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import entry_points, packages_distributions
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

from adapters.sdk import Adapter
from adapters.sdk.registry import load

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
FLOORS = ("schema", "adapters", "gateway")
MOST_LINES = 500

LONG_FILES: dict[str, str] = {}
"""Files above the limit, each with the reason why it is not divided."""

BORROWED_NAMES = {
    "adapters.fhir": "a kind is named for its protocol; the foreign `fhir` is where fhir.resources, a test tool, lives",
}
"""Modules named like a standard or a foreign one all the same, each with the reason why it does no harm."""


def test_nobody_imports_upwards_or_across(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    status = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True, no_logo=True)
    assert status == 0, capsys.readouterr().out


def test_every_floor_and_every_kind_is_under_a_contract() -> None:
    configured = PROJECT["tool"]["importlinter"]
    assert set(configured["root_packages"]) == set(FLOORS)
    kinds = {
        f"adapters.{folder.name}"
        for folder in (ROOT / "adapters").iterdir()
        if (folder / "__init__.py").exists() and folder.name not in {"sdk", "testing", "demo"}
    }
    by_name = {contract["name"]: contract for contract in configured["contracts"]}
    assert set(by_name["Kinds do not know one another"]["modules"]) == kinds
    assert kinds <= set(by_name["The gateway imports of the adapters only the SDK"]["forbidden_modules"])
    assert kinds <= set(by_name["The SDK knows no kind"]["forbidden_modules"])
    assert kinds <= set(by_name["Nobody imports the demo"]["source_modules"])


def _modules() -> Iterator[Path]:
    for floor in FLOORS:
        yield from sorted((ROOT / floor).rglob("*.py"))


def test_no_module_is_named_like_one_of_the_standard_library_or_of_a_dependency() -> None:
    foreign = {name for name, owners in packages_distributions().items() if set(owners) != {"sherwood-gateway"}}
    taken = (foreign | set(sys.stdlib_module_names)) - set(FLOORS) - {"tests", "bench", "docs"}
    borrowed = {
        f"{floor}.{entry.stem}"
        for floor in FLOORS
        for entry in (ROOT / floor).iterdir()
        if entry.stem in taken and (entry.suffix == ".py" or (entry / "__init__.py").exists())
    }
    assert borrowed - BORROWED_NAMES.keys() == set(), "rename these, or list them here with the reason"
    assert BORROWED_NAMES.keys() - borrowed == set(), "these need no exception any more"


def test_imports_are_absolute() -> None:
    relative = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in _modules()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == []


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in _modules()
        if (text := path.read_text(encoding="utf-8")).strip() and not ast.get_docstring(ast.parse(text))
    ]
    assert silent == []


def test_no_file_is_too_long_to_be_read_at_a_sitting() -> None:
    everything = [*_modules(), *(ROOT / "tests").rglob("*.py"), *(ROOT / "bench").rglob("*.py")]
    long = {
        path.relative_to(ROOT).as_posix()
        for path in everything
        if len(path.read_text(encoding="utf-8").splitlines()) > MOST_LINES
    }
    assert long - LONG_FILES.keys() == set(), "divide these, or list them here with the reason"
    assert LONG_FILES.keys() - long == set(), "these need no exception any more"


def test_the_sdk_costs_an_author_neither_an_http_client_nor_graphql() -> None:
    heavy = ("aiohttp", "httpx", "cryptography", "joserfc", "strawberry", "graphql", "starlette", "gateway")
    asked = f"import sys; import adapters.sdk; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", sorted(PROJECT["project"]["entry-points"]["sherwood.adapters"]))
def test_each_of_our_kinds_comes_in_through_the_same_door_as_a_strangers(name: str) -> None:
    assert issubclass(load(name), Adapter)


def test_each_entry_point_and_the_console_script_can_be_loaded_as_installed() -> None:
    written = {group: dict(entries) for group, entries in PROJECT["project"]["entry-points"].items()}
    written["console_scripts"] = PROJECT["project"]["scripts"]
    for group, entries in written.items():
        ours = {
            e.name: e for e in entry_points(group=group) if e.dist is not None and e.dist.name == "sherwood-gateway"
        }
        installed = {name: entry.value for name, entry in ours.items()}
        assert installed == entries, f"{group}: the installation is older than pyproject.toml: run make test"
        assert all(callable(entry.load()) for entry in ours.values())


def _start(*in_front: Path) -> subprocess.CompletedProcess[str]:
    """What the console script does, with these folders before ours on the path. `-P`: as a script, not from here."""
    path = [str(folder) for folder in (*in_front, ROOT)]
    begin = (
        f"import sys; sys.path[:0] = {path!r}; sys.argv = ['sherwood', '--help']; import gateway.cli as cli; cli.main()"
    )
    return subprocess.run(
        [sys.executable, "-P", "-c", begin], cwd="/", capture_output=True, text=True, timeout=60, check=False
    )


def test_the_house_starts_where_nothing_stands_in_front_of_it() -> None:
    done = _start()
    assert done.returncode == 0, done.stderr
    assert "Usage: sherwood" in done.stdout


@pytest.mark.parametrize("name", ["schema", "adapters"])
@pytest.mark.parametrize("form", ["package", "module", "namespace"])
def test_the_house_refuses_to_start_with_another_package_in_its_place(name: str, form: str, tmp_path: Path) -> None:
    if form == "module":
        (tmp_path / f"{name}.py").write_text("VALUE = 1\n", encoding="utf-8")
    else:
        (tmp_path / name).mkdir()
        if form == "package":
            (tmp_path / name / "__init__.py").write_text("VALUE = 1\n", encoding="utf-8")
        else:
            # A folder without __init__.py never wins over a package further down the path.
            (tmp_path / name / "notes.py").write_text("VALUE = 1\n", encoding="utf-8")
    done = _start(tmp_path)
    if form == "namespace":
        assert done.returncode == 0, done.stderr
        return
    assert done.returncode != 0
    assert f"the package {name!r} that Python found is not Sherwood's" in done.stderr, done.stderr
    assert "an environment of its own" in done.stderr
    assert "Traceback" not in done.stderr
