"""The short demo: a day in the shop on a SQLite file, and what can be asked of it afterwards."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from refold import RawEvent, RefoldError, Refused, Store
from refold.demo.day import CLOSES, OPENS, Day, visits
from refold.demo.people import MARK, Shop, everybody
from refold.demo.report import Played, report
from refold.demo.sales import sales

FILE: Final = "shop.db"
VISITS: Final = 120
SEED: Final = 1


def cleared(file: Path) -> bool:
    """Delete what an earlier demo left there, and say whether there was anything. The directory is made.

    Raises:
        Refused: the file was not made by the demo.
    """
    found = file.exists()
    if found and not _is_ours(file):
        raise Refused(f"{file} is there and was not made by the demo: move it away, or take another place, --at DIR.")
    for suffix in ("", "-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)
    file.parent.mkdir(parents=True, exist_ok=True)
    return found


def play(file: Path) -> None:
    """Play the day on that file, and print what came of it.

    Raises:
        Refused: the file is there, and was not made by the demo.
    """
    replaced, day = cleared(file), Day()
    with Store.open(f"sqlite:///{file}", clock=day.clock) as store:
        report(store, _played(day, store), file, replaced=replaced)


def _played(day: Day, store: Store) -> Played:
    """Let the day pass, with a progress bar on a terminal."""
    shop = Shop(store)
    everybody(day, shop, visits(VISITS, SEED))
    began = perf_counter()
    with _bar() as bar:
        task = bar.add_task("A day in the shop", total=(CLOSES - OPENS).total_seconds(), time="")
        for moment in day.play():
            shop.fulfil()
            bar.update(task, completed=(moment - OPENS).total_seconds(), time=f"{moment:%H:%M}")
    store.catch_up(sales)
    return Played(shop.handled, shop.refused, perf_counter() - began)


def _bar() -> Progress:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[time]}"))
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _is_ours(file: Path) -> bool:
    """Whether the file is one that an earlier run left, finished or not."""
    try:
        with Store.open(f"sqlite:///{file}?mode=ro", events=[RawEvent]) as store:
            first = next(store.read(limit=1), None)
            return first is None or first.metadata.free.get("demo") == MARK
    except RefoldError:
        return False
