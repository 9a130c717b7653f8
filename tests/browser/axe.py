"""Accessibility as axe-core judges it: https://github.com/dequelabs/axe-core, the rules of WCAG 2.2 at A and AA."""

from collections.abc import Mapping

from tests.browser.webdriver import Browser
from tests.graphql.clients import WEB

AXE = WEB / "node_modules" / "axe-core" / "axe.min.js"
_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_JUDGE = """
const [tags, known, done] = arguments;
const options = { runOnly: { type: "tag", values: tags }, resultTypes: ["violations"], elementRef: true };
const why = (node) => [...node.any, ...node.all, ...node.none].map((check) => check.message).join("; ");
axe.run(document, options).then(({ violations }) => {
  const grave = violations.filter((one) => ["serious", "critical"].includes(one.impact));
  const found = grave.flatMap(({ id, nodes }) => nodes.map((node) => ({ id, node })));
  const isKnown = ({ id, node }) => id in known && node.element.matches(known[id]);
  const gone = Object.keys(known).filter((rule) => !found.some((one) => one.id === rule && isKnown(one)));
  done([
    ...found.filter((one) => !isKnown(one)).map(({ id, node }) => `${id} at ${node.target.join(" ")}: ${why(node)}`),
    ...gone.map((rule) => `${rule} at ${known[rule]} is known and no longer found`),
  ]);
}, (error) => done([String(error)]));
"""


def violations(page: Browser, known: Mapping[str, str] | None = None) -> list[str]:
    """What is serious or critical: "rule at element: why", without what is known.

    `known` gives for a rule the CSS selector of elements that are not ours to mend; the test says why. One that is no
    longer found is reported too: it must leave the list.
    """
    page.run(AXE.read_text(encoding="utf-8"))
    script = {"script": _JUDGE, "args": [_TAGS, dict(known or {})]}
    return [str(line) for line in page.call("POST", "/execute/async", script)]
