"""Simulated FHIR servers for tests and demonstrations: they speak the real wire protocol over the JSON they are given.

`search_app` behaves as a general server does: searches, `_include`, pages behind opaque links, OperationOutcomes.
`gpconnect_app` and `pds_app` (in `simulate_national`) are a GP Connect provider and the demographics service.
Truth: FHIR R4 section 3.1.1 and 3.1.0; paging links in the manner of HAPI FHIR.
"""

import asyncio
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from aiohttp import web

from adapters.fhir.simulate_national import gpconnect_app, pds_app
from adapters.fhir.simulate_search import DEMOGRAPHIC, met
from adapters.testing.simulation import json_bytes

__all__ = ["gpconnect_app", "pds_app", "search_app"]

Resource = dict[str, Any]

MEDIA_TYPE = "application/fhir+json"
_RELEASE = {"R4": "4.0.1", "STU3": "3.0.2"}

_ELEMENTS = {
    "MedicationStatement:source": ("informationSource",),
    "Encounter:participant": ("participant.individual",),
    "Encounter:service-provider": ("serviceProvider",),
    "Encounter:location": ("location.location",),
    "EpisodeOfCare:care-manager": ("careManager",),
    "EpisodeOfCare:organization": ("managingOrganization",),
    "Appointment:actor": ("participant.actor",),
    "CareTeam:participant": ("participant.member",),
    "Patient:general-practitioner": ("generalPractitioner",),
}
"""Search parameters whose elements are not of the parameter's own name."""


class Store:
    """The resources of a server, by type and id."""

    def __init__(self, bundles: Iterable[Resource]) -> None:
        self._by_id: dict[tuple[str, str], Resource] = {}
        for bundle in bundles:
            entries = bundle.get("entry", [])
            # As a server does on a transaction: what came under a urn:uuid is known by its id afterwards.
            names = {
                entry["fullUrl"]: f"{entry['resource']['resourceType']}/{_id(entry)}"
                for entry in entries
                if entry.get("fullUrl", "").startswith("urn:uuid:")
            }
            self.keep(_renamed(entry["resource"], names) | {"id": _id(entry)} for entry in entries)

    def keep(self, resources: Iterable[Resource]) -> None:
        """Hold these too."""
        self._by_id.update(((one["resourceType"], one["id"]), one) for one in resources)

    @property
    def types(self) -> set[str]:
        """The resource types there are."""
        return {kind for kind, _ in self._by_id}

    def read(self, kind: str, found_id: str) -> Resource | None:
        """One resource."""
        return self._by_id.get((kind, found_id))

    def matches(self, kind: str, query: list[tuple[str, str]]) -> list[Resource]:
        """Every resource of that type that meets every criterion."""
        found = [resource for (of, _), resource in self._by_id.items() if of == kind]
        for name, value in query:
            if name == "_id":
                found = [one for one in found if one["id"] in value.split(",")]
            elif name == "identifier":
                found = [one for one in found if _has_identifier(one, value)]
            elif name in ("patient", "subject"):
                person = value if "/" in value else f"Patient/{value}"
                found = [one for one in found if person in set(_people(one))]
            elif name in DEMOGRAPHIC:
                found = [one for one in found if met(one, name, value)]
        return found

    def included(self, matches: list[Resource], wanted: list[str], again: list[str]) -> list[Resource]:
        """What `_include` and `_include:iterate` bring along, each once."""
        found: dict[tuple[str, str], Resource] = {}
        matched = {(one["resourceType"], one["id"]) for one in matches}
        layer = matches
        rules = wanted + again
        while layer:
            fresh = [one for source in layer for rule in rules for one in self._targets(source, rule)]
            layer = []
            for one in fresh:
                key = (one["resourceType"], one["id"])
                if key not in found and key not in matched:
                    found[key] = one
                    layer.append(one)
            rules = again
        return list(found.values())

    def _targets(self, source: Resource, rule: str) -> Iterator[Resource]:
        kind, _, parameter = rule.partition(":")
        if source["resourceType"] != kind:
            return
        name = parameter.partition(":")[0]
        for path in _ELEMENTS.get(rule, (name, f"{name}.actor", f"{name}.agent", f"{name}Reference")):
            for reference in _at(source, path.split(".")):
                if isinstance(reference, dict) and isinstance(reference.get("reference"), str):
                    target = self._by_id.get(tuple(reference["reference"].split("/")[-2:]))
                    if target is not None:
                        yield target


def search_app(
    bundles: Iterable[Resource],
    version: str = "R4",
    page_size: int = 20,
    base_path: str = "",
    on_demand: Mapping[str, Callable[[], list[Resource]]] | None = None,
) -> web.Application:
    """A FHIR server that holds the resources of these bundles and gives at most `page_size` matches a page.

    `on_demand`: more resources, by a word such as an identifier or an id. They are made, in a thread, when a question
    first holds their word. Several words may lead to the same.
    """
    server = _Server(Store(bundles), version, page_size, base_path, dict(on_demand or {}))
    app = web.Application()
    app.router.add_get(f"{base_path}/metadata", server.metadata)
    app.router.add_get(f"{base_path}/{{kind}}", server.search)
    app.router.add_get(f"{base_path}/{{kind}}/{{id}}", server.read)
    app.router.add_get(f"{base_path}/", server.page)
    return app


class _Server:
    def __init__(
        self,
        store: Store,
        version: str,
        page_size: int,
        base_path: str,
        on_demand: dict[str, Callable[[], list[Resource]]],
    ) -> None:
        self._store = store
        self._on_demand = on_demand
        self._making = asyncio.Lock()
        self._version = version
        self._page_size = page_size
        self._base_path = base_path
        self._held: dict[str, tuple[list[Resource], list[str], list[str], int]] = {}

    async def metadata(self, request: web.Request) -> web.Response:
        kinds = sorted(self._store.types)
        searched = [{"name": name, "type": "string"} for name in sorted(DEMOGRAPHIC)]
        listed = [{"type": kind, **({"searchParam": searched} if kind == "Patient" else {})} for kind in kinds]
        rest = [{"mode": "server", "resource": listed}]
        return answer(
            {
                "resourceType": "CapabilityStatement",
                "status": "active",
                "kind": "instance",
                "fhirVersion": _RELEASE[self._version],
                "format": ["json"],
                "rest": rest,
            }
        )

    async def _make(self, *asked: str) -> None:
        """Hold whatever is made when it is asked for."""
        words = {word for text in asked for word in re.split(r"[|/,]", text)}
        async with self._making:
            for make in {self._on_demand[word] for word in words & self._on_demand.keys()}:
                self._store.keep(await asyncio.to_thread(make))
                self._on_demand = {word: other for word, other in self._on_demand.items() if other is not make}

    async def read(self, request: web.Request) -> web.Response:
        await self._make(request.match_info["id"])
        found = self._store.read(request.match_info["kind"], request.match_info["id"])
        return answer(found) if found is not None else outcome(404, "not-found")

    async def search(self, request: web.Request) -> web.Response:
        kind = request.match_info["kind"]
        if not kind[:1].isupper():
            return outcome(404, "not-supported")
        query = list(request.query.items())
        names = {name for name, _ in query}
        by_demographics = kind == "Patient" and "family" in names and len(names & DEMOGRAPHIC) > 1
        if not names & {"_id", "identifier", "patient", "subject"} and not by_demographics:
            # A server with patients in it does not list everybody.
            return outcome(400, "required")
        counts = [value for name, value in query if name == "_count"]
        if any(not value.isdigit() for value in counts):
            return outcome(400, "value")
        size = min([self._page_size, *(int(value) for value in counts if int(value))])
        await self._make(*(value for _, value in query))
        wanted = [value for name, value in query if name == "_include"]
        again = [value for name, value in query if name in ("_include:iterate", "_include:recurse")]
        return self._page(
            request, (self._store.matches(kind, query), wanted, again, size), 0, secrets.token_urlsafe(18)
        )

    async def page(self, request: web.Request) -> web.Response:
        """The page behind a `next` link."""
        token, offset = request.query.get("_getpages", ""), request.query.get("_getpagesoffset", "")
        if token not in self._held or not offset.isdigit():
            return outcome(410, "expired")
        return self._page(request, self._held[token], int(offset), token)

    def _page(
        self, request: web.Request, result: tuple[list[Resource], list[str], list[str], int], offset: int, token: str
    ) -> web.Response:
        matches, wanted, again, size = result
        base = f"{request.url.origin()}{self._base_path}"
        shown = matches[offset : offset + size]
        links = [{"relation": "self", "url": str(request.url)}]
        if offset + size < len(matches):
            self._held[token] = result
            links.append({"relation": "next", "url": f"{base}/?_getpages={token}&_getpagesoffset={offset + size}"})
        entries = [_entry(base, one, "match") for one in shown]
        entries += [_entry(base, one, "include") for one in self._store.included(shown, wanted, again)]
        bundle = {"resourceType": "Bundle", "type": "searchset", "total": len(matches), "link": links}
        return answer(bundle | ({"entry": entries} if entries else {}))


def answer(resource: Resource, status: int = 200) -> web.Response:
    """A resource as a FHIR server sends it."""
    return web.Response(body=json_bytes(resource), status=status, content_type=MEDIA_TYPE)


def outcome(status: int, code: str) -> web.Response:
    """An OperationOutcome as a FHIR server sends it."""
    issue = {"severity": "error", "code": code, "diagnostics": "simulated"}
    return answer({"resourceType": "OperationOutcome", "issue": [issue]}, status)


def _entry(base: str, resource: Resource, mode: str) -> Resource:
    url = f"{base}/{resource['resourceType']}/{resource['id']}"
    return {"fullUrl": url, "resource": resource, "search": {"mode": mode}}


def _id(entry: Resource) -> str:
    stated = entry["resource"].get("id") or entry.get("fullUrl", "").rpartition(":")[2].rpartition("/")[2]
    return str(stated)


def _renamed(value: Any, names: dict[str, str]) -> Any:
    """A deep copy in which references under a urn:uuid name the resource by its id."""
    if isinstance(value, dict):
        return {
            key: names.get(inner, inner) if key == "reference" and isinstance(inner, str) else _renamed(inner, names)
            for key, inner in value.items()
        }
    return [_renamed(inner, names) for inner in value] if isinstance(value, list) else value


def _has_identifier(resource: Resource, wanted: str) -> bool:
    system, separator, value = wanted.partition("|")
    for one in resource.get("identifier", []):
        if one.get("value") == (value if separator else wanted) and (not separator or one.get("system") == system):
            return True
    return False


def _people(resource: Resource) -> Iterator[str]:
    """The references by which a resource is about somebody."""
    for path in (("patient",), ("subject",), ("participant", "actor")):
        for reference in _at(resource, list(path)):
            if isinstance(reference, dict):
                yield "/".join(str(reference.get("reference", "")).split("/")[-2:])


def _at(value: Any, path: list[str]) -> Iterator[Any]:
    if isinstance(value, list):
        for inner in value:
            yield from _at(inner, path)
    elif not path:
        yield value
    elif isinstance(value, dict) and path[0] in value:
        yield from _at(value[path[0]], path[1:])
