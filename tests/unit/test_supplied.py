"""What a deployment supplies: maps and a drug dictionary from files, or a mistake that names the file."""

import json
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from adapters.sdk import SettingsError
from gateway.config import Config, ConfigError, load
from gateway.merge import Terminology, delivered, outcomes, section
from gateway.merge.compare import Answer
from gateway.merge.units import compare_amounts
from gateway.supplied import terminology
from schema.model.clinical import Observation
from schema.model.values import Quantity
from tests.merge.making import SCT, amount, coded, merged, since, stating

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


def with_lists(folder: Path, **files: str) -> Terminology:
    """The terminology of a configuration with these files, by the key that names each."""
    for key, text in files.items():
        (folder / f"{key}.toml").write_text(text, encoding="utf-8")
    keys = "".join(f'{key} = "{key}.toml"\n' for key in files)
    (folder / "gateway.toml").write_text(f"[terminology]\n{keys}", encoding="utf-8")
    return terminology(load(folder / "gateway.toml"))


UNITS = """
version = "north-1"
[spelling]
"[iU]/mL" = ["IU / ml"]
kg = ["kilos"]
[[test]]
codes = ["2345-7", "718-7"]
unit = "g/L"
steps = { "mg/mL" = 0 }
"""
OUTCOMES = """
version = "north-2"
[[series]]
name = "LDH"
unit = "U/L"
codes = ["loinc:2532-0", "urn:lab|LDH"]
laboratory = true
[[series]]
name = "Weight"
unit = "kg"
spellings = ["kilos"]
codes = ["urn:scales|W"]
"""


def test_a_region_adds_units_and_lines_of_its_own_to_the_delivered_ones(tmp_path: Path) -> None:
    terms = with_lists(tmp_path, units=UNITS, outcomes=OUTCOMES)
    assert terms.version == f"{delivered().version}+north-1+north-2"

    def alike(one: str, other: str, about: str | None = None) -> bool:
        amounts = [Quantity(value=Decimal(n), unit=unit) for n, unit in (x.split(" ", 1) for x in (one, other))]
        code = {("http://loinc.org", about)} if about else set()
        return compare_amounts(*amounts, terms.units, rounded=True, about=code) is Answer.AGREE

    assert alike("5 [iU]/mL", "5 IU/ml")
    assert alike("70 kilos", "70 kg")
    assert alike("135 mg/mL", "13.5 g/dL", "718-7"), "beside the step that is delivered"
    weight = {
        "code": coded("W", "urn:scales"),
        "effective": since("2026-03-01"),
        "value_quantity": amount("70", "kilos"),
    }
    ldh = {"code": coded("LDH", "urn:lab"), "effective": since("2026-03-01"), "value_quantity": amount("40", "U/L")}
    entries = merged(stating(Observation, ("a", weight), ("a", ldh)), terms)
    lines = {one.name: one for one in outcomes(section(Observation, entries, ()), terms)}
    assert [str(one.value) for one in lines["LDH"].points] == ["40"]
    assert [str(one.value) for one in lines["Weight"].points] == ["70"]
    assert set(lines) == {one.name for one in outcomes(section(Observation, entries, ()), delivered())} | {"LDH"}


def test_a_copy_of_the_lists_of_ones_own_stands_in_for_the_delivered_one(tmp_path: Path) -> None:
    own = files("gateway.merge").joinpath("terminology.toml").read_text(encoding="utf-8")
    terms = with_lists(
        tmp_path, lists=own.replace('version = "2026.11"', 'version = "ours"').replace("= 14 #", "= 7 #")
    )
    assert (terms.version, terms.limits.episode_days) == ("ours", 7)
    with pytest.raises(ConfigError, match=r"^\[terminology\] lists.toml is not a terminology file"):
        with_lists(tmp_path, lists='version = "ours"')


@pytest.mark.parametrize(
    ("key", "text", "told"),
    [
        ("units", "version = 1", r"units.toml:1: version: expected `str`"),
        ("units", "a = \n", r"units.toml: not TOML: .*line 1"),
        ("units", "[spelling]", r"units.toml: .*missing required field `version`"),
        ("units", 'version = "1"\n[spelling]\nmg = ["g"]', r"units.toml:3: spelling.mg: 'g' is listed already, as g"),
        (
            "units",
            'version = "1"\n[[test]]\ncodes = ["718-7"]\nunit = "mmol/L"',
            r"units.toml:4: test.0.unit: .* listed already, and not in mmol/L",
        ),
        (
            "units",
            'version = "1"\n[[test]]\ncodes = ["718-7"]\nunit = "g/L"\nsteps = { "g/dL" = 2 }',
            r"units.toml:5: test.0.steps: g/dL is listed already, as 10 to the power of 1",
        ),
        (
            "outcomes",
            'version = "1"\n[[series]]\nname = "X"\nunits = "U/L"',
            r"outcomes.toml:4: series.0.units: .*unknown",
        ),
        (
            "outcomes",
            'version = "1"\n[[series]]\nname = "X"\nunit = "1"\ncodes = ["X"]',
            r"outcomes.toml:5: .*'X' is no code",
        ),
        (
            "outcomes",
            'version = "1"\n[[series]]\nname = "Weight"\nunit = "g"\ncodes = ["urn:x|W"]',
            r"outcomes.toml:4: series.0.unit: this line is in kg",
        ),
        (
            "outcomes",
            'version = "1"\n[[series]]\nname = "X"\nunit = "1"\ncodes = ["loinc:1742-6"]',
            r"outcomes.toml:5: series.0.codes: loinc:1742-6 is on the line 'ALT'",
        ),
    ],
)
def test_a_mistake_in_a_list_names_its_file_and_line(tmp_path: Path, key: str, text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        with_lists(tmp_path, **{key: text})


def test_a_list_that_is_not_there_is_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "gateway.toml").write_text('[terminology]\nunits = "nowhere.toml"', encoding="utf-8")
    with pytest.raises(SettingsError, match=r"'nowhere\.toml' cannot be read"):
        terminology(load(tmp_path / "gateway.toml"))
