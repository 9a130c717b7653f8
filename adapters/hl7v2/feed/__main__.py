"""A listener as a process of its own: `python -m adapters.hl7v2.feed -c gateway.toml --source lab-feed`.

Or, without a configuration, `--store FILE --port PORT` with the defaults of everything else. The port is written to
standard output once messages are taken. SIGTERM and SIGINT end it after what is waiting has been committed.
"""

import argparse
import asyncio
import signal
import sys
import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from adapters.hl7v2.feed.listener import listening
from adapters.hl7v2.feed.settings import FeedSettings
from adapters.hl7v2.feed.store import SqliteStore, StoreUnavailable
from adapters.sdk import SettingsError


def main(arguments: list[str] | None = None) -> int:
    """Run until told to stop; 2 when the configuration or the store cannot be used."""
    try:
        settings = _settings(arguments)
        asyncio.run(_listen(settings))
    except (SettingsError, StoreUnavailable) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except OSError:
        sys.stderr.write("the address cannot be listened on\n")
        return 2
    return 0


async def _listen(settings: FeedSettings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    store = SqliteStore(settings.store)
    try:
        async with listening(settings, store) as port:
            sys.stdout.write(f"listening on port {port}\n")
            sys.stdout.flush()
            await stop.wait()
    finally:
        await store.close()


def _settings(arguments: list[str] | None) -> FeedSettings:
    parser = argparse.ArgumentParser(prog="python -m adapters.hl7v2.feed", description="Listen to an HL7 v2 feed.")
    parser.add_argument("-c", "--config", type=Path, help="the gateway's configuration")
    parser.add_argument("--source", help="id of the source of kind hl7v2-feed in it")
    parser.add_argument("--store", type=Path, help="the SQLite file to keep messages in")
    parser.add_argument("--host", help="address to listen on")
    parser.add_argument("--port", type=int, help="port to listen on; 0 takes a free one")
    given = parser.parse_args(arguments)
    written = _of_source(given.config, given.source) if given.config else {}
    written |= {key: getattr(given, key) for key in ("store", "host", "port") if getattr(given, key) is not None}
    try:
        return FeedSettings.model_validate(written)
    except ValidationError as error:
        places = sorted({".".join(map(str, fault["loc"])) for fault in error.errors(include_input=False)})
        raise SettingsError(f"these settings of the feed are missing or wrong: {', '.join(places)}") from None


def _of_source(config: Path, source: str | None) -> dict[str, Any]:
    try:
        sources = tomllib.loads(config.read_text("utf-8")).get("sources", [])
    except (OSError, ValueError):
        raise SettingsError("the configuration cannot be read as TOML") from None
    found = [one for one in sources if one.get("adapter") == "hl7v2-feed" and source in (None, one.get("id"))]
    if len(found) != 1:
        raise SettingsError("name with --source the one source of kind hl7v2-feed to listen for")
    return dict(found[0].get("settings", {}))


if __name__ == "__main__":
    sys.exit(main())
