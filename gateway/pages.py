"""The pages that a browser opens: the viewer at `/`, GraphiQL at `/graphql`.

npm builds both from web/ into `gateway/built`; the wheel carries them. Where they were not built, `/graphql` shows the
hand-written explorer, which needs no build, and `/` leads there. Nothing in a page comes from another host, and each
leaves with the policy (W3C Content Security Policy Level 3) that a browser holds it to.
"""

import base64
import hashlib
import mimetypes
import re
from importlib.resources import files
from pathlib import Path

import msgspec
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response

from gateway.documents import read_manifest

BUILT = Path(str(files("gateway"))) / "built"
_OWN = (
    "default-src 'none'; script-src 'self'; {style}; font-src 'self'; worker-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_VIEWER = _OWN.format(style="style-src 'self'")
_GRAPHIQL = _OWN.format(style="style-src 'self' 'unsafe-inline'")
"""Its editor writes its colours into style elements."""
_FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
"""The name of an asset holds the hash of what is in it."""


class Page(msgspec.Struct, frozen=True):
    """One page and the policy that it leaves with."""

    html: str
    policy: str

    def response(self, headers: dict[str, str]) -> Response:
        """The page, with these headers beside its own."""
        return HTMLResponse(self.html, headers={**headers, "Content-Security-Policy": self.policy})


class Pages:
    """The pages of one process, read once."""

    def __init__(self, built: Path = BUILT) -> None:
        self.viewer = _built(built / "viewer" / "index.html", _VIEWER)
        """None where npm has not built it."""
        self.graphiql = _built(built / "graphiql" / "index.html", _GRAPHIQL) or explorer()
        self.documents = tuple(read_manifest(_text(built / "documents.json") or "{}").values())
        """What the viewer asks."""
        self._licences = _text(built / "licenses.txt")
        self._assets = {path.name: path for path in (built / "assets").glob("*")}

    async def licences(self, _: Request) -> Response:
        """What the pages are made of, each package with the licence that asks to be shown."""
        if self._licences is None:
            return Response(status_code=404)
        return PlainTextResponse(self._licences, headers={"X-Content-Type-Options": "nosniff"})

    async def asset(self, request: Request) -> Response:
        """A script, style or font of a page, compressed where the client takes it. Only names that the build made."""
        path = self._assets.get(request.path_params["name"])
        if path is None:
            return Response(status_code=404)
        headers = {**_FOR_EVER, "Vary": "Accept-Encoding"}
        media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        smaller = self._assets.get(f"{path.name}.gz")
        if smaller is not None and "gzip" in request.headers.get("accept-encoding", ""):
            return FileResponse(smaller, media_type=media_type, headers={**headers, "Content-Encoding": "gzip"})
        return FileResponse(path, media_type=media_type, headers=headers)


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _built(path: Path, policy: str) -> Page | None:
    html = _text(path)
    return None if html is None else Page(html, policy)


def explorer() -> Page:
    """The hand-written explorer: one file, its one script and its one style allowed by their hashes."""
    html = files("gateway").joinpath("explorer.html").read_text(encoding="utf-8")
    script, style = (
        base64.b64encode(hashlib.sha256(re.findall(pattern, html, re.DOTALL)[0].encode()).digest()).decode()
        for pattern in (r"<script>(.*?)</script>", r"<style>(.*?)</style>")
    )
    return Page(
        html,
        f"default-src 'none'; script-src 'sha256-{script}'; style-src 'sha256-{style}'; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'",
    )
