"""Secrets by reference: a configuration names where a secret is, never the secret itself.

A field of type `Secret` is written `env:NAME` or `file:path`; a path is relative to the `folder` that the reader of the
configuration puts into the validation context. What it refers to is read when it is used, so that a rotated file is
noticed, and is shown by nothing: `repr`, `str`, a dump and an error show the reference at most.
"""

import os
from pathlib import Path
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from adapters.sdk.errors import SettingsError
from adapters.sdk.resources import beside

_MAX_BYTES = 256 * 1024
"""A secret file larger than this is a mistaken path."""


class Secret:
    """Where a secret is to be found: `env:NAME` or `file:path`.

    Raises SettingsError for anything else, without quoting it: it may be the secret.
    """

    __slots__ = ("reference",)

    reference: str

    def __init__(self, reference: str) -> None:
        scheme, colon, where = reference.partition(":")
        if scheme not in ("env", "file") or not colon or not where.strip():
            raise SettingsError("a secret is not written into the configuration: write env:NAME or file:path")
        self.reference = reference

    def reveal(self) -> str:
        """The secret itself, without the line end of its file.

        Raises SettingsError, naming the variable or the file, when it is missing or empty.
        """
        scheme, _, where = self.reference.partition(":")
        found = os.environ.get(where, "") if scheme == "env" else self._from_file(Path(where))
        if not found:
            what = "the environment variable is not set" if scheme == "env" else "the file is empty"
            raise SettingsError(f"{self.reference}: {what}")
        return found

    def _from_file(self, path: Path) -> str:
        try:
            with path.open("rb") as file:
                content = file.read(_MAX_BYTES + 1)
            if len(content) > _MAX_BYTES:
                raise SettingsError(f"{self.reference}: the file is too large for a secret")
            return content.decode("utf-8-sig").rstrip("\r\n")
        except OSError:
            raise SettingsError(f"{self.reference}: the file cannot be read") from None
        except ValueError:
            raise SettingsError(f"{self.reference}: the file is not UTF-8 text") from None

    def __repr__(self) -> str:
        return f"Secret({self.reference!r})"

    def __str__(self) -> str:
        return self.reference

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other.reference == self.reference

    def __hash__(self) -> int:
        return hash(self.reference)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(
            cls._validate, serialization=core_schema.to_string_ser_schema()
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "pattern": "^(env|file):.+", "description": "env:NAME or file:path"}

    @classmethod
    def _validate(cls, value: Any, info: core_schema.ValidationInfo) -> "Secret":
        # SettingsError, not ValueError: pydantic wraps a ValueError in an error that quotes the input, the secret.
        if isinstance(value, Secret):
            return value
        try:
            secret = cls(value if isinstance(value, str) else "")
        except SettingsError as error:
            field = getattr(info, "field_name", None)
            raise SettingsError(f"{field}: {error}" if field else str(error)) from None
        scheme, _, where = secret.reference.partition(":")
        return cls(f"file:{beside(where, info)}") if scheme == "file" else secret
