"""Which document a request runs: the one that it carries, or one that it names by its hash.

Automatic persisted queries: a client that names a hash we do not know is told so, and sends the document with it once
(https://www.apollographql.com/docs/graphos/operations/apq). Trusted documents: a manifest that the front end's build
writes; with `only_trusted` nothing else is run (GraphQL over HTTP, appendix on persisted documents).
"""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import msgspec

from adapters.sdk import SettingsError
from adapters.sdk.resources import read_resource
from gateway.config import Config, ConfigError
from schema.gql.errors import ErrorCode, QueryError

KEPT = 256
"""Documents kept for clients that name them by hash, those used last."""
LONGEST_KEPT = 64 * 1024
_PREFIX = "sha256:"


class Documents:
    """The documents of one gateway. Kept in memory, so another replica may have to be sent one again."""

    def __init__(self, trusted: Mapping[str, str] | None = None, *, only_trusted: bool = False) -> None:
        self.trusted = dict(trusted or {})
        self._by_hash = {sha256(text): text for text in self.trusted.values()}
        self._only_trusted = only_trusted
        self._kept: OrderedDict[str, str] = OrderedDict()

    def text(self, request: Mapping[str, Any]) -> str:
        """The document of a request's parameters. Raises QueryError, which says what to send."""
        query, named = request.get("query"), _named(request)
        if not isinstance(query, str | None):
            raise QueryError(ErrorCode.BAD_REQUEST, "`query` is the document as text.")
        if query is None and named is None:
            raise QueryError(
                ErrorCode.BAD_REQUEST, 'Send an object with the document as text: {"query": "..."}, or its hash.'
            )
        if query is None:
            return self._known(str(named))
        digest = sha256(query)
        if self._only_trusted and digest not in self._by_hash:
            raise QueryError(ErrorCode.DOCUMENT_NOT_TRUSTED, "Only documents of the manifest are run here.")
        if named is not None:
            if named.removeprefix(_PREFIX) != digest and self.trusted.get(named) != query:
                raise QueryError(ErrorCode.BAD_REQUEST, "The hash is not the SHA-256 of this document.")
            self._keep(digest, query)
        return query

    def _known(self, named: str) -> str:
        digest = named.removeprefix(_PREFIX)
        text = self.trusted.get(named) or self._by_hash.get(digest)
        if text is None and self._only_trusted:
            raise QueryError(ErrorCode.DOCUMENT_NOT_TRUSTED, "Only documents of the manifest are run here.")
        if text is None and (text := self._kept.get(digest)) is not None:
            self._kept.move_to_end(digest)
        if text is None:
            raise QueryError(ErrorCode.PERSISTED_QUERY_NOT_FOUND, "PersistedQueryNotFound")
        return text

    def _keep(self, digest: str, query: str) -> None:
        if digest in self._by_hash or len(query) > LONGEST_KEPT:
            return
        self._kept[digest] = query
        self._kept.move_to_end(digest)
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)


def _named(request: Mapping[str, Any]) -> str | None:
    if isinstance(request.get("documentId"), str):
        return str(request["documentId"])
    extensions = request.get("extensions")
    persisted = extensions.get("persistedQuery") if isinstance(extensions, dict) else None
    named = persisted.get("sha256Hash") if isinstance(persisted, dict) else None
    return named if isinstance(named, str) else None


def sha256(text: str) -> str:
    """As clients name a document: the hexadecimal SHA-256 of its UTF-8."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def read_manifest(text: str) -> dict[str, str]:
    """Id to document: a plain object of them (graphql-codegen, Relay), or Apollo's manifest. Raises ValueError."""
    try:
        found = msgspec.json.decode(text)
    except msgspec.DecodeError:
        raise ValueError("is not JSON") from None
    if isinstance(found, dict) and isinstance(operations := found.get("operations"), list):
        found = {one.get("id"): one.get("body") for one in operations if isinstance(one, dict)}
    if not isinstance(found, dict) or not all(isinstance(x, str) for pair in found.items() for x in pair):
        raise ValueError('is neither {"<id>": "<document>"} nor a manifest with "operations"')
    return found


def documents_of(config: Config) -> Documents:
    """What the configuration trusts. Raises ConfigError that names the file."""
    trusted: dict[str, str] = {}
    for reference in config.graphql.trusted_documents:
        try:
            trusted |= read_manifest(read_resource(reference, config.folder))
        except SettingsError as problem:  # it names the file itself
            raise ConfigError(f"[graphql] trusted_documents: {problem}") from None
        except ValueError as problem:
            raise ConfigError(f"[graphql] trusted_documents: {reference}: {problem}") from None
    return Documents(trusted, only_trusted=config.graphql.only_trusted)
