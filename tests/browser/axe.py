"""Accessibility as axe-core judges it: https://github.com/dequelabs/axe-core, the rules of WCAG 2.2 at A and AA."""

from collections.abc import Mapping

from tests.browser.webdriver import Browser
from tests.graphql.clients import WEB

AXE = WEB / "node_modules" / "axe-core" / "axe.min.js"
_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_JUDGE = """
const [tags, done] = arguments;
axe.run(document, { runOnly: { type: "tag", values: tags }, resultTypes: ["violations"] }).then((found) =>
  done(found.violations.filter((one) => ["serious", "critical"].includes(one.impact)).flatMap((one) =>
    one.nodes.map((node) => [one.id, node.target.flat().join(" "), node.any.concat(node.all, node.none)
      .map((check) => check.message).join("; ")]))), (error) => done([["axe", "", String(error)]]));
"""


def violations(page: Browser, known: Mapping[tuple[str, str], str] | None = None) -> list[str]:
    """What is serious or critical: "rule at element: why", without what is known.

    `known` names a rule and a part of the element's selector, with the reason why it is not ours to mend. One that is
    no longer found is reported too: it must leave the list.
    """
    page.run(AXE.read_text(encoding="utf-8"))
    found = page.call("POST", "/execute/async", {"script": _JUDGE, "args": [_TAGS]})
    known = known or {}
    excused = {(rule, part) for rule, where, _ in found for named, part in known if rule == named and part in where}
    wrong = [
        f"{rule} at {where}: {why}"
        for rule, where, why in found
        if not any(rule == named and part in where for named, part in known)
    ]
    return wrong + [f"{rule} at {part} is known and no longer found" for rule, part in known.keys() - excused]
