"""The settings of a `rest` source: where its API is, and which mapping file reads it."""

from importlib.resources import files
from pathlib import Path

from pydantic import Field, ValidationInfo, field_validator

from adapters.sdk import HttpSettings, SettingsError


class RestSettings(HttpSettings):
    """The `settings` table of a source whose `adapter` is "rest"."""

    mapping: str
    """The mapping file: a path, relative to the configuration file's folder, or `package:path` for one in a package."""
    page_size: int | None = Field(default=None, ge=1, le=1000)
    """Rows asked for at a time, instead of what the mapping file says."""
    max_pages: int | None = Field(default=None, ge=1, le=10_000)
    """Pages fetched of one resource, instead of what the mapping file says."""
    max_parallel: int = Field(default=4, ge=1, le=16)
    """Requests to this source at one time for one patient."""

    @field_validator("mapping")
    @classmethod
    def from_the_configuration(cls, mapping: str, info: ValidationInfo) -> str:
        """Relative to the `folder` that the reader of the configuration puts into the validation context."""
        folder = (info.context or {}).get("folder")
        if folder is None or package_and_path(mapping) is not None:
            return mapping
        return str(Path(folder) / mapping)


def package_and_path(mapping: str) -> tuple[str, str] | None:
    """The two halves of `package:path`; None for a path (a Windows drive letter is not a package)."""
    package, colon, path = mapping.partition(":")
    if not colon or len(package) == 1 or not all(part.isidentifier() for part in package.split(".")):
        return None
    return package, path


def mapping_text(mapping: str) -> str:
    """The text of the mapping file. Raises SettingsError when there is none."""
    inside = package_and_path(mapping)
    try:
        if inside is None:
            return Path(mapping).read_text(encoding="utf-8")
        return files(inside[0]).joinpath(inside[1]).read_text(encoding="utf-8")
    except (OSError, ImportError, UnicodeDecodeError):
        raise SettingsError(f"mapping {mapping!r} cannot be read: is the path right, and is the file UTF-8?") from None
