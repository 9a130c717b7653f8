"""The gateway: asks the sources, proves whose facts they are, merges them, and answers. Nothing imports it."""

from pathlib import Path

import adapters
import schema

__version__ = "0.1.0"


def fence() -> None:
    """Prove that `schema` and `adapters` are ours: PyPI has packages of both names (docs/adr/0001).

    Raises SystemExit with what to do when another package stands in their place.
    """
    home = Path(__file__).resolve().parent.parent
    for module in (schema, adapters):
        found = Path(module.__file__ or "").resolve().parent.parent
        if found != home:
            raise SystemExit(
                f"sherwood: the package {module.__name__!r} that Python found is not Sherwood's: another distribution "
                "of that name is installed. Install sherwood-gateway into an environment of its own."
            )


fence()  # before any other module of the house is imported
