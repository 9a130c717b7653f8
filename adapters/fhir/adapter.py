"""The FHIR adapter: one class for servers that are searched, GP records, and the national demographics service."""

import json
import uuid
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime
from typing import Any, ClassVar
from urllib.parse import quote

from adapters.fhir import gpconnect
from adapters.fhir.outcomes import says_not_found, withheld
from adapters.fhir.reading import asked_part, read_record
from adapters.fhir.searching import ACCEPT, Searcher, decoded, find, judged, search
from adapters.fhir.settings import PLACEHOLDER_ASID, FhirSettings
from adapters.sdk import (
    NHS_NUMBER,
    Adapter,
    Ask,
    Call,
    DependsOn,
    Health,
    PatientSearch,
    Settings,
    SettingsError,
    Source,
    SourceInvalid,
    SourceRecord,
    SourceRequest,
)
from adapters.sdk.http import HttpResponse
from schema.model.fact import Fact, Gap

_RELEASE = {"R4": "4.0", "STU3": "3.0"}


class FhirAdapter(Adapter[FhirSettings]):
    """A FHIR server (R4 or STU3), a GP Connect provider, or PDS: `settings.profile` says which."""

    kind: ClassVar[str] = "fhir"
    settings_model: ClassVar[type[Settings]] = FhirSettings
    uses_http: ClassVar[bool] = True

    def __init__(self, source: Source[FhirSettings]) -> None:
        super().__init__(source)
        settings = source.settings
        self.types = settings.held_types
        self.identifier_systems = frozenset({settings.patient_identifier_system})
        if settings.profile == "gpconnect":
            # The practice decides by who asks and why, and must not be asked about S-flagged patients at all.
            self.forbids_restricted = True
            self.identifier_systems = frozenset({NHS_NUMBER})
        if settings.profile == "pds":
            self.answer_depends_on = DependsOn.NOTHING
            self.identifier_systems = frozenset({NHS_NUMBER})
        if settings.find:
            # PDS wants the birth date; a server that is only searched takes what the gateway takes.
            self.search_needs = frozenset({"family", "birth_date"} if settings.profile == "pds" else {"family"})

    async def fetch(self, ask: Ask, call: Call) -> AsyncIterator[SourceRecord]:
        """See `Adapter.fetch`. Of `search` the person comes first and each type as it arrives; the others are one."""
        if self.settings.profile == "gpconnect":
            yield await self._structured_record(ask, call)
        elif self.settings.profile == "pds":
            yield await self._demographics(ask, call)
        else:
            async for record in search(Searcher(self.http, self.settings, call), self.settings, ask):
                yield record

    async def find(self, search: PatientSearch, call: Call) -> AsyncIterator[SourceRecord]:
        """See `Adapter.find`. `Patient?family=&given=&birthdate=&gender=&address-postalcode=`, as far as stated."""
        yield await find(self.http, search, call, self._headers())

    def read(self, record: SourceRecord) -> Iterable[Fact | Gap]:
        """See `Adapter.read`."""
        return read_record(record, self.settings.base_url, self.source.timezone)

    async def check(self, call: Call) -> Health:
        """The capability statement, or for PDS a read of the configured test patient."""
        if self.settings.profile == "pds":
            return await self._check_pds(call)
        gp = self.settings.profile == "gpconnect"
        headers = gpconnect.headers(gpconnect.METADATA_INTERACTION, self.settings, call) if gp else ACCEPT
        response = await self.http.get("metadata", call=call, headers=headers)
        judged(response)
        return self._capabilities(response, "STU3" if gp else self.settings.version)

    async def _structured_record(self, ask: Ask, call: Call) -> SourceRecord:
        types = ask.types & self.types
        headers_of = gpconnect.headers
        for value in _numbers(ask):
            response = await self.http.post(
                gpconnect.OPERATION,
                call=call,
                body=gpconnect.parameters(value, types, self.settings),
                media_type=gpconnect.MEDIA_TYPE,
                headers=headers_of(gpconnect.RECORD_INTERACTION, self.settings, call),
                forbidden_answers=True,
            )
            if _unknown_person(response):
                continue
            if withheld(decoded(response.body)) is not None:
                break
            if judged(response).resourceType != "Bundle":
                raise SourceInvalid("the answer is not a Bundle")
            break
        return _record("gpconnect", types, (response.body,))

    async def _demographics(self, ask: Ask, call: Call) -> SourceRecord:
        for value in _numbers(ask):
            response = await self._pds(value, call)
            if not _unknown_person(response):
                if judged(response).resourceType != "Patient":
                    raise SourceInvalid("the answer is not a Patient")
                break
        question = json.dumps(asked_part(value)).encode()
        return _record("pds", frozenset({"Patient"}), (response.body, question))

    async def _pds(self, value: str, call: Call) -> HttpResponse:
        return await self.http.get(f"Patient/{quote(value, safe='')}", call=call, headers=self._headers())

    def _headers(self) -> dict[str, str]:
        """PDS wants to be able to tell every request from the others."""
        return {**ACCEPT, "X-Request-ID": str(uuid.uuid4())} if self.settings.profile == "pds" else ACCEPT

    async def _check_pds(self, call: Call) -> Health:
        if self.settings.test_patient is None:
            raise SettingsError('profile "pds" needs `test_patient`, the NHS number of a test patient, to be checked')
        response = await self._pds(self.settings.test_patient, call)
        if judged(response).resourceType != "Patient":
            raise SourceInvalid("the answer is not a Patient")
        return Health(detail="the test patient was read")

    def _capabilities(self, response: HttpResponse, version: str) -> Health:
        statement = decoded(response.body)
        if not isinstance(statement, dict) or statement.get("resourceType") != "CapabilityStatement":
            raise SourceInvalid("the answer is not a CapabilityStatement")
        release = str(statement.get("fhirVersion", ""))
        if not release.startswith(_RELEASE[version]):
            raise SettingsError(f"the server does not speak FHIR {version}: set `version` to what it speaks")
        warnings = []
        if self.settings.profile == "gpconnect" and PLACEHOLDER_ASID in (
            self.settings.ssp_from,
            self.settings.ssp_to,
        ):
            warnings.append("ssp_from or ssp_to is not set")
        if self.settings.find and self.settings.profile == "search" and not _says_how_to_find(statement):
            warnings.append("find is set, and the server does not say that Patient is searched by family and birthdate")
        return Health(detail=f"FHIR {version} server answered", warnings=tuple(warnings))


def _numbers(ask: Ask) -> list[str]:
    """The NHS numbers to ask by: the current one, then superseded ones, for a source that is behind."""
    found = [one.value for one in ask.subject.identifiers if one.system == NHS_NUMBER]
    if not found:
        raise SourceRequest("no NHS number to ask by")
    return found


def _says_how_to_find(statement: dict[str, Any]) -> bool:
    """Whether the CapabilityStatement names the parameters (`rest.resource.searchParam`)."""
    listed = [
        parameter.get("name")
        for rest in _objects(statement.get("rest"))
        for resource in _objects(rest.get("resource"))
        if resource.get("type") == "Patient"
        for parameter in _objects(resource.get("searchParam"))
    ]
    return {"family", "birthdate"} <= set(map(str, listed))


def _objects(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _unknown_person(response: HttpResponse) -> bool:
    """True when it says, with whatever status, that the person is not known."""
    value = decoded(response.body)
    outcome = isinstance(value, dict) and value.get("resourceType") == "OperationOutcome"
    return outcome and says_not_found(value)


def _record(kind: str, types: frozenset[str], parts: tuple[bytes, ...]) -> SourceRecord:
    return SourceRecord(
        kind=kind,
        types=types,
        parts=parts,
        retrieved=datetime.now(UTC),
        media_type="application/fhir+json",
    )
