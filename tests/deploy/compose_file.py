"""compose.yaml without a YAML library: the plain part of YAML 1.2 (block mappings, block lists, one-line scalars).

What it reads means the same to every YAML reader; whatever does not (flow collections, anchors, tags, block text, plain
words such as `no` and `12:30`) is refused, so that the file stays as plain as this.
"""

import re
from pathlib import Path
from typing import Any

COMPOSE = Path(__file__).resolve().parents[2] / "deploy" / "compose.yaml"

_PLAIN = re.compile(r"[A-Za-z./][\w./-]*|\d+(?:s|m|mb|M|G)")
"""Text that needs no quotation marks: no indicator in it, and no number."""
_AMBIGUOUS = re.compile(r"(?i)y|n|yes|no|on|off|null|~")
_KEY = re.compile(r"([A-Za-z_][\w.-]*):(?: (.+))?$")


def parse(text: str) -> dict[str, Any]:
    """The document. Raises ValueError, with the line, for what is not plain."""
    lines = [
        (number, len(line) - len(line.lstrip(" ")), line.strip())
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    value, rest = _block(lines, 0)
    if rest or not isinstance(value, dict):
        raise ValueError(f"line {rest[0][0] if rest else 1}: a mapping ends here, and the file goes on")
    return value


_Lines = list[tuple[int, int, str]]


def _block(lines: _Lines, indent: int) -> tuple[Any, _Lines]:
    if lines[0][2].startswith("-"):
        return _list(lines, indent)
    found: dict[str, Any] = {}
    while lines and lines[0][1] == indent and not lines[0][2].startswith("-"):
        number, _, line = lines.pop(0)
        key = _KEY.match(line)
        if key is None or key[1] in found:
            raise ValueError(f"line {number}: not a key of its own")
        if key[2] is not None:
            found[key[1]] = _scalar(number, key[2])
        else:
            if not lines or lines[0][1] != indent + 2:
                raise ValueError(f"line {number}: nothing stands below it")
            found[key[1]], lines = _block(lines, indent + 2)
    _require_end(lines, indent)
    return found, lines


def _list(lines: _Lines, indent: int) -> tuple[list[Any], _Lines]:
    found = []
    while lines and lines[0][1] == indent and lines[0][2].startswith("- "):
        number, _, line = lines.pop(0)
        found.append(_scalar(number, line[2:]))
    _require_end(lines, indent)
    return found, lines


def _require_end(lines: _Lines, indent: int) -> None:
    if lines and lines[0][1] >= indent:
        raise ValueError(f"line {lines[0][0]}: does not belong to what stands above it")


def _scalar(number: int, written: str) -> Any:
    if quoted := re.fullmatch(r'"([^"\\]*)"', written):
        return quoted[1]
    if written in ("true", "false"):
        return written == "true"
    if re.fullmatch(r"[1-9]\d*", written):
        return int(written)
    if not _PLAIN.fullmatch(written) or _AMBIGUOUS.fullmatch(written):
        raise ValueError(f"line {number}: write it in quotation marks")
    return written
