"""What a document may ask for at most, counted before it is validated: validation itself can be made to take seconds.

Fragments are expanded for the counting, each once: a document that doubles itself fragment by fragment is refused as
fast as a small one is let through.
"""

from dataclasses import dataclass

from graphql import DocumentNode, FieldNode, FragmentDefinitionNode, FragmentSpreadNode, OperationDefinitionNode
from graphql.language import InlineFragmentNode, SelectionSetNode

MOST_FIELDS = 20_000
"""Fields of all operations, fragments expanded."""
MOST_WRITTEN = 4_000
"""Fields and fragments as written."""
DEEPEST = 25
MOST_AT_THE_ROOT = 20
"""Fields of an operation itself: each may be a person."""
INTROSPECTION = frozenset({"__schema", "__type"})
MOST_INTROSPECTION = 4


@dataclass(frozen=True)
class _Size:
    fields: int = 0
    depth: int = 0
    written: int = 0


class TooMuch(Exception):
    """The document asks for too much; the message says of what, and how much is allowed."""


def check_limits(document: DocumentNode) -> None:
    """Raises TooMuch. A fragment that contains itself is left to validation, and counts as endless depth here."""
    fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
    counter = _Counter(fragments)
    written = sum(counter.of_fragment(name).written for name in fragments)
    for definition in document.definitions:
        if not isinstance(definition, OperationDefinitionNode):
            continue
        size = counter.of(definition.selection_set)
        written += size.written
        if size.fields > MOST_FIELDS:
            raise TooMuch(f"The document asks for more than {MOST_FIELDS} fields.")
        if size.depth > DEEPEST:
            raise TooMuch(f"The document is nested more than {DEEPEST} fields deep.")
        roots = list(counter.roots(definition.selection_set))
        if len(roots) > MOST_AT_THE_ROOT:
            raise TooMuch(f"The operation has more than {MOST_AT_THE_ROOT} fields at its root.")
        if sum(name in INTROSPECTION for name in roots) > MOST_INTROSPECTION:
            raise TooMuch(f"The operation looks at the schema more than {MOST_INTROSPECTION} times.")
    if written > MOST_WRITTEN:
        raise TooMuch(f"The document holds more than {MOST_WRITTEN} fields and fragments.")


class _Counter:
    """Sizes of selection sets, each fragment counted once."""

    def __init__(self, fragments: dict[str, FragmentDefinitionNode]) -> None:
        self._fragments = fragments
        self._known: dict[str, _Size] = {}

    def of_fragment(self, name: str) -> _Size:
        if name not in self._known:
            self._known[name] = _Size(depth=DEEPEST + 1)  # while it is counted: a fragment inside itself has no end
            definition = self._fragments.get(name)
            self._known[name] = self.of(definition.selection_set) if definition else _Size()
        return self._known[name]

    def of(self, selections: SelectionSetNode | None) -> _Size:
        fields = depth = written = 0
        for node in selections.selections if selections else ():
            written += 1
            if isinstance(node, FieldNode):
                inner = self.of(node.selection_set)
                fields += 1 + inner.fields
                depth = max(depth, 1 + inner.depth)
                written += inner.written
            elif isinstance(node, InlineFragmentNode):
                inner = self.of(node.selection_set)
                fields += inner.fields
                depth = max(depth, inner.depth)
                written += inner.written
            elif isinstance(node, FragmentSpreadNode):
                inner = self.of_fragment(node.name.value)
                fields += inner.fields
                depth = max(depth, inner.depth)
        return _Size(min(fields, MOST_FIELDS + 1), depth, written)

    def roots(self, selections: SelectionSetNode, seen: frozenset[str] = frozenset()) -> list[str]:
        """Names of the fields at the root, those of fragments included, up to one more than allowed."""
        names: list[str] = []
        for node in selections.selections:
            if isinstance(node, FieldNode):
                names.append(node.name.value)
            elif isinstance(node, InlineFragmentNode):
                names += self.roots(node.selection_set, seen)
            elif isinstance(node, FragmentSpreadNode) and node.name.value not in seen:
                definition = self._fragments.get(node.name.value)
                if definition:
                    names += self.roots(definition.selection_set, seen | {node.name.value})
            if len(names) > MOST_AT_THE_ROOT:
                break
        return names
