"""A cursor over FHIR JSON that knows its place, so that whatever cannot be read becomes a gap that says where.

Nothing here raises over what a source sent: a value of the wrong kind reads as "not stated", and a gap names it.
Places are written as paths from the record's root (`Bundle.entry[4].resource.code`): positions, never values.
Truth: FHIR R4 section 2.6.2 (JSON representation) and 2.24 (datatypes); STU3 has the same rules.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from schema.model.fact import Gap, GapKind
from schema.model.when import When


@dataclass
class Reading:
    """What one `read` has in hand: how to place times, and the gaps found so far."""

    zone: ZoneInfo
    retrieved: datetime
    gp_record: bool = False
    """It is a GP Connect structured record: its own rules apply besides FHIR's."""
    complete: bool = True
    """Everything that a resource refers to should have come with it (false for a searchset)."""
    modifiers: bool = True
    """A modifierExtension may stand somewhere in it."""
    fact_type: str | None = None
    """What is being read at the moment: the fact type that a gap concerns."""
    gaps: list[Gap] = field(default_factory=list)

    def gap(
        self,
        kind: GapKind,
        at: "Element | None" = None,
        *,
        fact_type: str | None = None,
        code: str | None = None,
        text: str | None = None,
    ) -> None:
        """Note a silence, about the type being read unless another is named."""
        place = at.place if at is not None else None
        self.gaps.append(Gap(kind=kind, fact_type=fact_type or self.fact_type, code=code, text=text, at=place))


class Element:
    """One JSON value in a record: an object, a list's member or a primitive."""

    __slots__ = ("_key", "parent", "reading", "value")

    def __init__(self, value: Any, reading: Reading, key: str, parent: "Element | None" = None) -> None:
        self.value = value
        self.reading = reading
        self.parent = parent
        self._key = key

    @property
    def place(self) -> str:
        """The path from the record's root."""
        return self._key if self.parent is None else f"{self.parent.place}.{self._key}"

    @property
    def type(self) -> str:
        """The resource type; empty where this is not a resource."""
        found = self.value.get("resourceType") if isinstance(self.value, dict) else None
        return found if isinstance(found, str) else ""

    @property
    def container(self) -> "Element":
        """The outermost resource around this element: where its `contained` resources are."""
        found, here = self, self.parent
        while here is not None:
            if here.type and here.type != "Bundle":
                found = here
            here = here.parent
        return found

    def unreadable(self, text: str) -> None:
        """Note that what stands here could not be read."""
        self.reading.gap(GapKind.UNREADABLE, self, text=text)

    def has(self, name: str) -> bool:
        """True when this object has that member with any value but null."""
        return isinstance(self.value, dict) and self.value.get(name) is not None

    def child(self, name: str) -> "Element | None":
        """The one member of that name. A list of one counts as one, as some servers send it; of more, the first."""
        if isinstance(self.value, dict):  # nearly always, and then most members are absent, and the others lone
            value = self.value.get(name)
            if value is None:
                return None
            if not isinstance(value, list):
                return Element(value, self.reading, name, self)
        return next(iter(self.children(name)), None)

    def children(self, name: str) -> list["Element"]:
        """The members of that name. A lone value counts as a list of one, as some servers send it."""
        if not isinstance(self.value, dict):
            self.unreadable("an object was expected")
            return []
        found = self.value.get(name)
        if found is None:
            return []
        if isinstance(found, list):
            return [
                Element(value, self.reading, f"{name}[{position}]", self)
                for position, value in enumerate(found)
                if value is not None
            ]
        return [Element(found, self.reading, name, self)]

    def path(self, *names: str) -> "Element | None":
        """The member reached by one name after another."""
        here: Element | None = self
        for name in names:
            here = here.child(name) if here is not None else None
        return here

    def text(self, name: str) -> str | None:
        """A string, code, uri or id; None when absent, empty or something else."""
        plain = self.value_of(name)
        if isinstance(plain, str):  # nearly always: its place is not wanted
            return plain or None
        found = self.child(name)
        if found is None or found.value == "":
            return None
        if isinstance(found.value, str):
            return found.value
        found.unreadable("a text was expected")
        return None

    def texts(self, name: str) -> tuple[str, ...]:
        """Every string of that name."""
        return tuple(found.value for found in self.children(name) if isinstance(found.value, str) and found.value)

    def flag(self, name: str) -> bool | None:
        """A boolean; None when absent or something else."""
        found = self.child(name)
        if found is None or isinstance(found.value, bool):
            return None if found is None else found.value
        found.unreadable("true or false was expected")
        return None

    def integer(self, name: str) -> int | None:
        """A whole number; None when absent or something else."""
        found = self.child(name)
        if found is None:
            return None
        if isinstance(found.value, int) and not isinstance(found.value, bool):
            return found.value
        found.unreadable("a whole number was expected")
        return None

    def decimal(self, name: str) -> Decimal | None:
        """A number with its digits as written; a number written as a text counts, as some servers send it."""
        found = self.child(name)
        if found is None:
            return None
        if isinstance(found.value, int | str | Decimal) and not isinstance(found.value, bool):
            try:
                number = Decimal(found.value)
            except InvalidOperation:
                number = Decimal("NaN")
            if number.is_finite():
                return number
        found.unreadable("a number was expected")
        return None

    def when(self, name: str) -> When | None:
        """A date, dateTime or instant; None when absent or not a date that exists."""
        found = self.child(name)
        if found is None:
            return None
        if isinstance(found.value, str):
            try:
                return When.iso(found.value, self.reading.zone)
            except ValueError:
                pass
        found.unreadable("a date or time was expected")
        return None

    def extensions(self, *names: str) -> Iterator["Element"]:
        """The extensions of a British profile by the last part of their address, whatever its host and generation.

        The same extension is published as `Extension-CareConnect-GPC-X-1`, `Extension-CareConnect-X-1` and
        `Extension-UKCore-X`, and servers mix them within one answer.
        """
        if not self.has("extension"):
            return
        for found in self.children("extension"):
            url = found.value.get("url") if isinstance(found.value, dict) else None
            if isinstance(url, str) and _extension_name(url) in names:
                yield found

    def extension(self, *names: str) -> "Element | None":
        """The first such extension."""
        return next(self.extensions(*names), None)

    def nested(self, name: str) -> "Element | None":
        """The part of a complex extension with that plain name."""
        return next((found for found in self.children("extension") if found.value_of("url") == name), None)

    def value_of(self, name: str) -> Any:
        """The raw member, for a comparison only."""
        return self.value.get(name) if isinstance(self.value, dict) else None


_HOSTS = ("https://fhir.nhs.uk/", "https://fhir.hl7.org.uk/", "http://fhir.hl7.org.uk/")


def _extension_name(url: str) -> str:
    if not url.startswith(_HOSTS):
        return url
    name = url.rpartition("/")[2].removeprefix("Extension-")
    for prefix in ("UKCore-", "CareConnect-", "GPC-"):
        name = name.removeprefix(prefix)
    return name.removesuffix("-1")
