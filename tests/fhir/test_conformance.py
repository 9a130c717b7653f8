"""The conformance kit over the three profiles: what every adapter promises, and what each hostile server gets."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from adapters.fhir import FhirAdapter, FhirSettings
from adapters.fhir.simulate import gpconnect_app, pds_app, search_app
from adapters.testing.http_conformance import HttpAdapterConformance
from adapters.testing.simulation import Faults, http_server
from schema.model.clinical import Patient
from tests.fhir.records import NUMBER, OLD_NUMBER, UNKNOWN, gp_record, hospital_record, patient
from tests.support.sources import opened, person


class FhirConformance(HttpAdapterConformance):
    known = person(NUMBER)
    unknown = person(UNKNOWN)
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
        async with opened(FhirAdapter, settings) as adapter:
            yield adapter


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
