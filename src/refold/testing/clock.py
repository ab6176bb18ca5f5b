"""A clock that moves when it is told to, and gives ids that can be foretold."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from refold.clock import as_datetime, as_microseconds, uuid7


class ManualClock:
    """Stands still until it is moved. Ids are UUIDv7 of its time, with a counter where others have randomness.

    `time` is what it shows, as a `datetime`: reckon with that. `now()` is what a store asks of any clock, in microseconds.
    """

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = as_microseconds(start)
        self._ids = 0

    def now(self) -> int:
        """Microseconds since 1970 UTC."""
        return self._now

    def new_id(self) -> bytes:
        """The next id."""
        self._ids += 1
        return uuid7(self._now * 4_096 // 1_000, self._ids.to_bytes(8, "big"))

    @property
    def time(self) -> datetime:
        """What it shows, in UTC: `clock.time + timedelta(hours=1)`."""
        return as_datetime(self._now)

    def move(self, by: timedelta) -> datetime:
        """Move it forward, or back, and say what it shows then."""
        self._now += by // timedelta(microseconds=1)
        return self.time

    def set(self, moment: datetime) -> None:
        """Set it to a time, which must know its time zone."""
        self._now = as_microseconds(moment)
