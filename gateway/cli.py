"""The command line: `sherwood --help` says it all."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from gateway.config import ConfigError, load

app = typer.Typer(
    name="sherwood",
    help="One patient view over every legacy system: a GraphQL federation gateway.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
adapters_app = typer.Typer(help="The adapter kinds installed here.", no_args_is_help=True)
app.add_typer(adapters_app, name="adapter")
audit_app = typer.Typer(help="The audit trail.", no_args_is_help=True)
app.add_typer(audit_app, name="audit")

out = Console()
err = Console(stderr=True)

ConfigFile = Annotated[
    Path, typer.Option("-c", "--config", help="The gateway's configuration file.", envvar="SHERWOOD_CONFIG")
]
Person = Annotated[str, typer.Argument(help="The person's NHS number.")]


def _print_version(wanted: bool) -> None:
    if wanted:
        from gateway import __version__

        sys.stdout.write(f"sherwood {__version__}\n")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and end.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """What stands before any command."""


def main() -> None:
    """Run the command line; a clear message and exit status 2 for what the person can put right."""
    from adapters.sdk import SettingsError
    from gateway.problems import CommandError

    try:
        app()
    except (ConfigError, SettingsError, CommandError) as problem:
        err.print(f"[bold red]sherwood:[/] {escape(str(problem))}", highlight=False)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


@app.command()
def serve(
    config_file: ConfigFile,
    host: Annotated[str | None, typer.Option(help="Instead of the configured address.")] = None,
    port: Annotated[int | None, typer.Option(help="Instead of the configured port.")] = None,
) -> None:
    """Serve the gateway.

    Refuses an address that others can reach unless access tokens are configured.
    """
    from gateway.serving import run, run_loop

    config = load(config_file)
    run_loop(run(config, host or config.gateway.host, config.gateway.port if port is None else port))


@app.command()
def demo(
    port: Annotated[int, typer.Option(help="Where to serve the gateway on this machine.")] = 8000,
    slow: Annotated[
        list[str] | None, typer.Option(metavar="ID=3s", help="Make a system slow. May be repeated.")
    ] = None,
    down: Annotated[list[str] | None, typer.Option(metavar="ID", help="Take a system down. May be repeated.")] = None,
    garbage: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Let a system answer nonsense. May be repeated.")
    ] = None,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ORIGIN", help='Let pages of this origin ask, such as "http://localhost:5173". May be repeated.'
        ),
    ] = None,
    show_config: Annotated[
        bool, typer.Option("--show-config", help="Print the gateway's configuration and end.")
    ] = False,
) -> None:
    """Start Michael's estate: simulated legacy systems on their real protocols, and the gateway over them.

    9992319488 is a patient for scale: his record is made when he is first asked for, of as many facts as the
    environment variable SHERWOOD_DEMO_FACTS says (5000; 200 to 200000).

    Everything runs on this machine and is forgotten when it ends.
    """
    from gateway.demonstration import read_mischief, run_demo
    from gateway.serving import run_loop

    knobs = read_mischief(slow or [], down or [], garbage or [])
    run_loop(run_demo(port, knobs, allow_origin or [], show_config, out))


@app.command()
def check(config_file: ConfigFile) -> None:
    """Ask every source for real about the configured test patient, and print what came of it.

    Ends with status 1 when a source fails. The test patient in [check] is never a real one.
    """
    from gateway.checking import check_sources

    sys.exit(0 if asyncio.run(check_sources(load(config_file), out)) else 1)


Url = Annotated[str, typer.Option(help="A running gateway.", envvar="SHERWOOD_URL")]
Token = Annotated[str | None, typer.Option(help="env:NAME or file:PATH of an access token.", envvar="SHERWOOD_TOKEN")]
HERE = "http://127.0.0.1:8000/graphql"


@app.command()
def find(
    family: Annotated[str, typer.Option(help="The whole family name; no wildcards.")],
    given: Annotated[str | None, typer.Option(help="Given names, the first one first.")] = None,
    birth_date: Annotated[str | None, typer.Option(metavar="YYYY-MM-DD", help="Date of birth.")] = None,
    gender: Annotated[str | None, typer.Option(help="male, female or other.")] = None,
    postcode: Annotated[str | None, typer.Option(help="The whole postcode of the home.")] = None,
    url: Url = HERE,
    token: Token = None,
    deadline: Annotated[str | None, typer.Option(help='How long to wait, such as "3s".')] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
) -> None:
    """Find a person by names and birth date, for the number to ask `sherwood query` with. Nothing clinical.

    Whoever contradicts anything stated is not found: leave out what you are not sure of.
    """
    from gateway.asking import find as search

    stated = {"given": given, "birthDate": birth_date, "gender": gender, "postalCode": postcode}
    criteria = {"family": family} | {name: value for name, value in stated.items() if value}
    sys.exit(search(criteria, url, token, deadline, json, out, err))


@app.command()
def query(
    document: Annotated[
        str, typer.Argument(help="A file with a GraphQL document, '-' for standard input, or an NHS number.")
    ],
    url: Url = HERE,
    token: Token = None,
    variable: Annotated[list[str] | None, typer.Option("-v", metavar="NAME=JSON", help="A variable.")] = None,
    deadline: Annotated[str | None, typer.Option(help='For a number: how long to wait, such as "0.3s".')] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON, also for a number.")] = False,
) -> None:
    """Ask a running gateway: a GraphQL document, or just a person's number for the whole record as tables."""
    from gateway.asking import ask

    sys.exit(ask(document, url, token, variable or [], deadline, json, out, err))


@app.command()
def schema(
    write: Annotated[Path | None, typer.Option(help="Write it to this file instead of printing it.")] = None,
    federation: Annotated[
        bool, typer.Option("--federation", help="As a subgraph, to compose a larger graph of (Apollo Federation 2).")
    ] = False,
) -> None:
    """Print the GraphQL schema (SDL)."""
    from schema.gql.federation import print_sdl_of_subgraph
    from schema.gql.root import print_sdl

    sdl = print_sdl_of_subgraph() if federation else print_sdl()
    if write is None:
        sys.stdout.write(sdl)
    else:
        write.write_text(sdl, encoding="utf-8")
        err.print(f"wrote {write}")


@app.command()
def link(
    identifier: Person,
    source: Annotated[str, typer.Argument(help="Id of the source.")],
    local_id: Annotated[str, typer.Argument(help="The source's own id of the patient, such as Patient/123.")],
    by: Annotated[str, typer.Option(help="Who decides this, kept with the link.")],
    reason: Annotated[str, typer.Option(help="Why, kept with the link.")],
    config_file: ConfigFile,
) -> None:
    """Decide that a source's record is this person. Kept for good; `unlink` undoes it."""
    from gateway import steward_commands

    steward_commands.link(load(config_file), identifier, source, local_id, by, reason, out)


@app.command()
def unlink(
    identifier: Person,
    source: Annotated[str, typer.Argument(help="Id of the source.")],
    local_id: Annotated[str, typer.Argument(help="The source's own id of the patient, such as Patient/123.")],
    by: Annotated[str, typer.Option(help="Who decides this, kept with the decision.")],
    reason: Annotated[str, typer.Option(help="Why, kept with the decision.")],
    config_file: ConfigFile,
    block_anyway: Annotated[
        bool, typer.Option("--block-anyway", help="Also a record that is not known as this person's.")
    ] = False,
) -> None:
    """Decide that a source's record is not this person, and print who saw it. It is not linked again by rule."""
    from gateway import steward_commands

    steward_commands.unlink(load(config_file), identifier, source, local_id, by, reason, block_anyway, out)


@app.command()
def worklist(
    by: Annotated[str, typer.Option(help="Who looks, kept in the audit trail.")],
    config_file: ConfigFile,
) -> None:
    """Show every record that waits for a steward, the longest first, and what to do about each."""
    from gateway import steward_commands

    steward_commands.show_work(load(config_file), by, out)


@app.command()
def links(
    identifier: Person,
    by: Annotated[str, typer.Option(help="Who looks, kept in the audit trail.")],
    config_file: ConfigFile,
) -> None:
    """Show which source's record is held to be this person, which is not, which waits for a steward, and why."""
    from gateway import steward_commands

    steward_commands.show_links(load(config_file), identifier, by, out)


@adapters_app.command("list")
def adapter_list() -> None:
    """List the adapter kinds installed here, ours and others' alike."""
    from rich.table import Table

    from adapters.sdk.registry import installed
    from adapters.sdk.registry import load as load_adapter

    table = Table("kind", "class", "from", "what it speaks")
    for name, entry in installed().items():
        summary = (load_adapter(name).__doc__ or "").strip().splitlines()
        distribution = entry.dist.name if entry.dist else ""
        table.add_row(name, entry.value, distribution, summary[0] if summary else "")
    out.print(table)


@audit_app.command("verify")
def audit_verify(
    config_file: ConfigFile,
    noted: Annotated[
        str | None, typer.Option(metavar="ROW:HASH", help="Where the trail ended when this was printed earlier.")
    ] = None,
) -> None:
    """Read the audit trail through, also while the gateway writes it, and say whether it is complete and unchanged.

    Ends with status 1 when it is not, and with 2 when there is none to read. Keep the last line on another machine.
    """
    from gateway.verifying import verify_trail

    sys.exit(0 if verify_trail(load(config_file).audit_path, noted, out) else 1)
