"""Alarm clocks: a process that sets a timer for each egg that is wanted, worked by hand, in a time that is moved by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from tests.faults.driving import Driven
from tests.faults.judging import Journal

from refold import Effect, Process, Recorded, Store, after, at, event
from refold._bridge.stepping import run_sync
from refold.flows.processes.journal import TimerSet
from refold.testing import ManualClock

HOUR: Final = timedelta(hours=1)
JUMPS: Final[Mapping[str, timedelta]] = {"back": -2 * HOUR, "ahead": 36 * HOUR}


@event("egg.wanted")
class Wanted:
    minutes: int


@event("egg.wanted-at")
class WantedAt:
    moment: datetime


@event("egg.done")
class Done:
    minutes: int


def react(e: Recorded[Wanted | WantedAt | Done], seen: int) -> Iterator[Effect]:
    """An alarm for each."""
    match e.data:
        case Wanted(minutes):
            yield after(timedelta(minutes=minutes), Done(minutes))
        case WantedAt(moment):
            yield at(moment, Done(0))
        case Done():
            pass


eggs: Final = Process("eggs", int, react, lambda seen, _: seen + 1)


def opened(clock: ManualClock, url: str = "sqlite:///:memory:") -> Store:
    """A store that goes by this clock."""
    return Store.open(url, events=[Wanted, WantedAt], clock=clock)


def work(store: Store) -> None:
    """Do what can be done now."""
    driven = Driven(store._engine.view, store._runtime, [eggs])
    while run_sync(driven.round()):
        pass


def timers_of(journal: Journal) -> Sequence[tuple[datetime, datetime]]:
    """When each timer was due, and when it came back, in the order of that."""
    due = {str(each.id): each.data.due for each in journal if isinstance(each.data, TimerSet)}
    back = [each for each in journal if isinstance(each.data, Done)]
    return [(due[str(each.metadata.causation_id)], each.recorded_at) for each in back]
