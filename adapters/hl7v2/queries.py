"""The questions an HL7 v2 source can be asked, and the proof that an answer answers them.

IHE ITI TF-2 3.21 (QBP^Q22, RSP^K22) and 3.22 (QBP^ZV1, RSP^ZV2); HL7 v2.5.1 section 3.3.19 (QRY^A19), 7.3.3 (QRY^R02),
5.6.3 (continuation) and 2.9 (acknowledgement codes).
"""

import secrets
from datetime import datetime
from typing import Literal

from msgspec import Struct

from adapters.hl7v2.build import Value, message, segment
from adapters.hl7v2.parser import Message
from adapters.hl7v2.settings import Hl7v2Settings, QueryName
from adapters.sdk import PatientSearch, SourceInvalid, SourceRequest


class Form(Struct, frozen=True, kw_only=True):
    """How one of the questions is written and what answers it."""

    name: QueryName
    asks: tuple[str, ...]
    """MSH-9."""
    title: str
    """QPD-1, or QRD-9 (table 0048)."""
    answer: str
    """Message and event of the answer."""
    by_parameter: bool
    """True for QPD, false for QRD."""


FORMS: dict[str, Form] = {
    form.name: form
    for form in (
        Form(
            name="demographics",
            asks=("QBP", "Q22", "QBP_Q21"),
            title="IHE PDQ Query",
            answer="RSP^K22",
            by_parameter=True,
        ),
        Form(
            name="visits",
            asks=("QBP", "ZV1", "QBP_Q21"),
            title="IHE PDVQ Query",
            answer="RSP^ZV2",
            by_parameter=True,
        ),
        Form(name="a19", asks=("QRY", "A19"), title="DEM", answer="ADR^A19", by_parameter=False),
        Form(name="results", asks=("QRY", "R02"), title="RES", answer="ORF^R04", by_parameter=False),
    )
}

ANSWERED_BY: dict[str, tuple[QueryName, ...]] = {
    "Patient": ("demographics", "visits", "a19", "results"),
    "RelatedPerson": ("demographics", "visits", "a19"),
    "Encounter": ("visits", "a19"),
    "AllergyIntolerance": ("a19",),
    "Condition": ("a19",),
    "DiagnosticReport": ("results",),
    "Observation": ("results", "a19"),
}
"""For each fact type the questions whose answers hold it, the best first: it alone states them."""

ALSO: dict[QueryName, frozenset[str]] = {"a19": frozenset({"Observation"})}
"""What a question states besides: the observations of a visit are other ones than the laboratory's."""

PAGE = 50
"""Records asked for at once (RCP-2, QRD-7)."""


def answers(configured: tuple[QueryName, ...]) -> dict[QueryName, frozenset[str]]:
    """The fact types that each configured question is the one to answer."""
    best = {kind: next((q for q in order if q in configured), None) for kind, order in ANSWERED_BY.items()}
    return {
        query: frozenset(kind for kind, asked in best.items() if asked == query) | ALSO.get(query, frozenset())
        for query in configured
    }


class Key(Struct, frozen=True, kw_only=True):
    """By what a person is asked about: an identifier, with CX.4 and CX.5."""

    value: str
    authority: str | None
    type: str | None


class Question(Struct, frozen=True, kw_only=True):
    """One message to send, and what its answer must repeat."""

    form: Form
    payload: bytes
    control_id: str
    tag: str


def question(
    form: Form,
    who: Key | PatientSearch,
    settings: Hl7v2Settings,
    now: datetime,
    tag: str | None = None,
    pointer: str | None = None,
) -> Question:
    """Write the question; to continue an answer, with the same tag and the pointer it gave.

    A search is written for a form that asks by parameter alone.
    """
    control_id = secrets.token_hex(10)
    # QRD-4 has room for ten characters, QPD-2 for thirty-two.
    tag = tag or secrets.token_hex(5)
    at = now.strftime("%Y%m%d%H%M%S")
    header = segment(
        "MSH",
        settings.sending_application,
        settings.sending_facility,
        settings.receiving_application,
        settings.receiving_facility,
        now.strftime("%Y%m%d%H%M%S%z"),
        None,
        form.asks,
        control_id,
        "P",
        settings.version,
        None,
        None,
        None,
        None,
        None,
        settings.charset,
    )
    if isinstance(who, PatientSearch):
        body = _by_parameter(form, _demographics(who), tag)
    elif form.by_parameter:
        body = _by_parameter(form, _identifier(who, settings), tag)
    else:
        body = _original(form, who, settings, tag, at)
    if pointer is not None:
        body.append(segment("DSC", pointer, "I"))
    return Question(form=form, payload=message([header, *body], settings.charset), control_id=control_id, tag=tag)


def _by_parameter(form: Form, wanted: list[Value], tag: str) -> list[str]:
    return [segment("QPD", form.title, tag, wanted), segment("RCP", "I", (str(PAGE), "RD"))]


def _demographics(search: PatientSearch) -> list[Value]:
    """ITI TF-2 3.21.4.1.2.2: the fields of PID that a consumer may ask by, each to be met."""
    stated = {
        "@PID.5.1.1": search.family,
        "@PID.5.2": search.given.split()[0] if search.given else None,
        "@PID.7": f"{search.birth_date:%Y%m%d}" if search.birth_date else None,
        "@PID.8": search.gender[:1].upper() if search.gender else None,
        "@PID.11.5": search.postal_code,
    }
    return [(name, value) for name, value in stated.items() if value]


def _identifier(key: Key, settings: Hl7v2Settings) -> list[Value]:
    wanted: list[Value] = [("@PID.3.1", key.value)]
    if key.authority:
        wanted.append(("@PID.3.4", key.authority))
    if key.type and (settings.ask_identifier_type or not key.authority):
        wanted.append(("@PID.3.5", key.type))
    return wanted


def _original(form: Form, key: Key, settings: Hl7v2Settings, tag: str, at: str) -> list[str]:
    """QRD-8 is an XCN (section 2.A.88): the id first, its authority ninth, its type thirteenth."""
    who = (key.value, *[None] * 7, key.authority, *[None] * 3, key.type)
    page = (str(PAGE), "RD")
    body = [segment("QRD", at, "R", "I", tag, None, None, page, who, form.title, settings.query_department, None, "T")]
    if form.name == "results":
        body.append(segment("QRF", settings.query_department))
    return body


Outcome = Literal["found", "not_found", "wait"]


def acknowledged(answer: Message, question: Question) -> Outcome:
    """Whether `answer` is the answer to `question`, and whether the person was found.

    "wait" is a bare commit acknowledgement of enhanced mode: the answer itself comes later. Raises SourceInvalid for
    anything that does not answer this question, SourceRequest where the source refuses it.
    """
    msa = answer.first("MSA")
    if msa is None:
        raise SourceInvalid("the answer has no MSA segment")
    if msa.text(2) != question.control_id:
        raise SourceInvalid("the answer is to another message: MSA-2 is not our control id")
    code = msa.text(1)
    if code in ("AE", "AR", "CE", "CR"):
        raise SourceRequest("the source refuses the question (negative acknowledgement)")
    if code == "CA" and answer.first("QAK") is None and answer.type.startswith("ACK"):
        return "wait"
    if code not in ("AA", "CA"):
        raise SourceInvalid("the answer's acknowledgement code is none of the standard's")
    if answer.type != question.form.answer:
        raise SourceInvalid("the answer is a message of another type than the question asks for")
    qak = answer.first("QAK")
    if question.form.by_parameter and qak is None:
        raise SourceInvalid("the answer has no QAK segment")
    if qak is not None and qak.text(1) not in (question.tag, None):
        raise SourceInvalid("the answer is to another query: QAK-1 is not our query tag")
    return found(answer)


def found(answer: Message) -> Literal["found", "not_found"]:
    """What QAK-2 says (table 0208). The older queries have no QAK: there an answer that names nobody is "not found".

    Raises SourceRequest where the query failed, SourceInvalid where QAK-2 and the content contradict one another.
    """
    qak = answer.first("QAK")
    status = qak.text(2) if qak is not None else None
    if status in ("AE", "AR"):
        raise SourceRequest("the source could not carry the query out")
    named = answer.first("PID") is not None or answer.first("OBR") is not None
    if status == "NF" or (status is None and not named):
        if named:
            raise SourceInvalid("the answer says that nothing was found and names somebody")
        return "not_found"
    if status not in ("OK", None):
        raise SourceInvalid("the answer's query status is none of the standard's")
    if not named:
        raise SourceInvalid("the answer says that somebody was found and names nobody")
    return "found"


def pointer(answer: Message) -> str | None:
    """The continuation pointer, where the source has more (DSC-1)."""
    dsc = answer.first("DSC")
    return dsc.text(1) if dsc is not None else None
