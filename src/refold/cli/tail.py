"""`refold tail`: the newest events of the store, and those to come."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

import click

from refold.cli.events import OF_THE_STORE, Event
from refold.cli.exits import Interrupted
from refold.cli.options import a_start, journals_option, output_option, reading, store_option
from refold.cli.output import chosen, print_list
from refold.cli.paging import Page
from refold.cli.saying import write
from refold.cli.values import for_people, on_one_line
from refold.eventlogs.exporter import csv_row
from refold.messages import Position
from refold.query import Query
from refold.store import Store

_NEWEST = 20
_PAUSE = 0.25
"""Seconds between two looks for new events."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Which events: of a category, of some types, both, or all."""

    store: Store = field(repr=False)
    category: str | None
    types: tuple[str, ...]
    journals: bool

    def forward(self, after: int | None = None, since: datetime | None = None) -> Iterator[Event]:
        events = self.store.read(
            category=self.category, query=self._query, after=after, since=since, journals=self.journals
        )
        return self._of_types(events)

    def newest(self, count: int) -> list[Event]:
        events = self.store.read(
            category=self.category, query=self._query, direction="backward", journals=self.journals
        )
        return list(islice(self._of_types(events), count))[::-1]

    @property
    def _query(self) -> Query | None:
        return Query.of(types=self.types) if self.types and self.category is None else None

    def _of_types(self, events: Iterator[Event]) -> Iterator[Event]:
        return (event for event in events if not self.types or event.type in self.types)


@click.command(
    "tail",
    short_help="Show the newest events, and follow them.",
    help="""Show the newest events of the store, oldest first; with --from all since then; with --follow those to come, too.

    What processes keep for themselves is left out, unless their category or a type is named, or --journals is given.

    \b
    Examples:
      refold tail --store shop.db
      refold tail --store shop.db --category cart --limit 5
      refold tail --store shop.db --type cart.item-added --from -1h
      refold tail --store shop.db --from 2 --output jsonl
    """,
)
@store_option
@click.option("--category", help="Only events of streams of this category.")
@click.option("--type", "types", multiple=True, help="Only events of this type; may be given several times.")
@click.option(
    "--from",
    "start",
    type=a_start,
    metavar="POS|TIME",
    help="From this position on, or recorded since a time: 2026-01-31T12:00, or -1h for an hour ago.",
)
@click.option(
    "--limit", type=click.IntRange(1), metavar="N", help=f"At most so many; without --from, the newest {_NEWEST}."
)
@journals_option
@click.option("--follow", "-f", is_flag=True, help="Wait for new events and show them, until Ctrl-C.")
@output_option()
def command(
    url: str,
    category: str | None,
    types: tuple[str, ...],
    start: Position | datetime | None,
    limit: int | None,
    output: str,
    *,
    journals: bool,
    follow: bool,
) -> None:
    """See `help` above."""
    if follow and output == "json":
        raise click.UsageError("--follow never ends, so it is no JSON list: take --output jsonl.")
    with reading(url) as store:
        wanted = _Wanted(store, category, types, journals)
        if follow:
            _follow(wanted, start, limit, chosen(output))
            return
        page = Page(_begun(wanted, start, limit), limit, lambda event: int(event.position) + 1)
        print_list(OF_THE_STORE, page, output, page.next, "no events.")


def _begun(wanted: _Wanted, start: Position | datetime | None, limit: int | None) -> Iterator[Event]:
    match start:
        case None:
            return iter(wanted.newest(limit or _NEWEST))
        case datetime():
            return wanted.forward(since=start)
        case _:
            return wanted.forward(after=start - 1)


def _follow(wanted: _Wanted, start: Position | datetime | None, limit: int | None, output: str) -> None:
    seen = int(wanted.store.head())
    try:
        if output == "csv":
            write(csv_row(OF_THE_STORE.csv_header))
        for event in islice(_endless(wanted, _begun(wanted, start, limit)), limit):
            _print(event, output)
            seen = int(event.position)
    except KeyboardInterrupt:
        raise Interrupted(f"stopped after position {seen}: go on with --from {seen + 1} --follow.") from None


def _endless(wanted: _Wanted, begun: Iterator[Event]) -> Iterator[Event]:
    seen = int(wanted.store.head())
    while True:
        for event in begun:
            yield event
            seen = max(seen, int(event.position))
        time.sleep(_PAUSE)
        begun = wanted.forward(after=seen)


def _print(event: Event, output: str) -> None:
    if output == "table":
        from refold.cli.tables import fields, print_line  # noqa: PLC0415 - rich is loaded when it is needed

        place = f"{event.position:>8}  {for_people(event.recorded_at)}  "
        stream, type = on_one_line(str(event.stream)), on_one_line(event.type)
        print_line((place, "dim"), (f"{stream}  ", ""), (f"{type}  ", "cyan"), *fields(event.data.data))
    elif output == "csv":
        write(csv_row(OF_THE_STORE.csv_row(event)))
    else:
        print_list(OF_THE_STORE, [event], output)
    sys.stdout.flush()  # somebody waits for it, in a pipe too
