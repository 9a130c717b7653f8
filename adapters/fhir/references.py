"""References between resources: relative, absolute, versioned, contained (`#x`), by fullUrl and `urn:uuid`, logical.

A reference is canonical as `<Type>/<id>` only within this source: an absolute one to another server keeps its address,
because `Patient/1` there is not `Patient/1` here.
Truth: FHIR R4 section 2.3 (references) and 3.1.0.8 (resolving references in bundles).
"""

import re

from adapters.fhir.elements import Element

_LITERAL = re.compile(
    r"(?:(?P<base>https?://.+)/)?(?P<type>[A-Z][A-Za-z]+)/(?P<id>[A-Za-z0-9\-.]{1,64})(?:/_history/[^/]+)?"
)


class Index:
    """Every resource of one record, found by whatever a reference may say."""

    def __init__(self, bases: tuple[str, ...] = ()) -> None:
        self._bases = {base.rstrip("/") for base in bases}
        self._by_url: dict[str, Element] = {}
        self._by_id: dict[str, Element] = {}
        self._native: dict[int, str] = {}

    def add(self, resource: Element, full_url: str | None) -> None:
        """Make a resource findable. The first of two with one address stays."""
        identity = _identity(resource, full_url)
        if identity is not None:
            self._by_id.setdefault(identity, resource)
            self._native[id(resource.value)] = identity
        if full_url:
            self._by_url.setdefault(full_url, resource)
            if identity and full_url.startswith("http") and full_url.endswith("/" + identity):
                self._bases.add(full_url.removesuffix("/" + identity))

    def native_id(self, resource: Element) -> str | None:
        """`<Type>/<id>` of a resource of this record; None when it has no id at all.

        The id of a contained resource means something only inside its container (R4 section 2.3.0.1), so it is named
        `<Type>/<container's id>#<id>` where the container has an id.
        """
        known = self._native.get(id(resource.value)) or _identity(resource, None)
        container = resource.container
        if known is None or container.value is resource.value or (outer := container.text("id")) is None:
            return known
        kind, _, own = known.partition("/")
        return f"{kind}/{outer}#{own}"

    def canonical(self, reference: Element) -> str | None:
        """What a reference names, as `<Type>/<id>` where it is in this source; None when it names nothing literal."""
        text = reference.text("reference")
        if text is None:
            return self._logical(reference)
        if text.startswith("#"):
            contained = self.resolve(reference)
            return self.native_id(contained) if contained is not None else text
        if text in self._by_url:
            return self.native_id(self._by_url[text]) or text
        match = _LITERAL.fullmatch(text.partition("|")[0])
        if match is None:
            return text
        base = match["base"]
        local = f"{match['type']}/{match['id']}"
        return local if base is None or base in self._bases else f"{base}/{local}"

    def resolve(self, reference: Element | None) -> Element | None:
        """The resource that a reference names, when it came with the record."""
        text = reference.text("reference") if reference is not None else None
        if reference is None or text is None:
            return None
        if text.startswith("#"):
            container = reference.container
            return next((c for c in container.children("contained") if c.value_of("id") == text[1:]), None)
        if text in self._by_url:
            return self._by_url[text]
        return self._by_id.get(self.canonical(reference) or "")

    def subject(self, resource: Element) -> str | None:
        """The person a resource is about, as `Patient/<id>`; None when it names nobody whom this record can tell."""
        reference = resource.child("patient") or resource.child("subject")
        if reference is None:
            return None
        canonical = self.canonical(reference)
        if canonical is None or canonical.startswith(("#", "urn:")):
            reference.unreadable("the person it is about cannot be told")
            return None
        text = reference.text("reference") or ""
        # A contained Patient is a copy without an identity of its own: it names nobody at this source.
        return None if text.startswith("#") else canonical

    def _logical(self, reference: Element) -> str | None:
        """A reference by business identifier: found when a Patient of the record bears it."""
        wanted = reference.child("identifier")
        if wanted is None:
            return None
        key = (wanted.value_of("system"), wanted.value_of("value"))
        for native, resource in self._by_id.items():
            if resource.type == "Patient" and any(
                (found.value_of("system"), found.value_of("value")) == key for found in resource.children("identifier")
            ):
                return native
        return None


def _identity(resource: Element, full_url: str | None) -> str | None:
    found = resource.value_of("id")
    if not (isinstance(found, str) and found) and full_url and full_url.startswith("urn:uuid:"):
        found = full_url.removeprefix("urn:uuid:")
    return f"{resource.type}/{found}" if isinstance(found, str) and found and resource.type else None
