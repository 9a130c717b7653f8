"""Which adapter kinds are installed: the entry-point group `sherwood.adapters`, ours and strangers' alike."""

from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from adapters.sdk.contract import Adapter
from adapters.sdk.errors import SettingsError

GROUP = "sherwood.adapters"


def installed() -> dict[str, EntryPoint]:
    """Every installed kind by name, not yet imported."""
    return {entry.name: entry for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name)}


def load(name: str) -> type[Adapter[Any]]:
    """The adapter class for an entry-point name, or for `module:Class`.

    Raises SettingsError, which says what is installed, when there is none or when it is not an adapter.
    """
    if ":" in name:
        module, _, attribute = name.partition(":")
        try:
            found = getattr(import_module(module), attribute)
        except (ImportError, AttributeError):
            raise SettingsError(f"adapter {name!r} cannot be imported: is its package installed?") from None
    else:
        kinds = installed()
        if name not in kinds:
            raise SettingsError(f"there is no adapter kind {name!r}; installed: {', '.join(kinds) or 'none'}")
        found = kinds[name].load()
    if not (isinstance(found, type) and issubclass(found, Adapter)):
        raise SettingsError(f"{name!r} is not an adapter: subclass adapters.sdk.Adapter")
    return found
