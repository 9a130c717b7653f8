"""Which fields a request names, read from its document. Strawberry's own reading makes objects of everything below."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from graphql import FieldNode, FragmentDefinitionNode, FragmentSpreadNode, InlineFragmentNode, SelectionSetNode
from strawberry.types import Info


def fields_named(info: Info[Any, Any], *path: str) -> frozenset[str]:
    """The names of the fields selected of this field's value, or of what the path leads to below it.

    Deferred fields are among them, and those that a condition may yet leave out.
    """
    nodes: Iterable[FieldNode] = info._raw_info.field_nodes
    fragments = info._raw_info.fragments
    for name in path:
        nodes = [node for node in _fields(nodes, fragments) if node.name.value == name]
    return frozenset(node.name.value for node in _fields(nodes, fragments))


def _fields(nodes: Iterable[FieldNode], fragments: Mapping[str, FragmentDefinitionNode]) -> Iterator[FieldNode]:
    for node in nodes:
        yield from _selected(node.selection_set, fragments)


def _selected(chosen: SelectionSetNode | None, fragments: Mapping[str, FragmentDefinitionNode]) -> Iterator[FieldNode]:
    for selection in chosen.selections if chosen else ():
        if isinstance(selection, FieldNode):
            yield selection
        elif isinstance(selection, InlineFragmentNode):
            yield from _selected(selection.selection_set, fragments)
        elif isinstance(selection, FragmentSpreadNode):
            yield from _selected(fragments[selection.name.value].selection_set, fragments)
