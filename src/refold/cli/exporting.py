"""`refold export`: events out of a store, in the formats that other tools read."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast, get_args

import click

from refold.backup.drafts import PRIVATE
from refold.cli.events import Event
from refold.cli.exits import Interrupted
from refold.cli.modes import mode_of_store
from refold.cli.nearby import no_such_stream
from refold.cli.options import journals_option, reading, store_option
from refold.cli.progress import Tell, progress
from refold.cli.saying import say, write
from refold.errors import Refused, UsageError
from refold.eventlogs.exporter import FORMATS, Choices, format_of, writer_of
from refold.eventlogs.recorded import record_of
from refold.eventlogs.whole import whole_file
from refold.eventlogs.xeswriting import By
from refold.query import Query
from refold.store import Store

_TOLD_EVERY = 1_000


@click.command(
    "export",
    short_help="Export events: JSONL, CSV, Parquet, XES, OCEL, CloudEvents.",
    help="""Export events, in the order of their positions, to FILE, or with - to stdout.

    The end of the name tells the format: .jsonl, .csv, .parquet, .xes, .ocel.json (OCEL 2.0) or .cloudevents.jsonl.
    `refold import` makes the same events of each in another store. FILE is there whole, or not at all.

    \b
    Examples:
      refold export events.jsonl --store shop.db
      refold export carts.csv --store shop.db --category cart
      refold export - --store shop.db --stream cart-c-1
      refold export stories.xes --store shop.db --by correlation
      refold export shop.ocel.json --store shop.db
      refold export events.jsonl --store shop.db --yes
    """,
)
@click.argument("file", default="-")
@store_option
@click.option("--stream", help="Only this stream.")
@click.option("--category", help="Only streams of this category.")
@click.option("--type", "types", multiple=True, help="Only events of this type; may be given several times.")
@click.option(
    "--format", type=click.Choice(list(FORMATS)), help="Told by the end of the name; on stdout jsonl, if not given."
)
@click.option("--by", type=click.Choice(get_args(By)), help="What a trace of XES is: a stream, if not given.")
@click.option("--source", metavar="URI", help="The source of CloudEvents: /refold, if not given.")
@journals_option
@click.option("--yes", is_flag=True, help="Replace FILE if it is there.")
def command(
    file: str,
    url: str,
    stream: str | None,
    category: str | None,
    types: tuple[str, ...],
    format: str | None,
    *,
    by: By | None,
    source: str | None,
    journals: bool,
    yes: bool,
) -> None:
    """See `help` above."""
    format = format or ("jsonl" if file == "-" else format_of(file))
    choices, write = _choices(format, by, source), writer_of(format)
    if file == "-" and format == "parquet":
        raise UsageError("Parquet is written to a file, not to stdout: name one.")
    if file != "-" and Path(file).exists() and not yes:
        raise Refused(f"{file!r} is there already: choose another name, or replace it with --yes.")
    with reading(url) as store, progress() as tell, _opened(file, url) as out:
        counted = _Counted(_wanted(store, stream, category, types, journals=journals), int(store.head()), tell)
        write(map(record_of, counted), out, choices)
    if file != "-":
        say(f"exported {counted.count:,} event{'' if counted.count == 1 else 's'} to {file}")


def _choices(format: str, by: By | None, source: str | None) -> Choices:
    if by is not None and format != "xes":
        raise UsageError(f"--by tells what a trace of XES is, and {format} has none.")
    if source is not None and format != "cloudevents":
        raise UsageError(f"--source is an attribute of CloudEvents, and {format} has none.")
    return Choices(by or Choices().by, source or Choices().source)


def _wanted(
    store: Store, stream: str | None, category: str | None, types: tuple[str, ...], *, journals: bool
) -> Iterator[Event]:
    if stream is not None and next(store.read(stream, limit=1), None) is None:
        raise no_such_stream(store, stream)
    query = Query.of(types=types) if types and stream is None and category is None else None
    events = store.read(stream, category=category, query=query, journals=journals)
    return (event for event in events if not types or event.type in types)


class _Counted:
    """Events on their way out, told and counted."""

    def __init__(self, events: Iterable[Event], head: int, tell: Tell) -> None:
        self._events, self._head, self._tell = events, head, tell
        self.count = 0

    def __iter__(self) -> Iterator[Event]:
        for event in self._events:
            yield event
            self.count += 1
            if self.count % _TOLD_EVERY == 0:
                self._tell("export", int(event.position), self._head)
        self._tell("export", self._head, self._head)


@contextmanager
def _opened(file: str, url: str) -> Generator[BinaryIO]:
    """Where the bytes go: to stdout, or to a file that is there when all are, for those who may read the store's."""
    if file == "-":
        yield cast("BinaryIO", _Terminal()) if sys.stdout.isatty() else sys.stdout.buffer
        return
    try:
        mode = mode_of_store(url)
        with whole_file(Path(file), PRIVATE if mode is None else mode) as out:
            yield out
    except KeyboardInterrupt:
        raise Interrupted(f"stopped: {file!r} was not written. The same command begins anew.") from None


class _Terminal:
    """Bytes for somebody who looks: with nothing in them that a terminal would obey."""

    def write(self, some: bytes) -> int:
        write(some.decode("utf-8", "replace"))
        return len(some)

    def writelines(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        sys.stdout.flush()
