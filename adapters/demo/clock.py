"""Dates of the demo estate, told against the clock: `{{now-8h|instant}}` becomes eight hours before now.

A token is `{{BASE|FORMAT}}`. BASE is `now` with any number of signed offsets (`now-3d+2h`; units y mo w d h m s),
optionally followed by ` at HH:MM` (UTC time of day), or `born:58:06-14`: the date with that month and day which makes
the age 58 today. `naive`, `uk` and the `hl7` formats are Europe/London wall time without a zone, as the systems that
write them do; the others are UTC.
"""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_LONDON = ZoneInfo("Europe/London")
_TOKEN = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_NOW = re.compile(r"now((?:[+-]\d+(?:mo|[ywdhms]))*)(?: at (\d{2}):(\d{2}))?")
_OFFSET = re.compile(r"([+-]\d+)(mo|[ywdhms])")
_BORN = re.compile(r"born:(\d{1,3}):(\d{2})-(\d{2})")
_SECONDS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}

_FORMATS: dict[str, Callable[[datetime], str]] = {
    "date": lambda at: f"{at:%Y-%m-%d}",
    "month": lambda at: f"{at:%Y-%m}",
    "year": lambda at: f"{at:%Y}",
    "instant": lambda at: at.isoformat(),
    "z": lambda at: f"{at:%Y-%m-%dT%H:%M:%SZ}",
    "naive": lambda at: f"{at.astimezone(_LONDON):%Y-%m-%dT%H:%M:%S}",
    "hl7date": lambda at: f"{at.astimezone(_LONDON):%Y%m%d}",
    "hl7": lambda at: f"{at.astimezone(_LONDON):%Y%m%d%H%M%S}",
    "hl7month": lambda at: f"{at.astimezone(_LONDON):%Y%m}",
    "uk": lambda at: f"{at.astimezone(_LONDON):%d/%m/%Y}",
    "epoch": lambda at: str(int(at.timestamp())),
}


def render(text: str, now: datetime) -> str:
    """`text` with every token replaced. `now` must be aware. Raises ValueError naming the first bad token."""
    if now.tzinfo is None:
        raise ValueError("the demo clock needs an aware datetime, such as datetime.now(UTC)")
    start = now.astimezone(UTC).replace(microsecond=0)
    done = _TOKEN.sub(lambda found: _one(found[1], start), text)
    if "{{" in done:
        raise ValueError("a token is opened with '{{' and never closed with '}}'")
    return done


def _one(token: str, now: datetime) -> str:
    base, bar, form = token.rpartition("|")
    if not bar or form not in _FORMATS:
        raise ValueError(f"token {{{{{token}}}}}: the format after '|' must be one of {', '.join(_FORMATS)}")
    try:
        return _FORMATS[form](_instant(base, now))
    except (ValueError, OverflowError) as error:
        raise ValueError(f"token {{{{{token}}}}}: {error}") from None


def _instant(base: str, now: datetime) -> datetime:
    if born := _BORN.fullmatch(base):
        age, month, day = (int(part) for part in born.groups())
        if (month, day) == (2, 29):
            raise ValueError("29 February is not a birthday in every year")
        today = now.astimezone(_LONDON).date()
        year = today.year - age - ((today.month, today.day) < (month, day))
        return datetime.combine(date(year, month, day), time(), UTC)
    if not (said := _NOW.fullmatch(base)):
        raise ValueError("write 'now', 'now-8h', 'now-9d at 10:15' or 'born:58:06-14'")
    at = now
    for amount, unit in _OFFSET.findall(said[1]):
        at = _shift(at, int(amount), unit)
    return at if said[2] is None else at.replace(hour=int(said[2]), minute=int(said[3]), second=0)


def _shift(at: datetime, amount: int, unit: str) -> datetime:
    """Months and years keep the day of the month, or the month's last day when it has no such day."""
    if unit in _SECONDS:
        return at + timedelta(seconds=amount * _SECONDS[unit])
    months = at.year * 12 + at.month - 1 + amount * (12 if unit == "y" else 1)
    first = at.replace(year=months // 12, month=months % 12 + 1, day=1)
    last_day = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    return first.replace(day=min(at.day, last_day.day))
