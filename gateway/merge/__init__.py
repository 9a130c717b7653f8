"""Pure functions from the facts of one person to merged facts with their conflicts, and to sections with their
silences. MERGE.md 2-4.

    ids = Ids(secret)                                          keyed ids of facts and merged facts
    held, replaced = current(facts)                            what each source holds now; before the viewer's policy
    merged = merge(visible, ids, linked=pairs)                 one fact type, any mixture of sources; after the policy
    merged = with_courses(merged, terms)                       medicines: last issued, dispensed, given
    shown = section(AllergyIntolerance, merged, per_source)    with its status and the reason why it is empty
    found = discrepancies(sections, terms)                     what each source does not have, or has differently
    lines = outcomes(results, terms)                           measurements over time
    moments = timeline(sections, since, until, zones)          what happened, in order, and what it came out of
    sent = transfers_of_care(sections)                         referrals and discharges, and whether anything replied
    people = care_team_members(sections)                       who is involved, and the last contact

Nothing here does I/O or knows a clock. A new fact type is one module under `types`.
"""

from gateway.merge.absence import section
from gateway.merge.concepts import Code, Limits, Product, Terminology, delivered, load, read_terminology
from gateway.merge.courses import with_courses
from gateway.merge.discrepancies import discrepancies
from gateway.merge.engine import Linked, MixedSubjects, MixedTypes, merge
from gateway.merge.ids import Ids
from gateway.merge.lists import ListError, SeriesList, UnitsFile, read_list
from gateway.merge.maps import ConceptMap, Line, MapError, Relation, read_maps, relation_of
from gateway.merge.outcomes import outcomes
from gateway.merge.precedence import precedence
from gateway.merge.team import care_team_members
from gateway.merge.timeline import Days, timeline
from gateway.merge.times import times_of, when_of
from gateway.merge.transfers import transfers_of_care
from gateway.merge.versions import current, newest

__all__ = [
    "Code",
    "ConceptMap",
    "Days",
    "Ids",
    "Limits",
    "Line",
    "Linked",
    "ListError",
    "MapError",
    "MixedSubjects",
    "MixedTypes",
    "Product",
    "Relation",
    "SeriesList",
    "Terminology",
    "UnitsFile",
    "care_team_members",
    "current",
    "delivered",
    "discrepancies",
    "load",
    "merge",
    "newest",
    "outcomes",
    "precedence",
    "read_list",
    "read_maps",
    "read_terminology",
    "relation_of",
    "section",
    "timeline",
    "times_of",
    "transfers_of_care",
    "when_of",
    "with_courses",
]
