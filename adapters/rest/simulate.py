"""Vendor APIs on a loopback port, with the habits of real ones: own paging, own auth, errors inside HTTP 200.

`vendor_app` serves any vendor described by a `VendorApi`; `pharmacy_api` and `telehealth_api` describe two of the demo
estate, `adapters.demo.vendors` the others. What it serves are the vendor's own JSON texts, digits kept. OAuth 2.0
client credentials: RFC 6749 sections 2.3.1 and 4.4. Basic authentication: RFC 7617.
"""

import asyncio
import base64
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import unquote_plus

from aiohttp import web

from adapters.testing.simulation import json_bytes, raw_json

Row = dict[str, Any]
PagingStyle = Literal["none", "page", "cursor", "link", "body_link"]
"""How more rows are announced: not, by a total, by a cursor, by a Link header, by an address in the answer."""


@dataclass(frozen=True)
class ApiKey:
    """A fixed key in a header."""

    header: str
    key: str


@dataclass(frozen=True)
class User:
    """A user name and a password with each request (HTTP Basic)."""

    name: str
    password: str


@dataclass(frozen=True)
class ClientCredentials:
    """OAuth 2.0: a token from `token_path` for this client, then the token as a bearer."""

    token_path: str
    client_id: str
    client_secret: str


@dataclass(frozen=True)
class Collection:
    """Rows about people: asked for under `route`, with the person in the path (`{id}`) or in the parameter `by`."""

    route: str
    rows: tuple[Row, ...]
    owner: str
    """Where in a row its person is named; dots go down into it."""
    by: str | None = None
    paging: PagingStyle = "none"


@dataclass
class VendorApi:
    """One vendor: what it holds, how it answers, and, changeable at any time, what it does wrong."""

    people: tuple[Row, ...]
    people_route: str
    number: str
    """Where in a person the identifier is, and below the parameter that searches it."""
    number_param: str
    local_id: str
    collections: tuple[Collection, ...]
    auth: ApiKey | User | ClientCredentials
    status_route: str
    items_key: str = "items"
    person_key: str | None = None
    """Under which key one person is answered; null for a person without anything around them."""
    demographics: Mapping[str, str] = field(default_factory=dict)
    """Parameter -> key of a person: a search without a number needs them all and finds whom they all fit."""
    page_param: str = "page"
    size_param: str = "size"
    first_page: int = 1
    says_total: bool = True
    """False for a vendor that numbers its pages and never says how many rows there are."""
    errors_in_200: bool = False
    """True for a vendor that says NOT_FOUND and the like with HTTP 200."""
    max_page: int = 50
    """Rows a page at most, whatever is asked for."""

    tokens: set[str] = field(default_factory=set)
    cursors: dict[str, tuple[str, str, int]] = field(default_factory=dict)

    error: str | None = None
    """Answer every question with this error code, with HTTP status 200."""
    fails_at: int | None = None
    """Answer HTTP 503 from this page of a collection on (the first page is 0)."""
    broken_routes: frozenset[str] = frozenset()
    """Collections that answer HTTP 500."""
    searches_fail: frozenset[str] = frozenset()
    """Searches by "number" or by "demographics" that answer HTTP 503."""
    searches_wait: dict[str, asyncio.Event] = field(default_factory=dict)
    """Searches that give no answer until this is set."""
    cursors_expire: bool = False
    """Every cursor handed out is already too old when it is used."""
    ignores_search: bool = False
    """Answer a search with everybody, as an API does that does not know the parameter."""
    mixes_people: bool = False
    """Answer for one person with everybody's rows."""
    stuck: bool = False
    """Serve the first page again and again, as if there were always more."""


def rows_of(text: str) -> tuple[Row, ...]:
    """The rows of a vendor's JSON text, numbers with their digits."""
    return tuple(raw_json(text))


def pharmacy_api(files: Mapping[str, str], api_key: str) -> VendorApi:
    """The pharmacy vendor. `files` maps "patients", "dispenses", "vaccinations" and "notes" to JSON texts."""
    return VendorApi(
        people=rows_of(files["patients"]),
        people_route="/v1/patients",
        number="nhsNumber",
        number_param="nhsNumber",
        local_id="patientId",
        collections=tuple(
            Collection(f"/v1/patients/{{id}}/{name}", rows_of(files[name]), "patientId", paging="page")
            for name in ("dispenses", "vaccinations", "notes")
        ),
        auth=ApiKey("X-Api-Key", api_key),
        status_route="/v1/status",
    )


def telehealth_api(files: Mapping[str, str], client_id: str, client_secret: str) -> VendorApi:
    """The home monitoring vendor. `files` maps "members", "readings" and "messages" to JSON texts."""
    return VendorApi(
        people=rows_of(files["members"]),
        people_route="/api/members",
        number="nhs_no",
        number_param="nhs",
        local_id="id",
        collections=tuple(
            Collection(f"/api/{name}", rows_of(files[name]), "member_id", by="member", paging="cursor")
            for name in ("readings", "messages")
        ),
        auth=ClientCredentials("/oauth/token", client_id, client_secret),
        status_route="/api/me",
        items_key="data",
        person_key="data",
        size_param="limit",
        errors_in_200=True,
        max_page=3,
    )


def vendor_app(api: VendorApi) -> web.Application:
    """An application that behaves as `api` says; serve it with `adapters.testing.simulation.http_server`."""
    vendor = _Vendor(api)
    app = web.Application(middlewares=[vendor.guard])
    app.router.add_get(api.status_route, vendor.status)
    app.router.add_get(api.people_route, vendor.search)
    app.router.add_get(f"{api.people_route}/{{id}}", vendor.person)
    for collection in api.collections:
        app.router.add_get(collection.route, vendor.collection_handler(collection))
    if isinstance(api.auth, ClientCredentials):
        app.router.add_post(api.auth.token_path, vendor.token)
    return app


class _Vendor:
    def __init__(self, api: VendorApi) -> None:
        self._api = api

    @web.middleware
    async def guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """Credentials first, then the error that is switched on, then the question."""
        auth = self._api.auth
        if isinstance(auth, ClientCredentials) and request.path == auth.token_path:
            return await handler(request)  # type: ignore[no-any-return]
        if isinstance(auth, ApiKey):
            known = hmac.compare_digest(request.headers.get(auth.header, "").encode(), auth.key.encode())
        else:
            scheme, _, said = request.headers.get("Authorization", "").partition(" ")
            if isinstance(auth, User):
                wanted = base64.b64encode(f"{auth.name}:{auth.password}".encode())
                known = scheme.lower() == "basic" and hmac.compare_digest(said.encode(), wanted)
            else:
                known = scheme.lower() == "bearer" and said in self._api.tokens
        if not known:
            return _json({"error": {"code": "UNAUTHENTICATED"}}, status=401)
        if self._api.error is not None:
            return _json({"error": {"code": self._api.error}})
        return await handler(request)  # type: ignore[no-any-return]

    async def token(self, request: web.Request) -> web.StreamResponse:
        """Client credentials in the header or in the form; a token that lives for an hour."""
        auth = self._api.auth
        form = await request.post()
        client = (str(form.get("client_id", "")), str(form.get("client_secret", "")))
        scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "basic":
            name, _, secret = base64.b64decode(encoded).decode().partition(":")
            client = (unquote_plus(name), unquote_plus(secret))
        if not isinstance(auth, ClientCredentials) or client != (auth.client_id, auth.client_secret):
            return _json({"error": "invalid_client"}, status=401)
        if form.get("grant_type") != "client_credentials":
            return _json({"error": "unsupported_grant_type"}, status=400)
        token = secrets.token_urlsafe(24)
        self._api.tokens.add(token)
        return _json({"access_token": token, "token_type": "Bearer", "expires_in": 3600})

    async def status(self, request: web.Request) -> web.StreamResponse:
        return _json({"status": "ok"})

    async def search(self, request: web.Request) -> web.StreamResponse:
        """By identifier, written as this vendor writes it: another spacing finds nobody. Or by every demographic."""
        api, query = self._api, request.query
        if query.get(api.number_param):
            how, asked = "number", {api.number: query[api.number_param]}
        elif api.demographics and all(query.get(name) for name in api.demographics):
            how, asked = "demographics", {key: query[name] for name, key in api.demographics.items()}
        else:
            return _json({"error": {"code": "PARAMETER_MISSING"}}, status=400)
        if how in api.searches_wait:
            await api.searches_wait[how].wait()
        if how in api.searches_fail:
            return _json({"error": {"code": "BUSY"}}, status=503)
        found = [row for row in api.people if api.ignores_search or _fits(row, asked)]
        return _json({api.items_key: found})

    async def person(self, request: web.Request) -> web.StreamResponse:
        found = next((row for row in self._api.people if self._id(row) == request.match_info["id"]), None)
        if found is None:
            return self._unknown()
        return _json(found if self._api.person_key is None else {self._api.person_key: found})

    def collection_handler(self, collection: Collection) -> Any:
        async def handler(request: web.Request) -> web.StreamResponse:
            if collection.route in self._api.broken_routes:
                return _json({"error": {"code": "INTERNAL"}}, status=500)
            person = request.query.get(collection.by, "") if collection.by else request.match_info["id"]
            if person not in {self._id(row) for row in self._api.people}:
                return self._unknown()
            mixed = self._api.mixes_people
            rows = [row for row in collection.rows if mixed or str(_at(row, collection.owner)) == person]
            return self._paged(request, collection, person, rows)

        return handler

    def _paged(self, request: web.Request, collection: Collection, person: str, rows: list[Row]) -> web.StreamResponse:
        api = self._api
        size = min(int(request.query.get(api.size_param, api.max_page)), api.max_page)
        match collection.paging:
            case "page" | "link" | "body_link":
                index = int(request.query.get(api.page_param, api.first_page)) - api.first_page
            case "cursor" if "cursor" in request.query:
                known = self._api.cursors.pop(request.query["cursor"], None)
                if known is None or known[:2] != (collection.route, person) or self._api.cursors_expire:
                    return _json({"error": {"code": "CURSOR_EXPIRED"}})
                index = known[2]
            case "none":
                index, size = 0, max(1, len(rows))
            case _:
                index = 0
        if api.fails_at is not None and index >= api.fails_at:
            return _json({"error": {"code": "BUSY"}}, status=503)
        at = 0 if api.stuck else index
        shown = rows[at * size : (at + 1) * size]
        more = api.stuck or (index + 1) * size < len(rows)
        body: dict[str, Any] = {api.items_key: shown}
        headers = {}
        if collection.paging == "page" and api.says_total:
            body |= {api.page_param: index + api.first_page, "total": 10**6 if api.stuck else len(rows)}
        elif collection.paging == "cursor":
            body["next"] = self._cursor(collection.route, person, index + 1) if more else None
        elif collection.paging == "body_link":
            body["links"] = {"next": self._page(request, index + 1, size) if more else None}
        elif collection.paging == "link" and more:
            first, following = (f"<{self._page(request, each, size)}>" for each in (0, index + 1))
            headers["Link"] = f'{first}; rel="first", {following}; title="more, please"; rel="next"'
        return _json(body, headers=headers)

    def _page(self, request: web.Request, index: int, size: int) -> str:
        """The address of a page, relative to this server."""
        asked = {self._api.page_param: str(index + self._api.first_page), self._api.size_param: str(size)}
        return str(request.rel_url.update_query(asked))

    def _cursor(self, route: str, person: str, index: int) -> str:
        cursor = secrets.token_urlsafe(12)
        self._api.cursors[cursor] = (route, person, index)
        return cursor

    def _id(self, row: Row) -> str:
        return str(row[self._api.local_id])

    def _unknown(self) -> web.StreamResponse:
        return _json({"error": {"code": "NOT_FOUND"}}, status=200 if self._api.errors_in_200 else 404)


def _at(row: Any, key: str) -> Any:
    for name in key.split("."):
        row = row[name]
    return row


def _fits(row: Row, asked: Mapping[str, str]) -> bool:
    """Capitals make no difference; a row that lacks what is asked for does not fit."""
    return all(str(_at(row, key) or "").casefold() == value.casefold() for key, value in asked.items())


def _json(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(
        body=json_bytes(value), status=status, headers=headers, content_type="application/json", charset="utf-8"
    )
