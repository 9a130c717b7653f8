"""docs/how-to/deploy.md as its reader follows it: the blocks that stand below `<!-- tested: NAME -->`."""

import re
import shutil
import subprocess
from pathlib import Path

from tests.deploy.dockerfile import ROOT

PAGE = ROOT / "docs" / "how-to" / "deploy.md"
TEXT = PAGE.read_text(encoding="utf-8")


def block(name: str) -> str:
    """The text of one of them."""
    (found,) = re.findall(rf"^<!-- tested: {name} -->\n```\w+\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    return str(found)


def make_site(folder: Path) -> Path:
    """Do what the page says, in a checkout below `folder`: the folder of the site that comes of it."""
    checkout = folder / "checkout"
    shutil.copytree(ROOT / "deploy", checkout / "deploy")
    subprocess.run(["bash", "-euo", "pipefail", "-c", block("site")], cwd=checkout, check=True, timeout=60)
    return folder / "ravensbrook"
