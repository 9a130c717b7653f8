"""HL7 time stamps to clinical time. HL7 v2.5.1 section 2.A.22 (DTM) and 2.A.77 (TS).

`195806` is June 1958 and stays it. Without an offset a time is wall time where the sender is.
"""

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from schema.model.when import When

_DTM = re.compile(
    r"(\d{4})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:\.(\d{1,6}))?)?)?)?)?)?([+-]\d{4})?", re.ASCII
)
_DEGREE = {"Y": 1, "L": 2, "D": 3, "H": 3, "M": 5}
"""TS.2, the older way to say how much of the time stamp is meant, as a number of parts."""


def when(text: str, zone: ZoneInfo, degree: str | None = None) -> When:
    """Read a DTM. Raises ValueError when it is none, or names a day that does not exist."""
    match = _DTM.fullmatch(text)
    if match is None:
        raise ValueError("not an HL7 time stamp")
    *numbers, fraction, offset = match.groups()
    parts = tuple(int(number) for number in numbers if number is not None)
    if fraction is not None:
        parts += (int(fraction.ljust(6, "0")),)
    # All that was written must exist, also what is cut off below.
    year, month, day = (*parts, 1, 1)[:3]
    hour, minute, second, microsecond = (*parts[3:], 0, 0, 0, 0)[:4]
    datetime(year, month, day, hour, minute, second, microsecond)
    limit = _DEGREE.get(degree or "", 7)
    # An hour alone has no precision of its own in `When`: kept as the day, which is wider, never as a minute.
    length = 3 if min(len(parts), limit) == 4 else limit
    return When.of(text, parts[:length], zone, _offset(offset))


def _offset(text: str | None) -> timedelta | None:
    if text is None:
        return None
    minutes = int(text[1:3]) * 60 + int(text[3:])
    if minutes > 14 * 60 or int(text[3:]) > 59:
        raise ValueError("not an offset from UTC")
    return timedelta(minutes=-minutes if text[0] == "-" else minutes)
