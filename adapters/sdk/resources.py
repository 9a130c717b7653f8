"""Files that a configuration refers to: beside the configuration, or inside an installed package."""

from importlib.resources import files
from pathlib import Path
from typing import Any, ClassVar

from pydantic import GetCoreSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, core_schema

from adapters.sdk.errors import SettingsError


def beside(path: str, info: ValidationInfo) -> str:
    """A path as it is meant: relative to the `folder` that the reader of the configuration puts into the validation
    context, and as it is written where there is none."""
    folder = (info.context or {}).get("folder")
    return path if folder is None else str(Path(folder, path).absolute())


class PemFile(str):
    """The path of a file of certificates, or of a key, in PEM; in a configuration relative to its folder."""

    __slots__ = ()
    read_here: ClassVar[bool] = True
    """Whether the gateway reads it: then it is looked for before anything starts."""

    def check(self) -> None:
        """Raises SettingsError, naming the file, when it cannot be read. What is in it is not looked at."""
        try:
            with Path(self).open("rb"):
                pass
        except (OSError, ValueError):
            raise SettingsError(f"{self}: the file cannot be read") from None

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_after_validator_function(cls._validate, core_schema.str_schema())

    @classmethod
    def _validate(cls, path: str, info: ValidationInfo) -> "PemFile":
        if not path.strip():
            raise ValueError("write the path of a PEM file, or leave the setting out")
        return cls(beside(path, info))


def package_and_path(reference: str) -> tuple[str, str] | None:
    """The two halves of `package:path`; None for a path (a Windows drive letter is not a package)."""
    package, colon, path = reference.partition(":")
    if not colon or len(package) == 1 or not all(part.isidentifier() for part in package.split(".")):
        return None
    return package, path


def read_resource(reference: str, folder: Path = Path()) -> str:
    """The text of `package:path`, or of a path relative to `folder`. Raises SettingsError when there is none."""
    inside = package_and_path(reference)
    try:
        if inside is None:
            return (folder / reference).read_text(encoding="utf-8")
        return files(inside[0]).joinpath(inside[1]).read_text(encoding="utf-8")
    except (OSError, ImportError, UnicodeDecodeError):
        raise SettingsError(f"{reference!r} cannot be read: is the path right, and is the file UTF-8?") from None
