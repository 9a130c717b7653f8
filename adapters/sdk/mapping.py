"""Declarative mapping: rows of a vendor's data to facts, told in TOML and JMESPath instead of code.

A mapping names, for each field of a fact struct, where in a row its value is and how it is written there. All of it is
checked when it is loaded (expressions compiled, field names and converters held against the struct), so that what is
left to go wrong while reading is the data. Free of I/O: any kind that has rows can use it. Reference: the README of the
`rest` kind. Truth: jmespath.org/specification.html for expressions, `schema.model.clinical` for the targets.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct
from pydantic import BaseModel, ConfigDict

from adapters.sdk.converters import Context, Unreadable
from adapters.sdk.converters import text as as_text
from adapters.sdk.errors import SettingsError
from adapters.sdk.expressions import Expression, truthy
from adapters.sdk.targets import Reading, compile_target, field_types
from schema.model.clinical import FACT_TYPES
from schema.model.fact import Fact, Gap, GapKind

DUPLICATE_NATIVE_ID = "DUPLICATE_NATIVE_ID"
"""The `Gap.code` for rows that claim one id and say different things: the last one is kept."""

_OWN_KEYS = frozenset({"native_id", "subject"})

PAYLOAD = frozenset(
    [
        *(
            "code",
            "vaccine_code",
            "polarity",
            "status",
            "clinical_status",
            "verification_status",
            "status_reason",
            "kind",
        ),
        *(
            "entered_in_error",
            "patient_reported",
            "restricted",
            "deceased",
            "multiple_birth",
            "replaced_by",
            "replaces",
        ),
        *("criticality", "reactions", "severity", "body_site", "body_sites", "components", "data_absent_reason"),
        *("value_quantity", "value_codeable_concept", "value_string", "value_boolean", "value_integer", "value_range"),
        *("value_ratio", "value_period", "interpretation", "reference_range", "conclusion", "conclusion_codes"),
        *("brand", "form", "strength", "dosage", "dose", "frequency", "as_needed", "route", "quantity", "dose_number"),
        *("outcome", "payload", "contents", "items", "score", "decision"),
    ]
)
"""Fields without which a fact would say something else: where one cannot be read, the whole row is a gap."""


class RowSpec(BaseModel):
    """How rows of one shape become facts of one type: what a mapping file says of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fact: str
    """The fact type, such as "Observation"."""
    where: str | None = None
    """JMESPath on the row: only rows for which it is true are of this type."""
    native_id: str
    """JMESPath on the row: the vendor's id of it, unique within the fact type."""
    subject: str | None = None
    """JMESPath on the row: the vendor's id of the person whom the row itself names."""
    patient_reported: bool | str = False
    """True when every row is the patient's own statement, or JMESPath on the row that says so."""
    fields: dict[str, Any] = {}
    """For each field of the fact: where its value is. Read by `adapters.sdk.targets`."""


class Row(Struct, frozen=True):
    """One row and where in the record it stands: a pointer for gaps."""

    at: str
    value: Any


class _Refused(Exception):
    """This row cannot be a fact. The message says why, without a value."""

    def __init__(self, at: str, why: str) -> None:
        super().__init__(why)
        self.at, self.why = at, why


class RowMapping:
    """A compiled `RowSpec`."""

    def __init__(self, spec: RowSpec, where: str) -> None:
        """Compile. `where` names the file and the table, for the sentence of a SettingsError."""
        if spec.fact not in FACT_TYPES:
            raise SettingsError(
                f"{where}.fact: there is no fact type {spec.fact!r}; write one of {', '.join(FACT_TYPES)}"
            )
        self.fact_type: type[Fact] = FACT_TYPES[spec.fact]
        self.fact_name = spec.fact
        self._where = Expression(spec.where, f"{where}.where") if spec.where is not None else None
        self._native_id = Expression(spec.native_id, f"{where}.native_id")
        self._subject = Expression(spec.subject, f"{where}.subject") if spec.subject is not None else None
        fields = _nested(spec.fields, f"{where}.fields")
        for key in _OWN_KEYS & fields.keys():
            raise SettingsError(f"{where}.fields.{key}: write {key} beside the fields, not among them")
        if spec.patient_reported is not False:
            rule = {"const": True} if spec.patient_reported is True else spec.patient_reported
            if fields.setdefault("patient_reported", rule) is not rule:
                raise SettingsError(f"{where}.patient_reported: it is also among the fields: write one of the two")
        self._fields = {
            name: compile_target(rule, target, f"{where}.fields.{name}", name, fatal=name in PAYLOAD)
            for name, (rule, target) in _matched(fields, self.fact_type, f"{where}.fields").items()
        }
        missing = sorted(_required(self.fact_type) - _OWN_KEYS - fields.keys())
        if missing:
            raise SettingsError(f"{where}.fields: {spec.fact} cannot be made without {', '.join(missing)}")

    def takes(self, row: Row) -> bool:
        """Whether the row is of this type. Raises Unreadable when `where` fails on it."""
        return self._where is None or truthy(self._where.search(row.value))

    def read(self, row: Row, zone: ZoneInfo) -> tuple[Fact | None, list[Gap]]:
        """The row's fact, if it is one without the values that cannot be read, and a gap for each of those."""
        reading = Reading(Context(zone=zone))
        try:
            fact = self._fact(row, reading)
        except _Refused as refused:
            return None, [self._gap(f"{row.at}/{refused.at}", refused.why)]
        return fact, [
            self._gap(f"{row.at}/{problem.at}", f"{problem.at} {problem.why}") for problem in reading.problems
        ]

    def _fact(self, row: Row, reading: Reading) -> Fact:
        if not isinstance(row.value, Mapping):
            raise _Refused("", "a row is not an object")
        native_id = _id(self._native_id, row, "native_id", reading.context)
        if native_id is None:
            raise _Refused("native_id", "a row has no id")
        subject = native_id if self.fact_name == "Patient" else _id(self._subject, row, "subject", reading.context)
        built: dict[str, Any] = {
            "native_id": f"{self.fact_name}/{native_id}",
            "subject": None if subject is None else f"Patient/{subject}",
        }
        for name, node in self._fields.items():
            value = node.read(row.value, reading)
            if value is not None:
                built[name] = value
        for problem in reading.problems:
            if problem.fatal:
                raise _Refused(problem.at, f"{problem.at} {problem.why}")
        try:
            return msgspec.convert(built, self.fact_type, strict=True)
        except msgspec.ValidationError:
            raise _Refused("", f"what the mapping made of a row is no {self.fact_name}") from None

    def _gap(self, at: str, why: str) -> Gap:
        return Gap(
            kind=GapKind.UNREADABLE, fact_type=self.fact_name, code="UNREADABLE_VALUE", text=why, at=at.rstrip("/")
        )


def read_rows(
    mappings: Sequence[RowMapping], rows: Iterable[Row], zone: ZoneInfo, types: frozenset[str]
) -> Iterator[Fact | Gap]:
    """Every row as a fact or a gap; equal gaps are one, counted. A row that no mapping takes is a gap too.

    Rows that repeat an id word for word (pages that overlap) are one fact. Only what concerns `types` is given.
    """
    facts: dict[str, Fact] = {}
    gaps: dict[tuple[str | None, ...], Gap] = {}

    def explain(gap: Gap) -> None:
        if gap.fact_type not in types:
            return
        key = (gap.kind.value, gap.fact_type, gap.code, gap.text)
        known = gaps.get(key)
        gaps[key] = gap if known is None else msgspec.structs.replace(known, count=known.count + 1)

    for row in rows:
        mapping, unread = _chosen(mappings, row)
        fact = None
        if mapping is not None:
            fact, unread = mapping.read(row, zone)
        for gap in unread:
            explain(gap)
        if fact is None:
            continue
        if facts.get(fact.native_id, fact) != fact:
            why, name = "rows with one id say different things; the last is kept", type(fact).__name__
            explain(Gap(kind=GapKind.UNREADABLE, fact_type=name, code=DUPLICATE_NATIVE_ID, text=why, at=row.at))
        facts[fact.native_id] = fact
    yield from (fact for fact in facts.values() if type(fact).__name__ in types)
    yield from gaps.values()


def _chosen(mappings: Sequence[RowMapping], row: Row) -> tuple[RowMapping | None, list[Gap]]:
    """The first mapping that takes the row; else gaps for every type that it may be of."""
    kind, why = GapKind.UNSUPPORTED, "a row is of a kind that the mapping does not take"
    for mapping in mappings:
        try:
            if mapping.takes(row):
                return mapping, []
        except Unreadable:
            kind, why = GapKind.UNREADABLE, "a row could not be told apart by the mapping's where"
            break
    names = dict.fromkeys(mapping.fact_name for mapping in mappings)
    return None, [Gap(kind=kind, fact_type=name, text=why, at=row.at) for name in names]


def _id(expression: Expression | None, row: Row, name: str, context: Context) -> str | None:
    if expression is None:
        return None
    try:
        value = expression.search(row.value)
        return (as_text(value, context) or None) if value is not None else None
    except Unreadable:
        raise _Refused(name, f"{name} cannot be read") from None


def _required(struct: type[Struct]) -> set[str]:
    return {field.name for field in msgspec.structs.fields(struct) if field.required}


def _matched(fields: Mapping[str, Any], struct: type[Struct], where: str) -> dict[str, tuple[Any, Any]]:
    known = field_types(struct)
    for name in fields:
        if name not in known:
            choice = ", ".join(key for key in known if key not in _OWN_KEYS)
            raise SettingsError(f"{where}.{name}: {struct.__name__} has no such field; it has {choice}")
    return {name: (rule, known[name]) for name, rule in fields.items()}


def _nested(fields: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Quoted dotted keys ("effective.start") as the nested tables that unquoted ones are in TOML."""
    nested: dict[str, Any] = {}
    for key, rule in fields.items():
        *above, last = key.split(".")
        table = nested
        for part in above:
            table = table.setdefault(part, {})
            if not isinstance(table, dict):
                raise SettingsError(f"{where}.{key}: {part} already has a value")
        if last in table:
            raise SettingsError(f"{where}.{key}: written twice")
        table[last] = dict(rule) if isinstance(rule, Mapping) else rule
    return nested
