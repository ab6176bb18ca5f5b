"""Cron, as laws: times rise, none is left out or made up, in any zone, also where its clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from refold.cron import next_time

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
RANGES = {"minute": (0, 59), "hour": (0, 23), "day": (1, 28), "month": (1, 12), "weekday": (0, 6)}
ZONES = (
    "UTC",
    "Europe/Rome",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/St_Johns",
    "Asia/Kolkata",
    "Asia/Beirut",
)

zones = st.sampled_from(ZONES)
moments = st.datetimes(datetime(2000, 1, 1), datetime(2037, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the zone is beside it


@st.composite
def fields(draw: st.DrawFn, name: str) -> str:
    """One field: anything, a value, a list, a range, or steps."""
    low, high = RANGES[name]
    first, last = sorted(draw(st.lists(st.integers(low, high), min_size=2, max_size=2)))
    step = draw(st.integers(1, high - low))
    some = sorted(draw(st.sets(st.integers(low, high), min_size=1, max_size=3)))
    return draw(st.sampled_from(["*", "*", str(first), ",".join(map(str, some)), f"{first}-{last}", f"*/{step}"]))


@st.composite
def expressions(draw: st.DrawFn, *, dates: bool = True) -> str:
    """An expression; without dates it has a time each day."""
    names = list(RANGES) if dates else ["minute", "hour"]
    return " ".join([*(draw(fields(name)) for name in names), *(["*"] * (5 - len(names)))])


def values(name: str, text: str) -> set[int]:
    """What a field allows, read once more in the plainest way."""
    low, high = RANGES[name]
    if text.startswith("*"):
        return set(range(low, (31 if name == "day" else high) + 1, int(text.partition("/")[2] or 1)))
    if "-" in text:
        first, last = map(int, text.split("-"))
        return set(range(first, last + 1))
    return set(map(int, text.split(",")))


def matches(cron: str, local: datetime) -> bool:
    """Whether the hands of a clock, and the calendar, show what an expression means."""
    texts = dict(zip(RANGES, cron.split(), strict=True))
    allowed = {name: values(name, text) for name, text in texts.items()}
    day, weekday = local.day in allowed["day"], local.isoweekday() % 7 in allowed["weekday"]
    loose = texts["day"].startswith("*") or texts["weekday"].startswith("*")
    on_the_day = (day and weekday) if loose else (day or weekday)
    return on_the_day and all(
        value in allowed[name]
        for name, value in (("minute", local.minute), ("hour", local.hour), ("month", local.month))
    )


def is_quiet(moment: datetime, zone: ZoneInfo) -> bool:
    """Whether the clocks of a zone do not change within a day of it."""
    return len({(moment + hours * HOUR).astimezone(zone).utcoffset() for hours in range(-25, 26)}) == 1


@given(cron=expressions(), zone=zones, start=moments)
def test_times_rise_and_show_what_the_expression_means(cron: str, zone: str, start: datetime) -> None:
    found = [start]
    while len(found) < 6 and (following := next_time(cron, zone, found[-1])) is not None:
        found.append(following)
    assert all(one < other for one, other in pairwise(found))
    for moment in found[1:]:
        if is_quiet(moment, ZoneInfo(zone)):
            assert matches(cron, moment.astimezone(ZoneInfo(zone)))
            assert (moment.second, moment.microsecond, moment.tzinfo) == (0, 0, UTC)


@given(cron=expressions(dates=False), zone=zones, start=moments)
def test_no_time_is_left_out(cron: str, zone: str, start: datetime) -> None:
    moment = next_time(cron, zone, start)
    assert moment is not None
    assert moment - start <= 2 * DAY
    if is_quiet(start, ZoneInfo(zone)) and is_quiet(moment, ZoneInfo(zone)):
        between = start.replace(second=0, microsecond=0) + MINUTE
        while between < moment:
            assert not matches(cron, between.astimezone(ZoneInfo(zone)))
            between += MINUTE


@settings(max_examples=20)
@given(zone=zones, hour=st.integers(0, 23), minute=st.integers(0, 59), year=st.integers(2000, 2036))
def test_a_daily_job_runs_once_on_each_day_of_a_year(zone: str, hour: int, minute: int, year: int) -> None:
    local = ZoneInfo(zone)
    end, found = datetime(year + 1, 1, 1, tzinfo=local), list[datetime]()
    moment = next_time(f"{minute} {hour} * * *", zone, datetime(year, 1, 1, tzinfo=local).astimezone(UTC) - MINUTE)
    while moment is not None and moment < end:
        found.append(moment)
        moment = next_time(f"{minute} {hour} * * *", zone, moment)
    days = [each.astimezone(local).date() for each in found]
    assert days == [datetime(year, 1, 1).date() + number * DAY for number in range(len(days))]  # noqa: DTZ001 - a date
    assert len(days) in {365, 366}


@given(zone=zones, start=moments)
def test_each_minute_is_the_next_minute(zone: str, start: datetime) -> None:
    assert next_time("* * * * *", zone, start) == start.replace(second=0, microsecond=0) + MINUTE
