"""What a FHIR terminology server says of codes that no map knows: ConceptMap/$translate, FHIR R4 (not R5, whose
parameters have other names).

It is asked after the facts are there and before they are merged, and an answer waits for it no longer than `wait`.
What comes later serves the next answer: as with a late source, facts may then join, and the ids of merged facts change.
Nothing but code, code system and target leaves the gateway: no words, no values, nothing of a person; and only codes of
code systems that are known by name or configured, for a sender's own code may say anything.

What cannot be used (no answer, an error, another code system than was asked for) leaves the code unmapped, is not
remembered as an answer, and the server is then left alone for a few seconds.
"""

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

import structlog

from adapters.sdk import Actor, Call, SourceError, SourceInvalid
from adapters.sdk.http import HttpClient, HttpResponse
from gateway.aside import MANY_FACTS, aside
from gateway.config import TerminologyServerTable
from gateway.merge import Code, Line, Relation, Terminology, relation_of
from gateway.telemetry import Metrics, log_fault
from schema.model.fact import Fact
from schema.model.values import CodeableConcept

log = structlog.get_logger(__name__)

REST_S = 5.0
"""After a failure nothing is asked for so long."""
MOST_ANSWERS = 20_000
"""Codes whose answers are kept; beyond, the oldest are forgotten and asked for again."""
_CODE = re.compile(r"[!-{}~]{1,32}")
"""A code that may be sent: words with blanks, or long ones, may be a remark about somebody."""
_ASKER = Actor(user="sherwood", role="system", organization="sherwood")
_FHIR = {"Accept": "application/fhir+json"}


class _Answer(NamedTuple):
    lines: tuple[Line, ...]
    """Empty: it has no translation."""
    ask_again: float
    """On the clock of `time.monotonic()`; until another comes the old one serves on."""


class Translator:
    """The terminology of this process: what is supplied, and what has been translated so far."""

    def __init__(
        self,
        terms: Terminology,
        table: TerminologyServerTable | None = None,
        http: HttpClient | None = None,
        clock: Callable[[], float] = time.monotonic,
        metrics: Metrics | None = None,
    ) -> None:
        self.terms = terms
        """Grows as translations come in. Each value is immutable: whoever merges keeps hold of one."""
        self._supplied = terms
        self._table = table or TerminologyServerTable()
        self._http = http
        self._clock = clock
        self.metrics = metrics or Metrics()
        """Counts what became of codes; never which."""
        self._answers: dict[Code, _Answer] = {}
        self._flights: dict[Code, asyncio.Task[None]] = {}
        self._rest_until = 0.0
        canonical = terms.canonical
        self._target = canonical.get(self._table.target, self._table.target)
        asked_about = {*canonical.values(), *(canonical.get(one, one) for one in self._table.systems)}
        self._systems = asked_about - {self._target}

    @property
    def asks(self) -> bool:
        """Whether there is a server."""
        return self._http is not None

    async def learn(self, facts: Sequence[Fact], deadline: float) -> frozenset[Code]:
        """Have the codes of these facts translated, as far as that is done by the deadline and within `wait`.

        Returns the codes of which nothing is known in the end. Raises nothing.
        """
        if self._http is None:
            return frozenset()
        found = await aside(len(facts) > MANY_FACTS, self._foreign, facts)
        codes = [code for code in found if code not in self._supplied.known]
        now = self._clock()
        if now >= self._rest_until:
            self._ask([c for c in codes if c not in self._flights and not self._is_fresh(c, now)])
        waited = {self._flights[code] for code in codes if code in self._flights and code not in self._answers}
        if waited:
            await asyncio.wait(waited, timeout=max(0.0, min(self._table.wait, deadline - now)))
        results = Counter(map(self._result, found))
        for result, count in results.items():
            self.metrics.translations.labels(result=result).inc(count)
        return frozenset(code for code in codes if code not in self._answers)

    def _result(self, code: Code) -> str:
        if code in self._supplied.known:
            return "map"
        if (answer := self._answers.get(code)) is not None:
            return "translated" if answer.lines else "unmapped"
        return "timed_out" if code in self._flights else "failed"

    async def check(self) -> None:
        """A real round trip. Raises a SourceError that says who must act."""
        if self._http is None:
            return
        call = Call(deadline=time.monotonic() + self._table.timeout, actor=_ASKER, purpose="HOPERAT")
        answer = await self._http.get("metadata?_summary=true", call=call, headers=_FHIR)
        said = _decoded(answer)
        if not isinstance(said, dict) or said.get("resourceType") != "CapabilityStatement":
            raise SourceInvalid("the terminology server gave no CapabilityStatement: is base_url a FHIR R4 API?")
        if not str(said.get("fhirVersion")).startswith("4."):
            raise SourceInvalid("the terminology server does not speak FHIR R4")

    async def close(self) -> None:
        """End what is under way."""
        flights = set(self._flights.values())
        for flight in flights:
            flight.cancel()
        if flights:
            await asyncio.wait(flights)
        if self._http is not None:
            await self._http.close()

    def _foreign(self, facts: Iterable[Fact]) -> list[Code]:
        """Codes that may be asked about, and those of them that a map knows, each once, in one order."""
        found = {self._supplied.concept(coding) for concept in _concepts(facts) for coding in concept.codings}
        return sorted(
            code for code in found if code is not None and code[0] in self._systems and _CODE.fullmatch(code[1])
        )

    def _is_fresh(self, code: Code, now: float) -> bool:
        answer = self._answers.get(code)
        return answer is not None and now < answer.ask_again

    def _ask(self, codes: list[Code]) -> None:
        """One flight for each batch. It belongs to no caller."""
        for first in range(0, len(codes), self._table.batch):
            batch = codes[first : first + self._table.batch]
            flight = asyncio.create_task(self._fly(batch))
            self._flights.update(dict.fromkeys(batch, flight))

    async def _fly(self, codes: list[Code]) -> None:
        found: dict[Code, tuple[Line, ...]] = {}
        try:
            found = await self._translations(codes)
        except SourceError as problem:
            log.warning("terminology_server", code=problem.code)
        except Exception as problem:
            log_fault(log, problem)
        finally:
            for code in codes:
                self._flights.pop(code, None)
        if len(found) < len(codes):
            self._rest_until = self._clock() + REST_S
        if found:
            self._keep(found)

    def _keep(self, found: Mapping[Code, tuple[Line, ...]]) -> None:
        now = self._clock()
        for code, lines in found.items():
            self._answers.pop(code, None)
            self._answers[code] = _Answer(lines, now + (self._table.cache_ttl if lines else self._table.unmapped_ttl))
        for code in list(self._answers)[: max(0, len(self._answers) - MOST_ANSWERS)]:
            del self._answers[code]
        self.terms = self._supplied.translated({code: one.lines for code, one in self._answers.items() if one.lines})

    async def _translations(self, codes: list[Code]) -> dict[Code, tuple[Line, ...]]:
        """What the server says of each code; a code of which its answer cannot be used is left out."""
        assert self._http is not None  # noqa: S101 - nothing is asked without one
        call = Call(deadline=time.monotonic() + self._table.timeout, actor=_ASKER, purpose="HOPERAT")
        if len(codes) == 1:
            answer = await self._http.get(f"ConceptMap/$translate?{self._query(codes[0])}", call=call, headers=_FHIR)
            answers = [(answer.status, _decoded(answer))]
        else:
            entries = [{"request": {"method": "GET", "url": f"ConceptMap/$translate?{self._query(c)}"}} for c in codes]
            body = json.dumps({"resourceType": "Bundle", "type": "batch", "entry": entries}).encode()
            answer = await self._http.post("", call=call, body=body, media_type="application/fhir+json", headers=_FHIR)
            answers = _batch(answer, len(codes))
        found = ((code, self._lines(code, *one)) for code, one in zip(codes, answers, strict=True))
        return {code: lines for code, lines in found if lines is not None}

    def _query(self, code: Code) -> str:
        """FHIR R4 names: R5 calls them sourceCode and targetSystem."""
        return urlencode({"system": code[0], "code": code[1], "targetsystem": self._target})

    def _lines(self, code: Code, status: int, resource: Any) -> tuple[Line, ...] | None:
        """What one answer says; None when it cannot be used."""
        if status == 404 and _says_not_found(resource):
            return ()
        if status != 200 or not isinstance(resource, dict) or resource.get("resourceType") != "Parameters":
            return None
        try:
            return self._matches(code, resource["parameter"])
        except (KeyError, TypeError, AttributeError, StopIteration):
            return None

    def _matches(self, code: Code, parameters: list[dict[str, Any]]) -> tuple[Line, ...] | None:
        """R4 $translate, "Out Parameters". Without `result` true nothing is the same."""
        result = next(one["valueBoolean"] for one in parameters if one["name"] == "result")
        lines = []
        for match in (one["part"] for one in parameters if one["name"] == "match"):
            parts = {part["name"]: part for part in match}
            word = parts["equivalence"]["valueCode"]
            relation = relation_of(
                {"equivalence": word, "product": "product" in parts, "dependsOn": "dependsOn" in parts}
            )
            if relation is None:
                return None
            concept = parts["concept"]["valueCoding"] if "concept" in parts else {}
            system = str(concept.get("system"))
            system = self._supplied.canonical.get(system, system)
            if concept and system != self._target:
                return None
            if concept:
                lines.append(Line(*relation, code, self._target, str(concept["code"])))
        if result is not True:
            lines = [line for line in lines if line.relation is not Relation.SAME]
        return tuple(lines)


def _concepts(facts: Iterable[Fact]) -> Iterator[CodeableConcept]:
    """What facts are about, and the parts of a panel. Their other attributes are compared as they are."""
    for fact in facts:
        for name in ("code", "vaccine_code", "type"):
            concept = getattr(fact, name, None)
            if isinstance(concept, CodeableConcept):
                yield concept
        for part in getattr(fact, "components", ()):
            if part.code is not None:
                yield part.code


def _decoded(answer: HttpResponse) -> Any:
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        return None


def _batch(answer: HttpResponse, wanted: int) -> list[tuple[int, Any]]:
    """(status, resource) of each entry: R4 section http#transaction-response, in the order of the questions."""
    bundle = _decoded(answer)
    entries = bundle.get("entry") if isinstance(bundle, dict) and bundle.get("resourceType") == "Bundle" else None
    if answer.status != 200 or not isinstance(entries, list) or len(entries) != wanted:
        raise SourceInvalid("the terminology server did not answer the batch: does it know batches?")
    return [_entry(entry) for entry in entries]


def _entry(entry: Any) -> tuple[int, Any]:
    response = entry.get("response") if isinstance(entry, dict) else None
    if not isinstance(response, dict):
        return 0, None
    status = str(response.get("status"))[:3]
    return int(status) if status.isdigit() else 0, entry.get("resource") or response.get("outcome")


def _says_not_found(resource: Any) -> bool:
    """An OperationOutcome that says that there is no map: an answer, unlike a 404 of something in between."""
    issues = resource.get("issue") if isinstance(resource, dict) else None
    if not isinstance(issues, list) or resource.get("resourceType") != "OperationOutcome":
        return False
    return any(isinstance(issue, dict) and issue.get("code") == "not-found" for issue in issues)
