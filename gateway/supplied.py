"""What a deployment supplies to the merge: its drug dictionary, its FHIR ConceptMaps, and what it adds to the lists of
units and of lines of measurements, read from files at the start.

Whatever is wrong with them is a person's to put right: every error names the file, and the element in it.
"""

import json
from collections.abc import Callable
from glob import glob, has_magic
from typing import Any

from adapters.sdk.resources import package_and_path, read_resource
from gateway.config import Config, ConfigError, line_of
from gateway.merge import (
    ConceptMap,
    ListError,
    MapError,
    SeriesList,
    Terminology,
    UnitsFile,
    delivered,
    read_list,
    read_maps,
    read_terminology,
)


def terminology(config: Config) -> Terminology:
    """The delivered terminology with what the deployment supplies. Raises ConfigError that names the file."""
    table = config.terminology
    products = _json_of(config, table.medicines) if table.medicines else ()
    maps = _maps(config)
    terms = _with_lists(config)
    try:
        return terms.extended(products=products, concept_maps=maps, orders_join_courses=table.orders_join_courses)
    except (KeyError, TypeError, AttributeError):
        fault = "not a list of products with code, level and name"
        raise ConfigError(f"[terminology] {table.medicines}: {fault}") from None


def _with_lists(config: Config) -> Terminology:
    """The lists by themselves: the delivered ones or the deployment's copy, with what it adds to them."""
    table, terms = config.terminology, delivered()
    if table.lists:
        try:
            terms = read_terminology(read_resource(table.lists, config.folder), table.lists)
        except ValueError as problem:
            raise ConfigError(f"[terminology] {problem}") from None
    if table.units:
        terms = _added(config, table.units, lambda text: terms.extended(units=read_list(text, UnitsFile)))
    if table.outcomes:
        terms = _added(config, table.outcomes, lambda text: terms.extended(series=read_list(text, SeriesList)))
    return terms


def _added(config: Config, reference: str, add: Callable[[str], Terminology]) -> Terminology:
    text = read_resource(reference, config.folder)
    try:
        return add(text)
    except ListError as problem:
        place = list(problem.place)
        where = f":{line_of(text, place)}: {'.'.join(map(str, place))}" if place else ""
        raise ConfigError(f"[terminology] {reference}{where}: {problem}") from None


def _maps(config: Config) -> list[ConceptMap]:
    """Every map of the configured files, each map once."""
    found: dict[str, tuple[ConceptMap, str]] = {}
    for file in _files(config):
        try:
            maps = read_maps(_json_of(config, file), file)
        except MapError as problem:
            raise ConfigError(f"[terminology] {file}: {problem}") from None
        for one in maps:
            if one.name in found:
                twice = f"{one.name} is in {found[one.name][1]} and again in {file}: leave one out"
                raise ConfigError(f"[terminology] concept_maps: {twice}")
            found[one.name] = (one, file)
    return [one for one, _ in found.values()]


def _files(config: Config) -> list[str]:
    """The configured references, patterns filled in; each file once, in one order."""
    files: list[str] = []
    for reference in config.terminology.concept_maps:
        if package_and_path(reference) is not None or not has_magic(reference):
            files.append(reference)
            continue
        matching = sorted(glob(reference, root_dir=config.folder, recursive=True))
        if not matching:
            raise ConfigError(
                f"[terminology] concept_maps: no file is named like {reference!r} beside the configuration"
            )
        files += matching
    return list(dict.fromkeys(files))


def _json_of(config: Config, reference: str) -> Any:
    try:
        return json.loads(read_resource(reference, config.folder))
    except (ValueError, RecursionError):
        raise ConfigError(f"[terminology] {reference}: not JSON") from None
