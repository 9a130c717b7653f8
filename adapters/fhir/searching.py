"""Asking a FHIR server by search: who the person is, then every type at once, page by page.

A `next` link is followed as given; a link seen before, a page too many or a failure after the first page ends it, and
what arrived is kept, marked as cut. Truth: FHIR R4 section 3.1.1 (search, paging, `_include`); STU3 section 3.1.1.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urljoin

import msgspec

from adapters.fhir.outcomes import error_of, says_gone, says_too_many
from adapters.fhir.reading import FAILED
from adapters.fhir.settings import FhirSettings
from adapters.sdk import Ask, Call, PatientSearch, SourceError, SourceInvalid, SourceRecord, SourceRequest
from adapters.sdk.http import HttpClient, HttpResponse

UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

ACCEPT = {"Accept": "application/fhir+json"}
STRICT = {"Prefer": "handling=strict"}

SEARCHED: dict[str, tuple[str, ...]] = {
    "Medication": ("MedicationRequest", "MedicationStatement", "MedicationDispense", "MedicationAdministration"),
    "Encounter": ("Encounter", "EpisodeOfCare"),
    "SocialHistory": ("Observation",),
}
"""The resource types that answer for a fact type, where they are not the one of the same name."""

STU3_SEARCHED = {"ServiceRequest": ("ReferralRequest", "ProcedureRequest")}

_TEAM = ("PractitionerRole:practitioner", "PractitionerRole:organization")

INCLUDES: dict[str, tuple[str, ...]] = {
    "MedicationRequest": ("MedicationRequest:medication", "MedicationRequest:requester"),
    "MedicationStatement": ("MedicationStatement:medication", "MedicationStatement:source"),
    "MedicationDispense": ("MedicationDispense:medication", "MedicationDispense:performer"),
    "MedicationAdministration": ("MedicationAdministration:medication", "MedicationAdministration:performer"),
    "AllergyIntolerance": ("AllergyIntolerance:recorder",),
    "Condition": ("Condition:asserter",),
    "Observation": ("Observation:specimen", "Observation:performer"),
    "DiagnosticReport": ("DiagnosticReport:performer",),
    "Procedure": ("Procedure:performer",),
    "Immunization": ("Immunization:performer",),
    "Encounter": ("Encounter:participant", "Encounter:service-provider", "Encounter:location"),
    "EpisodeOfCare": ("EpisodeOfCare:care-manager", "EpisodeOfCare:organization"),
    "Appointment": ("Appointment:actor",),
    "ServiceRequest": ("ServiceRequest:requester", "ServiceRequest:performer"),
    "ReferralRequest": ("ReferralRequest:requester", "ReferralRequest:recipient"),
    "ProcedureRequest": ("ProcedureRequest:requester", "ProcedureRequest:performer"),
    "DocumentReference": ("DocumentReference:author",),
    "CarePlan": ("CarePlan:goal",),
    "Flag": ("Flag:author",),
    "Communication": ("Communication:sender", "Communication:recipient"),
    "CareTeam": ("CareTeam:participant",),
    "Patient": ("Patient:general-practitioner",),
}
"""What results refer to and cannot be understood without."""


class _Link(msgspec.Struct):
    relation: str = ""
    url: str = ""


class Page(msgspec.Struct):
    """What the asking needs to know of a page; the rest is for `read`."""

    resourceType: str = ""
    link: list[_Link] = msgspec.field(default_factory=list)

    @property
    def next(self) -> str | None:
        """Where the next page is, as the server gave it."""
        return next((link.url for link in self.link if link.relation == "next" and link.url), None)


def patients_in(page: bytes) -> list[str]:
    """Ids of the Patients on a page of a look-up."""
    value = decoded(page)
    entries = value.get("entry") if isinstance(value, dict) else None
    rows = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    found = [row["resource"] for row in rows if isinstance(row.get("resource"), dict)]
    return [one["id"] for one in found if one.get("resourceType") == "Patient" and isinstance(one.get("id"), str)]


@dataclass
class Pages:
    """What one search, or several that answer for one fact type, brought."""

    parts: list[bytes] = field(default_factory=list)
    truncated: bool = False
    error: SourceError | None = None


@dataclass(frozen=True)
class Group:
    """Fact types and the searches that answer for them together."""

    types: frozenset[str]
    resources: tuple[str, ...]


def groups(types: Iterable[str], settings: FhirSettings) -> list[Group]:
    """The searches to make: each resource type once, with every fact type that it answers for."""
    table = SEARCHED | (STU3_SEARCHED if settings.version == "STU3" else {})
    found: dict[tuple[str, ...], set[str]] = {}
    for fact_type in sorted(set(types) - {"Patient"}):
        offered = tuple(r for r in table.get(fact_type, (fact_type,)) if r not in settings.not_offered)
        if offered:
            found.setdefault(offered, set()).add(fact_type)
    return [Group(frozenset(names), resources) for resources, names in found.items()]


def judged(response: HttpResponse) -> Page:
    """The page in an answer. Raises the error it stands for when it is none."""
    try:
        page = msgspec.json.decode(response.body, type=Page)
    except UNDECODABLE:
        if response.status >= 400:
            raise error_of(None, response.status) from None
        raise SourceInvalid("the answer is not FHIR JSON") from None
    if page.resourceType == "OperationOutcome" or response.status >= 400:
        raise error_of(decoded(response.body), response.status)
    return page


def decoded(body: bytes) -> Any:
    """The document in a body; None where there is none."""
    try:
        return msgspec.json.decode(body)
    except UNDECODABLE:
        return None


class Searcher:
    """One question to one server: the searches of one `fetch`."""

    def __init__(self, http: HttpClient, settings: FhirSettings, call: Call) -> None:
        self._http = http
        self._settings = settings
        self._call = call
        self._free = asyncio.Semaphore(settings.max_parallel)

    async def pages(self, path: str, params: list[tuple[str, str]], expected: str = "Bundle") -> Pages:
        """Every page of one search, as far as they can be had. Never raises a SourceError: it is in the result."""
        found = Pages()
        seen: set[str] = set()
        next_path, next_params = path, params
        async with self._free:
            try:
                while True:
                    response = await self._http.get(next_path, call=self._call, params=next_params, headers=ACCEPT)
                    page = judged(response)
                    if page.resourceType != expected:
                        raise SourceInvalid(f"the answer is not a {expected}")
                    found.parts.append(response.body)
                    link = page.next
                    if link is None:
                        return found
                    link = urljoin(self._settings.base_url.rstrip("/") + "/", link)
                    if link in seen or len(found.parts) >= self._settings.max_pages:
                        found.truncated = True
                        return found
                    seen.add(link)
                    next_path, next_params = link, []
            except SourceError as error:
                found.truncated = bool(found.parts)
                found.error = error
                return found

    async def group(self, group: Group, patient_ids: tuple[str, ...]) -> Pages:
        """All searches of one group, for every local id, as one."""
        searches = [
            self.pages(resource, self._params(resource, patient_id))
            for patient_id in patient_ids
            for resource in group.resources
        ]
        merged = Pages()
        for found in await asyncio.gather(*searches):
            merged.parts += found.parts
            merged.truncated = merged.truncated or found.truncated
            merged.error = merged.error or found.error
        return merged

    def _params(self, resource: str, patient_id: str) -> list[tuple[str, str]]:
        params = [("patient", patient_id), ("_count", str(self._settings.page_size))]
        return params + self.includes(resource)

    def includes(self, resource: str) -> list[tuple[str, str]]:
        """What to have sent along with results of this type."""
        if not self._settings.include:
            return []
        wanted = [("_include", one) for one in INCLUDES.get(resource, ())]
        # People are often named by their role, and the name and the telephone stand one reference further.
        return wanted + [("_include:iterate", one) for one in _TEAM if resource in ("CareTeam", "Appointment")]

    async def patient_by_identifier(self, value: str) -> Pages:
        """The Patient look-up by business identifier."""
        token = f"{self._settings.patient_identifier_system}|{_escaped(value)}"
        params = [("identifier", token), ("_count", str(self._settings.page_size)), *self.includes("Patient")]
        return await self.pages("Patient", params)

    async def patient_by_id(self, local_id: str) -> tuple[bytes | None, bytes | None]:
        """The Patient with that id: (its bytes, None), or (None, the bytes that say that there is none)."""
        async with self._free:
            response = await self._http.get(f"Patient/{quote(local_id, safe='')}", call=self._call, headers=ACCEPT)
        if response.status in (404, 410) and says_gone(decoded(response.body)):
            return None, response.body
        page = judged(response)
        if page.resourceType != "Patient":
            raise SourceInvalid("the answer is not a Patient")
        return response.body, None


async def search(searcher: Searcher, settings: FhirSettings, ask: Ask) -> AsyncIterator[SourceRecord]:
    """The whole question: the person, then every wanted type. Yields the person first, then each type as it comes."""
    local_ids = tuple(dict.fromkeys(one.rpartition("/")[2] for one in ask.subject.local_ids))
    numbers = [i.value for i in ask.subject.identifiers if i.system == settings.patient_identifier_system]
    if not numbers and not local_ids:
        raise SourceRequest("no identifier of the system that this source accepts")
    wanted = groups(ask.types & settings.held_types, settings)
    linked: list[bytes] = []
    found: tuple[str, ...] = ()
    tasks: dict[asyncio.Task[Pages], Group] = {}
    try:
        if local_ids:
            # These ids are known: their facts do not have to wait for the look-up.
            tasks = _start(searcher, wanted, local_ids)
            linked, gone = await _read_patients(searcher, local_ids)
            if linked or not numbers:
                yield _person(linked or gone[:1])
        if numbers:
            # Beside those who are linked as well: another registration that has the number must not be lost.
            try:
                person, found = await _find_patients(searcher, numbers)
            except SourceError as error:
                if not linked:
                    raise
                yield _failed(error, {"Patient"} | (ask.types & settings.held_types))
            else:
                others = tuple(one for one in found if one not in local_ids)
                tasks |= _start(searcher, wanted, others)
                if others or not linked:
                    yield person
        if not linked and not found:
            return
        waiting = set(tasks)
        while waiting:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                for record in _records(tasks[task], task.result()):
                    yield record
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _start(searcher: Searcher, wanted: list[Group], ids: tuple[str, ...]) -> dict[asyncio.Task[Pages], Group]:
    return {asyncio.ensure_future(searcher.group(group, ids)): group for group in wanted} if ids else {}


async def _read_patients(searcher: Searcher, local_ids: tuple[str, ...]) -> tuple[list[bytes], list[bytes]]:
    """The Patients that are still there under these ids, and what is said of those that are not."""
    answers = await asyncio.gather(*(searcher.patient_by_id(one) for one in local_ids))
    return [body for body, _ in answers if body is not None], [body for _, body in answers if body is not None]


async def _find_patients(searcher: Searcher, numbers: list[str]) -> tuple[SourceRecord, tuple[str, ...]]:
    """By the current identifier first; a source that is behind may still know a superseded one."""
    for value in numbers:
        found = await searcher.patient_by_identifier(value)
        if found.error is not None and not found.parts:
            raise found.error
        ids = tuple(dict.fromkeys(one for part in found.parts for one in patients_in(part)))
        if ids:
            break
    return _person(found.parts, found.truncated), ids


def _person(parts: list[bytes], truncated: bool = False, *, candidates: bool = False) -> SourceRecord:
    return SourceRecord(
        kind="patient",
        types=frozenset({"Patient"}),
        parts=tuple(parts),
        retrieved=datetime.now(UTC),
        truncated=truncated,
        candidates=candidates,
        media_type="application/fhir+json",
    )


async def find(http: HttpClient, search: PatientSearch, call: Call, headers: Mapping[str, str]) -> SourceRecord:
    """Who fits, as the first page of one search (FHIR R4 section 8.1.18; IHE PDQm, ITI-78).

    A second page is not fetched: more people than fit on one are not told apart. `handling=strict` makes a server
    refuse a parameter that it does not know (section 3.1.1.1), where it would otherwise answer with more people.
    """
    response = await http.get("Patient", call=call, params=_criteria(search), headers={**headers, **STRICT})
    if says_too_many(decoded(response.body)):
        return _person([response.body], truncated=True, candidates=True)
    page = judged(response)
    if page.resourceType != "Bundle":
        raise SourceInvalid("the answer is not a Bundle")
    return _person([response.body], page.next is not None, candidates=True)


def _criteria(search: PatientSearch) -> list[tuple[str, str]]:
    """A comma would begin an alternative. Names are strings: the server finds those that begin so, in any case."""
    born = search.birth_date.isoformat() if search.birth_date else None
    stated = [
        ("family", search.family),
        *(("given", word) for word in (search.given or "").split()),
        ("birthdate", f"eq{born}" if born else None),
        ("gender", search.gender),
        ("address-postalcode", search.postal_code),
    ]
    return [(name, _escaped(value)) for name, value in stated if value]


def _records(group: Group, found: Pages) -> list[SourceRecord]:
    """What arrived, and beside it the failure of what did not."""
    records = []
    if found.parts:
        records.append(
            SourceRecord(
                kind="search",
                types=group.types,
                parts=tuple(found.parts),
                retrieved=datetime.now(UTC),
                truncated=found.truncated or found.error is not None,
                media_type="application/fhir+json",
            )
        )
    if found.error is not None:
        records.append(_failed(found.error, group.types))
    return records


def _failed(error: SourceError, types: Iterable[str]) -> SourceRecord:
    return SourceRecord(kind=FAILED + error.code, types=frozenset(types), parts=(), retrieved=datetime.now(UTC))


def _escaped(value: str) -> str:
    """A token in a search: the four signs that have a meaning there are escaped (FHIR R4 section 3.1.1.4.1)."""
    for sign in "\\,|$":
        value = value.replace(sign, "\\" + sign)
    return value
