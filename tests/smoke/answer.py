"""The two parts of the smoke test that are not shell: the README's first question, and whether everybody answered it.

`answer.py question README PORT` prints the first bash block of the README that uses curl, asking on that port.
`answer.py judge ANSWER SOURCES` compares that question's answer with the list of sources from the same gateway, and
exits 1 when a source said nothing. Standard library only: it runs before anything is installed.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_BLOCK = re.compile(r"^```bash\n(.*?)^```", re.MULTILINE | re.DOTALL)
_ORIGIN = re.compile(r"(localhost|127\.0\.0\.1):8000\b")
_KNOWS_NOBODY = "renal"
"""The one system of the estate that knows no patient: that it says so is its whole answer."""
_NOT_HEARD = {"UNAVAILABLE", "PENDING", "NOT_ASKED", "NOT_LINKED"}


def question(readme: Path, port: int) -> str:
    """The first bash block with curl, as a person would paste it, on another port."""
    for block in _BLOCK.findall(readme.read_text(encoding="utf-8")):
        if "curl" in block:
            asked, count = _ORIGIN.subn(rf"\g<1>:{port}", block)
            if count:
                return str(asked)
            raise SystemExit("the README's first curl does not ask localhost:8000")
    raise SystemExit("the README has no bash block with curl")


def judge(answer: dict[str, Any], listed: dict[str, Any]) -> list[str]:
    """What is wrong with the answer: an error, a source that is not named, one that said nothing or was not heard."""
    if answer.get("errors"):
        return [f"the answer has errors: {[error.get('message') for error in answer['errors']]}"]
    record = (answer.get("data") or {}).get("patient")
    if not record:
        return ["the answer holds no patient"]
    sources = listed["data"]["sources"]
    if len(sources) < 2:
        return [f"the gateway lists {len(sources)} source(s): too few to be an estate"]
    statuses = list(_statuses(record))
    empty = [status for status in statuses if (status.get("source") or {}).get("id") == _KNOWS_NOBODY]
    if empty and empty[0].get("code") == "PATIENT_NOT_FOUND":
        statuses.remove(empty[0])
        sources = [source for source in sources if source["id"] != _KNOWS_NOBODY]
    wrong = [
        f"{_named(status)} is {status['state']} ({status.get('code')})"
        for status in statuses
        if status.get("state") in _NOT_HEARD
    ]
    spoken = set(_texts(record)) | {name for status in statuses if status.get("facts") for name in _texts_of(status)}
    wrong += [f"no fact of {source['id']}" for source in sources if not {source["id"], source["name"]} & spoken]
    return wrong


def _statuses(record: Any) -> Iterator[dict[str, Any]]:
    """The entries of the record's own list of sources; those of single sections are not meant."""
    yield from (status for status in record.get("sources") or () if isinstance(status, dict))


def _named(status: dict[str, Any]) -> str:
    return next(iter(sorted(_texts_of(status.get("source")))), "a source")


def _texts(node: Any) -> Iterator[str]:
    """Every text in the answer outside of lists of sources, where a source stands whether it spoke or not."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key != "sources":
                yield from _texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from _texts(value)
    elif isinstance(node, str):
        yield node


def _texts_of(node: Any) -> set[str]:
    return set(_texts(node))


def main(arguments: list[str]) -> int:
    """Run one of the two."""
    match arguments:
        case ["question", readme, port]:
            sys.stdout.write(question(Path(readme), int(port)))
            return 0
        case ["judge", answer, sources]:
            said, listed = (json.loads(Path(path).read_text(encoding="utf-8")) for path in (answer, sources))
            wrong = judge(said, listed)
            for what in wrong:
                sys.stderr.write(f"smoke test: {what}\n")
            if not wrong:
                names = ", ".join(source["id"] for source in listed["data"]["sources"])
                sys.stdout.write(f"every source spoke: {names}\n")
            return 1 if wrong else 0
    raise SystemExit(__doc__)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
