"""The mapping file of a vendor: what its API is called, how it pages, where it hides errors, and what its rows mean.

This module is the file's grammar; unknown keys are refused, and every mistake is found when the file is loaded, in one
sentence that names the file and the key. `adapters/rest/README.md` is the reference for authors.
"""

import re
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import quote

from msgspec import Struct
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from adapters.sdk import NHS_NUMBER, SettingsError
from adapters.sdk.expressions import Expression
from adapters.sdk.mapping import RowMapping, RowSpec

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_IDENTIFYING = frozenset({"identifier", "nhs_number", "nhs_number_spaced"})
BIRTH_DATES = frozenset({"birth_date", "birth_date_uk", "birth_date_compact"})
_DEMOGRAPHICS = BIRTH_DATES | {"family", "given"}
_SECRET_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization", "x-api-key"})

_R = TypeVar("_R", bound="RequestTable")

ErrorKind = Literal["auth", "throttled", "invalid", "unavailable", "not_found"]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SourceTable(_Table):
    """`[source]`: what holds for the whole source."""

    answer_depends_on: Literal["nothing", "purpose", "actor"] = "actor"
    identifier_system: str = NHS_NUMBER
    """The identifier system by which people are looked up."""
    headers: dict[str, str] = {}
    """Sent with every request, such as a version or a tenant. Never a secret: those belong to the source's `auth`."""

    @model_validator(mode="after")
    def no_secrets(self) -> "SourceTable":
        for name in self.headers:
            if name.lower() in _SECRET_HEADERS:
                raise ValueError(f"{name} belongs to the source's auth table, not to a mapping file")
        return self


class RequestTable(_Table):
    """A GET request. `{placeholders}` are filled in; in a path they are percent-encoded."""

    path: str
    params: dict[str, str] = {}


class ByIdTable(RequestTable):
    """`[patient.by_id]`: the request for the demographics of a person whose local id is known."""

    item: str = "@"
    """JMESPath on the answer: the person."""
    not_found_statuses: frozenset[int] = frozenset({404})
    not_found_codes: frozenset[str] = frozenset()


class ByDemographicsTable(RequestTable):
    """`[patient.by_demographics]`: the request for people who have these names and this birth date."""

    items: str | None = None
    """JMESPath on the answer: the list of people. Unless written, that of `[patient]`."""
    max_people: int = Field(default=10, ge=1, le=50)
    """More people than this is a search that tells nobody apart: it has failed, and nobody of them is chosen."""
    not_found_statuses: frozenset[int] = frozenset({404})
    not_found_codes: frozenset[str] = frozenset()


class PatientTable(RequestTable):
    """`[patient]`: the request that looks a person up by an identifier, and how to read who comes back."""

    items: str
    """JMESPath on the answer: the list of people."""
    local_id: str
    """JMESPath on a person: the vendor's id, by which everything else is asked."""
    number: str | None = None
    """JMESPath on a person: the identifier as the vendor has it. Nobody with another one is asked about further."""
    max_people: int = Field(default=4, ge=1, le=50)
    """More people than this under one identifier is an answer to another question: refused."""
    not_found_statuses: frozenset[int] = frozenset({404})
    not_found_codes: frozenset[str] = frozenset()
    by_id: ByIdTable | None = None
    by_demographics: ByDemographicsTable | None = None
    fields: dict[str, Any]

    @model_validator(mode="after")
    def asked_on_by_id(self) -> "PatientTable":
        if self.by_demographics is not None and self.by_id is None:
            raise ValueError("by_demographics needs by_id: who is found by it is asked about once their id is linked")
        return self


class NoPaging(_Table):
    """Everything comes in one answer."""

    style: Literal["none"] = "none"
    total: str | None = None
    """JMESPath on the answer: how many rows there are. Fewer in the answer means that it was cut without a word."""


class _Paged(_Table):
    max_pages: int = Field(default=40, ge=1, le=10_000)
    size_param: str | None = None
    size: int | None = Field(default=None, ge=1, le=1000)

    @model_validator(mode="after")
    def both_or_neither(self) -> "_Paged":
        if (self.size_param is None) != (self.size is None):
            raise ValueError("size_param and size go together")
        return self


class PagePaging(_Paged):
    """Numbered pages."""

    style: Literal["page"]
    page_param: str
    first: int = Field(default=1, ge=0)
    total: str | None = None
    """JMESPath on the answer: how many rows there are. Without it, pages are fetched until one is empty."""
    short_page_is_last: bool = False
    """Without a total: stop at a page with fewer rows than asked for. Only where the vendor never serves fewer."""

    @model_validator(mode="after")
    def a_size_to_fall_short_of(self) -> "PagePaging":
        if self.short_page_is_last and self.size is None:
            raise ValueError("short_page_is_last needs size_param and size")
        return self


class CursorPaging(_Paged):
    """Each answer gives the cursor of the next."""

    style: Literal["cursor"]
    cursor_param: str
    next: str
    """JMESPath on the answer: the next cursor; nothing on the last page."""


class LinkPaging(_Paged):
    """Each answer gives the address of the next, in its body or in an RFC 8288 Link header."""

    style: Literal["link"]
    next: str | None = None
    """JMESPath on the answer: the address of the next page. Without it the Link header with rel="next" is followed."""


Paging = Annotated[NoPaging | PagePaging | CursorPaging | LinkPaging, Field(discriminator="style")]


class ResourceTable(RowSpec):
    """`[[resource]]`: a request about a known person, and how its rows become facts."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]*$")
    shares: str | None = None
    """The name of an earlier resource whose answer these facts are read from too: it is not asked for twice."""
    path: str | None = None
    params: dict[str, str] = Field(default_factory=dict)
    items: str | None = None
    """JMESPath on the answer: the list of rows. No list there is an unreadable answer, not an empty one."""
    paging: Paging = NoPaging()
    empty_statuses: frozenset[int] = frozenset()
    """HTTP statuses by which this vendor says "none", such as 404. Silence is not absence: none is assumed."""
    empty_codes: frozenset[str] = frozenset()
    """The same for the codes of `[errors]`."""

    @model_validator(mode="after")
    def asks_or_shares(self) -> "ResourceTable":
        asking = {"path", "params", "items", "paging", "empty_statuses", "empty_codes"} & self.model_fields_set
        if self.shares is not None and asking:
            raise ValueError(f"with shares, {sorted(asking)[0]} is the other resource's")
        if self.shares is None and (self.path is None or self.items is None):
            raise ValueError("write path and items, or shares")
        return self


class ErrorsTable(_Table):
    """`[errors]`: how an answer with HTTP status 200 says that it is an error."""

    code: str
    """JMESPath on the answer: when it finds something, the answer is an error with that code."""
    codes: dict[str, ErrorKind] = {}
    otherwise: ErrorKind = "invalid"
    """For a code that is not listed."""


class CheckTable(RequestTable):
    """`[check]`: the request that proves that the source can be asked, about nobody."""

    expect: str = "@"
    """JMESPath on the answer that must find something."""


class FileTable(_Table):
    """The whole file."""

    source: SourceTable = SourceTable()
    patient: PatientTable
    resource: tuple[ResourceTable, ...] = Field(min_length=1)
    errors: ErrorsTable | None = None
    check: CheckTable


class LookUp(Struct, frozen=True, kw_only=True):
    """`[patient]`, compiled."""

    table: PatientTable
    items: Expression
    local_id: Expression
    number: Expression | None
    by_id_item: Expression | None
    by_demographics_items: Expression | None
    rows: RowMapping


class Resource(Struct, frozen=True, kw_only=True):
    """One request, and every mapping that reads its answer."""

    name: str
    table: ResourceTable
    path: str
    items: Expression
    total: Expression | None
    next: Expression | None
    rows: tuple[RowMapping, ...]

    @property
    def types(self) -> frozenset[str]:
        """The fact types in its answer."""
        return frozenset(mapping.fact_name for mapping in self.rows)


class Vendor(Struct, frozen=True, kw_only=True):
    """A mapping file, compiled."""

    source: SourceTable
    look_up: LookUp
    resources: tuple[Resource, ...]
    errors: ErrorsTable | None
    error_code: Expression | None
    check: CheckTable
    check_expect: Expression


def load(text: str, name: str) -> Vendor:
    """Compile a mapping file. `name` is how messages call it. Raises SettingsError for any mistake in it."""
    try:
        file = FileTable.model_validate(tomllib.loads(text, parse_float=Decimal))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{name}: not TOML: {error}") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise SettingsError(f"{name}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    errors = file.errors
    return Vendor(
        source=file.source,
        look_up=_look_up(file.patient, f"{name}: patient"),
        resources=_resources(file.resource, name),
        errors=errors,
        error_code=Expression(errors.code, f"{name}: errors.code") if errors is not None else None,
        check=_placed(file.check, f"{name}: check", frozenset()),
        check_expect=Expression(file.check.expect, f"{name}: check.expect"),
    )


def _look_up(table: PatientTable, where: str) -> LookUp:
    _placed(table, where, _IDENTIFYING | _DEMOGRAPHICS, _IDENTIFYING)
    if table.by_id is not None:
        _placed(table.by_id, f"{where}.by_id", frozenset({"local_id"}), frozenset({"local_id"}))
    others, people = table.by_demographics, table.items
    if others is not None:
        people = others.items or table.items
        for needed in (frozenset({"family"}), BIRTH_DATES):
            _placed(others, f"{where}.by_demographics", _DEMOGRAPHICS, needed)
    return LookUp(
        table=table,
        items=Expression(table.items, f"{where}.items"),
        local_id=Expression(table.local_id, f"{where}.local_id"),
        number=Expression(table.number, f"{where}.number") if table.number is not None else None,
        by_id_item=Expression(table.by_id.item, f"{where}.by_id.item") if table.by_id is not None else None,
        by_demographics_items=Expression(people, f"{where}.by_demographics.items") if others is not None else None,
        rows=RowMapping(RowSpec(fact="Patient", native_id=table.local_id, fields=table.fields), where),
    )


def _resources(tables: tuple[ResourceTable, ...], name: str) -> tuple[Resource, ...]:
    asked: dict[str, ResourceTable] = {}
    rows: dict[str, list[RowMapping]] = {}
    seen: set[str] = set()
    for table in tables:
        where = f"{name}: resource {table.name}"
        if table.name in seen or table.name == "patient":
            raise SettingsError(f"{where}: the name is taken")
        seen.add(table.name)
        if table.shares is None:
            asked[table.name] = table
        elif table.shares not in asked:
            raise SettingsError(f"{where}.shares: there is no earlier resource {table.shares!r} with a request")
        if table.fact == "Patient":
            raise SettingsError(f"{where}.fact: people come from [patient]")
        rows.setdefault(table.shares or table.name, []).append(RowMapping(table, where))
    return tuple(_resource(table, tuple(rows[key]), f"{name}: resource {key}") for key, table in asked.items())


def _resource(table: ResourceTable, rows: tuple[RowMapping, ...], where: str) -> Resource:
    if table.path is None or table.items is None:
        raise SettingsError(f"{where}: write path and items")
    request = RequestTable(path=table.path, params=table.params)
    _placed(request, where, frozenset({"local_id"}), frozenset({"local_id"}))
    paging = table.paging
    total = paging.total if isinstance(paging, NoPaging | PagePaging) else None
    following = paging.next if isinstance(paging, CursorPaging | LinkPaging) else None
    return Resource(
        name=table.name,
        table=table,
        path=table.path,
        items=Expression(table.items, f"{where}.items"),
        total=Expression(total, f"{where}.paging.total") if total is not None else None,
        next=Expression(following, f"{where}.paging.next") if following is not None else None,
        rows=rows,
    )


def _placed(table: _R, where: str, allowed: frozenset[str], one_of: frozenset[str] = frozenset()) -> _R:
    """The request, proved to use only placeholders that will have a value, and one that says whom it is about."""
    used: set[str] = set()
    for key, text in (("path", table.path), *((f"params.{name}", value) for name, value in table.params.items())):
        for name in _PLACEHOLDER.findall(text):
            if name not in allowed:
                choice = ", ".join(f"{{{each}}}" for each in sorted(allowed)) or "none"
                raise SettingsError(f"{where}.{key}: there is no placeholder {{{name}}} here; there is {choice}")
            used.add(name)
    if one_of and not used & one_of:
        raise SettingsError(f"{where}: the request must say whom it is about: use {{{sorted(one_of)[0]}}}")
    return table


def placeholders(table: RequestTable) -> frozenset[str]:
    """The names of the placeholders in a request."""
    return frozenset(name for text in (table.path, *table.params.values()) for name in _PLACEHOLDER.findall(text))


def filled(text: str, values: Mapping[str, str], *, in_path: bool) -> str:
    """A request text with its placeholders filled in. Raises KeyError with the name of one that has no value."""

    def value(match: re.Match[str]) -> str:
        found = values[match[1]]
        return quote(found, safe="") if in_path else found

    return _PLACEHOLDER.sub(value, text)
