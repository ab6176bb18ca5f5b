"""`python -m benchmarks.snapshotting`: loads of long streams with snapshots, and whole commands with a cache of states.

Every state is compared with what was appended: else there are no figures.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.places import postgres_places, sqlite_places
from benchmarks.subject import DEPOSITED, Deposit, Deposited, accounts
from refold import CommandStreams, Snapshots, Store

EVERY = 500
SHORT = 1_000
LOADS = 200
STREAMS = 40
ROUNDS = 3


def milliseconds(call: Callable[[], object], times: int) -> float:
    """The median of so many calls."""
    taken: list[float] = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        taken.append((time.perf_counter() - start) * 1e3)
    return median(taken)


def fill(store: Store, stream: str, events: int) -> None:
    """A stream of so many deposits of 1."""
    for first in range(0, events, 1_000):
        store.append(stream, [DEPOSITED] * min(1_000, events - first))


def loads(store: Store, events: int) -> Iterator[tuple[str, float]]:
    """A short stream without snapshots, a long one with, and the past of that."""
    fill(store, "account-short", SHORT)
    fill(store, "account-long", events)
    plain, kept = store.bind(accounts), store.bind(accounts, snapshots=Snapshots(every=EVERY, keep=20))
    start = time.perf_counter()
    assert plain.state("long") == events
    yield "long, from the first event, ms", (time.perf_counter() - start) * 1e3
    start = time.perf_counter()
    for part in range(1, 11):
        kept.snapshot("long", as_of=events * part // 10 - EVERY + 1)
    yield "ten snapshots, taken, ms", (time.perf_counter() - start) * 1e3
    assert (kept.state("long"), kept.load("long").began) == (
        events,
        events - EVERY + 1,
    )  # as far behind as they ever are
    short = milliseconds(lambda: plain.state("short"), LOADS)
    long = milliseconds(lambda: kept.state("long"), LOADS)
    yield "short, without snapshots, ms", short
    yield f"long, with the last snapshot {EVERY - 1} events ago, ms", long
    yield "ratio (mark: at most 2)", long / short


def _next_command(bound: CommandStreams[Deposit, int, Deposited], turn: Iterator[str]) -> None:
    bound.handle(next(turn), Deposit(1))


def commands(store: Store) -> Iterator[tuple[str, float]]:
    """Whole commands, in turn without and with a cache, and with snapshots."""
    for size in (20, 1_000):
        kinds = {
            "plain": store.bind(accounts),
            "with a cache": store.bind(accounts, cache=1_000),
            "with snapshots": store.bind(accounts, snapshots=Snapshots(every=EVERY if size > EVERY else 10)),
        }
        ids = {kind: [f"{kind}-{size}-{number}" for number in range(STREAMS)] for kind in kinds}
        for kind, bound in kinds.items():
            for id in ids[kind]:
                fill(store, f"account-{id}", size)
                assert bound.state(id) == size
        rounds: dict[str, list[float]] = {kind: [] for kind in kinds}
        for _ in range(ROUNDS):
            for kind, bound in kinds.items():
                turn = iter(ids[kind])
                per_call = milliseconds(partial(_next_command, bound, turn), STREAMS)
                rounds[kind].append(1_000 / per_call)
        for kind, bound in kinds.items():
            assert [bound.state(id) for id in ids[kind]] == [size + ROUNDS] * STREAMS
        for kind, figures in rounds.items():
            yield f"commands/s on streams of about {size} events, {kind}", median(figures)


def main() -> None:
    """Measure, print, and write it down."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--events", type=int, default=1_000_000)
    arguments.add_argument("--events-postgresql", type=int, default=100_000)
    asked = arguments.parse_args()
    found: dict[str, dict[str, float]] = {}
    places = (("sqlite", sqlite_places, asked.events), ("postgresql", postgres_places, asked.events_postgresql))
    for name, opened, events in places:
        with opened() as place, Store.open(place()) as store:
            found[name] = {"events": events, **dict(commands(store)), **dict(loads(store, events))}
        for what, figure in found[name].items():
            print(f"{name:12}{what:64}{figure:12,.2f}")
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    (results / "snapshotting.json").write_text(json.dumps(found, indent=1), "utf-8")


if __name__ == "__main__":
    main()
