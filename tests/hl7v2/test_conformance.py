"""The promises of every adapter, kept by this kind against its simulator, with each set of queries."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import ClassVar

from adapters.hl7v2 import Hl7v2Adapter, Hl7v2Settings
from adapters.hl7v2.simulate import serve_pas
from adapters.testing.conformance import AdapterConformance
from adapters.testing.simulation import Faults
from tests.support.estate import rendered
from tests.support.sources import person, source

PERSON = "\n".join(
    [
        r"PID|1||9990000034^^^NHS^NH~880417^^^RBI^MR||WEATHERBY\T\LANE^Ottoline^^^Mrs||195806|F|||1 Quay^^Ravensbrook",
        "NK1|1|LANE^Barnaby|BRO^Brother^HL70063",
        "PV1|1|I|AMU^B2^07|||||||||||||||SP7^^^RBI^VN",
        "AL1|1|DA|91936005^Penicillin^SCT|SV|Rash",
        "DG1|1||E11^Diabetes^I10",
        "OBR|1||F77|24325-3^Liver function^LN|||202603170130",
        "OBX|1|NM|1742-6^ALT^LN||120|U/L|||||F",
        "OBX|2|TX|11502-2^Report^LN||Repeat in a week||||||F",
    ]
)


class Queries(AdapterConformance):
    known = person("9990000034")
    unknown = person("9990000107")
    people: ClassVar[Sequence[str]] = (PERSON,)
    queries: ClassVar[tuple[str, ...]]
    mrn_authority: ClassVar[str | None] = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Hl7v2Adapter]:
        async with serve_pas(self.people, Faults()) as port:
            settings = {"port": port, "queries": self.queries, "mrn_authority": self.mrn_authority}
            yield Hl7v2Adapter(source(Hl7v2Settings.model_validate({"host": "127.0.0.1"} | settings)))


class TestModernQueries(Queries):
    queries = ("demographics", "visits")


class TestOriginalQueries(Queries):
    queries = ("a19", "results")


class TestEveryQuery(Queries):
    queries = ("demographics", "visits", "a19", "results")


class TestTheDemoEstate(Queries):
    """The records of the whole hospital: merged, retired and restricted ones among them."""

    known = person("9995190001", family="Thistlewick")
    unknown = person("9990000018")
    people = tuple(rendered("pas").values())
    queries = ("demographics", "visits", "a19", "results")
    mrn_authority = "ZRH"
