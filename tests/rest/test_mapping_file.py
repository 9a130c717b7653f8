"""The mapping file: every mistake in it is found when it is loaded, in one sentence with the file and the key."""

import json
import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from adapters.rest import RestAdapter, RestSettings
from adapters.rest.mapping_file import load
from adapters.sdk import SettingsError
from adapters.sdk.resources import read_resource
from tests.support.sources import source

GOOD = read_resource("adapters.rest:examples/pharmacy.mapping.toml")
OOH = read_resource("adapters.demo:mappings/ooh.toml")
BY_NAMES = 'params = { SURNAME = "{family}", FORENAME = "{given}", DOB = "{birth_date_uk}" }'


@pytest.mark.parametrize(
    ("written", "instead", "says"),
    [
        ("[check]", "[chek]", "vendor.toml: check: "),
        ('fact = "Medication"', 'fact = "Drug"', "vendor.toml: resource dispenses.fact: there is no fact type 'Drug'"),
        ("{local_id}/dispenses", "{patient}/dispenses", "there is no placeholder {patient} here"),
        ("{local_id}/dispenses", "everybody/dispenses", "must say whom it is about"),
        ("{nhs_number_spaced}", "all", "must say whom it is about"),
        ('style = "page", page_param = "page"', 'style = "page"', "page_param"),
        ('style = "page"', 'style = "scroll"', "vendor.toml: resource.0.paging"),
        ('size_param = "size", size = 50', "size = 50", "size_param and size go together"),
        ('name = "notes"', 'name = "dispenses"', "the name is taken"),
        ('name = "notes"', 'name = "patient"', "the name is taken"),
        ('fact = "Encounter"', 'fact = "Patient"', "people come from [patient]"),
        ('RATE_LIMITED = "throttled"', 'RATE_LIMITED = "slow"', "errors.codes.RATE_LIMITED"),
        ('code = "error.code"', 'code = "error."', "vendor.toml: errors.code: 'error.' is not JMESPath"),
        ('answer_depends_on = "nothing"', 'headers = { Authorization = "x" }', "belongs to the source's auth table"),
        ('family = "surname"', 'sirname = "surname"', "patient.fields.names[0].sirname: HumanName has no such field"),
        ('convert = "uk_date"', 'convert = "us_date"', "patient.fields.birth_date.convert: there is no converter"),
        ('items = "items"', "items = 5", "vendor.toml: patient.items"),
        ("[source]", "[source", "vendor.toml: not TOML"),
    ],
)
def test_a_mistake_in_the_file_is_named(written: str, instead: str, says: str) -> None:
    assert written in GOOD
    with pytest.raises(SettingsError) as caught:
        load(GOOD.replace(written, instead, 1), "vendor.toml")
    assert says in str(caught.value)
    assert str(caught.value).startswith("vendor.toml: ")


@pytest.mark.parametrize("name", ["", "Notes", "1notes", "no tes", "notes.empty", "notes@0", "visit-notes\n", " notes"])
def test_a_resources_name_is_matched_whole(name: str) -> None:
    """A name is a part of the kind of the records that are kept, where dots and `@` mean something."""
    with pytest.raises(SettingsError, match="name: String should match pattern"):
        load(GOOD.replace('name = "notes"', f"name = {json.dumps(name)}"), "vendor.toml")


def test_a_resources_name_may_have_digits_dashes_and_underscores() -> None:
    vendor = load(GOOD.replace('name = "notes"', 'name = "visit-notes_2"'), "vendor.toml")
    assert vendor.resources[-1].name == "visit-notes_2"


@pytest.mark.parametrize(
    ("written", "instead", "says"),
    [
        (BY_NAMES, 'params = { DOB = "{birth_date}" }', "patient.by_demographics: the request must say whom it is"),
        (BY_NAMES, 'params = { SURNAME = "{family}" }', "patient.by_demographics: the request must say whom it is"),
        (BY_NAMES, 'params = { N = "{nhs_number}" }', "there is no placeholder {nhs_number} here"),
        (BY_NAMES, f'{BY_NAMES}\nitems = "ROWS["', "patient.by_demographics.items: 'ROWS[' is not JMESPath"),
        (BY_NAMES, f"{BY_NAMES}\nmax_people = 0", "patient.by_demographics.max_people"),
        ('[patient.by_id]\npath = "PEOPLE/{local_id}"\n', "", "patient: Value error, by_demographics needs by_id"),
    ],
)
def test_a_mistake_in_the_look_up_by_demographics_is_named(written: str, instead: str, says: str) -> None:
    assert written in OOH
    with pytest.raises(SettingsError) as caught:
        load(OOH.replace(written, instead, 1), "vendor.toml")
    assert says in str(caught.value)


def test_resources_may_share_one_answer() -> None:
    shared = """
[[resource]]
name = "remarks"
fact = "Communication"
shares = "notes"
where = "noteType == 'ADVICE'"
native_id = "noteId"
[resource.fields]
payload = ["text"]
"""
    vendor = load(GOOD + shared, "vendor.toml")
    (notes,) = (resource for resource in vendor.resources if resource.name == "notes")
    assert notes.types == {"Encounter", "Communication"}
    with pytest.raises(SettingsError, match="there is no earlier resource 'nothing'"):
        load(GOOD + shared.replace('shares = "notes"', 'shares = "nothing"'), "vendor.toml")
    with pytest.raises(SettingsError, match="with shares, path is the other resource's"):
        load(GOOD + shared.replace("[resource.fields]", 'path = "x"\n[resource.fields]'), "vendor.toml")


def test_a_relative_mapping_is_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(GOOD, "utf-8")
    written = {"base_url": "https://vendor.example", "mapping": "own.toml"}
    made = RestSettings.model_validate(written, context={"folder": tmp_path})
    assert read_resource(made.mapping) == GOOD
    inside = written | {"mapping": "adapters.rest:examples/pharmacy.mapping.toml"}
    assert read_resource(RestSettings.model_validate(inside, context={"folder": tmp_path}).mapping) == GOOD
    with pytest.raises(ValidationError):
        RestSettings.model_validate(written | {"maping": "x"})


@pytest.mark.parametrize("mapping", ["nowhere.toml", "no.such.package:x.toml", "adapters.rest:nowhere.toml"])
def test_a_mapping_that_is_not_there_is_a_settings_error(mapping: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(f"mapping {mapping!r} cannot be read")):
        RestAdapter(source(RestSettings(base_url="https://vendor.example", mapping=mapping)))
