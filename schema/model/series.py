"""Measurements over time: one line of a chart, each point's source, and everything that was left out. MERGE.md 6."""

from decimal import Decimal
from enum import Enum
from typing import Any

from msgspec import Struct

from schema.model.values import Coding, Quantity
from schema.model.view import MergedFact, SectionSource, SectionStatus
from schema.model.when import When


class ExclusionReason(Enum):
    """Why a result that belongs to a series is not a point of it."""

    ENTERED_IN_ERROR = "ENTERED_IN_ERROR"
    """Its source has withdrawn it as wrong."""
    CANCELLED = "CANCELLED"
    """The test was cancelled."""
    RELATED_CODE = "RELATED_CODE"
    """A map calls its code broader or narrower than the series', or otherwise near: not the same measurement."""
    OTHER_SPECIMEN = "OTHER_SPECIMEN"
    """A reading from capillary blood, or by the patient, among laboratory results."""
    NO_VALUE = "NO_VALUE"
    """No number was stated: refused by the laboratory, not done, or in words alone."""
    COMPARATOR = "COMPARATOR"
    """A bound such as "<5", not a number."""
    OTHER_UNIT = "OTHER_UNIT"
    """Another unit, or none. Nothing is converted."""
    DISPUTED = "DISPUTED"
    """Sources state different values of it: see the entry's conflicts."""
    UNDATED = "UNDATED"
    """When it was measured is not stated to the day."""


class SeriesPoint(Struct, frozen=True, gc=False, kw_only=True):
    """One merged result as a point."""

    when: When
    """When it was measured."""
    value: Decimal
    """In the unit of the series, digits as written."""
    original: Quantity
    """The amount as the source shown first stated it."""
    entry: MergedFact[Any]


class ExcludedPoint(Struct, frozen=True, gc=False, kw_only=True):
    """One merged result that belongs to the series and is no point of it."""

    reason: ExclusionReason
    """The first that holds, in the order of the reasons."""
    when: When | None
    original: Quantity | None
    entry: MergedFact[Any]


class ObservationSeries(Struct, frozen=True, gc=False, kw_only=True):
    """One measurement over time, in one unit, from merged results."""

    name: str
    codes: tuple[Coding, ...]
    """What stands for this measurement, in canonical code systems."""
    unit: str | None
    """UCUM; null when no point states one."""
    status: SectionStatus
    sources: tuple[SectionSource, ...]
    points: tuple[SeriesPoint, ...]
    """Oldest first, then by id."""
    excluded: tuple[ExcludedPoint, ...]
    unmapped: int
    """How many standing results of the record have no code that others know, or a part that has none: any of them may
    belong here."""
    change: Decimal | None
    """Latest less first; null with fewer than two points in time."""
    slope: Decimal | None
    """Per 30 days, by ordinary least squares; null with fewer than three points or less than 90 days."""

    @property
    def first(self) -> SeriesPoint | None:
        """The earliest point."""
        return self.points[0] if self.points else None

    @property
    def latest(self) -> SeriesPoint | None:
        """The last point."""
        return self.points[-1] if self.points else None
