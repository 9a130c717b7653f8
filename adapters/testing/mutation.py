"""Damaged copies of a real payload, the same at every run: what a network, an upgrade or a bug makes of it."""

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

from adapters.testing.simulation import LOGIN_PAGE

NONSENSE: tuple[bytes, ...] = (
    LOGIN_PAGE.encode(),
    b'{"error": "session expired"}',
    bytes((17 * n * n + 31) % 256 for n in range(2048)),
)
"""What is no answer in any protocol, however well it is read."""

_ODD_VALUES: tuple[Any, ...] = (None, [], {}, "", "x", 0, -1, 1.5, True, [None], [[]], {"x": None}, "\x00", "9" * 60)
_ODD_BYTES = (
    b"\x00",
    b"\xff",
    b"\xc3",
    b"{",
    b"]",
    b'"',
    b"\\",
    b"|",
    b"^",
    b"\r",
    b"\n",
    b"<",
    b"&",
    b"NaN",
    b"1e999",
)


def mutants(data: bytes, count: int, seed: int = 1) -> Iterator[bytes]:
    """That many damaged copies: cut, spliced and bent, and for JSON also with nodes replaced, removed and wrapped."""
    dice = random.Random(seed)  # noqa: S311  (damage needs repeating, not secrecy)
    bends: list[Callable[[bytes, random.Random], bytes]] = [_cut, _splice, _flip, _insert, _lines]
    document = _json(data)
    if isinstance(document, dict | list):
        # Most of the damage that a reader meets in earnest is well-formed JSON of another shape.
        bends += [_bend_json] * 8
    for _ in range(count):
        yield dice.choice(bends)(data, dice)


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _cut(data: bytes, dice: random.Random) -> bytes:
    return data[: dice.randrange(len(data) + 1)]


def _splice(data: bytes, dice: random.Random) -> bytes:
    start, end, to = sorted(dice.randrange(len(data) + 1) for _ in range(3))
    return data[:to] + data[start:end] + data[to:] if dice.random() < 0.5 else data[:start] + data[end:]


def _flip(data: bytes, dice: random.Random) -> bytes:
    if not data:
        return b"\x00"
    bent = bytearray(data)
    for _ in range(dice.randrange(1, 9)):
        bent[dice.randrange(len(bent))] ^= 1 << dice.randrange(8)
    return bytes(bent)


def _insert(data: bytes, dice: random.Random) -> bytes:
    at = dice.randrange(len(data) + 1)
    return data[:at] + dice.choice(_ODD_BYTES) * dice.randrange(1, 4) + data[at:]


def _lines(data: bytes, dice: random.Random) -> bytes:
    """Lines lost, doubled and out of order, whatever ends a line here."""
    end = b"\r" if b"\r" in data and b"\n" not in data else b"\n"
    lines = data.split(end)
    at = dice.randrange(len(lines))
    match dice.randrange(3):
        case 0:
            del lines[at]
        case 1:
            lines.insert(dice.randrange(len(lines) + 1), lines[at])
        case _:
            lines[at], lines[0] = lines[0], lines[at]
    return end.join(lines)


def _bend_json(data: bytes, dice: random.Random) -> bytes:
    document = json.loads(data)
    places = list(_places(document))
    for _ in range(dice.randrange(1, 4)):
        if places:
            holder, key = dice.choice(places)
            _bend_at(holder, key, dice)
    return json.dumps(document).encode()


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a document where a value stands: its holder and its key or index."""
    waiting = [node]
    while waiting:
        holder = waiting.pop()
        for key in list(holder) if isinstance(holder, dict) else range(len(holder)):
            yield holder, key
            if isinstance(holder[key], dict | list):
                waiting.append(holder[key])


def _bend_at(holder: Any, key: Any, dice: random.Random) -> None:
    gone = key not in holder if isinstance(holder, dict) else key >= len(holder)
    if gone:
        return
    match dice.randrange(5):
        case 0:
            del holder[key]
        case 1:
            holder[key] = [holder[key]]
        case 2 if isinstance(holder[key], list) and holder[key]:
            holder[key] = holder[key][0]
        case 3 if isinstance(holder, list):
            holder.append(holder[key])
        case _:
            holder[key] = dice.choice(_ODD_VALUES)
