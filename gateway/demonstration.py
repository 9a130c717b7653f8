"""`sherwood demo`: an installed estate of simulated systems, and the gateway over them. Nothing is kept."""

import json
import sys
import tempfile
from datetime import UTC, datetime
from importlib.metadata import entry_points
from pathlib import Path
from typing import cast

from msgspec.structs import replace
from rich.console import Console
from rich.panel import Panel

from adapters.sdk.estate import Estate, Mischief, Running
from gateway.config import ConfigError, load, seconds
from gateway.pages import BUILT
from gateway.problems import CommandError
from gateway.serving import run

GROUP = "sherwood.estates"


def find_estate(name: str = "demo") -> Estate:
    """The installed estate of that name."""
    for entry in entry_points(group=GROUP, name=name):
        return cast("Estate", entry.load())
    raise CommandError(f"no estate {name!r} is installed (entry-point group {GROUP})")


def read_mischief(slow: list[str], down: list[str], garbage: list[str]) -> Mischief:
    """The knobs of the command line. Raises CommandError that shows how one is written."""
    slow_s: dict[str, float] = {}
    for knob in slow:
        source, _, duration = knob.partition("=")
        try:
            slow_s[source] = seconds(duration)
        except ValueError:
            raise CommandError(f"--slow is written ID=DURATION, such as --slow gp=3s, not {knob!r}") from None
    return Mischief(slow_s=slow_s, down=frozenset(down), garbage=frozenset(garbage))


def _state(source: str, mischief: Mischief) -> str:
    """What the knobs have done to a system, for the list that people read."""
    said = ["down"] if source in mischief.down else []
    said += ["answers nonsense"] if source in mischief.garbage else []
    said += [f"{mischief.slow_s[source]:g} s slow"] if source in mischief.slow_s else []
    return f" [bold red]{', '.join(said)}[/]" if said else ""


def allowing(config: str, origins: list[str]) -> str:
    """The configuration of an estate, with the origins whose pages may ask from a browser."""
    return f"[graphql]\nallowed_origins = {json.dumps(origins)}\n\n{config}" if origins else config


def _write(folder: Path, estate: Running) -> Path:
    """The configuration as a file, with its secrets in files beside it, so that other commands can use it too."""
    config = estate.config
    for name, value in estate.secrets.items():
        file = folder / name.lower()
        file.write_text(value, encoding="utf-8")
        config = config.replace(f"env:{name}", f"file:{file}")
    path = folder / "gateway.toml"
    path.write_text(config, encoding="utf-8")
    return path


def _in_a_browser(url: str) -> str:
    """Where to look, of what there is to be looked at."""
    if not (BUILT / "viewer").is_dir():
        return f"Explore in a browser   [link]{url}/graphql[/link]"
    return f"Look in a browser      [link]{url}/[/link]\nAsk in GraphiQL        [link]{url}/graphql[/link]"


async def run_demo(port: int, mischief: Mischief, origins: list[str], show_config: bool, out: Console) -> None:
    """Start the estate, say where to look, and serve until interrupted."""
    with tempfile.TemporaryDirectory(prefix="sherwood-demo-") as folder, out.status("Starting the legacy systems ..."):
        async with find_estate()(datetime.now(UTC), mischief) as estate:
            estate = replace(estate, config=allowing(estate.config, origins))
            if show_config:
                out.print(estate.config, markup=False, highlight=False)
                return
            path = _write(Path(folder), estate)
            config = load(path)
            known = {source.id for source in config.sources}
            unknown = sorted((mischief.slow_s.keys() | mischief.down | mischief.garbage) - known)
            if unknown:
                raise ConfigError(f"there is no system {unknown[0]!r} here; there are {', '.join(sorted(known))}")
            names = "\n".join(
                f"  [bold]{source.id:<12}[/] {source.name} ({source.adapter}){_state(source.id, mischief)}"
                for source in config.sources
            )

            def ready(url: str) -> None:
                elsewhere = "" if url.endswith(":8000") else f" --url {url}/graphql"
                out.print(
                    Panel(
                        f"{len(config.sources)} legacy systems on their own protocols:\n{names}\n\n"
                        f"{_in_a_browser(url)}\n"
                        f"Or in another terminal [bold]{sys.argv[0]} query 9994071009{elsewhere}[/]\n"
                        f"Its configuration      {path}\n"
                        "Ctrl-C ends it; nothing is kept. All patients are invented.",
                        title="Sherwood",
                        expand=False,
                    ),
                    highlight=False,
                )

            await run(config, "127.0.0.1", port, ready)
