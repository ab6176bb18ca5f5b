"""Figures as people read them: counts, sizes, times and spans."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

_THIN: Final = "\u202f"
_UNITS: Final = ("B", "kB", "MB", "GB", "TB")


def count(number: int) -> str:
    """A number with thin spaces: 2 168."""
    return f"{number:,}".replace(",", _THIN)


def size(number: int) -> str:
    """Bytes in the unit that gives at most four digits."""
    value, unit = float(number), 0
    while value >= 1_000 and unit < len(_UNITS) - 1:  # noqa: PLR2004
        value, unit = value / 1_000, unit + 1
    return f"{value:.1f}{_THIN}{_UNITS[unit]}" if unit else f"{number}{_THIN}B"


def clock(moment: datetime) -> str:
    """The time of day, to the millisecond."""
    return f"{moment:%H:%M:%S}.{moment.microsecond // 1_000:03}"


def stamp(moment: datetime) -> str:
    """The day and the time, to the millisecond."""
    return f"{moment:%Y-%m-%d} {clock(moment)}"


def span(length: timedelta) -> str:
    """A span in the largest unit that it fills: 19.6 s, 4 min 12 s, 3 h 5 min, 2 d 4 h."""
    seconds = length.total_seconds()
    if seconds < 0:
        return f"-{span(-length)}"
    if seconds < 1:
        return f"{seconds * 1_000:.0f}{_THIN}ms"
    if seconds < 60:  # noqa: PLR2004
        return f"{seconds:.1f}{_THIN}s"
    whole = int(seconds)
    for unit, name, lower, below in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= unit:
            rest = whole % unit // lower
            return f"{whole // unit}{_THIN}{name}" + (f" {rest}{_THIN}{below}" if rest else "")
    return f"{whole}{_THIN}s"


def about(length: timedelta) -> str:
    """A span in its largest unit alone."""
    return span(length).split(" ")[0]


def counted(number: int, noun: str) -> str:
    """So many of a thing."""
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"
