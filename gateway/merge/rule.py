"""What one fact type supplies to the merge: where to look for its like, and what to compare.

The engine knows nothing about medicine. A rule says, of two facts of one person:
    keys       what they must share for the engine to look at the pair at all (never decides anything by itself)
    relation   how near they are, apart from the attributes in the last column of the table
    compared   those attributes: where one differs they are two facts in conflict, where one cannot be compared they
               are linked Two facts are the same exactly when their relation is COMPARABLE and no compared attribute
               differs or cannot be compared.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable
from enum import Enum
from typing import Any, Generic, NamedTuple, TypeVar

from gateway.merge.compare import Answer
from gateway.merge.concepts import Code, Terminology
from schema.model.fact import Fact
from schema.model.values import CodeableConcept, Coding
from schema.model.view import SourceFact

L = TypeVar("L")
"""What a rule looks at of a fact, worked out once."""


class Relation(Enum):
    """How near two facts are before their attributes are compared. Always symmetric."""

    APART = "apart"
    """Nothing to do with each other."""
    RELATED = "related"
    """They may be the same or belong together: linked, never merged."""
    ALIKE = "alike"
    """About the same thing, though not provably the same statement: they can be in conflict, and are never merged."""
    COMPARABLE = "comparable"
    """The same, unless a compared attribute says otherwise."""


APART, RELATED, ALIKE, COMPARABLE = Relation
"""By name, as in `compare`."""


class Keys(NamedTuple):
    """Where a fact can be found. Facts meet under a key, except two that are both passive there."""

    active: Iterable[Hashable] = ()
    passive: Iterable[Hashable] = ()


class Compared(NamedTuple):
    """One attribute of the table's last column."""

    field: str
    """The name shown with the conflict."""
    compare: Callable[[Any, Any], Answer]
    text: Callable[[Any], str | None]
    """What a fact says about it, in words."""
    divides: bool = True
    """False: a difference is shown and does not keep two facts from being the same."""
    unless: frozenset[str] = frozenset()
    """Not named when one of these differs too and says it better."""


class Rule(ABC, Generic[L]):
    """The merge rule of one fact type, under one terminology."""

    compared: tuple[Compared, ...] = ()
    one_for_each_source: bool = True
    """Two statements of one source are two things. False where they are records of one person: two registrations."""
    self_consistent: bool = False
    """True where a source that holds two different statements means both: no conflict within one source, nor between
    two statements of which either source holds both."""

    def __init__(self, terms: Terminology) -> None:
        self.terms = terms
        self._codes: dict[tuple[Coding, ...], frozenset[Code]] = {}

    def codes(self, concept: CodeableConcept | None) -> frozenset[Code]:
        """`Terminology.concepts`, worked out once for each set of codings: thousands of results share a few."""
        codings = concept.codings if concept is not None else ()
        found = self._codes.get(codings)
        if found is None:
            found = self._codes[codings] = self.terms.concepts(concept)
        return found

    @abstractmethod
    def look(self, stated: SourceFact[Any]) -> L:
        """What the rule looks at."""

    @abstractmethod
    def keys(self, seen: L) -> Keys:
        """Two facts whose relation is not APART share a key under which at least one of them is active."""

    @abstractmethod
    def relation(self, a: L, b: L) -> Relation:
        """How near two facts are; symmetric, and a function of these two alone."""

    def signature(self, fact: Any) -> Hashable | None:
        """Equal for two facts only when nothing but their source could tell them apart in `keys`, `relation` and
        `compared`: they are then looked at once. None: always looked at by itself. Only a matter of speed."""
        return None

    def refers(self, fact: Fact) -> tuple[str, ...]:
        """Native ids, of the same source, of what this fact belongs with: linked."""
        return fact.replaces
