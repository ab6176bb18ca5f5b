"""The demo: a day in the shop on a SQLite file, and what can be asked of it afterwards."""

from __future__ import annotations

import sys
from pathlib import Path
from time import perf_counter
from typing import Final

from examples.shop.day import CLOSES, OPENS, Day, visits
from examples.shop.people import MARK, Shop, everybody
from examples.shop.report import Played, report
from examples.shop.sales import sales
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from refold import RawEvent, RefoldError, Store

FILE: Final = Path("shop.db")
VISITS: Final = 120
SEED: Final = 1


def main() -> int:
    """Play the day on a file of its own in the working directory, and print what came of it."""
    found = FILE.exists()
    if found and not _is_ours():
        print(
            f"{FILE} is there and was not made by this demo: move it away, or run the demo elsewhere.", file=sys.stderr
        )
        return 2
    for suffix in ("", "-wal", "-shm"):
        FILE.with_name(FILE.name + suffix).unlink(missing_ok=True)
    day = Day()
    with Store.open(f"sqlite:///{FILE}", clock=day.clock) as store:
        report(store, play(day, store), FILE, replaced=found)
    return 0


def play(day: Day, store: Store) -> Played:
    """Let the day pass, with a progress bar on a terminal."""
    shop = Shop(store)
    everybody(day, shop, visits(VISITS, SEED))
    began = perf_counter()
    with _bar() as bar:
        task = bar.add_task("A day in the shop", total=(CLOSES - OPENS).total_seconds(), time="")
        for moment in day.play():
            bar.update(task, completed=(moment - OPENS).total_seconds(), time=f"{moment:%H:%M}")
    store.catch_up(sales)
    return Played(shop.handled, shop.refused, perf_counter() - began)


def _bar() -> Progress:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[time]}"))
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _is_ours() -> bool:
    """Whether the file is one that an earlier run left, finished or not."""
    try:
        with Store.open(f"sqlite:///{FILE}?mode=ro", events=[RawEvent]) as store:
            first = next(store.read(limit=1), None)
            return first is None or first.metadata.free.get("demo") == MARK
    except RefoldError:
        return False


if __name__ == "__main__":
    sys.exit(main())
