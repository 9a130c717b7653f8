"""A person's record as tables for a terminal: what denies an entry is said first, and nothing empty looks like none.

The words follow what FHIR R4 gives the codes to mean: `verificationStatus` and `criticality` (AllergyIntolerance,
Condition), `status` (the event pattern) and `dataAbsentReason` (Observation). Hazards that this answers: an entry in
error, refuted or not done that reads as a plain one, and a silence that reads as absence.
"""

import re
import unicodedata
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from schema.model.clinical import SECTIONS

_NOT_NONE = "this does not mean none"
_EMPTY = {
    "UNAVAILABLE": f"not known: a source could not be heard, or not be read ({_NOT_NONE})",
    "WITHHELD": f"a source holds something back ({_NOT_NONE})",
    "NOT_ASKED": f"a source was not asked, or its record could not be proved to be this person's ({_NOT_NONE})",
    "NOT_RECORDED": f"not recorded ({_NOT_NONE})",
    "NOT_HELD": "nobody asked holds such facts about this person; this does not mean there are none",
}
_STATES = {
    "OK": "answered",
    "PARTIAL": "gave only a part",
    "PENDING": "has not answered yet",
    "NOT_ASKED": "was not asked",
    "WITHHELD": "withholds something",
    "NOT_LINKED": "could not be proved to hold this person's record",
    "UNAVAILABLE": "could not be heard",
}
_GAPS = {
    "NONE_KNOWN": "states that there is none",
    "NOT_RECORDED": "answered and holds nothing",
    "NOT_HELD": "holds nothing of the kind",
    "WITHHELD": "something is held back",
    "UNREADABLE": "something could not be read",
    "TRUNCATED": "only a part was given",
    "UNSUPPORTED": "something of a kind that is not modelled",
    "NARRATIVE_ONLY": "words without codes",
    "FAILED": "a part could not be answered",
}
_LOSSES = frozenset(_GAPS) - {"NONE_KNOWN", "NOT_RECORDED", "NOT_HELD"}
_DENYING_STATUS = {
    "not-done": "not done",
    "cancelled": "cancelled",
    "noshow": "did not attend",
    "revoked": "revoked",
    "stopped": "stopped",
    "declined": "declined",
    "rejected": "rejected",
}
_KINDS = {"STATEMENT": "on list", "REQUEST": "ordered", "DISPENSE": "supplied", "ADMINISTRATION": "given"}
_UNPROVED_KINDS = {"STATEMENT": "on list", "REQUEST": "order", "DISPENSE": "supply", "ADMINISTRATION": "dose"}
_DONE = frozenset({"completed", "in-progress", "stopped"})
"""Of an administration or a supply: something of it did happen."""
_TITLES = ("code", "vaccineCode", "title", "names", "name", "type", "service", "encounterClass", "types")
_LATER_TITLES = ("questionnaire", "scope", "modalities", "payload", "description", "categories")
_LABELS = {
    "criticality": "criticality",
    "severity": "severity",
    "priority": "priority",
    "decision": "decision",
    "statusReason": "because",
    "reasons": "because",
    "reactions": "reaction:",
    "conclusion": "conclusion:",
    "interpretation": "read as",
    "referenceRange": "reference",
    "dataAbsentReason": "value missing because",
    "score": "score",
    "doseNumber": "dose",
    "sender": "from",
    "recipients": "to",
    "performers": "asked of",
    "location": "at",
    "serviceProvider": "at",
    "lastIssued": "last issued",
    "onset": "began",
    "abatement": "ended",
    "ended": "ended",
    "dose": "dose",
    "goals": "goals:",
    "activities": "activities:",
    "sent": "sent",
    "notes": "note:",
    "cautions": "caution:",
}
_SAID_APART = frozenset(
    {"id", "when", "provenance", "conflicts", "enteredInError", "polarity", "verificationStatus", "kind"}
    | {"patientReported", "active"}
)


def show_record(record: dict[str, Any], out: Console) -> None:
    """The record as tables: who, what each section holds and who says so, and what became of each source."""
    out.rule(_heading(record["patient"]), style="bold")
    for name in SECTIONS:
        _show_section(name, record[name], out)
    table = Table("source", "state", "why", "holds", "ms", "cache", title="Who was asked")
    for source in record["sources"]:
        why = " ".join(filter(None, (source["code"], source["message"] or _gap_words(source.get("gaps") or []))))
        latency = "" if source["latencyMs"] is None else str(source["latencyMs"])
        facts = source["facts"]
        # "0 facts" of a source that was not heard would read as if it had none.
        held = "" if not facts and source["state"] not in {"OK", "PARTIAL"} else _count(facts, "fact")
        row = (source["source"]["name"], _words(source["state"]), why, held, latency, source["cache"] or "")
        table.add_row(*map(_text, row))
    out.print(table)


def _heading(patient: dict[str, Any] | None) -> Text:
    if patient is None:
        return Text("no demographics shown, birth date not stated")
    names = ", ".join(filter(None, map(_name, patient["names"]))) or "no name shown"
    born = (patient["birthDate"] or {}).get("value", "birth date not stated")
    marks = [word for key, word in _PATIENT_MARKS.items() if patient.get(key)]
    marks += [f"SOURCES DISAGREE ON {_conflict(conflict)}" for conflict in patient.get("conflicts") or ()]
    return _text("  ".join([*marks, names, born, patient["gender"] or ""]).rstrip())


_PATIENT_MARKS = {"enteredInError": "ENTERED IN ERROR", "deceased": "DECEASED", "restricted": "RESTRICTED"}


def _show_section(name: str, section: dict[str, Any], out: Console) -> None:
    entries = section["entries"]["nodes"]
    reason = _empty_words(section, entries) if section["emptyReason"] or not section["totalCount"] else ""
    status = "" if reason and section["status"] == "COMPLETE" else section["status"].lower()
    lost = _losses(section.get("sources") or [], whole=section["status"] == "COMPLETE")
    heard = ": ".join(filter(None, (status, lost)))
    if not section["totalCount"]:
        out.print(Text.assemble((_words(name), "bold"), ": ", _text(reason)))
        if heard:
            out.print(_text(f"  {heard}"))
        return
    table = Table("when", "what", "who says so", "sources disagree on", title_justify="left", expand=True)
    title = Text.assemble((_words(name), "bold"), f" ({section['totalCount']})", f" {status}" if not lost else "")
    table.title = Text("\n").join(filter(None, (title, _text(heard if lost else ""), _text(reason))))
    for entry in entries:
        table.add_row(
            _text((entry["when"] or {}).get("value", "no date stated")),
            describe(entry),
            _text(", ".join(dict.fromkeys(p["source"]["id"] for p in entry["provenance"]))),
            _text("; ".join(map(_conflict, entry["conflicts"]))),
        )
    out.print(table)
    if left := section["totalCount"] - len(entries):
        out.print(Text(f"{left} older entries are not shown here", "bold red"), "ask with --json and a document")


def _empty_words(section: dict[str, Any], entries: list[dict[str, Any]]) -> str:
    reason = section["emptyReason"]
    if reason == "NONE_KNOWN":
        said = [s["source"]["name"] for s in section.get("sources") or [] if _has_gap(s, "NONE_KNOWN")]
        absent = [e for e in entries if e.get("polarity") == "ABSENT"]
        said += [p["source"].get("name") or p["source"]["id"] for e in absent for p in e["provenance"]]
        return f"none known, as stated by {', '.join(dict.fromkeys(said)) or 'a source'}"
    return _EMPTY.get(reason, f"no entry, and no reason was given ({_NOT_NONE})")


def _has_gap(source: dict[str, Any], kind: str) -> bool:
    return any(gap["kind"] == kind for gap in source["gaps"])


def _losses(sources: list[dict[str, Any]], *, whole: bool) -> str:
    """Who was not heard in full, and why, in words. Of a section that is whole, only what was lost on the way."""
    said = []
    for source in sources:
        gaps = [gap for gap in source["gaps"] if gap["kind"] in _LOSSES]
        since = "" if whole else _since(source)
        stranger = source["code"] == "PATIENT_NOT_FOUND"
        out_of_scope = stranger or source["code"] == "NOT_HELD"
        if not gaps and not since and (whole or source["state"] == "OK" or out_of_scope):
            continue
        state = "answered, but" if source["state"] == "OK" else _STATES.get(source["state"], _words(source["state"]))
        state = "does not know this person" if stranger else state
        why = _gap_words(gaps) or ("" if stranger else source["code"])
        why = "; ".join(filter(None, (why, since)))
        said.append(f"{source['source']['name']} {state}" + (f" ({why})" if why else ""))
    return "; ".join(said)


def _since(source: dict[str, Any]) -> str:
    began = source.get("completeFrom")
    return f"it knows only what came since {began['value'][:10]}" if began else ""


def _gap_words(gaps: list[dict[str, Any]]) -> str:
    return "; ".join(dict.fromkeys(gap["text"] or _GAPS.get(gap["kind"], _words(gap["kind"])) for gap in gaps))


def _conflict(conflict: dict[str, Any]) -> str:
    claims = ", ".join(f"{claim['source']['id']} {claim['value'] or 'not said'}" for claim in conflict["claims"])
    return f"{_words(conflict['field'])}: {claims}"


def describe(entry: dict[str, Any]) -> Text:
    """An entry: what denies it first, then what it is, its value, and everything else that was asked for."""
    key = next((k for k in (*_TITLES, *_LATER_TITLES) if _say(entry.get(k))), None)
    title = _say(entry[key]) if key else "not named by the source"
    if key == "questionnaire" and "/" in title:
        title = title.rsplit("/", 1)[-1].replace("-", " ")
    denied = _denied(entry)
    wrong = "ENTERED IN ERROR" in denied
    value, used = _value(entry)
    used |= {key, "status"} if entry.get("status") in _DENYING_STATUS else {key}
    rest = [f"{_LABELS[k]} {said}" if k in _LABELS else said for k, said in _rest(entry, used)]
    if entry.get("patientReported"):
        rest.append("the patient's own word")
    kind = _kind(entry)
    body = f"{title}: {value}" if value else title
    body = ", ".join([f"{kind}: {body}" if kind else body, *rest])
    shown = Text.assemble(*((f"{word} ", "bold red") for word in denied))
    return shown.append_text(_text(body, "dim strike" if wrong else ""))


def _denied(entry: dict[str, Any]) -> list[str]:
    """Words that take an entry back, deny it or cast doubt on it, the strongest first."""
    verified, status = entry.get("verificationStatus"), entry.get("status")
    words = []
    if entry.get("enteredInError") or "entered-in-error" in (verified, status):
        words.append("ENTERED IN ERROR")
    if verified == "refuted":
        words.append("REFUTED")
    elif entry.get("polarity") == "ABSENT":
        words.append("stated as none:")  # "NOT NKDA" would say the opposite of what was stated
    if verified and verified not in {"confirmed", "refuted", "entered-in-error"}:
        words.append(_words(verified))
    if status in _DENYING_STATUS:
        words.append(_DENYING_STATUS[status])
    if entry.get("active") is False:
        words.append("no longer active")
    return words


def _kind(entry: dict[str, Any]) -> str:
    """What a medication entry is: 'given' or 'supplied' only where its status does not say otherwise."""
    kind, status = entry.get("kind"), entry.get("status")
    if kind in {"DISPENSE", "ADMINISTRATION"} and status is not None and status not in _DONE:
        return _UNPROVED_KINDS[kind]
    return _KINDS.get(kind, _words(kind)) if kind else ""


def _value(entry: dict[str, Any]) -> tuple[str, set[str | None]]:
    """What was measured or answered, or why there is no value; and the fields that this says."""
    keys = {key for key in entry if re.match("value[A-Z]", key)}
    if not keys:
        return "", set()
    if value := "; ".join(filter(None, (_say(entry[key]) for key in entry if key in keys))):
        return value, {*keys}
    if entry.get("components"):
        return "; ".join(map(_say, entry["components"])), {*keys, "components"}
    for key in ("dataAbsentReason", "notes"):
        if why := _say(entry.get(key)):
            return f"no value: {why}", {*keys, key}
    return "no value: the source gives none", {*keys}


def _rest(entry: dict[str, Any], used: set[str | None]) -> list[tuple[str, str]]:
    said = ((key, _say(value)) for key, value in entry.items() if key not in used and key not in _SAID_APART)
    when = (entry.get("when") or {}).get("value")
    return [(key, words) for key, words in said if words and words not in {when, f"from {when}"}]


def _say(value: Any) -> str:
    """Anything that was asked for, in words, by its shape."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "; ".join(filter(None, map(_say, value)))
    if not isinstance(value, dict):
        return str(value)
    for mark, say in _SHAPES.items():
        if mark in value:
            return str(say(value))
    return " ".join(filter(None, map(_say, value.values())))


def _quantity(q: dict[str, Any]) -> str:
    return "" if q["value"] is None else " ".join(filter(None, (q["comparator"], str(q["value"]), q["unit"])))


def _between(first: str, last: str) -> str:
    if first and last:
        return f"{first} to {last}"
    return f"from {first}" if first else f"until {last}" if last else ""


def _component(part: dict[str, Any]) -> str:
    value, used = _value(part)
    return " ".join(filter(None, (_say(part["code"]), value, *(said for _, said in _rest(part, used | {"code"})))))


def _name(name: dict[str, Any]) -> str:
    return name["text"] or " ".join([*name["given"], name["family"] or ""]).strip()


def _remark(remark: dict[str, Any]) -> str:
    said = remark["text"] or _words(remark.get("code") or "")
    return f"{said} ({remark['author']})" if remark.get("author") else said


def _comma(value: dict[str, Any]) -> str:
    return ", ".join(filter(None, map(_say, value.values())))


_SHAPES: dict[str, Any] = {
    "valueQuantity": _component,
    "display": lambda v: v["display"],
    "codings": lambda v: v["text"] or "",
    "comparator": _quantity,
    "low": lambda v: _between(_say(v["low"]), _say(v["high"])),
    "numerator": lambda v: f"{_say(v['numerator'])} : {_say(v['denominator'])}",
    "start": lambda v: _between(_say(v["start"]), _say(v["end"])),
    "family": _name,
    "role": _comma,
    "manifestations": _comma,
    "text": _remark,
}
"""How a value is said, by the first of these fields that it has."""


def _words(name: str) -> str:
    return re.sub(r"([a-z])([A-Z])", r"\1 \2", name).replace("_", " ").replace("-", " ").lower()


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _text(words: str, style: str = "") -> Text:
    """Text as it was written: no markup is read in it, and what steers a terminal or turns the reading is spelt out."""
    return Text("".join(c if c == "\n" or not _steers(c) else f"⟨U+{ord(c):04X}⟩" for c in words), style)


def _steers(character: str) -> bool:
    return (
        unicodedata.category(character) == "Cc"
        or character in "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    )


_FOUND = {
    "NONE": "Nobody found who fits everything stated.",
    "ONE": "One person fits. Compare before you choose: it may still be another than the one you mean.",
    "MANY": "Several people fit: choose by what you know, or state more.",
    "TOO_MANY": "More people fit than are shown: state more.",
}
_INCOMPLETE = {
    "PARTIAL": "Not every source was heard, so somebody may be missing:",
    "UNAVAILABLE": "No source was heard: this does not say that nobody fits.",
}
_NHS_NUMBER = "https://fhir.nhs.uk/Id/nhs-number"
_NOT_CONFIRMED = "identifier:not-confirmed"
_NEVER_SEARCHED = frozenset({"SEARCH_NOT_OFFERED", "RESTRICTION_UNKNOWN"})


def show_found(found: dict[str, Any], out: Console) -> None:
    """The candidates, then what is missing and why, then what no search can tell."""
    out.print(_text(_FOUND[found["status"]]), style="bold")
    if found["candidates"]:
        table = Table("ask with", "name", "born", "gender", "home", "fit", "known to")
        for one in found["candidates"]:
            row = (
                "\n".join(map(_to_ask_with, one["identifiers"])) or "no number to ask with",
                "\n".join(filter(None, map(_name, one["names"]))) + ("\nDECEASED" if one["deceased"] else ""),
                (one["birthDate"] or {}).get("value", "not stated"),
                one["gender"] or "not stated",
                one["postalDistrict"] or "not stated",
                _fit(one),
                "\n".join(source["name"] for source in one["sources"]),
            )
            table.add_row(*map(_text, row))
        out.print(table)
    if found["completeness"] in _INCOMPLETE:
        out.print(_text(_INCOMPLETE[found["completeness"]]), style="bold red")
        for one in found["sources"]:
            if one["state"] != "OK" and one["code"] not in _NEVER_SEARCHED:
                out.print(_text(f"  {one['source']['name']}: {one['code']} {one['message'] or ''}".rstrip()))
    out.print(_text(found["notice"]))


def _to_ask_with(identifier: dict[str, Any]) -> str:
    value = identifier["value"]
    if identifier["system"] != _NHS_NUMBER:
        return f"{value} ({identifier['system']})"
    return f"{value[:3]} {value[3:6]} {value[6:]}"


def _fit(candidate: dict[str, Any]) -> str:
    unconfirmed = "\nits number is not confirmed" if _NOT_CONFIRMED in candidate["evidence"] else ""
    return f"{candidate['grade'].lower()}{unconfirmed}"
