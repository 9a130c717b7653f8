"""What a deployment supplies: maps and a drug dictionary from files, or a mistake that names the file."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.config import Config, ConfigError, load
from gateway.merge import Terminology
from gateway.supplied import terminology
from tests.merge.making import SCT

LAB = "urn:lab"


def configured(folder: Path, *references: str, medicines: str | None = None) -> Config:
    listed = json.dumps(list(references))
    dictionary = f"medicines = {json.dumps(medicines)}\n" if medicines else ""
    file = folder / "gateway.toml"
    file.write_text(f"[terminology]\n{dictionary}concept_maps = {listed}\n", encoding="utf-8")
    return load(file)


def write(folder: Path, name: str, code: str = "X", **more: Any) -> None:
    element = {"code": code, "target": [{"code": "44054006", "equivalence": "equivalent"}]}
    group = {"source": LAB, "target": SCT, "element": [element]}
    resource = {"resourceType": "ConceptMap", "url": f"urn:map:{name}", "group": [group], **more}
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(resource), encoding="utf-8")


def names(terms: Terminology) -> list[str]:
    return [one.name for one in terms.maps]


def test_a_pattern_names_files_beside_the_configuration_and_each_file_is_read_once(tmp_path: Path) -> None:
    write(tmp_path, "maps/b.json")
    write(tmp_path, "maps/a.json", "Y")
    write(tmp_path, "one.json", "Z")
    terms = terminology(configured(tmp_path, "maps/*.json", "one.json", "maps/a.json"))
    assert names(terms) == ["urn:map:maps/a.json", "urn:map:maps/b.json", "urn:map:one.json"]
    assert {(LAB, code) for code in "XYZ"} <= terms.known


def test_a_pattern_may_be_absolute_and_a_file_inside_a_package(tmp_path: Path) -> None:
    write(tmp_path, "elsewhere/a.json")
    terms = terminology(configured(tmp_path, f"{tmp_path}/elsewhere/*.json", "adapters.demo:estate/codes.json"))
    assert names(terms) == ["urn:map:elsewhere/a.json", "https://ravensbrook.example/ConceptMap/codes"]


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({}, r"no file is named like 'maps/\*.json'"),
        ({"maps/a.json": "not JSON"}, r"maps/a.json: not JSON"),
        ({"maps/a.json": '{"resourceType": "Patient"}'}, r"maps/a.json: resourceType: write a ConceptMap"),
        (
            {"maps/a.json": json.dumps({"resourceType": "ConceptMap", "group": [{"element": [{"code": "X"}]}]})},
            r"maps/a.json: group\[0\].source: ",
        ),
    ],
)
def test_a_mistake_in_a_file_names_the_file_and_the_element(tmp_path: Path, files: dict[str, str], told: str) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=told):
        terminology(configured(tmp_path, "maps/*.json"))


def test_one_map_in_two_files_is_refused_with_both_named(tmp_path: Path) -> None:
    write(tmp_path, "maps/a.json", url="urn:map", version="1")
    write(tmp_path, "maps/b.json", url="urn:map", version="2")
    with pytest.raises(ConfigError, match=r"urn:map is in maps/a.json and again in maps/b.json"):
        terminology(configured(tmp_path, "maps/*.json"))


def test_a_dictionary_that_is_none_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "dmd.json").write_text('[{"code": "1"}]', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"dmd.json: not a list of products"):
        terminology(configured(tmp_path, medicines="dmd.json"))
