"""Michael's estate: fourteen simulated legacy systems on their real protocols, over the raw records in `estate/`.

The records are templates (`adapters.demo.clock`); the simulators of the kinds put them on the wire. Imported by nobody:
`sherwood demo` finds it through the entry-point group `sherwood.estates`.
"""

import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from functools import partial
from importlib.resources import files
from pathlib import Path
from zoneinfo import ZoneInfo

from aiohttp import web

from adapters.demo import scale
from adapters.demo.raw import Raw
from adapters.demo.vendors import diabetes_api, nursing_api, ooh_api
from adapters.fhir.simulate import gpconnect_app, pds_app, search_app
from adapters.hl7v2.feed import FeedSettings
from adapters.hl7v2.feed.simulate import fed
from adapters.hl7v2.simulate import serve_pas
from adapters.rest.simulate import pharmacy_api, telehealth_api, vendor_app
from adapters.sdk import SettingsError
from adapters.sdk.estate import Mischief, Running
from adapters.sql.simulate import FileFaults, described, legacy_file
from adapters.testing.simulation import Faults, http_server

SECRETS = {
    f"SHERWOOD_DEMO_{name}": f"demo-{name.lower().replace('_', '-')}-not-a-secret"
    for name in ("PHARMACY_KEY", "TELEHEALTH_SECRET", "DIABETES_PASSWORD", "NURSING_SECRET", "OOH_KEY")
}
CLIENT = "sherwood-demo"
"""The name under which vendors that ask for one know the gateway."""
ON_HTTP = ("pds", "gp", "epr", "liver", "diabetes", "nursing", "pharmacy", "telehealth", "ooh")
IN_FILES = ("cmht", "socialcare", "renal")
SOURCES = (*ON_HTTP, *IN_FILES, "pas", "lab")
FEED = "lab"
EPR_PAGE = 200
"""Most matches that the hospital's record gives on a page."""
_LONDON = ZoneInfo("Europe/London")


@asynccontextmanager
async def estate(now: datetime, mischief: Mischief) -> AsyncIterator[Running]:
    """Start all of them as of `now`. `adapters.sdk.estate.Estate`. Raises SettingsError for what cannot be."""
    if FEED in mischief.slow_s:
        raise SettingsError(f"{FEED} cannot be slow: it is a feed, and answered from what it has sent already")
    faults = no_faults()
    for source, fault in faults.items():
        fault.delay_s = mischief.slow_s.get(source, 0.0)
        fault.down = source in mischief.down
        fault.garbage = source in mischief.garbage
    async with running(now, faults) as places:
        yield Running(config=configuration(places), secrets=SECRETS)


def no_faults() -> dict[str, Faults]:
    """The switches of every system, all off; they may be set while it runs, those of the feed before."""
    return {source: FileFaults() if source in IN_FILES else Faults() for source in SOURCES}


@asynccontextmanager
async def running(now: datetime, faults: dict[str, Faults]) -> AsyncIterator[dict[str, str]]:
    """The systems with these faults; yields where each is: `port:pas` and the like, and `file:cmht`."""
    raw = Raw(now)
    places: dict[str, str] = {}
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sherwood-estate-")))
        for source, app in _applications(raw, now).items():
            places[f"port:{source}"] = str(await stack.enter_async_context(http_server(app, faults[source])))
        for source in IN_FILES:
            ddl, tables = described(raw.document(f"{source}/tables.json"))
            file = legacy_file(folder / f"{source}.db", ddl, tables, faults[source])
            places[f"file:{source}"] = (await stack.enter_async_context(file)).url
        pas = serve_pas(raw.texts("pas").values(), faults["pas"])
        places["port:pas"] = str(await stack.enter_async_context(pas))
        store = folder / f"{FEED}.db"
        feed = fed(FeedSettings(store=str(store)), raw.texts(FEED).values(), _LONDON, faults[FEED])
        places[f"port:{FEED}"] = str(await stack.enter_async_context(feed))
        places[f"file:{FEED}"] = str(store)
        yield places


def _applications(raw: Raw, now: datetime) -> dict[str, web.Application]:
    vendors = {
        "diabetes": diabetes_api(raw.texts("diabetes"), CLIENT, SECRETS["SHERWOOD_DEMO_DIABETES_PASSWORD"]),
        "nursing": nursing_api(raw.texts("nursing"), CLIENT, SECRETS["SHERWOOD_DEMO_NURSING_SECRET"]),
        "ooh": ooh_api(raw.texts("ooh"), SECRETS["SHERWOOD_DEMO_OOH_KEY"]),
        "pharmacy": pharmacy_api(raw.texts("pharmacy"), SECRETS["SHERWOOD_DEMO_PHARMACY_KEY"]),
        "telehealth": telehealth_api(raw.texts("telehealth"), CLIENT, SECRETS["SHERWOOD_DEMO_TELEHEALTH_SECRET"]),
    }
    authority = [*raw.documents("pds/patients").values(), scale.demographics(now)]
    large = dict.fromkeys(scale.ASKED_BY, partial(scale.record, now, scale.facts_wanted()))
    practice = gpconnect_app(raw.documents("gp/records"), base_path="/fhir", refused=raw.documents("gp/refused"))
    return {
        "pds": pds_app(authority, raw.document("pds/superseded.json"), base_path="/fhir"),
        "gp": practice,
        "epr": search_app(
            raw.documents("epr").values(), version="R4", page_size=EPR_PAGE, base_path="/fhir", on_demand=large
        ),
        "liver": search_app(raw.documents("liver").values(), version="STU3", base_path="/fhir"),
        **{source: vendor_app(api) for source, api in vendors.items()},
    }


def configuration(places: dict[str, str]) -> str:
    """The gateway configuration that reaches the systems where they are."""
    text = files(__package__).joinpath("gateway.toml").read_text(encoding="utf-8")
    for name, place in places.items():
        text = text.replace(f"{{{name}}}", place)
    return text
