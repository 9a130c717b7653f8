"""The conformance kit over the three profiles: what every adapter promises, and what each hostile server gets."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from adapters.fhir import FhirAdapter, FhirSettings
from adapters.fhir.simulate import gpconnect_app, pds_app, search_app
from adapters.sdk import NHS_NUMBER, Source, Subject
from adapters.sdk.client import open_client
from adapters.testing.conformance import AdapterConformance
from adapters.testing.simulation import Faults, http_server
from schema.model.clinical import Patient
from schema.model.values import Identifier
from tests.fhir.records import NUMBER, OLD_NUMBER, UNKNOWN, gp_record, hospital_record, patient


def subject(number: str) -> Subject:
    return Subject(identifiers=(Identifier(system=NHS_NUMBER, value=number),))


class FhirConformance(AdapterConformance):
    known = subject(NUMBER)
    unknown = subject(UNKNOWN)
    mutations: ClassVar[int] = 150
    profile: ClassVar[str]

    def app(self) -> Any:
        raise NotImplementedError

    @asynccontextmanager
    async def running(self) -> AsyncIterator[FhirAdapter]:
        async with http_server(self.app(), Faults()) as port, self.at(f"http://127.0.0.1:{port}") as adapter:
            yield adapter

    @asynccontextmanager
    async def at(self, url: str) -> AsyncIterator[FhirAdapter]:
        version = "STU3" if self.profile == "gpconnect" else "R4"
        settings = FhirSettings(base_url=url, profile=self.profile, version=version, test_patient=NUMBER, max_pages=5)
        client = open_client(settings, None, name="source", timeout_s=20, max_concurrency=8)
        try:
            yield FhirAdapter(
                Source(
                    id="source",
                    name="Source",
                    organization="Somebody",
                    timezone=ZoneInfo("Europe/London"),
                    settings=settings,
                    http=client,
                )
            )
        finally:
            await client.close()


class TestSearch(FhirConformance):
    profile = "search"

    def app(self) -> Any:
        return search_app([hospital_record()], page_size=2)


class TestGpConnect(FhirConformance):
    profile = "gpconnect"

    def app(self) -> Any:
        return gpconnect_app({NUMBER: gp_record()})


class TestPds(FhirConformance):
    profile = "pds"

    def app(self) -> Any:
        return pds_app([patient(NUMBER)], {OLD_NUMBER: NUMBER})

    async def test_a_known_person_has_facts(self) -> None:
        """The demographics service states demographics and nothing else."""
        answer = await self._known()
        assert [type(fact) for fact in answer.facts] == [Patient]
