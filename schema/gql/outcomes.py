"""Measurements over time: series, their points, and what was left out of them."""

from decimal import Decimal
from typing import Any

from schema.gql.derive import define, enum_type, listed, optional, value_type
from schema.gql.faces import faces_of
from schema.model.clinical import Observation
from schema.model.series import ExclusionReason
from schema.model.values import Coding, Quantity
from schema.model.view import SectionSource, SectionStatus
from schema.model.when import When

_ENTRY: Any = faces_of(Observation).merged

SeriesPointType = define(
    "SeriesPoint",
    {
        "when": (value_type(When), "When it was measured."),
        "value": (Decimal, "In the unit of the series, digits as written."),
        "original": (value_type(Quantity), "The amount as stated by the source that is shown first."),
        "entry": (_ENTRY, "The merged result: its id, every source that states it, its status and remarks."),
    },
    "One merged result as a point: one sample is one point, however many systems report it.",
)

ExcludedPointType = define(
    "ExcludedPoint",
    {
        "reason": (enum_type(ExclusionReason), "Why it is no point; the first reason of several."),
        "when": (optional(value_type(When)), "When it was measured; null when that is not stated to the day."),
        "original": (optional(value_type(Quantity)), "The amount as stated; null when there is none."),
        "entry": (_ENTRY, "The merged result."),
    },
    "A result that belongs to a series and is no point of it.",
)

ObservationSeriesType = define(
    "ObservationSeries",
    {
        "name": (str, "What is measured."),
        "codes": (listed(value_type(Coding)), "What stands for it; what no map knows is on no line."),
        "unit": (optional(str), "The one unit of every point, in UCUM; null when no result states one."),
        "status": (enum_type(SectionStatus), "Whether every source of results was heard: else points may be missing."),
        "sources": (listed(value_type(SectionSource)), "What became of each source of results."),
        "points": (listed(SeriesPointType), "Oldest first."),
        "excluded": (listed(ExcludedPointType), "What belongs to the series and is no point, each with the reason."),
        "unmapped": (
            int,
            "How many standing results of the whole record are in no code that others know, or have a part that is in "
            "none: any of them may belong here, and is in `observations`.",
        ),
        "first": (optional(SeriesPointType), "The earliest point."),
        "latest": (optional(SeriesPointType), "The last point."),
        "change": (optional(Decimal), "Latest less first; null when there are no two points at different times."),
        "slope": (
            optional(Decimal),
            "Change per 30 days along the least-squares line through the points; null with fewer than three points or "
            "less than 90 days. It describes what was measured and predicts nothing.",
        ),
    },
    "One measurement over time, in one unit, from merged results. Nothing is converted, predicted or advised.",
)
