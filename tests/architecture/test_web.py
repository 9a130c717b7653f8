"""What npm brings: exact, from no address, and nothing of a licence that we may not pass on gets into what is built."""

import json
import re
from pathlib import Path
from typing import Any

WEB = Path(__file__).resolve().parents[2] / "web"
PACKAGE: dict[str, Any] = json.loads((WEB / "package.json").read_text(encoding="utf-8"))
LOCK: dict[str, Any] = json.loads((WEB / "package-lock.json").read_text(encoding="utf-8"))["packages"]
NOT_OURS_TO_PASS_ON = re.compile(r"Elastic|SSPL|BUSL|GPL", re.IGNORECASE)
CODE = {".js", ".mjs", ".ts", ".tsx", ".mts", ".html"}


def _kept_for_tests() -> set[str]:
    """The packages of such a licence (docs/adr/0007-a-subgraph-and-its-test-tools.md)."""
    return {
        path.rpartition("node_modules/")[2]
        for path, package in LOCK.items()
        if path and NOT_OURS_TO_PASS_ON.search(str(package.get("license", "")))
    }


def test_packages_that_may_not_be_passed_on_are_installed_for_development_alone() -> None:
    assert {"@apollo/composition", "@apollo/gateway"} <= _kept_for_tests()
    assert not _kept_for_tests() & PACKAGE.get("dependencies", {}).keys()
    outside = [
        path
        for path, package in LOCK.items()
        if path.rpartition("node_modules/")[2] in _kept_for_tests() and not package.get("dev")
    ]
    assert outside == []


def test_only_the_clients_of_the_tests_import_them() -> None:
    names = "|".join(map(re.escape, sorted(_kept_for_tests())))
    importing = re.compile(rf"""["'](?:{names})(?:/[^"']*)?["']""")
    files = [
        path
        for path in WEB.rglob("*")
        if path.suffix in CODE and "node_modules" not in path.parts and importing.search(path.read_text("utf-8"))
    ]
    assert {path.relative_to(WEB).parts[0] for path in files} == {"clients"}


def test_every_package_is_pinned_with_its_hash_and_without_an_address() -> None:
    asked = {**PACKAGE.get("dependencies", {}), **PACKAGE.get("devDependencies", {})}
    assert {name: version for name, version in asked.items() if not re.fullmatch(r"\d+\.\d+\.\d+", version)} == {}
    assert [path for path, package in LOCK.items() if path and "resolved" in package] == []
    assert [path for path, package in LOCK.items() if path and "integrity" not in package] == []
