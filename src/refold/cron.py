"""Cron: the times that an expression means, on the clocks of a time zone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from refold.errors import MissingExtra, UsageError

_FIELDS = "minute, hour, day of the month, month and day of the week, as in '0 3 * * *'"


def next_time(cron: str, timezone: str, after: datetime) -> datetime | None:
    """The first time after another one, in UTC; `None` if none comes within fifty years.

    Where clocks change, it is as in Debian's cron. A job of fixed hours whose time is left out runs right after the gap, and
    one whose time comes twice runs the first time. One whose minute or hour begins with `*` goes by the time that passes.

    Raises:
        UsageError: it is no expression of five fields, or there is no such time zone.
        MissingExtra: cronsim is not installed.
    """
    zone = zone_of(timezone)
    return next(
        (found for each in _times(cron, after.astimezone(zone)) if (found := each.astimezone(UTC)) > after), None
    )


def zone_of(timezone: str) -> tzinfo:
    """A time zone by its name in the database of the IANA.

    Raises:
        UsageError: there is none.
    """
    if timezone == "UTC":
        return UTC
    try:
        return ZoneInfo(timezone)
    except (KeyError, ValueError, OSError) as error:
        raise UsageError(f"there is no time zone {timezone!r} here: write one as 'Europe/Rome', or 'UTC'.") from error


def _times(cron: str, start: datetime) -> Iterator[datetime]:
    try:
        from cronsim import CronSim, CronSimError  # noqa: PLC0415 - an extra, loaded when an expression is read
    except ImportError as error:
        raise MissingExtra("cronsim", "schedules") from error
    if (count := len(cron.split())) != 5:  # noqa: PLR2004 - named in the sentence
        raise UsageError(f"the cron expression {cron!r} has {count} fields, not five: {_FIELDS}.")
    try:
        return iter(CronSim(cron, start))
    except CronSimError as error:
        raise UsageError(
            f"the cron expression {cron!r} cannot be read, {str(error).lower()}: five fields, {_FIELDS}."
        ) from error
