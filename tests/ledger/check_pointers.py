"""Does every pointer of the ledgers resolve in the raw file, to the value quoted, and do the ledgers' own sums agree?

`python tests/ledger/check_pointers.py` prints each thing that is wrong and exits 1 when there is any. The ledgers are
read together, and must not contradict one another. Standard library only.
"""

import json
import re
import sys
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ESTATE = HERE.parents[1] / "adapters" / "demo" / "estate"
QUOTING = ("fact", "gap", "absent", "other", "shown", "after_link")
"""The kinds of entry that quote a raw file, where they name one."""
_SEGMENT = re.compile(r"(\w{3})\[(\d+)\]")
_FIELD = re.compile(r"(\w{3})-(\d+)(?:\[(\d+)\])?(?:\.(\d+))?(?:\.(\d+))?")
_TOKEN = re.compile(r"\{\{.*?\}\}")


def main() -> int:
    wrong: list[str] = []
    ledgers = {p.name: tomllib.loads(p.read_text(encoding="utf-8")) for p in sorted(HERE.glob("*.toml"))}
    wrong += [f"{name}: {what}" for name, ledger in ledgers.items() for what in _quotes(ledger)]
    wrong += [f"{name}: {what}" for name, ledger in ledgers.items() if "totals" in ledger for what in _sums(ledger)]
    wrong += _together(ledgers)
    for what in wrong:
        sys.stderr.write(what + "\n")
    return 1 if wrong else 0


def _quotes(ledger: dict[str, Any]) -> list[str]:
    wrong = []
    quoting = [(kind, entry) for kind in QUOTING for entry in ledger.get(kind, ()) if "at" in entry]
    for kind, entry in quoting:
        name = entry.get("id", kind)
        try:
            text = (ESTATE / entry["at"]).read_text(encoding="utf-8")
            read = _hl7(text, entry["pointer"]) if entry["at"].endswith(".hl7") else _json(text, entry["pointer"])
        except (OSError, LookupError, ValueError) as error:
            wrong.append(f"{name}: {entry['at']} {entry['pointer']}: {error!r}")
            continue
        for key, quoted in entry["raw"].items():
            try:
                found = read(key)
            except (LookupError, ValueError, TypeError) as error:
                wrong.append(f"{name}: {key}: {error!r}")
                continue
            if found != quoted:
                wrong.append(f"{name}: {key}: the file says {found!r}, the ledger {quoted!r}")
        if entry.get("text", "") not in text:
            wrong.append(f"{name}: {entry['at']}: {entry['text']} is not in the file, so its absence proves nothing")
    return wrong


def _json(text: str, pointer: str) -> Any:
    """A reader of values below `pointer`, each as the text of the file: 13.50 stays 13.50, true is 'true'.

    Of a row of a table, `/TABLE/rows/<n>`, a value is read by the name of its column.
    """
    document = json.loads(text, parse_float=str, parse_int=str)
    start = _walk(document, pointer)
    row = re.fullmatch(r"(/\w+)/rows/\d+", pointer)
    columns = _walk(document, f"{row[1]}/columns") if row else None

    def read(key: str) -> str:
        found = start[columns.index(key)] if columns else _walk(start, key)
        if isinstance(found, dict | list) or found is None:
            raise ValueError("not a single value")
        return str(found).lower() if isinstance(found, bool) else str(found)

    return read


def _walk(node: Any, pointer: str) -> Any:
    if pointer and not pointer.startswith("/"):
        raise ValueError(f"{pointer} does not start with /")
    for part in pointer.split("/")[1:]:
        part = part.replace("~1", "/").replace("~0", "~")
        node = node[int(part)] if isinstance(node, list) else node[part]
    return node


def _hl7(text: str, pointer: str) -> Any:
    """A reader of fields of one segment. A date token holds a `|`, so tokens are set aside before splitting."""
    named = _SEGMENT.fullmatch(pointer)
    if not named:
        raise ValueError("write a segment and its occurrence, such as PV1[2]")
    tokens: list[str] = []

    def aside(found: re.Match[str]) -> str:
        tokens.append(found[0])
        return f"\x00{len(tokens) - 1}\x00"

    segments = [_TOKEN.sub(aside, line).split("|") for line in text.splitlines()]
    fields = [segment for segment in segments if segment[0] == named[1]][int(named[2]) - 1]

    def read(key: str) -> str:
        asked = _FIELD.fullmatch(key)
        if not asked or asked[1] != named[1]:
            raise ValueError(f"{key} is not a field of {named[1]}")
        value = fields[int(asked[2])]
        for separator, position in (("~", asked[3]), ("^", asked[4]), ("&", asked[5])):
            if position:
                value = value.split(separator)[int(position) - 1]
        return re.sub("\x00(\\d+)\x00", lambda found: tokens[int(found[1])], value)

    return read


def _sums(ledger: dict[str, Any]) -> list[str]:
    wrong = []
    facts = Counter(fact["id"] for fact in ledger.get("fact", ()))
    members = Counter(member for merged in ledger.get("merged", ()) for member in merged["facts"])
    wrong += [f"{name} is stated {count} times" for name, count in facts.items() if count > 1]
    wrong += [f"{name} is in {members[name]} merged facts" for name in facts if members[name] != 1]
    named = [name for kind in ("conflict", "softlink") for entry in ledger.get(kind, ()) for name in entry["between"]]
    named += [name for entry in ledger.get("within", ()) for name in entry["facts"]]
    named += [entry["fact"] for kind in ("discrepancy", "excluded", "change") for entry in ledger.get(kind, ())]
    named += [name for kind in ("answer", "timeline") for entry in ledger.get(kind, ()) for name in entry["facts"]]
    named += [name for entry in ledger.get("series", ()) for name in entry["points"]]
    named += [name for entry in ledger.get("rank", ()) for names in entry.values() for name in names]
    for entry in ledger.get("reach", ()):
        named += [*entry["said_by"], *filter(None, [entry.get("last_contact")])]
    wrong += [f"{name} is named and is no fact" for name in {*members, *named} - set(facts)]
    held = {member: number for number, merged in enumerate(ledger.get("merged", ())) for member in merged["facts"]}
    for entry in ledger.get("series", ()):
        if len({held.get(name) for name in entry["points"]}) != len(entry["points"]):
            wrong.append(f"the series {entry['name']} counts a merged fact twice")
    whens = [entry["when"] for entry in ledger.get("timeline", ())]
    if whens != sorted(whens):
        wrong.append("the timeline is not in order")
    for entry in [*ledger.get("conflict", ()), *ledger.get("softlink", ())]:
        if len({held.get(name) for name in entry["between"]}) != 2:
            wrong.append(f"{entry['between']} are not two merged facts")
    said = ledger["totals"]
    counted: dict[str, Any] = {
        kind + "s": len(ledger.get(kind, ())) for kind in ("fact", "conflict", "softlink", "gap", "link")
    }
    counted["merged"] = len(ledger.get("merged", ()))
    counted["facts_by_source"] = dict(Counter(name.partition(":")[0] for name in facts))
    counted["merged_by_section"] = dict(Counter(merged["section"] for merged in ledger.get("merged", ())))
    wrong += [f"totals.{key}: says {said[key]}, is {found}" for key, found in counted.items() if said[key] != found]
    return wrong


def _together(ledgers: dict[str, dict[str, Any]]) -> list[str]:
    """One fact, one merged fact, one conflict: the same in whichever ledger; and what the sources are said to hold."""
    wrong: list[str] = []
    facts: dict[str, Any] = {}
    merged: dict[str, Any] = {}
    for name, ledger in ledgers.items():
        wrong += [
            f"{name}: {fact['id']} is stated otherwise in another ledger"
            for fact in ledger.get("fact", ())
            if facts.setdefault(fact["id"], fact) != fact
        ]
        for group in ledger.get("merged", ()):
            wrong += [
                f"{name}: {member} is merged otherwise in another ledger"
                for member in group["facts"]
                if merged.setdefault(member, group) != group
            ]
    for kind in ("conflict", "within", "softlink"):
        every = [entry for ledger in ledgers.values() for entry in ledger.get(kind, ())]
        for name, ledger in ledgers.items():
            held = {fact["id"] for fact in ledger.get("fact", ())}
            due = [entry for entry in every if held.issuperset(entry.get("between") or entry["facts"])]
            wrong += [f"{name}: lacks the {kind} {entry}" for entry in due if entry not in ledger.get(kind, ())]
    said = Counter(name.partition(":")[0] for name in facts)
    for name, ledger in ledgers.items():
        for source in ledger.get("source", ()):
            if said[source["id"]] != source["facts"]:
                wrong.append(f"{name}: {source['id']} has {said[source['id']]} facts, not {source['facts']}")
        for scenario in ledger.get("scenario", ()):
            wrong += [
                f"{name}: {fact} is named and is no fact"
                for fact in (*scenario["kept"], *scenario["gone"])
                if fact not in facts
            ]
    return wrong


if __name__ == "__main__":
    sys.exit(main())
