"""The `rest` kind: vendor JSON over HTTP by a TOML and JMESPath mapping."""

from adapters.rest.adapter import RestAdapter
from adapters.rest.settings import RestSettings

__all__ = ["RestAdapter", "RestSettings"]
