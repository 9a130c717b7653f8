"""Michael's estate: six simulated legacy systems on their real protocols, over the raw records in `estate/`.

The records are templates (`adapters.demo.clock`); the simulators of the kinds put them on the wire. Imported by nobody:
`sherwood demo` finds it through the entry-point group `sherwood.estates`.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from adapters.demo.clock import render
from adapters.fhir.simulate import gpconnect_app, pds_app, search_app
from adapters.hl7v2.simulate import serve_pas
from adapters.rest.simulate import pharmacy_api, telehealth_api, vendor_app
from adapters.sdk.estate import Mischief, Running
from adapters.testing.simulation import Faults, http_server, raw_json

SECRETS = {
    "SHERWOOD_DEMO_PHARMACY_KEY": "demo-pharmacy-key-not-a-secret",
    "SHERWOOD_DEMO_TELEHEALTH_SECRET": "demo-telehealth-secret-not-a-secret",
}
TELEHEALTH_CLIENT = "sherwood-demo"
SOURCES = ("pds", "gp", "pas", "epr", "pharmacy", "telehealth")


@asynccontextmanager
async def estate(now: datetime, mischief: Mischief) -> AsyncIterator[Running]:
    """Start all six as of `now`. `adapters.sdk.estate.Estate`."""
    faults = {source: Faults() for source in SOURCES}
    for source in mischief.slow_s.keys() & faults.keys():
        faults[source].delay_s = mischief.slow_s[source]
    for source in faults:
        faults[source].down = source in mischief.down
        faults[source].garbage = source in mischief.garbage
    async with running(now, faults) as ports:
        yield Running(config=configuration(ports), secrets=SECRETS)


@asynccontextmanager
async def running(now: datetime, faults: dict[str, Faults]) -> AsyncIterator[dict[str, int]]:
    """The six systems with these faults; yields the loopback port of each."""
    raw = _Raw(now)
    http = {
        "pds": pds_app(raw.documents("pds/patients"), raw.document("pds/superseded.json"), base_path="/fhir"),
        "gp": gpconnect_app(dict(raw.named("gp/records")), base_path="/fhir"),
        "epr": search_app(raw.documents("epr"), version="R4", base_path="/fhir"),
        "pharmacy": vendor_app(
            pharmacy_api(raw.texts("pharmacy"), api_key=SECRETS["SHERWOOD_DEMO_PHARMACY_KEY"]),
        ),
        "telehealth": vendor_app(
            telehealth_api(
                raw.texts("telehealth"),
                client_id=TELEHEALTH_CLIENT,
                client_secret=SECRETS["SHERWOOD_DEMO_TELEHEALTH_SECRET"],
            )
        ),
    }
    async with AsyncExitStack() as stack:
        ports = {
            source: await stack.enter_async_context(http_server(app, faults[source])) for source, app in http.items()
        }
        ports["pas"] = await stack.enter_async_context(serve_pas(raw.texts("pas").values(), faults["pas"]))
        yield ports


def configuration(ports: dict[str, int]) -> str:
    """The gateway configuration that reaches the systems on these ports."""
    text = files(__package__).joinpath("gateway.toml").read_text(encoding="utf-8")
    for source, port in ports.items():
        text = text.replace(f"{{port:{source}}}", str(port))
    return text


class _Raw:
    """The raw records, rendered against the clock."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._home = files(__package__).joinpath("estate")

    def named(self, folder: str) -> list[tuple[str, Any]]:
        """(file name without ending, JSON document) for each file of a folder."""
        return [(name, raw_json(text)) for name, text in self.texts(folder).items()]

    def documents(self, folder: str) -> list[Any]:
        """The JSON documents of a folder."""
        return [document for _, document in self.named(folder)]

    def document(self, path: str) -> Any:
        """One JSON document."""
        return raw_json(self._render(self._home.joinpath(path)))

    def texts(self, folder: str) -> dict[str, str]:
        """File name without ending -> rendered text, in order."""
        entries = sorted(self._home.joinpath(folder).iterdir(), key=lambda entry: entry.name)
        return {entry.name.rpartition(".")[0]: self._render(entry) for entry in entries if entry.is_file()}

    def _render(self, entry: Traversable) -> str:
        return render(entry.read_text(encoding="utf-8"), self._now)
