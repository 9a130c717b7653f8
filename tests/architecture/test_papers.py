"""The papers of the house say what the code does: reference pages, hazard log, locks, links."""

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Annotated, Any, get_args

import pytest
from packaging.requirements import Requirement
from pydantic import BaseModel, TypeAdapter

from adapters.sdk.auth import Auth
from adapters.sdk.errors import SourceError
from gateway.config import Config
from schema.gql.errors import ErrorCode

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
IGNORED = {".git", ".venv", "node_modules", "__pycache__", "build", "dist"}


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@cache
def _files() -> tuple[Path, ...]:
    """Every file of the house, without what tools leave behind."""

    def walk(folder: Path) -> Iterator[Path]:
        for entry in sorted(folder.iterdir()):
            if entry.is_symlink() or entry.name in IGNORED or entry.name.endswith((".egg-info", "_cache", ".pyc")):
                continue
            if entry.is_dir():
                if entry.name.startswith(".") and entry.name not in {".ci", ".github"}:
                    continue
                yield from walk(entry)
            else:
                yield entry

    return tuple(walk(ROOT))


# --- Errors -------------------------------------------------------------------------------------------------------


def _source_errors(kind: type[SourceError] = SourceError) -> Iterator[type[SourceError]]:
    yield kind
    for child in kind.__subclasses__():
        if child.__module__.startswith(("adapters.", "gateway.")):
            yield from _source_errors(child)


def _rows(page: Path) -> dict[str, str]:
    """First column, without its backticks -> the whole row, of every table in a page."""
    rows = re.findall(r"^\| `([^`|]+)` +\|(.*)\|$", _read(page), re.MULTILINE)
    assert len(rows) == len({name for name, _ in rows}), f"{page.name} says something twice"
    return dict(rows)


ERRORS = DOCS / "reference" / "errors.md"


def test_every_error_of_a_query_is_on_the_page_with_its_issue_type_and_explanation() -> None:
    rows = _rows(ERRORS)
    for code in ErrorCode:
        assert code.name in rows, f"{code.name} is not in docs/reference/errors.md"
        assert f"| `{code.issue_type}`" in f"|{rows[code.name]}", f"{code.name} has another issue type"
        assert code.explanation in rows[code.name], f"{code.name} is explained in other words"


def test_every_error_of_a_source_is_on_the_page_with_its_issue_type() -> None:
    rows = _rows(ERRORS)
    for kind in _source_errors():
        assert kind.code in rows, f"{kind.code} is not in docs/reference/errors.md"
        # Kinds that share a code with their parent are explained by it.
        if "code" in vars(kind):
            assert f"| `{kind.issue_type}`" in f"|{rows[kind.code]}", f"{kind.code} has another issue type"


def _codes_written() -> Iterator[tuple[str, str]]:
    """Every code that our own code names: `code = "X"` in a class, `code="X"` in a call."""
    for path in (*(ROOT / "gateway").rglob("*.py"), *(ROOT / "adapters" / "sdk").rglob("*.py")):
        for node in ast.walk(ast.parse(_read(path))):
            assigned = isinstance(node, ast.Assign) and [t.id for t in node.targets if isinstance(t, ast.Name)] == [
                "code"
            ]
            passed = isinstance(node, ast.keyword) and node.arg == "code"
            value = getattr(node, "value", None) if assigned or passed else None
            if isinstance(value, ast.Constant) and isinstance(value.value, str) and value.value.isupper():
                yield value.value, f"{path.relative_to(ROOT)}:{value.lineno}"


def _codes_explained() -> Iterator[tuple[str, str]]:
    """The codes of source states, for which the gateway has words."""
    from gateway.hearing import MESSAGES

    for code in MESSAGES:
        yield code, "gateway/hearing.py MESSAGES"


def test_every_code_that_the_code_names_is_on_the_page() -> None:
    rows = _rows(ERRORS)
    missing = sorted(
        {f"{code} ({where})" for code, where in (*_codes_written(), *_codes_explained()) if code not in rows}
    )
    assert missing == []


def test_every_code_on_the_page_is_in_the_code() -> None:
    known = {code for code, _ in (*_codes_written(), *_codes_explained())} | {code.name for code in ErrorCode}
    known |= {kind.code for kind in _source_errors()}
    text = "\n".join(_read(path) for floor in ("gateway", "adapters") for path in (ROOT / floor).rglob("*.py"))
    stale = sorted(code for code in _rows(ERRORS) if code not in known and f'"{code}"' not in text)
    assert stale == []


# --- Configuration ------------------------------------------------------------------------------------------------

CONFIGURATION = DOCS / "reference" / "configuration.md"


def _tables(model: type[BaseModel] = Config, name: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    """Every table of the file by its header: [gateway], [[access.tokens]], and [sources.auth] of each type."""
    for key, field in model.model_fields.items():
        path = f"{name}.{key}" if name else key
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield f"[{path}]", kind
            yield from _tables(kind, path)
        elif _is_array_of_tables(kind):
            yield f"[[{path}]]", get_args(kind)[0]
            yield from _tables(get_args(kind)[0], path)
    if name == "sources":
        for kind in get_args(get_args(Auth)[0]):
            yield f'[sources.auth] type = "{get_args(kind.model_fields["type"].annotation)[0]}"', kind


def _is_array_of_tables(kind: Any) -> bool:
    inside = get_args(kind)
    return inside[1:] == (Ellipsis,) and isinstance(inside[0], type) and issubclass(inside[0], BaseModel)


def _documented(header: str) -> dict[str, str]:
    """Key -> the cell of its default, below the heading of that table."""
    page = _read(CONFIGURATION)
    title = f"## `{header}`\n"
    assert title in page, f"docs/reference/configuration.md has no heading {title.strip()}"
    below = page.partition(title)[2].partition("\n## ")[0]
    return {key: cell.strip() for key, cell in re.findall(r"^\| `([\w.]+)` +\| ([^|]+) \|", below, re.MULTILINE)}


TABLES = dict(_tables())


@pytest.mark.parametrize("header", sorted(TABLES))
def test_every_setting_is_on_the_page_with_its_default(header: str) -> None:
    model, documented = TABLES[header], _documented(header)
    fields = {
        key: field
        for key, field in model.model_fields.items()
        if not (key == "type" and "auth" in header) and not _has_own_heading(header, key)
    }
    assert set(documented) == set(fields)
    for key, field in fields.items():
        cell = documented[key]
        if field.is_required():
            assert cell == "required", f"{header} {key} must be written"
        elif field.get_default(call_default_factory=True) in (None, (), {}):
            assert cell == "none", f"{header} {key} has no default"
        else:
            written = tomllib.loads(f"value = {cell.strip('`')}")["value"]
            kind: Any = Annotated[(field.annotation, *field.metadata, "default")]  # type: ignore[valid-type]
            read = TypeAdapter(kind).validate_python(written)
            assert read == field.default, f"{header} {key} has another default"


def _has_own_heading(header: str, key: str) -> bool:
    name = f"{header.strip('[]')}.{key}"
    return f"[{name}]" in TABLES or f"[[{name}]]" in TABLES


def test_the_whole_configuration_is_walked() -> None:
    assert {"[gateway]", "[[sources]]", "[[access.tokens]]", '[sources.auth] type = "basic"'} <= TABLES.keys()
    own = {f"[{key}]" for key in Config.model_fields} | {f"[[{key}]]" for key in Config.model_fields}
    assert {key for key in Config.model_fields if not {f"[{key}]", f"[[{key}]]"} & TABLES.keys()} == set(), own


# --- Hazard log ---------------------------------------------------------------------------------------------------

HAZARDS = DOCS / "safety" / "hazard-log.md"
REFERENCE = re.compile(r"`(tests/[\w./-]+\.py)::(\w+)`")


@cache
def _functions(path: Path) -> frozenset[str]:
    tree = ast.parse(_read(path))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_every_test_that_the_papers_name_exists() -> None:
    missing = [
        f"{page.relative_to(ROOT)}: {file}::{name}"
        for page in (*DOCS.rglob("*.md"), *ROOT.glob("*.md"))
        for file, name in REFERENCE.findall(_read(page))
        if not (ROOT / file).is_file() or name not in _functions(ROOT / file)
    ]
    assert missing == []


def _controls() -> list[list[str]]:
    """The rows of the tables of controls: id, control, proof, planned."""
    rows = re.findall(r"^\| (C\d+[a-z]?) \|(.*)\|$", _read(HAZARDS), re.MULTILINE)
    return [[name, *(cell.strip() for cell in rest.split(" | "))] for name, rest in rows]


def test_every_control_of_a_hazard_names_a_test_or_says_what_is_planned() -> None:
    controls = _controls()
    assert len(controls) >= 8
    assert len({name for name, *_ in controls}) == len(controls), "a control has the id of another"
    for name, _, proof, planned in controls:
        assert REFERENCE.search(proof) or planned not in {"", "-"}, f"{name} names no test and plans none"
        assert proof == "-" or REFERENCE.search(proof), f"{name} has a proof that is no test"


def test_every_hazard_has_a_cause_an_effect_and_a_control() -> None:
    sections = re.split(r"^## (?=H\d)", _read(HAZARDS), flags=re.MULTILINE)[1:]
    assert len(sections) >= 8
    for section in sections:
        for word in ("**Cause.**", "**Effect.**", "| C"):
            assert word in section, f"{section.splitlines()[0]} has no {word}"


# --- Locks --------------------------------------------------------------------------------------------------------


def _pins(lock: Path) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", _read(lock), re.MULTILINE))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_holds_pins_and_hashes_and_no_address(lock: Path) -> None:
    text = _read(lock)
    assert not re.search(
        r"://|^ *-|file:|@ ", re.sub(r"^    --hash=sha256:[0-9a-f]{64}( \\)?$", "", text, flags=re.M), re.M
    )
    pinned = re.split(r"\n(?=[a-z])", text)[1:]
    assert pinned
    assert [entry.partition(" ")[0] for entry in pinned if "--hash=sha256:" not in entry] == []


def _requirements(*groups: str) -> Iterator[Requirement]:
    for group in groups:
        for entry in PROJECT["dependency-groups"][group]:
            yield from _requirements(entry["include-group"]) if isinstance(entry, dict) else [Requirement(entry)]


@pytest.mark.parametrize(
    ("lock", "asked"),
    [
        ("base.txt", [Requirement(entry) for entry in PROJECT["project"]["dependencies"]]),
        (
            "build.txt",
            [*_requirements("build"), *(Requirement(entry) for entry in PROJECT["build-system"]["requires"])],
        ),
        ("dev.txt", list(_requirements("dev"))),
    ],
)
def test_a_lock_holds_what_the_project_asks_for(lock: str, asked: list[Requirement]) -> None:
    pins = _pins(ROOT / "requirements" / lock)
    stale = [
        str(requirement)
        for requirement in asked
        if not requirement.specifier.contains(
            pins.get(requirement.name.replace(".", "-").lower(), "0"), prereleases=True
        )
    ]
    assert stale == [], "run make lock"


def test_people_run_what_was_tested() -> None:
    dev = _pins(ROOT / "requirements" / "dev.txt")
    for lock in LOCKS:
        assert _pins(lock).items() <= dev.items(), f"{lock.name} pins what dev.txt does not"


# --- Files --------------------------------------------------------------------------------------------------------

_OF_ONE_MACHINE = re.compile(r"(?<![\w./:-])/(?:home|Users|root|work|opt|tmp|private|var/folders)/[\w.-]+")


def test_no_file_names_a_path_of_the_machine_it_was_written_on() -> None:
    named = []
    for path in _files():
        try:
            text = _read(path)
        except UnicodeDecodeError:
            continue
        named += [f"{path.relative_to(ROOT)}: {found}" for found in _OF_ONE_MACHINE.findall(text)]
    assert named == []


def _links() -> Iterator[tuple[Path, str]]:
    for page in (path for path in _files() if path.suffix == ".md"):
        text = re.sub(r"^```.*?^```", "", _read(page), flags=re.MULTILINE | re.DOTALL)
        for target in re.findall(r"\[[^\]]+\]\(([^)\s]+)\)", text):
            if not re.match(r"[a-z]+:", target) and not target.startswith("#"):
                yield page, target.partition("#")[0]


def test_every_link_between_pages_leads_somewhere() -> None:
    broken = [
        f"{page.relative_to(ROOT)} -> {target}" for page, target in _links() if not (page.parent / target).exists()
    ]
    assert broken == []


def test_every_page_is_in_the_index() -> None:
    index = DOCS / "README.md"
    listed = {(page.parent / target).resolve() for page, target in _links() if page == index}
    assert {
        path.relative_to(ROOT).as_posix() for path in DOCS.rglob("*.md") if path != index and path not in listed
    } == set()


def test_the_licence_is_the_one_that_the_package_names() -> None:
    assert PROJECT["project"]["license"] == "Apache-2.0"
    assert _read(ROOT / "LICENSE").split()[:4] == ["Apache", "License", "Version", "2.0,"]
