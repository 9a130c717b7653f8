"""A source that answers with other people's records is not asked again for a while (FAULTS: another patient's record).

One wrong record is one wrong record; after mismatches on three different people within ten minutes the source itself
is at fault (a mix-up of sessions, a shifted export, a mock that answers with whom it likes).
"""

from datetime import UTC, datetime, timedelta

from msgspec import Struct

MOST_KEPT = 1000
"""People remembered for one source at most; by then its circuit is long open."""


class _Circuit(Struct):
    seen: dict[str, datetime]
    open_until: datetime | None = None
    """Null while closed."""


class SubjectBreaker:
    """In memory, one for the process; not for use from several threads."""

    def __init__(
        self,
        threshold: int = 3,
        window: timedelta = timedelta(minutes=10),
        open_for: timedelta | None = timedelta(minutes=30),
    ) -> None:
        """`open_for` None: only a person closes it."""
        self._threshold = threshold
        self._window = window
        self._open_for = open_for
        self._circuits: dict[str, _Circuit] = {}

    def note_mismatch(self, source: str, person: str, now: datetime) -> bool:
        """A record of somebody else came when `person` was asked about. True when this opens the circuit."""
        circuit = self._circuits.setdefault(source, _Circuit(seen={}))
        if self._is_open(circuit, now):
            return False
        recent = {who: at for who, at in circuit.seen.items() if abs(now - at) <= self._window}
        circuit.seen = dict(list((recent | {person: now}).items())[-MOST_KEPT:])
        if len(circuit.seen) < self._threshold:
            return False
        circuit.seen = {}
        circuit.open_until = _FOREVER if self._open_for is None else now + self._open_for
        return True

    def is_open(self, source: str, now: datetime) -> bool:
        """Whether the source must not be asked and nothing of it shown."""
        circuit = self._circuits.get(source)
        return circuit is not None and self._is_open(circuit, now)

    def close(self, source: str) -> None:
        """A person has looked and trusts the source again."""
        self._circuits.pop(source, None)

    @staticmethod
    def _is_open(circuit: _Circuit, now: datetime) -> bool:
        if circuit.open_until is not None and now >= circuit.open_until:
            circuit.open_until = None
        return circuit.open_until is not None


_FOREVER = datetime.max.replace(tzinfo=UTC)
