"""How an answer travels: in one piece or in parts, and in which wire format. The client says so in `Accept`.

multipart/mixed                        parts, in the format of graphql-js 17 (`pending`, `incremental`, `completed`):
                                       https://github.com/graphql/graphql-wg/blob/main/rfcs/DeferStream.md
multipart/mixed;deferSpec=20220824     parts, in the format of August 2022 (`path` and `label` on every part). A
                                       client of one format silently puts parts of the other in the wrong place.
text/event-stream, without JSON        GraphQL over server-sent events, "distinct connections":
                                       https://github.com/graphql/graphql-over-http/blob/main/rfcs/GraphQLOverSSE.md
a WebSocket                            parts and events as messages: `gateway.transport_ws`
anything else                          one JSON answer, complete
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from enum import Enum
from typing import Any

Frame = dict[str, Any]

JSON = "application/json"
GRAPHQL_JSON = "application/graphql-response+json"
MULTIPART = "multipart/mixed"
EVENTS = "text/event-stream"
BOUNDARY = b"-"


class Delivery(Enum):
    """How the client takes its answer."""

    WHOLE = "whole"
    PARTS = "parts"
    PARTS_2022 = "parts of August 2022"
    EVENTS = "server-sent events"
    MESSAGES = "messages of graphql-transport-ws"

    @property
    def lasts(self) -> bool:
        """Whether an answer may go on until somebody ends it: a subscription is given in no other way."""
        return self in (Delivery.EVENTS, Delivery.MESSAGES)


def accepted(header: str) -> dict[str, dict[str, str]]:
    """The media types of an Accept header with their parameters, without those that it refuses (q=0)."""
    found: dict[str, dict[str, str]] = {}
    for part in header.split(","):
        media_type, *parameters = (piece.strip() for piece in part.split(";"))
        named = dict(_parameter(text) for text in parameters)
        if media_type and named.get("q", "1").rstrip("0.") != "":
            found.setdefault(media_type.lower(), named)
    return found


def _parameter(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name.strip().lower(), value.strip().strip('"')


def chosen(accept: dict[str, dict[str, str]]) -> Delivery:
    """Parts where the client takes them; events where it takes neither JSON nor anything else in one piece.

    urql subscribes with `text/event-stream, multipart/mixed`, and asks for everything else with JSON among the types.
    """
    if EVENTS in accept and set(accept) <= {EVENTS, MULTIPART}:
        return Delivery.EVENTS
    if MULTIPART in accept:
        return Delivery.PARTS_2022 if accept[MULTIPART].get("deferspec") == "20220824" else Delivery.PARTS
    return Delivery.WHOLE


async def in_the_form_of_2022(frames: AsyncGenerator[Frame, None]) -> AsyncGenerator[Frame, None]:
    """Every part with the path and the label that the later format gives once, in `pending`."""
    pending: dict[str, Frame] = {}
    async with aclosing(frames):
        async for frame in frames:
            pending |= {one["id"]: one for one in frame.get("pending", ())}
            parts = [_placed(part, pending) for part in frame.get("incremental", ())]
            parts += [
                _placed({**one, "data": None}, pending) for one in frame.get("completed", ()) if one.get("errors")
            ]
            older = {
                name: value for name, value in frame.items() if name not in ("pending", "incremental", "completed")
            }
            yield older | ({"incremental": parts} if parts else {})


def _placed(part: Frame, pending: dict[str, Frame]) -> Frame:
    where = pending[part["id"]]
    label = {"label": where["label"]} if "label" in where else {}
    told = {name: value for name, value in part.items() if name not in ("id", "subPath")}
    return told | {"path": [*where["path"], *part.get("subPath", ())]} | label


def first_part(body: bytes) -> bytes:
    """The first of several parts, multipart/mixed (RFC 2046 section 5.1)."""
    return b"--%s\r\n" % BOUNDARY + part(body, more=True)


def part(body: bytes, *, more: bool) -> bytes:
    """One part. The boundary after it leaves with it: that completes the part."""
    end = b"" if more else b"--"
    return b"Content-Type: application/json; charset=utf-8\r\n\r\n" + body + b"\r\n--%s%s\r\n" % (BOUNDARY, end)


def event(body: bytes) -> bytes:
    """One event. The JSON has no line break in it."""
    return b"event: next\ndata: " + body + b"\n\n"


LAST_EVENT = b"event: complete\ndata:\n\n"
NO_EVENT = b":\n\n"
"""A comment: it says that somebody is still there."""
