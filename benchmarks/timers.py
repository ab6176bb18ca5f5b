"""`python -m benchmarks.timers [--pending N] [--due N]`: timers that are due at once among many that are not, and what these cost.

Each must come back once, none before its time, in the order of being due: else there are no figures.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from benchmarks.places import postgres_places, sqlite_places
from refold import Effect, Process, Recorded, Store, at, event

A_TIME = 100
"""So many timers are set by one input."""
REST = 10.0
"""Seconds for which a runner with nothing to do is watched."""


@event("alarms.wanted")
class Wanted:
    moments: list[datetime]


@event("alarms.rang")
class Rang:
    due: datetime


@event("noise")
class Noise:
    number: int


def react(e: Recorded[Wanted | Rang], rung: int) -> Iterator[Effect]:
    """An alarm at each of the moments."""
    if isinstance(e.data, Wanted):
        yield from (at(moment, Rang(moment)) for moment in e.data.moments)


ALARMS = Process("alarms", int, react, lambda rung, event: rung + isinstance(event, Rang))


@dataclass
class Appends:
    """About a hundred a second, until they are told to stop."""

    store: Store
    stop: threading.Event = field(default_factory=threading.Event)
    took: list[float] = field(default_factory=list[float])

    def run(self) -> None:
        """Append, and take the time."""
        while not self.stop.wait(0.01):
            start = time.perf_counter()
            self.store.append(f"noise-{len(self.took) % 100}", [Noise(len(self.took))])
            self.took.append((time.perf_counter() - start) * 1e3)


def at_rest(store: Store) -> float:
    """Percent of a core that a runner takes with nothing to do, of this program."""
    with store.run(ALARMS):
        time.sleep(2)
        started = time.process_time()
        time.sleep(REST)
        return (time.process_time() - started) / REST * 100


def want(store: Store, moments: Sequence[datetime], name: str) -> float:
    """Let timers be set, a hundred by each instance, and say how many seconds that took."""
    started = time.perf_counter()
    for first in range(0, len(moments), A_TIME):
        store.append(f"{name}-{name}{first}", [Wanted(list(moments[first : first + A_TIME]))])
    store.process(ALARMS).catch_up()
    return time.perf_counter() - started


def measured(url: str, pending: int, due: int) -> dict[str, float]:
    """The figures of one store."""
    with Store.open(url, events=[Wanted, Rang, Noise]) as store:
        store.process(ALARMS).catch_up()
        idle = at_rest(store)
        later = datetime.now(UTC) + timedelta(days=1)
        set_in = want(store, [later + timedelta(seconds=n) for n in range(pending)], "later")
        idle_with = at_rest(store)
        soon = datetime.now(UTC) + timedelta(seconds=max(5.0, due / 100))
        want(store, [soon + timedelta(microseconds=n) for n in range(due)], "soon")
        assert datetime.now(UTC) < soon, "they are due before all of them are set: give it more time"
        appends = Appends(store)
        thread = threading.Thread(target=appends.run)
        with store.run(ALARMS):
            thread.start()
            while len(store.process(ALARMS).timers(limit=pending + due)) > pending:
                time.sleep(0.5)
            time.sleep(0.5)
            appends.stop.set()
            thread.join()
        late = verdict(store, due)
        return {
            "pending": pending, "set, timers/s": pending / set_in, "at rest without, % CPU": idle,
            "at rest with them, % CPU": idle_with, "due at once": due, "late p50, ms": median(late), "late max, ms": max(late),
            "appends meanwhile": len(appends.took), "append p50, ms": median(appends.took), "append max, ms": max(appends.took),
        }  # fmt: skip


def verdict(store: Store, due: int) -> Sequence[float]:
    """By how many milliseconds each was late. Raises `AssertionError` if one was early, lost, doubled, or out of order."""
    rang = [each for each in store.read(category="$process.alarms") if isinstance(each.data, Rang)]
    moments = [each.data.due for each in rang if isinstance(each.data, Rang)]
    assert len(moments) == due, f"{len(moments)} of {due} came back"
    assert moments == sorted(set(moments)), "one came back twice, or out of order"
    late = [(each.recorded_at - moment) / timedelta(milliseconds=1) for each, moment in zip(rang, moments, strict=True)]
    assert min(late) >= 0, f"one was {-min(late):.1f} ms early"
    return late


def main() -> None:
    """Measure, print, and write it down."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--pending", type=int, default=100_000)
    arguments.add_argument("--due", type=int, default=1_000)
    arguments.add_argument("--store", choices=["sqlite", "postgresql", "both"], default="both")
    asked = arguments.parse_args()
    found: dict[str, dict[str, float]] = {}
    for name, places in (("sqlite", sqlite_places), ("postgresql", postgres_places)):
        if asked.store in {name, "both"}:
            with places() as place:
                found[name] = measured(place(), asked.pending, asked.due)
            for what, figure in found[name].items():
                print(f"{name:12}{what:28}{figure:12,.2f}")
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    (results / "timers.json").write_text(json.dumps(found, indent=1), "utf-8")


if __name__ == "__main__":
    main()
