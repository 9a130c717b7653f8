"""Documents.

Same when one holds: the same master identifier (or other number of the document, with its issuer); the same content,
by the hash that the source states. Several attachments must all have the same hashes: a leaflet in two letters does
not make them one; sharing some, they are linked. Empty content proves nothing. A document and the one it replaces
stay two, linked: the newest is shown first, older ones are kept.
"""

from typing import Any

from msgspec import Struct

from gateway.merge.identifiers import IdKey, id_keys
from gateway.merge.rule import Keys, Relation, Rule
from schema.model.clinical import DocumentReference
from schema.model.view import SourceFact

_EMPTY = frozenset({"2jmj7l5rSw0yVb/vlWAYkK/YBwk=", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="})
"""SHA-1 and SHA-256 of no bytes, in base64."""


class _Document(Struct, frozen=True, gc=False):
    numbers: frozenset[IdKey]
    hashes: frozenset[str]


class DocumentRule(Rule[_Document]):
    """See the module."""

    def look(self, stated: SourceFact[Any]) -> _Document:
        fact: DocumentReference = stated.fact
        contents = [content for content in fact.contents if content.size != 0]
        return _Document(
            numbers=id_keys(fact.identifiers),
            hashes=frozenset(one.hash for one in contents if one.hash and one.hash not in _EMPTY),
        )

    def keys(self, seen: _Document) -> Keys:
        return Keys(active=(*seen.numbers, *seen.hashes))

    def relation(self, a: _Document, b: _Document) -> Relation:
        if a.numbers & b.numbers or (a.hashes and a.hashes == b.hashes):
            return Relation.COMPARABLE
        return Relation.RELATED if a.hashes & b.hashes else Relation.APART
