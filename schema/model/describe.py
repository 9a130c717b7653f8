"""One line under each field: the description that GraphQL shows and the type checker ignores."""

from msgspec import Meta


def d(text: str) -> Meta:
    """The description of a field: what it means, its unit or its code system."""
    return Meta(description=text)
