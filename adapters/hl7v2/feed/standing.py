"""Results as the messages of an order leave them. HL7 v2.5.1 section 7.4.2.11 (OBX-11, table 0085) and 4.5.1 (numbers).

A result is the same result when order, code and sub-id are the same. C, D and W take its place, as does a final result
that of a preliminary one, value or none; U alone says that the preliminary value stands. Two final results that differ
and that nobody called a correction are both kept.
"""

from dataclasses import dataclass, field

from msgspec.structs import replace

from adapters.hl7v2.feed.ordering import precedes
from schema.model.clinical import DiagnosticReport, Observation
from schema.model.when import When

_CORRECTION = frozenset({"corrected", "amended", "entered-in-error"})
_OPEN = frozenset({None, "registered", "preliminary"})
_VALUES = (*(name for name in Observation.__struct_fields__ if name.startswith("value_")), "components")


class Numbers:
    """One key for what is known by a filler number, a placer number, or first by the one and then by both."""

    def __init__(self) -> None:
        self._keys: dict[tuple[str, str], str] = {}

    def key(self, filler: str | None, placer: str | None, otherwise: str) -> str:
        names = [(kind, number) for kind, number in (("F", filler), ("P", placer)) if number]
        # An order may have several fillers: the placer's number decides only where no filler's is given.
        known = self._keys.get(names[0]) if names else None
        if known is None and filler and placer:
            before = self._keys.get(("P", placer))
            known = before if before == placer else None
        key = known or filler or placer or otherwise
        for name in names:
            self._keys.setdefault(name, key)
        return key


@dataclass
class Result:
    fact: Observation
    at: When | None


@dataclass
class Standing:
    """The results of one order."""

    report: DiagnosticReport | None = None
    results: list[Result] = field(default_factory=list)

    def add(self, fact: Observation, at: When | None, *, repeats: bool = False) -> None:
        """One more result, of a message that was sent then; `repeats`: its value, left out, is what was said before."""
        known = [old for old in self.results if old.fact.native_id == fact.native_id]
        if any(replace(old.fact, native_id=fact.native_id) == fact for old in known):
            return
        same_time = [old for old in known if old.fact.effective == fact.effective]
        before = same_time or known
        if len(before) == 1 and self._follows(before[0], fact, at, repeats):
            return
        self.results.append(Result(fact, at))

    def _follows(self, old: Result, new: Observation, at: When | None, repeats: bool) -> bool:
        """Whether the new statement has found its place in the old one's."""
        if new.status in _CORRECTION or old.fact.status in _OPEN:
            # A final result without a value has none, whatever a preliminary one said: it may have been haemolysed.
            unsaid = repeats and not _says_something(new)
            old.fact = replace(old.fact, status=new.status) if unsaid else new
            old.at = at
            return True
        # The original of a correction that came late is what was corrected, unless it was certainly sent afterwards.
        return old.fact.status in _CORRECTION and not precedes(old.at, at)

    def facts(self) -> list[Observation | DiagnosticReport]:
        """What stands, every result under an id of its own."""
        counted: dict[str, int] = {}
        found: list[Observation | DiagnosticReport] = []
        for one in self.results:
            native_id = one.fact.native_id
            counted[native_id] = counted.get(native_id, 0) + 1
            again = counted[native_id]
            found.append(one.fact if again == 1 else replace(one.fact, native_id=f"{native_id}-{again}"))
        if self.report is not None:
            results = tuple(fact.native_id for fact in found)
            # A report of which every result was somebody else's, or never was, is no report about this person.
            withdrawn = bool(found) and all(fact.entered_in_error for fact in found)
            found.append(replace(self.report, results=results, entered_in_error=withdrawn))
        return found


def _says_something(fact: Observation) -> bool:
    return any(getattr(fact, name) not in (None, ()) for name in _VALUES)
