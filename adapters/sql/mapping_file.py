"""The mapping file of a database: how a person is found, what is asked about them, and what its columns mean.

This module is the file's grammar; unknown keys are refused, and every mistake is found when the file is loaded, in one
sentence that names the file and the key. `adapters/sql/README.md` is the reference for authors.
"""

import tomllib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal

from msgspec import Struct, structs
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from adapters.sdk import NHS_NUMBER, SettingsError
from adapters.sdk.expressions import Expression
from adapters.sdk.mapping import RowMapping, RowSpec
from adapters.sql.cells import ColumnRule
from adapters.sql.columns import ENDED, Ends, Meaning, SoftDelete
from adapters.sql.statement import Statement, compile_statement
from adapters.sql.touched import touched_columns

IDENTIFYING = frozenset({"identifier", "nhs_number", "nhs_number_spaced"})
LOOK_UP_PARAMETERS = IDENTIFYING | {"birth_date", "family", "given"}
DEMOGRAPHIC = frozenset({"family", "given", "birth_date", "gender", "postal_code"})
LOCAL_ID = frozenset({"local_id"})

IdType = Literal["text", "integer", "uuid"]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SourceTable(_Table):
    """`[source]`: what holds for the whole source."""

    answer_depends_on: Literal["nothing", "purpose", "actor"] = "actor"
    identifier_system: str = NHS_NUMBER
    """The identifier system by which people are looked up."""
    sentinels: tuple[str, ...] = ("0000-00-00", "1900-01-01", "9999-12-31")
    """Values that mean "not stated" in every column; a day means itself at whatever time of day."""


def _small(columns: dict[str, ColumnRule]) -> dict[str, ColumnRule]:
    return {name.lower(): rule for name, rule in columns.items()}


class ByIdTable(_Table):
    """`[patient.by_id]`: the query for the demographics of a person whose local id is known, in the same columns."""

    query: str


class ByDemographicsTable(_Table):
    """`[patient.by_demographics]`: the query for people of these names and this birth date, in the same columns."""

    query: str
    max_people: int = Field(default=10, ge=1, le=50)
    """Of more people than this only so many are offered, and that there are more is said."""


class PatientTable(_Table):
    """`[patient]`: the query that looks a person up by an identifier, and how to read who comes back."""

    query: str
    local_id: str
    """JMESPath on a row: the source's id of the person, by which everything else is asked."""
    number: str | None = None
    """JMESPath on a row: the identifier as the source has it. Nobody with another one is asked about further."""
    local_id_type: IdType = "text"
    """What `:local_id` is bound as."""
    number_type: IdType = "text"
    """What `:nhs_number` and `:identifier` are bound as."""
    max_people: int = Field(default=4, ge=1, le=50)
    """More people than this under one identifier is an answer to another question: refused."""
    by_id: ByIdTable | None = None
    by_demographics: ByDemographicsTable | None = None
    columns: dict[str, ColumnRule] = {}
    soft_delete: SoftDelete | None = None
    fields: dict[str, Any]

    _names = field_validator("columns")(_small)


class ResourceTable(RowSpec):
    """`[[resource]]`: a query about a known person, and how its rows become facts."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]*$")
    shares: str | None = None
    """The name of an earlier resource whose rows these facts are read from too: the query runs once."""
    query: str | None = None
    max_rows: int = Field(default=10_000, ge=1, le=1_000_000)
    columns: dict[str, ColumnRule] = Field(default_factory=dict)
    soft_delete: SoftDelete | None = None
    ends: Ends | None = None

    _names = field_validator("columns")(_small)

    @model_validator(mode="after")
    def asks_or_shares(self) -> "ResourceTable":
        asking = {"query", "max_rows", "columns", "soft_delete", "ends"} & self.model_fields_set
        if self.shares is not None and asking:
            raise ValueError(f"with shares, {sorted(asking)[0]} is the other resource's")
        if self.shares is None and self.query is None:
            raise ValueError("write query, or shares")
        if self.subject is None:
            raise ValueError("write subject: the column with the person's id, which a row is checked by")
        return self


class FileTable(_Table):
    """The whole file."""

    source: SourceTable = SourceTable()
    maps: dict[str, dict[str, str | bool | int | Decimal]] = {}
    """Code maps by name, for rules that say `map = "name"`."""
    patient: PatientTable
    resource: tuple[ResourceTable, ...] = Field(min_length=1)


class Query(Struct, frozen=True, kw_only=True):
    """One query and what its columns are."""

    name: str
    """For messages: the file and the table it is written in."""
    statement: Statement
    rules: Mapping[str, ColumnRule]
    needed: frozenset[str]
    """Columns that the mapping reads: a query without one of them would lose facts in silence."""
    max_rows: int


class LookUp(Struct, frozen=True, kw_only=True):
    """`[patient]`, compiled."""

    table: PatientTable
    query: Query
    by_id: Query | None
    by_demographics: Query | None
    local_id: Expression
    number: Expression | None
    meaning: Meaning
    rows: RowMapping


class Resource(Struct, frozen=True, kw_only=True):
    """One query about a person, and every mapping that reads its rows."""

    name: str
    query: Query
    meaning: Meaning
    rows: tuple[RowMapping, ...]

    @property
    def types(self) -> frozenset[str]:
        """The fact types in its rows."""
        return frozenset(mapping.fact_name for mapping in self.rows)


class Legacy(Struct, frozen=True, kw_only=True):
    """A mapping file, compiled."""

    source: SourceTable
    look_up: LookUp
    resources: tuple[Resource, ...]


def load(text: str, name: str) -> Legacy:
    """Compile a mapping file. `name` is how messages call it. Raises SettingsError for any mistake in it."""
    try:
        file = FileTable.model_validate(tomllib.loads(text, parse_float=Decimal))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{name}: not TOML: {error}") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise SettingsError(f"{name}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    return Legacy(source=file.source, look_up=_look_up(file, f"{name}: patient"), resources=_resources(file, name))


def _look_up(file: FileTable, where: str) -> LookUp:
    table = file.patient
    spec = RowSpec(fact="Patient", native_id=table.local_id, fields=_mapped(table.fields, file, f"{where}.fields"))
    rows = RowMapping(spec, where)
    further = [table.number] if table.number is not None else []
    needed = _needed((spec,), (rows,), table.columns, table.soft_delete, further)

    def query(sql: str, at: str, allowed: frozenset[str], one_of: frozenset[str]) -> Query:
        statement = compile_statement(sql, f"{at}.query", allowed, one_of)
        # One more than may be, so that too many is noticed.
        return Query(name=at, statement=statement, rules=table.columns, needed=needed, max_rows=table.max_people + 1)

    def searched(others: ByDemographicsTable, at: str) -> Query:
        found = query(others.query, at, DEMOGRAPHIC, frozenset({"family"}))
        if "birth_date" not in found.statement.parameters:
            raise SettingsError(f"{at}.query: a name alone would list a town: use :birth_date too")
        return structs.replace(found, max_rows=others.max_people)

    others = table.by_demographics
    return LookUp(
        table=table,
        query=query(table.query, where, LOOK_UP_PARAMETERS, IDENTIFYING),
        by_id=query(table.by_id.query, f"{where}.by_id", LOCAL_ID, LOCAL_ID) if table.by_id is not None else None,
        by_demographics=searched(others, f"{where}.by_demographics") if others is not None else None,
        local_id=Expression(table.local_id, f"{where}.local_id"),
        number=Expression(table.number, f"{where}.number") if table.number is not None else None,
        meaning=_meaning(file, table.columns, table.soft_delete),
        rows=rows,
    )


def _resources(file: FileTable, name: str) -> tuple[Resource, ...]:
    asked: dict[str, ResourceTable] = {}
    readers: dict[str, list[tuple[RowSpec, RowMapping]]] = {}
    seen: set[str] = set()
    for table in file.resource:
        where = f"{name}: resource {table.name}"
        if table.name in seen or table.name == "patient":
            raise SettingsError(f"{where}: the name is taken")
        seen.add(table.name)
        if table.shares is None:
            asked[table.name] = table
        elif table.shares not in asked:
            raise SettingsError(f"{where}.shares: there is no earlier resource {table.shares!r} with a query")
        if table.fact == "Patient":
            raise SettingsError(f"{where}.fact: people come from [patient]")
        spec = table.model_copy(update={"fields": _mapped(table.fields, file, f"{where}.fields")})
        readers.setdefault(table.shares or table.name, []).append((spec, RowMapping(spec, where)))
    return tuple(_resource(file, table, readers[key], f"{name}: resource {key}") for key, table in asked.items())


def _resource(file: FileTable, table: ResourceTable, readers: list[tuple[RowSpec, RowMapping]], where: str) -> Resource:
    specs, rows = tuple(spec for spec, _ in readers), tuple(mapping for _, mapping in readers)
    needed = _needed(specs, rows, table.columns, table.soft_delete)
    if table.ends is not None:
        needed = needed - {ENDED} | {table.ends.column}
    return Resource(
        name=table.name,
        query=Query(
            name=where,
            statement=compile_statement(table.query or "", f"{where}.query", LOCAL_ID, LOCAL_ID),
            rules=table.columns,
            needed=needed,
            max_rows=table.max_rows,
        ),
        meaning=_meaning(file, table.columns, table.soft_delete, table.ends),
        rows=rows,
    )


def _meaning(
    file: FileTable, rules: Mapping[str, ColumnRule], soft_delete: SoftDelete | None, ends: Ends | None = None
) -> Meaning:
    return Meaning(rules=rules, sentinels=frozenset(file.source.sentinels), soft_delete=soft_delete, ends=ends)


def _needed(
    specs: tuple[RowSpec, ...],
    rows: tuple[RowMapping, ...],
    rules: Mapping[str, ColumnRule],
    soft_delete: SoftDelete | None,
    further: list[str] | None = None,
) -> frozenset[str]:
    found = set(rules) | {soft_delete.column} if soft_delete is not None else set(rules)
    for spec, mapping in zip(specs, rows, strict=True):
        found |= touched_columns(spec, mapping, further or [])
    return frozenset(found)


def _mapped(rule: Any, file: FileTable, where: str) -> Any:
    """The rules with the names of code maps replaced by the maps."""
    if isinstance(rule, list):
        return [_mapped(each, file, f"{where}[{i}]") for i, each in enumerate(rule)]
    if not isinstance(rule, Mapping):
        return rule
    made = {key: _mapped(value, file, f"{where}.{key}") for key, value in rule.items() if key != "map"}
    if "map" in rule:
        chosen = rule["map"]
        if isinstance(chosen, str):
            if chosen not in file.maps:
                raise SettingsError(f"{where}.map: there is no table [maps.{chosen}]")
            chosen = file.maps[chosen]
        made["map"] = chosen
    return made
