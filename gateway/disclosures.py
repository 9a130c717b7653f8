"""Who saw what a link showed: read from the audit trail, which names in each disclosure the records it was made of."""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path

from msgspec import structs

from gateway.audit import AuditUnavailable
from schema.model.stewardship import SeenBy
from schema.model.values import Identifier

LINKS = "links"
"""The detail of a disclosure event that names the records whose facts the answer was made of."""


def audited(identifier: Identifier) -> str:
    """A person's identifier as the audit trail writes it."""
    return f"{identifier.system}|{identifier.value}"


def links_detail(links: Iterable[tuple[str, str]]) -> str:
    """Pairs of source and local id, as `LINKS` writes them."""
    return json.dumps(sorted(set(links)), ensure_ascii=True)


def seen_over(trail: Path, patients: Sequence[str], source: str, local_id: str) -> tuple[SeenBy, ...]:
    """To whom answers about a person went that were made of this record's facts too, the first first.

    `patients` are all numbers of the person as the trail writes them. Everybody who may have seen something: a part of
    an answer that shows none of these facts counts as well. Raises AuditUnavailable when the trail cannot be read.
    """
    wanted = [source, local_id]
    seen: dict[tuple[str, str, str, str], SeenBy] = {}
    marks = ", ".join("?" * len(patients))
    try:
        with closing(sqlite3.connect(f"{trail.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            for time, detail, *who in connection.execute(
                "SELECT time, detail, user, role, organization, purpose FROM trail "  # noqa: S608
                f"WHERE patient IN ({marks}) AND kind = 'disclosure' ORDER BY sequence",
                tuple(patients),
            ):
                if wanted not in json.loads(json.loads(detail).get(LINKS, "[]")):
                    continue
                user, role, organization, purpose = who
                at = datetime.fromisoformat(time)
                known = seen.get((user, role, organization, purpose)) or SeenBy(
                    user=user, role=role, organization=organization, purpose=purpose, first=at, last=at, answers=0
                )
                seen[user, role, organization, purpose] = structs.replace(known, last=at, answers=known.answers + 1)
    except (sqlite3.Error, OSError):
        raise AuditUnavailable("the audit trail cannot be read") from None
    return tuple(seen.values())
