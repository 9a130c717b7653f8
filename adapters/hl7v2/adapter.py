"""A patient administration, laboratory or other system that answers HL7 v2 queries over MLLP.

IHE ITI TF-2 3.21 and 3.22; HL7 v2.5.1 sections 3.3.19 (A19) and 7.3.3 (R02). Feeds are not this kind's business.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime

from msgspec import Struct
from msgspec.structs import replace

from adapters.hl7v2 import mllp, queries, reading
from adapters.hl7v2.parser import Message, parse
from adapters.hl7v2.queries import FORMS, Form, Key, Question
from adapters.hl7v2.settings import Hl7v2Settings
from adapters.sdk import (
    NHS_NUMBER,
    Adapter,
    Ask,
    Call,
    DependsOn,
    Health,
    PatientSearch,
    SettingsError,
    Source,
    SourceError,
    SourceInvalid,
    SourceRecord,
    SourceRequest,
    SourceTimeout,
    Subject,
)
from schema.model.fact import Fact, Gap

_LOCAL = "Patient/"
_MAX_COMMIT_ACKS = 3
_LARGE = 256 * 1024
"""Bytes from which a message is parsed in a thread, so that nothing holds the loop."""


class Hl7v2Adapter(Adapter[Hl7v2Settings]):
    """Asks by NHS number or by the source's own patient number, the configured questions side by side."""

    kind = "hl7v2"
    settings_model = Hl7v2Settings
    answer_depends_on = DependsOn.NOTHING

    def __init__(self, source: Source[Hl7v2Settings]) -> None:
        super().__init__(source)
        self._answers = queries.answers(self.settings.queries)
        self.types = frozenset().union(*self._answers.values())
        own = {self.settings.mrn_system} if self.settings.mrn_system else set()
        self.identifier_systems = frozenset({NHS_NUMBER, *own})
        self._tls = _tls(self.settings)
        self.search_needs = frozenset({"family"}) if self.settings.find else None

    async def fetch(self, ask: Ask, call: Call) -> AsyncIterator[SourceRecord]:
        wanted = {
            FORMS[query]: frozenset(types & ask.types) for query, types in self._answers.items() if types & ask.types
        }
        gate = asyncio.Semaphore(self.settings.max_connections)
        keys = self._keys(ask.subject)
        tasks = [asyncio.ensure_future(self._ask(form, types, keys, call, gate)) for form, types in wanted.items()]
        failure: SourceError | None = None
        try:
            for done in asyncio.as_completed(tasks):
                record, error = await done
                if record is not None:
                    yield record
                failure = failure or error
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if failure is not None:
            raise failure

    async def find(self, search: PatientSearch, call: Call) -> AsyncIterator[SourceRecord]:
        """See `Adapter.find`. One page of ITI-21 by what is stated: more people than fit on it are not told apart."""
        answer = await self._converse(FORMS["demographics"], frozenset({"Patient"}), search, call, max_pages=1)
        yield replace(answer.record, candidates=True)

    def read(self, record: SourceRecord) -> Iterable[Fact | Gap]:
        # What another question answers is stated there, once: here it would come again under the same native ids.
        elsewhere = self.types - record.types - {"Patient"}
        items = reading.read(record, self.settings, self.source.timezone, self.source.id)
        return (i for i in items if (i.fact_type if isinstance(i, Gap) else type(i).__name__) not in elsewhere)

    async def check(self, call: Call) -> Health:
        """Every configured question, asked about the test patient."""
        key = self._nhs(self.settings.check_nhs_number)
        known = 0
        for query in self.settings.queries:
            answer = await self._converse(FORMS[query], self._answers[query], key, call)
            if answer.failure is not None:
                raise answer.failure
            known += answer.found
        total = len(self.settings.queries)
        knows = "knows" if known else "does not know"
        return Health(detail=f"answered {total} of {total} queries; {knows} the test patient")

    def _keys(self, subject: Subject) -> list[list[Key]]:
        """Whom to ask about: each linked number of the source's own, and the identifiers, the current one first.

        The identifiers too where somebody is linked: the source may know one person twice. Every inner list is tried
        in order until the source knows somebody.
        """
        linked = [number.removeprefix(_LOCAL) for number in subject.local_ids if number.startswith(_LOCAL)]
        stated = [
            self._nhs(one.value) if one.system == NHS_NUMBER else self._own(one.value)
            for one in subject.identifiers
            if one.system in self.identifier_systems
        ]
        return [*([self._own(number)] for number in linked), *([stated] if stated else [])]

    def _own(self, number: str) -> Key:
        return Key(value=number, authority=self.settings.mrn_authority, type="MR")

    def _nhs(self, number: str) -> Key:
        return Key(value=number, authority="NHS", type="NH")

    async def _ask(
        self, form: Form, types: frozenset[str], keys: list[list[Key]], call: Call, gate: asyncio.Semaphore
    ) -> tuple[SourceRecord | None, SourceError | None]:
        """What one question brought by all the keys, as one record, so that what comes twice is read once.

        Beside it what went wrong: a failure here must not cost the other answers.
        """
        asked = await asyncio.gather(*(self._by(form, types, each, call, gate) for each in keys))
        failure = next((one for one in asked if isinstance(one, SourceError)), None)
        answers = [one for one in asked if isinstance(one, _Answer)]
        failure = failure or next((one.failure for one in answers if one.failure is not None), None)
        # That one number is not known says nothing where another is, or where the other could not be asked.
        known = [one.record for one in answers if one.found] or [one.record for one in answers if failure is None][:1]
        if not known:
            return None, failure
        parts = tuple(part for record in known for part in record.parts)
        return replace(known[0], parts=parts, truncated=any(record.truncated for record in known)), failure

    async def _by(
        self, form: Form, types: frozenset[str], keys: list[Key], call: Call, gate: asyncio.Semaphore
    ) -> "_Answer | SourceError":
        try:
            async with asyncio.timeout(call.remaining_s()):
                await gate.acquire()
        except TimeoutError:
            return SourceTimeout("there was no time left to ask the source")
        try:
            return await self._first_known(form, types, keys, call)
        except SourceError as error:
            return error
        finally:
            gate.release()

    async def _first_known(self, form: Form, types: frozenset[str], keys: list[Key], call: Call) -> "_Answer":
        for key in keys[:-1]:
            answer = await self._converse(form, types, key, call)
            if answer.found or answer.failure is not None:
                return answer
        return await self._converse(form, types, keys[-1], call)

    async def _converse(
        self, form: Form, types: frozenset[str], who: Key | PatientSearch, call: Call, max_pages: int | None = None
    ) -> "_Answer":
        """Ask, and follow the continuations. Pages that came before a failure are kept, marked as truncated."""
        pages: list[bytes] = []
        pointers: set[str] = set()
        found = truncated = False
        failure: SourceError | None = None
        question = self._question(form, who)
        while True:
            try:
                payload, message = await self._exchange(question, call)
            except SourceError as error:
                if not pages:
                    raise
                failure, truncated = error, True
                break
            pages.append(payload)
            found = found or queries.found(message) == "found"
            pointer = queries.pointer(message)
            if pointer is None:
                break
            if pointer in pointers or len(pages) == (max_pages or self.settings.max_pages):
                truncated = True
                break
            pointers.add(pointer)
            question = self._question(form, who, question.tag, pointer)
        record = SourceRecord(
            kind=form.answer,
            types=types,
            parts=tuple(pages),
            retrieved=datetime.now(UTC),
            truncated=truncated,
            media_type="application/hl7-v2+er7",
        )
        return _Answer(record=record, found=found, failure=failure)

    def _question(
        self, form: Form, who: Key | PatientSearch, tag: str | None = None, pointer: str | None = None
    ) -> Question:
        return queries.question(form, who, self.settings, datetime.now(self.source.timezone), tag, pointer)

    async def _exchange(self, question: Question, call: Call) -> tuple[bytes, Message]:
        """One connection for each message: many listeners close it after their answer."""
        settings = self.settings
        async with mllp.Connection(settings.host, settings.port, call, settings.max_frame_bytes, self._tls) as line:
            payload = await line.exchange(question.payload)
            for _ in range(_MAX_COMMIT_ACKS):
                if payload == mllp.NAK:
                    raise SourceRequest("the source refuses the message (MLLP negative acknowledgement)")
                if payload != mllp.ACK:
                    message = await self._parse(payload)
                    if queries.acknowledged(message, question) != "wait":
                        return payload, message
                payload = await line.receive()
        raise SourceInvalid("the source acknowledges the question again and again and does not answer it")

    async def _parse(self, payload: bytes) -> Message:
        if len(payload) < _LARGE:
            return parse(payload, self.settings.charset)
        return await asyncio.to_thread(parse, payload, self.settings.charset)


class _Answer(Struct, frozen=True, kw_only=True):
    record: SourceRecord
    found: bool
    failure: SourceError | None


def _tls(settings: Hl7v2Settings) -> ssl.SSLContext | None:
    """Raises SettingsError when a certificate file cannot be used."""
    if not settings.tls:
        return None
    try:
        context = ssl.create_default_context(cafile=settings.tls_ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if settings.tls_cert:
            context.load_cert_chain(settings.tls_cert, settings.tls_key)
    except OSError:
        raise SettingsError("tls_ca, tls_cert or tls_key cannot be read as certificates and key") from None
    return context
