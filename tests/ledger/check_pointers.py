"""Does every pointer of the ledger resolve in the raw file, to the value quoted, and do the ledger's own sums agree?

`python tests/ledger/check_pointers.py` prints each thing that is wrong and exits 1 when there is any. Standard
library only.
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
_SEGMENT = re.compile(r"(\w{3})\[(\d+)\]")
_FIELD = re.compile(r"(\w{3})-(\d+)(?:\[(\d+)\])?(?:\.(\d+))?(?:\.(\d+))?")
_TOKEN = re.compile(r"\{\{.*?\}\}")


def main() -> int:
    wrong: list[str] = []
    for path in sorted(HERE.glob("*.toml")):
        ledger = tomllib.loads(path.read_text(encoding="utf-8"))
        wrong += [f"{path.name}: {what}" for what in [*_quotes(ledger), *_sums(ledger)]]
    for what in wrong:
        sys.stderr.write(what + "\n")
    return 1 if wrong else 0


def _quotes(ledger: dict[str, Any]) -> list[str]:
    wrong = []
    for entry in [*ledger["fact"], *(gap for gap in ledger.get("gap", ()) if "at" in gap)]:
        name = entry.get("id", "gap")
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
    return wrong


def _json(text: str, pointer: str) -> Any:
    """A reader of values below `pointer`, each as the text of the file: 13.50 stays 13.50, true is 'true'."""
    start = _walk(json.loads(text, parse_float=str, parse_int=str), pointer)

    def read(key: str) -> str:
        found = _walk(start, key)
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
    facts = Counter(fact["id"] for fact in ledger["fact"])
    members = Counter(member for merged in ledger["merged"] for member in merged["facts"])
    wrong += [f"{name} is stated {count} times" for name, count in facts.items() if count > 1]
    wrong += [f"{name} is in {members[name]} merged facts" for name in facts if members[name] != 1]
    named = [name for kind in ("conflict", "softlink") for entry in ledger.get(kind, ()) for name in entry["between"]]
    named += [name for entry in ledger.get("within", ()) for name in entry["facts"]]
    named += [entry["fact"] for entry in ledger.get("discrepancy", ())]
    wrong += [f"{name} is named and is no fact" for name in {*members, *named} - set(facts)]
    held = {member: number for number, merged in enumerate(ledger["merged"]) for member in merged["facts"]}
    for entry in [*ledger.get("conflict", ()), *ledger.get("softlink", ())]:
        if len({held.get(name) for name in entry["between"]}) != 2:
            wrong.append(f"{entry['between']} are not two merged facts")
    said = ledger["totals"]
    counted = {kind + "s": len(ledger.get(kind, ())) for kind in ("fact", "conflict", "softlink", "gap", "link")}
    counted["merged"] = len(ledger["merged"])
    counted["facts_by_source"] = dict(Counter(name.partition(":")[0] for name in facts))
    counted["merged_by_section"] = dict(Counter(merged["section"] for merged in ledger["merged"]))
    wrong += [f"totals.{key}: says {said[key]}, is {found}" for key, found in counted.items() if said[key] != found]
    return wrong


if __name__ == "__main__":
    sys.exit(main())
