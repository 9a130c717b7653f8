"""`sherwood audit verify`: whether the audit trail is whole and as it was written, and where it ends."""

import re
from pathlib import Path

from rich.console import Console

from gateway.audit import AuditUnavailable, Head, verify
from gateway.problems import CommandError

_NOTED = re.compile(r"([0-9]+):([0-9a-f]{64})")


def verify_trail(path: Path, noted: str | None, out: Console) -> bool:
    """Walk the trail and say what was found. True when it is intact.

    `noted` is an end of the trail that was printed earlier and kept elsewhere: the trail must still lead up to it.
    Raises CommandError when there is no trail to read or `noted` is no such end.
    """
    expected = _head(noted) if noted is not None else None
    try:
        found = verify(path, expected)
    except AuditUnavailable as problem:
        raise CommandError(f"{path}: {problem}") from None
    if found.intact:
        out.print(f"The audit trail is intact: {found.rows} rows, each as it was written.", soft_wrap=True)
        if expected is None:
            out.print("Whether rows were cut from its end is sure only against an end noted earlier: give --noted.")
        out.print(f"It ends with {found.head.sequence}:{found.head.hash}", highlight=False, soft_wrap=True)
    else:
        told = f"The audit trail is NOT intact: {found.reason}, from row {found.broken_at} on."
        out.print(f"{told} The {found.rows} rows before are as they were written.", style="bold red", soft_wrap=True)
    return found.intact


def _head(noted: str) -> Head:
    match = _NOTED.fullmatch(noted.strip())
    if match is None:
        raise CommandError("--noted is an end of the trail as this command prints it: a number, a colon and 64 digits")
    return Head(sequence=int(match[1]), hash=match[2])
