"""Which member of a merged fact is shown first. Nothing is removed by it.

Newest recorded, then the author's own system, then the deployment's order of sources, then the source's and the
fact's id.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gateway.merge.compare import folded
from schema.model.view import SourceFact


def precedence(order: Sequence[str]) -> Callable[[SourceFact[Any]], tuple[float, bool, int, str, str]]:
    """A sort key: least first. `order` names the sources as the deployment ranks them; the others follow."""
    rank: Mapping[str, int] = {source: place for place, source in enumerate(order)}

    def key(stated: SourceFact[Any]) -> tuple[float, bool, int, str, str]:
        recorded = stated.fact.recorded
        source = stated.provenance.source
        return (
            -recorded.earliest.timestamp() if recorded else float("inf"),
            not _by_its_own(stated),
            rank.get(source.id, len(rank)),
            source.id,
            stated.id,
        )

    return key


def _by_its_own(stated: SourceFact[Any]) -> bool:
    author = stated.fact.author
    organization = folded(author.organization) if author else None
    return organization is not None and organization == folded(stated.provenance.source.organization)
