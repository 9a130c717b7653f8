"""All pages of one resource, by the paging styles of vendor APIs, and never without an end.

A page that fails after others arrived cuts the answer: what came is kept and marked truncated. So does a vendor that
serves one page for ever, or repeats a cursor. Truth: RFC 8288 sections 3 and 3.3 (Link, rel="next"); RFC 3986 section 5
(relative links).
"""

import re
from collections.abc import AsyncGenerator, Mapping
from typing import Any
from urllib.parse import urlencode, urljoin

from msgspec import Struct

from adapters.rest.answers import Answer, Asker, listed
from adapters.rest.mapping_file import CursorPaging, LinkPaging, NoPaging, PagePaging, Resource, filled
from adapters.rest.settings import RestSettings
from adapters.sdk import Call, SourceError, SourceInvalid
from adapters.sdk.converters import Unreadable
from adapters.sdk.expressions import Expression

Params = list[tuple[str, str]]


class Pages(Struct, frozen=True, kw_only=True):
    """What was fetched of a resource."""

    parts: tuple[bytes, ...]
    truncated: bool = False
    absent: bool = False
    """True when the vendor said in so many words that there is nothing."""


class _Page(Struct, frozen=True):
    answer: Answer
    rows: list[Any]


async def fetch_pages(
    asker: Asker, resource: Resource, values: Mapping[str, str], settings: RestSettings, call: Call
) -> Pages:
    """Every page, one after the other. Raises the SourceError of the first page; later ones truncate."""
    try:
        path = filled(resource.path, values, in_path=True)
        params = [(name, filled(text, values, in_path=False)) for name, text in resource.table.params.items()]
    except KeyError:
        raise SourceInvalid("a request of the mapping has a placeholder without a value") from None
    walk = _Walk(asker, resource, settings, call)
    pages = walk.pages(path, params)
    parts: list[bytes] = []
    last: list[Any] = []
    try:
        async for page in pages:
            if page.answer.absent and not parts:
                return Pages(parts=(page.answer.body,), absent=True)
            if page.rows and page.rows == last:
                # The vendor does not know the paging parameter, and would serve this page for ever.
                return Pages(parts=tuple(parts), truncated=True)
            last = page.rows
            parts.append(page.answer.body)
    except SourceError:
        if not parts:
            raise
        return Pages(parts=tuple(parts), truncated=True)
    finally:
        await pages.aclose()
    return Pages(parts=tuple(parts), truncated=walk.cut)


class _Walk:
    """One walk through the pages; `cut` tells afterwards whether the vendor had more."""

    def __init__(self, asker: Asker, resource: Resource, settings: RestSettings, call: Call) -> None:
        self._asker, self._resource, self._call = asker, resource, call
        self._base_url = settings.base_url.rstrip("/") + "/"
        self._size = None
        self._max = 1
        paging = resource.table.paging
        if not isinstance(paging, NoPaging):
            self._size = settings.page_size or paging.size if paging.size_param is not None else None
            self._max = settings.max_pages or paging.max_pages
        self.cut = False

    def pages(self, path: str, params: Params) -> AsyncGenerator[_Page, None]:
        """The pages in order."""
        match self._resource.table.paging:
            case PagePaging() as paging:
                return self._numbered(path, params, paging)
            case CursorPaging() as paging:
                return self._by_cursor(path, params, paging)
            case LinkPaging() as paging:
                return self._by_link(path, params, paging)
            case _:
                return self._single(path, params)

    async def _page(self, path: str, params: Params) -> _Page:
        table = self._resource.table
        answer = await self._asker.get(path, params, self._call, table.empty_statuses, table.empty_codes)
        return _Page(answer, [] if answer.absent else listed(self._resource.items, answer.document))

    async def _single(self, path: str, params: Params) -> AsyncGenerator[_Page, None]:
        page = await self._page(path, params)
        total = _number(self._resource.total, page)
        self.cut = total is not None and total > len(page.rows)
        yield page

    async def _numbered(self, path: str, params: Params, paging: PagePaging) -> AsyncGenerator[_Page, None]:
        rows, size = 0, self._sized(paging.size_param)
        for number in range(paging.first, paging.first + self._max):
            page = await self._page(path, [*params, *size, (paging.page_param, str(number))])
            rows += len(page.rows)
            total = _number(self._resource.total, page)
            self.cut = total is not None and rows < total
            yield page
            if total is not None and not self.cut:
                return
            if not page.rows or (paging.short_page_is_last and self._size is not None and len(page.rows) < self._size):
                return
        self.cut = True

    async def _by_cursor(self, path: str, params: Params, paging: CursorPaging) -> AsyncGenerator[_Page, None]:
        cursor, seen, size = None, set[str](), self._sized(paging.size_param)
        for _ in range(self._max):
            at: Params = [(paging.cursor_param, cursor)] if cursor is not None else []
            page = await self._page(path, [*params, *size, *at])
            yield page
            cursor = _text(self._resource.next, page)
            if cursor is None:
                return
            if cursor in seen:
                break
            seen.add(cursor)
        self.cut = True

    async def _by_link(self, path: str, params: Params, paging: LinkPaging) -> AsyncGenerator[_Page, None]:
        params = [*params, *self._sized(paging.size_param)]
        url = urljoin(self._base_url, path.lstrip("/")) + (f"?{urlencode(params)}" if params else "")
        seen = {url}
        for _ in range(self._max):
            page = await self._page(path, params)
            yield page
            link = _text(self._resource.next, page) if paging.next is not None else _next_link(page.answer.headers)
            if link is None:
                return
            url = path = urljoin(url, link)
            params = []
            if url in seen:
                break
            seen.add(url)
        self.cut = True

    def _sized(self, param: str | None) -> Params:
        return [(param, str(self._size))] if param is not None and self._size is not None else []


def _found(expression: Expression | None, page: _Page) -> Any:
    if expression is None or page.answer.absent:
        return None
    try:
        return expression.search(page.answer.document)
    except Unreadable:
        raise SourceInvalid("the answer does not say in the mapping's way whether there is more") from None


def _number(expression: Expression | None, page: _Page) -> int | None:
    if expression is None or page.answer.absent:
        return None
    total = _found(expression, page)
    if isinstance(total, str) and total.isascii() and total.isdigit() and len(total) < 10:
        total = int(total)
    if not isinstance(total, int) or isinstance(total, bool) or total < 0:
        raise SourceInvalid("the answer does not say how many rows there are, where the mapping says it does")
    return total


def _text(expression: Expression | None, page: _Page) -> str | None:
    found = _found(expression, page)
    if found is None or found is False or found == "":
        return None
    if isinstance(found, bool) or not isinstance(found, str | int):
        raise SourceInvalid("the answer's pointer to the next page is not text")
    return str(found)


_LINK = re.compile(r"<([^<>]*)>((?:\s*;\s*[^\s=;,]+(?:\s*=\s*(?:\"[^\"]*\"|[^\s\";,]*))?)*)")
_REL = re.compile(r";\s*rel\s*=\s*(?:\"([^\"]*)\"|([^\s\";,]*))", re.IGNORECASE)


def _next_link(headers: Mapping[str, str]) -> str | None:
    """The target of the Link header's entry with rel="next"."""
    for link, parameters in _LINK.findall(headers.get("link", "")[:16_384]):
        relation = _REL.search(parameters)
        if relation and "next" in (relation[1] or relation[2] or "").lower().split():
            return str(link)
    return None
