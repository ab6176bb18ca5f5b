"""`python -m benchmarks [--quick|--long] [--store ...] [--only W1,W2]`: measure, print a table, write results/latest.json.

Refold, the raw limit and the peers take turns at the same work. A figure stands only beside its verdict: all that was
acknowledged is there, in order, and nothing was lost.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from benchmarks.graphs import draw
from benchmarks.growing import grown
from benchmarks.machine import described, durability, load
from benchmarks.marks import Row
from benchmarks.neighbours import WAYS, Neighbour, neighbours
from benchmarks.places import Places, jetstream_places, postgres_places, replicated_places, sqlite_places
from benchmarks.reacting import reactions
from benchmarks.remembering import remembered
from benchmarks.rounds import Pace, measured
from benchmarks.starting import started
from benchmarks.tables import complaints, legend, tables_of
from benchmarks.works import works

STORES: Mapping[str, Places] = {
    "sqlite": sqlite_places,
    "postgresql": postgres_places,
    "jetstream-r1": jetstream_places,
    "jetstream-r3": replicated_places,
}
RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Form:
    """How long it may take: how many rounds of how many seconds, how far stores grow, how many events memory is watched for.

    `few`: of the rows on JetStream only some.
    """

    pace: Pace
    sizes: Sequence[int]
    remembered: int
    few: bool = False


FORMS = {
    "quick": Form(Pace(3, 0.1), (10_000, 100_000), 100_000, few=True),
    "usual": Form(Pace(5, 1.0), (10_000, 100_000), 1_000_000),
    "long": Form(Pace(5, 2.0), (10_000, 100_000, 1_000_000, 10_000_000), 1_000_000),
}


def rows_of(store: str, form: Form, peers: Sequence[Neighbour], wanted: Callable[[str], bool]) -> Iterator[Row]:
    """All rows of one kind of store."""
    with STORES[store]() as place:
        has_sql = not store.startswith("jetstream")
        for work in (*works(store, peers, few=form.few), *(reactions(store) if has_sql else ())):
            if wanted(work.name):
                yield from measured(work, form.pace, place)
        if not has_sql:
            return
        if wanted("growth"):
            yield from grown(store, place, form.sizes, form.pace)
        if wanted("memory"):
            yield from remembered(store, place, form.remembered, form.pace)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it. 1 if Refold itself lost anything."""
    options = _options(arguments)
    console, form = Console(stderr=True), FORMS[options.form]
    begun, left_out, rows = time.monotonic(), list[str](), list[Row]()
    only = options.only.split(",") if options.only else []
    with neighbours(left_out.append, WAYS if options.peers else ()) as peers:
        for line in left_out:
            console.print(line, highlight=False)
        machine = described(peers, left_out)
        machine["durability"] = {store: durability(store, STORES[store]) for store in options.store}
        for row in _all(
            options.store, form, peers, lambda name: not only or name.partition("/")[0] in only or name in only
        ):
            console.print(f"[dim]{row.store} {row.work} {row.unit} ...", highlight=False)
            rows.append(row)
    machine |= {"form": options.form, "load_after": load(), "seconds": round(time.monotonic() - begun)}
    _print(rows, machine)
    _write(options.results, {"machine": machine, "rows": [row.as_json() for row in rows]})
    return 1 if any("refold" in row.wrong for row in rows) else 0


def _all(stores: Sequence[str], form: Form, peers: Sequence[Neighbour], wanted: Callable[[str], bool]) -> Iterator[Row]:
    if wanted("start"):
        yield from started(form.pace)
    for store in stores:
        yield from rows_of(store, form, peers, wanted)


def _print(rows: Sequence[Row], machine: Mapping[str, object]) -> None:
    console = Console(width=None if sys.stdout.isatty() else 220)
    for table in tables_of(rows):
        console.print(table, "")
    for line in legend(rows):
        console.print(line, style="dim", highlight=False)
    for line in complaints(rows):
        console.print(line, style="red", highlight=False)
    shown = ("refold", "python", "sqlite", "system", "cores", "load", "load_after", "fsync_ms", "at", "form", "seconds")
    console.print(", ".join(f"{name} {machine[name]}" for name in shown), style="dim", highlight=False)


def _write(directory: Path, results: Mapping[str, object]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "latest.json").write_text(json.dumps(results, indent=2) + "\n", "utf-8")
    draw(results, directory)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.set_defaults(form="usual")
    parser.add_argument("--quick", dest="form", action="store_const", const="quick", help="small, in a few minutes")
    parser.add_argument("--long", dest="form", action="store_const", const="long", help="up to 10M events, for hours")
    parser.add_argument("--store", action="append", choices=list(STORES), help="only this one")
    parser.add_argument("--only", metavar="NAMES", help="only these: W1,W6,hot,process,growth,memory,start")
    parser.add_argument("--no-peers", dest="peers", action="store_false", help="without other libraries")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="DIR", help="where to write")
    options = parser.parse_args(arguments)
    options.store = options.store or list(STORES)
    return options


if __name__ == "__main__":
    sys.exit(main())
