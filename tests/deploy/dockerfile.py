"""A Dockerfile read and replayed without an engine, and what a .dockerignore leaves of a folder.

The format: docs.docker.com/reference/dockerfile. Only what ours uses is understood; anything else is an error here, so
that nothing is overlooked.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from msgspec import Struct

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "deploy" / "Dockerfile"
IGNORE = ROOT / "deploy" / "Dockerfile.dockerignore"

_WORDS = {
    *("ARG", "COPY", "RUN", "ENV", "WORKDIR"),
    *("USER", "VOLUME", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD"),
}


class Instruction(Struct, frozen=True):
    """One of them, its lines joined."""

    word: str
    text: str

    @property
    def exec_form(self) -> list[str]:
        """["program", "argument"]; ValueError when it is written as text for a shell."""
        command: list[str] = json.loads(self.text)
        return command

    @property
    def files(self) -> tuple[list[str], str]:
        """COPY: from where, to where."""
        *sources, target = [part for part in self.text.split() if not part.startswith("--")]
        return sources, target

    @property
    def stage(self) -> str | None:
        """COPY: the earlier stage from which, or None where it is the context."""
        found = re.match(r"--from=(\w+) ", self.text)
        return found[1] if found else None

    @property
    def variables(self) -> dict[str, str]:
        """ENV: what is set."""
        return dict(part.split("=", 1) for part in self.text.split())


class Stage(Struct, frozen=True):
    """From one FROM to the next."""

    name: str
    image: str
    """With the arguments that stand before the first FROM filled in."""
    instructions: list[Instruction]

    def all(self, word: str) -> list[Instruction]:
        """Those of one kind, in order."""
        return [one for one in self.instructions if one.word == word]

    def last(self, word: str) -> Instruction:
        """The one that counts."""
        return self.all(word)[-1]


def stages(text: str) -> list[Stage]:
    """Every stage of a Dockerfile."""
    arguments: dict[str, str] = {}
    found: list[Stage] = []
    for instruction in _instructions(text):
        if instruction.word == "FROM":
            match = re.fullmatch(r"(\S+) AS (\w+)", instruction.text)
            assert match, "each stage has a name"
            image = re.sub(r"\$\{(\w+)\}", lambda name: arguments[name[1]], match[1])
            found.append(Stage(match[2], image, []))
        elif not found:
            assert instruction.word == "ARG", "only ARG may stand before the first FROM"
            name, _, value = instruction.text.partition("=")
            arguments[name] = value
        else:
            assert instruction.word in _WORDS, f"{instruction.word} is not expected here"
            found[-1].instructions.append(instruction)
    return found


def _instructions(text: str) -> Iterator[Instruction]:
    joined = ""
    for line in text.splitlines():
        if line.lstrip().startswith("#") or not line.strip():
            continue
        joined += line.lstrip() if line.startswith(" ") else line
        if joined.endswith("\\"):
            joined = joined[:-1]
            continue
        word, _, rest = joined.partition(" ")
        yield Instruction(word, rest.strip())
        joined = ""
    assert not joined, "the last line goes on"


# --- .dockerignore ----------------------------------------------------------------------------------------------------


def sent(paths: Iterable[str], ignore: str) -> list[str]:
    """Those of the paths that reach the builder: the last pattern that takes a path, or a folder above it, decides."""
    patterns = [
        (not line.startswith("!"), re.compile(_pattern(line.lstrip("!").strip("/"))))
        for line in ignore.splitlines()
        if line.strip() and not line.startswith("#")
    ]
    return [path for path in paths if not _left_out(path, patterns)]


def _left_out(path: str, patterns: list[tuple[bool, re.Pattern[str]]]) -> bool:
    parts = path.split("/")
    above = ["/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]
    verdict = False
    for out, pattern in patterns:
        if any(pattern.fullmatch(one) for one in above):
            verdict = out
    return verdict


def _pattern(written: str) -> str:
    known = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(known.get(part, re.escape(part)) for part in re.split(r"(\*\*/|\*\*|\*|\?)", written))


def files_of_the_house() -> list[str]:
    """Every file that is, or is about to be, in the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        timeout=60,
    )
    return [path for path in listed.stdout.decode().split("\0") if path and (ROOT / path).is_file()]


def send_context(folder: Path) -> None:
    """What a builder would be sent."""
    for path in sent(files_of_the_house(), IGNORE.read_text(encoding="utf-8")):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, folder / path)


# --- Replaying --------------------------------------------------------------------------------------------------------


def replay(
    stage: Stage, context: Path, root: Path, environment: Mapping[str, str], earlier: Mapping[str, Path] | None = None
) -> None:
    """Do what a stage does, below `root` in place of /. Commands are run by sh, their absolute paths moved there.

    `earlier` are the roots of the stages that it copies from, by their names.
    """
    where, env = root, dict(environment)
    for instruction in stage.instructions:
        match instruction.word:
            case "WORKDIR":
                where = root / instruction.text.lstrip("/")
                where.mkdir(parents=True, exist_ok=True)
            case "ENV":
                env |= instruction.variables
            case "COPY":
                _copy(instruction, context, where, earlier or {})
            case "RUN":
                moved = re.sub(r"(?<![^\s=])/(?=build|srv)", f"{root}/", instruction.text)
                done = subprocess.run(
                    ["sh", "-ec", moved], cwd=where, env=env, capture_output=True, text=True, check=False, timeout=600
                )
                assert done.returncode == 0, f"{instruction.text}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
            case other:
                raise AssertionError(f"{other} is not replayed")


def _copy(instruction: Instruction, context: Path, where: Path, earlier: Mapping[str, Path]) -> None:
    sources, target = instruction.files
    if instruction.stage:
        context, sources = earlier[instruction.stage], [source.lstrip("/") for source in sources]
    for source in sources:
        if (context / source).is_dir():
            shutil.copytree(context / source, where / target, dirs_exist_ok=True)
        else:
            (where / target).mkdir(parents=True, exist_ok=True)
            shutil.copy2(context / source, where / target)


def bare_environment(first: Path) -> dict[str, str]:
    """This machine's, with `first` in front of PATH and nothing that points Python elsewhere."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    return kept | {"PATH": f"{first}{os.pathsep}{os.environ['PATH']}"}
