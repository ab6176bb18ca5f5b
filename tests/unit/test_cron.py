"""Cron expressions where clocks change, and those that cannot be read."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import pytest

from refold import MissingExtra, UsageError
from refold.cron import next_time, zone_of

ROME = "Europe/Rome"
GAP = datetime(2026, 3, 28, 12, tzinfo=UTC)
"""Before the night in which 02:00 is followed by 03:00."""
FOLD = datetime(2026, 10, 24, 12, tzinfo=UTC)
"""Before the night in which 03:00 is followed by 02:00."""


def times(cron: str, after: datetime, count: int, timezone: str = ROME) -> list[str]:
    """The next times, as they stand in UTC."""
    found: list[str] = []
    for _ in range(count):
        moment = next_time(cron, timezone, after)
        assert moment is not None
        found.append(f"{moment:%d %H:%M}")
        after = moment
    return found


def test_times_are_those_of_the_zone() -> None:
    assert times("0 3 * * *", datetime(2026, 1, 1, tzinfo=UTC), 2) == ["01 02:00", "02 02:00"]
    assert times("0 3 * * *", datetime(2026, 7, 1, tzinfo=UTC), 2) == ["01 01:00", "02 01:00"]
    assert times("0 3 * * *", datetime(2026, 7, 1, tzinfo=UTC), 1, "UTC") == ["01 03:00"]


def test_a_time_that_is_left_out_is_right_after_the_gap() -> None:
    assert times("30 2 * * *", GAP, 3) == ["29 01:00", "30 00:30", "31 00:30"]
    assert times("0 3 * * *", GAP, 2) == ["29 01:00", "30 01:00"]


def test_a_time_that_comes_twice_counts_the_first_time() -> None:
    assert times("30 2 * * *", FOLD, 2) == ["25 00:30", "26 01:30"]
    assert times("0,30 2 * * *", FOLD, 3) == ["25 00:00", "25 00:30", "26 01:00"]


def test_who_asks_in_between_is_told_no_time_that_has_passed() -> None:
    second_half_past_two = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert times("45 2 * * *", second_half_past_two, 1) == ["26 01:45"]


def test_what_goes_by_the_hour_or_the_minute_goes_by_the_time_that_passes() -> None:
    assert times("0 * * * *", datetime(2026, 3, 29, 0, tzinfo=UTC), 3) == ["29 01:00", "29 02:00", "29 03:00"]
    assert times("0 * * * *", datetime(2026, 10, 24, 23, 30, tzinfo=UTC), 4) == [
        "25 00:00", "25 01:00", "25 02:00", "25 03:00"
    ]  # fmt: skip
    assert times("*/20 * * * *", datetime(2026, 10, 25, 0, 30, tzinfo=UTC), 4) == [
        "25 00:40", "25 01:00", "25 01:20", "25 01:40"
    ]  # fmt: skip


def test_times_are_told_in_utc_which_needs_no_database_of_zones() -> None:
    moment = next_time("0 3 * * *", ROME, GAP)
    assert moment == datetime(2026, 3, 29, 1, tzinfo=UTC)
    assert moment is not None
    assert moment.tzinfo is UTC, "and not the zone of this machine, which may happen to be as far from it"
    assert zone_of("UTC") is UTC


def test_where_no_day_matches_there_is_no_time() -> None:
    assert next_time("0 0 */20 * 1L", "UTC", GAP) is None


@pytest.mark.parametrize(
    ("cron", "timezone", "said"),
    [
        ("", "UTC", "'' has 0 fields, not five: minute, hour,"),
        ("* * * * * *", "UTC", "has 6 fields"),
        ("@daily", "UTC", "has 1 fields"),
        ("60 * * * *", "UTC", "'60 [*] [*] [*] [*]' cannot be read, bad minute"),
        ("* * * * MOO", "UTC", "bad day-of-week"),
        ("* * * * *", "Rome", "there is no time zone 'Rome'"),
        ("* * * * *", "../etc/passwd", "no time zone"),
        ("* * * * *", "Europe", "no time zone"),
        ("* * * * *", "", "no time zone"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_way_out(cron: str, timezone: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        next_time(cron, timezone, GAP)


def test_without_cronsim_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cronsim", None)
    with pytest.raises(MissingExtra, match=r"'cronsim': pip install 'refold\[schedules\]'"):
        next_time("* * * * *", "UTC", GAP)
