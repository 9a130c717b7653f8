"""The promises of every adapter, kept by this kind against its simulator, with each set of queries."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from adapters.hl7v2 import Hl7v2Adapter, Hl7v2Settings
from adapters.hl7v2.simulate import serve_pas
from adapters.sdk import NHS_NUMBER, Adapter, Source, Subject
from adapters.testing.conformance import AdapterConformance
from adapters.testing.simulation import Faults
from schema.model.values import Identifier

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
    known = Subject(identifiers=(Identifier(system=NHS_NUMBER, value="9990000034"),))
    unknown = Subject(identifiers=(Identifier(system=NHS_NUMBER, value="9990000107"),))
    queries: ClassVar[tuple[str, ...]]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Adapter[Any]]:
        async with serve_pas([PERSON], Faults()) as port:
            yield Hl7v2Adapter(
                Source(
                    id="pas",
                    name="Patient administration",
                    organization="Ravensbrook Infirmary",
                    timezone=ZoneInfo("Europe/London"),
                    settings=Hl7v2Settings.model_validate({"host": "127.0.0.1", "port": port, "queries": self.queries}),
                )
            )


class TestModernQueries(Queries):
    queries = ("demographics", "visits")


class TestOriginalQueries(Queries):
    queries = ("a19", "results")


class TestEveryQuery(Queries):
    queries = ("demographics", "visits", "a19", "results")
