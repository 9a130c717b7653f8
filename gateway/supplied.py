"""What a deployment supplies to the merge: its drug dictionary and its FHIR ConceptMaps, read from files at the start.

Whatever is wrong with them is a person's to put right: every error names the file, and the element in it.
"""

import json
from glob import glob, has_magic
from typing import Any

from adapters.sdk.resources import package_and_path, read_resource
from gateway.config import Config, ConfigError
from gateway.merge import ConceptMap, MapError, Terminology, delivered, read_maps


def terminology(config: Config) -> Terminology:
    """The delivered terminology with what the deployment supplies. Raises ConfigError that names the file."""
    table = config.terminology
    products = _json_of(config, table.medicines) if table.medicines else ()
    maps = _maps(config)
    try:
        return delivered().extended(products=products, concept_maps=maps, orders_join_courses=table.orders_join_courses)
    except (KeyError, TypeError, AttributeError):
        fault = "not a list of products with code, level and name"
        raise ConfigError(f"[terminology] {table.medicines}: {fault}") from None


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
