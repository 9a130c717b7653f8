"""A FHIR R4 terminology server on a real socket: ConceptMap/$translate, singly and in a batch, as R4 says."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from aiohttp import web

from adapters.testing.simulation import Faults, http_server

SCT = "http://snomed.info/sct"


@dataclass
class TerminologyServer:
    """A running server. `maps` and `faults` may be changed at any time."""

    maps: dict[tuple[str, str], list[dict[str, Any]]] = field(default_factory=dict)
    """(system, code) -> its matches, as `match` makes them."""
    faults: Faults = field(default_factory=Faults)
    result: bool = True
    """What is said of a code that has matches."""
    status: int = 200
    """What every question is answered with, instead of an answer."""
    unknown: str = "false"
    """What is said of a code without a map: result "false", or "404" with an OperationOutcome."""
    questions: list[str] = field(default_factory=list)
    """Every request as it came: its line, and the body."""
    port: int = 0

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/fhir"

    def translation(self, url: str) -> tuple[int, dict[str, Any]]:
        """(status, resource) for one question."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        matches = self.maps.get((asked["system"], asked["code"]))
        if matches is None and self.unknown == "404":
            return 404, {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "not-found"}]}
        result = {"name": "result", "valueBoolean": bool(matches) and self.result}
        return 200, {"resourceType": "Parameters", "parameter": [result, *(matches or [])]}

    async def _translate(self, request: web.Request) -> web.Response:
        self.questions.append(str(request.rel_url))
        if self.status != 200:
            return web.Response(status=self.status, headers={"Location": "http://127.0.0.1:9/elsewhere"})
        status, resource = self.translation(str(request.rel_url))
        return web.json_response(resource, status=status)

    async def _batch(self, request: web.Request) -> web.Response:
        text = await request.text()
        self.questions.append(text)
        if self.status != 200:
            return web.Response(status=self.status, headers={"Location": "http://127.0.0.1:9/elsewhere"})
        answers = [self.translation(entry["request"]["url"]) for entry in json.loads(text)["entry"]]
        entries = [{"resource": resource, "response": {"status": str(status)}} for status, resource in answers]
        return web.json_response({"resourceType": "Bundle", "type": "batch-response", "entry": entries})

    async def _metadata(self, request: web.Request) -> web.Response:
        return web.json_response({"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1"})


def match(code: str, equivalence: str = "equivalent", system: str = SCT, *further: str) -> dict[str, Any]:
    """One match, with further parts such as "product" by name."""
    parts = [
        {"name": "equivalence", "valueCode": equivalence},
        {"name": "concept", "valueCoding": {"system": system, "code": code}},
        *({"name": name, "part": []} for name in further),
    ]
    return {"name": "match", "part": parts}


@asynccontextmanager
async def terminology_server(**given: Any) -> AsyncIterator[TerminologyServer]:
    """Serve until the end of the block."""
    server = TerminologyServer(**given)
    app = web.Application()
    app.router.add_get("/fhir/ConceptMap/$translate", server._translate)
    app.router.add_get("/fhir/metadata", server._metadata)
    app.router.add_post("/fhir", server._batch)
    async with http_server(app, server.faults) as server.port:
        yield server
