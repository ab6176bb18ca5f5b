"""`python -m benchmarks.rebuilding [--events N]`: a read model built anew while people append to it and read it.

Every answer that a reader gets must be the sums at some moment, none earlier than the one before: else there are no figures.
"""

from __future__ import annotations

import argparse
import json
import resource
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from statistics import median

from benchmarks.places import postgres_places, sqlite_places
from refold import Projection, Recorded, Statement, Store, event, sql

ACCOUNTS = 1_000


@event("paid")
class Paid:
    account: int
    amount: int


def sums(version: int) -> Projection:
    """The sum and the number of payments of each account; a new version counts in other units."""
    projection = Projection(
        "sums",
        version=version,
        schema="create table sums (account integer primary key, amount bigint, payments bigint)",
    )
    add = (
        "insert into sums values (:account, :amount, 1) on conflict (account) do update"
        " set amount = sums.amount + excluded.amount, payments = sums.payments + 1"
    )

    @projection.on(Paid)
    def paid(event: Recorded[Paid]) -> Iterator[Statement]:
        yield sql(add, account=event.data.account, amount=event.data.amount * version)

    return projection


@dataclass
class Traffic:
    """Writers and readers, until they are told to stop."""

    store: Store
    stop: threading.Event = field(default_factory=threading.Event)
    appends: list[float] = field(default_factory=list[float])
    reads: list[float] = field(default_factory=list[float])
    answers: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])

    def append(self) -> None:
        """About a hundred payments a second."""
        while not self.stop.wait(0.01):
            start = time.perf_counter()
            self.store.append(f"account-{len(self.appends) % ACCOUNTS}", [Paid(len(self.appends) % ACCOUNTS, 1)])
            self.appends.append((time.perf_counter() - start) * 1e3)

    def read(self) -> None:
        """About fifty questions a second."""
        while not self.stop.wait(0.02):
            start = time.perf_counter()
            ((amount, payments),) = self.store.query(
                "select coalesce(sum(amount), 0), coalesce(sum(payments), 0) from sums"
            )
            self.reads.append((time.perf_counter() - start) * 1e3)
            self.answers.append((int(str(amount)), int(str(payments))))

    def verdict(self) -> None:
        """Raises `AssertionError` if a reader saw what never was."""
        counts = [payments for _, payments in self.answers]
        assert counts == sorted(counts), "a reader saw an earlier state"
        assert all(amount in {payments, 2 * payments} for amount, payments in self.answers), (
            "a reader saw two versions at once"
        )


def measured(url: str, events: int) -> dict[str, float]:
    """The figures of one rebuild."""
    with Store.open(url, events=[Paid]) as store:
        for first in range(0, events, 1_000):
            store.append(
                f"account-{first // 1_000 % ACCOUNTS}", [Paid((first + i) % ACCOUNTS, 1) for i in range(1_000)]
            )
        start = time.perf_counter()
        store.catch_up(sums(1))
        first_build = time.perf_counter() - start
        traffic = Traffic(store)
        threads = [threading.Thread(target=traffic.append), threading.Thread(target=traffic.read)]
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with store.run(sums(1), lease=timedelta(seconds=2)), store.run(sums(2), lease=timedelta(seconds=2)):
            start = time.perf_counter()
            for thread in threads:
                thread.start()
            while store.model(sums(2)).status().version != 2:
                time.sleep(0.1)
            seconds = time.perf_counter() - start
            store.wait_for("sums", store.head(), timeout=60)
            time.sleep(0.5)
            traffic.stop.set()
            for thread in threads:
                thread.join()
            store.wait_for("sums", store.head(), timeout=60)
        traffic.verdict()
        assert store.query("select sum(amount), sum(payments) from sums") == [(2 * store.head(), store.head())]
        return {
            "events": events, "first build, events/s": events / first_build, "rebuild, s": seconds,
            "rebuild, events/s": events / seconds, "appends meanwhile": len(traffic.appends),
            "append p50, ms": median(traffic.appends), "append max, ms": max(traffic.appends),
            "reads meanwhile": len(traffic.reads), "read p50, ms": median(traffic.reads), "read max, ms": max(traffic.reads),
            "grown by, MB": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1_024,
        }  # fmt: skip


def main() -> None:
    """Measure, print, and write it down."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--events", type=int, default=100_000)
    arguments.add_argument("--store", choices=["sqlite", "postgresql", "both"], default="both")
    asked = arguments.parse_args()
    found: dict[str, dict[str, float]] = {}
    for name, places in (("sqlite", sqlite_places), ("postgresql", postgres_places)):
        if asked.store in {name, "both"}:
            with places() as place:
                found[name] = measured(place(), asked.events)
            for what, figure in found[name].items():
                print(f"{name:12}{what:24}{figure:12,.1f}")
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    (results / "rebuilding.json").write_text(json.dumps(found, indent=1), "utf-8")


if __name__ == "__main__":
    main()
