"""A feed from the command line: its listener as a process of its own, and what an operator does by hand.

    python -m adapters.hl7v2.feed -c gateway.toml --source lab-feed
    python -m adapters.hl7v2.feed unlinked -c gateway.toml --source lab-feed
    python -m adapters.hl7v2.feed link --message ID --number NUMBER --who NAME --why REASON -c gateway.toml
    python -m adapters.hl7v2.feed unlink --message ID --who NAME --why REASON -c gateway.toml
    python -m adapters.hl7v2.feed decisions -c gateway.toml

Or, without a configuration, `--store FILE` (or a URL) with the defaults of everything else. The listener writes its
port to standard output once messages are taken; SIGTERM and SIGINT end it after what is waiting has been committed.
"""

import argparse
import asyncio
import signal
import sys
import tomllib
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from adapters.hl7v2.feed import by_hand
from adapters.hl7v2.feed.kept import LinkRefused, StoreUnavailable
from adapters.hl7v2.feed.listener import listening
from adapters.hl7v2.feed.opening import open_store, reader
from adapters.hl7v2.feed.settings import FeedSettings
from adapters.sdk import SettingsError
from adapters.sdk.secrets import Secret


def main(arguments: list[str] | None = None) -> int:
    """Do what is asked; 2 when the configuration, the store or the decision cannot be used."""
    given = _arguments(sys.argv[1:] if arguments is None else arguments)
    try:
        asyncio.run(_COMMANDS[given.command](_settings(given), given))
    except (SettingsError, StoreUnavailable, LinkRefused) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except OSError:
        sys.stderr.write("the address cannot be listened on\n")
        return 2
    return 0


async def _listen(settings: FeedSettings, given: argparse.Namespace) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with await open_store(settings) as store, listening(settings, store) as port:
        _write([f"listening on port {port}"])
        await stop.wait()


async def _unlinked(settings: FeedSettings, given: argparse.Namespace) -> None:
    async with reader(settings) as store:
        _write(await by_hand.list_unlinked(store, settings, given.limit))


async def _decisions(settings: FeedSettings, given: argparse.Namespace) -> None:
    async with reader(settings) as store:
        _write(await by_hand.list_decisions(store))


async def _link(settings: FeedSettings, given: argparse.Namespace) -> None:
    async with await open_store(settings, new=False) as store:
        await by_hand.link(store, settings, given.message, given.number, given.who, given.why)


async def _unlink(settings: FeedSettings, given: argparse.Namespace) -> None:
    async with await open_store(settings, new=False) as store:
        await by_hand.unlink(store, given.message, given.who, given.why)


_COMMANDS: dict[str, Callable[[FeedSettings, argparse.Namespace], Coroutine[Any, Any, None]]] = {
    "listen": _listen,
    "unlinked": _unlinked,
    "link": _link,
    "unlink": _unlink,
    "decisions": _decisions,
}


def _write(lines: Iterable[str]) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)
    sys.stdout.flush()


def _arguments(arguments: list[str]) -> argparse.Namespace:
    where = argparse.ArgumentParser(add_help=False)
    where.add_argument("-c", "--config", type=Path, help="the gateway's configuration")
    where.add_argument("--source", help="id of the source of kind hl7v2-feed in it")
    where.add_argument("--store", type=_here, help="the SQLite file, or the postgresql:// URL, to keep messages in")
    where.add_argument("--store-password", help="env:NAME or file:path, for PostgreSQL")
    decided = argparse.ArgumentParser(add_help=False)
    decided.add_argument("--message", required=True, help="its id, as `unlinked` shows it")
    decided.add_argument("--who", required=True, help="who decides")
    decided.add_argument("--why", required=True, help="how it is known whose the message is")
    parser = argparse.ArgumentParser(prog="python -m adapters.hl7v2.feed", description="An HL7 v2 feed.")
    commands = parser.add_subparsers(dest="command", required=True)
    listen = commands.add_parser("listen", parents=[where], help="take messages and keep them; so does no command")
    listen.add_argument("--host", help="address to listen on")
    listen.add_argument("--port", type=int, help="port to listen on; 0 takes a free one")
    unlinked = commands.add_parser("unlinked", parents=[where], help="list messages that name nobody for certain")
    unlinked.add_argument("--limit", type=int, default=1000, help="the most to list, the oldest first")
    link = commands.add_parser("link", parents=[where, decided], help="say whose such a message is")
    link.add_argument("--number", required=True, help="the source's own number of the person, as the feed knows it")
    commands.add_parser("unlink", parents=[where, decided], help="take that back")
    commands.add_parser("decisions", parents=[where], help="list what was linked and taken back, by whom and why")
    known = {*_COMMANDS, "-h", "--help"}
    return parser.parse_args(arguments if arguments[:1] and arguments[0] in known else ["listen", *arguments])


def _here(store: str) -> str:
    """A path on the command line is relative to where one is, not to the configuration."""
    return store if "://" in store or not store else str(Path(store).absolute())


def _settings(given: argparse.Namespace) -> FeedSettings:
    written = _of_source(given.config, given.source) if given.config else {}
    options = ("store", "store_password", "host", "port")
    folder = given.config.parent if given.config else Path()
    written |= {name: value for name in options if (value := getattr(given, name, None)) is not None}
    if given.store_password:
        written["store_password"] = Secret(given.store_password)
    try:
        return FeedSettings.model_validate(written, context={"folder": folder})
    except ValidationError as error:
        faults = error.errors(include_input=False)
        places = sorted({".".join(map(str, fault["loc"])) or fault["msg"] for fault in faults})
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
