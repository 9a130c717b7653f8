"""The explorer page, and the policy under which a browser may run it: its own script and style, its own endpoint."""

import base64
import hashlib
import re
from functools import cache
from importlib.resources import files


@cache
def page() -> str:
    """The page: one file, one script, one style, nothing from elsewhere."""
    return files("gateway").joinpath("explorer.html").read_text(encoding="utf-8")


@cache
def policy() -> str:
    """Content-Security-Policy (W3C CSP Level 3): script and style by their hashes, no other origin, no frame."""
    script, style = (
        base64.b64encode(hashlib.sha256(re.findall(pattern, page(), re.DOTALL)[0].encode()).digest()).decode()
        for pattern in (r"<script>(.*?)</script>", r"<style>(.*?)</style>")
    )
    return (
        f"default-src 'none'; script-src 'sha256-{script}'; style-src 'sha256-{style}'; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )
