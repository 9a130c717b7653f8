"""A made-up person for the stand-in, in the shape of the schema: conflicts, silences, hostile text, exact values."""

from typing import Any

NUMBER = "9994071009"
ATTACK = '<img src=x onerror="window.__attacked=1"><script>window.__attacked=1</script>'
REORDERED = "10\u202emg 05"
"""A right-to-left override between the digits: without care it reads as another dose."""

GP = {"id": "gp", "name": "Larkspur Surgery", "organization": "Larkspur Surgery, Quillham"}
EPR = {"id": "epr", "name": "Hospital record", "organization": "Quillham General Hospital"}
CMHT = {"id": "cmht", "name": "Community mental health", "organization": "Quillham Community Trust"}
LAB = {"id": "lab", "name": "Laboratory", "organization": "Quillham Pathology"}


def when(value: str, text: str | None = None, *, assumed: bool = False) -> dict[str, Any]:
    instant = "1970-01-01T00:00:00Z"
    precision = {4: "YEAR", 7: "MONTH", 10: "DAY"}.get(len(value), "MINUTE")
    placed = {"earliest": instant, "latest": instant, "zone": "Europe/London", "zoneAssumed": assumed}
    return {"text": text or value, "value": value, "precision": precision, **placed}


def concept(text: str, code: str | None = None, system: str = "http://snomed.info/sct") -> dict[str, Any]:
    codings = [{"system": system, "code": code, "display": text, "version": None}] if code else []
    return {"text": text, "display": text, "codings": codings}


def provenance(source: dict[str, str], recorded: str, author: str | None = None) -> dict[str, Any]:
    return {
        "source": source,
        "nativeId": f"{source['id']}-1",
        "localPatientId": None,
        "author": {"name": author, "role": None, "organization": None, "telecom": []} if author else None,
        "recorded": when(recorded),
        "retrieved": "2026-03-17T02:10:00Z",
        "recordHash": "0" * 64,
    }


_EMPTY_LISTS = (
    "folds identifiers securityLabels cautions notes replaces categories reactions bodySites reasons participants "
    "telecom basedOn components interpretation types addresses relationships names payload recipients activities goals "
    "generalPractitioners languages performers conclusionCodes results contents modalities procedures items"
)


def entry(identity: str, *said: dict[str, Any], conflicts: tuple[Any, ...] = (), **fields: Any) -> dict[str, Any]:
    """A merged fact: its members say the same but where `said` gives a member's own fields; the first is displayed."""
    own = {"patientReported": False, "enteredInError": False, **{name: [] for name in _EMPTY_LISTS.split()}, **fields}
    members = [{"id": f"{identity}-{i}", **own, **member} for i, member in enumerate(said)]
    shared = {"provenance": [member["provenance"] for member in members], "related": fields.get("related", [])}
    return {**members[0], **shared, "id": identity, "conflicts": list(conflicts), "facts": members}


def conflict(field: str, *claims: tuple[dict[str, str], str | None]) -> dict[str, Any]:
    return {
        "field": field,
        "withIds": [],
        "claims": [{"source": s, "factId": f"{s['id']}-1", "value": v} for s, v in claims],
    }


def section(status: str, *entries: Any, reason: str | None = None, sources: tuple[Any, ...] = ()) -> dict[str, Any]:
    page = {"hasNextPage": False, "hasPreviousPage": False, "startCursor": None, "endCursor": None}
    return {
        "status": status,
        "emptyReason": reason,
        "totalCount": len(entries),
        "sources": [
            {"source": s, "state": state, "code": code, "completeFrom": None, "facts": n, "gaps": gaps}
            for s, state, code, n, gaps in sources
        ],
        "entries": {"nodes": list(entries), "edges": [{"cursor": "c", "node": e} for e in entries], "pageInfo": page},
    }


def gap(kind: str, fact_type: str, text: str, code: str | None = None) -> dict[str, Any]:
    return {"kind": kind, "factType": fact_type, "code": code, "text": text, "at": None, "count": 1}


def status(source: dict[str, str], state: str, **more: Any) -> dict[str, Any]:
    base = {"code": None, "issueType": None, "message": None, "asOf": None, "completeFrom": None, "latencyMs": None}
    return {"source": source, "state": state, **base, "cache": None, "facts": 0, "gaps": [], **more}


def _by(source: dict[str, str], recorded: str, author: str | None = None, **own: Any) -> dict[str, Any]:
    return {"provenance": provenance(source, recorded, author), **own}


_NAME = {
    "text": "Michael Aubrey Quillfeather",
    "family": "Quillfeather",
    "given": ["Michael", "Aubrey"],
    "prefix": [],
    "use": None,
}
_ALLERGIES = section(
    "PARTIAL",
    entry(
        "al-1",
        _by(GP, "2020-03-17", criticality="low"),
        _by(EPR, "2026-03-16T12:30", criticality="high"),
        conflicts=(conflict("criticality", (GP, "low"), (EPR, "high"), (CMHT, None)),),
        code=concept("Allergy to natural rubber latex", "1003755004"),
        when=when("2020-03", "Mar 2020"),
        polarity="PRESENT",
        clinicalStatus="active",
        criticality="high",
        reactions=[{"manifestations": [concept("Urticaria", "126485001")], "severity": "mild", "onset": None}],
    ),
    entry(
        "al-2",
        _by(GP, "1995-03"),
        code=concept("No known food allergy"),
        when=None,
        polarity="ABSENT",
        clinicalStatus="active",
    ),
    sources=(
        (GP, "OK", None, 2, []),
        (EPR, "OK", None, 1, []),
        (CMHT, "UNAVAILABLE", "SOURCE_TIMEOUT", 0, [gap("FAILED", "AllergyIntolerance", "No answer in time.")]),
    ),
)
_MEDICATIONS = section(
    "COMPLETE",
    entry(
        "me-1",
        _by(GP, "2026-02-02", "Dr Orla Fennimore", dosage="One 75 mg tablet twice a day", status="active"),
        _by(CMHT, "2026-01-12", "Ama Banerjee", dosage="150 mg once daily, in the morning", status="active"),
        conflicts=(conflict("dosage", (GP, "75 mg twice a day"), (CMHT, "150 mg once daily")),),
        kind="STATEMENT",
        code=concept("Venlafaxine 150 mg", "39706511000001109", "https://dmd.nhs.uk"),
        when=when("2022-03"),
        status="active",
        effective={"start": when("2022-03"), "end": None},
        lastIssued=when("2026-03-02"),
        related=["me-2"],
    ),
    entry(
        "me-2", _by(LAB, "2026-03-01"), kind="DISPENSE", code=concept(ATTACK), when=when("2026-03-01"), dosage=REORDERED
    ),
    sources=((GP, "OK", None, 1, []), (CMHT, "OK", None, 1, [])),
)
_OBSERVATIONS = section(
    "COMPLETE",
    entry(
        "ob-1",
        _by(LAB, "2026-03-16T21:05"),
        code=concept("Haemoglobin A1c", "999791000000106"),
        when=when("2026-03-16T20:40", "16/03/2026 20:40", assumed=True),
        status="final",
        valueQuantity={"value": "83.50", "comparator": None, "unit": "mmol/mol", "system": None, "code": None},
        interpretation=[concept("High")],
    ),
    sources=((LAB, "OK", None, 1, []),),
)
_TEAM = {"name": "Ama Banerjee", "role": "Community psychiatric nurse", "organization": "Quillham Community Trust"}
_CARE_TEAM = section(
    "COMPLETE",
    entry(
        "ct-1",
        _by(CMHT, "2026-01-12"),
        name="Community mental health team",
        when=when("2026-01-12"),
        participants=[{**_TEAM, "telecom": [{"system": "phone", "value": "01632 960 417", "use": "work"}]}],
    ),
)
SILENT = (
    "conditions diagnosticReports immunizations procedures encounters appointments referrals documents imagingStudies "
    "carePlans flags assessments socialHistory relatedPersons consents communications"
)


def answer() -> dict[str, Any]:
    """The root value of the stand-in."""
    silent = {
        name: section("COMPLETE", reason="NOT_RECORDED", sources=((GP, "OK", None, 0, []),)) for name in SILENT.split()
    }
    silent["encounters"] = section(
        "UNAVAILABLE", reason="UNAVAILABLE", sources=((EPR, "UNAVAILABLE", "SOURCE_TIMEOUT", 0, []),)
    )
    patient = entry(
        "pt-1", _by(GP, "2026-01-01"), names=[_NAME], birthDate=when("1967-06-14"), gender="male", restricted=False
    )
    return {
        "sources": [GP, EPR, CMHT, LAB],
        "patient": {
            "identifier": {
                "system": "https://fhir.nhs.uk/Id/nhs-number",
                "value": NUMBER,
                "type": None,
                "assigner": None,
                "verified": True,
            },
            "patient": patient,
            "allergies": _ALLERGIES,
            "medications": _MEDICATIONS,
            "observations": _OBSERVATIONS,
            "careTeam": _CARE_TEAM,
            **silent,
            "links": [
                {
                    "source": s,
                    "status": "LINKED",
                    "grade": "certain",
                    "localId": None,
                    "evidence": ["number", "birth date"],
                    "decidedBy": "rule",
                }
                for s in (GP, EPR)
            ],
            "sources": [
                status(GP, "OK", asOf="2026-03-17T02:10:00Z", latencyMs=84, cache="MISS", facts=29),
                status(
                    EPR,
                    "PARTIAL",
                    asOf="2026-03-17T02:09:12Z",
                    latencyMs=412,
                    cache="HIT",
                    facts=56,
                    gaps=[gap("UNREADABLE", "Observation", "One result could not be read.")],
                ),
                status(
                    CMHT,
                    "UNAVAILABLE",
                    code="SOURCE_TIMEOUT",
                    issueType="timeout",
                    message="No answer within its timeout.",
                ),
                status(LAB, "PENDING"),
            ],
        },
    }
