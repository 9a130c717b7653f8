"""A message cut into what it says about each person. HL7 v2.5.1 section 2.5.2: segments belong to the PID before them.

What stands before the first PID (EVN, SCH, RF1, PRD) is about everybody in the message, mostly one.
"""

from collections.abc import Iterator

from adapters.hl7v2.parser import Message, Segment


class Block:
    """The segments of a message that are about one person, with the event that sent them."""

    def __init__(self, event: str, segments: list[Segment]) -> None:
        self.event = event
        self.segments = segments

    def all(self, name: str) -> list[Segment]:
        return [segment for segment in self.segments if segment.name == name]

    def first(self, name: str) -> Segment | None:
        return next((segment for segment in self.segments if segment.name == name), None)

    def notes_of(self, segment: Segment) -> list[Segment]:
        """The NTE that stand directly after a segment."""
        found: list[Segment] = []
        inside = False
        for one in self.segments:
            if one is segment:
                inside = True
            elif inside and one.name == "NTE":
                found.append(one)
            elif inside:
                break
        return found

    def notes_after(self, names: frozenset[str]) -> list[Segment]:
        """Every NTE that follows a segment of one of these names."""
        return [note for note, owner in self._owned() if owner in names]

    def without(self, names: frozenset[str]) -> list[Segment]:
        """The other segments; the NTE of a segment go with it."""
        lost = {id(note) for note in self.notes_after(names)}
        return [segment for segment in self.segments if segment.name not in names and id(segment) not in lost]

    def _owned(self) -> Iterator[tuple[Segment, str]]:
        owner = ""
        for segment in self.segments:
            if segment.name == "NTE":
                yield segment, owner
            else:
                owner = segment.name

    def groups(self, first: str) -> Iterator["Block"]:
        """What begins with each segment of that name; what stands before the first one is left out."""
        current: list[Segment] = []
        for segment in self.segments:
            if segment.name == first:
                if current:
                    yield Block(self.event, current)
                current = [segment]
            elif current:
                current.append(segment)
        if current:
            yield Block(self.event, current)


def blocks(message: Message) -> list[Block]:
    """One block for each PID, in order."""
    event = message.header.text(9, 2) or ""
    before: list[Segment] = []
    found: list[list[Segment]] = []
    for segment in message.segments[1:]:
        if segment.name == "PID":
            found.append([segment])
        elif found:
            found[-1].append(segment)
        else:
            before.append(segment)
    return [Block(event, before + segments) for segments in found]
