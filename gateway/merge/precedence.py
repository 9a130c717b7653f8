"""Which member of a merged fact is shown first. Nothing is removed by it.

Newest recorded, then the author's own system, then the deployment's order of sources, then the source's and the
fact's id.
"""

from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import Any

from gateway.merge.compare import folded
from schema.model.values import Party
from schema.model.view import SourceFact, SourceRef


def precedence(order: Sequence[str]) -> Callable[[SourceFact[Any]], tuple[float, bool, int, str, str]]:
    """A sort key: least first. `order` names the sources as the deployment ranks them; the others follow."""
    rank: Mapping[str, int] = {source: place for place, source in enumerate(order)}
    last = len(rank)

    def key(stated: SourceFact[Any]) -> tuple[float, bool, int, str, str]:
        recorded, author, source = stated.fact.recorded, stated.fact.author, stated.provenance.source
        return (
            -recorded.earliest.timestamp() if recorded else inf,
            author is None or not _is_its_own(author, source),
            rank.get(source.id, last),
            source.id,
            stated.id,
        )

    return key


def _is_its_own(author: Party, source: SourceRef) -> bool:
    organization = folded(author.organization)
    return organization is not None and organization == folded(source.organization)
