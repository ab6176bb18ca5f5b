"""`python -m benchmarks [--quick] [--store sqlite|postgresql]`: measure, print a table, write results/latest.json."""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import tempfile
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import apsw
from rich.console import Console
from rich.table import Table

from benchmarks import raw_postgres, raw_sqlite
from benchmarks import refold_runs as by_refold
from benchmarks.measuring import Row, Work, measured
from refold import __version__
from refold.testing.postgres import postgres_server

SQLITE = (
    Work(
        "W1",
        "one event a commit, 1 client",
        "sqlite",
        "commits/s",
        0.85,
        by_refold.one_by_one(3_000),
        raw_sqlite.one_by_one,
    ),
    Work(
        "W2", "the same, 8 threads", "sqlite", "commits/s", None, by_refold.by_threads(8, 4_000), raw_sqlite.one_by_one
    ),
    Work("W2b", "the same, 64 tasks", "sqlite", "commits/s", 10, by_refold.by_tasks(64, 12_800), raw_sqlite.one_by_one),
    Work(
        "W2b", "the same, 512 tasks", "sqlite", "commits/s", 15, by_refold.by_tasks(512, 25_600), raw_sqlite.one_by_one
    ),
    Work("W3", "100 events a commit", "sqlite", "events/s", 0.7, by_refold.hundreds(200), raw_sqlite.hundreds),
    Work("W4", "state of 1,000 events", "sqlite", "loads/s", 0.9, by_refold.rehydrate(300), raw_sqlite.rehydrate),
    Work("W5", "project 100,000 events", "sqlite", "events/s", 0.6, by_refold.project(1_000), raw_sqlite.project),
    Work("W5m", "read 100,000 events", "sqlite", "events/s", 0.5, by_refold.read_all(1_000), raw_sqlite.read_all),
    Work(
        "W5m",
        "the same, by a subscription",
        "sqlite",
        "events/s",
        0.5,
        by_refold.read_all(1_000, subscribed=True),
        raw_sqlite.read_all,
    ),
    Work("W6", "whole command, 1 client", "sqlite", "commands/s", 0.8, by_refold.commands(2_000), raw_sqlite.commands),
    Work(
        "W6",
        "whole command, 64 tasks",
        "sqlite",
        "commands/s",
        None,
        by_refold.commands(6_400, 64),
        raw_sqlite.commands,
    ),
    Work(
        "W6", "the same, 16 tasks on one stream", "sqlite", "commands/s", None, by_refold.commands(1_600, 16, hot=True)
    ),
)
POSTGRES = (
    Work("W1", "one event a commit, 1 client", "postgresql", "commits/s", 0.7, by_refold.one_by_one(2_000), raw_postgres.one_by_one),
    Work("W2", "the same, 8 threads", "postgresql", "commits/s", None, by_refold.by_threads(8, 3_200), raw_postgres.one_by_one),
    Work("W2b", "the same, 64 tasks", "postgresql", "commits/s", None, by_refold.by_tasks(64, 9_600), raw_postgres.one_by_one),
    Work("W3", "100 events a commit", "postgresql", "events/s", 0.7, by_refold.hundreds(100), raw_postgres.hundreds),
    Work("W4", "state of 1,000 events", "postgresql", "loads/s", None, by_refold.rehydrate(100)),
    Work("W5", "project 100,000 events", "postgresql", "events/s", 0.6, by_refold.project(1_000), raw_postgres.project),
    Work("W5m", "read 100,000 events", "postgresql", "events/s", 0.5, by_refold.read_all(1_000), raw_postgres.read_all),
    Work("W5m", "the same, by a subscription", "postgresql", "events/s", 0.5, by_refold.read_all(1_000, subscribed=True), raw_postgres.read_all),
    Work("W6", "whole command, 1 client", "postgresql", "commands/s", None, by_refold.commands(1_000)),
    Work("W6", "whole command, 64 tasks", "postgresql", "commands/s", None, by_refold.commands(3_200, 64)),
)  # fmt: skip


@contextmanager
def sqlite_places() -> Generator[Callable[[], str]]:
    """A new file each time."""
    numbers = itertools.count()
    with tempfile.TemporaryDirectory(prefix="refold-bench-") as place:
        yield lambda: f"sqlite:///{place}/{next(numbers)}.db"


@contextmanager
def postgres_places() -> Generator[Callable[[], str]]:
    """A new database each time, on a server that waits for the disk."""
    with postgres_server(durable=True) as server:
        yield server.new_database


def main(arguments: Sequence[str] | None = None) -> None:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round instead of three")
    parser.add_argument("--store", choices=["sqlite", "postgresql"], help="only this one")
    options = parser.parse_args(arguments)
    console, rows = Console(), list[Row]()
    for store, works, places in (("sqlite", SQLITE, sqlite_places), ("postgresql", POSTGRES, postgres_places)):
        if options.store in {None, store}:
            with places() as place:
                for work in works:
                    console.print(f"[dim]{work.store} {work.name}: {work.what} ...", highlight=False)
                    rows.append(measured(work, 1 if options.quick else 3, place))
    console.print(table_of(rows))
    write(rows)


def table_of(rows: Sequence[Row]) -> Table:
    """The rows for people."""
    table = Table(box=None, padding=(0, 1))
    for name in ("work", "store", "Refold", "min-max", "raw", "of raw", "mark", ""):
        table.add_column(name, justify="left" if name in {"work", "store", ""} else "right", no_wrap=True)
    for row in rows:
        verdict = {True: "[green]met", False: "[red]missed", None: ""}[row.met]
        table.add_row(
            f"{row.work.name:4} {row.work.what}", row.work.store, f"{median(row.refold):,.0f} {row.work.unit}",
            f"{min(row.refold):,.0f}-{max(row.refold):,.0f}", f"{median(row.raw):,.0f}" if row.raw else "",
            f"{row.of_raw:.2f}" if row.of_raw else "", f"{row.work.mark or ''}", verdict,
        )  # fmt: skip
    return table


def write(rows: Sequence[Row]) -> None:
    """The rows for machines."""
    machine = {
        "refold": __version__,
        "python": platform.python_version(),
        "sqlite": apsw.sqlite_lib_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    path = Path(__file__).parent / "results" / "latest.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"machine": machine, "rows": [row.as_json() for row in rows]}, indent=2) + "\n")


if __name__ == "__main__":
    main()
