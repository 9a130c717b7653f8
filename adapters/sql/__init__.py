"""The `sql` kind: any legacy database by a TOML mapping file."""

from adapters.sql.adapter import SqlAdapter
from adapters.sql.settings import SqlSettings

__all__ = ["SqlAdapter", "SqlSettings"]
