"""The conformance kit tries itself: a correct adapter passes every check, and each planted mistake turns one red."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, date, datetime
from typing import Any, ClassVar
from urllib.parse import quote

import msgspec
import pytest
from aiohttp import web
from pydantic import BaseModel, ConfigDict

from adapters.sdk import (
    Adapter,
    Ask,
    Call,
    Changes,
    DependsOn,
    Health,
    HttpSettings,
    SourceError,
    SourceInvalid,
    SourceRecord,
    SourceTimeout,
    SourceUnavailable,
)
from adapters.sdk.decode import json_value
from adapters.testing.conformance import AdapterConformance, NotConformant
from adapters.testing.http_conformance import HttpAdapterConformance
from adapters.testing.misbehaviour import Misbehaviour
from adapters.testing.simulation import Faults, http_server
from schema.model.clinical import AllergyIntolerance, Condition, Patient
from schema.model.fact import PATIENT_NOT_FOUND, Fact, Gap, GapKind
from schema.model.values import CodeableConcept, HumanName
from schema.model.when import When
from tests.support.sources import opened, person

NUMBER = "9990000018"
PEOPLE = {
    NUMBER: {
        "id": "77",
        "family": "Quillfeather",
        "born": "1958-06",
        "allergies": [{"id": "a1", "text": "Penicillin"}, {"id": "a2", "text": "Latex"}],
        "problems": [],
    }
}


def vendor() -> web.Application:
    """The simulated source: one person, by number, and 404 for everybody else."""

    async def person(request: web.Request) -> web.Response:
        found = PEOPLE.get(request.match_info["number"])
        return web.json_response({"person": found} if found else {"person": None})

    async def status(request: web.Request) -> web.Response:
        return web.json_response({"status": "up"})

    app = web.Application()
    app.router.add_get("/people/{number}", person)
    app.router.add_get("/status", status)
    return app


class Small(Adapter[HttpSettings]):
    """A correct adapter in one page."""

    kind = "small"
    settings_model = HttpSettings
    uses_http = True
    answer_depends_on = DependsOn.NOTHING
    types = frozenset({"Patient", "AllergyIntolerance", "Condition"})
    lists: ClassVar[dict[str, str]] = {"AllergyIntolerance": "allergies", "Condition": "problems"}

    async def fetch(self, ask: Ask, call: Call) -> AsyncIterator[SourceRecord]:
        number = ask.subject.identifier() or ""
        response = await self.http.get(f"people/{quote(number, safe='')}", call=call)
        if response.status != 200:
            raise SourceInvalid("the vendor answered with an error")
        types = ask.types & self.types
        yield SourceRecord(kind="person", types=types, parts=(response.body,), retrieved=datetime.now(UTC))

    def read(self, record: SourceRecord) -> Iterable[Fact | Gap]:
        person = self._person(record)
        if person is None:
            yield Gap(kind=GapKind.NOT_HELD, code=PATIENT_NOT_FOUND)
            return
        subject = f"Patient/{self._text(person, 'id')}"
        try:
            born = When.iso(self._text(person, "born"), self.source.timezone)
        except ValueError:
            raise SourceInvalid("a date is not a date") from None
        names = (HumanName(family=self._text(person, "family")),)
        yield Patient(native_id=subject, subject=subject, names=names, birth_date=born)
        for fact_type, key in self.lists.items():
            if fact_type in record.types:
                yield from self._list(person, subject, fact_type, key)

    def _person(self, record: SourceRecord) -> dict[str, Any] | None:
        if len(record.parts) != 1:
            raise SourceInvalid("not one document")
        document = json_value(record.parts[0])
        if not isinstance(document, dict) or "person" not in document:
            raise SourceInvalid("the answer is not about a person")
        person = document["person"]
        if person is not None and not isinstance(person, dict):
            raise SourceInvalid("the answer is not about a person")
        return person

    def _text(self, row: Any, key: str) -> str:
        value = row.get(key) if isinstance(row, dict) else None
        if not isinstance(value, str) or not value.strip():
            raise SourceInvalid("a text is missing")
        return value

    def _list(self, person: dict[str, Any], subject: str, fact_type: str, key: str) -> Iterable[Fact | Gap]:
        rows = person.get(key)
        if not isinstance(rows, list):
            raise SourceInvalid("a list is missing")
        if not rows:
            yield Gap(kind=GapKind.NOT_RECORDED, fact_type=fact_type)
        make = AllergyIntolerance if fact_type == "AllergyIntolerance" else Condition
        seen: set[str] = set()
        for position, row in enumerate(rows):
            native_id = f"{fact_type}/{self._text(row, 'id')}"
            if native_id in seen:
                yield Gap(kind=GapKind.UNREADABLE, fact_type=fact_type, at=f"/person/{key}/{position}")
                continue
            seen.add(native_id)
            yield make(native_id=native_id, subject=subject, code=CodeableConcept(text=self._text(row, "text")))

    async def check(self, call: Call) -> Health:
        response = await self.http.get("status", call=call)
        document = json_value(response.body)
        if response.status != 200 or not isinstance(document, dict) or document.get("status") != "up":
            raise SourceInvalid("the status answer is not what it should be")
        return Health(detail="up")


class Kit(HttpAdapterConformance):
    """The kit over whatever `adapter_class` says."""

    known = person(NUMBER, family="Quillfeather", birth_date=date(1958, 6, 1))
    unknown = person("9990000026")
    mutations = 100
    adapter_class: ClassVar[type[Small]] = Small

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Small]:
        async with http_server(vendor(), Faults()) as port, self.at(f"http://127.0.0.1:{port}") as adapter:
            yield adapter

    @asynccontextmanager
    async def at(self, url: str) -> AsyncIterator[Small]:
        settings = self.adapter_class.settings_model(base_url=url)
        async with opened(self.adapter_class, settings, max_concurrency=1) as adapter:
            yield adapter


class WithoutHttp(AdapterConformance):
    """The kit for kinds that do not use HTTP, over one that does."""

    known = Kit.known
    unknown = Kit.unknown

    def running(self) -> AbstractAsyncContextManager[Small]:
        return Kit().running()


class TestTheKitOnACorrectAdapter(Kit):
    """Every check is green."""


# The planted mistakes, one for each check


class UnknownType(Small):
    types = Small.types | {"Horoscope"}


class LaxSettings(HttpSettings):
    model_config = ConfigDict(extra="ignore")


class Lax(Small):
    settings_model = LaxSettings


class ForeignSettings(BaseModel):
    model_config = ConfigDict(extra="forbid")
    base_url: str
    allowed_origins: tuple[str, ...] = ()
    max_bytes: int = 1 << 20
    ca: str | None = None
    proxy: str | None = None


class Foreign(Small):
    settings_model = ForeignSettings  # type: ignore[assignment]


class Edited(Small):
    """Reads well, then spoils what was read."""

    def edit(self, found: list[Fact | Gap]) -> list[Fact | Gap]:
        raise NotImplementedError

    def read(self, record: SourceRecord) -> Iterable[Fact | Gap]:
        return self.edit(list(super().read(record)))


class NoFacts(Edited):
    def edit(self, found: list[Fact | Gap]) -> list[Fact | Gap]:
        return [one for one in found if isinstance(one, Gap)]


class Overreaching(Small):
    async def fetch(self, ask: Ask, call: Call) -> AsyncIterator[SourceRecord]:
        async for record in super().fetch(ask, call):
            yield msgspec.structs.replace(record, types=self.types)


class Silent(Edited):
    def edit(self, found: list[Fact | Gap]) -> list[Fact | Gap]:
        return [one for one in found if not (isinstance(one, Gap) and one.kind is GapKind.NOT_RECORDED)]


class NoPatient(Edited):
    def edit(self, found: list[Fact | Gap]) -> list[Fact | Gap]:
        return [
            msgspec.structs.replace(one, native_id="Patient/2", subject="Patient/2")
            if isinstance(one, Patient)
            else one
            for one in found
        ]


class BareIds(Edited):
    def edit(self, found: list[Fact | Gap]) -> list[Fact | Gap]:
        return [
            msgspec.structs.replace(one, native_id="a1") if isinstance(one, AllergyIntolerance) else one
            for one in found
        ]


class SameIds(Edited):
    def edit(self, found: list[Fact | Gap]) -> list[Fact | Gap]:
        return [
            msgspec.structs.replace(one, native_id="AllergyIntolerance/1")
            if isinstance(one, AllergyIntolerance)
            else one
            for one in found
        ]


class UnknownIsAnError(Edited):
    def edit(self, found: list[Fact | Gap]) -> list[Fact | Gap]:
        if any(isinstance(one, Gap) and one.code for one in found):
            raise SourceInvalid("nobody")
        return found


class UnknownIsSilence(Edited):
    def edit(self, found: list[Fact | Gap]) -> list[Fact | Gap]:
        return [one for one in found if not (isinstance(one, Gap) and one.code)]


class AnybodyWillDo(Small):
    async def fetch(self, ask: Ask, call: Call) -> AsyncIterator[SourceRecord]:
        async for record in super().fetch(Ask(subjects=(person(NUMBER),), types=ask.types), call):
            yield record


class Remembering(Edited):
    count = 0

    def edit(self, found: list[Fact | Gap]) -> list[Fact | Gap]:
        self.count += 1
        return [
            msgspec.structs.replace(one, folds=(f"Patient/{self.count}",)) if isinstance(one, Patient) else one
            for one in found
        ]


class ListsForTuples(Edited):
    def edit(self, found: list[Fact | Gap]) -> list[Fact | Gap]:
        return [msgspec.structs.replace(one, folds=["x"]) if isinstance(one, Patient) else one for one in found]


class Trusting(Small):
    def _text(self, row: Any, key: str) -> str:
        return row[key]  # type: ignore[no-any-return]


class Forgiving(Small):
    def _person(self, record: SourceRecord) -> dict[str, Any] | None:
        try:
            return super()._person(record)
        except SourceInvalid:
            return None


class Quoting(Small):
    def _list(self, person: dict[str, Any], subject: str, fact_type: str, key: str) -> Iterable[Fact | Gap]:
        try:
            return list(super()._list(person, subject, fact_type, key))
        except SourceInvalid:
            raise SourceInvalid(f"a list of {person['family']} is wrong") from None


class Chaining(Small):
    def _person(self, record: SourceRecord) -> dict[str, Any] | None:
        try:
            json.loads(b"".join(record.parts))
        except ValueError as error:
            raise SourceInvalid("not JSON") from error
        return super()._person(record)


class Logging(Small):
    async def fetch(self, ask: Ask, call: Call) -> AsyncIterator[SourceRecord]:
        logging.getLogger("small").debug("asking about %s", ask.subject.identifier())
        async for record in super().fetch(ask, call):
            yield record


class Patience(Small):
    async def fetch(self, ask: Ask, call: Call) -> AsyncIterator[SourceRecord]:
        later = Call(deadline=call.deadline + 60, actor=call.actor)
        async for record in super().fetch(ask, later):
            yield record


class Stubborn(Small):
    """Never asks again after somebody left."""

    left = False

    async def fetch(self, ask: Ask, call: Call) -> AsyncIterator[SourceRecord]:
        if self.left:
            raise SourceUnavailable("stuck")
        try:
            async for record in super().fetch(ask, call):
                yield record
        except (asyncio.CancelledError, GeneratorExit):
            self.left = True
            raise


class Optimist(Small):
    async def check(self, call: Call) -> Health:
        return Health(detail="fine, surely")


class StatusIsSuccess(Small):
    async def check(self, call: Call) -> Health:
        await self.http.get("status", call=call)
        return Health(detail="it answered")


class Hopeful(Small):
    """A failing source is a person without anything."""

    async def fetch(self, ask: Ask, call: Call) -> AsyncIterator[SourceRecord]:
        try:
            async for record in super().fetch(ask, call):
                yield record
        except SourceTimeout:
            raise
        except SourceError:
            yield SourceRecord(
                kind="person", types=ask.types, parts=(b'{"person": null}',), retrieved=datetime.now(UTC)
            )


class Leaking(Small):
    """Goes on asking when nobody waits."""

    tasks: ClassVar[set[asyncio.Task[Any]]] = set()

    async def fetch(self, ask: Ask, call: Call) -> AsyncIterator[SourceRecord]:
        later = Call(deadline=call.deadline + 60, actor=call.actor)
        task = asyncio.ensure_future(super().fetch(ask, later).__anext__())
        self.tasks.add(task)
        try:
            async with asyncio.timeout(call.remaining_s()):
                yield await asyncio.shield(task)
        except TimeoutError:
            raise SourceTimeout("late") from None


class Repeating(Small):
    """Tells of everybody, again and again."""

    tells_changes = True

    async def changes(self, after: str | None, call: Call) -> Changes:
        return Changes(cursor="1", subjects=(Kit.known,))


class TakesAnyCursor(Small):
    """Takes a cursor that it never gave for one of its own: what changed since is never told."""

    tells_changes = True

    async def changes(self, after: str | None, call: Call) -> Changes:
        return Changes(cursor=after or "1")


PLANTED: list[tuple[str, type[Small], str]] = [
    ("test_what_it_declares_exists", UnknownType, "Horoscope"),
    ("test_its_settings_refuse_unknown_keys", Lax, "unknown keys"),
    ("test_its_settings_refuse_unknown_keys", Foreign, "does not inherit"),
    ("test_a_known_person_has_facts", NoFacts, "no Patient fact"),
    ("test_records_answer_only_what_was_asked", Overreaching, "not asked for"),
    ("test_every_type_asked_for_ends_in_a_fact_or_a_gap", Silent, "neither a fact nor a gap for: Condition"),
    ("test_a_patient_fact_comes_with_every_subject", NoPatient, "no Patient fact"),
    ("test_every_fact_has_its_own_native_id", BareIds, "Type/id"),
    ("test_every_fact_has_its_own_native_id", SameIds, "one native_id"),
    ("test_an_unknown_person_is_an_answer", UnknownIsAnError, "SourceInvalid, not a gap"),
    ("test_an_unknown_person_is_an_answer", UnknownIsSilence, "PATIENT_NOT_FOUND"),
    ("test_an_unknown_person_is_an_answer", AnybodyWillDo, "facts of an unknown person"),
    ("test_reading_is_pure", Remembering, "something else"),
    ("test_facts_and_gaps_survive_storage", ListsForTuples, "does not survive"),
    ("test_damaged_records_are_refused_or_read_and_never_crash", Trusting, "damaged record raised"),
    ("test_nonsense_claims_nothing", Forgiving, "NOT_HELD"),
    ("test_errors_name_nobody", Quoting, "names a person"),
    ("test_errors_name_nobody", Chaining, "from None"),
    ("test_nothing_is_logged_that_names_the_person", Logging, "loggers write"),
    ("test_a_deadline_that_has_passed_is_a_timeout", Patience, "SourceTimeout"),
    ("test_a_fetch_can_be_left_at_any_point", Stubborn, "can no longer be asked"),
    ("test_check_asks_the_source_for_real", Optimist, "DID NOT RAISE"),
    ("test_changes_are_told_from_now_on", Repeating, "it begins now"),
    ("test_changes_are_told_from_now_on", TakesAnyCursor, "DID NOT RAISE"),
    ("test_check_fails_when_the_source_does", StatusIsSuccess, "check succeeds"),
    ("test_misbehaviour_is_a_typed_error_or_a_gap", Hopeful, "statement about the person"),
    ("test_misbehaviour_is_a_typed_error_or_a_gap", Leaking, "still open"),
    ("test_a_cancelled_fetch_hangs_up", Leaking, "still open"),
]
FAULT = {
    Hopeful: Misbehaviour.REFUSE,
    StatusIsSuccess: Misbehaviour.LOGIN_PAGE,
    Leaking: Misbehaviour.HANG_BEFORE_HEADERS,
}


@pytest.mark.parametrize(("check", "broken", "says"), PLANTED, ids=lambda value: getattr(value, "__name__", None))
async def test_a_planted_mistake_turns_its_check_red(
    check: str,
    broken: type[Small],
    says: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if broken is Leaking:
        monkeypatch.setattr("adapters.testing.http_conformance.CEILING_S", 0.5)
    kit: AdapterConformance = type("Broken", (Kit,), {"adapter_class": broken})()
    method: Callable[..., Any] = getattr(kit, check)
    given = {
        name: value
        for name, value in {"caplog": caplog, "fault": FAULT.get(broken)}.items()
        if name in method.__code__.co_varnames[: method.__code__.co_argcount]
    }
    try:
        with pytest.raises((NotConformant, pytest.fail.Exception), match=says):
            await method(**given)
    finally:
        for task in Leaking.tasks:
            task.cancel()
        await asyncio.gather(*Leaking.tasks, return_exceptions=True)
        Leaking.tasks.clear()


async def test_an_adapter_that_uses_http_is_not_let_off_its_checks() -> None:
    with pytest.raises(NotConformant, match="HttpAdapterConformance"):
        await WithoutHttp().test_what_it_declares_exists()


def test_every_check_has_a_planted_mistake_and_a_sentence() -> None:
    checks = {name for name in dir(HttpAdapterConformance) if name.startswith("test_")}
    assert checks == {check for check, _, _ in PLANTED}
    assert all((getattr(HttpAdapterConformance, name).__doc__ or "").startswith("Protects ") for name in checks)
