"""The settings of a `rest` source: where its API is, and which mapping file reads it."""

from pydantic import Field, ValidationInfo, field_validator

from adapters.sdk import HttpSettings
from adapters.sdk.resources import beside, package_and_path


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
        return mapping if package_and_path(mapping) is not None else beside(mapping, info)
